//! Victims of preemptions on their way out, and the preemptors that are held back until then.
//!
//! The answer to a deletion may be seconds ahead of what is heard of the victim. A preemptor that looked again meanwhile would find it as
//! if nobody had asked it to go, and ask again, or ask others that need not go.

use std::sync::Arc;

use loadline_model::{Map, PodInfo, PodKey, Set, Time};

use super::Scheduler;
use crate::queue::QueueName;

/// What is known of victims beyond what was heard of them.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Their deletion was answered, and their end not heard of.
    answered: Set<PodKey>,
    /// Preemptors by the last of their victims, once it is asked to go.
    waiting: Map<PodKey, PodKey>,
}

impl Leaving {
    /// What was heard of a pod on a node, as it is with what was answered: news that are older take nothing back.
    pub(super) fn complete(&self, pod: Arc<PodInfo>, now: Time) -> Arc<PodInfo> {
        if pod.is_terminating() || !self.answered.contains(&pod.uid) { pod } else { marked(&pod, now) }
    }

    /// A pod is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.answered.remove(uid);
    }
}

impl Scheduler {
    /// The last victim of a pod is being asked to go: the pod may be woken once that one is terminating or gone.
    pub fn last_victim(&mut self, preemptor: PodKey, last: PodKey) {
        self.leaving.waiting.insert(last, preemptor);
    }

    /// The API server has accepted the deletion of a victim. Whatever else is heard of it, it is terminating from now on.
    pub fn leaves(&mut self, uid: &PodKey, now: Time) {
        let Some(known) = self.engine.cluster().pod(uid) else { return };
        if !known.pod.is_terminating() {
            let marked = marked(&known.pod, now);
            self.engine.replace_placed_pod(marked);
        }
        self.leaving.answered.insert(uid.clone());
        self.is_leaving(uid);
    }

    /// All that could be done about the victims of a pod is done: it is held back no longer. If something happened meanwhile that would
    /// have woken it, it looks again.
    pub fn release(&mut self, preemptor: &str, now: Time) {
        self.leaving.waiting.retain(|_, waiting| waiting != preemptor);
        self.queue.release(preemptor);
        if self.queue.get(preemptor).is_some_and(|(queue, _)| queue == QueueName::Gated) {
            self.queue.activate(preemptor, now);
        }
    }

    /// A pod is terminating or gone. Whoever waits for that may be woken by it.
    pub(super) fn is_leaving(&mut self, uid: &str) {
        if let Some(preemptor) = self.leaving.waiting.remove(uid) {
            self.queue.release(&preemptor);
        }
    }
}

/// The pod as the API server has it: on its way out, to make room for another.
fn marked(pod: &Arc<PodInfo>, now: Time) -> Arc<PodInfo> {
    Arc::new(PodInfo { deleted: Some(now), preempted: true, ..PodInfo::clone(pod) })
}
