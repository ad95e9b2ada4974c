//! `loadline generate`: files that are written from the code. `cargo xtask generate` calls it and puts them in place.

use std::io::{self, Write};

use loadline_config::reference;
use loadline_framework::Registry;
use loadline_framework::record::{DecisionList, LiveDecision};
use loadline_rescheduler::Plan;
use serde_json::json;

use crate::cli::Generated;
use crate::output::write_json;
use crate::simulate_cmd::SimulationReport;

/// Prints one of them.
pub(crate) fn run(what: Generated, registry: &Registry, out: &mut dyn Write) -> io::Result<()> {
    match what {
        Generated::PluginsReference => out.write_all(reference::generate_plugins_reference(registry).as_bytes()),
        Generated::DecisionSchema => {
            write_json(&schema(), 0, usize::MAX, out)?;
            writeln!(out)
        }
        Generated::MetricsReference => out.write_all(loadline_metrics::reference().as_bytes()),
    }
}

/// The JSON Schema of what `explain -o json`, `simulate -o json` and `rescheduler plan -o json` print, and of the decisions that `run` shows.
fn schema() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let explained = generator.subschema_for::<DecisionList>();
    let simulated = generator.subschema_for::<SimulationReport>();
    let live = generator.subschema_for::<LiveDecision>();
    let plan = generator.subschema_for::<Plan>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `loadline explain -o json`, `loadline simulate -o json` and `loadline rescheduler plan -o json` print, and a decision of `/debug/decisions`",
        "anyOf": [explained, simulated, live, plan],
        "$defs": generator.take_definitions(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_schema_leads_somewhere() {
        fn references<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
            match value {
                serde_json::Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(serde_json::Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                serde_json::Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.contains(&"#/$defs/DecisionList") && found.contains(&"#/$defs/Decision"), "{found:?}");
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
    }
}
