//! NodeResourcesFit's tests.

use super::*;
use crate::args::defaults;
use crate::testing::{FakeCluster, GI, MI, node, pod, requests};
use loadline_framework::{Code, NodeDelta, Slot};
use serde_json::{Value, json};

fn plugin(args: &Value) -> NodeResourcesFit {
    let mut complete = defaults(DESCRIPTOR.args);
    for (field, value) in args.as_object().unwrap() {
        complete[field] = value.clone();
    }
    NodeResourcesFit { args: Args::new(&complete).unwrap() }
}

fn asking(name: &str, milli_cpu: i64, memory: i64, scalars: &[(&str, i64)]) -> PodInfo {
    let mut sums = requests(milli_cpu, memory);
    for (resource, amount) in scalars {
        for view in [&mut sums.spec, &mut sums.usage, &mut sums.score] {
            view.set_scalar(Str::from(*resource), *amount);
        }
    }
    PodInfo { requests: Arc::new(sums), ..pod(name) }
}

fn with_scalars(name: &str, scalars: &[(&str, i64)]) -> NodeSpec {
    let mut spec = node(name, &[]);
    for (resource, amount) in scalars {
        spec.allocatable.set_scalar(Str::from(*resource), *amount);
    }
    spec
}

/// Code and reasons of the first node.
fn first(cluster: &mut FakeCluster, plugin: &NodeResourcesFit, pod: &PodInfo) -> (Code, Vec<String>) {
    let answers = cluster.filter(plugin, pod).unwrap();
    let reasons = answers[0].reasons.iter().map(ToString::to_string);
    (answers[0].code, reasons.collect())
}

#[test]
fn every_insufficient_resource_is_told() {
    let plugin = plugin(&json!({}));
    let mut small = with_scalars("a", &[("example.com/gpu", 2)]);
    small.allowed_pods = 1;
    let mut cluster = FakeCluster::new([small]);
    cluster.add_pod("a", asking("running", 3500, 6 * GI, &[("example.com/gpu", 1)]));
    let wanted = asking("p", 1000, 3 * GI, &[("example.com/gpu", 2)]);
    let reasons = ["Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient example.com/gpu"];
    assert_eq!(first(&mut cluster, &plugin, &wanted), (Code::Unschedulable, reasons.map(str::to_owned).into()));
    assert_eq!(
        first(&mut cluster, &plugin, &asking("p", 0, 0, &[])),
        (Code::Unschedulable, vec!["Too many pods".to_owned()])
    );
}

#[test]
fn pods_beyond_64_bits_are_too_many() {
    let mut wrapped = node("a", &[]);
    wrapped.allowed_pods = i64::MIN;
    let mut cluster = FakeCluster::new([wrapped]);
    cluster.add_pod("a", asking("running", 0, 0, &[]));
    let answer = first(&mut cluster, &plugin(&json!({})), &asking("p", 0, 0, &[]));
    assert_eq!(answer, (Code::Unschedulable, vec!["Too many pods".to_owned()]));
}

#[test]
fn more_than_the_empty_node_has_can_not_be_preempted() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("a", &[])]);
    let unresolvable = Code::UnschedulableAndUnresolvable;
    assert_eq!(first(&mut cluster, &plugin, &asking("p", 4001, 0, &[])).0, unresolvable);
    assert_eq!(first(&mut cluster, &plugin, &asking("p", 4000, 0, &[])).0, Code::Success);
    let gpu = asking("p", 0, 0, &[("example.com/gpu", 1)]);
    assert_eq!(first(&mut cluster, &plugin, &gpu).0, unresolvable);
    // Asking for 0 of it asks for nothing.
    let none = asking("p", 0, 0, &[("example.com/gpu", 0)]);
    assert_eq!(first(&mut cluster, &plugin, &none).0, Code::Success);
    // A node that takes no pods at all is not unresolvable.
    cluster.set_node(NodeSpec { allowed_pods: 0, ..node("a", &[]) });
    assert_eq!(first(&mut cluster, &plugin, &pod("p")).0, Code::Unschedulable);
}

#[test]
fn nothing_of_an_overcommitted_resource_fits() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("a", &[])]);
    cluster.add_pod("a", asking("running", 5000, 0, &[]));
    assert_eq!(first(&mut cluster, &plugin, &asking("p", 0, GI, &[])).0, Code::Success);
    assert_eq!(first(&mut cluster, &plugin, &asking("p", 1, GI, &[])).0, Code::Unschedulable);
}

/// Such a sum is one that wrapped around.
#[test]
fn a_negative_sum_asks_for_nothing() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([with_scalars("a", &[("example.com/gpu", 2)])]);
    cluster.add_pod("a", asking("running", 0, 0, &[("example.com/gpu", 5)]));
    let code = |cluster: &mut FakeCluster, amount| {
        first(cluster, &plugin, &asking("p", 0, 0, &[("example.com/gpu", amount)])).0
    };
    assert_eq!(code(&mut cluster, 1), Code::Unschedulable);
    assert_eq!(code(&mut cluster, -2), Code::Success);
}

