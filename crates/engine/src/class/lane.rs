//! One score plugin of a class over all nodes: raw and normalised scores, patched where little changed.
//!
//! Normalised scores are kept for nodes that are not feasible as well, so that a node that becomes feasible costs nothing
//! while the bounds stand.

use loadline_framework::{Bounds, IGNORED, Normalization, Score, Slot};

use super::measured::Measured;
use super::totals::Totals;
use super::{InvalidScore, Member, Sources};
use crate::bits::{Bits, WORD, in_word};
use crate::columns::{Answers, Column, GroupAnswers};
use crate::measurements::Measurements;

type Map = fn(i64, Bounds) -> i64;

/// A score plugin over all nodes.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) member: Member,
    /// PreScore did not say Skip.
    pub(super) active: bool,
    /// By rank, 0 to 100. What is said of a node that is not feasible is of no meaning when `raw` is by feasible node.
    normalized: Vec<u8>,
    raw: Raw,
    raw_at: u64,
    /// Ranks whose normalised score is none, with it: 0 is counted for them.
    invalid: Vec<(usize, i64)>,
}

/// Where raw scores are, and what goes with them.
#[derive(Debug)]
enum Raw {
    /// In the column, 0 to 100 already, or nowhere while the lane is not active.
    Column,
    /// By rank; with the extremes among the feasible nodes.
    ByRank { raw: Vec<i64>, extremes: Extremes, uniform: bool },
    /// In the column, by group; the normalised scores of the groups.
    ByGroup { version: u64, normalized: Vec<u8> },
    /// By place in the feasible set, computed from this version of the column's state.
    ByFeasible { raw: Vec<i64>, state_version: u64 },
    /// In the column: measurements.
    Measured(Measured),
}

/// Smallest and largest raw score among the feasible nodes, and how many have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extremes {
    min: i64,
    at_min: u32,
    max: i64,
    at_max: u32,
}

impl Extremes {
    /// No node is feasible.
    const NONE: Self = Self { min: i64::MAX, at_min: 0, max: i64::MIN, at_max: 0 };

    fn of(raw: &[i64], rejected: &Bits) -> Self {
        let mut found = Self::NONE;
        for (raw, rejected) in raw.chunks(WORD).zip(rejected.words()) {
            if *rejected == 0 {
                for raw in raw {
                    found.add(*raw);
                }
            } else {
                for at in in_word(0, !rejected).take_while(|at| *at < raw.len()) {
                    found.add(raw[at]);
                }
            }
        }
        found
    }

    fn of_equal(raw: i64, feasible: usize) -> Self {
        let count = feasible as u32;
        if count == 0 { Self::NONE } else { Self { min: raw, at_min: count, max: raw, at_max: count } }
    }

    fn add(&mut self, value: i64) {
        if value < self.min {
            (self.min, self.at_min) = (value, 1);
        } else if value == self.min {
            self.at_min += 1;
        }
        if value > self.max {
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

    fn bounds(self) -> Option<Bounds> {
        (self.at_min > 0).then_some(Bounds { min: self.min, max: self.max })
    }
}

/// What a change of the class did, as far as scores go.
pub(super) struct Moved<'a> {
    /// Ranks that were judged again or whose raw score changed, in order, each once.
    pub(super) ranks: &'a [usize],
    /// Whether each of them was feasible before.
    pub(super) was: &'a [bool],
    /// Whether others than `ranks` may have become or ceased to be feasible.
    pub(super) bulk: bool,
    /// Whether any node became or ceased to be feasible.
    pub(super) feasibility: bool,
    /// Ranks that are not feasible.
    pub(super) rejected: &'a Bits,
    /// Number of feasible nodes.
    pub(super) feasible: usize,
    /// The feasible nodes, where a lane asked for them.
    pub(super) feasible_set: &'a FeasibleSet,
}

/// The feasible nodes in order of rank, where a plugin scores them as a whole.
#[derive(Debug, Default)]
pub(super) struct FeasibleSet {
    pub(super) slots: Vec<Slot>,
    pub(super) ranks: Vec<u32>,
    /// Whether it is up to date.
    pub(super) current: bool,
}

impl FeasibleSet {
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * (size_of::<Slot>() + size_of::<u32>())
    }

    pub(super) fn refill(&mut self, rejected: &Bits, by_name: &[Slot]) {
        self.current = true;
        self.slots.clear();
        self.ranks.clear();
        for (index, word) in rejected.words().iter().enumerate() {
            for rank in in_word(index, !word).take_while(|rank| *rank < by_name.len()) {
                self.slots.push(by_name[rank]);
                self.ranks.push(rank as u32);
            }
        }
    }
}

