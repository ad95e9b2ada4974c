//! How many of which pods are on which node: for pods that match a query, and for pods that carry an inter-pod term.
//!
//! Pods are known by namespace and label set (see `label_sets`), which is all that a query looks at.

use std::sync::Arc;

use loadline_framework::{CarriedTerm, Counts, MatchedTerm, Query, QueryId, Slot, TermKind, TopologyId};
use loadline_model::{Affinity, Labels, Map, Namespace, PodInfo, PodMatcher, Selector, Str};

use super::label_sets::{Label, LabelSet, LabelSets, labels_of};

/// Remembered answers at most; beyond that all are forgotten, which costs time and nothing else.
const MEMO_LIMIT: usize = 262_144;

#[derive(Clone, Debug, Default)]
pub(super) struct CountIndex {
    entries: Vec<Entry>,
    ids: Map<Query, QueryId>,
    /// Matching queries and carried terms by the pods that they can mean.
    matching: ByPods,
    carried: ByPods,
    sets: LabelSets,
    carrying_memo: Map<Arc<Affinity>, Arc<[QueryId]>>,
}

#[derive(Clone, Debug)]
struct Entry {
    query: Query,
    counts: Counts,
    /// Topology of a carried term, once somebody asked.
    topology: Option<TopologyId>,
}

/// Queries by what a pod has that they mean. Each stands once for each namespace and label that a pod can have.
#[derive(Clone, Debug, Default)]
struct ByPods {
    /// In the order of their ids.
    lists: Map<Meant, Vec<QueryId>>,
    /// How many queries there were when the last one was added.
    version: u32,
}

/// The pods that the queries of a list mean; `None` is any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Meant {
    namespace: Option<Str>,
    label: Option<Label>,
}

impl ByPods {
    fn insert(&mut self, id: QueryId, first: &PodMatcher) {
        self.version = id.0 + 1;
        let any = first.namespaces.selector != Selector::Nothing;
        let namespaces = first.namespaces.names.iter().map(|name| Some(name.clone())).filter(|_| !any);
        for namespace in namespaces.chain(any.then_some(None)) {
            let list_of = |label: Option<&Label>| Meant { namespace: namespace.clone(), label: label.cloned() };
            let labels = labels_of(&first.selector, |label| self.lists.get(&list_of(Some(label))).map_or(0, Vec::len));
            if labels.is_empty() {
                self.lists.entry(list_of(None)).or_default().push(id);
            }
            for label in &labels {
                self.lists.entry(list_of(Some(label))).or_default().push(id);
            }
        }
    }

    /// The queries from the id `seen` on that may mean a pod, each once.
    fn since<'s>(&'s self, pod: &'s PodInfo, seen: u32) -> impl Iterator<Item = QueryId> + 's {
        let namespaces = [Some(pod.namespace.clone()), None];
        let lists = namespaces.into_iter().flat_map(move |namespace| {
            let labels = std::iter::once(None).chain(pod.labels.iter().cloned().map(Some));
            labels.filter_map(move |label| self.lists.get(&Meant { namespace: namespace.clone(), label }))
        });
        lists.flat_map(move |list| list[list.partition_point(|id| id.0 < seen)..].iter().copied())
    }
}

fn namespace_labels<'a>(namespaces: &'a Map<Str, Namespace>, name: &Str, none: &'a Labels) -> &'a Labels {
    namespaces.get(name).map_or(none, |namespace| &namespace.labels)
}

fn all_match(all: &[PodMatcher], namespace: &Str, namespace_labels: &Labels, labels: &Labels) -> bool {
    all.iter().all(|matcher| matcher.matches(namespace, namespace_labels, labels))
}

