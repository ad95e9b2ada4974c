//! Fields that Kubernetes does not have: `nodeSelecter`, or `resources` where no resources can be. The API server refuses them when
//! somebody applies such an object.
//!
//! The wire types skip what they do not read, so this is a second look, at the tree of an object. It is for objects that people wrote:
//! what an API server has stored has no such fields. `table.txt` has the fields of all types of Kubernetes 1.36, written by a test
//! (`tests/it/fields.rs`) from the API's own types.

mod hint;
mod table;
#[cfg(test)]
mod tests;

use self::table::{Below, Table, TypeId};
use crate::check::Report;
use crate::doc::{At, Node};
use crate::wire::Kind;

/// Reports each field of an object that its kind does not have: where, and what may be meant.
pub(crate) fn check_known(kind: Kind, object: &Node<'_>, report: &mut Report<'_>) {
    let table = Table::get();
    if let Some(found) = table.of_kind(kind) {
        let root = Level { at: At::Root, found, above: None };
        check_type(table, &root, object, report);
    }
}

/// A type, where in the object it is, and what it is in.
pub(super) struct Level<'l> {
    at: At<'l>,
    found: TypeId,
    above: Option<&'l Level<'l>>,
}

fn check_type(table: &Table, level: &Level<'_>, node: &Node<'_>, report: &mut Report<'_>) {
    for entry in node.entries() {
        let at = level.at.field(&entry.key);
        match table.field(level.found, &entry.key) {
            Some(Below::Anything) => {}
            Some(Below::Type(found)) => check_below(table, at, found, level, &entry.value, report),
            Some(Below::Values(found)) => {
                for value in entry.value.entries() {
                    check_below(table, at.field(&value.key), found, level, &value.value, report);
                }
            }
            None => {
                let hint = hint::hint(table, level, &entry.key);
                report(at, format!("unknown field \"{}\"{hint}", entry.key));
            }
        }
    }
}

/// A value of a type, or a list of them. Whatever else it may be is no matter of names.
fn check_below(table: &Table, at: At<'_>, found: TypeId, above: &Level<'_>, node: &Node<'_>, report: &mut Report<'_>) {
    for (index, item) in node.items().iter().enumerate() {
        check_type(table, &Level { at: at.index(index), found, above: Some(above) }, item, report);
    }
    if !node.entries().is_empty() {
        check_type(table, &Level { at, found, above: Some(above) }, node, report);
    }
}
