//! The scheduling thread: what happened comes in, decisions are made, effects go out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use loadline_engine::{Effect, Event, Findings, Refused, Scheduler, Settings};
use loadline_framework::{Profiles, UsageSample, UsageSource};
use loadline_metrics::Metrics;
use loadline_model::{GroupApi, PodKey, Str, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel};
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, info, warn};

use crate::client::Connection;
use crate::clock::now;
use crate::fence::Fence;
use crate::follow::Follower;
use crate::groups::PlacedGroups;
use crate::measure::{Measure, Timer};
use crate::originals::Originals;
use crate::resources::{self, for_each_resource};
use crate::witness::{Witness, Witnessed};
use crate::writer::{BINDINGS, Writer};

/// What happened, for the scheduling thread.
pub(crate) enum Message {
    /// In the cluster.
    Event(Event),
    /// The first list of a resource is whole.
    Synced(&'static str),
    /// So many objects of a resource were not as the API server has them; events that say so came before.
    Mended(&'static str, usize),
    /// A binding was answered.
    Bound {
        /// The pod.
        uid: PodKey,
        /// Why not, if it was not bound.
        result: Result<(), String>,
    },
    /// The last victim of a pod is being asked to go.
    LastVictim {
        /// The pod.
        preemptor: PodKey,
        /// The last.
        last: PodKey,
    },
    /// The API server has accepted the deletion of a victim.
    Leaves(PodKey),
    /// Nothing more is done about the victims of a pod.
    Release {
        /// The pod.
        preemptor: PodKey,
        /// The last.
        last: PodKey,
    },
    /// A pod is to be tried again though nothing happened that would wake it.
    Activate(PodKey),
    /// Other profiles are in force from now on. How many pods have left the queue for that is answered.
    Profiles(Profiles, oneshot::Sender<usize>),
    /// Somebody wants to know something between two pods.
    Ask(Question),
}

type Question = Box<dyn FnOnce(&mut Scheduler, Time) + Send>;

/// Messages that wait for the scheduling thread; followers pause beyond that.
const WAITING: usize = 8192;
/// How long a graceful end waits, in all, for bindings that are under way and for what is still to be written. The Lease is to be
/// released within the 30 s that a kubelet leaves.
const LONGEST_END: Duration = Duration::from_secs(15);
/// Bindings that are not answered; beyond that nothing is decided. Where the API server is slow, decisions would else be made long
/// before they count.
const MOST_UNANSWERED: usize = 8 * BINDINGS;
/// How often everything is looked through.
const LOOK_EVERY: Time = 60_000_000_000;
/// A decision that took longer is told of.
const SLOW: Duration = Duration::from_millis(100);

/// How to run.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Threads for wide work of the engine.
    pub parallelism: usize,
    /// Seed of the tie-break.
    pub seed: u64,
    /// How long a pod waits for an event before it is tried again anyway.
    pub max_in_unschedulable: Time,
    /// How often what is known is held against the API server.
    pub check_period: Duration,
    /// For how long a node whose kubelet refused a pod counts for less, at first; 0: nobody listens to kubelets.
    pub refusal_backoff: Time,
    /// Whether the cluster is followed only once this instance leads.
    pub is_cold: bool,
    /// Where it is counted what happens.
    pub metrics: Metrics,
    /// Who is told of everything that the scheduling thread takes in and decides.
    pub witness: Option<UnboundedSender<Witnessed>>,
    /// What is kept of objects beyond what the engine reads: [`crate::Extenders::originals`].
    pub originals: Originals,
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

/// What the scheduling thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Know the cluster.
    Follow,
    /// Schedule.
    Lead,
    /// End.
    Stop,
}

/// A scheduler on an API server.
pub struct Live {
    thread: thread::JoinHandle<()>,
    role: watch::Sender<Role>,
    scheduling: Scheduling,
    connection: Connection,
    writer: Writer,
    check_period: Duration,
    learns_from_refusals: bool,
    originals: Originals,
    is_following: bool,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// Begins to follow the cluster. Nothing is scheduled before [`Live::lead`].
    ///
    /// `fence` keeps writes back while the lease is not held.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        connection: &Connection,
        fence: &Fence,
        profiles: Profiles,
        options: &LiveOptions,
    ) -> Result<Self, LiveError> {
        let runtime = Handle::current();
        let (sender, messages) = channel(WAITING);
        let (role, role_told) = watch::channel(Role::Follow);
        let connection = connection.fenced(fence);
        let writer = Writer::new(connection.clone(), sender.clone(), runtime.clone(), options.metrics.clone());
        let scheduling =
            Scheduling { sender, is_synced: Arc::default(), broken: Arc::default(), groups: Arc::default() };
        let settings = Settings { seed: options.seed, parallelism: options.parallelism, ..Settings::default() };
        let mut scheduler = Scheduler::new(profiles, settings);
        scheduler.set_max_in_unschedulable(options.max_in_unschedulable);
        scheduler.set_refusal_backoff(options.refusal_backoff);
        let shell = Shell {
            scheduler,
            writer: writer.clone(),
            measure: Measure::new(options.metrics.clone()),
            messages,
            // Answers come through it also when no follower is left.
            scheduling: scheduling.clone(),
            role: role_told,
            witness: Witness(options.witness.clone()),
            unsynced: resources::names(),
            runtime,
            decisions: 0,
            unanswered: 0,
            next_look: Time::MIN,
            findings: Findings::default(),
        };
        let thread = thread::Builder::new().name("scheduling".to_owned());
        let thread = thread.spawn(move || shell.run()).map_err(LiveError::Thread)?;
        let mut live = Self {
            thread,
            role,
            scheduling,
            connection,
            writer,
            check_period: options.check_period,
            learns_from_refusals: options.refusal_backoff > 0,
            originals: options.originals.clone(),
            is_following: false,
        };
        if !options.is_cold {
            live.follow();
        }
        Ok(live)
    }

