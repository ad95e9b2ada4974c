//! The scheduling thread: what happened comes in, decisions are made, effects go out.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, SystemTime};

use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_framework::Profiles;
use loadline_model::{PodKey, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};
use tracing::{debug, info};

use crate::client::Connection;
use crate::follow::Follower;
use crate::resources::{self, for_each_resource};
use crate::writer::Writer;

/// What happened, for the scheduling thread.
pub(crate) enum Message {
    /// In the cluster.
    Event(Event),
    /// The first list of a resource is whole.
    Synced(&'static str),
    /// A binding was answered.
    Bound {
        /// The pod.
        uid: PodKey,
        /// Why not, if it was not bound.
        result: Result<(), String>,
    },
    /// All victims of this pod but the last are being deleted.
    Release(PodKey),
    /// Somebody wants to know, or to change, something between two pods.
    Ask(Question),
}

type Question = Box<dyn FnOnce(&mut Scheduler, Time) -> Vec<Effect> + Send>;

/// Messages that wait for the scheduling thread; followers pause beyond that.
const WAITING: usize = 8192;
/// How long a graceful end waits for bindings that are under way.
const LONGEST_END: Duration = Duration::from_secs(20);

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct LiveOptions {
    /// Threads for wide work of the engine.
    pub parallelism: usize,
    /// Seed of the tie-break.
    pub seed: u64,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The thread that schedules could not be started.
    #[error("can not start the scheduling thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The thread that schedules panicked.
    #[error("the scheduling thread panicked")]
    Panicked,
}

/// A scheduler on an API server.
#[derive(Debug)]
pub struct Live {
    thread: thread::JoinHandle<()>,
    stop: watch::Sender<bool>,
    scheduling: Scheduling,
}

impl Live {
    /// Begins to follow the cluster, and to schedule once all of it is known.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(connection: Connection, profiles: Profiles, options: &LiveOptions) -> Result<Self, LiveError> {
        let runtime = Handle::current();
        let (sender, receiver) = channel(WAITING);
        let (stop, stopped) = watch::channel(false);
        let mut unsynced = BTreeSet::new();
        macro_rules! follow {
            ($resource:ident) => {
                unsynced.insert(<resources::$resource as resources::Resource>::NAME);
                let follower = Follower::<resources::$resource>::new(connection.read.clone(), sender.clone());
                runtime.spawn(follower.run());
            };
        }
        for_each_resource!(follow);
        let scheduling = Scheduling { sender: sender.clone() };
        let settings = Settings { seed: options.seed, parallelism: options.parallelism, ..Settings::default() };
        let shell = Shell {
            scheduler: Scheduler::new(profiles, settings),
            writer: Writer::new(connection, sender.clone(), runtime.clone()),
            messages: receiver,
            _keep_open: sender,
            stopped,
            unsynced,
            runtime,
            decisions: 0,
        };
        let thread = thread::Builder::new().name("scheduling".to_owned());
        let thread = thread.spawn(move || shell.run()).map_err(LiveError::Thread)?;
        Ok(Self { thread, stop, scheduling })
    }

    /// Lets pods that are on their way to a node arrive, and ends.
    ///
    /// # Errors
    /// When the scheduling thread panicked.
    pub async fn stop(self) -> Result<(), LiveError> {
        let _ = self.stop.send(true);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(LiveError::Panicked),
        }
    }

    /// The way to the scheduling thread.
    pub fn scheduling(&self) -> Scheduling {
        self.scheduling.clone()
    }

    /// Whether the scheduling thread has ended by itself, which it never should.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Reaches the scheduling thread from elsewhere.
#[derive(Clone)]
pub struct Scheduling {
    sender: Sender<Message>,
}

impl std::fmt::Debug for Scheduling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduling").finish_non_exhaustive()
    }
}

