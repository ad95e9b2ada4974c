//! Maintenance: a node labelled `example.com/maintenance=true` takes no pods, and of the others those with a higher
//! `example.com/rank` (0 to 100) are preferred.

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ArgField, ArgKind, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, Reads, Reason, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::PodInfo;
use serde_json::{Value, json};

const LABEL: &str = "example.com/maintenance";
const RANK: &str = "example.com/rank";

/// What is known about the plugin before it is built.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "Maintenance",
    help: "Keeps pods off nodes in maintenance and prefers nodes by rank.",
    points: &[ExtensionPoint::Filter, ExtensionPoint::Score],
    default_profile: DefaultProfile::Absent,
    args: &[ArgField {
        name: "defaultRank",
        kind: ArgKind::Int { min: 0, max: 100 },
        default: "50",
        help: "Rank of a node that has none.",
    }],
    validate: no_further_checks,
    events: &[ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_LABEL))],
    build: |args| {
        let default_rank = args.get("defaultRank").and_then(Value::as_i64).unwrap_or(50);
        Ok(Plugin::new("Maintenance").with_node(Maintenance { default_rank }))
    },
};

struct Maintenance {
    default_rank: i64,
}

impl NodePlugin for Maintenance {
    // Nothing of the pod matters: all pods share one state and one column.
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::SPEC
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }

    fn prepare(&self, _key: &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: true, scores: true }
    }

    fn filter(&self, _state: &(), node: &NodeView<'_>) -> Verdict {
        let busy = node.spec().labels.get(LABEL).is_some_and(|value| *value == "true");
        if busy { Verdict::unresolvable(0) } else { Verdict::PASS }
    }

    fn reasons(&self, _state: &(), _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) were in maintenance".into()]
    }

    fn detail(&self, _state: &(), _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let detail = Detail { what: format!("label {LABEL}"), wanted: "not true".into(), found: "true".into() };
        let remedy = Remedy {
            text: format!("needs the maintenance of {} to end", node.name()),
            change: json!({ "kind": "label", "node": node.name(), "key": LABEL, "value": null }),
            ..Remedy::default()
        };
        (vec![detail], vec![remedy])
    }

    fn score(&self, _state: &(), node: &NodeView<'_>) -> i64 {
        let rank = node.spec().labels.get(RANK).and_then(|rank| rank.parse().ok());
        rank.unwrap_or(self.default_rank).clamp(0, 100)
    }
}
