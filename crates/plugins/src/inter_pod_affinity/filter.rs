//! Filter, and the numbers behind a rejection.

use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{Cluster, NodeDelta, NodeView, Slot, Verdict};
use loadline_model::{PodAffinityTerm, PodInfo, Str};
use serde_json::json;
use smallvec::SmallVec;

use super::key::{all_mean, means};
use super::state::{Role, State, Tally};

/// Required affinity is not met.
const AFFINITY: Verdict = Verdict::unresolvable(0);
/// Required anti-affinity is not met.
const ANTI: Verdict = Verdict::unschedulable(1);
/// Another pod's required anti-affinity is not met.
const EXISTING: Verdict = Verdict::unschedulable(2);

/// kube-scheduler's words for a verdict.
pub(super) fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        AFFINITY => "node(s) didn't match pod affinity rules",
        ANTI => "node(s) didn't match pod anti-affinity rules",
        _ => "node(s) didn't satisfy existing pods anti-affinity rules",
    }
}

/// What pods of a thought experiment change in the node's domains.
#[derive(Debug, Default)]
struct Shift {
    /// By tally; empty when nothing changes.
    by_tally: SmallVec<[i64; 4]>,
}

impl Shift {
    fn of(&self, tally: usize) -> i64 {
        self.by_tally.get(tally).copied().unwrap_or(0)
    }
}

/// Filter.
pub(super) fn filter(state: &State, node: &NodeView<'_>) -> Verdict {
    if !state.filters_now() {
        return Verdict::PASS;
    }
    let shift = node.delta().map(|delta| shift(state, node, delta)).unwrap_or_default();
    let (cluster, slot) = (node.cluster(), node.slot());
    let amount = |(index, tally): (usize, &Tally)| tally.at(cluster, slot).map(|(_, there)| there + shift.of(index));
    let tallies = |role| state.tallies.iter().enumerate().filter(move |(_, tally)| tally.role == role);

    let (mut near, mut anywhere) = (true, state.totals.affinity);
    for affinity in tallies(Role::Affinity) {
        anywhere += shift.of(affinity.0);
        match amount(affinity) {
            None => return AFFINITY,
            Some(pods) => near &= pods > 0,
        }
    }
    // The first pod of a group that wants to be together finds no other one.
    let is_first = state.self_match && anywhere == 0;
    if !near && !is_first {
        return AFFINITY;
    }
    let any = |role| tallies(role).filter_map(amount).any(|pods| pods > 0);
    if any(Role::Anti) {
        return ANTI;
    }
    if any(Role::Existing) {
        return EXISTING;
    }
    Verdict::PASS
}

fn shift(state: &State, node: &NodeView<'_>, delta: &NodeDelta) -> Shift {
    let cluster = node.cluster();
    let mut shift = Shift { by_tally: SmallVec::from_elem(0, state.tallies.len()) };
    let added = delta.added.iter().map(|pod| (pod, 1));
    let removed = delta.removed.iter().map(|pod| (pod, -1));
    for (pod, by) in added.chain(removed) {
        let pod_namespace = cluster.namespace_labels(&pod.namespace);
        let together = all_mean(state.own.required(), &pod.namespace, pod_namespace, &pod.labels);
        let apart = |key: &Str| {
            let means = |term: &&PodAffinityTerm| means(term, &pod.namespace, pod_namespace, &pod.labels);
            let terms = state.own.anti().iter().filter(|term| term.topology_key == *key);
            terms.filter(means).count() as i64
        };
        for (tally, shift) in state.tallies.iter().zip(&mut shift.by_tally) {
            match tally.role {
                Role::Affinity => *shift += if together { by } else { 0 },
                Role::Anti => *shift += by * apart(&cluster.topology(tally.topology).key),
                Role::Existing | Role::Score => {}
            }
        }
        for term in carried_against(state, pod) {
            let over = |tally: &Tally| {
                tally.role == Role::Existing && cluster.topology(tally.topology).key == term.topology_key
            };
            // Each term that means these pods has its tally, also while nobody carries it.
            let tally = state.tallies.iter().position(over).expect("a term that is known has a tally");
            shift.by_tally[tally] += by;
        }
    }
    shift
}

/// Whether a pod put on a node can change what is said of it.
pub(super) fn is_moved_by(state: &State, pod: &PodInfo, cluster: &dyn Cluster) -> bool {
    let labels = cluster.namespace_labels(&pod.namespace);
    let required = state.own.required();
    let together = !required.is_empty() && all_mean(required, &pod.namespace, labels, &pod.labels);
    let apart = |term: &PodAffinityTerm| means(term, &pod.namespace, labels, &pod.labels);
    together || state.own.anti().iter().any(apart) || carried_against(state, pod).next().is_some()
}

