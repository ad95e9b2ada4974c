//! Pod status.

use super::{ResourceList, ResourceRequirements, Time, wire};

wire! {
    /// Pod `status`.
    PodStatus {
        phase: String,
        reason: String,
        nominated_node_name: String,
        start_time: Option<Time>,
        conditions: Vec<PodCondition>,
        container_statuses: Vec<ContainerStatus>,
        init_container_statuses: Vec<ContainerStatus>,
        /// Of the pod as a whole (pod-level resources).
        resources: Option<ResourceRequirements>,
        /// Of the pod as a whole (pod-level resources).
        allocated_resources: ResourceList,
        resource_claim_statuses: Vec<PodResourceClaimStatus>,
    }

    /// `status.conditions[]`.
    PodCondition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        reason: String,
        message: String,
        observed_generation: i64,
    }

    /// `status.containerStatuses[]`.
    ContainerStatus {
        name: String,
        resources: Option<ResourceRequirements>,
        allocated_resources: ResourceList,
        state: Option<ContainerState>,
        restart_count: i32,
    }

    /// `status.containerStatuses[].state`.
    ContainerState {
        running: Option<ContainerStateRunning>,
        waiting: Option<ContainerStateWaiting>,
        terminated: Option<ContainerStateTerminated>,
    }

    /// `status.containerStatuses[].state.running`.
    ContainerStateRunning {
        started_at: Option<Time>,
    }

    /// `status.containerStatuses[].state.waiting`.
    ContainerStateWaiting {
        reason: String,
    }

    /// `status.containerStatuses[].state.terminated`.
    ContainerStateTerminated {
        reason: String,
        exit_code: i32,
    }

    /// `status.resourceClaimStatuses[]`.
    PodResourceClaimStatus {
        name: String,
        resource_claim_name: Option<String>,
    }
}
