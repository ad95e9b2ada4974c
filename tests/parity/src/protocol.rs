//! What is sent to the referee and what it answers, one JSON object a line.

use loadline_framework::record::{NodeRecord, Outcome};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A cluster, and the pods to judge in it: each on its own, against the same cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the answer.
    pub id: String,
    /// A KubeSchedulerConfiguration as YAML text; empty for the default.
    pub config: String,
    /// Kubernetes objects.
    pub objects: Vec<Value>,
    /// `namespace/name` of each pod to judge.
    pub pods: Vec<String>,
}

/// What the referee says of a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's.
    pub id: String,
    /// Why the whole request failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// One for each pod, in the request's order.
    #[serde(default, deserialize_with = "or_default")]
    pub decisions: Vec<Expected>,
}

/// What kube-scheduler decides for a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Profile.
    #[serde(default)]
    pub scheduler_name: String,
    /// Outcome.
    pub result: Outcome,
    /// The text of its event, or the gating plugin's.
    #[serde(default)]
    pub message: String,
    /// The plugin that gates it.
    #[serde(default)]
    pub gated_by: String,
    /// Its nominated node was feasible, and no other node was looked at.
    #[serde(default)]
    pub nominated_first: bool,
    /// Every node, by name.
    #[serde(default, deserialize_with = "or_default")]
    pub nodes: Vec<NodeRecord>,
    /// Preemption, when it found candidates.
    #[serde(default)]
    pub preemption: Option<ExpectedPreemption>,
}

impl Expected {
    /// `namespace/name`.
    pub fn pod(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What preemption found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedPreemption {
    /// The node that kube-scheduler chose.
    pub nominated_node: String,
    /// All nodes where it would help, by name.
    #[serde(default, deserialize_with = "or_default")]
    pub candidates: Vec<Candidate>,
    /// The nodes that tie on all criteria: any of them may be chosen.
    #[serde(default, deserialize_with = "or_default")]
    pub best: Vec<String>,
}

/// A node where deleting pods makes room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Node.
    pub node: String,
    /// The pods to delete, `namespace/name`, in kube-scheduler's order.
    #[serde(default, deserialize_with = "or_default")]
    pub victims: Vec<String>,
    /// How many of them a disruption budget protects.
    #[serde(rename = "numPDBViolations", default)]
    pub num_pdb_violations: i64,
}

/// Go writes an empty list as null.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
