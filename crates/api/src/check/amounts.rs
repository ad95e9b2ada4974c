//! Amounts of resources, and which resources there are.

use loadline_model::quantity::Quantity;

use super::Report;
use super::labels::is_label_key;
use crate::doc::{At, did_you_mean};
use crate::wire::ResourceList;

/// What a container can have apart from hugepages and extended resources.
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What a pod as a whole can have apart from hugepages.
const OF_PODS: [&str; 2] = ["cpu", "memory"];

/// No amount may be below 0.
pub(super) fn check_amounts(at: &At<'_>, amounts: &ResourceList, report: &mut Report<'_>) {
    for (name, amount) in amounts.iter().filter(|(_, amount)| Quantity::is_negative(amount)) {
        report(at.field(name), format!("expected 0 or more, found `{amount}`"));
    }
}

/// The resources of containers: a name without a domain is one of Kubernetes' own.
pub(super) fn check_container_resources(at: &At<'_>, amounts: &ResourceList, report: &mut Report<'_>) {
    for name in amounts.keys().filter(|name| !is_own(name, &OF_CONTAINERS) && !is_extended(name)) {
        report(
            at.field(name),
            format!(
                "expected cpu, memory, ephemeral-storage, hugepages-SIZE, or a name with a domain such as \
                 example.com/device, found `{name}`{}",
                did_you_mean(name, OF_CONTAINERS)
            ),
        );
    }
}

/// The resources of a pod as a whole.
pub(super) fn check_pod_resources(at: &At<'_>, amounts: &ResourceList, report: &mut Report<'_>) {
    for name in amounts.keys().filter(|name| !is_own(name, &OF_PODS)) {
        report(
            at.field(name),
            format!(
                "expected cpu, memory or hugepages-SIZE, as for all resources of a pod as a whole, found `{name}`{}",
                did_you_mean(name, OF_PODS)
            ),
        );
    }
}

fn is_own(name: &str, own: &[&str]) -> bool {
    own.contains(&name) || name.starts_with("hugepages-")
}

/// A name with a domain; `requests.` in front is how quotas write it, and nobody else.
fn is_extended(name: &str) -> bool {
    name.contains('/') && is_label_key(name) && !name.starts_with("requests.")
}
