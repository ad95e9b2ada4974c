//! Normalised scores of measurements ([`Normalization::Measured`](loadline_framework::Normalization::Measured)).
//!
//! Whoever takes the least used node moves the bounds, and with them each node's score, by very little: most nodes keep
//! theirs. So the bounds are kept as the largest measurement of each score, and each node's is compared with those of the
//! score that it has.

use std::ops::Range;

use loadline_framework::{Bounds, UNKNOWN, mean};

use super::lane::Moved;
use crate::bits::{WORD, in_word};

/// Scores that there are: 0 to 100.
const SCORES: usize = 101;

/// What the scores go by. The measurements themselves are the column's.
#[derive(Debug)]
pub(super) struct Measured {
    /// Of the feasible nodes, by [`WORD`] ranks.
    spreads: Vec<Spread>,
    scale: Scale,
}

/// Measurements of some feasible nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spread {
    min: i64,
    max: i64,
    sum: i128,
    /// How many of them are known.
    known: usize,
}

impl Spread {
    const NONE: Self = Self { min: i64::MAX, max: i64::MIN, sum: 0, known: 0 };

    /// Of the feasible nodes in a stretch of ranks.
    fn of(ranks: Range<usize>, rejected: u64, raw: impl Fn(usize) -> i64) -> Self {
        let mut spread = Self::NONE;
        let mut add = |rank: usize| {
            let raw = raw(rank);
            if raw != UNKNOWN {
                spread.min = spread.min.min(raw);
                spread.max = spread.max.max(raw);
                spread.sum += i128::from(raw);
                spread.known += 1;
            }
        };
        if rejected == 0 {
            ranks.for_each(add);
        } else {
            let first = ranks.start;
            in_word(0, !rejected).map(|at| first + at).take_while(|rank| ranks.contains(rank)).for_each(&mut add);
        }
        spread
    }

    /// What a scale goes by: the bounds, and the mean.
    fn sums(self) -> (Bounds, i64) {
        let (min, max) = if self.known == 0 { (0, 0) } else { (self.min, self.max) };
        (Bounds { min, max }, mean(self.sum, self.known))
    }

    fn and(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
            known: self.known + other.known,
        }
    }
}

/// Which measurements become which score, by [`loadline_framework::less_is_better`].
#[derive(Debug)]
struct Scale {
    bounds: Bounds,
    /// By score: the largest measurement that becomes it. After the last, what none is below; one for each number that a
    /// byte can be and one more, so that nobody has to look whether there is one.
    at_most: [i64; u8::MAX as usize + 2],
    /// Scores, and fractions of them, for each measurement that there can be.
    scores_each: f64,
    /// In the place of what is not known.
    mean: i64,
}

impl Scale {
    fn new(bounds: Bounds, mean: i64) -> Self {
        let mut at_most = [i64::MIN; u8::MAX as usize + 2];
        at_most[0] = i64::MAX;
        let range = bounds.max.abs_diff(bounds.min);
        let (hundredths, rest) = (range / 100, range % 100);
        if range > 0 {
            for (score, at_most) in at_most[..SCORES].iter_mut().enumerate().skip(1) {
                // A measurement has the score if 100 times what it lies above the smallest is below so many ranges.
                let ranges = (SCORES - score) as u64;
                let above = ranges * hundredths + (ranges * rest).div_ceil(100) - 1;
                *at_most = bounds.min.wrapping_add_unsigned(above);
            }
        }
        let scores_each = if range > 0 { 100.0 / range as f64 } else { 0.0 };
        Self { bounds, at_most, scores_each, mean }
    }

    /// What is said of a node.
    fn raw(&self, raw: i64) -> i64 {
        if raw == UNKNOWN { self.mean } else { raw }
    }

