//! Affinity and anti-affinity between pods.

use serde_json::{Value, json};

use super::selectors;
use super::world::{HOSTNAME, NAMESPACES, Object, TOPOLOGY, World, ZONE};

/// `podAffinity` and `podAntiAffinity`, each perhaps, put into `affinity`.
///
/// Pods that are judged have more of it than those in place: each required term of theirs excludes many nodes at once.
pub(super) fn of_pod(world: &mut World, affinity: &mut Object, judged: bool) {
    let strength = world.knobs.pod_affinity * if judged { 1.0 } else { 0.3 };
    if !world.dice.chance(strength) {
        return;
    }
    let required = match (judged, world.knobs.tight) {
        (true, false) => 0.45,
        (true, true) => 0.75,
        (false, _) => 0.25,
    };
    for field in ["podAffinity", "podAntiAffinity"] {
        if !world.dice.chance(0.6) {
            continue;
        }
        let mut rules = Object::new();
        if world.dice.chance(required) {
            let terms: Vec<_> = (0..world.dice.weighted(&[(4, 1), (1, 2)])).map(|_| term(world)).collect();
            rules.insert("requiredDuringSchedulingIgnoredDuringExecution".to_owned(), json!(terms));
        }
        if rules.is_empty() || world.dice.chance(0.4) {
            let terms: Vec<_> = (0..world.dice.count(1, 3))
                .map(|_| {
                    let weight = *world.dice.pick(&[1, 7, 50, 100]);
                    json!({"weight": weight, "podAffinityTerm": term(world)})
                })
                .collect();
            rules.insert("preferredDuringSchedulingIgnoredDuringExecution".to_owned(), json!(terms));
        }
        affinity.insert(field.to_owned(), Value::Object(rules));
    }
}

fn term(world: &mut World) -> Value {
    let dice = &mut world.dice;
    let key = dice.weighted(&[(8, HOSTNAME), (8, ZONE), (4, TOPOLOGY[2]), (1, TOPOLOGY[3])]);
    let mut term = json!({"topologyKey": key});
    // Without a selector a term matches no pod.
    if dice.chance(0.96) {
        term["labelSelector"] = selectors::of_pods(dice);
        if dice.chance(0.12) {
            let keys = selectors::match_label_keys(dice);
            // A key may not be in both lists.
            if keys.len() == 2 && dice.chance(0.4) {
                term["matchLabelKeys"] = json!([keys[0]]);
                term["mismatchLabelKeys"] = json!([keys[1]]);
            } else if dice.chance(0.7) {
                term["matchLabelKeys"] = json!(keys);
            } else {
                term["mismatchLabelKeys"] = json!(keys);
            }
        }
    }
    if dice.chance(0.3) {
        let names = NAMESPACES.map(|(name, _)| name);
        term["namespaces"] = json!(dice.some(&names, 1, 2));
    }
    if dice.chance(0.3) {
        term["namespaceSelector"] = selectors::of_namespaces(dice);
    }
    term
}
