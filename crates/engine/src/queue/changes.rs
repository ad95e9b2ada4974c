//! What an update of a pod amounts to.

use loadline_framework::{Action, ClusterEvent, Resource};
use loadline_model::{PodInfo, Resources};

/// The events of an update, for a pod on a node as well as for one that is not placed yet.
///
/// An update of nothing that has an event of its own is one [`Action::UPDATE`], which reaches only those plugins that
/// registered every update.
pub fn pod_changes(old: &PodInfo, new: &PodInfo) -> Vec<ClusterEvent> {
    let resource = if new.node_name.is_some() { Resource::AssignedPod } else { Resource::UnscheduledPod };
    let gates_gone = new.scheduling_gates.is_empty() && !old.scheduling_gates.is_empty();
    let changes = [
        (old.labels != new.labels, Action::UPDATE_POD_LABEL),
        (has_less(&old.requests.usage, &new.requests.usage), Action::UPDATE_POD_SCALE_DOWN),
        (gates_gone, Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED),
        // Tolerations can only be added, so that their number tells.
        (old.tolerations.len() != new.tolerations.len(), Action::UPDATE_POD_TOLERATION),
    ];
    let mut events: Vec<ClusterEvent> = changes
        .into_iter()
        .filter(|(changed, _)| *changed)
        .map(|(_, action)| ClusterEvent::new(resource, action))
        .collect();
    if events.is_empty() {
        events.push(ClusterEvent::new(resource, Action::UPDATE));
    }
    events
}

/// Whether any amount of `old` is smaller in `new`, or no longer listed.
fn has_less(old: &Resources, new: &Resources) -> bool {
    old.milli_cpu > new.milli_cpu
        || old.memory > new.memory
        || old.ephemeral_storage > new.ephemeral_storage
        || old.scalars.iter().any(|(name, amount)| new.scalar(name).is_none_or(|left| *amount > left))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use loadline_model::{PodRequests, Toleration, TolerationOperator};

    fn pod(cpu: i64, scalars: &[(&str, i64)]) -> PodInfo {
        let mut usage = Resources { milli_cpu: cpu, ..Resources::default() };
        for (name, amount) in scalars {
            usage.set_scalar((*name).into(), *amount);
        }
        PodInfo { requests: Arc::new(PodRequests { usage, ..PodRequests::default() }), ..PodInfo::default() }
    }

    fn actions(old: &PodInfo, new: &PodInfo) -> Vec<Action> {
        pod_changes(old, new).into_iter().map(|event| event.action).collect()
    }

    #[test]
    fn tells_changes_apart() {
        let base = pod(100, &[("example.com/gpu", 1)]);
        assert_eq!(actions(&base, &base), [Action::UPDATE]);
        assert_eq!(actions(&base, &pod(200, &[("example.com/gpu", 2)])), [Action::UPDATE]);
        assert_eq!(actions(&base, &pod(100, &[])), [Action::UPDATE_POD_SCALE_DOWN]);
        assert_eq!(actions(&base, &pod(99, &[("example.com/gpu", 1)])), [Action::UPDATE_POD_SCALE_DOWN]);
        let gated = PodInfo { scheduling_gates: ["a".into(), "b".into()].into(), ..base.clone() };
        let less_gated = PodInfo { scheduling_gates: ["b".into()].into(), ..base.clone() };
        assert_eq!(actions(&gated, &less_gated), [Action::UPDATE]);
        let freed = PodInfo {
            labels: Arc::new([("a", "b")].into_iter().collect()),
            tolerations: [Toleration {
                key: "k".into(),
                operator: TolerationOperator::Exists,
                value: "".into(),
                effect: None,
            }]
            .into(),
            ..base.clone()
        };
        assert_eq!(
            actions(&gated, &freed),
            [Action::UPDATE_POD_LABEL, Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED, Action::UPDATE_POD_TOLERATION]
        );
    }

    #[test]
    fn a_placed_pod_is_another_resource() {
        let placed = PodInfo { node_name: Some("n".into()), ..PodInfo::default() };
        assert_eq!(pod_changes(&PodInfo::default(), &placed)[0].resource, Resource::AssignedPod);
        assert_eq!(pod_changes(&placed, &PodInfo::default())[0].resource, Resource::UnscheduledPod);
    }
}
