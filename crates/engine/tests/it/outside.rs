//! What happens outside of the engine: nodes, pods and other objects that come, change and go by chance. They are made of
//! the objects of a cluster of the parity run, so that everything which plugins read occurs.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::Event;
use loadline_framework::Profiles;
use loadline_model::{
    DisruptionBudget, Labels, Namespace, NodeSpec, PodInfo, ServiceSelector, Str, WorkloadKind, WorkloadSelector,
};
use loadline_parity::{Profile, World, generate, profiles};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// The label that holds a node's name.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// Kinds of pods in a story: few enough that decisions are repeated, and what was kept for the last one is used.
const TEMPLATES: usize = 20;

/// What objects are made of.
#[derive(Debug, Default)]
struct Templates {
    nodes: Vec<Arc<NodeSpec>>,
    pods: Vec<Arc<PodInfo>>,
    namespaces: Vec<Namespace>,
    services: Vec<ServiceSelector>,
    workloads: Vec<WorkloadSelector>,
    budgets: Vec<DisruptionBudget>,
}

/// The objects that there are, by the word of an API server.
pub(crate) struct Outside {
    pub(crate) dice: Pcg64,
    /// The configuration of the generated cluster.
    pub(crate) profiles: Profiles,
    /// The same, with only a share of the nodes looked at.
    pub(crate) with_share: Profiles,
    pub(crate) nodes: BTreeMap<Str, Arc<NodeSpec>>,
    /// By uid.
    pub(crate) pods: BTreeMap<Str, Arc<PodInfo>>,
    pub(crate) namespaces: BTreeMap<Str, Namespace>,
    pub(crate) services: BTreeMap<(Str, Str), ServiceSelector>,
    pub(crate) workloads: BTreeMap<(WorkloadKindOrder, Str, Str), WorkloadSelector>,
    budgets: BTreeMap<(Str, Str), DisruptionBudget>,
    made_of: Templates,
    /// Names of nodes that were and are not.
    gone: Vec<Str>,
    /// What belongs to the last thing that happened.
    second_half: Option<Event>,
    named: usize,
    versions: usize,
}

/// A kind as a number, which has an order.
pub(crate) type WorkloadKindOrder = u8;

fn by_number(kind: WorkloadKind) -> WorkloadKindOrder {
    match kind {
        WorkloadKind::ReplicationController => 0,
        WorkloadKind::ReplicaSet => 1,
        WorkloadKind::StatefulSet => 2,
    }
}

impl Outside {
    /// No objects yet; those to come are like those of this profile and seed.
    pub(crate) fn new(profile: Profile, seed: u64) -> Self {
        let request = generate(profile, seed);
        let world = World::read(&request).expect("generated clusters are valid");
        let share = if request.config.is_empty() {
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        } else {
            request.config.as_str()
        };
        let share = format!("percentageOfNodesToScore: 40\n{share}");
        let mut dice = Pcg64::seed_from_u64(seed);
        let mut made_of = Templates { nodes: world.cluster.nodes().cloned().collect(), ..Templates::default() };
        for event in world.cluster.events() {
            match event {
                Event::Namespace(namespace) => made_of.namespaces.push(namespace),
                Event::Service(service) => made_of.services.push(service),
                Event::Workload(workload) => made_of.workloads.push(workload),
                Event::DisruptionBudget(budget) => made_of.budgets.push(budget),
                _ => {}
            }
        }
        let placed: Vec<_> = world.cluster.placed().cloned().collect();
        made_of.pods = world.judged.sample(&mut dice, TEMPLATES / 2).cloned().collect();
        let others = TEMPLATES - made_of.pods.len();
        made_of.pods.extend(placed.sample(&mut dice, others).cloned());
        Self {
            dice,
            with_share: profiles(&share).expect("a share of the nodes is valid in any configuration"),
            profiles: world.profiles,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            services: BTreeMap::new(),
            workloads: BTreeMap::new(),
            budgets: BTreeMap::new(),
            made_of,
            gone: Vec::new(),
            second_half: None,
            named: 0,
            versions: 0,
        }
    }

