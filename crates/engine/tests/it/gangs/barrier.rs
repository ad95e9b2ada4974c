//! Nobody is bound before all may be, and what can not be bound.

use loadline_engine::{Effect, Event};
use loadline_framework::record::GangState;
use loadline_framework::{PreBindStep, Status};
use loadline_model::PodGroupInfo;

use super::world::{SECOND, World, gang, member, names};

#[test]
fn nobody_is_bound_when_one_fails_before() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.refuse_pre_bind("a-2");
    world.whole("a", 4, 1000);
    world.run();
    assert_eq!((world.binds.len(), world.held()), (0, 0));
    assert_eq!(world.scheduler.in_flight(), 0);
    let events = world.group_events();
    let (reason, text) = events.last().expect("it is told");
    assert_eq!(*reason, "FailedScheduling");
    assert!(text.contains("a-2: running PreBind plugin \"Guard\": the disk is on fire"), "{text}");
    world.verdicts.lock().expect("nobody panics with it").clear();
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 4));
}

#[test]
fn those_that_are_ready_wait_for_the_one_that_is_not() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.pre_bind("a-1", PreBindStep::WaitUntil(world.now + 30 * SECOND, Status::error("no disk")));
    world.whole("a", 3, 1000);
    world.run();
    assert_eq!((world.binds.len(), world.held(), world.state("a")), (0, 3, GangState::Underway));
    world.pre_bind("a-1", PreBindStep::Done);
    world.wait(1);
    assert_eq!(world.bind_all(), names("a", 3));
}

#[test]
fn a_plan_that_takes_too_long_is_taken_back_and_tried_again() {
    let mut world = World::new("permitWaitingTimeSeconds: 5");
    world.node("n", 4000);
    world.pre_bind("a-1", PreBindStep::WaitUntil(1000 * SECOND, Status::error("no disk")));
    world.whole("a", 3, 1000);
    world.run();
    assert_eq!(world.held(), 3);
    assert!(world.scheduler.next_wakeup(world.now).is_some_and(|at| at <= world.now + 5 * SECOND));
    world.group_events();
    world.wait(6);
    assert_eq!(world.group_events().first().map(|(reason, _)| *reason), Some("Timeout"));
    world.verdicts.lock().expect("nobody panics with it").clear();
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 3), "no pod has failed by it");
}

#[test]
fn the_groups_own_timeout_comes_first() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.pre_bind("a-0", PreBindStep::WaitUntil(1000 * SECOND, Status::error("no disk")));
    world.apply(Event::PodGroup(PodGroupInfo { timeout: Some(2 * SECOND), ..gang("a", 1) }));
    world.members("a", 1, 1000);
    world.run();
    assert_eq!(world.held(), 1);
    world.now += 2 * SECOND;
    let effects = world.scheduler.tick(world.now);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::RecordGroupEvent { reason: "Timeout", .. })),
        "{effects:?}"
    );
    assert_eq!(world.held(), 0);
}

#[test]
fn a_binding_that_fails_is_tried_again_on_the_room_that_is_held() {
    let mut world = World::new("permitWaitingTimeSeconds: 10");
    world.node("n", 3000);
    world.whole("a", 3, 1000);
    world.run();
    let (failed, node) = world.binds.remove(1);
    world.bind_all();
    let effects = world.scheduler.bound(&failed.uid, Err("timeout".into()), world.now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Bind { .. })), "not at once");
    assert_eq!((world.held(), world.record("a").placed), (1, 3));
    world.wait(1);
    assert_eq!(world.binds, [(failed.clone(), node)], "the same node");
    world.bind_all();
    assert_eq!((world.held(), world.state("a")), (0, GangState::Placed));
}

#[test]
fn a_binding_that_fails_for_too_long_is_told_and_the_others_stay() {
    let mut world = World::new("permitWaitingTimeSeconds: 4");
    world.node("n", 3000);
    world.whole("a", 3, 1000);
    world.run();
    let (failed, _) = world.binds.remove(1);
    world.bind_all();
    world.group_events();
    let mut answers = 0;
    let mut effects = world.scheduler.bound(&failed.uid, Err("no such disk".into()), world.now);
    while !effects.iter().any(|effect| matches!(effect, Effect::RecordGroupEvent { reason: "BindFailed", .. })) {
        world.wait(1);
        if !world.binds.is_empty() {
            world.binds.clear();
            answers += 1;
            effects = world.scheduler.bound(&failed.uid, Err("no such disk".into()), world.now);
        }
        assert!(answers < 10, "it ends");
    }
    assert!(answers >= 1);
    let text = effects.iter().find_map(|effect| match effect {
        Effect::RecordGroupEvent { note, .. } => Some(note.clone()),
        _ => None,
    });
    assert_eq!(text.as_deref(), Some("default/a-1 could not be bound in time: no such disk"));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::DeleteVictims { .. })));
    assert_eq!((world.held(), world.record("a").placed), (0, 2));
    world.wait(20);
    assert_eq!(world.bind_all(), [failed.name.to_string()].into(), "it is repaired as soon as that goes");
}

#[test]
fn a_member_that_vanishes_in_mid_plan_ends_a_plan_that_needs_it() {
    for (minimum, bound) in [(3, 0), (2, 2)] {
        let mut world = World::new("");
        world.node("n", 4000);
        world.pre_bind("a-1", PreBindStep::WaitUntil(1000 * SECOND, Status::error("no disk")));
        world.apply(Event::PodGroup(gang("a", minimum)));
        world.members("a", 3, 1000);
        world.run();
        assert_eq!((world.held(), world.binds.len()), (3, 0));
        world.gone("a-1");
        world.run();
        assert_eq!(world.binds.len(), bound, "minimum {minimum}");
        assert_eq!(world.held(), bound);
        world.bind_all();
        if bound == 0 {
            world.add(member("a", 3, 1000, 0));
            world.wait(20);
            assert_eq!(world.bind_all().len(), 3);
        }
    }
}
