mod random;

use std::sync::Arc;

use loadline_framework::{Code, EventObject, Hint, NodeDelta, QueueingHints, Slot};
use loadline_model::{Affinity, NamespaceMatch, NodeSpec, PodAffinityTerm, PodMatcher, Selector, Weighted};
use serde_json::json;

use super::*;
use crate::testing::{FakeCluster, labelled_pod, node};

fn plugin(args: &Value) -> InterPodAffinity {
    InterPodAffinity { arguments: Arguments::parse(args) }
}

fn by_default() -> InterPodAffinity {
    plugin(&json!({"hardPodAffinityWeight": 1, "ignorePreferredTermsOfExistingPods": false}))
}

fn app(value: &str) -> Selector {
    Selector::from_pairs([(&"app".into(), &value.into())])
}

/// Pods of an app in namespace `default`, over a topology.
fn near(value: &str, topology_key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        pods: PodMatcher {
            namespaces: NamespaceMatch { names: ["default".into()].into(), selector: Selector::Nothing },
            selector: app(value),
        },
        topology_key: topology_key.into(),
    }
}

fn weighted(weight: i32, term: PodAffinityTerm) -> Weighted<PodAffinityTerm> {
    Weighted { weight, term }
}

fn wants(terms: &[PodAffinityTerm]) -> Affinity {
    Affinity { pod_required: terms.into(), ..Affinity::default() }
}

fn shuns(terms: &[PodAffinityTerm]) -> Affinity {
    Affinity { anti_required: terms.into(), ..Affinity::default() }
}

fn pod_of(name: &str, app: &str, affinity: Affinity) -> PodInfo {
    PodInfo { affinity: Some(Arc::new(affinity)), ..labelled_pod(name, &[("app", app)]) }
}

/// Nodes a and b in zone 1, c in zone 2, d without a zone.
fn zones() -> FakeCluster {
    FakeCluster::new([
        node("a", &[("zone", "1"), ("host", "a")]),
        node("b", &[("zone", "1"), ("host", "b")]),
        node("c", &[("zone", "2"), ("host", "c")]),
        node("d", &[("host", "d")]),
    ])
}

fn codes(cluster: &mut FakeCluster, pod: &PodInfo) -> Vec<Code> {
    let answers = cluster.filter(&by_default(), pod).unwrap();
    answers.into_iter().map(|answer| answer.code).collect()
}

fn raw(cluster: &mut FakeCluster, plugin: &InterPodAffinity, pod: &PodInfo) -> Option<Vec<i64>> {
    Some(cluster.scores(plugin, pod)?.into_iter().map(|score| score.raw).collect())
}

const OK: Code = Code::Success;
const NO: Code = Code::Unschedulable;
const NEVER: Code = Code::UnschedulableAndUnresolvable;

#[test]
fn required_affinity_needs_one_pod_that_matches_all_terms_in_each_topology() {
    let mut cluster = zones();
    let both = pod_of("p", "web", wants(&[near("db", "zone"), near("db", "host")]));
    assert_eq!(codes(&mut cluster, &both), [NEVER; 4]);
    cluster.add_pod("a", labelled_pod("db", &[("app", "db")]));
    assert_eq!(codes(&mut cluster, &both), [OK, NEVER, NEVER, NEVER]);
    let zone = pod_of("p", "web", wants(&[near("db", "zone")]));
    assert_eq!(codes(&mut cluster, &zone), [OK, OK, NEVER, NEVER]);
    cluster.add_pod("a", labelled_pod("web", &[("app", "web")]));
    let no_pod_is_both = pod_of("p", "web", wants(&[near("db", "zone"), near("web", "zone")]));
    assert_eq!(codes(&mut cluster, &no_pod_is_both), [NEVER; 4]);
}

#[test]
fn the_first_of_a_group_may_go_wherever_the_labels_are() {
    let mut cluster = zones();
    let group = pod_of("p", "web", wants(&[near("web", "zone")]));
    assert_eq!(codes(&mut cluster, &group), [OK, OK, OK, NEVER]);
    // On a node without the label it counts nowhere: the next one still is the first.
    cluster.add_pod("d", labelled_pod("lost", &[("app", "web")]));
    assert_eq!(codes(&mut cluster, &group), [OK, OK, OK, NEVER]);
    cluster.add_pod("c", labelled_pod("first", &[("app", "web")]));
    assert_eq!(codes(&mut cluster, &group), [NEVER, NEVER, OK, NEVER]);
}

