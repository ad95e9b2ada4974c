use std::sync::Arc;

use loadline_engine::Engine;
use loadline_framework::record::API_VERSION;
use loadline_model::{
    DisruptionBudget, Effect, Marks, Operator, PodInfo, Requirement, Selector, Set, SpreadConstraint, Taint,
    UnsatisfiableAction, WorkloadStatus,
};

use crate::options::{Limits, Options, Strategy};
use crate::owners::{Situation, Workloads};
use crate::testing::{
    NOW, carried_out, engine, group, labels, moves, node, owner, places, pod, profiles, situation, skipped, unlimited,
};
use crate::{MAINTENANCE, Plan, RESCHEDULING, Resource, plan};

fn only(strategy: Strategy) -> Options {
    unlimited(Options { strategies: vec![strategy], ..Options::default() })
}

fn planned(engine: &Engine, options: &Options) -> Plan {
    plan(&mut engine.fork(), &situation(), options)
}

/// Six pods on a, one on b, none on c: 60, 10 and 0 percent.
fn imbalanced() -> Engine {
    let mut pods: Vec<PodInfo> = (0..6).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    pods.push(pod("web-6", "b", 1, 1));
    engine(&[node("a", &[]), node("b", &[]), node("c", &[])], &pods)
}

#[test]
fn imbalance_is_evened_out_to_where_the_scheduler_would_put_the_pods() {
    let cluster = imbalanced();
    let made = planned(&cluster, &only(Strategy::LoadBalancing));
    // 60 and 0: to c, the emptiest. 50, 10, 10: two more, and all are within 20 points.
    assert_eq!(moves(&made)[0], "web-0: a -> c");
    assert_eq!(made.moves.len(), 3, "{:?}", moves(&made));
    assert!((made.before.difference - 60.0).abs() < 1e-9 && made.after.difference <= 20.0, "{:?}", made.after);
    assert!(made.after.score > made.before.score);
    assert_eq!(made.moves[0].strategy, "LoadBalancing");
    assert_eq!(made.moves[0].reason, "cpu of a is at 60.0 %, of c at 0.0 %");
    assert!((made.moves[0].gain - 20.0).abs() < 1e-9);
    assert_eq!((made.moves[0].owner.as_str(), made.moves[0].requests.milli_cpu), ("ReplicaSet/web", 1000));
    assert_eq!((made.api_version.as_str(), made.kind.as_str()), (API_VERSION, "ReschedulingPlan"));
    assert_eq!((made.nodes[0].pods_before, made.nodes[0].pods_after), (6, 3));
    // Done, there is nothing left to do.
    assert_eq!(moves(&planned(&carried_out(&cluster, &made), &only(Strategy::LoadBalancing))), [""; 0]);
}

#[test]
fn a_plan_leaves_the_engine_as_it_was_and_its_fork_as_it_will_be() {
    let cluster = imbalanced();
    let before = places(&cluster);
    let mut fork = cluster.fork();
    let made = plan(&mut fork, &situation(), &only(Strategy::LoadBalancing));
    assert!(!made.moves.is_empty());
    assert_eq!(places(&cluster), before);
    assert_eq!(places(&fork), places(&carried_out(&cluster, &made)));
    assert!(fork.findings().is_sound(), "{:?}", fork.findings());
    assert!(cluster.findings().is_sound());
}

#[test]
fn a_cluster_within_the_threshold_rests() {
    let pods = [pod("web-0", "a", 2, 2), pod("web-1", "a", 1, 1), pod("web-2", "b", 1, 1)];
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    let made = planned(&cluster, &only(Strategy::LoadBalancing));
    assert_eq!(moves(&made), [""; 0]);
    assert!((made.before.difference - 20.0).abs() < 1e-9);
    assert_eq!(made.before, made.after);
}

#[test]
fn a_node_that_takes_nobody_does_not_keep_a_balanced_cluster_moving() {
    let mut control_plane = node("control-plane", &[]);
    let taint = Taint { key: "node-role".into(), value: "".into(), effect: Effect::NoSchedule };
    control_plane.taints = [taint].into();
    let pods = [pod("web-0", "a", 2, 2), pod("web-1", "a", 1, 1), pod("web-2", "b", 2, 2), pod("web-3", "b", 1, 1)];
    let cluster = engine(&[control_plane, node("a", &[]), node("b", &[])], &pods);
    let made = planned(&cluster, &only(Strategy::LoadBalancing));
    assert_eq!(moves(&made), [""; 0]);
    assert!((made.before.difference - 30.0).abs() < 1e-9);
}