    /// The score of a measurement that is known.
    fn score(&self, raw: i64) -> u8 {
        // What is lost of fractions is made good for below.
        let lost = raw.saturating_sub(self.bounds.min) as f64 * self.scores_each;
        let mut score = 100_usize.saturating_sub(lost as usize);
        while raw > self.at_most[score] {
            score -= 1;
        }
        while score + 1 < SCORES && raw <= self.at_most[score + 1] {
            score += 1;
        }
        score as u8
    }

    /// The score of a node that had `before`, from which it is rarely more than one away.
    fn score_from(&self, raw: i64, before: u8) -> u8 {
        let raw = self.raw(raw);
        // Without a branch: whether it moves can not be foreseen, and there are many nodes.
        let at = usize::from(before);
        let near = at + usize::from(raw <= self.at_most[at + 1]) - usize::from(raw > self.at_most[at]);
        let is_right = raw <= self.at_most[near] && raw > self.at_most[near + 1];
        if is_right { near as u8 } else { self.score(raw) }
    }
}

impl Default for Measured {
    fn default() -> Self {
        let (bounds, mean) = Spread::NONE.sums();
        Self { spreads: Vec::new(), scale: Scale::new(bounds, mean) }
    }
}

impl Measured {
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.spreads.as_slice())
    }

    /// What is said of a feasible node that has this measurement.
    pub(super) fn raw(&self, raw: i64) -> i64 {
        self.scale.raw(raw)
    }

    /// Brings the scores up to date; `raw` gives the measurement of a rank, and all of them may be others when `dense`.
    /// Shows the ranks that were looked at, with the score before and the new one.
    pub(super) fn update(
        &mut self,
        raw: impl Fn(usize) -> i64 + Copy,
        (moved, dense): (&Moved<'_>, bool),
        scores: &mut [u8],
        mut show: impl FnMut(usize, u8, u8),
    ) {
        let (ranks, words) = (scores.len(), moved.rejected.words());
        let spread = |block: usize| Spread::of(block * WORD..ranks.min((block + 1) * WORD), words[block], raw);
        if dense || moved.bulk {
            self.spreads.clear();
            self.spreads.extend((0..ranks.div_ceil(WORD)).map(spread));
        } else {
            for ranks in moved.ranks.chunk_by(|a, b| a / WORD == b / WORD) {
                self.spreads[ranks[0] / WORD] = spread(ranks[0] / WORD);
            }
        }
        let (bounds, mean) = self.spreads.iter().copied().fold(Spread::NONE, Spread::and).sums();
        let moves = (bounds, mean) != (self.scale.bounds, self.scale.mean);
        if moves {
            self.scale = Scale::new(bounds, mean);
        }
        let mut put = |rank: usize, score: &mut u8| {
            let before = *score;
            *score = self.scale.score_from(raw(rank), before);
            show(rank, before, *score);
        };
        if dense || moves {
            scores.iter_mut().enumerate().for_each(|(rank, score)| put(rank, score));
        } else {
            moved.ranks.iter().for_each(|rank| put(*rank, &mut scores[*rank]));
        }
    }
}

#[cfg(test)]
mod tests {
    use loadline_framework::less_is_better;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_scale_says_what_the_formula_says(
            raw in prop::collection::vec(prop_oneof![-5i64..300, 0i64..100_000, i64::MIN..UNKNOWN], 1..50),
        ) {
            let Some((min, max)) = raw.iter().min().zip(raw.iter().max()) else { return Ok(()) };
            let bounds = Bounds { min: *min, max: *max };
            let scale = Scale::new(bounds, raw[0]);
            prop_assert_eq!(scale.score_from(UNKNOWN, 0), scale.score(raw[0]));
            for raw in &raw {
                let score = less_is_better(*raw, bounds);
                prop_assert_eq!(i64::from(scale.score(*raw)), score, "{} in {:?}", raw, bounds);
                for before in 0..SCORES as u8 {
                    prop_assert_eq!(i64::from(scale.score_from(*raw, before)), score);
                }
            }
        }
    }
}
