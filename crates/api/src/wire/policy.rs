//! The smaller objects that the API server's admission and the plugins consult.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::{LabelSelector, ObjectMeta, ResourceList, StringMap, Toleration, wire};

wire! {
    /// `v1` Namespace.
    Namespace {
        metadata: ObjectMeta,
    }

    /// `v1` Service.
    Service {
        metadata: ObjectMeta,
        spec: ServiceSpec,
    }

    /// Service `spec`.
    ServiceSpec {
        selector: StringMap,
    }

    /// `scheduling.k8s.io/v1` PriorityClass.
    PriorityClass {
        metadata: ObjectMeta,
        value: i32,
        global_default: bool,
        preemption_policy: Option<String>,
    }

    /// `policy/v1` PodDisruptionBudget.
    PodDisruptionBudget {
        metadata: ObjectMeta,
        spec: PodDisruptionBudgetSpec,
        status: PodDisruptionBudgetStatus,
    }

    /// PodDisruptionBudget `spec`.
    PodDisruptionBudgetSpec {
        selector: Option<LabelSelector>,
    }

    /// PodDisruptionBudget `status`.
    PodDisruptionBudgetStatus {
        disruptions_allowed: i32,
        disrupted_pods: DisruptedPods,
    }

    /// `node.k8s.io/v1` RuntimeClass.
    RuntimeClass {
        metadata: ObjectMeta,
        overhead: Option<Overhead>,
        scheduling: Option<Scheduling>,
    }

    /// RuntimeClass `overhead`.
    Overhead {
        pod_fixed: ResourceList,
    }

    /// RuntimeClass `scheduling`.
    Scheduling {
        node_selector: StringMap,
        tolerations: Vec<Toleration>,
    }

    /// `v1` LimitRange.
    LimitRange {
        metadata: ObjectMeta,
        spec: LimitRangeSpec,
    }

    /// LimitRange `spec`.
    LimitRangeSpec {
        limits: Vec<LimitRangeItem>,
    }

    /// `spec.limits[]` of a LimitRange.
    LimitRangeItem {
        #[serde(rename = "type")]
        kind: String,
        max: ResourceList,
        min: ResourceList,
        default: ResourceList,
        default_request: ResourceList,
    }
}

/// `status.disruptedPods`: the names alone, not the times.
#[derive(Debug, Clone, Default)]
pub struct DisruptedPods(BTreeMap<String, IgnoredAny>);

impl DisruptedPods {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl PartialEq for DisruptedPods {
    fn eq(&self, other: &Self) -> bool {
        self.names().eq(other.names())
    }
}

impl<'de> serde::Deserialize<'de> for DisruptedPods {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self)
    }
}
