//! The scheduling queue: which pod is decided next, and when one that was turned down is tried again.
//!
//! A pod is in exactly one of these, or in flight between [`SchedulingQueue::pop`] and its end: *active* (to be tried, in
//! the order of the profile's QueueSort), *backoff* (until a pause is over, or nobody else is active; in full those whose
//! attempt ended in an error, and gangs that are to pause),
//! *unschedulable* (until an event that one of the plugins that turned it down registered), *gated* (until PreEnqueue
//! lets it in). Rules and arithmetic are kube-scheduler's; where it leaves an order to chance, here it is the order in
//! which the pods entered.
//!
//! Invariants: no clock (time is an argument and must not run backwards), nothing waits; what happens follows from the
//! calls alone.

mod backoff;
mod changes;
mod dump;
mod heap;
mod hints;
mod in_flight;
mod members;
mod moves;
mod pod;
mod slab;
#[cfg(test)]
mod tests;
mod unschedulable;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use loadline_framework::{Action, ClusterEvent, EventObject, Profile, Profiles, QueueSort, Resource};
use loadline_model::{Map, PodInfo, PodKey, Time};

use crate::cycle::guarded;
use crate::nominator::Nominator;
use backoff::Backoff;
use heap::Heap;
use hints::{HintTable, Strategy, wildcard_strategy};
use in_flight::InFlight;
use members::Members;
use slab::{Entry, Id, Place, Slab};
use unschedulable::Unschedulable;

pub use changes::pod_changes;
pub use dump::Pending;
pub use hints::EXTENDER;
pub use members::Standing;
pub use pod::{Cause, Gate, Head, QueueName, QueuedPod, Rejectors};

/// How long a pod waits for an event before it is tried again anyway, unless set otherwise: 5 minutes.
pub const MAX_IN_UNSCHEDULABLE: Time = 300 * backoff::WINDOW;

/// Pods by where they wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// To be tried next.
    pub active: usize,
    /// Until their backoff is over.
    pub backoff: usize,
    /// For an event.
    pub unschedulable: usize,
    /// For PreEnqueue.
    pub gated: usize,
}

/// The scheduling queue of all profiles.
pub struct SchedulingQueue {
    profiles: Vec<Arc<Profile>>,
    sort: Arc<dyn QueueSort>,
    hints: HintTable,
    backoff: Backoff,
    max_in_unschedulable: Time,
    pods: Slab,
    active: Heap,
    backing_off: Heap,
    backing_off_in_full: Heap,
    unschedulable: Unschedulable,
    in_flight: InFlight,
    held: Map<PodKey, Gate>,
    members: Members,
    incoming: Map<(QueueName, Cause), u64>,
    sequence: u64,
}

