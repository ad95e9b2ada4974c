//! The moves that are under way.

use std::collections::{BTreeMap, BTreeSet};

use loadline_model::{Str, Time};

use super::{
    Answer, Ending, Failure, Found, Looked, Order, Pace, Past, Phase, Readings, Replacement, Rests, Room, Sighting,
    Task,
};
use crate::options::Options;
use crate::owners::Situation;

const SECOND: Time = 1_000_000_000;
/// How often an eviction is looked at, or asked for, that comes to nothing.
const TRIES: u32 = 3;

/// A move that another instance began, or this one in another life.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// The move.
    pub task: Task,
    /// How far it was.
    pub phase: Phase,
    /// How much of its time is left; none or less: it ends.
    pub left: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its object is being created.
    Creating,
    /// Its room is held; it waits for its turn, and for this time.
    Waiting(Time),
    /// Everything is being looked at.
    Looking,
    /// The eviction is on its way.
    Evicting,
    /// Nobody knows what came of it; looked up at this time.
    Lost(Time),
    /// It is being looked up.
    LookingUp,
    /// The pod goes.
    Evicted,
}

#[derive(Clone, Debug)]
struct Active {
    task: Task,
    stage: Stage,
    deadline: Time,
    /// Looks and evictions that came to nothing.
    tries: u32,
    /// An eviction was sent and its answer lost: the pod may be gone by it.
    may_be_evicted: bool,
}

/// All moves that are under way, and who rests.
#[derive(Debug)]
pub struct Machine {
    pace: Pace,
    /// In the order in which they were planned: each counts on those before it.
    moves: Vec<Active>,
    rests: Rests,
    readings: Readings,
    next_eviction: Time,
    is_stopping: bool,
}

impl Machine {
    /// Nothing is under way.
    pub fn new(options: &Options) -> Self {
        Self {
            pace: Pace::new(options),
            moves: Vec::new(),
            rests: Rests::default(),
            readings: Readings::default(),
            next_eviction: Time::MIN,
            is_stopping: false,
        }
    }

    /// Goes by other options from now on. `is_stopping`: what is not evicted yet is given up at the next step, and nothing is taken.
    pub fn set_options(&mut self, options: &Options, is_stopping: bool) {
        self.pace = Pace::new(options);
        self.is_stopping = is_stopping;
    }

    /// What rounds found of nodes.
    pub fn readings(&mut self) -> &mut Readings {
        &mut self.readings
    }

    /// Moves that are under way, in order: each with whether its pod may still be on its node.
    pub fn under_way(&self) -> impl Iterator<Item = (&Task, bool)> {
        self.moves.iter().map(|active| (&active.task, active.stage != Stage::Evicted))
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.moves.is_empty()
    }

    /// Moves that may be begun.
    pub fn free(&self) -> usize {
        if self.is_stopping { 0 } else { self.pace.at_once.saturating_sub(self.moves.len()) }
    }

    /// Takes note of moves that were over before this began, each with how long ago.
    pub fn remember(&mut self, past: &[(Past, Time)], now: Time) {
        for (past, age) in past {
            self.rests.ended(past, 0, &self.pace, now - age);
        }
    }

    /// Goes on with moves that were under way.
    pub fn resume(&mut self, resumed: Vec<Resumed>, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        for Resumed { task, phase, left } in resumed {
            if phase.is_over() || self.has(&task.uid) {
                continue;
            }
            let is_due = matches!(phase, Phase::Evicting | Phase::Evicted);
            let stage = match phase {
                Phase::Evicting => Stage::Lost(now),
                Phase::Evicted => Stage::Evicted,
                _ => Stage::Waiting(now),
            };
            orders.push(Order::Reserve { key: task.key.clone(), is_due });
            let deadline = now.saturating_add(left);
            self.moves.push(Active { task, stage, deadline, tries: 0, may_be_evicted: is_due });
        }
        orders
    }

    fn has(&self, uid: &str) -> bool {
        self.moves.iter().any(|active| active.task.uid == *uid)
    }

