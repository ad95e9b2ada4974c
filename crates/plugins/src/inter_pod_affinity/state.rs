//! What InterPodAffinity knows about one key: tallies by domain, brought up to date from the counts' logs.
//!
//! A tally is what kube-scheduler keeps under (topology key, value) pairs: one for each of what is asked (required
//! affinity, required anti-affinity, others' required anti-affinity, score) and each topology key. Terms with the same
//! key add to the same one.

use loadline_framework::{
    Cluster, DomainId, MatchedTerm, Prepare, Query, QueryId, Slot, TermKind, TopologyId, Touched,
};
use loadline_model::{PodAffinityTerm, Weighted};
use smallvec::SmallVec;

use super::Arguments;
use super::key::{Key, OwnTerms, matcher};
use crate::tracking::{Followed, TouchedNodes};

/// What a tally is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Pods that match all of the pod's required affinity terms: there must be one.
    Affinity,
    /// Pods that match a required anti-affinity term of the pod: there must be none.
    Anti,
    /// Required anti-affinity terms of pods that mean the pod: there must be none.
    Existing,
    /// Sum of the weights of preferences, the pod's own and those of others about it.
    Score,
}

/// Pods, terms or weights by domain of one topology.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) role: Role,
    pub(super) topology: TopologyId,
    /// By domain.
    pub(super) by_domain: Vec<i64>,
    /// The topology's when this was computed.
    generation: u64,
}

impl Tally {
    /// The amount in a node's domain, which comes with it; `None` when the node lacks the label.
    pub(super) fn at(&self, cluster: &dyn Cluster, slot: Slot) -> Option<(usize, i64)> {
        let domain = cluster.topology(self.topology).domain_of[slot.index()].index()?;
        Some((domain, self.by_domain[domain]))
    }
}

/// A count, and the tallies that it goes into with a factor each.
#[derive(Debug)]
struct Source {
    followed: Followed,
    uses: SmallVec<[(usize, i64); 2]>,
}

/// How much all tallies of a role hold, whatever the weights: kube-scheduler asks whether its maps are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) affinity: i64,
    pub(super) existing: i64,
    pub(super) score: i64,
}

impl Totals {
    fn add(&mut self, role: Role, by: i64) {
        match role {
            Role::Affinity => self.affinity += by,
            Role::Existing => self.existing += by,
            Role::Score => self.score += by,
            Role::Anti => {}
        }
    }
}

/// The state of one key.
#[derive(Debug)]
pub struct State {
    pub(super) own: OwnTerms,
    pub(super) self_match: bool,
    /// Required anti-affinity terms that mean the pods with this key, for thought experiments with pods that carry terms.
    /// Whoever is judged by this state now is meant by no other known one, or its key would differ. Labels would not do:
    /// those of the pod that this was prepared for may be told apart by a term that is known since.
    pub(super) meant_by: Box<[PodAffinityTerm]>,
    /// Ordered by role.
    pub(super) tallies: Vec<Tally>,
    pub(super) totals: Totals,
    sources: Vec<Source>,
}

impl State {
    pub(super) fn prepare(key: &Key, arguments: Arguments, cx: &mut dyn Prepare) -> Self {
        let mut state = Self {
            own: key.own.clone(),
            self_match: key.self_match,
            meant_by: Box::default(),
            tallies: Vec::new(),
            totals: Totals::default(),
            sources: Vec::new(),
        };
        let own = &key.own;
        if !own.required().is_empty() {
            // One pod must match all terms, each of which then looks at its own topology.
            let query = matching(own.required(), cx);
            let topologies: Vec<TopologyId> = own.required().iter().map(|t| cx.topology(&t.topology_key)).collect();
            for topology in topologies {
                state.add_use(query, Role::Affinity, topology, 1, true);
            }
        }
        for term in own.anti() {
            state.add_own(term, Role::Anti, 1, cx);
        }
        let mut meant_by = Vec::new();
        for matched in key.matched.iter().filter(|matched| matched.kind == TermKind::RequiredAnti) {
            state.add_use(matched.query, Role::Existing, matched.topology, 1, false);
            meant_by.extend(cx.cluster().carried(matched.query).map(|carried| carried.term.clone()));
        }
        state.meant_by = meant_by.into();
        for Weighted { weight, term } in own.preferred() {
            state.add_own(term, Role::Score, i64::from(*weight), cx);
        }
        for Weighted { weight, term } in own.preferred_anti() {
            state.add_own(term, Role::Score, -i64::from(*weight), cx);
        }
        for matched in key.matched.iter() {
            if let Some(weight) = weight(matched, arguments) {
                state.add_use(matched.query, Role::Score, matched.topology, weight, false);
            }
        }
        state.rebuild(cx.cluster());
        state
    }

    fn add_own(&mut self, term: &PodAffinityTerm, role: Role, factor: i64, cx: &mut dyn Prepare) {
        let query = matching(std::slice::from_ref(term), cx);
        let topology = cx.topology(&term.topology_key);
        self.add_use(query, role, topology, factor, false);
    }

    /// `once`: a second term with the same topology adds nothing.
    fn add_use(&mut self, query: QueryId, role: Role, topology: TopologyId, factor: i64, once: bool) {
        let same = |tally: &Tally| tally.role == role && tally.topology == topology;
        let tally = self.tallies.iter().position(same).unwrap_or_else(|| {
            self.tallies.push(Tally { role, topology, by_domain: Vec::new(), generation: 0 });
            self.tallies.len() - 1
        });
        let known = self.sources.iter().position(|source| source.followed.query() == query);
        let source = known.unwrap_or_else(|| {
            self.sources.push(Source { followed: Followed::new(query), uses: SmallVec::new() });
            self.sources.len() - 1
        });
        let uses = &mut self.sources[source].uses;
        if !(once && uses.iter().any(|(known, _)| *known == tally)) {
            uses.push((tally, factor));
        }
    }

