//! A quick refusal: what a gang says it needs in all, against what is free where its pods may go.

use std::sync::Arc;

use loadline_framework::{Cluster, NodeView, Reads};
use loadline_model::{NodeInfo, PodInfo, Resources};

use super::Want;
use crate::Engine;
use crate::class::Sources;
use crate::cycle::guarded;
use crate::evaluate::Request;

/// Reads of an answer that no pod on any node can change.
const MOVES: Reads = Reads::LOAD.and(Reads::PODS).and(Reads::COUNTS);

impl Engine {
    /// What the nodes that members may go to are short of, as far as the group says what it needs; `None`: nothing.
    pub(super) fn lacks_resources(&mut self, want: &Want) -> Option<String> {
        let (wanted, has) = want.min_resources.as_ref()?;
        if want.need == 0 {
            return None;
        }
        let mut left = Resources::clone(wanted);
        left.subtract(has);
        let mut pods = want.need as i64;
        let mut kinds: Vec<&Arc<PodInfo>> = Vec::new();
        for pod in &want.members {
            if !kinds.iter().any(|known| goes_where(known, pod)) {
                kinds.push(pod);
            }
        }
        self.cluster.settle();
        let allowed: Vec<_> = kinds.into_iter().filter_map(|pod| guarded(|| self.static_filters(pod)).ok()).collect();
        for slot in self.cluster.order().by_name() {
            let Some(info) = self.cluster.nodes()[slot.index()].as_deref() else { continue };
            let view = NodeView::new(&self.cluster, *slot, info, Reads::NOTHING);
            let sources = Sources { cluster: &self.cluster, columns: &self.kept.columns, nominator: &self.nominator };
            let may_go = |filters: &Vec<crate::class::Member>| {
                filters.iter().all(|member| {
                    let column = sources.columns.get(member.column);
                    guarded(|| column.runner.filter(&column.state, &view).passes()).unwrap_or(true)
                })
            };
            if allowed.is_empty() || allowed.iter().any(may_go) {
                take_free(&mut left, &mut pods, info);
                if pods <= 0 && is_covered(&left) {
                    return None;
                }
            }
        }
        Some(gap(&left, pods))
    }

    /// The filters of a pod whose answers no pod on a node can change.
    fn static_filters(&mut self, pod: &Arc<PodInfo>) -> Vec<crate::class::Member> {
        let found = self.profiles.profiles.iter().position(|profile| profile.scheduler_name == pod.scheduler_name);
        let Some(profile_index) = found else { return Vec::new() };
        let profile = self.profiles.profiles[profile_index].clone();
        let request = Request { profile: &profile, profile_index, pod };
        let Ok(opened) = self.kept.pre_filter(&request, &mut self.cluster) else { return Vec::new() };
        let (mut filters, _) = self.kept.members(&profile, &opened);
        filters.retain(|member| !self.kept.columns.get(member.column).runner.reads().has_any(MOVES));
        filters
    }
}

/// Whether two pods may go to the same nodes, as far as the nodes alone say.
fn goes_where(a: &PodInfo, b: &PodInfo) -> bool {
    let required = |pod: &PodInfo| pod.affinity.as_ref().and_then(|affinity| affinity.node_required.clone());
    a.scheduler_name == b.scheduler_name
        && a.node_selector == b.node_selector
        && (Arc::ptr_eq(&a.tolerations, &b.tolerations) || a.tolerations == b.tolerations)
        && match (&a.affinity, &b.affinity) {
            (Some(x), Some(y)) if Arc::ptr_eq(x, y) => true,
            _ => required(a) == required(b),
        }
}

fn take_free(left: &mut Resources, pods: &mut i64, info: &NodeInfo) {
    let (has, used) = (&info.spec.allocatable, &info.load.requested);
    let free = |has: i64, used: i64| has.saturating_sub(used).max(0);
    left.milli_cpu -= free(has.milli_cpu, used.milli_cpu);
    left.memory -= free(has.memory, used.memory);
    left.ephemeral_storage -= free(has.ephemeral_storage, used.ephemeral_storage);
    for (name, amount) in &mut left.scalars {
        *amount -= free(has.get(name), used.get(name));
    }
    *pods -= free(info.spec.allowed_pods, info.load.pods);
}

fn is_covered(left: &Resources) -> bool {
    left.milli_cpu <= 0
        && left.memory <= 0
        && left.ephemeral_storage <= 0
        && left.scalars.iter().all(|(_, amount)| *amount <= 0)
}

/// What is missing, in words.
fn gap(left: &Resources, pods: i64) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, amount: i64, unit: &str| {
        if amount > 0 {
            parts.push(format!("{name} {amount}{unit}"));
        }
    };
    add("cpu", left.milli_cpu, "m");
    add("memory", left.memory, "");
    add("ephemeral-storage", left.ephemeral_storage, "");
    for (name, amount) in &left.scalars {
        add(name, *amount, "");
    }
    add("pods", pods, "");
    format!("the nodes that its pods may go to are short of {} for its minResources", parts.join(", "))
}
