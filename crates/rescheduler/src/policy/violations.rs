//! RemovePodsViolatingNodeAffinity, -NodeTaints and -InterPodAntiAffinity: pods that the scheduler would not put where they are.

use std::sync::Arc;

use loadline_framework::Cluster;
use loadline_model::{Effect, Map, NodeSpec, PodInfo, Str, Taint};

use super::args::{
    RemovePodsViolatingInterPodAntiAffinityArgs, RemovePodsViolatingNodeAffinityArgs, RemovePodsViolatingNodeTaintsArgs,
};
use super::{PREFERRED, REQUIRED, Round, scope};
use crate::planner::Planner;
use crate::refusal::Refusal;

fn spec(planner: &Planner<'_>, node: &str) -> Option<Arc<NodeSpec>> {
    planner.engine.cluster().node(node).map(|info| info.spec.clone())
}

/// Whether a node matches a pod's node selector and required node affinity.
pub(super) fn matches_node(pod: &PodInfo, spec: &NodeSpec) -> bool {
    let required = pod.affinity.as_ref().and_then(|affinity| affinity.node_required.as_ref());
    pod.node_selector.iter().all(|(key, value)| spec.labels.get(key) == Some(value))
        && required.is_none_or(|required| required.matches(&spec.name, &spec.labels))
}

/// Sum of the weights of a pod's preferred node affinity that a node has.
fn preference(pod: &PodInfo, spec: &NodeSpec) -> i64 {
    let preferred = pod.affinity.iter().flat_map(|affinity| &affinity.node_preferred);
    preferred.filter(|term| term.term.matches(&spec.name, &spec.labels)).map(|term| i64::from(term.weight)).sum()
}

/// Whether a taint is named by one of these, as `key` or `key=value`.
fn is_named(taint: &Taint, names: &[String]) -> bool {
    names.iter().any(|name| match name.split_once('=') {
        Some((key, value)) => taint.key == *key && taint.value == *value,
        None => taint.key == **name,
    })
}

impl Round<'_, '_> {
    pub(super) fn node_affinity(&mut self, args: &RemovePodsViolatingNodeAffinityArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let has = |kind: &str| args.node_affinity_type.iter().any(|given| given == kind);
        for (node, pod) in self.pods(scope) {
            let Some(here) = spec(self.planner, &node) else { continue };
            if has(REQUIRED) && !matches_node(&pod, &here) {
                self.evict(&pod, &node, format!("{node} does not match its node affinity"), |_, _| Ok(0.0));
                continue;
            }
            let has_preferred = pod.affinity.as_ref().is_some_and(|affinity| !affinity.node_preferred.is_empty());
            if has(PREFERRED) && has_preferred {
                let now = preference(&pod, &here);
                let reason = format!("{node} has {now} of its preferred node affinity, and there is a better node");
                self.evict(&pod, &node, reason, |planner, to| {
                    let there = spec(planner, to).map_or(0, |there| preference(&pod, &there));
                    if there > now { Ok((there - now) as f64) } else { Err(Refusal::NoGain) }
                });
            }
        }
    }

    pub(super) fn node_taints(&mut self, args: &RemovePodsViolatingNodeTaintsArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let counts = |taint: &&Taint| {
            (taint.effect == Effect::NoSchedule
                || (taint.effect == Effect::PreferNoSchedule && args.include_prefer_no_schedule))
                && !is_named(taint, &args.excluded_taints)
                && (args.included_taints.is_empty() || is_named(taint, &args.included_taints))
        };
        for (node, pod) in self.pods(scope) {
            let Some(here) = spec(self.planner, &node) else { continue };
            let tolerated = |taint: &&Taint| pod.tolerations.iter().any(|toleration| toleration.tolerates(taint));
            let Some(taint) = here.taints.iter().filter(counts).find(|taint| !tolerated(taint)) else { continue };
            let reason = format!("it does not tolerate the taint {} of {node}", taint.key);
            self.evict(&pod, &node, reason, |_, _| Ok(0.0));
        }
    }

    pub(super) fn anti_affinity(&mut self, args: &RemovePodsViolatingInterPodAntiAffinityArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let has_terms =
            |pod: &PodInfo| pod.affinity.as_ref().is_some_and(|affinity| !affinity.anti_required.is_empty());
        let mut pods = self.pods(|pod| scope(pod) && has_terms(pod));
        pods.sort_by_key(|(_, pod)| pod.priority);
        for (node, pod) in pods {
            if let Some((other, topology)) = self.breaks_with(&pod, &node) {
                let reason = format!("its anti-affinity rules out {other}, in the same {topology}");
                self.evict(&pod, &node, reason, |_, _| Ok(0.0));
            }
        }
    }

    /// A pod that one of a pod's required anti-affinity terms rules out and that is in its domain, with the topology.
    fn breaks_with(&self, pod: &PodInfo, node: &Str) -> Option<(String, Str)> {
        let cluster = self.planner.engine.cluster();
        let here = &cluster.node(node)?.spec;
        let terms = pod.affinity.iter().flat_map(|affinity| &affinity.anti_required);
        terms.into_iter().find_map(|term| {
            let domain = here.labels.get(&term.topology_key)?;
            let near: Vec<_> = if term.topology_key == *"kubernetes.io/hostname" {
                cluster.node(node).into_iter().collect()
            } else {
                cluster.node_infos().filter(|info| info.spec.labels.get(&term.topology_key) == Some(domain)).collect()
            };
            let others = near.into_iter().flat_map(|info| &info.pods).filter(|other| other.uid != pod.uid);
            let ruled_out = others.filter(|other| !other.is_terminating()).filter(|other| {
                term.pods.matches(&other.namespace, cluster.namespace_labels(&other.namespace), &other.labels)
            });
            let first = ruled_out.map(|other| other.full_name()).min()?;
            Some((first, term.topology_key.clone()))
        })
    }
}

/// Numbers of pods by something.
pub(super) type CountMap<K> = Map<K, usize>;
