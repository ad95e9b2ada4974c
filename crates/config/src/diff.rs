//! What differs between two configurations as they run. How they are written does not matter.

use std::fmt;

use loadline_framework::Registry;
use serde_json::Value;

use crate::effective::{HIDDEN, SECRET, tree};
use crate::log::join;
use crate::tree::Tree;
use crate::types::Config;

/// Fields by which the elements of a list are told apart.
const KEYS: [&str; 3] = ["schedulerName", "name", "urlPrefix"];

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which value; elements of lists are named: `profiles[batch].plugins.score.enabled[NodeAffinity].weight`.
    pub path: String,
    /// In the first configuration; `None` when it is not there.
    pub old: Option<Value>,
    /// In the second configuration; `None` when it is not there.
    pub new: Option<Value>,
}

impl fmt::Display for Change {
    /// `path: old -> new`, `+ path: new` or `- path: old`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {}: {old} -> {new}", self.path),
            (Some(old), None) => write!(f, "- {}: {old}", self.path),
            (None, Some(new)) => write!(f, "+ {}: {new}", self.path),
            (None, None) => write!(f, "  {}", self.path),
        }
    }
}

/// Everything that differs, in the order of an effective configuration.
pub fn diff(old: &Config, new: &Config, registry: &Registry) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", &tree(old, registry), &tree(new, registry), &mut changes);
    changes
}

fn compare<'t>(path: &str, old: &'t Tree, new: &'t Tree, changes: &mut Vec<Change>) {
    match (old, new) {
        (Tree::Map(old), Tree::Map(new)) => {
            let named = |fields: &'t [(String, Tree)]| -> Vec<(String, &'t Tree)> {
                fields.iter().map(|(name, value)| (name.clone(), value)).collect()
            };
            compare_named(path, &named(old), &named(new), join, changes);
        }
        (Tree::List(before), Tree::List(after)) => match (keyed(before), keyed(after)) {
            (Some(before), Some(after)) => compare_lists(path, &before, &after, changes),
            _ => compare_values(path, old, new, changes),
        },
        _ => compare_values(path, old, new, changes),
    }
}

fn compare_values(path: &str, old: &Tree, new: &Tree, changes: &mut Vec<Change>) {
    if old.plain() != new.plain() {
        changes.push(Change { path: path.to_owned(), old: Some(shown(path, old)), new: Some(shown(path, new)) });
    }
}

/// Elements by name, and then the order of those that are in both.
fn compare_lists(path: &str, old: &[(String, &Tree)], new: &[(String, &Tree)], changes: &mut Vec<Change>) {
    compare_named(path, old, new, |path, name| format!("{path}[{name}]"), changes);
    let common = |list: &[(String, &Tree)], other: &[(String, &Tree)]| -> Vec<String> {
        list.iter()
            .filter(|(name, _)| other.iter().any(|(same, _)| same == name))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let (before, after) = (common(old, new), common(new, old));
    if before != after {
        changes.push(Change { path: format!("{path} (order)"), old: Some(before.into()), new: Some(after.into()) });
    }
}

fn compare_named(
    path: &str,
    old: &[(String, &Tree)],
    new: &[(String, &Tree)],
    below: impl Fn(&str, &str) -> String,
    changes: &mut Vec<Change>,
) {
    for (name, value) in old {
        let path = below(path, name);
        match new.iter().find(|(other, _)| other == name) {
            Some((_, other)) => compare(&path, value, other, changes),
            None => changes.push(Change { old: Some(shown(&path, value)), path, new: None }),
        }
    }
    for (name, value) in new {
        if old.iter().all(|(other, _)| other != name) {
            let path = below(path, name);
            changes.push(Change { new: Some(shown(&path, value)), path, old: None });
        }
    }
}

/// The elements of a list with their names, when each has one of its own.
fn keyed(list: &[Tree]) -> Option<Vec<(String, &Tree)>> {
    let mut named: Vec<(String, &Tree)> = Vec::with_capacity(list.len());
    for item in list {
        let Tree::Map(fields) = item else { return None };
        let name = KEYS.iter().find_map(|key| {
            let (_, value) = fields.iter().find(|(name, _)| name == key)?;
            value.plain().as_str().map(str::to_owned)
        })?;
        if named.iter().any(|(other, _)| *other == name) {
            return None;
        }
        named.push((name, item));
    }
    Some(named)
}

fn shown(path: &str, tree: &Tree) -> Value {
    let name = path.rsplit('.').next().unwrap_or_default();
    match tree {
        Tree::Leaf(Value::String(text), _) if name == SECRET && !text.is_empty() => HIDDEN.into(),
        Tree::Leaf(value, _) => value.clone(),
        Tree::List(items) => items.iter().map(|item| shown("", item)).collect(),
        Tree::Map(fields) => fields.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect(),
    }
}
