//! Carries out what the Rescheduler plans, while this instance leads: plan, reserve, evict, verify.
//!
//! What is to be done is decided in `loadline-rescheduler`: the plan by [`loadline_rescheduler::plan()`], each step of a move by
//! [`Machine`]. Here the cluster is looked at, orders are performed, and what came of them is told.
//!
//! A move is an object (`Move`, loadline.dev) before anything is held, and says that its pod is being evicted before it is: whoever
//! leads next goes on from there. Rooms of moves under way are held again before the new leader schedules its first pod.

mod carry;
mod object;
mod owners;
mod round;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loadline_engine::{Engine, Event};
use loadline_metrics::Metrics;
use loadline_model::{PodInfo, Set, Str, Time};
use loadline_rescheduler::controller::{Ahead, Machine, Order, Resumed, demands};
use loadline_rescheduler::{Ledger, Mode, Options, Plan, Resource, Situation, Strategy};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::api::{Api, ApiError};
use crate::client::Connection;
use crate::clock;
use crate::fence::Fence;
use crate::live::Scheduling;
use crate::recorder::Recorder;
use object::{ALL, Object, SECOND, Spec};
use view::Watched;

/// How often moves under way are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the scheduling thread is to look through all pods for it.
const LOOK_THROUGH_EVERY: Time = 2 * SECOND;
/// Rooms are held again within this time, or after the first pods are scheduled: nobody renews the lease meanwhile.
const LONGEST_BEGIN: Duration = Duration::from_millis(1500);
/// How often it is looked whether a pod on its way takes its node above a mark.
const LOOK_AHEAD_EVERY: Time = 5 * SECOND;
/// How often it is tried to write how moves ended, where nobody wants anything moved any more.
const WRITE_EVERY: Time = 10 * SECOND;
/// Finished moves that are kept for people to read.
const KEPT: usize = 100;

/// What moves pods: idle until this instance leads.
pub struct Rescheduler {
    connection: Connection,
    scheduling: Scheduling,
    metrics: Metrics,
    recorder: Recorder,
    options: watch::Receiver<Option<Arc<Options>>>,
    term: Option<Term>,
}

impl std::fmt::Debug for Rescheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rescheduler").finish_non_exhaustive()
    }
}

/// What is known while this instance leads.
struct Term {
    /// What is written by it is of this term, or not written.
    write: Api,
    read: Api,
    machine: Machine,
    /// Moves under way, by key.
    held: BTreeMap<Str, Held>,
    /// Those that are over, with when they were created.
    past: BTreeSet<(Time, Str)>,
    /// Pods that took the place of those whose moves are over, by key of the move: each is one move's alone.
    used: BTreeMap<Str, Str>,
    /// What is still to be written of moves that are over.
    unwritten: BTreeMap<Str, Value>,
    /// When all pods were last looked through for those that came without asking for the room.
    looked_through: Time,
    /// Looks for nodes to plan for between two rounds.
    ahead: Ahead,
    /// Moves of earlier terms are known.
    is_loaded: bool,
    /// What was told last, so that it is told once.
    told: Option<String>,
    /// The plan of the last round, as it was told.
    shown: String,
}

/// A move under way.
struct Held {
    spec: Spec,
    namespace: String,
    /// The pod that is moved, when it was last known.
    pod: Option<Arc<PodInfo>>,
    stand_in: Arc<PodInfo>,
    /// By the API server's clock.
    created: Time,
    /// Its object is there.
    is_written: bool,
}

impl Rescheduler {
    /// Does nothing yet. `options`: by which it goes, as they change; `None`: nobody wants anything moved.
    pub fn new(
        connection: &Connection,
        fence: &Fence,
        scheduling: Scheduling,
        metrics: Metrics,
        options: watch::Receiver<Option<Arc<Options>>>,
    ) -> Self {
        let connection = connection.fenced(fence);
        let recorder = Recorder::start(&connection.write, &tokio::runtime::Handle::current());
        Self { connection, scheduling, metrics, recorder, options, term: None }
    }

