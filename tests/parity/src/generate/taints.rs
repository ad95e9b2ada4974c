//! Taints of nodes and tolerations of pods.

use serde_json::{Value, json};

use super::dice::Dice;
use super::world::World;

const KEYS: [(&str, &[&str]); 3] = [("dedicated", &["gpu", "db"]), ("spot", &[""]), ("maintenance", &["soon", "now"])];
const EFFECTS: [(u32, &str); 3] = [(4, "PreferNoSchedule"), (2, "NoSchedule"), (1, "NoExecute")];
/// Where most taints exclude.
const HARD_EFFECTS: [(u32, &str); 3] = [(1, "PreferNoSchedule"), (3, "NoSchedule"), (1, "NoExecute")];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// A node's taints, and whether it is unschedulable.
pub(super) fn of_node(world: &mut World) -> (Vec<Value>, bool) {
    let strength = world.knobs.taints;
    let (effects, least) = if world.knobs.tight { (&HARD_EFFECTS, 1) } else { (&EFFECTS, 0) };
    let dice = &mut world.dice;
    let mut taints = Vec::new();
    let mut present = Vec::new();
    if dice.chance(strength) {
        for _ in 0..dice.count(least, 3) {
            let (key, values) = *dice.pick(&KEYS);
            let effect = dice.weighted(effects);
            // Key and effect together are unique on a node.
            if present.contains(&(key, effect)) {
                continue;
            }
            present.push((key, effect));
            let value = *dice.pick(values);
            taints.push(if value.is_empty() {
                json!({"key": key, "effect": effect})
            } else {
                json!({"key": key, "value": value, "effect": effect})
            });
        }
    }
    let unschedulable = dice.chance(strength * 0.1);
    // The taint follows the field a moment later.
    if unschedulable && dice.chance(0.6) {
        taints.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule"}));
    }
    if dice.chance(strength * 0.05) {
        taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}));
    }
    (taints, unschedulable)
}

/// A pod's tolerations, with those that the API server adds to every pod.
pub(super) fn of_pod(world: &mut World) -> Vec<Value> {
    let mut tolerations = Vec::new();
    if world.dice.chance(world.knobs.taints) {
        for _ in 0..world.dice.count(1, 3) {
            tolerations.push(toleration(&mut world.dice));
        }
    }
    if world.dice.chance(world.knobs.taints * 0.15) {
        tolerations.push(json!({"key": UNSCHEDULABLE, "operator": "Exists", "effect": "NoSchedule"}));
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|toleration| {
            let field = |name| toleration.get(name).and_then(Value::as_str).unwrap_or_default();
            (field("key").is_empty() || field("key") == key)
                && (field("effect").is_empty() || field("effect") == "NoExecute")
        });
        if !covered {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    tolerations
}

fn toleration(dice: &mut Dice) -> Value {
    let (key, values) = *dice.pick(&KEYS);
    let value = *dice.pick(values);
    let mut toleration = match dice.count(0, 5) {
        0 => json!({"operator": "Exists"}),
        1 | 2 => json!({"key": key, "operator": "Exists"}),
        3 => json!({"key": key, "value": value}),
        4 => json!({"key": key, "operator": "Equal", "value": "other"}),
        _ => json!({"key": key, "operator": "Equal", "value": value}),
    };
    if dice.chance(0.6) {
        let effect = dice.weighted(&EFFECTS);
        toleration["effect"] = json!(effect);
        if effect == "NoExecute" && dice.chance(0.5) {
            toleration["tolerationSeconds"] = json!(dice.range(0, 600));
        }
    }
    toleration
}
