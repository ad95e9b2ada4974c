//! Gangs: pods that are placed together or not at all. The engine plans; which pods go when a gang preempts is a plugin's matter.

use std::fmt::Debug;
use std::sync::Arc;

use loadline_model::{PodInfo, Time};

/// The name under which a gang keeps its members out of the queue.
pub const COSCHEDULING: &str = "Coscheduling";

/// What a profile says of gangs. Times in nanoseconds.
#[derive(Clone, Debug)]
pub struct GangSettings {
    /// How long the members of a plan may be on their way to their nodes, unless the group says otherwise.
    pub wait: Time,
    /// At least so long until a gang that failed is tried again; 0: as any pod.
    pub backoff: Time,
    /// A gang that lacks no more than this share of its minimum, percent, has no [`GangSettings::backoff`].
    pub near_miss: u32,
    /// A gang for which there is no room for so long gets a reservation; 0: never.
    pub reserve_after: Time,
    /// How long a reservation lasts.
    pub reserve_for: Time,
    /// Who chooses the victims of a gang.
    pub preemption: Arc<dyn GangPreemption>,
}

/// Pods that a gang may preempt, together or not at all.
#[derive(Clone, Debug)]
pub struct VictimUnit {
    /// The pods, never empty.
    pub pods: Vec<Arc<PodInfo>>,
    /// Whether it is a gang that would be broken.
    pub is_gang: bool,
    /// Whether a PodDisruptionBudget protects one of them.
    pub is_protected: bool,
}

/// The cluster at the end of a try that found no room for a gang, open for thought experiments. Whatever is done to it is undone.
pub trait GangWhatIf {
    /// Whom the gang may preempt: of lower priority, not on their way out, not of the gang itself.
    fn units(&self) -> &[VictimUnit];
    /// Takes a unit off its nodes.
    fn remove(&mut self, unit: usize);
    /// Puts it back.
    fn restore(&mut self, unit: usize);
    /// Plans the gang anew; whether it fits. The plan stays on the cluster until the next.
    fn plan(&mut self) -> bool;
    /// Whether the plan puts members on a node of this unit.
    fn is_in_the_way(&self, unit: usize) -> bool;
    /// Whether each member of the plan that shares a node with this unit fits there still.
    fn holds(&mut self, unit: usize) -> bool;
}

/// Chooses whom a gang preempts.
pub trait GangPreemption: Debug + Send + Sync {
    /// Numbers of the units that have to go, sorted; `None` when the gang does not fit even so. What they leave has to be what the
    /// last plan was made on.
    fn choose(&self, cluster: &mut dyn GangWhatIf) -> Option<Vec<usize>>;
}
