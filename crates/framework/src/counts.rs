//! How many pods of a query each node holds, with a log of what changed.

use loadline_model::Map;

use crate::cluster::Slot;
use crate::log::ChangeLog;

/// Where a query's pods are.
#[derive(Clone, Debug)]
pub struct Counts {
    by_slot: Map<Slot, u32>,
    total: u64,
    log: ChangeLog<(Slot, i32)>,
}

/// Changes that are kept at least. Whoever is further behind computes anew.
const KEPT: usize = 4096;

impl Default for Counts {
    fn default() -> Self {
        Self { by_slot: Map::default(), total: 0, log: ChangeLog::new(KEPT) }
    }
}

impl Counts {
    /// Pods by slot, in no particular order; slots without any are left out.
    pub fn by_slot(&self) -> impl ExactSizeIterator<Item = (Slot, u32)> + '_ {
        self.by_slot.iter().map(|(slot, pods)| (*slot, *pods))
    }

    /// Pods on `slot`.
    pub fn on(&self, slot: Slot) -> u32 {
        self.by_slot.get(&slot).copied().unwrap_or(0)
    }

    /// Number of all of them.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The position after the last change: remember it, and ask [`Counts::since`] with it later.
    pub fn position(&self) -> u64 {
        self.log.position()
    }

    /// Changes since `position`, oldest first; `None` when the log no longer reaches back: compute anew.
    pub fn since(&self, position: u64) -> Option<&[(Slot, i32)]> {
        self.log.since(position)
    }

    /// Counts pods in, or with a negative number out.
    pub fn add(&mut self, slot: Slot, by: i32) {
        let on_node = self.by_slot.entry(slot).or_insert(0);
        debug_assert!(on_node.checked_add_signed(by).is_some(), "a pod is counted in before it is counted out");
        *on_node = on_node.wrapping_add_signed(by);
        if *on_node == 0 {
            self.by_slot.remove(&slot);
        }
        self.total = self.total.wrapping_add_signed(i64::from(by));
        self.log.push((slot, by));
    }

    /// Counts anew: these pods by slot. Whoever followed the log computes anew.
    pub fn replace(&mut self, mut pods: Map<Slot, u32>) {
        pods.retain(|_, pods| *pods > 0);
        self.total = pods.values().map(|pods| u64::from(*pods)).sum();
        self.by_slot = pods;
        self.log.invalidate();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(counts: &Counts) -> (Vec<(Slot, u32)>, u64) {
        let mut by_slot: Vec<_> = counts.by_slot().collect();
        by_slot.sort_unstable();
        (by_slot, counts.total())
    }

    #[test]
    fn pods_are_counted_in_and_out_with_a_log() {
        let mut counts = Counts::default();
        let start = counts.position();
        for (slot, by) in [(1, 2), (2, 1), (1, -1), (2, -1)] {
            counts.add(Slot(slot), by);
        }
        assert_eq!(state(&counts), (vec![(Slot(1), 1)], 1));
        assert_eq!((counts.on(Slot(1)), counts.on(Slot(2))), (1, 0));
        let changes: Vec<_> =
            counts.since(start).expect("the log reaches back").iter().map(|(s, by)| (s.0, *by)).collect();
        assert_eq!(changes, [(1, 2), (2, 1), (1, -1), (2, -1)]);
    }

    #[test]
    fn counting_anew_ends_the_log() {
        let mut counts = Counts::default();
        counts.add(Slot(7), 1);
        let before = counts.position();
        counts.replace(Map::from_iter([(Slot(1), 3), (Slot(2), 0)]));
        assert_eq!(state(&counts), (vec![(Slot(1), 3)], 3));
        assert_eq!(counts.since(before), None);
        assert_eq!(counts.since(counts.position()), Some(&[][..]));
    }

    #[test]
    fn who_is_far_behind_computes_anew() {
        let mut counts = Counts::default();
        let start = counts.position();
        for _ in 0..KEPT {
            counts.add(Slot(0), 1);
        }
        assert_eq!(counts.since(start).map(<[_]>::len), Some(KEPT));
        for _ in 0..=KEPT {
            counts.add(Slot(0), 1);
        }
        assert_eq!(counts.since(start), None);
    }
}
