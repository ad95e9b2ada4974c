//! StatefulSets: pods with ordinals.

use std::ops::Range;

use loadline_model::Set;

use super::make::{self, owner_reference};
use super::present::Present;
use crate::wire::{Kind, PersistentVolumeClaimSource, Pod, StatefulSet, Volume};

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

pub(super) fn pods(set: &StatefulSet, present: &Present) -> Vec<Pod> {
    let there = there(set, present);
    ordinals(set)
        .filter(|ordinal| !there.contains(ordinal))
        .map(|ordinal| pod(set, ordinal, &format!("{}-{ordinal}", set.metadata.name)))
        .collect()
}

/// How many pods are missing.
pub(super) fn lacking(set: &StatefulSet, present: &Present) -> usize {
    ordinals(set).len() - there(set, present).len()
}

fn ordinals(set: &StatefulSet) -> Range<i32> {
    let start = set.spec.ordinals.as_ref().map_or(0, |ordinals| ordinals.start);
    start..start.saturating_add(set.spec.replicas.unwrap_or_default().max(0))
}

/// Those ordinals of the set whose pods run or will.
fn there(set: &StatefulSet, present: &Present) -> Set<i32> {
    let ordinals = ordinals(set);
    present
        .of(Kind::StatefulSet, &set.metadata)
        .filter(|pod| pod.active)
        .filter_map(|pod| ordinal_of(&pod.name, &set.metadata.name))
        .filter(|ordinal| ordinals.contains(ordinal))
        .collect()
}

/// The ordinal of a pod of a StatefulSet, from their names.
pub(crate) fn ordinal_of(pod: &str, set: &str) -> Option<i32> {
    let text = pod.strip_prefix(set)?.strip_prefix('-')?;
    // No other spelling, such as 01, is the pod's name.
    text.parse().ok().filter(|ordinal: &i32| ordinal.to_string() == text)
}

fn pod(set: &StatefulSet, ordinal: i32, name: &str) -> Pod {
    let mut pod = make::pod(
        &set.spec.template,
        owner_reference(Kind::StatefulSet, &set.metadata),
        &set.metadata.namespace,
        name.to_owned(),
    );
    pod.metadata.labels.insert(POD_NAME.to_owned(), name.to_owned());
    pod.metadata.labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
    // A claim of its own for each claim template, in place of a volume of that name.
    let templates = set.spec.volume_claim_templates.iter().map(|template| &template.metadata.name);
    let claims = templates.clone().map(|template| Volume {
        name: template.clone(),
        persistent_volume_claim: Some(PersistentVolumeClaimSource {
            claim_name: format!("{template}-{name}"),
            read_only: false,
        }),
        ..Volume::default()
    });
    let others = set
        .spec
        .template
        .spec
        .volumes
        .iter()
        .filter(|volume| !templates.clone().any(|template| *template == volume.name));
    pod.spec.volumes = claims.chain(others.cloned()).collect();
    pod
}