#[test]
fn ignored_resources_are_passed_over_when_they_are_extended() {
    let plugin = plugin(&json!({
        "ignoredResources": ["example.com/gpu", "hugepages-2Mi"],
        "ignoredResourceGroups": ["other.example", "kubernetes.io"],
    }));
    let mut cluster = FakeCluster::new([node("a", &[])]);
    let mut code = |resource| first(&mut cluster, &plugin, &asking("p", 0, 0, &[(resource, 1)])).0;
    assert_eq!(code("example.com/gpu"), Code::Success);
    assert_eq!(code("other.example/x"), Code::Success);
    assert_eq!(code("example.com/fpga"), Code::UnschedulableAndUnresolvable);
    assert_eq!(code("hugepages-2Mi"), Code::UnschedulableAndUnresolvable);
    assert_eq!(code("kubernetes.io/x"), Code::UnschedulableAndUnresolvable);
}

#[test]
fn more_resources_than_a_verdict_has_bits_are_told_by_the_node() {
    let names: Vec<String> = (0..40).map(|n| format!("example.com/r{n:02}")).collect();
    let wanted: Vec<(&str, i64)> = names.iter().map(|n| (n.as_str(), 1)).collect();
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("a", &[]), with_scalars("b", &wanted[..39])]);
    let answers = cluster.filter(&plugin, &asking("p", 0, 0, &wanted)).unwrap();
    assert_eq!(answers[0].reasons.len(), 40);
    assert_eq!(answers[1].reasons, ["Insufficient example.com/r39"]);
    assert_eq!(answers[1].code, Code::UnschedulableAndUnresolvable);
}

#[test]
fn pods_of_a_thought_experiment_count() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("a", &[])]);
    let running = cluster.add_pod("a", asking("running", 3000, 0, &[]));
    let state = cluster.state(&plugin, &asking("p", 2000, 0, &[])).unwrap();
    let code = |delta: Option<&NodeDelta>| cluster.answer(&plugin, &state, Slot(0), delta).code;
    assert_eq!(code(None), Code::Unschedulable);
    let removed = NodeDelta { added: Vec::new(), removed: vec![running] };
    assert_eq!(code(Some(&removed)), Code::Success);
    let replaced = NodeDelta { added: vec![Arc::new(asking("nominated", 2500, 0, &[]))], ..removed };
    assert_eq!(code(Some(&replaced)), Code::Unschedulable);
}

#[test]
fn details_and_remedies_have_numbers() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("node-b", &[])]);
    cluster.add_pod("node-b", asking("running", 2800, 7 * GI, &[]));
    let state = cluster.state(&plugin, &asking("p", 2000, GI + 512 * MI + 1, &[])).unwrap();
    let view = NodeView::new(&cluster, Slot(0), cluster.info(Slot(0)), plugin.reads());
    let verdict = plugin.filter(&state, &view);
    let (details, remedies) = plugin.detail(&state, verdict, &view);
    let cpu = &details[0];
    assert_eq!((&*cpu.what, &*cpu.wanted, &*cpu.found), ("cpu", "2", "1200m"));
    assert_eq!(details[1].found, "1Gi");
    assert_eq!(remedies[0].text, "needs 800m more cpu on node-b");
    assert_eq!(remedies[0].change, json!({"kind": "resource", "node": "node-b", "resource": "cpu", "add": "800m"}));
    assert_eq!(remedies[1].text, "needs 513Mi more memory on node-b");
}

#[test]
fn an_overcommitted_node_has_nothing_free() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([NodeSpec { allowed_pods: 1, ..node("a", &[]) }]);
    for name in ["one", "two", "three"] {
        cluster.add_pod("a", pod(name));
    }
    let state = cluster.state(&plugin, &pod("p")).unwrap();
    let view = NodeView::new(&cluster, Slot(0), cluster.info(Slot(0)), plugin.reads());
    let (details, remedies) = plugin.detail(&state, plugin.filter(&state, &view), &view);
    assert_eq!((&*details[0].what, &*details[0].wanted, &*details[0].found), ("pods", "1", "0"));
    assert_eq!(remedies[0].text, "needs 3 more pods on a");
}

#[test]
fn the_score_counts_defaults_of_pods_without_requests() {
    let plugin = plugin(&json!({}));
    let mut cluster = FakeCluster::new([node("a", &[]), node("b", &[])]);
    cluster.add_pod("b", asking("running", 0, 0, &[]));
    let scores = cluster.scores(&plugin, &pod("p")).unwrap();
    // a: 100m of 4 and 200Mi of 8Gi: 97 and 97. b: twice that: 95 and 95.
    assert_eq!((scores[0].raw, scores[1].raw), (97, 95));
}

