//! Who leads, and what becomes of the others.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::support::{
    NAME, QUICK, Running, add_node, add_node_for, all_bound, bound, create, eventually, get, is_long, kubectl, list,
    node_of, pod,
};

fn holder(server: &ControlPlane) -> Option<String> {
    let selector = format!("--field-selector=metadata.name={NAME}");
    let leases = list(server, &["leases", "--namespace=kube-system", &selector]);
    let holder = leases.first()?["spec"]["holderIdentity"].as_str()?.to_owned();
    (!holder.is_empty()).then_some(holder)
}

#[test]
fn one_leads_and_another_takes_over() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "100");
    let first = Running::with_flags(&server, &QUICK);
    create(&server, &[pod("one", "1", &json!({}))]);
    bound(&server, "one");
    let of_first = holder(&server).expect("somebody leads");

    // The second one waits, also when it has to look at the cluster only once it leads.
    let second = Running::with_flags(&server, &QUICK);
    create(&server, &[pod("two", "1", &json!({}))]);
    bound(&server, "two");
    assert_eq!(holder(&server).as_ref(), Some(&of_first));

    // A leader that stands still for longer than its lease finds another one in its place, and is a candidate like any other.
    first.signal("STOP");
    let of_second = eventually("the second one leads", || holder(&server).filter(|holder| *holder != of_first));
    create(&server, &[pod("three", "1", &json!({}))]);
    bound(&server, "three");
    first.signal("CONT");
    create(&server, &[pod("four", "1", &json!({}))]);
    bound(&server, "four");
    assert_eq!(holder(&server), Some(of_second.clone()));

    // One that is asked to end gives the lease back: nobody waits for it to run out. The first one leads again.
    assert_eq!(second.stop(), Some(0));
    eventually("the first one leads", || holder(&server).filter(|holder| *holder == of_first));
    create(&server, &[pod("five", "1", &json!({}))]);
    bound(&server, "five");
    let lease = get(&server, &["lease", NAME, "--namespace=kube-system"]);
    assert_eq!(lease["spec"]["leaseTransitions"], 2);
    let selector = format!("--field-selector=involvedObject.name={NAME},reason=LeaderElection");
    let told = list(&server, &["events", "--namespace=kube-system", &selector]);
    let said: Vec<&str> = told.iter().filter_map(|event| event["message"].as_str()).collect();
    assert!(said.contains(&format!("{of_second} became leader").as_str()), "{said:?}");
    assert!(said.contains(&format!("{of_second} stopped leading").as_str()), "{said:?}");

    // Whoever is killed has its place taken once the lease has run out.
    first.signal("KILL");
    let third = Running::with_flags(&server, &QUICK);
    create(&server, &[pod("six", "1", &json!({}))]);
    bound(&server, "six");
    assert_eq!(third.stop(), Some(0));
}

/// Kills a scheduler again and again while pods arrive. They fill both nodes to the last core, so that a pod too many on one would be
/// a pod too few on the other.
fn kill_while_pods_arrive(kills: u32, pods: usize) {
    let server = ControlPlane::start().expect("the control plane starts");
    for node in ["node-a", "node-b"] {
        add_node_for(&server, node, pods / 2);
    }
    let pods: Vec<_> = (0..pods).map(|number| pod(&format!("pod-{number}"), "1", &json!({}))).collect();
    let flags = ["--leader-elect=false"];
    for (round, batch) in (0..kills).zip(pods.chunks(pods.len().div_ceil(kills as usize))) {
        let scheduler = Running::with_flags(&server, &flags);
        create(&server, batch);
        // At another moment each time.
        sleep(Duration::from_millis(u64::from(round * 37 % 400)));
        scheduler.signal("KILL");
    }
    let last = Running::with_flags(&server, &flags);
    let half = pods.len() / 2;
    assert_eq!(all_bound(&server), format!("node-a: {half}, node-b: {half}"));
    assert_eq!(last.stop(), Some(0));
}

#[test]
fn whoever_is_killed_leaves_every_pod_bound_once() {
    if is_long() { kill_while_pods_arrive(50, 1000) } else { kill_while_pods_arrive(4, 60) }
}