#[test]
fn required_anti_affinity_goes_both_ways() {
    let mut cluster = zones();
    cluster.add_pod("a", labelled_pod("db", &[("app", "db")]));
    cluster.add_pod("c", pod_of("loner", "cache", shuns(&[near("web", "zone")])));
    assert_eq!(codes(&mut cluster, &pod_of("p", "x", shuns(&[near("db", "zone")]))), [NO, NO, OK, OK]);
    assert_eq!(codes(&mut cluster, &labelled_pod("p", &[("app", "web")])), [OK, OK, NO, OK]);
    let both = pod_of("p", "web", shuns(&[near("db", "host"), near("cache", "host")]));
    let answers = cluster.filter(&by_default(), &both).unwrap();
    let reasons: Vec<_> = answers.iter().map(|answer| answer.reasons.join("")).collect();
    let anti = "node(s) didn't match pod anti-affinity rules";
    assert_eq!(reasons, [anti, "", anti, ""]);
    let only_existing = cluster.filter(&by_default(), &labelled_pod("p", &[("app", "web")])).unwrap();
    assert_eq!(only_existing[2].reasons, ["node(s) didn't satisfy existing pods anti-affinity rules"]);
}

#[test]
fn terminating_pods_count() {
    let mut cluster = zones();
    cluster.add_pod("a", PodInfo { deleted: Some(1), ..labelled_pod("db", &[("app", "db")]) });
    assert_eq!(codes(&mut cluster, &pod_of("p", "x", shuns(&[near("db", "zone")]))), [NO, NO, OK, OK]);
}

#[test]
fn namespace_selectors_see_the_labels_of_namespaces() {
    let mut cluster = zones();
    cluster.set_namespace("prod", &[("env", "prod")]);
    cluster.add_pod("a", PodInfo { namespace: "prod".into(), ..labelled_pod("db", &[("app", "db")]) });
    let in_env = |env: &str| {
        let mut term = near("db", "zone");
        term.pods.namespaces =
            NamespaceMatch { names: Box::default(), selector: Selector::from_pairs([(&"env".into(), &env.into())]) };
        pod_of("p", "web", shuns(&[term]))
    };
    assert_eq!(codes(&mut cluster, &in_env("prod")), [NO, NO, OK, OK]);
    assert_eq!(codes(&mut cluster, &in_env("test")), [OK; 4]);
}

#[test]
fn nominated_pods_and_victims_count_on_their_node() {
    let mut cluster = zones();
    let plugin = by_default();
    let db = cluster.add_pod("a", labelled_pod("db", &[("app", "db")]));
    let loner = cluster.add_pod("c", pod_of("loner", "cache", shuns(&[near("web", "zone")])));
    let with = |cluster: &mut FakeCluster, pod: &PodInfo, slot, added: &[&Arc<PodInfo>], removed: &[&Arc<PodInfo>]| {
        cluster.thought_of = added.iter().map(|pod| PodInfo::clone(pod)).collect();
        let state = cluster.state(&plugin, pod).unwrap();
        let delta = NodeDelta {
            added: added.iter().copied().cloned().collect(),
            removed: removed.iter().copied().cloned().collect(),
        };
        cluster.answer(&plugin, &state, Slot(slot), Some(&delta)).code
    };
    let shy = pod_of("p", "web", shuns(&[near("db", "zone")]));
    assert_eq!(with(&mut cluster, &shy, 0, &[], &[]), NO);
    assert_eq!(with(&mut cluster, &shy, 0, &[], &[&db]), OK);
    assert_eq!(with(&mut cluster, &shy, 0, &[&db], &[&db]), NO);
    assert_eq!(with(&mut cluster, &shy, 2, &[], &[]), NO);
    assert_eq!(with(&mut cluster, &shy, 2, &[], &[&loner]), OK);
    // Over a topology that no carried term has had so far.
    let by_host = Arc::new(pod_of("n", "cache", shuns(&[near("web", "host")])));
    let by_rack = Arc::new(pod_of("n", "cache", shuns(&[near("web", "rack")])));
    assert_eq!(with(&mut cluster, &shy, 3, &[&by_rack], &[]), OK);
    assert_eq!(with(&mut cluster, &shy, 3, &[&by_host], &[]), NO);
    let fond = pod_of("p", "web", wants(&[near("web", "host")]));
    let web = Arc::new(labelled_pod("n", &[("app", "web")]));
    assert_eq!(with(&mut cluster, &fond, 3, &[], &[]), OK);
    let elsewhere = cluster.add_pod("a", labelled_pod("w", &[("app", "web")]));
    assert_eq!(with(&mut cluster, &fond, 3, &[], &[]), NEVER);
    assert_eq!(with(&mut cluster, &fond, 3, &[&web], &[]), OK);
    assert_eq!(with(&mut cluster, &fond, 0, &[], &[&elsewhere]), OK);
}

