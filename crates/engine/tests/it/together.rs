//! Several schedulers that live through the same story and must say the same.

use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use loadline_engine::records::Summary;
use loadline_engine::{Attempt, Depth, Effect, Event, Scheduler, Settings};
use loadline_framework::{Profiles, WhatIf};
use loadline_model::{PodInfo, Str, Time};
use loadline_plugins::default_preemption::dry_run;
use rand::RngExt;

use crate::outside::Outside;

/// One of the schedulers.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    /// Whether anything is kept between decisions.
    pub(crate) keeps: bool,
    /// How often it is told to keep within its budget; a decision that keeps nothing needs it each time.
    pub(crate) trims: f64,
}

/// What the schedulers went through, to know that a story tells something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Records, of these without a node, and by the pod's nomination.
    pub(crate) judged: usize,
    pub(crate) unschedulable: usize,
    pub(crate) nominated: usize,
    /// Decisions by the queue, and what became of them.
    pub(crate) scheduled: usize,
    pub(crate) bound: usize,
    pub(crate) forgotten: usize,
    pub(crate) preempted: usize,
    pub(crate) swaps: usize,
    /// Decisions while some node counted for less than its object says.
    pub(crate) doubted: usize,
    /// Decisions after which the first member kept less than before.
    pub(crate) evictions: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.judged += other.judged;
        self.unschedulable += other.unschedulable;
        self.nominated += other.nominated;
        self.scheduled += other.scheduled;
        self.bound += other.bound;
        self.forgotten += other.forgotten;
        self.preempted += other.preempted;
        self.swaps += other.swaps;
        self.doubted += other.doubted;
        self.evictions += other.evictions;
    }
}

/// Schedulers, the outside that they see, and what is still to happen because of what they wanted.
pub(crate) struct Together {
    story: String,
    members: Vec<(Member, Scheduler)>,
    pub(crate) outside: Outside,
    now: Time,
    step: usize,
    to_do: VecDeque<ToDo>,
    pub(crate) tally: Tally,
}

enum ToDo {
    /// The answer to a Bind.
    Answer(Arc<PodInfo>, Str),
    /// The event of a pod that was bound.
    Confirm(Arc<PodInfo>, Str),
    /// All victims of a pod but the last are going.
    LastVictim(Str, Str),
    Leaves(Str),
    Release(Str, Str),
    /// The end of a pod.
    Gone(Str),
    /// A change of a pod's nomination.
    Nominate(Str, Option<Str>),
}

impl Together {
    pub(crate) fn new(story: String, mut outside: Outside, members: Vec<Member>, nodes: usize, pods: f64) -> Self {
        let begin = outside.begin(nodes, pods);
        let members = members.into_iter().map(|member| {
            let mut scheduler = Scheduler::new(outside.profiles.clone(), member.settings.clone());
            scheduler.engine_mut().set_keeping(member.keeps);
            // Ten seconds: shorter than a story.
            scheduler.set_refusal_backoff(10_000_000_000);
            (member, scheduler)
        });
        let mut together = Self {
            story,
            members: members.collect(),
            outside,
            now: 1_000_000_000,
            step: 0,
            to_do: VecDeque::new(),
            tally: Tally::default(),
        };
        for event in begin {
            together.apply(&event);
        }
        together
    }

    /// Lives through this many steps.
    pub(crate) fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            let found = self.members[0].1.findings();
            assert!(found.is_sound(), "{} step {}: {:?}", self.story, self.step, found.broken);
            self.step += 1;
            self.now += self.outside.dice.random_range(1..2_000_000_000);
            match self.outside.dice.random_range(0..100) {
                0..40 => {
                    let event = self.outside.next();
                    self.apply(&event);
                    // Mostly at once, before anybody looks.
                    if self.outside.is_half() && self.outside.dice.random_bool(0.8) {
                        let event = self.outside.next();
                        self.apply(&event);
                    }
                }
                40..62 => self.judge(),
                62..80 => self.schedule(),
                80..92 => self.go_on(),
                92..96 => self.nominate(),
                96..98 => {
                    let now = self.now;
                    let effects = self.all("tick", |scheduler| scheduler.tick(now));
                    self.react(effects);
                }
                _ => self.swap(),
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now;
        self.all("events", |scheduler| scheduler.apply(event.clone(), now));
    }

    /// Tells of a pod that the outside knows in another state.
    fn change(&mut self, uid: &str, change: impl FnOnce(&mut PodInfo)) {
        let Some(old) = self.outside.pods.get(uid).cloned() else { return };
        let mut pod = PodInfo { resource_version: self.outside.version(), ..PodInfo::clone(&old) };
        change(&mut pod);
        let event = Event::Pod(Arc::new(pod));
        self.outside.take_in(&event);
        self.apply(&event);
    }

