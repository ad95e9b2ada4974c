//! What becomes of a pod that waits, and of one that is on its way, when news come late or in another order.

use std::sync::Arc;

use loadline_engine::queue::QueueName;
use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_model::{NodeSpec, PodInfo};
use loadline_parity::profiles;

use crate::preemption::{cpu, pod};

/// Longer than any backoff, shorter than the time after which pods are tried again anyway.
const LATER: i64 = 20_000_000_000;

fn node(name: &str) -> Event {
    let node = NodeSpec { name: name.into(), allocatable: cpu(1000), allowed_pods: 10, ..NodeSpec::default() };
    Event::Node(Arc::new(node))
}

/// One node, a pod on its way to it, and a pod that found no room beside that.
fn one_on_its_way() -> (Scheduler, Arc<PodInfo>) {
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
    scheduler.apply(node("n"), 0);
    let first = pod("first", 900, 0, None);
    scheduler.apply(Event::Pod(first.clone()), 0);
    let (attempt, effects) = scheduler.schedule_one(1).expect("a pod waits");
    assert_eq!(attempt.cycle.node.as_deref(), Some("n"));
    assert!(matches!(effects.as_slice(), [Effect::Bind { .. }]), "{effects:?}");
    scheduler.apply(Event::Pod(pod("second", 900, 0, None)), 2);
    let (attempt, _) = scheduler.schedule_one(3).expect("a pod waits");
    assert_eq!((attempt.cycle.pod.name.as_str(), attempt.cycle.node.as_deref()), ("second", None));
    assert_eq!(place(&scheduler, "second"), Some(QueueName::Unschedulable));
    (scheduler, first)
}

fn place(scheduler: &Scheduler, uid: &str) -> Option<QueueName> {
    scheduler.queue().get(uid).map(|(queue, _)| queue)
}

fn sound(scheduler: &Scheduler) {
    assert_eq!(scheduler.findings().broken, Vec::<String>::new());
}

#[test]
fn room_that_a_binding_gives_back_wakes_who_waits_for_it() {
    // The binding is refused.
    let (mut scheduler, _) = one_on_its_way();
    scheduler.bound("first", Err("refused".to_owned()), 4);
    assert_eq!(place(&scheduler, "second"), Some(QueueName::Backoff));
    sound(&scheduler);

    // The pod is deleted before the answer comes, or begins to be.
    let (mut scheduler, _) = one_on_its_way();
    scheduler.apply(Event::PodGone("first".into()), 4);
    assert_eq!(place(&scheduler, "second"), Some(QueueName::Backoff));
    let (mut scheduler, first) = one_on_its_way();
    let ending = PodInfo { deleted: Some(1), resource_version: "2".into(), ..PodInfo::clone(&first) };
    scheduler.apply(Event::Pod(Arc::new(ending)), 4);
    assert_eq!(place(&scheduler, "second"), Some(QueueName::Backoff));

    // Somebody else put it on another node.
    let (mut scheduler, first) = one_on_its_way();
    let elsewhere = PodInfo { node_name: Some("m".into()), resource_version: "2".into(), ..PodInfo::clone(&first) };
    scheduler.apply(Event::Pod(Arc::new(elsewhere)), 4);
    assert_eq!(place(&scheduler, "second"), Some(QueueName::Backoff));
    scheduler.bound("first", Err("it is on m".to_owned()), 5);
    let (attempt, _) = scheduler.schedule_one(LATER).expect("it is tried again");
    assert_eq!((attempt.cycle.pod.name.as_str(), attempt.cycle.node.as_deref()), ("second", Some("n")));
    sound(&scheduler);
}

#[test]
fn news_of_a_bound_pod_from_before_its_binding_do_not_bring_it_back() {
    let (mut scheduler, first) = one_on_its_way();
    scheduler.bound("first", Ok(()), 4);
    // Its status was written before it was bound, which is heard of after the answer.
    let earlier = PodInfo { generation: 7, resource_version: "2".into(), ..PodInfo::clone(&first) };
    scheduler.apply(Event::Pod(Arc::new(earlier.clone())), 5);
    assert_eq!(place(&scheduler, "first"), None);
    sound(&scheduler);
    scheduler.apply(
        Event::Pod(Arc::new(PodInfo { node_name: Some("n".into()), resource_version: "3".into(), ..earlier })),
        6,
    );
    let cluster = scheduler.engine().cluster();
    assert_eq!(
        cluster.pod("first").map(|placed| (placed.node.to_string(), placed.assumed)),
        Some(("n".to_owned(), false))
    );
    sound(&scheduler);
}

