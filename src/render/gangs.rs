//! Gangs: how far each is, and what keeps it.

use std::fmt::Write as _;

use loadline_framework::record::{GangRecord, GangState};

use super::decision::section;
use super::simulate::seconds;
use super::table::{Column, Table};
use super::{TOP, count, shown_of};
use crate::output::View;

/// A line for each gang, those that wait first.
pub(super) fn render(gangs: &[GangRecord], view: View) -> String {
    if gangs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::left("GANG"),
        Column::left("STATE"),
        Column::right("MINIMUM"),
        Column::right("HAVE"),
        Column::right("PLACED"),
        Column::right("FITS"),
        Column::text("WHY"),
    ]);
    let mut ordered: Vec<&GangRecord> = gangs.iter().collect();
    ordered.sort_by_key(|gang| gang.state == GangState::Placed);
    let shown = shown_of(ordered.len(), TOP);
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for gang in ordered.iter().take(shown) {
        let message = if gang.message.is_empty() { "-".to_owned() } else { gang.message.clone() };
        table.row([
            format!("{}/{}", gang.namespace, gang.name),
            state(gang.state).to_owned(),
            number(gang.minimum),
            gang.have.to_string(),
            gang.placed.to_string(),
            number(gang.fits),
            message,
        ]);
    }
    let mut text = section(&format!("Gangs: {}", gangs.len()), view);
    text += &table.render(view, 2);
    if gangs.len() > shown {
        let _ = writeln!(text, "  and {} more, in -o json", gangs.len() - shown);
    }
    text
}

/// One gang in a line.
pub(super) fn in_short(gang: &GangRecord) -> String {
    let GangRecord { namespace, name, minimum, have, placed, finished, gated, .. } = gang;
    let state = state(gang.state);
    let mut parts = vec![match minimum {
        Some(minimum) => {
            format!("{namespace}/{name}, {state}: {have} of at least {minimum} pods are there, {placed} placed")
        }
        None => format!("{namespace}/{name}, {state}: {have} pods are there, {placed} placed"),
    }];
    if *finished > 0 {
        parts.push(format!(", {finished} finished"));
    }
    if *gated > 0 {
        parts.push(format!(", {gated} gated"));
    }
    if let Some(fits) = gang.fits {
        parts.push(format!("; {} would find a node together", count(u64::from(fits), "pod")));
    }
    if let Some(domain) = &gang.domain {
        parts.push(format!(" in {domain}"));
    }
    if let Some(left) = gang.next_try_seconds {
        parts.push(format!("; tried again in {} at the latest", seconds(left)));
    }
    if let Some(left) = gang.reserved_seconds {
        parts.push(format!("; room is kept for it, for {} more", seconds(left)));
    }
    parts.concat()
}

/// Which pods of a gang find no node, and why.
pub(super) fn blocked(gang: &GangRecord, view: View) -> String {
    if gang.blocked.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::right("PODS"),
        Column::left("SUCH AS"),
        Column::left("TURNED DOWN BY"),
        Column::text("WHY"),
    ]);
    for blocked in &gang.blocked {
        let by = blocked.rejected_by.join(", ");
        table.row([blocked.pods.to_string(), blocked.pod.clone(), by, blocked.message.clone()]);
    }
    section("Members of its gang that find no node", view) + &table.render(view, 2)
}

const fn state(state: GangState) -> &'static str {
    match state {
        GangState::WaitsForGroup => "waits for its PodGroup",
        GangState::WaitsForPods => "waits for pods",
        GangState::Ready => "ready",
        GangState::WaitsForRoom => "waits for room",
        GangState::Preempting => "preempts",
        GangState::Underway => "on its way",
        GangState::Placed => "placed",
    }
}
