//! The smaller objects that the API server's admission and the plugins consult.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

    /// `resource.k8s.io/v1` DeviceClass.
    DeviceClass {
        metadata: ObjectMeta,
        spec: DeviceClassSpec,
    }

    /// DeviceClass `spec`.
    DeviceClassSpec {
        extended_resource_name: Option<String>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisruptedPods(Vec<String>);

impl DisruptedPods {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for DisruptedPods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = DisruptedPods;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DisruptedPods, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(DisruptedPods(names))
            }
        }

        deserializer.deserialize_map(Names)
    }
}
