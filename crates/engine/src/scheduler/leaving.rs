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
    waiting: Map<PodKey, Vec<PodKey>>,
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
    pub fn last_victim(&mut self, preemptor: &PodKey, last: &PodKey, now: Time) {
        if self.engine.cluster().pod(last).is_none_or(|known| known.pod.is_terminating()) {
            self.release(preemptor, last, now);
        } else {
            self.leaving.waiting.entry(last.clone()).or_default().push(preemptor.clone());
        }
    }

    /// The API server has accepted the deletion of a victim. As long as it is on a node it is terminating from now on, whatever else is
    /// heard of it.
    pub fn leaves(&mut self, uid: &PodKey, now: Time) {
        let Some(known) = self.engine.cluster().pod(uid) else { return };
        if !known.pod.is_terminating() {
            let marked = marked(&known.pod, now);
            self.engine.replace_placed_pod(marked);
        }
        self.leaving.answered.insert(uid.clone());
        self.is_leaving(uid);
    }

    /// All that could be done about the victims of a pod is done: it is held back no longer, and the end of the last one wakes it. When that
    /// was heard already, nothing else would.
    pub fn release(&mut self, preemptor: &str, last: &str, now: Time) {
        self.leaving.waiting.retain(|_, waiting| {
            waiting.retain(|waiting| waiting != preemptor);
            !waiting.is_empty()
        });
        self.queue.release(preemptor);
        let is_gated = self.queue.get(preemptor).is_some_and(|(queue, _)| queue == QueueName::Gated);
        if is_gated && self.engine.cluster().pod(last).is_none() {
            self.queue.activate(preemptor, now);
        }
    }

    /// A pod is terminating or gone. Whoever waits for that may be woken by it.
    pub(super) fn is_leaving(&mut self, uid: &str) {
        for preemptor in self.leaving.waiting.remove(uid).into_iter().flatten() {
            self.queue.release(&preemptor);
        }
    }
}

/// The pod as the API server has it: on its way out, to make room for another.
fn marked(pod: &Arc<PodInfo>, now: Time) -> Arc<PodInfo> {
    Arc::new(PodInfo { deleted: Some(now), preempted: true, ..PodInfo::clone(pod) })
}