#[test]
fn nominated_pods_terms_do_not_count_where_pre_filter_says_skip() {
    let mut cluster = zones();
    let plugin = by_default();
    // The carrier is on a node without the key, so that no pair counts.
    cluster.add_pod("d", pod_of("loner", "cache", shuns(&[near("web", "zone")])));
    let plain = labelled_pod("p", &[("app", "web")]);
    let state = cluster.state(&plugin, &plain).unwrap();
    let delta = NodeDelta {
        added: vec![Arc::new(pod_of("n", "cache", shuns(&[near("web", "zone")])))],
        ..NodeDelta::default()
    };
    assert_eq!(cluster.answer(&plugin, &state, Slot(0), Some(&delta)).code, OK);
    cluster.add_pod("c", pod_of("second", "cache", shuns(&[near("web", "zone")])));
    let state = cluster.state(&plugin, &plain).unwrap();
    assert_eq!(cluster.answer(&plugin, &state, Slot(0), Some(&delta)).code, NO);
}

#[test]
fn scores_add_up_preferences_of_both_sides() {
    let mut cluster = zones();
    let fond = Affinity {
        pod_preferred: [weighted(10, near("db", "zone"))].into(),
        anti_preferred: [weighted(3, near("cache", "host"))].into(),
        ..Affinity::default()
    };
    let fond = pod_of("p", "web", fond);
    assert_eq!(raw(&mut cluster, &by_default(), &fond), None);
    cluster.add_pod("a", labelled_pod("db", &[("app", "db")]));
    cluster.add_pod("b", labelled_pod("cache", &[("app", "cache")]));
    assert_eq!(raw(&mut cluster, &by_default(), &fond).unwrap(), [10, 7, 0, 0]);
    let normalized = cluster.scores(&by_default(), &fond).unwrap();
    assert_eq!(normalized.iter().map(|s| s.normalized).collect::<Vec<_>>(), [100, 70, 0, 0]);

    let admirer = Affinity {
        pod_required: [near("web", "zone")].into(),
        pod_preferred: [weighted(20, near("web", "host"))].into(),
        anti_preferred: [weighted(7, near("web", "zone"))].into(),
        ..Affinity::default()
    };
    cluster.add_pod("c", pod_of("admirer", "x", admirer));
    let plain = labelled_pod("p", &[("app", "web")]);
    assert_eq!(raw(&mut cluster, &by_default(), &plain).unwrap(), [0, 0, 1 + 20 - 7, 0]);
    let heavy = plugin(&json!({"hardPodAffinityWeight": 100}));
    assert_eq!(raw(&mut cluster, &heavy, &plain).unwrap(), [0, 0, 113, 0]);
    let ignoring = plugin(&json!({"ignorePreferredTermsOfExistingPods": true}));
    assert_eq!(raw(&mut cluster, &ignoring, &plain), None);
    // With preferences of its own the others' count all the same.
    assert_eq!(raw(&mut cluster, &ignoring, &fond).unwrap(), [10, 7, 14, 0]);
}

