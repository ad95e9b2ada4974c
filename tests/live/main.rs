//! `loadline run` on a real kube-apiserver.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

/// A running scheduler; it is ended with the test.
struct Running(Child);

impl Running {
    fn start(server: &ControlPlane) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(["run", "-v", "4", "--kubeconfig"]).arg(server.kubeconfig()).stdin(Stdio::null());
        Self(command.spawn().expect("the scheduler starts"))
    }

    /// Asks it to end, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        let ended = Command::new("kill").arg(self.0.id().to_string()).status().expect("kill is there");
        assert!(ended.success());
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn create(server: &ControlPlane, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    server.kubectl(&["create", "-f", "-"], Some(&list.to_string())).expect("the API server takes the objects");
}

fn get(server: &ControlPlane, what: &[&str]) -> Value {
    let arguments = [&["get", "-o", "json"], what].concat();
    let text = server.kubectl(&arguments, None).expect("the API server tells of the objects");
    serde_json::from_str(&text).expect("kubectl prints JSON")
}

fn node(name: &str, cpu: &str) -> [Value; 2] {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    let status = json!({"status": {
        "capacity": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    [node, status]
}

fn add_node(server: &ControlPlane, name: &str, cpu: &str) {
    let [object, status] = node(name, cpu);
    create(server, &[object]);
    let patch = status.to_string();
    server
        .kubectl(&["patch", "node", name, "--subresource=status", "--type=merge", "-p", &patch], None)
        .expect("the node's status is taken");
}

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

/// Waits until `is_so` of what is asked for, a minute at most.
fn eventually<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    #[allow(clippy::disallowed_methods, reason = "a test waits for the real API server")]
    let start = Instant::now();
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        sleep(Duration::from_millis(100));
    }
}

fn node_of(server: &ControlPlane, pod: &str) -> Option<String> {
    get(server, &["pod", pod])["spec"]["nodeName"].as_str().map(str::to_owned)
}

fn events(server: &ControlPlane, pod: &str, reason: &str) -> Vec<Value> {
    let selector = format!("regarding.name={pod},reason={reason}");
    let list = get(server, &["events.events.k8s.io", "--field-selector", &selector]);
    list["items"].as_array().cloned().unwrap_or_default()
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
