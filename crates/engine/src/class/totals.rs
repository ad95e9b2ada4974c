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

    /// Of the totals of a block without those in `rejected`, its word.
    fn of_ranks(totals: &[i64], rejected: u64) -> Self {
        let mut best = Self::NONE;
        if rejected == 0 {
            for total in totals {
                best.see(*total);
            }
        } else {
            for total in in_word(0, !rejected).map_while(|at| totals.get(at)) {
                best.see(*total);
            }
        }
        best
    }

    /// One more has this total.
    fn see(&mut self, total: i64) {
        if total > self.max {
            *self = Self { max: total, count: 1 };
        } else if total == self.max {
            self.count += 1;
        }
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
    /// Blocks to be looked at again, because of [`Totals::add`] or [`Totals::add_block`].
    stale: Bits,
    /// Whether any block is another since the regions were looked at.
    moved: bool,
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
        self.stale.reset(self.blocks.len());
        self.moved = false;
    }

    /// Totals by rank; [`Totals::refresh`] has to follow a change.
    pub(super) fn all(&mut self) -> &mut [i64] {
        &mut self.by_rank
    }

    /// Adds to one total; [`Totals::refresh`] has to follow, and need not be told of it.
    pub(super) fn add(&mut self, rank: usize, more: i64, rejected: &Bits) {
        let before = self.by_rank[rank];
        let total = before + more;
        self.by_rank[rank] = total;
        if rejected.has(rank) || more == 0 {
            return;
        }
        let block = rank / WORD;
        let best = &mut self.blocks[block];
        if total >= best.max {
            best.see(total);
            self.moved = true;
        } else if before == best.max {
            // Who is the best now is not to be known without looking.
            self.stale.set(block, true);
        }
    }

    /// Adds to the totals of a block, `more` by place in it; [`Totals::refresh`] has to follow.
    pub(super) fn add_block(&mut self, block: usize, more: impl Fn(usize) -> i64) {
        let ranks = stretch(block, self.by_rank.len());
        for (at, total) in self.by_rank[ranks].iter_mut().enumerate() {
            *total += more(at);
        }
        self.stale.set(block, true);
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
        let moved = std::mem::take(&mut self.moved);
        for (region, dirty) in dirty.words().iter().enumerate() {
            let word = dirty | std::mem::take(&mut self.stale.words_mut()[region]);
            for block in in_word(region, word) {
                let ranks = stretch(block, self.by_rank.len());
                self.blocks[block] = Best::of_ranks(&self.by_rank[ranks], rejected.words()[block]);
            }
            if moved || word != 0 {
                self.regions[region] = Best::of_stretches(&self.blocks[stretch(region, self.blocks.len())]);
            }
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
                let totals = &self.by_rank[stretch(block, self.by_rank.len())];
                let are_best =
                    totals.iter().enumerate().fold(0, |found, (at, total)| found | u64::from(*total == max) << at);
                tied.extend(in_word(block, are_best & !rejected.words()[block]));
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn what_is_added_is_as_if_all_were_looked_at(
            values in prop::collection::vec(0..5_i64, 1..3 * WORD),
            turned_down in prop::collection::vec(0..3 * WORD, 0..20),
            steps in prop::collection::vec((0..3 * WORD, -2..3_i64, any::<bool>()), 1..20),
        ) {
            let turned_down: Vec<usize> = turned_down.into_iter().filter(|rank| *rank < values.len()).collect();
            let rejected = set(values.len(), &turned_down);
            let mut kept = totals(&values, &rejected);
            let mut values = values;
            for (at, more, whole) in steps {
                let at = at % values.len();
                if whole {
                    let ranks = stretch(at / WORD, values.len());
                    values[ranks].iter_mut().enumerate().for_each(|(at, value)| *value += more * (at as i64 % 3));
                    kept.add_block(at / WORD, |at| more * (at as i64 % 3));
                } else {
                    values[at] += more;
                    kept.add(at, more, &rejected);
                }
                let mut none = Bits::default();
                none.reset(kept.blocks());
                if at % 2 == 0 {
                    kept.refresh(&none, &rejected);
                    let anew = totals(&values, &rejected);
                    prop_assert_eq!(kept.tied(&rejected), anew.tied(&rejected));
                    prop_assert_eq!(kept.top(&rejected, 5), anew.top(&rejected, 5));
                    prop_assert_eq!(&kept.blocks, &anew.blocks);
                    prop_assert_eq!(&kept.regions, &anew.regions);
                }
            }
        }
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
