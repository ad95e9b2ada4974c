//! What holds of every plan, on random clusters: each move is one that the scheduler would make, the balance never gets worse,
//! limits hold, whoever must not be moved is not, and plans come to an end.

#![allow(clippy::panic, reason = "so a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::record::{NodeRecord, Outcome};
use loadline_model::{GroupApi, GroupKey, Marks, NodeSpec, Owner, PodInfo, Str};
use loadline_parity::{Profile, World, generate};
use loadline_rescheduler::{Limits, MAINTENANCE, Options, Plan, RESCHEDULING, Resource, Situation, Strategy, plan};
use loadline_simulator::nominate_pending;

/// Clusters of each of the nine profiles.
const SEEDS: u64 = 56;
/// Rounds after which a cluster has to be at rest.
const ROUNDS: usize = 60;
/// Long after all pods of the generator were made.
const NOW: i64 = i64::MAX / 2;
/// Some nodes of the generator have a byte of memory: of what pods use there no part is a number.
const ABSURD: f64 = 1e9;
/// Above this share of all pods is no rounding.
const SLACK: f64 = 0.01;

/// A cluster, and who must stay where he is in it.
struct Case {
    name: String,
    engine: Engine,
    stay: BTreeSet<Str>,
    options: Options,
}

/// A number that follows from two, for choices.
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 29;
    x.wrapping_mul(0x94d0_49bb_1331_11eb) >> 17
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |hash, byte| mix(hash, u64::from(byte)))
}

/// A pod of one of the kinds that are never moved.
fn protected(pod: &PodInfo, kind: u64) -> PodInfo {
    let owned = |kind: &str| {
        Some(Arc::new(Owner { api_version: "v1".into(), kind: kind.into(), name: "o".into(), uid: "o".into() }))
    };
    let labelled = |key: &str, value: &str| {
        let own = pod.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Arc::new(own.chain([(key, value)]).collect())
    };
    let pod = pod.clone();
    match kind {
        0 => PodInfo { marks: pod.marks.and(Marks::MIRROR), ..pod },
        1 => PodInfo { marks: pod.marks.and(Marks::STATIC), ..pod },
        2 => PodInfo { owner: owned("DaemonSet"), ..pod },
        3 => PodInfo { owner: owned("Job"), ..pod },
        4 => PodInfo { deleted: Some(1), ..pod },
        5 => PodInfo { priority: 2_000_000_000, ..pod },
        6 | 7 => {
            let group = GroupKey { namespace: pod.namespace.clone(), name: "g".into(), api: GroupApi::Crd };
            PodInfo { pod_group: Some(Arc::new(group)), ..pod }
        }
        8 => PodInfo { labels: labelled(RESCHEDULING, "disabled"), ..pod },
        9 => PodInfo { marks: pod.marks.and(Marks::NOT_SAFE_TO_EVICT), ..pod },
        10 => PodInfo { marks: pod.marks.and(Marks::DO_NOT_DISRUPT), ..pod },
        11 => PodInfo { marks: pod.marks.and(Marks::PREFER_NO_EVICTION), ..pod },
        12 => PodInfo { marks: pod.marks.and(Marks::LOCAL_STORAGE), ..pod },
        13 => PodInfo { created: Some(NOW - 1), ..pod },
        14 => PodInfo { scheduler_name: "nobody".into(), ..pod },
        15 => PodInfo { owner: None, ..pod },
        _ => PodInfo { namespace: "kube-system".into(), ..pod },
    }
}
/// Number of kinds of [`protected`].
const KINDS: u64 = 17;

