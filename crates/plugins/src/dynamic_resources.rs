//! DynamicResources: devices that a pod asks for by ResourceClaims. Mirrors kube-scheduler's `dynamicresources`.
//!
//! This version gates pods with claims, and those that ask for devices by an extended resource: by the name that every
//! DeviceClass has as one, or by the one that it names itself. kube-scheduler makes a claim for such a pod on the nodes
//! that do not report the resource (those that do have a device plugin, and NodeResourcesFit counts there); which nodes
//! fit can not be said without the devices of the others, so the pod is gated even where some node reports the resource.
//! For every other pod this does what kube-scheduler's does: PreFilter says Skip, the score is 0, and PostFilter has no claim to deallocate, or
//! fails when its PreFilter was not reached.

use std::sync::Arc;

use loadline_framework::{
    Action, ArgField, ArgKind, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, FieldError, NodePlugin,
    Normalization, Plugin, PostFilter, PostFilterResult, Prepare, Prepared, Reads, Resource, Status, WhatIf,
    normalize_default,
};
use loadline_model::PodInfo;
use loadline_model::duration::{self, SECOND};
use serde_json::Value;

use crate::gate::{Gate, NeverLifted, NothingToDo};

const NAME: &str = "DynamicResources";
/// What stands before a DeviceClass's name in the name of the extended resource that stands for it. kube-scheduler makes a
/// claim for a pod that requests such a resource.
const DEVICE_CLASS: &str = "deviceclass.resource.kubernetes.io/";
const ADD_OR_UPDATE: Action = Action::ADD.and(Action::UPDATE);

/// DynamicResources.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Allocates the devices that a pod's ResourceClaims ask for. This version gates pods with claims and pods that request an extended resource which a DeviceClass stands for.",
    points: &[
        ExtensionPoint::PreEnqueue,
        ExtensionPoint::PreFilter,
        ExtensionPoint::Filter,
        ExtensionPoint::PostFilter,
        ExtensionPoint::Score,
        ExtensionPoint::Reserve,
        ExtensionPoint::PreBind,
    ],
    default_profile: DefaultProfile::Enabled { weight: 2 },
    args: &[
        ArgField {
            name: "filterTimeout",
            kind: ArgKind::Duration,
            default: "\"10s\"",
            help: "How long the search for devices on one node may take; 0 for no limit.",
        },
        ArgField {
            name: "bindingTimeout",
            kind: ArgKind::Duration,
            default: "\"10m0s\"",
            help: "How long PreBind waits for binding conditions of devices, at least 1s.",
        },
    ],
    validate,
    events: &[
        ClusterEvent::new(
            Resource::Node,
            Action::ADD.and(Action::UPDATE_NODE_LABEL).and(Action::UPDATE_NODE_ALLOCATABLE),
        ),
        ClusterEvent::new(Resource::ResourceClaim, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::Pod, Action::UPDATE_POD_GENERATED_RESOURCE_CLAIM),
        ClusterEvent::new(Resource::DeviceClass, ADD_OR_UPDATE),
        ClusterEvent::new(Resource::ResourceSlice, ADD_OR_UPDATE),
    ],
    build: |_| {
        Ok(Plugin::new(NAME)
            .with_pre_enqueue(Gate(unsupported))
            .with_node(WithoutClaims)
            .with_post_filter(WithoutClaims)
            .with_reserve(NothingToDo)
            .with_pre_bind(NothingToDo)
            .with_hints(NeverLifted))
    },
};

fn validate(args: &Value) -> Vec<FieldError> {
    let duration = |field: &str| args.get(field).and_then(Value::as_str).and_then(duration::parse);
    let mut errors = Vec::new();
    if duration("filterTimeout").is_some_and(|timeout| timeout < 0) {
        errors.push(FieldError::new("filterTimeout", "must be zero or positive"));
    }
    if duration("bindingTimeout").is_some_and(|timeout| timeout < SECOND) {
        errors.push(FieldError::new("bindingTimeout", "must be at least 1 second"));
    }
    errors
}

