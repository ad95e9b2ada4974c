//! The cluster as the engine holds it: nodes in dense slots with the pods on them, and what is derived from them and kept
//! up to date with every change: topologies, counts of pods, carried terms, images.
//!
//! One writer, no clock, no I/O. Every change of a node is noted in a log by kind, from which columns catch up.

mod counts;
mod images;
mod label_sets;
mod order;
mod selectors;
mod topology;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_framework::{
    CarriedTerm, ChangeLog, Cluster, Counts, ImageState, MatchedTerm, Prepare, Query, QueryId, Slot, Topology,
    TopologyId, Usage, UsageId, UsageSample, UsageSource,
};
use loadline_model::{Labels, Map, Namespace, NodeInfo, NodeSpec, PodInfo, PodKey, Selector, Str, Time};

use counts::CountIndex;
use images::ImageIndex;
pub use order::NodeOrder;
use selectors::SelectorIndex;
use topology::TopologyIndex;
use usage::UsageIndex;

/// A pod in the cache.
#[derive(Clone, Debug)]
pub struct CachedPod {
    /// The pod, with the node that it is on.
    pub pod: Arc<PodInfo>,
    /// Name of the node.
    pub node: Str,
    /// Assumed: placed here by this scheduler and not confirmed yet.
    pub assumed: bool,
}

/// The cluster.
#[derive(Clone, Debug)]
pub struct ClusterState {
    nodes: Vec<Option<Arc<NodeInfo>>>,
    free: Vec<Slot>,
    slots: Map<Str, Slot>,
    /// Pods on nodes that have no Node object (any more, or yet): they count again when the node appears.
    detached: Map<Str, Vec<Arc<PodInfo>>>,
    pods: Map<PodKey, CachedPod>,
    /// How many of them are assumed.
    assumed: usize,
    /// Number of pods on nodes by priority.
    priorities: BTreeMap<i32, usize>,
    namespaces: Map<Str, Namespace>,
    no_labels: Labels,
    generation: u64,
    spec_generation: u64,
    namespace_generation: u64,
    spec_log: ChangeLog<Slot>,
    load_log: ChangeLog<Slot>,
    image_log: ChangeLog<Slot>,
    order: NodeOrder,
    topologies: TopologyIndex,
    counts: CountIndex,
    images: ImageIndex,
    selectors: SelectorIndex,
    usage: UsageIndex,
}

impl Default for ClusterState {
    fn default() -> Self {
        Self::new()
    }
}

