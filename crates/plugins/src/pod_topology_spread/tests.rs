mod random;

use std::sync::Arc;

use loadline_framework::{Code, EventObject, Hint, NodeDelta, QueueingHints, Slot};
use loadline_model::{
    Effect, Labels, NodeSpec, Selector, SpreadConstraint, Str, Taint, Toleration, TolerationOperator,
    UnsatisfiableAction,
};
use serde_json::{Value, json};

use super::*;
use crate::testing::{FakeCluster, labelled_pod, labels, node};

const HOSTNAME: &str = arguments::HOSTNAME;

fn plugin(args: &Value) -> PodTopologySpread {
    PodTopologySpread { arguments: Arguments::parse(args).unwrap() }
}

fn by_default() -> PodTopologySpread {
    plugin(&json!({"defaultingType": "System"}))
}

fn app(value: &str) -> Selector {
    Selector::from_pairs([(&"app".into(), &value.into())])
}

fn hard(topology_key: &str, max_skew: i32) -> SpreadConstraint {
    SpreadConstraint {
        max_skew,
        topology_key: topology_key.into(),
        when_unsatisfiable: UnsatisfiableAction::DoNotSchedule,
        selector: app("web"),
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        match_label_keys: Box::default(),
    }
}

fn soft(topology_key: &str, max_skew: i32) -> SpreadConstraint {
    SpreadConstraint { when_unsatisfiable: UnsatisfiableAction::ScheduleAnyway, ..hard(topology_key, max_skew) }
}

fn web(spread: impl IntoIterator<Item = SpreadConstraint>) -> PodInfo {
    PodInfo { spread: spread.into_iter().collect(), ..labelled_pod("incoming", &[("app", "web")]) }
}

/// Nodes a and b in zone 1, c in zone 2, d without a zone; each has its hostname.
fn zones() -> FakeCluster {
    let at = |name: &str, zone: &str| node(name, &[(HOSTNAME, name), ("zone", zone)]);
    FakeCluster::new([at("a", "1"), at("b", "1"), at("c", "2"), node("d", &[(HOSTNAME, "d")])])
}

fn put(cluster: &mut FakeCluster, node: &str, count: usize) {
    for index in 0..count {
        cluster.add_pod(node, labelled_pod(&format!("{node}-{index}"), &[("app", "web")]));
    }
}

fn codes(cluster: &mut FakeCluster, pod: &PodInfo) -> Vec<Code> {
    let answers = cluster.filter(&by_default(), pod).unwrap();
    answers.into_iter().map(|answer| answer.code).collect()
}

const OK: Code = Code::Success;
const FULL: Code = Code::Unschedulable;
const UNLABELLED: Code = Code::UnschedulableAndUnresolvable;

#[test]
fn a_domain_that_is_ahead_by_max_skew_is_full() {
    let mut cluster = zones();
    put(&mut cluster, "b", 1);
    assert_eq!(codes(&mut cluster, &web([hard("zone", 1)])), [FULL, FULL, OK, UNLABELLED]);
    assert_eq!(codes(&mut cluster, &web([hard("zone", 2)])), [OK, OK, OK, UNLABELLED]);
    put(&mut cluster, "c", 1);
    assert_eq!(codes(&mut cluster, &web([hard("zone", 1)])), [OK, OK, OK, UNLABELLED]);
    let answers = cluster.filter(&by_default(), &web([hard(HOSTNAME, 1), hard("zone", 1)])).unwrap();
    let reasons: Vec<_> = answers.iter().map(|answer| answer.reasons.join("")).collect();
    assert_eq!(reasons, ["", MISMATCH, MISMATCH, MISSING_LABEL]);
}

#[test]
fn the_first_constraint_that_is_not_met_decides() {
    let mut cluster = zones();
    put(&mut cluster, "d", 1);
    // d has no zone, so that its pods count for neither constraint.
    let both = web([hard(HOSTNAME, 1), hard("zone", 1)]);
    assert_eq!(codes(&mut cluster, &both), [OK, OK, OK, UNLABELLED]);
    put(&mut cluster, "a", 1);
    let both = web([hard("zone", 1), hard(HOSTNAME, 1)]);
    assert_eq!(codes(&mut cluster, &both), [FULL, FULL, OK, UNLABELLED]);
}

#[test]
fn with_fewer_domains_than_min_domains_the_minimum_is_nothing() {
    let mut cluster = zones();
    put(&mut cluster, "a", 1);
    put(&mut cluster, "c", 1);
    let at_least = |min_domains| web([SpreadConstraint { min_domains, ..hard("zone", 1) }]);
    assert_eq!(codes(&mut cluster, &at_least(2)), [OK, OK, OK, UNLABELLED]);
    assert_eq!(codes(&mut cluster, &at_least(3)), [FULL, FULL, FULL, UNLABELLED]);
}

