//! Groups of pods that are placed together: gangs.

use std::fmt;
use std::sync::Arc;

use crate::{Resources, Str, Time};

/// Which API a group's object belongs to. Groups of the two never mix, whatever their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupApi {
    /// `scheduling.x-k8s.io/v1alpha1` PodGroup; pods name theirs by label.
    Crd,
    /// `scheduling.k8s.io/v1alpha2` PodGroup; pods name theirs in `spec.schedulingGroup.podGroupName`.
    Core,
}

impl GroupApi {
    /// `apiVersion` of its objects.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Crd => "scheduling.x-k8s.io/v1alpha1",
            Self::Core => "scheduling.k8s.io/v1alpha2",
        }
    }
}

/// What tells groups apart. Displays as `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// Which API.
    pub api: GroupApi,
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Labels by which pods name a PodGroup of [`GroupApi::Crd`], the first that a pod has counts.
pub const GROUP_LABELS: [&str; 3] =
    ["scheduling.x-k8s.io/pod-group", "pod-group.scheduling.sigs.k8s.io", "pod-group.scheduling.sigs.k8s.io/name"];

/// Annotation of a PodGroup of [`GroupApi::Crd`]: label key of nodes that all of its pods must agree in.
pub const REQUIRED_TOPOLOGY: &str = "loadline.dev/required-topology";
/// The same where it is only wished for.
pub const PREFERRED_TOPOLOGY: &str = "loadline.dev/preferred-topology";

/// The object of a group, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct PodGroupInfo {
    /// Which it is.
    pub key: Arc<GroupKey>,
    /// Uid; empty when unknown.
    pub uid: Str,
    /// `metadata.generation`, which changes with the spec; 0 when unknown.
    pub generation: i64,
    /// Creation.
    pub created: Option<Time>,
    /// Pods that must be placed together; 0 for a group that is no gang.
    pub min_member: u32,
    /// What the gang needs at least, all members together.
    pub min_resources: Option<Arc<Resources>>,
    /// How long its pods may be on their way to their nodes, nanoseconds; `None`: as the profile says.
    pub timeout: Option<Time>,
    /// Label key of nodes that all its pods must agree in.
    pub required_topology: Option<Str>,
    /// The same where it is only wished for.
    pub preferred_topology: Option<Str>,
    /// Priority of the group as one; `None`: that of its pods.
    pub priority: Option<i32>,
    /// `disruptionMode: PodGroup`: who preempts one pod of it preempts all.
    pub disrupted_whole: bool,
}

impl PodGroupInfo {
    /// A gang of at least this many pods that says nothing else.
    pub fn gang(key: GroupKey, min_member: u32) -> Self {
        Self {
            key: Arc::new(key),
            uid: Str::default(),
            generation: 0,
            created: None,
            min_member,
            min_resources: None,
            timeout: None,
            required_topology: None,
            preferred_topology: None,
            priority: None,
            disrupted_whole: false,
        }
    }
}
