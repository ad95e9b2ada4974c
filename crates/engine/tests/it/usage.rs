//! Placing by what nodes really use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_engine::{Depth, Engine, Event, Scheduler, Settings};
use loadline_framework::{Profiles, UsageSample, UsageSource};
use loadline_model::{GroupApi, GroupKey, NodeSpec, PodGroupInfo, PodInfo, PodRequests, Resources, Str, Time};
use loadline_parity::profiles;
use proptest::prelude::*;

const SECOND: Time = 1_000_000_000;
const MI: i64 = 1 << 20;
const GI: i64 = 1 << 30;
/// When the clock of the source begins.
const START: Time = 1_000_000 * SECOND;

/// All three plugins, in one profile.
fn by_all() -> Profiles {
    let config = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{
        "plugins": {"score": {"enabled": [{"name": "MemRealUsage"}, {"name": "CpuRealUsage", "weight": 2}, {"name": "RealUsageAllocated"}]}},
        "pluginConfig": [
            {"name": "MemRealUsage", "args": {"prometheusApiAddr": "http://127.0.0.1:9090"}},
            {"name": "CpuRealUsage", "args": {"prometheusApiAddr": "http://127.0.0.1:9090"}},
            {"name": "RealUsageAllocated", "args": {"prometheusApiAddr": "http://127.0.0.1:9090"}}]}]}"#;
    profiles(config).expect("the configuration is valid")
}

/// MemRealUsage is the only score.
fn by_memory() -> Profiles {
    let config = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{
        "plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "MemRealUsage"}]}},
        "pluginConfig": [{"name": "MemRealUsage", "args": {"prometheusApiAddr": "http://127.0.0.1:9090"}}]}]}"#;
    profiles(config).expect("the configuration is valid")
}

fn node(name: &str) -> Arc<NodeSpec> {
    let allocatable = Resources { milli_cpu: 16_000, memory: 16 * GI, ..Resources::default() };
    Arc::new(NodeSpec { name: name.into(), allocatable, allowed_pods: 200, ..NodeSpec::default() })
}

fn pod(name: &str) -> PodInfo {
    // As one container that asks for 200 MiB.
    let requested = Resources { milli_cpu: 100, memory: 200 * MI, ..Resources::default() };
    let requests = PodRequests {
        spec: requested.clone(),
        usage: requested.clone(),
        non_zero_milli_cpu: 100,
        non_zero_memory: 200 * MI,
        score: requested,
    };
    PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        scheduler_name: "default-scheduler".into(),
        requests: Arc::new(requests),
        ..PodInfo::default()
    }
}

/// A scheduler with nodes, and the source that it listens to.
struct World {
    scheduler: Scheduler,
    source: Arc<UsageSource>,
    placed: BTreeMap<Str, Vec<Arc<PodInfo>>>,
}

impl World {
    fn new(nodes: &[&str]) -> Self {
        let profiles = by_memory();
        let source = profiles.usage_sources()[0].clone();
        let mut scheduler = Scheduler::new(profiles, Settings::default());
        for name in nodes {
            scheduler.apply(Event::Node(node(name)), 0);
        }
        let placed = nodes.iter().map(|name| ((*name).into(), Vec::new())).collect();
        Self { scheduler, source, placed }
    }

    fn measured(&mut self, at: Time, percent: &[(&str, f64)]) {
        let sample = |(name, percent): &(&str, f64)| {
            (Str::from(*name), UsageSample { milli_percent: (percent * 1000.0) as i64, at, window_seconds: None })
        };
        let samples = percent.iter().map(sample).collect();
        self.scheduler.apply(Event::Usage(self.source.clone(), at, Some(samples)), 0);
    }

    /// Creates pods, and has them bound. Where they went.
    fn place(&mut self, names: impl Iterator<Item = String>) {
        for name in names {
            self.scheduler.apply(Event::Pod(Arc::new(pod(&name))), 0);
            let (attempt, _) = self.scheduler.schedule_one(0).expect("a pod waits");
            let node = attempt.cycle.node.expect("there is room");
            let bound = Arc::new(PodInfo { node_name: Some(node.clone()), ..pod(&name) });
            self.scheduler.bound(&name, Ok(()), 0);
            self.scheduler.apply(Event::Pod(bound.clone()), 0);
            self.placed.get_mut(&node).expect("a node of the test").push(bound);
        }
    }