#[test]
fn a_selector_of_everything_counts_nothing_and_one_of_nothing_neither() {
    let mut cluster = zones();
    put(&mut cluster, "a", 5);
    for selector in [Selector::All(Box::default()), Selector::Nothing] {
        let pod = web([SpreadConstraint { selector, ..hard("zone", 1) }]);
        assert_eq!(codes(&mut cluster, &pod), [OK, OK, OK, UNLABELLED]);
    }
}

#[test]
fn terminating_pods_and_other_namespaces_do_not_count() {
    let mut cluster = zones();
    cluster.add_pod("a", PodInfo { deleted: Some(1), ..labelled_pod("terminating", &[("app", "web")]) });
    cluster.add_pod("a", PodInfo { namespace: "other".into(), ..labelled_pod("elsewhere", &[("app", "web")]) });
    assert_eq!(codes(&mut cluster, &web([hard("zone", 1)])), [OK, OK, OK, UNLABELLED]);
}

#[test]
fn match_label_keys_narrow_the_selector_to_the_pods_own_values() {
    let mut cluster = zones();
    cluster.add_pod("a", labelled_pod("old", &[("app", "web"), ("revision", "1")]));
    let of_revision = |revision: &str| PodInfo {
        labels: labels(&[("app", "web"), ("revision", revision)]),
        ..web([SpreadConstraint { match_label_keys: ["revision".into(), "absent".into()].into(), ..hard("zone", 1) }])
    };
    assert_eq!(codes(&mut cluster, &of_revision("1")), [FULL, FULL, OK, UNLABELLED]);
    assert_eq!(codes(&mut cluster, &of_revision("2")), [OK, OK, OK, UNLABELLED]);
}

fn tainted(spec: NodeSpec, effect: Effect) -> NodeSpec {
    NodeSpec { taints: [Taint { key: "dedicated".into(), value: Str::empty(), effect }].into(), ..spec }
}

#[test]
fn inclusion_policies_say_which_nodes_count() {
    let mut cluster = zones();
    put(&mut cluster, "a", 1);
    cluster.set_node(tainted(node("c", &[(HOSTNAME, "c"), ("zone", "2")]), Effect::NoSchedule));
    let honor =
        |honor_taints, honor_affinity| web([SpreadConstraint { honor_taints, honor_affinity, ..hard("zone", 1) }]);
    // Zone 2 is empty: with it zone 1 is ahead, without it there is nothing to be ahead of.
    assert_eq!(codes(&mut cluster, &honor(false, true)), [FULL, FULL, OK, UNLABELLED]);
    assert_eq!(codes(&mut cluster, &honor(true, true)), [OK, OK, OK, UNLABELLED]);
    let tolerant = PodInfo {
        tolerations: [Toleration {
            key: "dedicated".into(),
            operator: TolerationOperator::Exists,
            value: Str::empty(),
            effect: None,
        }]
        .into(),
        ..honor(true, true)
    };
    assert_eq!(codes(&mut cluster, &tolerant), [FULL, FULL, OK, UNLABELLED]);
    let in_zone_1 = |pod| PodInfo { node_selector: Labels::clone(&labels(&[("zone", "1")])), ..pod };
    assert_eq!(codes(&mut cluster, &in_zone_1(honor(false, true))), [OK, OK, OK, UNLABELLED]);
    assert_eq!(codes(&mut cluster, &in_zone_1(honor(false, false))), [FULL, FULL, OK, UNLABELLED]);
}

#[test]
fn a_node_of_a_domain_that_does_not_exist_has_no_pods_there() {
    let mut cluster = zones();
    put(&mut cluster, "a", 3);
    put(&mut cluster, "c", 9);
    let pod = PodInfo { node_selector: Labels::clone(&labels(&[("zone", "1")])), ..web([hard("zone", 1)]) };
    // Zone 2 does not exist for this pod: 0 there, 3 fewest.
    assert_eq!(codes(&mut cluster, &pod), [OK, OK, OK, UNLABELLED]);
}

