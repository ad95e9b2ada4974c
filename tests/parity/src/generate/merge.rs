//! What the API server makes of matchLabelKeys and mismatchLabelKeys when a pod is created: requirements of the selector
//! beside them. The scheduler of 1.36 relies on it for pod affinity.

use serde_json::{Value, json};

/// Merges the keys of all terms and constraints of a pod.
pub(super) fn label_keys(pod: &mut Value) {
    let labels = pod["metadata"]["labels"].clone();
    let spec = &mut pod["spec"];
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.get_mut("affinity").and_then(|affinity| affinity.get_mut(kind)) else {
            continue;
        };
        for term in terms(affinity, "requiredDuringSchedulingIgnoredDuringExecution") {
            merge(term, &labels);
        }
        for weighted in terms(affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
            merge(&mut weighted["podAffinityTerm"], &labels);
        }
    }
    for constraint in terms(spec, "topologySpreadConstraints") {
        merge(constraint, &labels);
    }
}

fn terms<'a>(of: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    of.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn merge(term: &mut Value, labels: &Value) {
    if term.get("labelSelector").is_none_or(Value::is_null) {
        return;
    }
    let mut more = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                more.push(json!({ "key": key, "operator": operator, "values": [value] }));
            }
        }
    }
    if more.is_empty() {
        return;
    }
    let selector = &mut term["labelSelector"];
    if let Some(expressions) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        expressions.extend(more);
    } else {
        selector["matchExpressions"] = Value::Array(more);
    }
}