impl CountIndex {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: QueryId) -> &Counts {
        &self.entries[id.0 as usize].counts
    }

    pub(super) fn carried(&self, id: QueryId) -> Option<&CarriedTerm> {
        match &self.entries[id.0 as usize].query {
            Query::Carrying(carried) => Some(carried),
            Query::Matching { .. } => None,
        }
    }

    pub(super) fn track(&mut self, query: &Query, namespaces: &Map<Str, Namespace>) -> QueryId {
        if let Some(id) = self.ids.get(query) {
            return *id;
        }
        let id = self.register(query.clone());
        if let Query::Matching { .. } = query {
            self.recount(id, namespaces);
        }
        // A carried term that nobody carries yet has nothing to count.
        id
    }

    fn register(&mut self, query: Query) -> QueryId {
        let id = QueryId(self.entries.len() as u32);
        match &query {
            Query::Matching { all, .. } => {
                if let Some(first) = all.first() {
                    self.matching.insert(id, first);
                }
            }
            Query::Carrying(carried) => self.carried.insert(id, &carried.term.pods),
        }
        self.ids.insert(query.clone(), id);
        self.entries.push(Entry { query, counts: Counts::default(), topology: None });
        id
    }

    fn recount(&mut self, id: QueryId, namespaces: &Map<Str, Namespace>) {
        let Self { entries, sets, .. } = self;
        let entry = &mut entries[id.0 as usize];
        let Query::Matching { all, skip_terminating } = &entry.query else {
            return;
        };
        let none = Labels::default();
        let mut found: Map<Slot, u32> = Map::default();
        let Some(first) = all.first() else { return };
        let count = |namespace: &Str| {
            let of_namespace = namespace_labels(namespaces, namespace, &none);
            sets.for_each_candidate(namespace, &first.selector, |labels, set| {
                if all_match(all, namespace, of_namespace, labels) {
                    for (slot, pods) in set.pods(*skip_terminating) {
                        *found.entry(slot).or_insert(0) += pods;
                    }
                }
            });
        };
        if first.namespaces.selector == Selector::Nothing {
            first.namespaces.names.iter().for_each(count);
        } else {
            sets.namespaces().for_each(count);
        }
        entry.counts.replace(found);
    }

    pub(super) fn namespaces_changed(&mut self, namespaces: &Map<Str, Namespace>) {
        self.sets.forget_answers();
        for index in 0..self.entries.len() {
            let selects = match &self.entries[index].query {
                Query::Matching { all, .. } => all.iter().any(|m| m.namespaces.selector != Selector::Nothing),
                Query::Carrying(_) => false,
            };
            if selects {
                self.recount(QueryId(index as u32), namespaces);
            }
        }
    }

    pub(super) fn place(&mut self, pod: &PodInfo, slot: Slot, namespaces: &Map<Str, Namespace>) {
        self.change(pod, slot, 1, namespaces);
    }

    pub(super) fn unplace(&mut self, pod: &PodInfo, slot: Slot, namespaces: &Map<Str, Namespace>) {
        self.change(pod, slot, -1, namespaces);
    }

    fn change(&mut self, pod: &PodInfo, slot: Slot, by: i32, namespaces: &Map<Str, Namespace>) {
        let Self { entries, matching, sets, .. } = self;
        let set = sets.of(pod);
        set.change(slot, pod.is_terminating(), by);
        learn_matching(set, pod, matching, entries, namespaces);
        for id in &set.matching.answer {
            let entry = &mut entries[id.0 as usize];
            if matches!(entry.query, Query::Matching { skip_terminating: true, .. }) && pod.is_terminating() {
                continue;
            }
            entry.counts.add(slot, by);
        }
        if let Some(affinity) = pod.affinity.as_ref().filter(|a| a.has_pod_terms()) {
            for id in self.carrying(affinity).iter() {
                self.entries[id.0 as usize].counts.add(slot, by);
            }
        }
    }

    /// Makes the terms of a pod known that is on no node (yet): they are listed among those that mean other pods.
    pub(super) fn know_terms(&mut self, pod: &PodInfo) {
        if let Some(affinity) = pod.affinity.as_ref().filter(|a| a.has_pod_terms()) {
            self.carrying(affinity);
        }
    }

    fn carrying(&mut self, affinity: &Arc<Affinity>) -> Arc<[QueryId]> {
        if let Some(known) = self.carrying_memo.get(affinity) {
            return known.clone();
        }
        let required = |kind: TermKind| move |term: &_| CarriedTerm { kind, term: Clone::clone(term) };
        let mut terms: Vec<CarriedTerm> = Vec::new();
        terms.extend(affinity.pod_required.iter().map(required(TermKind::RequiredAffinity)));
        terms.extend(affinity.anti_required.iter().map(required(TermKind::RequiredAnti)));
        terms.extend(affinity.pod_preferred.iter().map(|weighted| CarriedTerm {
            kind: TermKind::PreferredAffinity(weighted.weight),
            term: weighted.term.clone(),
        }));
        terms.extend(affinity.anti_preferred.iter().map(|weighted| CarriedTerm {
            kind: TermKind::PreferredAnti(weighted.weight),
            term: weighted.term.clone(),
        }));
        let ids: Arc<[QueryId]> = terms
            .into_iter()
            .map(|term| {
                let query = Query::Carrying(term);
                self.ids.get(&query).copied().unwrap_or_else(|| self.register(query))
            })
            .collect();
        if self.carrying_memo.len() >= MEMO_LIMIT {
            self.carrying_memo.clear();
        }
        self.carrying_memo.insert(affinity.clone(), ids.clone());
        ids
    }

    pub(super) fn matched_terms(
        &mut self,
        pod: &PodInfo,
        namespaces: &Map<Str, Namespace>,
        mut topology: impl FnMut(&Str) -> TopologyId,
    ) -> Arc<[MatchedTerm]> {
        let Self { entries, carried, sets, .. } = self;
        let known = &mut sets.of(pod).matched;
        let now = carried.version;
        if let Some(answer) = known.answer.as_ref().filter(|_| known.seen == now) {
            return answer.clone();
        }
        let mut answer: Vec<MatchedTerm> = known.answer.as_ref().map_or_else(Vec::new, |known| known.to_vec());
        let none = Labels::default();
        let of_namespace = namespace_labels(namespaces, &pod.namespace, &none);
        for id in carried.since(pod, known.seen) {
            let entry = &mut entries[id.0 as usize];
            let Query::Carrying(carried) = &entry.query else {
                continue;
            };
            if carried.term.pods.matches(&pod.namespace, of_namespace, &pod.labels) {
                let topology = *entry.topology.get_or_insert_with(|| topology(&carried.term.topology_key));
                answer.push(MatchedTerm { query: id, kind: carried.kind, topology });
            }
        }
        answer.sort_unstable_by_key(|term| term.query);
        known.seen = now;
        known.answer.insert(answer.into()).clone()
    }
}

/// Brings up to date which queries mean the pods of a set, `pod` being one of them.
fn learn_matching(
    set: &mut LabelSet,
    pod: &PodInfo,
    matching: &ByPods,
    entries: &[Entry],
    namespaces: &Map<Str, Namespace>,
) {
    let known = &mut set.matching;
    let now = matching.version;
    if known.seen == now {
        return;
    }
    let none = Labels::default();
    let of_namespace = namespace_labels(namespaces, &pod.namespace, &none);
    let means = |id: &QueryId| match &entries[id.0 as usize].query {
        Query::Matching { all, .. } => all_match(all, &pod.namespace, of_namespace, &pod.labels),
        Query::Carrying(_) => false,
    };
    known.answer.extend(matching.since(pod, known.seen).filter(means));
    known.seen = now;
}