fn case(profile: Profile, seed: u64, strategies: Vec<Strategy>) -> Case {
    let request = generate(profile, seed);
    let world = World::read(&request).unwrap_or_else(|error| panic!("{}: {error}", request.id));
    let mut engine = world.cluster.engine(world.profiles.clone(), Settings { seed, ..Settings::default() });
    nominate_pending(&world.cluster, &world.profiles, &mut engine);
    let dice = mix(hash(profile.as_str()), seed);
    // A few nodes are to be emptied.
    let specs: Vec<Arc<NodeSpec>> = engine.cluster().node_infos().map(|info| info.spec.clone()).collect();
    for spec in specs.iter().filter(|spec| mix(dice, hash(&spec.name)).is_multiple_of(9)) {
        let own = spec.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = Arc::new(own.chain([(MAINTENANCE, "true")]).collect());
        engine.set_node(Arc::new(NodeSpec { labels, ..(**spec).clone() }));
    }
    // Some pods are of kinds that stay, all others have an owner with several.
    let mut stay = BTreeSet::new();
    let pods: Vec<_> = engine.cluster().pods().cloned().collect();
    for known in pods {
        let draw = mix(dice, hash(&known.pod.uid));
        let owner = Owner {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: format!("set-{}", draw % 5).into(),
            uid: "set".into(),
        };
        let mut pod = PodInfo { owner: Some(Arc::new(owner)), ..(*known.pod).clone() };
        if (draw >> 8).is_multiple_of(4) {
            pod = protected(&pod, (draw >> 16) % KINDS);
            stay.insert(pod.uid.clone());
        }
        engine.set_placed_pod(Arc::new(pod), &known.node);
    }
    let limit = |number: u64| (!number.is_multiple_of(3)).then_some(number as usize % 4 + 1);
    let limits = match seed % 4 {
        0 => {
            Limits { round: limit(dice), node: limit(dice >> 4), namespace: limit(dice >> 8), owner: limit(dice >> 12) }
        }
        _ => Limits::default(),
    };
    let high = 50.0 + (dice >> 20) as f64 % 40.0;
    let options = Options {
        cpu_threshold: high,
        memory_threshold: high,
        strategies,
        imbalance_threshold: 10.0 + (dice >> 30) as f64 % 20.0,
        // Requests of the generator are small beside its nodes.
        min_gain: 0.5,
        allow_single_replica: true,
        limits,
        ..Options::default()
    };
    Case { name: request.id, engine, stay, options }
}

fn situation() -> Situation {
    Situation { now: NOW, ..Situation::default() }
}

/// The cluster with every move done, as the scheduler would have done each: for the pod that replaces another, the target has
/// to be the best of the nodes that it may go to, by an engine that keeps nothing.
fn carried_out(case: &Case, made: &Plan) -> Engine {
    let mut engine = case.engine.fork();
    engine.set_keeping(false);
    let infos = case.engine.cluster().node_infos();
    let is_marked = |spec: &NodeSpec| spec.labels.get(MAINTENANCE).is_some_and(|value| *value == *"true");
    let marked: BTreeSet<String> =
        infos.filter(|info| is_marked(&info.spec)).map(|info| info.spec.name.to_string()).collect();
    for step in &made.moves {
        let what = || format!("{}: {} from {} to {}", case.name, step.name, step.from, step.to);
        let known = engine.remove_pod(&step.uid).unwrap_or_else(|| panic!("{}: it is on no node", what()));
        assert_eq!(known.node, *step.from, "{}", what());
        let fresh = PodInfo {
            node_name: None,
            nominated_node_name: None,
            created: Some(NOW),
            running_since: None,
            ..(*known.pod).clone()
        };
        let fresh = Arc::new(fresh);
        engine.trim();
        engine.visit_from(0);
        let cycle = engine.decide(&fresh, 1, Depth::Explain);
        let decision = engine.record(&cycle);
        assert_eq!(decision.result, Outcome::Feasible, "{}: {}", what(), decision.message);
        let open = |node: &&NodeRecord| node.feasible && node.name != step.from && !marked.contains(&node.name);
        let nodes = decision.nodes.unwrap_or_default();
        let target = nodes.iter().filter(open).find(|node| node.name == step.to);
        let target = target.unwrap_or_else(|| panic!("{}: a filter turns it down", what()));
        let best = nodes.iter().filter(open).map(|node| node.total).max();
        assert_eq!(Some(target.total), best, "{}: others score better", what());
        let to: Str = step.to.as_str().into();
        let pod = PodInfo { node_name: Some(to.clone()), created: known.pod.created, ..(*fresh).clone() };
        engine.set_placed_pod(Arc::new(pod), &to);
    }
    engine.set_keeping(true);
    engine
}

