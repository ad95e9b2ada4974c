//! One decision in full: what became of the pod, which nodes it fits and how they scored, who turned the others down and
//! by how much, and what would help.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use loadline_framework::record::{
    DecidedBy, Decision, DecisionSummary, NodeRecord, Outcome, Preemption, Remedy, ScoreRecord,
};
use loadline_model::quantity::Quantity;

use super::table::{Column, Table, clean};
use super::{TOP, count, first_few, gangs, name_of, shown_of, style_of};
use crate::output::View;

/// Nodes named behind a reason.
const NAMED: usize = 3;
/// Nodes whose numbers are shown.
const NEAREST: usize = 5;
/// Remedies shown.
const REMEDIES: usize = 5;
/// A plugin's name is broken over lines of this many letters.
const HEAD_WIDTH: usize = 11;

/// The whole decision, with what a running scheduler has kept of it.
pub(crate) fn render(decision: &Decision, summary: Option<&DecisionSummary>, view: View) -> String {
    let mut text = title(decision, view);
    text += &facts(decision, summary).render(view, 2);
    match &decision.nodes {
        Some(nodes) => {
            text += &feasible(decision, nodes, view);
            text += &turned_down(nodes, view);
            text += &nearest(nodes, view);
        }
        None if decision.truncated => {
            text += "\nThe table of nodes is no longer kept for this decision.\n";
            text += &summary.map_or_else(String::new, |summary| kept(decision, summary, view));
        }
        None => {}
    }
    if let Some(gang) = &decision.gang {
        text += &gangs::blocked(gang, view);
    }
    if let Some(preemption) = &decision.preemption {
        text += &preempts(preemption, view);
    }
    if decision.result != Outcome::Feasible {
        text += &helps(&decision.remedy, view);
    }
    text
}

fn title(decision: &Decision, view: View) -> String {
    let (head, style) = (view.styles.head, style_of(decision.result, view.styles));
    let pod = clean(&format!("{}/{}", decision.namespace, decision.name));
    format!("{head}{pod}{head:#}: {style}{}{style:#}\n", name_of(decision.result))
}

