//! The clock of the live scheduler.

use std::sync::OnceLock;
use std::time::Duration;

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

/// The time of day as the API server writes a Time. What is written to the API is text: nobody can reckon with a clock that may be set.
pub(crate) fn seconds() -> String {
    wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time of day as the API server writes a MicroTime.
pub(crate) fn micros() -> String {
    wall().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The end of a name that no other has: the time of day to the nanosecond.
pub(crate) fn suffix() -> String {
    format!("{:x}", wall().as_nanosecond())
}

#[allow(clippy::disallowed_methods, reason = "here the clock is read that everything else is told of")]
fn wall() -> Timestamp {
    Timestamp::now()
}

/// A pause between half and one and a half times as long, so that not all who wait come back at once.
pub(crate) fn about(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fraction())
}

/// Some number between 0 and 1.
pub(crate) fn fraction() -> f64 {
    f64::from(wall().subsec_nanosecond() % 1_000_003) / 1_000_003.0
}

/// Nanoseconds since the machine was started, with the time that it was suspended.
fn since_boot() -> Time {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
