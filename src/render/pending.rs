//! Pods without a node, grouped by what keeps them.

use std::collections::BTreeMap;
use std::fmt::Write;

use loadline_framework::record::Outcome;
use loadline_simulator::report::PendingPod;

use super::decision::section;
use super::table::{Column, Table};
use super::{count, first_few, in_short, name_of};
use crate::output::View;

/// Pods or workloads named behind a reason.
const NAMED: usize = 3;

/// What pods have in common that share a line.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Why<'a> {
    result: &'static str,
    gated_by: &'a str,
    nominated_node: &'a str,
    message: &'a str,
}

/// A line for each reason, the one of most pods first.
pub(super) fn render(pending: &[PendingPod], view: View) -> String {
    if pending.is_empty() {
        return String::new();
    }
    let mut groups: BTreeMap<Why<'_>, Vec<&PendingPod>> = BTreeMap::new();
    for pod in pending {
        let why = Why {
            result: name_of(pod.result),
            gated_by: &pod.gated_by,
            nominated_node: &pod.nominated_node,
            message: in_short(&pod.message),
        };
        groups.entry(why).or_default().push(pod);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, some), (b, others)| others.len().cmp(&some.len()).then_with(|| a.cmp(b)));
    let mut table =
        Table::new(vec![Column::right("PODS"), Column::text("WHICH"), Column::left("RESULT"), Column::text("WHY")]);
    for (why, pods) in groups {
        table.row([pods.len().to_string(), which(&pods), why.result.to_owned(), why.in_words()]);
    }
    let mut text = section(&format!("Pending: {}", count(pending.len() as u64, "pod")), view);
    text += &table.render(view, 2);
    if let Some(pod) = pending.iter().find(|pod| pod.result == Outcome::Unschedulable) {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let _ = writeln!(text, "  --explain {name} shows what each node lacks for it, and what would help.");
    }
    text
}

impl Why<'_> {
    fn in_words(&self) -> String {
        let Self { gated_by, nominated_node, message, .. } = self;
        match (*gated_by, *nominated_node) {
            ("", "") => (*message).to_owned(),
            ("", node) => format!("waits for {node}: {message}"),
            (plugin, _) => format!("{plugin}: {message}"),
        }
    }
}

/// Workloads with the number of their pods, and pods that have none.
fn which(pods: &[&PendingPod]) -> String {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for pod in pods {
        let name = if pod.owner.is_empty() { &pod.name } else { &pod.owner };
        *names.entry(format!("{}/{name}", pod.namespace)).or_default() += 1;
    }
    let names: Vec<String> =
        names.into_iter().map(|(name, pods)| if pods > 1 { format!("{pods} of {name}") } else { name }).collect();
    first_few(names.iter().map(String::as_str), NAMED)
}
