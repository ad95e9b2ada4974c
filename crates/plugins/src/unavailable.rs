//! Plugins of kube-scheduler 1.36 that this version does not have: GangScheduling, TopologyPlacementGenerator and
//! PodGroupPodsCount. Their feature gates are alpha and off in kube-scheduler, so that its default profile does not have
//! them either. They are listed so that a configuration that names one is refused with the reason, and not as a
//! misspelling: a descriptor without extension points is one that can not be enabled.

use loadline_framework::{DefaultProfile, Descriptor, FieldError, no_further_checks};

/// Placement of pod groups as one (gate GenericWorkload with GangScheduling).
pub static GANG_SCHEDULING: Descriptor = Descriptor {
    name: "GangScheduling",
    help: "Places the pods of a group together or not at all. Alpha in kube-scheduler 1.36 and not part of this version.",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Err(unavailable("GangScheduling", "GangScheduling")),
};

/// Candidate placements of a pod group by topology (gate TopologyAwareWorkloadScheduling).
pub static TOPOLOGY_PLACEMENT_GENERATOR: Descriptor = Descriptor {
    name: "TopologyPlacementGenerator",
    help: "Proposes topology domains for a group of pods. Alpha in kube-scheduler 1.36 and not part of this version.",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Err(unavailable("TopologyPlacementGenerator", "TopologyAwareWorkloadScheduling")),
};

/// Scores placements of a pod group by its number of pods (gate TopologyAwareWorkloadScheduling).
pub static POD_GROUP_PODS_COUNT: Descriptor = Descriptor {
    name: "PodGroupPodsCount",
    help: "Prefers placements that take more pods of a group. Alpha in kube-scheduler 1.36 and not part of this version.",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Err(unavailable("PodGroupPodsCount", "TopologyAwareWorkloadScheduling")),
};

fn unavailable(plugin: &str, gate: &str) -> Vec<FieldError> {
    vec![FieldError::new(
        "",
        format!(
            "the plugin {plugin} is not part of this version; kube-scheduler has it only with the alpha feature gate {gate} on: remove it from the profile"
        ),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn building_one_says_that_this_version_does_not_have_it() {
        for descriptor in [&GANG_SCHEDULING, &TOPOLOGY_PLACEMENT_GENERATOR, &POD_GROUP_PODS_COUNT] {
            let errors = (descriptor.build)(&serde_json::json!({})).unwrap_err();
            assert_eq!(errors.len(), 1);
            assert!(errors[0].message.contains(descriptor.name));
            assert!(errors[0].message.contains("not part of this version"));
            assert_eq!(descriptor.default_profile, DefaultProfile::Absent);
            assert!(descriptor.points.is_empty());
        }
    }
}