/// Required anti-affinity terms that `pod` carries and that mean the pods of this state.
fn carried_against<'a>(state: &'a State, pod: &'a PodInfo) -> impl Iterator<Item = &'a PodAffinityTerm> {
    let terms = pod.pod_affinity().map_or(&[][..], |affinity| &affinity.anti_required);
    terms.iter().filter(|term| state.meant_by.contains(term))
}

/// The numbers behind a rejection.
pub(super) fn detail(state: &State, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
    let (role, what) = match verdict {
        AFFINITY => (Role::Affinity, "pods that match the required affinity"),
        ANTI => (Role::Anti, "pods that match the required anti-affinity"),
        _ => (Role::Existing, "required anti-affinity terms of other pods that mean this one"),
    };
    let (mut details, mut remedies) = (Vec::new(), Vec::new());
    let shift = node.delta().map(|delta| self::shift(state, node, delta)).unwrap_or_default();
    let topology_of = |tally: &Tally| node.cluster().topology(tally.topology);
    let mut tallies: Vec<_> = state.tallies.iter().enumerate().filter(|(_, tally)| tally.role == role).collect();
    if role == Role::Existing {
        // Terms of other pods stand in the order in which they were first seen, which is nobody's business.
        tallies.sort_by(|(_, a), (_, b)| topology_of(a).key.cmp(&topology_of(b).key));
    }
    for (index, tally) in tallies {
        let topology = topology_of(tally);
        let key = &topology.key;
        let Some((domain, there)) = tally.at(node.cluster(), node.slot()) else {
            if role == Role::Affinity {
                details.push(Detail { what: format!("label {key}"), wanted: "any value".into(), found: "none".into() });
                remedies.push(Remedy {
                    text: format!("needs the label {key} on {}", node.name()),
                    change: json!({"node": node.name(), "addLabel": key}),
                    ..Remedy::default()
                });
            }
            continue;
        };
        let (value, pods) = (&topology.values[domain], there + shift.of(index));
        let is_wrong = (pods > 0) != (role == Role::Affinity);
        if !is_wrong {
            continue;
        }
        let what = format!("{what} in {key}={value}");
        if role == Role::Affinity {
            let elsewhere: i64 = tally.by_domain.iter().sum::<i64>() - there;
            details.push(Detail {
                what,
                wanted: "at least 1".into(),
                found: format!("0, and {elsewhere} in other domains"),
            });
            remedies.push(Remedy {
                text: format!("needs a pod that matches its required affinity in {key}={value}"),
                change: json!({"topologyKey": key, "domain": value, "morePods": 1}),
                ..Remedy::default()
            });
        } else {
            let example = example(state, role, node, &topology.members[domain], key);
            details.push(Detail {
                what,
                wanted: "0".into(),
                found: example.map_or(pods.to_string(), |example| format!("{pods}, such as {example}")),
            });
            let whom = match (role, pods) {
                (Role::Anti, 1) => "the pod that matches its required anti-affinity".to_owned(),
                (Role::Anti, _) => format!("the {pods} pods that match its required anti-affinity"),
                (_, 1) => "the pod with a required anti-affinity term that means it".to_owned(),
                _ => format!("all pods with the {pods} required anti-affinity terms that mean it"),
            };
            remedies.push(Remedy {
                text: format!("needs {whom} gone from {key}={value}"),
                change: json!({"topologyKey": key, "domain": value, "fewerPods": pods}),
                measure: Some(("pods in the way".to_owned(), pods)),
            });
        }
    }
    (details, remedies)
}

/// One of the pods in the way, on the first node by name: `namespace/name on node`.
fn example(state: &State, role: Role, node: &NodeView<'_>, members: &[Slot], key: &Str) -> Option<String> {
    let cluster = node.cluster();
    let in_the_way = |pod: &Arc<PodInfo>| {
        if role == Role::Existing {
            return carried_against(state, pod).any(|term| term.topology_key == *key);
        }
        let labels = cluster.namespace_labels(&pod.namespace);
        let means = |term: &PodAffinityTerm| means(term, &pod.namespace, labels, &pod.labels);
        state.own.anti().iter().any(|term| term.topology_key == *key && means(term))
    };
    members
        .iter()
        .filter_map(|slot| cluster.nodes().get(slot.index())?.as_deref())
        .filter_map(|info| Some((&info.spec.name, info.pods.iter().find(|pod| in_the_way(pod))?)))
        .min_by_key(|(name, _)| *name)
        .map(|(name, pod)| format!("{} on {name}", pod.full_name()))
}
