//! What sources of real use say, for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::metrics_cmd::{Checked, CheckedNode, CheckedSource, IgnoredSeries};
use crate::output::View;
use crate::render::table::{Column, Table};
use crate::render::{TOP, count, first_few, shown_of};

/// All sources, one after the other.
pub(crate) fn render(checked: &Checked, view: View) -> String {
    let parts: Vec<String> = checked.sources.iter().map(|source| one(source, view)).collect();
    parts.join("\n")
}

fn one(source: &CheckedSource, view: View) -> String {
    let style = if source.advice.is_empty() { view.styles.good } else { view.styles.bad };
    let state = match (&source.error, source.advice.is_empty()) {
        (Some(_), _) => "no answer",
        (None, false) => "to be mended",
        (None, true) => "fine",
    };
    let mut text = format!("{}: {style}{state}{style:#}\n", source.resource);
    let mut facts = Table::new(vec![Column::left(""), Column::text("")]);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("wanted by", source.wanted_by.join(", "));
    fact("Prometheus", source.address.clone());
    fact("query", source.query.clone());
    fact("age query", source.age_query.clone());
    fact("node label", source.node_label.clone());
    if let Some(error) = &source.error {
        fact("error", error.clone());
    } else {
        let nodes = count(source.nodes.len() as u64, "node");
        fact("answer", format!("{} series, samples of {nodes}", source.series));
    }
    for remark in &source.remarks {
        fact("remark", remark.clone());
    }
    if !source.without_sample.is_empty() {
        let names = source.without_sample.iter().map(String::as_str);
        fact("no sample", first_few(names, TOP));
    }
    if !source.not_in_cluster.is_empty() {
        let names = source.not_in_cluster.iter().map(String::as_str);
        fact("no such node", first_few(names, TOP));
    }
    text += &facts.render(view, 2);
    text += &nodes(source, view);
    text += &ignored(source, view);
    if !source.advice.is_empty() {
        let _ = writeln!(text, "\nWhat to change");
        let mut table = Table::new(vec![Column::left(""), Column::text("")]);
        source.advice.iter().for_each(|advice| table.row(["-".to_owned(), advice.clone()]));
        text += &table.render(view, 2);
    }
    text
}

fn nodes(source: &CheckedSource, view: View) -> String {
    if source.nodes.is_empty() {
        return String::new();
    }
    let unknown: BTreeSet<&str> = source.not_in_cluster.iter().map(String::as_str).collect();
    let remark = |node: &CheckedNode| match () {
        () if node.is_stale => "stale: does not count",
        () if unknown.contains(&*node.name) => "not in the cluster",
        () => "",
    };
    let mut sorted: Vec<_> = source.nodes.iter().collect();
    // What is to be looked at first, then the fullest.
    sorted.sort_by(|a, b| {
        let by_remark = remark(a).is_empty().cmp(&remark(b).is_empty());
        by_remark.then(b.percent.total_cmp(&a.percent)).then_with(|| a.name.cmp(&b.name))
    });
    let mut table =
        Table::new(vec![Column::left("NODE"), Column::right("IN USE"), Column::right("AGE"), Column::left("")]);
    let shown = shown_of(sorted.len(), TOP);
    for node in &sorted[..shown] {
        let (used, age) = (format!("{:.1} %", node.percent), format!("{:.0} s", node.age_seconds));
        table.row([node.name.clone(), used, age, remark(node).to_owned()]);
    }
    if sorted.iter().all(|node| remark(node).is_empty()) {
        table.drop_column(3);
    }
    let mut text = format!("\n{}", table.render(view, 2));
    if sorted.len() > shown {
        let _ = writeln!(text, "  and {} more", sorted.len() - shown);
    }
    text
}

/// By reason, with a few examples of each.
fn ignored(source: &CheckedSource, view: View) -> String {
    const EXAMPLES: usize = 3;
    let mut by_reason: Vec<(&str, Vec<&IgnoredSeries>)> = Vec::new();
    for series in &source.ignored {
        match by_reason.iter_mut().find(|(reason, _)| *reason == series.reason) {
            Some((_, of_reason)) => of_reason.push(series),
            None => by_reason.push((&series.reason, vec![series])),
        }
    }
    let mut text = String::new();
    for (reason, series) in by_reason {
        let _ = writeln!(text, "\n  {} series: {reason}", series.len());
        let mut table = Table::new(vec![Column::left(""), Column::right("")]);
        let shown = shown_of(series.len(), EXAMPLES);
        for ignored in &series[..shown] {
            table.row([ignored.series.clone(), ignored.value.clone()]);
        }
        text += &table.render(view, 4);
        if series.len() > shown {
            let _ = writeln!(text, "    and {} more", series.len() - shown);
        }
    }
    text
}
