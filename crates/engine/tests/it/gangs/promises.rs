//! Room that was promised to a gang: what victims leave, what others may not have meanwhile, and when that is at an end.

use std::sync::Arc;

use loadline_engine::{Effect, Event};
use loadline_framework::record::GangState;
use loadline_model::{DisruptionBudget, Effect as TaintEffect, NodeSpec, PodGroupInfo, PodInfo, Selector, Set, Taint};

use super::world::{SECOND, World, gang, key, member, names};
use crate::preemption::{cpu, pod};

fn low(world: &mut World, number: usize, priority: i32) {
    let (name, node) = (format!("low-{number}"), format!("n{number}"));
    world.node(&node, 1000);
    world.add(pod(&name, 1000, priority, Some(&node)));
}

/// A budget for the pods of the app `db`, of which so many may go.
fn budget_of_db(world: &mut World, disruptions_allowed: i32) {
    world.apply(Event::DisruptionBudget(DisruptionBudget {
        namespace: "default".into(),
        name: "db".into(),
        selector: Selector::from_pairs([(&"app".into(), &"db".into())]),
        disruptions_allowed,
        disrupted_pods: Set::default(),
    }));
}

#[test]
fn a_gang_that_is_not_to_be_tried_has_no_claim_to_what_victims_leave() {
    type Change = fn(&mut World);
    let changes: [Change; 3] = [
        |world| world.apply(Event::PodGroupGone(Arc::new(key("a")))),
        |world| world.gone("a-0"),
        |world| world.apply(Event::PodGroup(gang("a", 3))),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut world = World::new("");
        low(&mut world, 0, 0);
        low(&mut world, 1, 0);
        world.whole_of("a", 2, 1000, 10);
        world.run();
        assert_eq!(world.state("a"), GangState::Preempting);
        let victims = world.delete_victims();
        assert_eq!(victims.len(), 2);
        change(&mut world);
        world.add(pod("other", 1000, 0, None));
        world.run();
        assert_eq!(world.bind_all(), ["other".to_owned()].into(), "change {number}");
        let is_told = |effect: &Effect| matches!(effect, Effect::PatchStatus { pod, nominated_node_name: Some(None), .. } if pod.name.starts_with("a-"));
        assert!(world.told.iter().any(is_told), "change {number}: {:?}", world.told);
    }
}

#[test]
fn a_group_preempts_by_the_priority_of_its_pods() {
    let mut world = World::new("");
    low(&mut world, 0, 500);
    world.apply(Event::PodGroup(PodGroupInfo { priority: Some(1000), ..gang("a", 1) }));
    world.add(member("a", 0, 1000, 0));
    world.run();
    assert_eq!(world.state("a"), GangState::WaitsForRoom);
    assert!(world.delete_victims().is_empty(), "what would come in their place is decided before it");
}

#[test]
fn a_node_that_takes_nobody_any_more_is_not_waited_for() {
    let mut world = World::new("");
    for number in 0..3 {
        low(&mut world, number, number as i32);
    }
    world.whole_of("a", 2, 1000, 10);
    world.run();
    // One of both goes, the other's node is lost.
    world.told.clear();
    let dying = PodInfo { deleted: Some(world.now), preempted: true, ..PodInfo::clone(&world.pods["low-0"]) };
    world.add(Arc::new(dying));
    world.gone("low-1");
    world.wait(20);
    assert_eq!((world.state("a"), world.delete_victims().len()), (GangState::Preempting, 0));
    let lost =
        Taint { key: "node.kubernetes.io/unreachable".into(), value: "".into(), effect: TaintEffect::NoSchedule };
    let node = NodeSpec {
        name: "n0".into(),
        allocatable: cpu(1000),
        allowed_pods: 200,
        taints: [lost].into(),
        ..NodeSpec::default()
    };
    world.apply(Event::Node(Arc::new(node)));
    world.node("n9", 500);
    world.wait(20);
    assert_eq!(world.delete_victims(), ["low-2".to_owned()].into());
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn a_budget_protects_all_but_as_many_as_it_allows() {
    // Names decide among nodes that are alike.
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let mut world = World::new("");
        for number in 0..3 {
            low(&mut world, number, 0);
        }
        for number in 0..2 {
            let labels = Arc::new([("app", "db")].into_iter().collect());
            let of_budget = PodInfo { labels, ..PodInfo::clone(&world.pods[format!("low-{number}").as_str()]) };
            world.add(Arc::new(of_budget));
        }
        budget_of_db(&mut world, 1);
        world.whole_of(name, 2, 1000, 10);
        world.run();
        let victims = world.delete_victims();
        assert!(victims.len() == 2 && victims.contains("low-2"), "{name}: {victims:?}");
    }
}

