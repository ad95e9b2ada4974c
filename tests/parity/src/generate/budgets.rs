//! PodDisruptionBudgets.

use serde_json::{Value, json};

use super::selectors;
use super::world::{APPS, NAMESPACES, Object, World, time};

/// Budgets over the pods that are in place, given as (namespace, name).
pub(super) fn budgets(world: &mut World, placed: &[(String, String)]) -> Vec<Value> {
    if !world.dice.chance(world.knobs.preemption) {
        return Vec::new();
    }
    (0..world.dice.count(1, 6))
        .map(|number| {
            let namespace = world.dice.pick(&NAMESPACES[..world.namespaces]).0;
            let uid = world.dice.uid();
            let dice = &mut world.dice;
            let selector = match dice.count(0, 9) {
                // An empty selector selects everything for the API, and nothing for preemption.
                0 => Some(json!({})),
                1 => None,
                2 | 3 => Some(selectors::of_pods(dice)),
                _ => Some(json!({"matchLabels": {"app": dice.pick(&APPS)}})),
            };
            let mut spec = Object::new();
            if let Some(selector) = selector {
                spec.insert("selector".to_owned(), selector);
            }
            if dice.chance(0.5) {
                spec.insert("minAvailable".to_owned(), json!(dice.range(0, 3)));
            } else {
                spec.insert("maxUnavailable".to_owned(), json!(*dice.pick(&["0%", "25%", "50%"])));
            }
            let allowed = dice.weighted(&[(5, 0), (3, 1), (2, 2), (1, 4)]);
            let mut disrupted = Object::new();
            if dice.chance(0.3) {
                let inside: Vec<_> = placed.iter().filter(|(space, _)| space == namespace).cloned().collect();
                for (_, name) in dice.some(&inside, 0, 5) {
                    disrupted.insert(name, json!(time(20, 0)));
                }
            }
            let mut status = json!({
                "disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3,
                "observedGeneration": 1,
            });
            if !disrupted.is_empty() {
                status["disruptedPods"] = Value::Object(disrupted);
            }
            json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {
                    "namespace": namespace, "name": format!("budget-{number}"), "uid": uid,
                    "generation": 1, "creationTimestamp": time(2, 0),
                },
                "spec": spec,
                "status": status,
            })
        })
        .collect()
}
