//! TaintToleration: a pod must tolerate a node's NoSchedule and NoExecute taints, and prefers nodes with fewer
//! PreferNoSchedule taints that it does not tolerate. Mirrors kube-scheduler's `tainttoleration`.

use std::fmt;
use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView,
    Normalization, Plugin, Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict,
    no_further_checks, normalize_reverse,
};
use loadline_model::{Effect, PodInfo, Taint, Toleration};
use serde_json::json;

use crate::hint::queue_if;

/// TaintToleration.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "TaintToleration",
    help: "Turns down nodes with taints that the pod does not tolerate, and prefers nodes with fewer PreferNoSchedule taints.",
    points: &[ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 3 },
    args: &[],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_TAINT)),
        ClusterEvent::new(Resource::Pod, Action::UPDATE_POD_TOLERATION),
    ],
    build: |_| Ok(Plugin::new("TaintToleration").with_node(TaintToleration).with_hints(TaintToleration)),
};

struct TaintToleration;

/// The first taint that keeps a pod with these tolerations off a node.
pub(crate) fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    all_untolerated(taints, tolerations).next()
}

fn all_untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> impl Iterator<Item = &'a Taint> {
    taints
        .iter()
        .filter(|taint| taint.effect != Effect::PreferNoSchedule && !tolerations.iter().any(|t| t.tolerates(taint)))
}

impl NodePlugin for TaintToleration {
    type Key = Arc<[Toleration]>;
    type State = Arc<[Toleration]>;

    fn reads(&self) -> Reads {
        Reads::SPEC
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        Ok(Some(pod.tolerations.clone()))
    }

    fn prepare(&self, tolerations: &Self::Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Self::State> {
        Prepared { state: tolerations.clone(), filters: true, scores: true }
    }

    fn filter(&self, tolerations: &Self::State, node: &NodeView<'_>) -> Verdict {
        if untolerated(&node.spec().taints, tolerations).is_none() { Verdict::PASS } else { Verdict::unresolvable(0) }
    }

    fn reasons(&self, _tolerations: &Self::State, _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) had untolerated taint(s)".into()]
    }

    fn detail(&self, tolerations: &Self::State, _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let of = |taint: &Taint| {
            let detail =
                Detail { what: "taint".to_owned(), wanted: "tolerated".to_owned(), found: Shown(taint).to_string() };
            let change = json!({
                "kind": "toleration",
                "node": node.name(),
                "key": taint.key,
                "value": taint.value,
                "effect": effect_name(taint.effect),
            });
            let remedy = Remedy {
                text: format!("needs a toleration for {} on {}", Shown(taint), node.name()),
                change,
                ..Remedy::default()
            };
            (detail, remedy)
        };
        all_untolerated(&node.spec().taints, tolerations).map(of).unzip()
    }

    fn score(&self, tolerations: &Self::State, node: &NodeView<'_>) -> i64 {
        // Only tolerations that are meant for PreferNoSchedule count; those for another effect tolerate no such taint.
        let taints = node.spec().taints.iter();
        let untolerated = taints.filter(|taint| {
            taint.effect == Effect::PreferNoSchedule && !tolerations.iter().any(|t| t.tolerates(taint))
        });
        untolerated.count() as i64
    }

    fn normalization(&self) -> Normalization {
        Normalization::Bounds(normalize_reverse)
    }
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}

/// A taint as `kubectl taint` writes it.
struct Shown<'a>(&'a Taint);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Taint { key, value, effect } = self.0;
        if value.is_empty() {
            write!(f, "{key}:{}", effect_name(*effect))
        } else {
            write!(f, "{key}={value}:{}", effect_name(*effect))
        }
    }
}

