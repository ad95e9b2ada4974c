//! `loadline plugins`: the plugins of this binary, from their descriptors.

use clap::Args;
use loadline_api::doc::nearest;
use loadline_config::reference;
use loadline_framework::{Descriptor, Registry};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::output::{Format, Streams, View, write_json, write_value};
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
    output: PluginsFormat,
}

/// `-o` of `plugins`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum PluginsFormat {
    /// A line for each plugin; for those that are named, their help.
    #[default]
    Table,
    /// An array of plugins; for one that is named, an object.
    Json,
    /// As JSON, in YAML.
    Yaml,
}

/// Runs the command.
pub(crate) fn run(args: &PluginsArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let chosen: Vec<&'static Descriptor> = if args.names.is_empty() {
        registry.iter().collect()
    } else {
        args.names.iter().map(|name| find(name, registry)).collect::<Result<_, _>>()?
    };
    let format = match args.output {
        PluginsFormat::Table => None,
        PluginsFormat::Json => Some(Format::Json),
        PluginsFormat::Yaml => Some(Format::Yaml),
    };
    let view = streams.view.for_prose();
    if let Some(format) = format {
        let plugins: Vec<Value> = chosen.iter().map(|plugin| reference::describe(plugin)).collect();
        // One plugin that is asked for by name is an object, as with kubectl.
        match <[Value; 1]>::try_from(plugins) {
            Ok([plugin]) if !args.names.is_empty() => write_value(&plugin, format, OPEN - 1, streams.out)?,
            Ok(plugins) => write_value(&plugins, format, OPEN, streams.out)?,
            Err(plugins) => write_value(&plugins, format, OPEN, streams.out)?,
        }
    } else if args.names.is_empty() {
        streams.out.write_all(list(&chosen, view).as_bytes())?;
    } else {
        let pages: Vec<String> = chosen.iter().map(|plugin| describe(plugin, view)).collect();
        streams.out.write_all(pages.join("\n").as_bytes())?;
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
    text += &wrapped(plugin.help, view, 2);
    text.push('\n');
    text += &about.render(view, 2);
    let rows = reference::arg_rows(plugin);
    if rows.is_empty() {
        text += "\n  It takes no arguments.\n";
        return text;
    }
    text += "\n  Arguments:\n";
    for row in rows {
        text += &wrapped(&format!("{}: {}", row.path, row.kind), view, 4);
        text += &wrapped(row.help, view, 8);
        if let Ok(default) = serde_json::from_str::<Value>(row.default) {
            text += &wrapped(&format!("Default: {}", spaced(&default)), view, 8);
        }
    }
    text
}

fn wrapped(text: &str, view: View, indent: u16) -> String {
    let mut table = Table::new(vec![Column::text("")]);
    table.row([text.to_owned()]);
    table.render(view, indent)
}

/// JSON on one line that can be wrapped where it has spaces.
fn spaced(value: &Value) -> String {
    let mut out = Vec::new();
    match write_json(value, 0, 0, &mut out) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(),
    }
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

    fn ran(names: &[&str], output: PluginsFormat) -> Ran {
        let args = PluginsArgs { names: names.iter().map(ToString::to_string).collect(), output };
        on_buffers("", |streams| run(&args, &loadline_plugins::registry(), streams))
    }

    #[test]
    fn all_are_listed() {
        let listed = ran(&[], PluginsFormat::Table);
        assert_eq!(listed.code, 0);
        let lines: Vec<&str> = listed.out.lines().collect();
        let plugins = loadline_plugins::registry().iter().count();
        // Long lists of extension points go on in lines of their own.
        assert_eq!(lines.iter().filter(|line| !line.starts_with(' ')).count(), 1 + plugins);
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{}", listed.out);
        assert!(lines[0].starts_with("NAME "), "{}", lines[0]);
        let taints = lines.iter().find(|line| line.starts_with("TaintToleration ")).expect("it is listed");
        let words: Vec<&str> = taints.split_whitespace().collect();
        assert_eq!(words[1..3], ["yes", "3"], "{taints}");
        assert!(taints.ends_with("Score"), "{taints}");
        let json: Value = serde_json::from_str(&ran(&[], PluginsFormat::Json).out).expect("it is JSON");
        assert_eq!(json.as_array().map(Vec::len), Some(plugins));
    }

    #[test]
    fn one_is_described() {
        let described = ran(&["InterPodAffinity"], PluginsFormat::Table).out;
        for part in [
            "InterPodAffinity\n",
            "Default weight:",
            "Arguments:",
            "hardPodAffinityWeight: ",
            "whole number in [0, 100]",
        ] {
            assert!(described.contains(part), "{part} in\n{described}");
        }
        let json: Value =
            serde_json::from_str(&ran(&["InterPodAffinity"], PluginsFormat::Json).out).expect("it is JSON");
        assert_eq!(json["defaultWeight"], 2);
        assert_eq!(json["args"][0]["path"], "hardPodAffinityWeight");
        let yaml = ran(&["InterPodAffinity"], PluginsFormat::Yaml).out;
        assert!(yaml.contains("name: InterPodAffinity\n"), "{yaml}");
        for plugin in loadline_plugins::registry().iter() {
            let page = ran(&[plugin.name], PluginsFormat::Table).out;
            assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
        }
        assert!(ran(&["NodeName"], PluginsFormat::Table).out.contains("takes no arguments"));
    }

    #[test]
    fn others_are_refused() {
        let near = ran(&["NodeAfinity"], PluginsFormat::Table);
        assert_eq!((near.code, near.out.as_str()), (2, ""));
        assert_eq!(near.err, "error: there is no plugin NodeAfinity; did you mean NodeAffinity?\n");
        assert!(ran(&["Whatever"], PluginsFormat::Json).err.contains("lists all"));
    }
}