fn facts(decision: &Decision, summary: Option<&DecisionSummary>) -> Table {
    let mut table = Table::new(vec![Column::left(""), Column::text("")]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    if let Some(node) = &decision.node {
        fact("node", node.clone());
    }
    if let Some(why) = why_this_node(decision) {
        fact("why", why);
    }
    if let Some(plugin) = &decision.gated_by {
        fact("gated by", plugin.clone());
    }
    if !decision.message.is_empty() {
        fact("message", decision.message.clone());
    }
    if let Some(gang) = &decision.gang {
        fact("gang", gangs::in_short(gang));
    }
    if let Some(pods) = decision.count.filter(|pods| *pods > 1) {
        fact("stands for", format!("{} that are alike", count(u64::from(pods), "pod")));
    }
    fact("profile", decision.scheduler_name.clone());
    if let Some(summary) = summary {
        fact("attempt", summary.attempt.to_string());
    }
    table
}

fn why_this_node(decision: &Decision) -> Option<String> {
    Some(match decision.decided_by? {
        DecidedBy::OnlyFeasible => "the only node that fits".to_owned(),
        DecidedBy::Nominated => "it was nominated to this node, and fits there".to_owned(),
        DecidedBy::Score => {
            let by = decision.tie_broken_by.as_deref().map_or_else(
                || "a hash of seed, pod and attempt decided".to_owned(),
                |plugin| format!("{plugin} told them apart, and of those still equal a hash of seed, pod and attempt"),
            );
            match tied(decision) {
                0 => "highest total".to_owned(),
                1 => format!("highest total, which one other node has too: {by}"),
                others => format!("highest total, which {others} other nodes have too: {by}"),
            }
        }
    })
}

/// How many other nodes have the chosen one's total.
fn tied(decision: &Decision) -> usize {
    let nodes = decision.nodes.as_deref().unwrap_or_default();
    let chosen = nodes.iter().find(|node| Some(&node.name) == decision.node.as_ref());
    let Some(total) = chosen.and_then(|node| node.total) else {
        return 0;
    };
    nodes.iter().filter(|node| node.feasible && node.total == Some(total)).count() - 1
}

/// The nodes that fit, best first, with a column for each plugin that tells them apart.
fn feasible(decision: &Decision, nodes: &[NodeRecord], view: View) -> String {
    let mut fit: Vec<&NodeRecord> = nodes.iter().filter(|node| node.feasible).collect();
    if fit.is_empty() {
        return String::new();
    }
    let is_chosen = |node: &NodeRecord| decision.node.as_deref() == Some(&node.name);
    fit.sort_by_key(|node| (std::cmp::Reverse(node.total), !is_chosen(node), &node.name));
    let (differ, same) = scored_by(&fit);
    let mut columns = vec![Column::left(""), Column::left("NODE"), Column::right("TOTAL")];
    columns.extend(differ.iter().map(|(plugin, score)| Column::right(&plugin_head(plugin, score.weight))));
    let mut table = Table::new(columns);
    let best = fit.iter().find(|node| is_chosen(node)).and_then(|node| node.total);
    let decided_by_score = decision.decided_by == Some(DecidedBy::Score);
    let shown = shown_of(fit.len(), TOP);
    for node in fit.iter().take(shown) {
        let mark = match () {
            () if is_chosen(node) => "*",
            () if decided_by_score && node.total == best => "=",
            () => "",
        };
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let mut row = vec![mark.to_owned(), node.name.clone(), number(node.total)];
        row.extend(differ.iter().map(|(plugin, _)| number(node.scores.get(*plugin).map(|score| score.weighted))));
        table.push(row);
    }
    let mut text = section(&format!("Fit: {} of {}", fit.len(), count(nodes.len() as u64, "node")), view);
    text += &table.render(view, 2);
    if fit.len() > shown {
        let _ = writeln!(text, "  and {} more", fit.len() - shown);
    }
    let mut notes = Vec::new();
    if decision.node.is_some() {
        let tie = if decided_by_score && tied(decision) > 0 { ", = has the same total" } else { "" };
        notes.push(format!("* chosen{tie}; scores are weighted"));
    }
    if !same.is_empty() {
        let list: Vec<String> = same.iter().map(|(plugin, score)| format!("{plugin} {}", score.weighted)).collect();
        notes.push(format!("the same on every node that fits: {}", list.join(", ")));
    }
    for note in notes {
        text += &paragraph(&note, view);
    }
    text + &score_notes(&fit[..shown], view)
}

/// What is to be known about scores besides the numbers, by plugin.
fn score_notes(nodes: &[&NodeRecord], view: View) -> String {
    let mut by_plugin: BTreeMap<&str, Table> = BTreeMap::new();
    for node in nodes {
        for (plugin, score) in &node.scores {
            let Some(note) = &score.note else { continue };
            let table = by_plugin.entry(plugin).or_insert_with(|| Table::new(vec![Column::left(""), Column::text("")]));
            table.row([node.name.clone(), note.clone()]);
        }
    }
    let of_plugin = |(plugin, table): (&str, Table)| paragraph(plugin, view) + &table.render(view, 4);
    by_plugin.into_iter().map(of_plugin).collect()
}

type Scored<'a> = Vec<(&'a str, ScoreRecord)>;

/// The plugins that scored, with the first node's score: those whose scores differ between nodes, and the others.
fn scored_by<'a>(fit: &[&'a NodeRecord]) -> (Scored<'a>, Scored<'a>) {
    let mut plugins: BTreeMap<&str, ScoreRecord> = BTreeMap::new();
    for node in fit {
        for (plugin, score) in &node.scores {
            plugins.entry(plugin).or_insert_with(|| score.clone());
        }
    }
    let is_same = |(plugin, score): &(&str, ScoreRecord)| {
        fit.len() > 1
            && fit.iter().all(|node| node.scores.get(*plugin).is_some_and(|found| found.weighted == score.weighted))
    };
    let (same, differ) = plugins.into_iter().partition(is_same);
    (differ, same)
}

