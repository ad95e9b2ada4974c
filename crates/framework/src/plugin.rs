//! What an author of a plugin writes.
//!
//! A plugin holds its configuration and nothing mutable. [`NodePlugin`] covers PreFilter, Filter, PreScore, Score and
//! NormalizeScore in a form whose answers the engine can keep: the plugin names the key of what it reads of a pod, and
//! what its answer reads of a node; the engine keeps each (plugin, key)'s verdicts and raw scores over all nodes and
//! asks again only for nodes that changed. The other extension points are small traits of their own.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use loadline_model::{PodInfo, Str, Time};

use crate::cluster::Cluster;
use crate::cluster::{NodeView, Prepare, Reads, Slot, TopologyId};
use crate::event::{ClusterEvent, EventObject, Hint};
use crate::record::{Detail, Remedy};
use crate::status::{Reason, Status, Verdict};
use crate::whatif::WhatIf;

/// PreFilter's outcome for one key.
#[derive(Debug)]
pub struct Prepared<S> {
    /// What Filter and Score need.
    pub state: S,
    /// `false`: PreFilter says Skip, so that Filter is not asked.
    pub filters: bool,
    /// `false`: PreScore says Skip, so that Score is not asked. See also [`NodePlugin::scores`].
    pub scores: bool,
}

/// Which nodes must be asked again after a state caught up.
#[derive(Debug, Default)]
pub enum Touched {
    /// None, and the state is as it was.
    #[default]
    None,
    /// Those of these domains (repeats do no harm). None of them: the state changed, and no answer about a node as it is.
    Domains(Vec<(TopologyId, usize)>),
    /// All.
    All,
}

/// How raw scores become 0 to 100.
#[derive(Clone, Copy)]
pub enum Normalization {
    /// Raw scores are 0 to 100 already.
    None,
    /// By the smallest and largest raw score among the feasible nodes.
    Bounds(fn(raw: i64, bounds: Bounds) -> i64),
    /// By the smallest and largest raw score among the feasible nodes, where the raw score of a node depends on which
    /// others are feasible: the plugin scores them at once, [`NodePlugin::score_feasible`].
    Whole(fn(raw: i64, bounds: Bounds) -> i64),
    /// Raw scores are measurements, by [`less_is_better`]. A node that none is known of, [`UNKNOWN`], is taken for the mean
    /// of the feasible ones that have one (0 where none has), and is left out of the bounds.
    Measured,
}

/// A raw score of [`Normalization::Whole`]: the node is left out of the bounds and scores 0.
pub const IGNORED: i64 = i64::MIN;

/// A raw score of [`Normalization::Measured`]: nothing was measured.
pub const UNKNOWN: i64 = i64::MAX;

/// Smallest and largest raw score among the feasible nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest.
    pub min: i64,
    /// Largest.
    pub max: i64,
}

/// kube-scheduler's DefaultNormalizeScore: the largest becomes 100, the others in proportion.
pub fn normalize_default(raw: i64, bounds: Bounds) -> i64 {
    // The maximum starts at 0 in kube-scheduler: with all scores at 0 nothing is changed.
    if bounds.max <= 0 { raw } else { 100 * raw / bounds.max }
}

/// DefaultNormalizeScore in reverse: the smallest scores best.
pub fn normalize_reverse(raw: i64, bounds: Bounds) -> i64 {
    if bounds.max <= 0 { 100 } else { 100 - 100 * raw / bounds.max }
}

/// The smallest becomes 100, the largest 0, the others in proportion; where all are equal, all become 0.
pub fn less_is_better(raw: i64, bounds: Bounds) -> i64 {
    let range = i128::from(bounds.max) - i128::from(bounds.min);
    let above = i128::from(raw) - i128::from(bounds.min);
    if range == 0 { 0 } else { 100 - (100 * above / range) as i64 }
}

/// One node's score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// What the plugin's Score gives.
    pub raw: i64,
    /// After NormalizeScore: 0 to 100.
    pub normalized: i64,
}

