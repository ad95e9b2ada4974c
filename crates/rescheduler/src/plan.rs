//! What a plan says. Its JSON is a public contract, like the decision record's.

use loadline_framework::record::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::balance::Balance;

/// A plan: which pods should go where, and what that would make of the balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `loadline.dev/v1alpha1`.
    pub api_version: String,
    /// `ReschedulingPlan`.
    pub kind: String,
    /// Hash of the effective configuration.
    pub config_hash: String,
    /// Seed of the tie-break.
    pub seed: u64,
    /// Moves in the order in which they are to be made: each counts on those before it.
    pub moves: Vec<Move>,
    /// Pods that were looked at and stay, by reason.
    pub skipped: Vec<Skipped>,
    /// How evenly nodes are used now.
    pub before: Balance,
    /// And with all moves made.
    pub after: Balance,
    /// Every node, by name.
    pub nodes: Vec<NodeBalance>,
    /// What a reader should know besides, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Plan {
    /// Kind of the object.
    pub const KIND: &'static str = "ReschedulingPlan";

    /// A plan without anything in it.
    pub(crate) fn empty(config_hash: &str, seed: u64) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: Self::KIND.to_owned(),
            config_hash: config_hash.to_owned(),
            seed,
            moves: Vec::new(),
            skipped: Vec::new(),
            before: Balance::default(),
            after: Balance::default(),
            nodes: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// A pod that should be somewhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Kind and name of the controller, such as `ReplicaSet/web-5d8`; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Node that it is on; empty when it has failed and is on none.
    pub from: String,
    /// Node that the scheduler would choose for its replacement.
    pub to: String,
    /// Strategy, or plugin of the descheduler.
    pub strategy: String,
    /// Why, with numbers.
    pub reason: String,
    /// What the strategy gains, percent points.
    pub gain: f64,
    /// Its priority.
    pub priority: i32,
    /// What it requests.
    pub requests: Requests,
}

/// What a pod requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
}

/// Pods that stay for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// Name of the reason, as metrics have it.
    pub reason: String,
    /// Number of pods.
    pub pods: u64,
    /// What it means.
    pub meaning: String,
    /// `namespace/name` of one of them.
    pub example: String,
}

/// How full a node is, percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeBalance {
    /// Name.
    pub name: String,
    /// Cpu now.
    pub cpu_before: f64,
    /// Cpu with all moves made.
    pub cpu_after: f64,
    /// Memory now.
    pub memory_before: f64,
    /// Memory with all moves made.
    pub memory_after: f64,
    /// Pods now.
    pub pods_before: i64,
    /// Pods with all moves made.
    pub pods_after: i64,
}
