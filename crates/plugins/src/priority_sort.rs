//! PrioritySort: higher priority first, then whoever entered the queue earlier. Mirrors kube-scheduler's `queuesort`.

use std::cmp::Ordering;

use loadline_framework::{DefaultProfile, Descriptor, ExtensionPoint, Plugin, QueueSort, no_further_checks};
use loadline_model::{PodInfo, Time};

/// PrioritySort.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "PrioritySort",
    help: "Decides pods by priority, and among equals by the time at which they entered the queue.",
    points: &[ExtensionPoint::QueueSort],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("PrioritySort").with_queue_sort(PrioritySort)),
};

struct PrioritySort;

impl QueueSort for PrioritySort {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> Ordering {
        b.0.priority.cmp(&a.0.priority).then_with(|| a.1.cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn priority_comes_before_time() {
        let low = pod("low");
        let high = PodInfo { priority: 10, ..pod("high") };
        assert_eq!(PrioritySort.compare((&high, 9), (&low, 1)), Ordering::Less);
        assert_eq!(PrioritySort.compare((&low, 2), (&low, 1)), Ordering::Greater);
        assert_eq!(PrioritySort.compare((&low, 1), (&low, 1)), Ordering::Equal);
    }
}
