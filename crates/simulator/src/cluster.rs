//! A cluster read from files: its objects, compiled, before any engine looks at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_api::convert::Converter;
use loadline_api::expand;
use loadline_api::wire::Object;
use loadline_engine::{Engine, Event, Settings};
use loadline_framework::Profiles;
use loadline_model::{
    DeviceClass, DisruptionBudget, Namespace, NodeSpec, PodGroupInfo, PodInfo, ServiceSelector, Set, WorkloadSelector,
    WorkloadStatus, note_devices,
};

/// Compiled objects, in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(crate) nodes: Vec<Arc<NodeSpec>>,
    pub(crate) pods: Vec<Arc<PodInfo>>,
    /// Pods that workloads still lack.
    pub(crate) missing: Vec<Missing>,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) services: Vec<ServiceSelector>,
    pub(crate) workloads: Vec<WorkloadSelector>,
    pub(crate) budgets: Vec<DisruptionBudget>,
    pub(crate) groups: Vec<PodGroupInfo>,
    /// How workloads stand, for whoever would move their pods.
    pub(crate) statuses: Vec<WorkloadStatus>,
    /// Values of PriorityClasses, by name.
    pub(crate) priorities: BTreeMap<String, i32>,
    /// Pods that were taken from their nodes before all this.
    pub(crate) vacated: u64,
    /// What the sources of real use said, where somebody knows.
    pub(crate) measured: Vec<Event>,
}

/// Pods of one kind that a workload still lacks.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// The pods, in the order in which the controller would make them. Alike but for names and what comes with them.
    pub(crate) pods: Vec<Arc<PodInfo>>,
}

/// Objects of a kind with their places in the input.
type Placed<T> = Vec<(usize, T)>;

/// Compiles complete objects one by one, so that wire objects need not be held.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    converter: Converter,
    nodes: Placed<Arc<NodeSpec>>,
    pods: Placed<Arc<PodInfo>>,
    namespaces: Placed<Namespace>,
    services: Placed<ServiceSelector>,
    workloads: Placed<WorkloadSelector>,
    budgets: Placed<DisruptionBudget>,
    statuses: Placed<WorkloadStatus>,
    priorities: BTreeMap<String, i32>,
    device_classes: Vec<DeviceClass>,
    groups: Placed<PodGroupInfo>,
}

impl Builder {
    /// Takes an object with its place in the input.
    pub(crate) fn add(&mut self, place: usize, object: &Object) {
        let converter = &mut self.converter;
        match object {
            Object::Node(node) => self.nodes.push((place, Arc::new(converter.node(node)))),
            Object::Pod(pod) => self.pods.push((place, Arc::new(converter.pod(pod)))),
            Object::Namespace(namespace) => self.namespaces.push((place, converter.namespace(namespace))),
            Object::Service(service) => self.services.push((place, converter.service(service))),
            Object::ReplicationController(controller) => {
                self.workloads.push((place, converter.replication_controller(controller)));
                self.statuses.push((place, converter.replication_controller_status(controller)));
            }
            Object::ReplicaSet(set) => {
                self.workloads.push((place, converter.replica_set(set)));
                self.statuses.push((place, converter.replica_set_status(set)));
            }
            Object::StatefulSet(set) => {
                self.workloads.push((place, converter.stateful_set(set)));
                self.statuses.push((place, converter.stateful_set_status(set)));
            }
            Object::Deployment(deployment) => self.statuses.push((place, converter.deployment_status(deployment))),
            Object::PriorityClass(class) => {
                self.priorities.insert(class.metadata.name.clone(), class.value);
            }
            Object::PodDisruptionBudget(budget) => self.budgets.push((place, converter.disruption_budget(budget))),
            Object::DeviceClass(class) => self.device_classes.push(converter.device_class(class)),
            // Used up by defaulting and expansion, or kept for later.
            Object::DaemonSet(_)
            | Object::Job(_)
            | Object::LimitRange(_)
            | Object::RuntimeClass(_)
            | Object::PersistentVolume(_)
            | Object::PersistentVolumeClaim(_)
            | Object::StorageClass(_)
            | Object::CSINode(_)
            | Object::CSIDriver(_)
            | Object::CSIStorageCapacity(_)
            | Object::VolumeAttachment(_)
            | Object::ResourceClaim(_)
            | Object::ResourceClaimTemplate(_)
            | Object::ResourceSlice(_) => {}
            Object::PodGroup(group) => self.groups.push((place, converter.pod_group(group))),
            Object::CorePodGroup(group) => self.groups.push((place, converter.core_pod_group(group))),
        }
    }

    /// The cluster. `missing` are the pods that workloads still lack.
    pub(crate) fn finish(mut self, missing: &[expand::Missing]) -> Cluster {
        let mut missing: Vec<Missing> = missing
            .iter()
            .map(|missing| Missing { pods: missing.pods.iter().map(|pod| Arc::new(self.converter.pod(pod))).collect() })
            .collect();
        // The classes may stand behind the pods in the input.
        self.device_classes.retain(|class| class.extended_resource.is_some());
        self.device_classes.sort_by(|a, b| a.name.cmp(&b.name));
        if !self.device_classes.is_empty() {
            let pods = self.pods.iter_mut().map(|(_, pod)| pod);
            for pod in pods.chain(missing.iter_mut().flat_map(|missing| &mut missing.pods)) {
                note_devices(pod, &self.device_classes);
            }
        }
        Cluster {
            nodes: in_order(self.nodes),
            pods: in_order(self.pods),
            missing,
            namespaces: in_order(self.namespaces),
            services: in_order(self.services),
            workloads: in_order(self.workloads),
            budgets: in_order(self.budgets),
            groups: in_order(self.groups),
            statuses: in_order(self.statuses),
            priorities: self.priorities,
            vacated: 0,
            measured: Vec::new(),
        }
    }
}

