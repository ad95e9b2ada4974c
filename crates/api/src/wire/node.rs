//! Nodes.

use super::{ObjectMeta, ResourceList, wire};

wire! {
    /// `v1` Node.
    Node {
        metadata: ObjectMeta,
        spec: NodeSpec,
        status: NodeStatus,
    }

    /// Node `spec`.
    NodeSpec {
        unschedulable: bool,
        taints: Vec<Taint>,
    }

    /// `spec.taints[]`.
    Taint {
        key: String,
        value: String,
        effect: String,
    }

    /// Node `status`.
    NodeStatus {
        capacity: ResourceList,
        allocatable: ResourceList,
        images: Vec<ContainerImage>,
        declared_features: Vec<String>,
    }

    /// `status.images[]`.
    ContainerImage {
        names: Vec<String>,
        size_bytes: i64,
    }
}
