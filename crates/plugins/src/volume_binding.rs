//! VolumeBinding: PersistentVolumeClaims of a pod, bound ones on the nodes that their volumes reach, unbound ones with
//! volumes that can be found or made there. Mirrors kube-scheduler's `volumebinding`.
//!
//! This version gates pods that use claims (generic ephemeral volumes included). For pods without, PreFilter and
//! PreScore say Skip, as kube-scheduler's do.

use loadline_framework::{
    Action, ArgField, ArgKind, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, FieldError, Plugin, Resource,
};
use loadline_model::{PodInfo, VolumeSource};
use serde_json::Value;

use crate::gate::{Gate, NeverLifted, NothingToDo};
use crate::scoring_strategy::SHAPE_POINT;

const ADD_OR_UPDATE: Action = Action::ADD.and(Action::UPDATE);

/// VolumeBinding.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "VolumeBinding",
    help: "Matches the claims of a pod with volumes that its node reaches. This version gates pods that use claims.",
    points: &[
        ExtensionPoint::PreEnqueue,
        ExtensionPoint::PreFilter,
        ExtensionPoint::Filter,
        ExtensionPoint::PreScore,
        ExtensionPoint::Score,
        ExtensionPoint::Reserve,
        ExtensionPoint::PreBind,
    ],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[
        ArgField {
            name: "bindTimeoutSeconds",
            kind: ArgKind::Int { min: 0, max: i64::MAX },
            default: "600",
            help: "How long PreBind waits for claims to be bound.",
        },
        ArgField {
            name: "shape",
            kind: ArgKind::List(&SHAPE_POINT),
            default: "",
            help: "Score by the use of volumes; kube-scheduler refuses it unless the alpha gate StorageCapacityScoring is on.",
        },
    ],
    validate,
    events: &[
        ClusterEvent::new(Resource::StorageClass, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::PersistentVolumeClaim, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::PersistentVolume, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_LABEL)),
        ClusterEvent::new(Resource::CsiNode, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::CsiDriver, Action::UPDATE),
        ClusterEvent::new(Resource::CsiStorageCapacity, ADD_OR_UPDATE),
    ],
    build: |_| {
        Ok(Plugin::new("VolumeBinding")
            .with_pre_enqueue(Gate(unsupported))
            .with_node(NothingToDo)
            .with_reserve(NothingToDo)
            .with_pre_bind(NothingToDo)
            .with_hints(NeverLifted))
    },
};

fn validate(args: &Value) -> Vec<FieldError> {
    if args.get("shape").is_some_and(|shape| !shape.is_null()) {
        return vec![FieldError::new(
            "shape",
            "unexpected field: remove it (it needs the feature gate StorageCapacityScoring, which is off)",
        )];
    }
    Vec::new()
}

fn unsupported(pod: &PodInfo) -> Option<String> {
    pod.volumes.iter().find_map(|volume| match &volume.source {
        VolumeSource::Claim(claim) => Some(format!(
            "persistent volume claims are not supported by this version: volume \"{}\" uses claim \"{claim}\"",
            volume.name
        )),
        VolumeSource::Ephemeral => Some(format!(
            "generic ephemeral volumes are not supported by this version: volume \"{0}\" uses claim \"{1}-{0}\"",
            volume.name, pod.name
        )),
        VolumeSource::InTree(_) | VolumeSource::InlineCsi(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{gated, pod_with, sources};
    use crate::{node_volume_limits, testing::pod, volume_restrictions};
    use serde_json::json;

    #[test]
    fn a_claim_is_named() {
        let claim = pod_with(VolumeSource::Claim("web-0".into()));
        assert_eq!(
            gated(&DESCRIPTOR, &claim).as_deref(),
            Some("persistent volume claims are not supported by this version: volume \"data\" uses claim \"web-0\"")
        );
        let ephemeral = pod_with(VolumeSource::Ephemeral);
        assert_eq!(
            gated(&DESCRIPTOR, &ephemeral).as_deref(),
            Some(
                "generic ephemeral volumes are not supported by this version: volume \"data\" uses claim \"web-0-data\""
            )
        );
        assert_eq!(gated(&DESCRIPTOR, &pod("plain")), None);
    }

    #[test]
    fn exactly_one_plugin_gates_each_kind_that_matters() {
        for source in sources() {
            let pod = pod_with(source.clone());
            let gates = [&DESCRIPTOR, &volume_restrictions::DESCRIPTOR, &node_volume_limits::DESCRIPTOR];
            let by: Vec<_> = gates.iter().filter(|d| gated(d, &pod).is_some()).collect();
            let unread = matches!(&source, VolumeSource::InlineCsi(_))
                || matches!(&source, VolumeSource::InTree(field) if *field == "nfs");
            assert_eq!(by.len(), usize::from(!unread), "{source:?}");
        }
    }

    #[test]
    fn shape_is_refused() {
        assert!(validate(&json!({"bindTimeoutSeconds": 600})).is_empty());
        assert!(validate(&json!({"shape": null})).is_empty());
        assert_eq!(validate(&json!({"shape": []}))[0].path, "shape");
    }
}
