//! A class: pods that agree in every plugin's key, and what the columns of those keys add up to over all nodes: which
//! nodes are feasible, who turned the others down, the normalised and summed scores, and where the largest sums are.
//!
//! Arrays go by rank (the node's place by name), so that ties are told apart in the same order however the nodes came.
//! Everything is patched for nodes whose columns changed, and computed anew when that is cheaper.

use loadline_framework::{Bounds, Cluster, NodeDelta, NodeView, Normalization, Reads, Score, Slot, Verdict};
use loadline_model::{Map, Set};
use smallvec::SmallVec;

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

/// A score plugin over all feasible nodes.
#[derive(Debug)]
struct Lane {
    member: Member,
    /// PreScore did not say Skip.
    active: bool,
    /// By rank, 0 to 100; of meaning for feasible nodes only.
    normalized: Vec<u8>,
    /// By rank, for [`Normalization::Bounds`] and [`Normalization::Whole`].
    raw: Vec<i64>,
    extremes: Extremes,
    /// For [`Normalization::Whole`]: the state that `normalized` was computed from.
    state_version: Option<u64>,
}

/// Smallest and largest raw score among the feasible nodes, and how many have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extremes {
    min: i64,
    at_min: u32,
    max: i64,
    at_max: u32,
}

impl Extremes {
    fn of(raw: impl Iterator<Item = i64>) -> Self {
        let mut found = Self { min: i64::MAX, at_min: 0, max: i64::MIN, at_max: 0 };
        raw.for_each(|value| found.add(value));
        found
    }

    fn add(&mut self, value: i64) {
        if value < self.min || self.at_min == 0 {
            (self.min, self.at_min) = (value, 1);
        } else if value == self.min {
            self.at_min += 1;
        }
        if value > self.max || self.at_max == 0 {
            (self.max, self.at_max) = (value, 1);
        } else if value == self.max {
            self.at_max += 1;
        }
    }

    /// Whether the extremes are still known.
    fn remove(&mut self, value: i64) -> bool {
        self.at_min -= u32::from(value == self.min);
        self.at_max -= u32::from(value == self.max);
        self.at_min > 0 && self.at_max > 0
    }

    fn bounds(self) -> Bounds {
        Bounds { min: self.min, max: self.max }
    }
}

/// The largest total in a stretch of ranks, and how many nodes have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    max: i64,
    count: u32,
}

/// Ranks in a [`Block`].
const BLOCK: usize = 64;
/// Total of a node that is not feasible.
const INFEASIBLE: i64 = i64::MIN;
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
    totals: Vec<i64>,
    blocks: Vec<Block>,
    invalid: Option<InvalidScore>,
    pub(crate) last_used: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    column: ColumnId,
    rows_at: u64,
    state_version: u64,
}

impl Class {
    /// A class of these columns. `filters` and `scores` are in the profile's order.
    pub(crate) fn new(filters: Vec<Member>, scores: Vec<Member>, nominated_from: Option<i32>) -> Self {
        let mut seen: Vec<Seen> = Vec::new();
        for member in filters.iter().chain(&scores) {
            if !seen.iter().any(|s| s.column == member.column) {
                seen.push(Seen { column: member.column, rows_at: 0, state_version: 0 });
            }
        }
        let lanes = scores
            .into_iter()
            .map(|member| Lane {
                member,
                active: false,
                normalized: Vec::new(),
                raw: Vec::new(),
                extremes: Extremes::default(),
                state_version: None,
            })
            .collect();
        Self {
            filters,
            lanes,
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
            totals: Vec::new(),
            blocks: Vec::new(),
            invalid: None,
            last_used: 0,
        }
    }