    /// Takes as many moves of a plan as may be under way, from the front: what comes after counts on what was before.
    pub fn accept(&mut self, planned: Vec<Task>, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        for task in planned.into_iter().take(self.free()) {
            if self.has(&task.uid) {
                break;
            }
            orders.push(Order::Create(task.key.clone()));
            let deadline = now.saturating_add(self.pace.deadline);
            self.moves.push(Active { task, stage: Stage::Creating, deadline, tries: 0, may_be_evicted: false });
        }
        orders
    }

    /// What a plan is to know: who rests, and how nodes were. Nodes for which `is_marked` holds are to be emptied and do not rest.
    pub fn situation(&mut self, options: &Options, now: Time, is_marked: impl Fn(&str) -> bool) -> Situation {
        self.rests.trim(now);
        let mut resting_owners = self.rests.owners(now);
        resting_owners.extend(self.moves.iter().map(|active| active.task.owner.clone()));
        let mut resting_nodes = self.rests.nodes(now);
        let ends = self.moves.iter().flat_map(|active| [&active.task.from, &active.task.to]);
        resting_nodes.extend(ends.cloned());
        resting_nodes.retain(|node| !is_marked(node));
        Situation {
            resting_owners,
            resting_nodes,
            relieving: self.readings.relieving().clone(),
            unconfirmed: self.readings.unconfirmed(options),
            ..Situation::default()
        }
    }

    /// Until when an owner rests.
    pub fn owner_rests_until(&self, owner: &str) -> Option<Time> {
        self.rests.owner_until(owner)
    }

    fn find(&self, key: &str, stage: Stage) -> Option<usize> {
        self.moves.iter().position(|active| active.task.key == *key && active.stage == stage)
    }

    /// The object is there, or why not.
    pub fn created(&mut self, key: &str, result: Result<(), String>, now: Time) -> Vec<Order> {
        let Some(at) = self.find(key, Stage::Creating) else { return Vec::new() };
        if let Err(error) = result {
            // Nothing is held and nothing is written that could be ended.
            let active = self.moves.remove(at);
            let past = Past {
                task: active.task,
                phase: Phase::Failed(Failure::Error),
                was_evicted: false,
                gain: 0.0,
                node: None,
            };
            self.rests.ended(&past, 0, &self.pace, now);
            let ending = Ending { phase: past.phase, message: error, replacement: None };
            return vec![Order::End(past.task.key, ending)];
        }
        self.moves[at].stage = Stage::Waiting(now);
        let key = self.moves[at].task.key.clone();
        vec![Order::Reserve { key: key.clone(), is_due: false }, Order::Write(key, Phase::Reserved)]
    }

    /// Goes on with what time and the cluster allow. A move that nothing is said of is not seen.
    pub fn step(&mut self, seen: &BTreeMap<Str, Sighting>, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut at = 0;
        while at < self.moves.len() {
            let before = self.moves.len();
            self.step_one(at, seen, now, &mut orders);
            if self.moves.len() == before {
                at += 1;
            }
        }
        orders
    }

    fn step_one(&mut self, at: usize, seen: &BTreeMap<Str, Sighting>, now: Time, orders: &mut Vec<Order>) {
        let active = &self.moves[at];
        let sighting = seen.get(&active.task.key);
        let is_late = now >= active.deadline;
        match active.stage {
            Stage::Waiting(_) if self.is_stopping => {
                orders.extend(self.fail(at, Failure::Stopped, "moves are no longer wanted", now));
            }
            Stage::Waiting(_) if is_late => {
                orders.extend(self.fail(at, Failure::Deadline, "its turn did not come in time", now));
            }
            Stage::Waiting(_) if sighting.is_some_and(|seen| seen.room != Room::Open) => {
                orders.extend(self.fail(at, Failure::RoomLost, "another pod has taken the room", now));
            }
            Stage::Waiting(from) if now >= from && now >= self.next_eviction && self.is_its_turn(at) => {
                self.moves[at].stage = Stage::Looking;
                orders.push(Order::Look(self.moves[at].task.key.clone()));
            }
            Stage::Lost(_) if is_late => {
                let message = "what came of the eviction was not to be found out in time";
                orders.extend(self.fail(at, Failure::Deadline, message, now));
            }
            Stage::Lost(from) if now >= from => {
                self.moves[at].stage = Stage::LookingUp;
                orders.push(Order::LookUp(self.moves[at].task.key.clone()));
            }
            Stage::Evicted => orders.extend(self.verify(at, sighting, is_late, now)),
            // Its time has not come, or an answer is on its way, whatever time it is.
            _ => {}
        }
    }

