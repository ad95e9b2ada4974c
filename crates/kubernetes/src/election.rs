//! Leader election on a Lease.

use std::time::Duration;

use http::Method;
use loadline_model::Time;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::announce::Announcer;
use crate::api::{Api, ApiError, Ask, JSON};
use crate::client::Connection;
use crate::clock;
use crate::fence::Fence;
use crate::follow::LONGEST_UNREACHABLE;
use crate::lease::{Candidate, Record};
use crate::recorder::hostname;

/// How the leader is elected. The names are those of `leaderElection` in the configuration.
#[derive(Clone, Debug)]
pub struct ElectionOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long others leave a Lease alone that is not renewed.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// Pause between two tries.
    pub retry_period: Duration,
}

/// A candidate for the lead, and the leader.
#[derive(Debug)]
pub struct Election {
    api: Api,
    options: ElectionOptions,
    candidate: Candidate,
    /// The Lease as it was last read or written: what others put there is kept.
    lease: Value,
    fence: Fence,
    reported: Option<String>,
    announcer: Announcer,
}

impl Election {
    /// A candidate that has not looked at the Lease yet. Its identity is the host's name and a random part.
    pub fn new(connection: &Connection, options: ElectionOptions, announcer: Announcer) -> Self {
        let identity = format!("{}_{}", hostname(), random_uuid());
        let seconds = options.lease_duration.as_secs() as i64;
        Self {
            api: connection.lease.clone(),
            options,
            candidate: Candidate::new(identity, seconds),
            lease: Value::Null,
            fence: Fence::closed(),
            reported: None,
            announcer,
        }
    }

    /// Open while the Lease is certainly held.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Name of the candidate in the Lease.
    pub fn identity(&self) -> &str {
        self.candidate.identity()
    }

    /// Returns once the Lease is won.
    pub async fn win(&mut self) {
        info!(lease = self.name(), identity = self.identity(), "waiting for the lease");
        loop {
            let try_once = timeout(self.request_timeout(), self.try_once()).await;
            let mut pause = jittered(self.options.retry_period);
            match try_once {
                Ok(Ok(true)) => break,
                Ok(Ok(false)) => debug!(lease = self.name(), holder = self.candidate.holder(), "the lease is held"),
                Ok(Err(error)) => {
                    if error.is_unreachable() {
                        pause = pause.min(clock::about(LONGEST_UNREACHABLE));
                    }
                    warn!(lease = self.name(), %error, "can not take the lease; trying again");
                }
                Err(_) => warn!(lease = self.name(), "no answer about the lease in time; trying again"),
            }
            self.report();
            sleep(pause).await;
        }
        self.report();
        info!(lease = self.name(), identity = self.identity(), "leading");
        self.announce_meanwhile("became leader");
    }

    /// Renews the Lease, and returns once that failed for too long. The fence is closed then.
    pub async fn hold(&mut self) {
        let deadline = self.options.renew_deadline.as_nanos() as Time;
        let mut since = clock::now();
        loop {
            sleep(self.options.retry_period).await;
            let left = since + deadline - clock::now();
            if left <= 0 {
                break;
            }
            let limit = self.request_timeout().min(Duration::from_nanos(left as u64));
            match timeout(limit, self.try_once()).await {
                Ok(Ok(true)) => since = clock::now(),
                Ok(Ok(false)) => {
                    warn!(lease = self.name(), holder = self.candidate.holder(), "the lease is another's");
                    break;
                }
                Ok(Err(error)) => warn!(lease = self.name(), %error, "can not renew the lease; trying again"),
                Err(_) => warn!(lease = self.name(), "no answer about the lease in time; trying again"),
            }
        }
        self.fence.close();
        self.announce_meanwhile("stopped leading");
    }

    /// Writes an event about the Lease. It is not waited for: the Lease has to be renewed, or won again, whether it can be written or not.
    fn announce_meanwhile(&self, what: &str) {
        let (announcer, message) = (self.announcer.clone(), format!("{} {what}", self.identity()));
        tokio::spawn(async move { announcer.announce("LeaderElection", false, &message).await });
    }