    /// The columns that it is made of.
    pub(crate) fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.seen.iter().map(|seen| seen.column)
    }

    pub(crate) fn bytes(&self) -> usize {
        let ranks = self.rejected_by.len();
        let lanes: usize = self.lanes.iter().map(|lane| lane.normalized.len() + lane.raw.len() * 8).sum();
        512 + ranks * (1 + 4 + 8) + lanes
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
        self.lanes.iter().filter(|lane| lane.active).map(move |lane| {
            let raw = if lane.raw.is_empty() {
                let rows = sources.columns.get(lane.member.column).rows.as_ref();
                rows.map_or(0, |rows| rows.raw[slot.index()])
            } else {
                lane.raw[rank]
            };
            (lane.member, Score { raw, normalized: i64::from(lane.normalized[rank]) })
        })
    }

    /// Total of the feasible node at a rank.
    pub(crate) fn total(&self, rank: usize) -> i64 {
        self.totals[rank]
    }

    /// The rank of the `pick(n)`-th of the `n` nodes that share the largest total. `pick` gives less than `n`.
    pub(crate) fn best(&self, pick: impl FnOnce(usize) -> usize) -> Option<usize> {
        let max = self.blocks.iter().map(|block| block.max).max()?;
        if max == INFEASIBLE {
            return None;
        }
        let tied = self.blocks.iter().filter(|block| block.max == max).map(|block| block.count as usize).sum();
        let mut left = pick(tied);
        for (index, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.max == max) {
            if left >= block.count as usize {
                left -= block.count as usize;
                continue;
            }
            let ranks = index * BLOCK..self.totals.len().min((index + 1) * BLOCK);
            return ranks.filter(|rank| self.totals[*rank] == max).nth(left);
        }
        None
    }

    /// The ranks with the largest totals, best first, by name among equals.
    pub(crate) fn top(&self, count: usize) -> SmallVec<[usize; 5]> {
        let mut best: SmallVec<[usize; 5]> = SmallVec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let worst = best.last().map_or(INFEASIBLE, |rank| self.totals[*rank]);
            if block.max == INFEASIBLE || (best.len() == count && block.max <= worst) {
                continue;
            }
            for rank in index * BLOCK..self.totals.len().min((index + 1) * BLOCK) {
                let total = self.totals[rank];
                let worst = best.last().map_or(INFEASIBLE, |rank| self.totals[*rank]);
                if total == INFEASIBLE || (best.len() == count && total <= worst) {
                    continue;
                }
                if best.len() == count {
                    best.pop();
                }
                let at = best.iter().position(|other| self.totals[*other] < total).unwrap_or(best.len());
                best.insert(at, rank);
            }
        }
        best
    }

    /// Brings everything up to date. The columns are up to date and filled, the node order is settled.
    pub(crate) fn sync(&mut self, sources: Sources<'_>) {
        let ranks = sources.cluster.order().by_name().len();
        let stale = !self.built || self.layout != sources.cluster.order().layout();
        let changed = if stale { None } else { self.changed(sources, ranks) };
        for seen in &mut self.seen {
            let column = sources.columns.get(seen.column);
            seen.rows_at = column.rows.as_ref().map_or(0, |rows| rows.log.position());
            seen.state_version = column.state_version;
        }
        self.nominator_at = sources.nominator.position();
        self.load_at = sources.cluster.load_log().position();
        self.spec_at = sources.cluster.spec_log().position();
        match changed {
            Some(slots) => self.patch(sources, &slots),
            None => self.build(sources, ranks),
        }
    }

    /// Slots to look at again; `None` when everything has to be.
    fn changed(&mut self, sources: Sources<'_>, ranks: usize) -> Option<Vec<Slot>> {
        for lane in &self.lanes {
            if lane.active != sources.columns.get(lane.member.column).scores() {
                return None;
            }
        }
        let mut slots: Vec<Slot> = Vec::new();
        let mut counts_moved = false;
        for seen in &self.seen {
            let column = sources.columns.get(seen.column);
            slots.extend_from_slice(column.rows.as_ref()?.log.since(seen.rows_at)?);
            counts_moved |= seen.state_version != column.state_version && column.runner.reads().has(Reads::COUNTS);
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
        (slots.len() <= ranks / 4 + 16).then_some(slots)
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
            let Some(rows) = &sources.columns.get(member.column).rows else {
                continue;
            };
            for (rank, slot) in order.iter().enumerate() {
                let verdict = rows.verdicts[slot.index()];
                if !verdict.passes() && self.rejected_by[rank] == FEASIBLE {
                    self.rejected_by[rank] = index as u8 + 1;
                    self.verdicts[rank] = verdict;
                }
            }
        }
        self.nominated.clear();
        if let Some(priority) = self.nominated_from {
            for name in sources.nominator.nodes() {
                let Some(slot) = sources.cluster.slot(name) else {
                    continue;
                };
                let Some(rank) = sources.cluster.order().rank(slot) else {
                    continue;
                };
                if let Some(found) = with_nominated(&self.filters, sources, slot, priority, None) {
                    self.nominated.insert(slot);
                    if let Some((index, verdict)) = found.rejection {
                        self.rejected_by[rank] = index as u8 + 1;
                        self.verdicts[rank] = verdict;
                    }
                }
            }
        }
        self.rejections.clear();
        self.feasible = 0;
        // Runs of equal answers are the rule: count a run before touching the map.
        let mut run = (FEASIBLE, Verdict::PASS, 0);
        for rank in 0..ranks {
            let now = (self.rejected_by[rank], self.verdicts[rank]);
            if now == (run.0, run.1) {
                run.2 += 1;
            } else {
                self.count_run(run);
                run = (now.0, now.1, 1);
            }
        }
        self.count_run(run);
        self.score_all(sources);
    }

    fn count_run(&mut self, (by, verdict, count): (u8, Verdict, u32)) {
        if by == FEASIBLE {
            self.feasible += count as usize;
        } else if count > 0 {
            *self.rejections.entry((by, verdict)).or_insert(0) += count;
        }
    }

    fn score_all(&mut self, sources: Sources<'_>) {
        let order = sources.cluster.order().by_name();
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            let column = sources.columns.get(lane.member.column);
            lane.active = column.scores();
            lane.normalized.clear();
            lane.normalized.resize(order.len(), 0);
            lane.raw.clear();
            if !lane.active {
                continue;
            }
            let normalization = column.runner.normalization();
            match normalization {
                Normalization::None => {
                    let Some(rows) = &column.rows else { continue };
                    for (rank, slot) in order.iter().enumerate() {
                        if self.rejected_by[rank] == FEASIBLE {
                            lane.normalized[rank] = checked(lane.member, rows.raw[slot.index()], &mut self.invalid);
                        }
                    }
                }
                Normalization::Bounds(map) => {
                    let Some(rows) = &column.rows else { continue };
                    lane.raw.extend(order.iter().map(|slot| rows.raw[slot.index()]));
                    let feasible = lane.raw.iter().zip(&self.rejected_by).filter(|(_, by)| **by == FEASIBLE);
                    lane.extremes = Extremes::of(feasible.map(|(raw, _)| *raw));
                    normalize_lane(lane, &self.rejected_by, map, &mut self.invalid);
                }
                Normalization::Whole => self.score_whole(index, sources),
            }
        }
        self.total_all();
    }

    fn score_whole(&mut self, index: usize, sources: Sources<'_>) {
        let order = sources.cluster.order().by_name();
        let lane = &mut self.lanes[index];
        let column = sources.columns.get(lane.member.column);
        let by = &self.rejected_by;
        let feasible: Vec<Slot> =
            order.iter().enumerate().filter(|(rank, _)| by[*rank] == FEASIBLE).map(|(_, slot)| *slot).collect();
        let mut scores = vec![Score::default(); feasible.len()];
        column.runner.score_feasible(&column.state, &feasible, sources.cluster, &mut scores);
        lane.raw.resize(order.len(), 0);
        let ranks = (0..order.len()).filter(|rank| by[*rank] == FEASIBLE);
        for (rank, score) in ranks.zip(&scores) {
            lane.raw[rank] = score.raw;
            lane.normalized[rank] = checked(lane.member, score.normalized, &mut self.invalid);
        }
        lane.state_version = Some(column.state_version);
    }

    fn total_all(&mut self) {
        self.totals.clear();
        self.totals.resize(self.rejected_by.len(), 0);
        for lane in self.lanes.iter().filter(|lane| lane.active) {
            for (total, normalized) in self.totals.iter_mut().zip(&lane.normalized) {
                *total += lane.member.weight * i64::from(*normalized);
            }
        }
        for (total, by) in self.totals.iter_mut().zip(&self.rejected_by) {
            if *by != FEASIBLE {
                *total = INFEASIBLE;
            }
        }
        self.blocks.clear();
        self.blocks.extend(self.totals.chunks(BLOCK).map(block));
    }

    fn patch(&mut self, sources: Sources<'_>, slots: &[Slot]) {
        let mut ranks: Vec<usize> = slots.iter().filter_map(|slot| sources.cluster.order().rank(*slot)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let order = sources.cluster.order().by_name();
        let mut feasible_moved = false;
        let mut was: Vec<bool> = Vec::with_capacity(ranks.len());
        for rank in &ranks {
            let slot = order[*rank];
            let now = self.judge(sources, slot);
            let (by, verdict) = now.map_or((FEASIBLE, Verdict::PASS), |(index, verdict)| (index as u8 + 1, verdict));
            let before = (self.rejected_by[*rank], self.verdicts[*rank]);
            was.push(before.0 == FEASIBLE);
            if before == (by, verdict) {
                continue;
            }
            feasible_moved |= (before.0 == FEASIBLE) != (by == FEASIBLE);
            if before.0 == FEASIBLE {
                self.feasible -= 1;
            } else if let Some(count) = self.rejections.get_mut(&before) {
                *count -= 1;
                if *count == 0 {
                    self.rejections.remove(&before);
                }
            }
            self.count_run((by, verdict, 1));
            self.rejected_by[*rank] = by;
            self.verdicts[*rank] = verdict;
        }
        let mut all_totals = false;
        for index in 0..self.lanes.len() {
            if self.lanes[index].active {
                all_totals |= self.patch_lane(index, sources, &ranks, &was, feasible_moved);
            }
        }
        if all_totals {
            self.total_all();
            return;
        }
        let mut last_block = usize::MAX;
        for rank in ranks {
            self.totals[rank] = if self.rejected_by[rank] == FEASIBLE {
                let active = self.lanes.iter().filter(|lane| lane.active);
                active.map(|lane| lane.member.weight * i64::from(lane.normalized[rank])).sum()
            } else {
                INFEASIBLE
            };
            if last_block != usize::MAX && last_block != rank / BLOCK {
                self.refresh_block(last_block);
            }
            last_block = rank / BLOCK;
        }
        if last_block != usize::MAX {
            self.refresh_block(last_block);
        }
    }

    fn refresh_block(&mut self, index: usize) {
        let end = self.totals.len().min((index + 1) * BLOCK);
        self.blocks[index] = block(&self.totals[index * BLOCK..end]);
    }

    /// Whether all totals have to be added up again.
    fn patch_lane(
        &mut self,
        index: usize,
        sources: Sources<'_>,
        ranks: &[usize],
        was: &[bool],
        feasible_moved: bool,
    ) -> bool {
        let column = sources.columns.get(self.lanes[index].member.column);
        let order = sources.cluster.order().by_name();
        match column.runner.normalization() {
            Normalization::None => {
                let Some(rows) = &column.rows else { return false };
                let lane = &mut self.lanes[index];
                for rank in ranks.iter().filter(|rank| self.rejected_by[**rank] == FEASIBLE) {
                    let raw = rows.raw[order[*rank].index()];
                    lane.normalized[*rank] = checked(lane.member, raw, &mut self.invalid);
                }
                false
            }
            Normalization::Bounds(map) => {
                let Some(rows) = &column.rows else { return false };
                let lane = &mut self.lanes[index];
                let before = lane.extremes;
                let mut known = true;
                for (rank, was) in ranks.iter().zip(was) {
                    let raw = rows.raw[order[*rank].index()];
                    let old = std::mem::replace(&mut lane.raw[*rank], raw);
                    // In before out, so that a node alone at an extreme does not lose it to itself.
                    if known && self.rejected_by[*rank] == FEASIBLE {
                        lane.extremes.add(raw);
                    }
                    if known && *was {
                        known = lane.extremes.remove(old);
                    }
                }
                if !known {
                    let feasible = lane.raw.iter().zip(&self.rejected_by).filter(|(_, by)| **by == FEASIBLE);
                    lane.extremes = Extremes::of(feasible.map(|(raw, _)| *raw));
                }
                if lane.extremes.bounds() != before.bounds() {
                    normalize_lane(lane, &self.rejected_by, map, &mut self.invalid);
                    return true;
                }
                let bounds = lane.extremes.bounds();
                for rank in ranks.iter().filter(|rank| self.rejected_by[**rank] == FEASIBLE) {
                    lane.normalized[*rank] = checked(lane.member, map(lane.raw[*rank], bounds), &mut self.invalid);
                }
                false
            }
            Normalization::Whole => {
                if !feasible_moved && self.lanes[index].state_version == Some(column.state_version) {
                    return false;
                }
                self.score_whole(index, sources);
                true
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

fn block(totals: &[i64]) -> Block {
    let max = totals.iter().copied().max().unwrap_or(INFEASIBLE);
    Block { max, count: totals.iter().map(|total| u32::from(*total == max)).sum() }
}

fn checked(member: Member, score: i64, invalid: &mut Option<InvalidScore>) -> u8 {
    if let Ok(score @ 0..=100) = u8::try_from(score) {
        return score;
    }
    invalid.get_or_insert(InvalidScore { plugin: member.plugin, score });
    0
}

fn normalize_lane(
    lane: &mut Lane,
    rejected_by: &[u8],
    map: fn(i64, Bounds) -> i64,
    invalid: &mut Option<InvalidScore>,
) {
    let bounds = lane.extremes.bounds();
    // Raw scores repeat: the last answer often serves for the next node.
    let mut last: Option<(i64, u8)> = None;
    for ((normalized, raw), by) in lane.normalized.iter_mut().zip(&lane.raw).zip(rejected_by) {
        if *by != FEASIBLE {
            continue;
        }
        *normalized = match last {
            Some((same, answer)) if same == *raw => answer,
            _ => checked(lane.member, map(*raw, bounds), invalid),
        };
        last = Some((*raw, *normalized));
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
