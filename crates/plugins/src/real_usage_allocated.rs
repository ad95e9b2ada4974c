//! RealUsageAllocated: NodeResourcesFit's LeastAllocated, with requests that are lowered towards what nodes really use. Only a
//! score: a kubelet admits by full requests, so a filter that counted less would send it pods that it refuses. Not of
//! kube-scheduler.

use std::sync::Arc;

use loadline_framework::{
    ArgField, ArgKind, Cluster, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Plugin, Prepare,
    Prepared, Reads, Slot, Status, Touched, UsageId, UsageKind, UsageSource,
};
use loadline_model::{PodInfo, PodRequests};
use serde::Deserialize;

use crate::args::decode;
use crate::real_usage::amount_used;
use crate::real_usage::arguments::{fields_of_both, source, validate};
use crate::scoring_strategy::MAX_SCORE;

const NAME: &str = "RealUsageAllocated";

const FIELDS: &[ArgField] = &fields_of_both(ArgField {
    name: "ratio",
    kind: ArgKind::Number { min: 0.0, max: 1.0 },
    default: "0.5",
    help: "How far requests are lowered towards real use: 0 not at all, 1 all the way.",
});

/// RealUsageAllocated.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Prefers nodes with more left of cpu and memory, where what is requested and not used counts by a part.",
    points: &[ExtensionPoint::Score],
    default_profile: DefaultProfile::Absent,
    args: FIELDS,
    validate,
    events: &[],
    build: |args| {
        let Given { ratio } = decode(args)?;
        let (cpu, memory) = (source(UsageKind::Cpu, args)?, source(UsageKind::Memory, args)?);
        let node = RealUsageAllocated { ratio, cpu: cpu.clone(), memory: memory.clone() };
        Ok(Plugin::new(NAME).with_usage(cpu).with_usage(memory).with_node(node))
    },
};

#[derive(Deserialize)]
struct Given {
    ratio: f64,
}

struct RealUsageAllocated {
    ratio: f64,
    cpu: Arc<UsageSource>,
    memory: Arc<UsageSource>,
}

struct State {
    asked: Arc<PodRequests>,
    cpu: UsageId,
    memory: UsageId,
    /// How often both were heard of when this was brought up to date.
    seen: u64,
}

/// One resource of a node.
struct Amounts {
    requested: i64,
    /// `None` without a sample.
    used: Option<i64>,
    allocatable: i64,
}

impl RealUsageAllocated {
    /// What counts as requested.
    fn counted(&self, amounts: &Amounts) -> i64 {
        let unused = amounts.used.map_or(0, |used| (amounts.requested - used).max(0));
        amounts.requested - (self.ratio * unused as f64) as i64
    }

    /// `None`: the node has none of it, which says nothing.
    fn score_of(&self, asked: i64, amounts: &Amounts) -> Option<i64> {
        let left = amounts.allocatable - self.counted(amounts) - asked;
        let hundredfold = i128::from(left.max(0)) * i128::from(MAX_SCORE);
        (amounts.allocatable > 0).then(|| (hundredfold / i128::from(amounts.allocatable)) as i64)
    }

    /// Cpu and memory, in this order.
    fn amounts(state: &State, node: &NodeView<'_>) -> [Amounts; 2] {
        let (load, allocatable, cluster) = (node.load(), node.allocatable(), node.cluster());
        let amounts = |requested, allocatable, usage| Amounts {
            requested,
            used: amount_used(cluster.usage(usage), node.slot(), allocatable),
            allocatable,
        };
        [
            amounts(load.non_zero_milli_cpu, allocatable.milli_cpu, state.cpu),
            amounts(load.non_zero_memory, allocatable.memory, state.memory),
        ]
    }
}

impl NodePlugin for RealUsageAllocated {
    type Key = Arc<PodRequests>;
    type State = State;

    fn reads(&self) -> Reads {
        // Estimates of use change with the load, everything else when the sources are heard.
        Reads::LOAD
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        Ok(Some(pod.requests.clone()))
    }

    fn prepare(&self, asked: &Self::Key, _pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let (cpu, memory) = (cx.usage(&self.cpu), cx.usage(&self.memory));
        let state = State { asked: asked.clone(), cpu, memory, seen: 0 };
        Prepared { state, filters: false, scores: true }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        let now = cluster.usage(state.cpu).heard + cluster.usage(state.memory).heard;
        if std::mem::replace(&mut state.seen, now) == now { Touched::None } else { Touched::All }
    }

