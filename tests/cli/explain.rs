//! `loadline explain` on the example cluster.

use loadline_framework::record::{DecisionList, Outcome};

use crate::run::{loadline, loadline_with, share_of_the_nodes};

const CLUSTER: [&str; 3] = ["explain", "-f", "examples/cluster"];

fn explain(args: &[&str]) -> crate::run::Done {
    loadline(&[&CLUSTER, args].concat())
}

#[test]
fn all_pending_pods_are_a_list() {
    insta::assert_snapshot!(explain(&[]));
}

#[test]
fn a_pod_that_fits() {
    insta::assert_snapshot!(explain(&["shop/orders-db-0"]));
}

#[test]
fn a_pod_that_does_not() {
    insta::assert_snapshot!(explain(&["shop/too-big"]));
}

#[test]
fn a_pod_that_would_preempt() {
    let list: DecisionList = serde_json::from_str(&explain(&["-o", "json"]).out).expect("a decision list");
    let checkout = list.pods.iter().find(|pod| pod.name.starts_with("checkout")).expect("checkout is pending");
    let preemption = checkout.preemption.as_ref().expect("the batch job must make room");
    assert!(preemption.victims.iter().all(|victim| victim.starts_with("batch/nightly-report-")), "{preemption:?}");
    assert_eq!(checkout.count, Some(2), "both replicas are alike");
    assert!(list.pods.iter().all(|pod| pod.name != "not-ours"));
}

#[test]
fn what_is_missing_here_is_gated() {
    let done = explain(&["shop/has-a-claim", "batch/awaits-approval", "-o", "json"]);
    let list: DecisionList = serde_json::from_str(&done.out).expect("a decision list");
    let gates: Vec<_> = list.pods.iter().map(|pod| (pod.result, pod.gated_by.as_deref())).collect();
    assert_eq!(gates, [(Outcome::Gated, Some("VolumeBinding")), (Outcome::Gated, Some("SchedulingGates"))]);
}

#[test]
fn a_pod_that_asks_for_devices_by_an_extended_resource_is_gated() {
    let pod = |name: &str, resource: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [\
             {{name: c, image: i, resources: {{limits: {{{resource}: '1'}}}}}}]}}}}\n"
        )
    };
    // The class stands behind the pods that it concerns.
    let text = [
        "{apiVersion: v1, kind: Node, metadata: {name: node}, status: {allocatable: {cpu: '1', memory: 1Gi, pods: '9', \
         example.com/gpu: '4', example.com/nic: '4'}}}\n",
        &pod("mapped", "example.com/gpu"),
        &pod("other", "example.com/nic"),
        "---\n{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: set, uid: u}, spec: {replicas: 1, selector: {matchLabels: {a: b}}, \
         template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, resources: {limits: {example.com/gpu: '1'}}}]}}}}\n",
        "---\n{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: gpu}, spec: {extendedResourceName: example.com/gpu}}\n",
        "---\n{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: unnamed}, spec: {}}\n",
    ]
    .concat();
    let done = loadline_with(&["explain", "-f", "-", "-o", "json"], &text);
    let list: DecisionList = serde_json::from_str(&done.out).expect("a decision list");
    for pod in &list.pods {
        let wanted =
            if pod.name == "other" { (Outcome::Feasible, None) } else { (Outcome::Gated, Some("DynamicResources")) };
        assert_eq!((pod.result, pod.gated_by.as_deref()), wanted, "{}", pod.name);
    }
    assert_eq!(list.pods.len(), 3, "{done}");
    let mapped = list.pods.iter().find(|pod| pod.name == "mapped").expect("it is pending");
    let message = "devices are not supported by this version: the pod asks for example.com/gpu, which stands for devices of class \"gpu\"";
    assert_eq!(mapped.message, message);
}

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    let one = explain(&["-o", "json", "--parallelism", "1"]).out;
    assert!(one.len() > 1000);
    assert_eq!(one, explain(&["-o", "json", "--parallelism", "4"]).out);
}

#[test]
fn yaml_and_json_say_the_same() {
    let json: serde_json::Value = serde_json::from_str(&explain(&["-o", "json"]).out).expect("it is JSON");
    let yaml: serde_json::Value = serde_saphyr::from_str(&explain(&["-o", "yaml"]).out).expect("it is YAML");
    assert_eq!(json, yaml);
}

#[test]
fn a_list_from_standard_input_is_read() {
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1", "pods": "5"}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}]}"#;
    insta::assert_snapshot!(loadline_with(&["explain", "-f", "-"], list));
}

/// What a pipe from a command that failed brings must not pass for a cluster in which no pod waits.
#[test]
fn no_object_at_all_is_an_error() {
    for nothing in ["", "---\n", r#"{"apiVersion": "v1", "kind": "List", "items": []}"#] {
        for keep_going in [&["--keep-going"][..], &[]] {
            let done = loadline_with(&[&["explain", "-f", "-", "--fail-on-pending"], keep_going].concat(), nothing);
            assert_eq!((done.code, &*done.out), (2, ""), "{done}");
            assert!(done.err.starts_with("-: no Kubernetes object "), "{done}");
        }
    }
}

#[test]
fn a_name_that_is_none_says_which_may_be_meant() {
    let done = explain(&["search-0"]);
    assert_eq!(done.code, 2);
    let wanted = "there is no pod `default/search-0` in the input; did you mean \"shop/search-0\"?";
    assert!(done.err.contains(wanted), "{done}");
}

#[test]
fn each_pod_is_judged_on_its_own_even_by_a_share_of_the_nodes() {
    let (config, input) = share_of_the_nodes("explain");
    let run = |pods: &[&str]| {
        let args = [&["explain", "-f", "-", "--config", &config, "-o", "json"], pods].concat();
        let list: DecisionList = serde_json::from_str(&loadline_with(&args, &input).out).expect("a decision list");
        list.pods
    };
    let (all, alone) = (run(&[]), run(&["pod-3"]));
    assert_eq!((all.len(), alone.len()), (4, 1));
    assert_eq!(alone[0].nodes.as_ref().map(Vec::len), Some(100), "a share of the nodes");
    assert_eq!(all[3], alone[0]);
}
