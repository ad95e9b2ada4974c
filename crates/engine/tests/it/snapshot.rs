//! The state that follows events one by one is the state that is built from the objects at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use loadline_engine::Event;
use loadline_engine::state::ClusterState;
use loadline_framework::{CarriedTerm, Cluster, Counts, Prepare, Query, Slot, TermKind, TopologyId};
use loadline_model::{HostPort, NodeInfo, PodInfo, PodMatcher, Resources, SpreadConstraint, Str};
use loadline_parity::Profile;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::outside::Outside;
use crate::reader::Reader;

/// What kube-scheduler's order of visits and image sizes depend on: the way by which the nodes came to be what they are.
#[derive(Default)]
struct Remembered {
    /// Zones in the order in which they appeared, each with its nodes in the order in which they joined.
    zones: Vec<(String, Vec<Str>)>,
    /// For each image its size, as the first node said that has it, and the nodes that have it.
    images: BTreeMap<Str, (i64, BTreeSet<Str>)>,
}

impl Remembered {
    fn node(&mut self, old: Option<&NodeSpecRef>, new: Option<&NodeSpecRef>) {
        let zone = |node: &NodeSpecRef| node.zone();
        if old.map(zone) != new.map(zone) {
            if let Some(old) = old {
                self.zones.iter_mut().for_each(|(_, names)| names.retain(|name| *name != old.name));
                self.zones.retain(|(_, names)| !names.is_empty());
            }
            if let Some(new) = new {
                match self.zones.iter_mut().find(|(name, _)| *name == new.zone()) {
                    Some((_, names)) => names.push(new.name.clone()),
                    None => self.zones.push((new.zone(), vec![new.name.clone()])),
                }
            }
        }
        if old.map(|node| &node.images) == new.map(|node| &node.images) {
            return;
        }
        for image in old.iter().flat_map(|node| node.images.iter()) {
            if let Some((_, nodes)) = self.images.get_mut(&image.name) {
                nodes.remove(&old.expect("there was a node").name);
            }
        }
        self.images.retain(|_, (_, nodes)| !nodes.is_empty());
        for image in new.iter().flat_map(|node| node.images.iter()) {
            let (_, nodes) = self.images.entry(image.name.clone()).or_insert((image.size, BTreeSet::new()));
            nodes.insert(new.expect("there is a node").name.clone());
        }
    }

    /// One node of each zone in turn, for as long as there are any.
    fn visits(&self) -> Vec<Str> {
        let longest = self.zones.iter().map(|(_, names)| names.len()).max().unwrap_or(0);
        (0..longest)
            .flat_map(|round| self.zones.iter().filter_map(move |(_, names)| names.get(round).cloned()))
            .collect()
    }
}

type NodeSpecRef = Arc<loadline_model::NodeSpec>;

fn take(state: &mut ClusterState, event: Event) {
    match event {
        Event::Node(node) => drop(state.set_node(node)),
        Event::NodeGone(name) => drop(state.remove_node(&name)),
        Event::Pod(pod) if pod.finished => drop(state.remove_pod(&pod.uid)),
        Event::Pod(pod) => {
            if let Some(node) = pod.node_name.clone() {
                state.place_pod(pod, node, false);
            }
        }
        Event::PodGone(uid) => drop(state.remove_pod(&uid)),
        Event::PodRefused(pod, _) => drop(state.remove_pod(&pod.uid)),
        Event::Namespace(namespace) => state.set_namespace(namespace),
        Event::NamespaceGone(name) => state.remove_namespace(&name),
        Event::Service(service) => state.selectors_mut().set_service(service),
        Event::ServiceGone(namespace, name) => state.selectors_mut().remove_service(&namespace, &name),
        Event::Workload(workload) => state.selectors_mut().set_workload(workload),
        Event::WorkloadGone(kind, namespace, name) => state.selectors_mut().remove_workload(kind, &namespace, &name),
        // Preemption and the scheduler know them.
        Event::DisruptionBudget(_)
        | Event::DisruptionBudgetGone(..)
        | Event::DeviceClass(_)
        | Event::DeviceClassGone(_)
        | Event::PodGroup(_)
        | Event::PodGroupGone(_)
        | Event::MemberFinished(_)
        | Event::FinishedMemberGone(_)
        | Event::Reservation(_)
        | Event::ReservationGone(_)
        | Event::Usage(..) => {}
    }
}

/// A state of the objects alone, which come in a random order.
fn rebuilt(outside: &mut Outside) -> ClusterState {
    let mut events: Vec<Event> = outside.namespaces.values().cloned().map(Event::Namespace).collect();
    events.extend(outside.services.values().cloned().map(Event::Service));
    events.extend(outside.workloads.values().cloned().map(Event::Workload));
    events.extend(outside.nodes.values().cloned().map(Event::Node));
    events.extend(outside.pods.values().cloned().map(Event::Pod));
    events.shuffle(&mut outside.dice);
    let mut state = ClusterState::new();
    for event in events {
        take(&mut state, event);
    }
    state
}

