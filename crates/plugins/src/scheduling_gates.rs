//! SchedulingGates: a pod waits while `spec.schedulingGates` names anything. Mirrors kube-scheduler's `schedulinggates`.

use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, Plugin, PreEnqueue,
    QueueingHints, Resource, Status, no_further_checks,
};
use loadline_model::PodInfo;

use crate::hint::queue_if;

/// SchedulingGates.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "SchedulingGates",
    help: "Keeps a pod out of the queue while it has scheduling gates.",
    points: &[ExtensionPoint::PreEnqueue],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[ClusterEvent::new(Resource::Pod, Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED)],
    build: |_| Ok(Plugin::new("SchedulingGates").with_pre_enqueue(SchedulingGates).with_hints(SchedulingGates)),
};

struct SchedulingGates;

impl PreEnqueue for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        if pod.scheduling_gates.is_empty() {
            return Status::success();
        }
        Status::unresolvable(format!("waiting for scheduling gates: [{}]", pod.scheduling_gates.join(" ")))
    }
}

impl QueueingHints for SchedulingGates {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        queue_if(match object {
            EventObject::Pod { new: Some(new), .. } => new.uid == pod.uid,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn gates_are_named_and_lifted_for_their_pod_only() {
        let gated = PodInfo { scheduling_gates: ["a.example/x".into(), "b".into()].into(), ..pod("p") };
        let status = SchedulingGates.pre_enqueue(&gated);
        assert_eq!(status, Status::unresolvable("waiting for scheduling gates: [a.example/x b]"));
        let free = pod("p");
        assert_eq!(SchedulingGates.pre_enqueue(&free), Status::success());

        let event = DESCRIPTOR.events[0];
        let hint = |new: &PodInfo| {
            let object = EventObject::Pod { old: Some(&gated), new: Some(new) };
            SchedulingGates.hint(&gated, &event, &object)
        };
        assert_eq!(hint(&free), Hint::Queue);
        assert_eq!(hint(&pod("q")), Hint::Skip);
    }
}
