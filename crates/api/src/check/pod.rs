//! Pod specs, of pods and of templates.

use super::amounts::{check_amounts, check_container_resources, check_pod_resources};
use super::labels::{check_label_key, check_label_map};
use super::selector::{check_label_selector, check_node_selector, check_node_selector_term};
use super::{EFFECTS, PREEMPTION_POLICIES, Report, check_choice};
use crate::doc::At;
use crate::wire::{
    Affinity, Container, PodAffinity, PodAffinityTerm, PodSpec, ResourceList, ResourceRequirements, Toleration,
    TopologySpreadConstraint,
};

pub(super) fn check_spec(at: &At<'_>, spec: &PodSpec, report: &mut Report<'_>) {
    for (name, containers) in [("containers", &spec.containers), ("initContainers", &spec.init_containers)] {
        let list = at.field(name);
        for (index, container) in containers.iter().enumerate() {
            check_container(&list.index(index), container, report);
        }
    }
    if let Some(resources) = &spec.resources {
        check_resources(&at.field("resources"), resources, check_pod_resources, report);
    }
    check_amounts(&at.field("overhead"), &spec.overhead, report);
    check_container_resources(&at.field("overhead"), &spec.overhead, report);
    check_label_map(&at.field("nodeSelector"), &spec.node_selector, report);
    if let Some(affinity) = &spec.affinity {
        check_affinity(&at.field("affinity"), affinity, report);
    }
    check_tolerations(&at.field("tolerations"), &spec.tolerations, report);
    let constraints = at.field("topologySpreadConstraints");
    for (index, constraint) in spec.topology_spread_constraints.iter().enumerate() {
        check_spread(&constraints.index(index), constraint, report);
    }
    check_choice(at.field("preemptionPolicy"), spec.preemption_policy.as_deref(), &PREEMPTION_POLICIES, report);
}

fn check_container(at: &At<'_>, container: &Container, report: &mut Report<'_>) {
    check_resources(&at.field("resources"), &container.resources, check_container_resources, report);
    let ports = at.field("ports");
    for (index, port) in container.ports.iter().enumerate() {
        let at = ports.index(index);
        for (name, number) in [("containerPort", port.container_port), ("hostPort", port.host_port)] {
            if !(0..=65535).contains(&number) {
                report(at.field(name), format!("expected a port from 1 to 65535, found {number}"));
            }
        }
        if !port.protocol.is_empty() {
            check_choice(at.field("protocol"), Some(&port.protocol), &["TCP", "UDP", "SCTP"], report);
        }
    }
}

fn check_resources(
    at: &At<'_>,
    resources: &ResourceRequirements,
    check_names: fn(&At<'_>, &ResourceList, &mut Report<'_>),
    report: &mut Report<'_>,
) {
    for (name, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        let at = at.field(name);
        check_amounts(&at, amounts, report);
        check_names(&at, amounts, report);
    }
}

pub(super) fn check_tolerations(at: &At<'_>, tolerations: &[Toleration], report: &mut Report<'_>) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let at = at.index(index);
        // Lt and Gt exist behind a feature gate; without it they are known and never true.
        let operators = ["", "Exists", "Equal", "Lt", "Gt"];
        if !operators.contains(&&*toleration.operator) {
            check_choice(at.field("operator"), Some(&toleration.operator), &operators[1..], report);
        }
        if !toleration.effect.is_empty() {
            check_choice(at.field("effect"), Some(&toleration.effect), &EFFECTS, report);
        }
        if !toleration.key.is_empty() {
            check_label_key(at.field("key"), &toleration.key, report);
        } else if toleration.operator != "Exists" {
            report(at.field("operator"), "expected Exists, as there is no key".into());
        }
        if toleration.operator == "Exists" && !toleration.value.is_empty() {
            report(at.field("value"), format!("expected no value for Exists, found `{}`", toleration.value));
        }
    }
}

fn check_spread(at: &At<'_>, constraint: &TopologySpreadConstraint, report: &mut Report<'_>) {
    if constraint.max_skew <= 0 {
        report(at.field("maxSkew"), format!("expected 1 or more, found {}", constraint.max_skew));
    }
    check_topology_key(at, &constraint.topology_key, report);
    let actions = ["DoNotSchedule", "ScheduleAnyway"];
    check_choice(at.field("whenUnsatisfiable"), Some(&constraint.when_unsatisfiable), &actions, report);
    if let Some(selector) = &constraint.label_selector {
        check_label_selector(&at.field("labelSelector"), selector, report);
    }
    if let Some(domains) = constraint.min_domains.filter(|domains| *domains <= 0) {
        report(at.field("minDomains"), format!("expected 1 or more, found {domains}"));
    }
    for (name, policy) in
        [("nodeAffinityPolicy", &constraint.node_affinity_policy), ("nodeTaintsPolicy", &constraint.node_taints_policy)]
    {
        check_choice(at.field(name), policy.as_deref(), &["Honor", "Ignore"], report);
    }
    check_keys(&at.field("matchLabelKeys"), &constraint.match_label_keys, report);
}

fn check_affinity(at: &At<'_>, affinity: &Affinity, report: &mut Report<'_>) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(node) = &affinity.node_affinity {
        let at = at.field("nodeAffinity");
        if let Some(required) = &node.required_during_scheduling_ignored_during_execution {
            check_node_selector(&at.field(REQUIRED), required, report);
        }
        let preferred = at.field(PREFERRED);
        for (index, term) in node.preferred_during_scheduling_ignored_during_execution.iter().enumerate() {
            let at = preferred.index(index);
            check_weight(&at, term.weight, report);
            check_node_selector_term(&at.field("preference"), &term.preference, report);
        }
    }
    let mut pods = |at: At<'_>, affinity: &PodAffinity| {
        let required = at.field(REQUIRED);
        for (index, term) in affinity.required_during_scheduling_ignored_during_execution.iter().enumerate() {
            check_pod_term(&required.index(index), term, report);
        }
        let preferred = at.field(PREFERRED);
        for (index, term) in affinity.preferred_during_scheduling_ignored_during_execution.iter().enumerate() {
            let at = preferred.index(index);
            check_weight(&at, term.weight, report);
            check_pod_term(&at.field("podAffinityTerm"), &term.pod_affinity_term, report);
        }
    };
    if let Some(affinity) = &affinity.pod_affinity {
        pods(at.field("podAffinity"), affinity);
    }
    if let Some(affinity) = &affinity.pod_anti_affinity {
        pods(at.field("podAntiAffinity"), affinity);
    }
}

fn check_pod_term(at: &At<'_>, term: &PodAffinityTerm, report: &mut Report<'_>) {
    check_topology_key(at, &term.topology_key, report);
    for (name, selector) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)] {
        if let Some(selector) = selector {
            check_label_selector(&at.field(name), selector, report);
        }
    }
    check_keys(&at.field("matchLabelKeys"), &term.match_label_keys, report);
    check_keys(&at.field("mismatchLabelKeys"), &term.mismatch_label_keys, report);
}

fn check_keys(at: &At<'_>, keys: &[String], report: &mut Report<'_>) {
    for (index, key) in keys.iter().enumerate() {
        check_label_key(at.index(index), key, report);
    }
}

fn check_topology_key(at: &At<'_>, key: &str, report: &mut Report<'_>) {
    check_label_key(at.field("topologyKey"), key, report);
}

fn check_weight(at: &At<'_>, weight: i32, report: &mut Report<'_>) {
    if !(1..=100).contains(&weight) {
        report(at.field("weight"), format!("expected a weight from 1 to 100, found {weight}"));
    }
}
