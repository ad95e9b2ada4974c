//! Sums of the scores over all nodes, and where the largest are among the feasible ones.

use smallvec::SmallVec;

use crate::bits::{Bits, WORD, in_word};

/// The maximum where nothing is feasible.
const NOTHING: i64 = i64::MIN;

/// The largest total among the feasible nodes of a stretch of ranks, and how many of them have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Best {
    max: i64,
    count: u32,
}

impl Best {
    const NONE: Self = Self { max: NOTHING, count: 0 };

    fn of_ranks(totals: &[i64], rejected: u64) -> Self {
        if rejected == 0 {
            let max = totals.iter().copied().max().unwrap_or(NOTHING);
            return Self { max, count: totals.iter().map(|total| u32::from(*total == max)).sum() };
        }
        if rejected == !0 {
            return Self::NONE;
        }
        let feasible = |bit: usize| rejected >> bit & 1 == 0;
        let max = totals.iter().enumerate().map(|(bit, total)| if feasible(bit) { *total } else { NOTHING }).max();
        let max = max.unwrap_or(NOTHING);
        let count = totals.iter().enumerate().map(|(bit, total)| u32::from(feasible(bit) && *total == max)).sum();
        Self { max, count }
    }

    fn of_stretches(stretches: &[Self]) -> Self {
        let max = stretches.iter().map(|best| best.max).max().unwrap_or(NOTHING);
        let count = stretches.iter().filter(|best| best.max == max).map(|best| best.count).sum();
        Self { max, count }
    }
}

/// Totals by rank, with their maxima over stretches of ranks and stretches of those, so that the best are found without
/// looking at all.
#[derive(Debug, Default)]
pub(super) struct Totals {
    by_rank: Vec<i64>,
    /// By [`WORD`] ranks.
    blocks: Vec<Best>,
    /// By [`WORD`] blocks.
    regions: Vec<Best>,
}

impl Totals {
    /// Zero for this many ranks, none of them feasible.
    pub(super) fn reset(&mut self, ranks: usize) {
        self.by_rank.clear();
        self.by_rank.resize(ranks, 0);
        self.blocks.clear();
        self.blocks.resize(ranks.div_ceil(WORD), Best::NONE);
        self.regions.clear();
        self.regions.resize(self.blocks.len().div_ceil(WORD), Best::NONE);
    }

    /// Totals by rank; [`Totals::refresh`] has to follow a change.
    pub(super) fn all(&mut self) -> &mut [i64] {
        &mut self.by_rank
    }