#[test]
fn what_a_gang_has_beyond_its_minimum_protects_the_gang_too() {
    for (protected, other) in [("x", "y"), ("y", "x")] {
        let mut world = World::new("");
        world.node("n", 6000);
        for name in ["x", "y"] {
            world.apply(Event::PodGroup(gang(name, 2)));
            for number in 0..3 {
                let mut placed = PodInfo::clone(&member(name, number, 1000, 0));
                placed.node_name = Some("n".into());
                // Of equal ones the first by name is the one beyond.
                if name == protected && number == 0 {
                    placed.labels = Arc::new([("app", "db")].into_iter().collect());
                }
                world.add(Arc::new(placed));
            }
        }
        budget_of_db(&mut world, 0);
        world.whole_of("high", 3, 1000, 10);
        world.run();
        assert_eq!(world.delete_victims(), names(other, 3));
    }
}

#[test]
fn a_gang_that_never_fits_keeps_nobody_from_a_reservation_whatever_its_priority() {
    let mut world = World::new("reserveAfterSeconds: 60");
    world.node("n", 2000);
    world.add(pod("long", 1000, 20, Some("n")));
    world.whole_of("a", 3, 1000, 10);
    world.apply(Event::PodGroup(gang("b", 2)));
    (0..2).for_each(|number| world.add(member("b", number, 500, 0)));
    world.add(pod("small", 600, 0, Some("n")));
    world.run();
    world.wait(61);
    assert!(world.record("a").reserved_seconds.is_none());
    world.wait(1);
    assert!(world.record("b").reserved_seconds.is_some(), "{:?}", world.record("b"));
    world.gone("small");
    world.wait(20);
    assert_eq!(world.bind_all(), names("b", 2));
    // A node that comes may be the one: it is the first in line again.
    world.node("m", 4000);
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 3));
}

#[test]
fn what_an_earlier_term_decided_is_decided_anew() {
    let mut world = World::new("permitWaitingTimeSeconds: 100");
    world.node("n", 2000);
    world.whole_of("a", 2, 1000, 0);
    world.run();
    for (pod, _) in std::mem::take(&mut world.binds) {
        let _ = world.scheduler.bound(&pod.uid, Err("this instance leads no more".into()), world.now);
    }
    assert_eq!(world.held(), 2, "they are tried again on their room");
    // Another one leads, and fills the node.
    world.add(pod("other", 2000, 0, Some("n")));
    let effects = world.scheduler.begin_term(world.now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Bind { .. })));
    assert_eq!(world.held(), 0);
    world.wait(20);
    assert!(world.binds.is_empty(), "{:?}", world.binds);
    world.gone("other");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn a_binding_is_not_tried_again_on_a_node_that_is_gone() {
    let mut world = World::new("permitWaitingTimeSeconds: 100");
    world.node("n", 1000);
    world.whole_of("a", 1, 1000, 0);
    world.run();
    let (pod, _) = world.binds.remove(0);
    let _ = world.scheduler.bound(&pod.uid, Err("timeout".into()), world.now);
    world.apply(Event::NodeGone("n".into()));
    world.wait(2);
    assert!(world.binds.is_empty());
    world.node("m", 1000);
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 1));
}

#[test]
fn a_scheduler_that_begins_anew_keeps_what_victims_leave_for_the_gang() {
    let mut world = World::new("");
    low(&mut world, 0, 0);
    low(&mut world, 1, 0);
    world.whole_of("a", 2, 1000, 10);
    world.run();
    for effect in std::mem::take(&mut world.told) {
        if let Effect::PatchStatus { pod, nominated_node_name: Some(node @ Some(_)), .. } = effect {
            let nominated = PodInfo { nominated_node_name: node, ..PodInfo::clone(&pod) };
            world.pods.insert(pod.uid.clone(), Arc::new(nominated));
        }
    }
    assert!(world.pods.values().filter(|pod| pod.nominated_node_name.is_some()).count() == 2);
    // One of both victims is gone when the next one begins, the other on its way.
    world.pods.remove("low-0");
    let dying = PodInfo { deleted: Some(world.now), preempted: true, ..PodInfo::clone(&world.pods["low-1"]) };
    world.pods.insert("low-1".into(), Arc::new(dying));
    let mut next = world.restarted(&[gang("a", 2)], &[("n0", 1000), ("n1", 1000)]);
    next.add(pod("other", 1000, 0, None));
    next.wait(1);
    assert!(next.binds.is_empty(), "{:?}", next.binds);
    next.gone("low-1");
    next.wait(20);
    assert_eq!(next.bind_all(), names("a", 2));
}

