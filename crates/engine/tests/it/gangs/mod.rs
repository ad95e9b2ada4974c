//! Gangs: placed whole or not at all, with nothing held while they wait.

mod barrier;
mod mixes;
mod promises;
mod room;
mod world;

use std::sync::Arc;

use loadline_engine::Event;
use loadline_engine::queue::QueueName;
use loadline_framework::record::GangState;
use loadline_model::{GroupApi, GroupKey, PodGroupInfo, PodInfo};

use loadline_parity::profiles;

use self::world::{World, config, gang, key, member, names};
use crate::preemption::pod;

#[test]
fn a_gang_is_placed_whole() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.whole("a", 3, 1000);
    let attempts = world.run();
    assert_eq!(attempts.len(), 1, "one entry a gang");
    assert_eq!(attempts[0].gang.as_ref().map(|gang| gang.placed.len()), Some(3));
    assert_eq!(world.bind_all(), names("a", 3));
    assert_eq!((world.state("a"), world.record("a").placed), (GangState::Placed, 3));
    assert_eq!(world.group_events().first().map(|(reason, _)| *reason), Some("Scheduled"));
}

#[test]
fn a_gang_waits_for_its_pods_and_its_object_without_an_attempt() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.members("a", 2, 1000);
    assert!(world.run().is_empty());
    assert_eq!(world.state("a"), GangState::WaitsForGroup);
    world.apply(Event::PodGroup(gang("a", 3)));
    assert!(world.run().is_empty());
    assert_eq!(world.record("a").message, "2 of at least 3 pods are there");
    let (queue, queued) = world.scheduler.queue().get("a-0").expect("it waits");
    assert_eq!((queue, queued.attempts, queued.unschedulable_count), (QueueName::Gated, 0, 0));
    let gate = queued.gate.as_ref().expect("it is gated");
    assert_eq!((gate.plugin, gate.message.as_str()), ("Coscheduling", "waits for its gang, PodGroup default/a"));
    // One that is gated does not count until it no longer is.
    let third = member("a", 2, 1000, 0);
    world.add(Arc::new(PodInfo { scheduling_gates: ["g".into()].into(), ..PodInfo::clone(&third) }));
    assert!(world.run().is_empty());
    assert_eq!(world.record("a").message, "2 of at least 3 pods are there, 1 more are gated");
    world.add(third);
    assert_eq!(world.settle(), names("a", 3));
}

#[test]
fn a_group_that_comes_last_lets_its_pods_in() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.members("a", 3, 1000);
    world.run();
    world.apply(Event::PodGroup(gang("a", 3)));
    assert_eq!(world.settle(), names("a", 3));
}

#[test]
fn without_the_plugin_a_label_means_nothing() {
    let mut world = World::with("", loadline_engine::Settings::default());
    world.node("n", 4000);
    world.apply(Event::PodGroup(gang("a", 3)));
    world.members("a", 2, 1000);
    assert_eq!(world.settle(), names("a", 2));
}

#[test]
fn two_gangs_that_arrive_interleaved_do_not_share_what_only_one_can_have() {
    let mut world = World::new("");
    for name in ["n0", "n1", "n2", "n3", "n4"] {
        world.node(name, 2000);
    }
    for name in ["a", "b"] {
        world.apply(Event::PodGroup(gang(name, 6)));
    }
    for number in 0..6 {
        for name in ["a", "b"] {
            world.add(member(name, number, 1000, 0));
        }
    }
    assert_eq!(world.settle(), names("a", 6));
    assert_eq!(world.held(), 0);
    let waiting = world.record("b");
    assert_eq!((waiting.state, waiting.fits, waiting.placed), (GangState::WaitsForRoom, Some(4), 0));
    assert_eq!(waiting.blocked.len(), 1, "equal members are counted, not named one by one");
    assert_eq!(waiting.blocked[0].pods, 2);
    assert!(waiting.message.contains("0/5 nodes are available: 5 Insufficient cpu."), "{}", waiting.message);
    // What the first leaves is enough.
    for number in 0..6 {
        world.gone(&format!("a-{number}"));
    }
    world.wait(20);
    assert_eq!(world.bind_all(), names("b", 6));
}

#[test]
fn small_work_flows_past_a_gang_that_does_not_fit() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.whole("a", 3, 1000);
    world.add(pod("small", 500, 0, None));
    assert_eq!(world.settle(), ["small".to_owned()].into());
    assert_eq!(world.held(), 0);
}

#[test]
fn an_order_is_found_where_the_first_one_fails() {
    // The small one would take the only node that has room for the large one.
    let mut world = World::new("");
    world.node("large", 3000);
    world.node("small", 1000);
    world.apply(Event::PodGroup(gang("a", 2)));
    world.add(member("a", 0, 1000, 10));
    world.add(member("a", 1, 2500, 0));
    world.run();
    let on: Vec<_> = world.binds.iter().map(|(pod, node)| (pod.name.as_str(), node.as_str())).collect();
    assert!(on.contains(&("a-0", "small")) && on.contains(&("a-1", "large")), "{on:?}");
}

