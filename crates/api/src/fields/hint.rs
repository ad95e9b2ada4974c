//! What somebody may have meant with a field that is not there: the same name somewhere near, or nearly the same name here.

use super::Level;
use super::table::{Below, Table, TypeId};
use crate::doc::{At, FieldPath, did_you_mean, is_slip};

/// How far below a field is looked for: from a Deployment to the container's fields in its template.
const DEEPEST: usize = 4;

/// Among more than this the place would not be told.
const MOST: usize = 4;

/// The text to append to a message, or nothing.
pub(super) fn hint(table: &Table, level: &Level<'_>, name: &str) -> String {
    let above = || std::iter::successors(level.above, |level| level.above);
    // Indented too far, or too little.
    if let Some(level) = above().find(|level| table.field(level.found, name).is_some()) {
        return match level.at {
            At::Root => "; it belongs to the object itself, beside metadata".to_owned(),
            at => format!("; it belongs under {}", at.to_path()),
        };
    }
    let fields = || table.fields(level.found).iter().map(|(field, _)| *field);
    let here = || did_you_mean(name, fields());
    // `request` is `requests` and not what is called so elsewhere.
    let slip = fields().find(|field| is_slip(name, field)).map(|_| here());
    slip.or_else(|| below(table, level, name, 1))
        .or_else(|| Some(here()).filter(|near| !near.is_empty()))
        .or_else(|| below(table, level, name, DEEPEST))
        .or_else(|| above().find_map(|level| below(table, level, name, 1)))
        .unwrap_or_default()
}

/// Where below a level, at most so many steps, types have such a field: those that are nearest.
fn below(table: &Table, level: &Level<'_>, name: &str, steps: usize) -> Option<String> {
    let mut ways: Vec<(FieldPath, TypeId)> = vec![(level.at.to_path(), level.found)];
    for _ in 0..steps {
        let mut next = Vec::new();
        for (way, of) in &ways {
            for (field, below) in table.fields(*of) {
                // Nobody writes a status, and what is in there has often the name of what is in the spec.
                if let Below::Type(below) = below
                    && *field != "status"
                {
                    next.push((way.field(*field), *below));
                }
            }
        }
        let found: Vec<String> =
            next.iter().filter(|(_, of)| table.field(*of, name).is_some()).map(|(way, _)| way.to_string()).collect();
        if let Some((last, others)) = found.split_last() {
            let or = if others.is_empty() { "" } else { " or " };
            return (found.len() <= MOST).then(|| format!("; it belongs under {}{or}{last}", others.join(", ")));
        }
        ways = next;
    }
    None
}