impl Scheduling {
    /// What `question` answers; it is asked on the scheduling thread between two pods, so it must be quick. `None` when that thread
    /// has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Scheduler, Time) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let question = Message::Ask(Box::new(move |scheduler, now| {
            // Whoever asked may have gone.
            let _ = answer.send(question(scheduler, now));
            Vec::new()
        }));
        self.sender.send(question).await.ok()?;
        answered.await.ok()
    }
}

struct Shell {
    scheduler: Scheduler,
    writer: Writer,
    messages: Receiver<Message>,
    /// Answers come through it also when no follower is left.
    _keep_open: Sender<Message>,
    stopped: watch::Receiver<bool>,
    /// Resources whose first list is not whole yet.
    unsynced: BTreeSet<&'static str>,
    runtime: Handle,
    decisions: u64,
}

impl Shell {
    fn run(mut self) {
        let mut end: Option<Time> = None;
        loop {
            let now = now();
            while let Ok(message) = self.messages.try_recv() {
                self.take(message, now);
            }
            if *self.stopped.borrow() {
                let end = *end.get_or_insert(now + LONGEST_END.as_nanos() as Time);
                if self.scheduler.in_flight() == 0 || now >= end {
                    info!(in_flight = self.scheduler.in_flight(), decisions = self.decisions, "scheduling ends");
                    return;
                }
                self.wait(Some(end));
                continue;
            }
            // Nothing is placed before all of the cluster is known.
            if !self.unsynced.is_empty() {
                self.wait(None);
                continue;
            }
            let effects = self.scheduler.tick(now);
            self.perform(effects);
            let Some((attempt, effects)) = self.scheduler.schedule_one(now) else {
                let until = self.scheduler.next_wakeup(now);
                self.wait(until);
                continue;
            };
            let cycle = &attempt.cycle;
            debug!(
                pod = cycle.pod.full_name(),
                node = cycle.node.as_deref(),
                outcome = ?cycle.outcome,
                attempt = attempt.number,
                "decided"
            );
            self.perform(effects);
            self.decisions += 1;
            if self.decisions.is_multiple_of(64) {
                self.scheduler.trim();
            }
        }
    }

    fn take(&mut self, message: Message, now: Time) {
        match message {
            Message::Event(event) => self.scheduler.apply(event, now),
            Message::Synced(resource) => {
                if self.unsynced.remove(resource) && self.unsynced.is_empty() {
                    let cluster = self.scheduler.engine().cluster();
                    let nodes = cluster.node_infos().count();
                    info!(nodes, pods = cluster.pod_count(), "the cluster is known: scheduling begins");
                }
            }
            Message::Bound { uid, result } => {
                let effects = self.scheduler.bound(&uid, result, now);
                self.perform(effects);
            }
            Message::Release(preemptor) => self.scheduler.release(&preemptor),
            Message::Ask(question) => {
                let effects = question(&mut self.scheduler, now);
                self.perform(effects);
            }
        }
    }

    fn perform(&self, effects: Vec<Effect>) {
        for effect in effects {
            self.writer.perform(effect);
        }
    }

    /// Waits for the next message, until a time, or until it is told to stop.
    fn wait(&mut self, until: Option<Time>) {
        /// However quiet it is, so often.
        const AT_LEAST: Duration = Duration::from_secs(5);
        let pause = until.map_or(AT_LEAST, |until| Duration::from_nanos(until.saturating_sub(now()).max(0) as u64));
        let (messages, stopped) = (&mut self.messages, &mut self.stopped);
        let is_stopping = *stopped.borrow();
        let message = self.runtime.block_on(async {
            tokio::select! {
                message = messages.recv() => message,
                _ = stopped.changed(), if !is_stopping => None,
                () = tokio::time::sleep(pause.min(AT_LEAST)) => None,
            }
        });
        if let Some(message) = message {
            self.take(message, now());
        }
    }
}

/// The time of the scheduler: nanoseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "here the clock is read that the engine is told of")]
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as Time
}
