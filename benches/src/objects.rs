//! The objects of a benchmark's cluster, in JSON as the API server would give them: Loadline and kube-scheduler's own
//! algorithm read the same.

use serde_json::{Map, Value, json};

use crate::{HOSTNAME, ZONE, ZONES};

/// What every cluster has besides nodes and pods.
pub(crate) fn surroundings() -> Vec<Value> {
    let namespace = |name: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "uid": name, "labels": {"kubernetes.io/metadata.name": name, "team": name}},
        })
    };
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", "uid": "web"},
        "spec": {"selector": {"app": "served"}},
    });
    vec![namespace("default"), namespace("other"), service]
}

/// The name of a node.
pub fn node_name(index: usize) -> String {
    format!("node-{index:06}")
}

/// A node with this much cpu. One in ten is tainted, one in ten prefers to be left alone.
pub(crate) fn node(index: usize, milli_cpu: usize) -> Value {
    let name = node_name(index);
    let taint = |effect: &str| json!([{"key": "dedicated", "value": "batch", "effect": effect}]);
    let taints = match index % 10 {
        3 => taint("NoSchedule"),
        7 => taint("PreferNoSchedule"),
        _ => json!([]),
    };
    let amounts = json!({
        "cpu": format!("{milli_cpu}m"),
        "memory": "32Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name, "labels": {
            "kubernetes.io/arch": "amd64",
            HOSTNAME: name,
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": format!("type-{}", index % 5),
            "topology.kubernetes.io/region": "region-1",
            ZONE: format!("zone-{}", index % ZONES),
        }},
        "spec": {"taints": taints},
        "status": {"capacity": amounts, "allocatable": amounts},
    })
}

/// A pod of one container; `more` goes into its spec.
pub(crate) fn pod(name: &str, labels: &Value, milli_cpu: usize, priority: i32, more: Map<String, Value>) -> Value {
    let mut spec = json!({
        "schedulerName": "default-scheduler",
        "priority": priority,
        "preemptionPolicy": "PreemptLowerPriority",
        "restartPolicy": "Always",
        "containers": [{
            "name": "main",
            "image": "registry.example/app:1",
            "resources": {"requests": {"cpu": format!("{milli_cpu}m"), "memory": "500Mi"}},
        }],
    });
    if let Value::Object(fields) = &mut spec {
        fields.extend(more);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "spec": spec,
        "status": {"phase": "Pending"},
    })
}

/// The pod with this number of those that sit on the nodes before anything is measured.
pub(crate) fn sitting_pod(number: usize, nodes: usize, milli_cpu: usize) -> Value {
    let name = format!("base-{number}");
    let on = json!({"nodeName": node_name(number % nodes)});
    let more = if let Value::Object(on) = on { on } else { Map::new() };
    let mut pod = pod(&name, &json!({"app": format!("base-{}", number % 20)}), milli_cpu, 0, more);
    // They started one after another: preemption asks for that.
    let (hours, minutes, seconds) = (number / 3600 % 24, number / 60 % 60, number % 60);
    let day = 1 + number / 86_400;
    pod["status"] = json!({
        "phase": "Running",
        "startTime": format!("2026-01-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z"),
    });
    pod
}
