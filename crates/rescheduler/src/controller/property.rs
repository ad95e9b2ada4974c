//! Whatever happens, in whatever order, some things hold.

use std::collections::{BTreeMap, BTreeSet};

use loadline_model::{Str, Time};
use proptest::prelude::*;

use super::tests::{SECOND, options, task};
use super::{Answer, Failure, Found, Looked, Machine, Order, Replacement, Room, Sighting};

/// Something that happens: what, to which move, in which of several ways.
type Event = (u8, u8, u8);

/// The world of a machine, as far as it is asked and told.
struct World {
    machine: Machine,
    now: Time,
    /// Orders that are to be answered.
    open: Vec<Order>,
    /// Pod of each move that is not over.
    pods: BTreeMap<Str, Str>,
    /// Rooms that are held.
    held: BTreeSet<Str>,
    evictions: Vec<Time>,
    evicted: BTreeMap<Str, usize>,
    planned: usize,
    ended: usize,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(&options()),
            now: 0,
            open: Vec::new(),
            pods: BTreeMap::new(),
            held: BTreeSet::new(),
            evictions: Vec::new(),
            evicted: BTreeMap::new(),
            planned: 0,
            ended: 0,
        }
    }

    fn take(&mut self, orders: Vec<Order>) {
        for order in orders {
            match &order {
                Order::Create(key) => {
                    let pod = key.split('-').next().expect("it has one").into();
                    assert!(!self.pods.values().any(|other| *other == pod), "two moves of one pod");
                    self.pods.insert(key.clone(), pod);
                    assert!(self.pods.len() <= options().max_moves_at_once);
                    self.open.push(order);
                }
                Order::Reserve { key, .. } => assert!(self.held.insert(key.clone()), "held twice"),
                Order::Release(key) => assert!(self.held.remove(key), "released and not held"),
                Order::Evict(key) => {
                    if let Some(last) = self.evictions.last() {
                        assert!(self.now - last >= SECOND, "two evictions within a second");
                    }
                    assert!(self.held.contains(key), "evicted without room");
                    self.evictions.push(self.now);
                    *self.evicted.entry(key.clone()).or_default() += 1;
                    self.open.push(order);
                }
                Order::Look(_) | Order::LookUp(_) => self.open.push(order),
                Order::Write(key, phase) => {
                    assert!(self.pods.contains_key(key) && !phase.is_over());
                }
                Order::End(key, ending) => {
                    assert!(ending.phase.is_over());
                    assert!(self.pods.remove(key).is_some(), "ended twice");
                    assert!(!self.held.contains(key), "ended and not released");
                    self.ended += 1;
                }
            }
        }
        assert_eq!(self.machine.held(), self.held);
    }

    fn answer(&mut self, which: u8, how: u8) {
        if self.open.is_empty() {
            return;
        }
        let order = self.open.remove(usize::from(which) % self.open.len());
        let (machine, now) = (&mut self.machine, self.now);
        let orders = match order {
            Order::Create(key) => {
                let result = if how.is_multiple_of(5) { Err("no".to_owned()) } else { Ok(()) };
                machine.created(&key, result, now)
            }
            Order::Look(key) => {
                let looked = match how % 12 {
                    0 => Looked::Unknown("?".to_owned()),
                    1..=5 => Looked::Not(Failure::ALL[usize::from(how) % Failure::ALL.len()]),
                    _ => Looked::Fine,
                };
                machine.looked(&key, looked, now)
            }
            Order::Evict(key) => {
                let answer = match how % 12 {
                    0 => Answer::Budget(Some(Time::from(how) * SECOND)),
                    1 => Answer::Busy(Time::from(how) * SECOND),
                    2 => Answer::Gone,
                    3 => Answer::Changed,
                    4 => Answer::Refused("no".to_owned()),
                    5 | 6 => Answer::Lost("?".to_owned()),
                    _ => Answer::Accepted,
                };
                machine.answered(&key, answer, now)
            }
            Order::LookUp(key) => {
                let found = [Found::There, Found::Leaving, Found::Unknown][usize::from(how) % 3];
                machine.found(&key, found, now)
            }
            _ => unreachable!("it is not to be answered"),
        };
        self.take(orders);
    }

    fn happen(&mut self, (what, which, how): Event) {
        match what % 6 {
            0 => {
                let tasks = (0..3).map(|offset| {
                    self.planned += 1;
                    let pod = (which.wrapping_add(offset)) % 8;
                    let mut task = task(&format!("pod{pod}"));
                    task.key = format!("pod{pod}-{}", self.planned).as_str().into();
                    task
                });
                let tasks = tasks.collect();
                let orders = self.machine.accept(tasks, self.now);
                self.take(orders);
            }
            1 => self.now += Time::from(how) * SECOND / 10,
            2 => {
                let mut seen = BTreeMap::new();
                for (at, key) in self.held.iter().enumerate() {
                    let how = how.wrapping_add(at as u8 * 7);
                    let room = [Room::Open, Room::Used, Room::Open, Room::Lost, Room::None][usize::from(how) % 5];
                    let node = (!how.is_multiple_of(3)).then(|| Str::from(if how % 2 == 0 { "a" } else { "b" }));
                    let replacement = (how % 4 > 1).then(|| Replacement {
                        name: "new".into(),
                        uid: "new".into(),
                        is_running: how.is_multiple_of(7),
                        node,
                        gain: f64::from(how) / 50.0,
                    });
                    seen.insert(key.clone(), Sighting { room, replacement });
                }
                let orders = self.machine.step(&seen, self.now);
                self.take(orders);
            }
            3 => {
                let is_stopping = how.is_multiple_of(8);
                self.machine.set_options(&options(), is_stopping);
            }
            _ => self.answer(which, how),
        }
    }

    /// Answers what is asked and lets time pass until nothing more can happen.
    fn let_end(&mut self) {
        for _ in 0..200 {
            while !self.open.is_empty() {
                self.answer(0, 11);
            }
            self.now += 30 * SECOND;
            let orders = self.machine.step(&BTreeMap::new(), self.now);
            self.take(orders);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_pod_is_in_two_moves_limits_hold_every_move_ends_and_every_room_is_released_once(
        events in prop::collection::vec(any::<Event>(), 0..400),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.let_end();
        prop_assert!(world.machine.is_idle());
        prop_assert!(world.held.is_empty() && world.pods.is_empty());
        // At rest it stays at rest.
        prop_assert_eq!(world.machine.step(&BTreeMap::new(), world.now + 1000 * SECOND), []);
        // None was asked to go more often than is tried.
        prop_assert!(world.evicted.values().all(|times| *times <= 100));
    }
}
