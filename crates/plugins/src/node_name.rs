//! NodeName: a pod that names its node fits no other. Mirrors kube-scheduler's `nodename`.

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Plugin, Prepare, Prepared,
    Reads, Reason, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::{PodInfo, Str};

/// NodeName.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeName",
    help: "Turns down every node but the one that the pod names in spec.nodeName.",
    points: &[ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    // No hint: a new node may always be the one.
    events: &[ClusterEvent::new(Resource::Node, Action::ADD)],
    build: |_| Ok(Plugin::new("NodeName").with_node(NodeName)),
};

struct NodeName;

impl NodePlugin for NodeName {
    type Key = Str;
    type State = Str;

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Str>, Status> {
        Ok(pod.node_name.clone().filter(|name| !name.is_empty()))
    }

    fn prepare(&self, name: &Str, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Str> {
        Prepared { state: name.clone(), filters: true, scores: false }
    }

    fn filter(&self, name: &Str, node: &NodeView<'_>) -> Verdict {
        if node.name() == name { Verdict::PASS } else { Verdict::unresolvable(0) }
    }

    fn reasons(&self, _name: &Str, _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) didn't match the requested node name".into()]
    }

    fn detail(&self, name: &Str, _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let detail = Detail { what: "node name".to_owned(), wanted: name.to_string(), found: node.name().to_string() };
        (vec![detail], Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_framework::Code;

    #[test]
    fn only_the_named_node_passes() {
        let mut cluster = FakeCluster::new([node("a", &[]), node("b", &[])]);
        assert_eq!(cluster.passing(&NodeName, &pod("p")), ["a", "b"]);
        let named = PodInfo { node_name: Some("b".into()), ..pod("p") };
        let answers = cluster.filter(&NodeName, &named).unwrap();
        assert_eq!(answers[0].code, Code::UnschedulableAndUnresolvable);
        assert_eq!(answers[0].reasons, ["node(s) didn't match the requested node name"]);
        assert_eq!(answers[1].code, Code::Success);
    }
}
