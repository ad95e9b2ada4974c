use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::Engine;
use loadline_framework::{UsageKind, UsageSample, UsageSource};
use loadline_model::{Str, Time};

use super::{
    Ahead, Answer, Demand, Ending, Failure, Found, Looked, Machine, Order, Past, Phase, Readings, Replacement, Resumed,
    Room, Sighting, Task, achieved,
};
use crate::balance::{Ledger, Resource};
use crate::options::{Options, Strategy};
use crate::testing::{self, GI, NOW};

pub(super) const SECOND: Time = 1_000_000_000;

pub(super) fn options() -> Options {
    Options {
        max_moves_at_once: 2,
        evictions_per_second: 1.0,
        move_deadline: 300 * SECOND,
        cool_down: 600 * SECOND,
        interval: 30 * SECOND,
        ..Options::default()
    }
}

/// A move of a pod from a to b, which has an owner of its own.
pub(super) fn task(pod: &str) -> Task {
    Task {
        key: pod.into(),
        uid: pod.into(),
        owner: format!("shop/ReplicaSet/of-{pod}"),
        is_replaced: true,
        from: "a".into(),
        to: "b".into(),
        strategy: Strategy::LoadBalancing.as_str().to_owned(),
        gain: 10.0,
    }
}

fn seen(key: &str, room: Room, replacement: Option<Replacement>) -> BTreeMap<Str, Sighting> {
    BTreeMap::from([(key.into(), Sighting { room, replacement })])
}

fn on(node: &str, gain: f64) -> Replacement {
    Replacement { name: "new".into(), uid: "new".into(), node: Some(node.into()), is_running: true, gain }
}

/// A machine with one move whose room is held.
fn reserved() -> Machine {
    let mut machine = Machine::new(&options());
    assert_eq!(machine.accept(vec![task("m")], 0), [Order::Create("m".into())]);
    let reserve = Order::Reserve { key: "m".into(), is_due: false };
    assert_eq!(machine.created("m", Ok(()), 0), [reserve, Order::Write("m".into(), Phase::Reserved)]);
    machine
}

/// A machine with one move that is being evicted.
fn evicting() -> Machine {
    let mut machine = reserved();
    assert_eq!(machine.step(&BTreeMap::new(), 0), [Order::Look("m".into())]);
    assert_eq!(machine.looked("m", Looked::Fine, 0), [Order::Evict("m".into())]);
    machine
}

fn evicted() -> Machine {
    let mut machine = evicting();
    assert_eq!(machine.answered("m", Answer::Accepted, 0), [Order::Write("m".into(), Phase::Evicted)]);
    machine
}

/// How the move ends by these orders: the room is released first.
fn ending(orders: Vec<Order>) -> Ending {
    let [Order::Release(released), Order::End(key, ending)] = <[Order; 2]>::try_from(orders).expect("it ends") else {
        panic!("it does not end")
    };
    assert_eq!(released, key);
    ending
}

fn rests_for(machine: &Machine) -> Time {
    machine.owner_rests_until("shop/ReplicaSet/of-m").expect("it rests") / SECOND
}

#[test]
fn a_move_succeeds_when_the_replacement_runs_on_the_target() {
    let mut machine = evicted();
    assert_eq!(machine.step(&seen("m", Room::Open, None), SECOND), []);
    let pending = Replacement { node: None, is_running: false, ..on("b", 0.0) };
    assert_eq!(machine.step(&seen("m", Room::Used, Some(pending)), 2 * SECOND), []);
    let starts = Replacement { is_running: false, ..on("b", 0.0) };
    assert_eq!(machine.step(&seen("m", Room::Used, Some(starts)), 3 * SECOND), []);
    let ended = ending(machine.step(&seen("m", Room::Used, Some(on("b", 9.0))), 4 * SECOND));
    assert_eq!((ended.phase, ended.message.as_str()), (Phase::Succeeded, "new runs on b"));
    assert!(machine.is_idle());
    assert_eq!(rests_for(&machine), 604);
    let situation = machine.situation(&options(), 10 * SECOND, |_| false);
    assert!(situation.resting_owners.contains("shop/ReplicaSet/of-m"));
    assert_eq!(situation.resting_nodes, ["a".into(), "b".into()].into());
    let situation = machine.situation(&options(), 605 * SECOND, |_| false);
    assert!(situation.resting_owners.is_empty() && situation.resting_nodes.is_empty());
}

