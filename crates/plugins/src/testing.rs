//! A small cluster for the plugins' tests: nodes and pods are given, topologies and counts are kept up eagerly. It
//! answers as the engine does, without columns and without a queue.

use std::sync::Arc;

use loadline_framework::{
    CarriedTerm, Cluster, Code, Counts, DomainId, ImageState, MatchedTerm, NodeDelta, NodePlugin, NodeView,
    Normalization, Plugin, Prepare, Query, QueryId, Reason, Score, Slot, Status, TermKind, Topology, TopologyId, Usage,
    UsageId, UsageSource,
};
use loadline_model::{
    Affinity, Labels, Map, NodeInfo, NodeSpec, PodInfo, PodMatcher, PodRequests, Resources, Selector, Str,
};

/// Bytes in a mebibyte.
pub(crate) const MI: i64 = 1 << 20;
/// Bytes in a gibibyte.
pub(crate) const GI: i64 = 1 << 30;

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> Arc<Labels> {
    Arc::new(pairs.iter().copied().collect())
}

/// A node with 4 cores, 8 GiB and room for 110 pods; change its fields as the test needs.
pub(crate) fn node(name: &str, pairs: &[(&str, &str)]) -> NodeSpec {
    NodeSpec {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        labels: labels(pairs),
        allocatable: Resources { milli_cpu: 4000, memory: 8 * GI, ..Resources::default() },
        allowed_pods: 110,
        ..NodeSpec::default()
    }
}

/// A pod in namespace `default` that asks for nothing; change its fields as the test needs.
pub(crate) fn pod(name: &str) -> PodInfo {
    PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: format!("uid-{name}").into(),
        scheduler_name: "default-scheduler".into(),
        requests: Arc::new(requests(0, 0)),
        container_count: 1,
        ..PodInfo::default()
    }
}

/// A pod with labels.
pub(crate) fn labelled_pod(name: &str, pairs: &[(&str, &str)]) -> PodInfo {
    PodInfo { labels: labels(pairs), ..pod(name) }
}

/// A pod with affinity.
pub(crate) fn pod_with_affinity(name: &str, affinity: Affinity) -> PodInfo {
    PodInfo { affinity: Some(Arc::new(affinity)), ..pod(name) }
}

/// Sums of a pod with one container that asks for this much; 0 stands for a container that does not name the resource.
pub(crate) fn requests(milli_cpu: i64, memory: i64) -> PodRequests {
    let or = |amount: i64, default: i64| if amount == 0 { default } else { amount };
    let spec = Resources { milli_cpu, memory, ..Resources::default() };
    let (non_zero_milli_cpu, non_zero_memory) = (or(milli_cpu, 100), or(memory, 200 * MI));
    PodRequests {
        usage: spec.clone(),
        spec,
        non_zero_milli_cpu,
        non_zero_memory,
        score: Resources { milli_cpu: non_zero_milli_cpu, memory: non_zero_memory, ..Resources::default() },
    }
}

/// What a plugin answered about one node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Code of its filter; Success when it does not filter this pod.
    pub(crate) code: Code,
    /// Reasons.
    pub(crate) reasons: Vec<Reason>,
}

/// The cluster.
#[derive(Default)]
pub(crate) struct FakeCluster {
    nodes: Vec<Option<Arc<NodeInfo>>>,
    topologies: Vec<Topology>,
    queries: Vec<(Query, Counts)>,
    namespaces: Map<Str, Labels>,
    no_labels: Labels,
    generation: u64,
    spec_generation: u64,
    image_generation: u64,
    /// The real use of nodes by source; whatever is asked for first is made, with nothing known.
    pub(crate) usages: Vec<Usage>,
    /// Answer of [`Prepare::default_selector`]; nothing by default.
    pub(crate) default_selector: Option<Arc<Selector>>,
    /// Pods on no node whose terms are known, as those of nominated pods are: thought experiments put them on one.
    pub(crate) thought_of: Vec<PodInfo>,
}

impl FakeCluster {
    /// A cluster of these nodes, by slot.
    pub(crate) fn new(nodes: impl IntoIterator<Item = NodeSpec>) -> Self {
        let mut cluster = Self::default();
        for spec in nodes {
            cluster.set_node(spec);
        }
        cluster
    }

