//! Plugins, profiles and pods for the tests.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use loadline_framework::{
    DefaultProfile, Descriptor, Hint, Plugin, PreEnqueue, Profile, ProfilePlugin, QueueingHints, Status,
    no_further_checks,
};
use loadline_model::NodeSpec;

use super::super::*;

pub(super) const SECOND: Time = 1_000_000_000;

thread_local! {
    /// How often `Fit`'s hint was asked on this thread.
    pub(super) static HINTS_ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Priority, then time.
struct Sort;

impl QueueSort for Sort {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> Ordering {
        b.0.priority.cmp(&a.0.priority).then(a.1.cmp(&b.1))
    }
}

/// Lowest priority first, to see that a configuration's order counts.
struct ReverseSort;

impl QueueSort for ReverseSort {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> Ordering {
        a.0.priority.cmp(&b.0.priority).then(a.1.cmp(&b.1))
    }
}

/// Turns down pods with scheduling gates.
struct Gates;

impl PreEnqueue for Gates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        if pod.scheduling_gates.is_empty() { Status::success() } else { Status::unresolvable("has gates") }
    }
}

/// Turns down pods with the label `locked`.
struct Lock;

impl PreEnqueue for Lock {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        if pod.labels.contains("locked") { Status::unresolvable("is locked") } else { Status::success() }
    }
}

/// Turns nobody down by itself.
struct Open;

impl PreEnqueue for Open {
    fn pre_enqueue(&self, _pod: &PodInfo) -> Status {
        Status::success()
    }
}

/// Wakes a pod for a node named `good`, and for every pod that is gone.
struct FitHints;

impl QueueingHints for FitHints {
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        HINTS_ASKED.set(HINTS_ASKED.get() + 1);
        match object {
            EventObject::Node { new: Some(node), .. } if node.name != "good" => Hint::Skip,
            _ => Hint::Queue,
        }
    }
}

/// Wakes a pod for its own changes.
struct OwnHints;

impl QueueingHints for OwnHints {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        match object {
            EventObject::Pod { new: Some(new), .. } if new.uid == pod.uid => Hint::Queue,
            _ => Hint::Skip,
        }
    }
}

const BASE: Descriptor = Descriptor {
    name: "",
    help: "",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("")),
};

const fn event(resource: Resource, action: Action) -> ClusterEvent {
    ClusterEvent::new(resource, action)
}

pub(super) static SORT: Descriptor =
    Descriptor { name: "Sort", build: |_| Ok(Plugin::new("Sort").with_queue_sort(Sort)), ..BASE };
pub(super) static REVERSE: Descriptor =
    Descriptor { name: "Reverse", build: |_| Ok(Plugin::new("Reverse").with_queue_sort(ReverseSort)), ..BASE };
pub(super) static GATES: Descriptor = Descriptor {
    name: "Gates",
    events: &[event(Resource::Pod, Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED)],
    build: |_| Ok(Plugin::new("Gates").with_pre_enqueue(Gates).with_hints(OwnHints)),
    ..BASE
};
pub(super) static LOCK: Descriptor = Descriptor {
    name: "Lock",
    events: &[event(Resource::Pod, Action::UPDATE_POD_LABEL)],
    build: |_| Ok(Plugin::new("Lock").with_pre_enqueue(Lock)),
    ..BASE
};
/// Hints decide; changes of taints are registered, so that none are implied.
pub(super) static FIT: Descriptor = Descriptor {
    name: "Fit",
    events: &[event(Resource::Pod, Action::DELETE), event(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_TAINT))],
    build: |_| Ok(Plugin::new("Fit").with_hints(FitHints)),
    ..BASE
};
/// No hints, and changes of taints implied.
pub(super) static NEWCOMER: Descriptor = Descriptor {
    name: "Newcomer",
    events: &[event(Resource::Node, Action::ADD)],
    build: |_| Ok(Plugin::new("Newcomer")),
    ..BASE
};
/// No hints, and pods can be held in its name.
pub(super) static CLAIM: Descriptor = Descriptor {
    name: "Claim",
    events: &[event(Resource::PersistentVolumeClaim, Action::ADD)],
    build: |_| Ok(Plugin::new("Claim").with_pre_enqueue(Open)),
    ..BASE
};