#[test]
fn members_beyond_the_minimum_come_along_and_later_ones_follow() {
    let mut world = World::new("");
    world.node("n", 5000);
    world.apply(Event::PodGroup(gang("a", 2)));
    world.members("a", 3, 1000);
    assert_eq!(world.settle(), names("a", 3), "what fits beyond the minimum is in the same plan");
    world.add(member("a", 3, 1000, 0));
    assert_eq!(world.settle(), ["a-3".to_owned()].into());
    world.add(member("a", 4, 5000, 0));
    assert!(world.settle().is_empty());
    world.add(member("a", 5, 1000, 0));
    world.wait(20);
    assert_eq!(world.bind_all(), ["a-5".to_owned()].into(), "one that does not fit keeps no other back");
}

#[test]
fn groups_of_one_name_never_mix() {
    let mut world = World::new("");
    world.node("n", 9000);
    let elsewhere = GroupKey { namespace: "other".into(), ..key("a") };
    let core = GroupKey { api: GroupApi::Core, ..key("a") };
    let member_of = |of: &GroupKey, name: &str| {
        let pod_group = Some(Arc::new(of.clone()));
        let namespace = of.namespace.clone();
        Arc::new(PodInfo { namespace, pod_group, ..PodInfo::clone(&pod(name, 1000, 0, None)) })
    };
    for of in [&key("a"), &elsewhere, &core] {
        world.apply(Event::PodGroup(PodGroupInfo::gang(of.clone(), 2)));
    }
    world.add(member_of(&key("a"), "here"));
    world.add(member_of(&elsewhere, "there"));
    world.add(member_of(&core, "core-0"));
    assert!(world.settle().is_empty(), "each lacks one");
    world.add(member_of(&core, "core-1"));
    assert_eq!(world.settle(), ["core-0".to_owned(), "core-1".to_owned()].into());
}

#[test]
fn members_that_finished_count() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.whole("a", 2, 1000);
    assert_eq!(world.settle(), names("a", 2));
    world.finish("a-0");
    assert_eq!((world.record("a").finished, world.record("a").placed), (1, 1));
    world.gone("a-1");
    world.add(member("a", 2, 1000, 0));
    assert_eq!(world.settle(), ["a-2".to_owned()].into(), "one that finished and one that runs are two");
    world.apply(Event::FinishedMemberGone("a-0".into()));
    assert_eq!(world.record("a").have, 1);
}

#[test]
fn older_news_of_a_member_that_finished_take_nothing_back() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.whole("a", 2, 1000);
    world.settle();
    let running = world.pods["a-0"].clone();
    let ended = PodInfo { finished: true, ..PodInfo::clone(&running) };
    world.apply(Event::MemberFinished(Arc::new(ended)));
    // Who follows pods is behind.
    world.apply(Event::Pod(running));
    assert_eq!((world.record("a").finished, world.record("a").placed), (1, 1));
    world.gone("a-0");
    assert_eq!((world.record("a").finished, world.record("a").placed), (1, 1));
}

#[test]
fn the_pod_that_stands_for_a_gang_may_change_to_another() {
    // One of three stands for the gang; whichever it is, it may leave.
    for leaves in 0..3 {
        let mut world = World::new("");
        world.node("n", 4000);
        world.apply(Event::PodGroup(gang("a", 2)));
        world.apply(Event::PodGroup(gang("b", 2)));
        world.members("a", 3, 3000);
        world.run();
        assert_eq!((world.held(), world.state("a")), (0, GangState::WaitsForRoom));
        let name = format!("a-{leaves}");
        let moved = PodInfo {
            name: name.as_str().into(),
            uid: name.as_str().into(),
            ..PodInfo::clone(&member("b", 0, 3000, 0))
        };
        world.add(Arc::new(moved));
        world.wait(20);
        assert_eq!((world.record("a").have, world.record("b").have), (2, 1));
        world.node("m", 4000);
        world.wait(20);
        let bound = world.bind_all();
        assert_eq!(bound.len(), 2, "{bound:?}");
        assert!(!bound.contains(&name), "it waits for its new gang");
        // Which is complete with one more.
        world.add(member("b", 1, 500, 0));
        world.node("o", 4000);
        world.wait(20);
        assert_eq!(world.bind_all(), [name, "b-1".to_owned()].into());
    }
}

