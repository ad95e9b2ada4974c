//! Whether the namespaces of objects are there.

use std::collections::BTreeMap;

use loadline_model::Set;

use crate::defaults::{SYSTEM_NAMESPACES, is_admitted};
use crate::doc::did_you_mean;
use crate::wire::{Kind, Object};

/// How many namespaces are named in a warning.
const NAMED: usize = 5;

/// Namespaces, and those of objects that people wrote.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    are_listed: bool,
    known: Set<String>,
    wanted: BTreeMap<String, usize>,
}

impl Namespaces {
    /// Takes note of an object.
    pub(super) fn observe(&mut self, object: &Object) {
        let (kind, metadata) = (object.kind(), object.metadata());
        if kind == Kind::Namespace {
            self.are_listed = true;
            self.known.insert(metadata.name.clone());
        } else if !kind.is_namespaced() {
            // It is in none.
        } else if !is_admitted(metadata) {
            *self.wanted.entry(metadata.namespace.clone()).or_default() += 1;
        } else if !self.known.contains(&metadata.namespace) {
            // The API server put it there.
            self.known.insert(metadata.namespace.clone());
        }
    }

    /// What a user should know: a line for each namespace that the API server would not find. An input without Namespaces says
    /// nothing about them.
    pub(super) fn warnings(mut self) -> Vec<String> {
        if !self.are_listed {
            return Vec::new();
        }
        self.known.extend(SYSTEM_NAMESPACES.map(str::to_owned));
        let unknown = self.wanted.iter().filter(|(name, _)| !self.known.contains(*name));
        let mut warnings: Vec<String> = unknown
            .map(|(name, number)| {
                let objects = if *number == 1 { "1 object is".to_owned() } else { format!("{number} objects are") };
                let meant = did_you_mean(name, self.known.iter().map(String::as_str));
                format!("{objects} in namespace `{name}`, which is not among the Namespaces of the input{meant}")
            })
            .collect();
        if warnings.len() > NAMED {
            let more = warnings.len() - NAMED;
            warnings.truncate(NAMED);
            warnings.push(format!("{more} more namespaces of objects are not among the Namespaces of the input"));
        }
        warnings
    }
}
