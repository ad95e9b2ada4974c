//! Strict reading of maps: known fields only, the types that kube-scheduler's have, `null` the same as absent.

use loadline_api::doc::{Entry, Node, Value, did_you_mean};
use loadline_model::duration;

use crate::log::{Log, Place, join, text};

/// A map of the file.
pub(crate) struct Fields<'n> {
    entries: &'n [Entry<'n>],
    pub(crate) place: Place,
}

/// A value of the file.
#[derive(Clone)]
pub(crate) struct Field<'n> {
    pub(crate) node: &'n Node<'n>,
    pub(crate) place: Place,
}

impl<'n> Fields<'n> {
    /// Takes a value for a map with these fields; whatever else is in it is a problem.
    pub(crate) fn open(log: &mut Log, field: &Field<'n>, known: &[&str]) -> Self {
        let fields = Self::open_any(log, field);
        for entry in fields.entries {
            if !known.contains(&&*entry.key) {
                let near = did_you_mean(&entry.key, known.iter().copied());
                let place = fields.place_of_entry(entry);
                log.problem(&place, format!("unknown field \"{}\"{near}", entry.key));
            }
        }
        fields
    }

    /// Takes a value for a map with any fields.
    pub(crate) fn open_any(log: &mut Log, field: &Field<'n>) -> Self {
        let entries = match &field.node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                field.expected(log, "a map");
                &[]
            }
        };
        Self { entries, place: field.place.clone() }
    }

    /// A map that is not there.
    pub(crate) fn absent(place: Place) -> Self {
        Self { entries: &[], place }
    }

    /// The map under a field, strictly; without entries when there is none.
    pub(crate) fn open_field(&self, log: &mut Log, name: &str, known: &[&str]) -> Self {
        match self.get(name) {
            Some(field) => Self::open(log, &field, known),
            None => Self::absent(self.place.missing(name)),
        }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        (!entry.value.is_null()).then(|| Field { node: &entry.value, place: self.place_of_entry(entry) })
    }

    /// Where a field stands, or where it would.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        match self.entries.iter().find(|entry| entry.key == name) {
            Some(entry) => self.place_of_entry(entry),
            None => self.place.missing(name),
        }
    }

    fn place_of_entry(&self, entry: &Entry<'_>) -> Place {
        Place { path: join(&self.place.path, &entry.key), line: entry.line, column: entry.column }
    }

    pub(crate) fn bool(&self, log: &mut Log, name: &str) -> Option<bool> {
        self.get(name)?.bool(log)
    }

    pub(crate) fn text(&self, log: &mut Log, name: &str) -> Option<String> {
        self.get(name)?.text(log)
    }

    pub(crate) fn int32(&self, log: &mut Log, name: &str) -> Option<i32> {
        let field = self.get(name)?;
        let number = field.int(log)?;
        let fitting = i32::try_from(number).ok();
        if fitting.is_none() {
            log.problem(&field.place, text::invalid(number, "does not fit in 32 bits"));
        }
        fitting
    }

    pub(crate) fn int64(&self, log: &mut Log, name: &str) -> Option<i64> {
        self.get(name)?.int(log)
    }

    pub(crate) fn duration(&self, log: &mut Log, name: &str) -> Option<i64> {
        self.get(name)?.duration(log)
    }

    /// The elements of a list; none when it is absent.
    pub(crate) fn list(&self, log: &mut Log, name: &str) -> Vec<Field<'n>> {
        self.get(name).map_or_else(Vec::new, |field| field.list(log))
    }
}

impl<'n> Field<'n> {
    /// Says that something else belongs here.
    pub(crate) fn expected(&self, log: &mut Log, what: &str) {
        let hint = match &self.node.value {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) if what == "a text" => " (quotes make it a text)",
            _ => "",
        };
        log.problem(&self.place, format!("expected {what}, found {}{hint}", self.node.describe()));
    }

    pub(crate) fn bool(&self, log: &mut Log) -> Option<bool> {
        if let Value::Bool(value) = self.node.value {
            log.written(&self.place);
            return Some(value);
        }
        self.expected(log, "true or false");
        None
    }

    pub(crate) fn text(&self, log: &mut Log) -> Option<String> {
        if let Value::String(value) = &self.node.value {
            log.written(&self.place);
            return Some(value.to_string());
        }
        self.expected(log, "a text");
        None
    }

    /// A whole number. `16.0` is one too: it is 16 once YAML has become JSON.
    pub(crate) fn int(&self, log: &mut Log) -> Option<i64> {
        /// Above this, not every whole number is a float of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = match self.node.value {
            Value::Int(number) => number,
            Value::Float(number) if number.trunc().total_cmp(&number).is_eq() && number.abs() <= EXACT => number as i64,
            _ => {
                self.expected(log, "a whole number");
                return None;
            }
        };
        log.written(&self.place);
        Some(number)
    }

    pub(crate) fn float(&self, log: &mut Log) -> Option<f64> {
        let number = match self.node.value {
            Value::Int(number) => number as f64,
            Value::Float(number) if number.is_finite() => number,
            _ => {
                self.expected(log, "a number");
                return None;
            }
        };
        log.written(&self.place);
        Some(number)
    }

    /// Nanoseconds.
    pub(crate) fn duration(&self, log: &mut Log) -> Option<i64> {
        let Value::String(value) = &self.node.value else {
            self.expected(log, "a duration such as \"10s\" or \"1m30s\"");
            return None;
        };
        let Some(nanoseconds) = duration::parse(value) else {
            log.problem(
                &self.place,
                text::invalid(
                    format_args!("\"{value}\""),
                    "not a duration: expected a number with a unit (ns, us, ms, s, m, h), such as \"10s\" or \"1m30s\"",
                ),
            );
            return None;
        };
        log.written(&self.place);
        Some(nanoseconds)
    }

    pub(crate) fn list(&self, log: &mut Log) -> Vec<Field<'n>> {
        let Value::Seq(items) = &self.node.value else {
            self.expected(log, "a list");
            return Vec::new();
        };
        log.written(&self.place);
        items
            .iter()
            .enumerate()
            .map(|(index, node)| Field {
                node,
                place: Place { path: format!("{}[{index}]", self.place.path), line: node.line, column: node.column },
            })
            .collect()
    }
}