#[test]
fn a_marked_node_does_not_rest() {
    let mut machine = evicted();
    let situation = machine.situation(&options(), 0, |node| node == "a");
    assert_eq!(situation.resting_nodes, ["b".into()].into());
}

#[test]
fn moves_that_do_not_help_freeze_their_owner_for_longer_each_time_until_one_does() {
    let mut machine = Machine::new(&options());
    let mut now = 0;
    let mut run = |machine: &mut Machine, node: &str, gain: f64| {
        now += 1000 * SECOND;
        machine.accept(vec![task("m")], now);
        machine.created("m", Ok(()), now);
        machine.step(&BTreeMap::new(), now);
        machine.looked("m", Looked::Fine, now);
        machine.answered("m", Answer::Accepted, now);
        let ended = ending(machine.step(&seen("m", Room::Used, Some(on(node, gain))), now));
        (ended.phase, rests_for(machine) - now / SECOND)
    };
    // Back where it was, there and of no use, elsewhere and of no use; each is remembered.
    assert_eq!(run(&mut machine, "a", 0.0), (Phase::Elsewhere, 1200));
    assert_eq!(run(&mut machine, "b", 1.0), (Phase::Succeeded, 2400));
    assert_eq!(run(&mut machine, "c", 1.0), (Phase::Elsewhere, 4800));
    // Elsewhere and of use adds nothing and forgets nothing; the longer rest stays.
    assert_eq!(run(&mut machine, "c", 9.0), (Phase::Elsewhere, 3800));
    assert_eq!(run(&mut machine, "a", 0.0), (Phase::Elsewhere, 9600));
    assert_eq!(run(&mut machine, "b", 9.0).0, Phase::Succeeded);
    now += 20_000 * SECOND;
    machine.accept(vec![task("m")], now);
    let run = |machine: &mut Machine, node: &str, gain: f64| {
        machine.created("m", Ok(()), now);
        machine.step(&BTreeMap::new(), now);
        machine.looked("m", Looked::Fine, now);
        machine.answered("m", Answer::Accepted, now);
        ending(machine.step(&seen("m", Room::Used, Some(on(node, gain))), now));
        rests_for(machine) - now / SECOND
    };
    assert_eq!(run(&mut machine, "a", 0.0), 1200, "a success begins anew");
}

#[test]
fn the_longest_freeze_is_a_day() {
    let mut machine = Machine::new(&options());
    let past = Past { task: task("m"), phase: Phase::Elsewhere, was_evicted: true, gain: 0.0, node: Some("a".into()) };
    let all: Vec<(Past, Time)> = (0..40).map(|_| (past.clone(), 0)).collect();
    machine.remember(&all, 0);
    assert_eq!(rests_for(&machine), 24 * 3600);
}

#[test]
fn what_is_found_right_before_the_eviction_ends_the_move() {
    for failure in
        [Failure::PodGone, Failure::PodChanged, Failure::RoomLost, Failure::TargetGone, Failure::DisruptionBudget]
    {
        let mut machine = reserved();
        machine.step(&BTreeMap::new(), 0);
        let ended = ending(machine.looked("m", Looked::Not(failure), 0));
        assert_eq!(ended.phase, Phase::Failed(failure));
        // Nothing was evicted: the owner rests for a moment, no node does.
        assert_eq!(rests_for(&machine), 60);
        assert!(machine.situation(&options(), SECOND, |_| false).resting_nodes.is_empty());
    }
}

