//! Jobs: as many pods at once as may run, of as many as are still to be completed.

use super::make::{self, owner_reference};
use super::present::Present;
use crate::wire::{Job, Kind, Pod};

/// Annotation and label of an indexed Job's pods.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(super) fn pods(job: &Job, present: &Present) -> Vec<Pod> {
    let metadata = &job.metadata;
    let missing = lacking(job, present);
    let indexes: Vec<Option<i32>> = if job.spec.completion_mode.as_deref() == Some("Indexed") {
        pending_indexes(job, present, missing).into_iter().map(Some).collect()
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

/// How many pods are to be started; an indexed Job may have fewer indexes left.
pub(super) fn lacking(job: &Job, present: &Present) -> usize {
    let finished = job
        .status
        .conditions
        .iter()
        .any(|condition| matches!(&*condition.kind, "Complete" | "Failed") && condition.status == "True");
    if job.spec.suspend || finished {
        return 0;
    }
    let active = present.active(Kind::Job, &job.metadata);
    wanted(job, present, active).saturating_sub(active)
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

/// The lowest indexes, `most` of them, that are neither done for good nor being worked on.
fn pending_indexes(job: &Job, present: &Present, most: usize) -> Vec<i32> {
    let busy = present
        .of(Kind::Job, &job.metadata)
        .filter(|pod| pod.active || pod.succeeded)
        .filter_map(|pod| pod.index)
        .map(|index| (index, index));
    let mut taken: Vec<(i32, i32)> =
        intervals(&job.status.completed_indexes).chain(intervals(&job.status.failed_indexes)).chain(busy).collect();
    taken.sort_unstable();
    let end = job.spec.completions.unwrap_or_default();
    let mut pending = Vec::new();
    let mut next = 0;
    // Those between the intervals, and at last those behind them.
    for (first, last) in taken.into_iter().chain([(end, end)]) {
        pending.extend((next..first.min(end)).take(most - pending.len()));
        next = next.max(last.saturating_add(1));
    }
    pending
}

/// `1,3-5` as intervals; what cannot be understood is left out.
fn intervals(text: &str) -> impl Iterator<Item = (i32, i32)> + '_ {
    // A number of more than 32 bits is behind every index.
    let number = |text: &str| text.trim().parse().ok().map(|number: i64| i32::try_from(number).unwrap_or(i32::MAX));
    text.split(',').filter_map(move |part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last)
    })
}
