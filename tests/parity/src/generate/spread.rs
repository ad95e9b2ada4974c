//! Topology spread constraints, and what the default ones look at: services and owners.

use serde_json::{Value, json};

use super::selectors;
use super::world::{APPS, HOSTNAME, Object, TOPOLOGY, World, ZONE, time};

/// `spec.topologySpreadConstraints`, perhaps.
pub(super) fn of_pod(world: &mut World, spec: &mut Object, labels: &Object) {
    if !world.dice.chance(world.knobs.spread * 0.75) {
        return;
    }
    let mut constraints = Vec::new();
    let mut present = Vec::new();
    let tight = world.knobs.tight;
    for _ in 0..world.dice.weighted(&[(4, 1), (4, 2), (1, 3)]) {
        let dice = &mut world.dice;
        let key = dice.weighted(&[(8, HOSTNAME), (8, ZONE), (4, TOPOLOGY[2]), (1, TOPOLOGY[3])]);
        let hard = dice.chance(if tight { 0.7 } else { 0.5 });
        // Key and action together are unique in a pod.
        if present.contains(&(key, hard)) {
            continue;
        }
        present.push((key, hard));
        constraints.push(constraint(world, key, hard, labels));
    }
    spec.insert("topologySpreadConstraints".to_owned(), json!(constraints));
}

fn constraint(world: &mut World, key: &str, hard: bool, labels: &Object) -> Value {
    let tight = world.knobs.tight;
    let dice = &mut world.dice;
    let mut constraint = json!({
        "topologyKey": key,
        "maxSkew": if tight { dice.weighted(&[(8, 1), (1, 2)]) } else { dice.weighted(&[(5, 1), (3, 2), (2, 3), (1, 5)]) },
        "whenUnsatisfiable": if hard { "DoNotSchedule" } else { "ScheduleAnyway" },
    });
    if dice.chance(0.95) {
        // Mostly the pod's own label: what people write.
        let own = labels.get("app").filter(|_| dice.chance(0.6));
        constraint["labelSelector"] = match own {
            Some(app) => json!({"matchLabels": {"app": app}}),
            None => selectors::of_pods(dice),
        };
        if dice.chance(0.15) {
            constraint["matchLabelKeys"] = json!(selectors::match_label_keys(dice));
        }
    }
    if hard && dice.chance(0.3) {
        constraint["minDomains"] = json!(dice.range(1, 6));
    }
    for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if dice.chance(0.3) {
            constraint[policy] = json!(*dice.pick(&["Honor", "Ignore"]));
        }
    }
    constraint
}

/// Constraints for the plugin's argument `defaultConstraints`: they have no selector of their own.
pub(super) fn defaults(world: &mut World) -> Vec<Value> {
    let mut constraints = Vec::new();
    for key in [HOSTNAME, ZONE, TOPOLOGY[2]] {
        if world.dice.chance(0.5) {
            let hard = world.dice.chance(0.3);
            constraints.push(json!({
                "topologyKey": key,
                "maxSkew": world.dice.range(1, 4),
                "whenUnsatisfiable": if hard { "DoNotSchedule" } else { "ScheduleAnyway" },
            }));
        }
    }
    constraints
}

/// What owns the pods of an app: kind and API version.
pub(super) fn owner_kind(app: &str) -> (&'static str, &'static str) {
    match app {
        "web" => ("ReplicaSet", "apps/v1"),
        "db" => ("StatefulSet", "apps/v1"),
        "cache" => ("ReplicationController", "v1"),
        // Not one of those whose selector counts.
        _ => ("Job", "batch/v1"),
    }
}

/// Services and workloads in a namespace.
pub(super) fn workloads(world: &mut World, namespace: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    for app in APPS {
        if !world.dice.chance(0.2 + world.knobs.spread * 0.6) {
            continue;
        }
        let meta = |name: String, uid: String| json!({"namespace": namespace, "name": name, "uid": uid, "creationTimestamp": time(1, 0)});
        if world.dice.chance(0.6) {
            let mut selector = json!({"app": app});
            if world.dice.chance(0.2) {
                selector["tier"] = json!("front");
            }
            objects.push(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": meta(format!("{app}-service"), world.dice.uid()),
                "spec": {"selector": selector, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]},
            }));
        }
        // A second service that selects the same pods: both selectors are joined.
        if world.dice.chance(0.1) {
            objects.push(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": meta(format!("{app}-second"), world.dice.uid()),
                "spec": {"selector": {"tier": "front"}, "ports": [{"port": 81, "protocol": "TCP", "targetPort": 81}]},
            }));
        }
        let (kind, version) = owner_kind(app);
        if kind == "Job" || world.dice.chance(0.2) {
            continue;
        }
        let template = json!({
            "metadata": {"labels": {"app": app}},
            "spec": {"containers": [{"name": "main", "image": "nginx"}]},
        });
        // With no replicas wanted, nothing is missing that a workload would stand for.
        let mut spec = json!({"replicas": 0, "selector": {"matchLabels": {"app": app}}, "template": template});
        match kind {
            "ReplicationController" => spec["selector"] = json!({"app": app}),
            "StatefulSet" => spec["serviceName"] = json!(format!("{app}-service")),
            _ => {}
        }
        objects.push(json!({
            "apiVersion": version, "kind": kind,
            "metadata": meta(format!("{app}-owner"), world.dice.uid()),
            "spec": spec,
        }));
    }
    objects
}
