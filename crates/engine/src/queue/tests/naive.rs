//! A pod as the naive queue has it, with the rules that move it.

use loadline_model::Time;

use super::fixture::SECOND;

/// One pod of the naive queue.
#[derive(Clone, Debug)]
pub(super) struct Naive {
    pub(super) uid: u8,
    pub(super) priority: i32,
    pub(super) gate: bool,
    /// Held in the name of `Claim`.
    pub(super) held: bool,
    pub(super) place: Where,
    pub(super) timestamp: Time,
    /// Number of the step in which it entered or came back.
    pub(super) entered: usize,
    pub(super) attempts: u32,
    pub(super) unschedulable: u32,
    pub(super) errors: u32,
    pub(super) rejectors: Vec<&'static str>,
    /// What happened since its attempt began.
    pub(super) seen: Vec<Happening>,
    pub(super) gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Active,
    Backoff,
    Unschedulable,
    Gated,
    Flying,
    /// On its way to a node: none of the queue's business unless it comes back.
    Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    GoodNode,
    BadNode,
    Taint,
    PodGone,
    Claim,
    Everything,
}

pub(super) fn in_seconds(time: Time) -> Time {
    time / SECOND
}

impl Naive {
    pub(super) fn wakes(&self, happening: Happening) -> bool {
        let by = |plugin: &str| match plugin {
            "Fit" => matches!(happening, Happening::GoodNode | Happening::PodGone),
            "Newcomer" => matches!(happening, Happening::GoodNode | Happening::BadNode | Happening::Taint),
            "Claim" => happening == Happening::Claim,
            _ => false,
        };
        happening == Happening::Everything || self.rejectors.iter().any(|plugin| by(plugin))
    }

    /// The last second of its backoff, by the formula.
    pub(super) fn last_second(&self) -> Option<Time> {
        let count = if self.errors > 0 { self.errors } else { self.unschedulable };
        let seconds = match count {
            0 => return None,
            1..=4 => 1 << (count - 1),
            _ => 10,
        };
        Some(in_seconds(self.timestamp + seconds * SECOND))
    }

    pub(super) fn backs_off(&self, now: Time) -> bool {
        self.last_second().is_some_and(|last| in_seconds(now) <= last)
    }

    /// The plugin that turns it down at PreEnqueue.
    pub(super) fn gate(&self) -> Option<&'static str> {
        if self.gate { Some("Gates") } else { self.held.then_some("Claim") }
    }

    pub(super) fn try_again(&mut self, now: Time) {
        if let Some(gate) = self.gate().filter(|gate| !self.rejectors.contains(gate)) {
            self.rejectors.push(gate);
        }
        self.place = match () {
            () if self.gate().is_some() => Where::Gated,
            () if self.backs_off(now) => Where::Backoff,
            () => Where::Active,
        };
    }
}
