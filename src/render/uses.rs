//! How full the cluster and its nodes are, before and after.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use loadline_simulator::report::{NodeUse, Report, Usage};

use super::amount::{self, percent};
use super::decision::section;
use super::table::{Column, Table};
use super::{TOP, count, shown_of};
use crate::output::View;

/// The sum over all nodes, and the fullest of them (or all).
pub(super) fn render(report: &Report, all: bool, view: View) -> String {
    let nodes = &report.nodes;
    if nodes.is_empty() {
        return "\nThere are no nodes.\n".to_owned();
    }
    let total = count(nodes.len() as u64, "node");
    let mut text = section(&format!("Requested on {total}"), view) + &sums(nodes).render(view, 2);
    if report.vacated > 0 {
        let pods = count(report.vacated, "pod");
        let _ = writeln!(text, "  BEFORE is without {pods} that --replace took from the nodes.");
    }
    let mut order: Vec<&NodeUse> = nodes.iter().collect();
    let shown = if all { nodes.len() } else { shown_of(nodes.len(), TOP) };
    let title = if shown == nodes.len() {
        "Each node".to_owned()
    } else {
        order.sort_by_key(|node| (std::cmp::Reverse(fullness(node)), &node.name));
        order.truncate(shown);
        format!("The {shown} fullest nodes (--nodes shows all)")
    };
    text += &section(&title, view);
    text += &each(&order).render(view, 2);
    text
}

fn sums(nodes: &[NodeUse]) -> Table {
    let mut table = Table::new(vec![
        Column::left("RESOURCE"),
        Column::right("ALLOCATABLE"),
        Column::right("BEFORE"),
        Column::right("AFTER"),
    ]);
    let others: BTreeSet<&str> =
        nodes.iter().flat_map(|node| node.allocatable.others.keys()).map(String::as_str).collect();
    let row = |name: &str, show: &dyn Fn(i64) -> String, of: &dyn Fn(&Usage) -> i64| {
        let sum = |of_node: &dyn Fn(&NodeUse) -> i64| nodes.iter().map(of_node).fold(0_i64, i64::saturating_add);
        let allocatable = sum(&|node| of(&node.allocatable));
        let used = |amount: i64| match percent(amount, allocatable) {
            Some(percent) => format!("{} ({percent}%)", show(amount)),
            None => show(amount),
        };
        let (before, after) = (used(sum(&|node| of(&node.before))), used(sum(&|node| of(&node.after))));
        [name.to_owned(), show(allocatable), before, after]
    };
    table.row(row("cpu", &amount::cores, &|usage| usage.milli_cpu));
    table.row(row("memory", &amount::bytes, &|usage| usage.memory));
    table.row(row("pods", &|pods| pods.to_string(), &|usage| usage.pods));
    for name in others {
        let show = |number| amount::of(name, number);
        table.row(row(name, &show, &|usage| usage.others.get(name).copied().unwrap_or(0)));
    }
    table
}

fn each(nodes: &[&NodeUse]) -> Table {
    let mut table =
        Table::new(vec![Column::left("NODE"), Column::right("CPU"), Column::right("MEMORY"), Column::right("PODS")]);
    for node in nodes {
        let shares = |of: &dyn Fn(&Usage) -> i64| {
            let share = |usage: &Usage| {
                percent(of(usage), of(&node.allocatable))
                    .map_or_else(|| "-".to_owned(), |percent| format!("{percent}%"))
            };
            step(&share(&node.before), &share(&node.after))
        };
        table.row([
            node.name.clone(),
            shares(&|usage| usage.milli_cpu),
            shares(&|usage| usage.memory),
            step(&node.before.pods.to_string(), &node.after.pods.to_string()),
        ]);
    }
    table
}

/// `43% -> 98%`, or `43%` when nothing changed.
fn step(before: &str, after: &str) -> String {
    if before == after { after.to_owned() } else { format!("{before} -> {after}") }
}

/// The larger share of cpu and memory, in percent.
fn fullness(node: &NodeUse) -> i64 {
    let share = |of: &dyn Fn(&Usage) -> i64| percent(of(&node.after), of(&node.allocatable)).unwrap_or(0);
    share(&|usage| usage.milli_cpu).max(share(&|usage| usage.memory))
}
