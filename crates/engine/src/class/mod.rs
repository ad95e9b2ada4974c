//! A class: pods that agree in every plugin's key, and what the columns of those keys add up to over all nodes: which
//! nodes are feasible, who turned the others down, the normalised and summed scores, and where the largest sums are.
//!
//! Arrays and sets go by rank (the node's place by name), so that ties are told apart in the same order however the nodes
//! came. What nodes fail is kept as one set of bits for each filter: where a plugin goes by domains, a change of a domain's
//! answer is an operation on words, and nothing is added up that did not change.

mod failures;
mod lane;
mod measured;
mod nominated;
mod totals;
mod tried;

use loadline_framework::{Cluster, Reads, Score, Slot, Verdict};
use loadline_model::Map;
use smallvec::SmallVec;

use self::failures::{Failures, News};
use self::lane::{FeasibleSet, Lane, Moved};
use self::nominated::WithNominated;
pub(crate) use self::nominated::with_nominated;
use self::totals::Totals;
pub(crate) use self::tried::{Asked, Tried};
use crate::bits::{Bits, WORD, in_word};
use crate::columns::{ColumnId, ColumnStore};
use crate::nominator::Nominator;
use crate::state::ClusterState;

/// What a class is computed from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) cluster: &'a ClusterState,
    pub(crate) columns: &'a ColumnStore,
    pub(crate) nominator: &'a Nominator,
}

/// A plugin of the profile with its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Index into the profile's plugins.
    pub(crate) plugin: usize,
    pub(crate) column: ColumnId,
    /// At Score: its weight.
    pub(crate) weight: i64,
}

/// A score that a plugin must not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidScore {
    pub(crate) plugin: usize,
    pub(crate) score: i64,
}

/// Who turned a node down: index in the filters, and verdict.
type Rejection = (usize, Verdict);

#[derive(Debug)]
pub(crate) struct Class {
    /// Filters that have something to say, in the profile's order.
    filters: Vec<Member>,
    /// By filter.
    failures: Vec<Failures>,
    lanes: Vec<Lane>,
    /// Nominated pods of this priority and above count on their nodes.
    nominated_from: Option<i32>,
    layout: u64,
    built: bool,
    nominator_at: u64,
    load_at: u64,
    spec_at: u64,
    namespaces_at: u64,
    /// Nodes with nominated pods that count.
    nominated: Map<Slot, WithNominated>,
    rejected: Bits,
    feasible: usize,
    feasible_set: FeasibleSet,
    totals: Totals,
    pub(crate) last_used: u64,
    /// What preemption found out about nodes.
    pub(crate) tried: Tried,
}

/// What changed since a class was last up to date.
struct Changes {
    /// Rank, filter, and the verdict before; sorted by rank and filter, the first of equals being the oldest.
    verdicts: Vec<(usize, usize, Verdict)>,
    /// Filters for which all nodes have to be looked at.
    bulk: SmallVec<[bool; 16]>,
    /// Ranks of nodes to be judged again with their nominated pods, sorted.
    nominated: Vec<usize>,
    /// Lanes for which all nodes have to be looked at.
    dense: SmallVec<[bool; 16]>,
    /// All ranks of the above, and those whose raw scores changed; sorted, each once.
    ranks: Vec<usize>,
}

impl Class {
    /// A class of these columns. `filters` and `scores` are in the profile's order.
    pub(crate) fn new(filters: Vec<Member>, scores: Vec<Member>, nominated_from: Option<i32>) -> Self {
        Self {
            failures: filters.iter().map(|_| Failures::default()).collect(),
            filters,
            lanes: scores.into_iter().map(Lane::new).collect(),
            nominated_from,
            layout: 0,
            built: false,
            nominator_at: 0,
            load_at: 0,
            spec_at: 0,
            namespaces_at: 0,
            nominated: Map::default(),
            rejected: Bits::default(),
            feasible: 0,
            feasible_set: FeasibleSet::default(),
            totals: Totals::default(),
            last_used: 0,
            tried: Tried::default(),
        }
    }

