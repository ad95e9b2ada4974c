//! What is served over HTTPS, wired to the scheduler and to the API server.

mod delegate;
mod flags;
mod inspect;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadline_config::Config;
use loadline_kubernetes::{Access, Connection, Fence, Reviews, Scheduling};
use loadline_metrics::Metrics;
use loadline_server::{Check, Checks, Parts, Server};
use serde_json::Value;
use tokio::sync::watch;
use tracing::info;

use crate::exit::Failure;
use delegate::ApiServer;
pub(crate) use flags::{FlagValues, ServeFlags, ServeSettings};
use inspect::Inspector;

/// How long a lease may have run out before that counts as ill.
const GRACE: Duration = Duration::from_secs(20);

/// What is served.
pub(super) struct Served<'a> {
    pub(super) settings: &'a ServeSettings,
    pub(super) flags: &'a BTreeMap<String, String>,
    pub(super) config: &'a Config,
    /// The configuration that is in force, as kube-scheduler shows it.
    pub(super) in_force: watch::Receiver<Arc<Value>>,
    pub(super) connection: &'a Connection,
    pub(super) metrics: &'a Metrics,
    pub(super) scheduling: Scheduling,
    pub(super) fence: Fence,
}

/// The server, if there is one.
pub(super) struct Serving {
    server: Option<Server>,
    ending: Arc<AtomicBool>,
}

impl Serving {
    /// Listens.
    pub(super) async fn start(served: Served<'_>) -> Result<Self, Failure> {
        let ending = Arc::new(AtomicBool::new(false));
        let Some(options) = served.settings.server.clone() else { return Ok(Self { server: None, ending }) };
        let delegate = ApiServer {
            authentication: served.reviews(served.settings.authentication.as_deref()).await?,
            authorization: served.reviews(served.settings.authorization.as_deref()).await?,
        };
        let parts = served.parts(&ending);
        let server =
            Server::start(options, parts, Arc::new(delegate)).await.map_err(|error| Failure::message(&error))?;
        info!(address = %server.address(), "serving over HTTPS");
        Ok(Self { server: Some(server), ending })
    }

    /// The readiness says from now on that the end is near.
    pub(super) fn announce_end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Answers what is asked, and no more.
    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

impl Served<'_> {
    async fn reviews(&self, kubeconfig: Option<&std::path::Path>) -> Result<Reviews, Failure> {
        let Some(path) = kubeconfig else {
            return Ok(Reviews::new(self.connection.clone()));
        };
        let access = Access { kubeconfig: Some(path.to_owned()), master: None };
        let connection =
            Connection::new(&access, None, self.metrics).await.map_err(|error| Failure::message(&error))?;
        tokio::spawn(connection.clone().follow_files(access));
        Ok(Reviews::new(connection))
    }

    fn parts(&self, ending: &Arc<AtomicBool>) -> Parts {
        let election = &self.config.leader_election;
        let leader = election.leader_elect.then(|| {
            let (fence, name) = (self.fence.clone(), election.resource_name.clone());
            Check::new("leaderElection", move || {
                if fence.overdue() > GRACE {
                    return Err(format!("failed election to renew leadership on lease {name}"));
                }
                Ok(())
            })
        });
        let ending = ending.clone();
        let shutdown = Check::new("shutdown", move || {
            let is_ending = ending.load(Ordering::Acquire);
            if is_ending { Err("process is shutting down".to_owned()) } else { Ok(()) }
        });
        let scheduling = self.scheduling.clone();
        let synced = Check::new("sched-handler-sync", move || {
            if scheduling.is_synced() { Ok(()) } else { Err("handlers are not fully synchronized".to_owned()) }
        });
        let scheduling = self.scheduling.clone();
        let invariants = Check::notice("invariants", move || match scheduling.broken() {
            0 => Ok(()),
            broken => Err(format!("{broken} things that must hold do not; the log names them")),
        });
        let inspector = Inspector {
            scheduling: self.scheduling.clone(),
            metrics: self.metrics.clone(),
            in_force: self.in_force.clone(),
            fence: self.fence.clone(),
        };
        Parts {
            metrics: self.metrics.clone(),
            healthz: Checks::new("healthz", leader.clone().into_iter().collect()),
            livez: Checks::new("livez", Vec::new()),
            readyz: Checks::new("readyz", leader.into_iter().chain([shutdown, synced, invariants]).collect()),
            inspect: Arc::new(inspector),
            flags: self.flags.clone(),
        }
    }
}
