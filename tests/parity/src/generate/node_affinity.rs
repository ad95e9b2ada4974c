//! Node selectors, node affinity and pins to nodes by name.

use serde_json::{Value, json};

use super::dice::Dice;
use super::world::{HOSTNAME, Object, World, ZONE};

/// Values of the node label `disk`.
pub(super) const DISKS: [&str; 3] = ["ssd", "hdd", "nvme"];

/// Sets `spec.nodeSelector` and gives `spec.affinity.nodeAffinity`, each perhaps.
pub(super) fn of_pod(world: &mut World, spec: &mut Object) -> Option<Value> {
    if !world.dice.chance(world.knobs.node_affinity) {
        return None;
    }
    if world.dice.chance(0.25) {
        let selector = match world.dice.count(0, 3) {
            0 => json!({"disk": "ssd"}),
            1 => json!({"arch": "amd64"}),
            2 => json!({"disk": "nvme", "arch": "amd64"}),
            _ => json!({"example.com/absent": "x"}),
        };
        spec.insert("nodeSelector".to_owned(), selector);
    }
    let mut affinity = Object::new();
    if world.dice.chance(0.6) {
        let terms = if world.dice.chance(0.2) { pins(world) } else { terms(world) };
        affinity
            .insert("requiredDuringSchedulingIgnoredDuringExecution".to_owned(), json!({"nodeSelectorTerms": terms}));
    }
    if world.dice.chance(0.5) {
        let preferred: Vec<_> = (0..world.dice.count(1, 3)).map(|_| preferred(world, 0.1)).collect();
        affinity.insert("preferredDuringSchedulingIgnoredDuringExecution".to_owned(), json!(preferred));
    }
    (!affinity.is_empty()).then_some(Value::Object(affinity))
}

/// A `v1.NodeAffinity` for the plugin's argument `addedAffinity`.
pub(super) fn added(world: &mut World) -> Value {
    let mut affinity = Object::new();
    if world.dice.chance(0.6) {
        affinity.insert(
            "requiredDuringSchedulingIgnoredDuringExecution".to_owned(),
            json!({"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "disk", "operator": "NotIn", "values": [world.dice.pick(&DISKS)]}]}]}),
        );
    }
    if affinity.is_empty() || world.dice.chance(0.6) {
        affinity.insert("preferredDuringSchedulingIgnoredDuringExecution".to_owned(), json!([preferred(world, 0.0)]));
    }
    Value::Object(affinity)
}

fn preferred(world: &mut World, unreadable: f64) -> Value {
    let weight = *world.dice.pick(&[1, 10, 33, 100]);
    json!({"weight": weight, "preference": term(world, unreadable)})
}

fn terms(world: &mut World) -> Vec<Value> {
    (0..world.dice.weighted(&[(3, 1), (2, 2), (1, 3)])).map(|_| term(world, 1.0)).collect()
}

fn term(world: &mut World, unreadable: f64) -> Value {
    // An empty term is allowed, and matches nothing.
    if world.dice.chance(0.05) {
        return json!({});
    }
    let mut term = Object::new();
    if world.dice.chance(0.1) {
        let operator = if world.dice.chance(0.5) { "In" } else { "NotIn" };
        let name = world.node_name();
        term.insert(
            "matchFields".to_owned(),
            json!([{"key": "metadata.name", "operator": operator, "values": [name]}]),
        );
    }
    if term.is_empty() || world.dice.chance(0.5) {
        let expressions: Vec<_> =
            (0..world.dice.weighted(&[(4, 1), (2, 2)])).map(|_| expression(&mut world.dice, unreadable)).collect();
        term.insert("matchExpressions".to_owned(), json!(expressions));
    }
    Value::Object(term)
}

/// Terms that all name nodes, so that PreFilter can tell the nodes beforehand.
fn pins(world: &mut World) -> Vec<Value> {
    let pin = |name: &str| json!({"key": "metadata.name", "operator": "In", "values": [name]});
    (0..world.dice.count(1, 3))
        .map(|_| {
            let name = world.node_name();
            let mut fields = vec![pin(&name)];
            // Two names in one term exclude each other.
            if world.dice.chance(0.2) {
                fields.push(pin(&world.node_name()));
            }
            let mut term = json!({"matchFields": fields});
            if world.dice.chance(0.2) {
                term["matchExpressions"] = json!([expression(&mut world.dice, 1.0)]);
            }
            term
        })
        .collect()
}

/// A requirement on a node's labels, now and then one that can not be read. A required term with it never matches; a
/// preferred one fails the whole cycle, so that there it is rare; in the configuration it is refused.
fn expression(dice: &mut Dice, unreadable: f64) -> Value {
    match dice.count(0, 8) {
        0 => json!({"key": "disk", "operator": "In", "values": dice.some(&DISKS, 1, 2)}),
        1 => json!({"key": "disk", "operator": "NotIn", "values": dice.some(&DISKS, 1, 2)}),
        2 => json!({"key": ZONE, "operator": "In", "values": dice.some(&["zone-0", "zone-1", "zone-2"], 1, 2)}),
        3 => json!({"key": dice.pick(&["disk", "rack", HOSTNAME]), "operator": "Exists"}),
        4 => json!({"key": dice.pick(&["disk", "rack", "example.com/absent"]), "operator": "DoesNotExist"}),
        // Some nodes have a generation that is not a number, some have none.
        5 => json!({"key": "generation", "operator": "Gt", "values": [dice.range(0, 6).to_string()]}),
        6 => json!({"key": "generation", "operator": "Lt", "values": [dice.range(2, 9).to_string()]}),
        7 if dice.chance(unreadable) => {
            let value = *dice.pick(&["x", "007", "1.5", "-5", "a b"]);
            json!({"key": "generation", "operator": *dice.pick(&["Gt", "Lt"]), "values": [value]})
        }
        _ => json!({"key": "example.com/absent", "operator": "NotIn", "values": ["a"]}),
    }
}
