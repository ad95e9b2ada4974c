//! Placing by what a real Prometheus measures of the nodes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use loadline_fixture::{Monitoring, Node, NodeExporter, Prometheus, Usage};
use serde_json::{Value, json};

use crate::support::{
    Running, Watched, cluster, create, eventually, kubectl, list, running, service_account, workload,
};

/// The users' name for it.
const SCHEDULER: &str = "mem-real-usage-scheduler";

const NODES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];

/// Averages over five seconds, in the place of five minutes: see [`Monitoring::quick_rules`].
const WINDOW: i64 = 5;

/// The age query that is the default, for scrapes each second.
const AGES: &str = concat!(
    "max by (node) (timestamp(node_mem_usage_avg_5m))",
    " < max by (node) (max_over_time(timestamp(node_memory_MemTotal_bytes)[5m:1s]))",
    " or max by (node) (max_over_time(timestamp(node_memory_MemTotal_bytes)[5m:1s]))",
);

/// MemRealUsage as the only score, with these arguments besides.
fn profile(prometheus: &Prometheus, more: &Value) -> Value {
    let mut args = json!({
        "prometheusApiAddr": prometheus.url(),
        "queryMetricIntervalSeconds": 1,
        "queryMetricTimeSeconds": 1,
        "ageQuery": AGES,
        "windowSeconds": WINDOW,
        "staleAfterSeconds": 10,
    });
    args.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    json!({
        "schedulerName": SCHEDULER,
        "plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "MemRealUsage"}]}},
        "pluginConfig": [{"name": "MemRealUsage", "args": args}],
    })
}

struct Scene {
    cluster: loadline_fixture::Cluster,
    exporter: NodeExporter,
    prometheus: Prometheus,
    folder: tempfile::TempDir,
}

impl Scene {
    /// Nodes of which these parts of the memory are in use, which Prometheus knows.
    fn new(used: [f64; 4]) -> Self {
        let nodes: Vec<Node> = NODES.into_iter().map(|name| Node::new(name, 16_000, 16 << 10)).collect();
        let cluster = cluster(&nodes);
        let exporter = NodeExporter::start().expect("a port");
        for (node, used) in NODES.into_iter().zip(used) {
            exporter.set(node, Usage::new(used, 0.1));
        }
        let prometheus = Prometheus::start(&exporter, &Monitoring::default()).expect("Prometheus starts");
        let folder = tempfile::tempdir().expect("a folder");
        let scene = Self { cluster, exporter, prometheus, folder };
        for (node, used) in NODES.into_iter().zip(used) {
            scene.knows(node, used);
        }
        scene
    }

    fn knows(&self, node: &str, used: f64) {
        eventually(&format!("Prometheus knows {node}"), || {
            let known = self.prometheus.by_node("node_mem_usage_avg_5m").ok()?;
            known.get(node).filter(|percent| (**percent - used * 100.0).abs() < 1.0).copied()
        });
    }

    fn configure(&self, more: &Value) -> PathBuf {
        let config = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": service_account(&self.cluster)},
            "leaderElection": {"leaderElect": false},
            "profiles": [profile(&self.prometheus, more)],
        });
        let path = self.folder.path().join("config.yaml");
        std::fs::write(&path, config.to_string()).expect("it is written");
        path
    }

    fn scheduler(&self, more: &Value) -> Watched {
        let path = self.configure(more);
        let path = path.to_str().expect("a path");
        Watched::start(&[], |flags| Running::with_flags(&self.cluster, &[&["--config", path], flags].concat()))
    }

    /// How many pods of a workload are on each node, once all of them run.
    fn spread(&self, label: &str, pods: usize) -> BTreeMap<String, usize> {
        let mut spread: BTreeMap<String, usize> = NODES.iter().map(|node| ((*node).to_owned(), 0)).collect();
        for node in running(&self.cluster, label, pods) {
            *spread.entry(node).or_default() += 1;
        }
        spread
    }

    fn deploy(&self, name: &str, replicas: usize) {
        let spec = json!({"schedulerName": SCHEDULER});
        create(&self.cluster, &[workload("Deployment", name, "50m", &json!({"replicas": replicas}), &spec)]);
    }
}

