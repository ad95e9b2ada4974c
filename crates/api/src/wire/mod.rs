//! Kubernetes objects as they come over the wire, with only the fields that a scheduler reads. Everything else in an object is skipped
//! unread, which is most of it.
//!
//! Every field is optional and `null` is the same as absent, as in Go; whether a value makes sense is asked by [`crate::check`], and what
//! the API server would have filled in is filled in by [`crate::defaults`]. Names and meanings of the fields are those of the
//! Kubernetes API.

// The API documents its fields; saying it again here would only go stale.
#![allow(missing_docs)]

mod group;
mod kind;
mod meta;
mod node;
mod pod;
mod pod_status;
mod policy;
mod resources;
mod selector;
mod volume;
mod workload;

pub use group::{
    BasicSchedulingPolicy, CorePodGroup, CorePodGroupSpec, GangSchedulingPolicy, PodGroup, PodGroupCondition,
    PodGroupSchedulingConstraints, PodGroupSchedulingPolicy, PodGroupSpec, PodGroupStatus, TopologyConstraint,
};
pub(crate) use kind::ReadTyped;
pub use kind::{Kind, Lookup, Object};
pub use meta::{ObjectMeta, OwnerReference, StringMap, Time};
pub use node::{ContainerImage, Node, NodeSpec, NodeStatus, Taint};
pub use pod::{
    Affinity, Container, ContainerPort, ContainerRestartRule, NodeAffinity, Pod, PodAffinity, PodAffinityTerm,
    PodSchedulingGate, PodSchedulingGroup, PodSpec, PodTemplate, PreferredSchedulingTerm, Toleration,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
pub use pod_status::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    PodCondition, PodResourceClaimStatus, PodStatus,
};
pub use policy::{
    DeviceClass, DeviceClassSpec, LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, Overhead, PodDisruptionBudget,
    PodDisruptionBudgetSpec, PodDisruptionBudgetStatus, PriorityClass, RuntimeClass, Scheduling, Service, ServiceSpec,
};
pub use resources::{ResourceList, ResourceRequirements};
pub use selector::{LabelSelector, LabelSelectorRequirement, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
pub use volume::{
    AwsElasticBlockStore, AzureDisk, Csi, EmptyDir, Ephemeral, GcePersistentDisk, HostPath, ImageVolume, Iscsi,
    OtherSource, PersistentVolumeClaimSource, PodResourceClaim, Rbd, StoredObject, Volume, VolumeById,
};
pub use workload::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, Deployment, DeploymentSpec, DeploymentStatus, Job, JobCondition,
    JobSpec, JobStatus, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, ReplicationController, ReplicationControllerSpec,
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetOrdinals, StatefulSetSpec, StatefulSetStatus,
    StatefulSetUpdateStrategy, VolumeClaimTemplate,
};

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default value.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Declares a wire type: every field may be absent or `null`, names are in camelCase.
macro_rules! wire {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub struct $name {
                $(
                    $(#[$field_meta])*
                    #[serde(default, deserialize_with = "crate::wire::nullable")]
                    pub $field: $type,
                )*
            }
        )*
    };
}
use wire;
