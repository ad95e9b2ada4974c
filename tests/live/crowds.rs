//! Very many pods that fit nowhere, and nodes that report very often: neither may cost the others anything.

use std::time::{Duration, Instant};

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::many::Many;
use crate::support::{
    Running, Watched, add_node, all_bound, bound, create, is_long, kubectl, list, node, patch, pod, within,
};

/// A scheduler that tries no pod again without a reason while the test lasts, however long that is.
fn patient(server: &ControlPlane) -> Watched {
    let flags = ["--leader-elect=false", "--pod-max-in-unschedulable-pods-duration=10h"];
    Watched::start(&flags, |flags| Running::with_flags(server, flags))
}

impl Watched {
    /// How often a pod was tried for which there was no room.
    fn attempts_in_vain(&self) -> usize {
        self.metric("scheduler_schedule_attempts_total{profile=\"default-scheduler\",result=\"unschedulable\"}")
    }

    fn unschedulable(&self) -> usize {
        self.metric("scheduler_pending_pods{queue=\"unschedulable\"}")
    }
}

#[allow(clippy::disallowed_methods, reason = "the length of a test")]
fn now() -> Instant {
    Instant::now()
}

/// Resident memory for each pod that waits, in kB: twice of what was measured. What is kept of decisions has a limit of its own, and is
/// half of it with few pods.
const KB_FOR_EACH: [u64; 2] = [8, 4];
/// How many of them are placed on one node, when there are some at last.
const FOR_A_NODE: usize = 500;

#[test]
fn pods_that_fit_nowhere_keep_no_other_waiting() {
    let (crowd, patience) = if is_long() { (100_000, Duration::from_mins(30)) } else { (2000, Duration::from_mins(1)) };
    let server = ControlPlane::start().expect("the control plane starts");
    let many = Many::of(&server);
    kubectl(&server, &["create", "namespace", "crowd"], "");
    add_node(&server, "node-a", "100");
    let watched = patient(&server);
    create(&server, &[pod("first", "1", &json!({}))]);
    bound(&server, "first");
    let before = watched.scheduler.resident();

    let begin = now();
    let path = "/api/v1/namespaces/crowd/pods";
    many.create(path, (0..crowd).map(|number| pod(&format!("large-{number}"), "1k", &json!({}))));
    within(patience, "all of them were tried", || (watched.unschedulable() == crowd).then_some(()));
    println!("{crowd} pods were created and tried after {:?}", begin.elapsed());

    // Others go before them, at once, and wake none of them.
    let begin = now();
    create(&server, &(0..50).map(|number| pod(&format!("small-{number}"), "1", &json!({}))).collect::<Vec<_>>());
    assert_eq!(all_bound(&server), "node-a: 51");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(15), "50 pods that fit took {took:?}");

    // Each is told once, in its status and by an event, however long it waits.
    let told = |path: &str| {
        let page = many.get(&format!("{path}?limit=1"));
        page["items"].as_array().map_or(0, Vec::len)
            + page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0) as usize
    };
    let events = "/apis/events.k8s.io/v1/namespaces/crowd/events";
    if is_long() {
        // Beyond some thousands that are still to be written, events are dropped.
        within(patience, "there are events", || (told(events) > 10_000).then_some(()));
    } else {
        within(patience, "there is an event for each", || (told(events) == crowd).then_some(()));
        let events = many.get(events)["items"].as_array().cloned().unwrap_or_default();
        assert!(events.iter().all(|event| event["reason"] == "FailedScheduling" && event["series"].is_null()));
    }
    let says_why = |pod: &Value| pod["status"]["conditions"][0]["reason"] == "Unschedulable";
    within(patience, "the last one says why it waits", || {
        says_why(&many.get(&format!("{path}/large-{}", crowd - 1))).then_some(())
    });
    if !is_long() {
        let all_say_why = || many.get(path)["items"].as_array().is_some_and(|pods| pods.iter().all(says_why));
        within(patience, "each says why it waits", || all_say_why().then_some(()));
    }
    let for_each = (watched.scheduler.resident() - before) / crowd as u64;
    println!("{for_each} kB for each pod");
    assert!(for_each <= KB_FOR_EACH[usize::from(is_long())], "{for_each} kB of memory for each pod that waits");
    assert_eq!((watched.attempts_in_vain(), watched.unschedulable()), (crowd, crowd));
    assert!(told(events) <= crowd, "more events than pods");

    let begin = now();
    let resources = json!({"cpu": format!("{FOR_A_NODE}k"), "memory": "8Gi", "pods": FOR_A_NODE.to_string()});
    let names = (0..crowd / FOR_A_NODE).map(|number| format!("large-{number}"));
    many.create("/api/v1/nodes", names.map(|name| node(&name, &resources)));
    within(patience, "all of them are bound", || {
        let scheduled =
            watched.metric("scheduler_schedule_attempts_total{profile=\"default-scheduler\",result=\"scheduled\"}");
        (scheduled == crowd + 51).then_some(())
    });
    println!("{crowd} pods were bound after {:?}", begin.elapsed());
    let waiting = list(&server, &["pods", "--namespace=crowd", "--field-selector=spec.nodeName="]);
    assert_eq!(waiting.len(), 0);
    assert_eq!(watched.scheduler.stop(), Some(0));
}

