//! What pods belong to, and what else a plan has to know that no engine does.

use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_engine::Engine;
use loadline_model::{Map, Owner, PodInfo, Str, Time, WorkloadStatus};

use crate::balance::Resource;

/// How workloads stand.
#[derive(Clone, Debug, Default)]
pub struct Workloads {
    known: Map<(Str, Str, Str), WorkloadStatus>,
}

impl Workloads {
    /// Adds or replaces one.
    pub fn set(&mut self, status: WorkloadStatus) {
        self.known.insert((status.kind.clone(), status.namespace.clone(), status.name.clone()), status);
    }

    /// Removes one.
    pub fn remove(&mut self, kind: &Str, namespace: &Str, name: &Str) {
        self.known.remove(&(kind.clone(), namespace.clone(), name.clone()));
    }

    /// The status of what owns a pod, if it is known.
    pub fn of(&self, namespace: &Str, owner: &Owner) -> Option<&WorkloadStatus> {
        self.known.get(&(owner.kind.clone(), namespace.clone(), owner.name.clone()))
    }

    /// Whether a workload, and what made it in turn, has all its pods, new and available. What is not known is at rest.
    pub fn is_at_rest(&self, namespace: &Str, owner: &Owner) -> bool {
        let Some(status) = self.of(namespace, owner) else { return true };
        let above = status.owner.as_deref().and_then(|owner| self.of(namespace, owner));
        status.at_rest && above.is_none_or(|above| above.at_rest)
    }
}

impl FromIterator<WorkloadStatus> for Workloads {
    fn from_iter<I: IntoIterator<Item = WorkloadStatus>>(statuses: I) -> Self {
        let mut workloads = Self::default();
        statuses.into_iter().for_each(|status| workloads.set(status));
        workloads
    }
}

/// What a plan has to know besides the cluster.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The time.
    pub now: Time,
    /// How workloads stand.
    pub workloads: Workloads,
    /// Pods that have failed: an engine does not hold them.
    pub failed: Vec<Arc<PodInfo>>,
    /// Owners that rest after a move: see [`owner_name`].
    pub resting_owners: BTreeSet<String>,
    /// Nodes that rest after a move: nothing is moved from them.
    pub resting_nodes: BTreeSet<Str>,
    /// Nodes that are being relieved of a resource since an earlier round: it goes on down to the low mark.
    pub relieving: BTreeSet<(Str, Resource)>,
    /// Nodes that were over a mark for too short a time; nothing is begun on them.
    pub unconfirmed: BTreeSet<Str>,
}

/// `namespace/Kind/name` of what owns a pod; `namespace/Pod/name` of one that nothing owns.
pub fn owner_name(pod: &PodInfo) -> String {
    match &pod.owner {
        Some(owner) => format!("{}/{}/{}", pod.namespace, owner.kind, owner.name),
        None => format!("{}/Pod/{}", pod.namespace, pod.name),
    }
}

/// What tells owners apart.
pub(crate) type OwnerKey = (Str, Arc<Owner>);

/// The key of a pod's owner.
pub(crate) fn key(pod: &PodInfo) -> Option<OwnerKey> {
    Some((pod.namespace.clone(), pod.owner.clone()?))
}

/// Pods of each owner that are on nodes and stay there.
pub(crate) fn living(engine: &Engine) -> Map<OwnerKey, usize> {
    let mut living: Map<OwnerKey, usize> = Map::default();
    for cached in engine.cluster().pods().filter(|cached| !cached.pod.is_terminating()) {
        if let Some(key) = key(&cached.pod) {
            *living.entry(key).or_default() += 1;
        }
    }
    living
}
