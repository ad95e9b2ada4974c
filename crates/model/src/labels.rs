//! Label sets.

use std::hash::{Hash, Hasher};

use crate::Str;

/// Labels of an object, sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    entries: Box<[(Str, Str)]>,
}

impl Labels {
    /// From pairs in any order; of two with the same key the later one wins.
    pub fn new(mut entries: Vec<(Str, Str)>) -> Self {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        // Stable sort: the last of equal keys is the one to keep.
        entries.reverse();
        entries.dedup_by(|a, b| a.0 == b.0);
        entries.reverse();
        Self { entries: entries.into_boxed_slice() }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Str> {
        // Linear: label sets are short, and most keys differ in length, which a comparison sees first.
        self.entries.iter().find(|(k, _)| k.as_str() == key).map(|(_, v)| v)
    }

    /// Whether `key` is present.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Str, Str)> {
        self.entries.iter()
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
    }
}

impl<K: Into<Str>, V: Into<Str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::new(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_duplicate_wins_and_keys_are_sorted() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        let pairs: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "2"), ("b", "3")]);
    }
}
