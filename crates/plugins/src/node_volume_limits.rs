//! NodeVolumeLimits: how many volumes of a CSI driver a node can attach. Mirrors kube-scheduler's `nodevolumelimits`.
//!
//! This version gates pods with in-tree disks that kube-scheduler counts as volumes of their CSI driver and that no other
//! plugin gates (claims are gated by VolumeBinding). Inline CSI volumes pass: kube-scheduler does not count them.

use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, Plugin, Resource, no_further_checks,
};
use loadline_model::{PodInfo, VolumeSource};

use crate::gate::{Gate, NeverLifted, NothingToDo};

/// API fields of the disks that count as volumes of a CSI driver, those that VolumeRestrictions gates left out.
const MIGRATED: [&str; 3] = ["azureDisk", "cinder", "portworxVolume"];

/// NodeVolumeLimits.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeVolumeLimits",
    help: "Keeps the number of attached CSI volumes within each node's limits. This version gates pods that name an in-tree disk which counts as one.",
    points: &[ExtensionPoint::PreEnqueue, ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::CsiNode, Action::ADD.and(Action::UPDATE)),
        ClusterEvent::new(Resource::Pod, Action::DELETE),
        ClusterEvent::new(Resource::PersistentVolumeClaim, Action::ADD),
        ClusterEvent::new(Resource::VolumeAttachment, Action::DELETE),
    ],
    build: |_| {
        Ok(Plugin::new("NodeVolumeLimits")
            .with_pre_enqueue(Gate(unsupported))
            .with_node(NothingToDo)
            .with_hints(NeverLifted))
    },
};

fn unsupported(pod: &PodInfo) -> Option<String> {
    pod.volumes.iter().find_map(|volume| match &volume.source {
        VolumeSource::InTree(field) if MIGRATED.contains(&field.as_str()) => Some(format!(
            "volumes that count against a node's CSI limits are not supported by this version: volume \"{}\" is of kind {field}",
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
    fn disks_that_count_are_gated_and_inline_csi_volumes_pass() {
        let disk = pod_with(VolumeSource::InTree("azureDisk".into()));
        let message = gated(&DESCRIPTOR, &disk).unwrap();
        assert!(message.ends_with("volume \"data\" is of kind azureDisk"), "{message}");
        let inline = pod_with(VolumeSource::InlineCsi("secrets-store.csi.k8s.io".into()));
        assert_eq!(gated(&DESCRIPTOR, &inline), None);
    }
}