    fn follow(&mut self) {
        self.is_following = true;
        macro_rules! follow {
            ($resource:ident, $check_period:expr) => {
                let (api, sender) = (self.connection.read.clone(), self.scheduling.sender.clone());
                let follower = Follower::<resources::$resource>::new(api, sender, $check_period, &self.originals);
                Handle::current().spawn(follower.run());
            };
            ($resource:ident) => {
                follow!($resource, self.check_period)
            };
        }
        for_each_resource!(follow);
        if self.learns_from_refusals {
            // Nothing is kept of them that could be checked.
            follow!(RefusedPods, Duration::MAX);
        }
        macro_rules! follow_once {
            ($api:ident: $($resource:ident),*) => {
                $(
                    let (api, sender) = (self.connection.read.clone(), self.scheduling.sender.clone());
                    let check_period = self.check_period;
                    let follower =
                        Follower::<resources::$resource>::new(api, sender, check_period, &self.originals);
                    let mut groups = self.scheduling.groups.subscribe();
                    Handle::current().spawn(async move {
                        if groups.wait_for(|placed| placed.has(GroupApi::$api)).await.is_ok() {
                            follower.run().await;
                        }
                    });
                )*
            };
        }
        follow_once!(Crd: FinishedMembers, FinishedOldMembers, FinishedOldestMembers);
        follow_once!(Core: FinishedCoreMembers);
    }

    /// Begins to follow the cluster if it does not yet: what is to be there before anything is scheduled needs to know it.
    pub fn prepare(&mut self) {
        if !self.is_following {
            self.follow();
        }
    }

    /// Schedules from now on, once all of the cluster is known.
    pub fn lead(&mut self) {
        self.prepare();
        let _ = self.role.send(Role::Lead);
    }

    /// Schedules no more until it leads again, and goes on following the cluster. What was decided and is not written yet never will
    /// be: the fence is closed.
    pub fn step_down(&mut self) {
        let _ = self.role.send(Role::Follow);
    }

    /// Lets pods that are on their way to a node arrive, and ends.
    ///
    /// # Errors
    /// When the scheduling thread panicked.
    pub async fn stop(self) -> Result<(), LiveError> {
        let end = tokio::time::Instant::now() + LONGEST_END;
        let _ = self.role.send(Role::Stop);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        let _ = tokio::time::timeout_at(end, self.writer.all_written()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(LiveError::Panicked),
        }
    }

    /// The way to the scheduling thread.
    pub fn scheduling(&self) -> Scheduling {
        self.scheduling.clone()
    }

    /// Returns when the scheduling thread has ended by itself, which it never should.
    pub async fn ended(&self) {
        self.role.closed().await;
    }
}

