//! The smaller objects that plugins consult.

use loadline_model::{
    DeviceClass, DisruptionBudget, Namespace, Selector, ServiceSelector, WorkloadKind, WorkloadSelector,
};

use super::Converter;
use crate::wire;

impl Converter {
    /// Compiles a namespace.
    pub fn namespace(&mut self, namespace: &wire::Namespace) -> Namespace {
        Namespace { name: self.str(&namespace.metadata.name), labels: self.labels(&namespace.metadata.labels) }
    }

    /// Compiles a service's selector.
    pub fn service(&mut self, service: &wire::Service) -> ServiceSelector {
        ServiceSelector {
            namespace: self.str(&service.metadata.namespace),
            name: self.str(&service.metadata.name),
            selector: self.own_labels(&service.spec.selector),
        }
    }

    /// Compiles a ReplicationController's selector.
    pub fn replication_controller(&mut self, controller: &wire::ReplicationController) -> WorkloadSelector {
        let selector = self.label_equality(&controller.spec.selector);
        self.workload(WorkloadKind::ReplicationController, &controller.metadata, selector)
    }

    /// Compiles a ReplicaSet's selector.
    pub fn replica_set(&mut self, set: &wire::ReplicaSet) -> WorkloadSelector {
        let selector = self.selector(set.spec.selector.as_ref());
        self.workload(WorkloadKind::ReplicaSet, &set.metadata, selector)
    }

    /// Compiles a StatefulSet's selector.
    pub fn stateful_set(&mut self, set: &wire::StatefulSet) -> WorkloadSelector {
        let selector = self.selector(set.spec.selector.as_ref());
        self.workload(WorkloadKind::StatefulSet, &set.metadata, selector)
    }

    fn workload(&mut self, kind: WorkloadKind, metadata: &wire::ObjectMeta, selector: Selector) -> WorkloadSelector {
        WorkloadSelector { kind, namespace: self.str(&metadata.namespace), name: self.str(&metadata.name), selector }
    }

    /// Compiles a DeviceClass.
    pub fn device_class(&mut self, class: &wire::DeviceClass) -> DeviceClass {
        let resource = class.spec.extended_resource_name.as_deref().filter(|name| !name.is_empty());
        DeviceClass {
            name: self.str(&class.metadata.name),
            extended_resource: resource.map(|name| self.strings.intern(name)),
        }
    }

    /// Compiles a PodDisruptionBudget.
    pub fn disruption_budget(&mut self, budget: &wire::PodDisruptionBudget) -> DisruptionBudget {
        DisruptionBudget {
            namespace: self.str(&budget.metadata.namespace),
            name: self.str(&budget.metadata.name),
            selector: self.selector(budget.spec.selector.as_ref()),
            disruptions_allowed: budget.status.disruptions_allowed,
            disrupted_pods: budget.status.disrupted_pods.names().map(|name| self.strings.intern(name)).collect(),
        }
    }
}
