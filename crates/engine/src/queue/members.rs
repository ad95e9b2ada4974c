//! Members of gangs: they wait outside of the queue, but for the one that stands for its gang.

use std::sync::Arc;

use loadline_framework::COSCHEDULING;
use loadline_model::{Map, PodKey, Str, Time};

use super::pod::Head;
use super::{Cause, Gate, QueueName, QueuedPod, SchedulingQueue};

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It lacks nothing but its gang.
    Ready,
    /// Somebody else keeps it out of the queue.
    Gated,
}

/// Members by uid.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The text of the gate, shared by the gang.
    of: Map<PodKey, Str>,
    /// Those that came to stand somewhere since somebody asked.
    moved: Vec<(PodKey, Standing)>,
}

impl Members {
    pub(super) fn remove(&mut self, uid: &str) {
        self.of.remove(uid);
    }

    /// What keeps a pod out that everybody else would let in.
    pub(super) fn gate(&self, queued: &QueuedPod) -> Option<Gate> {
        if self.of.is_empty() || queued.gang.is_some() {
            return None;
        }
        let message = self.of.get(&queued.pod.uid)?;
        Some(Gate { plugin: COSCHEDULING, message: message.to_string() })
    }

    pub(super) fn note(&mut self, queued: &QueuedPod, gate: Option<&Gate>) {
        if self.of.is_empty() || !self.of.contains_key(&queued.pod.uid) {
            return;
        }
        let is_ready = gate.is_none_or(|gate| gate.plugin == COSCHEDULING);
        self.moved.push((queued.pod.uid.clone(), if is_ready { Standing::Ready } else { Standing::Gated }));
    }
}

impl SchedulingQueue {
    /// Has a pod wait for its gang, with this text. It need not be here yet.
    pub fn hold_member(&mut self, uid: &PodKey, text: &Str, now: Time) {
        self.members.of.insert(uid.clone(), text.clone());
        if let Some(id) = self.pods.id(uid) {
            self.make_active(id, Cause::ForceActivate, true, now);
        }
    }

    /// Ends [`SchedulingQueue::hold_member`].
    pub fn free_member(&mut self, uid: &str, now: Time) {
        self.members.remove(uid);
        if let Some(id) = self.pods.id(uid) {
            self.pods[id].queued.gang = None;
            self.make_active(id, Cause::ForceActivate, true, now);
        }
    }

    /// Whether a pod waits for its gang.
    pub fn is_member(&self, uid: &str) -> bool {
        self.members.of.contains_key(uid)
    }

    /// Members that came to stand somewhere since this was asked last, in that order.
    pub(crate) fn take_moved_members(&mut self) -> Vec<(PodKey, Standing)> {
        std::mem::take(&mut self.members.moved)
    }

    /// Has a member stand for its gang. What an earlier one went through counts for it.
    pub(crate) fn lead(&mut self, uid: &str, head: Head, before: Option<&QueuedPod>, now: Time) -> Option<QueueName> {
        let id = self.pods.id(uid)?;
        self.detach(id);
        let queued = &mut self.pods[id].queued;
        queued.gang = Some(Arc::new(head));
        queued.gate = None;
        if let Some(before) = before {
            queued.attempts = queued.attempts.max(before.attempts);
            queued.unschedulable_count = before.unschedulable_count;
            queued.consecutive_errors = before.consecutive_errors;
            queued.backoff_expiration = before.backoff_expiration;
            queued.rejectors = before.rejectors.clone();
            queued.timestamp = before.timestamp;
        }
        Some(self.place(id, super::hints::Strategy::AfterBackoff, Cause::ForceActivate, now))
    }

    /// Has the pod that stands for a gang be a member like the others.
    pub(crate) fn follow(&mut self, uid: &str, now: Time) {
        if let Some(id) = self.pods.id(uid) {
            self.detach(id);
            self.pods[id].queued.gang = None;
            self.make_active(id, Cause::ForceActivate, true, now);
        }
    }

    /// Something happened to the gang that a waiting pod stands for: it is tried again once its backoff is over.
    pub(crate) fn wake_gang(&mut self, uid: &str, now: Time) {
        if let Some(id) = self.pods.id(uid)
            && self.queue_of(id) == QueueName::Unschedulable
        {
            let cause = Cause::Event(loadline_framework::ClusterEvent::WILDCARD);
            self.place(id, super::hints::Strategy::AfterBackoff, cause, now);
        }
    }

    /// Takes a member out to be placed with its gang.
    pub(crate) fn take_member(&mut self, uid: &str, now: Time) -> Option<QueuedPod> {
        let id = self.pods.id(uid)?;
        self.detach(id);
        let mut queued = self.pods.remove(id).queued;
        queued.attempts += 1;
        queued.began = now;
        queued.initial_attempt.get_or_insert(now);
        queued.gate = None;
        queued.gang = None;
        Some(queued)
    }

    /// Puts a member back that was taken out or popped and not tried on its own: it waits for its gang as before.
    pub(crate) fn return_member(&mut self, mut queued: QueuedPod, now: Time) -> Option<QueueName> {
        let uid = queued.pod.uid.clone();
        self.in_flight.end(&uid);
        let profile = self.profile_of(&queued.pod);
        let (Some(profile), None) = (profile, self.pods.id(&uid)) else { return None };
        queued.gang = None;
        queued.rejectors = super::Rejectors::default();
        let entry = super::slab::Entry { queued, profile, place: super::slab::Place::Nowhere };
        let id = self.pods.insert(entry);
        Some(self.make_active(id, Cause::ScheduleAttemptFailure, true, now))
    }
}
