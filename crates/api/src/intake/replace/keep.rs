//! What an object takes over from the one that it replaces: what servers and controllers write, and `kubectl apply` leaves as it is
//! where a manifest says nothing.

use super::rollout::template;
use crate::defaults::admit_job;
use crate::wire::Object;

/// Whether the two are one object of the cluster: the later one does not say which it is, or says the same.
pub(super) fn is_same_object(later: &Object, earlier: &Object) -> bool {
    let (later, earlier) = (&later.metadata().uid, &earlier.metadata().uid);
    later.is_empty() || later == earlier
}

/// Completes the later object before any default is filled in: a default is no answer where the cluster has one.
pub(super) fn take_over(later: &mut Object, earlier: &Object) {
    match (&mut *later, earlier) {
        (Object::Deployment(later), Object::Deployment(earlier)) => {
            keep(&mut later.spec.replicas, &earlier.spec.replicas);
            keep(&mut later.spec.paused, &earlier.spec.paused);
        }
        (Object::ReplicaSet(later), Object::ReplicaSet(earlier)) => {
            keep(&mut later.spec.replicas, &earlier.spec.replicas);
        }
        (Object::ReplicationController(later), Object::ReplicationController(earlier)) => {
            keep(&mut later.spec.replicas, &earlier.spec.replicas);
        }
        (Object::StatefulSet(later), Object::StatefulSet(earlier)) => {
            keep(&mut later.spec.replicas, &earlier.spec.replicas);
            keep(&mut later.spec.update_strategy, &earlier.spec.update_strategy);
        }
        (Object::DaemonSet(later), Object::DaemonSet(earlier)) => {
            keep(&mut later.spec.update_strategy, &earlier.spec.update_strategy);
        }
        (Object::Job(later), Object::Job(earlier)) => {
            keep(&mut later.spec.parallelism, &earlier.spec.parallelism);
            keep(&mut later.spec.completions, &earlier.spec.completions);
            keep(&mut later.status, &earlier.status);
        }
        (Object::Pod(later), Object::Pod(earlier)) => {
            keep(&mut later.spec.node_name, &earlier.spec.node_name);
            keep(&mut later.status, &earlier.status);
        }
        (Object::Node(later), Object::Node(earlier)) => keep(&mut later.status, &earlier.status),
        (Object::PodDisruptionBudget(later), Object::PodDisruptionBudget(earlier)) => {
            keep(&mut later.status, &earlier.status);
        }
        // The others have no such fields, or none that is read.
        _ => {}
    }
    keep_identity(later, earlier);
}

fn keep_identity(later: &mut Object, earlier: &Object) {
    let was = earlier.metadata();
    // Other objects do not go by uid, and a pod that has one would pass for admitted.
    let is_found = template(later).is_some() && later.metadata().uid.is_empty() && !was.uid.is_empty();
    let metadata = later.metadata_mut();
    keep(&mut metadata.creation_timestamp, &was.creation_timestamp);
    keep(&mut metadata.deletion_timestamp, &was.deletion_timestamp);
    keep(&mut metadata.owner_references, &was.owner_references);
    if is_found {
        metadata.uid.clone_from(&was.uid);
        if let Object::Job(job) = later {
            admit_job(job);
        }
    }
}

fn keep<T: Clone + Default + PartialEq>(later: &mut T, earlier: &T) {
    if *later == T::default() {
        later.clone_from(earlier);
    }
}