impl ClusterState {
    /// An empty cluster.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            slots: Map::default(),
            detached: Map::default(),
            pods: Map::default(),
            assumed: 0,
            priorities: BTreeMap::new(),
            namespaces: Map::default(),
            no_labels: Labels::default(),
            generation: 0,
            spec_generation: 0,
            namespace_generation: 0,
            spec_log: ChangeLog::new(1024),
            load_log: ChangeLog::new(1024),
            image_log: ChangeLog::new(1024),
            order: NodeOrder::default(),
            topologies: TopologyIndex::default(),
            counts: CountIndex::default(),
            images: ImageIndex::default(),
            selectors: SelectorIndex::default(),
            usage: UsageIndex::default(),
        }
    }

    /// Adds a node or replaces what is known of it. Returns what was known before.
    pub fn set_node(&mut self, spec: Arc<NodeSpec>) -> Option<Arc<NodeSpec>> {
        self.generation += 1;
        let Some(slot) = self.slots.get(&spec.name).copied() else {
            self.add_node(spec);
            return None;
        };
        let info = self.nodes[slot.index()].as_mut().expect("a name's slot has a node");
        let old = info.spec.clone();
        if *old == *spec {
            return Some(old);
        }
        let info = Arc::make_mut(info);
        info.spec = spec.clone();
        info.generation = self.generation;
        if old.allocatable != spec.allocatable || old.allowed_pods != spec.allowed_pods {
            self.load_log.push(slot);
        }
        if old.images != spec.images {
            self.images.replace(&old.images, &spec.images);
            self.image_log.push(slot);
        }
        let same = old.labels == spec.labels
            && old.taints == spec.taints
            && old.unschedulable == spec.unschedulable
            && old.declared_features == spec.declared_features;
        if !same {
            self.spec_generation += 1;
            self.spec_log.push(slot);
            self.topologies.set(slot, Some(&spec.labels));
            if old.zone() != spec.zone() {
                self.order.change_zone(slot, &spec.zone());
            }
        }
        Some(old)
    }

    fn add_node(&mut self, spec: Arc<NodeSpec>) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            Slot(self.nodes.len() as u32 - 1)
        });
        let (name, zone) = (spec.name.clone(), spec.zone());
        self.topologies.set(slot, Some(&spec.labels));
        self.images.replace(&[], &spec.images);
        self.images.node_count_changed();
        let mut info = NodeInfo { spec, generation: self.generation, ..NodeInfo::default() };
        for pod in self.detached.remove(&name).unwrap_or_default() {
            info.load.add(&pod);
            self.counts.place(&pod, slot, &self.namespaces);
            info.pods.push(pod);
        }
        self.nodes[slot.index()] = Some(Arc::new(info));
        self.slots.insert(name.clone(), slot);
        self.order.insert(slot, &name, &zone);
        self.spec_generation += 1;
        let limit = self.nodes.len();
        for log in [&mut self.spec_log, &mut self.load_log, &mut self.image_log] {
            log.raise_limit(limit);
            log.push(slot);
        }
    }

    /// Removes a node. Pods on it stay known and count again if it comes back. Returns what was known.
    pub fn remove_node(&mut self, name: &str) -> Option<Arc<NodeSpec>> {
        let (name, slot) = self.slots.remove_entry(name)?;
        let info = self.nodes[slot.index()].take().expect("a name's slot has a node");
        self.generation += 1;
        self.spec_generation += 1;
        for pod in &info.pods {
            self.counts.unplace(pod, slot, &self.namespaces);
        }
        if !info.pods.is_empty() {
            self.detached.insert(name.clone(), info.pods.clone());
        }
        self.topologies.set(slot, None);
        self.images.replace(&info.spec.images, &[]);
        self.images.node_count_changed();
        self.order.remove(slot, &name);
        self.free.push(slot);
        self.spec_log.push(slot);
        self.load_log.push(slot);
        self.image_log.push(slot);
        Some(info.spec.clone())
    }

    /// Puts a pod on a node. A pod that is there already is replaced (moved, if the node differs): the API has the last
    /// word over what was assumed. Returns what was known before.
    pub fn place_pod(&mut self, pod: Arc<PodInfo>, node: Str, assumed: bool) -> Option<CachedPod> {
        let old = self.pods.get(&pod.uid).cloned();
        self.assumed += usize::from(assumed);
        if let Some(old) = &old {
            self.assumed -= usize::from(old.assumed);
            if old.node == node && (Arc::ptr_eq(&old.pod, &pod) || same_to_nodes(&old.pod, &pod)) {
                // Confirmed as assumed, or changed in nothing that a node's sums or counts see: swap the pod alone.
                self.swap_pod(&old.pod, &pod, &node);
                self.pods.insert(pod.uid.clone(), CachedPod { pod, node, assumed });
                return Some(old.clone());
            }
            self.take_off(&old.pod, &old.node);
        }
        self.put_on(&pod, &node);
        self.pods.insert(pod.uid.clone(), CachedPod { pod, node, assumed });
        old
    }

    /// Takes a pod off its node and forgets it.
    pub fn remove_pod(&mut self, uid: &str) -> Option<CachedPod> {
        let old = self.pods.remove(uid)?;
        self.assumed -= usize::from(old.assumed);
        self.take_off(&old.pod, &old.node);
        Some(old)
    }

    /// Puts the pods of a node, which must be these, into this order.
    pub(crate) fn reorder(&mut self, node: &str, pods: Vec<Arc<PodInfo>>) {
        let Some(slot) = self.slots.get(node).copied() else { return };
        let info = self.nodes[slot.index()].as_mut().expect("a name's slot has a node");
        debug_assert_eq!(info.pods.len(), pods.len(), "an order is not a change");
        if info.pods.len() == pods.len() {
            Arc::make_mut(info).pods = pods;
        }
    }

    fn put_on(&mut self, pod: &Arc<PodInfo>, node: &Str) {
        self.generation += 1;
        *self.priorities.entry(pod.priority).or_insert(0) += 1;
        let Some(slot) = self.slots.get(node).copied() else {
            self.detached.entry(node.clone()).or_default().push(pod.clone());
            return;
        };
        let info = Arc::make_mut(self.nodes[slot.index()].as_mut().expect("a name's slot has a node"));
        info.load.add(pod);
        info.pods.push(pod.clone());
        info.generation = self.generation;
        self.counts.place(pod, slot, &self.namespaces);
        self.load_log.push(slot);
    }

    fn take_off(&mut self, pod: &Arc<PodInfo>, node: &Str) {
        self.generation += 1;
        if let Some(count) = self.priorities.get_mut(&pod.priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&pod.priority);
            }
        }
        let Some(slot) = self.slots.get(node).copied() else {
            if let Some(pods) = self.detached.get_mut(node) {
                pods.retain(|p| p.uid != pod.uid);
                if pods.is_empty() {
                    self.detached.remove(node);
                }
            }
            return;
        };
        let info = Arc::make_mut(self.nodes[slot.index()].as_mut().expect("a name's slot has a node"));
        if let Some(at) = info.pods.iter().position(|p| p.uid == pod.uid) {
            // The last pod takes its place, as in kube-scheduler: the order decides between equal victims.
            let known = info.pods.swap_remove(at);
            info.load.remove(&known);
            info.generation = self.generation;
            self.counts.unplace(&known, slot, &self.namespaces);
            self.load_log.push(slot);
        }
    }

    fn swap_pod(&mut self, old: &Arc<PodInfo>, new: &Arc<PodInfo>, node: &Str) {
        if Arc::ptr_eq(old, new) {
            return;
        }
        self.generation += 1;
        let pods = match self.slots.get(node) {
            Some(slot) => {
                let info = Arc::make_mut(self.nodes[slot.index()].as_mut().expect("a name's slot has a node"));
                info.generation = self.generation;
                if old.running_since != new.running_since && !self.usage.is_empty() {
                    self.load_log.push(*slot);
                }
                &mut info.pods
            }
            None => self.detached.entry(node.clone()).or_default(),
        };
        if let Some(at) = pods.iter().position(|p| p.uid == new.uid) {
            pods[at] = new.clone();
        }
    }

    /// Adds or replaces a namespace.
    pub fn set_namespace(&mut self, namespace: Namespace) {
        let old = self.namespaces.get(&namespace.name);
        let changed = old.is_none_or(|old| old.labels != namespace.labels);
        self.namespaces.insert(namespace.name.clone(), namespace);
        if changed {
            self.recount_selected_namespaces();
        }
    }

    /// Removes a namespace.
    pub fn remove_namespace(&mut self, name: &str) {
        if self.namespaces.remove(name).is_some() {
            self.recount_selected_namespaces();
        }
    }

    fn recount_selected_namespaces(&mut self) {
        self.namespace_generation += 1;
        self.counts.namespaces_changed(&self.namespaces);
    }

    /// Grows when a namespace comes, goes, or changes its labels.
    pub(crate) fn namespace_generation(&self) -> u64 {
        self.namespace_generation
    }

    /// Makes the inter-pod terms of a pod known that is on no node: in thought experiments it may be put on one.
    pub fn know_terms(&mut self, pod: &PodInfo) {
        self.counts.know_terms(pod);
    }

    /// Services and workloads whose selectors spread pods by default.
    pub fn selectors_mut(&mut self) -> &mut SelectorIndex {
        &mut self.selectors
    }

    /// Keeps what these sources say of the real use of nodes, and forgets the others.
    pub fn set_usage_sources(&mut self, sources: &[Arc<UsageSource>]) {
        self.usage.set_sources(sources);
    }

    /// Keeps what one more source says.
    pub fn keep_usage(&mut self, source: &Arc<UsageSource>) {
        self.usage.keep(source);
    }

    /// Takes over what a source said at a time of its clock; `None`: it gave no answer.
    pub fn hear_usage(&mut self, source: &UsageSource, now: Time, samples: Option<Vec<(Str, UsageSample)>>) {
        if self.usage.hear(source, now, samples) {
            self.generation += 1;
        }
    }

    /// The real use of nodes by each source. Up to date after [`ClusterState::settle`].
    pub fn usages(&self) -> impl Iterator<Item = &Usage> {
        self.usage.all()
    }

    /// A pod in the cache.
    pub fn pod(&self, uid: &str) -> Option<&CachedPod> {
        self.pods.get(uid)
    }

    /// All pods in the cache, in no particular order.
    pub fn pods(&self) -> impl Iterator<Item = &CachedPod> {
        self.pods.values()
    }

    /// The lowest priority of a pod in the cache.
    pub fn lowest_priority(&self) -> Option<i32> {
        self.priorities.keys().next().copied()
    }

    /// Number of pods in the cache.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// Number of these that are assumed.
    pub fn assumed_count(&self) -> usize {
        self.assumed
    }

    /// Number of pods on nodes that are not there.
    pub fn detached_count(&self) -> usize {
        self.detached.values().map(Vec::len).sum()
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&Arc<NodeInfo>> {
        self.slots.get(name).and_then(|slot| self.nodes[slot.index()].as_ref())
    }

    /// All nodes, in no particular order.
    pub fn node_infos(&self) -> impl Iterator<Item = &Arc<NodeInfo>> {
        self.nodes.iter().flatten()
    }

    /// Orders of the nodes: by name, and kube-scheduler's visiting order.
    pub fn order(&self) -> &NodeOrder {
        &self.order
    }

    /// Brings the orders and the real use of nodes up to date; call it before reading them.
    pub fn settle(&mut self) {
        self.order.settle(&self.nodes);
        if !self.usage.is_empty() {
            self.usage.settle(&self.nodes, &self.load_log);
        }
    }

    /// Nodes whose labels, taints or features changed.
    pub fn spec_log(&self) -> &ChangeLog<Slot> {
        &self.spec_log
    }

    /// Nodes whose allocatable or pods changed.
    pub fn load_log(&self) -> &ChangeLog<Slot> {
        &self.load_log
    }

    /// Nodes whose images changed.
    pub fn image_log(&self) -> &ChangeLog<Slot> {
        &self.image_log
    }

    /// Grows with every change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Number of tracked queries: grows until everything kept is dropped.
    pub fn query_count(&self) -> usize {
        self.counts.len()
    }

    /// Whether what was kept on request has come to be mostly about nodes that are gone.
    pub(crate) fn is_worn(&self) -> bool {
        self.topologies.is_worn()
    }

    /// Drops everything that was kept on request (topologies, queries): their ids mean nothing any more.
    pub fn forget_derived(&mut self) {
        self.topologies = TopologyIndex::default();
        self.counts = CountIndex::default();
        for (index, info) in self.nodes.iter().enumerate() {
            for pod in info.iter().flat_map(|info| &info.pods) {
                self.counts.place(pod, Slot(index as u32), &self.namespaces);
            }
        }
    }
}

