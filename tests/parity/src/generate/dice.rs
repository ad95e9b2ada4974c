//! The one source of chance: the same profile and seed give the same cluster on every machine.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A seeded generator with the draws that the generator needs.
pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    /// `stream` keeps the profiles apart: seed 1 of one profile has nothing in common with seed 1 of another.
    pub(super) fn new(stream: &str, seed: u64) -> Self {
        // FNV-1a: any fixed mixing does, and this one does not change with a library.
        let hash = stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut state = [0; 16];
        state[..8].copy_from_slice(&hash.to_le_bytes());
        state[8..].copy_from_slice(&seed.to_le_bytes());
        let mut dice = Self(Pcg64Mcg::from_seed(state));
        // Seeds that differ in few bits give similar first draws.
        for _ in 0..8 {
            dice.bits();
        }
        dice
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability.clamp(0.0, 1.0))
    }

    /// A whole number, both ends included.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A count or an index, both ends included.
    pub(super) fn count(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high.max(low))
    }

    /// A fraction.
    pub(super) fn fraction(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// One of the items, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.0.random_range(0..items.len())]
    }

    /// One of the items by weight.
    pub(super) fn weighted<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let total = items.iter().map(|(weight, _)| weight).sum();
        let mut left = self.0.random_range(0..total);
        for (weight, item) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        items[items.len() - 1].1
    }

    /// Some of the items in random order: `low` to `high` of them, no item twice.
    pub(super) fn some<T: Clone>(&mut self, items: &[T], low: usize, high: usize) -> Vec<T> {
        let mut items = items.to_vec();
        self.shuffle(&mut items);
        items.truncate(self.count(low, high));
        items
    }

    /// Random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.0.random_range(0..=at));
        }
    }

    /// A UUID.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    fn bits(&mut self) -> u64 {
        self.0.random()
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn draws_follow_from_stream_and_seed() {
        let draws = |stream, seed| {
            let mut dice = Dice::new(stream, seed);
            (0..20).map(|_| dice.range(0, 1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(draws("a", 1), draws("a", 1));
        assert_ne!(draws("a", 1), draws("a", 2));
        assert_ne!(draws("a", 1), draws("b", 1));
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut dice = Dice::new("bounds", 7);
        let mut seen = [0; 3];
        for _ in 0..300 {
            seen[(dice.range(-1, 1) + 1) as usize] += 1;
            assert!((0.25..0.5).contains(&dice.fraction(0.25, 0.5)));
            assert_eq!(dice.weighted(&[(0, 'a'), (3, 'b')]), 'b');
            let some = dice.some(&[1, 2, 3], 1, 2);
            assert!((1..=2).contains(&some.len()) && (some.len() == 1 || some[0] != some[1]));
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(dice.uid().len(), 36);
    }
}
