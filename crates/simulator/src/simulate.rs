//! The scheduler run to rest in virtual time, its effects performed in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_api::defaults::TOPOLOGY_LABELS;
use loadline_api::expand::new_name;
use loadline_engine::queue::QueueName;
use loadline_engine::{Attempt, Effect, Event, Scheduler, Settings};
use loadline_framework::record::{API_VERSION, Decision, GangRecord, GangState, Outcome};
use loadline_framework::{COSCHEDULING, Profiles};
use loadline_model::{Labels, Map, NodeInfo, PodInfo, PodKey, Set, Str, Time};

use crate::Progress;
use crate::cluster::Cluster;
use crate::explain::{judge, judge_from, meant};
use crate::gangs::amend;
use crate::report::{Circling, NodeUse, PendingPod, Placement, PreemptedPod, Report, Usage, seconds};

/// When pods are gone whose deletion had begun in the input: kube's default grace period.
const GRACE: Time = 30 * loadline_model::duration::SECOND;

/// How to simulate.
#[derive(Clone, Debug)]
pub struct SimulateOptions {
    /// Seed of the tie-break.
    pub seed: u64,
    /// Virtual time after which a simulation ends that does not come to rest, nanoseconds.
    pub until: Time,
    /// Threads.
    pub parallelism: usize,
    /// Pods (`namespace/name`, or a name in `default`) whose last decision is wanted whole.
    pub explain: Vec<String>,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A pod was asked for that never came to be: its `namespace/name`, and which one may be meant.
    #[error("there is no pod `{0}` in the input, nor did any controller make one of that name{1}")]
    NoSuchPod(String, String),
    /// A pod was asked for that no profile schedules: its name, and the scheduler that it asks for.
    #[error("pod `{0}` asks for scheduler `{1}`, which is no profile of the configuration")]
    NotOurs(String, String),
    /// A pod was asked for that was never decided: it was on a node in the input.
    #[error("pod `{0}` was on a node in the input; there is no decision to explain")]
    Placed(String),
}

/// What is known of a pod while the simulation runs.
#[derive(Debug, Default)]
struct History {
    last: Option<(Outcome, String)>,
    /// The node that the search of the last attempt began with.
    first_visited: usize,
}

/// Values of [`TOPOLOGY_LABELS`].
type NodeLabels = [Option<Str>; TOPOLOGY_LABELS.len()];

struct Simulation<'a> {
    scheduler: Scheduler,
    now: Time,
    until: Time,
    seed: u64,
    histories: Map<PodKey, History>,
    /// Pods as the API would hold them.
    pods: Map<PodKey, Arc<PodInfo>>,
    /// Names of all pods that were ever there, whatever their namespaces.
    names: Set<Str>,
    /// By a pod's labels and those of its node that it gets: both.
    labels_on_nodes: Map<(Arc<Labels>, NodeLabels), Arc<Labels>>,
    placements: Vec<Placement>,
    preempted: Vec<PreemptedPod>,
    /// Wanted decisions by `namespace/name`.
    wanted: BTreeMap<String, Option<Decision>>,
    /// Pods that failed since something last changed: the same cluster gives them the same answer.
    idle: Set<PodKey>,
    /// Pods on nodes that are being deleted since before the start.
    terminating: Vec<PodKey>,
    terminated: u64,
    replaced: u64,
    other_schedulers: BTreeMap<String, u64>,
    progress: &'a mut dyn FnMut(Progress),
}

/// Runs the scheduler over a cluster until nothing more can happen, or the limit of virtual time.
///
/// # Errors
/// When a pod that is to be explained does not exist.
pub fn simulate(
    cluster: &Cluster,
    profiles: &Profiles,
    options: &SimulateOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Report, Vec<Decision>), SimulateError> {
    let settings =
        Settings { seed: options.seed, parallelism: options.parallelism, record_bytes: 0, ..Settings::default() };
    let full_name = |name: &String| {
        if name.contains('/') { name.clone() } else { format!("default/{name}") }
    };
    let mut simulation = Simulation {
        scheduler: Scheduler::new(profiles.clone(), settings),
        now: 0,
        until: options.until,
        seed: options.seed,
        histories: Map::default(),
        pods: Map::default(),
        names: Set::default(),
        labels_on_nodes: Map::default(),
        placements: Vec::new(),
        preempted: Vec::new(),
        wanted: options.explain.iter().map(|name| (full_name(name), None)).collect(),
        idle: Set::default(),
        terminating: Vec::new(),
        terminated: 0,
        replaced: 0,
        other_schedulers: BTreeMap::new(),
        progress,
    };
    simulation.load(cluster);
    let before = usages(simulation.scheduler.engine().cluster().node_infos());
    let at_rest = simulation.run();
    let decisions = simulation.explained(options, &full_name)?;
    Ok((simulation.report(at_rest, &before, cluster.vacated), decisions))
}