#[test]
fn an_owner_that_rolls_out_is_looked_at_three_times() {
    let mut machine = reserved();
    for look in 0..2 {
        let now = look * 10 * SECOND;
        assert_eq!(machine.step(&BTreeMap::new(), now), [Order::Look("m".into())]);
        assert_eq!(machine.looked("m", Looked::Not(Failure::RollingOut), now), []);
        assert_eq!(machine.step(&BTreeMap::new(), now + 9 * SECOND), []);
    }
    machine.step(&BTreeMap::new(), 20 * SECOND);
    let ended = ending(machine.looked("m", Looked::Not(Failure::RollingOut), 20 * SECOND));
    assert_eq!(ended.phase, Phase::Failed(Failure::RollingOut));
}

#[test]
fn room_that_is_taken_meanwhile_ends_the_move() {
    for room in [Room::Lost, Room::Used, Room::None] {
        let mut machine = reserved();
        assert_eq!(ending(machine.step(&seen("m", room, None), 0)).phase, Phase::Failed(Failure::RoomLost));
    }
}

#[test]
fn a_budget_ends_the_move_and_its_owner_is_left_alone_for_as_long_as_is_asked_for() {
    let mut machine = evicting();
    let ended = ending(machine.answered("m", Answer::Budget(Some(100 * SECOND)), 0));
    assert_eq!(ended.phase, Phase::Failed(Failure::DisruptionBudget));
    assert_eq!(rests_for(&machine), 100);
    let mut machine = evicting();
    ending(machine.answered("m", Answer::Budget(None), 0));
    assert_eq!(rests_for(&machine), 60);
}

#[test]
fn a_busy_api_server_is_asked_again_when_it_says() {
    let mut machine = evicting();
    assert_eq!(machine.answered("m", Answer::Busy(5 * SECOND), 0), []);
    assert_eq!(machine.step(&BTreeMap::new(), 4 * SECOND), []);
    assert_eq!(machine.step(&BTreeMap::new(), 5 * SECOND), [Order::Look("m".into())]);
}

#[test]
fn other_answers_end_the_move() {
    let table = [
        (Answer::Gone, Failure::PodGone),
        (Answer::Changed, Failure::PodChanged),
        (Answer::Refused("webhook".to_owned()), Failure::Error),
    ];
    for (answer, failure) in table {
        assert_eq!(ending(evicting().answered("m", answer, 0)).phase, Phase::Failed(failure));
    }
}

#[test]
fn after_a_lost_answer_the_pod_is_looked_up() {
    let mut machine = evicting();
    assert_eq!(machine.answered("m", Answer::Lost("?".to_owned()), 0), []);
    assert_eq!(machine.step(&BTreeMap::new(), 0), []);
    assert_eq!(machine.step(&BTreeMap::new(), SECOND), [Order::LookUp("m".into())]);
    assert_eq!(machine.found("m", Found::Unknown, SECOND), []);
    assert_eq!(machine.step(&BTreeMap::new(), 2 * SECOND), [Order::LookUp("m".into())]);
    assert_eq!(machine.found("m", Found::Leaving, 2 * SECOND), [Order::Write("m".into(), Phase::Evicted)]);

    // Still there, it is asked for again, and not for ever.
    let mut machine = evicting();
    for look in 1..4 {
        let now = look * 10 * SECOND;
        machine.answered("m", Answer::Lost("?".to_owned()), now);
        machine.step(&BTreeMap::new(), now + SECOND);
        let orders = machine.found("m", Found::There, now + SECOND);
        if look == 3 {
            assert_eq!(ending(orders).phase, Phase::Failed(Failure::Error));
        } else {
            assert_eq!(machine.step(&BTreeMap::new(), now + 2 * SECOND), [Order::Look("m".into())]);
            assert_eq!(machine.looked("m", Looked::Fine, now + 2 * SECOND), [Order::Evict("m".into())]);
        }
    }
    // By the one whose answer was lost.
    let mut machine = evicting();
    machine.answered("m", Answer::Lost("?".to_owned()), 0);
    machine.step(&BTreeMap::new(), SECOND);
    machine.found("m", Found::There, SECOND);
    machine.step(&BTreeMap::new(), SECOND);
    machine.looked("m", Looked::Fine, SECOND);
    assert_eq!(machine.answered("m", Answer::Gone, SECOND), [Order::Write("m".into(), Phase::Evicted)]);
}

