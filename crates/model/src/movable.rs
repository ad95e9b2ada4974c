//! What whoever would move a running pod has to know of it and of what it belongs to.

use std::sync::Arc;

use crate::{Owner, Str};

/// Marks of a pod that say whether it may be moved, and at what cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u16);

impl Marks {
    /// Annotation `kubernetes.io/config.mirror`: the API's image of a pod that a kubelet runs by itself.
    pub const MIRROR: Self = Self(1);
    /// Made by a kubelet (annotation `kubernetes.io/config.source` is not `api`), or owned by a Node.
    pub const STATIC: Self = Self(2);
    /// Annotation `cluster-autoscaler.kubernetes.io/safe-to-evict` is `false`.
    pub const NOT_SAFE_TO_EVICT: Self = Self(4);
    /// Annotation `karpenter.sh/do-not-disrupt` is `true`.
    pub const DO_NOT_DISRUPT: Self = Self(8);
    /// Annotation `descheduler.alpha.kubernetes.io/prefer-no-eviction`.
    pub const PREFER_NO_EVICTION: Self = Self(16);
    /// Annotation `descheduler.alpha.kubernetes.io/evict`.
    pub const EVICT: Self = Self(32);
    /// A volume of kind emptyDir or hostPath.
    pub const LOCAL_STORAGE: Self = Self(64);
    /// QoS class BestEffort.
    pub const BEST_EFFORT: Self = Self(128);
    /// QoS class Guaranteed.
    pub const GUARANTEED: Self = Self(256);
    /// It runs to its end: what it has done would be lost, and nobody may make another.
    pub const RUNS_TO_ITS_END: Self = Self(512);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These where `when` holds.
    pub const fn when(self, when: bool) -> Self {
        if when { self } else { Self(0) }
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a pod and its containers fare. Shared between pods that fare alike, which most do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodHealth {
    /// `status.phase`; empty when unknown.
    pub phase: Str,
    /// `status.reason`; empty when none.
    pub reason: Str,
    /// Of containers.
    pub containers: ContainerHealth,
    /// Of init containers.
    pub init_containers: ContainerHealth,
}

/// How some containers fare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerHealth {
    /// Sum of their restarts.
    pub restarts: i32,
    /// Why those wait that do; sorted, each once.
    pub waiting: Box<[Str]>,
    /// Why those ended that did; sorted, each once.
    pub terminated: Box<[Str]>,
    /// Exit codes of those that ended; sorted, each once.
    pub exit_codes: Box<[i32]>,
}

/// How a workload stands whose pods might be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadStatus {
    /// Kind.
    pub kind: Str,
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// What it is made by in turn, as a ReplicaSet is by a Deployment.
    pub owner: Option<Arc<Owner>>,
    /// Number of pods that it is to have.
    pub replicas: i32,
    /// It has that many pods, all of the newest template and available; or its status says nothing, as in a file that a
    /// person wrote.
    pub at_rest: bool,
}
