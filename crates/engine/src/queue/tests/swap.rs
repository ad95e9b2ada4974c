//! A change of configuration.

use super::super::*;
use super::fixture::*;

#[test]
fn pods_without_a_profile_leave_and_the_others_are_tried_again() {
    let mut queue = SchedulingQueue::new(&profiles(&[("", ALL), ("other", ALL)]));
    let mut nominator = Nominator::default();
    let leaving =
        PodInfo { scheduler_name: "other".into(), nominated_node_name: Some("n".into()), ..pod("leaving", 9) };
    for p in [leaving, pod("waits", 5), gated("gated", 4), pod("active", 1)] {
        queue.add(Arc::new(p), &mut nominator, 0);
    }
    let leaving = queue.pop().expect("added");
    reject(&mut queue, "waits", &["Fit"], 0);
    queue.requeue_after_failure(leaving, rejected(&["Fit"]), 0);

    let left = queue.set_profiles(&profiles(&[("", &[&SORT, &FIT, &CLAIM])]), &mut nominator, 60 * SECOND);
    assert_eq!(left.iter().map(|p| p.uid.as_str()).collect::<Vec<_>>(), ["leaving"]);
    assert_eq!(nominator.node_of("leaving"), None);
    assert_eq!(queue.counts().active, 3, "the gate is gone, too");
    assert_eq!(pop_all(&mut queue), ["waits", "gated", "active"]);
}

#[test]
fn new_gates_order_and_backoff_are_in_force_at_once() {
    let mut queue = SchedulingQueue::new(&profiles(&[("", &[&SORT, &FIT])]));
    let mut nominator = Nominator::default();
    for p in [locked("locked", 7), pod("high", 5), pod("low", 1), pod("error", 9)] {
        queue.add(Arc::new(p), &mut nominator, 0);
    }
    let error = queue.pop().expect("added");
    queue.requeue_after_failure(error, Rejectors::default(), 0);
    let mut changed = profiles(&[("", &[&REVERSE, &LOCK, &FIT])]);
    changed.pod_initial_backoff = 5 * SECOND;
    queue.set_profiles(&changed, &mut nominator, SECOND);
    assert_eq!(place(&queue, "locked"), Some(QueueName::Gated));
    assert_eq!(pop_all(&mut queue), ["low", "high"]);
    assert_eq!(queue.next_wakeup(SECOND), Some(6 * SECOND), "five seconds instead of one");
}

#[test]
fn a_pod_in_flight_is_tried_again_if_it_fails_and_leaves_if_nobody_schedules_it() {
    let mut queue = SchedulingQueue::new(&profiles(&[("", ALL), ("other", ALL)]));
    let mut nominator = Nominator::default();
    let leaving = PodInfo { scheduler_name: "other".into(), ..pod("leaving", 9) };
    for p in [leaving, pod("stays", 5)] {
        queue.add(Arc::new(p), &mut nominator, 0);
    }
    let (leaving, stays) = (queue.pop().expect("added"), queue.pop().expect("added"));
    queue.set_profiles(&profiles(&[("", ALL)]), &mut nominator, 1);
    assert_eq!(queue.requeue_after_failure(leaving, rejected(&["Fit"]), 2), None);
    assert_eq!(queue.requeue_after_failure(stays, rejected(&["Fit"]), 2), Some(QueueName::Backoff));
    assert_eq!((queue.len(), queue.in_flight_events()), (1, 0));
}