    fn score(&self, state: &State, node: &NodeView<'_>) -> i64 {
        let asked = [state.asked.score.milli_cpu, state.asked.score.memory];
        let amounts = Self::amounts(state, node);
        let scores = asked.into_iter().zip(&amounts).filter_map(|(asked, amounts)| self.score_of(asked, amounts));
        let (sum, count) = scores.fold((0, 0), |(sum, count), score| (sum + score, count + 1));
        if count == 0 { 0 } else { sum / count }
    }

    fn score_note(&self, state: &State, slot: Slot, cluster: &dyn Cluster) -> Option<String> {
        let node = cluster.nodes()[slot.index()].as_deref()?;
        let view = NodeView::new(cluster, slot, node, self.reads());
        let of = |name: &str, amounts: &Amounts| {
            let percent = |amount: i64| 100.0 * amount as f64 / amounts.allocatable.max(1) as f64;
            let counted = percent(self.counted(amounts));
            let requested = percent(amounts.requested);
            match amounts.used {
                Some(used) => {
                    format!("{name} {requested:.1} % requested, {:.1} used, {counted:.1} counted", percent(used))
                }
                None => format!("{name} {requested:.1} % requested and counted, no sample"),
            }
        };
        let [cpu, memory] = Self::amounts(state, &view);
        Some(format!("{}; {}", of("cpu", &cpu), of("memory", &memory)))
    }
}

#[cfg(test)]
mod tests {
    use loadline_framework::{NodeUsage, UsageSample};
    use serde_json::json;

    use super::*;
    use crate::args::defaults;
    use crate::testing::{FakeCluster, GI, build, node, pod, requests};

    fn args(ratio: f64) -> serde_json::Value {
        let mut args = defaults(FIELDS);
        args["prometheusApiAddr"] = "http://prometheus:9090".into();
        args["ratio"] = json!(ratio);
        args
    }

    fn plugin(ratio: f64) -> RealUsageAllocated {
        let source = |kind| source(kind, &args(ratio)).unwrap();
        RealUsageAllocated { ratio, cpu: source(UsageKind::Cpu), memory: source(UsageKind::Memory) }
    }

    /// One node of 4 cores and 8 GiB of which 2 cores and 6 GiB are requested, and of which so many percent of the memory
    /// are in use; a pod that asks for 1 core and 1 GiB.
    fn score(ratio: f64, memory_used: Option<i64>) -> (i64, String) {
        let plugin = plugin(ratio);
        let mut cluster = FakeCluster::new([node("a", &[])]);
        cluster.add_pod("a", PodInfo { requests: Arc::new(requests(2000, 6 * GI)), ..pod("there") });
        Prepare::usage(&mut cluster, &plugin.cpu);
        let memory = Prepare::usage(&mut cluster, &plugin.memory);
        let sample =
            memory_used.map(|percent| UsageSample { milli_percent: percent * 1000, at: 0, window_seconds: None });
        cluster.usages[memory.0 as usize].nodes.push(NodeUsage::new(sample, 0, 0, 8 * GI));
        let pod = PodInfo { requests: Arc::new(requests(1000, GI)), ..pod("p") };
        let state = plugin.prepare(&pod.requests, &pod, &mut cluster).state;
        let note = plugin.score_note(&state, Slot(0), &cluster).unwrap();
        (cluster.scores(&plugin, &pod).unwrap()[0].raw, note)
    }

    #[test]
    fn requests_count_less_towards_what_is_used() {
        // Cpu: 1 of 4 cores left. Memory without a sample: 1 of 8 GiB left.
        let (plain, note) = score(0.5, None);
        assert_eq!(plain, 18); // (25 + 12) / 2
        assert_eq!(note, "cpu 50.0 % requested and counted, no sample; memory 75.0 % requested and counted, no sample");
        // 75 percent requested, 25 used: half of what lies between does not count, so 50 do, and 37.5 are left.
        let (halved, note) = score(0.5, Some(25));
        assert_eq!(halved, 31); // (25 + 37) / 2
        assert!(note.ends_with("memory 75.0 % requested, 25.0 used, 50.0 counted"), "{note}");
        assert_eq!(score(1.0, Some(25)).0, 43); // (25 + 62) / 2
        assert_eq!(score(0.0, Some(25)).0, plain);
        // Use above what is requested raises nothing: the requests are what the kubelet goes by.
        assert_eq!(score(1.0, Some(95)).0, plain);
    }

    #[test]
    fn it_asks_for_both_resources() {
        let built = build(&DESCRIPTOR, &args(0.5));
        let queries: Vec<&str> = built.usage.iter().map(|source| &*source.prometheus.query).collect();
        assert_eq!(queries, ["node_cpu_usage_avg_5m", "node_mem_usage_avg_5m"]);
    }
}
