//! VolumeRestrictions: disks named in the pod itself that two pods can not share, and claims that only one pod may use.
//! Mirrors kube-scheduler's `volumerestrictions`.
//!
//! This version gates pods with such a disk (claims are gated by VolumeBinding). Other kinds of volumes play no part in
//! kube-scheduler's plugin either.

use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, Plugin, Resource, no_further_checks,
};
use loadline_model::{PodInfo, VolumeSource};

use crate::gate::{Gate, NeverLifted, NothingToDo};

/// API fields of the disks that kube-scheduler checks for conflicts.
const EXCLUSIVE: [&str; 4] = ["gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd"];

/// VolumeRestrictions.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "VolumeRestrictions",
    help: "Keeps pods apart that name the same in-tree disk. This version gates pods that name one.",
    points: &[ExtensionPoint::PreEnqueue, ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::Pod, Action::DELETE),
        ClusterEvent::new(Resource::Node, Action::ADD),
        ClusterEvent::new(Resource::PersistentVolumeClaim, Action::ADD),
    ],
    build: |_| {
        Ok(Plugin::new("VolumeRestrictions")
            .with_pre_enqueue(Gate(unsupported))
            .with_node(NothingToDo)
            .with_hints(NeverLifted))
    },
};

fn unsupported(pod: &PodInfo) -> Option<String> {
    pod.volumes.iter().find_map(|volume| match &volume.source {
        VolumeSource::InTree(field) if EXCLUSIVE.contains(&field.as_str()) => Some(format!(
            "in-tree volumes are not supported by this version: volume \"{}\" is of kind {field}",
            volume.name
        )),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{gated, pod_with};

    #[test]
    fn a_disk_that_can_not_be_shared_is_named() {
        for field in EXCLUSIVE {
            let message = gated(&DESCRIPTOR, &pod_with(VolumeSource::InTree(field.into()))).unwrap();
            assert!(message.ends_with(&format!("volume \"data\" is of kind {field}")), "{message}");
        }
        let nfs = pod_with(VolumeSource::InTree("nfs".into()));
        assert_eq!(gated(&DESCRIPTOR, &nfs), None);
    }
}
