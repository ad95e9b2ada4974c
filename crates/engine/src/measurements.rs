//! What a column of measurements ([`Normalization::Measured`](loadline_framework::Normalization::Measured)) says, by rank:
//! what all classes that use it share.

use loadline_framework::{Bounds, Slot, UNKNOWN, mean};

use crate::bits::{Bits, WORD, in_word};
use crate::state::NodeOrder;

/// Measurements by rank.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    layout: u64,
    /// No number where nothing was measured. Beyond 53 bits they are not exact.
    by_rank: Vec<f64>,
    /// Of all nodes, feasible or not, by [`WORD`] ranks.
    blocks: Vec<Block>,
    /// Ranks that nothing was measured of.
    unknown: usize,
}

/// Measurements of the nodes in a stretch of ranks.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// The largest there is where none is known.
    min: i64,
    /// The smallest there is where none is known.
    max: i64,
    sum: i128,
    known: u32,
    unknown: u32,
}

impl Block {
    const NONE: Self = Self { min: i64::MAX, max: i64::MIN, sum: 0, known: 0, unknown: 0 };

    fn of(raw: impl Iterator<Item = i64>) -> Self {
        let mut block = Self::NONE;
        for raw in raw {
            if raw == UNKNOWN {
                block.unknown += 1;
            } else {
                block.min = block.min.min(raw);
                block.max = block.max.max(raw);
                block.sum += i128::from(raw);
                block.known += 1;
            }
        }
        block
    }
}

/// What some nodes' scores go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Of those of which something is known.
    pub(crate) bounds: Bounds,
    /// What the others are taken for; 0 where there is none.
    pub(crate) mean: i64,
}

impl Measurements {
    /// By rank; no number where nothing was measured.
    pub(crate) fn by_rank(&self) -> &[f64] {
        &self.by_rank
    }

    /// Takes over what the column says of these slots; `None`: of all.
    pub(crate) fn sync(&mut self, raw: &[i64], changed: Option<&[Slot]>, order: &NodeOrder) {
        if changed.is_some_and(<[Slot]>::is_empty) && self.layout == order.layout() {
            return;
        }
        let by_name = order.by_name();
        let value = |raw: i64| if raw == UNKNOWN { f64::NAN } else { raw as f64 };
        let ranks = by_name.len();
        let of_rank = |rank: usize| raw[by_name[rank].index()];
        let block = |block: usize| Block::of((block * WORD..ranks.min((block + 1) * WORD)).map(of_rank));
        let mut moved = Bits::default();
        moved.reset(ranks.div_ceil(WORD));
        if let Some(changed) = changed.filter(|_| self.layout == order.layout()) {
            for rank in changed.iter().filter_map(|slot| order.rank(*slot)) {
                self.by_rank[rank] = value(of_rank(rank));
                moved.set(rank / WORD, true);
            }
        } else {
            self.layout = order.layout();
            self.by_rank.clear();
            self.by_rank.extend((0..ranks).map(of_rank).map(value));
            self.blocks.clear();
            self.blocks.resize(ranks.div_ceil(WORD), Block::NONE);
            self.unknown = 0;
            moved.fill(ranks.div_ceil(WORD));
        }
        for (index, word) in moved.words().iter().enumerate() {
            for at in in_word(index, *word) {
                self.unknown -= self.blocks[at].unknown as usize;
                self.blocks[at] = block(at);
                self.unknown += self.blocks[at].unknown as usize;
            }
        }
    }

    /// Of the nodes that are not `rejected`; `raw` gives the measurement of a rank.
    pub(crate) fn extent(&self, rejected: &Bits, raw: impl Fn(usize) -> i64) -> Extent {
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        let blocks = || self.blocks.iter().zip(rejected.words()).enumerate();
        for (at, (block, rejected)) in blocks() {
            if *rejected == 0 {
                (min, max) = (min.min(block.min), max.max(block.max));
            } else if block.min < min || block.max > max {
                // Else it does not matter who of them is feasible.
                let feasible = Block::of(self.ranks(at, !rejected).map(&raw));
                (min, max) = (min.min(feasible.min), max.max(feasible.max));
            }
        }
        let bounds = if min > max { Bounds { min: 0, max: 0 } } else { Bounds { min, max } };
        if self.unknown == 0 {
            return Extent { bounds, mean: 0 };
        }
        let (mut sum, mut known, mut unknown) = (0, 0, 0);
        for (at, (block, rejected)) in blocks() {
            // What takes fewer looks.
            if rejected.count_ones() as usize <= WORD / 2 {
                let others = Block::of(self.ranks(at, *rejected).map(&raw));
                sum += block.sum - others.sum;
                known += block.known - others.known;
                unknown += block.unknown - others.unknown;
            } else {
                let feasible = Block::of(self.ranks(at, !rejected).map(&raw));
                sum += feasible.sum;
                known += feasible.known;
                unknown += feasible.unknown;
            }
        }
        Extent { bounds, mean: if unknown == 0 { 0 } else { mean(sum, known as usize) } }
    }

    /// Ranks of a block whose bits are set in `word`.
    fn ranks(&self, block: usize, word: u64) -> impl Iterator<Item = usize> {
        let ranks = self.by_rank.len();
        in_word(block, word).take_while(move |rank| *rank < ranks)
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.by_rank.as_slice()) + size_of_val(self.blocks.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loadline_model::NodeSpec;
    use proptest::prelude::*;

    use super::*;
    use crate::state::ClusterState;

    const NODES: usize = 2 * WORD + 5;

    fn raw() -> impl Strategy<Value = i64> {
        prop_oneof![9 => -5..100_i64, 1 => Just(UNKNOWN), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn the_extent_is_that_of_the_feasible_nodes(
            first in prop::collection::vec(raw(), NODES),
            changes in prop::collection::vec((0..NODES, raw()), 0..10),
            more_than in 0..100_u8,
            rejected in prop::collection::vec(0..100_u8, NODES),
        ) {
            let mut cluster = ClusterState::new();
            for node in 0..NODES {
                // Slots and ranks run against each other.
                let name = format!("node-{:03}", NODES - node);
                cluster.set_node(Arc::new(NodeSpec { name: name.as_str().into(), ..NodeSpec::default() }));
            }
            cluster.settle();
            let order = cluster.order();
            let mut now = first;
            let mut measurements = Measurements::default();
            measurements.sync(&now, None, order);
            for (node, raw) in changes {
                now[node] = raw;
                measurements.sync(&now, Some(&[Slot(node as u32)]), order);
            }
            let of_rank = |rank: usize| now[order.by_name()[rank].index()];
            let mut out = Bits::default();
            out.reset(NODES);
            (0..NODES).filter(|rank| rejected[*rank] >= more_than).for_each(|rank| out.set(rank, true));
            let feasible: Vec<i64> = (0..NODES).filter(|rank| !out.has(*rank)).map(of_rank).collect();
            let known = || feasible.iter().copied().filter(|raw| *raw != UNKNOWN);
            let bounds = Bounds { min: known().min().unwrap_or(0), max: known().max().unwrap_or(0) };
            let all_known = known().count() == feasible.len();
            let mean = if all_known { 0 } else { mean(known().map(i128::from).sum(), known().count()) };
            prop_assert_eq!(measurements.extent(&out, of_rank), Extent { bounds, mean });
            for (rank, measured) in measurements.by_rank().iter().enumerate() {
                let as_it_is = if of_rank(rank) == UNKNOWN { f64::NAN } else { of_rank(rank) as f64 };
                prop_assert_eq!(measured.to_bits(), as_it_is.to_bits());
            }
        }
    }
}
