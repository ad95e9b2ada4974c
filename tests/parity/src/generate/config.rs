//! Configurations of the scheduler: the default, and variants of it.

use serde_json::{Value, json};

use super::dice::Dice;
use super::resources::EXTENDED;
use super::world::{SECOND_PROFILE, World};
use super::{node_affinity, spread};

/// Plugins that may be left out and leave a scheduler that works.
const OPTIONAL: [&str; 12] = [
    "NodeUnschedulable",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "DefaultPreemption",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "NodeDeclaredFeatures",
    "DynamicResources",
];

/// Plugins that score in the default profile.
const SCORING: [&str; 7] = [
    "TaintToleration",
    "NodeAffinity",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
];

/// A KubeSchedulerConfiguration as YAML text; empty for the default. Says whether it has a second profile.
pub(super) fn config(world: &mut World) -> String {
    if !world.dice.chance(world.knobs.config) {
        return String::new();
    }
    let mut profiles = vec![profile(world, "default-scheduler")];
    if world.dice.chance(0.2) {
        world.second_profile = true;
        profiles.push(profile(world, SECOND_PROFILE));
    }
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": profiles,
    });
    yaml(&config)
}

fn profile(world: &mut World, name: &str) -> Value {
    let mut profile = json!({"schedulerName": name});
    let mut args = Vec::new();
    let knobs = world.knobs;
    if world.dice.chance(0.3 + knobs.resources * 0.9) {
        args.push(("NodeResourcesFit", fit(&mut world.dice)));
    }
    if world.dice.chance(0.15 + knobs.resources * 0.4) {
        args.push(("NodeResourcesBalancedAllocation", json!({"resources": resources(&mut world.dice, false)})));
    }
    if world.dice.chance(0.05 + knobs.node_affinity * 0.5) {
        args.push(("NodeAffinity", json!({"addedAffinity": node_affinity::added(world)})));
    }
    if world.dice.chance(0.1 + knobs.pod_affinity * 0.8) {
        let mut value = json!({"hardPodAffinityWeight": *world.dice.pick(&[0, 1, 50, 100])});
        if world.dice.chance(0.4) {
            value["ignorePreferredTermsOfExistingPods"] = json!(true);
        }
        args.push(("InterPodAffinity", value));
    }
    if world.dice.chance(0.15 + knobs.spread * 0.7) {
        let value = if world.dice.chance(0.3) {
            json!({"defaultingType": "System"})
        } else {
            json!({"defaultingType": "List", "defaultConstraints": spread::defaults(world)})
        };
        args.push(("PodTopologySpread", value));
    }
    if !args.is_empty() {
        profile["pluginConfig"] = args
            .into_iter()
            .map(|(plugin, mut value)| {
                value["apiVersion"] = json!("kubescheduler.config.k8s.io/v1");
                value["kind"] = json!(format!("{plugin}Args"));
                json!({"name": plugin, "args": value})
            })
            .collect();
    }
    if world.dice.chance(0.5) {
        profile["plugins"] = plugins(&mut world.dice);
    }
    profile
}

/// Plugins left out, and weights changed.
fn plugins(dice: &mut Dice) -> Value {
    let name = |plugin: &&str| json!({"name": plugin});
    match dice.count(0, 5) {
        // Left out everywhere.
        0 => {
            let gone = dice.some(&OPTIONAL, 1, 2);
            json!({"multiPoint": {"disabled": gone.iter().map(name).collect::<Vec<_>>()}})
        }
        // Left out at one extension point only.
        1 => {
            let point = *dice.pick(&["filter", "score"]);
            let gone = dice.some(&SCORING, 1, 3);
            json!({point: {"disabled": gone.iter().map(name).collect::<Vec<_>>()}})
        }
        // Nothing scores but what is named.
        2 => {
            let enabled: Vec<_> = dice
                .some(&SCORING, 1, 3)
                .iter()
                .map(|plugin| json!({"name": plugin, "weight": dice.range(1, 20)}))
                .collect();
            json!({"score": {"disabled": [{"name": "*"}], "enabled": enabled}})
        }
        // Other weights.
        3 => {
            let changed = dice.some(&SCORING, 1, 4);
            let enabled: Vec<_> =
                changed.iter().map(|plugin| json!({"name": plugin, "weight": dice.range(1, 100)})).collect();
            json!({"score": {"disabled": changed.iter().map(name).collect::<Vec<_>>(), "enabled": enabled}})
        }
        4 => {
            let plugin = *dice.pick(&SCORING);
            json!({"multiPoint": {"enabled": [{"name": plugin, "weight": dice.range(2, 50)}]}})
        }
        _ => {
            json!({"postFilter": {"disabled": [{"name": *dice.pick(&["DefaultPreemption", "DynamicResources", "*"])}]}})
        }
    }
}

