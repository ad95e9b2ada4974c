use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::Engine;
use loadline_model::{
    Affinity, ContainerHealth, Effect, Marks, Namespace, NamespaceMatch, NodeSelector, NodeSelectorTerm, NodeSpec,
    Operator, PodAffinityTerm, PodHealth, PodInfo, PodMatcher, Requirement, Selector, SpreadConstraint, Taint,
    Toleration, TolerationOperator, UnsatisfiableAction, Weighted,
};

use super::args::{
    DefaultEvictorArgs, EvictionLimits, HighNodeUtilizationArgs, LabelSelector, LowNodeUtilizationArgs, Namespaces,
    PodLifeTimeArgs, PodProtections, PriorityThreshold, RemoveDuplicatesArgs, RemoveFailedPodsArgs,
    RemovePodsHavingTooManyRestartsArgs, RemovePodsViolatingInterPodAntiAffinityArgs,
    RemovePodsViolatingNodeAffinityArgs, RemovePodsViolatingNodeTaintsArgs,
    RemovePodsViolatingTopologySpreadConstraintArgs, Thresholds,
};
use super::{PREFERRED, Policy, Profile, REQUIRED, Step, plan};
use crate::options::Limits;
use crate::owners::Situation;
use crate::plan::Plan;
use crate::testing::{NOW, carried_out, engine, group, labels, moves, node, owner, pod, situation, skipped};

const SECOND: i64 = 1_000_000_000;

fn policy(steps: Vec<Step>) -> Policy {
    Policy { profiles: vec![Profile { name: "default".to_owned(), steps, ..Profile::default() }], ..Policy::default() }
}

fn run(cluster: &Engine, policy: &Policy) -> Plan {
    plan(&mut cluster.fork(), &situation(), policy, &BTreeMap::new()).expect("a policy")
}

