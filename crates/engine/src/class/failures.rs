//! One filter of a class over all nodes: which nodes it turns down, and how many of them no filter before it does.

use loadline_framework::{Slot, Verdict};
use smallvec::SmallVec;

use super::Sources;
use crate::bits::{Bits, WORD, in_word};
use crate::columns::{Answers, Column};

/// What a filter turns down.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Ranks of the nodes that it turns down.
    pub(super) fails: Bits,
    /// Nodes whose rejection it is, by verdict.
    counts: SmallVec<[(Verdict, u32); 2]>,
    verdicts_at: u64,
    group_version: u64,
    /// The column's when it was followed last.
    pub(super) state_version: u64,
}

/// What a filter's column has to tell.
pub(super) enum News<'a> {
    /// The verdicts on these slots changed, with what they were.
    Slots(&'a [(Slot, Verdict)]),
    /// All nodes have to be looked at.
    All,
}

impl Failures {
    /// Nothing is known; `ranks` nodes.
    pub(super) fn reset(&mut self, ranks: usize) {
        *self = Self { fails: std::mem::take(&mut self.fails), ..Self::default() };
        self.fails.reset(ranks);
    }

    /// What changed since the last call. More than `limit` changes are all.
    pub(super) fn news<'a>(&mut self, column: &'a Column, limit: usize) -> News<'a> {
        self.state_version = column.state_version;
        let Some(rows) = &column.rows else { return News::All };
        let since = std::mem::replace(&mut self.verdicts_at, rows.verdict_log.position());
        match &rows.verdicts {
            None => News::Slots(&[]),
            Some(Answers::BySlot(_)) => match rows.verdict_log.since(since) {
                Some(slots) if slots.len() <= limit => News::Slots(slots),
                _ => News::All,
            },
            Some(Answers::ByGroup(answers)) => {
                let before = std::mem::replace(&mut self.group_version, answers.version);
                // A log that was trimmed tells that answers were by slot before.
                if before == answers.version && since == self.verdicts_at { News::Slots(&[]) } else { News::All }
            }
        }
    }

    /// Looks at all nodes.
    pub(super) fn refill(&mut self, column: &Column, sources: Sources<'_>) {
        self.fails.clear();
        match column.rows.as_ref().and_then(|rows| rows.verdicts.as_ref()) {
            None => {}
            Some(Answers::ByGroup(answers)) => {
                let members = sources.columns.grouping(answers.topology).members();
                for (members, verdict) in members.iter().zip(&answers.of) {
                    if !verdict.passes() {
                        self.fails.add_all(members);
                    }
                }
            }
            Some(Answers::BySlot(verdicts)) => {
                let slots = sources.cluster.order().by_name().chunks(WORD);
                for (word, slots) in self.fails.words_mut().iter_mut().zip(slots) {
                    let fails = slots.iter().map(|slot| u64::from(!verdicts[slot.index()].passes()));
                    *word = fails.enumerate().fold(0, |word, (bit, fails)| word | fails << bit);
                }
            }
        }
    }

    /// Counts anew the nodes that it turns down among those that are `left` by the filters before it.
    pub(super) fn recount(&mut self, left: &Bits, column: &Column, sources: Sources<'_>) {
        self.counts.clear();
        match column.rows.as_ref().and_then(|rows| rows.verdicts.as_ref()) {
            None => {}
            Some(Answers::ByGroup(answers)) => {
                let members = sources.columns.grouping(answers.topology).members();
                for (members, verdict) in members.iter().zip(&answers.of).filter(|(_, verdict)| !verdict.passes()) {
                    let found = members.words().iter().zip(left.words()).map(|(a, b)| (a & b).count_ones()).sum();
                    self.count(*verdict, found);
                }
            }
            Some(Answers::BySlot(verdicts)) => {
                let by_name = sources.cluster.order().by_name();
                for (index, (fails, left)) in self.fails.words().iter().zip(left.words()).enumerate() {
                    for rank in in_word(index, fails & left) {
                        count(&mut self.counts, verdicts[by_name[rank].index()], 1);
                    }
                }
            }
        }
    }

    /// So many nodes more have this rejection.
    pub(super) fn count(&mut self, verdict: Verdict, nodes: u32) {
        count(&mut self.counts, verdict, nodes);
    }

    /// One node less has this rejection.
    pub(super) fn uncount(&mut self, verdict: Verdict) {
        if let Some(at) = self.counts.iter().position(|(known, _)| *known == verdict) {
            self.counts[at].1 -= 1;
            if self.counts[at].1 == 0 {
                self.counts.swap_remove(at);
            }
        }
    }

    /// Nodes whose rejection it is, by verdict.
    pub(super) fn counts(&self) -> &[(Verdict, u32)] {
        &self.counts
    }
}

fn count(counts: &mut SmallVec<[(Verdict, u32); 2]>, verdict: Verdict, nodes: u32) {
    match counts.iter_mut().find(|(known, _)| *known == verdict) {
        Some((_, count)) => *count += nodes,
        None if nodes > 0 => counts.push((verdict, nodes)),
        None => {}
    }
}
