//! LowNodeUtilization and HighNodeUtilization: from full nodes to those with room, and from nearly empty ones to the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_model::{Marks, PodInfo, Str};

use super::Round;
use super::args::{HighNodeUtilizationArgs, LowNodeUtilizationArgs, Thresholds};
use crate::balance::Resource;
use crate::planner::Planner;
use crate::refusal::Refusal;

/// Percent by resource.
type Use = BTreeMap<String, f64>;

/// Use of a node in one resource, percent; of cpu and memory what is really used, where that is known.
fn percent(planner: &Planner<'_>, node: &str, resource: &str) -> f64 {
    let known = match resource {
        "cpu" => planner.ledger.percent(node, Resource::Cpu),
        "memory" => planner.ledger.percent(node, Resource::Memory),
        _ => None,
    };
    let of_requests = || {
        let info = planner.engine.cluster().node(node)?;
        let (used, has) = if resource == "pods" {
            (info.load.pods, info.spec.allowed_pods)
        } else {
            (info.load.requested.get(resource), info.spec.allocatable.get(resource))
        };
        (has > 0).then(|| 100.0 * used as f64 / has as f64)
    };
    known.or_else(of_requests).unwrap_or(0.0)
}

/// What a pod would add to a node, percent.
fn share(planner: &Planner<'_>, pod: &PodInfo, from: &str, to: &str, resource: &str) -> f64 {
    let amounts = planner.ledger.amounts(pod, from);
    match resource {
        "cpu" => planner.ledger.share(amounts, to, Resource::Cpu),
        "memory" => planner.ledger.share(amounts, to, Resource::Memory),
        _ => {
            let info = planner.engine.cluster().node(to);
            let (amount, has) = info.map_or((0, 0), |info| match resource {
                "pods" => (1, info.spec.allowed_pods),
                other => (pod.requests.usage.get(other), info.spec.allocatable.get(other)),
            });
            if has > 0 { 100.0 * amount as f64 / has as f64 } else { 0.0 }
        }
    }
}

fn use_of<'k>(planner: &Planner<'_>, node: &str, resources: impl Iterator<Item = &'k String>) -> Use {
    resources.map(|name| (name.clone(), percent(planner, node, name))).collect()
}

fn is_under(used: &Use, thresholds: &Thresholds) -> bool {
    thresholds.iter().all(|(name, threshold)| used.get(name).is_none_or(|used| used <= threshold))
}

/// The resource that is furthest above its threshold, with its use.
fn over<'u>(used: &'u Use, thresholds: &Thresholds) -> Option<(&'u String, f64)> {
    // Of equals the last counts: backwards that is the first by name.
    let above = used.iter().rev().filter_map(|(name, used)| {
        let threshold = thresholds.get(name)?;
        (used > threshold).then_some((name, *used, used - threshold))
    });
    above.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(name, used, _)| (name, used))
}

/// Of lower priority first, then of the poorer quality of service.
fn order(pod: &PodInfo) -> (i32, u8) {
    let quality = if pod.marks.has(Marks::BEST_EFFORT) { 0 } else { 1 + u8::from(pod.marks.has(Marks::GUARANTEED)) };
    (pod.priority, quality)
}

impl Round<'_, '_> {
    fn uses(&self, resources: &Thresholds) -> Vec<(Str, Use)> {
        self.nodes.iter().map(|node| (node.clone(), use_of(self.planner, node, resources.keys()))).collect()
    }

    fn is_schedulable(&self, node: &str) -> bool {
        self.planner.engine.cluster().node(node).is_some_and(|info| !info.spec.unschedulable)
    }

    fn in_order(&self, node: &str) -> Vec<Arc<PodInfo>> {
        let mut pods = self.planner.pods_on(node);
        pods.sort_by_key(|pod| order(pod));
        pods
    }

