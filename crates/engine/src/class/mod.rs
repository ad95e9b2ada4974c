//! A class: pods that agree in every plugin's key, and what the columns of those keys add up to over all nodes: which
//! nodes are feasible, who turned the others down, the normalised and summed scores, and where the largest sums are.
//!
//! Arrays go by rank (the node's place by name), so that ties are told apart in the same order however the nodes came.
//! Everything is patched for nodes whose columns changed, and computed anew when that is cheaper.

mod lane;
mod totals;

use loadline_framework::{Cluster, NodeDelta, NodeView, Reads, Score, Slot, Verdict};
use loadline_model::{Map, Set};
use smallvec::SmallVec;

use self::lane::{Lane, Moved};
use self::totals::{INFEASIBLE, Totals};
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

/// `rejected_by` of a feasible node.
const FEASIBLE: u8 = 0;

#[derive(Debug)]
pub(crate) struct Class {
    /// Filters that have something to say, in the profile's order.
    filters: Vec<Member>,
    lanes: Vec<Lane>,
    /// Nominated pods of this priority and above count on their nodes.
    nominated_from: Option<i32>,
    layout: u64,
    built: bool,
    seen: Vec<Seen>,
    nominator_at: u64,
    load_at: u64,
    spec_at: u64,
    nominated: Set<Slot>,
    /// By rank: 0, or one more than the index in `filters` of the first that turned the node down.
    rejected_by: Vec<u8>,
    verdicts: Vec<Verdict>,
    rejections: Map<(u8, Verdict), u32>,
    feasible: usize,
    totals: Totals,
    invalid: Option<InvalidScore>,
    pub(crate) last_used: u64,
}

/// How far a column was followed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    column: ColumnId,
    verdicts_at: u64,
    raw_at: u64,
    state_version: u64,
}

/// What changed since a class was last up to date.
struct Changes {
    /// Slots to look at again.
    slots: Vec<Slot>,
    /// Lanes in which too much changed to look at single nodes.
    dense: SmallVec<[bool; 16]>,
}

impl Class {
    /// A class of these columns. `filters` and `scores` are in the profile's order.
    pub(crate) fn new(filters: Vec<Member>, scores: Vec<Member>, nominated_from: Option<i32>) -> Self {
        let mut seen: Vec<Seen> = Vec::new();
        for member in filters.iter().chain(&scores) {
            if !seen.iter().any(|s| s.column == member.column) {
                seen.push(Seen { column: member.column, verdicts_at: 0, raw_at: 0, state_version: 0 });
            }
        }
        Self {
            filters,
            lanes: scores.into_iter().map(Lane::new).collect(),
            nominated_from,
            layout: 0,
            built: false,
            seen,
            nominator_at: 0,
            load_at: 0,
            spec_at: 0,
            nominated: Set::default(),
            rejected_by: Vec::new(),
            verdicts: Vec::new(),
            rejections: Map::default(),
            feasible: 0,
            totals: Totals::default(),
            invalid: None,
            last_used: 0,
        }
    }