    fn wanted(&self) -> Option<Arc<Options>> {
        self.options.borrow().clone().filter(|options| options.controller)
    }

    /// This instance leads, and has not scheduled anything yet: rooms of moves under way are held again.
    pub async fn begin(&mut self) {
        let connection = self.connection.of_this_term();
        let options = self.wanted();
        self.term = Some(Term {
            write: connection.write.clone(),
            read: connection.read.clone(),
            machine: Machine::new(&options.clone().unwrap_or_default()),
            held: BTreeMap::new(),
            past: BTreeSet::new(),
            used: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            looked_through: Time::MIN / 2,
            ahead: Ahead::default(),
            is_loaded: false,
            told: None,
            shown: String::new(),
        });
        if options.is_none() {
            return;
        }
        if let Ok(found) = timeout(LONGEST_BEGIN, fetch(&connection.read)).await {
            self.load(found).await;
        } else {
            warn!("moves under way are not known in time: the rooms that they hold may be taken");
        }
    }

    /// Moves pods for as long as it is polled.
    pub async fn run(&mut self) {
        let mut next_round = clock::now();
        let mut next_look = next_round;
        let mut changes = self.options.clone();
        let mut told: Option<Option<Arc<Options>>> = None;
        loop {
            let now = clock::now();
            let wanted = self.wanted();
            if told.as_ref() != Some(&wanted) {
                announce(told.as_ref().and_then(Option::as_deref), wanted.as_deref());
                self.take_options(wanted.as_deref());
                if wanted.is_none() && told.is_some() {
                    // What they said would never change again.
                    self.metrics.rescheduling_ends();
                }
                told = Some(wanted.clone());
                next_round = now;
            }
            let looks_ahead = wanted.as_deref().is_some_and(looks_ahead);
            if self.scheduling.is_synced() {
                match wanted {
                    Some(options) if now >= next_round => {
                        next_round = now + options.interval.max(SECOND / 10);
                        self.round(options).await;
                    }
                    None if now >= next_round => {
                        next_round = now + WRITE_EVERY;
                        self.write_what_is_late().await;
                    }
                    _ => {}
                }
                if now >= next_look {
                    next_look = now + LOOK_AHEAD_EVERY;
                    self.look_ahead().await;
                }
                self.step().await;
            }
            let is_busy = self.term.as_ref().is_some_and(|term| !term.machine.is_idle());
            let is_waiting = is_busy || !self.scheduling.is_synced();
            let next = if looks_ahead { next_look.min(next_round) } else { next_round };
            let until = Duration::from_nanos(next.saturating_sub(clock::now()).max(0).unsigned_abs());
            let pause = if is_waiting { LOOK_EVERY } else { until.max(Duration::from_millis(10)) };
            let is_written = self.term.as_ref().is_none_or(|term| term.unwritten.is_empty());
            let is_idle = !is_waiting && is_written && self.wanted().is_none();
            tokio::select! {
                () = sleep(pause), if !is_idle => {}
                changed = changes.changed() => if changed.is_err() {
                    // Nobody will ever change them; what is under way goes on.
                    sleep(pause.max(LOOK_EVERY)).await;
                },
            }
        }
    }

    /// Relieves nodes that pods on their way take above a mark.
    async fn look_ahead(&mut self) {
        // The round before may have taken long.
        let wanted = self.wanted().filter(|options| looks_ahead(options));
        let (Some(options), Some(term)) = (wanted, &mut self.term) else {
            // Whoever looks again some time later looks for the first time.
            self.term.iter_mut().for_each(|term| term.ahead = Ahead::default());
            return;
        };
        let asked = self.scheduling.ask(|scheduler, _| demands(scheduler.engine_mut()));
        let Some(demands) = asked.await else { return };
        let passed = term.ahead.look(demands, &options);
        if !passed.is_empty() {
            // As after enough readings: what comes of it or not, the next rounds go on with them, down to the low mark.
            term.machine.readings().begin(passed.clone());
            self.relieve(&options, passed).await;
        }
    }

