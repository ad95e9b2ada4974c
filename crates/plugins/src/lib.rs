//! The built-in plugins of kube-scheduler 1.36, one file each, and the one explicit list of all of them.
//!
//! Invariants: a plugin holds its arguments and nothing mutable; nothing here knows the engine, a client or a clock.

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

/// The registry with all built-in plugins, in the order of the default profile.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    for descriptor in ALL {
        registry
            .register(descriptor)
            .expect("the list names each plugin once, a test holds that");
    }
    registry
}
