//! Every difference between our decisions and kube-scheduler's.

mod nodes;
mod preemption;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::AddAssign;

use loadline_framework::record::{DecidedBy, Outcome};

use crate::judge::Judged;
use crate::protocol::{Answer, Expected, Request};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `namespace/name`; empty when it is about the whole request.
    pub pod: String,
    /// The node that it is about, or empty.
    pub node: String,
    /// What differs.
    pub what: String,
    /// What kube-scheduler says.
    pub expected: String,
    /// What we say.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = if self.node.is_empty() { "" } else { " on " };
        write!(
            f,
            "{}{on}{}: {}: kube-scheduler says {}, we say {}",
            self.pod, self.node, self.what, self.expected, self.found
        )
    }
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions.
    pub pods: u64,
    /// Nodes, over all decisions.
    pub nodes: u64,
    /// Scores of one plugin for one node.
    pub scores: u64,
    /// Nodes where preemption would help.
    pub candidates: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.pods += other.pods;
        self.nodes += other.nodes;
        self.scores += other.scores;
        self.candidates += other.candidates;
    }
}

/// Collects differences about one pod.
struct Report<'a> {
    pod: &'a str,
    differences: &'a mut Vec<Difference>,
    tally: &'a mut Tally,
}

impl Report<'_> {
    /// Notes a difference unless both are equal.
    fn equal<T: PartialEq + fmt::Debug>(&mut self, node: &str, what: impl fmt::Display, expected: &T, found: &T) {
        if expected != found {
            self.differs(node, what, format!("{expected:?}"), format!("{found:?}"));
        }
    }

    fn differs(&mut self, node: &str, what: impl fmt::Display, expected: String, found: String) {
        self.differences.push(Difference {
            pod: self.pod.to_owned(),
            node: node.to_owned(),
            what: what.to_string(),
            expected,
            found,
        });
    }
}

/// Compares what was judged with the referee's answer to the same request.
pub fn compare(request: &Request, answer: &Answer, judged: &[Judged]) -> (Vec<Difference>, Tally) {
    let mut differences = Vec::new();
    let mut tally = Tally::default();
    for (at, expected) in answer.decisions.iter().enumerate() {
        let pod = expected.pod();
        let mut report = Report { pod: &pod, differences: &mut differences, tally: &mut tally };
        match judged.get(at) {
            Some(judged) => decision(&mut report, request, expected, judged),
            None => report.differs("", "decision", format!("{:?}", expected.result), "nothing".to_owned()),
        }
    }
    (differences, tally)
}

fn decision(report: &mut Report<'_>, request: &Request, expected: &Expected, judged: &Judged) {
    report.tally.pods += 1;
    let ours = &judged.decision;
    report.equal("", "pod", &expected.pod(), &format!("{}/{}", ours.namespace, ours.name));
    report.equal("", "schedulerName", &expected.scheduler_name, &ours.scheduler_name);
    report.equal("", "result", &expected.result, &ours.result);
    report.equal("", "message", &without_score(&expected.message), &without_score(&ours.message));
    report.equal("", "gatedBy", &expected.gated_by, &ours.gated_by.clone().unwrap_or_default());
    chosen(report, request, expected, judged);
    nodes::compare(report, expected, ours);
    preemption::compare(report, expected, judged);
}

/// A message without the plugin and the number of an invalid score: which of several kube-scheduler names depends on which node its
/// threads found first.
fn without_score(message: &str) -> String {
    const PLUGIN: &str = "plugin \"";
    const SCORE: &str = "returns an invalid score ";
    let Some((before, after)) = message.split_once(SCORE) else {
        return message.to_owned();
    };
    let before = before.rfind(PLUGIN).map_or(before, |at| &before[..at]);
    let rest = after.trim_start_matches('-').trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}{PLUGIN}_\" {SCORE}_{rest}")
}

/// Where the pod goes. kube-scheduler takes any of the best nodes, so ours must be one of them.
fn chosen(report: &mut Report<'_>, request: &Request, expected: &Expected, judged: &Judged) {
    let ours = &judged.decision;
    if expected.result != Outcome::Feasible {
        report.equal("", "node", &None, &ours.node);
        report.equal("", "decidedBy", &None, &ours.decided_by);
        return;
    }
    let feasible: Vec<_> = expected.nodes.iter().filter(|node| node.feasible).collect();
    let most = feasible.iter().map(|node| node.total).max().flatten();
    let (decided_by, allowed) = if expected.nominated_first {
        (DecidedBy::Nominated, nomination(request, &expected.pod()).into_iter().collect())
    } else {
        let best = feasible.iter().filter(|node| node.total == most).map(|node| node.name.as_str());
        let by = if feasible.len() == 1 { DecidedBy::OnlyFeasible } else { DecidedBy::Score };
        (by, best.collect::<Vec<_>>())
    };
    report.equal("", "decidedBy", &Some(decided_by), &ours.decided_by);
    let node = ours.node.as_deref().unwrap_or_default();
    if !allowed.contains(&node) {
        report.differs("", "node", format!("one of {allowed:?}"), format!("{node:?}"));
    }
}

/// The node that a pod of the request is nominated to.
fn nomination<'a>(request: &'a Request, pod: &str) -> Option<&'a str> {
    let (namespace, name) = pod.split_once('/')?;
    let pod = request.objects.iter().find(|object| {
        let meta = &object["metadata"];
        object["kind"] == "Pod" && meta["name"] == name && meta["namespace"] == namespace
    })?;
    pod["status"]["nominatedNodeName"].as_str()
}