fn unsupported(pod: &PodInfo) -> Option<String> {
    if let Some(claim) = pod.resource_claims.first() {
        return Some(format!("resource claims are not supported by this version: the pod uses claim \"{claim}\""));
    }
    if let Some(device) = pod.devices.first() {
        return Some(format!(
            "devices are not supported by this version: the pod asks for {}, which stands for devices of class \"{}\"",
            device.resource, device.class
        ));
    }
    let mut asked = pod.requests.spec.scalars.iter().filter(|(_, amount)| *amount != 0);
    let class = asked.find_map(|(name, _)| name.strip_prefix(DEVICE_CLASS))?;
    Some(format!("devices are not supported by this version: the pod asks for devices of class \"{class}\""))
}

/// The plugin as a pod without claims sees it.
struct WithoutClaims;

impl NodePlugin for WithoutClaims {
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }

    fn prepare(&self, _key: &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        // There is no PreScore to skip: kube-scheduler's Score runs and gives 0.
        Prepared { state: (), filters: false, scores: true }
    }

    fn normalization(&self) -> Normalization {
        Normalization::Bounds(normalize_default)
    }
}

impl PostFilter for WithoutClaims {
    fn post_filter(&self, _pod: &Arc<PodInfo>, cluster: &dyn WhatIf) -> PostFilterResult {
        PostFilterResult {
            status: post_filter_status(cluster.pre_filter_ran(NAME)),
            nominate: None,
            victims: Vec::new(),
            hold: None,
        }
    }
}

/// kube-scheduler's PostFilter needs what its PreFilter left behind, even for a pod without claims. The error ends
/// PostFilter: preemption does not run.
fn post_filter_status(pre_filter_ran: bool) -> Status {
    if pre_filter_ran { Status::unschedulable("no new claims to deallocate") } else { Status::error("not found") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::gated;
    use crate::testing::{FakeCluster, node, pod, requests};
    use loadline_framework::{Code, Score};
    use loadline_model::ExtendedDevice;
    use serde_json::json;

    #[test]
    fn post_filter_fails_when_pre_filter_was_not_reached() {
        assert_eq!(post_filter_status(true).code, Code::Unschedulable);
        assert_eq!(post_filter_status(true).message(), "no new claims to deallocate");
        assert_eq!(post_filter_status(false).code, Code::Error);
        assert_eq!(post_filter_status(false).message(), "not found");
    }

    #[test]
    fn a_pod_with_claims_is_gated_and_others_score_zero() {
        let with_claim = PodInfo { resource_claims: ["gpu".into()].into(), ..pod("p") };
        assert_eq!(
            gated(&DESCRIPTOR, &with_claim).as_deref(),
            Some("resource claims are not supported by this version: the pod uses claim \"gpu\"")
        );
        assert_eq!(gated(&DESCRIPTOR, &pod("p")), None);
        let mut cluster = FakeCluster::new([node("a", &[])]);
        let scores = cluster.scores(&WithoutClaims, &pod("p"));
        assert_eq!(scores, Some(vec![Score::default()]));
    }

    #[test]
    fn a_pod_that_asks_for_devices_as_an_extended_resource_is_gated() {
        let asking = |name: &str, amount: i64| {
            let mut sums = requests(0, 0);
            sums.spec.set_scalar(name.into(), amount);
            gated(&DESCRIPTOR, &PodInfo { requests: Arc::new(sums), ..pod("p") })
        };
        assert_eq!(
            asking("deviceclass.resource.kubernetes.io/gpu", 2).as_deref(),
            Some("devices are not supported by this version: the pod asks for devices of class \"gpu\"")
        );
        assert_eq!(asking("deviceclass.resource.kubernetes.io/gpu", 0), None);
        assert_eq!(asking("example.com/gpu", 2), None);
        let device = ExtendedDevice { resource: "example.com/gpu".into(), class: "gpu".into() };
        assert_eq!(
            gated(&DESCRIPTOR, &PodInfo { devices: [device].into(), ..pod("p") }).as_deref(),
            Some(
                "devices are not supported by this version: the pod asks for example.com/gpu, which stands for devices of class \"gpu\""
            )
        );
    }

    #[test]
    fn timeouts_have_bounds() {
        assert!(validate(&json!({"filterTimeout": "0s", "bindingTimeout": "1s"})).is_empty());
        let errors = validate(&json!({"filterTimeout": "-1s", "bindingTimeout": "999ms"}));
        let paths: Vec<_> = errors.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["filterTimeout", "bindingTimeout"]);
    }
}
