//! What the parts of the generator share: the words that names and labels are made of, and the nodes with what is free.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::knobs::Knobs;

/// A JSON object under construction.
pub(super) type Object = Map<String, Value>;

/// Values of the label `app`.
pub(super) const APPS: [&str; 4] = ["web", "db", "cache", "batch"];
/// Values of the label `tier`.
pub(super) const TIERS: [&str; 2] = ["front", "back"];
/// Values of the label `version`.
pub(super) const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];
/// Namespaces with their labels.
pub(super) const NAMESPACES: [(&str, &[(&str, &str)]); 4] = [
    ("default", &[]),
    ("shop", &[("team", "red"), ("env", "prod")]),
    ("data", &[("team", "blue"), ("env", "prod")]),
    ("lab", &[("team", "blue"), ("env", "dev")]),
];
/// Priority classes: name, value, whether its pods never preempt.
pub(super) const PRIORITIES: [(&str, i64, bool); 5] =
    [("lowest", -10, false), ("low", 0, false), ("middle", 100, false), ("high", 1000, false), ("polite", 1000, true)];
/// Topology keys that most nodes have, and one that none has.
pub(super) const TOPOLOGY: [&str; 4] = [HOSTNAME, ZONE, "rack", "example.com/absent"];
/// The topology key of single nodes.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
/// The topology key of zones.
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
/// A name that no node has.
pub(super) const GONE_NODE: &str = "gone-node";
/// The second profile of configurations that have two.
pub(super) const SECOND_PROFILE: &str = "second-scheduler";

/// Amounts of the two resources that everything has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// Thousandths of a CPU.
    pub(super) cpu: i64,
    /// Bytes.
    pub(super) memory: i64,
}

impl Amount {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, memory: self.memory + other.memory }
    }

    pub(super) fn most(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }
}

/// What the generator remembers of a node.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) allocatable: Amount,
    pub(super) allowed_pods: i64,
    /// What the pods placed so far ask for.
    pub(super) used: Amount,
    pub(super) pods: i64,
}

impl Machine {
    /// What is free; negative when too much was placed on it.
    pub(super) fn free(&self) -> Amount {
        Amount { cpu: self.allocatable.cpu - self.used.cpu, memory: self.allocatable.memory - self.used.memory }
    }
}

/// A cluster under construction.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) knobs: Knobs,
    pub(super) machines: Vec<Machine>,
    /// Whether the configuration has [`SECOND_PROFILE`].
    pub(super) second_profile: bool,
    /// How many namespaces of [`NAMESPACES`] have pods.
    pub(super) namespaces: usize,
}

impl World {
    /// A namespace that has pods.
    pub(super) fn namespace(&mut self) -> &'static str {
        self.dice.pick(&NAMESPACES[..self.namespaces]).0
    }

    /// The name of a node, or sometimes one that no node has.
    pub(super) fn node_name(&mut self) -> String {
        if self.machines.is_empty() || self.dice.chance(0.08) {
            return GONE_NODE.to_owned();
        }
        self.dice.pick(&self.machines).name.clone()
    }
}

/// A time of day on the day when all clusters exist.
pub(super) fn time(minute: i64, second: i64) -> String {
    let minute = minute.clamp(0, 24 * 60 - 1);
    format!("2026-01-05T{:02}:{:02}:{:02}Z", minute / 60, minute % 60, second.clamp(0, 59))
}

/// The Namespace objects.
pub(super) fn namespaces() -> Vec<Value> {
    NAMESPACES
        .iter()
        .map(|(name, labels)| {
            let mut all: Object = labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
            // The API server sets this label on every namespace.
            all.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "uid": format!("namespace-{name}"), "creationTimestamp": time(0, 0), "labels": all},
            })
        })
        .collect()
}

/// The PriorityClass objects.
pub(super) fn priority_classes() -> Vec<Value> {
    PRIORITIES
        .iter()
        .map(|(name, value, never)| {
            json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": name, "uid": format!("priority-{name}"), "creationTimestamp": time(0, 0)},
                "value": value,
                "preemptionPolicy": if *never { "Never" } else { "PreemptLowerPriority" },
            })
        })
        .collect()
}
