//! The end of a simulation: what was placed where, what is left and why, and how full the nodes are.

use std::fmt::Write as _;

use loadline_simulator::report::{Circling, PreemptedPod, Report};

use super::decision::section;
use super::table::{Column, Table};
use super::{TOP, count, gangs, pending, placements, shown_of, uses};
use crate::output::View;

/// What to show in full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    /// Each placement, in order, instead of a line for each workload.
    pub(crate) placements: bool,
    /// Each node, instead of the fullest.
    pub(crate) nodes: bool,
}

/// The whole report.
pub(crate) fn render(report: &Report, shown: Shown, view: View) -> String {
    let mut text = summary(report);
    text += &if shown.placements {
        placements::in_order(&report.placements, view)
    } else {
        placements::by_workload(report, view)
    };
    text += &gangs::render(&report.gangs, view);
    text += &pending::render(&report.pending, view);
    text += &preempted(&report.preempted, view);
    text += &circling(&report.circling, view);
    text += &uses::render(report, shown.nodes, view);
    text
}

fn summary(report: &Report) -> String {
    let placed = placements::standing(report).len();
    let mut parts =
        vec![format!("{} placed", count(placed as u64, "pod")), format!("{} pending", report.pending.len())];
    if !report.preempted.is_empty() {
        parts.push(format!("{} preempted", report.preempted.len()));
    }
    if report.terminated > 0 {
        parts.push(format!("{} gone", count(report.terminated, "terminating pod")));
    }
    if report.not_ours > 0 {
        parts.push(format!("{} left to other schedulers", report.not_ours));
    }
    let end = if report.at_rest { "nothing more would happen" } else { "stopped by --until while things still moved" };
    format!(
        "{}. After {} of virtual time {end}.\nconfiguration {}, seed {}\n",
        parts.join(", "),
        seconds(report.elapsed_seconds),
        report.config_hash,
        report.seed
    )
}

/// `0 s`, `1.5 s`, `2 min 5 s`, `1 h`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds} s");
    }
    let whole = seconds.round() as u64;
    let parts = [(whole / 3600, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
    parts.join(" ")
}

fn preempted(pods: &[PreemptedPod], view: View) -> String {
    if pods.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::left("VICTIM"),
        Column::left("NODE"),
        Column::left("MADE ROOM FOR"),
        Column::left("CAME BACK AS"),
        Column::right("AT"),
    ]);
    let shown = shown_of(pods.len(), TOP);
    for pod in pods.iter().take(shown) {
        let back = if pod.replaced_by.is_empty() { "-" } else { &pod.replaced_by };
        table.row([
            pod.victim.clone(),
            pod.node.clone(),
            pod.preemptor.clone(),
            back.to_owned(),
            seconds(pod.at_seconds),
        ]);
    }
    let mut text = section(&format!("Preempted: {}", count(pods.len() as u64, "pod")), view);
    text += &table.render(view, 2);
    if pods.len() > shown {
        let _ = writeln!(text, "  and {} more, in -o json", pods.len() - shown);
    }
    text
}

fn circling(pods: &[Circling], view: View) -> String {
    if pods.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new(vec![Column::left("POD"), Column::right("ATTEMPTS"), Column::text("WHAT KEEPS IT GOING")]);
    let shown = shown_of(pods.len(), TOP);
    for pod in pods.iter().take(shown) {
        table.row([pod.pod.clone(), pod.attempts.to_string(), pod.why.clone()]);
    }
    let mut text = section(&format!("In circles until the end: {}", count(pods.len() as u64, "pod")), view);
    text += &table.render(view, 2);
    if pods.len() > shown {
        let _ = writeln!(text, "  and {} more, in -o json", pods.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::{narrow, report, wide};

    #[test]
    fn a_report() {
        insta::assert_snapshot!(render(&report(), Shown::default(), wide()));
    }

    #[test]
    fn everything_in_full() {
        let shown = Shown { placements: true, nodes: true };
        insta::assert_snapshot!(render(&report(), shown, wide()));
    }

    #[test]
    fn a_narrow_terminal_is_not_exceeded() {
        let text = render(&report(), Shown::default(), narrow(90));
        assert!(text.lines().skip(2).all(|line| line.chars().count() <= 90), "{text}");
    }

    #[test]
    fn times_are_readable() {
        let times = [0.0, 1.5, 59.9, 60.0, 125.0, 3600.0, 3661.0].map(seconds);
        assert_eq!(times, ["0 s", "1.5 s", "59.9 s", "1 min", "2 min 5 s", "1 h", "1 h 1 min 1 s"]);
    }
}
