//! `loadline explain` on the example cluster.

use loadline_framework::record::{DecisionList, Outcome};

use crate::run::{loadline, loadline_with};

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
    let nothing =
        loadline_with(&["explain", "-f", "-", "-o", "json"], r#"{"apiVersion": "v1", "kind": "List", "items": []}"#);
    let empty: DecisionList = serde_json::from_str(&nothing.out).expect("a decision list without decisions");
    assert!(empty.pods.is_empty());
}
