//! Pods from templates.

use loadline_model::Set;

use crate::defaults::fnv1a;
use crate::wire::{Kind, ObjectMeta, OwnerReference, Pod, PodTemplate};

/// The letters and digits that Kubernetes makes names of: no vowels, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Names of pods have this many characters behind the name of what they belong to.
const SUFFIX: usize = 5;
/// The longest base of a generated name.
const MAX_BASE: usize = 58;

/// A reference from a pod to the workload that controls it.
pub(super) fn owner_reference(kind: Kind, owner: &ObjectMeta) -> OwnerReference {
    OwnerReference {
        api_version: kind.api_version().to_owned(),
        kind: kind.name().to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: true,
    }
}

/// A pod of a template, named as told.
pub(super) fn pod(template: &PodTemplate, owner: OwnerReference, namespace: &str, name: String) -> Pod {
    let metadata = ObjectMeta {
        name,
        namespace: namespace.to_owned(),
        labels: template.metadata.labels.clone(),
        annotations: template.metadata.annotations.clone(),
        owner_references: vec![owner],
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: template.spec.clone(), ..Pod::default() }
}

/// Names for new pods, made from a base and what tells them apart, none of them `taken`.
pub(super) fn names<'n>(base: &'n str, taken: Set<&'n str>) -> impl FnMut(&str) -> String + 'n {
    let mut given: Set<String> = Set::default();
    move |seed| {
        let name = new_name(base, seed, |name| taken.contains(name) || given.contains(name));
        given.insert(name.clone());
        name
    }
}

/// A name for a new pod as Kubernetes makes them, of a base and letters that stand for `seed`; none that is `taken`.
pub fn new_name(base: &str, seed: &str, taken: impl Fn(&str) -> bool) -> String {
    let base = &base[..base.floor_char_boundary(MAX_BASE)];
    let mut attempt = 0;
    loop {
        let name = format!("{base}-{}", letters(&format!("{base}/{seed}/{attempt}"), SUFFIX));
        if !taken(&name) {
            return name;
        }
        attempt += 1;
    }
}

/// What stands for a template in the name of a ReplicaSet: what of it reaches the pods.
pub(super) fn template_hash(template: &PodTemplate) -> String {
    let PodTemplate { metadata, spec, .. } = template;
    letters(&format!("{:?}{:?}{spec:?}", metadata.labels, metadata.annotations), 10)
}

fn letters(text: &str, count: usize) -> String {
    let mut hash = fnv1a(0xcbf2_9ce4_8422_2325, text);
    let mut out = String::with_capacity(count);
    for _ in 0..count {
        // The upper half is mixed better than the lowest bits.
        out.push(char::from(ALPHABET[(hash >> 32) as usize % ALPHABET.len()]));
        hash = fnv1a(hash, "+");
    }
    out
}
