//! What thought experiments on nodes found out, kept for the next pod of the class: a cluster that is full is full for each of them,
//! and between two preemptions few nodes change.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use loadline_framework::{Found, Slot};

/// For whom something was found out. The filters are those of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Name of the plugin that asks.
    pub(crate) plugin: &'static str,
    /// The pod's priority.
    pub(crate) priority: i32,
    /// How often PodDisruptionBudgets have changed.
    pub(crate) budgets: u64,
}

/// What was found out, by node.
#[derive(Default)]
pub(crate) struct Tried(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    asked: Option<Asked>,
    /// By slot: the node's generation at that time.
    found: Vec<Option<(u64, Found)>>,
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tried").finish_non_exhaustive()
    }
}

impl Tried {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        /// A candidate with a few victims.
        const FOUND: usize = 512;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.found.len() * (FOUND + size_of::<Option<(u64, Found)>>())
    }

    /// What is known of these nodes, with their generations; `anew` finds out the rest. Nodes without a generation depend on more than
    /// themselves: nothing is kept of them.
    pub(crate) fn find_out(
        &self,
        asked: Asked,
        nodes: &[(Slot, Option<u64>)],
        anew: impl FnOnce(&[Slot]) -> Vec<Found>,
    ) -> Vec<Found> {
        let mut found: Vec<Option<Found>> = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.asked != Some(asked) {
                *kept = Kept { asked: Some(asked), found: Vec::new() };
            }
            let known = |(slot, generation): &(Slot, Option<u64>)| {
                let (at, known) = kept.found.get(slot.index())?.as_ref()?;
                (Some(*at) == *generation).then(|| known.clone())
            };
            nodes.iter().map(known).collect()
        };
        let missing: Vec<usize> = (0..nodes.len()).filter(|at| found[*at].is_none()).collect();
        if !missing.is_empty() {
            // Without the lock: plugins run there.
            let slots: Vec<Slot> = missing.iter().map(|at| nodes[*at].0).collect();
            let new = anew(&slots);
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have asked otherwise meanwhile.
            let is_kept = kept.asked == Some(asked);
            for (at, new) in missing.into_iter().zip(new) {
                let (slot, generation) = nodes[at];
                if let (Some(generation), true) = (generation, is_kept) {
                    if kept.found.len() <= slot.index() {
                        kept.found.resize(slot.index() + 1, None);
                    }
                    kept.found[slot.index()] = Some((generation, new.clone()));
                }
                found[at] = Some(new);
            }
        }
        found.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_what_is_not_known_is_found_out() {
        let tried = Tried::default();
        let asked = Asked { plugin: "P", priority: 1, budgets: 0 };
        let looked_at = |asked: Asked, nodes: &[(u32, Option<u64>)]| {
            let nodes: Vec<(Slot, Option<u64>)> = nodes.iter().map(|(slot, at)| (Slot(*slot), *at)).collect();
            let mut anew = Vec::new();
            let found = tried.find_out(asked, &nodes, |slots| {
                anew.extend(slots.iter().map(|slot| slot.0));
                slots.iter().map(|slot| Arc::new(slot.0) as Found).collect()
            });
            let found: Vec<u32> = found.iter().filter_map(|found| found.downcast_ref().copied()).collect();
            assert_eq!(found, nodes.iter().map(|(slot, _)| slot.0).collect::<Vec<_>>());
            anew
        };
        assert_eq!(looked_at(asked, &[(3, Some(1)), (0, Some(2)), (1, None)]), [3, 0, 1]);
        assert_eq!(looked_at(asked, &[(3, Some(1)), (0, Some(2)), (1, None)]), [1]);
        assert_eq!(looked_at(asked, &[(0, Some(5)), (1, Some(2)), (2, Some(9)), (3, Some(1))]), [0, 1, 2]);
        assert_eq!(looked_at(asked, &[(0, Some(5)), (3, None)]), [3]);
        for other in [Asked { priority: 2, ..asked }, Asked { budgets: 1, ..asked }, Asked { plugin: "Q", ..asked }] {
            assert_eq!(looked_at(other, &[(0, Some(5))]), [0]);
        }
    }
}
