//! Pods that are there, by the workload that owns them.

use loadline_model::{Map, Set};

use super::job::INDEX;
use crate::wire::{Kind, ObjectMeta, Pod};

/// Namespace, kind and name of an owner.
type OwnerKey = (String, String, String);

/// What expansion needs to know of the pods of the input.
#[derive(Debug, Clone, Default)]
pub struct Present {
    by_owner: Map<OwnerKey, Vec<PresentPod>>,
}

/// A pod with an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentPod {
    pub(super) name: String,
    owner_uid: String,
    /// Where it is, or must go if it is the pod of a DaemonSet.
    pub(super) node: Option<String>,
    /// Deletion has not begun and it has not finished.
    pub(super) active: bool,
    pub(super) succeeded: bool,
    /// Of an indexed Job.
    pub(super) index: Option<i32>,
    /// What tells the ReplicaSets of a Deployment apart.
    template_hash: Option<String>,
}

/// The label that carries a ReplicaSet's hash.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

impl Present {
    /// Takes note of a pod of the input.
    pub fn observe(&mut self, pod: &Pod) {
        let Some(owner) = pod.metadata.controller() else { return };
        let metadata = &pod.metadata;
        let key = (metadata.namespace.clone(), owner.kind.clone(), owner.name.clone());
        let index = metadata.annotations.get(INDEX).or_else(|| metadata.labels.get(INDEX));
        self.by_owner.entry(key).or_default().push(PresentPod {
            name: metadata.name.clone(),
            owner_uid: owner.uid.clone(),
            node: target_node(pod),
            active: metadata.deletion_timestamp.is_none() && !pod.is_finished(),
            succeeded: pod.status.phase == "Succeeded",
            index: index.and_then(|index| index.parse().ok()),
            template_hash: metadata.labels.get(TEMPLATE_HASH).cloned(),
        });
    }

    /// The pods of an owner. A pod whose owner reference has another uid belonged to an earlier object of that name.
    pub(super) fn of<'p>(&'p self, kind: Kind, owner: &'p ObjectMeta) -> impl Iterator<Item = &'p PresentPod> + Clone {
        let key = (owner.namespace.clone(), kind.name().to_owned(), owner.name.clone());
        let pods = self.by_owner.get(&key).map_or(&[][..], Vec::as_slice);
        pods.iter().filter(|pod| pod.owner_uid.is_empty() || pod.owner_uid == owner.uid)
    }

    /// The names of the owner's pods, whatever became of them.
    pub(super) fn names<'p>(&'p self, kind: Kind, owner: &'p ObjectMeta) -> Set<&'p str> {
        self.of(kind, owner).map(|pod| &*pod.name).collect()
    }

    /// Number of the owner's pods that run or will.
    pub(super) fn active(&self, kind: Kind, owner: &ObjectMeta) -> usize {
        self.of(kind, owner).filter(|pod| pod.active).count()
    }

    /// Active pods that are named for a ReplicaSet of a Deployment, whether that ReplicaSet is in the input or not: namespace and name of
    /// the Deployment, and name of the ReplicaSet, for each pod.
    pub(super) fn named_for_deployments(&self) -> impl Iterator<Item = ((&str, &str), &str)> {
        self.by_owner.iter().filter(|((_, kind, _), _)| kind == Kind::ReplicaSet.name()).flat_map(
            |((namespace, _, set), pods)| {
                let active = pods.iter().filter(|pod| pod.active);
                let deployments = active.filter_map(|pod| deployment_of(set, pod.template_hash.as_deref()));
                deployments.map(move |deployment| ((&**namespace, deployment), &**set))
            },
        )
    }
}

/// The Deployment that the ReplicaSet of a pod is named for, in the pod's namespace, and the name of the ReplicaSet.
pub(crate) fn named_for(pod: &Pod) -> Option<(&str, &str)> {
    let owner = pod.metadata.controller().filter(|owner| owner.kind == Kind::ReplicaSet.name())?;
    let hash = pod.metadata.labels.get(TEMPLATE_HASH).map(String::as_str);
    Some((deployment_of(&owner.name, hash)?, &owner.name))
}

/// A ReplicaSet has the name of its Deployment and the hash of the template, which its pods have as a label.
fn deployment_of<'s>(set: &'s str, hash: Option<&str>) -> Option<&'s str> {
    set.strip_suffix(hash?)?.strip_suffix('-')
}

/// The node that a pod is on or, by its node affinity, must go to.
fn target_node(pod: &Pod) -> Option<String> {
    if !pod.spec.node_name.is_empty() {
        return Some(pod.spec.node_name.clone());
    }
    let affinity = pod.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let fields = terms.iter().flat_map(|term| &term.match_fields);
    fields
        .filter(|field| field.key == "metadata.name" && field.operator == "In")
        .find_map(|field| field.values.first().cloned())
}
