//! Extenders: the one call to the outside in a cycle, performed by whoever runs the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use loadline_model::{PodInfo, Str};

/// A process of its own that has a say in decisions, seen from the cycle. Each call waits for the answer; whoever implements it
/// sets the deadline. Answers are never kept, and a failure is a text in kube-scheduler's words.
pub trait Extender: Send + Sync {
    /// How it names itself in messages and records.
    fn name(&self) -> &str;
    /// Whether it wants to see this pod.
    fn is_interested(&self, pod: &PodInfo) -> bool;
    /// Whether a failure of it is passed over.
    fn is_ignorable(&self) -> bool;
    /// Whether it filters.
    fn is_filter(&self) -> bool;
    /// Whether it scores.
    fn is_prioritizer(&self) -> bool;
    /// Whether it binds.
    fn is_binder(&self) -> bool;
    /// Whether it has a say in preemption.
    fn supports_preemption(&self) -> bool;
    /// Factor of its scores.
    fn weight(&self) -> i64;

    /// Which of `nodes` fit the pod.
    ///
    /// # Errors
    /// When there is no answer, or it says that something is wrong.
    fn filter(&self, pod: &PodInfo, nodes: &[Str]) -> Result<ExtenderFilter, String>;
    /// Scores of nodes; those of other nodes than `nodes` mean nothing, several of one node add up.
    ///
    /// # Errors
    /// When there is no answer.
    fn prioritize(&self, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<HostPriority>, String>;
    /// Which of the candidates remain, and which victims there.
    ///
    /// # Errors
    /// When there is no answer.
    fn process_preemption(&self, pod: &PodInfo, candidates: &[NodeVictims]) -> Result<Vec<NodeMetaVictims>, String>;
    /// Binds the pod to the node.
    ///
    /// # Errors
    /// When there is no answer, or it says that the pod was not bound.
    fn bind(&self, pod: &PodInfo, node: &str) -> Result<(), String>;
}

/// What an extender says to Filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtenderFilter {
    /// Nodes that fit, out of those that were asked about.
    pub passed: Vec<String>,
    /// Why nodes do not fit. A node that is neither here nor in `passed` has no reason.
    pub failed: BTreeMap<String, String>,
    /// The same for nodes where preemption changes nothing; goes before `failed`.
    pub failed_and_unresolvable: BTreeMap<String, String>,
}

/// An extender's score of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPriority {
    /// The node.
    pub host: String,
    /// 0 to 10.
    pub score: i64,
}

/// A candidate of preemption.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeVictims {
    /// The node.
    pub node: Str,
    /// Pods that would be deleted, the most important first.
    pub pods: Vec<Arc<PodInfo>>,
    /// How many of them a PodDisruptionBudget protects.
    pub pdb_violations: i64,
}

/// What an extender leaves of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMetaVictims {
    /// The node.
    pub node: String,
    /// Uids of the pods to delete.
    pub pods: Vec<String>,
    /// How many of them a PodDisruptionBudget protects.
    pub pdb_violations: i64,
}

/// An extender as it is handed round.
#[derive(Clone)]
pub struct SharedExtender(pub Arc<dyn Extender>);

impl std::ops::Deref for SharedExtender {
    type Target = dyn Extender;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for SharedExtender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extender").field(&self.0.name()).finish()
    }
}

/// Two are equal when they are the same one.
impl PartialEq for SharedExtender {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Extenders in the order in which they are asked: those whose failure is passed over come last.
pub fn in_asking_order(mut extenders: Vec<SharedExtender>) -> Vec<SharedExtender> {
    extenders.sort_by_key(|extender| extender.is_ignorable());
    extenders
}