impl QueueingHints for TaintToleration {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        let keeps_off = |taints: &[Taint]| untolerated(taints, &pod.tolerations).is_some();
        queue_if(match object {
            EventObject::Node { old, new: Some(new) } => {
                old.is_none_or(|old| keeps_off(&old.taints)) && !keeps_off(&new.taints)
            }
            EventObject::Pod { new: Some(new), .. } => new.uid == pod.uid,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_framework::{Code, Slot};
    use loadline_model::{NodeSpec, TolerationOperator};

    fn taint(key: &str, value: &str, effect: Effect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    fn tainted(name: &str, taints: impl Into<Box<[Taint]>>) -> NodeSpec {
        NodeSpec { taints: taints.into(), ..node(name, &[]) }
    }

    fn tolerant(tolerations: &[(&str, TolerationOperator, &str, Option<Effect>)]) -> PodInfo {
        let toleration = |&(key, operator, value, effect): &(&str, _, &str, _)| Toleration {
            key: key.into(),
            operator,
            value: value.into(),
            effect,
        };
        PodInfo { tolerations: tolerations.iter().map(toleration).collect(), ..pod("p") }
    }

    use Effect::{NoExecute, NoSchedule, PreferNoSchedule};
    use TolerationOperator::{Equal, Exists, Never};

    #[test]
    fn taints_keep_pods_off_that_do_not_tolerate_them() {
        let mut cluster = FakeCluster::new([
            node("plain", &[]),
            tainted("gpu", [taint("gpu", "a100", NoSchedule)]),
            tainted("evicting", [taint("gpu", "", NoExecute)]),
            tainted("soft", [taint("gpu", "", PreferNoSchedule)]),
        ]);
        let answers = cluster.filter(&TaintToleration, &pod("p")).unwrap();
        assert_eq!(answers[1].code, Code::UnschedulableAndUnresolvable);
        assert_eq!(answers[1].reasons, ["node(s) had untolerated taint(s)"]);
        let mut passing = |tolerations: &[_]| cluster.passing(&TaintToleration, &tolerant(tolerations));
        assert_eq!(passing(&[]), ["plain", "soft"]);
        assert_eq!(passing(&[("gpu", Equal, "a100", Some(NoSchedule))]), ["plain", "gpu", "soft"]);
        assert_eq!(passing(&[("gpu", Equal, "h100", None)]), ["plain", "soft"]);
        // An empty key with Equal still compares the value.
        assert_eq!(passing(&[("", Equal, "", None)]), ["plain", "evicting", "soft"]);
        assert_eq!(passing(&[("", Exists, "", None)]), ["plain", "gpu", "evicting", "soft"]);
        assert_eq!(passing(&[("gpu", Never, "", None)]), ["plain", "soft"]);
    }

    #[test]
    fn fewer_soft_taints_score_better() {
        let soft = |key| taint(key, "", PreferNoSchedule);
        let mut cluster = FakeCluster::new([
            node("none", &[]),
            tainted("one", [soft("a")]),
            tainted("three", [soft("a"), soft("b"), soft("c"), taint("d", "", NoSchedule)]),
        ]);
        let mut scores = |pod: &PodInfo| -> Vec<(i64, i64)> {
            let scores = cluster.scores(&TaintToleration, pod).unwrap();
            scores.iter().map(|s| (s.raw, s.normalized)).collect()
        };
        assert_eq!(scores(&pod("p")), [(0, 100), (1, 67), (3, 0)]);
        // For another effect: no help. For all effects: it tolerates all of them, and then every node gets 100.
        let hard = tolerant(&[("", Exists, "", Some(NoSchedule))]);
        assert_eq!(scores(&hard), [(0, 100), (1, 67), (3, 0)]);
        let all = tolerant(&[("", Exists, "", None)]);
        assert_eq!(scores(&all), [(0, 100), (0, 100), (0, 100)]);
    }

    #[test]
    fn the_taint_is_told() {
        let mut cluster =
            FakeCluster::new([tainted("a", [taint("gpu", "a100", NoSchedule), taint("x", "", NoExecute)])]);
        let pod = tolerant(&[("x", Exists, "", None)]);
        let state = cluster.state(&TaintToleration, &pod).unwrap();
        let view = NodeView::new(&cluster, Slot(0), cluster.info(Slot(0)), Reads::SPEC);
        let (details, remedies) = TaintToleration.detail(&state, Verdict::unresolvable(0), &view);
        assert_eq!(details.len(), 1);
        assert_eq!(details[0].found, "gpu=a100:NoSchedule");
        assert_eq!(remedies[0].text, "needs a toleration for gpu=a100:NoSchedule on a");
        assert_eq!(remedies[0].change["kind"], "toleration");
    }

    #[test]
    fn hints() {
        let hint = |object: &EventObject<'_>| TaintToleration.hint(&pod("p"), &DESCRIPTOR.events[0], object);
        let (bad, good) = (tainted("a", [taint("k", "", NoSchedule)]), node("a", &[]));
        let changed = |old, new| EventObject::Node { old, new: Some(new) };
        assert_eq!(hint(&changed(None, &good)), Hint::Queue);
        assert_eq!(hint(&changed(None, &bad)), Hint::Skip);
        assert_eq!(hint(&changed(Some(&bad), &good)), Hint::Queue);
        assert_eq!(hint(&changed(Some(&good), &good)), Hint::Skip);
        let (own, other) = (pod("p"), pod("q"));
        let updated = |new| EventObject::Pod { old: None, new: Some(new) };
        assert_eq!(hint(&updated(&own)), Hint::Queue);
        assert_eq!(hint(&updated(&other)), Hint::Skip);
    }
}
