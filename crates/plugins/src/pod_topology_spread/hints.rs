//! Which events may make a pod schedulable that PodTopologySpread turned down.

use loadline_framework::{ClusterEvent, EventObject, Hint, QueueingHints};
use loadline_model::{NodeSpec, PodInfo, Selector, Str, UnsatisfiableAction};

use super::arguments::Arguments;
use super::constraint::merged_selector;
use crate::hint::{is_placed, queue_if};

/// The hints.
pub(super) struct Hints {
    pub(super) arguments: Arguments,
}

/// What a hint looks at of a hard constraint.
struct Hard<'a> {
    topology_key: &'a Str,
    /// `None` for a default constraint: its selector follows from services and controllers, which a hint can not see,
    /// so that every pod of the namespace may be meant.
    selector: Option<Selector>,
    honor_taints: bool,
}

impl Hard<'_> {
    fn means(&self, pod: &PodInfo) -> bool {
        self.selector.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
    }
}

impl Hints {
    fn hard<'a>(&'a self, pod: &'a PodInfo) -> Vec<Hard<'a>> {
        let own = !pod.spread.is_empty();
        let constraints = if own { &pod.spread } else { &self.arguments.defaults };
        constraints
            .iter()
            .filter(|constraint| constraint.when_unsatisfiable == UnsatisfiableAction::DoNotSchedule)
            .map(|constraint| Hard {
                topology_key: &constraint.topology_key,
                selector: own.then(|| merged_selector(constraint, &pod.labels)),
                honor_taints: constraint.honor_taints,
            })
            .collect()
    }

    fn after_pod_change(&self, pod: &PodInfo, old: Option<&PodInfo>, new: Option<&PodInfo>) -> bool {
        // A pod without a node counts nowhere.
        let involved = |other: &PodInfo| other.uid == pod.uid || (is_placed(other) && other.namespace == pod.namespace);
        if !old.into_iter().chain(new).all(involved) {
            return false;
        }
        let hard = self.hard(pod);
        match (old, new) {
            (Some(old), Some(new)) => {
                let tolerates_more = new.uid == pod.uid && old.tolerations != new.tolerations;
                if tolerates_more && hard.iter().any(|constraint| constraint.honor_taints) {
                    return true;
                }
                let counts_otherwise = |constraint: &Hard<'_>| {
                    constraint.selector.is_none() || constraint.means(old) != constraint.means(new)
                };
                old.labels != new.labels && hard.iter().any(counts_otherwise)
            }
            (only, None) | (None, only) => only.is_none_or(|other| hard.iter().any(|c| c.means(other))),
        }
    }

    fn after_node_change(&self, pod: &PodInfo, old: Option<&NodeSpec>, new: Option<&NodeSpec>) -> bool {
        let hard = self.hard(pod);
        let has_all = |node: &NodeSpec| hard.iter().all(|constraint| node.labels.contains(constraint.topology_key));
        match (old, new) {
            (Some(old), Some(new)) => {
                let moved = |constraint: &Hard<'_>| {
                    old.labels.get(constraint.topology_key) != new.labels.get(constraint.topology_key)
                };
                has_all(old) != has_all(new) || (has_all(new) && (hard.iter().any(moved) || old.taints != new.taints))
            }
            (only, None) | (None, only) => only.is_none_or(has_all),
        }
    }
}

impl QueueingHints for Hints {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        let queue = match *object {
            EventObject::Pod { old, new } => self.after_pod_change(pod, old, new),
            EventObject::Node { old, new } => self.after_node_change(pod, old, new),
            EventObject::Other => true,
        };
        queue_if(queue)
    }
}
