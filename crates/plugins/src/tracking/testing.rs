//! For random tests of plugins whose state follows the cluster: what happens to a cluster, and a column as the engine
//! keeps it.

use loadline_framework::{Cluster, NodeDelta, NodePlugin, NodeView, Slot, TopologyId, Touched, Verdict};
use loadline_model::{NodeSpec, PodInfo, Str};
use proptest::prelude::*;

use crate::testing::FakeCluster;

/// Something that happens to a cluster whose nodes are named `n0`, `n1`, ….
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A pod is placed on a node; not when the node is gone.
    Place(usize, Box<PodInfo>),
    /// One of the pods goes.
    Delete(usize),
    /// A node changes, or comes back.
    Relabel(NodeSpec),
    /// A node goes, with its pods.
    Retire(usize),
}

/// Up to `most` steps in a cluster of `nodes` nodes.
pub(crate) fn any_steps<P: Strategy<Value = PodInfo>, N: Strategy<Value = NodeSpec>>(
    most: usize,
    nodes: usize,
    pod: impl Fn() -> P,
    node: impl Fn(usize) -> N + Clone,
) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..nodes, pod()).prop_map(|(node, pod)| Step::Place(node, Box::new(pod))),
        6 => (0..100_usize).prop_map(Step::Delete),
        2 => (0..nodes).prop_flat_map(node).prop_map(Step::Relabel),
        1 => (0..nodes).prop_map(Step::Retire),
    ];
    prop::collection::vec(step, 0..most)
}

/// A cluster to which things happen.
pub(crate) struct Run {
    pub(crate) cluster: FakeCluster,
    pods: Vec<(Slot, Str)>,
    names: usize,
}

impl Run {
    pub(crate) fn new(nodes: Vec<NodeSpec>) -> Self {
        Self { cluster: FakeCluster::new(nodes), pods: Vec::new(), names: 0 }
    }

    /// The pod with a name of its own.
    pub(crate) fn named(&mut self, mut pod: PodInfo) -> PodInfo {
        self.names += 1;
        pod.name = format!("p{}", self.names).into();
        pod.uid = pod.name.clone();
        pod
    }

    /// Takes one step.
    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Place(node, pod) => {
                let name = format!("n{node}");
                if let Some(slot) = self.cluster.slot(&name) {
                    let pod = self.named(*pod);
                    self.pods.push((slot, pod.name.clone()));
                    self.cluster.add_pod(&name, pod);
                }
            }
            Step::Delete(pod) => {
                if !self.pods.is_empty() {
                    let (slot, name) = self.pods.swap_remove(pod % self.pods.len());
                    self.cluster.remove_pod(slot, &name);
                }
            }
            Step::Relabel(spec) => {
                self.cluster.set_node(spec);
            }
            Step::Retire(node) => {
                let name = format!("n{node}");
                if let Some(slot) = self.cluster.slot(&name) {
                    self.pods.retain(|(on, _)| *on != slot);
                    self.cluster.remove_node(&name);
                }
            }
        }
    }

    /// Pods added to a node, and its first `removed` pods taken off.
    pub(crate) fn delta(&self, slot: Slot, added: &[PodInfo], removed: usize) -> NodeDelta {
        NodeDelta {
            added: added.iter().cloned().map(std::sync::Arc::new).collect(),
            removed: self.cluster.info(slot).pods.iter().take(removed).cloned().collect(),
        }
    }

    /// Does what `delta` imagines.
    pub(crate) fn realize(&mut self, slot: Slot, delta: &NodeDelta) {
        for pod in &delta.removed {
            self.cluster.remove_pod(slot, &pod.name);
        }
        let name = self.cluster.info(slot).spec.name.clone();
        for pod in &delta.added {
            self.cluster.add_pod(&name, PodInfo::clone(pod));
        }
    }
}

/// A column as the engine keeps it: answers that are asked for again only where `catch_up` says so.
pub(crate) struct Column<'a, P: NodePlugin> {
    plugin: &'a P,
    pub(crate) state: P::State,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) raw: Vec<i64>,
}

impl<'a, P: NodePlugin> Column<'a, P> {
    /// The column of a pod; `None` when the plugin has nothing to say about it.
    pub(crate) fn new(plugin: &'a P, cluster: &mut FakeCluster, pod: &PodInfo) -> Option<Self> {
        let mut column = Self { plugin, state: cluster.state(plugin, pod)?, verdicts: Vec::new(), raw: Vec::new() };
        column.ask(cluster, &cluster.slots());
        Some(column)
    }

    /// Catches up.
    pub(crate) fn sync(&mut self, cluster: &FakeCluster) {
        match self.plugin.catch_up(&mut self.state, cluster) {
            Touched::None => {}
            Touched::Domains(domains) => {
                let members = domains.iter().flat_map(|(id, domain)| &cluster.topology(*id).members[*domain]);
                self.ask(cluster, &members.copied().collect::<Vec<Slot>>());
            }
            Touched::All => self.ask(cluster, &cluster.slots()),
        }
    }

    fn ask(&mut self, cluster: &FakeCluster, slots: &[Slot]) {
        let size = cluster.nodes().len();
        self.verdicts.resize(size, Verdict::PASS);
        self.raw.resize(size, 0);
        for slot in slots {
            let view = NodeView::new(cluster, *slot, cluster.info(*slot), self.plugin.reads());
            self.verdicts[slot.index()] = self.plugin.filter(&self.state, &view);
            self.raw[slot.index()] = self.plugin.score(&self.state, &view);
        }
    }

    /// Whether every answer is what a state that is prepared now gives.
    pub(crate) fn is_current(&self, cluster: &mut FakeCluster, pod: &PodInfo) -> bool {
        let Some(fresh) = Self::new(self.plugin, cluster, pod) else {
            return false;
        };
        let same = |slot: &Slot| {
            let at = slot.index();
            (fresh.verdicts[at], fresh.raw[at]) == (self.verdicts[at], self.raw[at])
        };
        let by_domain = |answer_by: Option<TopologyId>, same: &dyn Fn(usize, usize) -> bool| {
            answer_by.is_none_or(|id| {
                let domain_of = &cluster.topology(id).domain_of;
                let slots = cluster.slots();
                slots.iter().all(|a| {
                    slots.iter().all(|b| domain_of[a.index()] != domain_of[b.index()] || same(a.index(), b.index()))
                })
            })
        };
        by_domain(self.plugin.filters_by(&self.state), &|a, b| fresh.verdicts[a] == fresh.verdicts[b])
            && by_domain(self.plugin.scores_by(&self.state), &|a, b| fresh.raw[a] == fresh.raw[b])
            && cluster.slots().iter().all(same)
            && self.plugin.scores(&fresh.state) == self.plugin.scores(&self.state)
    }
}
