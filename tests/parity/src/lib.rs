//! The parity proof: random clusters, the real kube-scheduler plugins as the referee, and the comparison of both.
//!
//! [`generate`] draws a cluster from a profile and a seed; [`Referee`] asks kube-scheduler's own code what it decides;
//! a [`Judge`] is our side; [`compare`] lists every difference; [`Coverage`] counts what the clusters exercised, so that
//! agreement means something; [`run`] does it for many clusters, and [`mutants`] shows that it would notice.

mod compare;
mod coverage;
mod engine;
mod floors;
mod generate;
mod history;
mod judge;
pub mod mutants;
mod protocol;
mod referee;
mod run;

pub use compare::{Difference, Tally, compare};
pub use coverage::{Counts, Coverage};
pub use engine::{World, profiles};
pub use floors::{FLOORS, Floors};
pub use generate::{Profile, generate};
pub use judge::{JUDGES, Judge, JudgeKind, Judged};
pub use protocol::{Answer, Candidate, Expected, ExpectedPreemption, Request};
pub use referee::{REFEREE_VARIABLE, Referee, RefereeError};
pub use run::{Failure, Plan, RunError, Summary, run};

/// Exit code: we differ from kube-scheduler.
pub const EXIT_DIFFERENT: u8 = 1;
/// Exit code: the run itself failed.
pub const EXIT_FAILED: u8 = 2;
/// Exit code: no difference, but the clusters exercised too little.
pub const EXIT_UNCOVERED: u8 = 3;

/// Where clusters with differences are written by default.
pub fn dump_folder() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).join("target/parity")
}

/// A seed that nobody chose. Whoever uses it prints it.
#[allow(
    clippy::disallowed_methods,
    reason = "a fresh seed must come from outside; the run is repeated with what is printed"
)]
pub fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Six digits are easy to copy; the last ones change fastest.
    (now.as_micros() % 1_000_000) as u64
}