    /// The columns that it is made of; one can come twice.
    pub(crate) fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.filters.iter().map(|filter| filter.column).chain(self.lanes.iter().map(|lane| lane.member.column))
    }

    pub(crate) fn bytes(&self) -> usize {
        let ranks = self.totals.len();
        let sets = self.failures.len() * self.rejected.bytes() + self.feasible_set.bytes();
        512 + ranks * size_of::<i64>() + sets + self.lanes.iter().map(Lane::bytes).sum::<usize>() + self.tried.bytes()
    }

    /// Number of feasible nodes.
    pub(crate) fn feasible(&self) -> usize {
        self.feasible
    }

    /// Filters in the profile's order, those with nothing to say left out.
    pub(crate) fn filters(&self) -> &[Member] {
        &self.filters
    }

    /// Score plugins that have something to say, in the profile's order.
    pub(crate) fn scorers(&self) -> impl Iterator<Item = Member> + '_ {
        self.lanes.iter().map(|lane| lane.member)
    }

    /// Who turned the node at a rank down: index in [`Class::filters`] and verdict. `None`: feasible.
    pub(crate) fn rejection(&self, rank: usize, sources: Sources<'_>) -> Option<Rejection> {
        self.rejected.has(rank).then(|| self.judged(rank, sources, |_, verdict| verdict)).flatten()
    }

    /// How many nodes each filter turned down with each verdict, in the filters' order.
    pub(crate) fn rejections(&self) -> impl Iterator<Item = (usize, Verdict, u32)> + '_ {
        let each = self.failures.iter().enumerate();
        each.flat_map(|(index, failures)| {
            failures.counts().iter().map(move |(verdict, nodes)| (index, *verdict, *nodes))
        })
    }

    /// A score that a plugin should not have given, if any: of the first such node, the first plugin's.
    pub(crate) fn invalid_score(&self) -> Option<InvalidScore> {
        let found = self.lanes.iter().filter_map(|lane| lane.invalid(&self.rejected));
        found.min_by_key(|(rank, _)| *rank).map(|(_, invalid)| invalid)
    }

    /// Score plugins that scored, with the scores of the node at a rank.
    pub(crate) fn scores<'a>(
        &'a self,
        rank: usize,
        sources: Sources<'a>,
    ) -> impl Iterator<Item = (Member, Score)> + 'a {
        let slot = sources.cluster.order().by_name()[rank];
        let active = self.lanes.iter().filter(|lane| lane.active);
        active.map(move |lane| (lane.member, lane.score(rank, slot, sources, &self.feasible_set)))
    }

    /// Total of the feasible node at a rank.
    pub(crate) fn total(&self, rank: usize) -> i64 {
        self.totals.get(rank)
    }

    /// Shows every feasible rank with its total, in order.
    pub(crate) fn each_feasible(&self, mut show: impl FnMut(usize, i64)) {
        for (index, word) in self.rejected.words().iter().enumerate() {
            for rank in in_word(index, !word).take_while(|rank| *rank < self.totals.len()) {
                show(rank, self.totals.get(rank));
            }
        }
    }

    /// See [`Totals::best`].
    pub(crate) fn best(&self, pick: impl FnOnce(usize) -> usize) -> Option<usize> {
        self.totals.best(&self.rejected, pick)
    }

    /// See [`Totals::tied`].
    pub(crate) fn tied(&self) -> Vec<usize> {
        self.totals.tied(&self.rejected)
    }

    /// See [`Totals::top`].
    pub(crate) fn top(&self, count: usize) -> SmallVec<[usize; 5]> {
        self.totals.top(&self.rejected, count)
    }

    /// Brings everything up to date. The columns are up to date and filled, the node order is settled.
    pub(crate) fn sync(&mut self, sources: Sources<'_>) {
        let order = sources.cluster.order();
        if !self.built || self.layout != order.layout() {
            self.reset(order.by_name().len());
        }
        let changes = self.changes(sources);
        let bulk = if self.built { changes.bulk.iter().position(|bulk| *bulk) } else { Some(0) };
        let rejected_before = bulk.map(|_| self.rejected.clone());
        (self.built, self.layout) = (true, order.layout());
        let was: Vec<bool> = changes.ranks.iter().map(|rank| !self.rejected.has(*rank)).collect();
        let mut feasible_moved = self.judge_changed(sources, &changes, bulk.unwrap_or(usize::MAX));
        let mut dirty = Bits::default();
        dirty.reset(self.totals.blocks());
        if let (Some(first), Some(before)) = (bulk, rejected_before) {
            self.judge_all(sources, &changes, first);
            for (block, (before, now)) in before.words().iter().zip(self.rejected.words()).enumerate() {
                if before != now {
                    feasible_moved = true;
                    dirty.set(block, true);
                }
            }
        }
        self.feasible_set.current &= !feasible_moved;
        let whole = |lane: &Lane| sources.columns.get(lane.member.column).scores_whole();
        if !self.feasible_set.current && self.lanes.iter().any(whole) {
            self.feasible_set.refill(&self.rejected, order.by_name());
        }
        let moved = Moved {
            ranks: &changes.ranks,
            was: &was,
            bulk: bulk.is_some(),
            feasibility: feasible_moved,
            rejected: &self.rejected,
            feasible: self.feasible,
            feasible_set: &self.feasible_set,
        };
        let mut all = false;
        for (lane, dense) in self.lanes.iter_mut().zip(&changes.dense) {
            all |= lane.update(sources, &moved, *dense, &mut self.totals);
        }
        if all {
            dirty.fill(self.totals.blocks());
        } else {
            changes.ranks.iter().for_each(|rank| dirty.set(rank / WORD, true));
        }
        self.totals.refresh(&dirty, &self.rejected);
    }

    fn reset(&mut self, ranks: usize) {
        self.built = false;
        self.failures.iter_mut().for_each(|failures| failures.reset(ranks));
        self.lanes.iter_mut().for_each(|lane| lane.reset(ranks));
        self.nominated.clear();
        self.rejected.reset(ranks);
        // All are rejected until they are judged, so that every block is looked at.
        self.rejected.words_mut().fill(!0);
        self.feasible = 0;
        self.feasible_set.current = false;
        self.totals.reset(ranks);
    }

    /// Collects what changed, and takes note of having seen it.
    fn changes(&mut self, sources: Sources<'_>) -> Changes {
        let order = sources.cluster.order();
        // A look at all nodes, for one filter or one score plugin, costs about as much as so many single ones.
        let limit = if self.built { order.by_name().len() / 16 + 16 } else { 0 };
        let nominated = self.nominated_changes(sources);
        let mut changes = Changes {
            verdicts: Vec::new(),
            bulk: SmallVec::from_elem(false, self.filters.len()),
            dense: SmallVec::from_elem(false, self.lanes.len()),
            ranks: nominated.clone(),
            nominated,
        };
        for (index, (failures, member)) in self.failures.iter_mut().zip(&self.filters).enumerate() {
            let news = failures.news(sources.columns.get(member.column), limit);
            match news {
                News::Slots(slots) if self.built => {
                    let known = slots.iter().filter_map(|(slot, before)| Some((order.rank(*slot)?, index, *before)));
                    changes.verdicts.extend(known);
                }
                _ => changes.bulk[index] = true,
            }
        }
        // Stable: the oldest verdict stays in front.
        changes.verdicts.sort_by_key(|(rank, filter, _)| (*rank, *filter));
        changes.ranks.extend(changes.verdicts.iter().map(|(rank, ..)| *rank));
        for (lane, dense) in self.lanes.iter_mut().zip(&mut changes.dense) {
            match lane.news(sources.columns.get(lane.member.column), limit) {
                Some(slots) if self.built => {
                    changes.ranks.extend(slots.iter().filter_map(|(slot, _)| order.rank(*slot)));
                }
                _ => *dense = true,
            }
        }
        changes.ranks.sort_unstable();
        changes.ranks.dedup();
        changes
    }

    /// Ranks of the nodes to be judged again with their nominated pods, sorted.
    fn nominated_changes(&mut self, sources: Sources<'_>) -> Vec<usize> {
        let Sources { cluster, columns, nominator } = sources;
        let (load, spec) = (cluster.load_log(), cluster.spec_log());
        let since = nominator.since(self.nominator_at).filter(|_| self.built);
        let logs = (load.since(self.load_at), spec.since(self.spec_at));
        self.nominator_at = nominator.position();
        self.load_at = load.position();
        self.spec_at = spec.position();
        let namespaces_moved = self.namespaces_at != cluster.namespace_generation();
        self.namespaces_at = cluster.namespace_generation();
        if self.nominated_from.is_none() {
            return Vec::new();
        }
        let mut slots: Vec<Slot> = match since {
            Some(names) => names.iter().filter_map(|name| cluster.slot(name)).collect(),
            None => {
                nominator.nodes().filter_map(|name| cluster.slot(name)).chain(self.nominated.keys().copied()).collect()
            }
        };
        // With nominated pods on it a node can be turned down although no column of it changed.
        let counts_moved = self.failures.iter().zip(&self.filters).any(|(failures, member)| {
            let column = columns.get(member.column);
            failures.state_version != column.state_version && column.runner.reads().has(Reads::COUNTS)
        });
        match logs {
            (Some(load), Some(spec)) if !namespaces_moved => {
                slots.extend(load.iter().chain(spec).filter(|slot| self.nominated.contains_key(*slot)));
                let follows = self.nominated.iter().filter(|(_, found)| counts_moved && found.follows_counts);
                slots.extend(follows.map(|(slot, _)| *slot));
            }
            _ => slots.extend(self.nominated.keys()),
        }
        let mut ranks: Vec<usize> = slots.iter().filter_map(|slot| cluster.order().rank(*slot)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// Judges the nodes that changed one by one. Rejections by the filters from `uncounted` on are not counted. Whether
    /// any node became or ceased to be feasible.
    fn judge_changed(&mut self, sources: Sources<'_>, changes: &Changes, uncounted: usize) -> bool {
        let by_name = sources.cluster.order().by_name();
        let mut verdicts = changes.verdicts.as_slice();
        let mut nominated = changes.nominated.as_slice();
        let mut moved = false;
        for rank in changes.ranks.iter().copied() {
            let (mine, others) = verdicts.split_at(verdicts.partition_point(|(other, ..)| *other == rank));
            verdicts = others;
            let is_nominated = nominated.first() == Some(&rank);
            if mine.is_empty() && !is_nominated {
                continue;
            }
            let before = self.judged(rank, sources, |filter, now| {
                mine.iter().find(|(_, changed, _)| *changed == filter).map_or(now, |(.., before)| *before)
            });
            for (_, filter, _) in mine {
                let verdict = sources.columns.get(self.filters[*filter].column).verdict(by_name[rank], sources.cluster);
                self.failures[*filter].fails.set(rank, !verdict.passes());
            }
            if is_nominated {
                nominated = &nominated[1..];
                self.judge_with_nominated(by_name[rank], sources);
            }
            let now = self.judged(rank, sources, |_, verdict| verdict);
            if before == now {
                continue;
            }
            if let Some((filter, verdict)) = before.filter(|(filter, _)| *filter < uncounted) {
                self.failures[filter].uncount(verdict);
            }
            if let Some((filter, verdict)) = now.filter(|(filter, _)| *filter < uncounted) {
                self.failures[filter].count(verdict, 1);
            }
            if self.rejected.has(rank) != now.is_some() {
                moved = true;
                self.rejected.set(rank, now.is_some());
                self.feasible = if now.is_none() { self.feasible + 1 } else { self.feasible - 1 };
            }
        }
        moved
    }

    /// Who turns a node down, by what is known of each filter; `verdict` chooses its verdict, given the column's.
    fn judged(
        &self,
        rank: usize,
        sources: Sources<'_>,
        verdict: impl Fn(usize, Verdict) -> Verdict,
    ) -> Option<Rejection> {
        let slot = sources.cluster.order().by_name()[rank];
        let failing = |filter: &usize| self.failures[*filter].fails.has(rank);
        let mut filters = 0..self.failures.len();
        let found = match self.nominated.get(&slot) {
            None => filters.find(failing),
            Some(with) => {
                // First with the nominated pods on it, which change nothing for the filters that they do not move.
                let unmoved = filters.clone().find(|filter| !with.moves(*filter) && failing(filter));
                match (unmoved, with.rejection) {
                    (Some(filter), Some(rejection)) if rejection.0 < filter => return Some(rejection),
                    (None, Some(rejection)) => return Some(rejection),
                    (Some(filter), _) => Some(filter),
                    // Then as it is.
                    (None, None) => filters.find(failing),
                }
            }
        };
        let filter = found?;
        let column = sources.columns.get(self.filters[filter].column);
        Some((filter, verdict(filter, column.verdict(slot, sources.cluster))))
    }

    fn judge_with_nominated(&mut self, slot: Slot, sources: Sources<'_>) {
        let from = self.nominated_from.expect("only classes with nominated pods look at them");
        match WithNominated::judge(&self.filters, sources, slot, from) {
            Some(found) => self.nominated.insert(slot, found),
            None => self.nominated.remove(&slot),
        };
    }

    /// Looks at all nodes for the filters that asked for it, the first of which is `first`.
    fn judge_all(&mut self, sources: Sources<'_>, changes: &Changes, first: usize) {
        let order = sources.cluster.order();
        let ranks = order.by_name().len();
        let column = |filter: usize| sources.columns.get(self.filters[filter].column);
        for (index, failures) in self.failures.iter_mut().enumerate().filter(|(index, _)| changes.bulk[*index]) {
            failures.refill(column(index), sources);
        }
        let nominated = self.nominated.keys().filter_map(|slot| order.rank(*slot));
        let nominated: Vec<(usize, Option<Rejection>)> =
            nominated.map(|rank| (rank, self.judged(rank, sources, |_, verdict| verdict))).collect();
        // Nodes that no filter looked at so far turned down. Those with nominated pods are judged already.
        let mut left = Bits::default();
        left.reset(ranks);
        left.fill(ranks);
        for (rank, _) in &nominated {
            left.set(*rank, false);
        }
        for (index, failures) in self.failures.iter_mut().enumerate() {
            if index >= first {
                failures.recount(&left, column(index), sources);
            }
            left.remove_all(&failures.fails);
        }
        for (rank, rejection) in nominated {
            match rejection {
                None => left.set(rank, true),
                Some((filter, verdict)) if filter >= first => self.failures[filter].count(verdict, 1),
                Some(_) => {}
            }
        }
        self.feasible = left.count();
        self.rejected.clear();
        self.rejected.fill(ranks);
        self.rejected.remove_all(&left);
    }
}
