//! The built-in plugins: those of kube-scheduler 1.36 and ours, one file each, and the explicit lists of all of them.
//!
//! Invariants: a plugin holds its arguments and nothing mutable; nothing here knows the engine, a client or a clock.

pub mod coscheduling;
pub mod default_binder;
pub mod default_preemption;
pub mod dynamic_resources;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_declared_features;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_balanced_allocation;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod pod_topology_spread;
pub mod priority_sort;
pub mod real_usage;
pub mod real_usage_allocated;
pub mod rescheduler;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod unavailable;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

mod amount;
mod args;
mod gate;
mod hint;
mod scoring_strategy;
#[cfg(test)]
mod testing;
mod tracking;

use loadline_framework::{Descriptor, Registry};

/// Every plugin that kube-scheduler 1.36 has in its tree. The order is that of its default profile, which is why it
/// matters: it decides whose reason a node gets when several plugins would turn it down.
static ALL: [&Descriptor; 23] = [
    &scheduling_gates::DESCRIPTOR,
    &priority_sort::DESCRIPTOR,
    &node_unschedulable::DESCRIPTOR,
    &node_name::DESCRIPTOR,
    &taint_toleration::DESCRIPTOR,
    &node_affinity::DESCRIPTOR,
    &node_ports::DESCRIPTOR,
    &node_resources_fit::DESCRIPTOR,
    &volume_restrictions::DESCRIPTOR,
    &node_volume_limits::DESCRIPTOR,
    &volume_binding::DESCRIPTOR,
    &volume_zone::DESCRIPTOR,
    &pod_topology_spread::DESCRIPTOR,
    &inter_pod_affinity::DESCRIPTOR,
    &dynamic_resources::DESCRIPTOR,
    &default_preemption::DESCRIPTOR,
    &node_resources_balanced_allocation::DESCRIPTOR,
    &image_locality::DESCRIPTOR,
    &default_binder::DESCRIPTOR,
    &node_declared_features::DESCRIPTOR,
    &unavailable::GANG_SCHEDULING,
    &unavailable::TOPOLOGY_PLACEMENT_GENERATOR,
    &unavailable::POD_GROUP_PODS_COUNT,
];

/// Plugins that kube-scheduler does not have. None is in the default profile.
static OURS: [&Descriptor; 5] = [
    &real_usage::MEMORY,
    &real_usage::CPU,
    &real_usage_allocated::DESCRIPTOR,
    &coscheduling::DESCRIPTOR,
    &rescheduler::DESCRIPTOR,
];

/// The registry with all built-in plugins, in the order of the default profile.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    for descriptor in ALL.into_iter().chain(OURS) {
        registry.register(descriptor).expect("the list names each plugin once, a test holds that");
    }
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadline_framework::{DefaultProfile, ExtensionPoint, Plugin};

    fn enabled() -> impl Iterator<Item = &'static Descriptor> {
        ALL.into_iter().filter(|d| d.default_profile != DefaultProfile::Absent)
    }

    #[test]
    fn every_plugin_is_registered_once_and_in_kube_schedulers_order() {
        assert_eq!(registry().iter().count(), ALL.len() + OURS.len());
        assert!(OURS.iter().all(|d| d.default_profile == DefaultProfile::Absent));
        let names: Vec<_> = enabled().map(|d| d.name).collect();
        assert_eq!(
            names,
            [
                "SchedulingGates",
                "PrioritySort",
                "NodeUnschedulable",
                "NodeName",
                "TaintToleration",
                "NodeAffinity",
                "NodePorts",
                "NodeResourcesFit",
                "VolumeRestrictions",
                "NodeVolumeLimits",
                "VolumeBinding",
                "VolumeZone",
                "PodTopologySpread",
                "InterPodAffinity",
                "DynamicResources",
                "DefaultPreemption",
                "NodeResourcesBalancedAllocation",
                "ImageLocality",
                "DefaultBinder",
                "NodeDeclaredFeatures",
            ]
        );
        let weights = enabled().filter_map(|d| match d.default_profile {
            DefaultProfile::Enabled { weight } if weight != 0 => Some((d.name, weight)),
            _ => None,
        });
        assert_eq!(
            weights.collect::<Vec<_>>(),
            [
                ("TaintToleration", 3),
                ("NodeAffinity", 2),
                ("NodeResourcesFit", 1),
                ("PodTopologySpread", 2),
                ("InterPodAffinity", 2),
                ("DynamicResources", 2),
                ("NodeResourcesBalancedAllocation", 1),
                ("ImageLocality", 1),
            ]
        );
    }

    #[test]
    fn a_plugin_has_the_parts_of_the_points_that_it_names() {
        for descriptor in enabled() {
            let plugin: Plugin = testing::build(descriptor, &args::defaults(descriptor.args));
            assert_eq!(plugin.name, descriptor.name);
            for point in ExtensionPoint::ALL {
                let has = match point {
                    ExtensionPoint::PreEnqueue => plugin.pre_enqueue.is_some(),
                    ExtensionPoint::QueueSort => plugin.queue_sort.is_some(),
                    ExtensionPoint::PreFilter
                    | ExtensionPoint::Filter
                    | ExtensionPoint::PreScore
                    | ExtensionPoint::Score => {
                        // One part stands for all four; a plugin need not have each of them.
                        assert!(plugin.node.is_some() || !descriptor.points.contains(&point));
                        continue;
                    }
                    ExtensionPoint::PostFilter => plugin.post_filter.is_some(),
                    ExtensionPoint::Reserve => plugin.reserve.is_some(),
                    ExtensionPoint::Permit => plugin.permit.is_some(),
                    ExtensionPoint::PreBind => plugin.pre_bind.is_some(),
                    ExtensionPoint::Bind => plugin.bind.is_some(),
                    ExtensionPoint::PostBind => plugin.post_bind.is_some(),
                };
                let named = descriptor.points.contains(&point);
                assert_eq!(has, named, "{} at {point}", descriptor.name);
            }
        }
    }

    #[test]
    fn defaults_are_valid_and_everything_is_explained() {
        for descriptor in ALL {
            assert_eq!((descriptor.validate)(&args::defaults(descriptor.args)), [], "{}", descriptor.name);
        }
        for descriptor in ALL.into_iter().chain(OURS) {
            assert!(!descriptor.help.is_empty(), "{}", descriptor.name);
            for field in descriptor.args {
                assert!(!field.help.is_empty(), "{}.{}", descriptor.name, field.name);
            }
        }
    }
}
