//! `loadline simulate` on the example cluster.

use loadline_simulator::report::Report;

use crate::run::{Done, NODE, loadline, loadline_with, pod, share_of_the_nodes};

const CLUSTER: [&str; 3] = ["simulate", "-f", "examples/cluster"];

fn simulate(args: &[&str]) -> Done {
    loadline(&[&CLUSTER, args].concat())
}

fn report(args: &[&str]) -> Report {
    let done = simulate(&[&["-o", "json"], args].concat());
    assert_eq!(done.code, 0, "{done}");
    serde_json::from_str(&done.out).expect("a report")
}

#[test]
fn the_example_cluster() {
    insta::assert_snapshot!(simulate(&[]));
}

#[test]
fn every_placement_and_node() {
    let done = simulate(&["--placements", "--nodes"]);
    let report = report(&[]);
    for placement in &report.placements {
        assert!(done.out.contains(&placement.name), "{} is missing in\n{done}", placement.name);
    }
    assert!(report.nodes.iter().all(|node| done.out.contains(&node.name)), "{done}");
}

#[test]
fn an_explained_pod_is_in_every_format() {
    let args = ["--explain", "shop/too-big"];
    let table = simulate(&args);
    assert!(table.out.contains("shop/too-big: Unschedulable") && table.out.contains("Insufficient cpu"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&simulate(&[&args[..], &["-o", "json"]].concat()).out).expect("JSON");
    assert_eq!(json["decisions"][0]["name"], "too-big");
    assert!(json["decisions"][0]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 6));
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&simulate(&[&args[..], &["-o", "yaml"]].concat()).out).expect("YAML");
    assert_eq!(json, yaml);
}

#[test]
fn the_same_bytes_each_time_and_at_any_number_of_threads() {
    let first = simulate(&["-o", "json", "--parallelism", "1"]).out;
    assert!(first.len() > 1000);
    assert_eq!(first, simulate(&["-o", "json", "--parallelism", "4"]).out);
    assert_eq!(first, simulate(&["-o", "json"]).out);
}

#[test]
fn nothing_is_placed_beyond_what_a_node_has() {
    let report = report(&["--seed", "5"]);
    assert!(report.at_rest);
    assert_eq!(report.nodes.len(), 6);
    for node in &report.nodes {
        assert!(
            node.after.milli_cpu <= node.allocatable.milli_cpu && node.after.memory <= node.allocatable.memory,
            "{node:?}"
        );
    }
    assert!(!report.preempted.is_empty(), "checkout needs room that the batch job has");
    assert_eq!(report.not_ours, 1);
}

#[test]
fn the_example_configurations_work() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config");
    let mut hashes = vec![report(&[]).config_hash];
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        hashes.push(report(&["--config", &path.to_string_lossy()]).config_hash);
    }
    let number = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!((number, hashes.len()), (4, 4), "each is another configuration");
}

#[test]
fn packing_needs_fewer_nodes_than_spreading() {
    let nodes = ["a", "b", "c"].map(|name| NODE.replace("node-a", name)).concat();
    let pods: String = (0..3).map(|number| pod(&format!("pod-{number}"), "500m")).collect();
    let used = |args: &[&str]| {
        let args = [&["simulate", "-f", "-", "-o", "json"], args].concat();
        let report: Report =
            serde_json::from_str(&loadline_with(&args, &(nodes.clone() + &pods)).out).expect("a report");
        assert_eq!(report.placements.len(), 3);
        report.nodes.iter().filter(|node| node.after.pods > 0).count()
    };
    assert_eq!(used(&[]), 3);
    assert_eq!(used(&["--config", "examples/config/bin-packing.yaml"]), 1);
}

#[test]
fn a_victim_comes_back_as_its_controller_would_make_it() {
    let owned = |kind: &str, owner: &str, name: &str| {
        let meta = format!(
            "name: {name}\n  ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {owner}, controller: true}}]"
        );
        let pod = pod("NAME", "500m").replace("name: NAME", &meta);
        pod.replacen("spec:\n", "spec:\n  nodeName: node-a\n", 1)
    };
    let urgent = pod("urgent", "2").replacen("spec:\n", "spec:\n  priorityClassName: system-node-critical\n", 1);
    let text = [
        NODE.to_owned(),
        owned("StatefulSet", "db", "db-0"),
        owned("ReplicaSet", "web-5d8", "web-5d8-abcde"),
        owned("Job", "once", "once-abcde"),
        owned("Job", "indexed", "indexed-3-abcde"),
        urgent,
    ]
    .concat();
    let run = || loadline_with(&["simulate", "-f", "-", "-o", "json"], &text).out;
    let report: Report = serde_json::from_str(&run()).expect("a report");
    let came_back = |victim: &str| {
        let gone = report.preempted.iter().find(|gone| gone.victim == format!("default/{victim}"));
        let name = &gone.expect("it made room").replaced_by;
        assert!(report.pending.iter().any(|pod| pod.name == *name), "{name} waits");
        name.clone()
    };
    assert_eq!(came_back("db-0"), "db-0", "the one controller that names its pods");
    for (victim, stem) in [("web-5d8-abcde", "web-5d8-"), ("once-abcde", "once-"), ("indexed-3-abcde", "indexed-3-")] {
        let name = came_back(victim);
        assert!(name.starts_with(stem) && name.len() == victim.len() && name != victim, "{victim} came back as {name}");
    }
    assert_eq!(run(), run(), "names are not random");
}

