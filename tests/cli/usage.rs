//! Plugins that go by what nodes really use: `--usage`, and `loadline metrics check`.

pub(crate) mod stub;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use loadline_simulator::report::Report;
use serde_json::{Value, json};

use crate::run::{Done, loadline, loadline_with};
use stub::{NOW, Stub, nodes};

const CLUSTER: &str = "examples/real-usage/cluster.yaml";
pub(crate) const CONFIG: &str = "examples/real-usage/scheduler.yaml";
const USAGE: &str = "examples/real-usage/usage.yaml";
/// Where the example's Prometheus is.
const ADDRESS: &str = "http://prometheus.monitoring.svc:9090";

fn simulate(args: &[&str], stdin: &str) -> Done {
    loadline_with(&[&["simulate", "-f", CLUSTER, "--config", CONFIG], args].concat(), stdin)
}

/// Pods by node.
fn placed(args: &[&str], stdin: &str) -> BTreeMap<String, usize> {
    let done = simulate(&[&["-o", "json"], args].concat(), stdin);
    assert_eq!(done.code, 0, "{done}");
    let report: Report = serde_json::from_str(&done.out).expect("a report");
    let mut pods = BTreeMap::new();
    for placement in report.placements {
        *pods.entry(placement.node).or_default() += 1;
    }
    pods
}

#[test]
fn a_node_under_stress_gets_no_pod_of_a_rollout() {
    let pods = placed(&["--usage", USAGE], "");
    assert_eq!((pods.values().sum(), pods.get("node-4")), (30, None), "{pods:?}");
    let without = simulate(&[], "");
    assert_eq!(without.code, 0, "{without}");
    let warning =
        "warning: MemRealUsage: real use is not asked for here, so all nodes are alike; give it with --usage\n";
    assert_eq!(without.err, warning);
    assert!(placed(&[], "").contains_key("node-4"));
}

/// The folder has the configuration and the file of use in it too.
#[test]
fn the_folder_of_the_example_can_be_read() {
    let done = loadline(&["simulate", "-f", "examples/real-usage", "--config", CONFIG, "--usage", USAGE]);
    assert_eq!(done.code, 0, "{done}");
    assert_eq!(done.out, simulate(&["--usage", USAGE], "").out);
}

#[test]
fn an_explained_pod_shows_what_a_score_is_made_of() {
    let args = ["explain", "-f", CLUSTER, "--config", CONFIG, "--usage", USAGE, "-o", "json"];
    let done = loadline(&args);
    let json: Value = serde_json::from_str(&done.out).expect("JSON");
    let nodes = json["pods"][0]["nodes"].as_array().expect("a table of nodes");
    let scores: Vec<(i64, &str)> = nodes
        .iter()
        .map(|node| {
            let score = &node["scores"]["MemRealUsage"];
            (score["normalized"].as_i64().expect("a score"), score["note"].as_str().expect("a note"))
        })
        .collect();
    assert_eq!(scores[1], (100, "38.5 %: 38.5 measured, 0.0 estimated"));
    assert_eq!(scores[3], (0, "92.0 %: 92.0 measured, 0.0 estimated"));
    let table = loadline(&args[..args.len() - 2]);
    let notes = "\n  MemRealUsage\n    node-2   38.5 %: 38.5 measured, 0.0 estimated\n    node-1   41.0 %: ";
    assert!(table.out.contains(notes), "{table}");
    // Without any sample all nodes score the same. Who told them apart is in the record, and said to people.
    let simulated: Value = serde_json::from_str(&simulate(&["-o", "json"], "").out).expect("JSON");
    let second = simulated["placements"][1]["name"].as_str().expect("a pod");
    let done = simulate(&["-o", "json", "--explain", second], "");
    let simulated: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(simulated["decisions"][0]["tieBrokenBy"], "MemRealUsage", "{done}");
    let done = simulate(&["--explain", second], "");
    assert!(done.out.contains("MemRealUsage told them apart"), "{done}");
}

#[test]
fn a_wrong_file_of_use_ends_with_2_and_its_place() {
    let wrong = [
        ("", "-: no node in it: expected a NodeUsageReport or NodeMetrics\n"),
        ("kind: Node\n", "-:1:1: is a Node: expected a NodeUsageReport or NodeMetrics\n"),
        (
            "apiVersion: loadline.dev/v2\nkind: NodeUsageReport\nnodes: []\n",
            "-:1:1: apiVersion is \"loadline.dev/v2\", and loadline.dev/v1alpha1 is known\n",
        ),
        (
            "apiVersion: loadline.dev/v1alpha1\nkind: NodeUsageReport\nnodes:\n- name: node-1\n  memory:\n    percent: 104\n",
            "-:6:5: nodes[0].memory: percent is 104: expected 0 to 100\n",
        ),
        (
            "apiVersion: loadline.dev/v1alpha1\nkind: NodeUsageReport\nnodes:\n- name: node-1\n  mem: {percent: 4}\n",
            "-:5:3: nodes[0].mem: unknown field `mem`",
        ),
        ("kind: NodeMetrics\nmetadata: {name: node-1}\nusage:\n  memory: much\n", "-:4:11: usage.memory: "),
    ];
    for (text, place) in wrong {
        let done = simulate(&["--usage", "-"], text);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{text}\n{done}");
        assert!(done.err.starts_with(place), "{text}\n{done}");
        assert!(done.err.ends_with("error: 1 problem found; nothing was done\n"), "{done}");
    }
    let done = simulate(&["--usage", "no/such/file.json"], "");
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with("no/such/file.json: "), "{done}");
}

