//! How full nodes are, how far they are apart, and what a move would change about it.

use std::collections::BTreeMap;

use loadline_engine::Engine;
use loadline_framework::{Cluster, UsageKind, WHOLE};
use loadline_model::{NodeInfo, PodInfo, Str};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A resource that balance goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Thousandths of a core.
    Cpu,
    /// Bytes.
    Memory,
}

impl Resource {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// `cpu` or `memory`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    const fn kind(self) -> UsageKind {
        match self {
            Self::Cpu => UsageKind::Cpu,
            Self::Memory => UsageKind::Memory,
        }
    }
}

/// Amounts of both resources: thousandths of a core, bytes.
pub type Amounts = [f64; 2];

/// How full the nodes are in one resource, percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The fullest node.
    pub highest: f64,
    /// The emptiest node.
    pub lowest: f64,
    /// Between these, percent points.
    pub difference: f64,
    /// Over all nodes, each counted alike.
    pub mean: f64,
    /// Standard deviation, percent points.
    pub deviation: f64,
}

/// How evenly nodes are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// Cpu.
    pub cpu: Spread,
    /// Memory.
    pub memory: Spread,
    /// The larger difference of the two, percent points.
    pub difference: f64,
    /// 100 when all nodes are used alike, less two for each point of the standard deviation (the root of the mean of both
    /// variances); at least 0.
    pub score: f64,
}

/// A number as plans show it: to the thousandth.
pub(crate) fn rounded(number: f64) -> f64 {
    // Not -0.
    (number * 1000.0).round() / 1000.0 + 0.0
}

#[derive(Clone, Debug)]
struct Entry {
    used: Amounts,
    has: Amounts,
    /// What an estimated unit of a pod's requests stands for, where real use is known.
    scale: [Option<f64>; 2],
}

impl Entry {
    fn percent(&self, resource: Resource) -> f64 {
        100.0 * self.used[resource as usize] / self.has[resource as usize]
    }
}

/// The use of all nodes, kept up with each move: what pods request, or what is really used where a source of real use says so.
/// Nodes without cpu or memory to give are left out.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    nodes: BTreeMap<Str, Entry>,
    /// Sums and sums of squares of the percentages.
    sums: Amounts,
    squares: Amounts,
    smallest: Amounts,
}

impl Ledger {
    /// The use of the nodes of an engine.
    pub fn new(engine: &mut Engine) -> Self {
        engine.settle();
        let mut ledger = Self { smallest: [f64::MAX; 2], ..Self::default() };
        for (info, measured) in measured_nodes(engine) {
            let entry = entry(info, measured);
            for resource in Resource::ALL {
                let (at, percent) = (resource as usize, entry.percent(resource));
                ledger.sums[at] += percent;
                ledger.squares[at] += percent * percent;
                ledger.smallest[at] = ledger.smallest[at].min(entry.has[at]);
            }
            ledger.nodes.insert(info.spec.name.clone(), entry);
        }
        ledger
    }

    /// Use of a node, percent; `None` for one that is left out.
    pub fn percent(&self, node: &str, resource: Resource) -> Option<f64> {
        self.nodes.get(node).map(|entry| entry.percent(resource))
    }

    /// All nodes by name.
    pub fn names(&self) -> impl Iterator<Item = &Str> {
        self.nodes.keys()
    }

    /// All nodes, the fullest first, by name among equals.
    pub fn fullest(&self, resource: Resource) -> Vec<(Str, f64)> {
        let mut nodes: Vec<(Str, f64)> =
            self.nodes.iter().map(|(name, entry)| (name.clone(), entry.percent(resource))).collect();
        nodes.sort_by(|a, b| b.1.total_cmp(&a.1));
        nodes
    }

    /// Percent of the emptiest and of the fullest node; 0 and 0 without nodes.
    pub fn extremes(&self, resource: Resource) -> (f64, f64) {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        let of = |(low, high): (f64, f64), entry: &Entry| {
            let percent = entry.percent(resource);
            (low.min(percent), high.max(percent))
        };
        let (low, high) = self.nodes.values().fold(start, of);
        if low > high { (0.0, 0.0) } else { (low, high) }
    }

    /// What a pod uses of its node, as far as can be told.
    pub fn amounts(&self, pod: &PodInfo, node: &str) -> Amounts {
        let scale = self.nodes.get(node).map_or([None; 2], |entry| entry.scale);
        let requested = [pod.requests.usage.milli_cpu as f64, pod.requests.usage.memory as f64];
        let estimated = [pod.requests.non_zero_milli_cpu as f64, pod.requests.non_zero_memory as f64];
        [0, 1].map(|at| scale[at].map_or(requested[at], |scale| scale * estimated[at]))
    }

