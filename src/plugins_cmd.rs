//! `loadline plugins`: the plugins of this binary, from their descriptors.

use clap::Args;
use loadline_api::doc::nearest;
use loadline_config::reference;
use loadline_framework::{Descriptor, Registry};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::output::{Format, Streams, View, write_value};
use crate::render::table::{Column, Table};

/// JSON is spread over lines down to the fields of a plugin; an argument is one line.
const OPEN: usize = 4;

/// Arguments of `plugins`.
#[derive(Debug, Args)]
pub(crate) struct PluginsArgs {
    /// Plugins to describe; without any, all are listed.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
    output: Format,
}

/// Runs the command.
pub(crate) fn run(args: &PluginsArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let chosen: Vec<&'static Descriptor> = if args.names.is_empty() {
        registry.iter().collect()
    } else {
        args.names.iter().map(|name| find(name, registry)).collect::<Result<_, _>>()?
    };
    if args.output == Format::Table {
        let text = if args.names.is_empty() {
            list(&chosen, streams.view)
        } else {
            let pages: Vec<String> = chosen.iter().map(|plugin| describe(plugin, streams.view)).collect();
            pages.join("\n")
        };
        streams.out.write_all(text.as_bytes())?;
    } else {
        let plugins: Vec<Value> = chosen.iter().map(|plugin| reference::describe(plugin)).collect();
        // One plugin that is asked for by name is an object, as with kubectl.
        match <[Value; 1]>::try_from(plugins) {
            Ok([plugin]) if !args.names.is_empty() => write_value(&plugin, args.output, OPEN - 1, streams.out)?,
            Ok(plugins) => write_value(&plugins, args.output, OPEN, streams.out)?,
            Err(plugins) => write_value(&plugins, args.output, OPEN, streams.out)?,
        }
    }
    Ok(Exit::Done)
}

fn find(name: &str, registry: &Registry) -> Result<&'static Descriptor, Failure> {
    registry.get(name).ok_or_else(|| {
        let hint = match nearest(name, registry.iter().map(|plugin| plugin.name)) {
            Some(near) => format!("; did you mean {near}?"),
            None => "; `loadline plugins` lists all".to_owned(),
        };
        Failure::Message(format!("there is no plugin {name}{hint}"))
    })
}

fn list(plugins: &[&'static Descriptor], view: View) -> String {
    let mut table = Table::new(vec![
        Column::left("NAME"),
        Column::left("DEFAULT"),
        Column::right("WEIGHT"),
        Column::text("EXTENSION POINTS"),
    ]);
    for plugin in plugins {
        table.row([
            plugin.name.to_owned(),
            yes_or_no(reference::in_default_profile(plugin)),
            weight(plugin),
            or_none(reference::points(plugin)),
        ]);
    }
    table.render(view, 0)
}

fn describe(plugin: &'static Descriptor, view: View) -> String {
    let head = view.styles.head;
    let mut about = Table::new(vec![Column::left(""), Column::text("")]);
    let mut row = |name: &str, value: String| about.row([name.to_owned(), value]);
    row("Extension points:", or_none(reference::points(plugin)));
    row("In the default profile:", yes_or_no(reference::in_default_profile(plugin)));
    if reference::default_weight(plugin).is_some() {
        row("Default weight:", weight(plugin));
    }
    row("Events that may wake a pod:", or_none(reference::events(plugin).join(", ")));
    let mut text = format!("{head}{}{head:#}\n", plugin.name);
    let mut help = Table::new(vec![Column::text("")]);
    help.row([plugin.help.to_owned()]);
    text += &help.render(view, 2);
    text.push('\n');
    text += &about.render(view, 2);
    let rows = reference::arg_rows(plugin);
    if rows.is_empty() {
        text += "\n  It takes no arguments.\n";
        return text;
    }
    let mut args = Table::new(vec![
        Column::left("ARGUMENT"),
        Column::text("TYPE"),
        Column::text("DEFAULT"),
        Column::text("MEANING"),
    ]);
    for row in rows {
        args.row([row.path, row.kind, row.default.to_owned(), row.help.to_owned()]);
    }
    text.push('\n');
    text += &args.render(view, 2);
    text
}

fn weight(plugin: &Descriptor) -> String {
    reference::default_weight(plugin).map_or_else(|| "-".to_owned(), |weight| weight.to_string())
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_cmd::testing::{Ran, on_buffers};

    fn ran(names: &[&str], output: Format) -> Ran {
        let args = PluginsArgs { names: names.iter().map(ToString::to_string).collect(), output };
        on_buffers("", |streams| run(&args, &loadline_plugins::registry(), streams))
    }

    #[test]
    fn all_are_listed() {
        let listed = ran(&[], Format::Table);
        assert_eq!(listed.code, 0);
        let lines: Vec<&str> = listed.out.lines().collect();
        assert_eq!(lines.len(), 1 + loadline_plugins::registry().iter().count());
        assert!(lines[0].starts_with("NAME "), "{}", lines[0]);
        let taints = lines.iter().find(|line| line.starts_with("TaintToleration ")).expect("it is listed");
        let words: Vec<&str> = taints.split_whitespace().collect();
        assert_eq!(words[1..3], ["yes", "3"], "{taints}");
        assert!(taints.ends_with("Score"), "{taints}");
        let json: Value = serde_json::from_str(&ran(&[], Format::Json).out).expect("it is JSON");
        assert_eq!(json.as_array().map(Vec::len), Some(lines.len() - 1));
    }

    #[test]
    fn one_is_described() {
        let described = ran(&["InterPodAffinity"], Format::Table).out;
        for part in
            ["InterPodAffinity\n", "Default weight:", "ARGUMENT", "hardPodAffinityWeight", "whole number in [0, 100]"]
        {
            assert!(described.contains(part), "{part} in\n{described}");
        }
        let json: Value = serde_json::from_str(&ran(&["InterPodAffinity"], Format::Json).out).expect("it is JSON");
        assert_eq!(json["defaultWeight"], 2);
        assert_eq!(json["args"][0]["path"], "hardPodAffinityWeight");
        let yaml = ran(&["InterPodAffinity"], Format::Yaml).out;
        assert!(yaml.contains("name: InterPodAffinity\n"), "{yaml}");
        assert!(ran(&["NodeName"], Format::Table).out.contains("takes no arguments"));
    }

    #[test]
    fn others_are_refused() {
        let near = ran(&["NodeAfinity"], Format::Table);
        assert_eq!((near.code, near.out.as_str()), (2, ""));
        assert_eq!(near.err, "error: there is no plugin NodeAfinity; did you mean NodeAffinity?\n");
        assert!(ran(&["Whatever"], Format::Json).err.contains("lists all"));
    }
}