#[test]
fn a_gang_pauses_in_full_after_a_try_that_was_far_from_room() {
    for (minimum, pauses) in [(4, true), (20, false)] {
        // One that lacks no more than a tenth of its minimum is spared.
        let mut world = World::new("podGroupBackoffSeconds: 60");
        world.node("n", 1000 * if pauses { 1 } else { 18 });
        world.whole_of("a", minimum, 1000, 0);
        assert_eq!(world.run().len(), 1);
        // Nobody else waits, and there would be room.
        world.node("m", 20_000);
        assert_eq!(world.wait(30).len(), usize::from(!pauses), "minimum {minimum}");
        world.wait(32);
        assert_eq!(world.bind_all().len(), minimum);
    }
}

/// As the API server does: what is patched is told to whoever watches. Names of those who are asked to go, who take their time.
fn echo(world: &mut World) -> Vec<String> {
    let mut victims = Vec::new();
    for effect in std::mem::take(&mut world.told) {
        match effect {
            Effect::PatchStatus { pod, nominated_node_name: Some(node), .. } => {
                let nominated = PodInfo { nominated_node_name: node, ..PodInfo::clone(&world.pods[&pod.uid]) };
                world.add(Arc::new(nominated));
            }
            Effect::DeleteVictims { victims: asked, .. } => {
                for victim in asked {
                    victims.push(victim.name.to_string());
                    let dying = PodInfo {
                        deleted: Some(world.now),
                        preempted: true,
                        ..PodInfo::clone(&world.pods[&victim.uid])
                    };
                    world.add(Arc::new(dying));
                }
            }
            _ => {}
        }
    }
    victims
}

#[test]
fn a_member_beyond_the_minimum_asks_one_pod_to_go_and_waits_for_it() {
    let mut world = World::new("");
    world.node("free", 2000);
    for number in 0..3 {
        low(&mut world, number, 0);
    }
    world.apply(Event::PodGroup(gang("a", 2)));
    (0..3).for_each(|number| world.add(member("a", number, 1000, 10)));
    let mut victims = Vec::new();
    for _ in 0..8 {
        world.wait(1);
        world.bind_all();
        victims.extend(echo(&mut world));
    }
    assert_eq!(victims.len(), 1, "{victims:?}");
    let uid = victims[0].clone();
    world.gone(&uid);
    world.wait(20);
    assert_eq!(world.bind_all().len(), 1);
}

#[test]
fn a_gang_pauses_in_full_whoever_stands_for_it() {
    for leaves in 0..5 {
        let mut world = World::new("podGroupBackoffSeconds: 60");
        world.node("n", 1000);
        world.apply(Event::PodGroup(gang("a", 4)));
        (0..5).for_each(|number| world.add(member("a", number, 1000, 0)));
        assert_eq!(world.run().len(), 1);
        world.node("m", 20_000);
        world.now += 5 * SECOND;
        world.gone(&format!("a-{leaves}"));
        assert_eq!(world.wait(30).len(), 0, "without a-{leaves}");
        world.wait(32);
        assert_eq!(world.bind_all().len(), 4);
    }
}

#[test]
fn what_a_follower_would_have_done_is_not_done_by_the_leader_that_it_becomes() {
    for follows in [false, true] {
        let mut world = World::new("");
        low(&mut world, 0, 0);
        world.whole_of("a", 1, 1000, 10);
        // Another one leads, and nominates.
        let nominated = PodInfo { nominated_node_name: Some("n0".into()), ..PodInfo::clone(&world.pods["a-0"]) };
        world.add(Arc::new(nominated));
        world.apply(Event::PodGroupGone(Arc::new(key("a"))));
        let effects = if follows {
            world.scheduler.follow();
            world.scheduler.tick(world.now)
        } else {
            world.scheduler.begin_term(world.now)
        };
        assert!(effects.is_empty(), "{effects:?}");
    }
}