    /// This instance leads no more: its rooms are somebody else's to hold.
    pub async fn step_down(&mut self) {
        let Some(term) = self.term.take() else { return };
        for key in term.machine.held() {
            self.scheduling.tell(Event::ReservationGone(key)).await;
        }
        self.metrics.rescheduling_ends();
    }

    fn take_options(&mut self, wanted: Option<&Options>) {
        let Some(term) = &mut self.term else { return };
        let is_acting = wanted.is_some_and(acts);
        term.machine.set_options(wanted.unwrap_or(&Options::default()), !is_acting);
    }

    /// Takes over what earlier terms have begun, and what they have learnt.
    async fn load(&mut self, found: Result<(Vec<Object>, Time), ApiError>) {
        let (objects, server_now) = match found {
            Ok(found) => found,
            // Whoever only looks needs none.
            Err(error) if !self.wanted().is_some_and(|options| acts(&options)) => {
                return debug!(%error, "moves can not be listed");
            }
            Err(error) => {
                return self.tell(&format!(
                    "moves can not be listed, so nothing is moved: {error} (manifests/components/rescheduler has the definition of Move and the rights)"
                ));
            }
        };
        let Some(term) = &mut self.term else { return };
        (term.is_loaded, term.told) = (true, None);
        let now = clock::now();
        let (over, under_way): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| object.phase().is_over());
        let mut over: Vec<&Object> = over.iter().collect();
        over.sort_by_key(|object| (object.created(), object.key()));
        let past: Vec<_> = over.iter().map(|object| (object.past(), object.age(server_now))).collect();
        term.machine.remember(&past, now);
        term.past = over.iter().map(|object| (object.created(), object.key())).collect();
        let replaced = over.iter().map(|object| (object.key(), Str::from(object.status.replacement.uid.as_str())));
        term.used = replaced.filter(|(_, uid)| !uid.is_empty()).collect();
        let mut resumed = Vec::new();
        for object in under_way {
            let left = object.created() + object.spec.deadline_seconds * SECOND - server_now;
            resumed.push(Resumed { task: object.task(), phase: object.phase(), left });
            let (spec, namespace) = (object.spec.clone(), object.metadata.namespace.clone());
            let known = {
                let (spec, namespace) = (spec.clone(), namespace.clone());
                self.scheduling.ask(move |scheduler, _| {
                    let pod = scheduler.engine().cluster().pod(&spec.pod.uid).map(|known| known.pod.clone());
                    (view::known_stand_in(scheduler, &spec, &namespace), pod)
                })
            };
            let Some((stand_in, pod)) = known.await else { return };
            info!(
                name = &*object.key(),
                phase = object.phase().as_str(),
                pod = spec.pod.name,
                "a move is gone on with"
            );
            let held = Held {
                spec,
                namespace,
                pod,
                stand_in: Arc::new(stand_in),
                created: object.created(),
                is_written: true,
            };
            term.held.insert(object.key(), held);
        }
        let orders = term.machine.resume(resumed, now);
        self.perform(orders).await;
    }

    /// Says something once, until something else is to be said.
    fn tell(&mut self, text: &str) {
        let Some(term) = &mut self.term else { return };
        if term.told.as_deref() != Some(text) {
            error!("{text}");
            term.told = Some(text.to_owned());
        }
    }

    fn watched(&self) -> Vec<Watched> {
        let Some(term) = &self.term else { return Vec::new() };
        let of = |(task, is_there): (&loadline_rescheduler::controller::Task, bool)| {
            let held = term.held.get(&task.key)?;
            Some(Watched {
                task: task.clone(),
                stand_in: held.stand_in.clone(),
                created: held.created,
                is_evicted: !is_there,
            })
        };
        term.machine.under_way().filter_map(of).collect()
    }

    /// Plans, and begins with what may be begun.
    async fn round(&mut self, options: Arc<Options>) {
        let Some((fork, ledger)) = self.survey().await else { return };
        let (balance, uses) = round::uses(&ledger);
        let nodes = uses.iter().map(|of| (of.node.as_str(), of.percent));
        self.metrics.node_uses(balance.score, nodes);
        let Some(term) = &mut self.term else { return };
        term.machine.readings().read(&ledger, &options);
        let situation = term.machine.situation(&options, clock::now(), |node| view::is_marked(&fork, node));
        let Some(planned) = self.plan(fork, situation, &options).await else { return };
        let skipped = planned.plan.skipped.iter().map(|skipped| (skipped.reason.as_str(), skipped.pods));
        self.metrics.skipped_pods(skipped);
        self.show(&planned.plan, &options);
        self.begin_moves(&planned, &options).await;
    }

    /// A round for these nodes alone: what is requested of them is no passing peak, so they need no more readings, and it is none
    /// for the others.
    async fn relieve(&mut self, options: &Options, nodes: BTreeSet<(Str, Resource)>) {
        let Some((fork, ledger)) = self.survey().await else { return };
        let Some(term) = &mut self.term else { return };
        let options = Arc::new(Options { strategies: vec![Strategy::ResourceOptimization], ..options.clone() });
        let mut situation = term.machine.situation(&options, clock::now(), |node| view::is_marked(&fork, node));
        situation.unconfirmed = ledger.names().cloned().collect();
        situation.relieving = nodes;
        let Some(planned) = self.plan(fork, situation, &options).await else { return };
        tell_plan(&planned.plan, &options);
        self.begin_moves(&planned, &options).await;
    }

    /// The cluster as it will be once what is under way has ended.
    async fn survey(&mut self) -> Option<(Engine, Ledger)> {
        if let Some(term) = self.term.as_ref().filter(|term| !term.is_loaded) {
            let found = fetch(&term.read).await;
            self.load(found).await;
        }
        self.write_what_is_late().await;
        let watched = self.watched();
        let mut fork = self.scheduling.ask(move |scheduler, _| view::with_moves_made(scheduler, &watched)).await?;
        let measured = tokio::task::spawn_blocking(move || {
            let ledger = Ledger::new(&mut fork);
            (fork, ledger)
        });
        measured.await.ok()
    }

    async fn plan(&mut self, fork: Engine, mut situation: Situation, options: &Arc<Options>) -> Option<round::Planned> {
        let read = self.term.as_ref()?.read.clone();
        let made = async {
            situation.now = read.server_time().await?;
            round::planned(&read, fork, situation, options.clone()).await
        };
        match made.await {
            Ok(None) => error!("planning failed: a plugin panicked"),
            Err(error) => self.tell(&format!("what is to be moved can not be planned: {error}")),
            Ok(planned) => return planned,
        }
        None
    }

    /// Says what was planned, when it is something new.
    fn show(&mut self, plan: &Plan, options: &Options) {
        let Some(term) = &mut self.term else { return };
        let text: Vec<String> =
            plan.moves.iter().map(|step| format!("{}/{} {}", step.namespace, step.name, step.to)).collect();
        let text = text.join(", ");
        if text != term.shown {
            tell_plan(plan, options);
            term.shown = text;
        }
    }

    /// Begins with what may be begun, if plans are carried out.
    async fn begin_moves(&mut self, planned: &round::Planned, options: &Options) {
        let Some(term) = self.term.as_mut().filter(|term| term.is_loaded && acts(options)) else { return };
        let mut tasks = Vec::new();
        for (step, pod) in planned.plan.moves.iter().zip(&planned.pods).take(term.machine.free()) {
            let spec = Spec::new(pod, step, options.move_deadline);
            // More are not kept.
            let name = (0..=KEPT + 1)
                .map(|attempt| object::name(&step.name, &step.uid, attempt))
                .find(|name| !term.is_taken(&object::key(&step.namespace, name)));
            let Some(name) = name else { continue };
            let task = spec.task(&step.namespace, &name);
            let held = Held {
                spec,
                namespace: step.namespace.clone(),
                pod: Some(pod.clone()),
                stand_in: Arc::new(object::stand_in(pod, &pod.uid)),
                created: 0,
                is_written: false,
            };
            term.held.insert(task.key.clone(), held);
            tasks.push(task);
        }
        let orders = term.machine.accept(tasks, clock::now());
        let begun: BTreeSet<&Str> = orders
            .iter()
            .filter_map(|order| match order {
                Order::Create(key) => Some(key),
                _ => None,
            })
            .collect();
        let under_way: BTreeSet<Str> = term.machine.under_way().map(|(task, _)| task.key.clone()).collect();
        term.held.retain(|key, _| begun.contains(key) || under_way.contains(key));
        self.perform(orders).await;
    }

    /// Goes on with what is under way.
    async fn step(&mut self) {
        let mut watched = self.watched();
        let Some(term) = self.term.as_mut().filter(|_| !watched.is_empty()) else { return };
        let now = clock::now();
        if now - term.looked_through < LOOK_THROUGH_EVERY {
            for of in &mut watched {
                of.is_evicted = false;
            }
        } else {
            term.looked_through = now;
        }
        let used: Set<Str> = self.term.iter().flat_map(|term| term.used.values().cloned()).collect();
        let seen = self.scheduling.ask(move |scheduler, _| view::sightings(scheduler, &watched, used));
        let Some(seen) = seen.await else { return };
        let Some(term) = &mut self.term else { return };
        let orders = term.machine.step(&seen, clock::now());
        self.perform(orders).await;
    }
}