/// What somebody may ask of a state for a pod.
#[derive(Default)]
pub(crate) struct Questions {
    pub(crate) topologies: BTreeSet<Str>,
    pub(crate) queries: Vec<Query>,
    pods: Vec<Arc<PodInfo>>,
}

impl Questions {
    fn add(&mut self, pod: &Arc<PodInfo>) {
        for SpreadConstraint { topology_key, selector, honor_taints, .. } in pod.spread.iter() {
            self.topologies.insert(topology_key.clone());
            let namespaces = loadline_model::NamespaceMatch {
                names: [pod.namespace.clone()].into(),
                selector: loadline_model::Selector::Nothing,
            };
            let matcher = PodMatcher { namespaces, selector: selector.clone() };
            self.ask(Query::Matching { all: [matcher].into(), skip_terminating: !*honor_taints });
        }
        if let Some(affinity) = pod.pod_affinity() {
            let required = affinity.pod_required.iter().map(|term| (TermKind::RequiredAffinity, term));
            let anti = affinity.anti_required.iter().map(|term| (TermKind::RequiredAnti, term));
            let preferred = affinity.pod_preferred.iter().map(|w| (TermKind::PreferredAffinity(w.weight), &w.term));
            let against = affinity.anti_preferred.iter().map(|w| (TermKind::PreferredAnti(w.weight), &w.term));
            let terms: Vec<_> = required.chain(anti).chain(preferred).chain(against).collect();
            for (kind, term) in &terms {
                self.topologies.insert(term.topology_key.clone());
                self.ask(Query::Carrying(CarriedTerm { kind: *kind, term: (*term).clone() }));
                self.ask(Query::Matching { all: [term.pods.clone()].into(), skip_terminating: false });
            }
            let all: Vec<PodMatcher> = terms.iter().map(|(_, term)| term.pods.clone()).collect();
            self.ask(Query::Matching { all: all.into(), skip_terminating: false });
        }
        self.pods.push(pod.clone());
    }

    fn ask(&mut self, query: Query) {
        if !self.queries.contains(&query) {
            self.queries.push(query);
        }
    }
}

/// How many in all, and how many on which node.
type ByNode = (u64, BTreeMap<Str, u32>);

/// Everything that decisions read, by names instead of numbers and in an order of its own.
#[derive(Debug, PartialEq)]
struct Meaning {
    nodes: BTreeMap<Str, NodeMeaning>,
    by_name: Vec<Str>,
    lowest_priority: Option<i32>,
    pods: BTreeMap<Str, (Str, bool)>,
    topologies: BTreeMap<Str, BTreeMap<Str, BTreeSet<Str>>>,
    counts: Vec<ByNode>,
    matched: Vec<BTreeMap<String, ByNode>>,
    default_selectors: Vec<loadline_model::Selector>,
    namespaces: Vec<loadline_model::Labels>,
}

#[derive(Debug, PartialEq)]
struct NodeMeaning {
    spec: NodeSpecRef,
    pods: BTreeMap<Str, Arc<PodInfo>>,
    requested: Resources,
    non_zero: (i64, i64),
    pod_count: i64,
    ports: Vec<HostPort>,
}

fn node_meaning(info: &NodeInfo) -> NodeMeaning {
    let mut ports = info.load.ports.to_vec();
    ports.sort();
    let mut requested = info.load.requested.clone();
    // A resource that nobody asks for any more may stay as a zero.
    requested.scalars = requested.scalars.iter().filter(|(_, amount)| *amount != 0).cloned().collect();
    NodeMeaning {
        spec: info.spec.clone(),
        pods: info.pods.iter().map(|pod| (pod.uid.clone(), pod.clone())).collect(),
        requested,
        non_zero: (info.load.non_zero_milli_cpu, info.load.non_zero_memory),
        pod_count: info.load.pods,
        ports,
    }
}

fn name_of(state: &ClusterState, slot: Slot) -> Str {
    state.nodes()[slot.index()].as_ref().expect("a slot in use has a node").spec.name.clone()
}

fn by_node(state: &ClusterState, counts: &Counts) -> ByNode {
    (counts.total(), counts.by_slot().map(|(slot, pods)| (name_of(state, slot), pods)).collect())
}

fn topology_meaning(state: &ClusterState, id: TopologyId) -> BTreeMap<Str, BTreeSet<Str>> {
    let topology = Cluster::topology(state, id);
    let mut domains: BTreeMap<Str, BTreeSet<Str>> = BTreeMap::new();
    for (value, members) in topology.values.iter().zip(&topology.members) {
        let names: BTreeSet<Str> = members.iter().map(|slot| name_of(state, *slot)).collect();
        assert_eq!(names.len(), members.len(), "a node is in a domain once");
        if !names.is_empty() {
            domains.insert(value.clone(), names);
        }
    }
    for (index, domain) in topology.domain_of.iter().enumerate() {
        let value = domain.index().map(|domain| &topology.values[domain]);
        let listed = value
            .is_some_and(|value| domains.get(value).is_some_and(|d| d.contains(&name_of(state, Slot(index as u32)))));
        assert!(domain.index().is_none() || listed, "slot {index} is in a domain that does not list it");
    }
    domains
}