    /// The kubelets have started everything that is placed.
    fn start_all(&mut self, at: Time) {
        for pod in self.placed.values_mut().flatten().filter(|pod| pod.running_since.is_none()) {
            Arc::make_mut(pod).running_since = Some(at);
            self.scheduler.apply(Event::Pod(pod.clone()), 0);
        }
    }

    fn spread(&self) -> Vec<usize> {
        self.placed.values().map(Vec::len).collect()
    }

    fn unsampled(&mut self) -> Vec<String> {
        let unsampled = self.scheduler.engine_mut().unsampled_nodes();
        unsampled.into_iter().flat_map(|(_, nodes)| nodes).map(|name| name.to_string()).collect()
    }
}

fn evenly_spread(found: &[usize]) -> bool {
    found.iter().max().zip(found.iter().min()).is_some_and(|(most, least)| most - least <= 1)
}

#[test]
fn a_node_under_memory_stress_scores_nothing_and_gets_no_pod_of_a_rollout() {
    let mut world = World::new(&["a", "b", "c", "d"]);
    world.measured(START, &[("a", 12.0), ("b", 14.0), ("c", 13.0), ("d", 92.0)]);
    world.place((0..30).map(|n| format!("p{n}")));
    assert_eq!(world.spread()[3], 0, "{:?}", world.spread());
    let engine = world.scheduler.engine_mut();
    let cycle = engine.decide(&Arc::new(pod("seen")), 1, Depth::Explain);
    let record = engine.record(&cycle);
    let scores: Vec<(i64, i64)> =
        record.nodes.unwrap().iter().map(|n| &n.scores["MemRealUsage"]).map(|s| (s.raw, s.normalized)).collect();
    assert_eq!(scores[3], (92_000, 0));
    assert!(scores[..3].iter().all(|(_, score)| *score > 0), "{scores:?}");
}

#[test]
fn a_herd_is_spread_also_while_the_average_lags() {
    let mut world = World::new(&["a", "b", "c", "d"]);
    let equal = [("a", 20.0), ("b", 20.0), ("c", 20.0), ("d", 20.0)];
    world.measured(START, &equal);
    world.place((0..30).map(|n| format!("first{n}")));
    assert!(evenly_spread(&world.spread()), "{:?}", world.spread());
    // A minute later they run, and a fifth of their use is in the average of five minutes.
    world.start_all(START + 2 * SECOND);
    let use_of = |pods: usize| 20.0 + 100.0 * pods as f64 * 200.0 / (16.0 * 1024.0) * 58.0 / 300.0;
    let spread = world.spread();
    let lagging: Vec<(&str, f64)> = ["a", "b", "c", "d"].into_iter().zip(spread.iter().map(|n| use_of(*n))).collect();
    world.measured(START + 60 * SECOND, &lagging);
    world.place((0..30).map(|n| format!("second{n}")));
    assert!(evenly_spread(&world.spread()), "{:?}", world.spread());
}

#[test]
fn without_any_sample_the_requests_spread_a_herd() {
    let mut world = World::new(&["a", "b", "c"]);
    world.place((0..10).map(|n| format!("p{n}")));
    assert!(evenly_spread(&world.spread()), "{:?}", world.spread());
    assert_eq!(world.unsampled(), ["a", "b", "c"]);
    world.measured(START, &[("a", 1.0), ("c", 1.0)]);
    assert_eq!(world.unsampled(), ["b"]);
}

#[test]
fn a_full_node_that_alone_has_a_sample_is_not_where_all_go() {
    let mut world = World::new(&["a", "b", "c"]);
    // What is on them requests as much as the one with a sample: 20 pods of 200 MiB.
    for (at, node) in ["a", "b", "c"].into_iter().enumerate() {
        for number in 0..20 {
            let pod =
                PodInfo { node_name: Some(node.into()), running_since: Some(0), ..pod(&format!("{at}-{number}")) };
            world.scheduler.apply(Event::Pod(Arc::new(pod)), 0);
        }
    }
    world.measured(START, &[("a", 95.0)]);
    world.place((0..9).map(|n| format!("p{n}")));
    assert_eq!(world.spread(), [3, 3, 3]);
}