#[test]
fn every_move_ends_at_its_deadline() {
    let late = 300 * SECOND;
    let cases: [(Machine, Option<Replacement>, &str); 3] = [
        (evicted(), None, "nothing has taken its place in time"),
        (evicted(), Some(Replacement { node: None, is_running: false, ..on("b", 0.0) }), "new has no node in time"),
        (evicted(), Some(Replacement { is_running: false, ..on("c", 0.0) }), "new does not run on c in time"),
    ];
    for (mut machine, replacement, message) in cases {
        let seen = seen("m", Room::Open, replacement);
        assert_eq!(machine.step(&seen, late - 1), []);
        let ended = ending(machine.step(&seen, late));
        assert_eq!((ended.phase, ended.message.as_str()), (Phase::Failed(Failure::Deadline), message));
        assert_eq!(rests_for(&machine), 300 + 1200);
    }
    let mut machine = reserved();
    assert_eq!(ending(machine.step(&BTreeMap::new(), late)).phase, Phase::Failed(Failure::Deadline));
    let mut machine = evicting();
    machine.answered("m", Answer::Lost("?".to_owned()), late);
    assert_eq!(ending(machine.step(&BTreeMap::new(), late)).phase, Phase::Failed(Failure::Deadline));
}

#[test]
fn a_replacement_that_is_gone_ends_the_move() {
    let ended = ending(evicted().step(&seen("m", Room::Used, None), SECOND));
    assert_eq!(ended.phase, Phase::Failed(Failure::PodGone));
}

#[test]
fn nothing_is_awaited_in_the_place_of_a_bare_pod() {
    let mut machine = Machine::new(&options());
    let bare = Task { is_replaced: false, ..task("m") };
    machine.accept(vec![bare], 0);
    machine.created("m", Ok(()), 0);
    machine.step(&BTreeMap::new(), 0);
    machine.looked("m", Looked::Fine, 0);
    machine.answered("m", Answer::Accepted, 0);
    assert_eq!(ending(machine.step(&BTreeMap::new(), 0)).phase, Phase::Succeeded);
}

#[test]
fn no_more_are_under_way_than_may_be_and_evictions_keep_their_pace() {
    let mut machine = Machine::new(&options());
    let orders = machine.accept(vec![task("x"), task("y"), task("z")], 0);
    assert_eq!(orders, [Order::Create("x".into()), Order::Create("y".into())]);
    assert_eq!(machine.free(), 0);
    assert_eq!(machine.accept(vec![task("z")], 0), []);
    for key in ["x", "y"] {
        machine.created(key, Ok(()), 0);
    }
    assert_eq!(machine.step(&BTreeMap::new(), 0), [Order::Look("x".into())], "one at a time is looked at");
    machine.looked("x", Looked::Fine, 0);
    assert_eq!(machine.step(&BTreeMap::new(), 2 * SECOND), [], "an answer is awaited");
    machine.answered("x", Answer::Accepted, 0);
    assert_eq!(machine.step(&BTreeMap::new(), SECOND - 1), []);
    assert_eq!(machine.step(&BTreeMap::new(), SECOND), [Order::Look("y".into())]);
}

