//! PodGroups, of both APIs.

use loadline_model::{PREFERRED_TOPOLOGY, REQUIRED_TOPOLOGY};

use super::amounts::check_amounts;
use super::labels::check_label_key;
use super::{Report, check_choice, check_not_negative};
use crate::doc::At;
use crate::wire::{CorePodGroup, PodGroup};

const DISRUPTION_MODES: [&str; 2] = ["Pod", "PodGroup"];

pub(super) fn check_pod_group(group: &PodGroup, spec: &At<'_>, report: &mut Report<'_>) {
    at_least_one(spec.field("minMember"), group.spec.min_member, report);
    check_amounts(&spec.field("minResources"), &group.spec.min_resources, report);
    check_not_negative(spec.field("scheduleTimeoutSeconds"), group.spec.schedule_timeout_seconds, report);
    let root = At::Root;
    let metadata = root.field("metadata");
    let annotations = metadata.field("annotations");
    for key in [REQUIRED_TOPOLOGY, PREFERRED_TOPOLOGY] {
        if let Some(topology) = group.metadata.annotations.get(key) {
            check_label_key(annotations.field(key), topology, report);
        }
    }
}

pub(super) fn check_core_pod_group(group: &CorePodGroup, spec: &At<'_>, report: &mut Report<'_>) {
    let policy = spec.field("schedulingPolicy");
    match (&group.spec.scheduling_policy.basic, &group.spec.scheduling_policy.gang) {
        (None, Some(gang)) => at_least_one(policy.field("gang").field("minCount"), gang.min_count, report),
        (Some(_), None) => {}
        (None, None) => report(policy, "expected one of basic, gang, found none".into()),
        (Some(_), Some(_)) => report(policy, "expected one of basic, gang, found both".into()),
    }
    check_choice(spec.field("disruptionMode"), group.spec.disruption_mode.as_deref(), &DISRUPTION_MODES, report);
    let constraints = spec.field("schedulingConstraints");
    let topology = constraints.field("topology");
    let listed = group.spec.scheduling_constraints.as_ref().map_or(&[][..], |constraints| &constraints.topology);
    if listed.len() > 1 {
        report(topology.index(1), format!("expected one constraint at most, found {}", listed.len()));
    }
    for (index, constraint) in listed.iter().enumerate() {
        check_label_key(topology.index(index).field("key"), &constraint.key, report);
    }
}

fn at_least_one(at: At<'_>, found: i32, report: &mut Report<'_>) {
    if found < 1 {
        report(at, format!("expected 1 or more, found {found}"));
    }
}