#[test]
fn a_move_below_the_least_gain_is_dropped() {
    let pods = [pod("big-0", "a", 5, 5), pod("big-1", "b", 1, 1)];
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    // 50 and 10: the pod of 5 would leave them as far apart as they are.
    let made = planned(&cluster, &only(Strategy::LoadBalancing));
    assert_eq!(moves(&made), [""; 0]);
    assert_eq!(skipped(&made)["no-gain"], 1);
    let small: Vec<PodInfo> = (0..5).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    let cluster = engine(&[node("a", &[]), node("b", &[])], &small);
    let picky = Options { min_gain: 20.5, ..only(Strategy::LoadBalancing) };
    assert_eq!(moves(&planned(&cluster, &picky)), [""; 0]);
    assert_eq!(planned(&cluster, &Options { min_gain: 20.0, ..picky }).moves.len(), 2);
}

#[test]
fn resource_pressure_is_relieved_from_the_high_mark_to_the_low_one() {
    let mut pods: Vec<PodInfo> = (0..9).map(|number| pod(&format!("web-{number}"), "a", 1, 0)).collect();
    pods.push(pod("db-0", "b", 6, 1));
    let cluster = engine(&[node("a", &[]), node("b", &[]), node("c", &[])], &pods);
    let made = planned(&cluster, &only(Strategy::ResourceOptimization));
    // From 90 down to 70 percent.
    assert_eq!(made.moves.len(), 2, "{:?}", moves(&made));
    assert!(made.moves.iter().all(|step| step.from == "a" && step.to == "c"));
    assert_eq!(made.moves[0].reason, "cpu of a is at 90.0 %, above 80 %");
    assert_eq!(made.moves[1].reason, "cpu of a is at 80.0 %, on its way down");
    assert!((made.moves[0].gain - 10.0).abs() < 1e-9);
    // At 80 percent nothing begins; what has begun goes on.
    let at_mark = carried_out(&cluster, &Plan { moves: made.moves[..1].to_vec(), ..made.clone() });
    assert_eq!(moves(&planned(&at_mark, &only(Strategy::ResourceOptimization))), [""; 0]);
    let relieving = Situation { relieving: Resource::ALL.map(|resource| ("a".into(), resource)).into(), ..situation() };
    let made = plan(&mut at_mark.fork(), &relieving, &only(Strategy::ResourceOptimization));
    assert_eq!(made.moves.len(), 1);
    // A node that is not known to be full for long enough is let be.
    let unconfirmed = Situation { unconfirmed: ["a".into()].into(), ..situation() };
    assert!(plan(&mut cluster.fork(), &unconfirmed, &only(Strategy::ResourceOptimization)).moves.is_empty());
    // Unless of that resource it is.
    for (resource, count) in [(Resource::Cpu, 2), (Resource::Memory, 0)] {
        let ahead = Situation { relieving: [("a".into(), resource)].into(), ..unconfirmed.clone() };
        let made = plan(&mut cluster.fork(), &ahead, &only(Strategy::ResourceOptimization));
        assert_eq!(made.moves.len(), count, "{resource:?}");
    }
}

#[test]
fn a_relief_does_not_put_another_node_under_pressure() {
    let mut pods: Vec<PodInfo> = (0..3).map(|number| pod(&format!("big-{number}"), "a", 3, 0)).collect();
    pods.push(pod("db-0", "b", 6, 1));
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    let made = planned(&cluster, &only(Strategy::ResourceOptimization));
    assert_eq!(moves(&made), [""; 0]);
    assert_eq!(skipped(&made)["target-too-full"], 3);
}

#[test]
fn a_node_marked_for_maintenance_is_emptied_and_takes_nobody() {
    let mut pods: Vec<PodInfo> = (0..3).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    pods.push(PodInfo { priority: 5, ..pod("web-3", "a", 0, 0) });
    pods.extend([pod("db-0", "c", 5, 5), pod("db-1", "c", 1, 1)]);
    pods.push(PodInfo { owner: Some(owner("DaemonSet", "agent")), ..pod("agent-0", "a", 1, 1) });
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[(MAINTENANCE, "true")]), node("c", &[])];
    let cluster = engine(&nodes, &pods);
    let made = planned(&cluster, &only(Strategy::NodeMaintenance));
    assert_eq!(moves(&made), ["web-0: a -> c", "web-1: a -> c", "web-2: a -> c", "web-3: a -> c"]);
    assert_eq!(made.moves[0].reason, "a is marked for maintenance");
    assert_eq!(skipped(&made)["daemonset-pod"], 1);
    let unmarked = [node("a", &[(MAINTENANCE, "false")]), node("b", &[]), node("c", &[])];
    assert!(planned(&engine(&unmarked, &pods), &only(Strategy::NodeMaintenance)).moves.is_empty());
}

