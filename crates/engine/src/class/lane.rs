//! One score plugin of a class over all feasible nodes: raw and normalised scores, patched where little changed.

use loadline_framework::{Bounds, Normalization, Score, Slot};

use super::{FEASIBLE, InvalidScore, Member, Sources};
use crate::columns::Column;

/// A score plugin over all feasible nodes.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) member: Member,
    /// PreScore did not say Skip.
    pub(super) active: bool,
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
    fn of(raw: &[i64], rejected_by: &[u8]) -> Self {
        let mut found = Self { min: i64::MAX, at_min: 0, max: i64::MIN, at_max: 0 };
        for (raw, _) in raw.iter().zip(rejected_by).filter(|(_, by)| **by == FEASIBLE) {
            found.add(*raw);
        }
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

/// What a patch of the feasible set did.
pub(super) struct Moved<'a> {
    /// Ranks that were judged again or whose raw score changed, in order, each once.
    pub(super) ranks: &'a [usize],
    /// Whether each of them was feasible before.
    pub(super) was: &'a [bool],
    /// Whether any of them became or ceased to be feasible.
    pub(super) feasible: bool,
}

impl Lane {
    pub(super) fn new(member: Member) -> Self {
        Self {
            member,
            active: false,
            normalized: Vec::new(),
            raw: Vec::new(),
            extremes: Extremes::default(),
            state_version: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.normalized.len() + self.raw.len() * 8
    }

    pub(super) fn weighted(&self, rank: usize) -> i64 {
        self.member.weight * i64::from(self.normalized[rank])
    }

    pub(super) fn add_to(&self, totals: &mut [i64]) {
        for (total, normalized) in totals.iter_mut().zip(&self.normalized) {
            *total += self.member.weight * i64::from(*normalized);
        }
    }

    pub(super) fn score(&self, rank: usize, slot: Slot, column: &Column) -> Score {
        let raw = if self.raw.is_empty() {
            column.rows.as_ref().map_or(0, |rows| rows.raw[slot.index()])
        } else {
            self.raw[rank]
        };
        Score { raw, normalized: i64::from(self.normalized[rank]) }
    }

    /// Computes everything anew.
    pub(super) fn build(&mut self, sources: Sources<'_>, rejected_by: &[u8], invalid: &mut Option<InvalidScore>) {
        let order = sources.cluster.order().by_name();
        let column = sources.columns.get(self.member.column);
        self.active = column.scores();
        self.normalized.resize(order.len(), 0);
        if !self.active {
            self.raw.clear();
            return;
        }
        match column.runner.normalization() {
            Normalization::None => {
                self.raw.clear();
                let Some(rows) = &column.rows else { return };
                for ((slot, by), normalized) in order.iter().zip(rejected_by).zip(&mut self.normalized) {
                    if *by == FEASIBLE {
                        *normalized = checked(self.member, rows.raw[slot.index()], invalid);
                    }
                }
            }
            Normalization::Bounds(map) => {
                let Some(rows) = &column.rows else { return };
                self.raw.clear();
                self.raw.extend(order.iter().map(|slot| rows.raw[slot.index()]));
                self.extremes = Extremes::of(&self.raw, rejected_by);
                self.normalize(rejected_by, map, invalid);
            }
            Normalization::Whole => self.score_whole(sources, rejected_by, invalid),
        }
    }

    fn normalize(&mut self, rejected_by: &[u8], map: fn(i64, Bounds) -> i64, invalid: &mut Option<InvalidScore>) {
        let bounds = self.extremes.bounds();
        // Raw scores repeat: the last answer often serves for the next node.
        let mut last: Option<(i64, u8)> = None;
        for ((normalized, raw), by) in self.normalized.iter_mut().zip(&self.raw).zip(rejected_by) {
            if *by != FEASIBLE {
                continue;
            }
            *normalized = match last {
                Some((same, answer)) if same == *raw => answer,
                _ => checked(self.member, map(*raw, bounds), invalid),
            };
            last = Some((*raw, *normalized));
        }
    }

    fn score_whole(&mut self, sources: Sources<'_>, rejected_by: &[u8], invalid: &mut Option<InvalidScore>) {
        let order = sources.cluster.order().by_name();
        let column = sources.columns.get(self.member.column);
        let feasible = order.iter().zip(rejected_by).filter(|(_, by)| **by == FEASIBLE);
        let feasible: Vec<Slot> = feasible.map(|(slot, _)| *slot).collect();
        let mut scores = vec![Score::default(); feasible.len()];
        column.runner.score_feasible(&column.state, &feasible, sources.cluster, &mut scores);
        self.raw.resize(order.len(), 0);
        let ranks = (0..order.len()).filter(|rank| rejected_by[*rank] == FEASIBLE);
        for (rank, score) in ranks.zip(&scores) {
            self.raw[rank] = score.raw;
            self.normalized[rank] = checked(self.member, score.normalized, invalid);
        }
        self.state_version = Some(column.state_version);
    }

    /// Brings the lane up to date after a patch. Whether more than the moved ranks changed.
    pub(super) fn patch(
        &mut self,
        sources: Sources<'_>,
        rejected_by: &[u8],
        moved: &Moved<'_>,
        invalid: &mut Option<InvalidScore>,
    ) -> bool {
        let column = sources.columns.get(self.member.column);
        let order = sources.cluster.order().by_name();
        match column.runner.normalization() {
            Normalization::None => {
                let Some(rows) = &column.rows else { return false };
                for rank in moved.ranks.iter().filter(|rank| rejected_by[**rank] == FEASIBLE) {
                    let raw = rows.raw[order[*rank].index()];
                    self.normalized[*rank] = checked(self.member, raw, invalid);
                }
                false
            }
            Normalization::Bounds(map) => {
                let Some(rows) = &column.rows else { return false };
                let before = self.extremes;
                let mut known = true;
                for (rank, was) in moved.ranks.iter().zip(moved.was) {
                    let raw = rows.raw[order[*rank].index()];
                    let old = std::mem::replace(&mut self.raw[*rank], raw);
                    // In before out, so that a node alone at an extreme does not lose it to itself.
                    if known && rejected_by[*rank] == FEASIBLE {
                        self.extremes.add(raw);
                    }
                    if known && *was {
                        known = self.extremes.remove(old);
                    }
                }
                if !known {
                    self.extremes = Extremes::of(&self.raw, rejected_by);
                }
                if self.extremes.bounds() != before.bounds() {
                    self.normalize(rejected_by, map, invalid);
                    return true;
                }
                let bounds = self.extremes.bounds();
                for rank in moved.ranks.iter().filter(|rank| rejected_by[**rank] == FEASIBLE) {
                    self.normalized[*rank] = checked(self.member, map(self.raw[*rank], bounds), invalid);
                }
                false
            }
            Normalization::Whole => {
                if !moved.feasible && self.state_version == Some(column.state_version) {
                    return false;
                }
                self.score_whole(sources, rejected_by, invalid);
                true
            }
        }
    }
}

fn checked(member: Member, score: i64, invalid: &mut Option<InvalidScore>) -> u8 {
    if let Ok(score @ 0..=100) = u8::try_from(score) {
        return score;
    }
    invalid.get_or_insert(InvalidScore { plugin: member.plugin, score });
    0
}
