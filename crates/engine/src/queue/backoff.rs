//! How long a pod waits after a failed attempt.

use loadline_model::Time;

use super::pod::QueuedPod;

/// One second. Backoffs end with whole seconds, and within one second pods are ordered by priority.
pub(super) const WINDOW: Time = 1_000_000_000;

/// The settings of backoff, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// After the first failure.
    pub(super) initial: Time,
    /// At most; 0 turns backoff off.
    pub(super) max: Time,
}

impl Backoff {
    /// The beginning of the second in which the pod's backoff ends; `None` when it need not wait.
    pub(super) fn expiration(self, queued: &QueuedPod) -> Option<Time> {
        let pause = queued.gang.as_ref().and_then(|head| head.pause).map(window_of);
        self.of_pod(queued).max(pause)
    }

    fn of_pod(self, queued: &QueuedPod) -> Option<Time> {
        // Errors in a row count by themselves: their backoff spares the API server, it does not punish the pod.
        let count = match queued.consecutive_errors {
            0 => queued.unschedulable_count,
            errors => errors,
        };
        if count == 0 || self.max == 0 {
            return None;
        }
        Some(window_of(queued.timestamp.saturating_add(self.duration(count))))
    }

    /// Doubled with each failure, up to the maximum. `count` is at least 1.
    fn duration(self, count: u32) -> Time {
        let shift = count - 1;
        if self.initial > self.max.checked_shr(shift).unwrap_or(0) {
            return self.max;
        }
        self.initial.checked_shl(shift).unwrap_or(0)
    }
}

/// Whether a backoff with this expiration still lasts: through the whole second in which it ends.
pub(super) fn is_backing_off(expiration: Option<Time>, now: Time) -> bool {
    expiration.is_some_and(|expiration| expiration >= window_of(now))
}

/// The first moment at which a backoff with this expiration is over.
pub(super) fn over_at(expiration: Time) -> Time {
    expiration.saturating_add(WINDOW)
}

fn window_of(time: Time) -> Time {
    time.saturating_sub(time.rem_euclid(WINDOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Time = WINDOW;

    #[test]
    fn doubles_up_to_the_maximum() {
        let backoff = Backoff { initial: SECOND, max: 10 * SECOND };
        let seconds: Vec<Time> = (1..=6).map(|count| backoff.duration(count) / SECOND).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.duration(64), 10 * SECOND);
        assert_eq!(backoff.duration(u32::MAX), 10 * SECOND);
    }

    #[test]
    fn lasts_through_the_second_in_which_it_ends() {
        let expiration = Some(window_of(12 * SECOND + 345));
        assert_eq!(expiration, Some(12 * SECOND));
        assert!(is_backing_off(expiration, 12 * SECOND - 1));
        assert!(is_backing_off(expiration, 13 * SECOND - 1));
        assert!(!is_backing_off(expiration, 13 * SECOND));
        assert_eq!(over_at(12 * SECOND), 13 * SECOND);
        assert!(!is_backing_off(None, 0));
    }

    #[test]
    fn windows_before_the_epoch_begin_at_or_before_the_time() {
        assert_eq!(window_of(-1), -SECOND);
        assert_eq!(window_of(-SECOND), -SECOND);
    }
}