/// A plugin's name and weight over several lines, so that the column is as narrow as its numbers.
fn plugin_head(plugin: &str, weight: i64) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut add = |word: &mut String| {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= HEAD_WIDTH => line.push_str(word),
            _ if word.is_empty() => {}
            _ => lines.push(word.clone()),
        }
        word.clear();
    };
    for letter in plugin.chars() {
        if letter.is_uppercase() {
            add(&mut word);
        }
        word.push(letter);
    }
    add(&mut word);
    if weight != 1 {
        lines.push(format!("x{weight}"));
    }
    lines.join("\n")
}

/// Who turned nodes down, with which reason, most nodes first.
fn turned_down(nodes: &[NodeRecord], view: View) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut number = 0;
    for node in nodes.iter().filter(|node| !node.feasible) {
        number += 1;
        for reason in &node.reasons {
            groups.entry((&node.rejected_by, reason)).or_default().push(&node.name);
        }
        if node.reasons.is_empty() {
            groups.entry((&node.rejected_by, "")).or_default().push(&node.name);
        }
    }
    if number == 0 {
        return String::new();
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, names)| (std::cmp::Reverse(names.len()), *key));
    let mut table = Table::new(vec![
        Column::right("NODES"),
        Column::left("TURNED DOWN BY"),
        Column::text("REASON"),
        Column::text("WHICH"),
    ]);
    for ((plugin, reason), names) in groups {
        let which = first_few(names.iter().copied(), NAMED);
        table.row([names.len().to_string(), plugin.to_owned(), reason.to_owned(), which]);
    }
    let head = format!("Turned down: {number} of {}", count(nodes.len() as u64, "node"));
    section(&head, view) + &table.render(view, 2)
}

/// The numbers behind the reasons, for the nodes that lack least.
fn nearest(nodes: &[NodeRecord], view: View) -> String {
    let mut lacking: Vec<&NodeRecord> = nodes.iter().filter(|node| !node.feasible && !node.detail.is_empty()).collect();
    if lacking.is_empty() {
        return String::new();
    }
    lacking.sort_by(|a, b| {
        let distance = |node: &NodeRecord| (node.code != "Unschedulable", node.detail.len());
        distance(a).cmp(&distance(b)).then(shortfall(a).total_cmp(&shortfall(b))).then(a.name.cmp(&b.name))
    });
    let mut table =
        Table::new(vec![Column::left("NODE"), Column::left("WHAT"), Column::text("WANTED"), Column::text("FOUND")]);
    let shown = shown_of(lacking.len(), NEAREST);
    for node in lacking.iter().take(shown) {
        let mut name = node.name.clone();
        for detail in &node.detail {
            table.row([std::mem::take(&mut name), detail.what.clone(), detail.wanted.clone(), detail.found.clone()]);
        }
    }
    let head = if lacking.len() > shown { "What the nearest nodes lack" } else { "What they lack" };
    section(head, view) + &table.render(view, 2)
}

/// How far a node is from fitting: the largest share of what is wanted that is missing, and 1 where no amounts compare.
fn shortfall(node: &NodeRecord) -> f64 {
    let missing = node.detail.iter().map(|detail| {
        let milli = |text: &str| Quantity::parse(text).map(|amount| amount.milli_value() as f64);
        match (milli(&detail.wanted), milli(&detail.found)) {
            (Ok(wanted), Ok(found)) if wanted > 0.0 => (wanted - found) / wanted,
            _ => 1.0,
        }
    });
    missing.fold(0.0, f64::max)
}