    /// One after the other does it; all must say the same.
    fn all<T: PartialEq + Debug>(&mut self, what: &str, mut act: impl FnMut(&mut Scheduler) -> T) -> T {
        let mut said: Option<T> = None;
        for (member, scheduler) in &mut self.members {
            let says = act(scheduler);
            let Some(first) = &said else {
                said = Some(says);
                continue;
            };
            let apart = || first_difference(&format!("{first:?}"), &format!("{says:?}"));
            assert!(*first == says, "{} step {}, {what}: {} differs: {}", self.story, self.step, member.name, apart());
        }
        said.expect("there are members")
    }

    /// The full record of a decision on one pod, nothing committed, and what preemption would find.
    fn judge(&mut self) {
        let waiting = self.outside.dice.random_bool(0.6);
        let pod = self.outside.some_pod(|pod| pod.node_name.is_none()).filter(|_| waiting);
        let pod = pod.unwrap_or_else(|| self.outside.new_pod());
        let attempt = self.outside.dice.random_range(1..4);
        let (decision, ..) = self.all("record", |scheduler| {
            let engine = scheduler.engine_mut();
            let cycle = engine.decide(&pod, attempt, Depth::Explain);
            let decision = serde_json::to_string(&engine.record(&cycle)).expect("a record is JSON");
            let candidates = engine.what_if(&cycle, |what_if: &dyn WhatIf| format!("{:?}", dry_run(&pod, what_if)));
            (decision, candidates.filter(|_| cycle.node.is_none()))
        });
        self.tally.judged += 1;
        self.tally.unschedulable += usize::from(decision.contains("\"result\":\"Unschedulable\""));
        self.tally.nominated += usize::from(decision.contains("\"decidedBy\":\"nominated\""));
        self.trim();
    }

    /// A decision by the queue, committed.
    fn schedule(&mut self) {
        let now = self.now;
        let said = self.all("decision", |scheduler| {
            let done = scheduler.schedule_one(now).map(|(attempt, effects)| (said_of(&attempt), effects));
            let summary = scheduler.engine().records().iter().next_back().map(|s| {
                let Summary {
                    outcome,
                    attempt,
                    generation,
                    winner,
                    tie_broken_by: by,
                    feasible,
                    rejections,
                    top,
                    message,
                    ..
                } = s;
                format!(
                    "{outcome:?} {attempt} {generation} {winner:?} {by:?} {feasible} {rejections:?} {top:?} {message}"
                )
            });
            (done, summary, scheduler.queue().counts(), scheduler.next_wakeup(now), scheduler.doubted_nodes().count())
        });
        self.tally.doubted += usize::from(said.4 > 0);
        if let (Some((_, effects)), ..) = said {
            self.tally.scheduled += 1;
            self.react(effects);
        }
        self.trim();
    }

