//! What becomes of the pods of a workload that is replaced.

use crate::expand::ordinal_of;
use crate::wire::{Object, Pod, PodTemplate, StatefulSetUpdateStrategy};

/// The update strategy with which pods are replaced when somebody deletes them.
const ON_DELETE: &str = "OnDelete";
const IS_ON_DELETE: &str = "spec.updateStrategy.type: OnDelete";

/// What happens to what the earlier object owned, if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The pods are alike and stay.
    Same,
    /// All of it goes: the later object is another one, by its uid.
    Gone,
    /// All of it goes: the controller replaces it by pods of the later template.
    Replaced,
    /// Pods with an ordinal from this one on are replaced.
    ReplacedFrom(i32),
    /// The controller leaves pods of the earlier template alone, and why.
    Left(&'static str),
}

impl Outcome {
    /// Both objects have their defaults; `is_same` says whether they are one object of the cluster.
    pub(super) fn of(later: &Object, earlier: &Object, is_same: bool) -> Option<Self> {
        let (new, old) = (template(later)?, template(earlier)?);
        if !is_same {
            return Some(Self::Gone);
        }
        // As far as a scheduler reads them.
        if new.metadata.labels == old.metadata.labels && new.spec == old.spec {
            return Some(Self::Same);
        }
        Some(match later {
            Object::Deployment(it) if it.spec.paused == Some(true) => Self::Left("spec.paused"),
            Object::StatefulSet(it) => match &it.spec.update_strategy {
                Some(strategy) if strategy.kind == ON_DELETE => Self::Left(IS_ON_DELETE),
                Some(StatefulSetUpdateStrategy { rolling_update: Some(rolling), .. }) if rolling.partition > 0 => {
                    // It counts from the first ordinal.
                    let start = it.spec.ordinals.as_ref().map_or(0, |ordinals| ordinals.start);
                    Self::ReplacedFrom(start.saturating_add(rolling.partition))
                }
                _ => Self::Replaced,
            },
            Object::DaemonSet(it) => match &it.spec.update_strategy {
                Some(strategy) if strategy.kind == ON_DELETE => Self::Left(IS_ON_DELETE),
                _ => Self::Replaced,
            },
            Object::Deployment(_) => Self::Replaced,
            _ => Self::Left("no controller of this kind replaces pods"),
        })
    }

    /// Whether the ReplicaSets of a Deployment go.
    pub(super) fn takes_replica_sets(self) -> bool {
        matches!(self, Self::Gone | Self::Replaced)
    }

    /// Whether a pod of the workload with this name goes.
    pub(super) fn takes(self, pod: &Pod, workload: &str) -> bool {
        match self {
            Self::Gone | Self::Replaced => true,
            Self::ReplacedFrom(first) => {
                ordinal_of(&pod.metadata.name, workload).is_none_or(|ordinal| ordinal >= first)
            }
            Self::Same | Self::Left(_) => false,
        }
    }

    /// Tells what was taken out and what stayed, as the end of a message; or nothing.
    pub(super) fn in_words(self, counts: Counts) -> String {
        if self == Self::Same {
            return String::new();
        }
        let Counts { replica_sets, pods, kept, .. } = counts;
        let count = |number: usize, thing: &str| match number {
            0 => None,
            1 => Some(format!("1 {thing}")),
            _ => Some(format!("{number} {thing}s")),
        };
        let parts: Vec<String> =
            [count(replica_sets, "ReplicaSet"), count(pods, "pod")].into_iter().flatten().collect();
        let why = match self {
            Self::Left(why) => why,
            _ => "spec.updateStrategy.rollingUpdate.partition",
        };
        let taken = (!parts.is_empty()).then(|| format!(", so what that one owned is taken out: {}", parts.join(", ")));
        let kept = count(kept, "pod").map(|pods| format!(", which does not touch {pods} of that one ({why})"));
        let reason = if self == Self::Gone {
            "; its uid is another"
        } else {
            "; its pod template is another in what a scheduler reads"
        };
        match (taken, kept) {
            (None, None) => String::new(),
            (taken, kept) => [reason.to_owned(), taken.unwrap_or_default(), kept.unwrap_or_default()].concat(),
        }
    }
}

/// How much was taken out, and how many pods were not and stay.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) replica_sets: usize,
    pub(super) pods: usize,
    pub(super) kept: usize,
    /// How many of those that were taken out had a node.
    pub(super) vacated: usize,
}

/// How many pods a workload wants, where that is a number of its own. Its defaults are filled in.
pub(super) fn wanted(object: &Object) -> Option<usize> {
    let replicas = match object {
        Object::Deployment(it) => it.spec.replicas,
        Object::ReplicaSet(it) => it.spec.replicas,
        Object::StatefulSet(it) => it.spec.replicas,
        Object::ReplicationController(it) => it.spec.replicas,
        _ => None,
    };
    replicas.and_then(|replicas| usize::try_from(replicas).ok())
}

/// The template of a workload's pods.
pub(super) fn template(object: &Object) -> Option<&PodTemplate> {
    match object {
        Object::Deployment(it) => Some(&it.spec.template),
        Object::ReplicaSet(it) => Some(&it.spec.template),
        Object::StatefulSet(it) => Some(&it.spec.template),
        Object::ReplicationController(it) => Some(&it.spec.template),
        Object::DaemonSet(it) => Some(&it.spec.template),
        Object::Job(it) => Some(&it.spec.template),
        _ => None,
    }
}