#[test]
fn nominated_pods_and_victims_count_on_their_node() {
    let mut cluster = zones();
    let plugin = by_default();
    let victim = cluster.add_pod("a", labelled_pod("victim", &[("app", "web")]));
    let state = cluster.state(&plugin, &web([hard("zone", 1)])).unwrap();
    let with = |cluster: &FakeCluster, slot, added: &[&Arc<PodInfo>], removed: &[&Arc<PodInfo>]| {
        let delta = NodeDelta {
            added: added.iter().copied().cloned().collect(),
            removed: removed.iter().copied().cloned().collect(),
        };
        cluster.answer(&plugin, &state, Slot(slot), Some(&delta)).code
    };
    let nominated = Arc::new(labelled_pod("nominated", &[("app", "web")]));
    assert_eq!(with(&cluster, 0, &[], &[]), FULL);
    assert_eq!(with(&cluster, 0, &[], &[&victim]), OK);
    assert_eq!(with(&cluster, 0, &[&nominated], &[&victim]), FULL);
    // One more in zone 2 raises the minimum: even.
    assert_eq!(with(&cluster, 2, &[&nominated], &[]), OK);
    assert_eq!(with(&cluster, 2, &[&nominated, &nominated], &[]), FULL);
}

#[test]
fn thought_experiments_count_what_counting_leaves_out() {
    // AddPod and RemovePod mind neither termination nor an empty selector: the count can fall below nothing.
    let mut cluster = zones();
    let plugin = by_default();
    let terminating =
        cluster.add_pod("a", PodInfo { deleted: Some(1), ..labelled_pod("terminating", &[("app", "web")]) });
    let removed = NodeDelta { removed: vec![terminating.clone()], ..NodeDelta::default() };
    let added = NodeDelta { added: vec![terminating.clone(), terminating], ..NodeDelta::default() };
    for selector in [app("web"), Selector::All(Box::default())] {
        let pod = web([SpreadConstraint { selector, ..hard("zone", 1) }]);
        let state = cluster.state(&plugin, &pod).unwrap();
        assert_eq!(cluster.answer(&plugin, &state, Slot(0), Some(&removed)).code, OK);
        assert_eq!(cluster.answer(&plugin, &state, Slot(0), Some(&added)).code, FULL);
        let (detail, _) = {
            let info = cluster.info(Slot(0));
            let load = info.load.clone();
            let view = NodeView::new(&cluster, Slot(0), info, plugin.reads()).with_delta(&added, &load);
            plugin.detail(&state, Verdict::unschedulable(0), &view)
        };
        assert!(detail[0].found.starts_with("3: 3 matching pods in 1"), "{detail:?}");
    }
}

#[test]
fn details_tell_skew_minimum_and_domain() {
    let mut cluster = zones();
    put(&mut cluster, "a", 2);
    let plugin = by_default();
    let pod = web([SpreadConstraint { min_domains: 3, ..hard("zone", 1) }]);
    let state = cluster.state(&plugin, &pod).unwrap();
    let told = |slot: u32, verdict| {
        let slot = Slot(slot);
        let view = NodeView::new(&cluster, slot, cluster.info(slot), plugin.reads());
        let (details, remedies) = plugin.detail(&state, verdict, &view);
        (details[0].clone(), remedies.into_iter().map(|r| r.text).collect::<Vec<_>>())
    };
    let (detail, remedies) = told(0, Verdict::unschedulable(0));
    assert_eq!((&*detail.what, &*detail.wanted), ("skew over zone", "at most 1"));
    assert_eq!(
        detail.found,
        "3: 3 matching pods in 1 with this one, the fewest count as 0, since there are 2 of at least 3 domains"
    );
    assert_eq!(remedies[1], "needs maxSkew 3 instead of 1 over zone");
    let (detail, remedies) = told(3, Verdict::unresolvable(0));
    assert_eq!((&*detail.what, &*detail.found), ("label zone", "none"));
    assert_eq!(remedies, ["needs the label zone on d"]);
}

#[test]
fn soft_constraints_score_the_emptier_domain_higher() {
    let mut cluster = zones();
    put(&mut cluster, "a", 2);
    put(&mut cluster, "c", 1);
    let scores = cluster.scores(&by_default(), &web([soft("zone", 1)])).unwrap();
    // ln(2 zones + 2) is 1.386: 2 pods round to 3, 1 pod to 1. d is ignored.
    assert_eq!(scores.iter().map(|s| s.raw).collect::<Vec<_>>(), [3, 3, 1, 0]);
    assert_eq!(scores.iter().map(|s| s.normalized).collect::<Vec<_>>(), [33, 33, 100, 0]);
    // Among a and b alone there is one zone: equal, ln 3 times 2.
    let scores = cluster.scores_of(&by_default(), &web([soft("zone", 1)]), &[Slot(0), Slot(1)]).unwrap();
    assert_eq!(scores.iter().map(|s| (s.raw, s.normalized)).collect::<Vec<_>>(), [(2, 100), (2, 100)]);
    assert!(cluster.scores(&by_default(), &web([hard("zone", 1)])).is_none());
}