/// Reaches the scheduling thread from elsewhere.
#[derive(Clone)]
pub struct Scheduling {
    sender: Sender<Message>,
    is_synced: Arc<AtomicBool>,
    broken: Arc<AtomicUsize>,
    groups: Arc<watch::Sender<PlacedGroups>>,
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
        }));
        self.sender.send(question).await.ok()?;
        answered.await.ok()
    }

    /// Puts other profiles in force, all at once and between two pods. Pods that no profile schedules any more are told so by an
    /// event each; how many they are. `None` when the scheduling thread has ended.
    pub async fn set_profiles(&self, profiles: Profiles) -> Option<usize> {
        let (answer, answered) = oneshot::channel();
        self.sender.send(Message::Profiles(profiles, answer)).await.ok()?;
        answered.await.ok()
    }

    /// Tells what a source of real use said at a time of its clock; `None`: it gave no answer. It is taken over between two
    /// pods; whether the scheduling thread is still there.
    pub async fn hear_usage(
        &self,
        source: Arc<UsageSource>,
        at: Time,
        samples: Option<Vec<(Str, UsageSample)>>,
    ) -> bool {
        self.sender.send(Message::Event(Event::Usage(source, at, samples))).await.is_ok()
    }

    /// Returns once there are groups that are placed as gangs, and those of their members are known that ran to their end.
    pub(crate) async fn has_groups(&self) {
        // There is a sender: this one.
        let _ = self.groups.subscribe().wait_for(|placed| placed.are_known()).await;
    }

    /// Tells something that happened; whether the scheduling thread is still there.
    pub(crate) async fn tell(&self, event: Event) -> bool {
        self.sender.send(Message::Event(event)).await.is_ok()
    }

    /// Whether all of the cluster is known.
    pub fn is_synced(&self) -> bool {
        self.is_synced.load(Ordering::Acquire)
    }

    /// How many of the things that must hold did not when they were last looked through, and how many verdicts that were kept have
    /// been wrong: bugs, each.
    pub fn broken(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }
}

struct Shell {
    scheduler: Scheduler,
    writer: Writer,
    measure: Measure,
    messages: Receiver<Message>,
    scheduling: Scheduling,
    role: watch::Receiver<Role>,
    witness: Witness,
    /// Resources whose first list is not whole yet.
    unsynced: BTreeSet<&'static str>,
    runtime: Handle,
    decisions: u64,
    /// Bindings that were asked for and are not answered.
    unanswered: usize,
    /// When everything is looked through next, and what was found last.
    next_look: Time,
    findings: Findings,
}

impl Shell {
    fn run(mut self) {
        let mut end: Option<Time> = None;
        let mut led = false;
        loop {
            let now = now();
            while let Ok(message) = self.messages.try_recv() {
                self.take(message, now);
            }
            let role = *self.role.borrow();
            if role == Role::Lead && !led {
                let effects = self.scheduler.begin_term(now);
                self.perform(effects);
            }
            led = role == Role::Lead;
            if role == Role::Stop {
                let end = *end.get_or_insert(now + LONGEST_END.as_nanos() as Time);
                let binding = self.scheduler.binding();
                if binding == 0 || now >= end {
                    info!(binding, decisions = self.decisions, "scheduling ends");
                    return;
                }
                self.wait(Some(end));
                continue;
            }
            // Nothing is placed before all of the cluster is known.
            if role == Role::Follow || !self.unsynced.is_empty() {
                self.scheduler.follow();
                self.wait(None);
                continue;
            }
            self.look_through(now);
            let effects = self.scheduler.tick(now);
            self.perform(effects);
            if self.unanswered >= MOST_UNANSWERED {
                // An answer is a message.
                self.wait(None);
            } else if !self.decide(now) {
                let until = self.scheduler.next_wakeup(now);
                self.wait(until);
            }
        }
    }

