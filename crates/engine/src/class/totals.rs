//! Sums of the scores over all nodes, and where the largest are.

use smallvec::SmallVec;

/// Total of a node that is not feasible.
pub(super) const INFEASIBLE: i64 = i64::MIN;
/// Ranks in a [`Block`].
const BLOCK: usize = 64;

/// The largest total in a stretch of ranks, and how many nodes have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    max: i64,
    count: u32,
}

/// Totals by rank, with their maxima by stretches, so that the best are found without looking at all.
#[derive(Debug, Default)]
pub(super) struct Totals {
    totals: Vec<i64>,
    blocks: Vec<Block>,
}

impl Totals {
    /// Takes over totals that were all computed anew by `fill`, which gets zeros.
    pub(super) fn refill(&mut self, ranks: usize, fill: impl FnOnce(&mut [i64])) {
        self.totals.clear();
        self.totals.resize(ranks, 0);
        fill(&mut self.totals);
        self.blocks.clear();
        self.blocks.extend(self.totals.chunks(BLOCK).map(block));
    }

    /// Sets the totals of these ranks, which are in order.
    pub(super) fn patch(&mut self, ranks: &[usize], total: impl Fn(usize) -> i64) {
        let mut pending = None;
        for rank in ranks {
            self.totals[*rank] = total(*rank);
            let block = rank / BLOCK;
            if pending.is_some_and(|before| before != block) {
                self.refresh(pending);
            }
            pending = Some(block);
        }
        self.refresh(pending);
    }

    fn refresh(&mut self, index: Option<usize>) {
        let Some(index) = index else { return };
        let end = self.totals.len().min((index + 1) * BLOCK);
        self.blocks[index] = block(&self.totals[index * BLOCK..end]);
    }

    pub(super) fn get(&self, rank: usize) -> i64 {
        self.totals[rank]
    }

    /// The rank of the `pick(n)`-th of the `n` nodes that share the largest total. `pick` gives less than `n`.
    pub(super) fn best(&self, pick: impl FnOnce(usize) -> usize) -> Option<usize> {
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
            return self.ranks(index).filter(|rank| self.totals[*rank] == max).nth(left);
        }
        None
    }

    /// The ranks with the largest totals, best first, by name among equals.
    pub(super) fn top(&self, count: usize) -> SmallVec<[usize; 5]> {
        let mut best: SmallVec<[usize; 5]> = SmallVec::new();
        let worst = |best: &SmallVec<[usize; 5]>| best.last().map_or(INFEASIBLE, |rank| self.totals[*rank]);
        for (index, block) in self.blocks.iter().enumerate() {
            if block.max == INFEASIBLE || (best.len() == count && block.max <= worst(&best)) {
                continue;
            }
            for rank in self.ranks(index) {
                let total = self.totals[rank];
                if total == INFEASIBLE || (best.len() == count && total <= worst(&best)) {
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

    fn ranks(&self, block: usize) -> std::ops::Range<usize> {
        block * BLOCK..self.totals.len().min((block + 1) * BLOCK)
    }
}

fn block(totals: &[i64]) -> Block {
    let max = totals.iter().copied().max().unwrap_or(INFEASIBLE);
    Block { max, count: totals.iter().map(|total| u32::from(*total == max)).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(values: &[i64]) -> Totals {
        let mut totals = Totals::default();
        totals.refill(values.len(), |out| out.copy_from_slice(values));
        totals
    }

    #[test]
    fn ties_are_counted_over_blocks_in_the_order_of_names() {
        let mut values = vec![1; 200];
        values[3] = 9;
        values[150] = 9;
        values[151] = 9;
        let mut totals = totals(&values);
        let pick = |totals: &Totals, wanted: usize| {
            totals.best(|tied| {
                assert_eq!(tied, 3);
                wanted
            })
        };
        assert_eq!(pick(&totals, 0), Some(3));
        assert_eq!(pick(&totals, 1), Some(150));
        assert_eq!(pick(&totals, 2), Some(151));
        totals.patch(&[3, 150, 151], |rank| if rank == 150 { 10 } else { INFEASIBLE });
        assert_eq!(totals.best(|tied| tied - 1), Some(150));
        assert_eq!(totals.top(3).as_slice(), [150, 0, 1]);
    }

    #[test]
    fn nothing_feasible_gives_nothing() {
        assert_eq!(totals(&[INFEASIBLE; 70]).best(|_| 0), None);
        assert!(totals(&[INFEASIBLE; 70]).top(5).is_empty());
        assert_eq!(totals(&[]).best(|_| 0), None);
    }
}
