//! VolumeZone: bound volumes whose labels name zones keep a pod in those zones. Mirrors kube-scheduler's `volumezone`.
//!
//! It only looks at claims, and pods with claims are gated by VolumeBinding in this version: for every pod that gets
//! here PreFilter says Skip, as kube-scheduler's does for pods without claims.

use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, Plugin, Resource, no_further_checks,
};

use crate::gate::{NeverLifted, NothingToDo};

/// VolumeZone.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "VolumeZone",
    help: "Keeps a pod in the zones of its bound volumes. In this version pods with claims are gated by VolumeBinding before.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::StorageClass, Action::ADD),
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_LABEL)),
        ClusterEvent::new(Resource::PersistentVolumeClaim, Action::ADD.and(Action::UPDATE)),
        ClusterEvent::new(Resource::PersistentVolume, Action::ADD.and(Action::UPDATE)),
    ],
    build: |_| Ok(Plugin::new("VolumeZone").with_node(NothingToDo).with_hints(NeverLifted)),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, build, node, pod};
    use serde_json::json;

    #[test]
    fn it_has_nothing_to_say_about_a_pod_without_claims() {
        let plugin = build(&DESCRIPTOR, &json!({}));
        let mut cluster = FakeCluster::new([node("a", &[("topology.kubernetes.io/zone", "1")])]);
        let key = plugin.node.unwrap().key(&pod("p"), &mut cluster);
        assert_eq!(key, Ok(None));
        assert!(plugin.pre_enqueue.is_none());
    }
}