    /// From time to time: whether everything is as it should be.
    fn look_through(&mut self, now: Time) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let (findings, checks) = (self.scheduler.findings(), self.scheduler.checks());
        for broken in &findings.broken {
            error!(broken, "something is wrong with what is known; this is a bug");
        }
        if checks.wrong > 0 {
            error!(wrong = checks.wrong, of = checks.made, "verdicts that were kept were wrong; this is a bug");
        }
        if findings.overcommitted != self.findings.overcommitted && !findings.overcommitted.is_empty() {
            let named = findings.overcommitted.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
            warn!(nodes = findings.overcommitted.len(), named, "nodes have promised more than they have");
        }
        let broken = findings.broken.len() + findings.more + checks.wrong as usize;
        self.scheduling.broken.store(broken, Ordering::Relaxed);
        self.measure.looked_through(&findings, checks);
        self.findings = findings;
    }

    /// Decides the next pod. Whether there was one.
    fn decide(&mut self, begun: Time) -> bool {
        let before = self.witness.before(&self.scheduler);
        let timer = Timer::start();
        let Some((attempt, effects)) = self.scheduler.schedule_one(begun) else { return false };
        let took = timer.elapsed();
        self.measure.decided(&attempt, &self.scheduler, took);
        let cycle = &attempt.cycle;
        let node = cycle.node.as_deref();
        if took > SLOW {
            warn!(pod = cycle.pod.full_name(), node, ?took, "the decision was slow");
        }
        debug!(pod = cycle.pod.full_name(), node, outcome = ?cycle.outcome, attempt = attempt.number, "decided");
        self.witness.decided(before, &attempt, &effects);
        self.perform(effects);
        self.decisions += 1;
        if self.decisions.is_multiple_of(64) {
            self.scheduler.trim();
        }
        true
    }

    fn take(&mut self, message: Message, now: Time) {
        match message {
            Message::Event(event) => {
                let timer = Timer::start();
                self.witness.event(&event);
                let group = if let Event::PodGroup(group) = &event { Some(group.key.api) } else { None };
                self.scheduler.apply(event, now);
                self.note_groups(group);
                self.measure.applied(self.scheduler.happened(), timer.elapsed());
                if let Some(refused) = &self.scheduler.happened().refused {
                    tell(refused);
                }
            }
            Message::Synced(resource)
                if resources::FINISHED.contains(&resource) || resources::FINISHED_CORE.contains(&resource) =>
            {
                self.scheduling.groups.send_modify(|placed| placed.lists += 1);
            }
            Message::Synced(resource) => {
                if self.unsynced.remove(resource) && self.unsynced.is_empty() {
                    self.scheduling.is_synced.store(true, Ordering::Release);
                    let cluster = self.scheduler.engine().cluster();
                    let nodes = cluster.node_infos().count();
                    info!(nodes, pods = cluster.pod_count(), "the cluster is known");
                }
            }
            Message::Mended(resource, objects) => self.measure.mended(resource, objects),
            Message::Bound { uid, result } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.witness.answered(&uid, &result);
                let effects = self.scheduler.bound(&uid, result, now);
                self.perform(effects);
            }
            Message::LastVictim { preemptor, last } => self.scheduler.last_victim(&preemptor, &last, now),
            Message::Leaves(uid) => {
                self.witness.leaves(&uid);
                self.scheduler.leaves(&uid, now);
            }
            Message::Release { preemptor, last } => self.scheduler.release(&preemptor, &last, now),
            Message::Activate(uid) => self.scheduler.activate(&uid, now),
            Message::Profiles(profiles, answer) => {
                let left = self.scheduler.set_profiles(profiles, now);
                let known = self.scheduler.gang_keys();
                self.note_groups(known.iter().map(|key| key.api));
                // Whoever asked may have gone.
                let _ = answer.send(left.len());
                for pod in left {
                    let note = format!("no profile is named {:?} any more", pod.scheduler_name.as_str());
                    // A reason of its own: as a repetition of what was said before, its text would never be seen.
                    let effect = Effect::RecordEvent { pod, reason: "ProfileRemoved", warning: true, note };
                    self.writer.perform(effect);
                }
            }
            Message::Ask(question) => question(&mut self.scheduler, now),
        }
    }

    /// There are groups of these APIs.
    fn note_groups(&self, apis: impl IntoIterator<Item = GroupApi>) {
        if self.scheduler.places_gangs() {
            for api in apis {
                self.scheduling.groups.send_if_modified(|placed| {
                    let is_new = !placed.has(api);
                    *placed = placed.with(api);
                    is_new
                });
            }
        }
    }

    /// Hands on what the last call of the scheduler wants done.
    fn perform(&mut self, effects: Vec<Effect>) {
        self.measure.ended(self.scheduler.happened(), now());
        for effect in effects {
            self.unanswered += usize::from(matches!(effect, Effect::Bind { .. }));
            self.writer.perform(effect);
        }
    }

    /// Waits for the next message, until a time, or until the role changes.
    fn wait(&mut self, until: Option<Time>) {
        /// However quiet it is, so often.
        const AT_LEAST: Duration = Duration::from_secs(5);
        let pause = until.map_or(AT_LEAST, |until| Duration::from_nanos(until.saturating_sub(now()).max(0) as u64));
        let (messages, role) = (&mut self.messages, &mut self.role);
        let is_stopping = *role.borrow_and_update() == Role::Stop;
        let message = self.runtime.block_on(async {
            tokio::select! {
                message = messages.recv() => message,
                _ = role.changed(), if !is_stopping => None,
                () = tokio::time::sleep(pause.min(AT_LEAST)) => None,
            }
        });
        if let Some(message) = message {
            self.take(message, now());
        }
    }
}

/// Tells of a pod that a kubelet refused.
fn tell(Refused { pod, resource, backoff }: &Refused) {
    let (pod, node, reason) = (pod.full_name(), pod.node_name.as_deref(), format!("OutOf{resource}"));
    if let Some(backoff) = backoff.map(|backoff| Duration::from_nanos(backoff.unsigned_abs())) {
        warn!(pod, node, reason, ?backoff, "a kubelet refused a pod: its node counts for less for a while");
    } else {
        warn!(pod, node, reason, "a kubelet refused a pod; there is no room for it by what is known either");
    }
}