/// Whether two states of a pod are the same to everything that is summed or counted on its node.
fn same_to_nodes(a: &PodInfo, b: &PodInfo) -> bool {
    a.namespace == b.namespace
        && (Arc::ptr_eq(&a.labels, &b.labels) || a.labels == b.labels)
        && (Arc::ptr_eq(&a.requests, &b.requests) || a.requests == b.requests)
        && a.affinity == b.affinity
        && a.host_ports == b.host_ports
        && a.is_terminating() == b.is_terminating()
        && a.priority == b.priority
}

impl Cluster for ClusterState {
    fn nodes(&self) -> &[Option<Arc<NodeInfo>>] {
        &self.nodes
    }

    fn node_count(&self) -> usize {
        self.slots.len()
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    fn spec_generation(&self) -> u64 {
        self.spec_generation
    }

    fn topology(&self, id: TopologyId) -> &Topology {
        self.topologies.get(id)
    }

    fn counts(&self, id: QueryId) -> &Counts {
        self.counts.get(id)
    }

    fn carried(&self, id: QueryId) -> Option<&CarriedTerm> {
        self.counts.carried(id)
    }

    fn image(&self, name: &str) -> Option<ImageState> {
        self.images.get(name)
    }

    fn image_generation(&self) -> u64 {
        self.images.generation()
    }

    fn namespace_labels(&self, name: &str) -> &Labels {
        self.namespaces.get(name).map_or(&self.no_labels, |n| &n.labels)
    }

    fn usage(&self, id: UsageId) -> &Usage {
        self.usage.get(id)
    }
}

impl Prepare for ClusterState {
    fn cluster(&self) -> &dyn Cluster {
        self
    }

    fn topology(&mut self, key: &Str) -> TopologyId {
        self.topologies.track(key, &self.nodes)
    }

    fn track(&mut self, query: &Query) -> QueryId {
        self.counts.track(query, &self.namespaces)
    }

    fn matched_terms(&mut self, pod: &PodInfo) -> Arc<[MatchedTerm]> {
        let Self { counts, topologies, nodes, namespaces, .. } = self;
        counts.matched_terms(pod, namespaces, |key| topologies.track(key, nodes))
    }

    fn default_selector(&mut self, pod: &PodInfo) -> Arc<Selector> {
        self.selectors.default_selector(pod)
    }

    fn usage(&mut self, source: &Arc<UsageSource>) -> UsageId {
        let id = self.usage.keep(source);
        self.usage.settle(&self.nodes, &self.load_log);
        id
    }
}