impl Term {
    fn is_taken(&self, key: &Str) -> bool {
        self.held.contains_key(key) || self.past.iter().any(|(_, past)| past == key)
    }
}

/// Says what was planned.
fn tell_plan(plan: &Plan, options: &Options) {
    let (before, after) = (plan.before.difference, plan.after.difference);
    debug!(moves = plan.moves.len(), before, after, score = plan.before.score, "planned");
    if acts(options) {
        return;
    }
    for step in &plan.moves {
        let (pod, strategy) = (format!("{}/{}", step.namespace, step.name), &step.strategy);
        info!(
            pod,
            from = step.from,
            to = step.to,
            strategy,
            gain = step.gain,
            reason = step.reason,
            "would be moved (mode: observe)"
        );
    }
}

/// Whether it is looked for pods on their way that take nodes above a mark.
fn looks_ahead(options: &Options) -> bool {
    options.preventive && options.strategies.contains(&Strategy::ResourceOptimization)
}

/// Whether plans are carried out. Whoever writes no mode and has the controller wants that.
fn acts(options: &Options) -> bool {
    options.controller && options.mode != Some(Mode::Observe)
}

/// Says what will be moved, and how to stop it.
fn announce(before: Option<&Options>, wanted: Option<&Options>) {
    let Some(options) = wanted else {
        if before.is_some() {
            info!("pods are no longer moved: no profile wants it");
        }
        return;
    };
    let strategies: Vec<&str> = options.strategies.iter().map(|strategy| strategy.as_str()).collect();
    let strategies = strategies.join(", ");
    let interval = loadline_model::duration::format(options.interval);
    if acts(options) {
        warn!(
            strategies,
            interval,
            at_once = options.max_moves_at_once,
            evictions_per_second = options.evictions_per_second,
            "pods will be evicted so that they come up on other nodes; to stop it set `mode: observe` in the arguments of Rescheduler, which takes effect at once, or label a pod scheduler.alpha.kubernetes.io/rescheduling=disabled"
        );
    } else {
        info!(strategies, interval, "what should be moved is planned and shown, and nothing is moved (mode: observe)");
    }
}

/// All Moves there are, and the time by the API server's clock.
async fn fetch(api: &Api) -> Result<(Vec<Object>, Time), ApiError> {
    Ok((api.list(&format!("{ALL}?")).await?, api.server_time().await?))
}