#[test]
fn pods_of_one_owner_go_one_after_the_other() {
    let mut machine = Machine::new(&options());
    let sibling = Task { owner: task("x").owner, ..task("y") };
    machine.accept(vec![task("x"), sibling], 0);
    for key in ["x", "y"] {
        machine.created(key, Ok(()), 0);
    }
    machine.step(&BTreeMap::new(), 0);
    machine.looked("x", Looked::Fine, 0);
    machine.answered("x", Answer::Accepted, 0);
    assert_eq!(machine.step(&BTreeMap::new(), 10 * SECOND), []);
    let orders = machine.step(&seen("x", Room::Used, Some(on("b", 9.0))), 10 * SECOND);
    assert_eq!(orders.last(), Some(&Order::Look("y".into())), "{orders:?}");
}

#[test]
fn an_object_that_can_not_be_created_leaves_nothing_behind() {
    let mut machine = Machine::new(&options());
    machine.accept(vec![task("m")], 0);
    let orders = machine.created("m", Err("forbidden".to_owned()), 0);
    assert!(matches!(&orders[..], [Order::End(_, ending)] if ending.message == "forbidden"), "{orders:?}");
    assert!(machine.is_idle());
    // It is not tried again at once.
    assert_eq!(rests_for(&machine), 60);
}

#[test]
fn when_moves_are_no_longer_wanted_what_is_not_evicted_is_given_up() {
    let mut machine = reserved();
    machine.set_options(&options(), true);
    assert_eq!(machine.free(), 0);
    assert_eq!(ending(machine.step(&BTreeMap::new(), 0)).phase, Phase::Failed(Failure::Stopped));
    let mut machine = reserved();
    machine.step(&BTreeMap::new(), 0);
    machine.set_options(&options(), true);
    assert_eq!(ending(machine.looked("m", Looked::Fine, 0)).phase, Phase::Failed(Failure::Stopped));
    // The rest is seen to its end.
    let mut machine = evicted();
    machine.set_options(&options(), true);
    assert_eq!(machine.step(&seen("m", Room::Open, None), 0), []);
    assert_eq!(ending(machine.step(&seen("m", Room::Used, Some(on("b", 9.0))), 0)).phase, Phase::Succeeded);
}

#[test]
fn after_a_restart_moves_go_on_where_they_were() {
    let resume = |phase, left| {
        let mut machine = Machine::new(&options());
        let orders = machine.resume(vec![Resumed { task: task("m"), phase, left }], 0);
        (machine, orders)
    };
    let reserve = |is_due| vec![Order::Reserve { key: "m".into(), is_due }];
    for phase in [Phase::Planned, Phase::Reserved] {
        let (mut machine, orders) = resume(phase, 100 * SECOND);
        assert_eq!(orders, reserve(false));
        assert_eq!(machine.step(&seen("m", Room::Open, None), 0), [Order::Look("m".into())]);
    }
    let (mut machine, orders) = resume(Phase::Evicting, 100 * SECOND);
    assert_eq!(orders, reserve(true));
    assert_eq!(machine.step(&BTreeMap::new(), 0), [Order::LookUp("m".into())]);
    assert_eq!(machine.found("m", Found::Leaving, 0), [Order::Write("m".into(), Phase::Evicted)]);
    let (mut machine, orders) = resume(Phase::Evicted, 100 * SECOND);
    assert_eq!(orders, reserve(true));
    assert_eq!(ending(machine.step(&seen("m", Room::Used, Some(on("b", 9.0))), 0)).phase, Phase::Succeeded);
    // Its time was up while nobody led.
    let (mut machine, _) = resume(Phase::Reserved, -SECOND);
    assert_eq!(ending(machine.step(&BTreeMap::new(), 0)).phase, Phase::Failed(Failure::Deadline));
    let (machine, orders) = resume(Phase::Succeeded, 0);
    assert!(machine.is_idle() && orders.is_empty());
}

