//! Extenders: the one call to the outside in a cycle, performed by whoever runs the engine.

use loadline_model::{PodInfo, Str};

/// An HTTP extender, seen from the cycle. Answers are never kept.
pub trait Extender: Send + Sync {
    /// How it names itself in messages.
    fn name(&self) -> &str;
    /// Whether it wants to see this pod.
    fn is_interested(&self, pod: &PodInfo) -> bool;
    /// Whether a failure of it is passed over.
    fn is_ignorable(&self) -> bool;
    /// Filters: for each of `nodes` that it turns down, the reason and whether preemption can not help.
    fn filter(&self, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<(Str, String, bool)>, String>;
    /// Scores 0 to 10 for each of `nodes`, times its weight.
    fn prioritize(&self, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<i64>, String>;
}