/// What an update of a lane goes by, and what it adds to.
struct Update<'a> {
    sources: Sources<'a>,
    moved: &'a Moved<'a>,
    /// All nodes have to be looked at.
    dense: bool,
    totals: &'a mut Totals,
}

impl Lane {
    pub(super) fn new(member: Member) -> Self {
        Self { member, active: false, normalized: Vec::new(), raw: Raw::Column, raw_at: 0, invalid: Vec::new() }
    }

    /// Nothing is known; `ranks` nodes, and totals of zero.
    pub(super) fn reset(&mut self, ranks: usize) {
        self.active = false;
        self.normalized.clear();
        self.normalized.resize(ranks, 0);
        self.raw = Raw::Column;
        self.invalid.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        let raw = match &self.raw {
            Raw::ByRank { raw, .. } | Raw::ByFeasible { raw, .. } => raw.len() * size_of::<i64>(),
            Raw::Column | Raw::ByGroup { .. } | Raw::Measured(_) => 0,
        };
        self.normalized.len() + raw
    }

    /// The score of the feasible node at a rank.
    pub(super) fn score(&self, rank: usize, slot: Slot, sources: Sources<'_>, feasible: &FeasibleSet) -> Score {
        let raw = match &self.raw {
            Raw::ByRank { raw, .. } => raw[rank],
            Raw::ByFeasible { raw, .. } => {
                let at = feasible.ranks.binary_search(&(rank as u32));
                at.ok().map(|at| raw[at]).filter(|raw| *raw != IGNORED).unwrap_or(0)
            }
            Raw::Column | Raw::ByGroup { .. } => self.in_column(slot, sources),
            Raw::Measured(measured) => measured.raw(self.in_column(slot, sources)),
        };
        Score { raw, normalized: i64::from(self.normalized[rank]) }
    }

    fn in_column(&self, slot: Slot, sources: Sources<'_>) -> i64 {
        let rows = sources.columns.get(self.member.column).rows.as_ref();
        rows.and_then(|rows| rows.raw.as_ref()).map_or(0, |raw| raw.get(slot, sources.cluster))
    }

    /// The first feasible node whose score is none: its rank, and the score.
    pub(super) fn invalid(&self, rejected: &Bits) -> Option<(usize, InvalidScore)> {
        let feasible = self.invalid.iter().filter(|(rank, _)| self.active && !rejected.has(*rank));
        feasible.min().map(|(rank, score)| (*rank, InvalidScore { plugin: self.member.plugin, score: *score }))
    }

