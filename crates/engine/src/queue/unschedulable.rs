//! Pods that wait for an event, by the plugins that turned them down.

use std::collections::BTreeSet;

use loadline_framework::COSCHEDULING;
use loadline_model::{Map, Time};

use super::pod::QueuedPod;
use super::slab::Id;

/// An event is looked up by the plugins that registered it, so that pods that nobody would wake cost nothing.
#[derive(Debug, Default)]
pub(super) struct Unschedulable {
    /// A gated pod stands under its gate alone: only that plugin's events can let it in.
    by_plugin: Map<&'static str, IdSet>,
    /// Pods that are not gated, the longest waiting first; the second number is the pod's sequence.
    by_age: BTreeSet<(Time, u64, Id)>,
    gated: usize,
}

impl Unschedulable {
    /// Adds a pod. Its rejectors, gate and timestamp must not change until it is taken out.
    pub(super) fn insert(&mut self, id: Id, queued: &QueuedPod) {
        if let Some(gate) = &queued.gate {
            self.gated += 1;
            // No event lets a member in, but its gang.
            if gate.plugin != COSCHEDULING {
                self.by_plugin.entry(gate.plugin).or_default().insert(id);
            }
            return;
        }
        self.by_age.insert((queued.timestamp, queued.sequence, id));
        for plugin in queued.rejectors.iter() {
            self.by_plugin.entry(plugin).or_default().insert(id);
        }
    }

    /// Takes a pod out.
    pub(super) fn remove(&mut self, id: Id, queued: &QueuedPod) {
        if let Some(gate) = &queued.gate {
            self.gated -= 1;
            if gate.plugin != COSCHEDULING {
                self.take(gate.plugin, id);
            }
            return;
        }
        self.by_age.remove(&(queued.timestamp, queued.sequence, id));
        for plugin in queued.rejectors.iter() {
            self.take(plugin, id);
        }
    }

    fn take(&mut self, plugin: &'static str, id: Id) {
        if let Some(ids) = self.by_plugin.get_mut(plugin) {
            ids.remove(id);
        }
    }

    /// Pods under a plugin, in the order of their numbers.
    pub(super) fn under(&self, plugin: &str) -> impl Iterator<Item = Id> {
        self.by_plugin.get(plugin).into_iter().flat_map(IdSet::iter)
    }

    /// Pods that are not gated, the longest waiting first, with their timestamps.
    pub(super) fn by_age(&self) -> impl Iterator<Item = (Time, Id)> {
        self.by_age.iter().map(|(timestamp, _, id)| (*timestamp, *id))
    }

    /// Number of pods that are not gated.
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Whether no pod waits here, gated or not.
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty() && self.gated == 0
    }

    /// Number of gated pods.
    pub(super) fn gated(&self) -> usize {
        self.gated
    }
}

/// A set of pod numbers as bits: an event goes through the pods in the order in which they lie in memory.
#[derive(Debug, Default)]
struct IdSet {
    words: Vec<u64>,
}

impl IdSet {
    const BITS: usize = u64::BITS as usize;

    fn insert(&mut self, id: Id) {
        let word = id.index() / Self::BITS;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id.index() % Self::BITS);
    }

    fn remove(&mut self, id: Id) {
        if let Some(word) = self.words.get_mut(id.index() / Self::BITS) {
            *word &= !(1 << (id.index() % Self::BITS));
        }
    }

    fn iter(&self) -> impl Iterator<Item = Id> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    Id((at * Self::BITS) as u32 + bit)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_bits_is_a_set(steps in prop::collection::vec((0_u32..200, any::<bool>()), 0..200)) {
            let (mut bits, mut model) = (IdSet::default(), BTreeSet::new());
            for (id, insert) in steps {
                if insert {
                    bits.insert(Id(id));
                    model.insert(Id(id));
                } else {
                    bits.remove(Id(id));
                    model.remove(&Id(id));
                }
            }
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
