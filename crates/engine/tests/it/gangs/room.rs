//! Room for gangs: quick refusals, topologies, preemption, and the reservation of the first in line.

use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_engine::Event;
use loadline_framework::record::GangState;
use loadline_model::{
    Affinity, Effect, Labels, NamespaceMatch, NodeSpec, Operator, PodAffinityTerm, PodGroupInfo, PodInfo, PodMatcher,
    Requirement, Resources, Selector, Str, Taint,
};

use super::world::{SECOND, World, gang, member, names};
use crate::preemption::{cpu, pod};

fn needs(name: &str, minimum: u32, milli_cpu: i64) -> PodGroupInfo {
    let min_resources = Some(Arc::new(Resources { milli_cpu, ..Resources::default() }));
    PodGroupInfo { min_resources, ..gang(name, minimum) }
}

#[test]
fn min_resources_count_what_is_free_where_the_pods_may_go() {
    let mut world = World::new("");
    world.node("n", 4000);
    // Room that no pod of the gang may have.
    let taint = Taint { key: "k".into(), value: Str::default(), effect: Effect::NoSchedule };
    let tainted = NodeSpec {
        name: "tainted".into(),
        allocatable: cpu(9000),
        allowed_pods: 100,
        taints: [taint].into(),
        ..NodeSpec::default()
    };
    world.apply(Event::Node(Arc::new(tainted)));
    world.add(pod("there", 1000, 0, Some("n")));
    world.apply(Event::PodGroup(needs("a", 2, 3500)));
    world.members("a", 2, 1000);
    let attempts = world.run();
    assert_eq!(attempts.len(), 1);
    let record = world.record("a");
    assert_eq!((record.state, record.fits), (GangState::WaitsForRoom, None), "nothing was tried");
    let text = "the nodes that its pods may go to are short of cpu 500m for its minResources";
    assert_eq!(record.message, text);
    world.gone("there");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn members_that_finished_have_had_their_share_of_min_resources() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.apply(Event::PodGroup(needs("a", 2, 2000)));
    world.members("a", 2, 1000);
    world.settle();
    world.finish("a-0");
    world.gone("a-1");
    world.add(pod("other", 1000, 0, None));
    world.run();
    world.bind_all();
    world.add(member("a", 2, 1000, 0));
    assert_eq!(world.settle(), ["a-2".to_owned()].into());
}

