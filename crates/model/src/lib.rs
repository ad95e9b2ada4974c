//! What a scheduler knows, compiled once from the API's objects and then only read: pods, nodes, selectors, taints,
//! affinity terms, quantities and the smaller objects that plugins consult.
//!
//! Invariants: nothing here knows JSON, YAML or an API server; nothing reads a clock; strings are shared ([`Str`]), so
//! that 150,000 pods of a few thousand templates hold each label, image and selector once.

pub mod cluster;
pub mod duration;
pub mod group;
pub mod labels;
pub mod log;
pub mod movable;
pub mod name;
pub mod node;
pub mod pod;
pub mod quantity;
pub mod resources;
pub mod selector;
pub mod selector_text;
pub mod str;
pub mod taint;

pub use cluster::{DeviceClass, DisruptionBudget, Namespace, Owner, ServiceSelector, WorkloadKind, WorkloadSelector};
pub use group::{GROUP_LABELS, GroupApi, GroupKey, PREFERRED_TOPOLOGY, PodGroupInfo, REQUIRED_TOPOLOGY};
pub use labels::Labels;
pub use movable::{ContainerHealth, Marks, PodHealth, WorkloadStatus};
pub use node::{Image, NodeInfo, NodeLoad, NodeSpec};
pub use pod::{
    Affinity, ExtendedDevice, HostPort, NamespaceMatch, PodAffinityTerm, PodInfo, PodKey, PodMatcher, PodRequests,
    PreemptionPolicy, Protocol, SpreadConstraint, Unplaced, UnsatisfiableAction, Volume, VolumeSource, Weighted,
    note_devices,
};
pub use resources::Resources;
pub use selector::{FieldRequirement, NodeSelector, NodeSelectorTerm, Operator, Requirement, Selector};
pub use str::{Str, StrPool};
pub use taint::{Effect, Taint, Toleration, TolerationOperator};

/// A point in time: nanoseconds since the Unix epoch. The engine never asks for the current one.
pub type Time = i64;

/// Hash map with a fast, fixed hasher. Its iteration order must never reach a decision.
pub type Map<K, V> = hashbrown::HashMap<K, V, rustc_hash::FxBuildHasher>;
/// Hash set with a fast, fixed hasher. Its iteration order must never reach a decision.
pub type Set<K> = hashbrown::HashSet<K, rustc_hash::FxBuildHasher>;