    /// Gives the Lease back, so that nobody has to wait until it runs out.
    pub async fn release(&mut self) {
        /// Whoever ends has little time left.
        const LONGEST: Duration = Duration::from_secs(5);
        self.fence.close();
        let Some(record) = self.candidate.release(clock::micros()) else { return };
        match timeout(self.options.renew_deadline.min(LONGEST), self.write(record)).await {
            Ok(Ok(())) => info!(lease = self.name(), "the lease is released"),
            Ok(Err(error)) => warn!(lease = self.name(), %error, "can not release the lease: it will run out"),
            Err(_) => warn!(lease = self.name(), "no answer about the lease in time: it will run out"),
        }
        let message = format!("{} stopped leading", self.identity());
        self.announcer.announce("LeaderElection", false, &message).await;
    }

    /// Takes or renews the Lease if that can be; whether it is held now.
    async fn try_once(&mut self) -> Result<bool, ApiError> {
        // Nobody else takes the Lease before it has lasted from here on: the request is not sent yet.
        let begun = clock::now();
        let unread = self.candidate.may_renew_unread(begun);
        if unread && let Some(record) = self.candidate.claim(begun, clock::micros()) {
            match self.write(record).await {
                Ok(()) => return Ok(self.held_since(begun)),
                Err(error) => debug!(lease = self.name(), %error, "renewing without reading failed"),
            }
        }
        let found = match self.api.answer::<Value>(&Ask::get(self.path())).await {
            Ok(lease) => Some(lease),
            Err(error) if error.is_code(404) => None,
            Err(error) => return Err(error),
        };
        let begun = clock::now();
        if let Some(lease) = found {
            self.candidate.see(Record::of(&lease), begun);
            self.lease = lease;
        } else {
            self.lease = Value::Null;
        }
        let Some(record) = self.candidate.claim(begun, clock::micros()) else { return Ok(false) };
        match self.write(record).await {
            Ok(()) => Ok(self.held_since(begun)),
            // Somebody was faster; who, the next look will tell.
            Err(error) if error.is_code(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The leader stops to write some time before others may begin: what is under way then has the rest of the lease to arrive.
    fn held_since(&self, begun: Time) -> bool {
        // The Lease says its duration in whole seconds.
        let lease = Duration::from_secs(self.options.lease_duration.as_secs());
        self.fence.open_until(begun + self.options.renew_deadline.min(lease).as_nanos() as Time);
        true
    }

    async fn write(&mut self, record: Record) -> Result<(), ApiError> {
        let mut lease = self.lease.clone();
        let ask = if lease.is_null() {
            lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.options.name, "namespace": self.options.namespace},
            });
            record.write_to(&mut lease);
            Ask::send(Method::POST, self.collection(), JSON, &lease)
        } else {
            record.write_to(&mut lease);
            // With the version that was read: whoever wrote meanwhile wins.
            Ask::send(Method::PUT, self.path(), JSON, &lease)
        };
        let written: Value = self.api.answer(&ask).await?;
        self.candidate.see(Record::of(&written), clock::now());
        self.lease = written;
        Ok(())
    }

    /// A word in the log when another one leads.
    fn report(&mut self) {
        let holder = self.candidate.holder().map(str::to_owned);
        if holder.is_some() && holder != self.reported {
            info!(lease = self.name(), leader = holder, "there is a new leader");
            self.reported = holder;
        }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.options.namespace, self.options.name)
    }

    fn collection(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.options.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.options.name)
    }

    /// A try takes no longer, so that there is time for another before the deadline.
    fn request_timeout(&self) -> Duration {
        self.options.renew_deadline / 2
    }
}

/// A pause that is up to 1.2 times as long again, so that candidates do not come all at once.
fn jittered(pause: Duration) -> Duration {
    pause + pause.mul_f64(1.2 * clock::fraction())
}

/// The kernel makes one each time it is read.
fn random_uuid() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    read.map_or_else(|_| format!("{}-{:x}", clock::suffix(), std::process::id()), |uuid| uuid.trim().to_owned())
}