    pub(super) fn low_utilization(&mut self, args: &LowNodeUtilizationArgs) {
        let mut nodes = self.uses(&args.thresholds);
        let (mut low, mut high) = (args.thresholds.clone(), args.target_thresholds.clone());
        if args.use_deviation_thresholds {
            for name in args.thresholds.keys() {
                let sum: f64 = nodes.iter().filter_map(|(_, used)| used.get(name)).sum();
                let mean = sum / nodes.len().max(1) as f64;
                low.entry(name.clone()).and_modify(|percent| *percent = (mean - *percent).clamp(0.0, 100.0));
                high.entry(name.clone()).and_modify(|percent| *percent = (mean + *percent).clamp(0.0, 100.0));
            }
        }
        let under = nodes.iter().filter(|(node, used)| is_under(used, &low) && self.is_schedulable(node)).count();
        if under == 0 || under <= args.number_of_nodes || under == nodes.len() {
            return;
        }
        let fullest = |used: &Use| used.values().copied().fold(0.0, f64::max);
        nodes.retain(|(_, used)| over(used, &high).is_some());
        nodes.sort_by(|(a, of_a), (b, of_b)| fullest(of_b).total_cmp(&fullest(of_a)).then_with(|| a.cmp(b)));
        for (node, _) in nodes {
            let mut moved = 0;
            for pod in self.in_order(&node) {
                let used = use_of(self.planner, &node, high.keys());
                let Some((name, percent)) = over(&used, &high) else { break };
                if args.eviction_limits.node.is_some_and(|limit| moved >= limit) {
                    break;
                }
                if !args.evictable_namespaces.has(&pod.namespace) {
                    self.planner.skip(&pod, Refusal::ExcludedNamespace);
                    continue;
                }
                let reason = format!("{name} of {node} is at {percent:.1} %, above {:.1} %", high[name]);
                let freed = share(self.planner, &pod, &node, &node, name);
                let done = self.evict(&pod, &node, reason, |planner, to| {
                    // The descheduler only counts what all emptier nodes have together.
                    let fits = high.iter().all(|(name, most)| {
                        let there = use_of(planner, to, std::iter::once(name));
                        there[name] + share(planner, &pod, &node, to, name) <= *most
                    });
                    if fits { Ok(freed) } else { Err(Refusal::TargetTooFull) }
                });
                moved += usize::from(done);
            }
        }
    }

    pub(super) fn high_utilization(&mut self, args: &HighNodeUtilizationArgs) {
        let nodes = self.uses(&args.thresholds);
        let mut cold: Vec<(Str, Use)> =
            nodes.iter().filter(|(_, used)| is_under(used, &args.thresholds)).cloned().collect();
        if cold.is_empty() || cold.len() <= args.number_of_nodes {
            return;
        }
        let names: Vec<Str> = cold.iter().map(|(node, _)| node.clone()).collect();
        if cold.len() == nodes.len() {
            self.planner
                .note("HighNodeUtilization: all nodes are below its thresholds, so there is none to fill".to_owned());
            return;
        }
        let fullest = |used: &Use| used.values().copied().fold(0.0, f64::max);
        cold.sort_by(|(a, of_a), (b, of_b)| fullest(of_a).total_cmp(&fullest(of_b)).then_with(|| a.cmp(b)));
        let only_asking = !args.eviction_modes.is_empty();
        // The scheduler of most configurations prefers empty nodes: they are left out, or nothing would ever be emptied.
        let mut apart = names;
        apart.extend_from_slice(self.apart);
        for (node, _) in cold {
            for pod in self.in_order(&node) {
                let asks = args.thresholds.keys().any(|name| match name.as_str() {
                    "pods" => true,
                    other => pod.requests.usage.get(other) > 0,
                });
                if only_asking && !asks {
                    continue;
                }
                if !args.evictable_namespaces.has(&pod.namespace) {
                    self.planner.skip(&pod, Refusal::ExcludedNamespace);
                    continue;
                }
                let reason = format!("{node} is below the thresholds, and can be emptied");
                let mut round =
                    Round { planner: &mut *self.planner, nodes: self.nodes, apart: &apart, plugin: self.plugin };
                round.evict(&pod, &node, reason, |_, _| Ok(0.0));
            }
        }
    }
}
