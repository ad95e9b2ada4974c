//! Preemption: where it helps, whom it would delete, and which node is chosen.

use std::collections::BTreeMap;

use super::Report;
use crate::judge::Judged;
use crate::protocol::Expected;

/// Compares candidates one by one, then the choice among them.
pub(super) fn compare(report: &mut Report<'_>, expected: &Expected, judged: &Judged) {
    let expected_candidates = expected.preemption.as_ref().map_or(&[][..], |found| &found.candidates);
    let mut found: BTreeMap<_, _> = judged.candidates.iter().map(|at| (at.node.as_str(), at)).collect();
    for candidate in expected_candidates {
        report.tally.candidates += 1;
        let node = &candidate.node;
        let Some(found) = found.remove(node.as_str()) else {
            let expected = format!("with victims {:?}", candidate.victims);
            report.differs(node, "candidate for preemption", expected, "none".to_owned());
            continue;
        };
        report.equal(node, "victims", &candidate.victims, &found.victims);
        let violations = (&candidate.num_pdb_violations, &found.num_pdb_violations);
        report.equal(node, "violated disruption budgets", violations.0, violations.1);
    }
    for (node, candidate) in found {
        let found = format!("with victims {:?}", candidate.victims);
        report.differs(node, "candidate for preemption", "none".to_owned(), found);
    }
    match (&expected.preemption, &judged.decision.preemption) {
        (None, None) => {}
        (Some(expected), Some(ours)) => {
            if !expected.best.contains(&ours.nominated_node) {
                let best = format!("one of {:?}", expected.best);
                report.differs("", "nominated node", best, format!("{:?}", ours.nominated_node));
            }
            let on_it = expected.candidates.iter().find(|candidate| candidate.node == ours.nominated_node);
            if let Some(candidate) = on_it {
                report.equal(&candidate.node, "victims of the choice", &candidate.victims, &ours.victims);
            }
        }
        (expected, ours) => {
            let say = |node: Option<&String>| node.map_or("none".to_owned(), |node| format!("nominates {node}"));
            let expected = say(expected.as_ref().map(|found| &found.nominated_node));
            report.differs("", "preemption", expected, say(ours.as_ref().map(|found| &found.nominated_node)));
        }
    }
}
