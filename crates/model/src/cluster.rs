//! The smaller objects that plugins consult.

use std::sync::Arc;

use crate::{Labels, PodInfo, Selector, Set, Str};

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Str,
    /// Labels.
    pub labels: Arc<Labels>,
}

/// The selector of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSelector {
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// `spec.selector`; an empty one selects no pod.
    pub selector: Labels,
}

/// Kinds of controllers whose selector spreads their pods by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkloadKind {
    /// `v1` ReplicationController.
    ReplicationController,
    /// `apps/v1` ReplicaSet.
    ReplicaSet,
    /// `apps/v1` StatefulSet.
    StatefulSet,
}

/// The selector of a ReplicationController, ReplicaSet or StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSelector {
    /// Kind.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// Its pod selector.
    pub selector: Selector,
}

/// The controller of a pod (`metadata.ownerReferences` with `controller: true`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `apiVersion` of the owner.
    pub api_version: Str,
    /// Kind.
    pub kind: Str,
    /// Name.
    pub name: Str,
    /// Uid.
    pub uid: Str,
}

/// A DeviceClass, as far as pods may ask for its devices without a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClass {
    /// Name.
    pub name: Str,
    /// `spec.extendedResourceName`: the extended resource that stands for its devices.
    pub extended_resource: Option<Str>,
}

/// A PodDisruptionBudget, as preemption reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudget {
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// `spec.selector`.
    pub selector: Selector,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: i32,
    /// Names of pods in `status.disruptedPods`: already counted.
    pub disrupted_pods: Set<Str>,
}

impl DisruptionBudget {
    /// Whether the end of a pod of its namespace is one of the disruptions that it has still to give.
    pub fn counts(&self, pod: &PodInfo) -> bool {
        self.selector.matches(&pod.labels) && !self.disrupted_pods.contains(&pod.name)
    }
}
