//! The smaller objects that plugins consult.

use std::sync::Arc;

use loadline_model::{
    DeviceClass, DisruptionBudget, GroupApi, GroupKey, Namespace, PREFERRED_TOPOLOGY, PodGroupInfo, REQUIRED_TOPOLOGY,
    Selector, ServiceSelector, Str, WorkloadKind, WorkloadSelector, duration::SECOND,
};

use super::Converter;
use super::requests::to_resources;
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

    /// Compiles a PodGroup of the custom resource.
    pub fn pod_group(&mut self, group: &wire::PodGroup) -> PodGroupInfo {
        let spec = &group.spec;
        let amounts = spec.min_resources.iter().map(|(name, amount)| (&**name, *amount));
        let min_resources = to_resources(amounts, &mut self.strings);
        let mut annotated = |key: &str| group.metadata.annotations.get(key).and_then(|key| self.some_str(key));
        PodGroupInfo {
            min_resources: (!spec.min_resources.is_empty()).then(|| Arc::new(min_resources)),
            timeout: spec.schedule_timeout_seconds.map(|seconds| i64::from(seconds.max(0)) * SECOND),
            required_topology: annotated(REQUIRED_TOPOLOGY),
            preferred_topology: annotated(PREFERRED_TOPOLOGY),
            ..self.group(GroupApi::Crd, &group.metadata, spec.min_member.max(1))
        }
    }

    /// Compiles a PodGroup of Kubernetes' own API. One with the policy `basic` is no gang.
    pub fn core_pod_group(&mut self, group: &wire::CorePodGroup) -> PodGroupInfo {
        let spec = &group.spec;
        let constraints = spec.scheduling_constraints.as_ref();
        let key = constraints.and_then(|constraints| constraints.topology.first()).map(|topology| &*topology.key);
        PodGroupInfo {
            required_topology: key.and_then(|key| self.some_str(key)),
            priority: spec.priority,
            disrupted_whole: spec.disruption_mode.as_deref() == Some("PodGroup"),
            ..self.group(
                GroupApi::Core,
                &group.metadata,
                spec.scheduling_policy.gang.as_ref().map_or(0, |gang| gang.min_count),
            )
        }
    }

    fn group(&mut self, api: GroupApi, metadata: &wire::ObjectMeta, min_member: i32) -> PodGroupInfo {
        let key = self.group_key(api, &metadata.namespace, &metadata.name);
        PodGroupInfo {
            key,
            uid: Str::from(&*metadata.uid),
            generation: metadata.generation,
            created: metadata.creation_timestamp.map(|time| time.0),
            ..PodGroupInfo::gang(
                GroupKey { namespace: Str::default(), name: Str::default(), api },
                min_member.max(0).unsigned_abs(),
            )
        }
    }

    /// A group's key, shared.
    pub(super) fn group_key(&mut self, api: GroupApi, namespace: &str, name: &str) -> Arc<GroupKey> {
        let key = GroupKey { namespace: self.str(namespace), name: self.str(name), api };
        self.groups.share(key)
    }
}
