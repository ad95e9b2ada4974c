//! [`NodePlugin`]s without their types: what the engine holds. Keys are interned to numbers, so that the engine compares
//! and hashes integers; states are behind [`Any`](std::any::Any).

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use loadline_model::{Map, NodeInfo, PodInfo, Str};

use crate::cluster::{Cluster, NodeView, Prepare, Reads, Slot, TopologyId};
use crate::plugin::{NodePlugin, Normalization, Touched};
use crate::record::{Detail, Remedy};
use crate::status::{Reason, Status, Verdict};

/// A key of one plugin as a number: equal numbers mean equal keys of the same plugin object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// A plugin's state for one key.
pub type BoxedState = Box<dyn Any + Send + Sync>;

/// PreFilter's outcome, erased.
pub struct ErasedPrepared {
    /// State.
    pub state: BoxedState,
    /// See [`crate::plugin::Prepared::filters`].
    pub filters: bool,
    /// See [`crate::plugin::Prepared::scores`].
    pub scores: bool,
}

/// A [`NodePlugin`] as the engine calls it. Implemented by this module alone, with loops over nodes compiled for each
/// plugin, so that the cost of a virtual call is paid once for a column and not once for a node.
pub trait NodeRunner: Send + Sync {
    /// See [`NodePlugin::reads`].
    fn reads(&self) -> Reads;
    /// See [`NodePlugin::key`].
    fn key(&self, pod: &PodInfo, cx: &mut dyn Prepare) -> Result<Option<KeyId>, Status>;
    /// See [`NodePlugin::narrow`].
    fn narrow(&self, pod: &PodInfo) -> Option<Vec<Str>>;
    /// See [`NodePlugin::prepare`]. `key` must come from [`NodeRunner::key`] of an equal pod.
    fn prepare(&self, key: KeyId, pod: &PodInfo, cx: &mut dyn Prepare) -> ErasedPrepared;
    /// Forgets interned keys that `keep` does not want.
    fn retain_keys(&self, keep: &dyn Fn(KeyId) -> bool);
    /// See [`NodePlugin::catch_up`].
    fn catch_up(&self, state: &mut BoxedState, cluster: &dyn Cluster) -> Touched;
    /// Filters one node.
    fn filter(&self, state: &BoxedState, node: &NodeView<'_>) -> Verdict;
    /// See [`NodePlugin::is_moved_by`].
    fn is_moved_by(&self, state: &BoxedState, added: &[Arc<PodInfo>], cluster: &dyn Cluster) -> bool;
    /// Filters these slots into `out`, by slot. Slots without a node are left as they are.
    fn filter_slots(
        &self,
        state: &BoxedState,
        cluster: &dyn Cluster,
        slots: &mut dyn Iterator<Item = Slot>,
        out: &mut [Verdict],
    );
    /// Filters the slots from `first` on into `out`, one after the other. Slots without a node are left as they are.
    fn filter_range(&self, state: &BoxedState, cluster: &dyn Cluster, first: Slot, out: &mut [Verdict]);
    /// Scores one node, raw.
    fn score(&self, state: &BoxedState, node: &NodeView<'_>) -> i64;
    /// Scores these slots into `out`, by slot.
    fn score_slots(
        &self,
        state: &BoxedState,
        cluster: &dyn Cluster,
        slots: &mut dyn Iterator<Item = Slot>,
        out: &mut [i64],
    );
    /// Scores the slots from `first` on into `out`, one after the other.
    fn score_range(&self, state: &BoxedState, cluster: &dyn Cluster, first: Slot, out: &mut [i64]);
    /// See [`NodePlugin::reasons`].
    fn reasons(&self, state: &BoxedState, verdict: Verdict, node: &NodeView<'_>) -> Vec<Reason>;
    /// See [`NodePlugin::detail`].
    fn detail(&self, state: &BoxedState, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>);
    /// See [`NodePlugin::pre_score_error`].
    fn pre_score_error(&self, state: &BoxedState) -> Option<String>;
    /// See [`NodePlugin::scores`].
    fn scores(&self, state: &BoxedState) -> bool;
    /// See [`NodePlugin::filters_by`].
    fn filters_by(&self, state: &BoxedState) -> Option<TopologyId>;
    /// See [`NodePlugin::scores_by`].
    fn scores_by(&self, state: &BoxedState) -> Option<TopologyId>;
    /// See [`NodePlugin::normalization`].
    fn normalization(&self) -> Normalization;
    /// See [`NodePlugin::score_feasible`].
    fn score_feasible(&self, state: &BoxedState, feasible: &[Slot], cluster: &dyn Cluster, out: &mut [i64]);
    /// See [`NodePlugin::score_note`].
    fn score_note(&self, state: &BoxedState, slot: Slot, cluster: &dyn Cluster) -> Option<String>;
    /// See [`NodePlugin::breaks_ties`].
    fn breaks_ties(&self) -> bool;
    /// See [`NodePlugin::burden`].
    fn burden(&self, state: &BoxedState, slot: Slot, cluster: &dyn Cluster) -> i64;
}

/// Erases a plugin's types.
pub(crate) fn erase<P: NodePlugin>(plugin: P) -> Arc<dyn NodeRunner> {
    Arc::new(Runner { plugin, keys: Mutex::default() })
}

struct Runner<P: NodePlugin> {
    plugin: P,
    keys: Mutex<Keys<P::Key>>,
}

struct Keys<K> {
    ids: Map<K, KeyId>,
    by_id: Map<KeyId, K>,
    next: u32,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { ids: Map::default(), by_id: Map::default(), next: 0 }
    }
}

fn typed<P: NodePlugin>(state: &BoxedState) -> &P::State {
    state.downcast_ref().expect("a state is only handed to the plugin that made it")
}

fn view<'a>(
    cluster: &'a dyn Cluster,
    nodes: &'a [Option<Arc<NodeInfo>>],
    slot: Slot,
    reads: Reads,
) -> Option<NodeView<'a>> {
    nodes[slot.index()].as_deref().map(|info| NodeView::new(cluster, slot, info, reads))
}

