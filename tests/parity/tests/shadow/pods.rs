//! The cluster and its pods.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

const NODES: usize = 24;
const APPS: [&str; 4] = ["web", "db", "cache", "batch"];
const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What is there before all pods.
pub(crate) fn surroundings() -> Vec<Value> {
    let mut objects: Vec<Value> = (0..NODES).map(node).collect();
    objects.push(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "team", "labels": {"kind": "team"}},
    }));
    objects.push(json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "low"},
        "value": -10,
    }));
    objects.push(json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "guard"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"guarded": "yes"}}},
    }));
    // Pods of a service are spread by default.
    for app in ["web", "db"] {
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": app},
            "spec": {"selector": {"app": app}, "ports": [{"port": 80}]},
        }));
    }
    objects
}

fn name_of(node: usize) -> String {
    format!("node-{node:02}")
}

fn node(number: usize) -> Value {
    let name = name_of(number);
    let zone = ["east", "west", "north"][number % 3];
    let cpu = 2 + number % 3 * 2;
    let mut resources = json!({"cpu": cpu.to_string(), "memory": format!("{}Gi", 4 + number % 4 * 2), "pods": "30"});
    if number.is_multiple_of(6) {
        resources["example.com/gpu"] = "2".into();
    }
    let taints = match number {
        5 | 11 => json!([{"key": "example.com/special", "value": "yes", "effect": "NoSchedule"}]),
        7 | 17 => json!([{"key": "example.com/old", "effect": "PreferNoSchedule"}]),
        _ => json!([]),
    };
    let image = json!({"names": ["registry.example/large:v1"], "sizeBytes": 600_000_000});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                HOST: name,
                ZONE: zone,
                "disk": if number.is_multiple_of(4) { "fast" } else { "slow" },
                "generation": (number % 5).to_string(),
            },
        },
        "spec": {"taints": taints, "unschedulable": number == 23},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": if number % 8 == 3 { json!([image]) } else { json!([]) },
        },
    })
}

/// Pods of low priority, which are on their nodes already and may have to go.
pub(crate) fn victims(round: usize) -> Vec<Value> {
    (0..36).map(|number| victim(&format!("victim-{round}-{number}"), &name_of(number % NODES), number)).collect()
}

fn victim(name: &str, node: &str, number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": APPS[number % 3], "guarded": if number.is_multiple_of(4) { "yes" } else { "no" }},
        },
        "spec": {
            "nodeName": node,
            "priorityClassName": "low",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": "registry.example/main:v1",
                "resources": {"requests": {"cpu": "700m", "memory": "512Mi"}},
            }],
        },
    })
}

/// How many kubelets refuse a pod in each round.
pub(crate) const REFUSED: usize = 3;

/// Pods that the kubelets of their nodes refuse, with the reason as an annotation.
pub(crate) fn refused(round: usize) -> Vec<Value> {
    let refused = |(number, reason): (usize, &str)| {
        let node = name_of((round * REFUSED + number) % NODES);
        let mut pod = victim(&format!("refused-{round}-{number}"), &node, number);
        pod["metadata"]["annotations"] = json!({"reason": reason});
        pod
    };
    ["OutOfcpu", "OutOfmemory", "OutOfpods"].into_iter().enumerate().map(refused).collect()
}

/// Pods of many kinds, by a seed.
pub(crate) struct Mix(Pcg64Mcg);

impl Mix {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.0.random_range(0..items.len())]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn term(&mut self, topology_keys: &[&str]) -> Value {
        let app = self.pick(&APPS);
        let mut term = json!({
            "labelSelector": {"matchLabels": {"app": app}},
            "topologyKey": self.pick(topology_keys),
        });
        if self.chance(25) {
            term["namespaceSelector"] = json!({"matchLabels": {"kind": "team"}});
        }
        term
    }

    /// One pod; the names of a round differ from those of the others.
    pub(crate) fn pod(&mut self, round: usize, number: usize) -> Value {
        let app = self.pick(&APPS);
        let cpu = self.pick(&["50m", "100m", "200m", "400m", "1"]);
        let memory = self.pick(&["64Mi", "256Mi", "700Mi"]);
        let image = self.pick(&["registry.example/main:v1", "registry.example/main:v1", "registry.example/large:v1"]);
        let mut container =
            json!({"name": "main", "image": image, "resources": {"requests": {"cpu": cpu, "memory": memory}}});
        let mut spec = json!({"terminationGracePeriodSeconds": 0});
        match self.0.random_range(0..12) {
            0 => spec["topologySpreadConstraints"] = json!([self.spread(app, ZONE, "DoNotSchedule")]),
            1 => {
                let zones = self.spread(app, ZONE, "ScheduleAnyway");
                spec["topologySpreadConstraints"] = json!([zones, self.spread(app, HOST, "ScheduleAnyway")]);
            }
            2 => {
                spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [self.term(&[HOST])]}});
            }
            3 => {
                spec["affinity"] =
                    json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [self.term(&[ZONE])]}});
            }
            4 => {
                let kind = self.pick(&["podAffinity", "podAntiAffinity"]);
                let weight = self.pick(&[1, 30, 100]);
                let term = self.term(&[HOST, ZONE]);
                let terms = json!([{"weight": weight, "podAffinityTerm": term}]);
                spec["affinity"] = json!({kind: {"preferredDuringSchedulingIgnoredDuringExecution": terms}});
            }
            5 => spec["nodeSelector"] = json!({"disk": self.pick(&["fast", "slow", "none"])}),
            6 => spec["affinity"] = self.node_affinity(),
            7 => spec["tolerations"] = json!([{"key": "example.com/special", "operator": "Exists"}]),
            8 => container["ports"] = json!([{"containerPort": 80, "hostPort": self.pick(&[8080, 8081])}]),
            9 => {
                container["resources"]["requests"]["example.com/gpu"] = "1".into();
                container["resources"]["limits"] = json!({"example.com/gpu": "1"});
            }
            _ => {}
        }
        if self.chance(10) {
            let resources = json!({"requests": {"cpu": "1"}});
            spec["initContainers"] =
                json!([{"name": "first", "image": "registry.example/main:v1", "resources": resources}]);
        }
        spec["containers"] = json!([container]);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("pod-{round}-{number}"),
                "namespace": if self.chance(20) { "team" } else { "default" },
                "labels": {"app": app},
            },
            "spec": spec,
        })
    }

    fn spread(&mut self, app: &str, topology_key: &str, when_unsatisfiable: &str) -> Value {
        json!({
            "maxSkew": self.pick(&[1, 2]),
            "topologyKey": topology_key,
            "whenUnsatisfiable": when_unsatisfiable,
            "labelSelector": {"matchLabels": {"app": app}},
        })
    }

    fn node_affinity(&mut self) -> Value {
        let generation = self.pick(&["0", "2", "3"]);
        let required = json!({"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "generation", "operator": "Gt", "values": [generation]}]},
            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]},
        ]});
        let preferred = json!([
            {"weight": 40, "preference": {"matchExpressions": [{"key": ZONE, "operator": "NotIn", "values": ["east"]}]}},
            {"weight": 10, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}},
        ]);
        let mut affinity = json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
        if self.chance(50) {
            affinity["requiredDuringSchedulingIgnoredDuringExecution"] = required;
        }
        json!({ "nodeAffinity": affinity })
    }
}
