//! RemoveDuplicates: pods of one owner with the same images, more of them on a node than there would be if all nodes that
//! could take them had as many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_model::{PodInfo, Str};

use super::args::RemoveDuplicatesArgs;
use super::violations::matches_node;
use super::{Round, scope};
use crate::refusal::Refusal;

/// Namespace, kind and name of the owner, images.
type Group = (Str, Str, Str, Vec<Str>);

fn group(pod: &PodInfo) -> Option<Group> {
    let owner = pod.owner.as_ref()?;
    let mut images = pod.images.to_vec();
    images.sort_unstable();
    Some((pod.namespace.clone(), owner.kind.clone(), owner.name.clone(), images))
}

impl Round<'_, '_> {
    pub(super) fn duplicates(&mut self, args: &RemoveDuplicatesArgs) {
        let scope = scope(&args.namespaces, None);
        let mut groups: BTreeMap<Group, BTreeMap<Str, Vec<Arc<PodInfo>>>> = BTreeMap::new();
        for (node, pod) in self.pods(|pod| scope(pod) && !pod.is_terminating()) {
            let excluded = pod
                .owner
                .as_ref()
                .is_some_and(|owner| args.exclude_owner_kinds.iter().any(|kind| owner.kind == **kind));
            if let Some(group) = group(&pod).filter(|_| !excluded) {
                groups.entry(group).or_default().entry(node).or_default().push(pod);
            }
        }
        for by_node in groups.into_values() {
            let pods: usize = by_node.values().map(Vec::len).sum();
            if by_node.values().all(|pods| pods.len() < 2) {
                continue;
            }
            let nodes = self.nodes_for(by_node.values().flatten());
            if nodes < 2 {
                continue;
            }
            let fair = pods.div_ceil(nodes);
            for (node, pods) in by_node {
                let mut left = pods.len();
                for pod in pods {
                    if left <= fair {
                        break;
                    }
                    let reason = format!("{left} pods of its owner are on {node}, and {fair} would be fair");
                    let like = group(&pod);
                    let moved = self.evict(&pod, &node, reason, |planner, to| {
                        let there = planner.engine.cluster().node(to);
                        let of_group = there.iter().flat_map(|info| &info.pods).filter(|other| group(other) == like);
                        // Else the next round would take it away from there.
                        let count = of_group.count();
                        if count + 1 < left { Ok((left - count - 1) as f64) } else { Err(Refusal::NoGain) }
                    });
                    left -= usize::from(moved);
                }
            }
        }
    }

    /// How many nodes the taints and the node affinity of any of these pods allow.
    fn nodes_for<'p>(&self, pods: impl Iterator<Item = &'p Arc<PodInfo>>) -> usize {
        let mut kinds: Vec<&Arc<PodInfo>> = Vec::new();
        for pod in pods {
            let same = |other: &&Arc<PodInfo>| {
                other.tolerations == pod.tolerations
                    && other.node_selector == pod.node_selector
                    && other.affinity == pod.affinity
            };
            if !kinds.iter().any(same) {
                kinds.push(pod);
            }
        }
        let infos = self.planner.engine.cluster().node_infos().filter(|info| !info.spec.unschedulable);
        let allowed = infos.filter(|info| {
            kinds.iter().any(|pod| matches_node(pod, &info.spec) && info.spec.is_tolerated(&pod.tolerations))
        });
        allowed.map(|info| &info.spec.name).collect::<BTreeSet<_>>().len()
    }
}