impl<P: NodePlugin> NodeRunner for Runner<P> {
    fn reads(&self) -> Reads {
        self.plugin.reads()
    }

    fn key(&self, pod: &PodInfo, cx: &mut dyn Prepare) -> Result<Option<KeyId>, Status> {
        let Some(key) = self.plugin.key(pod, cx)? else {
            return Ok(None);
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = keys.ids.get(&key) {
            return Ok(Some(*id));
        }
        let id = KeyId(keys.next);
        keys.next += 1;
        keys.ids.insert(key.clone(), id);
        keys.by_id.insert(id, key);
        Ok(Some(id))
    }

    fn narrow(&self, pod: &PodInfo) -> Option<Vec<Str>> {
        self.plugin.narrow(pod)
    }

    fn prepare(&self, key: KeyId, pod: &PodInfo, cx: &mut dyn Prepare) -> ErasedPrepared {
        let key = {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.by_id.get(&key).cloned().expect("a key is forgotten only when nothing uses it")
        };
        let prepared = self.plugin.prepare(&key, pod, cx);
        ErasedPrepared { state: Box::new(prepared.state), filters: prepared.filters, scores: prepared.scores }
    }

    fn retain_keys(&self, keep: &dyn Fn(KeyId) -> bool) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.ids.retain(|_, id| keep(*id));
        keys.by_id.retain(|id, _| keep(*id));
    }

    fn catch_up(&self, state: &mut BoxedState, cluster: &dyn Cluster) -> Touched {
        let state = state.downcast_mut().expect("a state is only handed to the plugin that made it");
        self.plugin.catch_up(state, cluster)
    }

    fn filter(&self, state: &BoxedState, node: &NodeView<'_>) -> Verdict {
        self.plugin.filter(typed::<P>(state), &node.reading(self.plugin.reads()))
    }

