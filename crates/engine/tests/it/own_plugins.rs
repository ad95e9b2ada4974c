//! Plugins of others, which use what the built-in ones do not.

use std::sync::Arc;

use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::{
    Bounds, Cluster, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Normalization, Plugin, Prepare,
    Prepared, ProfilePlugin, Reads, ScorePlugin, Slot, Status, TopologyId, Verdict, no_further_checks,
};
use loadline_model::{Labels, NodeSpec, PodInfo, PodRequests, Resources, Str};

use crate::one_profile::{SCHEDULER, one_profile};

static DESCRIPTOR: Descriptor = Descriptor {
    name: "Hostile",
    help: "",
    points: &[ExtensionPoint::Filter, ExtensionPoint::Score],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("Hostile")),
};

fn engine(plugin: Plugin) -> Engine {
    let plugins = vec![ProfilePlugin { plugin, descriptor: &DESCRIPTOR }];
    let profiles = one_profile(plugins, |profile| {
        profile.pre_filter = vec![0];
        profile.filter = vec![0];
        profile.score = vec![ScorePlugin { plugin: 0, weight: 1 }];
    });
    Engine::new(profiles, Settings::default())
}

fn node(name: &str, labels: &[(&str, &str)]) -> Arc<NodeSpec> {
    Arc::new(NodeSpec {
        name: name.into(),
        labels: Arc::new(labels.iter().map(|(k, v)| (*k, *v)).collect::<Labels>()),
        ..NodeSpec::default()
    })
}

fn pod(uid: &str) -> Arc<PodInfo> {
    Arc::new(PodInfo { uid: uid.into(), scheduler_name: SCHEDULER.into(), ..PodInfo::default() })
}

/// (node, feasible nodes, message) with what is kept and without.
fn both(engine: &mut Engine, pod: &Arc<PodInfo>) -> [(Option<Str>, usize, String); 2] {
    let kept = engine.decide(pod, 1, Depth::Decide);
    engine.drop_kept();
    let anew = engine.decide(pod, 1, Depth::Decide);
    [(kept.node, kept.feasible, kept.message), (anew.node, anew.feasible, anew.message)]
}

/// Turns down every zone but those named `good…`, and scores zones by their number.
struct Zones;