#[test]
fn arguments_are_checked_by_kube_schedulers_rules() {
    let paths = |args: Value| -> Vec<String> { args::validate(&args).into_iter().map(|e| e.path).collect() };
    let strategy = |strategy: Value| paths(json!({ "scoringStrategy": strategy }));
    assert!(paths(defaults(DESCRIPTOR.args)).is_empty());
    assert_eq!(paths(json!({})), ["scoringStrategy"]);
    assert_eq!(strategy(json!({"resources": []})), ["scoringStrategy.type"]);
    let ratio = "scoringStrategy.requestedToCapacityRatio";
    assert_eq!(strategy(json!({"type": "RequestedToCapacityRatio"})), [ratio]);
    let shaped =
        |kind: &str, shape: Value| strategy(json!({"type": kind, "requestedToCapacityRatio": {"shape": shape}}));
    let rising = json!([{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]);
    assert!(shaped("RequestedToCapacityRatio", rising.clone()).is_empty());
    assert_eq!(shaped("MostAllocated", rising), [ratio]);
    assert_eq!(shaped("RequestedToCapacityRatio", json!([])), [format!("{ratio}.shape")]);
    let twice = json!([{"utilization": 5, "score": 0}, {"utilization": 5, "score": 10}]);
    assert_eq!(shaped("RequestedToCapacityRatio", twice), [format!("{ratio}.shape[1].utilization")]);
    let ignored = json!({
        "ignoredResources": ["good/x", "bad name"],
        "ignoredResourceGroups": ["good", "a/b"],
        "scoringStrategy": {"type": "LeastAllocated"},
    });
    assert_eq!(paths(ignored), ["ignoredResources[1]", "ignoredResourceGroups[1]"]);
}

mod hints {
    use super::*;

    fn hint(pod: &PodInfo, object: &EventObject<'_>) -> Hint {
        Hints.hint(pod, &DESCRIPTOR.events[0], object)
    }

    fn placed(pod: PodInfo) -> PodInfo {
        PodInfo { node_name: Some("a".into()), ..pod }
    }

    #[test]
    fn deleted_pods_help_when_they_had_a_node() {
        let deleted = |pod: &PodInfo| {
            let object = EventObject::Pod { old: Some(pod), new: None };
            hint(&asking("p", 1, 0, &[]), &object)
        };
        assert_eq!(deleted(&pod("q")), Hint::Skip);
        assert_eq!(deleted(&placed(pod("q"))), Hint::Queue);
    }

    #[test]
    fn pods_that_shrink_help_with_what_they_give_back() {
        let waiting = asking("p", 1, 0, &[]);
        let shrunk = |old: &PodInfo, new: &PodInfo| {
            let object = EventObject::Pod { old: Some(old), new: Some(new) };
            hint(&waiting, &object)
        };
        let of = |cpu, memory| placed(asking("q", cpu, memory, &[]));
        assert_eq!(shrunk(&of(2000, GI), &of(1000, GI)), Hint::Queue);
        assert_eq!(shrunk(&of(2000, 2 * GI), &of(2000, GI)), Hint::Skip);
        let gpus = |amount| placed(asking("q", 0, 0, &[("example.com/gpu", amount)]));
        let wants_gpu = asking("p", 0, 0, &[("example.com/gpu", 1)]);
        let fewer = |old: &PodInfo, new: &PodInfo| {
            let object = EventObject::Pod { old: Some(old), new: Some(new) };
            hint(&wants_gpu, &object)
        };
        assert_eq!(fewer(&gpus(2), &gpus(1)), Hint::Queue);
        assert_eq!(fewer(&gpus(0), &gpus(-2)), Hint::Skip);
        let unplaced = |cpu| asking("q", cpu, 0, &[]);
        assert_eq!(shrunk(&unplaced(2000), &unplaced(1000)), Hint::Skip);
        assert_eq!(shrunk(&waiting, &waiting), Hint::Queue);
    }

    #[test]
    fn nodes_help_when_the_pod_fits_them_and_they_grew() {
        let waiting = asking("p", 2000, 0, &[]);
        let of = |cpu| {
            let mut spec = node("a", &[]);
            spec.allocatable.milli_cpu = cpu;
            spec
        };
        let changed =
            |old: Option<&NodeSpec>, new: &NodeSpec| hint(&waiting, &EventObject::Node { old, new: Some(new) });
        assert_eq!(changed(None, &of(2000)), Hint::Queue);
        assert_eq!(changed(None, &of(1999)), Hint::Skip);
        assert_eq!(changed(Some(&of(2000)), &of(3000)), Hint::Queue);
        assert_eq!(changed(Some(&of(3000)), &of(3000)), Hint::Skip);
        let mut more_memory = of(3000);
        more_memory.allocatable.memory *= 2;
        assert_eq!(changed(Some(&of(3000)), &more_memory), Hint::Skip);
        let mut more_pods = of(3000);
        more_pods.allowed_pods += 1;
        assert_eq!(changed(Some(&of(3000)), &more_pods), Hint::Queue);
    }

    #[test]
    fn device_classes_help_pods_with_extended_resources() {
        assert_eq!(hint(&asking("p", 1, 0, &[]), &EventObject::Other), Hint::Skip);
        let gpu = asking("p", 1, 0, &[("example.com/gpu", 1)]);
        assert_eq!(hint(&gpu, &EventObject::Other), Hint::Queue);
    }
}