fn fit(dice: &mut Dice) -> Value {
    let mut args = json!({});
    if dice.chance(0.8) {
        let kind = dice.weighted(&[(1, "LeastAllocated"), (1, "MostAllocated"), (2, "RequestedToCapacityRatio")]);
        args["scoringStrategy"] = json!({"type": kind, "resources": resources(dice, true)});
        if kind == "RequestedToCapacityRatio" {
            let shape = match dice.count(0, 2) {
                // A resource that scores nothing must not dilute the others.
                0 => json!([{"utilization": 30, "score": 0}, {"utilization": 100, "score": 10}]),
                1 => json!([{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]),
                _ => {
                    json!([{"utilization": 20, "score": 3}, {"utilization": 55, "score": 10}, {"utilization": 80, "score": 1}])
                }
            };
            args["scoringStrategy"]["requestedToCapacityRatio"] = json!({"shape": shape});
        }
    }
    if dice.chance(0.2) {
        args["ignoredResources"] = json!([EXTENDED[0]]);
    }
    if dice.chance(0.2) {
        args["ignoredResourceGroups"] = json!(["vendor.io"]);
    }
    args
}

/// Resources to score, with weights where they may differ from 1.
fn resources(dice: &mut Dice, weighted: bool) -> Vec<Value> {
    let names = ["cpu", "memory", "ephemeral-storage", EXTENDED[0], EXTENDED[2], "hugepages-2Mi"];
    let mut chosen = dice.some(&names[2..], 0, 2);
    let least = if dice.chance(0.7) { 2 } else { 1 };
    chosen.extend(dice.some(&names[..2], least, 2));
    chosen
        .into_iter()
        .map(|name| {
            let weight = if weighted { *dice.pick(&[1, 1, 2, 5, 100]) } else { 1 };
            json!({"name": name, "weight": weight})
        })
        .collect()
}

/// JSON as block YAML: all strings quoted, so that none is taken for a number.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, &mut text);
    text
}

fn write_yaml(value: &Value, depth: usize, text: &mut String) {
    let indent = |text: &mut String, depth: usize| text.extend(std::iter::repeat_n("  ", depth));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (at, (key, value)) in fields.iter().enumerate() {
                if at > 0 {
                    indent(text, depth);
                }
                text.push_str(key);
                text.push(':');
                if is_nested(value) {
                    text.push('\n');
                    indent(text, depth + 1);
                    write_yaml(value, depth + 1, text);
                } else {
                    text.push(' ');
                    write_yaml(value, depth, text);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    indent(text, depth);
                }
                text.push_str("- ");
                write_yaml(item, depth + 1, text);
            }
        }
        scalar => {
            text.push_str(&scalar.to_string());
            text.push('\n');
        }
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::yaml;

    #[test]
    fn yaml_reads_back_as_what_was_written() {
        let value = json!({
            "a": [{"b": 1, "c": [["x"], {"d": "*"}], "e": {}}, [], "1.0"],
            "f": {"g": {"h": true, "i": []}},
        });
        let text = yaml(&value);
        let read: Value = serde_saphyr::from_str(&text).expect("it is YAML");
        assert_eq!(read, value, "{text}");
    }
}
