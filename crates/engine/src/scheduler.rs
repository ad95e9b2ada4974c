//! The scheduler as a state machine: events in, decisions and effects out. Time is an argument.

mod binding;
mod gang_reports;
mod gang_room;
mod gangs;
mod leaving;
mod plans;
mod refusals;
mod reservations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_framework::record::{GangRecord, Outcome};
use loadline_framework::{Action, ClusterEvent, EventObject, Profiles, Resource};
use loadline_model::{DeviceClass, GroupKey, Map, NodeSpec, PodInfo, PodKey, Str, Time, note_devices};

use crate::cycle::{Cycle, Depth};
use crate::effect::{Effect, Event};
use crate::engine::{Engine, Settings};
use crate::gang::{Gangs, KeptRoom, Stand};
use crate::happened::{Ended, Happened};
use crate::queue::{QueuedPod, Rejectors, SchedulingQueue, pod_changes};
pub(crate) use binding::Binding;
use binding::Stage;
pub use gang_reports::GangReport;
use leaving::Leaving;
pub use plans::PlacedMember;
pub(crate) use plans::Plan;
use refusals::Refusals;
use reservations::Reservations;
pub use reservations::{Reservation, ReservationState};

/// One decision in so many is checked again.
const CHECK_EVERY: u64 = 1024;

/// An attempt to place a pod.
#[derive(Debug)]
pub struct Attempt {
    /// What the cycle decided. Its table can be made until the next change.
    pub cycle: Cycle,
    /// Which attempt of the pod it was, from 1.
    pub number: u32,
    /// What was decided of the gang that the pod stood for.
    pub gang: Option<Box<GangAttempt>>,
}

/// An attempt to place a gang.
#[derive(Debug)]
pub struct GangAttempt {
    /// The gang.
    pub key: Arc<GroupKey>,
    /// The members that found nodes, in the order in which they were placed; none when the gang did not fit.
    pub placed: Vec<PlacedMember>,
    /// How far the gang is.
    pub record: GangRecord,
}

/// Decisions of which one node was judged anew, with nothing that was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// How many.
    pub made: u64,
    /// How many of them came to another verdict: each a bug.
    pub wrong: u64,
}

/// Engine, queue, and the pods between a decision and its confirmation.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) engine: Engine,
    pub(crate) queue: SchedulingQueue,
    pub(crate) bindings: Map<PodKey, Binding>,
    /// Those of them that Permit or PreBind let wait: there are few, where bindings under way can be thousands. One that has gone
    /// on stays here until the next tick.
    waiting: BTreeSet<PodKey>,
    /// Pending pods as last heard of, whoever schedules them.
    pub(crate) pending: Map<PodKey, Arc<PodInfo>>,
    pub(crate) gangs: Gangs,
    /// Plans on their way.
    plans: BTreeMap<Arc<GroupKey>, Plan>,
    /// Room that is kept for the first gang in line.
    kept_room: Option<KeptRoom>,
    /// Gangs that would not fit whoever goes, with their priorities: until this time others are before them in line.
    passed_over: BTreeMap<Arc<GroupKey>, (i32, Time)>,
    /// None is kept before this time.
    keep_from: Time,
    /// The first in line that was tried for a reservation, and when that was due.
    tried_for_room: Option<(Arc<GroupKey>, Time)>,
    /// Groups that something happened to which the queue has not followed yet.
    touched: BTreeSet<Arc<GroupKey>>,
    /// What events brought about that is to be done: whoever tells of an event waits for no effect.
    deferred: Vec<Effect>,
    refusals: Refusals,
    leaving: Leaving,
    reservations: Reservations,
    /// Those that stand for an extended resource, by name.
    device_classes: Vec<DeviceClass>,
    /// Decisions until one is checked again.
    until_check: u64,
    checks: Checks,
    /// What is kept is wrong, and is to be dropped once nobody refers to it.
    drop_kept: bool,
    happened: Happened,
}

