//! Sets of ranks as bits.

/// Ranks in a word.
pub(crate) const WORD: usize = 64;

/// A set of numbers below a length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// The empty set, for numbers below `len`.
    pub(crate) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(WORD), 0);
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.words[index / WORD] >> (index % WORD) & 1 != 0
    }

    pub(crate) fn set(&mut self, index: usize, is_in: bool) {
        let bit = 1 << (index % WORD);
        let word = &mut self.words[index / WORD];
        *word = if is_in { *word | bit } else { *word & !bit };
    }

    /// Words, the lowest numbers first and in the lowest bits. Bits from the length on are clear.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Adds another set of the same length.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Adds all numbers below `len`, the length.
    pub(crate) fn fill(&mut self, len: usize) {
        self.words.fill(!0);
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), len % WORD) {
            *last = (1 << rest) - 1;
        }
    }

    /// Takes away another set of the same length.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }
}

/// The numbers in a word of a set, `index` being the word's place.
pub(crate) fn in_word(index: usize, mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then_some(word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(index * WORD + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_order() {
        let mut bits = Bits::default();
        bits.reset(130);
        for index in [129, 0, 63, 64] {
            bits.set(index, true);
        }
        bits.set(64, false);
        let all = |bits: &Bits| bits.words().iter().enumerate().flat_map(|(i, w)| in_word(i, *w)).collect::<Vec<_>>();
        assert_eq!(all(&bits), [0, 63, 129]);
        assert_eq!(bits.count(), 3);
        assert!(bits.has(63) && !bits.has(64));
        let mut other = Bits::default();
        other.reset(130);
        other.set(5, true);
        other.add_all(&bits);
        assert_eq!(all(&other), [0, 5, 63, 129]);
    }
}