impl fmt::Debug for SchedulingQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchedulingQueue")
            .field("counts", &self.counts())
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl SchedulingQueue {
    /// An empty queue. All profiles have the same QueueSort.
    pub fn new(profiles: &Profiles) -> Self {
        Self {
            profiles: profiles.profiles.clone(),
            sort: queue_sort(profiles),
            hints: HintTable::new(&profiles.profiles),
            backoff: backoff_of(profiles),
            max_in_unschedulable: MAX_IN_UNSCHEDULABLE,
            pods: Slab::default(),
            active: Heap::default(),
            backing_off: Heap::default(),
            backing_off_in_full: Heap::default(),
            unschedulable: Unschedulable::default(),
            in_flight: InFlight::default(),
            held: Map::default(),
            members: Members::default(),
            incoming: Map::default(),
            sequence: 0,
        }
    }

    /// Sets how long a pod waits for an event before it is tried again anyway, nanoseconds.
    pub fn set_max_in_unschedulable(&mut self, duration: Time) {
        self.max_in_unschedulable = duration;
    }

    /// Adds a new pod. Returns where it went: `None` when no profile schedules it, or when it is in flight.
    pub fn add(&mut self, pod: Arc<PodInfo>, nominator: &mut Nominator, now: Time) -> Option<QueueName> {
        if let Some(id) = self.pods.id(&pod.uid) {
            let old = self.pods[id].queued.pod.clone();
            return self.update(&old, pod, nominator, now);
        }
        if let Some(flight) = self.in_flight.get_mut(&pod.uid) {
            flight.latest = Some(pod);
            return None;
        }
        let cause = Cause::Event(ClusterEvent::new(Resource::UnscheduledPod, Action::ADD));
        self.enter(&pod, cause, nominator, now)
    }

    /// Takes over a change of a pod that is neither placed nor assumed. Returns where it is now: `None` when no profile
    /// schedules it, or when it is in flight. A pod that the queue does not know is new to it.
    pub fn update(
        &mut self,
        old: &PodInfo,
        new: Arc<PodInfo>,
        nominator: &mut Nominator,
        now: Time,
    ) -> Option<QueueName> {
        let unchanged = !new.resource_version.is_empty() && old.resource_version == new.resource_version;
        if unchanged {
            return self.pods.id(&new.uid).map(|id| self.queue_of(id));
        }
        let events = pod_changes(old, &new);
        let object = EventObject::Pod { old: Some(old), new: Some(&new) };
        if self.is_in_flight(&new.uid) {
            for event in events {
                self.in_flight.record(event, &object);
            }
            let uid = new.uid.clone();
            if let Some(flight) = self.in_flight.get_mut(&uid) {
                flight.latest = Some(new);
            }
            return None;
        }
        let Some(id) = self.pods.id(&new.uid) else {
            let cause = Cause::Event(ClusterEvent::new(Resource::UnscheduledPod, Action::UPDATE));
            return self.enter(&new, cause, nominator, now);
        };
        self.pods[id].queued.pod = new.clone();
        nominator.update(old, &new);
        match self.pods[id].place {
            Place::Active => self.active.update(id, &by_priority(&self.pods, &*self.sort)),
            Place::Backoff => self.backing_off.update(id, &by_expiration(&self.pods, &*self.sort)),
            Place::FullBackoff | Place::Nowhere => {}
            Place::Unschedulable => {
                for event in events {
                    let Entry { queued, profile, .. } = &self.pods[id];
                    let strategy = self.hints.interest(event).strategy(queued, *profile, event, &object);
                    if strategy == Strategy::Skip {
                        continue;
                    }
                    let queue = self.place(id, strategy, Cause::Event(event), now);
                    if queue == QueueName::Active && event.action == Action::UPDATE {
                        nominator.add_by_status(&new);
                    }
                    if matches!(queue, QueueName::Active | QueueName::Backoff) {
                        break;
                    }
                }
            }
        }
        Some(self.queue_of(id))
    }

    /// Drops a pod that is gone, or that somebody else placed. One in flight will not come back.
    pub fn delete(&mut self, uid: &str, nominator: &mut Nominator) {
        nominator.take(uid);
        self.held.remove(uid);
        self.members.remove(uid);
        if let Some(flight) = self.in_flight.get_mut(uid) {
            flight.latest = None;
        }
        if let Some(id) = self.pods.id(uid) {
            self.detach(id);
            self.pods.remove(id);
        }
    }

    /// Takes out the pod to be decided now. It is in flight until [`SchedulingQueue::requeue_after_failure`] or
    /// [`SchedulingQueue::done`].
    ///
    /// When nothing is active, the pod whose backoff ends first comes early: there is nothing better to do. Pods whose
    /// attempt ended in an error are left to their backoff.
    pub fn pop(&mut self) -> Option<QueuedPod> {
        loop {
            let id = if let Some(id) = self.active.pop(&by_priority(&self.pods, &*self.sort)) {
                id
            } else {
                let id = self.backing_off.pop(&by_expiration(&self.pods, &*self.sort))?;
                self.count_incoming(QueueName::Active, Cause::PopFromBackoffQ);
                id
            };
            let mut queued = self.pods.remove(id).queued;
            // A pod that is in flight already is being decided; its second copy is dropped.
            if self.in_flight.begin(&queued.pod) {
                queued.attempts += 1;
                return Some(queued);
            }
        }
    }

    /// Takes back a pod whose attempt failed, also after [`SchedulingQueue::done`]. `rejectors` are the plugins that turned
    /// it down at PreFilter, Filter, Reserve or Permit; none at all says that the attempt ended in an error.
    ///
    /// For a pod in flight, its latest version is taken, and events since its [`SchedulingQueue::pop`] count as if it had
    /// waited for them. One that is not must be brought up to date, and must still exist. Returns where it went: `None`
    /// when it is gone meanwhile, is here already, or no profile schedules it any more.
    pub fn requeue_after_failure(
        &mut self,
        mut queued: QueuedPod,
        rejectors: Rejectors,
        now: Time,
    ) -> Option<QueueName> {
        let uid = queued.pod.uid.clone();
        if let Some(flight) = self.in_flight.get(&uid) {
            let Some(latest) = &flight.latest else {
                self.in_flight.end(&uid);
                return None;
            };
            queued.pod = latest.clone();
        }
        let profile = self.profile_of(&queued.pod);
        let (Some(profile), None) = (profile, self.pods.id(&uid)) else {
            self.in_flight.end(&uid);
            return None;
        };
        if rejectors.is_empty() {
            queued.consecutive_errors += 1;
        } else {
            queued.unschedulable_count += 1;
            queued.consecutive_errors = 0;
        }
        queued.rejectors = rejectors;
        queued.gate = None;
        queued.timestamp = now;
        queued.sequence = self.next_sequence();
        queued.backoff_expiration = self.backoff.expiration(&queued);
        let strategy = self.replay(&queued, profile);
        self.in_flight.end(&uid);
        let id = self.pods.insert(Entry { queued, profile, place: Place::Nowhere });
        Some(self.place(id, strategy, Cause::ScheduleAttemptFailure, now))
    }

    /// Ends a pod's flight: it is being bound. Events from now on are not remembered for it.
    pub fn done(&mut self, uid: &str) {
        self.in_flight.end(uid);
    }

    /// Makes a waiting pod active, its backoff notwithstanding; one in flight is tried again if it fails. Whether a
    /// waiting pod became active.
    pub fn activate(&mut self, uid: &str, now: Time) -> bool {
        if let Some(id) = self.pods.id(uid) {
            let from_backoff = match self.pods[id].place {
                Place::Active | Place::Nowhere => return false,
                Place::Backoff | Place::FullBackoff => true,
                Place::Unschedulable => false,
            };
            return self.make_active(id, Cause::ForceActivate, !from_backoff, now) == QueueName::Active;
        }
        if let Some(pod) = self.in_flight.get(uid).and_then(|flight| flight.latest.clone()) {
            let object = EventObject::Pod { old: None, new: Some(&pod) };
            self.in_flight.record(ClusterEvent::WILDCARD, &object);
        }
        false
    }

    /// Lets `gate.plugin` turn a pod down at PreEnqueue, if it runs there, until [`SchedulingQueue::release`]: for work
    /// outside of the queue that must end first, such as the deletion of the pod's victims.
    pub fn hold(&mut self, uid: PodKey, gate: Gate) {
        self.held.insert(uid, gate);
    }

    /// Ends [`SchedulingQueue::hold`]. A pod that was gated by it is let in by the next event that its plugin registered,
    /// or by [`SchedulingQueue::activate`].
    pub fn release(&mut self, uid: &str) {
        self.held.remove(uid);
    }

    /// A waiting pod, and where it waits.
    pub fn get(&self, uid: &str) -> Option<(QueueName, &QueuedPod)> {
        let id = self.pods.id(uid)?;
        Some((self.queue_of(id), &self.pods[id].queued))
    }

    /// Whether a pod is in flight.
    pub fn is_in_flight(&self, uid: &str) -> bool {
        self.in_flight.get(uid).is_some()
    }

    /// Number of events that are remembered for pods in flight.
    pub fn in_flight_events(&self) -> usize {
        self.in_flight.event_count()
    }

    /// The same by event.
    pub fn in_flight_by_event(&self) -> Map<ClusterEvent, usize> {
        self.in_flight.by_event()
    }

    /// Number of pods in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Number of waiting pods.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.pods.len() == 0
    }

    /// Pods by where they wait.
    pub fn counts(&self) -> Counts {
        Counts {
            active: self.active.len(),
            backoff: self.backing_off.len() + self.backing_off_in_full.len(),
            unschedulable: self.unschedulable.len(),
            gated: self.unschedulable.gated(),
        }
    }

    /// How many pods entered which queue why, since the beginning. Gated pods count as unschedulable.
    pub fn incoming(&self) -> impl Iterator<Item = (QueueName, Cause, u64)> {
        self.incoming.iter().map(|((queue, cause), count)| (*queue, *cause, *count))
    }

    /// A pod that the queue does not know yet.
    fn enter(&mut self, pod: &Arc<PodInfo>, cause: Cause, nominator: &mut Nominator, now: Time) -> Option<QueueName> {
        let profile = self.profile_of(pod)?;
        let queued = QueuedPod {
            pod: pod.clone(),
            timestamp: now,
            initial_attempt: None,
            attempts: 0,
            unschedulable_count: 0,
            consecutive_errors: 0,
            rejectors: Rejectors::default(),
            gate: None,
            began: now,
            backoff_expiration: None,
            gang: None,
            sequence: self.next_sequence(),
        };
        let id = self.pods.insert(Entry { queued, profile, place: Place::Nowhere });
        let queue = self.make_active(id, cause, true, now);
        if queue == QueueName::Active {
            nominator.add_by_status(pod);
        }
        Some(queue)
    }

    /// What the events since its pop mean for a pod that comes back.
    fn replay(&self, queued: &QueuedPod, profile: usize) -> Strategy {
        let flight = match self.in_flight.get(&queued.pod.uid) {
            Some(flight) if !queued.rejectors.is_empty() => flight,
            // After an error nothing need happen; and nothing was remembered for a pod that was being bound.
            _ => return Strategy::AfterBackoff,
        };
        let mut strategy = Strategy::Skip;
        for (event, object) in self.in_flight.events_since(flight) {
            let of_event = if event == ClusterEvent::WILDCARD {
                wildcard_strategy(queued, &object)
            } else {
                self.hints.interest(event).strategy(queued, profile, event, &object)
            };
            strategy = strategy.max(of_event);
            let decided = strategy == Strategy::Immediately
                || (strategy == Strategy::AfterBackoff && queued.rejectors.pending.is_empty());
            if decided {
                break;
            }
        }
        strategy
    }

    fn profile_of(&self, pod: &PodInfo) -> Option<usize> {
        self.profiles.iter().position(|p| p.scheduler_name == pod.scheduler_name)
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn queue_of(&self, id: Id) -> QueueName {
        let Entry { queued, place, .. } = &self.pods[id];
        match place {
            Place::Active | Place::Nowhere => QueueName::Active,
            Place::Backoff | Place::FullBackoff => QueueName::Backoff,
            Place::Unschedulable if queued.gate.is_some() => QueueName::Gated,
            Place::Unschedulable => QueueName::Unschedulable,
        }
    }
}

