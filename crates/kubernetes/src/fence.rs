//! What keeps an instance that may have lost the lease from writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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

    /// Leaves it open until a time.
    pub(crate) fn open_until(&self, until: Time) {
        self.until.store(until, Ordering::Release);
    }

    /// Closes it.
    pub(crate) fn close(&self) {
        self.until.store(Time::MIN, Ordering::Release);
    }
}