fn meaning(state: &mut ClusterState, questions: &Questions, namespaces: &[Str]) -> Meaning {
    state.settle();
    let mut topologies = BTreeMap::new();
    for key in &questions.topologies {
        let id = Prepare::topology(state, key);
        topologies.insert(key.clone(), topology_meaning(state, id));
    }
    let counts = questions.queries.iter().map(|query| {
        let id = state.track(query);
        by_node(state, state.counts(id))
    });
    let counts = counts.collect();
    let matched = questions.pods.iter().map(|pod| {
        let terms = state.matched_terms(pod);
        // Terms whose carriers are gone may or may not be listed.
        let alive = terms.iter().filter(|term| state.counts(term.query).total() > 0);
        let of_term = alive.map(|term| {
            let place = by_node(state, state.counts(term.query));
            (format!("{:?} {} {place:?}", term.kind, Cluster::topology(state, term.topology).key), place)
        });
        of_term.collect()
    });
    let matched = matched.collect();
    let default_selectors = questions.pods.iter().map(|pod| (*state.default_selector(pod)).clone()).collect();
    for (rank, slot) in state.order().by_name().iter().enumerate() {
        assert_eq!(state.order().rank(*slot), Some(rank));
        assert_eq!(state.slot(&name_of(state, *slot)), Some(*slot));
    }
    assert_eq!(state.nodes().iter().flatten().count(), state.node_count());
    Meaning {
        nodes: state.node_infos().map(|info| (info.spec.name.clone(), node_meaning(info))).collect(),
        by_name: state.order().by_name().iter().map(|slot| name_of(state, *slot)).collect(),
        lowest_priority: state.lowest_priority(),
        pods: state.pods().map(|cached| (cached.pod.uid.clone(), (cached.node.clone(), cached.assumed))).collect(),
        topologies,
        counts,
        matched,
        default_selectors,
        namespaces: namespaces.iter().map(|name| state.namespace_labels(name).clone()).collect(),
    }
}

pub(crate) fn assert_same<T: PartialEq + Debug>(what: &str, followed: &T, expected: &T) {
    assert!(followed == expected, "{what}: followed\n{followed:#?}\nexpected\n{expected:#?}");
}

#[test]
fn a_state_that_follows_events_is_one_built_from_the_objects() {
    for (number, profile) in Profile::ALL.into_iter().enumerate() {
        for round in 0..4 {
            follow(profile, 1000 + number as u64 * 4 + round);
        }
    }
}

fn follow(profile: Profile, seed: u64) {
    let mut outside = Outside::new(profile, seed);
    let mut state = ClusterState::new();
    let mut remembered = Remembered::default();
    let mut questions = Questions::default();
    let mut reader = Reader::default();
    let known: Vec<Str> = {
        let begin = outside.begin(8, 4.0);
        for event in &begin {
            if let Event::Node(node) = event {
                remembered.node(None, Some(node));
            }
            take(&mut state, event.clone());
        }
        outside.namespaces.keys().cloned().chain(["unheard-of".into()]).collect()
    };
    for _ in 0..12 {
        for _ in 0..outside.dice.random_range(1..30) {
            let before = outside.nodes.clone();
            let event = outside.next();
            match &event {
                Event::Node(node) => remembered.node(before.get(&node.name), Some(node)),
                Event::NodeGone(name) => remembered.node(before.get(name), None),
                _ => {}
            }
            take(&mut state, event);
        }
        // Some are asked early and followed, some asked late.
        questions.add(&outside.new_pod());
        reader.read(&mut state, &questions);
        let mut fresh = rebuilt(&mut outside);
        let followed = meaning(&mut state, &questions, &known);
        let expected = meaning(&mut fresh, &questions, &known);
        assert_same(&format!("{profile}/{seed}"), &followed, &expected);
        let visits: Vec<Str> = state.order().visiting().iter().map(|slot| name_of(&state, *slot)).collect();
        assert_same("the order of visits", &visits, &remembered.visits());
        for (name, (size, nodes)) in &remembered.images {
            let image = state.image(name).map(|image| (image.size, image.nodes));
            assert_eq!(image, Some((*size, nodes.len())), "image {name} of {profile}/{seed}");
        }
        let absent =
            outside.nodes.values().flat_map(|node| node.images.iter()).all(|i| remembered.images.contains_key(&i.name));
        assert!(absent, "the test itself forgot an image");
    }
}