fn in_order<T>(mut placed: Placed<T>) -> Vec<T> {
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, object)| object).collect()
}

impl Cluster {
    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Number of pods, those that workloads still lack included.
    pub fn pod_count(&self) -> usize {
        self.pods.len() + self.missing.iter().map(|missing| missing.pods.len()).sum::<usize>()
    }

    /// Pods of the input that wait for a node, in the order of the input: not placed, not finished, deletion not begun.
    pub fn pending(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.pods.iter().filter(|pod| is_pending(pod))
    }

    /// Pods of the input without a node that have not finished, those that are being deleted included.
    pub(crate) fn without_node(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.pods.iter().filter(|pod| pod.node_name.is_none() && !pod.finished)
    }

    /// Nodes, in the order of the input.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<NodeSpec>> {
        self.nodes.iter()
    }

    /// Namespaces, in the order of the input.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.iter()
    }

    /// Pods that have failed, in the order of the input.
    pub fn failed(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        let has_failed = |pod: &&Arc<PodInfo>| pod.health.as_ref().is_some_and(|health| health.phase == *"Failed");
        self.pods.iter().filter(has_failed)
    }

    /// How workloads stand, in the order of the input.
    pub fn workload_statuses(&self) -> impl Iterator<Item = &WorkloadStatus> {
        self.statuses.iter()
    }

    /// Values of PriorityClasses, by name.
    pub fn priorities(&self) -> &BTreeMap<String, i32> {
        &self.priorities
    }

    /// Pods on nodes that have not finished, in the order of the input.
    pub fn placed(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.pods.iter().filter(|pod| !pod.finished && pod.node_name.is_some())
    }

    /// Pods of groups that ran to their end: they count towards the minimum.
    fn finished_members(&self) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.pods.iter().filter(|pod| pod.finished && pod.pod_group.is_some())
    }

    /// Nodes that pods are on and that are not in the input, with the number of pods.
    pub(crate) fn unknown_nodes(&self) -> BTreeMap<&str, u64> {
        let known: Set<&str> = self.nodes.iter().map(|node| &*node.name).collect();
        let mut unknown = BTreeMap::new();
        for name in self.placed().filter_map(|pod| pod.node_name.as_deref()).filter(|name| !known.contains(name)) {
            *unknown.entry(name).or_default() += 1;
        }
        unknown
    }

    /// An engine that knows the cluster: everything but the pods that wait.
    pub fn engine(&self, profiles: Profiles, settings: Settings) -> Engine {
        let mut engine = Engine::new(profiles, settings);
        for event in self.events() {
            match event {
                Event::Namespace(namespace) => engine.set_namespace(namespace),
                Event::Service(service) => engine.set_service(service),
                Event::Workload(workload) => engine.set_workload(workload),
                Event::DisruptionBudget(budget) => engine.set_disruption_budget(budget),
                Event::Node(node) => {
                    engine.set_node(node);
                }
                Event::Pod(pod) => {
                    if let Some(node) = pod.node_name.clone() {
                        engine.set_placed_pod(pod, &node);
                    }
                }
                Event::NodeGone(_)
                | Event::PodGone(_)
                | Event::PodRefused(..)
                | Event::NamespaceGone(_)
                | Event::ServiceGone(..)
                | Event::WorkloadGone(..)
                | Event::DisruptionBudgetGone(..)
                // The pods have been told which of their requests they stand for.
                | Event::DeviceClass(_)
                | Event::DeviceClassGone(_)
                // What an engine alone knows nothing of.
                | Event::PodGroup(_)
                | Event::PodGroupGone(_)
                | Event::MemberFinished(_)
                | Event::FinishedMemberGone(_)
                | Event::Reservation(_)
                | Event::ReservationGone(_) => {}
                Event::Usage(source, at, samples) => {
                    // Also of sources that no plugin goes by.
                    engine.keep_usage(&source);
                    engine.hear_usage(&source, at, samples);
                }
            }
        }
        engine
    }

    /// What a watch would tell first: everything but the pods that wait.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let namespaces = self.namespaces.iter().cloned().map(Event::Namespace);
        namespaces
            .chain(self.services.iter().cloned().map(Event::Service))
            .chain(self.workloads.iter().cloned().map(Event::Workload))
            .chain(self.budgets.iter().cloned().map(Event::DisruptionBudget))
            .chain(self.groups.iter().cloned().map(Event::PodGroup))
            .chain(self.nodes.iter().cloned().map(Event::Node))
            .chain(self.placed().cloned().map(Event::Pod))
            .chain(self.finished_members().cloned().map(Event::MemberFinished))
            .chain(self.measured.iter().cloned())
    }
}

/// Whether a pod waits for a node.
pub(crate) fn is_pending(pod: &PodInfo) -> bool {
    pod.node_name.is_none() && !pod.finished && !pod.is_terminating()
}
