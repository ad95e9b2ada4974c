//! A limit of requests in a time, as `clientConnection.qps` and `burst` set it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loadline_model::Time;

use crate::clock;

const SECOND: f64 = 1e9;

/// A bucket of tokens: as many as `burst` are there at first, and `qps` come in each second.
#[derive(Debug)]
pub(crate) struct Limit {
    qps: f64,
    burst: f64,
    /// Tokens, negative when requests wait for some that are still to come; and when they were counted.
    tokens: Mutex<(f64, Time)>,
}

impl Limit {
    pub(crate) fn new(qps: f32, burst: i32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { qps: f64::from(qps), burst, tokens: Mutex::new((burst, clock::now())) }
    }

    /// Waits for a token, behind all who asked before.
    pub(crate) async fn take(&self) {
        let wait = self.take_at(clock::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn take_at(&self, now: Time) -> Duration {
        let mut state = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, counted) = *state;
        let tokens = (tokens + (now - counted).max(0) as f64 / SECOND * self.qps).min(self.burst) - 1.0;
        *state = (tokens, now.max(counted));
        Duration::from_secs_f64((-tokens / self.qps).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_one_by_one() {
        let limit = Limit::new(10.0, 3);
        let begin = clock::now();
        let waits: Vec<u128> = (0..6).map(|_| limit.take_at(begin).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        // Two seconds later all who waited are through, and the bucket is full again, not fuller.
        let later = begin + 2_000_000_000;
        let waits: Vec<u128> = (0..4).map(|_| limit.take_at(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100]);
    }
}