/// The API server copies a node's zone to the pods that it binds: a pod that asks for a neighbour by that label finds one.
#[test]
fn placed_pods_carry_the_zone_of_their_node() {
    let input = r"
{apiVersion: v1, kind: Node, metadata: {name: a, labels: {kubernetes.io/hostname: a, topology.kubernetes.io/zone: east}}, status: {capacity: {cpu: 4, memory: 8Gi, pods: 9}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: first}, spec: {priority: 5, containers: [{name: c, image: i}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: neighbour}
spec:
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {topology.kubernetes.io/zone: east}}}
  containers: [{name: c, image: i}]
";
    let done = loadline_with(&["simulate", "-f", "-", "-o", "json"], input);
    let report: Report = serde_json::from_str(&done.out).expect("a report");
    let placed: Vec<&str> = report.placements.iter().map(|placement| &*placement.name).collect();
    assert_eq!(placed, ["first", "neighbour"], "{done}");
}

/// What is being deleted is gone after the grace period: its room is not taken for ever.
#[test]
fn pods_that_are_being_deleted_go() {
    let input = r"
{apiVersion: v1, kind: Node, metadata: {name: a}, status: {capacity: {cpu: 4, memory: 8Gi, pods: 9}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-old
  deletionTimestamp: '2026-01-01T00:00:00Z'
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: true}]
spec: {nodeName: a, containers: [{name: c, image: i, resources: {requests: {cpu: 3}}}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 3}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: urgent}, spec: {priority: 100, containers: [{name: c, image: i, resources: {requests: {cpu: 3}}}]}}
";
    let run = |args: &[&str]| loadline_with(&[&["simulate", "-f", "-"], args].concat(), input);
    let done = run(&["-o", "json"]);
    let report: Report = serde_json::from_str(&done.out).expect("a report");
    let placed: Vec<_> = report.placements.iter().map(|placement| (&*placement.name, placement.at_seconds)).collect();
    assert!(matches!(placed[..], [("urgent", at)] if (30.0..31.0).contains(&at)), "{done}");
    assert!(report.at_rest && report.preempted.is_empty(), "{done}");
    assert_eq!((report.pending.len(), report.nodes[0].after.pods), (1, 1), "{done}");
    let json: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(json["terminated"], 1, "{done}");
    assert!(run(&[]).out.contains("1 pod placed, 1 pending, 1 terminating pod gone."), "{}", run(&[]));
    let stopped: Report = serde_json::from_str(&run(&["-o", "json", "--until", "20s"]).out).expect("a report");
    assert!(!stopped.at_rest && stopped.placements.is_empty(), "{stopped:?}");
}

/// A decision that is shown looked at the nodes that were looked at when it was made, and showing it changes no other.
#[test]
fn explaining_with_a_share_of_the_nodes_changes_nothing() {
    let (config, input) = share_of_the_nodes("simulate");
    let run = |args: &[&str]| {
        let done = loadline_with(&[&["simulate", "-f", "-", "--config", &config, "-o", "json"], args].concat(), &input);
        let json: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
        json
    };
    let explained = run(&["--explain", "pod-0", "--explain", "pod-1"]);
    assert_eq!(explained["placements"].as_array().map(Vec::len), Some(4));
    assert_eq!(explained["placements"], run(&[])["placements"]);
    for (place, decision) in explained["decisions"].as_array().expect("decisions").iter().enumerate() {
        let (node, nodes) = (&decision["node"], decision["nodes"].as_array().expect("nodes"));
        assert_eq!(*node, explained["placements"][place]["node"]);
        assert!(nodes.iter().any(|record| record["name"] == *node), "{node} was not looked at: {decision}");
    }
}
