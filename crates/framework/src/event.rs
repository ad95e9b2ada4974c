//! Cluster events and what they may wake, with kube-scheduler's names.

use std::fmt;

use loadline_model::{NodeSpec, PodInfo};

/// Kinds of objects whose changes can wake a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Any pod; registrations with it match the two more specific kinds as well.
    Pod,
    /// A pod on a node.
    AssignedPod,
    /// A pod that is not placed yet.
    UnscheduledPod,
    /// Node.
    Node,
    /// PersistentVolume.
    PersistentVolume,
    /// PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// StorageClass.
    StorageClass,
    /// CSINode.
    CsiNode,
    /// CSIDriver.
    CsiDriver,
    /// CSIStorageCapacity.
    CsiStorageCapacity,
    /// VolumeAttachment.
    VolumeAttachment,
    /// ResourceClaim.
    ResourceClaim,
    /// ResourceSlice.
    ResourceSlice,
    /// DeviceClass.
    DeviceClass,
    /// Everything.
    Wildcard,
}

/// What happened to an object: a set, since one update can change several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action(u32);

impl Action {
    /// Created.
    pub const ADD: Self = Self(1);
    /// Deleted.
    pub const DELETE: Self = Self(1 << 1);
    /// Node: allocatable.
    pub const UPDATE_NODE_ALLOCATABLE: Self = Self(1 << 2);
    /// Node: labels.
    pub const UPDATE_NODE_LABEL: Self = Self(1 << 3);
    /// Node: taints, or unschedulable.
    pub const UPDATE_NODE_TAINT: Self = Self(1 << 4);
    /// Node: conditions.
    pub const UPDATE_NODE_CONDITION: Self = Self(1 << 5);
    /// Node: annotations.
    pub const UPDATE_NODE_ANNOTATION: Self = Self(1 << 6);
    /// Node: declared features.
    pub const UPDATE_NODE_DECLARED_FEATURE: Self = Self(1 << 7);
    /// Pod: labels.
    pub const UPDATE_POD_LABEL: Self = Self(1 << 8);
    /// Pod: a request became smaller.
    pub const UPDATE_POD_SCALE_DOWN: Self = Self(1 << 9);
    /// Pod: tolerations.
    pub const UPDATE_POD_TOLERATION: Self = Self(1 << 10);
    /// Pod: its scheduling gates are gone.
    pub const UPDATE_POD_SCHEDULING_GATES_ELIMINATED: Self = Self(1 << 11);
    /// Pod: a resource claim was generated for it.
    pub const UPDATE_POD_GENERATED_RESOURCE_CLAIM: Self = Self(1 << 12);
    /// Any other update.
    pub const UPDATE_OTHER: Self = Self(1 << 13);
    /// Every update.
    pub const UPDATE: Self = Self(((1 << 14) - 1) & !3);
    /// Everything.
    pub const ALL: Self = Self((1 << 14) - 1);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they have something in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Something that happened, or a registration for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterEvent {
    /// Kind of object.
    pub resource: Resource,
    /// What happened.
    pub action: Action,
}

impl ClusterEvent {
    /// An event or a registration.
    pub const fn new(resource: Resource, action: Action) -> Self {
        Self { resource, action }
    }

    /// Matches everything.
    pub const WILDCARD: Self = Self::new(Resource::Wildcard, Action::ALL);