/// Two instances, of which the leader is stopped for longer than its lease again and again while pods arrive.
fn pause_the_leader(pauses: u32, pods: usize) {
    let server = ControlPlane::start().expect("the control plane starts");
    for node in ["node-a", "node-b"] {
        add_node_for(&server, node, pods / 2);
    }
    let start = || Running::with_flags(&server, &QUICK);
    let pods: Vec<_> = (0..pods).map(|number| pod(&format!("pod-{number}"), "1", &json!({}))).collect();
    let mut leader = start();
    eventually("the first one leads", || holder(&server));
    let mut standby = start();
    for (round, batch) in (0..pauses).zip(pods.chunks(pods.len().div_ceil(pauses as usize))) {
        let before = holder(&server);
        create(&server, batch);
        sleep(Duration::from_millis(u64::from(round * 53 % 300)));
        leader.signal("STOP");
        eventually("the other one leads", || holder(&server).filter(|holder| Some(holder) != before.as_ref()));
        leader.signal("CONT");
        // Whoever has lost the lease waits for it again.
        std::mem::swap(&mut leader, &mut standby);
    }
    let half = pods.len() / 2;
    assert_eq!(all_bound(&server), format!("node-a: {half}, node-b: {half}"));
    assert_eq!(leader.stop(), Some(0));
    assert_eq!(standby.stop(), Some(0));
}

#[test]
fn a_leader_that_is_paused_binds_nothing_that_another_one_has_bound() {
    if is_long() { pause_the_leader(20, 1000) } else { pause_the_leader(2, 60) }
}

/// How long others leave the Lease of [`Elsewhere`] alone that is not renewed.
const LASTS: Duration = Duration::from_secs(6);

/// A leader on another machine, whose clock is wrong; the test writes its Lease.
struct Elsewhere<'s> {
    server: &'s ControlPlane,
    name: String,
}

impl Elsewhere<'_> {
    fn spec(&self, skew: SignedDuration) -> Value {
        #[allow(clippy::disallowed_methods, reason = "the clock of a machine that the test plays")]
        let time = (Timestamp::now() + skew).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        json!({"holderIdentity": self.name, "leaseDurationSeconds": LASTS.as_secs(), "acquireTime": time, "renewTime": time})
    }

    fn take(&self, skew: SignedDuration) {
        let metadata = json!({"name": NAME, "namespace": "kube-system"});
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": self.spec(skew),
        });
        kubectl(self.server, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &lease.to_string());
    }

    fn renew(&self, skew: SignedDuration) {
        let patch = json!({"spec": self.spec(skew)}).to_string();
        kubectl(self.server, &["patch", "lease", NAME, "-n", "kube-system", "--type=merge", "-p", &patch], "");
    }
}

/// Somebody else leads for some time by a clock that is wrong, and goes without a word. `skew` is told how often it renewed.
fn lead_by_a_wrong_clock(server: &ControlPlane, round: &str, leads: Duration, skew: impl Fn(i32) -> SignedDuration) {
    #[allow(clippy::disallowed_methods, reason = "the test measures how long the scheduler waits")]
    let now = Instant::now;
    let elsewhere = Elsewhere { server, name: format!("elsewhere_{round}") };
    elsewhere.take(skew(0));
    create(server, &[pod(round, "1", &json!({}))]);
    let scheduler = Running::with_flags(server, &QUICK);

    let begun = now();
    let mut renewed = begun;
    for renewals in 1.. {
        renewed = now();
        elsewhere.renew(skew(renewals));
        assert_eq!(holder(server).as_ref(), Some(&elsewhere.name), "{round}: it is renewed");
        if begun.elapsed() > leads {
            break;
        }
        sleep(Duration::from_millis(300));
    }
    assert_eq!(node_of(server, round), None, "{round}: only the leader binds");

    eventually("the lease is taken over", || holder(server).filter(|holder| *holder != elsewhere.name));
    let waited = renewed.elapsed();
    assert!(waited >= LASTS, "{round}: taken after {waited:?}, while it lasts");
    // It is looked at each 1.1 s at least; the rest is for a slow machine, and far from an hour.
    assert!(waited < 5 * LASTS, "{round}: taken after {waited:?} only");
    assert_eq!(bound(server, round), "node-a");
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_clock_that_is_wrong_elsewhere_moves_no_lease() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "10");
    let leads = if is_long() { 10 * LASTS } else { LASTS };
    let hour = SignedDuration::from_hours(1);
    lead_by_a_wrong_clock(&server, "ahead", leads, |_| hour);
    lead_by_a_wrong_clock(&server, "behind", leads, |_| -hour);
    // It is set to and fro while the other one leads.
    lead_by_a_wrong_clock(&server, "jumping", leads, |renewals| hour * (renewals % 3 - 1));
}
