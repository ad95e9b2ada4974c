//! Pods by namespace and label set: where they are on nodes, and which queries and terms mean them.
//!
//! Selectors see nothing else of a pod. So that a new query costs an evaluation for each label set that has a label which
//! it asks for, and not for each pod; and a placement a look-up, and not an evaluation of every selector in the cluster.

use std::sync::Arc;

use loadline_framework::{MatchedTerm, QueryId, Slot};
use loadline_model::{Labels, Map, Operator, PodInfo, Requirement, Selector, Str};

/// Sets without pods on nodes that are kept at least, for what is remembered of them.
const KEPT: usize = 262_144;

/// All label sets.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSets {
    by_namespace: Map<Str, InNamespace>,
    known: usize,
    /// How many were left when those without pods were dropped for the last time.
    left: usize,
}

/// The sets of a namespace.
#[derive(Clone, Debug, Default)]
struct InNamespace {
    sets: Map<Arc<Labels>, LabelSet>,
    by_label: Map<Label, Vec<Arc<Labels>>>,
}

/// Key and value.
pub(super) type Label = (Str, Str);

/// Pods of one namespace with the same labels.
#[derive(Clone, Debug, Default)]
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

/// An answer, and how many queries it has considered.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered<T> {
    pub(super) answer: T,
    pub(super) seen: u32,
}

impl LabelSets {
    /// The set of a pod.
    pub(super) fn of(&mut self, pod: &PodInfo) -> &mut LabelSet {
        if self.known >= self.left.saturating_mul(2).max(KEPT) {
            self.drop_unplaced();
        }
        let InNamespace { sets, by_label } = self.by_namespace.entry_ref(&pod.namespace).or_default();
        sets.entry(pod.labels.clone()).or_insert_with(|| {
            self.known += 1;
            for label in pod.labels.iter() {
                by_label.entry(label.clone()).or_default().push(pod.labels.clone());
            }
            LabelSet::default()
        })
    }

    /// Calls `each` with all sets of a namespace that `selector` matches, and with others.
    pub(super) fn for_each_candidate<'s>(
        &'s self,
        namespace: &Str,
        selector: &Selector,
        mut each: impl FnMut(&'s Labels, &'s LabelSet),
    ) {
        let Some(InNamespace { sets, by_label }) = self.by_namespace.get(namespace) else { return };
        let with = |label: &Label| by_label.get(label).map_or(&[][..], Vec::as_slice);
        let labels = labels_of(selector, |label| with(label).len());
        if labels.is_empty() {
            sets.iter().for_each(|(labels, set)| each(labels, set));
        }
        for labels in labels.iter().flat_map(with) {
            each(labels, &sets[labels]);
        }
    }

    /// Namespaces with pods.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &Str> {
        self.by_namespace.keys()
    }

    /// Forgets what is remembered, not where pods are.
    pub(super) fn forget_answers(&mut self) {
        for set in self.by_namespace.values_mut().flat_map(|namespace| namespace.sets.values_mut()) {
            set.matching = Remembered::default();
            set.matched = Remembered::default();
        }
    }

    fn drop_unplaced(&mut self) {
        for InNamespace { sets, by_label } in self.by_namespace.values_mut() {
            sets.retain(|_, set| !set.placed.is_empty());
            for with in by_label.values_mut() {
                with.retain(|labels| sets.contains_key(labels));
            }
            by_label.retain(|_, with| !with.is_empty());
        }
        self.by_namespace.retain(|_, namespace| !namespace.sets.is_empty());
        self.known = self.by_namespace.values().map(|namespace| namespace.sets.len()).sum();
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

/// Labels of which every pod has exactly one that `selector` matches; of several choices the one with the smallest sum of
/// `weight`. Empty when there is no choice.
pub(super) fn labels_of(selector: &Selector, weight: impl Fn(&Label) -> usize) -> Vec<Label> {
    let Selector::All(requirements) = selector else { return Vec::new() };
    let choices = requirements.iter().filter(|requirement| requirement.operator == Operator::In);
    let labels = |requirement: &Requirement| -> Vec<Label> {
        requirement.values.iter().map(|value| (requirement.key.clone(), value.clone())).collect()
    };
    choices.map(labels).min_by_key(|labels| labels.iter().map(&weight).sum::<usize>()).unwrap_or_default()
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
        let by_label = Selector::from_pairs([(&"number".into(), &"0".into())]);
        let with_any = Selector::all(vec![Requirement::new("number".into(), Operator::Exists, Vec::new())]);
        for selector in [by_label, with_any] {
            let on_nodes = |skip| {
                let mut found = Vec::new();
                sets.for_each_candidate(&"default".into(), &selector, |_, set| found.extend(set.pods(skip)));
                found
            };
            assert_eq!((on_nodes(false), on_nodes(true)), (vec![(Slot(3), 2)], vec![(Slot(3), 1)]));
        }
        assert!(sets.by_namespace[&Str::from("default")].by_label.len() < 10);
    }

    #[test]
    fn a_selector_goes_by_its_rarest_label() {
        let text = |text: &str| Str::from(text);
        let required = |key, values: &[&str]| {
            Requirement::new(text(key), Operator::In, values.iter().map(|value| text(value)).collect())
        };
        let selector = Selector::all(vec![required("app", &["a"]), required("tier", &["b", "c"])]);
        let rare = |key: &str| {
            let key = text(key);
            labels_of(&selector, move |label| if label.0 == key { 1 } else { 10 })
        };
        assert_eq!(rare("app"), [(text("app"), text("a"))]);
        assert_eq!(rare("tier"), [(text("tier"), text("b")), (text("tier"), text("c"))]);
        assert_eq!(labels_of(&Selector::all(Vec::new()), |_| 0), []);
    }
}