    /// Whether nobody is being looked at, and no sibling is on its way: pods of one owner go one after the other.
    fn is_its_turn(&self, at: usize) -> bool {
        let owner = &self.moves[at].task.owner;
        self.moves.iter().all(|other| match other.stage {
            Stage::Looking | Stage::Evicting => false,
            Stage::Creating | Stage::Waiting(_) => true,
            Stage::Lost(_) | Stage::LookingUp | Stage::Evicted => other.task.owner != *owner,
        })
    }

    fn verify(&mut self, at: usize, sighting: Option<&Sighting>, is_late: bool, now: Time) -> Vec<Order> {
        let task = &self.moves[at].task;
        if !task.is_replaced {
            let message = "it is deleted; nothing takes its place".to_owned();
            return self.end(at, Ending { phase: Phase::Succeeded, message, replacement: None }, 0, now);
        }
        let replacement = sighting.and_then(|seen| seen.replacement.clone());
        if let Some((found, node)) = running(replacement.as_ref()) {
            let phase = if *node == task.to { Phase::Succeeded } else { Phase::Elsewhere };
            let message = format!("{} runs on {node}", found.name);
            let ending = Ending { phase, message, replacement };
            return self.end(at, ending, 0, now);
        }
        if replacement.is_none() && sighting.is_some_and(|seen| seen.room == Room::Used) {
            return self.fail(at, Failure::PodGone, "what took its place is gone", now);
        }
        if is_late {
            let message = match &replacement {
                None => "nothing has taken its place in time".to_owned(),
                Some(Replacement { name, node: None, .. }) => format!("{name} has no node in time"),
                Some(Replacement { name, node: Some(node), .. }) => format!("{name} does not run on {node} in time"),
            };
            let ending = Ending { phase: Phase::Failed(Failure::Deadline), message, replacement };
            return self.end(at, ending, 0, now);
        }
        Vec::new()
    }

    /// What was found right before the eviction.
    pub fn looked(&mut self, key: &str, looked: Looked, now: Time) -> Vec<Order> {
        let Some(at) = self.find(key, Stage::Looking) else { return Vec::new() };
        let active = &mut self.moves[at];
        match looked {
            Looked::Fine if self.is_stopping => self.fail(at, Failure::Stopped, "moves are no longer wanted", now),
            Looked::Fine => {
                active.stage = Stage::Evicting;
                self.next_eviction = now.saturating_add(self.pace.between_evictions);
                vec![Order::Evict(self.moves[at].task.key.clone())]
            }
            // It may be over in a moment: the pod that was moved before this one counts as missing until it is available.
            Looked::Not(Failure::RollingOut) | Looked::Unknown(_) if active.tries + 1 < TRIES => {
                active.tries += 1;
                active.stage = Stage::Waiting(now.saturating_add(self.pace.interval.clamp(SECOND, 10 * SECOND)));
                Vec::new()
            }
            // By an earlier request whose answer was lost.
            Looked::Not(Failure::PodGone) if active.may_be_evicted => self.evicted(at),
            Looked::Not(failure) => self.fail(at, failure, said(failure), now),
            Looked::Unknown(error) => self.fail(at, Failure::Error, &error, now),
        }
    }