    /// Adds a node in the first free slot, or replaces the spec of the one with its name.
    pub(crate) fn set_node(&mut self, spec: NodeSpec) -> Slot {
        self.generation += 1;
        self.spec_generation += 1;
        self.image_generation += 1;
        let at = self.slot(&spec.name).map(Slot::index);
        let free = at.or_else(|| self.nodes.iter().position(Option::is_none));
        let index = free.unwrap_or(self.nodes.len());
        if index == self.nodes.len() {
            self.nodes.push(None);
        }
        let old = self.nodes[index].as_deref();
        self.nodes[index] = Some(Arc::new(NodeInfo {
            pods: old.map(|n| n.pods.clone()).unwrap_or_default(),
            load: old.map(|n| n.load.clone()).unwrap_or_default(),
            spec: Arc::new(spec),
            generation: self.generation,
        }));
        self.rebuild_topologies();
        Slot(index as u32)
    }

    /// Takes a node away, with the pods on it.
    pub(crate) fn remove_node(&mut self, name: &str) {
        let slot = self.slot(name).expect("the test names a node that is there");
        for pod in self.info(slot).pods.clone() {
            self.remove_pod(slot, &pod.name);
        }
        self.nodes[slot.index()] = None;
        self.generation += 1;
        self.spec_generation += 1;
        self.image_generation += 1;
        self.rebuild_topologies();
    }

    /// Puts a pod on a node.
    pub(crate) fn add_pod(&mut self, node: &str, mut pod: PodInfo) -> Arc<PodInfo> {
        let slot = self.slot(node).expect("the test names a node that is there");
        pod.node_name = Some(node.into());
        let pod = Arc::new(pod);
        self.change(slot, &pod, 1);
        pod
    }

    /// Takes a pod off a node.
    pub(crate) fn remove_pod(&mut self, slot: Slot, name: &str) -> Arc<PodInfo> {
        let found = self.info(slot).pods.iter().find(|p| p.name == *name).cloned();
        let pod = found.expect("the test names a pod that is there");
        self.change(slot, &pod, -1);
        pod
    }

    /// Sets the labels of a namespace.
    pub(crate) fn set_namespace(&mut self, name: &str, pairs: &[(&str, &str)]) {
        self.namespaces.insert(name.into(), pairs.iter().copied().collect());
    }

    /// The node in a slot.
    pub(crate) fn info(&self, slot: Slot) -> &NodeInfo {
        self.nodes[slot.index()].as_deref().expect("the test names a slot with a node")
    }