    /// What it stands for, one by one, for those who show it: an update of any kind is one event.
    pub fn each(self) -> impl Iterator<Item = Self> {
        let any_update = self.action.0 & Action::UPDATE.0 == Action::UPDATE.0;
        let is_update = |action: Action| action.overlaps(Action::UPDATE);
        let single = ACTION_NAMES.into_iter().map(|(action, _)| action);
        let single = single.filter(move |action| self.action.overlaps(*action) && !(any_update && is_update(*action)));
        single.chain(any_update.then_some(Action::UPDATE)).map(move |action| Self { action, ..self })
    }
}

/// Names of the single actions, as metrics and logs show them.
const ACTION_NAMES: [(Action, &str); 14] = [
    (Action::ADD, "Add"),
    (Action::DELETE, "Delete"),
    (Action::UPDATE_NODE_ALLOCATABLE, "UpdateNodeAllocatable"),
    (Action::UPDATE_NODE_LABEL, "UpdateNodeLabel"),
    (Action::UPDATE_NODE_TAINT, "UpdateNodeTaint"),
    (Action::UPDATE_NODE_CONDITION, "UpdateNodeCondition"),
    (Action::UPDATE_NODE_ANNOTATION, "UpdateNodeAnnotation"),
    (Action::UPDATE_NODE_DECLARED_FEATURE, "UpdateNodeDeclaredFeature"),
    (Action::UPDATE_POD_LABEL, "UpdatePodLabel"),
    (Action::UPDATE_POD_SCALE_DOWN, "UpdatePodScaleDown"),
    (Action::UPDATE_POD_TOLERATION, "UpdatePodToleration"),
    (Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED, "UpdatePodSchedulingGatesEliminated"),
    (Action::UPDATE_POD_GENERATED_RESOURCE_CLAIM, "UpdatePodGeneratedResourceClaim"),
    (Action::UPDATE_OTHER, "Update"),
];

/// kube-scheduler's label of a single event, such as `NodeUpdateNodeTaint`; a registration for several shows them all.
impl fmt::Display for ClusterEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = match self.resource {
            Resource::Pod => "Pod",
            Resource::AssignedPod => "AssignedPod",
            Resource::UnscheduledPod => "UnschedulablePod",
            Resource::Node => "Node",
            Resource::PersistentVolume => "PersistentVolume",
            Resource::PersistentVolumeClaim => "PersistentVolumeClaim",
            Resource::StorageClass => "storage.k8s.io/StorageClass",
            Resource::CsiNode => "storage.k8s.io/CSINode",
            Resource::CsiDriver => "storage.k8s.io/CSIDriver",
            Resource::CsiStorageCapacity => "storage.k8s.io/CSIStorageCapacity",
            Resource::VolumeAttachment => "storage.k8s.io/VolumeAttachment",
            Resource::ResourceClaim => "resource.k8s.io/ResourceClaim",
            Resource::ResourceSlice => "resource.k8s.io/ResourceSlice",
            Resource::DeviceClass => "resource.k8s.io/DeviceClass",
            Resource::Wildcard => return f.write_str("*"),
        };
        if self.action == Action::ALL {
            return write!(f, "{resource}All");
        }
        let mut separator = "";
        for event in self.each() {
            let name =
                ACTION_NAMES.iter().find(|(action, _)| *action == event.action).map_or("Update", |(_, name)| name);
            write!(f, "{separator}{resource}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// The object of an event, before and after.
#[derive(Clone, Copy, Debug)]
pub enum EventObject<'a> {
    /// A pod.
    Pod {
        /// Before; `None` when it was created.
        old: Option<&'a PodInfo>,
        /// After; `None` when it was deleted.
        new: Option<&'a PodInfo>,
    },
    /// A node.
    Node {
        /// Before; `None` when it was created.
        old: Option<&'a NodeSpec>,
        /// After; `None` when it was deleted.
        new: Option<&'a NodeSpec>,
    },
    /// Something whose contents no plugin here looks at.
    Other,
}

/// A queueing hint's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// May fit now: try again.
    Queue,
    /// Changes nothing for this pod.
    Skip,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(resource: Resource, action: Action) -> String {
        ClusterEvent::new(resource, action).to_string()
    }

    #[test]
    fn single_events_have_kube_schedulers_labels() {
        assert_eq!(shown(Resource::Node, Action::ADD), "NodeAdd");
        assert_eq!(shown(Resource::Node, Action::UPDATE_NODE_TAINT), "NodeUpdateNodeTaint");
        assert_eq!(shown(Resource::UnscheduledPod, Action::UPDATE), "UnschedulablePodUpdate");
        assert_eq!(shown(Resource::CsiNode, Action::UPDATE_OTHER), "storage.k8s.io/CSINodeUpdate");
        assert_eq!(shown(Resource::Pod, Action::ALL), "PodAll");
        assert_eq!(ClusterEvent::WILDCARD.to_string(), "*");
    }

    #[test]
    fn a_registration_for_several_shows_each() {
        let labels = Action::UPDATE_NODE_LABEL.and(Action::UPDATE_NODE_TAINT);
        assert_eq!(shown(Resource::Node, Action::ADD.and(labels)), "NodeAdd, NodeUpdateNodeLabel, NodeUpdateNodeTaint");
        assert_eq!(shown(Resource::Node, Action::DELETE.and(Action::UPDATE)), "NodeDelete, NodeUpdate");
        let each: Vec<Action> =
            ClusterEvent::new(Resource::Pod, Action::ALL).each().map(|event| event.action).collect();
        assert_eq!(each, [Action::ADD, Action::DELETE, Action::UPDATE]);
    }
}
