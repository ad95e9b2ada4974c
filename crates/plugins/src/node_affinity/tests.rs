//! NodeAffinity's tests.

use super::*;
use crate::testing::{FakeCluster, node, pod};
use loadline_framework::{Code, Slot};
use loadline_model::{FieldRequirement, Operator, Requirement};
use serde_json::{Value, json};

fn plugin(added: &Value) -> NodeAffinity {
    let args = json!({ "addedAffinity": added });
    assert_eq!(args::validate(&args), []);
    NodeAffinity { added: Arc::new(AddedAffinity::new(&args).unwrap()) }
}

fn plain() -> NodeAffinity {
    plugin(&Value::Null)
}

fn expression(key: &str, operator: Operator, values: &[&str]) -> NodeSelectorTerm {
    let values = values.iter().map(|v| Str::from(*v)).collect();
    NodeSelectorTerm {
        expressions: [Requirement::new(key.into(), operator, values)].into(),
        fields: [].into(),
        problems: [].into(),
    }
}

fn names(fields: &[(bool, &str)]) -> NodeSelectorTerm {
    let field = |&(negated, name): &(bool, &str)| FieldRequirement { negated, name: name.into() };
    NodeSelectorTerm { expressions: [].into(), fields: fields.iter().map(field).collect(), problems: [].into() }
}

fn requiring(terms: &[NodeSelectorTerm]) -> PodInfo {
    crate::testing::pod_with_affinity(
        "p",
        Affinity { node_required: Some(NodeSelector { terms: terms.into() }), ..Affinity::default() },
    )
}

fn preferring(terms: &[(i32, NodeSelectorTerm)]) -> PodInfo {
    let weighted = |(weight, term): &(i32, NodeSelectorTerm)| Weighted { weight: *weight, term: term.clone() };
    crate::testing::pod_with_affinity(
        "p",
        Affinity { node_preferred: terms.iter().map(weighted).collect(), ..Affinity::default() },
    )
}

fn selecting(pairs: &[(&str, &str)]) -> PodInfo {
    PodInfo { node_selector: pairs.iter().copied().collect(), ..pod("p") }
}

fn cluster() -> FakeCluster {
    FakeCluster::new([
        node("a", &[("zone", "1"), ("disk", "ssd"), ("cores", "16")]),
        node("b", &[("zone", "2"), ("cores", "many")]),
        node("c", &[]),
    ])
}

#[test]
fn selector_and_required_affinity_must_both_match() {
    let mut cluster = cluster();
    let mut passing = |pod: &PodInfo| cluster.passing(&plain(), pod).join("");
    assert_eq!(passing(&pod("p")), "abc");
    assert_eq!(passing(&selecting(&[("zone", "1")])), "a");
    assert_eq!(passing(&selecting(&[("zone", "1"), ("disk", "hdd")])), "");
    let zone_2 = expression("zone", Operator::In, &["2", "3"]);
    let no_zone = expression("zone", Operator::DoesNotExist, &[]);
    assert_eq!(passing(&requiring(&[zone_2.clone(), no_zone])), "bc");
    assert_eq!(passing(&requiring(&[expression("zone", Operator::NotIn, &["1"])])), "bc");
    assert_eq!(passing(&requiring(&[expression("cores", Operator::Gt, &["8"])])), "a");
    let both = PodInfo { node_selector: [("zone", "1")].into_iter().collect(), ..requiring(&[zone_2]) };
    assert_eq!(passing(&both), "");
    // No usable term: nothing matches.
    assert_eq!(passing(&requiring(&[])), "");
    assert_eq!(passing(&requiring(&[names(&[])])), "");
}

#[test]
fn a_rejection_is_unresolvable_and_told() {
    let mut cluster = cluster();
    let answers = cluster.filter(&plain(), &selecting(&[("zone", "1")])).unwrap();
    assert_eq!(answers[1].code, Code::UnschedulableAndUnresolvable);
    assert_eq!(answers[1].reasons, ["node(s) didn't match Pod's node affinity/selector"]);
}

#[test]
fn match_fields_narrow_to_the_named_nodes() {
    let narrow = |terms: &[NodeSelectorTerm]| {
        let nodes = plain().narrow(&requiring(terms))?;
        Some(nodes.join(","))
    };
    let (a, b) = (names(&[(false, "a")]), names(&[(false, "b")]));
    assert_eq!(narrow(&[b.clone(), a.clone(), b]).as_deref(), Some("a,b"));
    assert_eq!(narrow(&[a.clone(), expression("zone", Operator::Exists, &[])]), None);
    assert_eq!(narrow(&[names(&[(true, "a")])]), None);
    assert_eq!(narrow(&[names(&[(false, "a"), (true, "b")])]).as_deref(), Some("a"));
    let conflict = names(&[(false, "a"), (false, "b")]);
    assert_eq!(narrow(&[a, conflict.clone()]).as_deref(), Some("a"));
    assert_eq!(narrow(&[]), None);
    assert_eq!(plain().narrow(&pod("p")), None);

    assert_eq!(narrow(std::slice::from_ref(&conflict)).as_deref(), Some(""));
    let status = plain().key(&requiring(&[conflict]), &mut cluster()).unwrap_err();
    assert_eq!(status, Status::unresolvable("pod affinity terms conflict"));
}