#[test]
fn standard_input_has_one_reader() {
    let said = "error: - is standard input, which can be read once: give one of them as a file\n";
    for args in [
        &["simulate", "-f", "-", "--config", CONFIG, "--usage", "-"][..],
        &["simulate", "-f", CLUSTER, "--config", "-", "--usage", "-"],
        &["explain", "-f", "-", "--usage", "-"],
        &["metrics", "check", "--config", "-", "-f", "-"],
    ] {
        let done = loadline(args);
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (2, "", said), "{args:?}");
    }
}

#[test]
fn node_metrics_of_the_metrics_api_are_read() {
    let item = |node: &str, memory: &str| {
        json!({"metadata": {"name": node}, "timestamp": "2026-01-01T00:00:00Z", "window": "20s",
               "usage": {"cpu": "250m", "memory": memory}})
    };
    let items = [item("node-1", "6Gi"), item("node-2", "6Gi"), item("node-3", "6Gi"), item("node-4", "29Gi")];
    let list = |items: &[Value]| {
        json!({"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items})
            .to_string()
    };
    let pods = placed(&["--usage", "-"], &list(&items));
    assert_eq!(pods.values().copied().collect::<Vec<_>>(), [10, 10, 10], "{pods:?}");
    // What is not known, of nobody, or too old to count is told.
    let mut items = items.to_vec();
    items[1] = item("node-5", "6Gi");
    items[2]["timestamp"] = "2025-12-31T23:00:00Z".into();
    let done = simulate(&["--usage", "-"], &list(&items));
    assert_eq!(
        done.err,
        "warning: 1 node of --usage not in the input: node-5\n\
         warning: 1 node without a sample of memory: node-2\n\
         warning: 1 node whose sample of memory is stale, and does not count: node-3\n"
    );
}

#[test]
fn use_that_no_plugin_goes_by_is_warned_of() {
    let done = loadline(&["simulate", "-f", CLUSTER, "--usage", USAGE]);
    assert_eq!(done.code, 0, "{done}");
    let warning = "warning: --usage changes nothing: no plugin of the configuration goes by real use\n";
    assert!(done.err.starts_with(warning), "{done}");
}

/// The example's configuration, with another Prometheus.
fn config_for(address: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIG);
    let text = fs::read_to_string(path).expect("the example is there");
    assert!(text.contains(ADDRESS));
    text.replace(ADDRESS, address)
}

/// `metrics check` of the example with another Prometheus, which is shown as the example's.
pub(crate) fn check(stub: &Stub, args: &[&str]) -> Done {
    let mut done = loadline_with(&[&["metrics", "check", "--config", "-"], args].concat(), &config_for(&stub.url()));
    done.out = done.out.replace(&stub.url(), ADDRESS);
    done
}

/// What the Prometheus of the example says.
pub(crate) fn of_the_example() -> Stub {
    Stub::of(nodes(&[("node-1", 41.0, 4), ("node-2", 38.5, 11), ("node-3", 44.0, 9), ("node-4", 92.0, 2)]))
}

#[test]
fn a_configuration_without_such_a_plugin_is_nothing_to_check() {
    let done = loadline(&["metrics", "check", "--config", "examples/config/bin-packing.yaml"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("examples/config/bin-packing.yaml: no plugin of it goes by real use"), "{done}");
    assert_eq!(loadline(&["metrics", "check"]).code, 2);
}

#[test]
fn what_is_fine_is_shown() {
    let done = check(&of_the_example(), &["-f", CLUSTER]);
    assert_eq!(done.code, 0, "{done}");
    insta::assert_snapshot!(done);
}

#[test]
fn series_without_the_nodes_names_are_shown_with_what_to_change() {
    let series = |value: &str| {
        let of = |instance| (json!({"__name__": "x", "instance": instance, "job": "node-exporter"}), value.to_owned());
        ["10.0.0.1:9100", "10.0.0.2:9100", "10.0.0.3:9100", "10.0.0.4:9100"].map(of).to_vec()
    };
    let stub = Stub::of([series("41.27"), series(&NOW.to_string())]);
    let done = check(&stub, &["-f", CLUSTER]);
    assert_eq!(done.code, 1, "{done}");
    assert!(done.out.contains("series lack the label node: relabel node_exporter's targets"), "{done}");
    insta::assert_snapshot!(done);
}

#[test]
fn nodes_that_do_not_count_are_shown() {
    let stub = Stub::of(nodes(&[("node-1", 41.0, 4), ("node-2", 38.5, 181), ("node-4", 92.0, 2), ("gone", 7.0, 3)]));
    let done = check(&stub, &["-f", CLUSTER]);
    assert_eq!(done.code, 1, "{done}");
    for said in [
        "1 sample is older than staleAfterSeconds (180): see to node_exporter there",
        "1 node of the cluster is in no series, such as node-3: see that node_exporter runs there",
    ] {
        assert!(done.out.contains(said), "{done}");
    }
    assert!(!done.out.contains("does not have the names of the nodes"), "{done}");
    insta::assert_snapshot!(done);
}

/// Prometheus goes on answering for a node with the average of what was measured before its exporter ended.
#[test]
fn an_exporter_that_has_ended_is_no_wrong_query() {
    let [values, mut ages] =
        nodes(&[("node-1", 41.0, 4), ("node-2", 38.5, 4), ("node-3", 44.0, 9), ("node-4", 92.0, 2)]);
    ages.remove(1);
    let done = check(&Stub::of([values, ages]), &["-f", CLUSTER]);
    assert_eq!(done.code, 1, "{done}");
    assert!(done.out.contains("see that node_exporter still runs there"), "{done}");
    assert!(!done.out.contains("ageQuery has to give") && !done.out.contains("in no series"), "{done}");
}

#[test]
fn the_names_of_another_cluster_are_no_names() {
    let stub = Stub::of(nodes(&[("node-1.example.com", 41.0, 4), ("node-2.example.com", 38.5, 11)]));
    let done = check(&stub, &["-f", CLUSTER]);
    assert_eq!(done.code, 1, "{done}");
    let said = "the label node does not have the names of the nodes: there is node-1.example.com, where the cluster has node-1\n";
    assert!(done.out.contains(said), "{done}");
}

#[test]
fn without_an_answer_the_reason_is_said() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        format!("http://{}", listener.local_addr().expect("it has an address"))
    };
    let done = loadline_with(&["metrics", "check", "--config", "-", "-f", CLUSTER], &config_for(&nobody));
    assert_eq!(done.code, 1, "{done}");
    assert!(done.out.contains("can not be reached: ") && done.out.contains("kubectl port-forward"), "{done}");
    for (status, body, said) in [
        (401, "no", "name the file of a token that may ask in bearerTokenFile"),
        (404, "<html>", "have prometheusApiAddr end before /api/v1"),
        (503, "busy", "see to Prometheus, and to what stands in front of it"),
        (400, r#"{"status": "error", "errorType": "bad_data", "error": "parse error"}"#, "correct the query"),
    ] {
        let done = check(&Stub::start(move |_| (status, body.to_owned())), &["-f", CLUSTER]);
        assert_eq!(done.code, 1, "{done}");
        assert!(done.out.contains(&format!("HTTP {status}")) && done.out.contains(said), "{done}");
    }
    let done = check(&Stub::of([Vec::new(), Vec::new()]), &["-f", CLUSTER]);
    assert_eq!(done.code, 1, "{done}");
    assert!(done.out.contains("the query gives nothing: see that Prometheus has the recording rule"), "{done}");
}

#[test]
fn what_is_printed_for_programs_can_be_simulated_with() {
    for format in ["json", "yaml"] {
        let done = check(&of_the_example(), &["-f", CLUSTER, "-o", format]);
        assert_eq!(done.code, 0, "{done}");
        assert_eq!(placed(&["--usage", "-"], &done.out), placed(&["--usage", USAGE], ""));
        if format == "json" {
            insta::assert_snapshot!(done);
        }
    }
    // All that is known may be too old: there is nothing newer to tell it by.
    let old = Stub::of(nodes(&["node-1", "node-2", "node-3", "node-4"].map(|node| (node, 50.0, 500))));
    let done = check(&old, &["-f", CLUSTER, "-o", "json"]);
    assert_eq!(done.code, 1, "{done}");
    let simulated = simulate(&["--usage", "-"], &done.out);
    let warning = "warning: 4 nodes whose sample of memory is stale, and does not count: node-1, node-2, node-3, …\n";
    assert_eq!(simulated.err, warning);
}

#[test]
fn a_large_cluster_is_not_listed_whole() {
    let names: Vec<String> = (0..5000).map(|n| format!("node-{n:04}")).collect();
    let known: Vec<(&str, f64, i64)> = names[..4000].iter().map(|name| (&**name, 40.0, 400)).collect();
    let node = |name: &String| {
        format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}, status: {{capacity: {{cpu: 4, memory: 8Gi, pods: 9}}}}}}\n---\n"
        )
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("nodes.yaml");
    fs::write(&path, names.iter().map(node).collect::<String>()).expect("a file can be written");
    let done = check(&Stub::of(nodes(&known)), &["-f", &path.to_string_lossy()]);
    assert_eq!(done.code, 1, "{}", &done.out[..done.out.len().min(4000)]);
    assert!(done.out.lines().count() < 40, "{done}");
    assert!(done.out.contains("and 3990 more") && done.out.contains("and 990 more"), "{done}");
}
