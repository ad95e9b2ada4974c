//! Nodes: feasibility, reasons, scores.

use std::collections::{BTreeMap, BTreeSet};

use loadline_framework::record::{Decision, NodeRecord};

use super::Report;
use crate::protocol::Expected;

/// Compares node by node.
pub(super) fn compare(report: &mut Report<'_>, expected: &Expected, ours: &Decision) {
    // Gated pods never reach the nodes.
    if expected.nodes.is_empty() {
        let found = ours.nodes.as_ref().map_or(0, Vec::len);
        report.equal("", "number of nodes", &0, &found);
        return;
    }
    let Some(nodes) = &ours.nodes else {
        report.differs("", "nodes", format!("{} of them", expected.nodes.len()), "none".to_owned());
        return;
    };
    report.equal("", "truncated", &false, &ours.truncated);
    if !nodes.is_sorted_by(|a, b| a.name < b.name) {
        report.differs("", "order of nodes", "by name".to_owned(), "another".to_owned());
    }
    let mut found: BTreeMap<_, _> = nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    for node in &expected.nodes {
        match found.remove(node.name.as_str()) {
            Some(found) => self::node(report, node, found),
            None => report.differs(&node.name, "node", "there".to_owned(), "absent".to_owned()),
        }
    }
    for name in found.into_keys() {
        report.differs(name, "node", "absent".to_owned(), "there".to_owned());
    }
}

fn node(report: &mut Report<'_>, expected: &NodeRecord, found: &NodeRecord) {
    report.tally.nodes += 1;
    let name = &expected.name;
    if expected.feasible != found.feasible {
        let say = |node: &NodeRecord| {
            if node.feasible {
                "feasible".to_owned()
            } else {
                format!("{} by {}: {}", node.code, node.rejected_by, node.reasons.join(", "))
            }
        };
        // What follows from it needs no lines of its own.
        return report.differs(name, "feasibility", say(expected), say(found));
    }
    report.equal(name, "rejectedBy", &expected.rejected_by, &found.rejected_by);
    report.equal(name, "code", &expected.code, &found.code);
    // Go visits extended resources in random order. Sorted, not as a set: a reason given twice is a difference.
    let sorted = |reasons: &[String]| {
        let mut reasons = reasons.to_vec();
        reasons.sort_unstable();
        reasons
    };
    report.equal(name, "reasons", &sorted(&expected.reasons), &sorted(&found.reasons));
    if expected.feasible {
        scores(report, expected, found);
    }
}

fn scores(report: &mut Report<'_>, expected: &NodeRecord, found: &NodeRecord) {
    let name = &expected.name;
    let plugins: BTreeSet<_> = expected.scores.keys().chain(found.scores.keys()).collect();
    for plugin in plugins {
        report.tally.scores += 1;
        let (expected, found) = (expected.scores.get(plugin), found.scores.get(plugin));
        let (Some(expected), Some(found)) = (expected, found) else {
            let say = |score: Option<_>| score.map_or("skipped", |_| "scored").to_owned();
            report.differs(name, format_args!("score of {plugin}"), say(expected), say(found));
            continue;
        };
        for (what, expected, found) in [
            ("raw score", expected.raw, found.raw),
            ("normalized score", expected.normalized, found.normalized),
            ("weight", expected.weight, found.weight),
            ("weighted score", expected.weighted, found.weighted),
        ] {
            report.equal(name, format_args!("{what} of {plugin}"), &expected, &found);
        }
    }
    // A plugin without scores adds nothing, so that no scores at all make 0.
    report.equal(name, "total", &expected.total.unwrap_or(0), &found.total.unwrap_or(0));
}
