//! MemRealUsage and CpuRealUsage: score by what nodes really use, as a Prometheus measures it. Not of kube-scheduler.

pub(crate) mod arguments;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadline_framework::{
    ArgField, Bounds, Cluster, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, Normalization, Plugin, Prepare,
    Prepared, Reads, Slot, Status, Touched, Usage, UsageId, UsageKind, UsageSource, WHOLE,
};
use loadline_model::PodInfo;

use self::arguments::{CPU_AGE, CPU_QUERY, MEMORY_AGE, MEMORY_QUERY, fields, source, validate};
use crate::scoring_strategy::MAX_SCORE;

const MEMORY_FIELDS: &[ArgField] = &fields(MEMORY_QUERY, MEMORY_AGE);
const CPU_FIELDS: &[ArgField] = &fields(CPU_QUERY, CPU_AGE);

/// MemRealUsage.
pub static MEMORY: Descriptor = Descriptor {
    name: "MemRealUsage",
    help: "Prefers nodes that really use less of their memory, as Prometheus measures it.",
    points: &[ExtensionPoint::Score],
    default_profile: DefaultProfile::Absent,
    args: MEMORY_FIELDS,
    validate,
    events: &[],
    build: |args| Ok(plugin("MemRealUsage", source(UsageKind::Memory, args)?)),
};

/// CpuRealUsage.
pub static CPU: Descriptor = Descriptor {
    name: "CpuRealUsage",
    help: "Prefers nodes that really use less of their cpu, as Prometheus measures it.",
    args: CPU_FIELDS,
    build: |args| Ok(plugin("CpuRealUsage", source(UsageKind::Cpu, args)?)),
    ..MEMORY
};

fn plugin(name: &'static str, source: Arc<UsageSource>) -> Plugin {
    Plugin::new(name).with_usage(source.clone()).with_node(RealUsage { source })
}

struct RealUsage {
    source: Arc<UsageSource>,
}

struct State {
    usage: UsageId,
    /// The usage's generation that was seen last.
    seen: u64,
}

impl NodePlugin for RealUsage {
    type Key = ();
    type State = State;

    fn reads(&self) -> Reads {
        // What it reads of nodes comes with the usage's generation.
        Reads::NOTHING
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }

    fn prepare(&self, (): &(), _pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let usage = cx.usage(&self.source);
        Prepared { state: State { usage, seen: 0 }, filters: false, scores: true }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        let now = cluster.usage(state.usage).generation;
        if std::mem::replace(&mut state.seen, now) == now { Touched::None } else { Touched::All }
    }

    fn normalization(&self) -> Normalization {
        Normalization::Whole(less_is_better)
    }

    fn score_feasible(&self, state: &State, feasible: &[Slot], cluster: &dyn Cluster, out: &mut [i64]) {
        let used = &cluster.usage(state.usage).used;
        let (mut sum, mut sampled) = (0, 0);
        for (slot, raw) in feasible.iter().zip(&mut *out) {
            *raw = used.get(slot.index()).copied().unwrap_or(Usage::UNKNOWN);
            if *raw != Usage::UNKNOWN {
                sum += *raw;
                sampled += 1;
            }
        }
        if sampled < feasible.len() as i64 {
            // Neither best nor worst for want of a number, and within the bounds of the others.
            let mean = if sampled == 0 { 0 } else { sum / sampled };
            out.iter_mut().filter(|raw| **raw == Usage::UNKNOWN).for_each(|raw| *raw = mean);
        }
    }

    fn score_note(&self, state: &State, slot: Slot, cluster: &dyn Cluster) -> Option<String> {
        let node = cluster.usage(state.usage).node(slot);
        let (Some(sample), Some(used)) = (node.sample, node.milli_percent()) else {
            return Some("no sample: taken for the mean of the others".to_owned());
        };
        let percent = |milli: i64| milli as f64 / 1000.0;
        let (measured, estimated) = (percent(sample.milli_percent), percent(used - sample.milli_percent));
        Some(format!("{:.1} %: {measured:.1} measured, {estimated:.1} estimated", percent(used)))
    }

    fn breaks_ties(&self) -> bool {
        true
    }

    fn burden(&self, state: &State, slot: Slot, cluster: &dyn Cluster) -> i64 {
        cluster.usage(state.usage).node(slot).estimated_milli_percent()
    }
}

/// 100 for the least used node, 0 for the most used, 0 for all where they are equal.
fn less_is_better(raw: i64, bounds: Bounds) -> i64 {
    if bounds.max == bounds.min {
        return 0;
    }
    let (above, range) = ((raw - bounds.min) * MAX_SCORE, bounds.max - bounds.min);
    // Exact, as both are far below 2^53, and several times as fast as a division of integers.
    MAX_SCORE - (above as f64 / range as f64) as i64
}

/// What a node really uses of something it has `total` of, `None` without a sample.
pub(crate) fn amount_used(usage: &Usage, slot: Slot, total: i64) -> Option<i64> {
    let milli_percent = usage.node(slot).milli_percent()?;
    Some((i128::from(total) * i128::from(milli_percent) / i128::from(WHOLE)) as i64)
}
