//! Our side of the comparison.

use loadline_framework::record::Decision;

use crate::engine::Cold;
use crate::history::History;
use crate::protocol::{Candidate, Request};

/// Our decision on a pod, with what the record does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The record, with all nodes.
    pub decision: Decision,
    /// All nodes where preemption would help, by name; empty when it was not tried or helps nowhere.
    pub candidates: Vec<Candidate>,
}

/// Something that decides as kube-scheduler does.
pub trait Judge {
    /// Decides each of the request's pods on its own, against the same cluster, in the request's order.
    ///
    /// An error means that the request as a whole could not be judged; it counts as a difference.
    fn judge(&mut self, request: &Request) -> Result<Vec<Judged>, String>;
}

/// Makes judges: one for each thread of a run.
#[derive(Clone, Copy)]
pub struct JudgeKind {
    /// For reports, such as `cold`.
    pub name: &'static str,
    /// Makes one.
    pub make: fn() -> Box<dyn Judge>,
}

/// The judges that every cluster is put before.
pub const JUDGES: &[JudgeKind] =
    &[JudgeKind { name: "cold", make: || Box::new(Cold) }, JudgeKind { name: "history", make: || Box::new(History) }];