/// What is known of the nodes when their table is gone: the best, and how many were turned down for what.
fn kept(decision: &Decision, summary: &DecisionSummary, view: View) -> String {
    let mut text = String::new();
    if summary.feasible > 0 {
        let mut table = Table::new(vec![Column::left(""), Column::left("NODE"), Column::right("TOTAL")]);
        for best in &summary.best {
            let mark = if decision.node.as_ref() == Some(&best.name) { "*" } else { "" };
            table.row([mark.to_owned(), best.name.clone(), best.total.to_string()]);
        }
        text += &section(&format!("Fit: {}", count(u64::from(summary.feasible), "node")), view);
        text += &table.render(view, 2);
        let more = u64::from(summary.feasible).saturating_sub(summary.best.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
    }
    if !summary.rejections.is_empty() {
        let mut table =
            Table::new(vec![Column::right("NODES"), Column::left("TURNED DOWN BY"), Column::text("REASON")]);
        for rejected in &summary.rejections {
            let reason = if rejected.reason.is_empty() { "(another on each node)" } else { &rejected.reason };
            table.row([rejected.nodes.to_string(), rejected.plugin.clone(), reason.to_owned()]);
        }
        text += &section("Turned down", view);
        text += &table.render(view, 2);
    }
    text
}

fn preempts(preemption: &Preemption, view: View) -> String {
    let victims = first_few(preemption.victims.iter().map(String::as_str), TOP);
    let pods = count(preemption.victims.len() as u64, "pod");
    let text = format!("would wait for {} and delete {pods} there: {victims}", preemption.nominated_node);
    section("Preemption", view) + &paragraph(&text, view)
}

/// The remedies that the plugins give which turned nodes down. Another plugin may turn a node down behind the first.
fn helps(remedies: &[Remedy], view: View) -> String {
    if remedies.is_empty() {
        return String::new();
    }
    let mut text = section("What would remove the first obstacle", view);
    let shown = shown_of(remedies.len(), REMEDIES);
    for remedy in remedies.iter().take(shown) {
        text += &paragraph(&format!("- {}", remedy.text), view);
    }
    if remedies.len() > shown {
        let _ = writeln!(text, "  and {} more, in -o json", remedies.len() - shown);
    }
    text
}

/// An empty line and a title.
pub(super) fn section(title: &str, view: View) -> String {
    let head = view.styles.head;
    format!("\n{head}{title}{head:#}\n")
}

/// Text that is wrapped to the terminal.
fn paragraph(text: &str, view: View) -> String {
    let mut table = Table::new(vec![Column::text("")]);
    table.row([text.to_owned()]);
    table.render(view, 2)
}

/// One line for a list of decisions: why the pod is where it is, or is nowhere.
pub(super) fn in_short(decision: &Decision) -> String {
    if decision.result == Outcome::Feasible {
        return choice_in_short(decision);
    }
    if let Some(plugin) = &decision.gated_by {
        return format!("{plugin}: {}", decision.message);
    }
    let room = decision.preemption.as_ref().map_or_else(String::new, |preemption| {
        let pods = count(preemption.victims.len() as u64, "pod");
        format!("; would preempt {pods} on {}", preemption.nominated_node)
    });
    super::in_short(&decision.message).to_owned() + &room
}

fn choice_in_short(decision: &Decision) -> String {
    match decision.decided_by {
        // It stands for others, which need not fit the same node: those of a DaemonSet have one each.
        Some(DecidedBy::OnlyFeasible) if decision.count.is_some() => {
            return "the only node that the first of them fits".to_owned();
        }
        Some(DecidedBy::OnlyFeasible) => return "the only node that fits".to_owned(),
        Some(DecidedBy::Nominated) => return "nominated there".to_owned(),
        Some(DecidedBy::Score) | None => {}
    }
    let mut text = "highest total".to_owned();
    if let Some(nodes) = &decision.nodes {
        let fit = nodes.iter().filter(|node| node.feasible).count();
        let _ = write!(text, " of {fit} that fit");
    }
    match tied(decision) {
        0 => {}
        others => {
            let _ = write!(text, ", tied with {}", count(others as u64, "other"));
        }
    }
    text
}