#[test]
fn members_that_failed_count_for_nothing() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.whole("a", 2, 1000);
    world.settle();
    world.end("a-0", "Failed");
    world.end("a-1", "Failed");
    assert_eq!((world.record("a").have, world.state("a")), (0, GangState::WaitsForPods));
    world.add(member("a", 2, 1000, 0));
    assert!(world.settle().is_empty(), "one of a new round of two");
    assert!(world.scheduler.changed_gangs(10, world.now).is_empty(), "nobody asked for reports");
    world.scheduler.report_all_gangs();
    world.add(member("a", 3, 1000, 0));
    assert_eq!(world.settle().len(), 2);
    let reports = world.scheduler.changed_gangs(10, world.now);
    let reports: Vec<_> = reports.into_iter().filter_map(|(_, report)| report).collect();
    let counts: Vec<_> = reports.iter().map(|report| (report.failed, report.succeeded, report.gang.placed)).collect();
    assert_eq!(counts, [(2, 0, 2)]);
    assert!(reports[0].is_tried && world.scheduler.changed_gangs(10, world.now).is_empty(), "it is told once");
}

#[test]
fn a_broken_gang_is_repaired_before_a_fresh_one_is_begun() {
    let mut world = World::new("");
    world.node("n", 3000);
    world.whole("a", 3, 1000);
    world.settle();
    world.whole("b", 1, 1000);
    assert!(world.settle().is_empty());
    world.gone("a-1");
    world.add(member("a", 3, 1000, 0));
    world.wait(20);
    assert_eq!(world.bind_all(), ["a-3".to_owned()].into());
}

#[test]
fn a_scheduler_that_begins_anew_knows_the_gang_again() {
    let mut world = World::new("");
    let nodes = [("n0", 2000), ("n1", 2000)];
    for (name, milli_cpu) in nodes {
        world.node(name, milli_cpu);
    }
    world.whole("a", 4, 1000);
    world.whole("b", 4, 1000);
    world.run();
    assert_eq!((world.held(), world.binds.len()), (4, 4));
    // Two were bound before the old one ended; what it had assumed besides, nobody knows.
    let rest = world.binds.split_off(2);
    world.bind_all();
    assert_eq!(rest.len(), 2);
    let mut next = world.restarted(&[gang("a", 4), gang("b", 4)], &nodes);
    assert_eq!((next.record("a").placed, next.record("a").waiting), (2, 2));
    assert_eq!(next.settle(), rest.iter().map(|(pod, _)| pod.name.to_string()).collect(), "the broken one first");
    assert_eq!((next.held(), next.state("a")), (0, GangState::Placed));
}

#[test]
fn a_member_that_names_another_group_leaves_the_first() {
    let mut world = World::new("");
    world.node("n", 4000);
    world.apply(Event::PodGroup(gang("a", 2)));
    world.apply(Event::PodGroup(gang("b", 1)));
    world.members("a", 1, 1000);
    assert!(world.settle().is_empty());
    let moved = member("b", 0, 1000, 0);
    world.add(Arc::new(PodInfo { uid: "a-0".into(), ..PodInfo::clone(&moved) }));
    assert_eq!(world.settle(), ["b-0".to_owned()].into());
    assert_eq!(world.record("a").have, 0);
}

#[test]
fn profiles_that_change_hold_members_and_let_them_go() {
    let plain = || profiles("").expect("the configuration is valid");
    let with = || profiles(&config("")).expect("the configuration is valid");
    let mut world = World::new("");
    world.node("n", 2000);
    world.apply(Event::PodGroup(gang("a", 2)));
    world.members("a", 1, 1000);
    world.run();
    world.scheduler.set_profiles(plain(), world.now);
    world.is_sound();
    assert_eq!(world.settle(), names("a", 1), "it is a pod like any other now");
    world.add(pod("other", 2000, 0, None));
    world.add(member("a", 1, 9000, 0));
    world.run();
    world.scheduler.set_profiles(with(), world.now);
    world.is_sound();
    assert_eq!((world.record("a").placed, world.record("a").waiting), (1, 1));
    assert!(
        world.scheduler.queue().get("a-1").is_some_and(|(_, queued)| queued.gang.is_some()),
        "it stands for its gang"
    );
    world.wait(20);
    assert_eq!(world.state("a"), GangState::WaitsForRoom);
}

#[test]
fn a_try_that_fails_leaves_no_trace() {
    let mut world = World::new("");
    for name in ["n0", "n1", "n2"] {
        world.node(name, 2000);
        world.add(pod(&format!("on-{name}"), 500, -1, Some(name)));
        world.add(pod(&format!("also-on-{name}"), 100, -1, Some(name)));
    }
    let state = |world: &World| {
        let cluster = world.scheduler.engine().cluster();
        ["n0", "n1", "n2"].map(|name| {
            let info = cluster.node(name).expect("it is there");
            let pods: Vec<String> = info.pods.iter().map(|pod| pod.name.to_string()).collect();
            (pods, info.load.clone())
        })
    };
    let before = state(&world);
    world.whole("a", 9, 1000);
    world.add(member("a", 9, 1000, 0));
    let attempts = world.run();
    assert_eq!(attempts.len(), 1);
    assert_eq!(world.record("a").fits, Some(3));
    assert_eq!(state(&world), before, "the order of pods on a node counts for preemption");
    assert!(world.delete_victims().is_empty());
}
