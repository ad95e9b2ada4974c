//! Carries plans out: reserve, evict, verify. A state machine without a clock and without a client.
//!
//! What is planned, answered and seen comes in with the time; what is to be done comes out as [`Order`]s, each of which is
//! answered by the method that its documentation names. Whoever performs them is the live scheduler.
//!
//! Invariants: no pod is in two moves. No more moves are under way than may be, and evictions keep their pace. Each move ends, at
//! its deadline at the latest. Each room that was reserved is released once. Nothing is evicted but what was looked at right
//! before: the pod, the room that is held for it, the node that it goes to, and its owner.

mod ahead;
mod gain;
mod machine;
mod readings;
mod rests;

pub use ahead::{Ahead, Demand, demands};
pub use gain::achieved;
pub use machine::{Machine, Resumed};
pub use readings::Readings;
pub use rests::{Past, Rests};

use loadline_model::{Str, Time};

use crate::options::Options;

/// A move to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// `namespace/name` of its Move object, which is the name of its reservation too.
    pub key: Str,
    /// Uid of the pod.
    pub uid: Str,
    /// What owns the pod: see [`crate::owners::owner_name`].
    pub owner: String,
    /// Whether anything makes a pod in its place.
    pub is_replaced: bool,
    /// Node that it is on.
    pub from: Str,
    /// Node that it is to go to.
    pub to: Str,
    /// Strategy.
    pub strategy: String,
    /// What the move is to gain, percent points.
    pub gain: f64,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is to be made.
    Planned,
    /// Room is held for the pod that will come.
    Reserved,
    /// The pod is being asked to go.
    Evicting,
    /// It goes; the one that takes its place is awaited.
    Evicted,
    /// That one runs where it was to.
    Succeeded,
    /// It runs on another node.
    Elsewhere,
    /// The move has failed.
    Failed(Failure),
}

/// Why a move failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A PodDisruptionBudget allows no eviction now.
    DisruptionBudget,
    /// The pod is gone or going by itself, or what took its place is.
    PodGone,
    /// It is another pod of that name by now, on another node, or asks to be left alone.
    PodChanged,
    /// Somebody else has the room.
    RoomLost,
    /// The node is gone, cordoned or marked for maintenance.
    TargetGone,
    /// Its owner rolls out, or lacks pods.
    RollingOut,
    /// It took too long.
    Deadline,
    /// Moves are no longer wanted.
    Stopped,
    /// Something else.
    Error,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::DisruptionBudget,
        Self::PodGone,
        Self::PodChanged,
        Self::RoomLost,
        Self::TargetGone,
        Self::RollingOut,
        Self::Deadline,
        Self::Stopped,
        Self::Error,
    ];

    /// The name in objects and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DisruptionBudget => "DisruptionBudget",
            Self::PodGone => "PodGone",
            Self::PodChanged => "PodChanged",
            Self::RoomLost => "RoomLost",
            Self::TargetGone => "TargetGone",
            Self::RollingOut => "RollingOut",
            Self::Deadline => "Deadline",
            Self::Stopped => "Stopped",
            Self::Error => "Error",
        }
    }
}

impl Phase {
    /// The name in objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Reserved => "Reserved",
            Self::Evicting => "Evicting",
            Self::Evicted => "Evicted",
            Self::Succeeded => "Succeeded",
            Self::Elsewhere => "Elsewhere",
            Self::Failed(_) => "Failed",
        }
    }

    /// From the names of a phase and of the reason why it failed; a phase that is not known is [`Phase::Planned`], and a reason
    /// that is not known [`Failure::Error`].
    pub fn parse(phase: &str, reason: &str) -> Self {
        let known = [Self::Planned, Self::Reserved, Self::Evicting, Self::Evicted, Self::Succeeded, Self::Elsewhere];
        if phase == "Failed" {
            let failure = Failure::ALL.into_iter().find(|failure| failure.as_str() == reason);
            return Self::Failed(failure.unwrap_or(Failure::Error));
        }
        known.into_iter().find(|known| known.as_str() == phase).unwrap_or(Self::Planned)
    }

    /// Whether nothing more will happen.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Elsewhere | Self::Failed(_))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Create the Move object; answered by [`Machine::created`].
    Create(Str),
    /// Hold the room; `is_due`: the pod is gone or going, and what waits already may have it.
    Reserve {
        /// The move.
        key: Str,
        /// Whether one that waits already may have it.
        is_due: bool,
    },
    /// Write how far it is; nothing waits for it.
    Write(Str, Phase),
    /// Look at the pod, the room, the target and the owner; answered by [`Machine::looked`].
    Look(Str),
    /// Write that it is being evicted, and evict it if that worked; answered by [`Machine::answered`].
    Evict(Str),
    /// Look whether the pod is still there, after an answer was lost; answered by [`Machine::found`].
    LookUp(Str),
    /// Hold the room no longer.
    Release(Str),
    /// It is over: write it down, and tell.
    End(Str, Ending),
}

/// How a move ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// A phase that is over.
    pub phase: Phase,
    /// For people.
    pub message: String,
    /// What took the pod's place.
    pub replacement: Option<Replacement>,
}

/// A pod that takes a moved one's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// Its name.
    pub name: Str,
    /// Its uid.
    pub uid: Str,
    /// Its node, once it has one.
    pub node: Option<Str>,
    /// Whether it runs.
    pub is_running: bool,
    /// What its place gains over that of the pod before, percent points: [`achieved`].
    pub gain: f64,
}

/// What became of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is held.
    Open,
    /// A pod of the same owner and template has it.
    Used,
    /// A pod of higher priority took it.
    Lost,
    /// It is not held.
    None,
}

/// What is seen of a move in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The room.
    pub room: Room,
    /// What takes the pod's place, if there is anything.
    pub replacement: Option<Replacement>,
}

/// What a look right before the eviction found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing stands against it.
    Fine,
    /// Something does.
    Not(Failure),
    /// Nobody knows.
    Unknown(String),
}

/// What came of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pod goes.
    Accepted,
    /// A budget allows none; the API server may say when to ask again.
    Budget(Option<Time>),
    /// The API server is busy; it says when to ask again.
    Busy(Time),
    /// There is no such pod.
    Gone,
    /// It is another pod.
    Changed,
    /// No, for another reason.
    Refused(String),
    /// Nobody knows.
    Lost(String),
}

/// What a look at a pod found after an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It stays.
    There,
    /// It is gone or going, or another pod has its name.
    Leaving,
    /// Nobody knows.
    Unknown,
}

/// What the machine goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// Moves under way at a time.
    pub at_once: usize,
    /// From one eviction to the next.
    pub between_evictions: Time,
    /// How long a move may take.
    pub deadline: Time,
    /// From one round to the next.
    pub interval: Time,
    /// Rest for an owner and a node after a move.
    pub cool_down: Time,
    /// A move that gains less did not help.
    pub least_gain: f64,
}

impl Pace {
    /// That of these options.
    pub fn new(options: &Options) -> Self {
        const SECOND: f64 = 1e9;
        /// A rate of zero is none; it is not for ever either.
        const LEAST: f64 = 1e-3;
        Self {
            at_once: options.max_moves_at_once,
            between_evictions: (SECOND / options.evictions_per_second.max(LEAST)) as Time,
            deadline: options.move_deadline,
            interval: options.interval,
            cool_down: options.cool_down,
            least_gain: options.min_gain,
        }
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
