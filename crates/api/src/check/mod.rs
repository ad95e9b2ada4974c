//! Whether what an object says makes sense: the parts of the API server's validation that placement depends on. Fields of the wrong
//! type never get this far.
//!
//! A check walks over a decoded object, which costs next to nothing while there is nothing to report; places in the text are looked up
//! only for an object that has a problem.

mod amounts;
mod group;
mod labels;
mod pod;
mod selector;
mod workload;

use loadline_model::name::is_dns_subdomain;

use self::amounts::{check_amounts, check_container_resources};
pub(crate) use self::labels::{is_label_key, is_label_value};
use self::workload::{check_selects_own_pods, check_workload};
use crate::defaults::is_admitted;
use crate::doc::At;
use crate::wire::{Kind, LimitRangeItem, Node, Object, ObjectMeta, Taint};

/// Takes what is wrong: where, and what was expected and found.
pub type Report<'r> = dyn FnMut(At<'_>, String) + 'r;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const PREEMPTION_POLICIES: [&str; 2] = ["PreemptLowerPriority", "Never"];

/// Reports everything about an object that the API server would refuse and that placement depends on.
pub fn check(object: &Object, report: &mut Report<'_>) {
    let root = At::Root;
    let spec = root.field("spec");
    check_name(object.kind(), object.metadata(), report);
    match object {
        Object::Pod(pod) => pod::check_spec(&spec, &pod.spec, report),
        Object::Node(node) => check_node(node, report),
        Object::Deployment(it) => check_workload(&spec, it.spec.replicas, &it.spec.template, report),
        Object::ReplicaSet(it) => check_workload(&spec, it.spec.replicas, &it.spec.template, report),
        Object::StatefulSet(it) => check_workload(&spec, it.spec.replicas, &it.spec.template, report),
        Object::ReplicationController(it) => check_workload(&spec, it.spec.replicas, &it.spec.template, report),
        Object::DaemonSet(it) => check_workload(&spec, None, &it.spec.template, report),
        Object::Job(it) => {
            check_not_negative(spec.field("completions"), it.spec.completions, report);
            check_not_negative(spec.field("parallelism"), it.spec.parallelism, report);
            check_workload(&spec, None, &it.spec.template, report);
        }
        Object::PriorityClass(class) => {
            check_choice(
                root.field("preemptionPolicy"),
                class.preemption_policy.as_deref(),
                &PREEMPTION_POLICIES,
                report,
            );
        }
        Object::RuntimeClass(class) => {
            if let Some(overhead) = &class.overhead {
                let overhead_at = root.field("overhead");
                check_amounts(&overhead_at.field("podFixed"), &overhead.pod_fixed, report);
                check_container_resources(&overhead_at.field("podFixed"), &overhead.pod_fixed, report);
            }
            if let Some(scheduling) = &class.scheduling {
                let scheduling_at = root.field("scheduling");
                pod::check_tolerations(&scheduling_at.field("tolerations"), &scheduling.tolerations, report);
            }
        }
        Object::LimitRange(range) => {
            let limits = spec.field("limits");
            for (index, item) in range.spec.limits.iter().enumerate() {
                check_limits(&limits.index(index), item, report);
            }
        }
        Object::PodGroup(group) => group::check_pod_group(group, &spec, report),
        Object::CorePodGroup(group) => group::check_core_pod_group(group, &spec, report),
        _ => {}
    }
    check_selectors(object, &spec, report);
    if !is_admitted(object.metadata()) {
        check_selects_own_pods(object, &spec, report);
    }
}

/// What an older API server has stored may have a name that none would take today.
fn check_name(kind: Kind, metadata: &ObjectMeta, report: &mut Report<'_>) {
    let (root, name) = (At::Root, &metadata.name);
    let at = root.field("metadata");
    let at = at.field("name");
    let is_label = matches!(kind, Kind::Namespace | Kind::Service | Kind::StatefulSet);
    if name.is_empty() {
        report(at, "expected a name, found none".into());
    } else if is_admitted(metadata) || kind == Kind::PodDisruptionBudget {
        // A budget's name is the one that nobody looks at.
    } else if !is_dns_subdomain(name) || (is_label && (name.len() > 63 || name.contains('.'))) {
        let wanted = if is_label { "`-`, 63 at most" } else { "`-` and `.`, 253 at most" };
        report(at, format!("expected a name of lower case letters, digits, {wanted}, found `{name}`"));
    }
}

fn check_selectors(object: &Object, spec: &At<'_>, report: &mut Report<'_>) {
    let selector = match object {
        Object::Deployment(it) => it.spec.selector.as_ref(),
        Object::ReplicaSet(it) => it.spec.selector.as_ref(),
        Object::StatefulSet(it) => it.spec.selector.as_ref(),
        Object::DaemonSet(it) => it.spec.selector.as_ref(),
        Object::Job(it) => it.spec.selector.as_ref(),
        Object::PodDisruptionBudget(it) => it.spec.selector.as_ref(),
        _ => None,
    };
    if let Some(selector) = selector {
        selector::check_label_selector(&spec.field("selector"), selector, report);
    }
    if let Object::Service(service) = object {
        labels::check_label_map(&spec.field("selector"), &service.spec.selector, report);
    }
    if let Object::ReplicationController(controller) = object {
        labels::check_label_map(&spec.field("selector"), &controller.spec.selector, report);
    }
}

fn check_node(node: &Node, report: &mut Report<'_>) {
    let root = At::Root;
    let (spec, status) = (root.field("spec"), root.field("status"));
    let taints = spec.field("taints");
    for (index, taint) in node.spec.taints.iter().enumerate() {
        check_taint(&taints.index(index), taint, report);
    }
    check_amounts(&status.field("capacity"), &node.status.capacity, report);
    check_amounts(&status.field("allocatable"), &node.status.allocatable, report);
}

fn check_taint(at: &At<'_>, taint: &Taint, report: &mut Report<'_>) {
    labels::check_label_key(at.field("key"), &taint.key, report);
    check_choice(at.field("effect"), Some(&taint.effect), &EFFECTS, report);
}

fn check_limits(at: &At<'_>, item: &LimitRangeItem, report: &mut Report<'_>) {
    check_choice(at.field("type"), Some(&item.kind), &["Container", "Pod", "PersistentVolumeClaim"], report);
    for (name, amounts) in
        [("default", &item.default), ("defaultRequest", &item.default_request), ("min", &item.min), ("max", &item.max)]
    {
        check_amounts(&at.field(name), amounts, report);
        if item.kind != "PersistentVolumeClaim" {
            check_container_resources(&at.field(name), amounts, report);
        }
    }
}

fn check_not_negative(at: At<'_>, value: Option<i32>, report: &mut Report<'_>) {
    if let Some(value) = value.filter(|value| *value < 0) {
        report(at, format!("expected 0 or more, found {value}"));
    }
}

/// A word must be one of a few, if there is one.
fn check_choice(at: At<'_>, found: Option<&str>, choices: &[&str], report: &mut Report<'_>) {
    if let Some(found) = found.filter(|found| !choices.contains(found)) {
        let found = if found.is_empty() { "nothing".to_owned() } else { format!("`{found}`") };
        report(at, format!("expected one of {}, found {found}", choices.join(", ")));
    }
}

/// What a message calls an object: `Pod default/web`.
pub fn object_name(kind: Kind, namespace: &str, name: &str) -> String {
    if kind.is_namespaced() { format!("{} {namespace}/{name}", kind.name()) } else { format!("{} {name}", kind.name()) }
}

#[cfg(test)]
mod tests;
