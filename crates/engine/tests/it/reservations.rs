//! Room that is held for pods that are about to be moved.

use std::sync::Arc;

use loadline_engine::{Effect, Event, Reservation, ReservationState, Scheduler, Settings};
use loadline_model::{Labels, NodeSpec, Owner, PodInfo, PodRequests, Resources};
use loadline_parity::profiles;

/// Nodes of one core each.
fn scheduler(nodes: &[&str]) -> Scheduler {
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are valid"), Settings::default());
    for name in nodes {
        let allocatable = Resources { milli_cpu: 1000, memory: 1 << 30, ..Resources::default() };
        let node = NodeSpec { name: (*name).into(), allocatable, allowed_pods: 10, ..NodeSpec::default() };
        scheduler.apply(Event::Node(Arc::new(node)), 0);
    }
    scheduler
}

/// A pod that needs a whole node.
fn pod(uid: &str, owner: &str, hash: &str, priority: i32, node: Option<&str>) -> Arc<PodInfo> {
    let amounts = Resources { milli_cpu: 800, memory: 1 << 20, ..Resources::default() };
    let requests = PodRequests {
        spec: amounts.clone(),
        usage: amounts.clone(),
        non_zero_milli_cpu: 800,
        non_zero_memory: 1 << 20,
        score: amounts,
    };
    let owner =
        Owner { api_version: "apps/v1".into(), kind: "ReplicaSet".into(), name: owner.into(), uid: owner.into() };
    Arc::new(PodInfo {
        namespace: "default".into(),
        name: uid.into(),
        uid: uid.into(),
        scheduler_name: "default-scheduler".into(),
        labels: Arc::new([("pod-template-hash", hash)].into_iter().collect::<Labels>()),
        owner: Some(Arc::new(owner)),
        priority,
        node_name: node.map(Into::into),
        requests: Arc::new(requests),
        ..PodInfo::default()
    })
}

fn reservation(name: &str, node: &str, priority: i32, is_due: bool) -> Event {
    let stand_in = pod(&format!("move-{name}"), "web", "1", priority, None);
    Event::Reservation(Reservation { name: name.into(), pod: stand_in, node: node.into(), is_due })
}

/// Decides all that can be decided: pods with their nodes, and the effects.
fn decide(scheduler: &mut Scheduler) -> (Vec<String>, Vec<Effect>) {
    let (mut placed, mut all) = (Vec::new(), Vec::new());
    while let Some((attempt, effects)) = scheduler.schedule_one(0) {
        let node = attempt.cycle.node.as_ref().map_or("-", |node| node.as_str());
        placed.push(format!("{} {node}", attempt.cycle.pod.name));
        all.extend(effects);
    }
    (placed, all)
}

fn arrive(scheduler: &mut Scheduler, pod: Arc<PodInfo>) -> Vec<String> {
    scheduler.apply(Event::Pod(pod), 0);
    decide(scheduler).0
}

fn state(scheduler: &Scheduler, name: &str) -> ReservationState {
    scheduler.reservation(name).expect("it is there").clone()
}

#[test]
fn nobody_of_equal_or_lower_priority_takes_the_room_and_the_replacement_does() {
    let mut scheduler = scheduler(&["a", "b"]);
    scheduler.apply(reservation("m", "b", 5, false), 0);
    assert_eq!(arrive(&mut scheduler, pod("equal", "other", "1", 5, None)), ["equal a"]);
    assert_eq!(arrive(&mut scheduler, pod("lower", "other", "1", 0, None)), ["lower -"]);
    assert_eq!(arrive(&mut scheduler, pod("other-template", "web", "2", 5, None)), ["other-template -"]);
    assert_eq!(state(&scheduler, "m"), ReservationState::Open);
    assert_eq!(arrive(&mut scheduler, pod("web-1", "web", "1", 5, None)), ["web-1 b"]);
    assert_eq!(state(&scheduler, "m"), ReservationState::Used("web-1".into()));
    scheduler.apply(Event::ReservationGone("m".into()), 0);
    assert_eq!(scheduler.reservation("m"), None);
}

