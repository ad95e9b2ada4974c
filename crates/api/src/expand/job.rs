//! Jobs: as many pods at once as may run, of as many as are still to be completed.

use super::make::{self, owner_reference};
use super::present::Present;
use crate::wire::{Job, Kind, Pod};

/// Annotation and label of an indexed Job's pods.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];

pub(super) fn pods(job: &Job, present: &Present) -> Vec<Pod> {
    let finished = job
        .status
        .conditions
        .iter()
        .any(|condition| matches!(&*condition.kind, "Complete" | "Failed") && condition.status == "True");
    if job.spec.suspend || finished {
        return Vec::new();
    }
    let metadata = &job.metadata;
    let active = present.active(Kind::Job, metadata);
    let missing = wanted(job, present, active).saturating_sub(active);
    let indexes: Vec<Option<i32>> = if job.spec.completion_mode.as_deref() == Some("Indexed") {
        pending_indexes(job, present).take(missing).map(Some).collect()
    } else {
        vec![None; missing]
    };
    let mut template = job.spec.template.clone();
    for (labels, value) in [(NAME_LABELS, &metadata.name), (UID_LABELS, &metadata.uid)] {
        for label in labels {
            template.metadata.labels.entry(label.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let owner = owner_reference(Kind::Job, metadata);
    let is_taken = |name: &str| present.of(Kind::Job, metadata).any(|pod| pod.name == name);
    let mut plain_name = make::names(&metadata.name, is_taken);
    indexes
        .into_iter()
        .enumerate()
        .map(|(number, index)| {
            let name = match index {
                Some(index) => make::names(&format!("{}-{index}", metadata.name), is_taken)(""),
                None => plain_name(&number.to_string()),
            };
            let mut pod = make::pod(&template, owner.clone(), &metadata.namespace, name);
            if let Some(index) = index {
                pod.metadata.annotations.insert(INDEX.to_owned(), index.to_string());
                pod.metadata.labels.insert(INDEX.to_owned(), index.to_string());
            }
            pod
        })
        .collect()
}

/// How many pods should run at once.
fn wanted(job: &Job, present: &Present, active: usize) -> usize {
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let succeeded =
        count(job.status.succeeded).max(present.of(Kind::Job, &job.metadata).filter(|pod| pod.succeeded).count());
    let parallelism = count(job.spec.parallelism.unwrap_or(1));
    let completions = match (job.spec.completions, job.spec.parallelism) {
        (Some(completions), _) => count(completions),
        (None, None) => 1,
        // A work queue: once one pod has succeeded, no new ones are started.
        (None, Some(_)) if succeeded > 0 => return active,
        (None, Some(_)) => return parallelism,
    };
    completions.saturating_sub(succeeded).min(parallelism)
}

/// Indexes that are neither completed nor being worked on, from the lowest.
fn pending_indexes<'j>(job: &'j Job, present: &'j Present) -> impl Iterator<Item = i32> + 'j {
    let completed = intervals(&job.status.completed_indexes);
    let busy: Vec<i32> = present
        .of(Kind::Job, &job.metadata)
        .filter(|pod| pod.active || pod.succeeded)
        .filter_map(|pod| pod.index)
        .collect();
    (0..job.spec.completions.unwrap_or(1)).filter(move |index| {
        !busy.contains(index) && !completed.iter().any(|(first, last)| (first..=last).contains(&index))
    })
}

/// `1,3-5` as intervals; what cannot be understood is left out.
fn intervals(text: &str) -> Vec<(i32, i32)> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        })
        .collect()
}
