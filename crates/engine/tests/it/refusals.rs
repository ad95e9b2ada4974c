//! Nodes whose kubelets refuse pods.

use std::sync::Arc;

use loadline_engine::{Event, Scheduler, Settings};
use loadline_model::{NodeSpec, PodInfo, PodRequests, Resources, Time};
use loadline_parity::profiles;

const SECOND: Time = 1_000_000_000;
const FIRST: Time = 60 * SECOND;

fn amounts(milli_cpu: i64, memory: i64, gpus: i64) -> Resources {
    let mut amounts = Resources { milli_cpu, memory, ..Resources::default() };
    if gpus > 0 {
        amounts.set("example.com/gpu", gpus);
    }
    amounts
}

fn node(name: &str, milli_cpu: i64) -> Arc<NodeSpec> {
    let allocatable = amounts(milli_cpu, 1000, 8);
    Arc::new(NodeSpec { name: name.into(), allocatable, allowed_pods: 10, ..NodeSpec::default() })
}

fn pod_of(name: &str, requests: Resources, node: Option<&str>) -> Arc<PodInfo> {
    let requests = PodRequests {
        spec: requests.clone(),
        usage: requests.clone(),
        non_zero_milli_cpu: requests.milli_cpu,
        non_zero_memory: requests.memory,
        score: requests,
    };
    Arc::new(PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        scheduler_name: "default-scheduler".into(),
        node_name: node.map(Into::into),
        requests: Arc::new(requests),
        ..PodInfo::default()
    })
}

fn pod(name: &str, milli_cpu: i64, node: Option<&str>) -> Arc<PodInfo> {
    pod_of(name, amounts(milli_cpu, 10, 0), node)
}

/// A scheduler that knows these nodes.
fn scheduler(nodes: &[Arc<NodeSpec>]) -> Scheduler {
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
    scheduler.set_refusal_backoff(FIRST);
    for node in nodes {
        scheduler.apply(Event::Node(node.clone()), 0);
    }
    scheduler
}

/// The kubelet of the node that is named in the pod has not enough of a resource.
fn refuse(scheduler: &mut Scheduler, pod: Arc<PodInfo>, resource: &str, now: Time) -> Option<Time> {
    scheduler.apply(Event::PodRefused(pod, resource.into()), now);
    assert!(scheduler.findings().is_sound(), "{:?}", scheduler.findings());
    let refused = scheduler.happened().refused.as_ref().expect("it is told");
    assert_eq!(refused.resource, *resource);
    refused.backoff
}

/// Where a new pod goes, which has left again then.
fn place(scheduler: &mut Scheduler, pod: Arc<PodInfo>, now: Time) -> Option<String> {
    let uid = pod.uid.clone();
    scheduler.tick(now);
    scheduler.apply(Event::Pod(pod), now);
    let (attempt, _) = scheduler.schedule_one(now).expect("it waits");
    scheduler.apply(Event::PodGone(uid), now);
    attempt.cycle.node.map(|node| node.to_string())
}

/// What counts of the node of this name: cpu, memory, devices, pods.
fn counts(scheduler: &Scheduler, name: &str) -> [i64; 4] {
    let node = &scheduler.engine().cluster().node(name).expect("it is there").spec;
    [node.allocatable.milli_cpu, node.allocatable.memory, node.allocatable.get("example.com/gpu"), node.allowed_pods]
}

#[test]
fn one_refusal_keeps_pods_like_it_away_and_no_smaller_ones() {
    let mut scheduler = scheduler(&[node("large", 8000), node("small", 1000)]);
    scheduler.apply(Event::Pod(pod("there", 2000, Some("large"))), 0);
    assert_eq!(place(&mut scheduler, pod("before", 500, None), 0).as_deref(), Some("large"));
    // It stood on the node for the scheduler, and does not any more, whichever watch is the faster one.
    scheduler.apply(Event::Pod(pod("refused", 500, Some("large"))), 1);
    assert_eq!(refuse(&mut scheduler, pod("refused", 500, Some("large")), "cpu", 2), Some(FIRST));
    assert_eq!(counts(&scheduler, "large"), [2499, 1000, 8, 10]);
    assert_eq!(scheduler.engine().cluster().pod_count(), 1);
    assert_eq!(place(&mut scheduler, pod("like-it", 500, None), 3).as_deref(), Some("small"));
    assert_eq!(place(&mut scheduler, pod("larger", 1500, None), 3), None);
    scheduler.apply(Event::NodeGone("small".into()), 3);
    assert_eq!(place(&mut scheduler, pod("smaller", 499, None), 4).as_deref(), Some("large"));
    // The kubelet's room grows as ours does when something leaves.
    scheduler.apply(Event::PodGone("there".into()), 5);
    assert_eq!(place(&mut scheduler, pod("like-it", 500, None), 6).as_deref(), Some("large"));
    assert_eq!(place(&mut scheduler, pod("too-large", 2500, None), 6), None);
}

#[test]
fn any_resource_can_be_what_lacks() {
    let mut scheduler = scheduler(&[node("n", 8000)]);
    scheduler.apply(Event::Pod(pod_of("there", amounts(1000, 100, 2), Some("n"))), 0);
    let mut lacks = |resource| {
        refuse(&mut scheduler, pod_of("refused", amounts(1000, 100, 2), Some("n")), resource, 1);
        counts(&scheduler, "n")
    };
    assert_eq!(lacks("memory"), [8000, 199, 8, 10]);
    assert_eq!(lacks("example.com/gpu"), [8000, 199, 3, 10]);
    assert_eq!(lacks("pods"), [8000, 199, 3, 1]);
    // Nothing follows from a resource that the pod does not ask for.
    assert_eq!(lacks("example.com/fpga"), [8000, 199, 3, 1]);
}