fn run_step(cluster: &Engine, step: Step) -> Plan {
    run(cluster, &policy(vec![step]))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn thresholds(pairs: &[(&str, f64)]) -> Thresholds {
    pairs.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect()
}

fn tainted(name: &str, key: &str, effect: Effect) -> NodeSpec {
    NodeSpec { taints: [Taint { key: key.into(), value: "v".into(), effect }].into(), ..node(name, &[]) }
}

/// A term that requires a label.
fn term(key: &str, value: &str) -> NodeSelectorTerm {
    let expressions = [Requirement::new(key.into(), Operator::In, vec![value.into()])].into();
    NodeSelectorTerm { expressions, fields: Box::default(), problems: Box::default() }
}

fn low() -> LowNodeUtilizationArgs {
    LowNodeUtilizationArgs {
        thresholds: thresholds(&[("cpu", 20.0), ("memory", 20.0)]),
        target_thresholds: thresholds(&[("cpu", 50.0), ("memory", 50.0)]),
        ..LowNodeUtilizationArgs::default()
    }
}

/// a at 80 percent, b at 10, c at 40.
fn uneven() -> Engine {
    let mut pods: Vec<PodInfo> = (0..8).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    pods.extend([pod("db-0", "b", 1, 1), pod("db-1", "c", 4, 4)]);
    engine(&[node("a", &[]), node("b", &[]), node("c", &[])], &pods)
}

#[test]
fn low_node_utilization_relieves_what_is_above_the_target() {
    let made = run_step(&uneven(), Step::LowNodeUtilization(low()));
    assert_eq!(made.moves.len(), 3, "{:?}", moves(&made));
    assert!(made.moves.iter().all(|step| step.from == "a" && step.to == "b"), "{:?}", moves(&made));
    assert_eq!(made.moves[0].strategy, "LowNodeUtilization");
    assert_eq!(made.moves[0].reason, "cpu of a is at 80.0 %, above 50.0 %");
    // Nobody is below the threshold, or all but the number that has to be: nothing is done.
    let none = LowNodeUtilizationArgs { thresholds: thresholds(&[("cpu", 5.0), ("memory", 5.0)]), ..low() };
    assert!(run_step(&uneven(), Step::LowNodeUtilization(none)).moves.is_empty());
    let more = LowNodeUtilizationArgs { number_of_nodes: 1, ..low() };
    assert!(run_step(&uneven(), Step::LowNodeUtilization(more)).moves.is_empty());
    let limited = LowNodeUtilizationArgs { eviction_limits: EvictionLimits { node: Some(1) }, ..low() };
    assert_eq!(run_step(&uneven(), Step::LowNodeUtilization(limited)).moves.len(), 1);
    let namespaces = Namespaces { exclude: texts(&["shop"]), ..Namespaces::default() };
    let excluded = LowNodeUtilizationArgs { evictable_namespaces: namespaces, ..low() };
    assert!(run_step(&uneven(), Step::LowNodeUtilization(excluded)).moves.is_empty());
}

#[test]
fn low_node_utilization_by_deviation_and_by_number_of_pods() {
    let around = LowNodeUtilizationArgs {
        use_deviation_thresholds: true,
        thresholds: thresholds(&[("cpu", 10.0)]),
        target_thresholds: thresholds(&[("cpu", 10.0)]),
        ..low()
    };
    // The mean is 43.3 percent: a goes down to at most 53.3.
    assert_eq!(run_step(&uneven(), Step::LowNodeUtilization(around)).moves.len(), 3);
    let by_pods = LowNodeUtilizationArgs {
        thresholds: thresholds(&[("pods", 2.0)]),
        target_thresholds: thresholds(&[("pods", 5.0)]),
        ..low()
    };
    // 8 of 110 pods are above 5 percent, 5 are not.
    assert_eq!(run_step(&uneven(), Step::LowNodeUtilization(by_pods)).moves.len(), 3);
}

#[test]
fn high_node_utilization_empties_nodes_into_the_others_whatever_the_scheduler_prefers() {
    let cold = HighNodeUtilizationArgs {
        thresholds: thresholds(&[("cpu", 20.0), ("memory", 20.0)]),
        ..HighNodeUtilizationArgs::default()
    };
    let pods = [pod("web-0", "a", 1, 1), pod("web-1", "b", 1, 1), pod("db-0", "c", 4, 4), pod("idle-0", "a", 0, 0)];
    let cluster = engine(&[node("a", &[]), node("b", &[]), node("c", &[])], &pods);
    let made = run_step(&cluster, Step::HighNodeUtilization(cold.clone()));
    assert_eq!(moves(&made), ["idle-0: a -> c", "web-0: a -> c", "web-1: b -> c"]);
    let asking = HighNodeUtilizationArgs { eviction_modes: texts(&["OnlyThresholdingResources"]), ..cold.clone() };
    assert_eq!(moves(&run_step(&cluster, Step::HighNodeUtilization(asking))), ["web-0: a -> c", "web-1: b -> c"]);
    // All nodes are cold: there is none to fill, and that is said.
    let small = engine(&[node("a", &[]), node("b", &[])], &[pod("web-0", "a", 1, 1)]);
    let made = run_step(&small, Step::HighNodeUtilization(cold));
    assert!(made.moves.is_empty() && made.notes[0].contains("all nodes are below"), "{:?}", made.notes);
}

#[test]
fn duplicates_are_spread_over_the_nodes_that_take_them() {
    let pods: Vec<PodInfo> = (0..4).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    let nodes = [node("a", &[]), node("b", &[]), tainted("c", "gpu", Effect::NoSchedule)];
    let cluster = engine(&nodes, &pods);
    let step = |args: RemoveDuplicatesArgs| run_step(&cluster, Step::RemoveDuplicates(args));
    // Four over the two nodes that take them.
    let made = step(RemoveDuplicatesArgs::default());
    assert_eq!(moves(&made), ["web-0: a -> b", "web-1: a -> b"]);
    assert_eq!(made.moves[0].reason, "4 pods of its owner are on a, and 2 would be fair");
    let kinds = RemoveDuplicatesArgs { exclude_owner_kinds: texts(&["ReplicaSet"]), ..RemoveDuplicatesArgs::default() };
    assert!(step(kinds).moves.is_empty());
    // Other images, other pods.
    let mut pods = pods;
    for (number, pod) in pods.iter_mut().enumerate() {
        pod.images = [format!("image:{number}").as_str().into()].into();
    }
    assert!(run_step(&engine(&nodes, &pods), Step::RemoveDuplicates(RemoveDuplicatesArgs::default())).moves.is_empty());
}

#[test]
fn pods_whose_node_does_not_match_their_affinity_any_more_are_moved() {
    let bound =
        Affinity { node_required: Some(NodeSelector { terms: [term("disk", "ssd")].into() }), ..Affinity::default() };
    let preferring =
        Affinity { node_preferred: [Weighted { weight: 5, term: term("disk", "ssd") }].into(), ..Affinity::default() };
    let pods = [
        PodInfo { affinity: Some(Arc::new(bound)), ..pod("db-0", "a", 1, 1) },
        PodInfo { affinity: Some(Arc::new(preferring)), ..pod("web-0", "a", 1, 1) },
        PodInfo { node_selector: [("disk", "ssd")].into_iter().collect(), ..pod("api-0", "a", 1, 1) },
    ];
    let cluster = engine(&[node("a", &[]), node("b", &[("disk", "ssd")])], &pods);
    let by = |kind: &str| {
        let node_affinity_type = texts(&[kind]);
        let args = RemovePodsViolatingNodeAffinityArgs { node_affinity_type, ..Default::default() };
        moves(&run_step(&cluster, Step::RemovePodsViolatingNodeAffinity(args)))
    };
    assert_eq!(by(REQUIRED), ["api-0: a -> b", "db-0: a -> b"]);
    assert_eq!(by(PREFERRED), ["web-0: a -> b"]);
    // Where they are welcome they stay.
    let welcome = engine(&[node("a", &[("disk", "ssd")]), node("b", &[("disk", "ssd")])], &pods);
    let both =
        RemovePodsViolatingNodeAffinityArgs { node_affinity_type: texts(&[REQUIRED, PREFERRED]), ..Default::default() };
    assert!(run_step(&welcome, Step::RemovePodsViolatingNodeAffinity(both)).moves.is_empty());
}

#[test]
fn pods_that_do_not_tolerate_their_node_are_moved() {
    let toleration =
        Toleration { key: "gpu".into(), operator: TolerationOperator::Exists, value: "".into(), effect: None };
    let pods = [
        pod("web-0", "a", 1, 1),
        PodInfo { tolerations: [toleration].into(), ..pod("ml-0", "a", 1, 1) },
        pod("api-0", "soft", 1, 1),
    ];
    let nodes =
        [tainted("a", "gpu", Effect::NoSchedule), node("b", &[]), tainted("soft", "old", Effect::PreferNoSchedule)];
    let cluster = engine(&nodes, &pods);
    let with =
        |args: RemovePodsViolatingNodeTaintsArgs| moves(&run_step(&cluster, Step::RemovePodsViolatingNodeTaints(args)));
    let none = RemovePodsViolatingNodeTaintsArgs::default;
    assert_eq!(with(none()), ["web-0: a -> b"]);
    let soft = RemovePodsViolatingNodeTaintsArgs { include_prefer_no_schedule: true, ..none() };
    assert_eq!(with(soft), ["web-0: a -> b", "api-0: soft -> b"]);
    for named in ["gpu", "gpu=v"] {
        let excluded = RemovePodsViolatingNodeTaintsArgs { excluded_taints: texts(&[named]), ..none() };
        assert_eq!(with(excluded), [""; 0]);
        let included = RemovePodsViolatingNodeTaintsArgs { included_taints: texts(&[named]), ..none() };
        assert_eq!(with(included), ["web-0: a -> b"]);
    }
    let other = RemovePodsViolatingNodeTaintsArgs { included_taints: texts(&["gpu=w"]), ..none() };
    assert_eq!(with(other), [""; 0]);
}

#[test]
fn pods_beside_whom_their_anti_affinity_rules_out_are_moved_until_it_holds() {
    let apart = PodAffinityTerm {
        pods: PodMatcher {
            namespaces: NamespaceMatch { names: ["shop".into()].into(), selector: Selector::Nothing },
            selector: Selector::parse("app=web").unwrap(),
        },
        topology_key: "kubernetes.io/hostname".into(),
    };
    let affinity = Some(Arc::new(Affinity { anti_required: [apart].into(), ..Affinity::default() }));
    let web = |name: &str, priority: i32| PodInfo { affinity: affinity.clone(), priority, ..pod(name, "a", 1, 1) };
    let cluster = engine(
        &[node("a", &[]), node("b", &[]), node("c", &[])],
        &[web("web-0", 5), web("web-1", 0), web("web-2", 3), pod("db-0", "a", 1, 1)],
    );
    let step = || Step::RemovePodsViolatingInterPodAntiAffinity(RemovePodsViolatingInterPodAntiAffinityArgs::default());
    let made = run_step(&cluster, step());
    // The one with the highest priority may stay, once the others are gone.
    let names: Vec<&str> = made.moves.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["web-1", "web-2"]);
    assert_eq!(made.moves[0].reason, "its anti-affinity rules out shop/web-0, in the same kubernetes.io/hostname");
    assert!(run_step(&carried_out(&cluster, &made), step()).moves.is_empty());
}

