//! DaemonSets: one pod for each node that will have it.

use loadline_model::{NodeSpec, PodInfo};

use super::make::{self, owner_reference};
use super::present::Present;
use crate::convert::Converter;
use crate::wire::{DaemonSet, Kind, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration};

/// Taints that no DaemonSet minds; the last one only matters to pods on the host's network.
const TOLERATED: [(&str, &str); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ("node.kubernetes.io/network-unavailable", "NoSchedule"),
];

pub(super) fn pods(set: &DaemonSet, present: &Present, nodes: &[NodeSpec]) -> Vec<Pod> {
    let metadata = &set.metadata;
    let owner = owner_reference(Kind::DaemonSet, metadata);
    let mut model = make::pod(&set.spec.template, owner, &metadata.namespace, metadata.name.clone());
    add_tolerations(&mut model.spec);
    let compiled = Converter::new().pod(&model);
    let mut covered: Vec<&str> =
        present.of(Kind::DaemonSet, metadata).filter(|pod| pod.active).filter_map(|pod| pod.node.as_deref()).collect();
    covered.sort_unstable();
    let mut name = make::names(&metadata.name, present.names(Kind::DaemonSet, metadata));
    nodes
        .iter()
        .filter(|node| covered.binary_search(&node.name.as_str()).is_err() && is_eligible(&compiled, node))
        .map(|node| {
            let mut pod = model.clone();
            pod.metadata.name = name(&node.name);
            pin(&mut pod.spec, &node.name);
            pod
        })
        .collect()
}

/// Whether a node would get a pod: by name, selector, affinity and taints. Whether it has room is the scheduler's to say.
fn is_eligible(pod: &PodInfo, node: &NodeSpec) -> bool {
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.node_required.as_ref());
    pod.node_name.as_ref().is_none_or(|name| *name == node.name)
        && pod.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
        && affinity.is_none_or(|required| required.matches(&node.name, &node.labels))
        && node.is_tolerated(&pod.tolerations)
}

fn add_tolerations(spec: &mut PodSpec) {
    let count = if spec.host_network { TOLERATED.len() } else { TOLERATED.len() - 1 };
    for (key, effect) in &TOLERATED[..count] {
        let wanted = Toleration {
            key: (*key).to_owned(),
            operator: "Exists".into(),
            effect: (*effect).to_owned(),
            ..Toleration::default()
        };
        let same = |own: &Toleration| {
            (&own.key, &own.operator, &own.value, &own.effect)
                == (&wanted.key, &wanted.operator, &wanted.value, &wanted.effect)
        };
        match spec.tolerations.iter_mut().find(|own| same(own)) {
            Some(own) => *own = wanted,
            None => spec.tolerations.push(wanted),
        }
    }
}

/// Required node affinity for one node by name, in place of what the template requires.
fn pin(spec: &mut PodSpec, node: &str) {
    let requirement =
        NodeSelectorRequirement { key: "metadata.name".into(), operator: "In".into(), values: vec![node.to_owned()] };
    let term = NodeSelectorTerm { match_fields: vec![requirement], ..NodeSelectorTerm::default() };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![term] });
}
