//! A pod's way, on an API server where nothing else happens: bound, told of, woken, preempted.

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::support::{Running, add_node, create, events, eventually, get, node_of};

fn pod(name: &str, cpu: &str, priority: i32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "test"}},
        "spec": {
            "priorityClassName": if priority > 0 { "high" } else { "" },
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "registry.example/main", "resources": {"requests": {"cpu": cpu}}}],
        },
    })
}

#[test]
fn pods_are_bound_told_of_and_preempted() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "2");
    create(&server, &[pod("before", "500m", 0)]);
    let scheduler = Running::start(&server);

    // A pod that was there before it started, and pods that come while it runs.
    eventually("the first pod is bound", || node_of(&server, "before"));
    let pods: Vec<Value> = (0..3).map(|number| pod(&format!("web-{number}"), "500m", 0)).collect();
    create(&server, &pods);
    for number in 0..3 {
        let name = format!("web-{number}");
        assert_eq!(eventually("a pod is bound", || node_of(&server, &name)), "node-a");
    }
    let told = eventually("the binding is told of", || events(&server, "web-0", "Scheduled").pop());
    assert_eq!(told["note"], "Successfully assigned default/web-0 to node-a");
    assert_eq!(told["reportingController"], "default-scheduler");

    // One that does not fit says why, and is bound when a node comes.
    create(&server, &[pod("waits", "1", 0)]);
    let condition = eventually("the pod says why it waits", || {
        let pod = get(&server, &["pod", "waits"]);
        let conditions = pod["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|condition| condition["type"] == "PodScheduled")
    });
    assert_eq!(condition["status"], "False");
    assert_eq!(condition["reason"], "Unschedulable");
    let message = condition["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("0/1 nodes are available: 1 Insufficient cpu."), "{message}");
    let told = eventually("an event says so too", || events(&server, "waits", "FailedScheduling").pop());
    assert_eq!(told["note"], message);
    add_node(&server, "node-b", "1");
    assert_eq!(eventually("the new node wakes it", || node_of(&server, "waits")), "node-b");

    // One of a higher priority takes the room of others.
    create(
        &server,
        &[
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}),
        ],
    );
    create(&server, &[pod("important", "1", 1000)]);
    eventually("the important pod is bound", || node_of(&server, "important"));
    let preempted = eventually("somebody was preempted", || {
        let list = get(&server, &["events.events.k8s.io", "--field-selector", "reason=Preempted"]);
        list["items"].as_array().filter(|items| !items.is_empty()).cloned()
    });
    assert!(preempted[0]["note"].as_str().unwrap_or_default().starts_with("Preempted by pod "));

    assert_eq!(scheduler.stop(), Some(0));
}