#[test]
fn min_resources_respect_selectors() {
    let mut world = World::new("");
    world.labelled_node("gpu", 2000, &[("kind", "gpu")]);
    world.labelled_node("plain", 9000, &[]);
    world.apply(Event::PodGroup(needs("a", 2, 3000)));
    for number in 0..2 {
        let node_selector: Labels = [("kind", "gpu")].into_iter().collect();
        let one = PodInfo::clone(&member("a", number, 1000, 0));
        world.add(Arc::new(PodInfo { node_selector, ..one }));
    }
    world.run();
    assert_eq!((world.record("a").fits, world.held()), (None, 0));
    // Without the label the same pods would fit.
    world.labelled_node("gpu", 4000, &[("kind", "gpu")]);
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

fn racks(world: &mut World, racks: &[(&str, &[i64])]) {
    for (rack, nodes) in racks {
        for (number, milli_cpu) in nodes.iter().enumerate() {
            world.labelled_node(&format!("{rack}{number}"), *milli_cpu, &[("rack", rack)]);
        }
    }
}

fn racks_of(world: &World) -> BTreeSet<char> {
    world.binds.iter().filter_map(|(_, node)| node.chars().next()).collect()
}

#[test]
fn a_gang_is_kept_to_the_smallest_domain_that_takes_it() {
    let mut world = World::new("");
    racks(&mut world, &[("a", &[9000, 9000]), ("b", &[2000, 2000]), ("c", &[1000, 1000])]);
    let required = |name: &str, minimum| PodGroupInfo { required_topology: Some("rack".into()), ..gang(name, minimum) };
    world.apply(Event::PodGroup(required("x", 4)));
    world.members("x", 4, 1000);
    world.run();
    assert_eq!(racks_of(&world), ['b'].into());
    world.bind_all();
    assert_eq!(world.record("x").placed, 4);
    // It stays there, though there is room elsewhere.
    world.gone("x-1");
    world.add(member("x", 4, 1500, 0));
    assert!(world.settle().is_empty());
    assert_eq!(world.record("x").domain.as_deref(), Some("rack=b"));
    world.add(member("x", 5, 1000, 0));
    world.wait(20);
    assert_eq!(racks_of(&world), ['b'].into());
}

#[test]
fn a_gang_that_no_domain_takes_waits_where_the_topology_is_required_and_spreads_where_it_is_wished_for() {
    for (required, placed) in [(true, 0), (false, 3)] {
        let mut world = World::new("");
        racks(&mut world, &[("a", &[1000, 1000]), ("b", &[1000, 1000])]);
        let key = Some(Str::from("rack"));
        let group = gang("x", 3);
        let group = if required {
            PodGroupInfo { required_topology: key, ..group }
        } else {
            PodGroupInfo { preferred_topology: key, ..group }
        };
        world.apply(Event::PodGroup(group));
        world.members("x", 3, 1000);
        world.run();
        assert_eq!(world.binds.len(), placed);
    }
    let mut world = World::new("");
    racks(&mut world, &[("a", &[1000, 1000]), ("b", &[2000, 1000])]);
    world.apply(Event::PodGroup(PodGroupInfo { preferred_topology: Some("rack".into()), ..gang("x", 3) }));
    world.members("x", 3, 1000);
    world.run();
    assert_eq!(racks_of(&world), ['b'].into(), "the wish is met where it can be");
}

#[test]
fn a_gang_preempts_for_all_of_its_members_at_once() {
    let mut world = World::new("");
    for name in ["n0", "n1", "n2"] {
        world.node(name, 1000);
    }
    for (number, name) in ["n0", "n1", "n2"].into_iter().enumerate() {
        world.add(pod(&format!("low-{number}"), 1000, number as i32, Some(name)));
    }
    world.whole_of("a", 2, 1000, 10);
    world.run();
    assert_eq!(world.state("a"), GangState::Preempting);
    assert_eq!(world.held(), 0);
    assert_eq!(world.delete_victims(), ["low-0".to_owned(), "low-1".to_owned()].into(), "the least that is enough");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn nobody_is_deleted_for_a_gang_that_does_not_fit_even_so() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.add(pod("low", 1000, 0, Some("n")));
    world.whole_of("a", 3, 1000, 10);
    world.run();
    assert_eq!(world.state("a"), GangState::WaitsForRoom);
    assert!(world.delete_victims().is_empty());
}

#[test]
fn while_victims_are_leaving_no_others_are_asked() {
    let mut world = World::new("");
    world.node("n", 2000);
    world.add(pod("low-0", 1000, 0, Some("n")));
    world.add(pod("low-1", 1000, 0, Some("n")));
    world.whole_of("a", 2, 1000, 10);
    world.run();
    for name in ["low-0", "low-1"] {
        world.scheduler.leaves(&name.into(), world.now);
    }
    world.told.clear();
    world.add(member("a", 2, 1000, 10));
    world.wait(20);
    assert!(world.delete_victims().is_empty());
    assert!(world.record("a").message.ends_with("waits for 2 pods that were asked to go"));
}

#[test]
fn members_do_not_preempt_each_other() {
    let mut world = World::new("");
    world.node("n", 1000);
    world.apply(Event::PodGroup(gang("a", 1)));
    world.add(member("a", 0, 1000, 0));
    world.settle();
    world.add(member("a", 1, 1000, 10));
    world.run();
    assert!(world.delete_victims().is_empty());
}

#[test]
fn a_gang_is_not_broken_while_others_can_go() {
    let mut world = World::new("");
    for name in ["n0", "n1", "n2", "n3"] {
        world.node(name, 1000);
    }
    // Three run where two are enough, of the lowest priority.
    world.apply(Event::PodGroup(gang("old", 2)));
    for number in 0..3 {
        world.add(member("old", number, 1000, -5));
    }
    world.settle();
    let free = ["n0", "n1", "n2", "n3"]
        .into_iter()
        .find(|name| world.scheduler.engine().cluster().node(name).is_some_and(|info| info.pods.is_empty()));
    world.add(pod("single", 1000, 5, free));
    world.whole_of("a", 2, 1000, 10);
    world.run();
    let victims = world.delete_victims();
    assert!(victims.contains("single"), "{victims:?}");
    assert_eq!((victims.len(), world.record("old").placed), (2, 2), "one of the gang can be spared, and goes");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn a_gang_that_has_to_be_broken_goes_whole() {
    let mut world = World::new("");
    for name in ["n0", "n1", "n2"] {
        world.node(name, 1000);
    }
    world.whole_of("old", 3, 1000, 0);
    world.settle();
    world.whole_of("a", 2, 1000, 10);
    world.run();
    assert_eq!(world.delete_victims(), names("old", 3));
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn a_gang_that_nobody_may_break_is_left_alone() {
    let mut world = World::new("");
    for name in ["n0", "n1"] {
        world.node(name, 1000);
    }
    world.apply(Event::PodGroup(gang("old", 2)));
    world.add(member("old", 0, 1000, 0));
    world.add(member("old", 1, 1000, 20));
    world.settle();
    world.whole_of("a", 1, 1000, 10);
    world.run();
    assert!(world.delete_victims().is_empty(), "its other member is of a higher priority");
}

#[test]
fn the_first_in_line_gets_what_others_leave() {
    let mut world = World::new("reserveAfterSeconds: 60, reserveForSeconds: 100");
    world.node("n0", 1000);
    world.node("n1", 1000);
    let small = |number: usize| pod(&format!("small-{number}"), 1000, 0, None);
    world.add(small(0));
    world.add(small(1));
    world.settle();
    world.whole("a", 2, 1000);
    world.run();
    assert_eq!(world.record("a").reserved_seconds, None);
    // One leaves, and another comes: the gang would wait for ever.
    world.gone("small-0");
    world.add(small(2));
    world.wait(20);
    assert_eq!(world.bind_all(), ["small-2".to_owned()].into());
    world.wait(60);
    assert!(world.record("a").reserved_seconds.is_some(), "{:?}", world.record("a"));
    assert_eq!(world.held(), 0, "nothing is assumed by it");
    world.gone("small-1");
    world.add(small(3));
    world.wait(20);
    assert!(world.bind_all().is_empty(), "what was left is kept");
    world.gone("small-2");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
    assert_eq!(world.record("a").reserved_seconds, None);
    assert_eq!(world.scheduler.engine().nominator().nodes().count(), 0);
}

#[test]
fn a_gang_whose_victims_take_their_time_is_not_tried_over_and_over() {
    let mut world = World::new("reserveAfterSeconds: 60");
    world.node("n", 2000);
    world.add(pod("low-0", 2000, 0, None));
    world.settle();
    world.apply(Event::PodGroup(gang("a", 2)));
    for number in 0..2 {
        world.add(member("a", number, 1000, 100));
    }
    world.run();
    assert_eq!(world.state("a"), GangState::Preempting);
    // The victim has a long grace period: its deletion begins, and does not end.
    let victim = PodInfo { deleted: Some(world.now), preempted: true, ..PodInfo::clone(&world.pods["low-0"]) };
    world.apply(Event::Pod(Arc::new(victim)));
    world.wait(300);
    let before = world.run().len();
    for _ in 0..20 {
        world.now += 1_000_000;
        assert!(world.run().is_empty(), "it is tried again and again ({before})");
    }
}

#[test]
fn a_reservation_ends_and_the_next_gang_has_its_turn() {
    let mut world = World::new("reserveAfterSeconds: 60, reserveForSeconds: 100");
    world.node("n", 2000);
    world.add(pod("long", 1000, 0, Some("n")));
    world.whole("a", 2, 1000);
    world.whole("b", 2, 1000);
    world.run();
    world.wait(61);
    assert!(world.record("a").reserved_seconds.is_some());
    assert!(world.record("b").reserved_seconds.is_none());
    world.add(pod("small", 1000, 0, None));
    world.wait(20);
    assert!(world.bind_all().is_empty(), "room is kept");
    world.wait(90);
    world.wait(20);
    assert_eq!(world.bind_all(), ["small".to_owned()].into(), "room was kept for long enough");
    world.wait(40);
    assert!(world.record("a").reserved_seconds.is_none());
    assert!(world.record("b").reserved_seconds.is_some(), "{:?}", world.record("b"));
}

#[test]
fn a_gang_that_never_fits_keeps_no_room() {
    let mut world = World::new("reserveAfterSeconds: 60");
    world.node("n", 2000);
    world.add(pod("long", 1000, 0, Some("n")));
    world.whole("a", 3, 1000);
    world.whole("b", 2, 1000);
    world.run();
    world.wait(61);
    assert!(world.record("a").reserved_seconds.is_none());
    let text = "it would not fit either if all pods of its priority and below were gone";
    assert!(world.record("a").message.ends_with(text), "{}", world.record("a").message);
    world.wait(1);
    assert!(world.record("b").reserved_seconds.is_some(), "the next one has its turn at once");
    assert!(world.scheduler.next_wakeup(world.now).is_some_and(|at| at > world.now - SECOND));
}

#[test]
fn a_mixed_gang_is_woken_by_room_for_any_of_its_members() {
    let mut world = World::new("");
    world.labelled_node("left", 1000, &[("side", "left")]);
    world.labelled_node("right", 1000, &[("side", "right")]);
    world.add(pod("there", 1000, 0, Some("right")));
    world.apply(Event::PodGroup(gang("a", 2)));
    // One may go anywhere, the other to the left alone: room on the right helps the one, and with it the other.
    let left: Labels = [("side", "left")].into_iter().collect();
    let one = PodInfo::clone(&member("a", 0, 1000, 0));
    world.add(Arc::new(PodInfo { node_selector: left, ..one }));
    world.add(member("a", 1, 1000, 5));
    world.run();
    assert_eq!(world.record("a").fits, Some(1));
    world.gone("there");
    world.wait(20);
    assert_eq!(world.bind_all(), names("a", 2));
}

#[test]
fn a_member_that_follows_another_is_placed_after_it() {
    // It wants to be where the other is, and comes first by priority.
    let mut world = World::new("");
    world.labelled_node("n", 4000, &[("host", "n")]);
    world.apply(Event::PodGroup(gang("a", 2)));
    let labels = Arc::new([("app", "first")].into_iter().collect::<Labels>());
    let first = PodInfo::clone(&member("a", 0, 1000, 0));
    let term = PodAffinityTerm {
        pods: PodMatcher {
            namespaces: NamespaceMatch { names: ["default".into()].into(), selector: Selector::Nothing },
            selector: Selector::all(vec![Requirement::new("app".into(), Operator::In, vec!["first".into()])]),
        },
        topology_key: "host".into(),
    };
    let affinity = Some(Arc::new(Affinity { pod_required: [term].into(), ..Affinity::default() }));
    let second = PodInfo::clone(&member("a", 1, 1000, 5));
    world.add(Arc::new(PodInfo { affinity, ..second }));
    world.add(Arc::new(PodInfo { labels, ..first }));
    assert_eq!(world.settle(), names("a", 2));
}