    /// An amount in percent of a node.
    pub fn share(&self, amounts: Amounts, node: &str, resource: Resource) -> f64 {
        let at = resource as usize;
        self.nodes.get(node).map_or(0.0, |entry| 100.0 * amounts[at] / entry.has[at])
    }

    /// An amount in percent of the smallest node.
    pub fn largest_share(&self, amounts: Amounts, resource: Resource) -> f64 {
        let at = resource as usize;
        if self.nodes.is_empty() { 0.0 } else { 100.0 * amounts[at] / self.smallest[at] }
    }

    /// Moves amounts from one node to another.
    pub fn shift(&mut self, amounts: Amounts, from: &str, to: &str) {
        for (node, sign) in [(from, -1.0), (to, 1.0)] {
            let Some(entry) = self.nodes.get_mut(node) else { continue };
            for resource in Resource::ALL {
                let at = resource as usize;
                let before = entry.percent(resource);
                entry.used[at] = (entry.used[at] + sign * amounts[at]).max(0.0);
                let after = entry.percent(resource);
                self.sums[at] += after - before;
                self.squares[at] += after * after - before * before;
            }
        }
    }

    /// What [`Ledger::shift`] would do to the sum of both variances, in percent points squared times the number of nodes.
    pub fn variance_change(&self, amounts: Amounts, from: &str, to: &str) -> f64 {
        let count = self.nodes.len().max(1) as f64;
        Resource::ALL
            .map(|resource| {
                let at = resource as usize;
                let (mut sum, mut squares) = (0.0, 0.0);
                for (node, sign) in [(from, -1.0), (to, 1.0)] {
                    let Some(before) = self.percent(node, resource) else { continue };
                    let after = (before + sign * self.share(amounts, node, resource)).max(0.0);
                    sum += after - before;
                    squares += after * after - before * before;
                }
                let total = self.sums[at];
                squares - ((total + sum) * (total + sum) - total * total) / count
            })
            .iter()
            .sum()
    }

    /// The figures.
    pub fn balance(&self) -> Balance {
        let [cpu, memory] = Resource::ALL.map(|resource| self.spread(resource));
        // Of the variances, so that it moves with what LoadBalancing lowers.
        let variance = f64::midpoint(cpu.deviation * cpu.deviation, memory.deviation * memory.deviation);
        Balance {
            cpu,
            memory,
            difference: cpu.difference.max(memory.difference),
            score: rounded((100.0 - 2.0 * variance.sqrt()).max(0.0)),
        }
    }

    fn spread(&self, resource: Resource) -> Spread {
        let (lowest, highest) = self.extremes(resource);
        let count = self.nodes.len().max(1) as f64;
        let percents = || self.nodes.values().map(|entry| entry.percent(resource));
        let mean = percents().sum::<f64>() / count;
        let variance = percents().map(|percent| (percent - mean) * (percent - mean)).sum::<f64>() / count;
        Spread {
            highest: rounded(highest),
            lowest: rounded(lowest),
            difference: rounded(highest - lowest),
            mean: rounded(mean),
            deviation: rounded(variance.sqrt()),
        }
    }
}

/// All nodes with what is really used of both resources, thousandths of a percent, where it is known. Nodes without cpu or memory to
/// give are left out.
pub(crate) fn measured_nodes(engine: &Engine) -> impl Iterator<Item = (&NodeInfo, [Option<i64>; 2])> {
    let cluster = engine.cluster();
    let sources = Resource::ALL.map(|resource| cluster.usages().find(|usage| usage.source.kind == resource.kind()));
    let nodes = cluster.nodes().iter().enumerate();
    nodes.filter_map(move |(slot, info)| {
        let info = info.as_deref()?;
        let gives = info.spec.allocatable.milli_cpu > 0 && info.spec.allocatable.memory > 0;
        gives.then(|| (info, sources.map(|source| source?.nodes.get(slot)?.milli_percent())))
    })
}

fn entry(info: &NodeInfo, measured: [Option<i64>; 2]) -> Entry {
    let (has, load) = (&info.spec.allocatable, &info.load);
    let has = [has.milli_cpu as f64, has.memory as f64];
    let requested = [load.requested.milli_cpu as f64, load.requested.memory as f64];
    let estimated = [load.non_zero_milli_cpu as f64, load.non_zero_memory as f64];
    let used = [0, 1].map(|at| match measured[at] {
        Some(milli_percent) => has[at] * milli_percent as f64 / WHOLE as f64,
        None => requested[at],
    });
    // Nobody measures single pods here: they share a node's use by what they request.
    let scale = [0, 1].map(|at| measured[at].map(|_| if estimated[at] > 0.0 { used[at] / estimated[at] } else { 0.0 }));
    Entry { used, has, scale }
}
