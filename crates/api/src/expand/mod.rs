//! Workloads stand for the pods that they still lack.
//!
//! Each workload lacks what its controller would create next: replicas less the pods that it owns, through ReplicaSets for a Deployment;
//! pods whose deletion has begun or that have finished count as gone. So a dump of a whole namespace, pods and all, counts nothing twice.
//! Names are made from what they belong to, never at random.

mod daemon_set;
mod job;
mod make;
mod present;
mod replicas;
mod stateful_set;
#[cfg(test)]
mod tests;

use loadline_model::NodeSpec;

use self::replicas::OfDeployments;
use crate::wire::{Kind, Object, Pod, ReplicaSet};

pub use make::new_name;
pub(crate) use present::named_for;
pub use present::{Present, PresentPod};
pub(crate) use stateful_set::ordinal_of;

/// Pods of one workload that are not there yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// Kind of the workload.
    pub kind: Kind,
    /// Namespace of the workload and its pods.
    pub namespace: String,
    /// Name of the workload.
    pub name: String,
    /// The pods, in the order in which the controller would create them, as it would send them to the API server: nothing is filled in.
    /// They are alike but for names, indexes, and the node that a DaemonSet pins them to; never empty.
    pub pods: Vec<Pod>,
}

/// Pods that workloads stand for at most, all of them together: more than any cluster runs, and what memory holds.
pub const MOST_PODS: usize = 1_000_000;

/// A workload whose pods would be too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// Kind of the workload.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods it lacks.
    pub pods: usize,
}

/// What workloads still lack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expansion {
    /// Workloads that were not expanded, since with them there would be more than [`MOST_PODS`].
    pub too_many: Vec<TooMany>,
    /// By workload, in the order of the input.
    pub missing: Vec<Missing>,
    /// ReplicaSets that Deployments would create first. Their selectors spread pods by default.
    pub replica_sets: Vec<ReplicaSet>,
}

/// Expands the workloads among `objects`, which are complete and all have a uid. `present` knows every pod of the input, and `nodes` are those that
/// DaemonSets choose from.
pub fn expand<'o>(
    objects: impl Iterator<Item = &'o Object> + Clone,
    present: &'o Present,
    nodes: &[NodeSpec],
) -> Expansion {
    expand_within(MOST_PODS, objects, present, nodes)
}

fn expand_within<'o>(
    most: usize,
    objects: impl Iterator<Item = &'o Object> + Clone,
    present: &'o Present,
    nodes: &[NodeSpec],
) -> Expansion {
    let mut expansion = Expansion::default();
    let mut room = most;
    let sets = objects.clone().filter_map(|object| match object {
        Object::ReplicaSet(set) => Some(&**set),
        _ => None,
    });
    let owned = OfDeployments::new(sets, present);
    for object in objects {
        let metadata = object.metadata();
        if metadata.deletion_timestamp.is_some() {
            continue;
        }
        // Before they are made: a typing error in a number must not take all memory.
        let lacking = lacking(object, &owned, present);
        if lacking > room {
            let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
            expansion.too_many.push(TooMany { kind: object.kind(), namespace, name, pods: lacking });
            continue;
        }
        let pods = match object {
            Object::ReplicaSet(set) => replicas::of_replica_set(set, present),
            Object::ReplicationController(controller) => replicas::of_controller(controller, present),
            Object::Deployment(deployment) => {
                let (pods, new_set) = replicas::of_deployment(deployment, &owned, present);
                expansion.replica_sets.extend(new_set);
                pods
            }
            Object::StatefulSet(set) => stateful_set::pods(set, present),
            Object::DaemonSet(set) => daemon_set::pods(set, present, nodes),
            Object::Job(job) => job::pods(job, present),
            _ => continue,
        };
        room = room.saturating_sub(pods.len());
        if !pods.is_empty() {
            let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
            expansion.missing.push(Missing { kind: object.kind(), namespace, name, pods });
        }
    }
    expansion
}

/// How many pods a workload lacks.
fn lacking<'o>(object: &'o Object, owned: &OfDeployments<'o>, present: &Present) -> usize {
    match object {
        Object::ReplicaSet(set) => replicas::lacking(Kind::ReplicaSet, &set.metadata, set.spec.replicas, present),
        Object::ReplicationController(controller) => {
            let replicas = controller.spec.replicas;
            replicas::lacking(Kind::ReplicationController, &controller.metadata, replicas, present)
        }
        Object::Deployment(deployment) => replicas::deployment_lacking(deployment, owned, present),
        Object::StatefulSet(set) => stateful_set::lacking(set, present),
        Object::Job(job) => job::lacking(job, present),
        // A DaemonSet never has more than there are nodes.
        _ => 0,
    }
}