    /// The slots whose raw score changed since the last call; `None` when all have to be looked at, also when they are
    /// more than `limit`.
    pub(super) fn news<'a>(&mut self, column: &'a Column, limit: usize) -> Option<&'a [(Slot, i64)]> {
        let Some(rows) = &column.rows else { return None };
        let since = std::mem::replace(&mut self.raw_at, rows.raw_log.position());
        if !self.active {
            return if column.scores() { None } else { Some(&[]) };
        }
        rows.raw_log.since(since).filter(|slots| slots.len() <= limit)
    }

    /// Brings scores and `totals` up to date; `dense` when [`Lane::news`] told nothing. Whether totals of others than
    /// the moved ranks changed that [`Totals`] does not know of.
    pub(super) fn update(&mut self, sources: Sources<'_>, moved: &Moved<'_>, dense: bool, totals: &mut Totals) -> bool {
        let column = sources.columns.get(self.member.column);
        let was_active = std::mem::replace(&mut self.active, column.scores());
        if !self.active {
            if was_active {
                self.raw = Raw::Column;
                self.invalid.clear();
                self.put_all(totals.all(), |_| 0);
            }
            return was_active;
        }
        let update = Update { sources, moved, dense: dense || !was_active, totals };
        let normalization = column.runner.normalization();
        let Some(rows) = &column.rows else { return false };
        match (normalization, &rows.raw) {
            (Normalization::Whole(map), _) => self.update_whole(map, column, update),
            (_, None) => false,
            (_, Some(Answers::ByGroup(answers))) => {
                let map = if let Normalization::Bounds(map) = normalization { Some(map) } else { None };
                self.update_groups(map, answers, update)
            }
            (Normalization::Measured, Some(Answers::BySlot(raw))) => {
                if let Some(measurements) = &rows.measurements {
                    self.update_measured(measurements, raw, update);
                }
                false
            }
            (Normalization::None, Some(Answers::BySlot(raw))) => self.update_plain(raw, update),
            (Normalization::Bounds(map), Some(Answers::BySlot(raw))) => self.update_bounds(map, raw, update),
        }
    }

    fn update_plain(&mut self, raw: &[i64], update: Update<'_>) -> bool {
        let Update { sources, moved, dense, totals } = update;
        let totals = totals.all();
        let by_name = sources.cluster.order().by_name();
        self.raw = Raw::Column;
        if dense {
            let mut invalid = Vec::new();
            self.put_all(totals, |rank| checked(raw[by_name[rank].index()], rank, &mut invalid));
            self.invalid = invalid;
        } else {
            self.put_moved(totals, moved, |rank, invalid| checked(raw[by_name[rank].index()], rank, invalid));
        }
        dense
    }

    fn update_bounds(&mut self, map: Map, column: &[i64], update: Update<'_>) -> bool {
        let Update { sources, moved, dense, totals } = update;
        let totals = totals.all();
        let by_name = sources.cluster.order().by_name();
        let (mut raw, mut extremes, mut uniform) = match std::mem::replace(&mut self.raw, Raw::Column) {
            Raw::ByRank { raw, extremes, uniform } => (raw, extremes, uniform),
            _ => (Vec::new(), Extremes::NONE, false),
        };
        let before = extremes.bounds();
        let mut known = !dense && !moved.bulk;
        if dense {
            raw.clear();
            raw.extend(by_name.iter().map(|slot| column[slot.index()]));
            uniform = raw.iter().all(|other| *other == raw[0]);
        } else {
            for (rank, was) in moved.ranks.iter().zip(moved.was) {
                let now = column[by_name[*rank].index()];
                let old = std::mem::replace(&mut raw[*rank], now);
                uniform &= old == now;
                // In before out, so that a node alone at an extreme does not lose it to itself.
                if known && !moved.rejected.has(*rank) {
                    extremes.add(now);
                }
                if known && *was {
                    known = extremes.remove(old);
                }
            }
        }
        if !known && (dense || moved.feasibility || !moved.ranks.is_empty()) {
            extremes = match raw.first() {
                Some(raw) if uniform => Extremes::of_equal(*raw, moved.feasible),
                _ => Extremes::of(&raw, moved.rejected),
            };
        }
        let bounds = extremes.bounds();
        let all = dense || bounds != before;
        if let Some(bounds) = bounds {
            let normalized = |rank: usize, invalid: &mut Vec<_>| {
                let raw = raw[rank];
                // Out of bounds is no feasible node.
                let inside = (bounds.min..=bounds.max).contains(&raw);
                if inside { checked(map(raw, bounds), rank, invalid) } else { 0 }
            };
            if all {
                let mut invalid = Vec::new();
                let mut memo = Memo::new();
                self.put_all(totals, |rank| memo.get(raw[rank], || normalized(rank, &mut invalid)));
                if !invalid.is_empty() {
                    // Which of the nodes are feasible changes: all of them have to be known.
                    invalid.clear();
                    self.put_all(totals, |rank| normalized(rank, &mut invalid));
                }
                self.invalid = invalid;
            } else {
                self.put_moved(totals, moved, normalized);
            }
        }
        self.raw = Raw::ByRank { raw, extremes, uniform };
        all
    }

    fn update_groups(&mut self, map: Option<Map>, answers: &GroupAnswers<i64>, update: Update<'_>) -> bool {
        let Update { sources, moved, totals, .. } = update;
        let totals = totals.all();
        let known = match &self.raw {
            Raw::ByGroup { version, normalized } if *version == answers.version => Some(normalized),
            _ => None,
        };
        if known.is_some() && !moved.feasibility {
            return false;
        }
        let grouping = sources.columns.grouping(answers.topology);
        let feasible = grouping.members().iter().map(|members| first_feasible(members, moved.rejected));
        let feasible: Vec<Option<usize>> = feasible.collect();
        let raw = || answers.of.iter().zip(&feasible).filter(|(_, feasible)| feasible.is_some()).map(|(raw, _)| *raw);
        let bounds = raw().min().zip(raw().max()).map(|(min, max)| Bounds { min, max });
        self.invalid.clear();
        let of_group = |(raw, feasible): (&i64, &Option<usize>)| match (map, bounds, feasible) {
            (Some(map), Some(bounds), Some(rank)) => checked(map(*raw, bounds), *rank, &mut self.invalid),
            (None, _, Some(rank)) => checked(*raw, *rank, &mut self.invalid),
            _ => 0,
        };
        let normalized: Vec<u8> = answers.of.iter().zip(&feasible).map(of_group).collect();
        if known == Some(&normalized) {
            return false;
        }
        let group_of = grouping.group_of();
        self.put_all(totals, |rank| normalized[usize::from(group_of[rank])]);
        self.raw = Raw::ByGroup { version: answers.version, normalized };
        true
    }

    fn update_whole(&mut self, map: Map, column: &Column, update: Update<'_>) -> bool {
        let Update { sources, moved, dense, totals } = update;
        let totals = totals.all();
        let mut raw = match std::mem::replace(&mut self.raw, Raw::Column) {
            Raw::ByFeasible { raw, state_version }
                if !dense && !moved.feasibility && state_version == column.state_version =>
            {
                self.raw = Raw::ByFeasible { raw, state_version };
                return false;
            }
            Raw::ByFeasible { raw, .. } => raw,
            _ => Vec::new(),
        };
        let FeasibleSet { slots, ranks, .. } = moved.feasible_set;
        raw.clear();
        raw.resize(slots.len(), 0);
        column.runner.score_feasible(&column.state, slots, sources.cluster, &mut raw);
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        for raw in raw.iter().filter(|raw| **raw != IGNORED) {
            min = min.min(*raw);
            max = max.max(*raw);
        }
        let bounds = Bounds { min, max };
        let mut memo = Memo::new();
        self.invalid.clear();
        for (rank, raw) in ranks.iter().zip(&raw) {
            let rank = *rank as usize;
            let score = match *raw {
                IGNORED => 0,
                raw => memo.get(raw, || checked(map(raw, bounds), rank, &mut self.invalid)),
            };
            put(&mut self.normalized[rank], &mut totals[rank], self.member.weight, score);
        }
        self.raw = Raw::ByFeasible { raw, state_version: column.state_version };
        true
    }

    fn update_measured(&mut self, measurements: &Measurements, column: &[i64], update: Update<'_>) {
        let Update { sources, moved, dense, totals } = update;
        let by_name = sources.cluster.order().by_name();
        let mut measured = match std::mem::replace(&mut self.raw, Raw::Column) {
            Raw::Measured(measured) => measured,
            _ => Measured::default(),
        };
        let raw = |rank: usize| column[by_name[rank].index()];
        let totals = (totals, self.member.weight);
        measured.update((measurements, raw), (moved, dense), &mut self.normalized, totals);
        self.raw = Raw::Measured(measured);
    }

    fn put_all(&mut self, totals: &mut [i64], mut score: impl FnMut(usize) -> u8) {
        let weight = self.member.weight;
        for (rank, (normalized, total)) in self.normalized.iter_mut().zip(totals).enumerate() {
            put(normalized, total, weight, score(rank));
        }
    }

    fn put_moved(
        &mut self,
        totals: &mut [i64],
        moved: &Moved<'_>,
        score: impl Fn(usize, &mut Vec<(usize, i64)>) -> u8,
    ) {
        if !self.invalid.is_empty() {
            self.invalid.retain(|(rank, _)| moved.ranks.binary_search(rank).is_err());
        }
        for rank in moved.ranks {
            let score = score(*rank, &mut self.invalid);
            put(&mut self.normalized[*rank], &mut totals[*rank], self.member.weight, score);
        }
    }
}

