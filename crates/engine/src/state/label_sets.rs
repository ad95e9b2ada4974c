//! Pods by namespace and label set: where they are on nodes, and which queries and terms mean them.
//!
//! Selectors see nothing else of a pod. So that a new query costs an evaluation for each label set and not for each pod,
//! and a placement a look-up and not an evaluation of every selector in the cluster.

use std::sync::Arc;

use loadline_framework::{MatchedTerm, QueryId, Slot};
use loadline_model::{Labels, Map, PodInfo, Str};

/// Sets without pods on nodes that are kept at least, for what is remembered of them.
const KEPT: usize = 262_144;

/// All label sets.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    by_namespace: Map<Str, Map<Arc<Labels>, LabelSet>>,
    known: usize,
    /// How many were left when those without pods were dropped for the last time.
    left: usize,
}

/// Pods of one namespace with the same labels.
#[derive(Debug, Default)]
pub(super) struct LabelSet {
    placed: Map<Slot, Placed>,
    /// Queries that count them.
    pub(super) matching: Remembered<Vec<QueryId>>,
    /// Terms of other pods that mean them.
    pub(super) matched: Remembered<Option<Arc<[MatchedTerm]>>>,
}

/// Pods on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Placed {
    all: u32,
    terminating: u32,
}

/// An answer, and how much of the lists it has considered.
#[derive(Debug, Default)]
pub(super) struct Remembered<T> {
    pub(super) answer: T,
    pub(super) seen: (usize, usize),
}

impl LabelSets {
    /// The set of a pod.
    pub(super) fn of(&mut self, pod: &PodInfo) -> &mut LabelSet {
        if self.known >= self.left.saturating_mul(2).max(KEPT) {
            self.drop_unplaced();
        }
        let sets = self.by_namespace.entry_ref(&pod.namespace).or_default();
        sets.entry(pod.labels.clone()).or_insert_with(|| {
            self.known += 1;
            LabelSet::default()
        })
    }

    /// The sets of a namespace.
    pub(super) fn within(&self, namespace: &Str) -> impl Iterator<Item = (&Labels, &LabelSet)> {
        self.by_namespace.get(namespace).into_iter().flatten().map(|(labels, set)| (&**labels, set))
    }

    /// Namespaces with pods.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &Str> {
        self.by_namespace.keys()
    }

    /// Forgets what is remembered, not where pods are.
    pub(super) fn forget_answers(&mut self) {
        for set in self.by_namespace.values_mut().flat_map(Map::values_mut) {
            set.matching = Remembered::default();
            set.matched = Remembered::default();
        }
    }

    fn drop_unplaced(&mut self) {
        for sets in self.by_namespace.values_mut() {
            sets.retain(|_, set| !set.placed.is_empty());
        }
        self.by_namespace.retain(|_, sets| !sets.is_empty());
        self.known = self.by_namespace.values().map(Map::len).sum();
        self.left = self.known;
    }
}

impl LabelSet {
    /// Puts a pod on a node, or with -1 takes it off.
    pub(super) fn change(&mut self, slot: Slot, terminating: bool, by: i32) {
        let placed = self.placed.entry(slot).or_default();
        placed.all = placed.all.wrapping_add_signed(by);
        if terminating {
            placed.terminating = placed.terminating.wrapping_add_signed(by);
        }
        if *placed == Placed::default() {
            self.placed.remove(&slot);
        }
    }

    /// Its pods by slot.
    pub(super) fn pods(&self, skip_terminating: bool) -> impl Iterator<Item = (Slot, u32)> {
        let count = move |placed: &Placed| placed.all - if skip_terminating { placed.terminating } else { 0 };
        self.placed.iter().map(move |(slot, placed)| (*slot, count(placed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(number: usize) -> PodInfo {
        let labels = Labels::from_iter([("number", number.to_string())]);
        PodInfo { namespace: "default".into(), labels: labels.into(), ..PodInfo::default() }
    }

    #[test]
    fn sets_with_pods_on_nodes_are_never_dropped() {
        let mut sets = LabelSets::default();
        sets.of(&pod(0)).change(Slot(3), false, 1);
        sets.of(&pod(0)).change(Slot(3), true, 1);
        for number in 1..=KEPT {
            sets.of(&pod(number));
        }
        assert!(sets.known < 10, "{}", sets.known);
        let on_nodes = |skip| sets.within(&"default".into()).flat_map(|(_, set)| set.pods(skip)).collect::<Vec<_>>();
        assert_eq!((on_nodes(false), on_nodes(true)), (vec![(Slot(3), 2)], vec![(Slot(3), 1)]));
    }
}