impl NodePlugin for Zones {
    type Key = ();
    type State = TopologyId;
    fn reads(&self) -> Reads {
        Reads::SPEC
    }
    fn key(&self, _: &PodInfo, _: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
    fn prepare(&self, (): &(), _: &PodInfo, cx: &mut dyn Prepare) -> Prepared<TopologyId> {
        Prepared { state: cx.topology(&"zone".into()), filters: true, scores: true }
    }
    fn filter(&self, _: &TopologyId, node: &NodeView<'_>) -> Verdict {
        let bad = node.spec().labels.get("zone").is_none_or(|zone| zone.as_str().starts_with("bad"));
        if bad { Verdict::unresolvable(0) } else { Verdict::PASS }
    }
    fn score(&self, _: &TopologyId, node: &NodeView<'_>) -> i64 {
        let zone = node.spec().labels.get("zone");
        i64::from(zone.is_some_and(|zone| zone.as_str().ends_with("best"))) * 100
    }
    fn filters_by(&self, state: &TopologyId) -> Option<TopologyId> {
        Some(*state)
    }
    fn scores_by(&self, state: &TopologyId) -> Option<TopologyId> {
        Some(*state)
    }
}

#[test]
fn a_topology_that_outgrows_its_groups_keeps_its_answers() {
    let mut engine = engine(Plugin::new("Hostile").with_node(Zones));
    for n in 0..100 {
        engine.set_node(node(&format!("bad{n:03}"), &[("zone", "bad")]));
    }
    engine.set_node(node("good-best", &[("zone", "good-best")]));
    for n in 0..70 {
        engine.set_node(node(&format!("good{n:03}"), &[("zone", &format!("good{n:03}"))]));
        let kept = engine.decide(&pod("a"), 1, Depth::Decide);
        assert_eq!(kept.feasible, n + 2, "after {n} zones");
        assert_eq!(kept.node.as_deref().map(ToString::to_string), Some("good-best".to_owned()), "after {n} zones");
    }
    let [kept, anew] = both(&mut engine, &pod("a"));
    assert_eq!(kept, anew);
}

/// Scores the feasible nodes as a whole: by the label `rank`, or by the number of pods.
struct Whole {
    by_label: bool,
}

fn proportion(raw: i64, bounds: Bounds) -> i64 {
    if bounds.max > bounds.min { 100 * (raw - bounds.min) / (bounds.max - bounds.min) } else { 0 }
}

impl NodePlugin for Whole {
    type Key = ();
    type State = ();
    fn reads(&self) -> Reads {
        if self.by_label { Reads::SPEC } else { Reads::LOAD.and(Reads::PODS) }
    }
    fn key(&self, _: &PodInfo, _: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
    fn prepare(&self, (): &(), _: &PodInfo, _: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: false, scores: true }
    }
    fn normalization(&self) -> Normalization {
        Normalization::Whole(proportion)
    }
    fn score_feasible(&self, (): &(), feasible: &[Slot], cluster: &dyn Cluster, out: &mut [i64]) {
        for (slot, out) in feasible.iter().zip(out) {
            let info = cluster.nodes()[slot.index()].as_ref().expect("feasible nodes are there");
            *out = if self.by_label {
                info.spec.labels.get("rank").and_then(|rank| rank.as_str().parse().ok()).unwrap_or(0)
            } else {
                -(info.pods.len() as i64)
            };
        }
    }
}

#[test]
fn whole_scores_follow_the_load() {
    let mut engine = engine(Plugin::new("Hostile").with_node(Whole { by_label: false }));
    for n in 0..3 {
        engine.set_node(node(&format!("n{n}"), &[]));
    }
    for n in 0..6 {
        let [kept, anew] = both_after(&mut engine, &format!("p{n}"));
        assert_eq!(kept, anew, "pod {n}");
    }
}

/// The kept decision of a pod that is then placed, and that of an engine that keeps nothing.
fn both_after(engine: &mut Engine, uid: &str) -> [Option<Str>; 2] {
    let pod = pod(uid);
    let kept = engine.decide(&pod, 1, Depth::Decide).node;
    let best: Vec<(i64, Str)> =
        engine.cluster().node_infos().map(|info| (info.pods.len() as i64, info.spec.name.clone())).collect();
    let fewest = best.iter().map(|(pods, _)| *pods).min();
    let right = best.iter().any(|(pods, name)| Some(*pods) == fewest && Some(name) == kept.as_ref());
    let expected = if right { kept.clone() } else { None };
    if let Some(node) = &kept {
        engine.assume(&pod, node);
    }
    [kept, expected]
}

#[test]
fn whole_scores_follow_the_labels() {
    let mut engine = engine(Plugin::new("Hostile").with_node(Whole { by_label: true }));
    for n in 0..3 {
        engine.set_node(node(&format!("n{n}"), &[("rank", if n == 0 { "9" } else { "1" })]));
    }
    assert_eq!(engine.decide(&pod("a"), 1, Depth::Decide).node, Some("n0".into()));
    engine.set_node(node("n2", &[("rank", "50")]));
    assert_eq!(engine.decide(&pod("a"), 1, Depth::Decide).node, Some("n2".into()));
}

/// Scores what it is told, and turns down nodes labelled `no`.
struct Raw(i64);

impl NodePlugin for Raw {
    type Key = ();
    type State = ();
    fn reads(&self) -> Reads {
        Reads::SPEC
    }
    fn key(&self, _: &PodInfo, _: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
    fn prepare(&self, (): &(), _: &PodInfo, _: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: true, scores: true }
    }
    fn filter(&self, (): &(), node: &NodeView<'_>) -> Verdict {
        if node.spec().labels.contains("no") { Verdict::unresolvable(0) } else { Verdict::PASS }
    }
    fn score(&self, (): &(), _: &NodeView<'_>) -> i64 {
        self.0
    }
}

#[test]
fn one_feasible_node_needs_no_score() {
    // kube-scheduler's schedulePod returns the only feasible node before it scores.
    let mut engine = engine(Plugin::new("Hostile").with_node(Raw(101)));
    engine.set_node(node("a", &[]));
    engine.set_node(node("b", &[("no", "")]));
    let cycle = engine.decide(&pod("p"), 1, Depth::Decide);
    assert_eq!(cycle.node, Some("a".into()), "{}", cycle.message);
    // kube-scheduler would have no scores for it either: it would fail.
    let explained = engine.decide(&pod("p"), 1, Depth::Explain);
    let nodes = engine.record(&explained).nodes.expect("it is explained");
    assert!(nodes[0].feasible && nodes[0].scores.is_empty() && nodes[0].total.is_none(), "{:?}", nodes[0]);
}

#[test]
fn explain_and_decide_agree_on_a_nominated_node() {
    let mut engine = engine(Plugin::new("Hostile").with_node(Raw(101)));
    engine.set_node(node("a", &[]));
    engine.set_node(node("b", &[]));
    let pod = Arc::new(PodInfo { nominated_node_name: Some("a".into()), ..PodInfo::clone(&pod("p")) });
    let decided = engine.decide(&pod, 1, Depth::Decide);
    let explained = engine.decide(&pod, 1, Depth::Explain);
    assert_eq!((decided.node, decided.message), (explained.node, explained.message));
}

#[test]
fn removed_and_replaced_in_its_slot() {
    let _ = (PodRequests::default(), Resources::default());
    let mut engine = engine(Plugin::new("Hostile").with_node(Whole { by_label: true }));
    for n in 0..64 {
        engine.set_node(node(&format!("n{n:02}"), &[("rank", "1")]));
    }
    engine.set_node(node("n63", &[("rank", "2")]));
    assert_eq!(engine.decide(&pod("a"), 1, Depth::Decide).node, Some("n63".into()));
    engine.remove_node("n63");
    engine.set_node(node("n63", &[("rank", "0")]));
    engine.set_node(node("n10", &[("rank", "0")]));
    let cycle = engine.decide(&pod("a"), 1, Depth::Decide);
    assert!(cycle.node != Some("n63".into()) && cycle.node != Some("n10".into()));
}

/// The built-in plugins over a topology whose number of domains goes over 63 and back, with nominations, against an
/// engine that keeps nothing.
#[test]
fn many_zones_come_and_go() {
    use loadline_parity::World;
    use rand::{RngExt, SeedableRng};
    use serde_json::json;
    let nodes = (0..80).map(|n| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("n{n:02}"), "uid": format!("n{n}"),
            "labels": {"zone": format!("z{n}"), "kubernetes.io/hostname": format!("n{n:02}")}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "6"}}})
    });
    let relabelled = (0..80).map(|n| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("r{n:02}"), "uid": format!("r{n}"),
            "labels": {"zone": format!("z{}", n % 7)}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "6"}}})
    });
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "a"}}});
    let spread = |when: &str| json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "a"}}}]);
    let specs = [
        json!({"topologySpreadConstraints": spread("DoNotSchedule")}),
        json!({"topologySpreadConstraints": spread("ScheduleAnyway")}),
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}),
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}),
        json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": term}]}}}),
        json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": term}]}}}),
        json!({}),
    ];
    let pods = specs.iter().enumerate().flat_map(|(n, spec)| {
        [0, 10].map(|priority| {
            let mut spec = spec.clone();
            spec["schedulerName"] = json!("default-scheduler");
            spec["priority"] = json!(priority);
            spec["containers"] = json!([{"name": "c", "image": "x", "resources": {"requests": {"cpu": "1"}}}]);
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": format!("p{n}-{priority}"),
                "uid": format!("p{n}-{priority}"), "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": if n % 3 == 2 { "b" } else { "a" }}},
                "spec": spec})
        })
    });
    let objects: Vec<_> = nodes.chain(relabelled).chain(pods).collect();
    let names = (0..specs.len()).flat_map(|n| [0, 10].map(|p| format!("default/p{n}-{p}"))).collect();
    let request = loadline_parity::Request { id: "zones".into(), config: String::new(), objects, pods: names };
    let world = World::read(&request).expect("valid");
    let all: Vec<Arc<NodeSpec>> = world.cluster.nodes().cloned().collect();
    for seed in 0..6 {
        let mut dice = rand_pcg::Pcg64::seed_from_u64(seed);
        let mut engines = [0, 1].map(|_| Engine::new(world.profiles.clone(), Settings::default()));
        let mut placed: Vec<Str> = Vec::new();
        for node in &all[..55] {
            for engine in &mut engines {
                drop(engine.set_node(node.clone()));
            }
        }
        for step in 0..700 {
            let pod = &world.judged[dice.random_range(0..world.judged.len())];
            let pod = Arc::new(PodInfo { uid: format!("{seed}-{step}").into(), ..PodInfo::clone(pod) });
            let node = &all[dice.random_range(0..all.len())];
            let what = dice.random_range(0..100);
            let victim = if placed.is_empty() { None } else { Some(dice.random_range(0..placed.len())) };
            match what {
                0..8 => engines.iter_mut().for_each(|engine| drop(engine.set_node(node.clone()))),
                8..12 => engines.iter_mut().for_each(|engine| drop(engine.remove_node(&node.name))),
                12..16 => {
                    // The labels of another node: the zone changes.
                    let other = &all[dice.random_range(0..all.len())];
                    if engines[0].cluster().node(&node.name).is_some() {
                        let changed = Arc::new(NodeSpec { labels: other.labels.clone(), ..NodeSpec::clone(node) });
                        for engine in &mut engines {
                            drop(engine.set_node(changed.clone()));
                        }
                    }
                }
                16..24 => {
                    if let Some(victim) = victim {
                        let uid = placed.swap_remove(victim);
                        for engine in &mut engines {
                            drop(engine.remove_pod(&uid));
                        }
                    }
                }
                24..30 => engines.iter_mut().for_each(|engine| engine.nominate(pod.clone(), node.name.clone())),
                30..34 => {
                    let uid = format!("{seed}-{}", dice.random_range(0..=step));
                    for engine in &mut engines {
                        drop(engine.end_nomination(&uid));
                    }
                }
                _ => {
                    engines[1].drop_kept();
                    let [a, b] = engines.each_mut().map(|engine| {
                        let cycle = engine.decide(&pod, 1, Depth::Decide);
                        (cycle.node, cycle.feasible, cycle.message, cycle.victims.len())
                    });
                    assert_eq!(a, b, "seed {seed}, step {step}, {}", pod.name);
                    if let Some(node) = a.0 {
                        placed.push(pod.uid.to_string().into());
                        for engine in &mut engines {
                            engine.assume(&pod, &node);
                        }
                    }
                }
            }
        }
    }
}