fn put(normalized: &mut u8, total: &mut i64, weight: i64, score: u8) {
    let before = std::mem::replace(normalized, score);
    *total += weight * (i64::from(score) - i64::from(before));
}

fn checked(score: i64, rank: usize, invalid: &mut Vec<(usize, i64)>) -> u8 {
    if let Ok(score @ 0..=100) = u8::try_from(score) {
        return score;
    }
    invalid.push((rank, score));
    0
}

fn first_feasible(members: &Bits, rejected: &Bits) -> Option<usize> {
    let mut words = members.words().iter().zip(rejected.words()).enumerate();
    words.find_map(|(index, (members, rejected))| in_word(index, members & !rejected).next())
}

/// Normalised scores of raw ones that were met lately: they repeat, and dividing is slow.
struct Memo {
    known: [Option<(i64, u8)>; Self::SIZE],
}

impl Memo {
    const SIZE: usize = 64;

    fn new() -> Self {
        Self { known: [None; Self::SIZE] }
    }

    fn get(&mut self, raw: i64, compute: impl FnOnce() -> u8) -> u8 {
        let place = &mut self.known[raw as usize % Self::SIZE];
        match place {
            Some((known, score)) if *known == raw => *score,
            _ => place.insert((raw, compute())).1,
        }
    }
}