    /// The first things that happen: this many nodes, with on average `pods` pods on each, and the rest of the objects.
    pub(crate) fn begin(&mut self, nodes: usize, pods: f64) -> Vec<Event> {
        let mut events: Vec<Event> = self.made_of.namespaces.iter().cloned().map(Event::Namespace).collect();
        events.extend(self.made_of.services.iter().cloned().map(Event::Service));
        events.extend(self.made_of.workloads.iter().cloned().map(Event::Workload));
        events.extend(self.made_of.budgets.iter().cloned().map(Event::DisruptionBudget));
        for event in &events {
            self.take_in(event);
        }
        for _ in 0..nodes {
            let event = self.new_node();
            self.take_in(&event);
            events.push(event);
        }
        for _ in 0..(nodes as f64 * pods) as usize {
            let event = self.new_placed_pod();
            self.take_in(&event);
            events.push(event);
        }
        events
    }

    /// Whether the last thing that happened was one half of two.
    pub(crate) fn is_half(&self) -> bool {
        self.second_half.is_some()
    }

    /// The next thing that happens. [`Outside::take_in`] was called for it.
    pub(crate) fn next(&mut self) -> Event {
        let event = self.second_half.take().unwrap_or_else(|| self.any());
        self.take_in(&event);
        event
    }

    fn any(&mut self) -> Event {
        let roll = self.dice.random_range(0..100);
        let event = match roll {
            0..26 => Some(Event::Pod(self.new_pod())),
            26..38 => Some(self.new_placed_pod()),
            38..54 => self.changed_pod(),
            54..68 => {
                let refused = self.dice.random_bool(0.2);
                let pod = self.some_pod(|pod| !refused || pod.node_name.is_some());
                let resource = ["cpu", "memory", "pods", "example.com/gpu"].choose(&mut self.dice).copied();
                pod.map(|pod| match resource {
                    Some(resource) if refused => Event::PodRefused(pod, resource.into()),
                    _ => Event::PodGone(pod.uid.clone()),
                })
            }
            68..75 => Some(self.new_node()),
            75..88 => self.changed_node(),
            88..92 => {
                let name = self.node_name();
                name.map(Event::NodeGone)
            }
            92..96 => self.namespace(),
            96..98 => self.service_or_workload(),
            _ => self.budget(),
        };
        // What can not happen now is replaced by what always can.
        event.unwrap_or_else(|| if self.nodes.is_empty() { self.new_node() } else { Event::Pod(self.new_pod()) })
    }

    /// Takes note of what happened.
    pub(crate) fn take_in(&mut self, event: &Event) {
        match event {
            // No pod of these histories asks for devices.
            Event::DeviceClass(_)
            | Event::DeviceClassGone(_)
            | Event::PodGroup(_)
            | Event::PodGroupGone(_)
            | Event::MemberFinished(_)
            | Event::FinishedMemberGone(_)
            | Event::Reservation(_)
            | Event::ReservationGone(_)
            | Event::Usage(..) => {}
            Event::Node(node) => {
                self.gone.retain(|name| *name != node.name);
                self.nodes.insert(node.name.clone(), node.clone());
            }
            Event::NodeGone(name) => {
                self.nodes.remove(name);
                self.gone.push(name.clone());
            }
            Event::Pod(pod) if pod.finished => {
                self.pods.remove(&pod.uid);
            }
            Event::Pod(pod) => {
                self.pods.insert(pod.uid.clone(), pod.clone());
            }
            Event::PodGone(uid) => {
                self.pods.remove(uid);
            }
            Event::PodRefused(pod, _) => {
                self.pods.remove(&pod.uid);
            }
            Event::Namespace(namespace) => {
                self.namespaces.insert(namespace.name.clone(), namespace.clone());
            }
            Event::NamespaceGone(name) => {
                self.namespaces.remove(name);
            }
            Event::Service(service) => {
                self.services.insert((service.namespace.clone(), service.name.clone()), service.clone());
            }
            Event::ServiceGone(namespace, name) => {
                self.services.remove(&(namespace.clone(), name.clone()));
            }
            Event::Workload(workload) => {
                let key = (by_number(workload.kind), workload.namespace.clone(), workload.name.clone());
                self.workloads.insert(key, workload.clone());
            }
            Event::WorkloadGone(kind, namespace, name) => {
                self.workloads.remove(&(by_number(*kind), namespace.clone(), name.clone()));
            }
            Event::DisruptionBudget(budget) => {
                self.budgets.insert((budget.namespace.clone(), budget.name.clone()), budget.clone());
            }
            Event::DisruptionBudgetGone(namespace, name) => {
                self.budgets.remove(&(namespace.clone(), name.clone()));
            }
        }
    }

