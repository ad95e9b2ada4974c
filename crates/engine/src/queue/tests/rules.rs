use super::super::*;
use super::fixture::*;

#[test]
fn higher_priority_then_earlier_then_first_come() {
    let (mut queue, mut nominator) = queue();
    for (uid, priority, at) in [("late", 1, 9), ("early", 1, 5), ("tied", 1, 5), ("high", 7, 9)] {
        queue.add(Arc::new(pod(uid, priority)), &mut nominator, at);
    }
    assert_eq!(pop_all(&mut queue), ["high", "early", "tied", "late"]);
}

#[test]
fn a_popped_pod_carries_its_history() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 3);
    let first = queue.pop().expect("added");
    assert_eq!((first.attempts, first.timestamp, first.initial_attempt), (1, 3, Some(3)));
    queue.requeue_after_failure(first, rejected(&["Claim"]), 7);
    queue.move_for_event(CLAIM_ADD, &EventObject::Other, 8);
    let second = queue.pop().expect("woken");
    assert_eq!((second.attempts, second.timestamp, second.initial_attempt), (2, 7, Some(3)));
    assert_eq!(second.rejectors, rejected(&["Claim"]), "why it failed before");
}

#[test]
fn rejections_double_the_backoff_and_errors_count_apart() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    let mut now = SECOND / 2;
    let mut fail = |rejectors: Rejectors| {
        let queued = queue.pop().expect("active");
        queue.requeue_after_failure(queued, rejectors, now);
        queue.move_for_event(CLAIM_ADD, &EventObject::Other, now);
        let (name, queued) = queue.get("a").expect("waits");
        assert_eq!(name, QueueName::Backoff);
        let seconds = (queued.backoff_expiration.expect("backs off") - now + SECOND / 2) / SECOND;
        now += 20 * SECOND;
        queue.flush(now);
        seconds
    };
    let claim = || rejected(&["Claim"]);
    assert_eq!([fail(claim()), fail(claim()), fail(claim())], [1, 2, 4]);
    assert_eq!([fail(Rejectors::default()), fail(Rejectors::default())], [1, 2]);
    assert_eq!([fail(claim()), fail(claim()), fail(claim())], [8, 10, 10]);
}

#[test]
fn an_error_is_retried_after_its_backoff_and_never_before() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    let queued = queue.pop().expect("added");
    let now = 5 * SECOND + 1;
    assert_eq!(queue.requeue_after_failure(queued, Rejectors::default(), now), Some(QueueName::Backoff));
    assert!(queue.pop().is_none(), "it is not popped early");
    // It ends within the seventh second, and lasts through it.
    assert_eq!(queue.next_wakeup(now), Some(7 * SECOND));
    assert_eq!(queue.flush(7 * SECOND - 1), 0);
    assert_eq!(queue.flush(7 * SECOND), 1);
    assert_eq!(queue.next_wakeup(7 * SECOND), Some(7 * SECOND));
    assert_eq!(pop_all(&mut queue), ["a"]);
}

#[test]
fn with_nothing_active_a_rejected_pod_comes_before_its_backoff_ends() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("sooner", 1)), &mut nominator, 0);
    reject(&mut queue, "sooner", &["Claim"], 0);
    queue.add(Arc::new(pod("later", 5)), &mut nominator, 0);
    reject(&mut queue, "later", &["Claim"], SECOND);
    assert_eq!(queue.move_for_event(CLAIM_ADD, &EventObject::Other, SECOND), 2);
    queue.add(Arc::new(pod("new", 0)), &mut nominator, SECOND);
    assert_eq!(queue.flush(SECOND), 0);
    assert_eq!(queue.next_wakeup(SECOND), Some(SECOND));
    assert_eq!(pop_all(&mut queue), ["new", "sooner", "later"]);
}