impl Normalization {
    /// Raw scores of the feasible nodes, and what they become.
    pub fn apply(self, raw: &[i64]) -> Vec<Score> {
        let (map, left_out): (fn(i64, Bounds) -> i64, _) = match self {
            Self::None => return raw.iter().map(|raw| Score { raw: *raw, normalized: *raw }).collect(),
            Self::Bounds(map) => (map, None),
            Self::Whole(map) => (map, Some(IGNORED)),
            Self::Measured => (less_is_better, Some(UNKNOWN)),
        };
        let counted = || raw.iter().copied().filter(|raw| Some(*raw) != left_out);
        let bounds = Bounds { min: counted().min().unwrap_or(0), max: counted().max().unwrap_or(0) };
        let of = |raw: i64| Score { raw, normalized: map(raw, bounds) };
        let of_others = match self {
            Self::Measured => of(mean(counted().map(i128::from).sum(), counted().count())),
            _ => Score::default(),
        };
        raw.iter().map(|raw| if Some(*raw) == left_out { of_others } else { of(*raw) }).collect()
    }
}

/// Mean of `count` measurements, towards 0; 0 of none.
pub fn mean(sum: i128, count: usize) -> i64 {
    if count == 0 { 0 } else { (sum / count as i128) as i64 }
}

/// A plugin that filters or scores nodes.
///
/// `State` must follow from `Key` and the cluster alone: pods with equal keys share it.
pub trait NodePlugin: Send + Sync + 'static {
    /// What the plugin reads of a pod.
    type Key: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What PreFilter and PreScore compute.
    type State: Send + Sync + 'static;

    /// What [`NodePlugin::filter`] and [`NodePlugin::score`] read of a node.
    fn reads(&self) -> Reads;

    /// The key, or `None` when the plugin has nothing to say about this pod (PreFilter and PreScore both Skip).
    /// A rejection by PreFilter is an `Err`: it holds for all nodes.
    fn key(&self, pod: &PodInfo, cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status>;

    /// PreFilter's narrowing: the only nodes (by name, sorted) that can pass, when they can be told beforehand.
    /// An empty list turns the pod down.
    fn narrow(&self, _pod: &PodInfo) -> Option<Vec<Str>> {
        None
    }

    /// PreFilter and PreScore: the state for `key`, with `pod` as one of the pods that have it.
    fn prepare(&self, key: &Self::Key, pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<Self::State>;

    /// Brings a state up to date with the cluster (counts, topologies, images) and says which nodes' answers changed by
    /// that. Nodes whose own spec or load changed are asked again by the engine, as [`NodePlugin::reads`] has it.
    fn catch_up(&self, _state: &mut Self::State, _cluster: &dyn Cluster) -> Touched {
        Touched::None
    }

    /// Filter.
    fn filter(&self, _state: &Self::State, _node: &NodeView<'_>) -> Verdict {
        Verdict::PASS
    }

    /// Whether pods put on a node in a thought experiment can change what [`NodePlugin::filter`] says of it. Asked of
    /// plugins whose answer depends on counts; those that read the node's load or pods always can.
    fn is_moved_by(&self, _state: &Self::State, _added: &[Arc<PodInfo>], _cluster: &dyn Cluster) -> bool {
        true
    }

    /// kube-scheduler's reasons for a rejection, in its order.
    fn reasons(&self, _state: &Self::State, _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        Vec::new()
    }

    /// The numbers behind a rejection, and what would make the node fit.
    fn detail(&self, _state: &Self::State, _verdict: Verdict, _node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        (Vec::new(), Vec::new())
    }

    /// PreScore's error, which fails the pod's cycle when there are several nodes to choose from.
    fn pre_score_error(&self, _state: &Self::State) -> Option<String> {
        None
    }

    /// Whether PreScore would not say Skip, as far as that depends on the cluster.
    fn scores(&self, _state: &Self::State) -> bool {
        true
    }

    /// A topology whose domain is all of a node that [`NodePlugin::filter`] goes by (of the node as it is, no pods of a
    /// thought experiment on it): then one node of each domain is asked. The same as long as the state lives.
    fn filters_by(&self, _state: &Self::State) -> Option<TopologyId> {
        None
    }

    /// The same for [`NodePlugin::score`].
    fn scores_by(&self, _state: &Self::State) -> Option<TopologyId> {
        None
    }

    /// Score, raw. Not asked when [`NodePlugin::normalization`] is [`Normalization::Whole`].
    fn score(&self, _state: &Self::State, _node: &NodeView<'_>) -> i64 {
        0
    }

    /// NormalizeScore.
    fn normalization(&self) -> Normalization {
        Normalization::None
    }

    /// Raw scores over the whole feasible set, for [`Normalization::Whole`]: `out[i]` is for `feasible[i]`, [`IGNORED`]
    /// for a node that is left out. `feasible` is in no particular order; the result must not depend on it.
    fn score_feasible(&self, _state: &Self::State, _feasible: &[Slot], _cluster: &dyn Cluster, _out: &mut [i64]) {}

    /// What is to be known about a node's score besides the number.
    fn score_note(&self, _state: &Self::State, _slot: Slot, _cluster: &dyn Cluster) -> Option<String> {
        None
    }

    /// Whether [`NodePlugin::burden`] tells nodes with equal totals apart.
    fn breaks_ties(&self) -> bool {
        false
    }

    /// Among nodes with equal totals those with the smallest are taken. Asked of plugins that score and
    /// [`NodePlugin::breaks_ties`], in the profile's order; kept as long as the node's score is.
    fn burden(&self, _state: &Self::State, _slot: Slot, _cluster: &dyn Cluster) -> i64 {
        0
    }
}

/// PreEnqueue: whether a pod may enter the queue.
pub trait PreEnqueue: Send + Sync {
    /// A rejection gates the pod until an event that the plugin registered wakes it.
    fn pre_enqueue(&self, pod: &PodInfo) -> Status;
}

/// QueueSort: which pod is decided first.
pub trait QueueSort: Send + Sync {
    /// Order of two pods, each with the time when it last entered the queue.
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> std::cmp::Ordering;
}

/// What PostFilter achieved.
#[derive(Clone, Debug, PartialEq)]
pub struct PostFilterResult {
    /// Success means that something was done, so that the pod may fit later; then its reasons stay out of the message.
    pub status: Status,
    /// A node to nominate: `Some(Some(name))` sets, `Some(None)` clears, `None` leaves as it is.
    pub nominate: Option<Option<Str>>,
    /// Pods to delete for it.
    pub victims: Vec<Arc<PodInfo>>,
    /// What this plugin's PreEnqueue says of the pod until all victims but the last are being deleted; `None` when the pod may
    /// come back at any time. A plugin knows nothing that changes, so the queue says it in the plugin's place.
    pub hold: Option<Reason>,
}

/// PostFilter: runs when no node is feasible.
pub trait PostFilter: Send + Sync {
    /// Tries to make room.
    fn post_filter(&self, pod: &Arc<PodInfo>, cluster: &dyn WhatIf) -> PostFilterResult;
}

/// Reserve and Unreserve. Per-pod data lives in the engine's hands: `data` goes in and out.
pub trait Reserve: Send + Sync {
    /// Claims what the pod needs on `node`.
    fn reserve(&self, pod: &PodInfo, node: &Str) -> Status;
    /// Gives it back. Must not fail, and may be called without a reserve before.
    fn unreserve(&self, pod: &PodInfo, node: &Str);
}

/// Permit: approves, denies, or makes the pod wait.
pub trait Permit: Send + Sync {
    /// The status, and for [`crate::Code::Wait`] how long at most (nanoseconds).
    fn permit(&self, pod: &PodInfo, node: &Str) -> (Status, Time);
}

/// A step of PreBind: what waits is a step, not a blocked thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreBindStep {
    /// Nothing (more) to do.
    Done,
    /// Ask again when something changed, at the latest at this time, when the pod fails with the status.
    WaitUntil(Time, Status),
    /// The pod can not be bound.
    Fail(Status),
}

/// PreBind.
pub trait PreBind: Send + Sync {
    /// The next step; asked again after [`PreBindStep::WaitUntil`].
    fn pre_bind(&self, pod: &PodInfo, node: &Str, now: Time) -> PreBindStep;
}

/// Bind: takes a pod over, or leaves it to the next binder.
pub trait Bind: Send + Sync {
    /// Whether this plugin binds `pod`; the engine then emits the Bind effect.
    fn binds(&self, pod: &PodInfo, node: &Str) -> bool;
}

/// PostBind: told that a pod was bound.
pub trait PostBind: Send + Sync {
    /// Told once for each bound pod.
    fn post_bind(&self, pod: &PodInfo, node: &Str);
}

/// Queueing hints: whether an event may make a pod schedulable that this plugin turned down.
pub trait QueueingHints: Send + Sync {
    /// Asked only for events that the plugin's descriptor registers.
    fn hint(&self, pod: &PodInfo, event: &ClusterEvent, object: &EventObject<'_>) -> Hint;
}