    /// A pod like one of the generated ones, without a node. Nobody was told of it.
    pub(crate) fn new_pod(&mut self) -> Arc<PodInfo> {
        let template = self.made_of.pods.choose(&mut self.dice).expect("a generated cluster has pods").clone();
        self.named += 1;
        let name: Str = format!("pod-{:05}", self.named).into();
        let mut pod = PodInfo { uid: name.clone(), name, node_name: None, deleted: None, ..PodInfo::clone(&template) };
        pod.preempted = false;
        pod.resource_version = self.version();
        let nominated = self.dice.random_bool(0.15);
        pod.nominated_node_name = self.node_name().filter(|_| nominated);
        Arc::new(pod)
    }

    /// A pod that there is and of which this holds.
    pub(crate) fn some_pod(&mut self, holds: impl Fn(&PodInfo) -> bool) -> Option<Arc<PodInfo>> {
        let pods: Vec<_> = self.pods.values().filter(|pod| holds(pod)).collect();
        pods.choose(&mut self.dice).map(|pod| Arc::clone(pod))
    }

    /// The name of a node that there is.
    pub(crate) fn node_name(&mut self) -> Option<Str> {
        let names: Vec<_> = self.nodes.keys().collect();
        names.choose(&mut self.dice).map(|name| Str::clone(name))
    }

    /// A version that no object had before.
    pub(crate) fn version(&mut self) -> Str {
        self.versions += 1;
        self.versions.to_string().into()
    }

    fn new_placed_pod(&mut self) -> Event {
        let mut pod = PodInfo::clone(&self.new_pod());
        pod.nominated_node_name = None;
        pod.scheduling_gates = Box::default();
        pod.started = Some(self.dice.random_range(0..1_000));
        let absent: Str = "absent".into();
        let missing = self.gone.choose(&mut self.dice).cloned().unwrap_or(absent);
        let on_missing = self.dice.random_bool(0.05);
        pod.node_name = Some(self.node_name().filter(|_| !on_missing).unwrap_or(missing));
        Event::Pod(Arc::new(pod))
    }

    fn changed_pod(&mut self) -> Option<Event> {
        let old = self.some_pod(|_| true)?;
        let like = self.made_of.pods.choose(&mut self.dice)?.clone();
        let mut pod = PodInfo { resource_version: self.version(), ..PodInfo::clone(&old) };
        let placed = pod.node_name.is_some();
        match self.dice.random_range(0..8) {
            0 | 1 => pod.labels = like.labels.clone(),
            2 => pod.requests = like.requests.clone(),
            3 => pod.deleted = Some(1),
            4 => pod.affinity.clone_from(&like.affinity),
            5 if placed => pod.node_name = self.node_name(),
            5 => pod.scheduling_gates = Box::default(),
            6 if !placed => pod.nominated_node_name = self.node_name(),
            6 => pod.finished = true,
            _ if !placed => pod.nominated_node_name = None,
            // Nothing that anybody reads: the same pod in another version.
            _ => {}
        }
        Some(Event::Pod(Arc::new(pod)))
    }

