//! `loadline rescheduler plan` on the example cluster.

use loadline_rescheduler::Plan;

use crate::run::{Done, NODE, loadline, loadline_with, pod};

const CLUSTER: &str = "examples/rescheduler/cluster.yaml";
const CONFIG: &str = "examples/rescheduler/scheduler.yaml";
const POLICY: &str = "examples/rescheduler/descheduler-policy.yaml";
/// Some hours after the pods of the example were made.
const AT: &str = "2026-05-11T12:00:00Z";

fn plan(args: &[&str]) -> Done {
    loadline(&[&["rescheduler", "plan", "-f", CLUSTER, "--at", AT], args].concat())
}

fn made(args: &[&str]) -> Plan {
    let done = plan(&[&["-o", "json"], args].concat());
    assert_eq!(done.code, 0, "{done}");
    serde_json::from_str(&done.out).expect("a plan")
}

#[test]
fn the_example_cluster_with_the_defaults() {
    insta::assert_snapshot!(plan(&[]));
}

#[test]
fn the_example_cluster_with_all_strategies() {
    insta::assert_snapshot!(plan(&["--config", CONFIG]));
}

#[test]
fn the_example_policy_of_the_descheduler() {
    insta::assert_snapshot!(plan(&["--policy", POLICY]));
}

#[test]
fn every_format_says_the_same() {
    let json: serde_json::Value = serde_json::from_str(&plan(&["-o", "json"]).out).expect("JSON");
    let yaml: serde_json::Value = serde_saphyr::from_str(&plan(&["-o", "yaml"]).out).expect("YAML");
    assert_eq!(json, yaml);
    assert_eq!(json["kind"], "ReschedulingPlan");
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(5));
}

#[test]
fn the_same_bytes_each_time_and_at_any_number_of_threads() {
    let first = plan(&["-o", "json", "--config", CONFIG, "--parallelism", "1"]).out;
    assert!(first.len() > 1000);
    assert_eq!(first, plan(&["-o", "json", "--config", CONFIG, "--parallelism", "4"]).out);
}

#[test]
fn whoever_must_not_be_moved_is_named_with_the_reason() {
    let plan = made(&["--config", CONFIG]);
    let reasons: Vec<&str> = plan.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    for reason in ["daemonset-pod", "single-replica", "local-storage", "bare-pod"] {
        let hidden = reason == "single-replica" && reasons.contains(&"local-storage");
        assert!(hidden || reasons.contains(&reason), "{reason} is missing in {reasons:?}");
    }
    assert!(plan.moves.iter().all(|step| !["db-0", "debug", "cache-0", "queue-0"].contains(&step.name.as_str())));
    assert!(plan.moves.iter().all(|step| step.to != "node-e"), "it is marked for maintenance");
}

#[test]
fn a_young_pod_stays() {
    // Two minutes after the pods were made.
    let done = loadline(&["rescheduler", "plan", "-f", CLUSTER, "--at", "2026-05-11T06:02:00Z", "-o", "json"]);
    let plan: Plan = serde_json::from_str(&done.out).expect("a plan");
    assert!(plan.moves.is_empty() && plan.skipped.iter().any(|skipped| skipped.reason == "young"), "{done}");
}

#[test]
fn real_use_takes_the_place_of_requests() {
    let usage = "{apiVersion: loadline.dev/v1alpha1, kind: NodeUsageReport, nodes: [\
                 {name: node-a, cpu: {percent: 10}, memory: {percent: 10}},\
                 {name: node-b, cpu: {percent: 90}, memory: {percent: 90}}]}";
    let args = ["rescheduler", "plan", "-f", CLUSTER, "--at", AT, "--usage", "-", "-o", "json"];
    let done = loadline_with(&args, usage);
    assert_eq!(done.code, 0, "{done}");
    assert!(done.err.contains("3 nodes without a sample of cpu"), "{done}");
    let plan: Plan = serde_json::from_str(&done.out).expect("a plan");
    assert!((plan.nodes[1].cpu_before - 90.0).abs() < 0.01, "{done}");
    assert!(!plan.moves.is_empty() && plan.moves.iter().all(|step| step.from == "node-b"), "{done}");
}

#[test]
fn scripts_can_tell_whether_there_is_something_to_move() {
    assert_eq!(plan(&["--fail-on-moves"]).code, 1);
    let at_rest = [NODE.to_owned(), NODE.replace("node-a", "node-b"), pod("web", "1")].concat();
    let done = loadline_with(&["rescheduler", "plan", "-f", "-", "--fail-on-moves"], &at_rest);
    assert_eq!(done.code, 0, "{done}");
    assert!(done.out.starts_with("Nothing to move.\n"), "{done}");
}

#[test]
fn a_wrong_policy_is_refused_with_the_place() {
    let wrong = "apiVersion: descheduler/v1alpha2\nkind: DeschedulerPolicy\nprofiles:\n- name: a\n  plugins:\n    balance: {enabled: [RemoveDuplicate]}\n";
    let done = loadline_with(&["rescheduler", "plan", "-f", CLUSTER, "--policy", "-"], wrong);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(
        done.err.contains("-:6:25: profiles[0].plugins.balance.enabled[0]: there is no plugin `RemoveDuplicate`; did you mean \"RemoveDuplicates\"?"),
        "{done}"
    );
}

#[test]
fn a_wrong_argument_of_the_rescheduler_is_refused_with_the_place() {
    let config = std::fs::read_to_string(CONFIG).expect("the example is there");
    let refused = |from: &str, to: &str| {
        let wrong = config.replace(from, to);
        let done = loadline_with(&["rescheduler", "plan", "-f", CLUSTER, "--config", "-"], &wrong);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        done.err
    };
    let misspelt = refused("cpuThreshold: 75", "cpuTreshold: 75");
    assert!(misspelt.contains("-:13:7: ") && misspelt.contains("did you mean \"cpuThreshold\"?"), "{misspelt}");
    let contradicting = refused("imbalanceThreshold: 25", "lowMark: 90");
    assert!(contradicting.contains("lowMark: must not be above cpuThreshold"), "{contradicting}");
}
