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
        const FOUND: usize = 160;
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
            for (at, new) in missing.into_iter().zip(new) {
                let (slot, generation) = nodes[at];
                if let Some(generation) = generation {
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
