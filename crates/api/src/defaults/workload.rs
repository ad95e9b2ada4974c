//! Workloads: replicas, selectors and the templates of their pods.

use super::pod::fill_template;
use crate::wire::{Job, Object, ReplicationController};

/// What a Job's pods carry of it; the API server puts it into the template.
const JOB_NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const JOB_UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

/// How a StatefulSet or DaemonSet that does not say it replaces its pods.
const ROLLING_UPDATE: &str = "RollingUpdate";

pub(super) fn fill_stored(object: &mut Object) {
    let (replicas, template) = match object {
        Object::Deployment(it) => (Some(&mut it.spec.replicas), &mut it.spec.template),
        Object::ReplicaSet(it) => (Some(&mut it.spec.replicas), &mut it.spec.template),
        Object::StatefulSet(it) => {
            let strategy = it.spec.update_strategy.get_or_insert_default();
            if strategy.kind.is_empty() {
                ROLLING_UPDATE.clone_into(&mut strategy.kind);
                strategy.rolling_update.get_or_insert_default();
            }
            (Some(&mut it.spec.replicas), &mut it.spec.template)
        }
        Object::ReplicationController(it) => {
            fill_controller(it);
            (Some(&mut it.spec.replicas), &mut it.spec.template)
        }
        Object::DaemonSet(it) => {
            let strategy = it.spec.update_strategy.get_or_insert_default();
            if strategy.kind.is_empty() {
                ROLLING_UPDATE.clone_into(&mut strategy.kind);
            }
            (None, &mut it.spec.template)
        }
        Object::Job(it) => {
            fill_job(it);
            (None, &mut it.spec.template)
        }
        _ => return,
    };
    if let Some(replicas) = replicas {
        replicas.get_or_insert(1);
    }
    fill_template(template);
}

fn fill_controller(controller: &mut ReplicationController) {
    if controller.spec.selector.is_empty() {
        controller.spec.selector.clone_from(&controller.spec.template.metadata.labels);
    }
}

fn fill_job(job: &mut Job) {
    // A Job that says how many run at once, and not how many shall complete, is a work queue.
    if job.spec.parallelism.is_none() {
        job.spec.completions.get_or_insert(1);
        job.spec.parallelism = Some(1);
    }
    job.spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
}

/// Ties a new Job, which has a uid, to its pods by their labels, unless its author does that.
pub fn admit_job(job: &mut Job) {
    if job.spec.manual_selector {
        return;
    }
    let Job { metadata, spec, .. } = job;
    for (labels, value) in [(JOB_NAME_LABELS, &metadata.name), (JOB_UID_LABELS, &metadata.uid)] {
        for label in labels {
            spec.template.metadata.labels.entry(label.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let selector = &mut spec.selector.get_or_insert_default().match_labels;
    selector.entry(JOB_UID_LABELS[1].to_owned()).or_insert_with(|| metadata.uid.clone());
}
