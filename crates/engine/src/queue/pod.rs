//! What the queue knows of a pod.

use std::fmt;
use std::sync::Arc;

use loadline_framework::ClusterEvent;
use loadline_model::{GroupKey, PodInfo, Time};

/// A pod with its history in the queue.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    /// The pod. When it came back from an attempt, its latest version.
    pub pod: Arc<PodInfo>,
    /// When it last entered the queue, as a new pod or after an attempt. Moves between queues leave it alone.
    pub timestamp: Time,
    /// When it first entered the active queue: time in which it was gated before does not count.
    pub initial_attempt: Option<Time>,
    /// Attempts so far; a popped pod's current one is counted, so that the first attempt is number 1.
    pub attempts: u32,
    /// Attempts that ended in a rejection. Decides the backoff.
    pub unschedulable_count: u32,
    /// Attempts in a row that ended in an error. Decides the backoff when there are any.
    pub consecutive_errors: u32,
    /// Who turned it down in the last attempt, gates since then included.
    pub rejectors: Rejectors,
    /// What keeps it from being tried at all.
    pub gate: Option<Gate>,
    /// When its last attempt began.
    pub began: Time,
    /// The second at whose end its backoff is over; `None` when it has none.
    pub backoff_expiration: Option<Time>,
    /// The gang that it stands for in the queue.
    pub gang: Option<Arc<Head>>,
    /// Grows with every entry as a new pod or after an attempt: the last word where times are equal.
    pub(super) sequence: u64,
}

/// What a pod has that stands for its gang.
#[derive(Clone, Debug)]
pub struct Head {
    /// The gang.
    pub key: Arc<GroupKey>,
    /// What counts as its time in the order of the queue.
    pub time: Time,
    /// Not before this time, whatever its backoff is.
    pub pause: Option<Time>,
    /// A pod of each kind that the gang has: an event that may help any of them wakes it.
    pub kinds: Arc<[Arc<PodInfo>]>,
}

impl QueuedPod {
    /// What the order of the queue goes by, besides the pod.
    pub(super) fn time(&self) -> Time {
        self.gang.as_ref().map_or(self.timestamp, |head| head.time)
    }
}

/// The plugins that turned a pod down. None at all means that the attempt ended in an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejectors {
    /// With Unschedulable or UnschedulableAndUnresolvable.
    pub unschedulable: Vec<&'static str>,
    /// With Pending: an event that resolves one of these ends the backoff, too.
    pub pending: Vec<&'static str>,
}

impl Rejectors {
    /// Turned down with Unschedulable by these plugins.
    pub fn by(unschedulable: Vec<&'static str>) -> Self {
        Self { unschedulable, pending: Vec::new() }
    }

    /// Whether the attempt ended in an error.
    pub fn is_empty(&self) -> bool {
        self.unschedulable.is_empty() && self.pending.is_empty()
    }

    /// Whether `plugin` is one of them.
    pub fn contains(&self, plugin: &str) -> bool {
        self.iter().any(|name| name == plugin)
    }

    /// All of them; one that stands in both lists comes twice.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.unschedulable.iter().chain(&self.pending).copied()
    }
}

/// A rejection by PreEnqueue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The plugin.
    pub plugin: &'static str,
    /// Its reason.
    pub message: String,
}

/// Where a pod waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueueName {
    /// To be tried next.
    Active,
    /// Until its backoff is over.
    Backoff,
    /// For an event that may make it fit.
    Unschedulable,
    /// For PreEnqueue to let it in.
    Gated,
}

impl QueueName {
    /// The label of `scheduler_pending_pods`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Backoff => "backoff",
            Self::Unschedulable => "unschedulable",
            Self::Gated => "gated",
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a pod entered a queue. Displays as the label `event` of `scheduler_queue_incoming_pods_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Something happened in the cluster.
    Event(ClusterEvent),
    /// An attempt failed.
    ScheduleAttemptFailure,
    /// Its backoff was over.
    BackoffComplete,
    /// There was nothing else to do.
    PopFromBackoffQ,
    /// Somebody asked for it.
    ForceActivate,
    /// Nothing had happened for it for too long.
    UnschedulableTimeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self {
            Self::Event(event) => return event.fmt(f),
            Self::ScheduleAttemptFailure => "ScheduleAttemptFailure",
            Self::BackoffComplete => "BackoffComplete",
            Self::PopFromBackoffQ => "PopFromBackoffQ",
            Self::ForceActivate => "ForceActivate",
            Self::UnschedulableTimeout => "UnschedulableTimeout",
        };
        f.pad(label)
    }
}