/// Arguments of plugins that take none, of the type that building asks for.
fn no_arguments<T: Default>() -> T {
    T::default()
}

/// One profile for each scheduler name, with these plugins.
pub(super) fn profiles(of: &[(&str, &[&'static Descriptor])]) -> Profiles {
    let profiles = of.iter().map(|(name, descriptors)| {
        let plugins: Vec<ProfilePlugin> = descriptors
            .iter()
            .map(|descriptor| ProfilePlugin {
                plugin: (descriptor.build)(&no_arguments()).expect("builds"),
                descriptor,
            })
            .collect();
        let with = |has: fn(&Plugin) -> bool| -> Vec<usize> {
            (0..plugins.len()).filter(|i| has(&plugins[*i].plugin)).collect()
        };
        Arc::new(Profile {
            scheduler_name: (*name).into(),
            percentage_of_nodes_to_score: None,
            pre_enqueue: with(|p| p.pre_enqueue.is_some()),
            queue_sort: with(|p| p.queue_sort.is_some())[0],
            plugins,
            pre_filter: Vec::new(),
            filter: Vec::new(),
            post_filter: Vec::new(),
            pre_score: Vec::new(),
            score: Vec::new(),
            reserve: Vec::new(),
            permit: Vec::new(),
            pre_bind: Vec::new(),
            bind: Vec::new(),
            post_bind: Vec::new(),
        })
    });
    Profiles {
        profiles: profiles.collect(),
        extenders: Vec::new(),
        config_hash: "".into(),
        pod_initial_backoff: SECOND,
        pod_max_backoff: 10 * SECOND,
    }
}

/// The profile of most tests, for pods without a scheduler name.
pub(super) const ALL: &[&Descriptor] = &[&SORT, &GATES, &LOCK, &FIT, &NEWCOMER, &CLAIM];

pub(super) fn queue() -> (SchedulingQueue, Nominator) {
    (SchedulingQueue::new(&profiles(&[("", ALL)])), Nominator::default())
}

pub(super) fn pod(uid: &str, priority: i32) -> PodInfo {
    PodInfo { name: uid.into(), uid: uid.into(), priority, ..PodInfo::default() }
}

pub(super) fn gated(uid: &str, priority: i32) -> PodInfo {
    PodInfo { scheduling_gates: ["wait".into()].into(), ..pod(uid, priority) }
}

pub(super) fn locked(uid: &str, priority: i32) -> PodInfo {
    PodInfo { labels: Arc::new([("locked", "")].into_iter().collect()), ..pod(uid, priority) }
}

pub(super) fn rejected(unschedulable: &[&'static str]) -> Rejectors {
    Rejectors { unschedulable: unschedulable.into(), pending: Vec::new() }
}

pub(super) const NODE_ADD: ClusterEvent = event(Resource::Node, Action::ADD);
pub(super) const NODE_TAINT: ClusterEvent = event(Resource::Node, Action::UPDATE_NODE_TAINT);
pub(super) const POD_GONE: ClusterEvent = event(Resource::AssignedPod, Action::DELETE);
pub(super) const CLAIM_ADD: ClusterEvent = event(Resource::PersistentVolumeClaim, Action::ADD);

pub(super) fn node(name: &str) -> NodeSpec {
    NodeSpec { name: name.into(), ..NodeSpec::default() }
}

/// A node that came.
pub(super) fn came(node: &NodeSpec) -> EventObject<'_> {
    EventObject::Node { old: None, new: Some(node) }
}

/// Pops the pod and says that these plugins turned it down. Panics when another pod is next.
pub(super) fn reject(queue: &mut SchedulingQueue, uid: &str, plugins: &[&'static str], now: Time) -> Option<QueueName> {
    let queued = queue.pop().expect("a pod is next");
    assert_eq!(queued.pod.uid, *uid);
    queue.requeue_after_failure(queued, rejected(plugins), now)
}

pub(super) fn place(queue: &SchedulingQueue, uid: &str) -> Option<QueueName> {
    queue.get(uid).map(|(name, _)| name)
}

pub(super) fn pop_all(queue: &mut SchedulingQueue) -> Vec<String> {
    std::iter::from_fn(|| queue.pop()).map(|queued| queued.pod.uid.to_string()).collect()
}