    /// What was wanted happens, at once or later.
    fn react(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Bind { pod, node, .. } => self.to_do.push_back(ToDo::Answer(pod, node)),
                Effect::PatchStatus { pod, nominated_node_name: Some(node), .. } if pod.nominated_node_name != node => {
                    self.to_do.push_back(ToDo::Nominate(pod.uid.clone(), node));
                }
                Effect::DeleteVictims { preemptor, victims, .. } => {
                    self.tally.preempted += victims.len();
                    for victim in &victims {
                        self.change(&victim.uid, |pod| {
                            pod.deleted = Some(1);
                            pod.preempted = true;
                        });
                    }
                    let last = victims.last().map(|victim| victim.uid.clone());
                    self.to_do.extend(last.clone().map(|last| ToDo::LastVictim(preemptor.uid.clone(), last)));
                    self.to_do.extend(victims.iter().map(|victim| ToDo::Leaves(victim.uid.clone())));
                    self.to_do.extend(last.map(|last| ToDo::Release(preemptor.uid.clone(), last)));
                    self.to_do.extend(victims.iter().map(|victim| ToDo::Gone(victim.uid.clone())));
                }
                Effect::PatchStatus { .. } | Effect::RecordEvent { .. } | Effect::RecordGroupEvent { .. } => {}
            }
        }
    }

    /// The oldest thing that is to happen, or now and then one out of turn.
    fn go_on(&mut self) {
        if self.to_do.is_empty() {
            return;
        }
        let turn =
            if self.outside.dice.random_bool(0.8) { 0 } else { self.outside.dice.random_range(0..self.to_do.len()) };
        let now = self.now;
        match self.to_do.remove(turn) {
            Some(ToDo::Answer(pod, node)) => {
                let fails = self.outside.dice.random_bool(0.2);
                let answer = if fails { Err("refused".to_owned()) } else { Ok(()) };
                let effects = self.all("answer", |scheduler| scheduler.bound(&pod.uid, answer.clone(), now));
                self.react(effects);
                if fails {
                    self.tally.forgotten += 1;
                } else {
                    self.tally.bound += 1;
                    // Somebody changed it before, which is heard of after the answer.
                    let is_unplaced = self.outside.pods.get(&pod.uid).is_some_and(|known| known.node_name.is_none());
                    if is_unplaced && self.outside.dice.random_bool(0.3) {
                        self.change(&pod.uid, |pod| pod.generation += 1);
                    }
                    self.to_do.push_back(ToDo::Confirm(pod, node));
                }
            }
            Some(ToDo::Confirm(pod, node)) => self.change(&pod.uid, |pod| {
                pod.node_name = Some(node);
                pod.nominated_node_name = None;
                pod.started = Some(now);
            }),
            Some(ToDo::LastVictim(preemptor, last)) => {
                self.all("last victim", |scheduler| scheduler.last_victim(&preemptor, &last, now));
            }
            Some(ToDo::Leaves(uid)) => self.all("leaves", |scheduler| scheduler.leaves(&uid, now)),
            Some(ToDo::Release(preemptor, last)) => {
                self.all("release", |scheduler| scheduler.release(&preemptor, &last, now));
            }
            Some(ToDo::Gone(uid)) => {
                let event = Event::PodGone(uid);
                self.outside.take_in(&event);
                self.apply(&event);
            }
            Some(ToDo::Nominate(uid, node)) => {
                let waits = self.outside.pods.get(&uid).is_some_and(|pod| pod.node_name.is_none());
                if waits {
                    self.change(&uid, |pod| pod.nominated_node_name = node);
                }
            }
            None => {}
        }
    }

    /// A nomination that comes from nowhere, or ends.
    fn nominate(&mut self) {
        let waiting = self.outside.some_pod(|pod| pod.node_name.is_none());
        let (Some(pod), Some(node)) = (waiting, self.outside.node_name()) else {
            return;
        };
        let ends = self.outside.dice.random_bool(0.4);
        self.all("nominations", |scheduler| {
            let engine = scheduler.engine_mut();
            if ends {
                engine.end_nomination(&pod.uid);
            } else {
                engine.nominate(pod.clone(), node.clone());
            }
        });
    }

    /// Another configuration.
    fn swap(&mut self) {
        let profiles: Profiles = match self.outside.dice.random_range(0..2) {
            0 => self.outside.profiles.clone(),
            _ => self.outside.with_share.clone(),
        };
        let now = self.now;
        self.all("swap", |scheduler| {
            let left = scheduler.set_profiles(profiles.clone(), now);
            left.iter().map(|pod| pod.uid.clone()).collect::<Vec<_>>()
        });
        self.tally.swaps += 1;
    }

    fn trim(&mut self) {
        let before = self.members[0].1.engine().kept_counts();
        for (member, scheduler) in &mut self.members {
            if !member.keeps || self.outside.dice.random_bool(member.trims) {
                scheduler.trim();
            }
        }
        let after = self.members[0].1.engine().kept_counts();
        self.tally.evictions += usize::from(after.0 < before.0 || after.1 < before.1);
    }
}

/// What an attempt decided; how it got there is its own affair.
fn said_of(attempt: &Attempt) -> String {
    let cycle = &attempt.cycle;
    let mut text = String::new();
    let victims: Vec<&Str> = cycle.victims.iter().map(|pod| &pod.uid).collect();
    write!(
        text,
        "{} {} {:?} {:?} {:?} {} {:?} {:?} {victims:?} {} {}",
        cycle.pod.uid,
        attempt.number,
        cycle.outcome,
        cycle.node,
        cycle.decided_by,
        cycle.message,
        cycle.rejected_by,
        cycle.nominate,
        cycle.feasible,
        cycle.is_error(),
    )
    .expect("a string takes all");
    text
}

/// Where two texts part, with what stands around.
fn first_difference(a: &str, b: &str) -> String {
    let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let text: Vec<char> = text.chars().collect();
        text[at.saturating_sub(200).min(text.len())..(at + 120).min(text.len())].iter().collect::<String>()
    };
    format!("\n  {}\n  {}", around(a), around(b))
}