fn queue_sort(profiles: &Profiles) -> Arc<dyn QueueSort> {
    let profile = profiles.profiles.first().expect("a configuration has a profile");
    profile.plugins[profile.queue_sort].plugin.queue_sort.clone().expect("a profile's QueueSort plugin has that part")
}

fn backoff_of(profiles: &Profiles) -> Backoff {
    Backoff { initial: profiles.pod_initial_backoff, max: profiles.pod_max_backoff }
}

/// The order of the active queue.
fn by_priority<'a>(pods: &'a Slab, sort: &'a dyn QueueSort) -> impl Fn(Id, Id) -> Ordering + 'a {
    move |a, b| {
        let (a, b) = (&pods[a].queued, &pods[b].queued);
        // Whatever the plugin can not say, the order of arrival does.
        let order = guarded(|| sort.compare((&a.pod, a.time()), (&b.pod, b.time()))).unwrap_or(Ordering::Equal);
        order.then(a.sequence.cmp(&b.sequence))
    }
}

/// The order of the backoff queue: by the second, and within it as the active queue.
fn by_expiration<'a>(pods: &'a Slab, sort: &'a dyn QueueSort) -> impl Fn(Id, Id) -> Ordering + 'a {
    move |a, b| {
        let expiration = |id: Id| pods[id].queued.backoff_expiration;
        expiration(a).cmp(&expiration(b)).then_with(|| by_priority(pods, sort)(a, b))
    }
}

/// The order of the backoff queue of pods whose attempt ended in an error.
fn by_expiration_alone(pods: &Slab) -> impl Fn(Id, Id) -> Ordering + '_ {
    move |a, b| {
        let key = |id: Id| (pods[id].queued.backoff_expiration, pods[id].queued.sequence);
        key(a).cmp(&key(b))
    }
}
