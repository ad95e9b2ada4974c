//! Which events may make a pod schedulable that InterPodAffinity turned down.

use loadline_framework::{ClusterEvent, EventObject, Hint, QueueingHints};
use loadline_model::{Affinity, Labels, NodeSpec, PodAffinityTerm, PodInfo};

use super::key::all_mean;
use crate::hint::{is_placed, queue_if};

/// The hints.
pub(super) struct Hints;

fn terms(pod: &PodInfo, part: fn(&Affinity) -> &[PodAffinityTerm]) -> &[PodAffinityTerm] {
    pod.affinity.as_deref().map_or(&[], part)
}

fn required(pod: &PodInfo) -> &[PodAffinityTerm] {
    terms(pod, |affinity| &affinity.pod_required)
}

fn anti(pod: &PodInfo) -> &[PodAffinityTerm] {
    terms(pod, |affinity| &affinity.anti_required)
}

/// Whether there are terms and all of them mean `pod`. As in kube-scheduler's hints, a namespace selector sees a
/// namespace without labels here.
fn mean(terms: &[PodAffinityTerm], pod: &PodInfo) -> bool {
    all_mean(terms, &pod.namespace, &Labels::default(), &pod.labels)
}

fn after_pod_change(pod: &PodInfo, old: Option<&PodInfo>, new: Option<&PodInfo>) -> bool {
    if old.is_some() && new.is_some_and(|new| new.uid == pod.uid) {
        // Its labels changed: other pods' terms may mean it no longer.
        return true;
    }
    if !old.into_iter().chain(new).all(is_placed) {
        return false;
    }
    let (required, anti_terms) = (required(pod), anti(pod));
    match (old, new) {
        (Some(old), Some(new)) => {
            (!mean(required, old) && mean(required, new)) || (mean(anti_terms, old) && !mean(anti_terms, new))
        }
        (None, Some(new)) => mean(required, new),
        (Some(old), None) => mean(anti_terms, old) || mean(anti(old), pod),
        (None, None) => true,
    }
}

fn after_node_change(pod: &PodInfo, old: Option<&NodeSpec>, new: Option<&NodeSpec>) -> bool {
    let Some(new) = new else {
        // Not registered: a node that goes takes its pods with it one by one.
        return true;
    };
    let values = |term: &PodAffinityTerm| {
        let before = old.and_then(|old| old.labels.get(&term.topology_key));
        (before, new.labels.get(&term.topology_key))
    };
    let joins_domain = |term: &PodAffinityTerm| matches!(values(term), (before, Some(now)) if before != Some(now));
    let leaves_domain = |term: &PodAffinityTerm| matches!(values(term), (Some(before), now) if now != Some(before));
    // A node without the label takes pods with anti-affinity, so that any new node may do.
    required(pod).iter().any(joins_domain) || anti(pod).iter().any(|term| old.is_none() || leaves_domain(term))
}

impl QueueingHints for Hints {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        let queue = match *object {
            EventObject::Pod { old, new } => after_pod_change(pod, old, new),
            EventObject::Node { old, new } => after_node_change(pod, old, new),
            EventObject::Other => true,
        };
        queue_if(queue)
    }
}