impl Simulation<'_> {
    /// Tells the scheduler of the cluster, pods that wait last and in queue order.
    fn load(&mut self, cluster: &Cluster) {
        let start = self.now;
        for event in cluster.events() {
            if let Event::Pod(pod) = &event {
                self.names.insert(pod.name.clone());
                if pod.is_terminating() {
                    self.terminating.push(pod.uid.clone());
                }
            }
            self.scheduler.apply(event, start);
        }
        let of_workloads = cluster.missing.iter().flat_map(|missing| &missing.pods);
        let mut waiting: Vec<&Arc<PodInfo>> = cluster.pending().chain(of_workloads).collect();
        // The sort is stable: among equals the place in the input decides.
        waiting.sort_by_key(|pod| pod.created.unwrap_or(Time::MAX));
        for pod in waiting {
            // A nanosecond apart, so that the queue has them in this order.
            self.now += 1;
            self.add(pod.clone());
        }
    }

    fn add(&mut self, pod: Arc<PodInfo>) {
        if self.scheduler.engine().profiles().get(&pod.scheduler_name).is_none() {
            *self.other_schedulers.entry(pod.scheduler_name.to_string()).or_default() += 1;
        }
        self.pods.insert(pod.uid.clone(), pod.clone());
        self.names.insert(pod.name.clone());
        self.scheduler.apply(Event::Pod(pod), self.now);
    }

    /// Whether the cluster came to rest before the limit.
    fn run(&mut self) -> bool {
        let mut steps = 0_u64;
        loop {
            self.end_terminating();
            let effects = self.scheduler.tick(self.now);
            self.perform(effects);
            loop {
                let first_visited = self.scheduler.engine().first_to_visit();
                let Some((attempt, effects)) = self.scheduler.schedule_one(self.now) else { break };
                self.note(&attempt, first_visited);
                self.perform(effects);
                if steps.is_multiple_of(64) {
                    self.scheduler.trim();
                }
                // Decisions take no virtual time, but two of them are never at the same moment.
                self.now += 1;
                steps += 1;
                if steps.is_multiple_of(256) {
                    self.tell();
                }
                if self.now > self.until {
                    break;
                }
            }
            self.tell();
            match self.next_change() {
                None => return true,
                Some(at) if at > self.until => return false,
                Some(at) => self.now = at.max(self.now + 1),
            }
        }
    }

    /// When something will happen that can change anything. Pods that are only tried again, by the clock, get the same
    /// answer from the same cluster: once all that wait are such, and no pod is about to go, the cluster is at rest.
    fn next_change(&self) -> Option<Time> {
        let counts = self.scheduler.queue().counts();
        let rests = self.scheduler.in_flight() == 0 && self.idle.len() >= counts.active + counts.backoff;
        let wakeup = if rests { None } else { self.scheduler.next_wakeup(self.now) };
        let end = (!self.terminating.is_empty()).then_some(GRACE);
        wakeup.into_iter().chain(end).min()
    }

    fn end_terminating(&mut self) {
        if self.now < GRACE || self.terminating.is_empty() {
            return;
        }
        for uid in std::mem::take(&mut self.terminating) {
            self.scheduler.apply(Event::PodGone(uid), self.now);
            self.terminated += 1;
        }
        self.idle.clear();
    }

    fn tell(&mut self) {
        let waiting = self.scheduler.queue().len() as u64;
        (self.progress)(Progress::Simulating {
            placed: self.placements.len() as u64,
            waiting,
            virtual_seconds: seconds(self.now),
        });
    }

    fn note(&mut self, attempt: &Attempt, first_visited: usize) {
        let cycle = &attempt.cycle;
        let history = self.histories.entry(cycle.pod.uid.clone()).or_default();
        history.last = Some((cycle.outcome, cycle.message.clone()));
        history.first_visited = first_visited;
        if cycle.node.is_some() || !cycle.victims.is_empty() {
            self.idle.clear();
        } else {
            self.idle.insert(cycle.pod.uid.clone());
        }
        let members = attempt.gang.as_ref().map_or(&[][..], |gang| &gang.placed);
        for member in members {
            self.histories.entry(member.pod.uid.clone()).or_default().last = Some((Outcome::Feasible, String::new()));
            self.placements.push(Placement {
                namespace: member.pod.namespace.to_string(),
                name: member.pod.name.to_string(),
                owner: owner(&member.pod),
                node: member.node.to_string(),
                decided_by: member.decided_by,
                feasible: member.feasible,
                attempts: member.attempts,
                at_seconds: seconds(self.now),
            });
        }
        if attempt.gang.is_some() {
            return;
        }
        if let (Some(node), Some(decided_by)) = (&cycle.node, cycle.decided_by) {
            self.placements.push(Placement {
                namespace: cycle.pod.namespace.to_string(),
                name: cycle.pod.name.to_string(),
                owner: owner(&cycle.pod),
                node: node.to_string(),
                decided_by,
                feasible: cycle.feasible,
                attempts: attempt.number,
                at_seconds: seconds(self.now),
            });
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Bind { pod, node, .. } => self.bind(&pod, &node),
                Effect::PatchStatus { pod, nominated_node_name: Some(wanted), .. } => self.nominate(&pod.uid, wanted),
                Effect::DeleteVictims { preemptor, node, victims, .. } => {
                    self.delete_victims(&preemptor, &node, &victims);
                }
                // Conditions and events are for people; the report has what they say.
                Effect::PatchStatus { .. } | Effect::RecordEvent { .. } | Effect::RecordGroupEvent { .. } => {}
            }
        }
    }

    fn bind(&mut self, pod: &Arc<PodInfo>, node: &Str) {
        let name = pod.full_name();
        if self.wanted.contains_key(&name) {
            // Judged once more with everything, the pod itself left out: the cluster is as the decision found it.
            self.explain_before_binding(pod, &name);
        }
        // Effects of Bind are recorded as events, which the report does without.
        self.scheduler.bound(&pod.uid, Ok(()), self.now);
        let mut bound = PodInfo::clone(pod);
        bound.labels = self.labels_on(&pod.labels, node);
        bound.node_name = Some(node.clone());
        bound.nominated_node_name = None;
        bound.started = Some(self.now);
        let bound = Arc::new(bound);
        self.pods.insert(bound.uid.clone(), bound.clone());
        self.scheduler.apply(Event::Pod(bound), self.now);
    }

    /// A pod's labels with those that it gets of its node when it is bound. Equal ones are shared: there are many pods.
    fn labels_on(&mut self, labels: &Arc<Labels>, node: &Str) -> Arc<Labels> {
        let Some(info) = self.scheduler.engine().cluster().node(node) else { return labels.clone() };
        let of_node = TOPOLOGY_LABELS.map(|key| info.spec.labels.get(key).cloned());
        if of_node.iter().all(Option::is_none) {
            return labels.clone();
        }
        let both = self.labels_on_nodes.entry((labels.clone(), of_node)).or_insert_with_key(|(labels, of_node)| {
            let copied = TOPOLOGY_LABELS.iter().zip(of_node);
            let copied = copied.filter_map(|(key, value)| Some((Str::from(*key), value.clone()?)));
            // Of two values the later one holds.
            Arc::new(labels.iter().cloned().chain(copied).collect())
        });
        both.clone()
    }

    fn explain_before_binding(&mut self, pod: &Arc<PodInfo>, name: &str) {
        let first_visited = self.histories.get(&pod.uid).map_or(0, |history| history.first_visited);
        let engine = self.scheduler.engine_mut();
        let assumed = engine.cluster().pod(&pod.uid).map(|cached| cached.node.clone());
        engine.forget(&pod.uid);
        let mut decision = judge_from(engine, pod, first_visited);
        if let Some(node) = assumed {
            engine.assume(pod, &node);
            // The tie-break goes by the attempt: the node that was taken is the one to show.
            decision.node = Some(node.to_string());
        }
        self.wanted.insert(name.to_owned(), Some(decision));
    }

    fn nominate(&mut self, uid: &str, node: Option<Str>) {
        let changes = |pod: &&Arc<PodInfo>| pod.nominated_node_name != node;
        let Some(pod) = self.pods.get(uid).filter(changes) else { return };
        let mut changed = PodInfo::clone(pod);
        changed.nominated_node_name = node;
        let changed = Arc::new(changed);
        self.pods.insert(changed.uid.clone(), changed.clone());
        self.scheduler.apply(Event::Pod(changed), self.now);
    }

    fn delete_victims(&mut self, preemptor: &Arc<PodInfo>, node: &Str, victims: &[Arc<PodInfo>]) {
        for (index, victim) in victims.iter().enumerate() {
            if index + 1 == victims.len() {
                self.scheduler.last_victim(&preemptor.uid, &victim.uid, self.now);
            }
            self.pods.remove(&victim.uid);
            self.scheduler.apply(Event::PodGone(victim.uid.clone()), self.now);
            let successor = victim.owner.is_some().then(|| self.successor(victim));
            self.preempted.push(PreemptedPod {
                victim: victim.full_name(),
                node: node.to_string(),
                preemptor: preemptor.full_name(),
                replaced_by: successor.as_ref().map_or_else(String::new, |pod| pod.name.to_string()),
                at_seconds: seconds(self.now),
            });
            if let Some(successor) = successor {
                self.add(successor);
            }
        }
        if let Some(last) = victims.last() {
            self.scheduler.release(&preemptor.uid, &last.uid, self.now);
        }
    }

    /// The pod that a controller puts in the place of one that was deleted.
    fn successor(&mut self, victim: &PodInfo) -> Arc<PodInfo> {
        self.replaced += 1;
        let mut pod = victim.clone();
        pod.uid = format!("{}-r{}", victim.uid, self.replaced).into();
        // A StatefulSet gives its new pod the old one's name, others make up a new one behind their own.
        if victim.owner.as_ref().is_none_or(|owner| owner.kind != "StatefulSet") {
            let (stem, _) = victim.name.rsplit_once('-').unwrap_or((&victim.name, ""));
            pod.name = new_name(stem, &pod.uid, |name| self.names.contains(name)).into();
        }
        // Made from a template, which does not know the node that the victim was on.
        if pod.labels.iter().any(|(key, _)| TOPOLOGY_LABELS.contains(&&**key)) {
            let of_template = pod.labels.iter().filter(|(key, _)| !TOPOLOGY_LABELS.contains(&&**key));
            pod.labels = Arc::new(of_template.cloned().collect());
        }
        pod.node_name = None;
        pod.nominated_node_name = None;
        pod.started = None;
        pod.created = Some(self.now);
        pod.preempted = false;
        Arc::new(pod)
    }

    /// The wanted decisions: of pods that were placed as they were decided, of those left over as they stand now.
    fn explained(
        &mut self,
        options: &SimulateOptions,
        full_name: &dyn Fn(&String) -> String,
    ) -> Result<Vec<Decision>, SimulateError> {
        let mut decisions = Vec::new();
        for wanted in &options.explain {
            let name = full_name(wanted);
            if let Some(Some(decision)) = self.wanted.get(&name) {
                decisions.push(decision.clone());
                continue;
            }
            let pod = self.pods.values().find(|pod| pod.node_name.is_none() && pod.full_name() == name).cloned();
            let pod = pod.ok_or_else(|| {
                let was_placed = self.preempted.iter().any(|preempted| preempted.victim == name)
                    || self.pods.values().any(|pod| pod.full_name() == name);
                if was_placed {
                    return SimulateError::Placed(name.clone());
                }
                let (namespace, of_it) = name.split_once('/').unwrap_or(("", &name));
                SimulateError::NoSuchPod(name.clone(), meant(namespace, of_it, self.pods.values()))
            })?;
            if self.scheduler.engine().profiles().get(&pod.scheduler_name).is_none() {
                return Err(SimulateError::NotOurs(name, pod.scheduler_name.to_string()));
            }
            let mut decision = judge(self.scheduler.engine_mut(), &pod);
            if let Some(record) = self.scheduler.gang_of(&pod.uid, self.now) {
                amend(&mut decision, record, None);
            }
            decisions.push(decision);
        }
        Ok(decisions)
    }

    fn report(self, at_rest: bool, before: &BTreeMap<Str, Usage>, vacated: u64) -> Report {
        let engine = self.scheduler.engine();
        let mut waiting: Vec<_> = self.scheduler.queue().pending().collect();
        waiting.sort_by_key(|pending| (std::cmp::Reverse(pending.queued.pod.priority), pending.queued.timestamp));
        let pending = waiting.iter().map(|pending| {
            let pod = &pending.queued.pod;
            let last = self.histories.get(&pod.uid).and_then(|history| history.last.clone());
            let gang = self.scheduler.gang_of(&pod.uid, self.now);
            let gated = (pending.queue == QueueName::Gated)
                .then(|| engine.profiles().get(&pod.scheduler_name).and_then(|profile| profile.gate(pod)))
                .flatten();
            let (result, message, gated_by) = match (gated, last) {
                (None, _) if let Some(gang) = &gang => of_gang(gang),
                (Some((plugin, status)), _) => (Outcome::Gated, status.message(), plugin.to_owned()),
                (None, Some((outcome, message))) => (outcome, message, String::new()),
                (None, None) => {
                    (Outcome::Unschedulable, "not tried before the simulation ended".to_owned(), String::new())
                }
            };
            PendingPod {
                namespace: pod.namespace.to_string(),
                name: pod.name.to_string(),
                owner: owner(pod),
                result,
                message,
                gated_by,
                attempts: pending.queued.attempts,
                nominated_node: engine.nominator().node_of(&pod.uid).map_or_else(String::new, ToString::to_string),
            }
        });
        let pending: Vec<PendingPod> = pending.collect();
        let circling = if at_rest { Vec::new() } else { self.circling(&waiting) };
        let after = usages(engine.cluster().node_infos());
        let keys = self.scheduler.gang_keys();
        let gangs = keys.iter().filter_map(|key| self.scheduler.gang(key, self.now)).collect();
        let nodes = engine.cluster().node_infos().map(|info| NodeUse {
            name: info.spec.name.to_string(),
            allocatable: usage(&info.spec.allocatable, info.spec.allowed_pods),
            before: before.get(&info.spec.name).cloned().unwrap_or_default(),
            after: after.get(&info.spec.name).cloned().unwrap_or_default(),
        });
        let mut nodes: Vec<NodeUse> = nodes.collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Report {
            api_version: API_VERSION.to_owned(),
            kind: "SimulationReport".to_owned(),
            config_hash: engine.profiles().config_hash.to_string(),
            seed: self.seed,
            elapsed_seconds: seconds(self.now),
            at_rest,
            circling,
            placements: self.placements,
            preempted: self.preempted,
            terminated: self.terminated,
            pending,
            not_ours: self.other_schedulers.values().sum(),
            other_schedulers: self.other_schedulers,
            vacated,
            gangs,
            nodes,
        }
    }

    fn circling(&self, waiting: &[loadline_engine::queue::Pending<'_>]) -> Vec<Circling> {
        let moving = waiting.iter().filter(|pending| matches!(pending.queue, QueueName::Active | QueueName::Backoff));
        moving
            .map(|pending| {
                let pod = &pending.queued.pod;
                let preempted = self.preempted.iter().filter(|gone| gone.preemptor == pod.full_name()).count();
                let why = if preempted > 0 {
                    format!("it preempted {preempted} pods and was not placed for good")
                } else {
                    "events keep waking it although nothing fits".to_owned()
                };
                Circling { pod: pod.full_name(), attempts: pending.queued.attempts, why }
            })
            .collect()
    }
}