#[test]
fn what_is_known_already_is_not_learned() {
    // Another scheduler was faster, and both counted on the same room.
    let mut scheduler = scheduler(&[node("n", 1000)]);
    scheduler.apply(Event::Pod(pod("faster", 800, Some("n"))), 0);
    assert_eq!(refuse(&mut scheduler, pod("refused", 500, Some("n")), "cpu", 1), None);
    assert_eq!(counts(&scheduler, "n"), [1000, 1000, 8, 10]);
    assert_eq!(refuse(&mut scheduler, pod("refused", 500, Some("gone")), "cpu", 1), None);
    // And nothing is when nobody wants to.
    scheduler.apply(Event::PodGone("faster".into()), 2);
    scheduler.set_refusal_backoff(0);
    assert_eq!(refuse(&mut scheduler, pod("refused", 500, Some("n")), "cpu", 3), None);
    assert_eq!(counts(&scheduler, "n"), [1000, 1000, 8, 10]);
    assert_eq!(scheduler.doubted_nodes().count(), 0);
}

#[test]
fn a_node_counts_in_full_again_and_for_less_for_twice_as_long_the_next_time() {
    let mut scheduler = scheduler(&[node("n", 8000)]);
    let mut now = SECOND;
    let mut backoffs = Vec::new();
    for trial in 0..6 {
        // Three were on their way: all of them are one trial.
        for number in 0..3 {
            scheduler.apply(Event::Pod(pod(&format!("pod-{number}"), 100, Some("n"))), now);
        }
        let refused = [0, 1, 2].map(|number| {
            refuse(&mut scheduler, pod(&format!("pod-{number}"), 100, Some("n")), "cpu", now).expect("it is news")
        });
        assert!(refused.iter().all(|backoff| *backoff == refused[0]), "{refused:?}");
        backoffs.push(refused[0] / SECOND);
        let end = now + refused[0];
        assert_eq!(scheduler.next_wakeup(now), Some(end));
        assert_eq!(place(&mut scheduler, pod("early", 100, None), end - 1), None, "trial {trial}");
        assert_eq!(counts(&scheduler, "n")[0], 99);
        assert_eq!(place(&mut scheduler, pod("late", 100, None), end).as_deref(), Some("n"), "trial {trial}");
        assert_eq!(scheduler.doubted_nodes().count(), 0);
        now = end + refused[0] - 1;
    }
    assert_eq!(backoffs, [60, 120, 240, 480, 600, 600]);
    // What was long ago is forgotten.
    assert_eq!(refuse(&mut scheduler, pod("refused", 100, Some("n")), "cpu", now + 1), Some(FIRST));
}

#[test]
fn its_end_wakes_who_waits_for_the_room() {
    let mut scheduler = scheduler(&[node("n", 8000)]);
    refuse(&mut scheduler, pod("refused", 500, Some("n")), "cpu", 0);
    scheduler.apply(Event::Pod(pod("patient", 500, None)), 0);
    let (attempt, _) = scheduler.schedule_one(0).expect("it waits");
    assert_eq!(attempt.cycle.node, None);
    assert!(
        attempt.cycle.message.starts_with("0/1 nodes are available: 1 Insufficient cpu."),
        "{}",
        attempt.cycle.message
    );
    // Its own backoff is over long before, and no event came.
    scheduler.tick(FIRST - 1);
    assert!(scheduler.schedule_one(FIRST - 1).is_none());
    scheduler.tick(FIRST);
    let (attempt, _) = scheduler.schedule_one(FIRST).expect("it was woken");
    assert_eq!(attempt.cycle.node.as_deref(), Some("n"));
}

#[test]
fn a_node_that_offers_something_else_is_believed() {
    let mut scheduler = scheduler(&[node("n", 8000)]);
    refuse(&mut scheduler, pod("refused", 500, Some("n")), "cpu", 0);
    // Heartbeats and labels change nothing.
    let mut same = NodeSpec::clone(&node("n", 8000));
    same.unschedulable = true;
    scheduler.apply(Event::Node(Arc::new(same)), 1);
    scheduler.apply(Event::Node(node("n", 8000)), 1);
    assert_eq!(counts(&scheduler, "n")[0], 499);
    assert_eq!(scheduler.doubted_nodes().count(), 1);
    scheduler.apply(Event::Node(node("n", 4000)), 2);
    assert_eq!(counts(&scheduler, "n")[0], 4000);
    // The first one is forgotten with that, and so it is when the node goes.
    assert_eq!(refuse(&mut scheduler, pod("refused", 500, Some("n")), "cpu", FIRST), Some(FIRST));
    scheduler.apply(Event::NodeGone("n".into()), FIRST);
    scheduler.apply(Event::Node(node("n", 4000)), FIRST);
    assert_eq!(counts(&scheduler, "n")[0], 4000);
    scheduler.tick(10 * FIRST);
    assert_eq!(scheduler.next_wakeup(10 * FIRST), None);
}