#[test]
fn the_lowest_priority_goes_first_and_then_what_gains_most() {
    let small = |name: &str, priority: i32| PodInfo { priority, ..pod(name, "a", 1, 1) };
    let big = |name: &str, priority: i32| PodInfo { priority, ..pod(name, "a", 2, 2) };
    let pods = [small("web-0", 0), small("web-1", 0), big("web-2", 0), big("web-3", 7), small("web-4", 7)];
    let cluster = engine(&[node("a", &[]), node("b", &[])], &pods);
    let one = |round: usize| Options {
        limits: Limits { round: Some(round), ..Limits::default() },
        ..only(Strategy::LoadBalancing)
    };
    assert_eq!(moves(&planned(&cluster, &one(1))), ["web-2: a -> b"]);
    assert_eq!(moves(&planned(&cluster, &one(2))), ["web-2: a -> b", "web-0: a -> b"]);
}

#[test]
fn every_limit_of_a_round_holds() {
    let mut pods = Vec::new();
    for (from, namespace) in [("a", "one"), ("b", "two")] {
        for number in 0..8 {
            let set = if number % 2 == 0 { "even" } else { "odd" };
            pods.push(PodInfo {
                namespace: namespace.into(),
                ..pod(&format!("{namespace}{set}-{number}"), from, 1, 1)
            });
        }
    }
    let nodes = [node("a", &[]), node("b", &[]), node("c", &[]), node("d", &[])];
    let cluster = engine(&nodes, &pods);
    let with = |limits: Limits| {
        let made = planned(&cluster, &Options { limits, ..only(Strategy::LoadBalancing) });
        (made.moves.len(), skipped(&made))
    };
    let none = Limits::default();
    let (free, _) = with(none);
    assert!(free > 4, "{free}");
    let cases = [
        (Limits { round: Some(3), ..none }, 3, "round-limit"),
        (Limits { node: Some(1), ..none }, 2, "node-limit"),
        (Limits { namespace: Some(1), ..none }, 2, "namespace-limit"),
        (Limits { owner: Some(1), ..none }, 4, "owner-limit"),
    ];
    for (limits, expected, reason) in cases {
        let (count, skipped) = with(limits);
        assert_eq!(count, expected, "{reason}");
        // A full round is not looked into any further.
        assert!(
            skipped.contains_key(reason) || matches!(reason, "round-limit" | "node-limit"),
            "{reason}: {skipped:?}"
        );
    }
}

