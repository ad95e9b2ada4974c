//! A bounded log of what changed, read by position.

/// Entries appended in order. A reader remembers [`ChangeLog::position`] and asks [`ChangeLog::since`] later; when the
/// log no longer reaches back, the reader computes anew.
#[derive(Clone, Debug)]
pub struct ChangeLog<T> {
    start: u64,
    entries: Vec<T>,
    limit: usize,
}

impl<T> ChangeLog<T> {
    /// Keeps at least the last `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self { start: 0, entries: Vec::new(), limit: limit.max(1) }
    }

    /// Raises the number of entries that are kept at least.
    pub fn raise_limit(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
    }

    /// Appends.
    pub fn push(&mut self, entry: T) {
        if self.entries.len() >= 2 * self.limit {
            // Half at a time, so that appending stays cheap on average.
            let gone = self.entries.len() - self.limit;
            self.entries.drain(..gone);
            self.start += gone as u64;
        }
        self.entries.push(entry);
    }

    /// Forgets everything, so that every reader computes anew.
    pub fn invalidate(&mut self) {
        self.start = self.position() + 1;
        self.entries.clear();
    }

    /// The position after the last entry.
    pub fn position(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    /// Entries since `position`; `None` when they are no longer kept.
    pub fn since(&self, position: u64) -> Option<&[T]> {
        let from = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.entries.get(from..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_until_trimmed() {
        let mut log = ChangeLog::new(4);
        let start = log.position();
        for i in 0..8 {
            log.push(i);
        }
        assert_eq!(log.since(start), Some(&[0, 1, 2, 3, 4, 5, 6, 7][..]));
        log.push(8);
        assert_eq!(log.since(start), None);
        assert_eq!(log.since(5), Some(&[5, 6, 7, 8][..]));
        assert_eq!(log.since(log.position()), Some(&[][..]));
        let before = log.position();
        log.invalidate();
        assert_eq!(log.since(before), None);
        assert_eq!(log.since(log.position()), Some(&[][..]));
    }
}
