//! Manifests or a dump of a cluster in, decisions out: the engine with its effects performed in memory, in virtual time.

mod cluster;
mod explain;
mod gangs;
mod load;
pub mod report;
mod simulate;
mod usage;

pub use cluster::Cluster;
pub use explain::{ExplainError, ExplainOptions, Summary, explain, judge, nominate_pending};
pub use load::{LoadOptions, Loaded, load, of_objects};
pub use loadline_api::doc::Problem;
pub use simulate::{SimulateError, SimulateOptions, simulate};
pub use usage::{MeasuredNodes, NodeUsageReport, NodeUsed, PercentUsed};

/// How far a long piece of work has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Input is read.
    Reading {
        /// First path that is read.
        file: String,
        /// Objects read so far.
        objects: u64,
        /// Bytes in all, as far as that is known.
        bytes_total: u64,
    },
    /// Pods are judged.
    Deciding {
        /// Pods judged.
        done: u64,
        /// Pods in all.
        total: u64,
    },
    /// The scheduler runs in virtual time.
    Simulating {
        /// Pods placed.
        placed: u64,
        /// Pods that wait.
        waiting: u64,
        /// Virtual time, seconds from the start.
        virtual_seconds: f64,
    },
}