#[test]
fn whoever_must_not_be_moved_is_not() {
    let web = || pod("web-0", "a", 1, 1);
    let marked = |marks: Marks| PodInfo { marks, ..web() };
    let of = |kind: &str| PodInfo { owner: Some(owner(kind, "x")), ..web() };
    let labelled = |key: &str, value: &str| PodInfo { labels: labels(&[(key, value)]), ..web() };
    let cases: [(&str, PodInfo); 19] = [
        ("other-scheduler", PodInfo { scheduler_name: "other".into(), ..web() }),
        ("mirror-pod", marked(Marks::MIRROR)),
        ("static-pod", marked(Marks::STATIC)),
        ("daemonset-pod", of("DaemonSet")),
        ("terminating", PodInfo { deleted: Some(1), ..web() }),
        ("finished", PodInfo { finished: true, ..web() }),
        ("job-pod", of("Job")),
        ("system-critical", PodInfo { priority: 2_000_000_000, ..web() }),
        ("gang-member", PodInfo { pod_group: Some(group("g")), ..web() }),
        ("local-storage", marked(Marks::LOCAL_STORAGE)),
        ("bare-pod", PodInfo { owner: None, ..web() }),
        ("single-replica", PodInfo { owner: Some(owner("ReplicaSet", "alone")), ..web() }),
        ("young", PodInfo { created: Some(NOW - 299_000_000_000), ..web() }),
        ("excluded-namespace", PodInfo { namespace: "kube-system".into(), ..web() }),
        ("excluded-pod", labelled("tier", "stable")),
        ("opted-out", labelled(RESCHEDULING, "disabled")),
        ("not-safe-to-evict", marked(Marks::NOT_SAFE_TO_EVICT)),
        ("do-not-disrupt", marked(Marks::DO_NOT_DISRUPT)),
        ("prefers-no-eviction", marked(Marks::PREFER_NO_EVICTION)),
    ];
    let options = Options {
        excluded_pods: Some(Selector::parse("tier=stable").unwrap()),
        min_pod_age: 300_000_000_000,
        ..only(Strategy::NodeMaintenance)
    };
    for (reason, case) in cases {
        // Others of the same owner make it no single one.
        let twin = PodInfo { uid: "twin".into(), node_name: Some("b".into()), ..web() };
        let others = [of("DaemonSet"), of("Job")].map(|other| PodInfo {
            uid: format!("other-{}", other.owner.as_ref().unwrap().kind).into(),
            node_name: Some("b".into()),
            ..other
        });
        let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[])];
        let pods: Vec<PodInfo> = [case, twin].into_iter().chain(others).collect();
        let made = planned(&engine(&nodes, &pods), &options);
        assert_eq!(moves(&made), [""; 0], "{reason}");
        assert_eq!(skipped(&made).into_iter().collect::<Vec<_>>(), [(reason.to_owned(), 1)]);
    }
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[])];
    let pods = [web(), PodInfo { uid: "twin".into(), node_name: Some("b".into()), ..web() }];
    assert_eq!(planned(&engine(&nodes, &pods), &options).moves.len(), 1, "and otherwise it is moved");
}

#[test]
fn what_is_allowed_is_moved() {
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[])];
    let pods = [
        PodInfo { owner: None, ..pod("bare", "a", 1, 1) },
        PodInfo { owner: Some(owner("ReplicaSet", "alone")), ..pod("alone-0", "a", 1, 1) },
        PodInfo { marks: Marks::LOCAL_STORAGE, ..pod("web-0", "a", 1, 1) },
        pod("web-1", "b", 1, 1),
    ];
    let options = Options {
        allow_bare_pods: true,
        allow_single_replica: true,
        allow_local_storage: true,
        ..only(Strategy::NodeMaintenance)
    };
    assert_eq!(planned(&engine(&nodes, &pods), &options).moves.len(), 3);
}

fn status(kind: &str, name: &str, replicas: i32, at_rest: bool) -> WorkloadStatus {
    let above = (kind == "ReplicaSet").then(|| owner("Deployment", "web"));
    WorkloadStatus { kind: kind.into(), namespace: "shop".into(), name: name.into(), owner: above, replicas, at_rest }
}

#[test]
fn nothing_is_moved_of_an_owner_that_rolls_out_or_rests() {
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[])];
    let cluster = engine(&nodes, &[pod("web-0", "a", 1, 1), pod("web-1", "b", 1, 1)]);
    let with = |situation: Situation| {
        let made = plan(&mut cluster.fork(), &situation, &only(Strategy::NodeMaintenance));
        (made.moves.len(), made.skipped.first().map(|skipped| skipped.reason.clone()))
    };
    let known = |statuses: Vec<WorkloadStatus>| {
        with(Situation { workloads: statuses.into_iter().collect::<Workloads>(), ..situation() })
    };
    let told = |reason: &str| (0, Some(reason.to_owned()));
    assert_eq!(known(vec![status("ReplicaSet", "web", 2, true), status("Deployment", "web", 2, true)]), (1, None));
    assert_eq!(known(vec![status("ReplicaSet", "web", 2, false)]), told("rolling-out"));
    assert_eq!(
        known(vec![status("ReplicaSet", "web", 2, true), status("Deployment", "web", 2, false)]),
        told("rolling-out")
    );
    assert_eq!(known(vec![status("ReplicaSet", "web", 1, true)]), told("single-replica"));
    let resting = Situation { resting_owners: ["shop/ReplicaSet/web".to_owned()].into(), ..situation() };
    assert_eq!(with(resting), told("owner-rests"));
    assert_eq!(with(Situation { resting_nodes: ["a".into()].into(), ..situation() }), told("node-rests"));
}

