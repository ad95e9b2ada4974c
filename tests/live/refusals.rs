//! A node whose kubelet has less room than the API says, and refuses pods for that.

use loadline_fixture::{Cluster, ControlPlane, Node};
use serde_json::{Value, json};

use crate::support::{
    Running, add_node, bound, cluster, create, eventually, kubectl, list, pod, running, waiting, workload,
};

/// A node that looks better than all others, of which its kubelet gives nothing to anybody, and two on which all replicas have room.
fn with_a_busy_kubelet() -> Cluster {
    let cluster =
        cluster(&[Node::new("busy", 16_000, 65_536), Node::new("node-a", 2000, 8192), Node::new("node-b", 2000, 8192)]);
    cluster.occupy("busy", &json!({"cpu": "15900m"}));
    create(&cluster, &[workload("Deployment", "web", "300m", &json!({"replicas": REPLICAS}), &json!({}))]);
    cluster
}

const REPLICAS: usize = 10;

fn start(cluster: &Cluster, backoff: &str) -> Running {
    let backoff = format!("--refusal-backoff={backoff}");
    Running::with_flags(cluster, &["--leader-elect=false", &backoff])
}

/// Pods of the workload that have failed.
fn failed(cluster: &Cluster) -> usize {
    list(cluster, &["pods", "--selector=app=web", "--field-selector=status.phase=Failed"]).len()
}

/// How many replicas run on a node that gives them room.
fn runs(cluster: &Cluster) -> usize {
    let pods = list(cluster, &["pods", "--selector=app=web", "--field-selector=status.phase=Running"]);
    // A simulated pod may run for a moment before it is refused.
    pods.iter().filter(|pod| pod["spec"]["nodeName"] != "busy").count()
}

#[test]
fn a_kubelet_that_refuses_is_believed_for_a_while() {
    let cluster = with_a_busy_kubelet();
    let scheduler = start(&cluster, "8s");
    eventually("all replicas run elsewhere", || (runs(&cluster) == REPLICAS).then_some(()));
    // Those that were on their way when the first one was refused, and none of those that took their places.
    let refused = failed(&cluster);
    assert!((1..=REPLICAS).contains(&refused), "{refused} pods were refused");
    assert_eq!(cluster.refusals().len(), refused);

    // What does not fit anywhere else waits for the node, and is told why.
    create(&cluster, &[pod("patient", "3", &json!({}))]);
    let told = waiting(&cluster, "patient")["message"].clone();
    assert!(
        told.as_str().is_some_and(|told| told.starts_with("0/3 nodes are available: 3 Insufficient cpu.")),
        "{told}"
    );
    // The kubelet's other work ends, of which nobody is told. Some time later the node counts in full again.
    cluster.occupy("busy", &json!({}));
    assert_eq!(bound(&cluster, "patient"), "busy");
    running(&cluster, "app=patient", 1);
    assert_eq!(cluster.refusals().len(), refused);
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn without_it_replicas_are_refused_again_and_again() {
    let cluster = with_a_busy_kubelet();
    let scheduler = start(&cluster, "0s");
    eventually("more pods have failed than there are replicas, by far", || {
        (failed(&cluster) > 3 * REPLICAS).then_some(())
    });
    assert_eq!(scheduler.stop(), Some(0));
}

/// Why what kubelets refuse is followed by itself.
#[test]
fn who_follows_pods_that_have_not_ended_is_not_told_why_one_has() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "4");
    create(&server, &[pod("refused", "1", &json!({"nodeName": "node-a"}))]);
    let all: Value = serde_json::from_str(&kubectl(&server, &["get", "--raw", "/api/v1/pods"], "")).expect("JSON");
    let version = all["metadata"]["resourceVersion"].as_str().expect("a list has a version");
    let status = json!({"status": {"phase": "Failed", "reason": "OutOfcpu"}}).to_string();
    kubectl(&server, &["patch", "pod", "refused", "--subresource=status", "--type=merge", "-p", &status], "");
    let told = |selector: &str| {
        let path =
            format!("/api/v1/pods?watch=true&timeoutSeconds=1&resourceVersion={version}&fieldSelector={selector}");
        let event: Value = serde_json::from_str(&kubectl(&server, &["get", "--raw", &path], "")).expect("one event");
        [&event["type"], &event["object"]["status"]["phase"], &event["object"]["status"]["reason"]].map(Value::clone)
    };
    assert_eq!(told("status.phase!=Succeeded,status.phase!=Failed"), [json!("DELETED"), json!("Pending"), Value::Null]);
    assert_eq!(told("status.phase=Failed"), ["ADDED", "Failed", "OutOfcpu"]);
}