fn spread(key: &str, action: UnsatisfiableAction) -> SpreadConstraint {
    SpreadConstraint {
        max_skew: 1,
        topology_key: key.into(),
        when_unsatisfiable: action,
        selector: Selector::parse("app=web").unwrap(),
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        match_label_keys: Box::default(),
    }
}

fn spread_args(constraints: &[&str]) -> Step {
    let constraints = texts(constraints);
    Step::RemovePodsViolatingTopologySpreadConstraint(RemovePodsViolatingTopologySpreadConstraintArgs {
        constraints,
        ..Default::default()
    })
}

#[test]
fn domains_that_are_too_far_apart_are_evened_out() {
    let nodes = [node("a", &[("zone", "x")]), node("b", &[("zone", "y")]), node("c", &[("zone", "z")])];
    let with = |action: UnsatisfiableAction| {
        let constraints: Arc<[SpreadConstraint]> = [spread("zone", action)].into();
        let pods: Vec<PodInfo> = (0..5)
            .map(|number| PodInfo { spread: constraints.clone(), ..pod(&format!("web-{number}"), "a", 1, 1) })
            .collect();
        engine(&nodes, &pods)
    };
    let cluster = with(UnsatisfiableAction::DoNotSchedule);
    let made = run_step(&cluster, spread_args(&[]));
    assert_eq!(made.moves.len(), 3, "{:?}", moves(&made));
    assert_eq!(made.moves[0].reason, "5 of its kind are in zone=x, and 0 in another: more than 1 apart");
    assert!(run_step(&carried_out(&cluster, &made), spread_args(&[])).moves.is_empty());
    let soft = with(UnsatisfiableAction::ScheduleAnyway);
    assert!(run_step(&soft, spread_args(&[])).moves.is_empty());
    assert!(!run_step(&soft, spread_args(&["DoNotSchedule", "ScheduleAnyway"])).moves.is_empty());
}