    /// The columns that it is made of.
    pub(crate) fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.seen.iter().map(|seen| seen.column)
    }

    pub(crate) fn bytes(&self) -> usize {
        512 + self.rejected_by.len() * (1 + 4 + 8) + self.lanes.iter().map(Lane::bytes).sum::<usize>()
    }

    /// Number of feasible nodes.
    pub(crate) fn feasible(&self) -> usize {
        self.feasible
    }

    /// Filters in the profile's order, those with nothing to say left out.
    pub(crate) fn filters(&self) -> &[Member] {
        &self.filters
    }

    /// Who turned the node at a rank down: index in [`Class::filters`] and verdict. `None`: feasible.
    pub(crate) fn rejection(&self, rank: usize) -> Option<(usize, Verdict)> {
        let by = self.rejected_by[rank];
        (by != FEASIBLE).then(|| (usize::from(by) - 1, self.verdicts[rank]))
    }

    /// How many nodes each filter turned down with each verdict.
    pub(crate) fn rejections(&self) -> impl Iterator<Item = (usize, Verdict, u32)> + '_ {
        self.rejections.iter().map(|((by, verdict), count)| (usize::from(*by) - 1, *verdict, *count))
    }

    /// A score that a plugin should not have given, if any.
    pub(crate) fn invalid_score(&self) -> Option<InvalidScore> {
        self.invalid
    }

    /// Score plugins that scored, with the scores of the node at a rank.
    pub(crate) fn scores<'a>(
        &'a self,
        rank: usize,
        sources: Sources<'a>,
    ) -> impl Iterator<Item = (Member, Score)> + 'a {
        let slot = sources.cluster.order().by_name()[rank];
        let active = self.lanes.iter().filter(|lane| lane.active);
        active.map(move |lane| (lane.member, lane.score(rank, slot, sources.columns.get(lane.member.column))))
    }

    /// Total of the feasible node at a rank.
    pub(crate) fn total(&self, rank: usize) -> i64 {
        self.totals.get(rank)
    }

    /// See [`Totals::best`].
    pub(crate) fn best(&self, pick: impl FnOnce(usize) -> usize) -> Option<usize> {
        self.totals.best(pick)
    }

    /// See [`Totals::top`].
    pub(crate) fn top(&self, count: usize) -> SmallVec<[usize; 5]> {
        self.totals.top(count)
    }

    /// Brings everything up to date. The columns are up to date and filled, the node order is settled.
    pub(crate) fn sync(&mut self, sources: Sources<'_>) {
        let ranks = sources.cluster.order().by_name().len();
        let stale = !self.built || self.layout != sources.cluster.order().layout();
        let changes = if stale { None } else { self.changes(sources, ranks) };
        for seen in &mut self.seen {
            let column = sources.columns.get(seen.column);
            if let Some(rows) = &column.rows {
                seen.verdicts_at = rows.verdict_log.position();
                seen.raw_at = rows.raw_log.position();
            }
            seen.state_version = column.state_version;
        }
        self.nominator_at = sources.nominator.position();
        self.load_at = sources.cluster.load_log().position();
        self.spec_at = sources.cluster.spec_log().position();
        match changes {
            Some(changes) => self.patch(sources, &changes),
            None => self.build(sources, ranks),
        }
    }

    /// What changed; `None` when everything has to be looked at again.
    fn changes(&self, sources: Sources<'_>, ranks: usize) -> Option<Changes> {
        let limit = ranks / 4 + 16;
        if self.lanes.iter().any(|lane| lane.active != sources.columns.get(lane.member.column).scores()) {
            return None;
        }
        let mut slots: Vec<Slot> = Vec::new();
        let mut counts_moved = false;
        let mut too_many: SmallVec<[ColumnId; 4]> = SmallVec::new();
        for seen in &self.seen {
            let column = sources.columns.get(seen.column);
            let rows = column.rows.as_ref()?;
            slots.extend_from_slice(rows.verdict_log.since(seen.verdicts_at)?);
            counts_moved |= seen.state_version != column.state_version && column.runner.reads().has(Reads::COUNTS);
            match rows.raw_log.since(seen.raw_at) {
                Some(changed) if changed.len() <= limit => slots.extend_from_slice(changed),
                _ => too_many.push(seen.column),
            }
        }
        if self.nominated_from.is_some() {
            for name in sources.nominator.since(self.nominator_at)? {
                slots.extend(sources.cluster.slot(name));
            }
            // With nominated pods on it a node can be turned down although no column of it changed.
            if counts_moved {
                slots.extend(self.nominated.iter().copied());
            } else {
                let changed =
                    [sources.cluster.load_log().since(self.load_at)?, sources.cluster.spec_log().since(self.spec_at)?];
                slots.extend(changed.into_iter().flatten().copied().filter(|slot| self.nominated.contains(slot)));
            }
        }
        let dense = self.lanes.iter().map(|lane| too_many.contains(&lane.member.column)).collect();
        (slots.len() <= limit).then_some(Changes { slots, dense })
    }

    fn build(&mut self, sources: Sources<'_>, ranks: usize) {
        self.built = true;
        self.layout = sources.cluster.order().layout();
        self.invalid = None;
        let order = sources.cluster.order().by_name();
        self.rejected_by.clear();
        self.rejected_by.resize(ranks, FEASIBLE);
        self.verdicts.clear();
        self.verdicts.resize(ranks, Verdict::PASS);
        for (index, member) in self.filters.iter().enumerate() {
            let Some(rows) = &sources.columns.get(member.column).rows else { continue };
            let out = self.rejected_by.iter_mut().zip(&mut self.verdicts);
            for (slot, (by, found)) in order.iter().zip(out) {
                let verdict = rows.verdicts[slot.index()];
                if !verdict.passes() && *by == FEASIBLE {
                    *by = index as u8 + 1;
                    *found = verdict;
                }
            }
        }
        self.nominated.clear();
        if let Some(priority) = self.nominated_from {
            for name in sources.nominator.nodes() {
                let Some(slot) = sources.cluster.slot(name) else { continue };
                let Some(rank) = sources.cluster.order().rank(slot) else { continue };
                if let Some(found) = with_nominated(&self.filters, sources, slot, priority, None) {
                    self.nominated.insert(slot);
                    if let Some((index, verdict)) = found.rejection {
                        self.rejected_by[rank] = index as u8 + 1;
                        self.verdicts[rank] = verdict;
                    }
                }
            }
        }
        self.count_rejections();
        for lane in &mut self.lanes {
            lane.build(sources, &self.rejected_by, &mut self.invalid);
        }
        self.total_all();
    }

    fn count_rejections(&mut self) {
        self.rejections.clear();
        self.feasible = 0;
        // There are few different answers, and a short list is faster than a map.
        let mut counts: SmallVec<[((u8, Verdict), u32); 16]> = SmallVec::new();
        for answer in self.rejected_by.iter().copied().zip(self.verdicts.iter().copied()) {
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == answer) {
                *count += 1;
            } else if counts.len() < 32 {
                counts.push((answer, 1));
            } else {
                *self.rejections.entry(answer).or_insert(0) += 1;
            }
        }
        for ((by, verdict), count) in counts {
            if by == FEASIBLE {
                self.feasible = count as usize;
            } else {
                self.rejections.insert((by, verdict), count);
            }
        }
        // Feasible nodes that were first met behind 32 other answers.
        self.feasible += self.rejections.remove(&(FEASIBLE, Verdict::PASS)).unwrap_or(0) as usize;
    }

    fn total_all(&mut self) {
        let (lanes, rejected_by) = (&self.lanes, &self.rejected_by);
        self.totals.refill(rejected_by.len(), |totals| {
            for lane in lanes.iter().filter(|lane| lane.active) {
                lane.add_to(totals);
            }
            for (total, by) in totals.iter_mut().zip(rejected_by) {
                if *by != FEASIBLE {
                    *total = INFEASIBLE;
                }
            }
        });
    }

    fn patch(&mut self, sources: Sources<'_>, changes: &Changes) {
        let order = sources.cluster.order();
        let mut ranks: Vec<usize> = changes.slots.iter().filter_map(|slot| order.rank(*slot)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let mut moved = Moved { ranks: &ranks, was: &[], feasible: false };
        let mut was: Vec<bool> = Vec::with_capacity(ranks.len());
        for rank in &ranks {
            let now = self.judge(sources, order.by_name()[*rank]);
            let now = now.map_or((FEASIBLE, Verdict::PASS), |(index, verdict)| (index as u8 + 1, verdict));
            let before = (self.rejected_by[*rank], self.verdicts[*rank]);
            was.push(before.0 == FEASIBLE);
            if before == now {
                continue;
            }
            moved.feasible |= (before.0 == FEASIBLE) != (now.0 == FEASIBLE);
            self.uncount(before);
            if now.0 == FEASIBLE {
                self.feasible += 1;
            } else {
                *self.rejections.entry(now).or_insert(0) += 1;
            }
            (self.rejected_by[*rank], self.verdicts[*rank]) = now;
        }
        moved.was = &was;
        let mut all_totals = false;
        for (lane, dense) in self.lanes.iter_mut().zip(&changes.dense).filter(|(lane, _)| lane.active) {
            if *dense {
                lane.build(sources, &self.rejected_by, &mut self.invalid);
                all_totals = true;
            } else {
                all_totals |= lane.patch(sources, &self.rejected_by, &moved, &mut self.invalid);
            }
        }
        if all_totals {
            self.total_all();
            return;
        }
        let (lanes, rejected_by) = (&self.lanes, &self.rejected_by);
        self.totals.patch(&ranks, |rank| {
            if rejected_by[rank] == FEASIBLE {
                lanes.iter().filter(|lane| lane.active).map(|lane| lane.weighted(rank)).sum()
            } else {
                INFEASIBLE
            }
        });
    }

    fn uncount(&mut self, answer: (u8, Verdict)) {
        if answer.0 == FEASIBLE {
            self.feasible -= 1;
        } else if let Some(count) = self.rejections.get_mut(&answer) {
            *count -= 1;
            if *count == 0 {
                self.rejections.remove(&answer);
            }
        }
    }

    /// Who turns a node down now.
    fn judge(&mut self, sources: Sources<'_>, slot: Slot) -> Option<(usize, Verdict)> {
        if let Some(priority) = self.nominated_from {
            match with_nominated(&self.filters, sources, slot, priority, None) {
                None => {
                    self.nominated.remove(&slot);
                }
                Some(found) => {
                    self.nominated.insert(slot);
                    if found.rejection.is_some() {
                        return found.rejection;
                    }
                }
            }
        }
        self.filters.iter().enumerate().find_map(|(index, member)| {
            let rows = sources.columns.get(member.column).rows.as_ref()?;
            let verdict = rows.verdicts[slot.index()];
            (!verdict.passes()).then_some((index, verdict))
        })
    }
}

