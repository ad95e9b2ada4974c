//! Answers of the API server, remembered for a few seconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// More answers are not remembered.
const MOST: usize = 4096;

#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    entries: Mutex<BTreeMap<K, (V, Instant)>>,
}

impl<K: Ord, V: Clone> Cache<K, V> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, until) = entries.get(key)?;
        (*until > now).then(|| value.clone())
    }

    pub(crate) fn put(&self, key: K, value: V, lasts: Duration, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, (_, until)| *until > now);
            // As many different askers within seconds: asking again is cheaper than guessing whom to keep.
            if entries.len() >= MOST {
                entries.clear();
            }
        }
        entries.insert(key, (value, now + lasts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_forgotten_in_time_and_never_too_many() {
        let (cache, begin, ten) = (Cache::new(), Instant::now(), Duration::from_secs(10));
        cache.put(1, "a", ten, begin);
        assert_eq!(cache.get(&1, begin), Some("a"));
        assert_eq!(cache.get(&1, begin + ten), None);
        for key in 0..2 * MOST {
            cache.put(key, "b", ten, begin);
        }
        assert!(cache.entries.lock().expect("nobody panicked").len() <= MOST);
        assert_eq!(cache.get(&(2 * MOST - 1), begin), Some("b"));
    }
}
