//! Kinds of pods.

use serde_json::{Map, Value, json};

use crate::{HOSTNAME, ZONE, objects};

/// What a measured pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cpu and memory.
    Plain,
    /// Tolerates the taint of one node in ten.
    Taints,
    /// Two of the zones required, an instance type preferred.
    NodeAffinity,
    /// At most 1 apart between zones.
    HardSpread,
    /// Over zones and hosts, if possible.
    SoftSpread,
    /// Default constraints, with a service that selects it.
    DefaultSpread,
    /// In a zone with its like.
    Affinity,
    /// Not on a node with its like.
    AntiAffinity,
    /// Rather in a zone with its like.
    PreferredAffinity,
    /// Rather not on a node with its like.
    PreferredAntiAffinity,
    /// Not on a node with its like from the namespaces of a team.
    AntiAffinityNamespaces,
    /// More cpu than any node has.
    Unschedulable,
    /// More cpu than is free anywhere, over pods of lower priority.
    Preemption,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Plain,
        Self::Taints,
        Self::NodeAffinity,
        Self::HardSpread,
        Self::SoftSpread,
        Self::DefaultSpread,
        Self::Affinity,
        Self::AntiAffinity,
        Self::PreferredAffinity,
        Self::PreferredAntiAffinity,
        Self::AntiAffinityNamespaces,
        Self::Unschedulable,
        Self::Preemption,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Taints => "taints",
            Self::NodeAffinity => "node affinity",
            Self::HardSpread => "hard spread",
            Self::SoftSpread => "soft spread",
            Self::DefaultSpread => "default spread",
            Self::Affinity => "required affinity",
            Self::AntiAffinity => "required anti-affinity",
            Self::PreferredAffinity => "preferred affinity",
            Self::PreferredAntiAffinity => "preferred anti-affinity",
            Self::AntiAffinityNamespaces => "anti-affinity, namespace selector",
            Self::Unschedulable => "unschedulable",
            Self::Preemption => "preemption",
        }
    }

    /// The pod with this number of a class, as an object. `class` tells classes apart by their requests, as different
    /// workloads are; `own_labels` gives the pod a label that no other has, as StatefulSets and indexed Jobs do.
    pub fn object(self, class: usize, number: usize, own_labels: bool) -> Value {
        let app = if self == Self::DefaultSpread { "served".to_owned() } else { format!("class-{class}") };
        let mut labels = json!({"app": app});
        if own_labels {
            labels["apps.kubernetes.io/pod-index"] = json!(number.to_string());
        }
        let milli_cpu = match self {
            Self::Unschedulable => 9000 + class,
            Self::Preemption => 3000 + class,
            _ => 100 + class,
        };
        let priority = if self == Self::Preemption { 10 } else { 0 };
        objects::pod(&format!("pod-{class}-{number}"), &labels, milli_cpu, priority, self.spec(&app))
    }

    /// What makes it this kind, in the spec.
    fn spec(self, app: &str) -> Map<String, Value> {
        let selector = json!({"matchLabels": {"app": app}});
        let spread = |key: &str, action: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": action, "labelSelector": selector});
        let term = |key: &str| json!({"labelSelector": selector, "topologyKey": key});
        let preferred = |key: &str| json!([{"weight": 100, "podAffinityTerm": term(key)}]);
        let spec = match self {
            Self::Plain | Self::DefaultSpread | Self::Unschedulable | Self::Preemption => json!({}),
            Self::Taints => {
                json!({"tolerations": [{"key": "dedicated", "operator": "Equal", "value": "batch"}]})
            }
            Self::NodeAffinity => {
                let within = |key: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": "In", "values": values}]});
                json!({"affinity": {"nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [within(ZONE, json!(["zone-0", "zone-1"]))],
                    },
                    "preferredDuringSchedulingIgnoredDuringExecution": [{
                        "weight": 10,
                        "preference": within("node.kubernetes.io/instance-type", json!(["type-2"])),
                    }],
                }}})
            }
            Self::HardSpread => json!({"topologySpreadConstraints": [spread(ZONE, "DoNotSchedule")]}),
            Self::SoftSpread => json!({"topologySpreadConstraints": [
                spread(ZONE, "ScheduleAnyway"),
                spread(HOSTNAME, "ScheduleAnyway"),
            ]}),
            Self::Affinity => json!({"affinity": {"podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [term(ZONE)],
            }}}),
            Self::AntiAffinity => json!({"affinity": {"podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [term(HOSTNAME)],
            }}}),
            Self::PreferredAffinity => json!({"affinity": {"podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": preferred(ZONE),
            }}}),
            Self::PreferredAntiAffinity => json!({"affinity": {"podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": preferred(HOSTNAME),
            }}}),
            Self::AntiAffinityNamespaces => json!({"affinity": {"podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{
                    "labelSelector": selector,
                    "namespaceSelector": {"matchLabels": {"team": "default"}},
                    "topologyKey": HOSTNAME,
                }],
            }}}),
        };
        if let Value::Object(spec) = spec { spec } else { Map::new() }
    }

    /// Pods on each node before anything is measured, and the cpu that each asks for: for preemption they fill the nodes.
    pub(crate) fn sitting(self) -> (usize, usize) {
        if self == Self::Preemption { (4, 900) } else { (2, 100) }
    }
}
