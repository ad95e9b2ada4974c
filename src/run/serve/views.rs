//! Waiting pods and nodes as JSON.

use jiff::Timestamp;
use loadline_engine::queue::Pending;
use loadline_metrics::PodResources;
use loadline_model::quantity::Quantity;
use loadline_model::{NodeInfo, PodInfo, Resources, Time};
use serde_json::{Map, Value, json};

/// A waiting pod: where, since when, until when, and for what.
pub(super) fn pending(waiting: &Pending<'_>) -> Value {
    let queued = waiting.queued;
    let pod = &queued.pod;
    let mut rejectors: Vec<&str> = queued.rejectors.iter().collect();
    rejectors.dedup();
    let mut wakes: Vec<Value> = Vec::new();
    for (plugin, event) in &waiting.wakes {
        wakes.extend(event.each().map(|event| json!({"plugin": plugin, "event": event.to_string()})));
    }
    json!({
        "namespace": &*pod.namespace,
        "name": &*pod.name,
        "uid": &*pod.uid,
        "schedulerName": &*pod.scheduler_name,
        "priority": pod.priority,
        "queue": waiting.queue.as_str(),
        "attempts": queued.attempts,
        "firstTry": queued.initial_attempt.map(time),
        "since": time(queued.timestamp),
        "nextTry": waiting.next_try.map(time),
        "rejectedBy": rejectors,
        "gatedBy": queued.gate.as_ref().map(|gate| gate.plugin),
        "message": queued.gate.as_ref().map(|gate| gate.message.as_str()),
        "nominatedNode": pod.nominated_node_name.as_deref(),
        "wakes": wakes,
    })
}

/// A node with what it has and what is taken.
pub(super) fn node(node: &NodeInfo) -> Value {
    let spec = &node.spec;
    let mut allocatable = amounts(&spec.allocatable);
    allocatable.insert("pods".to_owned(), spec.allowed_pods.to_string().into());
    let mut requested = amounts(&node.load.requested);
    requested.insert("pods".to_owned(), node.load.pods.to_string().into());
    let pods: Vec<String> = node.pods.iter().map(|pod| pod.full_name()).collect();
    json!({
        "name": &*spec.name,
        "unschedulable": spec.unschedulable,
        "allocatable": allocatable,
        "requested": requested,
        "pods": pods,
    })
}

/// What a pod requests, for `/metrics/resources`.
pub(super) fn pod_resources(pod: &PodInfo, node: &str) -> PodResources {
    let usage = &pod.requests.usage;
    let mut requests = vec![
        ("cpu".to_owned(), usage.milli_cpu as f64 / 1000.0),
        ("memory".to_owned(), usage.memory as f64),
        ("ephemeral-storage".to_owned(), usage.ephemeral_storage as f64),
    ];
    requests.extend(usage.scalars.iter().map(|(name, amount)| (name.to_string(), *amount as f64)));
    PodResources {
        namespace: pod.namespace.to_string(),
        name: pod.name.to_string(),
        node: node.to_owned(),
        scheduler: pod.scheduler_name.to_string(),
        priority: pod.priority,
        requests,
    }
}

/// Amounts as Kubernetes writes them.
fn amounts(resources: &Resources) -> Map<String, Value> {
    let value = |amount: i64| Value::from(Quantity::from_value(amount).to_string());
    let mut amounts = Map::new();
    amounts.insert("cpu".to_owned(), Quantity::from_milli(resources.milli_cpu).canonical().to_string().into());
    amounts.insert("memory".to_owned(), value(resources.memory));
    amounts.insert("ephemeral-storage".to_owned(), value(resources.ephemeral_storage));
    amounts.extend(resources.scalars.iter().map(|(name, amount)| (name.to_string(), value(*amount))));
    amounts
}

fn time(time: Time) -> Value {
    match Timestamp::from_nanosecond(time.into()) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into(),
        Err(_) => Value::Null,
    }
}
