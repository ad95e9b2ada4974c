use loadline_framework::{NodeUsage, UsageSample};
use serde_json::{Value, json};

use super::*;
use crate::args::defaults;
use crate::testing::{FakeCluster, GI, MI, build, node, pod};

fn args(more: Value) -> Value {
    let mut args = defaults(MEMORY.args);
    args["prometheusApiAddr"] = "http://prometheus:9090".into();
    if let Value::Object(more) = more {
        args.as_object_mut().unwrap().extend(more);
    }
    args
}

fn plugin_of(args: &Value) -> RealUsage {
    RealUsage { source: source(UsageKind::Memory, args).unwrap() }
}

/// Nodes of 8 GiB by name, each with its measured percent, if any, and with what is estimated in MiB.
fn cluster(plugin: &RealUsage, nodes: &[(&str, Option<i64>, i64)]) -> FakeCluster {
    let mut cluster = FakeCluster::new(nodes.iter().map(|(name, ..)| node(name, &[])));
    let id = Prepare::usage(&mut cluster, &plugin.source);
    let usage = &mut cluster.usages[id.0 as usize];
    for (_, percent, estimate) in nodes {
        let sample = percent.map(|percent| UsageSample { milli_percent: percent * 1000, at: 0, window_seconds: None });
        let node = NodeUsage::new(sample, estimate * MI, 1024 * MI, 8 * GI);
        usage.nodes.push(node);
        usage.unsampled += usize::from(node.is_unsampled);
    }
    usage.heard += 1;
    cluster
}

fn scores(nodes: &[(&str, Option<i64>, i64)]) -> Vec<(i64, i64)> {
    let plugin = plugin_of(&args(Value::Null));
    let scores = cluster(&plugin, nodes).scores(&plugin, &pod("p")).unwrap();
    scores.into_iter().map(|score| (score.raw, score.normalized)).collect()
}

#[test]
fn the_least_used_node_scores_best_and_the_most_used_nothing() {
    let found = scores(&[("a", Some(20), 0), ("b", Some(50), 0), ("c", Some(90), 0), ("d", Some(21), 0)]);
    assert_eq!(found, [(20_000, 100), (50_000, 58), (90_000, 0), (21_000, 99)]);
}

#[test]
fn what_is_estimated_counts_before_anything_is_rounded() {
    // 8 MiB of 8 GiB are 0.097 percent.
    let found = scores(&[("a", Some(20), 0), ("b", Some(20), 8), ("c", Some(20), 16)]);
    assert_eq!(found, [(20_000, 100), (20_097, 51), (20_195, 0)]);
}

#[test]
fn a_node_without_a_sample_takes_the_mean_and_moves_no_bounds() {
    let found = scores(&[("a", Some(20), 0), ("b", None, 4000), ("c", Some(80), 0)]);
    assert_eq!(found, [(20_000, 100), (50_000, 50), (80_000, 0)]);
    let plugin = plugin_of(&args(Value::Null));
    let mut cluster = cluster(&plugin, &[("a", Some(20), 819), ("b", None, 0)]);
    let state = plugin.prepare(&(), &pod("p"), &mut cluster).state;
    let note = |slot| plugin.score_note(&state, Slot(slot), &cluster).unwrap();
    assert_eq!(note(0), "30.0 %: 20.0 measured, 10.0 estimated");
    assert_eq!(note(1), "no sample: taken for the mean of the others");
}

#[test]
fn equal_nodes_all_score_nothing_and_the_estimate_tells_them_apart() {
    assert_eq!(scores(&[("a", Some(30), 0), ("b", Some(30), 0)]), [(30_000, 0), (30_000, 0)]);
    let plugin = plugin_of(&args(Value::Null));
    let nodes = [("a", None, 400), ("b", None, 200), ("c", None, 200)];
    let mut cluster = cluster(&plugin, &nodes);
    assert!(cluster.scores(&plugin, &pod("p")).unwrap().iter().all(|score| (score.raw, score.normalized) == (0, 0)));
    let state = plugin.prepare(&(), &pod("p"), &mut cluster).state;
    // Where nothing is known it goes by what is requested.
    let burdens: Vec<i64> = (0..3).map(|slot| plugin.burden(&state, Slot(slot), &cluster)).collect();
    assert_eq!(burdens, [12_500; 3]);
}

#[test]
fn a_state_is_brought_up_to_date_only_by_what_changed() {
    let plugin = plugin_of(&args(Value::Null));
    let mut cluster = cluster(&plugin, &[("a", Some(30), 0)]);
    let mut state = plugin.prepare(&(), &pod("p"), &mut cluster).state;
    assert!(matches!(plugin.catch_up(&mut state, &cluster), Touched::All));
    assert!(matches!(plugin.catch_up(&mut state, &cluster), Touched::None));
}

#[test]
fn arguments_become_a_source() {
    let source = source(UsageKind::Memory, &args(json!({"bearerTokenFile": "/token", "windowSeconds": 60}))).unwrap();
    assert_eq!(&*source.prometheus.query, "node_mem_usage_avg_5m");
    assert_eq!((source.window_seconds, source.prometheus.timeout_seconds), (60, 10));
    assert_eq!((source.prometheus.bearer_token_file.as_deref(), &source.prometheus.ca_file), (Some("/token"), &None));
    // A slash at the end makes no other address.
    let slashed = args(json!({"prometheusApiAddr": "http://prometheus:9090/"}));
    assert_eq!(&*plugin_of(&slashed).source.prometheus.address, "http://prometheus:9090");
    for descriptor in [&MEMORY, &CPU] {
        let plugin = build(descriptor, &args(Value::Null));
        assert_eq!((plugin.name, plugin.usage.len()), (descriptor.name, 1));
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let problems = |more: Value| -> Vec<String> {
        let errors = (MEMORY.validate)(&args(more));
        errors.into_iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
    };
    let of_address = |address: &str| problems(json!({"prometheusApiAddr": address})).join("; ");
    assert_eq!(problems(Value::Null), [""; 0]);
    assert_eq!(of_address("https://monitoring.example.com:9090/prometheus"), "");
    assert!(of_address("").starts_with("prometheusApiAddr: is required"));
    assert!(of_address("prometheus:9090").contains("has neither http:// nor https://"));
    assert!(of_address("http://:9090").contains("names no host"));
    assert!(of_address("http://me:secret@prometheus").contains("has a user or password"));
    assert!(of_address("http://prometheus/?query=up").contains("is more than a base URL"));
    assert_eq!(problems(json!({"query": " "})), ["query: must not be empty"]);
    let long = json!({"queryMetricIntervalSeconds": 171});
    assert_eq!(
        problems(long),
        [
            "staleAfterSeconds: must be at least 181, which is queryMetricIntervalSeconds and queryMetricTimeSeconds together"
        ]
    );
    let both = json!({"caFile": "/ca.pem", "insecureSkipVerify": true});
    assert_eq!(problems(both), ["insecureSkipVerify: must be false when caFile is given"]);
}