    /// What came of an eviction.
    pub fn answered(&mut self, key: &str, answer: Answer, now: Time) -> Vec<Order> {
        let Some(at) = self.find(key, Stage::Evicting) else { return Vec::new() };
        let active = &mut self.moves[at];
        match answer {
            Answer::Accepted => self.evicted(at),
            // By an earlier request whose answer was lost.
            Answer::Gone | Answer::Changed if active.may_be_evicted => self.evicted(at),
            Answer::Gone => self.fail(at, Failure::PodGone, said(Failure::PodGone), now),
            Answer::Changed => self.fail(at, Failure::PodChanged, said(Failure::PodChanged), now),
            Answer::Budget(retry) => {
                let failure = Failure::DisruptionBudget;
                let ending =
                    Ending { phase: Phase::Failed(failure), message: said(failure).to_owned(), replacement: None };
                self.end(at, ending, retry.unwrap_or(0), now)
            }
            Answer::Busy(wait) => {
                active.stage = Stage::Waiting(now.saturating_add(wait.max(SECOND)));
                Vec::new()
            }
            Answer::Refused(error) => self.fail(at, Failure::Error, &error, now),
            Answer::Lost(_) => {
                active.stage = Stage::Lost(now.saturating_add(SECOND));
                active.may_be_evicted = true;
                Vec::new()
            }
        }
    }

    /// What was found of a pod whose eviction may have been made.
    pub fn found(&mut self, key: &str, found: Found, now: Time) -> Vec<Order> {
        let Some(at) = self.find(key, Stage::LookingUp) else { return Vec::new() };
        let active = &mut self.moves[at];
        match found {
            Found::Leaving => self.evicted(at),
            Found::Unknown => {
                active.stage = Stage::Lost(now.saturating_add(SECOND));
                Vec::new()
            }
            Found::There if active.tries + 1 >= TRIES => {
                self.fail(at, Failure::Error, "the eviction was not answered, and the pod is still there", now)
            }
            Found::There => {
                active.tries += 1;
                active.stage = Stage::Waiting(now);
                Vec::new()
            }
        }
    }

    fn evicted(&mut self, at: usize) -> Vec<Order> {
        let active = &mut self.moves[at];
        active.stage = Stage::Evicted;
        vec![Order::Write(active.task.key.clone(), Phase::Evicted)]
    }

    fn fail(&mut self, at: usize, failure: Failure, message: &str, now: Time) -> Vec<Order> {
        let ending = Ending { phase: Phase::Failed(failure), message: message.to_owned(), replacement: None };
        self.end(at, ending, 0, now)
    }

    fn end(&mut self, at: usize, ending: Ending, retry: Time, now: Time) -> Vec<Order> {
        let active = self.moves.remove(at);
        let past = Past {
            was_evicted: active.stage == Stage::Evicted || active.may_be_evicted,
            phase: ending.phase,
            gain: ending.replacement.as_ref().map_or(0.0, |found| found.gain),
            node: ending.replacement.as_ref().and_then(|found| found.node.clone()),
            task: active.task,
        };
        self.rests.ended(&past, retry, &self.pace, now);
        let key = past.task.key;
        vec![Order::Release(key.clone()), Order::End(key, ending)]
    }

    /// Names of the reservations that are held.
    pub fn held(&self) -> BTreeSet<Str> {
        let is_held = |active: &&Active| active.stage != Stage::Creating;
        self.moves.iter().filter(is_held).map(|active| active.task.key.clone()).collect()
    }
}

fn running(replacement: Option<&Replacement>) -> Option<(&Replacement, &Str)> {
    let found = replacement.filter(|found| found.is_running)?;
    Some((found, found.node.as_ref()?))
}

/// A failure in words.
const fn said(failure: Failure) -> &'static str {
    match failure {
        Failure::DisruptionBudget => "its PodDisruptionBudget allows no eviction now",
        Failure::PodGone => "the pod is gone, or going",
        Failure::PodChanged => "it is another pod by now, or asks to be left alone",
        Failure::RoomLost => "another pod has taken the room",
        Failure::TargetGone => "the node that it was to go to is gone, or takes no pods",
        Failure::RollingOut => "its owner rolls out, or lacks available pods",
        Failure::Deadline => "it took too long",
        Failure::Stopped => "moves are no longer wanted",
        Failure::Error => "it failed",
    }
}
