//! Whom a gang preempts: pods that stand alone and what gangs have beyond their minimum, whole gangs only where that is not enough,
//! and whom a PodDisruptionBudget protects only where none of that is.

use std::cmp::Reverse;

use loadline_framework::{GangPreemption, GangWhatIf, VictimUnit};

#[derive(Debug)]
pub(super) struct Preemption;

impl GangPreemption for Preemption {
    fn choose(&self, cluster: &mut dyn GangWhatIf) -> Option<Vec<usize>> {
        // Whom nothing protects first, and of these whole gangs last: a stage goes only where those before it are not enough.
        let stage = |unit: &VictimUnit| 2 * usize::from(unit.is_protected) + usize::from(unit.is_gang);
        let mut stages: [Vec<usize>; 4] = Default::default();
        for (number, unit) in cluster.units().iter().enumerate() {
            stages[stage(unit)].push(number);
        }
        let mut gone = Vec::new();
        let mut not_empty = stages.into_iter().filter(|units| !units.is_empty());
        let fits = not_empty.any(|units| {
            for unit in &units {
                cluster.remove(*unit);
            }
            gone.extend(units);
            cluster.plan()
        });
        if !fits {
            return None;
        }
        // Those that matter most are spared first.
        gone.sort_by_cached_key(|unit| importance(&cluster.units()[*unit], *unit));
        let mut victims = Vec::new();
        for unit in gone {
            let in_the_way = cluster.is_in_the_way(unit);
            cluster.restore(unit);
            if in_the_way && !cluster.holds(unit) {
                cluster.remove(unit);
                victims.push(unit);
            }
        }
        victims.sort_unstable();
        Some(victims)
    }
}

/// The most important unit first: one that a PodDisruptionBudget protects, a gang, the highest priority, whatever runs for longest.
fn importance(unit: &VictimUnit, number: usize) -> (bool, bool, Reverse<i32>, i64, usize) {
    let priority = unit.pods.iter().map(|pod| pod.priority).max().unwrap_or(i32::MIN);
    let started = unit.pods.iter().filter_map(|pod| pod.started).min().unwrap_or(i64::MAX);
    (!unit.is_protected, !unit.is_gang, Reverse(priority), started, number)
}
