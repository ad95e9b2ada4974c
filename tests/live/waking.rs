//! Pods that wait, and what ends their waiting.

use loadline_fixture::Node;
use serde_json::json;

use crate::support::{
    Running, bound, cluster, create, eventually, kubectl, list, node_of, patch, pod, running, waiting, workload,
};

#[test]
fn each_change_that_could_help_a_pod_wakes_it() {
    let mut cluster = cluster(&[Node::new("node-a", 1000, 4096), Node::new("node-b", 1000, 4096)]);
    kubectl(&cluster, &["cordon", "node-b"], "");
    let scheduler = Running::start(&cluster);

    // Gates: nothing happens before the last of them is gone, while others go on.
    let gates = json!({"schedulingGates": [{"name": "example.com/one"}, {"name": "example.com/two"}]});
    create(&cluster, &[pod("gated", "100m", &gates)]);
    assert_eq!(waiting(&cluster, "gated")["reason"], "SchedulingGated");
    patch(&cluster, "pod", "gated", &json!({"spec": {"schedulingGates": [{"name": "example.com/two"}]}}));
    create(&cluster, &[pod("free", "100m", &json!({}))]);
    assert_eq!(bound(&cluster, "free"), "node-a");
    assert_eq!(node_of(&cluster, "gated"), None);
    patch(&cluster, "pod", "gated", &json!({"spec": {"schedulingGates": null}}));
    assert_eq!(bound(&cluster, "gated"), "node-a");

    // Room: a pod that leaves, and a node that is open again.
    create(&cluster, &[pod("large", "900m", &json!({}))]);
    let message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";
    let told = waiting(&cluster, "large")["message"].clone();
    assert!(told.as_str().is_some_and(|told| told.starts_with(message)), "{told}");
    kubectl(&cluster, &["delete", "pod", "gated", "free"], "");
    assert_eq!(bound(&cluster, "large"), "node-a");
    create(&cluster, &[pod("second", "900m", &json!({}))]);
    waiting(&cluster, "second");
    kubectl(&cluster, &["uncordon", "node-b"], "");
    assert_eq!(bound(&cluster, "second"), "node-b");
    kubectl(&cluster, &["delete", "pod", "second"], "");

    // Labels and taints of a node.
    create(&cluster, &[pod("picky", "100m", &json!({"nodeSelector": {"disk": "fast"}}))]);
    waiting(&cluster, "picky");
    kubectl(&cluster, &["label", "node", "node-b", "disk=fast"], "");
    assert_eq!(bound(&cluster, "picky"), "node-b");
    kubectl(&cluster, &["taint", "node", "node-a", "node-b", "example.com/closed=yes:NoSchedule"], "");
    create(&cluster, &[pod("kept-out", "100m", &json!({}))]);
    waiting(&cluster, "kept-out");
    kubectl(&cluster, &["taint", "node", "node-b", "example.com/closed-"], "");
    assert_eq!(bound(&cluster, "kept-out"), "node-b");

    // Another pod: one that has to be near it can come now.
    let near = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "leader"}}, "topologyKey": "kubernetes.io/hostname"},
    ]}}});
    create(&cluster, &[pod("follower", "100m", &near)]);
    waiting(&cluster, "follower");
    create(&cluster, &[pod("leader", "100m", &json!({}))]);
    assert_eq!(bound(&cluster, "leader"), "node-b");
    assert_eq!(bound(&cluster, "follower"), "node-b");

    // New nodes take all that waits.
    create(&cluster, &[workload("Deployment", "crowd", "900m", &json!({"replicas": 5}), &json!({}))]);
    let one = eventually("the pods are there", || {
        let pods = list(&cluster, &["pods", "--selector", "app=crowd"]);
        (pods.len() == 5).then(|| pods[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    });
    waiting(&cluster, &one);
    let new: Vec<Node> = (0..5).map(|number| Node::new(&format!("new-{number}"), 1000, 4096)).collect();
    cluster.add_nodes(&new).expect("the nodes become ready");
    let mut nodes = running(&cluster, "app=crowd", 5);
    nodes.sort();
    assert_eq!(nodes, ["new-0", "new-1", "new-2", "new-3", "new-4"]);

    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}