#[test]
fn a_disruption_budget_is_spent_and_not_overdrawn() {
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[])];
    let pods: Vec<PodInfo> = (0..4).map(|number| pod(&format!("web-{number}"), "a", 1, 1)).collect();
    let mut cluster = engine(&nodes, &pods);
    let budget = |name: &str, allowed: i32| DisruptionBudget {
        namespace: "shop".into(),
        name: name.into(),
        selector: Selector::all(vec![Requirement::new("app".into(), Operator::In, vec!["web".into()])]),
        disruptions_allowed: allowed,
        disrupted_pods: Set::default(),
    };
    cluster.set_disruption_budget(budget("web", 2));
    let made = planned(&cluster, &only(Strategy::NodeMaintenance));
    assert_eq!((made.moves.len(), skipped(&made)["disruption-budget"]), (2, 2));
    // The Eviction API refuses what two of them count.
    cluster.set_disruption_budget(budget("twice", 9));
    assert!(planned(&cluster, &only(Strategy::NodeMaintenance)).moves.is_empty());
}

#[test]
fn a_pod_that_fits_nowhere_else_stays_and_the_plan_says_why() {
    let nodes = [node("a", &[(MAINTENANCE, "true"), ("disk", "ssd")]), node("b", &[])];
    let bound = |name: &str| PodInfo { node_selector: [("disk", "ssd")].into_iter().collect(), ..pod(name, "a", 1, 1) };
    let cluster = engine(&nodes, &[bound("db-0"), bound("db-1")]);
    let made = planned(&cluster, &only(Strategy::NodeMaintenance));
    assert_eq!(skipped(&made)["fits-nowhere"], 2);
    assert_eq!(made.notes, ["shop/db-0 fits no other node: 1 node(s) didn't match Pod's node affinity/selector"]);
}

#[test]
fn earlier_moves_count_for_later_ones() {
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[]), node("c", &[])];
    // b and c have room for one of them each.
    let pods = [
        pod("big-0", "a", 3, 3),
        pod("big-1", "a", 3, 3),
        pod("big-2", "a", 3, 3),
        pod("db-0", "b", 6, 6),
        pod("db-1", "c", 6, 6),
    ];
    let made = planned(&engine(&nodes, &pods), &only(Strategy::NodeMaintenance));
    let mut targets: Vec<&str> = made.moves.iter().map(|step| step.to.as_str()).collect();
    targets.sort_unstable();
    assert_eq!(targets, ["b", "c"]);
    assert_eq!(skipped(&made)["fits-nowhere"], 1);
}

fn spread(key: &str) -> SpreadConstraint {
    SpreadConstraint {
        max_skew: 1,
        topology_key: key.into(),
        when_unsatisfiable: UnsatisfiableAction::DoNotSchedule,
        selector: Selector::parse("app=web").unwrap(),
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        match_label_keys: Box::default(),
    }
}

/// Zones of five, two and two nodes, and pods that are to be spread over zones and over nodes alike.
fn conflicting() -> Engine {
    let zones = ["x", "x", "x", "x", "x", "y", "y", "z", "z"];
    let nodes: Vec<_> = zones.iter().enumerate().map(|(at, zone)| node(&format!("n{at}"), &[("zone", zone)])).collect();
    let constraints: Arc<[SpreadConstraint]> = [spread("zone"), spread("kubernetes.io/hostname")].into();
    let pods: Vec<PodInfo> = (0..9)
        .map(|number| PodInfo {
            spread: constraints.clone(),
            ..pod(&format!("web-{number}"), &format!("n{}", number % 4), 3, 3)
        })
        .collect();
    engine(&nodes, &pods)
}

#[test]
fn conflicting_spread_constraints_rest() {
    let mut cluster = conflicting();
    for round in 0.. {
        let made = planned(&cluster, &only(Strategy::LoadBalancing));
        if made.moves.is_empty() {
            assert!((1..4).contains(&round), "{round}");
            break;
        }
        cluster = carried_out(&cluster, &made);
    }
}

#[test]
fn the_source_is_judged_like_any_other_and_not_chosen() {
    // Every node but the source is worse for the pod; it goes to the best of those.
    let config = "
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated}}
";
    let nodes = [node("a", &[(MAINTENANCE, "true")]), node("b", &[]), node("c", &[])];
    let pods = [pod("web-0", "a", 1, 1), pod("web-1", "a", 1, 1), pod("db-0", "b", 4, 4), pod("db-1", "c", 1, 1)];
    let mut cluster = engine(&nodes, &pods);
    cluster.set_profiles(profiles(config));
    let made = planned(&cluster, &only(Strategy::NodeMaintenance));
    assert_eq!(moves(&made), ["web-0: a -> b", "web-1: a -> b"]);
}