#[test]
fn conflicting_spread_constraints_rest() {
    // Zones of five, two and two nodes: evenly over nodes is not evenly over zones.
    let zones = ["x", "x", "x", "x", "x", "y", "y", "z", "z"];
    let nodes: Vec<NodeSpec> =
        zones.iter().enumerate().map(|(at, zone)| node(&format!("n{at}"), &[("zone", zone)])).collect();
    for hard in [UnsatisfiableAction::DoNotSchedule, UnsatisfiableAction::ScheduleAnyway] {
        let constraints: Arc<[SpreadConstraint]> =
            [spread("zone", UnsatisfiableAction::DoNotSchedule), spread("kubernetes.io/hostname", hard)].into();
        for seed in 0..12 {
            let pods: Vec<PodInfo> = (0..9)
                .map(|number| {
                    let at = (number * (seed + 1) + number * number) % 9;
                    PodInfo { spread: constraints.clone(), ..pod(&format!("web-{number}"), &format!("n{at}"), 1, 1) }
                })
                .collect();
            let mut cluster = engine(&nodes, &pods);
            let mut rounds = 0;
            loop {
                let made = run_step(&cluster, spread_args(&["DoNotSchedule", "ScheduleAnyway"]));
                if made.moves.is_empty() {
                    break;
                }
                rounds += 1;
                assert!(rounds < 8, "seed {seed}: {:?}", moves(&made));
                cluster = carried_out(&cluster, &made);
            }
        }
    }
}

fn health(phase: &str, reason: &str, containers: ContainerHealth) -> Arc<PodHealth> {
    let init_containers = ContainerHealth { restarts: 4, ..ContainerHealth::default() };
    Arc::new(PodHealth { phase: phase.into(), reason: reason.into(), containers, init_containers })
}

