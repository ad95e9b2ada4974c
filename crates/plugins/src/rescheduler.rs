//! Rescheduler: keeps pods from nodes that are full or marked for maintenance, and prefers nodes with more left. What moves
//! pods that are somewhere already is planned elsewhere (`loadline-rescheduler`) from the same arguments. Not of kube-scheduler.
//!
//! A node is full by what the pods on it request. Pods of DaemonSets are let pass: there is one node for each of them.

mod arguments;

use loadline_framework::Cluster;
use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Slot, Status, Verdict,
};
use loadline_model::{NodeSpec, PodInfo, Str};
use serde::Deserialize;
use serde_json::json;

use self::arguments::{FIELDS, validate};
use crate::args::decode;
use crate::gate::NothingToDo;
use crate::hint::queue_if;

const NAME: &str = "Rescheduler";
/// Node label that asks for a node to be emptied.
const MAINTENANCE: &str = "scheduler.alpha.kubernetes.io/maintenance";
/// Below this use of both resources the bonus is given, percent.
const LIGHT: f64 = 30.0;
const MAX_SCORE: f64 = 100.0;

/// Bits of a verdict.
const CPU: u32 = 1;
const MEMORY: u32 = 2;
const MARKED: u32 = 4;

/// Rescheduler.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Keeps pods from nodes that are full or marked for maintenance, prefers nodes with more left, and plans moves from full nodes to emptier ones.",
    points: &[ExtensionPoint::Filter, ExtensionPoint::Score, ExtensionPoint::Reserve, ExtensionPoint::PreBind],
    default_profile: DefaultProfile::Absent,
    args: FIELDS,
    validate,
    events: &[
        ClusterEvent::new(Resource::Pod, Action::DELETE.and(Action::UPDATE_POD_SCALE_DOWN)),
        ClusterEvent::new(
            Resource::Node,
            Action::ADD.and(Action::UPDATE_NODE_LABEL).and(Action::UPDATE_NODE_ALLOCATABLE),
        ),
    ],
    build: |args| {
        let rescheduler: Rescheduler = decode(args)?;
        // What is reserved is a nomination of the engine, and whoever plans looks at the cluster by himself: these two points
        // are there for the configurations that name them.
        Ok(Plugin::new(NAME)
            .with_node(rescheduler)
            .with_reserve(NothingToDo)
            .with_pre_bind(NothingToDo)
            .with_hints(Hints))
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rescheduler {
    cpu_threshold: f64,
    memory_threshold: f64,
    enable_scheduling_optimization: bool,
    cpu_score_weight: f64,
    memory_score_weight: f64,
    load_balance_bonus: f64,
}

/// Use of cpu and memory by what is requested, percent. Of what a node does not have nothing is used.
fn percent(node: &NodeView<'_>) -> [f64; 2] {
    let (has, used) = (node.allocatable(), &node.load().requested);
    let of = |used: i64, has: i64| if has > 0 { 100.0 * used.max(0) as f64 / has as f64 } else { 0.0 };
    [of(used.milli_cpu, has.milli_cpu), of(used.memory, has.memory)]
}

fn is_marked(spec: &NodeSpec) -> bool {
    spec.labels.get(MAINTENANCE).is_some_and(|value| *value == *"true")
}

impl NodePlugin for Rescheduler {
    // It looks at nodes alone: all pods are alike.
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::SPEC.and(Reads::LOAD)
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        let of_daemon_set = pod.owner.as_ref().is_some_and(|owner| owner.kind == *"DaemonSet");
        Ok((self.enable_scheduling_optimization && !of_daemon_set).then_some(()))
    }

    fn prepare(&self, (): &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: true, scores: true }
    }

    fn filter(&self, (): &(), node: &NodeView<'_>) -> Verdict {
        let [cpu, memory] = percent(node);
        let found = [
            (CPU, cpu > self.cpu_threshold),
            (MEMORY, memory > self.memory_threshold),
            (MARKED, is_marked(node.spec())),
        ];
        match found.into_iter().filter(|(_, holds)| *holds).fold(0, |bits, (bit, _)| bits | bit) {
            0 => Verdict::PASS,
            // Preemption makes room on a full node; on a marked one it is of no use.
            bits if bits & MARKED == 0 => Verdict::unschedulable(bits),
            bits => Verdict::unresolvable(bits),
        }
    }

    fn reasons(&self, (): &(), verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        let all: [(u32, &'static str); 3] = [
            (MARKED, "node(s) were marked for maintenance"),
            (CPU, "node(s) were above the cpu threshold"),
            (MEMORY, "node(s) were above the memory threshold"),
        ];
        all.into_iter().filter(|(bit, _)| verdict.meaning() & bit != 0).map(|(_, reason)| reason.into()).collect()
    }

    fn detail(&self, (): &(), verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let [cpu, memory] = percent(node);
        let above = |what: &str, used: f64, threshold: f64| Detail {
            what: format!("{what} requested"),
            wanted: format!("{threshold} % at most"),
            found: format!("{used:.1} %"),
        };
        let has = |bit: u32| verdict.meaning() & bit != 0;
        let mut details = Vec::new();
        let mut remedies = Vec::new();
        if has(MARKED) {
            let wanted = format!("not {MAINTENANCE}=true");
            details.push(Detail { what: "label".to_owned(), wanted, found: "true".to_owned() });
            remedies.push(Remedy {
                text: format!("needs {} to lose the label {MAINTENANCE}", node.name()),
                change: json!({"kind": "unlabel", "node": node.name(), "key": MAINTENANCE}),
                ..Remedy::default()
            });
        }
        if has(CPU) {
            details.push(above("cpu", cpu, self.cpu_threshold));
        }
        if has(MEMORY) {
            details.push(above("memory", memory, self.memory_threshold));
        }
        (details, remedies)
    }

    fn score(&self, (): &(), node: &NodeView<'_>) -> i64 {
        let [cpu, memory] = percent(node);
        let left = (100.0 - cpu) * self.cpu_score_weight + (100.0 - memory) * self.memory_score_weight;
        let bonus = if cpu < LIGHT && memory < LIGHT { self.load_balance_bonus } else { 0.0 };
        (left + bonus).clamp(0.0, MAX_SCORE) as i64
    }

    fn score_note(&self, (): &(), slot: Slot, cluster: &dyn Cluster) -> Option<String> {
        let info = cluster.nodes()[slot.index()].as_deref()?;
        let [cpu, memory] = percent(&NodeView::new(cluster, slot, info, self.reads()));
        let bonus = if cpu < LIGHT && memory < LIGHT { ", both light" } else { "" };
        Some(format!("cpu {cpu:.1} % requested, memory {memory:.1} %{bonus}"))
    }
}

