//! Gangs in `loadline simulate` and `loadline explain`, on the example with two of them.

use std::collections::BTreeMap;

use loadline_framework::record::{DecisionList, GangState, Outcome};
use loadline_simulator::report::Report;

use crate::run::{Done, loadline, loadline_with};

const INPUT: [&str; 4] = ["--config", "examples/gangs/scheduler.yaml", "-f", "examples/gangs/cluster.yaml"];

fn run(command: &str, args: &[&str]) -> Done {
    loadline(&[&[command], &INPUT[..], args].concat())
}

fn report(done: &Done) -> Report {
    assert_eq!(done.code, 0, "{done}");
    serde_json::from_str(&done.out).expect("a report")
}

#[test]
fn one_of_two_gangs_is_placed_and_the_other_holds_nothing() {
    let found = report(&run("simulate", &["-o", "json"]));
    let mut placed: BTreeMap<&str, usize> = BTreeMap::new();
    for placement in &found.placements {
        *placed.entry(placement.name.split('-').next().unwrap_or_default()).or_default() += 1;
    }
    assert_eq!(placed, BTreeMap::from([("notebook", 1), ("train", 6)]));
    assert!(found.at_rest);
    let states: Vec<_> = found.gangs.iter().map(|gang| (gang.name.as_str(), gang.state, gang.placed)).collect();
    assert_eq!(states, [("render", GangState::WaitsForRoom, 0), ("train", GangState::Placed, 6)]);
    assert_eq!(found.pending.len(), 6);
    assert!(found.pending.iter().all(|pod| pod.message.starts_with("gang default/render: ")), "{:?}", found.pending);
}

#[test]
fn tables_show_gangs() {
    insta::assert_snapshot!("simulated_gangs", run("simulate", &[]));
    insta::assert_snapshot!("explained_gangs", run("explain", &[]));
}

#[test]
fn explain_plans_each_gang_as_one() {
    let done = run("explain", &["-o", "json"]);
    let list: DecisionList = serde_json::from_str(&done.out).expect("decisions");
    let gangs: Vec<_> = list.pods.iter().filter_map(|pod| Some((pod, pod.gang.as_ref()?))).collect();
    assert_eq!(gangs.len(), 2, "one pod of each gang stands for all");
    for (pod, gang) in gangs {
        assert_eq!((pod.result, gang.state, gang.fits), (Outcome::Feasible, GangState::Ready, Some(6)), "{gang:?}");
    }
}

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    let first = run("simulate", &["-o", "json", "--parallelism", "1"]).out;
    assert_eq!(first, run("simulate", &["-o", "json", "--parallelism", "3"]).out);
}

#[test]
fn a_pod_says_what_its_gang_waits_for() {
    let input = r#"
{apiVersion: v1, kind: Node, metadata: {name: node}, status: {allocatable: {cpu: "1", pods: "10"}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a-0, labels: {scheduling.x-k8s.io/pod-group: a}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b-0, labels: {scheduling.x-k8s.io/pod-group: b}}, spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: scheduling.x-k8s.io/v1alpha1, kind: PodGroup, metadata: {name: b}, spec: {minMember: 2}}
---
{apiVersion: scheduling.k8s.io/v1alpha2, kind: PodGroup, metadata: {name: a}, spec: {schedulingPolicy: {gang: {minCount: 1}}}}
"#;
    let config = ["--config", "examples/gangs/scheduler.yaml"];
    let done = loadline_with(&[&["explain", "-f", "-", "-o", "json"], &config[..]].concat(), input);
    let list: DecisionList = serde_json::from_str(&done.out).expect("decisions");
    let said: Vec<_> = list
        .pods
        .iter()
        .map(|pod| (pod.name.as_str(), pod.result, pod.gated_by.as_deref(), pod.message.as_str()))
        .collect();
    let gated = (Outcome::Gated, Some("Coscheduling"));
    assert_eq!(
        said,
        [
            ("a-0", gated.0, gated.1, "there is no PodGroup default/a (scheduling.x-k8s.io/v1alpha1)"),
            ("b-0", gated.0, gated.1, "1 of at least 2 pods are there"),
        ]
    );
    let without = loadline_with(&["explain", "-f", "-", "-o", "json"], input);
    let list: DecisionList = serde_json::from_str(&without.out).expect("decisions");
    assert!(list.pods.iter().all(|pod| pod.result == Outcome::Feasible && pod.gang.is_none()));
}
