//! What keeps an instance that may have lost the lease from writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use loadline_model::Time;

use crate::clock;

/// Open while the lease is certainly held. Looked at right before each request that only the leader may send.
#[derive(Clone, Debug)]
pub struct Fence {
    state: Arc<State>,
    /// What was decided in one term is not written in another: somebody else may have led between them.
    term: Option<u64>,
}

#[derive(Debug)]
struct State {
    until: AtomicI64,
    /// How often it was closed.
    term: AtomicU64,
}

impl Fence {
    fn until(until: Time) -> Self {
        Self { state: Arc::new(State { until: AtomicI64::new(until), term: AtomicU64::new(0) }), term: None }
    }

    /// Always open: there is no election.
    pub fn open() -> Self {
        Self::until(Time::MAX)
    }

    /// Closed until the lease is won.
    pub(crate) fn closed() -> Self {
        Self::until(Time::MIN)
    }

    /// The same fence for what is decided now: it stays closed for that once it was closed.
    pub(crate) fn of_this_term(&self) -> Self {
        Self { state: Arc::clone(&self.state), term: Some(self.state.term.load(Ordering::Acquire)) }
    }

    /// Whether it is open at this moment.
    pub fn is_open(&self) -> bool {
        clock::now() < self.state.until.load(Ordering::Acquire)
            && self.term.is_none_or(|term| term == self.state.term.load(Ordering::Acquire))
    }

    /// For how long it has been closed though nobody closed it: the lease was held and could not be renewed. Zero while it is open.
    pub fn overdue(&self) -> Duration {
        match self.state.until.load(Ordering::Acquire) {
            Time::MIN => Duration::ZERO,
            until => Duration::from_nanos(clock::now().saturating_sub(until).max(0) as u64),
        }
    }

    /// Leaves it open until a time.
    pub(crate) fn open_until(&self, until: Time) {
        self.state.until.store(until, Ordering::Release);
    }

    /// Closes it, which ends a term.
    pub(crate) fn close(&self) {
        self.state.until.store(Time::MIN, Ordering::Release);
        self.state.term.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_in_one_term_is_not_written_in_the_next() {
        let fence = Fence::closed();
        fence.open_until(Time::MAX);
        let first = fence.of_this_term();
        assert!(fence.is_open() && first.is_open());
        fence.close();
        assert!(!fence.is_open() && !first.is_open());
        fence.open_until(Time::MAX);
        let second = fence.of_this_term();
        assert!(fence.is_open() && second.is_open());
        assert!(!first.is_open());
    }

    #[test]
    fn only_what_nobody_closed_is_overdue() {
        let fence = Fence::closed();
        assert_eq!(fence.overdue(), Duration::ZERO);
        fence.open_until(clock::now() - 1_000_000_000);
        assert!(fence.overdue() >= Duration::from_secs(1));
        fence.close();
        assert_eq!(fence.overdue(), Duration::ZERO);
    }
}
