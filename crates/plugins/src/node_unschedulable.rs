//! NodeUnschedulable: nodes with `spec.unschedulable` take only pods that tolerate the taint which stands for it. Mirrors
//! kube-scheduler's `nodeunschedulable`.

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::{Effect, PodInfo, Str, Taint};
use serde_json::json;

use crate::hint::queue_if;

/// NodeUnschedulable.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeUnschedulable",
    help: "Turns down nodes that are marked unschedulable, unless the pod tolerates node.kubernetes.io/unschedulable.",
    points: &[ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_TAINT)),
        ClusterEvent::new(Resource::Pod, Action::UPDATE_POD_TOLERATION),
    ],
    build: |_| {
        Ok(Plugin::new("NodeUnschedulable").with_node(NodeUnschedulable::new()).with_hints(NodeUnschedulable::new()))
    },
};

struct NodeUnschedulable {
    taint: Taint,
}

impl NodeUnschedulable {
    fn new() -> Self {
        Self {
            taint: Taint {
                key: "node.kubernetes.io/unschedulable".into(),
                value: Str::empty(),
                effect: Effect::NoSchedule,
            },
        }
    }

    fn tolerated_by(&self, pod: &PodInfo) -> bool {
        pod.tolerations.iter().any(|t| t.tolerates(&self.taint))
    }
}

impl NodePlugin for NodeUnschedulable {
    // All pods that do not tolerate the taint are alike.
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::SPEC
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok((!self.tolerated_by(pod)).then_some(()))
    }

    fn prepare(&self, _key: &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: true, scores: false }
    }

    fn filter(&self, _state: &(), node: &NodeView<'_>) -> Verdict {
        if node.spec().unschedulable { Verdict::unresolvable(0) } else { Verdict::PASS }
    }

    fn reasons(&self, _state: &(), _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) were unschedulable".into()]
    }

    fn detail(&self, _state: &(), _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let detail = Detail { what: "unschedulable".to_owned(), wanted: "false".to_owned(), found: "true".to_owned() };
        let remedy = Remedy {
            text: format!("needs {} to be uncordoned", node.name()),
            change: json!({"kind": "uncordon", "node": node.name()}),
            ..Remedy::default()
        };
        (vec![detail], vec![remedy])
    }
}

impl QueueingHints for NodeUnschedulable {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        queue_if(match object {
            EventObject::Node { old, new: Some(new) } => !new.unschedulable && old.is_none_or(|old| old.unschedulable),
            EventObject::Pod { new: Some(new), .. } => new.uid == pod.uid && self.tolerated_by(new),
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_framework::Code;
    use loadline_model::{NodeSpec, Toleration, TolerationOperator};

    fn cordoned(name: &str) -> NodeSpec {
        NodeSpec { unschedulable: true, ..node(name, &[]) }
    }

    fn tolerant(key: &str) -> PodInfo {
        let toleration =
            Toleration { key: key.into(), operator: TolerationOperator::Exists, value: Str::empty(), effect: None };
        PodInfo { tolerations: [toleration].into(), ..pod("p") }
    }

    #[test]
    fn a_cordoned_node_takes_tolerant_pods_only() {
        let plugin = NodeUnschedulable::new();
        let mut cluster = FakeCluster::new([node("a", &[]), cordoned("b")]);
        let answers = cluster.filter(&plugin, &pod("p")).unwrap();
        assert_eq!(answers[1].code, Code::UnschedulableAndUnresolvable);
        assert_eq!(answers[1].reasons, ["node(s) were unschedulable"]);
        assert_eq!(cluster.passing(&plugin, &pod("p")), ["a"]);
        assert_eq!(cluster.passing(&plugin, &tolerant("other")), ["a"]);
        assert_eq!(cluster.passing(&plugin, &tolerant("")), ["a", "b"]);
    }

    #[test]
    fn hints() {
        let plugin = NodeUnschedulable::new();
        let hint = |object: &EventObject<'_>| plugin.hint(&pod("p"), &DESCRIPTOR.events[0], object);
        let (open, closed) = (node("a", &[]), cordoned("a"));
        let changed = |old, new| EventObject::Node { old, new: Some(new) };
        assert_eq!(hint(&changed(None, &open)), Hint::Queue);
        assert_eq!(hint(&changed(None, &closed)), Hint::Skip);
        assert_eq!(hint(&changed(Some(&closed), &open)), Hint::Queue);
        assert_eq!(hint(&changed(Some(&open), &open)), Hint::Skip);

        let updated = |new: &PodInfo| hint(&EventObject::Pod { old: None, new: Some(new) });
        assert_eq!(updated(&tolerant("node.kubernetes.io/unschedulable")), Hint::Queue);
        assert_eq!(updated(&tolerant("other")), Hint::Skip);
        let someone_else = PodInfo { uid: "other".into(), ..tolerant("") };
        assert_eq!(updated(&someone_else), Hint::Skip);
    }
}