/// Nodes of the storm.
const NODES: usize = 100;
/// Processor time for each heartbeat, in microseconds: ten times what was measured, most of which is the reading of JSON.
const US_FOR_EACH: u128 = 600;

/// Each of these is one for the next node, with a time that none had before.
fn heartbeats(numbers: std::ops::Range<usize>) -> impl Iterator<Item = (String, Value)> {
    numbers.map(|number| {
        let (minute, second) = (number / NODES / 60, number / NODES % 60);
        let conditions = json!([{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": format!("2026-01-01T00:{minute:02}:{second:02}Z"),
        }]);
        (format!("/api/v1/nodes/node-{}/status", number % NODES), json!({"status": {"conditions": conditions}}))
    })
}

#[test]
fn heartbeats_of_nodes_wake_nobody() {
    let half = if is_long() { 15_000 } else { 1500 };
    let server = ControlPlane::start().expect("the control plane starts");
    let many = Many::of(&server);
    let resources = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    many.create("/api/v1/nodes", (0..NODES).map(|number| node(&format!("node-{number}"), &resources)));
    let watched = patient(&server);
    let waiting = 20;
    create(&server, &(0..waiting).map(|number| pod(&format!("large-{number}"), "5", &json!({}))).collect::<Vec<_>>());
    let patience = Duration::from_mins(5);
    within(patience, "all of them were tried", || (watched.unschedulable() == waiting).then_some(()));

    // By themselves: what they cost.
    let (begin, cpu) = (now(), watched.scheduler.cpu());
    many.patch(heartbeats(0..half));
    heard(&server, "first");
    let cpu = watched.scheduler.cpu().saturating_sub(cpu).as_micros() / half as u128;
    println!("{half} heartbeats in {:?}: {cpu} us of processor time each", begin.elapsed());
    assert!(cpu < US_FOR_EACH, "{cpu} us of processor time for each heartbeat");

    // While pods arrive.
    std::thread::scope(|scope| {
        scope.spawn(|| Many::of(&server).patch(heartbeats(half..2 * half)));
        many.create(
            "/api/v1/namespaces/default/pods",
            (0..200).map(|number| pod(&format!("small-{number}"), "100m", &json!({}))),
        );
    });
    heard(&server, "last");
    within(patience, "all that fit are bound", || {
        let left = list(&server, &["pods", "--field-selector=spec.nodeName="]);
        (left.len() == waiting).then_some(())
    });
    assert_eq!((watched.attempts_in_vain(), watched.unschedulable()), (waiting, waiting));
    assert_eq!(watched.scheduler.stop(), Some(0));
}

/// Returns when the scheduler has heard all that nodes have said so far: a label that comes last, and a pod that wants it.
fn heard(server: &ControlPlane, label: &str) {
    patch(server, "node", "node-0", &json!({"metadata": {"labels": {label: "yes"}}}));
    create(server, &[pod(label, "100m", &json!({"nodeSelector": {label: "yes"}}))]);
    assert_eq!(bound(server, label), "node-0");
}