    fn new_node(&mut self) -> Event {
        let like = self.made_of.nodes.choose(&mut self.dice).expect("a generated cluster has nodes").clone();
        let again = self.dice.random_bool(0.5);
        let back = self.gone.choose(&mut self.dice).filter(|_| again).cloned();
        let name = back.unwrap_or_else(|| {
            self.named += 1;
            format!("node-{:05}", self.named).into()
        });
        let mut node = NodeSpec { name: name.clone(), ..NodeSpec::clone(&like) };
        // Some nodes share their hostname with others: a label like any other.
        if self.dice.random_bool(0.8) && like.labels.contains(HOSTNAME) {
            let others = like.labels.iter().filter(|(key, _)| key.as_str() != HOSTNAME).cloned();
            let own = std::iter::once((Str::from(HOSTNAME), name));
            node.labels = Arc::new(Labels::new(others.chain(own).collect()));
        }
        Event::Node(Arc::new(node))
    }

    fn changed_node(&mut self) -> Option<Event> {
        let name = self.node_name()?;
        let like = self.made_of.nodes.choose(&mut self.dice)?.clone();
        let mut node = NodeSpec::clone(self.nodes.get(&name)?);
        match self.dice.random_range(0..9) {
            0 => node.labels = like.labels.clone(),
            1 => node.taints.clone_from(&like.taints),
            2 => node.unschedulable = !node.unschedulable,
            3 | 4 => {
                node.allocatable = like.allocatable.clone();
                node.allowed_pods = like.allowed_pods;
            }
            5 => node.images = like.images.clone(),
            // Two nodes change their images: as many as before have each, and only the nodes are others.
            6 => {
                let other = self.node_name().and_then(|name| self.nodes.get(&name))?;
                let changed = NodeSpec { images: node.images.clone(), ..NodeSpec::clone(other) };
                node.images = other.images.clone();
                self.second_half = Some(Event::Node(Arc::new(changed))).filter(|_| other.name != node.name);
            }
            7 => node.declared_features.clone_from(&like.declared_features),
            // As heartbeats do: the same once more.
            _ => {}
        }
        Some(Event::Node(Arc::new(node)))
    }

    fn namespace(&mut self) -> Option<Event> {
        let namespace = self.made_of.namespaces.choose(&mut self.dice)?.clone();
        let like = self.made_of.namespaces.choose(&mut self.dice)?;
        Some(match self.dice.random_range(0..3) {
            0 => Event::NamespaceGone(namespace.name),
            1 => Event::Namespace(Namespace { labels: like.labels.clone(), ..namespace }),
            _ => Event::Namespace(namespace),
        })
    }

    fn service_or_workload(&mut self) -> Option<Event> {
        let gone = self.dice.random_bool(0.4);
        if self.dice.random_bool(0.5) {
            let service = self.made_of.services.choose(&mut self.dice)?.clone();
            let event =
                if gone { Event::ServiceGone(service.namespace, service.name) } else { Event::Service(service) };
            return Some(event);
        }
        let workload = self.made_of.workloads.choose(&mut self.dice)?.clone();
        Some(if gone {
            Event::WorkloadGone(workload.kind, workload.namespace, workload.name)
        } else {
            Event::Workload(workload)
        })
    }

    fn budget(&mut self) -> Option<Event> {
        let budget = self.made_of.budgets.choose(&mut self.dice)?.clone();
        if self.dice.random_bool(0.3) {
            return Some(Event::DisruptionBudgetGone(budget.namespace, budget.name));
        }
        let disruptions_allowed = self.dice.random_range(0..3);
        Some(Event::DisruptionBudget(DisruptionBudget { disruptions_allowed, ..budget }))
    }
}