#[test]
fn preferences_that_cancel_out_still_score() {
    let mut cluster = zones();
    let torn = Affinity {
        pod_preferred: [weighted(5, near("web", "zone"))].into(),
        anti_preferred: [weighted(5, near("web", "zone"))].into(),
        ..Affinity::default()
    };
    let plain = labelled_pod("p", &[("app", "web")]);
    cluster.add_pod("d", pod_of("no-zone", "x", torn.clone()));
    assert_eq!(raw(&mut cluster, &by_default(), &plain), None);
    cluster.add_pod("a", pod_of("torn", "x", torn));
    assert_eq!(raw(&mut cluster, &by_default(), &plain).unwrap(), [0; 4]);
    let none = plugin(&json!({"hardPodAffinityWeight": 0}));
    cluster.add_pod("a", pod_of("wants", "x", wants(&[near("db", "zone")])));
    assert_eq!(raw(&mut cluster, &none, &labelled_pod("p", &[("app", "db")])), None);
}

#[test]
fn normalisation_rounds_the_quotient_before_it_multiplies() {
    let bounds = Bounds { min: -3, max: 97 };
    // 29/100 is a little less than it seems, and 100 times it 28.999….
    assert_eq!(normalize(26, bounds), 28);
    assert_eq!((normalize(-3, bounds), normalize(97, bounds)), (0, 100));
    assert_eq!(normalize(5, Bounds { min: 5, max: 5 }), 0);
}

#[test]
fn pods_that_no_term_tells_apart_share_a_key() {
    let mut cluster = zones();
    let plugin = by_default();
    let member = |index: &str| PodInfo {
        affinity: Some(Arc::new(shuns(&[near("web", "host")]))),
        ..labelled_pod(index, &[("app", "web"), ("apps.kubernetes.io/pod-index", index)])
    };
    cluster.add_pod("a", member("0"));
    let mut key = |pod: &PodInfo| plugin.key(pod, &mut cluster).unwrap();
    assert_eq!(key(&member("1")), key(&member("2")));
    assert_ne!(key(&member("1")), key(&pod_of("x", "db", shuns(&[near("web", "host")]))));
    assert_eq!(key(&labelled_pod("plain", &[("app", "db")])), None);
}

#[test]
fn details_name_domain_number_and_an_example() {
    let mut cluster = zones();
    let plugin = by_default();
    cluster.add_pod("b", labelled_pod("db-1", &[("app", "db")]));
    cluster.add_pod("a", labelled_pod("db-0", &[("app", "db")]));
    cluster.add_pod("c", pod_of("loner", "cache", shuns(&[near("web", "zone")])));
    let told = |cluster: &mut FakeCluster, pod: &PodInfo, slot: u32| {
        let state = cluster.state(&plugin, pod).unwrap();
        let slot = Slot(slot);
        let view = NodeView::new(cluster, slot, cluster.info(slot), plugin.reads());
        let (details, remedies) = plugin.detail(&state, plugin.filter(&state, &view), &view);
        let detail = format!("{}: wanted {}, found {}", details[0].what, details[0].wanted, details[0].found);
        (detail, remedies[0].text.clone())
    };
    let shy = pod_of("p", "web", shuns(&[near("db", "zone")]));
    assert_eq!(
        told(&mut cluster, &shy, 1),
        (
            "pods that match the required anti-affinity in zone=1: wanted 0, found 2, such as default/db-0 on a".into(),
            "needs the 2 pods that match its required anti-affinity gone from zone=1".into(),
        )
    );
    assert_eq!(
        told(&mut cluster, &shy, 2),
        (
            "required anti-affinity terms of other pods that mean this one in zone=2: wanted 0, found 1, \
         such as default/loner on c"
                .into(),
            "needs the pod with a required anti-affinity term that means it gone from zone=2".into(),
        )
    );
    let fond = pod_of("p", "x", wants(&[near("db", "zone")]));
    assert_eq!(
        told(&mut cluster, &fond, 2),
        (
            "pods that match the required affinity in zone=2: wanted at least 1, found 0, and 2 in other domains"
                .into(),
            "needs a pod that matches its required affinity in zone=2".into(),
        )
    );
    assert_eq!(
        told(&mut cluster, &fond, 3),
        ("label zone: wanted any value, found none".into(), "needs the label zone on d".into(),)
    );
}

