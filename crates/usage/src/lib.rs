//! Asks Prometheus what nodes really use: one client for each source, what its answers mean, and the endless asking.
//!
//! Invariants: nothing is decided here, and our own clock is never held against Prometheus': ages are reckoned by the time
//! that Prometheus evaluated a query at, and between two answers by how long ago the last one was. No answer, however wrong,
//! ends the asking or fills the memory.

mod error;
mod measurement;
mod poll;
mod prometheus;
mod speaker;

#[cfg(test)]
mod stub;

pub use error::{ClientError, Failure, PollResult, QueryError};
pub use measurement::{Ignored, Measurement, Reason, interpret, measure};
pub use poll::{Heard, poll};
pub use prometheus::{Answer, PrometheusClient, Series};
