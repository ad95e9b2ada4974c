//! What the last call of the scheduler brought about, for whoever measures: plain facts, since nobody here knows a clock.

use std::sync::Arc;

use loadline_framework::ClusterEvent;
use loadline_framework::record::Outcome;
use loadline_model::{PodInfo, Str, Time};

use crate::queue::QueuedPod;

/// An attempt to place a pod that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// Feasible when it was bound.
    pub outcome: Outcome,
    /// Which attempt of the pod it was, from 1.
    pub attempts: u32,
    /// When it began: the pod left the queue.
    pub began: Time,
    /// When the pod could first be tried.
    pub initial_attempt: Option<Time>,
}

impl Ended {
    pub(crate) fn new(queued: &QueuedPod, outcome: Outcome) -> Self {
        let QueuedPod { pod, attempts, began, initial_attempt, .. } = queued;
        Self { pod: pod.clone(), outcome, attempts: *attempts, began: *began, initial_attempt: *initial_attempt }
    }
}

/// A pod that the kubelet of its node refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// The resource of which there was not enough.
    pub resource: Str,
    /// For how long the node counts for less now; `None` when by what is known there was no room for the pod either.
    pub backoff: Option<Time>,
}

/// What the last call of `apply`, `tick`, `schedule_one` or `bound` brought about.
#[derive(Debug, Default)]
pub struct Happened {
    /// Attempts that ended.
    pub ended: Vec<Ended>,
    /// What an applied event meant, with kube-scheduler's names.
    pub heard: Vec<ClusterEvent>,
    /// The pod that was refused.
    pub refused: Option<Refused>,
}

impl Happened {
    pub(crate) fn clear(&mut self) {
        self.ended.clear();
        self.heard.clear();
        self.refused = None;
    }
}
