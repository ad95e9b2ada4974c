//! The queue against a naive one: a list of pods that is searched from end to end.

use std::sync::Arc;

use loadline_framework::EventObject;
use loadline_model::Time;
use proptest::prelude::*;

use super::super::{Counts, Gate, QueueName, QueuedPod, SchedulingQueue};
use super::fixture::*;
use super::naive::{Happening, Naive, Where, in_seconds};
use crate::nominator::Nominator;

#[derive(Clone, Debug)]
enum Step {
    Add { uid: u8, priority: i32, gate: bool },
    LiftGate(u8),
    Delete(u8),
    Pop,
    Fail { nth: usize, rejectors: Vec<&'static str> },
    Bind(usize),
    BindFails(usize),
    Hold(u8),
    Release(u8),
    Happens(Happening),
    Activate(u8),
    Pass(Time),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let uid = 0..8_u8;
    let happening = prop_oneof![
        Just(Happening::GoodNode),
        Just(Happening::BadNode),
        Just(Happening::Taint),
        Just(Happening::PodGone),
        Just(Happening::Claim),
    ];
    let rejectors = prop::sample::subsequence(vec!["Fit", "Newcomer", "Claim"], 0..=3);
    prop_oneof![
        4 => (uid.clone(), 0..3_i32, prop::bool::weighted(0.2))
            .prop_map(|(uid, priority, gate)| Step::Add { uid, priority, gate }),
        1 => uid.clone().prop_map(Step::LiftGate),
        1 => uid.clone().prop_map(Step::Delete),
        6 => Just(Step::Pop),
        5 => (0..4_usize, rejectors).prop_map(|(nth, rejectors)| Step::Fail { nth, rejectors }),
        1 => (0..4_usize).prop_map(Step::Bind),
        1 => (0..4_usize).prop_map(Step::BindFails),
        1 => uid.clone().prop_map(Step::Hold),
        1 => uid.clone().prop_map(Step::Release),
        4 => happening.prop_map(Step::Happens),
        1 => uid.prop_map(Step::Activate),
        3 => prop_oneof![0..SECOND, 0..20 * SECOND, Just(400 * SECOND)].prop_map(Step::Pass),
        2 => Just(Step::Flush),
    ]
}

/// The naive queue and the real one, side by side.
struct Both {
    naive: Vec<Naive>,
    queue: SchedulingQueue,
    nominator: Nominator,
    flying: Vec<QueuedPod>,
    bound: Vec<QueuedPod>,
    now: Time,
    step: usize,
}

impl Both {
    fn find(&mut self, uid: u8) -> Option<&mut Naive> {
        self.naive.iter_mut().find(|p| p.uid == uid && !p.gone)
    }

    fn next(&self) -> Option<u8> {
        let active = self.naive.iter().filter(|p| p.place == Where::Active);
        let order = |p: &&Naive| (-p.priority, p.timestamp, p.entered);
        if let Some(pod) = active.min_by_key(order) {
            return Some(pod.uid);
        }
        let backoff = self.naive.iter().filter(|p| p.place == Where::Backoff && !p.rejectors.is_empty());
        backoff.min_by_key(|p| (p.last_second(), order(p))).map(|p| p.uid)
    }

