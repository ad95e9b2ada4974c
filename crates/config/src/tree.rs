//! Ordered trees with the source of each value, and how they look as YAML.

use std::fmt::Write;

use serde_json::Value;

use crate::log::Origin;

/// A configuration as a tree, in the order in which it is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A value, and where it comes from; `Fixed` when nobody can choose it.
    Leaf(Value, Source),
    /// A list.
    List(Vec<Tree>),
    /// A map.
    Map(Vec<(String, Tree)>),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is part of the form.
    Fixed,
    /// Nobody set it.
    Default,
    /// A file.
    Written(Origin),
}

impl Source {
    pub(crate) fn of(origin: Option<&Origin>) -> Self {
        origin.map_or(Self::Default, |origin| Self::Written(origin.clone()))
    }

    /// `default`, or file and line.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Fixed => None,
            Self::Default => Some("default".to_owned()),
            Self::Written(origin) => Some(origin.to_string()),
        }
    }
}

impl Tree {
    /// A tree whose values have no source.
    pub fn fixed(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::fixed).collect()),
            Value::Object(object) => {
                Self::Map(object.into_iter().map(|(name, value)| (name, Self::fixed(value))).collect())
            }
            scalar => Self::Leaf(scalar, Source::Fixed),
        }
    }

    /// The values without their sources.
    pub fn plain(&self) -> Value {
        match self {
            Self::Leaf(value, _) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::plain).collect()),
            Self::Map(fields) => fields.iter().map(|(name, value)| (name.clone(), value.plain())).collect(),
        }
    }

    /// YAML; with `provenance`, a comment behind each value says where it comes from.
    pub fn to_yaml(&self, provenance: bool) -> String {
        let mut out = String::new();
        write_yaml(&mut out, self, 0, provenance);
        out
    }
}

fn write_yaml(out: &mut String, tree: &Tree, indent: usize, provenance: bool) {
    match tree {
        Tree::Leaf(value, source) => write_leaf(out, value, source, provenance),
        Tree::List(items) => {
            for item in items {
                out.push_str(&" ".repeat(indent));
                out.push_str("- ");
                match item {
                    Tree::Map(fields) if !fields.is_empty() => {
                        // The first field stands behind the dash.
                        let mut block = String::new();
                        write_yaml(&mut block, item, indent + 2, provenance);
                        out.push_str(block.trim_start_matches(' '));
                    }
                    Tree::Map(_) => out.push_str("{}\n"),
                    Tree::List(inner) if inner.is_empty() => out.push_str("[]\n"),
                    Tree::List(_) => {
                        let mut block = String::new();
                        write_yaml(&mut block, item, indent + 2, provenance);
                        out.push_str(block.trim_start_matches(' '));
                    }
                    Tree::Leaf(value, source) => write_leaf(out, value, source, provenance),
                }
            }
        }
        Tree::Map(fields) => {
            for (name, value) in fields {
                out.push_str(&" ".repeat(indent));
                out.push_str(&scalar(name));
                out.push(':');
                match value {
                    Tree::Leaf(value, source) => {
                        out.push(' ');
                        write_leaf(out, value, source, provenance);
                    }
                    Tree::List(items) if items.is_empty() => out.push_str(" []\n"),
                    Tree::Map(fields) if fields.is_empty() => out.push_str(" {}\n"),
                    Tree::List(_) => {
                        out.push('\n');
                        write_yaml(out, value, indent, provenance);
                    }
                    Tree::Map(_) => {
                        out.push('\n');
                        write_yaml(out, value, indent + 2, provenance);
                    }
                }
            }
        }
    }
}

fn write_leaf(out: &mut String, value: &Value, source: &Source, provenance: bool) {
    match value {
        Value::String(text) => out.push_str(&scalar(text)),
        // Only empty lists and maps are leaves; JSON's spelling of them is YAML too.
        other => out.push_str(&other.to_string()),
    }
    if provenance && let Some(text) = source.text() {
        out.push_str(" # ");
        // The name of a file may hold anything, and a comment ends with its line.
        out.extend(text.chars().map(|c| if is_printable(c) { c } else { '?' }));
    }
    out.push('\n');
}

/// Text as YAML: plain where that can not be taken for anything else, and in double quotes otherwise.
fn scalar(text: &str) -> String {
    /// Words that YAML 1.1 takes for booleans and null.
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    // `10s` starts like a number and is none.
    let duration = loadline_model::duration::parse(text).is_some() && text.ends_with(['s', 'm', 'h']);
    if (plain || duration) && text.is_ascii() {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            // Writing into a String can not fail.
            c => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a character can stand in a YAML text as it is, and means itself there.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use loadline_api::doc::Document;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scalars_read_back(text in "\\PC*|[a-z0-9:#\\-.~ \"'\\\\\n\t]*") {
            let yaml = format!("a: {}\n", scalar(&text));
            let nodes = Document::parse(&yaml, "f").expect("a map with one text");
            prop_assert_eq!(nodes[0].get("a").and_then(|node| node.as_str()), Some(text.as_str()), "{}", yaml);
        }

        #[test]
        fn any_character_reads_back(text: String) {
            let yaml = format!("a: {}\n", scalar(&text));
            let nodes = Document::parse(&yaml, "f").expect("a map with one text");
            prop_assert_eq!(nodes[0].get("a").and_then(|node| node.as_str()), Some(text.as_str()), "{}", yaml);
        }
    }
}