    /// Slots of all nodes.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let with_node = self.nodes.iter().enumerate().filter(|(_, node)| node.is_some());
        with_node.map(|(index, _)| Slot(index as u32)).collect()
    }

    /// The state of a plugin for a pod; `None` when it has nothing to say.
    pub(crate) fn state<P: NodePlugin>(&mut self, plugin: &P, pod: &PodInfo) -> Option<P::State> {
        let key = plugin.key(pod, self).expect("the plugin does not turn the pod down")?;
        let prepared = plugin.prepare(&key, pod, self);
        Some(prepared.state)
    }

    /// What a plugin answers about a node, with pods added to it or taken off.
    pub(crate) fn answer<P: NodePlugin>(
        &self,
        plugin: &P,
        state: &P::State,
        slot: Slot,
        delta: Option<&NodeDelta>,
    ) -> Answer {
        let info = self.info(slot);
        let mut load = info.load.clone();
        let mut view = NodeView::new(self, slot, info, plugin.reads());
        if let Some(delta) = delta {
            delta.added.iter().for_each(|pod| load.add(pod));
            delta.removed.iter().for_each(|pod| load.remove(pod));
            view = view.with_delta(delta, &load);
        }
        let verdict = plugin.filter(state, &view);
        let reasons = if verdict.passes() { Vec::new() } else { plugin.reasons(state, verdict, &view) };
        Answer { code: verdict.code(), reasons }
    }

    /// Filter over all nodes, by slot: the status of each. A rejection by PreFilter is an `Err`.
    pub(crate) fn filter<P: NodePlugin>(&mut self, plugin: &P, pod: &PodInfo) -> Result<Vec<Answer>, Status> {
        let prepared = match plugin.key(pod, self)? {
            Some(key) => Some(plugin.prepare(&key, pod, self)).filter(|p| p.filters),
            None => None,
        };
        let answer = |slot| match &prepared {
            Some(prepared) => self.answer(plugin, &prepared.state, slot, None),
            None => Answer { code: Code::Success, reasons: Vec::new() },
        };
        Ok(self.slots().into_iter().map(answer).collect())
    }

    /// Names of the nodes that pass a plugin's filter, by slot.
    pub(crate) fn passing<P: NodePlugin>(&mut self, plugin: &P, pod: &PodInfo) -> Vec<String> {
        let answers = self.filter(plugin, pod).expect("the plugin does not turn the pod down");
        let slots = self.slots().into_iter().zip(answers);
        let passing = slots.filter(|(_, answer)| answer.code == Code::Success);
        passing.map(|(slot, _)| self.info(slot).spec.name.to_string()).collect()
    }

    /// Score over all nodes as if all were feasible, by slot; `None` when PreScore says Skip.
    pub(crate) fn scores<P: NodePlugin>(&mut self, plugin: &P, pod: &PodInfo) -> Option<Vec<Score>> {
        let feasible = self.slots();
        self.scores_of(plugin, pod, &feasible)
    }

    /// Score over these nodes; `None` when PreScore says Skip.
    pub(crate) fn scores_of<P: NodePlugin>(
        &mut self,
        plugin: &P,
        pod: &PodInfo,
        feasible: &[Slot],
    ) -> Option<Vec<Score>> {
        let key = plugin.key(pod, self).expect("the plugin does not turn the pod down")?;
        let prepared = plugin.prepare(&key, pod, self);
        if !prepared.scores || !plugin.scores(&prepared.state) {
            return None;
        }
        let normalization = plugin.normalization();
        let mut raw = vec![0; feasible.len()];
        if let Normalization::Whole(_) = normalization {
            plugin.score_feasible(&prepared.state, feasible, self, &mut raw);
        } else {
            for (raw, slot) in raw.iter_mut().zip(feasible) {
                let view = NodeView::new(self, *slot, self.info(*slot), plugin.reads());
                *raw = plugin.score(&prepared.state, &view);
            }
        }
        Some(normalization.apply(&raw))
    }

    fn change(&mut self, slot: Slot, pod: &Arc<PodInfo>, by: i32) {
        self.generation += 1;
        let mut info = self.info(slot).clone();
        if by > 0 {
            info.pods.push(pod.clone());
            info.load.add(pod);
        } else {
            info.pods.retain(|p| p.uid != pod.uid);
            info.load.remove(pod);
        }
        info.generation = self.generation;
        self.nodes[slot.index()] = Some(Arc::new(info));
        for index in 0..self.queries.len() {
            let pods = self.counted(&self.queries[index].0, pod);
            if pods != 0 {
                let counts = &mut self.queries[index].1;
                counts.add(slot, by * pods as i32);
            }
        }
    }

    /// How often a pod counts for a query: a pod that carries an equal term twice counts twice.
    fn counted(&self, query: &Query, pod: &PodInfo) -> u32 {
        match query {
            Query::Matching { all, skip_terminating } => {
                let terminating = *skip_terminating && pod.is_terminating();
                u32::from(!terminating && all.iter().all(|matcher| self.matches(matcher, pod)))
            }
            Query::Carrying(term) => carried(pod).iter().filter(|carried| *carried == term).count() as u32,
        }
    }

    fn matches(&self, matcher: &PodMatcher, pod: &PodInfo) -> bool {
        matcher.matches(&pod.namespace, self.namespace_labels(&pod.namespace), &pod.labels)
    }

    fn rebuild_topologies(&mut self) {
        for index in 0..self.topologies.len() {
            let old = &self.topologies[index];
            let fresh = self.build_topology(old.key.clone(), &old.values, old.generation + 1);
            self.topologies[index] = fresh;
        }
    }

    fn build_topology(&self, key: Str, known: &[Str], generation: u64) -> Topology {
        let mut topology = Topology {
            key,
            domain_of: vec![DomainId::NONE; self.nodes.len()],
            values: known.to_vec(),
            members: vec![Vec::new(); known.len()],
            generation,
        };
        for slot in self.slots() {
            let Some(value) = self.info(slot).spec.labels.get(&topology.key) else {
                continue;
            };
            let domain = topology.values.iter().position(|v| v == value).unwrap_or_else(|| {
                topology.values.push(value.clone());
                topology.members.push(Vec::new());
                topology.values.len() - 1
            });
            topology.domain_of[slot.index()] = DomainId(domain as u32);
            topology.members[domain].push(slot);
        }
        topology
    }
}

