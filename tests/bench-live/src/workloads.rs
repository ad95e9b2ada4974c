//! What is placed: the shapes of scheduler_perf, and mixtures of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Pods that ask for CPU and memory (SchedulingBasic).
    Plain,
    /// At most five more in one zone than in another, of three (TopologySpreading).
    Spread,
    /// None beside another on a node (SchedulingPodAntiAffinity).
    AntiAffinity,
    /// All in one zone (SchedulingPodAffinity).
    Affinity,
    /// Rather not beside another on a node (SchedulingPreferredPodAntiAffinity).
    PreferredAntiAffinity,
    /// One of three kinds fits nowhere (Unschedulable).
    Unschedulable,
    /// Nodes are full of pods of lower priority (PreemptionBasic).
    Preemption,
    /// Everything that can be placed, in turn (MixedSchedulingBasePod).
    Mixed,
    /// Gangs of three, as PodGroups of Kubernetes' own API: kube-scheduler has its gates for them on, Loadline its plugin
    /// Coscheduling (GangScheduling).
    Gangs,
}

/// Pods of a gang.
pub(crate) const GANG: usize = 3;

const ZONES: usize = 3;

/// A node as scheduler_perf has them.
pub(crate) fn node(number: usize) -> Value {
    let name = format!("node-{number:05}");
    let resources = json!({"cpu": "4", "memory": "32Gi", "pods": "110"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": format!("zone-{}", number % ZONES),
            },
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// The namespace of the pods that stay.
pub(crate) const RESIDENT: &str = "resident";

/// A namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A pod that is on a node already and leaves room for those that are measured; thirty or so belong to one owner.
pub(crate) fn resident(number: usize, nodes: usize) -> Value {
    let labels = json!({"app": format!("app-{}", number / 30), "pod-template-hash": "5d59d67564"});
    let node = format!("node-{:05}", number % nodes);
    pod(&format!("resident-{number}"), "10m", &labels, json!({"nodeName": node}))
}

impl Workload {
    /// Pods that are on nodes before anything is measured; they say on which.
    pub(crate) fn before(self, nodes: usize) -> Vec<Value> {
        if self != Self::Preemption {
            return Vec::new();
        }
        let on = |node: usize| {
            (0..4).map(move |number| {
                let mut pod = pod(&format!("low-{node}-{number}"), "900m", &json!({"app": "low"}), json!({}));
                pod["spec"]["nodeName"] = format!("node-{node:05}").into();
                pod
            })
        };
        (0..nodes).flat_map(on).collect()
    }

    /// The pods that are measured.
    pub(crate) fn pods(self, prefix: &str, count: usize) -> Vec<Value> {
        (0..count).map(|number| self.pod(prefix, number)).collect()
    }

    /// As many as it takes for a scheduler to have placed something.
    pub(crate) fn first(self) -> Vec<Value> {
        if self == Self::Gangs { self.pods("first", GANG) } else { self.pods("first", 2)[1..].to_vec() }
    }

    /// The groups that these pods belong to.
    pub(crate) fn groups(pods: &[Value]) -> Vec<Value> {
        let names = pods.iter().filter_map(|pod| pod["spec"]["schedulingGroup"]["podGroupName"].as_str());
        let names: BTreeSet<&str> = names.collect();
        let group = |name| {
            json!({
                "apiVersion": "scheduling.k8s.io/v1alpha2",
                "kind": "PodGroup",
                "metadata": {"name": name},
                "spec": {"schedulingPolicy": {"gang": {"minCount": GANG}}},
            })
        };
        names.into_iter().map(group).collect()
    }

    /// Whether a pod is meant to find a node.
    pub(crate) fn fits(self, number: usize) -> bool {
        self != Self::Unschedulable || !number.is_multiple_of(3)
    }

    fn pod(self, prefix: &str, number: usize) -> Value {
        let name = &format!("{prefix}-{number}");
        // An application of its own for each phase: with anti-affinity a phase may have as many pods as there are nodes.
        let labels = json!({"app": prefix});
        let term = |key: &str| json!({"topologyKey": key, "labelSelector": {"matchLabels": labels}});
        let (host, zone) = ("kubernetes.io/hostname", "topology.kubernetes.io/zone");
        match self {
            Self::Spread => {
                let constraint = json!({
                    "maxSkew": 5,
                    "topologyKey": zone,
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": labels},
                });
                pod(name, "100m", &labels, json!({"topologySpreadConstraints": [constraint]}))
            }
            Self::AntiAffinity => {
                let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term(host)]});
                pod(name, "100m", &labels, json!({"affinity": {"podAntiAffinity": required}}))
            }
            Self::Affinity => {
                let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term(zone)]});
                pod(name, "100m", &labels, json!({"affinity": {"podAffinity": required}}))
            }
            Self::PreferredAntiAffinity => {
                let preferred = json!([{"weight": 1, "podAffinityTerm": term(host)}]);
                let preferred = json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
                pod(name, "100m", &labels, json!({"affinity": {"podAntiAffinity": preferred}}))
            }
            Self::Unschedulable if !self.fits(number) => pod(name, "9", &labels, json!({})),
            Self::Plain | Self::Unschedulable => pod(name, "100m", &labels, json!({})),
            Self::Gangs => {
                let group = format!("{prefix}-gang-{}", number / GANG);
                pod(name, "100m", &labels, json!({"schedulingGroup": {"podGroupName": group}}))
            }
            Self::Preemption => pod(name, "3", &labels, json!({"priorityClassName": "high"})),
            Self::Mixed => {
                const KINDS: [Workload; 4] =
                    [Workload::Plain, Workload::Spread, Workload::Affinity, Workload::PreferredAntiAffinity];
                KINDS[number % KINDS.len()].pod(prefix, number)
            }
        }
    }
}

/// A class for pods that may take the place of others.
pub(crate) fn priority_class() -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 10,
    })
}

fn pod(name: &str, cpu: &str, labels: &Value, more: Value) -> Value {
    let resources = json!({"requests": {"cpu": cpu, "memory": "500Mi"}});
    let mut spec = json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "pause", "image": "registry.example/pause", "resources": resources}],
    });
    if let (Value::Object(spec), Value::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec})
}
