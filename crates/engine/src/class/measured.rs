//! Normalised scores of measurements ([`Normalization::Measured`](loadline_framework::Normalization::Measured)).
//!
//! Whoever takes the least used node moves the bounds, and with them each node's score, but by so little that most nodes
//! keep theirs. So all are computed anew, many in one step of the processor, and only where one differs is there more to do.

use loadline_framework::{Bounds, UNKNOWN, less_is_better};

use super::lane::Moved;
use super::totals::Totals;
use crate::bits::{WORD, in_word};
use crate::measurements::{Extent, Measurements};

/// From so many other scores in a stretch on, looking at all of it again is no more work.
const FEW: u32 = 16;

/// What the scores go by, [`less_is_better`]. The measurements themselves are the column's.
#[derive(Debug)]
pub(super) struct Measured {
    extent: Extent,
    /// How they are reckoned, where it can be done so.
    steps: Option<Steps>,
}

/// A measurement loses `each` of the score for each unit that it is above `min`, and fractions are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Steps {
    min: f64,
    each: f64,
    /// A loss is a whole number of hundredths of `each`. With half of one more none is nearer to a whole number than the errors of
    /// the reckoning reach, and the whole part is the same. Where all are equal they lose everything.
    more: f64,
    mean: f64,
}

impl Steps {
    fn new(Extent { bounds, mean }: Extent) -> Option<Self> {
        /// With larger ones what is added comes near to what multiplying is wrong by.
        const EXACT: u64 = 1 << 42;
        let range = bounds.max.abs_diff(bounds.min);
        if range > EXACT || bounds.min.unsigned_abs() > EXACT {
            return None;
        }
        let (each, more) = if range == 0 { (0.0, 100.0) } else { (100.0 / range as f64, 0.5 / range as f64) };
        Some(Self { min: bounds.min as f64, each, more, mean: mean as f64 })
    }

    /// The score of a measurement, or of none.
    fn score(self, measured: f64) -> u8 {
        let measured = if measured.is_nan() { self.mean } else { measured };
        let lost = (measured - self.min) * self.each + self.more;
        // The cast keeps to what a byte can hold.
        100 - (lost as u8).min(100)
    }
}

impl Default for Measured {
    fn default() -> Self {
        Self::new(Extent { bounds: Bounds { min: 0, max: 0 }, mean: 0 })
    }
}

impl Measured {
    fn new(extent: Extent) -> Self {
        Self { extent, steps: Steps::new(extent) }
    }

    /// What is said of a feasible node that has this measurement.
    pub(super) fn raw(&self, raw: i64) -> i64 {
        if raw == UNKNOWN { self.extent.mean } else { raw }
    }

    /// The score of a node. Of one that is not feasible and out of the bounds it is that of the nearer bound.
    fn score(&self, measured: f64, raw: impl FnOnce() -> i64) -> u8 {
        let Extent { bounds, .. } = self.extent;
        match self.steps {
            Some(steps) => steps.score(measured),
            None => less_is_better(self.raw(raw()).clamp(bounds.min, bounds.max), bounds) as u8,
        }
    }

    /// The scores of nodes with these measurements; `raw` has them as they are.
    fn fill(&self, measured: &[f64], raw: impl Fn(usize) -> i64, scores: &mut [u8]) {
        let each = scores.iter_mut().zip(measured);
        if let Some(steps) = self.steps {
            each.for_each(|(score, measured)| *score = steps.score(*measured));
        } else {
            each.enumerate().for_each(|(at, (score, measured))| *score = self.score(*measured, || raw(at)));
        }
    }

    /// Brings the scores up to date, and the totals with `weight`; `raw` gives the measurement of a rank. All of them may be
    /// others when `dense`.
    pub(super) fn update(
        &mut self,
        (measurements, raw): (&Measurements, impl Fn(usize) -> i64 + Copy),
        (moved, dense): (&Moved<'_>, bool),
        scores: &mut [u8],
        (totals, weight): (&mut Totals, i64),
    ) {
        let measured = measurements.by_rank();
        let extent = measurements.extent(moved.rejected, raw);
        let moves = extent != self.extent;
        if moves {
            *self = Self::new(extent);
        }
        if !dense && !moves {
            for rank in moved.ranks {
                let now = self.score(measured[*rank], || raw(*rank));
                let before = std::mem::replace(&mut scores[*rank], now);
                totals.add(*rank, weight * (i64::from(now) - i64::from(before)), moved.rejected);
            }
            return;
        }
        let mut now = [0; WORD];
        for (block, (scores, measured)) in scores.chunks_mut(WORD).zip(measured.chunks(WORD)).enumerate() {
            let now = &mut now[..scores.len()];
            self.fill(measured, |at| raw(block * WORD + at), now);
            let more = |at: usize| weight * (i64::from(now[at]) - i64::from(scores[at]));
            let other = differences(scores, now);
            if other.count_ones() < FEW {
                in_word(0, other).for_each(|at| totals.add(block * WORD + at, more(at), moved.rejected));
            } else {
                totals.add_block(block, more);
            }
            scores.copy_from_slice(now);
        }
    }
}

/// Where two stretches of at most [`WORD`] differ, the first in the lowest bit.
fn differences(these: &[u8], those: &[u8]) -> u64 {
    const BYTES: usize = size_of::<u64>();
    let (mut found, mut first) = (0, 0);
    let mut both = these.chunks_exact(BYTES).zip(those.chunks_exact(BYTES));
    for (these, those) in &mut both {
        // Most often there is none.
        if these != those {
            let each = these.iter().zip(those).enumerate();
            found |= each.fold(0, |found, (at, (a, b))| found | u64::from(a != b) << at) << first;
        }
        first += BYTES;
    }
    let rest = these[first..].iter().zip(&those[first..]).enumerate();
    rest.fold(found, |found, (at, (a, b))| found | u64::from(a != b) << (first + at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_scale_says_what_the_formula_says(
            raw in prop_oneof![
                Just(-5..300), Just(0..100_000), Just(0..1 << 42), Just(i64::MIN..UNKNOWN)
            ].prop_flat_map(|range| prop::collection::vec(range, 1..70)),
        ) {
            for raw in [&raw[..], &raw[..1]] {
                let Some((min, max)) = raw.iter().min().zip(raw.iter().max()) else { return Ok(()) };
                let bounds = Bounds { min: *min, max: *max };
                let measured = Measured::new(Extent { bounds, mean: raw[0] });
                let floats: Vec<f64> = raw.iter().map(|raw| *raw as f64).chain([f64::NAN]).collect();
                let mut scores = vec![0; floats.len()];
                measured.fill(&floats, |at| raw.get(at).copied().unwrap_or(UNKNOWN), &mut scores);
                for (raw, score) in raw.iter().chain([&raw[0]]).zip(&scores) {
                    prop_assert_eq!(i64::from(*score), less_is_better(*raw, bounds), "{} in {:?}", raw, bounds);
                }
            }
        }

        #[test]
        fn differences_are_found(these in prop::collection::vec(0_u8..3, 0..=WORD), at in 0..WORD, other in 0_u8..3) {
            let mut those = these.clone();
            if let Some(one) = those.get_mut(at) {
                *one = other;
            }
            let expected = (0..these.len()).filter(|at| these[*at] != those[*at]).fold(0, |all, at| all | 1 << at);
            prop_assert_eq!(differences(&these, &those), expected);
        }
    }
}
