//! The queue as seen from outside.

use loadline_framework::ClusterEvent;
use loadline_model::{Map, Str, Time};

use super::backoff::over_at;
use super::slab::{Id, Place};
use super::{QueueName, QueuedPod, SchedulingQueue};

/// A waiting pod.
#[derive(Clone, Debug)]
pub struct Pending<'a> {
    /// Where it waits.
    pub queue: QueueName,
    /// The pod with its history.
    pub queued: &'a QueuedPod,
    /// When it is tried without any further event: `None` for pods that are active (now) or gated (never). A pod in
    /// backoff may come earlier, when there is nothing else to do.
    pub next_try: Option<Time>,
    /// Events that may wake it, by the plugin that registered them. Empty unless it waits for an event.
    pub wakes: Vec<(&'static str, ClusterEvent)>,
}

impl SchedulingQueue {
    /// Number of waiting pods by plugin that turned them down, and scheduler name. A pod counts under each such plugin.
    pub fn rejections(&self) -> Map<(&'static str, Str), usize> {
        let mut counts = Map::default();
        for queued in self.pods.iter().map(|entry| &entry.queued) {
            for plugin in queued.rejectors.iter() {
                *counts.entry((plugin, queued.pod.scheduler_name.clone())).or_insert(0) += 1;
            }
        }
        counts
    }

    /// A waiting pod by its name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Pending<'_>> {
        let mut ids = self.pods.in_order().into_iter();
        let is_it = |id: &Id| {
            let pod = &self.pods[*id].queued.pod;
            pod.name == *name && pod.namespace == *namespace
        };
        ids.find(is_it).map(|id| self.describe(id))
    }

    /// Waiting pods by namespace and name, from behind `after` on, at most `limit`; and whether there are more.
    pub fn page(&self, after: Option<(&str, &str)>, limit: usize) -> (Vec<Pending<'_>>, bool) {
        let key = |id: &Id| {
            let pod = &self.pods[*id].queued.pod;
            (pod.namespace.as_str(), pod.name.as_str())
        };
        let mut ids = self.pods.in_order();
        ids.retain(|id| after.is_none_or(|after| key(id) > after));
        let more = ids.len() > limit;
        ids.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        ids.truncate(limit);
        (ids.into_iter().map(|id| self.describe(id)).collect(), more)
    }

    /// All waiting pods, in the order in which they entered.
    pub fn pending(&self) -> impl Iterator<Item = Pending<'_>> {
        self.pods.in_order().into_iter().map(|id| self.describe(id))
    }

    /// When a waiting pod is tried without any further event.
    pub(crate) fn next_try(&self, uid: &str) -> Option<Time> {
        self.describe(self.pods.id(uid)?).next_try
    }

    fn describe(&self, id: Id) -> Pending<'_> {
        let entry = &self.pods[id];
        let queued = &entry.queued;
        let next_try = match entry.place {
            Place::Active | Place::Nowhere => None,
            Place::Backoff | Place::FullBackoff => queued.backoff_expiration.map(over_at),
            Place::Unschedulable if queued.gate.is_some() => None,
            Place::Unschedulable => Some(self.leftover_at(queued.timestamp)),
        };
        let mut wakes = Vec::new();
        if entry.place == Place::Unschedulable {
            let waits_for: Vec<&'static str> = match &queued.gate {
                Some(gate) => vec![gate.plugin],
                None => queued.rejectors.iter().collect(),
            };
            for plugin in waits_for {
                let events = self.hints.registered(entry.profile, plugin);
                wakes.extend(events.map(|event| (plugin, event)));
            }
        }
        Pending { queue: self.queue_of(id), queued, next_try, wakes }
    }
}
