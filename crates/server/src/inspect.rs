//! What the scheduler is asked.

use std::future::Future;
use std::pin::Pin;

use loadline_metrics::PodResources;
use serde::Deserialize;
use serde_json::Value;

/// `None` when the scheduler does not answer.
pub type Answer<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// What the scheduler knows of itself.
pub trait Inspect: Send + Sync + 'static {
    /// The metrics are brought up to date with its state.
    fn refresh(&self) -> Answer<()>;
    /// What all pods request; `None` inside on an instance that does not lead.
    fn pod_resources(&self) -> Answer<Option<Vec<PodResources>>>;
    /// The configuration that is in force, a KubeSchedulerConfiguration.
    fn configuration(&self) -> Value;
    /// Decisions; `None` inside when nothing is known of the pod that is asked for.
    fn decisions(&self, query: DecisionQuery) -> Answer<Option<Value>>;
    /// Waiting pods.
    fn pending(&self, page: Page) -> Answer<Value>;
    /// Nodes with their load.
    fn nodes(&self, page: Page) -> Answer<Value>;
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// At most so many entries.
    #[serde(default)]
    limit: Option<usize>,
    /// Where the part before ended: its `continue`.
    #[serde(default, rename = "continue")]
    pub after: Option<String>,
}

impl Page {
    /// Entries that are shown unless more are asked for.
    const USUAL: usize = 500;
    /// Entries that are shown at most.
    const MOST: usize = 5000;

    /// At most so many entries, from 1.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::USUAL).clamp(1, Self::MOST)
    }
}

/// Which decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct DecisionQuery {
    /// The last one on this pod, `namespace/name`; without it the newest of all, as a list.
    #[serde(default)]
    pub pod: Option<String>,
    /// With a pod that waits: as it would be decided now.
    #[serde(default)]
    pub now: bool,
    /// At most so many.
    #[serde(default)]
    limit: Option<usize>,
    /// Where the part before ended.
    #[serde(default, rename = "continue")]
    pub after: Option<String>,
}

impl DecisionQuery {
    /// The part of the list that is wanted.
    pub fn page(&self) -> Page {
        Page { limit: self.limit, after: self.after.clone() }
    }
}