#[test]
fn names_of_phases_are_read_as_they_are_written() {
    let over = Failure::ALL.map(Phase::Failed);
    let phases = [Phase::Planned, Phase::Reserved, Phase::Evicting, Phase::Evicted, Phase::Succeeded, Phase::Elsewhere];
    for phase in phases.into_iter().chain(over) {
        let reason = if let Phase::Failed(failure) = phase { failure.as_str() } else { "" };
        assert_eq!(Phase::parse(phase.as_str(), reason), phase);
    }
    assert_eq!(Phase::parse("", ""), Phase::Planned);
    assert_eq!(Phase::parse("Failed", "of a later version"), Phase::Failed(Failure::Error));
}

/// A ledger of two nodes with so many tenths of their cpu and memory used.
fn ledger(a: i64, b: i64) -> Ledger {
    let nodes = [testing::node("a", &[]), testing::node("b", &[])];
    let pods = [testing::pod("x-0", "a", a, a), testing::pod("y-0", "b", b, b)];
    Ledger::new(&mut testing::engine(&nodes, &pods))
}

#[test]
fn a_node_counts_once_it_was_bad_for_long_enough() {
    let options = Options { readings: 3, imbalance_threshold: 20.0, ..Options::default() };
    let mut readings = Readings::default();
    let unconfirmed =
        |readings: &Readings| readings.unconfirmed(&options).iter().map(Str::to_string).collect::<Vec<_>>();
    for _ in 0..2 {
        readings.read(&ledger(5, 1), &options);
        assert_eq!(unconfirmed(&readings), ["a", "b"]);
    }
    readings.read(&ledger(5, 1), &options);
    assert_eq!(unconfirmed(&readings), ["b"]);
    // One good reading, and it begins anew.
    readings.read(&ledger(3, 1), &options);
    readings.read(&ledger(5, 1), &options);
    assert_eq!(unconfirmed(&readings), ["a", "b"]);
}

#[test]
fn relief_begins_above_the_high_mark_and_ends_at_the_low_one() {
    let strategies = vec![Strategy::ResourceOptimization];
    let options = Options { readings: 2, strategies, ..Options::default() };
    let mut readings = Readings::default();
    let mut after = |tenths| {
        readings.read(&ledger(tenths, 1), &options);
        readings.relieving().len()
    };
    assert_eq!(after(9), 0, "it may be over soon");
    assert_eq!(after(9), 2, "of both resources");
    assert_eq!(after(8), 2, "between the marks it goes on");
    assert_eq!(after(7), 0);
    assert_eq!(after(8), 0, "between the marks nothing begins");
}

#[test]
fn relief_that_began_ahead_ends_at_the_low_mark_too() {
    let options = Options { readings: 3, strategies: vec![Strategy::ResourceOptimization], ..Options::default() };
    let mut readings = Readings::default();
    readings.begin([("a".into(), Resource::Cpu)].into());
    let mut after = |tenths| {
        readings.read(&ledger(tenths, 1), &options);
        readings.relieving().iter().map(|(_, resource)| *resource).collect::<Vec<_>>()
    };
    assert_eq!((after(8), after(7), after(8)), (vec![Resource::Cpu], vec![], vec![]));
}

/// Nodes with a hundred of both resources, of which so much is requested.
fn demands(of: &[(&str, i64, i64)]) -> Vec<(Str, Demand)> {
    of.iter().map(|(node, cpu, memory)| ((*node).into(), [Some((*cpu, 100)), Some((*memory, 100))])).collect()
}