#[test]
fn a_pod_of_higher_priority_may_take_the_room() {
    let mut scheduler = scheduler(&["a"]);
    scheduler.apply(reservation("m", "a", 5, false), 0);
    assert_eq!(arrive(&mut scheduler, pod("urgent", "other", "1", 9, None)), ["urgent a"]);
    assert_eq!(arrive(&mut scheduler, pod("web-1", "web", "1", 5, None)), ["web-1 -"]);
}

#[test]
fn a_preemptor_that_is_nominated_to_the_node_ends_the_reservation_and_nothing_is_written_of_it() {
    let mut scheduler = scheduler(&["a"]);
    scheduler.apply(Event::Pod(pod("victim", "other", "1", 0, Some("a"))), 0);
    scheduler.apply(reservation("m", "a", 5, false), 0);
    scheduler.apply(Event::Pod(pod("urgent", "another", "1", 9, None)), 0);
    let (placed, effects) = decide(&mut scheduler);
    assert_eq!(placed, ["urgent -"]);
    assert_eq!(state(&scheduler, "m"), ReservationState::Lost);
    let victims = effects.iter().filter(|effect| matches!(effect, Effect::DeleteVictims { .. })).count();
    assert_eq!(victims, 1);
    let of_stand_in = |effect: &&Effect| matches!(effect, Effect::PatchStatus { pod, .. } if pod.name == "move-m");
    assert!(!effects.iter().any(|effect| of_stand_in(&effect)), "{effects:?}");
}

#[test]
fn the_room_is_held_for_the_next_when_the_replacement_is_deleted_without_a_node() {
    let mut scheduler = scheduler(&["a"]);
    scheduler.apply(reservation("m", "a", 5, false), 0);
    // On the node is still the one that has to go first.
    scheduler.apply(Event::Pod(pod("in-the-way", "other", "1", 9, Some("a"))), 0);
    assert_eq!(arrive(&mut scheduler, pod("web-1", "web", "1", 5, None)), ["web-1 -"]);
    assert_eq!(state(&scheduler, "m"), ReservationState::Used("web-1".into()));
    scheduler.apply(Event::PodGone("web-1".into()), 0);
    assert_eq!(state(&scheduler, "m"), ReservationState::Open);
    scheduler.apply(Event::PodGone("in-the-way".into()), 0);
    assert_eq!(arrive(&mut scheduler, pod("other", "other", "1", 5, None)), ["other -"]);
    assert_eq!(arrive(&mut scheduler, pod("web-2", "web", "1", 5, None)), ["web-2 a"]);
}

#[test]
fn after_a_restart_the_replacement_that_waits_already_gets_the_room() {
    let mut scheduler = scheduler(&["a"]);
    scheduler.apply(Event::Pod(pod("in-the-way", "other", "1", 9, Some("a"))), 0);
    assert_eq!(arrive(&mut scheduler, pod("web-1", "web", "1", 5, None)), ["web-1 -"]);
    scheduler.apply(reservation("early", "a", 5, false), 0);
    assert_eq!(state(&scheduler, "early"), ReservationState::Open, "the pod that is to be moved is still there");
    scheduler.apply(reservation("m", "a", 5, true), 0);
    assert!(scheduler.reservation("m").is_some());
    let used = [state(&scheduler, "early"), state(&scheduler, "m")];
    assert!(used.contains(&ReservationState::Used("web-1".into())), "{used:?}");
}

#[test]
fn the_end_of_a_reservation_wakes_who_waited_for_the_room() {
    let mut scheduler = scheduler(&["a"]);
    scheduler.apply(reservation("m", "a", 5, false), 0);
    assert_eq!(arrive(&mut scheduler, pod("lower", "other", "1", 0, None)), ["lower -"]);
    scheduler.apply(Event::ReservationGone("m".into()), 0);
    let later = 60_000_000_000;
    scheduler.tick(later);
    let (attempt, _) = scheduler.schedule_one(later).expect("it is tried again");
    assert_eq!(attempt.cycle.node.as_deref(), Some("a"));
    scheduler.apply(Event::ReservationGone("m".into()), later);
}
