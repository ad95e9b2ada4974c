//! The clock of the live scheduler.

use std::sync::OnceLock;

use jiff::Timestamp;
use loadline_model::Time;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since 1970 by a clock that is set once, when the process first asks, and then runs evenly: it goes on while the
/// machine is suspended, and nobody can turn it back. Backoffs and leases go by it, so that a wall clock that jumps moves none.
pub(crate) fn now() -> Time {
    static BEGIN: OnceLock<Time> = OnceLock::new();
    let running = since_boot();
    *BEGIN.get_or_init(|| wall().as_nanosecond() as Time - running) + running
}

/// The time of day, for what is written to the API.
#[allow(clippy::disallowed_methods, reason = "here the clock is read that everything else is told of")]
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}

/// Nanoseconds since the machine was started, with the time that it was suspended.
fn since_boot() -> Time {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