    /// Computes everything anew.
    fn rebuild(&mut self, cluster: &dyn Cluster) {
        self.totals = Totals::default();
        for tally in &mut self.tallies {
            let topology = cluster.topology(tally.topology);
            tally.by_domain.clear();
            tally.by_domain.resize(topology.values.len(), 0);
            tally.generation = topology.generation;
        }
        for source in &mut self.sources {
            for (slot, pods) in cluster.counts(source.followed.query()).by_slot() {
                for (index, factor) in &source.uses {
                    let tally = &mut self.tallies[*index];
                    if let Some(domain) = domain_of(cluster, tally.topology, slot) {
                        tally.by_domain[domain] += factor * i64::from(pods);
                        self.totals.add(tally.role, i64::from(pods));
                    }
                }
            }
            source.followed.mark_seen(cluster);
        }
    }

    /// See [`loadline_framework::NodePlugin::catch_up`].
    pub(super) fn catch_up(&mut self, cluster: &dyn Cluster) -> Touched {
        let current = |tally: &Tally| tally.generation == cluster.topology(tally.topology).generation;
        let reached = |source: &Source| source.followed.news(cluster).is_some();
        if !(self.tallies.iter().all(current) && self.sources.iter().all(reached)) {
            self.rebuild(cluster);
            return Touched::All;
        }
        let totals = self.totals;
        // Tally, domain and what was there before: a domain can change several times, and back.
        let mut changed: SmallVec<[(usize, usize, i64); 8]> = SmallVec::new();
        for source in &mut self.sources {
            let news = source.followed.news(cluster).unwrap_or_default();
            for (slot, by) in news {
                for (index, factor) in &source.uses {
                    let tally = &mut self.tallies[*index];
                    if let Some(domain) = domain_of(cluster, tally.topology, *slot) {
                        changed.push((*index, domain, tally.by_domain[domain]));
                        tally.by_domain[domain] += factor * i64::from(*by);
                        self.totals.add(tally.role, i64::from(*by));
                    }
                }
            }
            source.followed.mark_seen(cluster);
        }
        if changed.is_empty() {
            return Touched::None;
        }
        let mut touched = TouchedNodes::default();
        // Even when no answer changes: on a node with nominated pods it may, and so may whether anything scores.
        touched.note();
        // The sort is stable: the first of equal places has what was there before all changes.
        changed.sort_by_key(|(index, domain, _)| (*index, *domain));
        changed.dedup_by_key(|(index, domain, _)| (*index, *domain));
        for (index, domain, before) in changed {
            let tally = &self.tallies[index];
            let now = tally.by_domain[domain];
            let differs = match tally.role {
                Role::Score => now != before,
                Role::Affinity | Role::Anti | Role::Existing => (now > 0) != (before > 0),
            };
            if differs {
                touched.domain(tally.topology, domain);
            }
        }
        if self.self_match && (totals.affinity == 0) != (self.totals.affinity == 0) {
            // The first of a group may go anywhere, the later ones only to the first.
            touched.all();
        }
        touched.finish()
    }

    /// Whether PreFilter would not say Skip: the pod requires something, or a required anti-affinity of another pod has
    /// to do with it. (Then terms of nominated pods count too, and else they do not.)
    pub(super) fn filters_now(&self) -> bool {
        !(self.own.required().is_empty() && self.own.anti().is_empty()) || self.totals.existing != 0
    }

    /// The topology of the tallies whose role is meant, when they have but one.
    pub(super) fn topology_of(&self, is_meant: impl Fn(Role) -> bool) -> Option<TopologyId> {
        let mut topologies = self.tallies.iter().filter(|tally| is_meant(tally.role)).map(|tally| tally.topology);
        let first = topologies.next()?;
        topologies.all(|other| other == first).then_some(first)
    }

    /// Tallies of a role.
    pub(super) fn tallies(&self, role: Role) -> impl Iterator<Item = &Tally> {
        self.tallies.iter().filter(move |tally| tally.role == role)
    }
}

fn domain_of(cluster: &dyn Cluster, topology: TopologyId, slot: Slot) -> Option<usize> {
    let domain_of = &cluster.topology(topology).domain_of;
    domain_of.get(slot.index()).copied().and_then(DomainId::index)
}

/// Counts pods that all of `terms` mean, terminating ones too.
fn matching(terms: &[PodAffinityTerm], cx: &mut dyn Prepare) -> loadline_framework::QueryId {
    cx.track(&Query::Matching { all: terms.iter().map(matcher).collect(), skip_terminating: false })
}

/// What a carried term adds to the score of its carrier's domain; `None` for those that only filter.
fn weight(matched: &MatchedTerm, arguments: Arguments) -> Option<i64> {
    match matched.kind {
        TermKind::RequiredAffinity => Some(i64::from(arguments.hard_pod_affinity_weight)),
        TermKind::PreferredAffinity(weight) => Some(i64::from(weight)),
        TermKind::PreferredAnti(weight) => Some(-i64::from(weight)),
        TermKind::RequiredAnti => None,
    }
}