#[test]
fn within_one_second_backoff_is_ordered_as_the_active_queue() {
    let (mut queue, mut nominator) = queue();
    for (uid, priority) in [("low", 1), ("high", 5)] {
        queue.add(Arc::new(pod(uid, priority)), &mut nominator, 0);
    }
    reject(&mut queue, "high", &["Claim"], 10);
    reject(&mut queue, "low", &["Claim"], 5);
    queue.move_for_event(CLAIM_ADD, &EventObject::Other, 20);
    assert_eq!(queue.counts().backoff, 2);
    assert_eq!(pop_all(&mut queue), ["high", "low"]);
}

#[test]
fn only_registered_events_with_a_willing_hint_wake() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    reject(&mut queue, "a", &["Fit"], 0);
    let later = 60 * SECOND;
    assert_eq!(queue.move_for_event(CLAIM_ADD, &EventObject::Other, later), 0);
    assert_eq!(queue.move_for_event(NODE_ADD, &came(&node("bad")), later), 0);
    assert_eq!(place(&queue, "a"), Some(QueueName::Unschedulable));
    assert_eq!(queue.move_for_event(NODE_ADD, &came(&node("good")), later), 1);
    assert_eq!(place(&queue, "a"), Some(QueueName::Active), "its backoff is long over");
}

#[test]
fn asking_for_new_nodes_implies_changes_of_taints_without_a_hint() {
    let (mut queue, mut nominator) = queue();
    for uid in ["a", "b"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    reject(&mut queue, "a", &["Newcomer"], 0);
    reject(&mut queue, "b", &["Fit"], 0);
    assert_eq!(queue.move_for_event(NODE_TAINT, &came(&node("bad")), SECOND), 1);
    assert_eq!(place(&queue, "a"), Some(QueueName::Backoff));
    assert_eq!(place(&queue, "b"), Some(QueueName::Unschedulable), "its own hint counts");
}

#[test]
fn an_extender_wants_every_event() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    reject(&mut queue, "a", &[EXTENDER], 0);
    assert_eq!(queue.move_for_event(CLAIM_ADD, &EventObject::Other, 0), 1);
}