    fn is_moved_by(&self, state: &BoxedState, added: &[Arc<PodInfo>], cluster: &dyn Cluster) -> bool {
        self.plugin.is_moved_by(typed::<P>(state), added, cluster)
    }

    fn filter_slots(
        &self,
        state: &BoxedState,
        cluster: &dyn Cluster,
        slots: &mut dyn Iterator<Item = Slot>,
        out: &mut [Verdict],
    ) {
        let (state, reads, nodes) = (typed::<P>(state), self.plugin.reads(), cluster.nodes());
        for slot in slots {
            if let Some(node) = view(cluster, nodes, slot, reads) {
                out[slot.index()] = self.plugin.filter(state, &node);
            }
        }
    }

    fn filter_range(&self, state: &BoxedState, cluster: &dyn Cluster, first: Slot, out: &mut [Verdict]) {
        let (state, reads, nodes) = (typed::<P>(state), self.plugin.reads(), cluster.nodes());
        for (slot, verdict) in (first.0..).map(Slot).zip(out) {
            if let Some(node) = view(cluster, nodes, slot, reads) {
                *verdict = self.plugin.filter(state, &node);
            }
        }
    }

    fn score(&self, state: &BoxedState, node: &NodeView<'_>) -> i64 {
        self.plugin.score(typed::<P>(state), &node.reading(self.plugin.reads()))
    }

    fn score_slots(
        &self,
        state: &BoxedState,
        cluster: &dyn Cluster,
        slots: &mut dyn Iterator<Item = Slot>,
        out: &mut [i64],
    ) {
        let (state, reads, nodes) = (typed::<P>(state), self.plugin.reads(), cluster.nodes());
        for slot in slots {
            if let Some(node) = view(cluster, nodes, slot, reads) {
                out[slot.index()] = self.plugin.score(state, &node);
            }
        }
    }

    fn score_range(&self, state: &BoxedState, cluster: &dyn Cluster, first: Slot, out: &mut [i64]) {
        let (state, reads, nodes) = (typed::<P>(state), self.plugin.reads(), cluster.nodes());
        for (slot, score) in (first.0..).map(Slot).zip(out) {
            if let Some(node) = view(cluster, nodes, slot, reads) {
                *score = self.plugin.score(state, &node);
            }
        }
    }

    fn reasons(&self, state: &BoxedState, verdict: Verdict, node: &NodeView<'_>) -> Vec<Reason> {
        self.plugin.reasons(typed::<P>(state), verdict, &node.reading(self.plugin.reads()))
    }

    fn detail(&self, state: &BoxedState, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        self.plugin.detail(typed::<P>(state), verdict, &node.reading(self.plugin.reads()))
    }

    fn pre_score_error(&self, state: &BoxedState) -> Option<String> {
        self.plugin.pre_score_error(typed::<P>(state))
    }

    fn scores(&self, state: &BoxedState) -> bool {
        self.plugin.scores(typed::<P>(state))
    }

    fn filters_by(&self, state: &BoxedState) -> Option<TopologyId> {
        self.plugin.filters_by(typed::<P>(state))
    }

    fn scores_by(&self, state: &BoxedState) -> Option<TopologyId> {
        self.plugin.scores_by(typed::<P>(state))
    }

    fn normalization(&self) -> Normalization {
        self.plugin.normalization()
    }

    fn score_feasible(&self, state: &BoxedState, feasible: &[Slot], cluster: &dyn Cluster, out: &mut [i64]) {
        self.plugin.score_feasible(typed::<P>(state), feasible, cluster, out);
    }

    fn score_note(&self, state: &BoxedState, slot: Slot, cluster: &dyn Cluster) -> Option<String> {
        self.plugin.score_note(typed::<P>(state), slot, cluster)
    }

    fn breaks_ties(&self) -> bool {
        self.plugin.breaks_ties()
    }

    fn burden(&self, state: &BoxedState, slot: Slot, cluster: &dyn Cluster) -> i64 {
        self.plugin.burden(typed::<P>(state), slot, cluster)
    }
}
