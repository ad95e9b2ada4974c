//! Workloads: how many pods, which template, and whether the pods that it makes are its own.

use super::{Report, check_not_negative, labels, pod, selector};
use crate::convert::Converter;
use crate::doc::At;
use crate::wire::{LabelSelector, Object, PodTemplate};

/// What all workloads have.
pub(super) fn check_workload(spec: &At<'_>, replicas: Option<i32>, template: &PodTemplate, report: &mut Report<'_>) {
    check_not_negative(spec.field("replicas"), replicas, report);
    pod::check_spec(&spec.field("template").field("spec"), &template.spec, report);
}

/// A workload that would not know its own pods is refused when it is created.
pub(super) fn check_selects_own_pods(object: &Object, spec: &At<'_>, report: &mut Report<'_>) {
    let (selector, template) = match object {
        Object::Deployment(it) => (it.spec.selector.as_ref(), &it.spec.template),
        Object::ReplicaSet(it) => (it.spec.selector.as_ref(), &it.spec.template),
        Object::StatefulSet(it) => (it.spec.selector.as_ref(), &it.spec.template),
        Object::DaemonSet(it) => (it.spec.selector.as_ref(), &it.spec.template),
        // Any other Job gets a selector of its own.
        Object::Job(it) if it.spec.manual_selector => (it.spec.selector.as_ref(), &it.spec.template),
        Object::ReplicationController(it) => {
            let labels = &it.spec.template.metadata.labels;
            if it.spec.selector.iter().any(|(key, value)| labels.get(key) != Some(value)) {
                report_mismatch(spec, report);
            }
            return;
        }
        _ => return,
    };
    let Some(selector) = selector.filter(|selector| **selector != LabelSelector::default()) else {
        report(
            spec.field("selector"),
            "expected a selector that matches the labels of the template, found none".into(),
        );
        return;
    };
    let mut is_sound = true;
    selector::check_label_selector(&At::Root, selector, &mut |_, _| is_sound = false);
    labels::check_label_map(&At::Root, &template.metadata.labels, &mut |_, _| is_sound = false);
    let mut converter = Converter::new();
    let labels = converter.labels(&template.metadata.labels);
    if is_sound && !converter.selector(Some(selector)).matches(&labels) {
        report_mismatch(spec, report);
    }
}

fn report_mismatch(spec: &At<'_>, report: &mut Report<'_>) {
    let template = spec.field("template");
    let metadata = template.field("metadata");
    report(metadata.field("labels"), "expected labels that spec.selector matches, found others".into());
}
