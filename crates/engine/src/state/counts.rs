//! How many of which pods are on which node: for pods that match a query, and for pods that carry an inter-pod term.
//!
//! Pods are known by namespace and label set (see `label_sets`), which is all that a query looks at.

use std::sync::Arc;

use loadline_framework::{CarriedTerm, Counts, MatchedTerm, Query, QueryId, Slot, TermKind, TopologyId};
use loadline_model::{Affinity, Labels, Map, Namespace, PodInfo, PodMatcher, Selector, Str};

use super::label_sets::{LabelSet, LabelSets};

/// Remembered answers at most; beyond that all are forgotten, which costs time and nothing else.
const MEMO_LIMIT: usize = 262_144;

#[derive(Debug, Default)]
pub(super) struct CountIndex {
    entries: Vec<Entry>,
    ids: Map<Query, QueryId>,
    /// Matching queries and carried terms by the namespaces that they can mean.
    matching: ByNamespace,
    carried: ByNamespace,
    sets: LabelSets,
    carrying_memo: Map<Arc<Affinity>, Arc<[QueryId]>>,
}

#[derive(Debug)]
struct Entry {
    query: Query,
    counts: Counts,
    /// Topology of a carried term, once somebody asked.
    topology: Option<TopologyId>,
}

/// Queries by namespace; those with a namespace selector apart.
#[derive(Debug, Default)]
struct ByNamespace {
    named: Map<Str, Vec<QueryId>>,
    selected: Vec<QueryId>,
}

impl ByNamespace {
    fn insert(&mut self, id: QueryId, first: &PodMatcher) {
        if first.namespaces.selector == Selector::Nothing {
            for name in &first.namespaces.names {
                self.named.entry_ref(name).or_default().push(id);
            }
        } else {
            self.selected.push(id);
        }
    }

    /// What was added for a namespace after the first `seen` ones of both lists.
    fn since(&self, namespace: &Str, seen: (usize, usize)) -> impl Iterator<Item = QueryId> + '_ {
        let named = self.named.get(namespace).map_or(&[][..], Vec::as_slice);
        named[seen.0..].iter().chain(&self.selected[seen.1..]).copied()
    }

    fn seen(&self, namespace: &Str) -> (usize, usize) {
        (self.named.get(namespace).map_or(0, Vec::len), self.selected.len())
    }
}

fn labels_of<'a>(namespaces: &'a Map<Str, Namespace>, name: &Str, none: &'a Labels) -> &'a Labels {
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
        let mut count = |namespace: &Str| {
            let namespace_labels = labels_of(namespaces, namespace, &none);
            let matching =
                sets.within(namespace).filter(|(labels, _)| all_match(all, namespace, namespace_labels, labels));
            for (slot, pods) in matching.flat_map(|(_, set)| set.pods(*skip_terminating)) {
                *found.entry(slot).or_insert(0) += pods;
            }
        };
        match all.first().map(|first| &first.namespaces) {
            Some(first) if first.selector == Selector::Nothing => first.names.iter().for_each(&mut count),
            _ => sets.namespaces().for_each(&mut count),
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
        let now = carried.seen(&pod.namespace);
        if let Some(answer) = known.answer.as_ref().filter(|_| known.seen == now) {
            return answer.clone();
        }
        let mut answer: Vec<MatchedTerm> = known.answer.as_ref().map_or_else(Vec::new, |known| known.to_vec());
        let none = Labels::default();
        let namespace_labels = labels_of(namespaces, &pod.namespace, &none);
        for id in carried.since(&pod.namespace, known.seen) {
            let entry = &mut entries[id.0 as usize];
            let Query::Carrying(carried) = &entry.query else {
                continue;
            };
            if carried.term.pods.matches(&pod.namespace, namespace_labels, &pod.labels) {
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
    matching: &ByNamespace,
    entries: &[Entry],
    namespaces: &Map<Str, Namespace>,
) {
    let known = &mut set.matching;
    let now = matching.seen(&pod.namespace);
    if known.seen == now {
        return;
    }
    let none = Labels::default();
    let namespace_labels = labels_of(namespaces, &pod.namespace, &none);
    let means = |id: &QueryId| match &entries[id.0 as usize].query {
        Query::Matching { all, .. } => all_match(all, &pod.namespace, namespace_labels, &pod.labels),
        Query::Carrying(_) => false,
    };
    known.answer.extend(matching.since(&pod.namespace, known.seen).filter(means));
    known.seen = now;
}
