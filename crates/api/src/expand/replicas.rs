//! ReplicaSets, ReplicationControllers and Deployments: any number of pods that are all alike.

use std::ops::Range;

use loadline_model::{Map, Set};

use super::make::{self, owner_reference};
use super::present::{Present, TEMPLATE_HASH};
use crate::defaults::derived_uid;
use crate::wire::{
    Deployment, Kind, ObjectMeta, OwnerReference, Pod, PodTemplate, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus,
    ReplicationController,
};

pub(super) fn of_replica_set(set: &ReplicaSet, present: &Present) -> Vec<Pod> {
    owned(Kind::ReplicaSet, &set.metadata, set.spec.replicas, &set.spec.template, present)
}

pub(super) fn of_controller(controller: &ReplicationController, present: &Present) -> Vec<Pod> {
    owned(
        Kind::ReplicationController,
        &controller.metadata,
        controller.spec.replicas,
        &controller.spec.template,
        present,
    )
}

fn owned(
    kind: Kind,
    metadata: &ObjectMeta,
    replicas: Option<i32>,
    template: &PodTemplate,
    present: &Present,
) -> Vec<Pod> {
    let missing = lacking(kind, metadata, replicas, present);
    let taken = present.names(kind, metadata);
    replicated(template, &owner_reference(kind, metadata), &metadata.namespace, 0..missing, taken)
}

/// How many pods are missing where only their number matters.
pub(super) fn lacking(kind: Kind, metadata: &ObjectMeta, replicas: Option<i32>, present: &Present) -> usize {
    wanted(replicas).saturating_sub(present.active(kind, metadata))
}

fn wanted(replicas: Option<i32>) -> usize {
    usize::try_from(replicas.unwrap_or_default()).unwrap_or(0)
}

fn replicated(
    template: &PodTemplate,
    owner: &OwnerReference,
    namespace: &str,
    numbers: Range<usize>,
    taken: Set<&str>,
) -> Vec<Pod> {
    let mut name = make::names(&owner.name, taken);
    numbers.map(|number| make::pod(template, owner.clone(), namespace, name(&number.to_string()))).collect()
}

/// The pods that a Deployment lacks beyond those that its ReplicaSets stand for, and the ReplicaSet that it would create for them when
/// the input has none.
pub(super) fn of_deployment<'o>(
    deployment: &'o Deployment,
    owned: &OfDeployments<'o>,
    present: &Present,
) -> (Vec<Pod>, Option<ReplicaSet>) {
    let metadata = &deployment.metadata;
    let missing = deployment_lacking(deployment, owned, present);
    if missing == 0 {
        return (Vec::new(), None);
    }
    // The newest ReplicaSet is the one that grows.
    let newest = owned.sets(metadata).max_by_key(|set| set.metadata.creation_timestamp.map(|time| time.0));
    let (set, new) = match newest {
        Some(set) => (set.clone(), false),
        None => (new_replica_set(deployment), true),
    };
    let owner = owner_reference(Kind::ReplicaSet, &set.metadata);
    // Those that the ReplicaSet itself still lacks are numbered from 0.
    let offset = if new { 0 } else { wanted(set.spec.replicas) };
    let taken = present.names(Kind::ReplicaSet, &set.metadata);
    let pods = replicated(&set.spec.template, &owner, &metadata.namespace, offset..offset + missing, taken);
    (pods, new.then_some(set))
}

/// How many pods a Deployment lacks beyond those that its ReplicaSets stand for.
pub(super) fn deployment_lacking<'o>(
    deployment: &'o Deployment,
    owned: &OfDeployments<'o>,
    present: &Present,
) -> usize {
    let metadata = &deployment.metadata;
    let of_sets: usize = owned
        .sets(metadata)
        .map(|set| {
            let active = present.active(Kind::ReplicaSet, &set.metadata);
            if set.metadata.deletion_timestamp.is_some() { active } else { active.max(wanted(set.spec.replicas)) }
        })
        .sum();
    wanted(deployment.spec.replicas).saturating_sub(of_sets + owned.pods_of_absent_sets(metadata))
}

/// What belongs to Deployments, by their namespaces and names.
#[derive(Default)]
pub(super) struct OfDeployments<'o> {
    sets: Map<(&'o str, &'o str), Vec<&'o ReplicaSet>>,
    /// The ReplicaSet of each active pod, by name.
    pods: Map<(&'o str, &'o str), Vec<&'o str>>,
}

impl<'o> OfDeployments<'o> {
    pub(super) fn new(sets: impl Iterator<Item = &'o ReplicaSet>, present: &'o Present) -> Self {
        let mut owned = Self::default();
        for set in sets {
            let controller = set.metadata.controller().filter(|owner| owner.kind == Kind::Deployment.name());
            if let Some(owner) = controller {
                owned.sets.entry((&set.metadata.namespace, &owner.name)).or_default().push(set);
            }
        }
        for (deployment, set) in present.named_for_deployments() {
            owned.pods.entry(deployment).or_default().push(set);
        }
        owned
    }

    /// The ReplicaSets of a Deployment in the order of the input.
    fn sets(&self, deployment: &'o ObjectMeta) -> impl Iterator<Item = &'o ReplicaSet> {
        let named = self.sets.get(&(&*deployment.namespace, &*deployment.name)).map_or(&[][..], Vec::as_slice);
        named.iter().copied().filter(|set| {
            let uid = set.metadata.controller().map_or("", |owner| &owner.uid);
            uid.is_empty() || uid == deployment.uid
        })
    }

    /// Number of active pods of a Deployment's ReplicaSets that are not in the input themselves.
    fn pods_of_absent_sets(&self, deployment: &'o ObjectMeta) -> usize {
        let Some(named) = self.pods.get(&(&*deployment.namespace, &*deployment.name)) else { return 0 };
        let own: Set<&str> = self.sets(deployment).map(|set| &*set.metadata.name).collect();
        named.iter().filter(|set| !own.contains(*set)).count()
    }
}

fn new_replica_set(deployment: &Deployment) -> ReplicaSet {
    let metadata = &deployment.metadata;
    let hash = make::template_hash(&deployment.spec.template);
    let name = format!("{}-{hash}", metadata.name);
    let mut template = deployment.spec.template.clone();
    template.metadata.labels.insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut selector = deployment.spec.selector.clone().unwrap_or_default();
    selector.match_labels.insert(TEMPLATE_HASH.to_owned(), hash);
    ReplicaSet {
        metadata: ObjectMeta {
            uid: derived_uid(Kind::ReplicaSet.name(), &metadata.namespace, &name),
            namespace: metadata.namespace.clone(),
            labels: template.metadata.labels.clone(),
            owner_references: vec![owner_reference(Kind::Deployment, metadata)],
            name,
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec { replicas: deployment.spec.replicas, selector: Some(selector), template },
        status: ReplicaSetStatus::default(),
    }
}