#[test]
fn an_empty_cluster_gives_every_node_the_best_score() {
    let mut cluster = zones();
    let scores = cluster.scores(&by_default(), &web([soft("zone", 1)])).unwrap();
    assert_eq!(scores.iter().map(|s| s.normalized).collect::<Vec<_>>(), [100, 100, 100, 0]);
}

#[test]
fn defaults_need_a_selector_and_do_not_ask_for_every_label() {
    let mut cluster = zones();
    put(&mut cluster, "d", 4);
    let plain = labelled_pod("incoming", &[("app", "web")]);
    assert!(cluster.scores(&by_default(), &plain).is_none());
    cluster.default_selector = Some(Arc::new(app("web")));
    let scores = cluster.scores(&by_default(), &plain).unwrap();
    // No node has topology.kubernetes.io/zone. Four nodes: ln 6 is 1.79; maxSkew 3 adds 2 to each.
    assert_eq!(scores.iter().map(|s| s.raw).collect::<Vec<_>>(), [2, 2, 2, 9]);
    let list = plugin(&json!({"defaultingType": "List", "defaultConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
    ]}));
    let scores = cluster.scores(&list, &plain).unwrap();
    assert_eq!(scores.iter().map(|s| s.normalized).collect::<Vec<_>>(), [100, 100, 100, 0]);
    assert_eq!(cluster.passing(&list, &plain), ["a", "b", "c"]);
}

#[test]
fn pods_that_differ_in_labels_alone_share_a_key() {
    let mut cluster = zones();
    let member = |index: &str| PodInfo {
        labels: labels(&[("app", "web"), ("apps.kubernetes.io/pod-index", index)]),
        ..web([hard("zone", 1)])
    };
    let plugin = by_default();
    let mut key = |pod: &PodInfo| plugin.key(pod, &mut cluster).unwrap();
    assert_eq!(key(&member("0")), key(&member("1")));
    let stranger = PodInfo { labels: labels(&[("app", "db")]), ..member("0") };
    assert_ne!(key(&member("0")), key(&stranger));
    assert_eq!(key(&labelled_pod("plain", &[])), None);
}

#[test]
fn hints_follow_pods_that_count_and_nodes_with_the_labels() {
    let hints = Hints { arguments: by_default().arguments };
    let waiting = web([SpreadConstraint { honor_taints: true, ..hard("zone", 1) }]);
    let hint = |object: EventObject<'_>| {
        let event = ClusterEvent::new(Resource::Pod, Action::ALL);
        hints.hint(&waiting, &event, &object) == Hint::Queue
    };
    let pod_event = |old: Option<&PodInfo>, new: Option<&PodInfo>| hint(EventObject::Pod { old, new });
    let placed = |app: &str| PodInfo { node_name: Some("a".into()), ..labelled_pod("placed", &[("app", app)]) };
    assert!(pod_event(None, Some(&placed("web"))));
    assert!(pod_event(Some(&placed("web")), None));
    assert!(!pod_event(Some(&placed("db")), None));
    assert!(pod_event(Some(&placed("db")), Some(&placed("web"))));
    assert!(!pod_event(Some(&placed("web")), Some(&placed("web"))));
    assert!(!pod_event(None, Some(&labelled_pod("unplaced", &[("app", "web")]))));
    let elsewhere = PodInfo { namespace: "other".into(), ..placed("web") };
    assert!(!pod_event(None, Some(&elsewhere)));
    let tolerant = PodInfo {
        tolerations: [Toleration {
            key: Str::empty(),
            operator: TolerationOperator::Exists,
            value: Str::empty(),
            effect: None,
        }]
        .into(),
        ..waiting.clone()
    };
    assert!(pod_event(Some(&waiting), Some(&tolerant)));

    let node_event = |old: Option<&NodeSpec>, new: Option<&NodeSpec>| hint(EventObject::Node { old, new });
    let in_zone = |zone: &str| node("n", &[("zone", zone)]);
    let bare = node("n", &[]);
    assert!(node_event(None, Some(&in_zone("1"))));
    assert!(!node_event(None, Some(&bare)));
    assert!(node_event(Some(&in_zone("1")), None));
    assert!(node_event(Some(&in_zone("1")), Some(&in_zone("2"))));
    assert!(node_event(Some(&in_zone("1")), Some(&bare)));
    assert!(!node_event(Some(&in_zone("1")), Some(&in_zone("1"))));
    assert!(node_event(Some(&in_zone("1")), Some(&tainted(in_zone("1"), Effect::NoSchedule))));
    assert!(!node_event(Some(&bare), Some(&tainted(bare.clone(), Effect::NoSchedule))));
}