impl Scheduler {
    /// A scheduler that knows of nothing yet.
    pub fn new(profiles: Profiles, settings: Settings) -> Self {
        Self {
            queue: SchedulingQueue::new(&profiles),
            engine: Engine::new(profiles, settings),
            bindings: Map::default(),
            waiting: BTreeSet::new(),
            pending: Map::default(),
            gangs: Gangs::default(),
            plans: BTreeMap::new(),
            kept_room: None,
            passed_over: BTreeMap::new(),
            keep_from: Time::MIN,
            tried_for_room: None,
            touched: BTreeSet::new(),
            deferred: Vec::new(),
            refusals: Refusals::default(),
            leaving: Leaving::default(),
            reservations: Reservations::default(),
            device_classes: Vec::new(),
            until_check: CHECK_EVERY,
            checks: Checks::default(),
            drop_kept: false,
            happened: Happened::default(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// After this time a pod without a node is tried again, whatever happens.
    pub fn set_max_in_unschedulable(&mut self, duration: Time) {
        self.queue.set_max_in_unschedulable(duration);
    }

    /// The queue.
    pub fn queue(&self) -> &SchedulingQueue {
        &self.queue
    }

    /// Pods without a node as last heard of, whoever schedules them.
    pub fn pending(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.pending.values()
    }

    /// What the last call brought about.
    pub fn happened(&self) -> &Happened {
        &self.happened
    }

    /// Number of pods between a decision and its confirmation.
    pub fn in_flight(&self) -> usize {
        self.bindings.len()
    }

    /// Number of pods whose binding is not answered yet.
    pub fn binding(&self) -> usize {
        self.bindings.values().filter(|binding| matches!(binding.stage, Stage::Bind { .. })).count()
    }

    /// Has a waiting pod tried again though nothing happened that would wake it.
    pub fn activate(&mut self, uid: &str, now: Time) {
        self.queue.activate(uid, now);
    }

    /// Puts other profiles in force. Pods on their way to a node finish on the old ones. Returns the pods that no profile
    /// schedules any more.
    pub fn set_profiles(&mut self, profiles: Profiles, now: Time) -> Vec<Arc<PodInfo>> {
        let left = self.queue.set_profiles(&profiles, &mut self.engine.nominator, now);
        self.engine.set_profiles(profiles);
        // Pods that nobody scheduled may be somebody's now.
        let is_new = |pod: &&Arc<PodInfo>| {
            self.engine.profiles().get(&pod.scheduler_name).is_some()
                && !pod.is_terminating()
                && self.queue.get(&pod.uid).is_none()
                && !self.bindings.contains_key(&pod.uid)
                && self.engine.cluster().pod(&pod.uid).is_none()
        };
        let mut new: Vec<Arc<PodInfo>> = self.pending.values().filter(is_new).cloned().collect();
        new.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        for pod in new {
            self.queue.add(pod, &mut self.engine.nominator, now);
        }
        self.regroup(now);
        left
    }

    /// Takes over something that happened.
    pub fn apply(&mut self, event: Event, now: Time) {
        self.happened.clear();
        match event {
            Event::Node(node) => {
                let node = self.refusals.counted(node);
                self.apply_node(&node, now);
            }
            Event::NodeGone(name) => {
                self.refusals.forget(&name);
                if let Some(old) = self.engine.remove_node(&name) {
                    let object = EventObject::Node { old: Some(&old), new: None };
                    self.moved_by(ClusterEvent::new(Resource::Node, Action::DELETE), &object, now);
                }
            }
            Event::Pod(pod) => self.apply_pod(pod, now),
            Event::PodGone(uid) => self.pod_gone(&uid, now),
            Event::PodRefused(pod, resource) => self.pod_refused(pod, resource, now),
            Event::Namespace(namespace) => self.engine.set_namespace(namespace),
            Event::NamespaceGone(name) => self.engine.remove_namespace(&name),
            Event::Service(service) => self.engine.set_service(service),
            Event::ServiceGone(namespace, name) => self.engine.remove_service(&namespace, &name),
            Event::Workload(workload) => self.engine.set_workload(workload),
            Event::WorkloadGone(kind, namespace, name) => self.engine.remove_workload(kind, &namespace, &name),
            Event::DisruptionBudget(budget) => self.engine.set_disruption_budget(budget),
            Event::DisruptionBudgetGone(namespace, name) => self.engine.remove_disruption_budget(&namespace, &name),
            Event::DeviceClass(class) => {
                self.device_classes.retain(|known| known.name != class.name);
                if class.extended_resource.is_some() {
                    let at = self.device_classes.partition_point(|known| known.name < class.name);
                    self.device_classes.insert(at, class);
                }
                self.note_devices(now);
            }
            Event::DeviceClassGone(name) => {
                self.device_classes.retain(|known| known.name != name);
                self.note_devices(now);
            }
            Event::Reservation(reservation) => self.reserve(reservation, now),
            Event::ReservationGone(name) => self.end_reservation(&name, now),
            // It changes scores alone, so it wakes nobody.
            Event::Usage(source, at, samples) => self.engine.hear_usage(&source, at, samples),
            Event::PodGroup(group) => {
                let key = group.key.clone();
                if self.gangs.set_object(group) {
                    self.touched.insert(key);
                }
            }
            Event::PodGroupGone(key) => {
                self.gangs.remove_object(&key);
                self.touched.insert(key);
            }
            Event::MemberFinished(pod) => self.member_is(&pod, Some(Stand::at_end(&pod))),
            Event::FinishedMemberGone(uid) => {
                if self.gangs.stand_of(&uid).is_some_and(Stand::is_end) {
                    self.touched.extend(self.gangs.remove(&uid));
                }
            }
        }
        self.settle_gangs(now);
    }

    fn apply_node(&mut self, node: &Arc<NodeSpec>, now: Time) {
        let old = self.engine.set_node(node.clone());
        let object = EventObject::Node { old: old.as_deref(), new: Some(node) };
        for event in node_changes(old.as_deref(), node) {
            self.reconsider_passed_over(Time::MAX);
            self.moved_by(event, &object, now);
        }
    }

    /// An event, and the pods that it wakes.
    fn moved_by(&mut self, event: ClusterEvent, object: &EventObject<'_>, now: Time) {
        self.happened.heard.push(event);
        self.queue.move_for_event(event, object, now);
    }

    /// Has pending pods know which of their requests the DeviceClasses stand for; those for which that changed begin anew.
    fn note_devices(&mut self, now: Time) {
        let mut changed = Vec::new();
        for pod in self.pending.values() {
            let mut noted = pod.clone();
            note_devices(&mut noted, &self.device_classes);
            if !Arc::ptr_eq(pod, &noted) {
                changed.push(noted);
            }
        }
        changed.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        for pod in changed {
            if !self.bindings.contains_key(&pod.uid) {
                self.queue.delete(&pod.uid, &mut self.engine.nominator);
                self.pending.remove(&pod.uid);
                self.apply_pod(pod, now);
            }
        }
    }

    fn apply_pod(&mut self, mut pod: Arc<PodInfo>, now: Time) {
        if pod.finished {
            if pod.pod_group.is_some() {
                self.member_is(&pod, Some(Stand::at_end(&pod)));
            }
            self.pod_gone(&pod.uid, now);
            return;
        }
        let Some(node) = pod.node_name.clone() else {
            if !self.device_classes.is_empty() {
                note_devices(&mut pod, &self.device_classes);
            }
            let old = self.pending.insert(pod.uid.clone(), pod.clone());
            if self.bindings.contains_key(&pod.uid) {
                // On its way: the pod is as good as placed, unless its deletion began.
                if pod.is_terminating() {
                    self.give_up(&pod.uid, now);
                }
                return;
            }
            if self.engine.cluster().pod(&pod.uid).is_some_and(|placed| placed.assumed) {
                // Bound: what is told here is older than the answer that said so.
                return;
            }
            if self.engine.profiles().get(&pod.scheduler_name).is_none() {
                self.queue.delete(&pod.uid, &mut self.engine.nominator);
                self.member_gone(&pod.uid);
                return;
            }
            if pod.is_terminating() {
                self.member_gone(&pod.uid);
                // Not decided any more, but the room that is kept for it is kept until it is gone.
                self.queue.delete(&pod.uid, &mut self.engine.nominator);
                self.engine.nominator.add_by_status(&pod);
                return;
            }
            if pod.pod_group.is_some() || self.gangs.of(&pod.uid).is_some() {
                self.enlist(&pod, now);
            }
            let nominator = &mut self.engine.nominator;
            let action = if old.is_some() { Action::UPDATE } else { Action::ADD };
            self.happened.heard.push(ClusterEvent::new(Resource::UnscheduledPod, action));
            let Some(old) = old else {
                self.queue.add(pod.clone(), nominator, now);
                self.claim(&pod);
                return;
            };
            self.queue.update(&old, pod.clone(), nominator, now);
            if old.nominated_node_name.is_some() && old.nominated_node_name != pod.nominated_node_name {
                self.room_was_held(&old, now);
            }
            return;
        };
        self.pending.remove(&pod.uid);
        pod = self.leaving.complete(pod, now);
        if pod.is_terminating() {
            self.is_leaving(&pod.uid);
        }
        match self.bindings.get_mut(&pod.uid) {
            // The watch was faster than the answer, which still says whether it was this binding that placed the pod.
            Some(Binding { stage: Stage::Bind { seen_on, .. }, .. }) => *seen_on = Some(node.clone()),
            Some(_) => self.placed_elsewhere(&pod.uid, now),
            None => {}
        }
        if pod.pod_group.is_some() || self.gangs.of(&pod.uid).is_some() {
            self.member_is(&pod, (!pod.is_terminating()).then_some(Stand::Placed));
        }
        self.queue.delete(&pod.uid, &mut self.engine.nominator);
        let old = self.engine.set_placed_pod(pod.clone(), &node);
        if let Some(old) = old.as_ref().filter(|old| old.assumed && old.node != node) {
            self.room_is_free(&old.pod, &old.node, now);
        }
        // A pod that was only assumed is new to everybody else.
        let old = old.filter(|old| !old.assumed).map(|old| old.pod);
        let object = EventObject::Pod { old: old.as_deref(), new: Some(&pod) };
        let events = old
            .as_deref()
            .map_or_else(|| vec![ClusterEvent::new(Resource::AssignedPod, Action::ADD)], |old| pod_changes(old, &pod));
        for event in events {
            self.moved_by(event, &object, now);
        }
    }

    fn pod_gone(&mut self, uid: &str, now: Time) {
        self.leaving.forget(uid);
        self.is_leaving(uid);
        let waited = self.pending.remove(uid);
        self.member_gone(uid);
        if waited.is_some() {
            self.unclaim(uid);
        }
        if self.bindings.contains_key(uid) {
            self.give_up(uid, now);
        }
        let nominated = self.engine.end_nomination(uid);
        self.queue.delete(uid, &mut self.engine.nominator);
        let event = ClusterEvent::new(Resource::AssignedPod, Action::DELETE);
        if let Some(old) = self.engine.remove_pod(uid) {
            let object = EventObject::Pod { old: Some(&old.pod), new: None };
            self.moved_by(event, &object, now);
            return;
        }
        if waited.is_some_and(|pod| self.engine.profiles().get(&pod.scheduler_name).is_some()) {
            self.happened.heard.push(ClusterEvent::new(Resource::UnscheduledPod, Action::DELETE));
        }
        if let Some((pod, _)) = nominated {
            self.room_was_held(&pod, now);
        }
    }

    /// The room that was kept for a pod without a node is free, for those of its priority and below.
    fn room_was_held(&mut self, pod: &Arc<PodInfo>, now: Time) {
        let event = ClusterEvent::new(Resource::AssignedPod, Action::DELETE);
        let object = EventObject::Pod { old: Some(pod), new: None };
        self.queue.move_up_to_priority(pod.priority, event, &object, now);
    }

    /// Somebody else placed a pod that was on its way to a node.
    fn placed_elsewhere(&mut self, uid: &str, now: Time) {
        if let Some(binding) = self.bindings.remove(uid) {
            binding.unreserve();
            self.queue.done(uid);
            self.left_plan(&binding, true, now);
        }
    }

    /// A pod that vanishes on its way to a node gives back what it holds.
    fn give_up(&mut self, uid: &str, now: Time) {
        if let Some(binding) = self.bindings.remove(uid) {
            self.queue.done(uid);
            self.give_back(&binding, now);
            self.member_gone(uid);
            self.left_plan(&binding, false, now);
        }
    }

    /// When something will be due without any event.
    pub fn next_wakeup(&self, now: Time) -> Option<Time> {
        let waiting = self.waiting.iter().filter_map(|uid| self.bindings.get(uid));
        let waiting = waiting.filter_map(|binding| match &binding.stage {
            Stage::Permit { until } => until.iter().map(|(_, at)| *at).min(),
            Stage::PreBind { at, .. } | Stage::Again { at } => Some(*at),
            Stage::Reserve | Stage::Ready | Stage::Bind { .. } => None,
        });
        let gangs = self.next_gang_time().map(|at| at.max(now));
        self.queue.next_wakeup(now).into_iter().chain(waiting).chain(gangs).chain(self.refusals.next_end()).min()
    }

    /// Does what is due: backoffs of pods and nodes that are over, pods that waited too long, steps of PreBind, ends of Permit.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        self.happened.clear();
        self.end_refusals(now);
        self.queue.flush(now);
        let mut effects = Vec::new();
        for uid in std::mem::take(&mut self.waiting) {
            let is_bound = |binding: &Binding| matches!(binding.stage, Stage::Bind { .. });
            if self.bindings.get(&uid).is_some_and(|binding| !is_bound(binding)) {
                self.advance(&uid, now, &mut effects);
            }
        }
        self.tick_gangs(now, &mut effects);
        effects
    }

    /// Takes the next pod from the queue, decides, and commits. `None` when no pod is to be decided now.
    pub fn schedule_one(&mut self, now: Time) -> Option<(Attempt, Vec<Effect>)> {
        self.happened.clear();
        let mut queued = self.queue.pop()?;
        queued.began = now;
        if let Some(key) = queued.gang.as_ref().map(|head| head.key.clone()) {
            return Some(self.schedule_gang(queued, &key, now));
        }
        let mut effects = std::mem::take(&mut self.deferred);
        let number = queued.attempts;
        let cycle = self.engine.decide(&queued.pod, number, Depth::Decide);
        self.check(&cycle);
        match cycle.node.clone() {
            Some(node) => self.commit(queued, &node, now, &mut effects),
            None => self.failed(queued, &cycle, now, &mut effects),
        }
        Some((Attempt { cycle, number, gang: None }, effects))
    }

    /// Has a random verdict computed anew from time to time. What was kept is dropped when it was wrong.
    fn check(&mut self, cycle: &Cycle) {
        self.until_check -= 1;
        if self.until_check > 0 {
            return;
        }
        self.until_check = CHECK_EVERY;
        let pick = self.engine.cluster().generation().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        if let Some(is_right) = self.engine.recheck(cycle, pick) {
            self.checks.made += 1;
            if !is_right {
                self.checks.wrong += 1;
                // The cycle refers to it still.
                self.drop_kept = true;
            }
        }
    }

    /// Decisions of which one node was judged anew.
    pub fn checks(&self) -> Checks {
        self.checks
    }

    /// Keeps within the budget of memory. Ends the life of what [`Attempt`]s refer to.
    pub fn trim(&mut self) {
        if std::mem::take(&mut self.drop_kept) {
            self.engine.drop_kept();
        }
        self.engine.trim();
    }

    /// Record of an attempt with its full table. Nothing may have changed since.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// A cycle that found no node.
    fn failed(&mut self, queued: QueuedPod, cycle: &Cycle, now: Time, effects: &mut Vec<Effect>) {
        let pod = queued.pod.clone();
        let rejectors = Rejectors { unschedulable: cycle.rejected_by.clone(), pending: Vec::new() };
        self.happened.ended.push(Ended::new(&queued, cycle.outcome));
        let reason = if cycle.outcome == Outcome::Error { "SchedulerError" } else { "Unschedulable" };
        if let (Some(Some(node)), false) = (&cycle.nominate, cycle.victims.is_empty()) {
            self.preempt(cycle, node, effects);
        }
        match &cycle.nominate {
            Some(Some(node)) => self.engine.nominate(pod.clone(), node.clone()),
            Some(None) => {
                self.engine.end_nomination(&pod.uid);
            }
            None => self.engine.nominator.keep(&pod),
        }
        self.queue.requeue_after_failure(queued, rejectors, now);
        report_failure(&pod, reason, cycle.message.clone(), cycle.nominate.clone(), effects);
    }

    /// Pods of lower priority that are nominated to a node have no room there any more.
    fn lower_give_way(&mut self, node: &Str, priority: i32, effects: &mut Vec<Effect>) {
        let lower: Vec<Arc<PodInfo>> = self.engine.nominator.pods_on(node).to_vec();
        for other in lower.into_iter().filter(|other| other.priority < priority) {
            if self.reservations.is_one(&other.uid) {
                self.lose_reservation(&other.uid);
                continue;
            }
            // The update of their status wakes them.
            self.engine.end_nomination(&other.uid);
            effects.push(Effect::PatchStatus { pod: other, condition: None, nominated_node_name: Some(None) });
        }
    }

    fn preempt(&mut self, cycle: &Cycle, node: &Str, effects: &mut Vec<Effect>) {
        let pod = &cycle.pod;
        self.lower_give_way(node, pod.priority, effects);
        let victims: Vec<_> = cycle.victims.iter().filter(|victim| !victim.is_terminating()).cloned().collect();
        if victims.is_empty() {
            return;
        }
        if let Some(gate) = &cycle.hold {
            self.queue.hold(pod.uid.clone(), gate.clone());
        }
        effects.push(Effect::DeleteVictims { preemptor: pod.clone(), gang: None, node: node.clone(), victims });
    }
}

fn report_failure(
    pod: &Arc<PodInfo>,
    reason: &'static str,
    message: String,
    nominated_node_name: Option<Option<Str>>,
    effects: &mut Vec<Effect>,
) {
    effects.push(Effect::RecordEvent {
        pod: pod.clone(),
        reason: "FailedScheduling",
        warning: true,
        note: message.clone(),
    });
    effects.push(Effect::PatchStatus { pod: pod.clone(), condition: Some((reason, message)), nominated_node_name });
}

/// The events of a node's change.
fn node_changes(old: Option<&NodeSpec>, new: &NodeSpec) -> Vec<ClusterEvent> {
    let event = |action| ClusterEvent::new(Resource::Node, action);
    let Some(old) = old else {
        return vec![event(Action::ADD)];
    };
    let changes = [
        (old.unschedulable && !new.unschedulable || old.taints != new.taints, Action::UPDATE_NODE_TAINT),
        (old.allocatable != new.allocatable || old.allowed_pods != new.allowed_pods, Action::UPDATE_NODE_ALLOCATABLE),
        (old.labels != new.labels, Action::UPDATE_NODE_LABEL),
        (old.declared_features != new.declared_features, Action::UPDATE_NODE_DECLARED_FEATURE),
    ];
    changes.into_iter().filter(|(changed, _)| *changed).map(|(_, action)| event(action)).collect()
}
