//! What a simulation found. Its JSON is a public contract, like the decision record's.

use std::collections::BTreeMap;

use loadline_framework::record::{DecidedBy, GangRecord, Outcome};
use loadline_model::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The end of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `loadline.dev/v1alpha1`.
    pub api_version: String,
    /// `SimulationReport`.
    pub kind: String,
    /// Hash of the effective configuration.
    pub config_hash: String,
    /// Seed of the tie-break.
    pub seed: u64,
    /// Virtual time that passed, seconds.
    pub elapsed_seconds: f64,
    /// Whether nothing more can happen. Otherwise the limit of virtual time ended the run.
    pub at_rest: bool,
    /// Pods that went in circles until the limit: `namespace/name`, how often they were placed or tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circling: Vec<Circling>,
    /// Placements, in the order in which they were decided. A pod that was preempted and placed again stands here twice.
    pub placements: Vec<Placement>,
    /// Pods deleted to make room, in order.
    pub preempted: Vec<PreemptedPod>,
    /// Pods that were terminating in the input, and are gone: they go after 30 s.
    #[serde(default)]
    pub terminated: u64,
    /// Pods without a node at the end, in queue order.
    pub pending: Vec<PendingPod>,
    /// Pods that other schedulers are to place: left alone.
    #[serde(default)]
    pub not_ours: u64,
    /// Which schedulers these are, with the number of pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_schedulers: BTreeMap<String, u64>,
    /// Pods that `--replace` took from their nodes: what was requested before is without them.
    #[serde(default)]
    pub vacated: u64,
    /// Gangs at the end, by namespace and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gangs: Vec<GangRecord>,
    /// Every node, by name.
    pub nodes: Vec<NodeUse>,
}

/// A pod that never came to rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Circling {
    /// `namespace/name`.
    pub pod: String,
    /// Attempts to place it.
    pub attempts: u32,
    /// What keeps it going, in words.
    pub why: String,
}

/// A pod placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind and name of the controller, such as `ReplicaSet/web-5d8`; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Node.
    pub node: String,
    /// What decided.
    pub decided_by: DecidedBy,
    /// Number of feasible nodes.
    pub feasible: usize,
    /// Attempts it took.
    pub attempts: u32,
    /// Virtual time, seconds from the start.
    pub at_seconds: f64,
}

/// A point in virtual time as reports have it: seconds to the thousandth, to the millionth where that is all there is. Nanoseconds
/// only tell apart what happens at once.
pub(crate) fn seconds(at: Time) -> f64 {
    const MICRO: f64 = 1e6;
    let micros = (at as f64 / 1e3).round();
    let millis = (micros / 1e3).round();
    if millis > 0.0 { millis / 1e3 } else { micros / MICRO }
}

/// A pod deleted to make room for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreemptedPod {
    /// `namespace/name` of the victim.
    pub victim: String,
    /// Node that it ran on.
    pub node: String,
    /// `namespace/name` of the pod that it made room for.
    pub preemptor: String,
    /// Name of the pod that its controller put in its place; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub replaced_by: String,
    /// Virtual time, seconds from the start.
    pub at_seconds: f64,
}

/// A pod without a node at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingPod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind and name of the controller; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Outcome of its last attempt.
    pub result: Outcome,
    /// kube-scheduler's text.
    pub message: String,
    /// The plugin that gates it; empty when it is not gated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gated_by: String,
    /// Attempts.
    pub attempts: u32,
    /// Node that it waits for after a preemption; empty when none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nominated_node: String,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeUse {
    /// Name.
    pub name: String,
    /// What pods may use of it.
    pub allocatable: Usage,
    /// Sum of requests before.
    pub before: Usage,
    /// Sum of requests after.
    pub after: Usage,
}

/// Amounts of a node's resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
    /// Other resources by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_digits_that_say_nothing() {
        let times = [0, 3, 70_000, 1_000_000_004, 1_234_567_890, 3_600_000_000_000].map(seconds);
        assert_eq!(times.map(|time| time.to_string()), ["0", "0", "0.00007", "1", "1.235", "3600"]);
    }
}