struct Hints;

impl QueueingHints for Hints {
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        queue_if(match object {
            EventObject::Node { new: Some(new), .. } => !is_marked(new),
            EventObject::Pod { old: Some(old), new: None } => is_on_a_node(old),
            _ => true,
        })
    }
}

/// A pod that was on no node took up no room.
fn is_on_a_node(pod: &PodInfo) -> bool {
    pod.node_name.as_ref().is_some_and(|node| *node != Str::empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loadline_framework::{Code, NodeDelta};
    use loadline_model::Owner;

    use super::*;
    use crate::args::defaults;
    use crate::testing::{FakeCluster, GI, node, pod, requests};

    fn plugin(changes: &serde_json::Value) -> Rescheduler {
        let mut args = defaults(FIELDS);
        for (name, value) in changes.as_object().expect("a map") {
            args[name] = value.clone();
        }
        assert_eq!(validate(&args), []);
        decode(&args).expect("valid arguments")
    }

    /// Nodes of 4 cores and 8 GiB: a is empty, b has 85 percent of its cpu requested, c 90 of its memory, d is marked.
    fn cluster() -> FakeCluster {
        let marked = node("d", &[(MAINTENANCE, "true")]);
        let mut cluster = FakeCluster::new([node("a", &[]), node("b", &[]), node("c", &[]), marked]);
        cluster.add_pod("b", PodInfo { requests: Arc::new(requests(3400, GI)), ..pod("on-b") });
        cluster.add_pod("c", PodInfo { requests: Arc::new(requests(400, 8 * GI / 10 * 9)), ..pod("on-c") });
        cluster
    }

    #[test]
    fn nodes_that_are_full_or_marked_are_turned_down() {
        let answers = cluster().filter(&plugin(&json!({})), &pod("p")).unwrap();
        let told: Vec<(Code, Vec<String>)> = answers
            .into_iter()
            .map(|answer| (answer.code, answer.reasons.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(
            told,
            [
                (Code::Success, vec![]),
                (Code::Unschedulable, vec!["node(s) were above the cpu threshold".to_owned()]),
                (Code::Unschedulable, vec!["node(s) were above the memory threshold".to_owned()]),
                (Code::UnschedulableAndUnresolvable, vec!["node(s) were marked for maintenance".to_owned()]),
            ]
        );
        let lenient = plugin(&json!({"cpuThreshold": 85, "memoryThreshold": 90}));
        assert_eq!(cluster().passing(&lenient, &pod("p")), ["a", "b", "c"], "at the threshold a node is not full");
    }

    #[test]
    fn pods_of_daemon_sets_and_placing_without_it_are_let_be() {
        let owner =
            Owner { api_version: "apps/v1".into(), kind: "DaemonSet".into(), name: "a".into(), uid: "a".into() };
        let agent = PodInfo { owner: Some(Arc::new(owner)), ..pod("agent") };
        assert_eq!(cluster().passing(&plugin(&json!({})), &agent), ["a", "b", "c", "d"]);
        let off = plugin(&json!({"enableSchedulingOptimization": false}));
        assert_eq!(cluster().passing(&off, &pod("p")), ["a", "b", "c", "d"]);
        assert!(cluster().scores(&off, &pod("p")).is_none());
    }

    #[test]
    fn what_is_left_scores_and_light_nodes_get_the_bonus() {
        let raw = |changes: &serde_json::Value| -> Vec<i64> {
            cluster().scores(&plugin(changes), &pod("p")).unwrap().iter().map(|score| score.raw).collect()
        };
        // b: 15 % cpu and 87.5 % memory left: 9 + 35. c: 90 and about 10: 54 + 4. a: 100, and the bonus goes beyond.
        assert_eq!(raw(&json!({})), [100, 44, 58, 100]);
        let light = json!({"cpuScoreWeight": 0.3, "memoryScoreWeight": 0.2, "loadBalanceBonus": 7.5});
        assert_eq!(raw(&light), [57, 22, 29, 57]);
    }

    #[test]
    fn a_pod_that_is_taken_away_in_thought_is_not_counted() {
        let (plugin, mut cluster) = (plugin(&json!({})), cluster());
        let state = cluster.state(&plugin, &pod("p"));
        assert!(state.is_some());
        let slot = cluster.slots()[1];
        let info = cluster.info(slot);
        let mut load = info.load.clone();
        load.remove(&info.pods[0]);
        let delta = NodeDelta { added: Vec::new(), removed: vec![info.pods[0].clone()] };
        let view = NodeView::new(&cluster, slot, info, plugin.reads());
        assert!(!plugin.filter(&(), &view).passes());
        assert!(plugin.filter(&(), &view.with_delta(&delta, &load)).passes());
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        let errors = |name: &str, value: serde_json::Value| -> Vec<String> {
            let mut args = defaults(FIELDS);
            args[name] = value;
            validate(&args).into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
        };
        assert_eq!(errors("lowMark", json!(80)), [""; 0]);
        assert_eq!(errors("lowMark", json!(81)).len(), 2);
        assert!(errors("excludedPodSelector", json!("a b"))[0].contains("is no label key"));
        assert_eq!(errors("reschedulingInterval", json!("0s")), ["reschedulingInterval: must be 1s or more"]);
        assert_eq!(errors("coolDown", json!("0s")), [""; 0]);
    }

    #[test]
    fn hints() {
        let hint = |object: &EventObject<'_>| Hints.hint(&pod("p"), &DESCRIPTOR.events[0], object);
        let (open, marked) = (node("a", &[]), node("a", &[(MAINTENANCE, "true")]));
        assert_eq!(hint(&EventObject::Node { old: Some(&marked), new: Some(&open) }), Hint::Queue);
        assert_eq!(hint(&EventObject::Node { old: None, new: Some(&marked) }), Hint::Skip);
        let placed = PodInfo { node_name: Some("a".into()), ..pod("q") };
        assert_eq!(hint(&EventObject::Pod { old: Some(&placed), new: None }), Hint::Queue);
        assert_eq!(hint(&EventObject::Pod { old: Some(&pod("q")), new: None }), Hint::Skip);
    }
}
