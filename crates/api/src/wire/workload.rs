//! Workloads: what stands for pods.

use super::{LabelSelector, ObjectMeta, PodTemplate, StringMap, wire};

wire! {
    /// `apps/v1` Deployment.
    Deployment {
        metadata: ObjectMeta,
        spec: DeploymentSpec,
        status: DeploymentStatus,
    }

    /// Deployment `spec`.
    DeploymentSpec {
        replicas: Option<i32>,
        selector: Option<LabelSelector>,
        template: PodTemplate,
        paused: Option<bool>,
    }

    /// Deployment `status`.
    DeploymentStatus {
        observed_generation: i64,
        replicas: i32,
        updated_replicas: i32,
        available_replicas: i32,
    }

    /// `apps/v1` ReplicaSet.
    ReplicaSet {
        metadata: ObjectMeta,
        spec: ReplicaSetSpec,
        status: ReplicaSetStatus,
    }

    /// ReplicaSet `spec`.
    ReplicaSetSpec {
        replicas: Option<i32>,
        selector: Option<LabelSelector>,
        template: PodTemplate,
    }

    /// ReplicaSet and ReplicationController `status`.
    ReplicaSetStatus {
        observed_generation: i64,
        replicas: i32,
        available_replicas: i32,
    }

    /// `v1` ReplicationController.
    ReplicationController {
        metadata: ObjectMeta,
        spec: ReplicationControllerSpec,
        status: ReplicaSetStatus,
    }

    /// ReplicationController `spec`.
    ReplicationControllerSpec {
        replicas: Option<i32>,
        selector: StringMap,
        template: PodTemplate,
    }

    /// `apps/v1` StatefulSet.
    StatefulSet {
        metadata: ObjectMeta,
        spec: StatefulSetSpec,
        status: StatefulSetStatus,
    }

    /// StatefulSet `spec`.
    StatefulSetSpec {
        replicas: Option<i32>,
        selector: Option<LabelSelector>,
        template: PodTemplate,
        ordinals: Option<StatefulSetOrdinals>,
        update_strategy: Option<StatefulSetUpdateStrategy>,
        volume_claim_templates: Vec<VolumeClaimTemplate>,
    }

    /// StatefulSet `status`.
    StatefulSetStatus {
        observed_generation: i64,
        replicas: i32,
        updated_replicas: i32,
        available_replicas: i32,
    }

    /// StatefulSet `spec.ordinals`.
    StatefulSetOrdinals {
        start: i32,
    }

    /// StatefulSet `spec.volumeClaimTemplates[]`, the name alone.
    VolumeClaimTemplate {
        metadata: ObjectMeta,
    }

    /// `apps/v1` DaemonSet.
    DaemonSet {
        metadata: ObjectMeta,
        spec: DaemonSetSpec,
    }

    /// StatefulSet `spec.updateStrategy`.
    StatefulSetUpdateStrategy {
        #[serde(rename = "type")]
        kind: String,
        rolling_update: Option<RollingUpdateStatefulSetStrategy>,
    }

    /// StatefulSet `spec.updateStrategy.rollingUpdate`.
    RollingUpdateStatefulSetStrategy {
        partition: i32,
    }

    /// DaemonSet `spec`.
    DaemonSetSpec {
        selector: Option<LabelSelector>,
        template: PodTemplate,
        update_strategy: Option<DaemonSetUpdateStrategy>,
    }

    /// DaemonSet `spec.updateStrategy`.
    DaemonSetUpdateStrategy {
        #[serde(rename = "type")]
        kind: String,
    }

    /// `batch/v1` Job.
    Job {
        metadata: ObjectMeta,
        spec: JobSpec,
        status: JobStatus,
    }

    /// Job `spec`.
    JobSpec {
        parallelism: Option<i32>,
        completions: Option<i32>,
        completion_mode: Option<String>,
        suspend: bool,
        manual_selector: bool,
        selector: Option<LabelSelector>,
        template: PodTemplate,
    }

    /// Job `status`.
    JobStatus {
        succeeded: i32,
        failed: i32,
        completed_indexes: String,
        failed_indexes: String,
        conditions: Vec<JobCondition>,
    }

    /// Job `status.conditions[]`.
    JobCondition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        reason: String,
    }
}
