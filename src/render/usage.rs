//! What sources of real use say, for people.

use std::fmt::Write as _;

use crate::metrics_cmd::{Checked, CheckedSource};
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
    match &source.error {
        Some(error) => fact("error", error.clone()),
        None => fact("answer", format!("{}, {}", count_of(source.series), count(source.nodes.len() as u64, "node"))),
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
        let mut table = Table::new(vec![Column::text("")]);
        source.advice.iter().for_each(|advice| table.row([format!("- {advice}")]));
        text += &table.render(view, 2);
    }
    text
}

fn count_of(series: usize) -> String {
    format!("{series} series")
}

fn nodes(source: &CheckedSource, view: View) -> String {
    if source.nodes.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<_> = source.nodes.iter().collect();
    sorted.sort_by(|a, b| b.percent.total_cmp(&a.percent).then_with(|| a.name.cmp(&b.name)));
    let columns = ["NODE", "IN USE", "AGE", ""];
    let mut table = Table::new(vec![
        Column::left(columns[0]),
        Column::right(columns[1]),
        Column::right(columns[2]),
        Column::left(columns[3]),
    ]);
    let shown = shown_of(sorted.len(), TOP);
    for node in &sorted[..shown] {
        let stale = if node.is_stale { "stale: does not count" } else { "" };
        table.row([
            node.name.clone(),
            format!("{:.1} %", node.percent),
            format!("{:.0} s", node.age_seconds),
            stale.to_owned(),
        ]);
    }
    if source.nodes.iter().all(|node| !node.is_stale) {
        table.drop_column(3);
    }
    let mut text = format!("\n{}", table.render(view, 2));
    if sorted.len() > shown {
        let _ = writeln!(text, "  and {} more", sorted.len() - shown);
    }
    text
}

fn ignored(source: &CheckedSource, view: View) -> String {
    if source.ignored.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![Column::left("SERIES"), Column::right("VALUE"), Column::text("DOES NOT COUNT")]);
    let shown = shown_of(source.ignored.len(), TOP);
    for ignored in &source.ignored[..shown] {
        table.row([ignored.series.clone(), ignored.value.clone(), ignored.reason.clone()]);
    }
    let mut text = format!("\n{}", table.render(view, 2));
    if source.ignored.len() > shown {
        let _ = writeln!(text, "  and {} more", source.ignored.len() - shown);
    }
    text
}