#[test]
fn preferred_terms_add_up_their_weights() {
    let mut cluster = cluster();
    let preferring = preferring(&[
        (10, expression("zone", Operator::Exists, &[])),
        (30, expression("disk", Operator::In, &["ssd"])),
        (90, names(&[])),
    ]);
    let scores = cluster.scores(&plain(), &preferring).unwrap();
    let of: Vec<_> = scores.iter().map(|s| (s.raw, s.normalized)).collect();
    assert_eq!(of, [(40, 100), (10, 25), (0, 0)]);
    // PreScore says Skip without preferred terms, PreFilter without required ones.
    assert_eq!(cluster.scores(&plain(), &selecting(&[("zone", "1")])), None);
    let key = Key::of(&preferring);
    let prepared = plain().prepare(&key, &preferring, &mut cluster);
    assert!(!prepared.filters && prepared.scores);
    assert_eq!(plain().key(&pod("p"), &mut cluster), Ok(None));
}

#[test]
fn added_affinity_comes_first() {
    let added = plugin(&json!({
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
        ]},
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 7, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}},
        ],
    }));
    let mut cluster = cluster();
    let answers = cluster.filter(&added, &selecting(&[("zone", "2")])).unwrap();
    assert_eq!(answers[0].reasons, ["node(s) didn't match Pod's node affinity/selector"]);
    assert_eq!(answers[1].code, Code::Success);
    assert_eq!(answers[2].reasons, ["node(s) didn't match scheduler-enforced node affinity"]);
    // It also holds for pods that have nothing of their own.
    assert_eq!(cluster.passing(&added, &pod("p")), ["a", "b"]);
    let scores = cluster.scores(&added, &pod("p")).unwrap();
    assert_eq!(scores.iter().map(|s| s.raw).collect::<Vec<_>>(), [7, 0, 0]);
}

#[test]
fn pods_that_differ_in_other_parts_of_their_affinity_share_a_key() {
    let term = expression("zone", Operator::Exists, &[]);
    let one = requiring(std::slice::from_ref(&term));
    let mut other = requiring(&[term]);
    let mut affinity = Affinity::clone(other.affinity.as_ref().unwrap());
    affinity.anti_required = [loadline_model::PodAffinityTerm {
        pods: loadline_model::PodMatcher {
            namespaces: loadline_model::NamespaceMatch {
                names: ["default".into()].into(),
                selector: loadline_model::Selector::Nothing,
            },
            selector: loadline_model::Selector::Nothing,
        },
        topology_key: "zone".into(),
    }]
    .into();
    other.affinity = Some(Arc::new(affinity));
    assert_eq!(Key::of(&one), Key::of(&other));
    assert_ne!(Key::of(&one), Key::of(&pod("p")));
}

#[test]
fn labels_wanted_and_found_are_told() {
    let mut cluster = cluster();
    let told = |cluster: &mut FakeCluster, pod: &PodInfo, slot: u32| {
        let state = cluster.state(&plain(), pod).unwrap();
        let view = NodeView::new(cluster, Slot(slot), cluster.info(Slot(slot)), Reads::SPEC);
        let (details, remedies) = plain().detail(&state, Verdict::unresolvable(OWN), &view);
        let details: Vec<_> = details.into_iter().map(|d| format!("{}: {} / {}", d.what, d.wanted, d.found)).collect();
        let remedies: Vec<_> = remedies.into_iter().map(|r| r.text).collect();
        (details.join("; "), remedies.join("; "))
    };
    let (details, remedies) = told(&mut cluster, &selecting(&[("zone", "1"), ("disk", "ssd")]), 1);
    assert_eq!(details, "label disk: ssd / absent; label zone: 1 / 2");
    assert_eq!(remedies, "needs label disk=ssd on b; needs label zone=1 on b");
    // The term that is closest: one label off, not two.
    let mut far = expression("x", Operator::Exists, &[]);
    far.expressions = [far.expressions[0].clone(), Requirement::new("y".into(), Operator::Exists, vec![])].into();
    let near = expression("cores", Operator::Lt, &["8"]);
    let (details, remedies) = told(&mut cluster, &requiring(&[far, near]), 0);
    assert_eq!(details, "label cores: < 8 / 16");
    assert_eq!(remedies, "needs label cores=7 on a");
}

#[test]
fn hints() {
    let plugin = plain();
    let waiting = selecting(&[("zone", "1")]);
    let hint = |old: Option<&NodeSpec>, new: &NodeSpec| {
        plugin.hint(&waiting, &DESCRIPTOR.events[0], &EventObject::Node { old, new: Some(new) })
    };
    let (good, bad) = (node("a", &[("zone", "1")]), node("a", &[("zone", "2")]));
    assert_eq!(hint(None, &good), Hint::Queue);
    assert_eq!(hint(None, &bad), Hint::Skip);
    assert_eq!(hint(Some(&bad), &good), Hint::Queue);
    assert_eq!(hint(Some(&good), &good), Hint::Skip);
}

#[test]
fn added_affinity_must_be_parsable() {
    let required = |expression: Value| {
        let terms = json!([{ "matchExpressions": [expression] }]);
        let args = json!({"addedAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
        }});
        assert_eq!(AddedAffinity::new(&args).is_err(), !args::validate(&args).is_empty());
        let prefix =
            "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]";
        args::validate(&args)
            .into_iter()
            .map(|e| e.path.strip_prefix(prefix).expect("the path is below the expression").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(required(json!({"key": "a", "operator": "In", "values": ["b"]})), "");
    assert_eq!(required(json!({"key": "a", "operator": "In"})), ".values");
    assert_eq!(required(json!({"key": "a b", "operator": "Exists"})), ".key");
    assert_eq!(required(json!({"key": "a", "operator": "Like", "values": ["b"]})), ".operator");
    assert_eq!(required(json!({"key": "a", "operator": "Gt", "values": ["x"]})), ".values");
    assert_eq!(required(json!({"key": "a", "operator": "In", "values": ["-"]})), ".values[0]");
    let fields = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]}]);
    let args = json!({"addedAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": fields[0]}],
    }});
    assert_eq!(
        args::validate(&args)[0].path,
        "addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].matchFields[0].values"
    );
}