/// A node judged with its nominated pods on it.
pub(crate) struct WithNominated {
    /// Index in the filters, and verdict.
    pub(crate) rejection: Option<(usize, Verdict)>,
}

/// Filters a node with the nominated pods of at least `priority` (other than the one with uid `except`) on it. `None`
/// when it has none of those.
pub(crate) fn with_nominated(
    filters: &[Member],
    sources: Sources<'_>,
    slot: Slot,
    priority: i32,
    except: Option<&str>,
) -> Option<WithNominated> {
    let info = sources.cluster.nodes()[slot.index()].as_deref()?;
    let nominated = sources.nominator.pods_on(&info.spec.name);
    let wanted = |pod: &&std::sync::Arc<loadline_model::PodInfo>| {
        pod.priority >= priority && except.is_none_or(|uid| pod.uid != *uid)
    };
    if !nominated.iter().any(|pod| wanted(&pod)) {
        return None;
    }
    let delta = NodeDelta { added: nominated.iter().filter(wanted).cloned().collect(), removed: Vec::new() };
    let mut load = info.load.clone();
    delta.added.iter().for_each(|pod| load.add(pod));
    let view = NodeView::new(sources.cluster, slot, info, Reads::NOTHING).with_delta(&delta, &load);
    let rejection = filters.iter().enumerate().find_map(|(index, member)| {
        let column = sources.columns.get(member.column);
        let verdict = column.runner.filter(&column.state, &view);
        (!verdict.passes()).then_some((index, verdict))
    });
    Some(WithNominated { rejection })
}
