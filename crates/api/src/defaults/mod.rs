//! What the API server fills in before a scheduler sees an object.
//!
//! Two steps, as in the API server. *Stored* defaults depend on the object alone and hold for every object ([`fill_stored`]). *Admission*
//! depends on other objects (PriorityClass, RuntimeClass, LimitRange, the default StorageClass) and happens once, when an object is
//! created ([`Admission::admit`]). An object with a `metadata.uid` comes from an API server and has been admitted there, under what held
//! then; a LimitRange of today does not change it.

mod admission;
mod pod;
mod runtime_class;
#[cfg(test)]
mod tests;
mod uid;
mod workload;

pub use admission::{Admission, TOPOLOGY_LABELS};
pub use pod::DEFAULT_SCHEDULER;
pub use uid::derived_uid;
pub(crate) use uid::fnv1a;
pub use workload::admit_job;

use crate::wire::{Kind, LimitRange, Namespace, Node, Object, ObjectMeta};

/// Namespaces that every cluster has.
pub(crate) const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Every namespace is labelled with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The preemption policy of pods and classes that do not name one.
const PREEMPT_LOWER_PRIORITY: &str = "PreemptLowerPriority";

/// Fills in what depends on the object alone.
pub fn fill_stored(object: &mut Object) {
    match object {
        Object::Pod(pod) => pod::fill_stored(pod),
        Object::Node(node) => fill_node(node),
        Object::Namespace(namespace) => fill_namespace(namespace),
        Object::LimitRange(range) => fill_limit_range(range),
        Object::PriorityClass(class) => {
            class.preemption_policy.get_or_insert_with(|| PREEMPT_LOWER_PRIORITY.to_owned());
        }
        Object::CorePodGroup(group) => {
            group.spec.disruption_mode.get_or_insert_with(|| "Pod".to_owned());
        }
        _ => workload::fill_stored(object),
    }
}

/// Gives an object without a uid the one that belongs to its kind, namespace and name.
pub fn fill_uid(object: &mut Object) {
    let kind = object.kind();
    let metadata = object.metadata_mut();
    if metadata.uid.is_empty() {
        metadata.uid = derived_uid(kind.id(), &metadata.namespace, &metadata.name);
    }
}

/// Whether an object comes from an API server and so has been admitted.
pub fn is_admitted(metadata: &ObjectMeta) -> bool {
    !metadata.uid.is_empty()
}

/// The namespaces that every cluster has and that are not among `present`.
pub fn system_namespaces(present: &[&str]) -> Vec<Namespace> {
    SYSTEM_NAMESPACES
        .into_iter()
        .filter(|name| !present.contains(name))
        .map(|name| {
            let uid = derived_uid(Kind::Namespace.name(), "", name);
            let mut namespace =
                Namespace { metadata: ObjectMeta { name: name.to_owned(), uid, ..ObjectMeta::default() } };
            fill_namespace(&mut namespace);
            namespace
        })
        .collect()
}

/// A node that says only what it has lets all of it be used.
fn fill_node(node: &mut Node) {
    node.status.capacity.store();
    node.status.allocatable.store();
    if node.status.allocatable.is_empty() {
        node.status.allocatable.clone_from(&node.status.capacity);
    }
}

fn fill_namespace(namespace: &mut Namespace) {
    let name = namespace.metadata.name.clone();
    namespace.metadata.labels.entry(NAME_LABEL.to_owned()).or_insert(name);
}

/// Limits of containers: a default limit from the maximum, a default request from the default limit, else from the minimum.
fn fill_limit_range(range: &mut LimitRange) {
    for item in range.spec.limits.iter_mut().filter(|item| item.kind == "Container") {
        for (name, amount) in item.max.iter() {
            item.default.entry(name.clone()).or_insert(*amount);
        }
        for (name, amount) in item.default.iter().chain(item.min.iter()) {
            item.default_request.entry(name.clone()).or_insert(*amount);
        }
    }
}