#[test]
fn old_pods_and_pods_in_a_state_are_moved_the_oldest_first() {
    let aged = |name: &str, seconds: i64| PodInfo { created: Some(NOW - seconds * SECOND), ..pod(name, "a", 1, 1) };
    let waiting = ContainerHealth { waiting: ["ImagePullBackOff".into()].into(), ..ContainerHealth::default() };
    let ended = ContainerHealth { exit_codes: [137].into(), ..ContainerHealth::default() };
    let pods = [
        aged("web-0", 90),
        aged("web-1", 200),
        PodInfo { health: Some(health("Pending", "", waiting)), ..aged("web-2", 10) },
        PodInfo {
            health: Some(health("Running", "", ended)),
            owner: Some(owner("StatefulSet", "db")),
            ..aged("db-0", 10)
        },
    ];
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    let with = |args: PodLifeTimeArgs| -> Vec<String> {
        let made = run_step(&cluster, Step::PodLifeTime(args));
        made.moves.iter().map(|step| step.name.clone()).collect()
    };
    let none = PodLifeTimeArgs::default;
    let old = PodLifeTimeArgs { max_pod_life_time_seconds: Some(60), ..none() };
    assert_eq!(with(old.clone()), ["web-1", "web-0"]);
    assert_eq!(with(PodLifeTimeArgs { max_pod_life_time_seconds: Some(90), ..none() }), ["web-1"]);
    assert_eq!(with(PodLifeTimeArgs { states: texts(&["ImagePullBackOff"]), ..none() }), ["web-2"]);
    assert_eq!(with(PodLifeTimeArgs { states: texts(&["Running"]), ..none() }), ["db-0"]);
    assert_eq!(with(PodLifeTimeArgs { exit_codes: vec![137], ..none() }), ["db-0"]);
    let kinds = super::args::OwnerKinds { exclude: texts(&["StatefulSet"]), ..Default::default() };
    assert_eq!(with(PodLifeTimeArgs { exit_codes: vec![137], owner_kinds: kinds, ..none() }), [""; 0]);
    let labelled = LabelSelector { match_labels: [("app".to_owned(), "none".to_owned())].into(), ..Default::default() };
    assert_eq!(with(PodLifeTimeArgs { label_selector: Some(labelled), ..old }), [""; 0]);
}

#[test]
fn pods_whose_containers_restart_often_are_moved() {
    let restarting = |name: &str, restarts: i32| {
        let containers =
            ContainerHealth { restarts, waiting: ["CrashLoopBackOff".into()].into(), ..ContainerHealth::default() };
        PodInfo { health: Some(health("Running", "", containers)), ..pod(name, "a", 1, 1) }
    };
    let pods = [restarting("web-0", 7), restarting("web-1", 20), restarting("web-2", 10), pod("db-0", "a", 1, 1)];
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    let with = |including_init_containers: bool, states: &[&str]| -> Vec<String> {
        let args = RemovePodsHavingTooManyRestartsArgs {
            pod_restart_threshold: 10,
            including_init_containers,
            states: texts(states),
            ..Default::default()
        };
        let made = run_step(&cluster, Step::RemovePodsHavingTooManyRestarts(args));
        made.moves.iter().map(|step| step.name.clone()).collect()
    };
    assert_eq!(with(false, &[]), ["web-1", "web-2"]);
    assert_eq!(with(true, &[]), ["web-1", "web-2", "web-0"]);
    assert_eq!(with(false, &["CrashLoopBackOff"]), ["web-1", "web-2"]);
    assert_eq!(with(false, &["Running"]).len(), 2);
}

#[test]
fn failed_pods_are_replaced_where_the_scheduler_finds_room() {
    let failed = |name: &str, seconds: i64, reason: &str| {
        let containers = ContainerHealth { exit_codes: [1].into(), ..ContainerHealth::default() };
        Arc::new(PodInfo {
            finished: true,
            health: Some(health("Failed", reason, containers)),
            created: Some(NOW - seconds * SECOND),
            ..pod(name, "a", 1, 1)
        })
    };
    let cluster = engine(&[node("a", &[]), node("b", &[])], &[]);
    let all = vec![failed("web-0", 7200, "Evicted"), failed("web-1", 60, "OutOfcpu"), failed("web-2", 7200, "")];
    let with = |args: RemoveFailedPodsArgs| -> Vec<String> {
        let situation = Situation { failed: all.clone(), ..situation() };
        let policy = policy(vec![Step::RemoveFailedPods(args)]);
        moves(&plan(&mut cluster.fork(), &situation, &policy, &BTreeMap::new()).expect("a policy"))
    };
    let none = RemoveFailedPodsArgs::default;
    assert_eq!(with(none()), ["web-0: a -> b", "web-2: a -> b"], "an hour, when nothing is said");
    let young = RemoveFailedPodsArgs { min_pod_lifetime_seconds: Some(30), ..none() };
    assert_eq!(with(young.clone()).len(), 3);
    assert_eq!(with(RemoveFailedPodsArgs { reasons: texts(&["OutOfcpu"]), ..young.clone() }), ["web-1: a -> b"]);
    assert_eq!(with(RemoveFailedPodsArgs { exit_codes: vec![2], ..young.clone() }), [""; 0]);
    assert_eq!(with(RemoveFailedPodsArgs { exclude_owner_kinds: texts(&["ReplicaSet"]), ..young }), [""; 0]);
}

