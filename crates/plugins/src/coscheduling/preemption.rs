//! Whom a gang preempts: pods that stand alone and what gangs have beyond their minimum, and whole gangs only where that is not enough.

use std::cmp::Reverse;

use loadline_framework::{GangPreemption, GangWhatIf, VictimUnit};

#[derive(Debug)]
pub(super) struct Preemption;

impl GangPreemption for Preemption {
    fn choose(&self, cluster: &mut dyn GangWhatIf) -> Option<Vec<usize>> {
        let gangs: Vec<usize> = (0..cluster.units().len()).filter(|unit| cluster.units()[*unit].is_gang).collect();
        let others: Vec<usize> = (0..cluster.units().len()).filter(|unit| !cluster.units()[*unit].is_gang).collect();
        others.iter().for_each(|unit| cluster.remove(*unit));
        let mut gone = others;
        if gone.is_empty() || !cluster.plan() {
            if gangs.is_empty() {
                return None;
            }
            gangs.iter().for_each(|unit| cluster.remove(*unit));
            gone.extend(gangs);
            if !cluster.plan() {
                return None;
            }
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