fn limits_hold(case: &Case, made: &Plan) {
    let limits = case.options.limits;
    let largest = |key: &dyn Fn(&loadline_rescheduler::Move) -> String| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        made.moves.iter().for_each(|step| *counts.entry(key(step)).or_default() += 1);
        counts.values().copied().max().unwrap_or(0)
    };
    let within = |limit: Option<usize>, count: usize| limit.is_none_or(|limit| count <= limit);
    assert!(within(limits.round, made.moves.len()), "{}", case.name);
    assert!(within(limits.node, largest(&|step| step.from.clone())), "{}", case.name);
    assert!(within(limits.namespace, largest(&|step| step.namespace.clone())), "{}", case.name);
    assert!(within(limits.owner, largest(&|step| format!("{} {}", step.namespace, step.owner))), "{}", case.name);
    assert_eq!(largest(&|step| step.uid.clone()).min(2), usize::from(!made.moves.is_empty()), "a pod is moved once");
}

/// Use above the high marks, over all nodes.
fn excess(case: &Case, made: &Plan, after: bool) -> f64 {
    let over = |resource: Resource, percent: f64| (percent - case.options.high(resource)).max(0.0);
    let of = |node: &loadline_rescheduler::NodeBalance| {
        let (cpu, memory) =
            if after { (node.cpu_after, node.memory_after) } else { (node.cpu_before, node.memory_before) };
        over(Resource::Cpu, cpu) + over(Resource::Memory, memory)
    };
    made.nodes.iter().map(of).sum()
}

/// Plans until there is nothing left to do. Returns the number of moves.
fn until_rest(mut case: Case, look: impl Fn(&Case, &Plan)) -> usize {
    let mut moves = 0;
    // With limits a round does little.
    let most = if case.options.limits == Limits::default() { ROUNDS } else { 20 * ROUNDS };
    for _ in 0..most {
        let made = plan(&mut case.engine.fork(), &situation(), &case.options);
        limits_hold(&case, &made);
        for step in &made.moves {
            assert!(!case.stay.contains(&Str::from(step.uid.as_str())), "{}: {} must stay", case.name, step.name);
        }
        look(&case, &made);
        if made.moves.is_empty() {
            return moves;
        }
        moves += made.moves.len();
        case.engine = carried_out(&case, &made);
    }
    panic!("{}: still moving after {most} rounds", case.name);
}

fn over_all(strategies: &[Strategy], look: impl Fn(&Case, &Plan) + Copy) -> usize {
    let mut moves = 0;
    for profile in Profile::ALL {
        for seed in 0..SEEDS {
            moves += until_rest(case(profile, seed, strategies.to_vec()), look);
        }
    }
    moves
}

#[test]
fn balancing_never_makes_the_balance_worse_and_comes_to_rest() {
    let moves = over_all(&[Strategy::LoadBalancing], |case, made| {
        let (before, after) = (&made.before, &made.after);
        assert!(after.score >= before.score - SLACK, "{}: score {} -> {}", case.name, before.score, after.score);
        let most = before.difference.max(case.options.imbalance_threshold);
        assert!(after.difference <= most + SLACK, "{}: {} -> {}", case.name, before.difference, after.difference);
        assert!(excess(case, made, true) <= excess(case, made, false) + SLACK, "{}", case.name);
    });
    assert!(moves > 500, "only {moves} moves: the clusters say nothing");
}

#[test]
fn relieving_lowers_the_pressure_and_comes_to_rest() {
    let moves = over_all(&[Strategy::ResourceOptimization], |case, made| {
        let (before, after) = (excess(case, made, false), excess(case, made, true));
        let lowered = if made.moves.is_empty() || before > ABSURD { after <= before + SLACK } else { after < before };
        assert!(lowered, "{}: {before} -> {after}", case.name);
        for node in &made.nodes {
            let grew = node.cpu_after > node.cpu_before.max(case.options.cpu_threshold) + SLACK
                || node.memory_after > node.memory_before.max(case.options.memory_threshold) + SLACK;
            assert!(!grew, "{}: {} passes a mark", case.name, node.name);
        }
    });
    assert!(moves > 500, "only {moves} moves: the clusters say nothing");
}

#[test]
fn all_strategies_together_come_to_rest() {
    let all = [Strategy::NodeMaintenance, Strategy::ResourceOptimization, Strategy::LoadBalancing];
    let moves = over_all(&all, |_, _| {});
    assert!(moves > 500, "only {moves} moves: the clusters say nothing");
}