#[test]
fn what_was_measured_of_a_machine_says_nothing_of_the_next_one_of_its_name() {
    let mut world = World::new(&["a", "b"]);
    world.measured(START, &[("a", 90.0), ("b", 10.0)]);
    assert_eq!(world.unsampled(), [""; 0]);
    let again = NodeSpec { uid: "again".into(), created: Some(START + 5 * SECOND), ..NodeSpec::clone(&node("a")) };
    world.scheduler.apply(Event::NodeGone("a".into()), 0);
    world.scheduler.apply(Event::Node(Arc::new(again)), 0);
    world.measured(START + 10 * SECOND, &[("b", 10.0)]);
    assert_eq!(world.unsampled(), ["a"]);
    world.measured(START + 20 * SECOND, &[("a", 20.0), ("b", 10.0)]);
    assert_eq!(world.unsampled(), [""; 0]);
}

#[test]
fn a_pod_that_ran_since_ever_is_in_the_average() {
    let mut world = World::new(&["a", "b"]);
    let old = PodInfo { node_name: Some("a".into()), running_since: Some(Time::MIN), ..pod("old") };
    world.scheduler.apply(Event::Pod(Arc::new(old)), 0);
    world.measured(START, &[("a", 10.0), ("b", 11.0)]);
    world.place(["p".to_owned()].into_iter());
    assert_eq!(world.spread(), [1, 0]);
}

#[test]
fn what_a_gang_that_did_not_fit_would_have_used_is_forgotten() {
    let config = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{
        "plugins": {
            "multiPoint": {"enabled": [{"name": "Coscheduling"}], "disabled": [{"name": "PrioritySort"}]},
            "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "MemRealUsage"}]}},
        "pluginConfig": [{"name": "MemRealUsage", "args": {"prometheusApiAddr": "http://127.0.0.1:9090"}}]}]}"#;
    let key = Arc::new(GroupKey { namespace: "default".into(), name: "gang".into(), api: GroupApi::Crd });
    let measured = |scheduler: &mut Scheduler| {
        let samples = [("a", 10), ("b", 20)];
        let sample = |percent: i64| UsageSample { milli_percent: percent * 1000, at: START, window_seconds: None };
        let samples = samples.into_iter().map(|(name, percent)| (name.into(), sample(percent))).collect();
        let source = profiles(config).unwrap().usage_sources()[0].clone();
        scheduler.apply(Event::Usage(source, START, Some(samples)), 0);
    };
    let world = || {
        let mut scheduler = Scheduler::new(profiles(config).unwrap(), Settings::default());
        for name in ["a", "b"] {
            scheduler.apply(Event::Node(node(name)), 0);
        }
        measured(&mut scheduler);
        scheduler
    };
    let mut scheduler = world();
    // Which scores are kept from then on.
    seen(scheduler.engine_mut());
    scheduler.apply(Event::PodGroup(PodGroupInfo::gang(GroupKey::clone(&key), 3)), 0);
    for number in 0..3 {
        // Each takes most of a node, of which there are two.
        let one = pod(&format!("gang-{number}"));
        let most = Resources { milli_cpu: 9_000, memory: 4 * GI, ..Resources::default() };
        let requests = PodRequests {
            spec: most.clone(),
            usage: most.clone(),
            non_zero_milli_cpu: most.milli_cpu,
            non_zero_memory: most.memory,
            score: most,
        };
        let one = PodInfo { requests: Arc::new(requests), pod_group: Some(key.clone()), ..one };
        scheduler.apply(Event::Pod(Arc::new(one)), 0);
    }
    let (attempt, _) = scheduler.schedule_one(0).expect("a gang waits");
    assert_eq!(attempt.cycle.node, None, "there is no room for three");
    let mut anew = world();
    assert_eq!(seen(scheduler.engine_mut()), seen(anew.engine_mut()));
}