/// What a pod waits for that waits for its gang.
fn of_gang(gang: &GangRecord) -> (Outcome, String, String) {
    match gang.state {
        GangState::WaitsForGroup | GangState::WaitsForPods => {
            (Outcome::Gated, gang.message.clone(), COSCHEDULING.to_owned())
        }
        _ => {
            (Outcome::Unschedulable, format!("gang {}/{}: {}", gang.namespace, gang.name, gang.message), String::new())
        }
    }
}

fn owner(pod: &PodInfo) -> String {
    pod.owner.as_ref().map_or_else(String::new, |owner| format!("{}/{}", owner.kind, owner.name))
}

fn usages<'a>(nodes: impl Iterator<Item = &'a Arc<NodeInfo>>) -> BTreeMap<Str, Usage> {
    nodes.map(|info| (info.spec.name.clone(), usage(&info.load.requested, info.load.pods))).collect()
}

fn usage(resources: &loadline_model::Resources, pods: i64) -> Usage {
    let mut others: BTreeMap<String, i64> =
        resources.scalars.iter().map(|(name, amount)| (name.to_string(), *amount)).collect();
    if resources.ephemeral_storage != 0 {
        others.insert("ephemeral-storage".to_owned(), resources.ephemeral_storage);
    }
    others.retain(|_, amount| *amount != 0);
    Usage { milli_cpu: resources.milli_cpu, memory: resources.memory, pods, others }
}
