//! Label selectors over pods and namespaces.

use serde_json::{Value, json};

use super::dice::Dice;
use super::world::{APPS, TIERS};

/// A label selector that many pods match. Its keys are never those of [`match_label_keys`].
pub(super) fn of_pods(dice: &mut Dice) -> Value {
    match dice.count(0, 11) {
        0 => json!({}),
        1 => json!({"matchExpressions": [{"key": "app", "operator": "In", "values": dice.some(&APPS, 1, 3)}]}),
        2 => json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": dice.some(&APPS, 1, 2)}]}),
        3 => json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        4 => json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
        5 => json!({
            "matchLabels": {"app": dice.pick(&APPS)},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": dice.some(&TIERS, 1, 2)}],
        }),
        6 => json!({"matchLabels": {"tier": dice.pick(&TIERS)}}),
        _ => json!({"matchLabels": {"app": dice.pick(&APPS)}}),
    }
}

/// A selector over the labels of namespaces.
pub(super) fn of_namespaces(dice: &mut Dice) -> Value {
    match dice.count(0, 4) {
        0 => json!({}),
        1 => json!({"matchLabels": {"env": *dice.pick(&["prod", "dev", "none"])}}),
        2 => json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["red"]}]}),
        3 => json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}),
        _ => json!({"matchLabels": {"kubernetes.io/metadata.name": *dice.pick(&["shop", "data", "default"])}}),
    }
}

/// Keys whose values a term takes from the pod; the last one is on no pod.
pub(super) fn match_label_keys(dice: &mut Dice) -> Vec<&'static str> {
    dice.some(&["version", "pod-template-hash", "example.com/absent"], 1, 2)
}
