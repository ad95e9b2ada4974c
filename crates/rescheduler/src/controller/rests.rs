//! Who rests after a move, and for how long.

use std::collections::{BTreeMap, BTreeSet};

use loadline_model::{Str, Time};

use super::{Pace, Phase, Task};
use crate::options::Strategy;

/// However often moves of an owner do not help.
const LONGEST: Time = 24 * 3_600 * 1_000_000_000;

/// A move that is over, for whoever was not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The move.
    pub task: Task,
    /// How it ended.
    pub phase: Phase,
    /// Whether its pod was asked to go.
    pub was_evicted: bool,
    /// What the new place gains.
    pub gain: f64,
    /// Node of what took the pod's place.
    pub node: Option<Str>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Owner {
    until: Time,
    /// Moves in a row that did not help.
    unhelpful: u32,
    /// Moves in a row that came to nothing before anything was evicted.
    refused: u32,
}

/// Owners and nodes from which nothing is moved for a while.
#[derive(Clone, Debug, Default)]
pub struct Rests {
    owners: BTreeMap<String, Owner>,
    nodes: BTreeMap<Str, Time>,
}

/// Twice as long each time.
fn doubled(base: Time, times: u32, longest: Time) -> Time {
    base.saturating_mul(1 << times.min(30)).min(longest.max(base))
}

impl Rests {
    /// Takes note of a move that ended at a time. `retry`: who refused it wants to be left alone for so long.
    pub fn ended(&mut self, past: &Past, retry: Time, pace: &Pace, at: Time) {
        let Past { task, .. } = past;
        let owner = self.owners.entry(task.owner.clone()).or_default();
        // Without any rest a move that does not help would be made again at once.
        let base = pace.cool_down.max(pace.interval);
        let rest = if !past.was_evicted {
            owner.refused += 1;
            doubled(pace.interval, owner.refused, base).max(retry)
        } else if helped(past, pace) {
            if past.phase == Phase::Succeeded {
                *owner = Owner { until: owner.until, ..Owner::default() };
            }
            pace.cool_down
        } else {
            owner.unhelpful += 1;
            doubled(base, owner.unhelpful, LONGEST)
        };
        owner.until = owner.until.max(at.saturating_add(rest));
        if past.was_evicted {
            for node in [&task.from, &task.to] {
                let until = self.nodes.entry(node.clone()).or_default();
                *until = (*until).max(at.saturating_add(pace.cool_down));
            }
        }
    }

    /// Owners that rest.
    pub fn owners(&self, now: Time) -> BTreeSet<String> {
        self.owners.iter().filter(|(_, owner)| owner.until > now).map(|(name, _)| name.clone()).collect()
    }

    /// Nodes that rest.
    pub fn nodes(&self, now: Time) -> BTreeSet<Str> {
        self.nodes.iter().filter(|(_, until)| **until > now).map(|(name, _)| name.clone()).collect()
    }

    /// Until when an owner rests.
    pub fn owner_until(&self, owner: &str) -> Option<Time> {
        self.owners.get(owner).map(|owner| owner.until)
    }

    /// Forgets what counts no more. How often moves of an owner did not help is remembered for a day after its rest.
    pub fn trim(&mut self, now: Time) {
        self.owners.retain(|_, owner| owner.until.saturating_add(LONGEST) > now);
        self.nodes.retain(|_, until| *until > now);
    }
}

/// Whether a move after which the pod runs somewhere was of use.
fn helped(past: &Past, pace: &Pace) -> bool {
    let is_elsewhere = past.node.as_ref().is_none_or(|node| *node != past.task.from);
    let ran = matches!(past.phase, Phase::Succeeded | Phase::Elsewhere);
    // What empties a node is of use wherever the pod goes; and nothing can gain more than was promised.
    let is_enough = past.task.strategy == Strategy::NodeMaintenance.as_str()
        || past.gain >= pace.least_gain.min(past.task.gain) - 1e-6
        || !past.task.is_replaced;
    ran && is_elsewhere && is_enough
}