#[test]
fn a_node_without_a_sample_has_ties_go_by_requests_at_once() {
    // Fuller ones beside them, so that a change of one node is a small one.
    let mut world = World::new(&["a", "b", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"]);
    let full = ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"].map(|name| (name, 80.0));
    let ran_long = PodInfo { node_name: Some("a".into()), running_since: Some(START - 1000 * SECOND), ..pod("there") };
    world.scheduler.apply(Event::Pod(Arc::new(ran_long)), 0);
    world.measured(START, &[&[("a", 20.0), ("b", 20.0)], &full[..]].concat());
    let chosen = |world: &mut World| {
        let engine = world.scheduler.engine_mut();
        let nodes = (0..20).map(|n| engine.decide(&Arc::new(pod(&format!("p{n}"))), 1, Depth::Decide).node.unwrap());
        nodes.collect::<BTreeSet<Str>>()
    };
    assert_eq!(chosen(&mut world), ["a".into(), "b".into()].into(), "all of it is in the samples");
    let closed = NodeSpec { unschedulable: true, ..NodeSpec::clone(&node("c")) };
    world.scheduler.apply(Event::Node(Arc::new(closed)), 0);
    assert_eq!(chosen(&mut world), ["b".into()].into());
}

#[test]
fn samples_grow_stale_and_scheduling_goes_on() {
    let mut world = World::new(&["a", "b"]);
    world.measured(START, &[("a", 90.0), ("b", 10.0)]);
    let silent = |world: &mut World, at| {
        let source = world.source.clone();
        world.scheduler.apply(Event::Usage(source, at, None), 0);
    };
    silent(&mut world, START + 180 * SECOND);
    world.place((0..4).map(|n| format!("p{n}")));
    assert_eq!(world.spread(), [0, 4], "what is known still counts");
    silent(&mut world, START + 181 * SECOND);
    assert_eq!(world.unsampled(), ["a", "b"]);
    world.place((4..8).map(|n| format!("p{n}")));
    assert_eq!(world.spread(), [4, 4], "requests alone are left");
    let other = Arc::new(UsageSource { window_seconds: 1, ..(*world.source).clone() });
    world.scheduler.apply(
        Event::Usage(
            other,
            START,
            Some(vec![("a".into(), UsageSample { milli_percent: 0, at: START, window_seconds: None })]),
        ),
        0,
    );
    assert_eq!(world.unsampled(), ["a", "b"], "nobody asked for that source");
}

#[test]
fn samples_outlive_a_change_of_the_configuration_that_keeps_their_source() {
    let mut world = World::new(&["a", "b"]);
    world.measured(START, &[("a", 90.0), ("b", 10.0)]);
    world.scheduler.set_profiles(by_memory(), 0);
    assert_eq!(world.unsampled(), [""; 0]);
    world.place(["p".to_owned()].into_iter());
    assert_eq!(world.spread(), [0, 1]);
    world.scheduler.set_profiles(profiles("").unwrap(), 0);
    assert_eq!(world.scheduler.engine_mut().unsampled_nodes(), []);
}

#[derive(Clone, Debug)]
enum Change {
    Sample(usize, i64),
    Silence(i64),
    Node(usize),
    NodeGone(usize),
    Cordon(usize),
    Place(usize, usize, bool),
    Start(usize, i64),
    Gone(usize),
}

const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Nodes between them by name, which stay as they are and fill a stretch of what is summed up together.
const OTHERS: usize = 64;

fn others() -> impl Iterator<Item = (Str, UsageSample)> {
    (0..OTHERS).map(|number| {
        let milli_percent = 25_000 + number as i64 * 997 % 50_000;
        (Str::from(format!("b{number:02}")), UsageSample { milli_percent, at: START, window_seconds: None })
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let node = || 0..NODES.len();
    let change = prop_oneof![
        4 => (node(), 0..100_i64).prop_map(|(node, percent)| Change::Sample(node, percent)),
        1 => (0..400_i64).prop_map(Change::Silence),
        1 => node().prop_map(Change::Node),
        1 => node().prop_map(Change::NodeGone),
        2 => node().prop_map(Change::Cordon),
        4 => (0..12_usize, node(), any::<bool>()).prop_map(|(pod, node, runs)| Change::Place(pod, node, runs)),
        2 => (0..12_usize, 0..400_i64).prop_map(|(pod, since)| Change::Start(pod, since)),
        1 => (0..12_usize).prop_map(Change::Gone),
    ];
    prop::collection::vec(change, 1..60)
}

fn seen(engine: &mut Engine) -> String {
    let cycle = engine.decide(&Arc::new(pod("asked")), 1, Depth::Explain);
    format!("{:?} {:?} {:?}", cycle.node, cycle.tie_broken_by, engine.record(&cycle))
}

/// Both resources are used alike.
fn hear(engine: &mut Engine, sources: &[Arc<UsageSource>], now: Time, samples: Option<&BTreeMap<Str, UsageSample>>) {
    for source in sources {
        engine.hear_usage(source, now, samples.map(|samples| samples.clone().into_iter().collect()));
    }
}

proptest! {
    /// What is kept up to date is what a new engine makes of the same facts.
    #[test]
    fn what_is_kept_equals_what_is_computed_anew(changes in changes()) {
        let sources = by_all().usage_sources();
        prop_assert_eq!(sources.len(), 2);
        let mut kept = Engine::new(by_all(), Settings::default());
        let mut nodes = BTreeMap::new();
        let mut pods: BTreeMap<usize, (usize, Option<Time>)> = BTreeMap::new();
        let mut samples: BTreeMap<Str, UsageSample> = others().collect();
        let mut now = START;
        let placed = |number: usize, since: Option<Time>, on: usize| {
            let pod = pod(&format!("p{number}"));
            Arc::new(PodInfo { running_since: since, node_name: Some(NODES[on].into()), ..pod })
        };
        for name in NODES {
            nodes.insert(name, node(name));
            kept.set_node(node(name));
        }
        for (name, _) in others() {
kept.set_node(node(&name));
}
        hear(&mut kept, &sources, now, Some(&samples));
        for change in changes {
            match change {
                Change::Sample(node, percent) => {
                    now += SECOND;
                    samples.insert(NODES[node].into(), UsageSample { milli_percent: percent * 1000, at: now, window_seconds: None });
                    hear(&mut kept, &sources, now, Some(&samples));
                }
                Change::Silence(seconds) => {
                    now += seconds * SECOND;
                    hear(&mut kept, &sources, now, None);
                }
                Change::Node(at) => {
                    nodes.insert(NODES[at], node(NODES[at]));
                    kept.set_node(node(NODES[at]));
                }
                Change::Cordon(at) => {
                    let closed = Arc::new(NodeSpec { unschedulable: true, ..NodeSpec::clone(&node(NODES[at])) });
                    nodes.insert(NODES[at], closed.clone());
                    kept.set_node(closed);
                }
                Change::NodeGone(at) => {
                    nodes.remove(NODES[at]);
                    kept.remove_node(NODES[at]);
                }
                Change::Place(number, on, runs) => {
                    let since = runs.then_some(now);
                    pods.insert(number, (on, since));
                    kept.set_placed_pod(placed(number, since, on), &NODES[on].into());
                }
                Change::Start(number, since) => {
                    if let Some((on, started)) = pods.get_mut(&number) {
                        *started = Some(START + since * SECOND);
                        kept.set_placed_pod(placed(number, *started, *on), &NODES[*on].into());
                    }
                }
                Change::Gone(number) => {
                    pods.remove(&number);
                    kept.remove_pod(&format!("p{number}"));
                }
            }
            let mut anew = Engine::new(by_all(), Settings::default());
            for node in nodes.values() {
                anew.set_node(node.clone());
            }
            for (name, _) in others() {
anew.set_node(node(&name));
}
            for (number, (on, since)) in &pods {
                anew.set_placed_pod(placed(*number, *since, *on), &NODES[*on].into());
            }
            hear(&mut anew, &sources, now, Some(&samples));
            prop_assert_eq!(seen(&mut kept), seen(&mut anew));
        }
    }
}