    pub(super) fn len(&self) -> usize {
        self.by_rank.len()
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Looks again at the blocks in `dirty`; `rejected` has the ranks that are not feasible.
    pub(super) fn refresh(&mut self, dirty: &Bits, rejected: &Bits) {
        for (region, word) in dirty.words().iter().enumerate().filter(|(_, word)| **word != 0) {
            for block in in_word(region, *word) {
                let ranks = stretch(block, self.by_rank.len());
                self.blocks[block] = Best::of_ranks(&self.by_rank[ranks], rejected.words()[block]);
            }
            self.regions[region] = Best::of_stretches(&self.blocks[stretch(region, self.blocks.len())]);
        }
    }

    pub(super) fn get(&self, rank: usize) -> i64 {
        self.by_rank[rank]
    }

    /// The rank of the `pick(n)`-th of the `n` feasible nodes that share the largest total. `pick` gives less than `n`.
    pub(super) fn best(&self, rejected: &Bits, pick: impl FnOnce(usize) -> usize) -> Option<usize> {
        let Best { max, count } = Best::of_stretches(&self.regions);
        if count == 0 {
            return None;
        }
        let mut left = pick(count as usize) as u32;
        let region = nth(&self.regions, 0..self.regions.len(), max, &mut left)?;
        let block = nth(&self.blocks, stretch(region, self.blocks.len()), max, &mut left)?;
        let mut tied =
            stretch(block, self.by_rank.len()).filter(|rank| self.by_rank[*rank] == max && !rejected.has(*rank));
        tied.nth(left as usize)
    }

    /// The feasible ranks that share the largest total, in order.
    pub(super) fn tied(&self, rejected: &Bits) -> Vec<usize> {
        let Best { max, count } = Best::of_stretches(&self.regions);
        let mut tied = Vec::with_capacity(count as usize);
        if count == 0 {
            return tied;
        }
        let equal = |stretches: &[Best], range: std::ops::Range<usize>| {
            range.filter(|index| stretches[*index].max == max).collect::<SmallVec<[usize; WORD]>>()
        };
        for region in equal(&self.regions, 0..self.regions.len()) {
            for block in equal(&self.blocks, stretch(region, self.blocks.len())) {
                let ranks = stretch(block, self.by_rank.len());
                tied.extend(ranks.filter(|rank| self.by_rank[*rank] == max && !rejected.has(*rank)));
            }
        }
        tied
    }

    /// The feasible ranks with the largest totals, best first, by name among equals.
    pub(super) fn top(&self, rejected: &Bits, count: usize) -> SmallVec<[usize; 5]> {
        let mut best: SmallVec<[usize; 5]> = SmallVec::new();
        // Later ones must be better than the worst that is kept.
        let wanted = |best: &SmallVec<[usize; 5]>, total: i64| {
            total != NOTHING && (best.len() < count || best.last().is_some_and(|rank| total > self.by_rank[*rank]))
        };
        for (region, found) in self.regions.iter().enumerate() {
            if !wanted(&best, found.max) {
                continue;
            }
            for block in stretch(region, self.blocks.len()) {
                if !wanted(&best, self.blocks[block].max) {
                    continue;
                }
                for rank in in_word(block, !rejected.words()[block]).take_while(|rank| *rank < self.by_rank.len()) {
                    let total = self.by_rank[rank];
                    if wanted(&best, total) {
                        best.truncate(count - 1);
                        let at = best.iter().position(|other| self.by_rank[*other] < total).unwrap_or(best.len());
                        best.insert(at, rank);
                    }
                }
            }
        }
        best
    }
}

/// What lies in a stretch of [`WORD`] of `len` things.
fn stretch(index: usize, len: usize) -> std::ops::Range<usize> {
    index * WORD..len.min((index + 1) * WORD)
}

/// The stretch that has the `left`-th node with the total `max`; `left` becomes its number within.
fn nth(stretches: &[Best], range: std::ops::Range<usize>, max: i64, left: &mut u32) -> Option<usize> {
    range.into_iter().filter(|index| stretches[*index].max == max).find(|index| {
        let count = stretches[*index].count;
        let found = *left < count;
        *left -= if found { 0 } else { count };
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(len: usize, of: &[usize]) -> Bits {
        let mut bits = Bits::default();
        bits.reset(len);
        for index in of {
            bits.set(*index, true);
        }
        bits
    }

    fn totals(values: &[i64], rejected: &Bits) -> Totals {
        let mut totals = Totals::default();
        totals.reset(values.len());
        totals.all().copy_from_slice(values);
        let all: Vec<usize> = (0..totals.blocks()).collect();
        totals.refresh(&set(totals.blocks(), &all), rejected);
        totals
    }

    #[test]
    fn ties_are_counted_over_stretches_in_the_order_of_names() {
        const LEN: usize = 9000;
        let mut values = vec![1; LEN];
        for rank in [3, 150, 151, 4095, 8999] {
            values[rank] = 9;
        }
        let mut rejected = set(LEN, &[3, 200]);
        let mut totals = totals(&values, &rejected);
        let pick = |totals: &Totals, rejected: &Bits, wanted: usize| {
            totals.best(rejected, |tied| {
                assert_eq!(tied, 4);
                wanted
            })
        };
        assert_eq!(pick(&totals, &rejected, 0), Some(150));
        assert_eq!(pick(&totals, &rejected, 1), Some(151));
        assert_eq!(pick(&totals, &rejected, 2), Some(4095));
        assert_eq!(pick(&totals, &rejected, 3), Some(8999));
        assert_eq!(totals.tied(&rejected), [150, 151, 4095, 8999]);
        assert_eq!(totals.top(&rejected, 5).as_slice(), [150, 151, 4095, 8999, 0]);
        totals.all()[150] = 10;
        rejected.set(8999, true);
        totals.refresh(&set(totals.blocks(), &[150 / WORD, 8999 / WORD]), &rejected);
        assert_eq!(totals.best(&rejected, |tied| tied - 1), Some(150));
        assert_eq!(totals.top(&rejected, 4).as_slice(), [150, 151, 4095, 0]);
    }

    #[test]
    fn nothing_feasible_gives_nothing() {
        let rejected = set(70, &(0..70).collect::<Vec<_>>());
        let none = totals(&[1; 70], &rejected);
        assert_eq!(none.best(&rejected, |_| 0), None);
        assert!(none.tied(&rejected).is_empty());
        assert!(none.top(&rejected, 5).is_empty());
        assert_eq!(totals(&[], &set(0, &[])).best(&set(0, &[]), |_| 0), None);
    }
}
