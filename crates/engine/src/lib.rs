//! The engine: what is known of the cluster, the queue, and the scheduling cycle over both. Synchronous; time, seed and
//! parallelism are arguments.
//!
//! The way of a pod: events change [`state::ClusterState`]; a cycle opens the pod's columns (`columns`), which catch up
//! with what changed, adds them up over all nodes (`class`), and chooses (`cycle`); the result is committed as an
//! assumption and leaves as [`Effect`]s, which somebody else performs and confirms by events.
//!
//! Invariants: no clock, no random source, no I/O, no preemption policy. What is kept between decisions (columns,
//! classes, counts) shows in speed and never in a decision.

mod bits;
mod cache;
mod check;
mod choice;
mod class;
mod columns;
mod cycle;
mod diagnosis;
mod effect;
mod elsewhere;
mod engine;
mod evaluate;
mod experiment;
mod extended;
mod gang;
mod grouping;
mod happened;
mod measurements;
pub mod nominator;
pub mod queue;
mod recall;
pub mod records;
mod remedies;
mod scheduler;
pub mod state;
mod table;

pub use cache::NodeCache;
pub use check::Findings;
pub use cycle::{Cycle, Depth};
pub use effect::{Effect, Event};
pub use engine::{Engine, Settings};
pub use happened::{Ended, Happened, Refused};
pub use scheduler::{Attempt, Checks, GangAttempt, GangReport, PlacedMember, Reservation, ReservationState, Scheduler};
