//! Jobs: as many pods at once as may run, of as many as are still to be completed.

use super::make::{self, owner_reference};
use super::present::Present;
use crate::wire::{Job, Kind, Pod};

/// Annotation and label of an indexed Job's pods.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

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
    let owner = owner_reference(Kind::Job, metadata);
    let taken = present.names(Kind::Job, metadata);
    let mut plain_name = make::names(&metadata.name, taken.clone());
    indexes
        .into_iter()
        .enumerate()
        .map(|(number, index)| {
            let name = match index {
                Some(index) => make::new_name(&format!("{}-{index}", metadata.name), "", |name| taken.contains(name)),
                None => plain_name(&number.to_string()),
            };
            let mut pod = make::pod(&job.spec.template, owner.clone(), &metadata.namespace, name);
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
    let parallelism = count(job.spec.parallelism.unwrap_or_default());
    match job.spec.completions {
        Some(completions) => count(completions).saturating_sub(succeeded).min(parallelism),
        // A work queue: once one pod has succeeded, no new ones are started.
        None if succeeded > 0 => active,
        None => parallelism,
    }
}

/// Indexes that are neither completed nor being worked on, from the lowest.
fn pending_indexes<'j>(job: &'j Job, present: &'j Present) -> impl Iterator<Item = i32> + 'j {
    let completed = intervals(&job.status.completed_indexes);
    let busy: Vec<i32> = present
        .of(Kind::Job, &job.metadata)
        .filter(|pod| pod.active || pod.succeeded)
        .filter_map(|pod| pod.index)
        .collect();
    (0..job.spec.completions.unwrap_or_default()).filter(move |index| {
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
