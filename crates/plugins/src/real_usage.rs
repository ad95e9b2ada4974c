//! MemRealUsage and CpuRealUsage: score by what nodes really use, as a Prometheus measures it. Not of kube-scheduler.

pub(crate) mod arguments;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadline_framework::{
    ArgField, Cluster, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Normalization, Plugin,
    Prepare, Prepared, Reads, Slot, Status, Touched, UNKNOWN, Usage, UsageId, UsageKind, UsageSource, WHOLE,
};
use loadline_model::PodInfo;

use self::arguments::{CPU_AGE, CPU_QUERY, MEMORY_AGE, MEMORY_QUERY, fields, source, validate};

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
    /// How often the source was heard of when this was brought up to date, and whether all nodes had samples then.
    seen: (u64, bool),
}

impl NodePlugin for RealUsage {
    type Key = ();
    type State = State;

    fn reads(&self) -> Reads {
        // Estimates change with the load, everything when the source is heard.
        Reads::LOAD
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }

    fn prepare(&self, (): &(), _pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let usage = cx.usage(&self.source);
        Prepared { state: State { usage, seen: (0, false) }, filters: false, scores: true }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        let usage = cluster.usage(state.usage);
        let now = (usage.heard, usage.unsampled == 0);
        if std::mem::replace(&mut state.seen, now) == now { Touched::None } else { Touched::All }
    }

    fn normalization(&self) -> Normalization {
        Normalization::Measured
    }

    fn score(&self, state: &State, node: &NodeView<'_>) -> i64 {
        node.cluster().usage(state.usage).node(node.slot()).milli_percent().unwrap_or(UNKNOWN)
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
        let usage = cluster.usage(state.usage);
        let node = usage.node(slot);
        // What a sample does not have yet can not be held against what a node without one has altogether.
        if usage.unsampled > 0 { node.requested } else { node.estimated }
    }
}

/// What a node really uses of something it has `total` of, `None` without a sample.
pub(crate) fn amount_used(usage: &Usage, slot: Slot, total: i64) -> Option<i64> {
    let milli_percent = usage.node(slot).milli_percent()?;
    Some((i128::from(total) * i128::from(milli_percent) / i128::from(WHOLE)) as i64)
}
