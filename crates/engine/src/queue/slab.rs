//! The queued pods, each with a dense number.

use std::ops::{Index, IndexMut};

use loadline_model::{Map, PodKey};

use super::pod::QueuedPod;

/// Number of a queued pod. Used again when the pod has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u32);

impl Id {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which structure holds a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// None: it is on its way.
    Nowhere,
    /// The active queue.
    Active,
    /// The backoff queue of pods that were turned down.
    Backoff,
    /// The backoff queue of pods whose backoff is not cut short: their attempt ended in an error, or their gang is to pause.
    FullBackoff,
    /// The unschedulable pods, gated ones included.
    Unschedulable,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) queued: QueuedPod,
    /// Index of its profile.
    pub(super) profile: usize,
    pub(super) place: Place,
}

/// All queued pods.
#[derive(Debug, Default)]
pub(super) struct Slab {
    entries: Vec<Option<Entry>>,
    free: Vec<Id>,
    ids: Map<PodKey, Id>,
}

impl Slab {
    pub(super) fn insert(&mut self, entry: Entry) -> Id {
        let uid = entry.queued.pod.uid.clone();
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            Id(self.entries.len() as u32 - 1)
        });
        self.entries[id.index()] = Some(entry);
        self.ids.insert(uid, id);
        id
    }

    pub(super) fn remove(&mut self, id: Id) -> Entry {
        let entry = self.entries[id.index()].take().expect("an id is given up with its entry");
        self.ids.remove(&entry.queued.pod.uid);
        self.free.push(id);
        entry
    }

    pub(super) fn id(&self, uid: &str) -> Option<Id> {
        self.ids.get(uid).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// All pods, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    /// All pods in the order in which they entered.
    pub(super) fn in_order(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.ids.values().copied().collect();
        ids.sort_unstable_by_key(|id| self[*id].queued.sequence);
        ids
    }
}

impl Index<Id> for Slab {
    type Output = Entry;

    fn index(&self, id: Id) -> &Entry {
        self.entries[id.index()].as_ref().expect("an id is given up with its entry")
    }
}

impl IndexMut<Id> for Slab {
    fn index_mut(&mut self, id: Id) -> &mut Entry {
        self.entries[id.index()].as_mut().expect("an id is given up with its entry")
    }
}