#[test]
fn pods_take_a_node_above_a_mark() {
    let options = Options { cpu_threshold: 50.0, memory_threshold: 50.0, ..Options::default() };
    let mut ahead = Ahead::default();
    let mut look = |of: &[(&str, i64, i64)]| ahead.look(demands(of), &options);
    assert!(look(&[("a", 90, 10), ("b", 50, 10)]).is_empty(), "nobody knows since when");
    let now = look(&[("a", 95, 10), ("b", 50, 10), ("c", 99, 99)]);
    assert!(now.is_empty(), "one was above before, one came with its pods");
    // In the other resource, and while it is above a mark already.
    let now = look(&[("a", 95, 51), ("b", 51, 10), ("c", 99, 99)]);
    assert_eq!(now, [("a".into(), Resource::Memory), ("b".into(), Resource::Cpu)].into());
    assert!(look(&[("a", 95, 51), ("b", 50, 10), ("c", 99, 99)]).is_empty(), "it was told");
    assert_eq!(look(&[("a", 95, 51), ("b", 51, 10)]), [("b".into(), Resource::Cpu)].into());
    // A node that is gone is forgotten.
    look(&[("a", 95, 51)]);
    assert!(look(&[("a", 95, 51), ("b", 90, 90)]).is_empty());
}

#[test]
fn nothing_but_pods_takes_a_node_above_a_mark() {
    let options = Options { cpu_threshold: 80.0, memory_threshold: 80.0, ..Options::default() };
    let mut ahead = Ahead::default();
    ahead.look(demands(&[("a", 60, 60), ("b", 60, 60)]), &options);
    let lower = Options { cpu_threshold: 50.0, ..options.clone() };
    assert!(ahead.look(demands(&[("a", 60, 60), ("b", 60, 60)]), &lower).is_empty(), "a mark was lowered");
    let mut look = |demand: Demand| ahead.look(vec![("a".into(), demand)], &options);
    assert!(look([Some((60, 70)), Some((60, 70))]).is_empty(), "the node has become smaller");
    // What is measured passes no mark before it is measured; the other resource does.
    look([None, Some((60, 100))]);
    assert!(look([Some((90, 100)), Some((60, 100))]).is_empty(), "nobody knows what was requested before");
    assert_eq!(look([None, Some((81, 100))]), [("a".into(), Resource::Memory)].into());
}

#[test]
fn demands_are_the_requests_of_what_is_not_measured() {
    let nodes = [testing::node("a", &[]), testing::node("b", &[])];
    let pods = [testing::pod("x-0", "a", 3, 4)];
    let mut engine = testing::engine(&nodes, &pods);
    let tenth = 1000;
    let by_name = |engine: &mut Engine| {
        let mut found = super::demands(engine);
        found.sort_unstable();
        found
    };
    let of = |cpu: i64, memory: i64| [Some((cpu * tenth, 10 * tenth)), Some((memory * GI, 10 * GI))];
    assert_eq!(by_name(&mut engine), [("a".into(), of(3, 4)), ("b".into(), of(0, 0))]);
    let source = Arc::new(UsageSource::of_file(UsageKind::Memory));
    engine.keep_usage(&source);
    let sample = UsageSample { milli_percent: 1, at: NOW, window_seconds: None };
    engine.hear_usage(&source, NOW, Some(vec![("a".into(), sample)]));
    assert_eq!(by_name(&mut engine), [("a".into(), [of(3, 4)[0], None]), ("b".into(), of(0, 0))]);
}

#[test]
fn what_was_achieved_is_measured_with_everything_else_as_it_is() {
    let pod = testing::pod("x-1", "b", 1, 1);
    // The pod is on b, which has 4 tenths with it; a has 5 without it. Back on a they would be 6 and 3 tenths.
    let now = ledger(5, 4);
    assert!((achieved(&now, "LoadBalancing", &pod, "a", "b") - 20.0).abs() < 1e-9);
    assert!((achieved(&now, "ResourceOptimization", &pod, "a", "b") - 10.0).abs() < 1e-9);
    assert!(achieved(&now, "LoadBalancing", &pod, "a", "a").abs() < 1e-9);
    // Somebody else has filled b meanwhile: the move has made it worse.
    assert!(achieved(&ledger(2, 8), "LoadBalancing", &pod, "a", "b") < 0.0);
}
