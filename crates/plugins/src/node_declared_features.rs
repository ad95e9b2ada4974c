//! NodeDeclaredFeatures: a node must declare the features that a pod's spec makes use of. Mirrors kube-scheduler's
//! `nodedeclaredfeatures`.

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::{PodInfo, Str};
use serde_json::json;

use crate::hint::queue_if;

/// NodeDeclaredFeatures.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeDeclaredFeatures",
    help: "Turns down nodes whose status does not declare a feature that the pod makes use of.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_DECLARED_FEATURE)),
        ClusterEvent::new(Resource::Pod, Action::UPDATE),
    ],
    build: |_| Ok(Plugin::new("NodeDeclaredFeatures").with_node(NodeDeclaredFeatures).with_hints(NodeDeclaredFeatures)),
};

struct NodeDeclaredFeatures;

fn missing<'a>(required: &'a [Str], declared: &[Str]) -> impl Iterator<Item = &'a Str> {
    // Both are sorted, and both are short.
    required.iter().filter(|feature| declared.binary_search(feature).is_err())
}

impl NodePlugin for NodeDeclaredFeatures {
    type Key = Box<[Str]>;
    type State = Box<[Str]>;

    fn reads(&self) -> Reads {
        Reads::SPEC
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        Ok((!pod.required_features.is_empty()).then(|| pod.required_features.clone()))
    }

    fn prepare(&self, required: &Self::Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Self::State> {
        Prepared { state: required.clone(), filters: true, scores: false }
    }

    fn filter(&self, required: &Self::State, node: &NodeView<'_>) -> Verdict {
        if missing(required, &node.spec().declared_features).next().is_none() {
            Verdict::PASS
        } else {
            Verdict::unresolvable(0)
        }
    }

    fn reasons(&self, _required: &Self::State, _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) didn't match Pod's required features".into()]
    }

    fn detail(&self, required: &Self::State, _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let of = |feature: &Str| {
            let detail = Detail {
                what: format!("feature {feature}"),
                wanted: "declared".to_owned(),
                found: "not declared".to_owned(),
            };
            let remedy = Remedy {
                text: format!("needs {} to declare the feature {feature}", node.name()),
                change: json!({"kind": "declaredFeature", "node": node.name(), "feature": feature}),
                ..Remedy::default()
            };
            (detail, remedy)
        };
        missing(required, &node.spec().declared_features).map(of).unzip()
    }
}

impl QueueingHints for NodeDeclaredFeatures {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        queue_if(match object {
            EventObject::Node { old, new: Some(new) } => {
                old.is_none_or(|old| old.declared_features != new.declared_features)
            }
            EventObject::Pod { old: Some(old), new: Some(new) } => {
                new.uid == pod.uid && new.required_features != old.required_features
            }
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_framework::Code;
    use loadline_model::NodeSpec;

    fn declaring(name: &str, features: &[&str]) -> NodeSpec {
        NodeSpec { declared_features: features.iter().map(|f| Str::from(*f)).collect(), ..node(name, &[]) }
    }

    fn requiring(features: &[&str]) -> PodInfo {
        PodInfo { required_features: features.iter().map(|f| Str::from(*f)).collect(), ..pod("p") }
    }

    #[test]
    fn all_required_features_must_be_declared() {
        let mut cluster =
            FakeCluster::new([declaring("none", &[]), declaring("one", &["B"]), declaring("all", &["A", "B", "C"])]);
        let plugin = NodeDeclaredFeatures;
        assert_eq!(cluster.passing(&plugin, &pod("p")), ["none", "one", "all"]);
        assert_eq!(cluster.passing(&plugin, &requiring(&["B"])), ["one", "all"]);
        assert_eq!(cluster.passing(&plugin, &requiring(&["A", "B"])), ["all"]);
        let answers = cluster.filter(&plugin, &requiring(&["A"])).unwrap();
        assert_eq!(answers[0].code, Code::UnschedulableAndUnresolvable);
        assert_eq!(answers[0].reasons, ["node(s) didn't match Pod's required features"]);
    }

    #[test]
    fn hints() {
        let pod = requiring(&["A"]);
        let hint = |object: &EventObject<'_>| NodeDeclaredFeatures.hint(&pod, &DESCRIPTOR.events[0], object);
        let (old, new) = (declaring("a", &[]), declaring("a", &["X"]));
        let changed = |old, new| EventObject::Node { old, new: Some(new) };
        assert_eq!(hint(&changed(None, &old)), Hint::Queue);
        assert_eq!(hint(&changed(Some(&old), &new)), Hint::Queue);
        assert_eq!(hint(&changed(Some(&old), &old)), Hint::Skip);
        let updated = |old: &PodInfo, new: &PodInfo| hint(&EventObject::Pod { old: Some(old), new: Some(new) });
        assert_eq!(updated(&pod, &requiring(&[])), Hint::Queue);
        assert_eq!(updated(&pod, &pod), Hint::Skip);
        let other = crate::testing::pod("q");
        assert_eq!(updated(&pod, &other), Hint::Skip);
    }
}