fn samples(watched: &Watched, sample: &str) -> usize {
    watched.metric(&format!("loadline_usage_nodes{{resource=\"memory\",sample=\"{sample}\"}}"))
}

fn knows_all(watched: &Watched) {
    eventually("every node has a sample", || (samples(watched, "fresh") == NODES.len()).then_some(()));
}

/// The users' demonstration: four nodes, one comes under memory stress, and a Deployment of 30 replicas is restarted.
#[test]
fn a_node_under_memory_stress_gets_no_pod_of_the_next_rollout() {
    let scene = Scene::new([0.6, 0.6, 0.6, 0.1]);
    let scheduler = scene.scheduler(&json!({}));
    knows_all(&scheduler);
    scene.deploy("web", 30);
    let before = scene.spread("app=web", 30);
    assert_eq!(before["node-d"], 30, "the others have far more in use: {before:?}");
    scene.exporter.set("node-d", Usage::new(0.95, 0.1));
    scene.knows("node-d", 0.95);
    eventually("the scheduler was told", || {
        let asked = scheduler.metric("loadline_usage_queries_total{resource=\"memory\",result=\"success\"}");
        std::thread::sleep(std::time::Duration::from_secs(2));
        let again = scheduler.metric("loadline_usage_queries_total{resource=\"memory\",result=\"success\"}");
        (again > asked).then_some(())
    });
    kubectl(&scene.cluster, &["rollout", "restart", "deployment/web"], "");
    kubectl(&scene.cluster, &["rollout", "status", "deployment/web", "--timeout=60s"], "");
    let after = scene.spread("app=web", 30);
    assert_eq!(after["node-d"], 0, "{after:?}");
    // On the three that are alike, none is left out.
    assert!(NODES[..3].iter().all(|node| after[*node] >= 5), "{after:?}");
}

#[test]
fn a_herd_is_spread_evenly_also_while_the_average_lags() {
    let scene = Scene::new([0.2; 4]);
    // As with averages of five minutes: what is placed shows in them long after.
    let scheduler = scene.scheduler(&json!({"windowSeconds": 300}));
    knows_all(&scheduler);
    scene.deploy("first", 30);
    let first = scene.spread("app=first", 30);
    scene.deploy("second", 30);
    let second = scene.spread("app=second", 30);
    let both: Vec<usize> = NODES.iter().map(|node| first[*node] + second[*node]).collect();
    for spread in [first.values().copied().collect::<Vec<_>>(), both] {
        let (most, least) = (spread.iter().max().unwrap_or(&0), spread.iter().min().unwrap_or(&0));
        assert!(most - least <= 1, "{spread:?}");
    }
}