    fn happens(&mut self, happening: Happening) {
        let now = self.now;
        for pod in &mut self.naive {
            match pod.place {
                Where::Flying => pod.seen.push(happening),
                Where::Unschedulable if pod.wakes(happening) => pod.try_again(now),
                // A gated pod hears of what its gate registered, and no hint of `Gates` is for what happens here.
                Where::Gated if !pod.gate && happening == Happening::Claim => pod.try_again(now),
                _ => {}
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        self.step += 1;
        let entered = self.step;
        match step {
            Step::Add { uid, priority, gate } => {
                // A pod that was deleted in flight keeps its uid until it comes back.
                if self.naive.iter().any(|p| p.uid == uid) {
                    return Ok(());
                }
                let make = if gate { gated } else { pod };
                self.queue.add(Arc::new(make(&uid.to_string(), priority)), &mut self.nominator, now);
                self.naive.push(Naive {
                    uid,
                    priority,
                    gate,
                    held: false,
                    place: if gate { Where::Gated } else { Where::Active },
                    timestamp: now,
                    entered,
                    attempts: 0,
                    unschedulable: 0,
                    errors: 0,
                    rejectors: if gate { vec!["Gates"] } else { Vec::new() },
                    seen: Vec::new(),
                    gone: false,
                });
            }
            Step::LiftGate(uid) => {
                let Some(naive) = self.find(uid).filter(|p| p.place == Where::Gated && p.gate) else {
                    return Ok(());
                };
                naive.gate = false;
                naive.try_again(now);
                let (uid, priority) = (uid.to_string(), naive.priority);
                let (old, new) = (gated(&uid, priority), pod(&uid, priority));
                self.queue.update(&old, Arc::new(new), &mut self.nominator, now);
            }
            Step::Delete(uid) => {
                self.queue.delete(&uid.to_string(), &mut self.nominator);
                if let Some(naive) = self.find(uid) {
                    naive.gone = true;
                }
                self.bound.retain(|queued| queued.pod.uid != *uid.to_string());
                self.naive.retain(|p| !p.gone || p.place == Where::Flying);
            }
            Step::Pop => {
                let expected = self.next();
                let popped = self.queue.pop();
                prop_assert_eq!(popped.as_ref().map(|q| q.pod.uid.to_string()), expected.map(|uid| uid.to_string()));
                if let (Some(popped), Some(naive)) = (popped, expected.and_then(|uid| self.find(uid))) {
                    naive.place = Where::Flying;
                    naive.seen.clear();
                    naive.attempts += 1;
                    prop_assert_eq!(popped.attempts, naive.attempts);
                    prop_assert_eq!(popped.timestamp, naive.timestamp);
                    self.flying.push(popped);
                }
            }
            Step::Fail { nth, rejectors } => {
                if nth >= self.flying.len() {
                    return Ok(());
                }
                let queued = self.flying.remove(nth);
                let uid = queued.pod.uid.to_string();
                self.queue.requeue_after_failure(queued, rejected(&rejectors), now);
                self.naive.retain(|p| !p.gone || p.uid.to_string() != uid);
                if let Some(naive) = self.naive.iter_mut().find(|p| p.uid.to_string() == uid) {
                    naive.timestamp = now;
                    naive.entered = entered;
                    if rejectors.is_empty() {
                        naive.errors += 1;
                    } else {
                        naive.errors = 0;
                        naive.unschedulable += 1;
                    }
                    naive.rejectors = rejectors;
                    naive.place = Where::Unschedulable;
                    let seen = std::mem::take(&mut naive.seen);
                    if naive.rejectors.is_empty() || seen.into_iter().any(|happening| naive.wakes(happening)) {
                        naive.try_again(now);
                    }
                }
            }
            Step::Bind(nth) => {
                if nth < self.flying.len() {
                    let queued = self.flying.remove(nth);
                    let uid = queued.pod.uid.clone();
                    self.queue.done(&uid);
                    self.naive.retain(|p| !p.gone || p.uid.to_string() != *uid);
                    if let Some(naive) = self.naive.iter_mut().find(|p| p.uid.to_string() == *uid) {
                        naive.place = Where::Bound;
                        self.bound.push(queued);
                    }
                }
            }
            Step::BindFails(nth) => {
                if nth < self.bound.len() {
                    let queued = self.bound.remove(nth);
                    let uid = queued.pod.uid.to_string();
                    self.queue.requeue_after_failure(queued, rejected(&[]), now);
                    let naive = self.naive.iter_mut().find(|p| p.uid.to_string() == uid);
                    let naive = naive.expect("a bound pod that is gone does not come back");
                    naive.timestamp = now;
                    naive.entered = entered;
                    naive.errors += 1;
                    naive.rejectors.clear();
                    naive.try_again(now);
                }
            }
            Step::Hold(uid) => {
                if let Some(naive) = self.find(uid) {
                    naive.held = true;
                    let gate = Gate { plugin: "Claim", message: "busy".to_owned() };
                    self.queue.hold(uid.to_string().into(), gate);
                }
            }
            Step::Release(uid) => {
                self.queue.release(&uid.to_string());
                if let Some(naive) = self.find(uid) {
                    naive.held = false;
                }
            }
            Step::Happens(happening) => {
                let (good, bad) = (node("good"), node("bad"));
                let (event, object) = match happening {
                    Happening::GoodNode => (NODE_ADD, came(&good)),
                    Happening::BadNode => (NODE_ADD, came(&bad)),
                    Happening::Taint => (NODE_TAINT, came(&bad)),
                    Happening::PodGone => (POD_GONE, EventObject::Other),
                    Happening::Claim | Happening::Everything => (CLAIM_ADD, EventObject::Other),
                };
                self.queue.move_for_event(event, &object, now);
                self.happens(happening);
            }
            Step::Activate(uid) => {
                self.queue.activate(&uid.to_string(), now);
                if let Some(naive) = self.find(uid) {
                    match naive.place {
                        // It passed PreEnqueue on its way to the backoff.
                        Where::Backoff => naive.place = Where::Active,
                        Where::Unschedulable | Where::Gated => {
                            naive.try_again(now);
                            if naive.place == Where::Backoff {
                                naive.place = Where::Active;
                            }
                        }
                        Where::Flying => naive.seen.push(Happening::Everything),
                        Where::Active | Where::Bound => {}
                    }
                }
            }
            Step::Pass(time) => self.now += time,
            Step::Flush => self.flush(),
        }
        Ok(())
    }

    fn flush(&mut self) {
        let now = self.now;
        self.queue.flush(now);
        let mut leftovers = false;
        for pod in &mut self.naive {
            if pod.place == Where::Backoff && !pod.backs_off(now) {
                pod.place = Where::Active;
            }
            let batch = in_seconds(now) / 30 * 30 * SECOND;
            if pod.place == Where::Unschedulable && batch - pod.timestamp > 300 * SECOND {
                leftovers = true;
                pod.try_again(now);
            }
        }
        if leftovers {
            let flying = self.naive.iter_mut().filter(|p| p.place == Where::Flying);
            flying.for_each(|p| p.seen.push(Happening::Everything));
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let count = |place| self.naive.iter().filter(|p| p.place == place).count();
        let counts = Counts {
            active: count(Where::Active),
            backoff: count(Where::Backoff),
            unschedulable: count(Where::Unschedulable),
            gated: count(Where::Gated),
        };
        prop_assert_eq!(self.queue.counts(), counts);
        prop_assert_eq!(self.queue.len() + self.flying.len() + self.bound.len(), self.naive.len());
        for naive in &self.naive {
            let uid = naive.uid.to_string();
            let expected = match naive.place {
                Where::Active => Some(QueueName::Active),
                Where::Backoff => Some(QueueName::Backoff),
                Where::Unschedulable => Some(QueueName::Unschedulable),
                Where::Gated => Some(QueueName::Gated),
                Where::Flying | Where::Bound => None,
            };
            let found = self.queue.get(&uid);
            prop_assert_eq!(found.map(|(name, _)| name), expected, "pod {}", uid);
            prop_assert_eq!(self.queue.is_in_flight(&uid), naive.place == Where::Flying);
            if let Some((_, queued)) = found {
                let gate = queued.gate.as_ref().map(|gate| gate.plugin);
                prop_assert_eq!(gate.is_some(), naive.place == Where::Gated, "gate of pod {}", uid);
                let last_second = queued.backoff_expiration.map(in_seconds);
                prop_assert_eq!(last_second, naive.last_second(), "backoff of pod {}", uid);
            }
        }
        if self.flying.is_empty() {
            prop_assert_eq!(self.queue.in_flight_events(), 0);
        }
        Ok(())
    }

    /// The pods on their way to a node arrive.
    fn forget_bound(&mut self) {
        self.bound.clear();
        self.naive.retain(|p| p.place != Where::Bound);
    }

    /// Waiting as long as the queue says is enough for every pod that is not gated to come out.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        while !self.flying.is_empty() {
            self.take(Step::Bind(0))?;
        }
        self.forget_bound();
        // One that is held when its time comes waits on.
        for uid in 0..8 {
            self.take(Step::Release(uid))?;
        }
        while let Some(at) = self.queue.next_wakeup(self.now) {
            prop_assert!(at >= self.now);
            self.now = at;
            self.flush();
            let before = self.naive.len();
            self.take(Step::Pop)?;
            self.take(Step::Bind(0))?;
            self.forget_bound();
            prop_assert!(self.naive.len() < before, "something was due at {}", at);
        }
        let all_gated = self.naive.iter().all(|p| p.place == Where::Gated);
        prop_assert!(all_gated, "left over: {:?}", self.naive);
        Ok(())
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_queue(steps in prop::collection::vec(step(), 0..120), start in 0..3 * SECOND) {
        let (queue, nominator) = queue();
        let mut both =
            Both { naive: Vec::new(), queue, nominator, flying: Vec::new(), bound: Vec::new(), now: start, step: 0 };
        for step in steps {
            both.take(step)?;
            both.compare()?;
        }
        both.drain()?;
    }
}