/// Which of one pod's reasons keeps it, by these arguments of the evictor; nothing when it is moved.
fn kept(evictor: DefaultEvictorArgs, pod: PodInfo) -> Option<String> {
    let nodes = [tainted("a", "gpu", Effect::NoSchedule), node("b", &[("disk", "ssd")])];
    let twin = PodInfo { uid: "twin".into(), node_name: Some("b".into()), ..crate::testing::pod("web-1", "b", 1, 1) };
    let mut cluster = engine(&nodes, &[pod, twin]);
    cluster.set_namespace(Namespace { name: "shop".into(), labels: labels(&[("team", "web")]) });
    let taints = Step::RemovePodsViolatingNodeTaints(RemovePodsViolatingNodeTaintsArgs::default());
    let policy = Policy {
        profiles: vec![Profile { name: "default".to_owned(), evictor, steps: vec![taints] }],
        ..Policy::default()
    };
    let classes = [("batch".to_owned(), 5)].into();
    let made = plan(&mut cluster.fork(), &situation(), &policy, &classes).expect("a policy");
    let reasons = skipped(&made);
    assert_eq!(made.moves.len() + reasons.len(), 1, "{made:?}");
    reasons.into_keys().next()
}

#[test]
fn the_default_evictor_protects_whom_the_descheduler_protects() {
    let none = DefaultEvictorArgs::default;
    let web = || pod("web-0", "a", 1, 1);
    let because = |reason: &str| Some(reason.to_owned());
    assert_eq!(kept(none(), web()), None);
    let local = PodInfo { marks: Marks::LOCAL_STORAGE, ..web() };
    assert_eq!(kept(none(), local.clone()), because("local-storage"));
    assert_eq!(kept(DefaultEvictorArgs { evict_local_storage_pods: true, ..none() }, local.clone()), None);
    let disabled = PodProtections { default_disabled: texts(&["PodsWithLocalStorage"]), ..Default::default() };
    assert_eq!(kept(DefaultEvictorArgs { pod_protections: disabled, ..none() }, local.clone()), None);
    // The annotation goes before everything but what the planner itself can not do.
    let evict = PodInfo { marks: Marks::LOCAL_STORAGE.and(Marks::EVICT), ..web() };
    assert_eq!(kept(none(), evict), None);
    let gang = PodInfo { marks: Marks::EVICT, pod_group: Some(group("g")), ..web() };
    assert_eq!(kept(none(), gang), because("gang-member"));
    assert_eq!(kept(none(), PodInfo { owner: Some(owner("DaemonSet", "x")), ..web() }), because("daemonset-pod"));
    assert_eq!(kept(none(), PodInfo { owner: None, ..web() }), because("bare-pod"));
    let critical = PodInfo { priority: 2_000_000_000, ..web() };
    assert_eq!(kept(none(), critical.clone()), because("system-critical"));
    assert_eq!(kept(DefaultEvictorArgs { evict_system_critical_pods: true, ..none() }, critical), None);
    for threshold in [
        PriorityThreshold { value: Some(5), name: String::new() },
        PriorityThreshold { value: None, name: "batch".to_owned() },
    ] {
        let args = || DefaultEvictorArgs { priority_threshold: Some(threshold.clone()), ..none() };
        assert_eq!(kept(args(), PodInfo { priority: 5, ..web() }), because("priority-threshold"));
        assert_eq!(kept(args(), PodInfo { priority: 4, ..web() }), None);
    }
    let wary = PodInfo { marks: Marks::PREFER_NO_EVICTION, ..web() };
    assert_eq!(kept(none(), wary.clone()), None);
    assert_eq!(
        kept(DefaultEvictorArgs { no_eviction_policy: "Mandatory".to_owned(), ..none() }, wary),
        because("prefers-no-eviction")
    );
    let without_budget = PodProtections { extra_enabled: texts(&["PodsWithoutPDB"]), ..Default::default() };
    assert_eq!(
        kept(DefaultEvictorArgs { pod_protections: without_budget, ..none() }, web()),
        because("no-disruption-budget")
    );
    assert_eq!(kept(DefaultEvictorArgs { min_replicas: 3, ..none() }, web()), because("single-replica"));
    assert_eq!(kept(DefaultEvictorArgs { min_replicas: 2, ..none() }, web()), None);
    let young = DefaultEvictorArgs { min_pod_age: Some("1h".to_owned()), ..none() };
    assert_eq!(kept(young.clone(), PodInfo { started: Some(NOW - 60 * SECOND), ..web() }), because("young"));
    assert_eq!(kept(young, web()), None);
    let of = |key: &str, value: &str| {
        Some(LabelSelector { match_labels: [(key.to_owned(), value.to_owned())].into(), ..Default::default() })
    };
    assert_eq!(kept(DefaultEvictorArgs { label_selector: of("app", "db"), ..none() }, web()), because("excluded-pod"));
    assert_eq!(
        kept(DefaultEvictorArgs { namespace_label_selector: of("team", "db"), ..none() }, web()),
        because("excluded-namespace")
    );
    assert_eq!(kept(DefaultEvictorArgs { namespace_label_selector: of("team", "web"), ..none() }, web()), None);
    // Nodes that may take them.
    assert_eq!(kept(DefaultEvictorArgs { node_selector: "disk=ssd".to_owned(), ..none() }, web()), None);
    assert_eq!(
        kept(DefaultEvictorArgs { node_selector: "disk=hdd".to_owned(), ..none() }, web()),
        because("fits-nowhere")
    );
}