/// Terms that a pod carries.
fn carried(pod: &PodInfo) -> Vec<CarriedTerm> {
    let Some(affinity) = pod.pod_affinity() else {
        return Vec::new();
    };
    let required = |kind: TermKind| move |term: &_| CarriedTerm { kind, term: Clone::clone(term) };
    let mut terms = Vec::new();
    terms.extend(affinity.pod_required.iter().map(required(TermKind::RequiredAffinity)));
    terms.extend(affinity.anti_required.iter().map(required(TermKind::RequiredAnti)));
    terms.extend(
        affinity
            .pod_preferred
            .iter()
            .map(|w| CarriedTerm { kind: TermKind::PreferredAffinity(w.weight), term: w.term.clone() }),
    );
    terms.extend(
        affinity
            .anti_preferred
            .iter()
            .map(|w| CarriedTerm { kind: TermKind::PreferredAnti(w.weight), term: w.term.clone() }),
    );
    terms
}

impl Cluster for FakeCluster {
    fn nodes(&self) -> &[Option<Arc<NodeInfo>>] {
        &self.nodes
    }

    fn node_count(&self) -> usize {
        self.nodes.iter().flatten().count()
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        let named = |node: &Option<Arc<NodeInfo>>| node.as_ref().is_some_and(|n| n.spec.name == *name);
        self.nodes.iter().position(named).map(|index| Slot(index as u32))
    }

    fn spec_generation(&self) -> u64 {
        self.spec_generation
    }

    fn topology(&self, id: TopologyId) -> &Topology {
        &self.topologies[id.0 as usize]
    }

    fn counts(&self, id: QueryId) -> &Counts {
        &self.queries[id.0 as usize].1
    }

    fn carried(&self, id: QueryId) -> Option<&CarriedTerm> {
        match &self.queries[id.0 as usize].0 {
            Query::Carrying(carried) => Some(carried),
            Query::Matching { .. } => None,
        }
    }

    fn image(&self, name: &str) -> Option<ImageState> {
        let mut state: Option<ImageState> = None;
        for node in self.nodes.iter().flatten() {
            if let Some(image) = node.spec.images.iter().find(|image| image.name == *name) {
                let known = state.get_or_insert(ImageState { size: image.size, nodes: 0 });
                known.nodes += 1;
            }
        }
        state
    }

    fn image_generation(&self) -> u64 {
        self.image_generation
    }

    fn namespace_labels(&self, name: &str) -> &Labels {
        self.namespaces.get(name).unwrap_or(&self.no_labels)
    }

    fn usage(&self, id: UsageId) -> &Usage {
        &self.usages[id.0 as usize]
    }
}

impl Prepare for FakeCluster {
    fn cluster(&self) -> &dyn Cluster {
        self
    }

    fn topology(&mut self, key: &Str) -> TopologyId {
        let known = self.topologies.iter().position(|topology| topology.key == *key);
        let index = known.unwrap_or_else(|| {
            let topology = self.build_topology(key.clone(), &[], 0);
            self.topologies.push(topology);
            self.topologies.len() - 1
        });
        TopologyId(index as u32)
    }

    fn track(&mut self, query: &Query) -> QueryId {
        let known = self.queries.iter().position(|(known, _)| known == query);
        let index = known.unwrap_or_else(|| {
            let on = |slot| self.info(slot).pods.iter().map(|pod| self.counted(query, pod)).sum();
            let mut counts = Counts::default();
            counts.replace(self.slots().into_iter().map(|slot| (slot, on(slot))).collect());
            self.queries.push((query.clone(), counts));
            self.queries.len() - 1
        });
        QueryId(index as u32)
    }

