//! Where pods went: by workload, or one by one.

use std::collections::{BTreeMap, BTreeSet};

use loadline_framework::record::DecidedBy;
use loadline_simulator::report::{Placement, Report};

use super::decision::section;
use super::simulate::seconds;
use super::table::{Column, Table};
use super::{count, first_few};
use crate::output::View;

/// Nodes named behind a workload.
const NODES: usize = 4;
/// Pods without a workload that have a line each; more of them share one.
const SINGLES: usize = 10;

/// The placements that hold at the end: the last one of each pod that is neither pending nor gone.
pub(super) fn standing(report: &Report) -> Vec<&Placement> {
    let mut gone: BTreeSet<(&str, &str)> = BTreeSet::new();
    for pod in &report.preempted {
        let name = pod.victim.split_once('/').unwrap_or(("", &pod.victim));
        // A pod of a StatefulSet comes back under its own name, any other under a new one or not at all.
        if pod.replaced_by.rsplit('/').next() != Some(name.1) {
            gone.insert(name);
        }
    }
    gone.extend(report.pending.iter().map(|pod| (pod.namespace.as_str(), pod.name.as_str())));
    let mut last: BTreeMap<(&str, &str), (usize, &Placement)> = BTreeMap::new();
    for (order, placement) in report.placements.iter().enumerate() {
        let name = (placement.namespace.as_str(), placement.name.as_str());
        if !gone.contains(&name) {
            last.insert(name, (order, placement));
        }
    }
    let mut standing: Vec<_> = last.into_values().collect();
    standing.sort_unstable_by_key(|(order, _)| *order);
    standing.into_iter().map(|(_, placement)| placement).collect()
}

/// A line for each workload, with the nodes that hold most of it first.
pub(super) fn by_workload(report: &Report, view: View) -> String {
    let standing = standing(report);
    if standing.is_empty() {
        return String::new();
    }
    let singles = standing.iter().filter(|placement| placement.owner.is_empty()).count();
    let mut workloads: BTreeMap<(&str, String), BTreeMap<&str, u64>> = BTreeMap::new();
    for placement in standing {
        let workload = match placement.owner.as_str() {
            "" if singles <= SINGLES => format!("Pod/{}", placement.name),
            "" => "pods of their own".to_owned(),
            owner => owner.to_owned(),
        };
        let nodes = workloads.entry((&placement.namespace, workload)).or_default();
        *nodes.entry(&placement.node).or_default() += 1;
    }
    let mut table = Table::new(vec![
        Column::left("NAMESPACE"),
        Column::left("WORKLOAD"),
        Column::right("PODS"),
        Column::text("NODES"),
    ]);
    for ((namespace, workload), nodes) in workloads {
        let pods: u64 = nodes.values().sum();
        let mut nodes: Vec<_> = nodes.into_iter().collect();
        nodes.sort_by_key(|(node, pods)| (std::cmp::Reverse(*pods), *node));
        let several = nodes.iter().any(|(_, pods)| *pods > 1);
        let named: Vec<String> = nodes
            .iter()
            .map(|(node, pods)| if several { format!("{pods} on {node}") } else { (*node).to_owned() })
            .collect();
        let named = first_few(named.iter().map(String::as_str), NODES);
        table.row([namespace.to_owned(), workload, pods.to_string(), named]);
    }
    section("Placed", view) + &table.render(view, 2)
}

/// Each placement in the order of the decisions, those that did not last included.
pub(super) fn in_order(placements: &[Placement], view: View) -> String {
    if placements.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::right("AT"),
        Column::left("NAMESPACE"),
        Column::left("POD"),
        Column::left("NODE"),
        Column::right("FIT"),
        Column::left("DECIDED BY"),
        Column::right("ATTEMPTS"),
    ]);
    for placement in placements {
        let decided_by = match placement.decided_by {
            DecidedBy::Score => "score",
            DecidedBy::OnlyFeasible => "only feasible",
            DecidedBy::Nominated => "nominated",
        };
        table.row([
            seconds(placement.at_seconds),
            placement.namespace.clone(),
            placement.name.clone(),
            placement.node.clone(),
            placement.feasible.to_string(),
            decided_by.to_owned(),
            placement.attempts.to_string(),
        ]);
    }
    section(&count(placements.len() as u64, "placement"), view) + &table.render(view, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::{placement, preempted, report};

    #[test]
    fn what_was_undone_does_not_stand() {
        let mut report = report();
        report.pending.clear();
        report.placements = vec![
            placement("low-x", "ReplicaSet/low", "node-a"),
            placement("db-0", "StatefulSet/db", "node-a"),
            placement("low-y", "ReplicaSet/low", "node-b"),
            placement("db-0", "StatefulSet/db", "node-c"),
        ];
        report.preempted = vec![preempted("shop/low-x", "low-y"), preempted("shop/db-0", "db-0")];
        let standing: Vec<_> = standing(&report).iter().map(|p| (p.name.clone(), p.node.clone())).collect();
        assert_eq!(standing, [("low-y".into(), "node-b".into()), ("db-0".into(), "node-c".into())]);
    }

    #[test]
    fn many_pods_of_their_own_share_a_line() {
        let mut report = report();
        report.pending.clear();
        report.placements = (0..30).map(|n| placement(&format!("p{n}"), "", "node-a")).collect();
        let text = by_workload(&report, crate::render::testing::wide());
        assert!(text.contains("pods of their own     30   30 on node-a"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