/// A pod that waits for two others to go, and the last of them.
fn preempting() -> (Scheduler, Arc<PodInfo>) {
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
    scheduler.apply(node("n"), 0);
    for name in ["low-a", "low-b"] {
        scheduler.apply(Event::Pod(pod(name, 500, 0, Some("n"))), 0);
    }
    scheduler.apply(Event::Pod(pod("high", 1000, 10, None)), 0);
    let (_, effects) = scheduler.schedule_one(1).expect("a pod waits");
    let victims = effects.into_iter().find_map(|effect| match effect {
        Effect::DeleteVictims { victims, .. } => Some(victims),
        _ => None,
    });
    let mut victims = victims.expect("it preempts");
    assert_eq!(victims.len(), 2);
    (scheduler, victims.remove(1))
}

#[test]
fn a_preemptor_whose_last_victim_was_gone_already_is_not_held_for_ever() {
    let (mut scheduler, last) = preempting();
    for uid in ["low-a", "low-b"] {
        scheduler.apply(Event::PodGone(uid.into()), 2);
    }
    assert_eq!(place(&scheduler, "high"), Some(QueueName::Gated));
    scheduler.release("high", &last.uid, 3);
    assert_eq!(place(&scheduler, "high"), Some(QueueName::Active));
    let (attempt, _) = scheduler.schedule_one(LATER).expect("it is tried again");
    assert_eq!(attempt.cycle.node.as_deref(), Some("n"));
}

#[test]
fn a_preemptor_may_look_again_once_its_last_victim_is_seen_to_go() {
    // Though the answer to the deletion is lost: the end of the victim itself wakes it, once that deletion has begun.
    for has_begun in [false, true] {
        let (mut scheduler, last) = preempting();
        if has_begun {
            scheduler.last_victim(&"high".into(), &last.uid, 1);
        }
        for uid in ["low-a", "low-b"] {
            scheduler.apply(Event::PodGone(uid.into()), 2);
        }
        let expected = if has_begun { QueueName::Backoff } else { QueueName::Gated };
        assert_eq!(place(&scheduler, "high"), Some(expected));
        sound(&scheduler);
    }
}

#[test]
fn a_last_victim_that_is_gone_already_is_not_waited_for() {
    let (mut scheduler, last) = preempting();
    for uid in ["low-a", "low-b"] {
        scheduler.apply(Event::PodGone(uid.into()), 2);
    }
    scheduler.last_victim(&"high".into(), &last.uid, 3);
    assert_eq!(place(&scheduler, "high"), Some(QueueName::Active));
}

#[test]
fn a_victim_whose_deletion_was_answered_leaves_wherever_it_is_known_from() {
    // It was bound, or is about to be, and nothing of that was heard yet.
    for is_bound in [false, true] {
        let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
        scheduler.apply(node("n"), 0);
        let low = pod("low", 1000, 0, None);
        scheduler.apply(Event::Pod(low.clone()), 0);
        scheduler.schedule_one(1).expect("it waits");
        if is_bound {
            scheduler.bound("low", Ok(()), 2);
        }
        scheduler.apply(Event::Pod(pod("high", 1000, 10, None)), 2);
        let (_, effects) = scheduler.schedule_one(3).expect("a pod waits");
        assert!(effects.iter().any(|effect| matches!(effect, Effect::DeleteVictims { .. })), "{effects:?}");
        scheduler.leaves(&"low".into(), 4);
        scheduler.release("high", "low", 4);
        // News that are older than all of this.
        scheduler.apply(Event::Pod(low), 5);
        scheduler.apply(Event::Pod(pod("low", 1000, 0, Some("n"))), 5);
        scheduler.activate("high", 5);
        let (attempt, effects) = scheduler.schedule_one(5).expect("it looks again");
        let told = "preemption: not eligible due to a terminating pod on the nominated node.";
        assert!(attempt.cycle.message.ends_with(told), "{}", attempt.cycle.message);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::DeleteVictims { .. })), "{effects:?}");
        sound(&scheduler);
        scheduler.apply(Event::PodGone("low".into()), 6);
        let (attempt, _) = scheduler.schedule_one(LATER).expect("it is woken");
        assert_eq!(attempt.cycle.node.as_deref(), Some("n"));
        sound(&scheduler);
    }
}

#[test]
fn what_a_nomination_is_to_be_is_said_whatever_it_is_known_to_be() {
    // A status that is not written yet may nominate it; what comes later has to say that this is over.
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
    scheduler.apply(node("n"), 0);
    scheduler.apply(Event::Pod(pod("large", 2000, 10, None)), 0);
    let (_, effects) = scheduler.schedule_one(1).expect("a pod waits");
    let nominations = effects.iter().filter_map(|effect| match effect {
        Effect::PatchStatus { nominated_node_name, .. } => Some(nominated_node_name.clone()),
        _ => None,
    });
    assert_eq!(nominations.collect::<Vec<_>>(), [Some(None)]);
}
