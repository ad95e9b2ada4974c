//! What there is to know about plugins, from their descriptors: for help, tables and the reference page.

use std::fmt::Write;

use loadline_framework::{ArgField, ArgKind, DefaultProfile, Descriptor, ExtensionPoint, Registry};
use serde_json::{Value, json};

use crate::log::join;
use crate::schema::range;

/// An argument, one row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgRow {
    /// Path below `args`; `[]` stands for the elements of a list.
    pub path: String,
    /// Type and bounds in words.
    pub kind: String,
    /// Default as JSON; empty when there is none.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// The arguments of a plugin, those of objects behind the object.
pub fn arg_rows(plugin: &Descriptor) -> Vec<ArgRow> {
    let mut rows = Vec::new();
    add_rows(&mut rows, plugin.args, "");
    rows
}

fn add_rows(rows: &mut Vec<ArgRow>, fields: &'static [ArgField], below: &str) {
    for field in fields {
        let path = join(below, field.name);
        rows.push(ArgRow {
            path: path.clone(),
            kind: kind_in_words(field.kind),
            default: field.default,
            help: field.help,
        });
        let (mut kind, mut path) = (field.kind, path);
        while let ArgKind::List(element) = kind {
            kind = *element;
            path.push_str("[]");
        }
        // The types of the API are known from there; their fields would drown the plugin's own.
        if let ArgKind::Object(fields) = kind {
            add_rows(rows, fields, &path);
        }
    }
}

fn kind_in_words(kind: ArgKind) -> String {
    match kind {
        ArgKind::Bool => "true or false".to_owned(),
        ArgKind::Int { min, max } => match range(min, max).as_str() {
            "(-inf, inf)" => "whole number".to_owned(),
            range => format!("whole number in {range}"),
        },
        ArgKind::Number { min, max } => format!("number in [{min}, {max}]"),
        ArgKind::Text => "text".to_owned(),
        ArgKind::Enum(choices) => match choices {
            [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => choices.join(", "),
        },
        ArgKind::Duration => "duration".to_owned(),
        ArgKind::List(element) => format!("list of {}", kind_in_words(*element)),
        ArgKind::Object(_) => "object".to_owned(),
        ArgKind::NodeAffinity => "v1.NodeAffinity".to_owned(),
        ArgKind::SpreadConstraint => "v1.TopologySpreadConstraint".to_owned(),
    }
}

/// The weight of a plugin's score in the default profile, or when it is enabled without one; `None` when it does not
/// score.
pub fn default_weight(plugin: &Descriptor) -> Option<i32> {
    plugin.points.contains(&ExtensionPoint::Score).then_some(match plugin.default_profile {
        DefaultProfile::Enabled { weight } => weight.max(1),
        DefaultProfile::Absent => 1,
    })
}

/// Whether the default profile has a plugin.
pub fn in_default_profile(plugin: &Descriptor) -> bool {
    plugin.default_profile != DefaultProfile::Absent
}

/// The events that may make a pod schedulable that a plugin turned down, by kube-scheduler's names for them
/// (`NodeAdd`, `AssignedPodDelete`); an update of any kind is one event.
pub fn events(plugin: &Descriptor) -> Vec<String> {
    plugin.events.iter().flat_map(|event| event.each()).map(|event| event.to_string()).collect()
}

/// Everything about a plugin as one object.
pub fn describe(plugin: &Descriptor) -> Value {
    let names = |points: &[ExtensionPoint]| points.iter().map(|point| point.as_str()).collect::<Vec<_>>();
    let args: Vec<Value> = arg_rows(plugin)
        .iter()
        .map(|row| {
            let default: Value = serde_json::from_str(row.default).unwrap_or(Value::Null);
            json!({"path": row.path, "type": row.kind, "default": default, "help": row.help})
        })
        .collect();
    json!({
        "name": plugin.name,
        "help": plugin.help,
        "points": names(plugin.points),
        "inDefaultProfile": in_default_profile(plugin),
        "defaultWeight": default_weight(plugin),
        "args": args,
        "events": events(plugin),
    })
}

/// The reference page of all plugins, in Markdown.
pub fn generate_plugins_reference(registry: &Registry) -> String {
    let mut page = String::from(
        "# Plugins\n\n\
         Generated from the plugins' descriptors; `loadline plugins NAME` shows the same for one.\n\n\
         | Plugin | Extension points | Default weight | In the default profile |\n\
         | --- | --- | --- | --- |\n",
    );
    for plugin in registry.iter() {
        let weight = default_weight(plugin).map_or_else(String::new, |weight| weight.to_string());
        let default = if in_default_profile(plugin) { "yes" } else { "no" };
        line(
            &mut page,
            format_args!(
                "| [{name}](#{anchor}) | {points} | {weight} | {default} |",
                name = plugin.name,
                anchor = plugin.name.to_lowercase(),
                points = points(plugin),
            ),
        );
    }
    for plugin in registry.iter() {
        section(&mut page, plugin);
    }
    page
}

/// The extension points of a plugin, in the order of a cycle.
pub fn points(plugin: &Descriptor) -> String {
    let names: Vec<&str> =
        ExtensionPoint::ALL.iter().filter(|point| plugin.points.contains(point)).map(|point| point.as_str()).collect();
    names.join(", ")
}

fn section(page: &mut String, plugin: &Descriptor) {
    line(page, format_args!("\n## {}\n\n{}\n", plugin.name, plugin.help));
    line(page, format_args!("- Extension points: {}", points(plugin)));
    if let Some(weight) = default_weight(plugin) {
        line(page, format_args!("- Default weight: {weight}"));
    }
    let default = if in_default_profile(plugin) { "yes" } else { "no" };
    line(page, format_args!("- In the default profile: {default}"));
    let events: Vec<String> = events(plugin).iter().map(|event| format!("`{event}`")).collect();
    let events = if events.is_empty() { "none".to_owned() } else { events.join(", ") };
    line(page, format_args!("- Events that may wake a pod: {events}"));
    let rows = arg_rows(plugin);
    if rows.is_empty() {
        line(page, format_args!("- Arguments: none"));
        return;
    }
    line(page, format_args!("\n| Argument | Type | Default | Meaning |\n| --- | --- | --- | --- |"));
    for row in rows {
        let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
        line(page, format_args!("| `{}` | {} | {} | {} |", row.path, cell(&row.kind), cell(&default), cell(row.help)));
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String can not fail.
    let _ = writeln!(page, "{text}");
}
