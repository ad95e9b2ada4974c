//! What nodes really use, as measured outside: sources, samples, and what the engine makes of them.
//!
//! All times here are of the clock that the samples were stamped by (Prometheus' own), so that nothing depends on how far
//! that is from ours.

use std::fmt;
use std::sync::Arc;

use loadline_model::{Str, Time};

use crate::cluster::Slot;

/// A resource whose real use is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageKind {
    /// Thousandths of a core.
    Cpu,
    /// Bytes.
    Memory,
}

impl UsageKind {
    /// `cpu` or `memory`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for UsageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a Prometheus is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrometheusQuery {
    /// Base URL of its HTTP API, `http://host:port` or with a path.
    pub address: Str,
    /// PromQL that gives 0 to 100 for each node.
    pub query: Str,
    /// PromQL that gives the time of each node's last real sample, seconds since 1970.
    pub age_query: Str,
    /// Label of the results that names the node.
    pub node_label: Str,
    /// Time limit of one query, seconds.
    pub timeout_seconds: i64,
    /// Seconds from one question to the next.
    pub interval_seconds: i64,
    /// File with a bearer token.
    pub bearer_token_file: Option<Str>,
    /// File with the certificate authorities, PEM.
    pub ca_file: Option<Str>,
    /// The server's certificate is not checked.
    pub insecure_skip_verify: bool,
}

/// Where the use of one resource of all nodes is learned from. Equal sources are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageSource {
    /// The resource.
    pub kind: UsageKind,
    /// Whom to ask.
    pub prometheus: PrometheusQuery,
    /// Over how long a sample averages, seconds.
    pub window_seconds: i64,
    /// Samples that are older count no more, seconds.
    pub stale_after_seconds: i64,
}

impl UsageSource {
    /// What stands for a file that somebody gave: nobody is asked, and nothing in it grows old.
    pub fn of_file(kind: UsageKind) -> Self {
        let none = Str::empty;
        let prometheus = PrometheusQuery {
            address: none(),
            query: none(),
            age_query: none(),
            node_label: none(),
            timeout_seconds: 0,
            interval_seconds: 0,
            bearer_token_file: None,
            ca_file: None,
            insecure_skip_verify: false,
        };
        Self { kind, prometheus, window_seconds: 300, stale_after_seconds: 180 }
    }
}

/// Whole, as samples and scores count it: thousandths of a percent.
pub const WHOLE: i64 = 100_000;

/// One node's use, as measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageSample {
    /// Thousandths of a percent of what the node has, 0 to [`WHOLE`].
    pub milli_percent: i64,
    /// When it was really measured.
    pub at: Time,
    /// Over how long it averages, if it is not what its source says.
    pub window_seconds: Option<i64>,
}

/// A source that the engine keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsageId(pub u32);

/// What is known of one node's use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeUsage {
    /// The newest sample, if it still counts.
    pub sample: Option<UsageSample>,
    /// Thousandths of a percent that its pods will use and the sample does not have yet: in full for those that do not run,
    /// less the more of the sample's window they have been running. Without a sample: what all its pods request.
    pub estimated: i64,
    /// Thousandths of a percent that all its pods request, those included that the sample has.
    pub requested: i64,
    /// Whether it is a node of which nothing is known.
    pub is_unsampled: bool,
}

impl NodeUsage {
    /// Of a node that has `total`; the estimate and the requests are amounts as it is one.
    pub fn new(sample: Option<UsageSample>, estimate: i64, requested: i64, total: i64) -> Self {
        let is_unsampled = sample.is_none() && total > 0;
        Self { sample, estimated: share(estimate, total), requested: share(requested, total), is_unsampled }
    }

    /// Sample and estimate together, in thousandths of a percent, which may be more than [`WHOLE`]; `None` without a sample.
    pub fn milli_percent(&self) -> Option<i64> {
        Some(self.sample?.milli_percent + self.estimated)
    }
}

/// Thousandths of a percent that `amount` is of `total`; 0 of nothing.
fn share(amount: i64, total: i64) -> i64 {
    /// So that nobody who reckons with it comes to the end of 64 bits.
    const MOST: i64 = i32::MAX as i64;
    if total <= 0 {
        return 0;
    }
    let share = match amount.checked_mul(WHOLE) {
        Some(amount) => amount / total,
        None => amount / (total / WHOLE).max(1),
    };
    share.clamp(0, MOST)
}

/// The use of all nodes by one source.
#[derive(Clone, Debug)]
pub struct Usage {
    /// The source.
    pub source: Arc<UsageSource>,
    /// By slot; the default for slots without a node.
    pub nodes: Vec<NodeUsage>,
    /// How many of them are `is_unsampled`.
    pub unsampled: usize,
    /// Grows when the source was heard of: then any node may have changed.
    pub heard: u64,
    /// When that was; 0 before the first time.
    pub now: Time,
}

impl Usage {
    /// What is known of a node.
    pub fn node(&self, slot: Slot) -> NodeUsage {
        self.nodes.get(slot.index()).copied().unwrap_or_default()
    }
}
