//! Pods and templates of pods: what depends on them alone.

use crate::convert::{container_sum, is_pod_level};
use crate::wire::{
    Affinity, Container, EmptyDir, LabelSelector, LabelSelectorRequirement, Pod, PodAffinity, PodAffinityTerm, PodSpec,
    PodTemplate, ResourceList, ResourceRequirements, StringMap, Volume,
};

/// The profile of pods that do not name one.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

pub(super) fn fill_stored(pod: &mut Pod) {
    fill_spec(&mut pod.spec);
    let host_network = pod.spec.host_network;
    for container in containers(&mut pod.spec) {
        fill_container(container, host_network);
    }
    fill_pod_level(pod);
    round_up(&mut pod.spec);
    if pod.status.phase.is_empty() {
        "Pending".clone_into(&mut pod.status.phase);
    }
}

/// The template of a workload has less filled in than a pod: the rest comes when a pod is made of it.
pub(super) fn fill_template(template: &mut PodTemplate) {
    fill_spec(&mut template.spec);
    round_up(&mut template.spec);
}

/// What pods and templates have in common.
fn fill_spec(spec: &mut PodSpec) {
    let fill = |text: &mut String, default: &str| {
        if text.is_empty() {
            default.clone_into(text);
        }
    };
    fill(&mut spec.scheduler_name, DEFAULT_SCHEDULER);
    fill(&mut spec.restart_policy, "Always");
    for port in containers(spec).flat_map(|container| &mut container.ports) {
        fill(&mut port.protocol, "TCP");
    }
    for rbd in spec.volumes.iter_mut().filter_map(|volume| volume.rbd.as_mut()) {
        fill(&mut rbd.pool, "rbd");
    }
    for volume in &mut spec.volumes {
        let without_source = Volume { name: volume.name.clone(), ..Volume::default() };
        if *volume == without_source {
            volume.empty_dir = Some(EmptyDir::default());
        }
    }
}

fn containers(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    spec.containers.iter_mut().chain(&mut spec.init_containers)
}

/// Last, as the API server does: what is filled in for the pod as a whole is the sum of the amounts as they were given.
fn round_up(spec: &mut PodSpec) {
    spec.overhead.store();
    let containers = spec.containers.iter_mut().chain(&mut spec.init_containers);
    for resources in containers.map(|container| &mut container.resources).chain(&mut spec.resources) {
        resources.requests.store();
        resources.limits.store();
    }
}

fn fill_container(container: &mut Container, host_network: bool) {
    let ResourceRequirements { requests, limits, .. } = &mut container.resources;
    fill_missing(requests, limits);
    if host_network {
        for port in container.ports.iter_mut().filter(|port| port.host_port == 0) {
            port.host_port = port.container_port;
        }
    }
}

/// Copies amounts that are not there yet.
pub(super) fn fill_missing(amounts: &mut ResourceList, from: &ResourceList) {
    for (name, amount) in from.iter() {
        if !amounts.contains_key(name) {
            amounts.insert(name.clone(), *amount);
        }
    }
}

/// A pod that says as a whole what it may use at most asks for what its containers ask for, else for that most. Of hugepages, the
/// containers' limits are the pod's.
fn fill_pod_level(pod: &mut Pod) {
    let is_hugepages = |name: &str| name.starts_with("hugepages-");
    let Some(resources) = &pod.spec.resources else { return };
    if resources.limits.is_empty() && resources.requests.is_empty() {
        return;
    }
    let mut filled = resources.clone();
    for (name, amount) in container_sum(pod, |container| &container.resources.limits) {
        if is_hugepages(name) && !filled.requests.contains_key(name) {
            filled.limits.entry(name.to_owned()).or_insert(amount);
        }
    }
    if !filled.limits.is_empty() {
        for (name, amount) in container_sum(pod, |container| &container.resources.requests) {
            if is_pod_level(name) && !is_hugepages(name) {
                filled.requests.entry(name.to_owned()).or_insert(amount);
            }
        }
        for (name, amount) in filled.limits.iter().filter(|(name, _)| is_pod_level(name)) {
            filled.requests.entry(name.clone()).or_insert(*amount);
        }
    }
    pod.spec.resources = Some(filled);
}

/// Puts `matchLabelKeys` and `mismatchLabelKeys` into the selectors that they belong to, as happens when a pod is created.
pub(super) fn merge_label_keys(pod: &mut Pod) {
    let labels = &pod.metadata.labels;
    for constraint in &mut pod.spec.topology_spread_constraints {
        if let Some(selector) = &mut constraint.label_selector {
            merge(selector, &constraint.match_label_keys, "In", labels);
        }
    }
    if let Some(Affinity { pod_affinity, pod_anti_affinity, .. }) = &mut pod.spec.affinity {
        for affinity in [pod_affinity, pod_anti_affinity].into_iter().flatten() {
            each_term(affinity, |term| {
                if let Some(selector) = &mut term.label_selector {
                    merge(selector, &term.match_label_keys, "In", labels);
                    merge(selector, &term.mismatch_label_keys, "NotIn", labels);
                }
            });
        }
    }
}

fn each_term(affinity: &mut PodAffinity, mut change: impl FnMut(&mut PodAffinityTerm)) {
    affinity.required_during_scheduling_ignored_during_execution.iter_mut().for_each(&mut change);
    affinity
        .preferred_during_scheduling_ignored_during_execution
        .iter_mut()
        .for_each(|term| change(&mut term.pod_affinity_term));
}

fn merge(selector: &mut LabelSelector, keys: &[String], operator: &str, labels: &StringMap) {
    for key in keys {
        let Some(value) = labels.get(key) else { continue };
        selector.match_expressions.push(LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.to_owned(),
            values: vec![value.clone()],
        });
    }
}