#[test]
fn a_class_that_nobody_has_is_an_error() {
    let threshold = PriorityThreshold { value: None, name: "none".to_owned() };
    let evictor = DefaultEvictorArgs { priority_threshold: Some(threshold), ..DefaultEvictorArgs::default() };
    let policy = Policy { profiles: vec![Profile { evictor, ..Profile::default() }], ..Policy::default() };
    let error = plan(&mut uneven().fork(), &situation(), &policy, &BTreeMap::new()).expect_err("there is none");
    assert!(error.contains("no PriorityClass `none`"), "{error}");
}

#[test]
fn limits_and_evictors_are_those_of_the_policy() {
    let limited = |limits: Limits| run(&uneven(), &Policy { limits, ..policy(vec![Step::LowNodeUtilization(low())]) });
    assert_eq!(limited(Limits { round: Some(2), ..Limits::default() }).moves.len(), 2);
    assert_eq!(limited(Limits { node: Some(1), ..Limits::default() }).moves.len(), 1);
    assert_eq!(limited(Limits { namespace: Some(1), ..Limits::default() }).moves.len(), 1);
    let elsewhere = Policy { nodes: Some(Selector::parse("kubernetes.io/hostname=c").unwrap()), ..policy(vec![]) };
    let steps = vec![Step::LowNodeUtilization(low())];
    let elsewhere = Policy { profiles: policy(steps.clone()).profiles, ..elsewhere };
    assert!(run(&uneven(), &elsewhere).moves.is_empty());
    // Each profile has its own evictor, whichever point of the round it is.
    let picky = DefaultEvictorArgs {
        label_selector: Some(LabelSelector {
            match_labels: [("app".to_owned(), "none".to_owned())].into(),
            ..Default::default()
        }),
        ..DefaultEvictorArgs::default()
    };
    let life = Step::PodLifeTime(PodLifeTimeArgs { max_pod_life_time_seconds: Some(1), ..PodLifeTimeArgs::default() });
    let profile = |name: &str, evictor: &DefaultEvictorArgs, steps: Vec<Step>| Profile {
        name: name.to_owned(),
        evictor: evictor.clone(),
        steps,
    };
    let lenient = DefaultEvictorArgs::default();
    let two = |first: &DefaultEvictorArgs, second: &DefaultEvictorArgs| {
        let profiles = vec![profile("a", first, steps.clone()), profile("b", second, vec![life.clone()])];
        let made = run(&uneven(), &Policy { profiles, ..Policy::default() });
        let of = |name: &str| made.moves.iter().filter(|step| step.strategy == name).count();
        (of("LowNodeUtilization"), of("PodLifeTime") > 0)
    };
    assert_eq!(two(&lenient, &picky), (3, false));
    assert_eq!(two(&picky, &lenient), (0, true));
}