#[test]
fn what_a_pending_plugin_waited_for_ends_the_backoff_too() {
    let (mut queue, mut nominator) = queue();
    for uid in ["a", "b"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    let rejectors = || Rejectors { unschedulable: vec!["Newcomer"], pending: vec!["Claim"] };
    for _ in 0..2 {
        let queued = queue.pop().expect("added");
        queue.requeue_after_failure(queued, rejectors(), 0);
    }
    queue.delete("b", &mut nominator);
    queue.move_for_event(NODE_ADD, &came(&node("n")), 0);
    assert_eq!(place(&queue, "a"), Some(QueueName::Backoff));
    let queued = queue.pop().expect("comes early");
    queue.requeue_after_failure(queued, rejectors(), 0);
    queue.move_for_event(CLAIM_ADD, &EventObject::Other, 0);
    assert_eq!(place(&queue, "a"), Some(QueueName::Active));
}

#[test]
fn events_in_flight_are_replayed() {
    let (mut queue, mut nominator) = queue();
    for uid in ["woken", "hint", "early", "bound"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    let [woken, hint, early, bound] = std::array::from_fn(|_| queue.pop().expect("added"));
    queue.move_for_event(NODE_ADD, &came(&node("bad")), 1);
    assert_eq!(queue.requeue_after_failure(early, rejected(&["Claim"]), 1), Some(QueueName::Unschedulable));
    queue.move_for_event(CLAIM_ADD, &EventObject::Other, 2);
    assert_eq!(place(&queue, "early"), Some(QueueName::Backoff));
    assert_eq!(queue.requeue_after_failure(woken, rejected(&["Claim"]), 3), Some(QueueName::Backoff));
    assert_eq!(
        queue.requeue_after_failure(hint, rejected(&["Fit"]), 3),
        Some(QueueName::Unschedulable),
        "the node was a bad one"
    );
    queue.done("bound");
    assert_eq!(queue.in_flight_events(), 0);
    assert_eq!(
        queue.requeue_after_failure(bound, rejected(&["Fit"]), 4),
        Some(QueueName::Backoff),
        "what happened while it was being bound is not known"
    );
}

#[test]
fn a_pod_in_flight_comes_back_in_its_latest_version_or_not_at_all() {
    let (mut queue, mut nominator) = queue();
    for uid in ["changed", "gone"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    let (changed, gone) = (queue.pop().expect("added"), queue.pop().expect("added"));
    let newer = Arc::new(pod("changed", 0));
    assert_eq!(queue.update(&pod("changed", 0), newer.clone(), &mut nominator, 1), None);
    queue.delete("gone", &mut nominator);
    queue.requeue_after_failure(changed, rejected(&["Fit"]), 2);
    assert!(Arc::ptr_eq(&queue.get("changed").expect("is back").1.pod, &newer));
    assert_eq!(queue.requeue_after_failure(gone, rejected(&["Fit"]), 2), None);
    assert_eq!((queue.len(), queue.is_in_flight("gone")), (1, false));
}

#[test]
fn a_gate_hears_its_own_events_alone() {
    let (mut queue, mut nominator) = queue();
    let old = gated("a", 0);
    assert_eq!(queue.add(Arc::new(old.clone()), &mut nominator, 0), Some(QueueName::Gated));
    assert_eq!(queue.get("a").expect("waits").1.gate, Some(Gate { plugin: "Gates", message: "has gates".to_owned() }));
    assert_eq!(queue.move_for_event(NODE_ADD, &came(&node("good")), 1), 0);
    assert_eq!(queue.flush(3600 * SECOND), 0, "it is not a leftover");
    assert_eq!(queue.next_wakeup(1), None);
    assert_eq!(queue.counts().gated, 1);
    let free = Arc::new(pod("a", 0));
    assert_eq!(queue.update(&old, free, &mut nominator, 7), Some(QueueName::Active));
    let queued = queue.pop().expect("let in");
    assert_eq!((queued.timestamp, queued.initial_attempt), (0, Some(7)));
}

#[test]
fn a_pod_that_passes_one_gate_may_stop_at_the_next() {
    let (mut queue, mut nominator) = queue();
    let both = PodInfo { scheduling_gates: ["wait".into()].into(), ..locked("a", 0) };
    queue.add(Arc::new(both.clone()), &mut nominator, 0);
    let still_locked = locked("a", 0);
    assert_eq!(queue.update(&both, Arc::new(still_locked.clone()), &mut nominator, 1), Some(QueueName::Gated));
    assert_eq!(queue.get("a").and_then(|(_, q)| q.gate.as_ref()).map(|g| g.plugin), Some("Lock"));
    assert_eq!(queue.update(&still_locked, Arc::new(pod("a", 0)), &mut nominator, 2), Some(QueueName::Active));
}

#[test]
fn a_woken_pod_may_be_gated_by_then() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    reject(&mut queue, "a", &["Fit"], 0);
    queue.hold("a".into(), Gate { plugin: "Claim", message: "busy".to_owned() });
    assert_eq!(queue.move_for_event(POD_GONE, &EventObject::Other, SECOND), 0);
    assert_eq!(place(&queue, "a"), Some(QueueName::Gated));
    queue.release("a");
    assert_eq!(queue.move_for_event(POD_GONE, &EventObject::Other, SECOND), 0, "not an event of its gate");
    assert_eq!(queue.move_for_event(CLAIM_ADD, &EventObject::Other, SECOND), 1);
    assert_eq!(place(&queue, "a"), Some(QueueName::Backoff));
}

#[test]
fn a_plugin_that_does_not_run_at_pre_enqueue_holds_nobody() {
    let (mut queue, mut nominator) = queue();
    queue.hold("a".into(), Gate { plugin: "Fit", message: "busy".to_owned() });
    assert_eq!(queue.add(Arc::new(pod("a", 0)), &mut nominator, 0), Some(QueueName::Active));
}

#[test]
fn an_own_update_wakes_by_hint_only() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    reject(&mut queue, "a", &["Lock"], 0);
    let other = PodInfo { nominated_node_name: Some("n".into()), ..pod("a", 0) };
    let same = queue.update(&pod("a", 0), Arc::new(other.clone()), &mut nominator, 1);
    assert_eq!(same, Some(QueueName::Unschedulable));
    assert_eq!(nominator.pods_on("n").len(), 1);
    let labelled = PodInfo { labels: Arc::new([("some", "label")].into_iter().collect()), ..other.clone() };
    let woken = queue.update(&other, Arc::new(labelled), &mut nominator, 1);
    assert_eq!(woken, Some(QueueName::Backoff));
}

#[test]
fn an_identical_update_is_nothing() {
    let (mut queue, mut nominator) = queue();
    let at = |version: &str, locked: bool| PodInfo {
        resource_version: version.into(),
        labels: Arc::new(locked.then_some(("some", "label")).into_iter().collect()),
        ..pod("a", 0)
    };
    queue.add(Arc::new(at("1", false)), &mut nominator, 0);
    reject(&mut queue, "a", &["Lock"], 0);
    let update = |queue: &mut SchedulingQueue, nominator: &mut Nominator, version| {
        queue.update(&at("1", false), Arc::new(at(version, true)), nominator, 1)
    };
    assert_eq!(update(&mut queue, &mut nominator, "1"), Some(QueueName::Unschedulable));
    assert_eq!(update(&mut queue, &mut nominator, "2"), Some(QueueName::Backoff));
}

#[test]
fn an_update_of_an_unknown_pod_is_an_addition() {
    let (mut queue, mut nominator) = queue();
    let told = PodInfo { nominated_node_name: Some("n".into()), ..pod("a", 0) };
    assert_eq!(queue.update(&pod("a", 0), Arc::new(told), &mut nominator, 1), Some(QueueName::Active));
    assert_eq!(nominator.node_of("a").map(loadline_model::Str::as_str), Some("n"));
    queue.delete("a", &mut nominator);
    assert_eq!((queue.len(), nominator.node_of("a")), (0, None));
}

#[test]
fn a_pod_that_waits_too_long_comes_back_with_the_next_batch() {
    let (mut queue, mut nominator) = queue();
    for uid in ["a", "b"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    reject(&mut queue, "a", &["Fit"], SECOND);
    reject(&mut queue, "b", &["Fit"], 31 * SECOND);
    let at = 330 * SECOND;
    assert_eq!(queue.next_wakeup(0), Some(at));
    assert_eq!(queue.flush(at - 1), 0);
    assert_eq!(queue.flush(at), 1);
    assert_eq!((place(&queue, "a"), place(&queue, "b")), (Some(QueueName::Active), Some(QueueName::Unschedulable)));
    queue.set_max_in_unschedulable(60 * SECOND);
    assert_eq!(queue.flush(at), 1);
}

#[test]
fn activation_ends_the_backoff_and_reaches_pods_in_flight() {
    let (mut queue, mut nominator) = queue();
    for uid in ["error", "waits", "flies", "other"] {
        queue.add(Arc::new(pod(uid, 0)), &mut nominator, 0);
    }
    let error = queue.pop().expect("added");
    queue.requeue_after_failure(error, Rejectors::default(), 0);
    reject(&mut queue, "waits", &["Fit"], 0);
    let (flies, other) = (queue.pop().expect("added"), queue.pop().expect("added"));
    assert!(queue.activate("error", 1) && queue.activate("waits", 1));
    assert!(!queue.activate("error", 1) && !queue.activate("flies", 1) && !queue.activate("unknown", 1));
    assert_eq!(queue.counts().active, 2);
    assert_eq!(queue.requeue_after_failure(flies, rejected(&["Fit"]), 2), Some(QueueName::Backoff));
    assert_eq!(
        queue.requeue_after_failure(other, rejected(&["Fit"]), 2),
        Some(QueueName::Unschedulable),
        "it was for another pod"
    );
}

#[test]
fn an_ended_nomination_wakes_pods_up_to_its_priority() {
    let (mut queue, mut nominator) = queue();
    for (uid, priority) in [("high", 9), ("equal", 5), ("low", 1)] {
        queue.add(Arc::new(pod(uid, priority)), &mut nominator, 0);
        reject(&mut queue, uid, &["Fit"], 0);
    }
    assert_eq!(queue.move_up_to_priority(5, POD_GONE, &EventObject::Other, 60 * SECOND), 2);
    assert_eq!(pop_all(&mut queue), ["equal", "low"]);
}

#[test]
fn a_wildcard_wakes_all_but_gated_pods() {
    let (mut queue, mut nominator) = queue();
    for p in [gated("gated", 9), pod("a", 5), pod("b", 1)] {
        queue.add(Arc::new(p), &mut nominator, 0);
    }
    reject(&mut queue, "a", &["Fit"], 0);
    reject(&mut queue, "b", &["Claim"], 0);
    assert_eq!(queue.move_for_event(ClusterEvent::WILDCARD, &EventObject::Other, 60 * SECOND), 2);
    assert_eq!(queue.counts(), Counts { active: 2, gated: 1, ..Counts::default() });
}

#[test]
fn pods_that_nobody_would_wake_cost_nothing() {
    let (mut queue, mut nominator) = queue();
    for i in 0..1000 {
        queue.add(Arc::new(pod(&i.to_string(), 0)), &mut nominator, 0);
        reject(&mut queue, &i.to_string(), &["Fit", "Newcomer"], 0);
    }
    HINTS_ASKED.set(0);
    assert_eq!(queue.move_for_event(CLAIM_ADD, &EventObject::Other, 0), 0);
    assert_eq!(HINTS_ASKED.get(), 0);
    assert_eq!(queue.move_for_event(NODE_ADD, &came(&node("bad")), 0), 1000);
    assert_eq!(HINTS_ASKED.get(), 1000, "each is asked once, though two plugins registered the event");
}

#[test]
fn the_dump_says_where_until_when_and_for_what() {
    let (mut queue, mut nominator) = queue();
    for (p, priority) in [("active", 0), ("waits", 8), ("error", 9)] {
        queue.add(Arc::new(pod(p, priority)), &mut nominator, 0);
    }
    queue.add(Arc::new(gated("gated", 0)), &mut nominator, 0);
    let error = queue.pop().expect("added");
    queue.requeue_after_failure(error, Rejectors::default(), SECOND);
    reject(&mut queue, "waits", &["Newcomer"], SECOND);
    let dump: Vec<_> = queue.pending().map(|p| (p.queued.pod.uid.to_string(), p.queue, p.next_try, p.wakes)).collect();
    let gone = ClusterEvent::new(Resource::Pod, Action::UPDATE_POD_SCHEDULING_GATES_ELIMINATED);
    assert_eq!(
        dump,
        [
            ("active".to_owned(), QueueName::Active, None, vec![]),
            ("gated".to_owned(), QueueName::Gated, None, vec![("Gates", gone)]),
            ("error".to_owned(), QueueName::Backoff, Some(3 * SECOND), vec![]),
            (
                "waits".to_owned(),
                QueueName::Unschedulable,
                Some(330 * SECOND),
                vec![("Newcomer", NODE_ADD), ("Newcomer", NODE_TAINT)]
            ),
        ]
    );
}

#[test]
fn entries_are_counted_by_queue_and_cause() {
    let (mut queue, mut nominator) = queue();
    queue.add(Arc::new(pod("a", 0)), &mut nominator, 0);
    reject(&mut queue, "a", &["Claim"], 0);
    queue.move_for_event(CLAIM_ADD, &EventObject::Other, 0);
    queue.pop();
    let mut incoming: Vec<(String, String, u64)> =
        queue.incoming().map(|(queue, cause, count)| (queue.to_string(), cause.to_string(), count)).collect();
    incoming.sort();
    let entry = |queue: &str, cause: &str| (queue.to_owned(), cause.to_owned(), 1);
    assert_eq!(
        incoming,
        [
            entry("active", "PopFromBackoffQ"),
            entry("active", "UnschedulablePodAdd"),
            entry("backoff", "PersistentVolumeClaimAdd"),
            entry("unschedulable", "ScheduleAttemptFailure"),
        ]
    );
}
