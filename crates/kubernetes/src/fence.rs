//! What keeps an instance that may have lost the lease from writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use loadline_model::Time;

use crate::clock;

/// Open while the lease is certainly held. Looked at right before each request that only the leader may send.
#[derive(Clone, Debug)]
pub struct Fence {
    until: Arc<AtomicI64>,
}

impl Fence {
    /// Always open: there is no election.
    pub fn open() -> Self {
        Self { until: Arc::new(AtomicI64::new(Time::MAX)) }
    }

    /// Closed until the lease is won.
    pub(crate) fn closed() -> Self {
        Self { until: Arc::new(AtomicI64::new(Time::MIN)) }
    }

    /// Whether it is open at this moment.
    pub fn is_open(&self) -> bool {
        clock::now() < self.until.load(Ordering::Acquire)
    }

    /// For how long it has been closed though nobody closed it: the lease was held and could not be renewed. Zero while it is open.
    pub fn overdue(&self) -> Duration {
        match self.until.load(Ordering::Acquire) {
            Time::MIN => Duration::ZERO,
            until => Duration::from_nanos(clock::now().saturating_sub(until).max(0) as u64),
        }
    }

    /// Leaves it open until a time.
    pub(crate) fn open_until(&self, until: Time) {
        self.until.store(until, Ordering::Release);
    }

    /// Closes it.
    pub(crate) fn close(&self) {
        self.until.store(Time::MIN, Ordering::Release);
    }
}
