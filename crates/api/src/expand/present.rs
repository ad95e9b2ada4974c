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

    /// Number of active pods of a Deployment's ReplicaSets that are not in the input themselves: their names are the Deployment's and
    /// the pod's template hash.
    pub(super) fn active_of_absent_sets(&self, deployment: &ObjectMeta, has_set: impl Fn(&str) -> bool) -> usize {
        let sets = self.by_owner.iter().filter(|((namespace, kind, set), _)| {
            *namespace == deployment.namespace && kind == Kind::ReplicaSet.name() && !has_set(set)
        });
        let belongs = |set: &str, pod: &PresentPod| is_named_for(&deployment.name, set, pod.template_hash.as_deref());
        sets.map(|((.., set), pods)| pods.iter().filter(|pod| pod.active && belongs(set, pod)).count()).sum()
    }
}

/// Whether a pod belongs to a ReplicaSet of a Deployment (of the pod's namespace) that is not in the input itself.
pub(crate) fn is_of_absent_set(pod: &Pod, deployment: &str, has_set: impl Fn(&str) -> bool) -> bool {
    let hash = pod.metadata.labels.get(TEMPLATE_HASH).map(String::as_str);
    pod.metadata.controller().is_some_and(|owner| {
        owner.kind == Kind::ReplicaSet.name() && !has_set(&owner.name) && is_named_for(deployment, &owner.name, hash)
    })
}

/// Whether a ReplicaSet has the name of a Deployment and a template's hash.
fn is_named_for(deployment: &str, set: &str, hash: Option<&str>) -> bool {
    let rest = set.strip_prefix(deployment).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some() && rest == hash
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