#[test]
fn scheduling_goes_on_whatever_becomes_of_prometheus_and_the_exporters() {
    let mut scene = Scene::new([0.2, 0.3, 0.4, 0.5]);
    let scheduler = scene.scheduler(&json!({}));
    knows_all(&scheduler);
    let answered = |scheduler: &Watched, result: &str| {
        scheduler.metric(&format!("loadline_usage_queries_total{{resource=\"memory\",result=\"{result}\"}}"))
    };
    let places = |scene: &Scene, name: &str| {
        scene.deploy(name, 2);
        scene.spread(&format!("app={name}"), 2)
    };
    // One exporter dies, with Prometheus alive: after ten seconds its node counts as not measured, and is named.
    scene.exporter.set_up("node-a", false);
    eventually("node-a has no sample", || (samples(&scheduler, "none") == 1).then_some(()));
    assert_eq!(scheduler.metric("loadline_usage_unsampled_node{node=\"node-a\",resource=\"memory\"}"), 1);
    places(&scene, "without-an-exporter");
    scene.exporter.set_up("node-a", true);
    knows_all(&scheduler);
    // It is there, and does not answer.
    scene.prometheus.pause().expect("it is paused");
    eventually("it is too slow", || (answered(&scheduler, "timeout") > 1).then_some(()));
    places(&scene, "while-it-is-slow");
    // Twenty pods in a minute, each query of which takes nearly as long.
    scene.configure(&json!({"queryMetricTimeSeconds": 50, "staleAfterSeconds": 51}));
    scene.deploy("while-an-answer-is-awaited", 20);
    scene.spread("app=while-an-answer-is-awaited", 20);
    scene.configure(&json!({}));
    scene.prometheus.resume().expect("it goes on");
    let before = answered(&scheduler, "success");
    eventually("it answers again", || (answered(&scheduler, "success") > before).then_some(()));
    // It is gone.
    scene.prometheus.stop();
    eventually("it is gone", || (answered(&scheduler, "unreachable") > 1).then_some(()));
    eventually("what it said is too old", || (samples(&scheduler, "none") == NODES.len()).then_some(()));
    places(&scene, "without-prometheus");
    scene.prometheus.restart().expect("it starts again");
    knows_all(&scheduler);
    places(&scene, "with-it-again");
    // Answers that say nothing of any node, by changes of the configuration while all runs.
    let twice = r#"node_mem_usage_avg_5m or label_replace(node_mem_usage_avg_5m, "again", "yes", "", "")"#;
    let useless = [
        ("with-the-wrong-label", json!({"nodeLabel": "instance"})),
        ("with-no-numbers", json!({"query": "node_mem_usage_avg_5m * NaN"})),
        ("with-duplicates", json!({"query": twice})),
        ("with-no-series", json!({"query": "node_mem_usage_avg_6m"})),
        ("with-a-wrong-query", json!({"query": "node_mem_usage_avg_5m["})),
    ];
    for (name, arguments) in useless {
        scene.configure(&arguments);
        eventually(name, || (samples(&scheduler, "none") == NODES.len()).then_some(()));
        places(&scene, name);
        scene.configure(&json!({}));
        knows_all(&scheduler);
    }
    assert!(answered(&scheduler, "error") > 0, "the wrong query is counted");
    let pending = list(&scene.cluster, &["pods", "--field-selector", "status.phase=Pending"]);
    assert!(pending.is_empty(), "{pending:?}");
}

/// The command that people ask first, on the same Prometheus.
#[test]
fn metrics_check_says_what_the_scheduler_would_be_told() {
    let scene = Scene::new([0.2, 0.3, 0.4, 0.5]);
    let check = |more: &Value, format: &str| {
        let path = scene.configure(more);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_loadline"))
            .args(["metrics", "check", "-o", format, "--kubeconfig"])
            .arg(scene.cluster.kubeconfig())
            .arg("--config")
            .arg(path)
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text, said) = check(&json!({}), "json");
    assert_eq!(code, Some(0), "{text}{said}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let nodes = report["nodes"].as_array().expect("nodes");
    let percents: Vec<f64> = nodes.iter().filter_map(|node| node["memory"]["percent"].as_f64()).collect();
    let expected = [20.0, 30.0, 40.0, 50.0];
    assert!(percents.len() == 4 && percents.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1.0), "{percents:?}");
    scene.exporter.set_up("node-a", false);
    eventually("the sample is stale", || {
        let (code, text, _) = check(&json!({"staleAfterSeconds": 3}), "table");
        (code == Some(1) && text.contains("older than staleAfterSeconds")).then_some(())
    });
    let (code, text, _) = check(&json!({"nodeLabel": "instance"}), "table");
    assert_eq!(code, Some(1));
    assert!(text.contains("series lack the label instance"), "{text}");
}