    fn matched_terms(&mut self, pod: &PodInfo) -> Arc<[MatchedTerm]> {
        let pods = self.nodes.iter().flatten().flat_map(|node| &node.pods).map(|pod| &**pod);
        let mut terms: Vec<CarriedTerm> = Vec::new();
        for term in pods.chain(&self.thought_of).flat_map(carried) {
            if self.matches(&term.term.pods, pod) && !terms.contains(&term) {
                terms.push(term);
            }
        }
        let matched = terms.into_iter().map(|term| MatchedTerm {
            kind: term.kind,
            topology: Prepare::topology(self, &term.term.topology_key),
            query: self.track(&Query::Carrying(term)),
        });
        let mut matched: Vec<_> = matched.collect();
        matched.sort_by_key(|term| term.query);
        matched.into()
    }

    fn default_selector(&mut self, _pod: &PodInfo) -> Arc<Selector> {
        let nothing = || Arc::new(Selector::All(Box::default()));
        self.default_selector.clone().unwrap_or_else(nothing)
    }

    fn usage(&mut self, source: &Arc<UsageSource>) -> UsageId {
        let known = self.usages.iter().position(|usage| usage.source == *source);
        let index = known.unwrap_or_else(|| {
            let source = source.clone();
            self.usages.push(Usage { source, nodes: Vec::new(), unsampled: 0, heard: 0, now: 0 });
            self.usages.len() - 1
        });
        UsageId(index as u32)
    }
}

/// Builds a plugin from arguments that are complete and valid.
pub(crate) fn build(descriptor: &loadline_framework::Descriptor, args: &serde_json::Value) -> Plugin {
    (descriptor.build)(args).expect("the test's arguments are valid")
}

mod tests {
    use super::*;
    use loadline_model::PodAffinityTerm;

    #[test]
    fn counts_follow_pods_that_come_and_go() {
        let mut cluster = FakeCluster::new([node("a", &[("zone", "1")]), node("b", &[("zone", "2")])]);
        cluster.add_pod("a", labelled_pod("p", &[("app", "web")]));
        let matcher = PodMatcher {
            namespaces: loadline_model::NamespaceMatch {
                names: ["default".into()].into(),
                selector: Selector::Nothing,
            },
            selector: Selector::from_pairs([(&"app".into(), &"web".into())]),
        };
        let id = cluster.track(&Query::Matching { all: [matcher].into(), skip_terminating: false });
        let before = cluster.counts(id).position();
        cluster.add_pod("b", labelled_pod("q", &[("app", "web")]));
        cluster.add_pod("b", labelled_pod("r", &[("app", "db")]));
        cluster.remove_pod(Slot(0), "p");
        let counts = cluster.counts(id);
        assert_eq!((counts.on(Slot(0)), counts.on(Slot(1)), counts.total()), (0, 1, 1));
        assert_eq!(counts.since(before), Some(&[(Slot(1), 1), (Slot(0), -1)][..]));
    }

    #[test]
    fn carried_terms_are_found_for_the_pods_that_they_mean() {
        let mut cluster = FakeCluster::new([node("a", &[("zone", "1")])]);
        let term = PodAffinityTerm {
            pods: PodMatcher {
                namespaces: loadline_model::NamespaceMatch {
                    names: ["default".into()].into(),
                    selector: Selector::Nothing,
                },
                selector: Selector::from_pairs([(&"app".into(), &"web".into())]),
            },
            topology_key: "zone".into(),
        };
        let affinity = Affinity { anti_required: [term].into(), ..Affinity::default() };
        cluster.add_pod("a", pod_with_affinity("p", affinity));
        let matched = cluster.matched_terms(&labelled_pod("q", &[("app", "web")]));
        assert_eq!(matched.len(), 1);
        assert_eq!(cluster.counts(matched[0].query).total(), 1);
        assert_eq!(Cluster::topology(&cluster, matched[0].topology).values, [Str::from("1")]);
        assert!(cluster.matched_terms(&labelled_pod("r", &[("app", "db")])).is_empty());
    }
}
