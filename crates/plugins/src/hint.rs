//! What queueing hints of several plugins ask.

use loadline_framework::Hint;
use loadline_model::PodInfo;

/// Whether a pod takes up a node, or was promised one: only then does its end make room.
pub(crate) fn is_placed(pod: &PodInfo) -> bool {
    pod.node_name.is_some() || pod.nominated_node_name.is_some()
}

/// Queue when something may have changed for the pod.
pub(crate) fn queue_if(helps: bool) -> Hint {
    if helps { Hint::Queue } else { Hint::Skip }
}
