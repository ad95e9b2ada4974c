//! Groups of pods that are placed together, of both APIs that have them.

use serde::Deserialize;

use super::{ObjectMeta, ResourceList, Time, wire};

wire! {
    /// `scheduling.x-k8s.io/v1alpha1` PodGroup.
    PodGroup {
        metadata: ObjectMeta,
        spec: PodGroupSpec,
        status: PodGroupStatus,
    }

    /// PodGroup `spec`.
    PodGroupSpec {
        min_member: i32,
        min_resources: ResourceList,
        schedule_timeout_seconds: Option<i32>,
    }

    /// PodGroup `status`.
    PodGroupStatus {
        phase: String,
        occupied_by: String,
        running: i32,
        succeeded: i32,
        failed: i32,
        schedule_start_time: Option<Time>,
        conditions: Vec<PodGroupCondition>,
    }

    /// PodGroup `status.conditions[]`.
    PodGroupCondition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        reason: String,
        message: String,
    }

    /// `scheduling.k8s.io/v1alpha2` PodGroup.
    CorePodGroup {
        metadata: ObjectMeta,
        spec: CorePodGroupSpec,
    }

    /// `spec` of a PodGroup of Kubernetes' own API.
    CorePodGroupSpec {
        scheduling_policy: PodGroupSchedulingPolicy,
        scheduling_constraints: Option<PodGroupSchedulingConstraints>,
        disruption_mode: Option<String>,
        priority_class_name: String,
        priority: Option<i32>,
    }

    /// `spec.schedulingPolicy`: one of the two.
    PodGroupSchedulingPolicy {
        basic: Option<BasicSchedulingPolicy>,
        gang: Option<GangSchedulingPolicy>,
    }

    /// `spec.schedulingPolicy.gang`.
    GangSchedulingPolicy {
        min_count: i32,
    }

    /// `spec.schedulingConstraints`.
    PodGroupSchedulingConstraints {
        topology: Vec<TopologyConstraint>,
    }

    /// `spec.schedulingConstraints.topology[]`.
    TopologyConstraint {
        key: String,
    }
}

/// `spec.schedulingPolicy.basic`: says nothing but that it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct BasicSchedulingPolicy {}
