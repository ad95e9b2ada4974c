//! A cluster read from files: its objects, compiled, before any engine looks at them.

use std::sync::Arc;

use loadline_api::convert::Converter;
use loadline_api::wire::Object;
use loadline_engine::{Engine, Settings};
use loadline_framework::Profiles;
use loadline_model::{DisruptionBudget, Namespace, NodeSpec, PodInfo, ServiceSelector, WorkloadSelector};

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
}

/// Pods of one kind that a workload still lacks.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// The pods, in the order in which the controller would make them. Alike but for names and what comes with them.
    pub(crate) pods: Vec<Arc<PodInfo>>,
}

impl Cluster {
    /// Compiles objects as they are: nothing is filled in and workloads are not expanded.
    pub fn of_objects(objects: &[Object], converter: &mut Converter) -> Self {
        let mut cluster = Self::default();
        for object in objects {
            cluster.add(object, converter);
        }
        cluster
    }

    pub(crate) fn add(&mut self, object: &Object, converter: &mut Converter) {
        match object {
            Object::Node(node) => self.nodes.push(Arc::new(converter.node(node))),
            Object::Pod(pod) => self.pods.push(Arc::new(converter.pod(pod))),
            Object::Namespace(namespace) => self.namespaces.push(converter.namespace(namespace)),
            Object::Service(service) => self.services.push(converter.service(service)),
            Object::ReplicationController(controller) => {
                self.workloads.push(converter.replication_controller(controller));
            }
            Object::ReplicaSet(set) => self.workloads.push(converter.replica_set(set)),
            Object::StatefulSet(set) => self.workloads.push(converter.stateful_set(set)),
            Object::PodDisruptionBudget(budget) => self.budgets.push(converter.disruption_budget(budget)),
            // Used up by defaulting and expansion, or kept for later.
            Object::Deployment(_)
            | Object::DaemonSet(_)
            | Object::Job(_)
            | Object::LimitRange(_)
            | Object::PriorityClass(_)
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
            | Object::ResourceSlice(_)
            | Object::DeviceClass(_) => {}
        }
    }

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

    /// An engine that knows the cluster: everything but the pods that wait.
    pub fn engine(&self, profiles: Profiles, settings: Settings) -> Engine {
        let mut engine = Engine::new(profiles, settings);
        for namespace in &self.namespaces {
            engine.set_namespace(namespace.clone());
        }
        for service in &self.services {
            engine.set_service(service.clone());
        }
        for workload in &self.workloads {
            engine.set_workload(workload.clone());
        }
        for budget in &self.budgets {
            engine.set_disruption_budget(budget.clone());
        }
        for node in &self.nodes {
            engine.set_node(node.clone());
        }
        for pod in self.pods.iter().filter(|pod| !pod.finished) {
            if let Some(node) = &pod.node_name {
                engine.set_placed_pod(pod.clone(), node);
            }
        }
        engine
    }
}

/// Whether a pod waits for a node.
pub(crate) fn is_pending(pod: &PodInfo) -> bool {
    pod.node_name.is_none() && !pod.finished && !pod.is_terminating()
}
