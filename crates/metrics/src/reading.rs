//! The state of a scheduler at one moment.

/// Numbers that are read from the scheduler when somebody asks for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Waiting pods by queue.
    pub pending: [(&'static str, usize); 4],
    /// Pods that entered each queue, and why, since the beginning.
    pub incoming: Vec<(&'static str, String, u64)>,
    /// Remembered events by label.
    pub in_flight: Vec<(String, usize)>,
    /// `nodes`, `pods`, `assumed_pods`.
    pub cache_size: [(&'static str, usize); 3],
    /// Waiting pods by plugin that turned them down, and profile.
    pub unschedulable: Vec<(&'static str, String, usize)>,
    /// Pods between decision and confirmation.
    pub binding: usize,
    /// Decisions that are kept.
    pub records: usize,
    /// Their memory.
    pub records_bytes: usize,
    /// By resource whose real use a plugin goes by: all nodes, and by name those without a sample that counts.
    pub usage: Vec<(&'static str, usize, Vec<String>)>,
}