#[test]
fn details_do_not_go_by_which_term_was_seen_first() {
    let loners = ["zone", "host"].map(|key| pod_of(key, "cache", shuns(&[near("web", key)])));
    let told = |order: [usize; 2]| {
        let (mut cluster, plugin) = (zones(), by_default());
        for loner in order {
            cluster.add_pod("a", loners[loner].clone());
            // A decision in between: the term gets its number.
            cluster.state(&plugin, &labelled_pod("q", &[("app", "web")]));
        }
        let state = cluster.state(&plugin, &labelled_pod("p", &[("app", "web")])).unwrap();
        let view = NodeView::new(&cluster, Slot(0), cluster.info(Slot(0)), plugin.reads());
        let (details, remedies) = plugin.detail(&state, plugin.filter(&state, &view), &view);
        let changes: Vec<String> = remedies.iter().map(|remedy| remedy.change.to_string()).collect();
        (details, changes)
    };
    let (details, _) = told([0, 1]);
    assert_eq!(details.len(), 2);
    assert!(details[0].what.ends_with("host=a") && details[1].what.ends_with("zone=1"), "{details:?}");
    assert_eq!(told([0, 1]), told([1, 0]));
}

#[test]
fn hints_follow_pods_that_terms_mean_and_nodes_that_change_domain() {
    let event = ClusterEvent::new(Resource::Pod, Action::ALL);
    let hint = |pod: &PodInfo, object: EventObject<'_>| Hints.hint(pod, &event, &object) == Hint::Queue;
    let placed = |pod: PodInfo| PodInfo { node_name: Some("a".into()), ..pod };
    let with_app = |app: &str| placed(labelled_pod("other", &[("app", app)]));
    let fond = pod_of("p", "web", wants(&[near("db", "zone")]));
    let shy = pod_of("p", "web", shuns(&[near("db", "zone")]));
    let pod_event =
        |pod: &PodInfo, old: Option<&PodInfo>, new: Option<&PodInfo>| hint(pod, EventObject::Pod { old, new });
    assert!(pod_event(&fond, None, Some(&with_app("db"))));
    assert!(!pod_event(&fond, None, Some(&with_app("x"))));
    assert!(!pod_event(&fond, None, Some(&labelled_pod("unplaced", &[("app", "db")]))));
    assert!(pod_event(&fond, Some(&with_app("x")), Some(&with_app("db"))));
    assert!(!pod_event(&fond, Some(&with_app("db")), Some(&with_app("x"))));
    assert!(pod_event(&fond, Some(&fond), Some(&fond)));
    assert!(pod_event(&shy, Some(&with_app("db")), None));
    assert!(!pod_event(&shy, Some(&with_app("x")), None));
    assert!(pod_event(&shy, Some(&with_app("db")), Some(&with_app("x"))));
    assert!(pod_event(&fond, Some(&placed(pod_of("other", "x", shuns(&[near("web", "zone")])))), None));

    let in_zone = |zone: &str| node("n", &[("zone", zone)]);
    let bare = node("n", &[]);
    let node_event =
        |pod: &PodInfo, old: Option<&NodeSpec>, new: &NodeSpec| hint(pod, EventObject::Node { old, new: Some(new) });
    assert!(node_event(&fond, None, &in_zone("1")));
    assert!(!node_event(&fond, None, &bare));
    assert!(node_event(&fond, Some(&bare), &in_zone("1")));
    assert!(node_event(&fond, Some(&in_zone("1")), &in_zone("2")));
    assert!(!node_event(&fond, Some(&in_zone("1")), &bare));
    assert!(node_event(&shy, None, &bare));
    assert!(node_event(&shy, Some(&in_zone("1")), &bare));
    assert!(node_event(&shy, Some(&in_zone("1")), &in_zone("2")));
    assert!(!node_event(&shy, Some(&bare), &in_zone("2")));
    assert!(!node_event(&labelled_pod("p", &[]), None, &in_zone("1")));
}
