//! The decision record: what was decided for a pod, and why. Its JSON is a public contract: fields are added, never
//! renamed. `docs/decision-record.schema.json` is generated from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `apiVersion` of the records.
pub const API_VERSION: &str = "loadline.dev/v1alpha1";

/// What became of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// A node was found.
    Feasible,
    /// No node fits.
    Unschedulable,
    /// It may not be tried yet.
    Gated,
    /// Something went wrong that is not the pod's fault.
    Error,
}

/// What decided between the feasible nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DecidedBy {
    /// The highest total; ties by hash.
    Score,
    /// Only one node was feasible.
    OnlyFeasible,
    /// The pod's nominated node was feasible.
    Nominated,
}

/// The decision on one pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Profile.
    pub scheduler_name: String,
    /// Outcome.
    pub result: Outcome,
    /// The chosen node, when feasible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What decided, when feasible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    /// The plugin that told nodes with equal totals apart, before the hash did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tie_broken_by: Option<String>,
    /// The plugin that gates the pod, when gated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gated_by: Option<String>,
    /// kube-scheduler's wording, PostFilter's part included; empty when feasible.
    pub message: String,
    /// How many pods this one stands for (`explain` shows one of each kind of missing pod); absent for 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Every node, by name. Absent when the table can no longer be rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeRecord>>,
    /// The table of nodes is absent or cut.
    pub truncated: bool,
    /// Preemption, when it was tried and helps.
    pub preemption: Option<Preemption>,
    /// A few changes, at most five, each of which would remove what a node was turned down for first; another obstacle
    /// may be behind it. The smallest first where they can be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<Remedy>,
    /// The gang that the pod is placed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gang: Option<GangRecord>,
}

/// A gang: pods that are placed together or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GangRecord {
    /// `apiVersion` of its PodGroup.
    pub api_version: String,
    /// Namespace.
    pub namespace: String,
    /// Name of the PodGroup.
    pub name: String,
    /// How far it is.
    pub state: GangState,
    /// Pods that must be placed together; absent while its PodGroup is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<u32>,
    /// Pods that count towards it: those that could be placed, are placed, or have finished.
    pub have: u32,
    /// Pods on nodes.
    pub placed: u32,
    /// Pods that ran to their end.
    pub finished: u32,
    /// Pods that could be placed but for the gang.
    pub waiting: u32,
    /// Pods that something else keeps out of the queue.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gated: u32,
    /// How many of those that wait would find a node in the best plan; absent when none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fits: Option<u32>,
    /// Label key and value of the nodes that the plan keeps to, `key=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Pods that find no node in that plan, those that are alike together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<BlockedMembers>,
    /// What keeps it, in words; empty when nothing does.
    pub message: String,
    /// In how many seconds it is tried again without any event; absent when only an event has it tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_seconds: Option<f64>,
    /// For how many seconds more room is kept for it; absent when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_seconds: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How far a gang is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GangState {
    /// Its PodGroup is not there.
    WaitsForGroup,
    /// There are not enough pods.
    WaitsForPods,
    /// It can be tried.
    Ready,
    /// There is no room for it.
    WaitsForRoom,
    /// There is no room for it yet, and pods were asked to go.
    Preempting,
    /// It is planned, and on its way to its nodes.
    Underway,
    /// Its minimum is placed.
    Placed,
}

/// Pods of a gang that find no node, alike to every plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedMembers {
    /// One of them, `namespace/name`.
    pub pod: String,
    /// How many they are.
    pub pods: u32,
    /// Who turned them down.
    pub rejected_by: Vec<String>,
    /// On how many nodes for which reason, in kube-scheduler's words.
    pub message: String,
}

/// One node in a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    /// Node name.
    pub name: String,
    /// Whether the pod fits.
    pub feasible: bool,
    /// First plugin, in the profile's order, that turned the node down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rejected_by: String,
    /// `Unschedulable` or `UnschedulableAndUnresolvable`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// kube-scheduler's reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The numbers behind the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<Detail>,
    /// Scores by plugin, for feasible nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, ScoreRecord>,
    /// Sum of the weighted scores, for feasible nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// One plugin's score of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRecord {
    /// As the plugin's Score gave it.
    pub raw: i64,
    /// 0 to 100.
    pub normalized: i64,
    /// Weight in the profile.
    pub weight: i64,
    /// Normalised score times weight.
    pub weighted: i64,
    /// What is to be known about it besides the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A number behind a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    /// Of what.
    pub what: String,
    /// What the pod asks for.
    pub wanted: String,
    /// What the node has.
    pub found: String,
}

/// A change that would remove what a node was turned down for first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Remedy {
    /// In words.
    pub text: String,
    /// For programs: what to change, by how much, where.
    pub change: serde_json::Value,
    /// Of what and how much, where that is a number: the smaller of two changes of the same comes first. Not shown.
    #[serde(skip)]
    pub measure: Option<(String, i64)>,
}

/// What preemption would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preemption {
    /// The node that would be nominated.
    pub nominated_node: String,
    /// Pods that would be deleted, `namespace/name`.
    pub victims: Vec<String>,
}

/// Head of a list of decisions; the decisions follow one by one in `pods`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionList {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `DecisionList`.
    pub kind: String,
    /// Hash of the effective configuration.
    pub config_hash: String,
    /// Seed of the tie-break.
    pub seed: u64,
    /// The decisions.
    pub pods: Vec<Decision>,
}

/// A decision of a running scheduler, with what it keeps of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveDecision {
    /// The decision. Its table of nodes is there while nothing has changed since.
    #[serde(flatten)]
    pub decision: Decision,
    /// What is kept of it in any case. Absent for a pod that is gated: it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<DecisionSummary>,
}

/// What a running scheduler keeps of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionSummary {
    /// Number of the decision since the scheduler began, from 1.
    pub number: u64,
    /// Attempt of the pod, from 1.
    pub attempt: u32,
    /// Hash of the configuration that decided.
    pub config_hash: String,
    /// Number of feasible nodes that were found.
    pub feasible: u32,
    /// How many nodes each plugin turned down for which reason; the reason is empty where it differs from node to node.
    pub rejections: Vec<RejectionCount>,
    /// The best nodes, at most five, best first.
    pub best: Vec<NodeTotal>,
}

/// Nodes that a plugin turned down for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectionCount {
    /// The plugin.
    pub plugin: String,
    /// kube-scheduler's reason.
    pub reason: String,
    /// How many nodes.
    pub nodes: u32,
}

/// A node with its total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeTotal {
    /// The node.
    pub name: String,
    /// Sum of its weighted scores.
    pub total: i64,
}
