//! Objects of a later path in the place of those of an earlier one: a changed manifest beside a dump of the cluster that it is meant
//! for.
//!
//! The later object stands as it is written, in the place of the earlier one. A workload goes on owning what the earlier one owned, as
//! after `kubectl apply`. If its pods would be others, because the template is, the ReplicaSets and pods that stood for the earlier one
//! are taken out, and it lacks all of its pods: the end of a rollout, without the way there. With the same template they stay, also
//! when fewer are wanted, as which of them would go is the controller's choice.

use loadline_model::{Map, Set};

use crate::defaults::{admit_job, fill_stored};
use crate::expand::named_for;
use crate::wire::{Kind, Object, ObjectMeta, PodTemplate};

/// Kind, namespace and name.
pub(super) type Key = (Kind, String, String);

/// Holds all objects, since what comes late may have a say in what came early.
#[derive(Debug, Default)]
pub(super) struct Replacing {
    /// With the number of the path that each comes from.
    objects: Vec<(usize, Object)>,
    places: Map<Key, usize>,
    /// In the order in which they came.
    replaced: Vec<Replaced>,
}

/// An object that took the place of another.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) key: Key,
    /// What was taken out with the other one, if the pods of the two differ.
    pub(super) taken: Option<Taken>,
    source: usize,
    uid: String,
}

/// How much was taken out.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) replica_sets: usize,
    pub(super) pods: usize,
}

impl Taken {
    /// The end of a message, or nothing.
    pub(super) fn in_words(&self) -> String {
        let count = |number: usize, thing: &str| match number {
            0 => None,
            1 => Some(format!("1 {thing}")),
            _ => Some(format!("{number} {thing}s")),
        };
        let parts: Vec<String> =
            [count(self.replica_sets, "ReplicaSet"), count(self.pods, "pod")].into_iter().flatten().collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("; its pod template is another, so what that one owned is taken out: {}", parts.join(", "))
    }
}

impl Replacing {
    /// Takes an object of the path with this number.
    pub(super) fn push(&mut self, source: usize, mut object: Object) {
        let key = key_of(&object);
        let Some(&place) = self.places.get(&key) else {
            self.places.insert(key, self.objects.len());
            self.objects.push((source, object));
            return;
        };
        let (_, earlier) = &self.objects[place];
        let uid = earlier.metadata().uid.clone();
        keep_identity(&mut object, earlier);
        let stays = object.metadata().uid == uid && is_same_template(&object, earlier);
        let taken = (template(&object).is_some() && !stays).then(Taken::default);
        self.replaced.push(Replaced { key, taken, source, uid });
        self.objects[place] = (source, object);
    }

    /// What is left, in the order of the input, and what was replaced.
    pub(super) fn finish(self) -> (impl Iterator<Item = Object>, Vec<Replaced>) {
        let Self { mut objects, mut replaced, .. } = self;
        let sets: Set<(String, String)> = objects
            .iter()
            .filter(|(_, object)| object.kind() == Kind::ReplicaSet)
            .map(|(_, object)| (object.metadata().namespace.clone(), object.metadata().name.clone()))
            .collect();
        for of in &mut replaced {
            let Replaced { key: (kind, namespace, name), taken: Some(taken), source, uid } = of else { continue };
            let is_owned = |(from, object): &(usize, Object), kind: Kind, name: &str, uid: &str| {
                let metadata = object.metadata();
                *from < *source
                    && metadata.namespace == *namespace
                    && metadata.controller().is_some_and(|owner| {
                        owner.kind == kind.name() && owner.name == name && (owner.uid.is_empty() || owner.uid == uid)
                    })
            };
            let mut owners = vec![(*kind, name.clone(), uid.clone())];
            objects.retain(|it| {
                let goes = it.1.kind() == Kind::ReplicaSet && is_owned(it, *kind, name, uid);
                if goes {
                    let metadata = it.1.metadata();
                    owners.push((Kind::ReplicaSet, metadata.name.clone(), metadata.uid.clone()));
                    taken.replica_sets += 1;
                }
                !goes
            });
            objects.retain(|it| {
                let Object::Pod(pod) = &it.1 else { return true };
                let has_set = |set: &str| sets.contains(&(namespace.clone(), set.to_owned()));
                let goes = owners.iter().any(|(kind, name, uid)| is_owned(it, *kind, name, uid))
                    || (*kind == Kind::Deployment
                        && it.0 < *source
                        && pod.metadata.namespace == *namespace
                        && named_for(pod).is_some_and(|(deployment, set)| deployment == name && !has_set(set)));
                taken.pods += usize::from(goes);
                !goes
            });
        }
        (objects.into_iter().map(|(_, object)| object), replaced)
    }
}

fn key_of(object: &Object) -> Key {
    let metadata = object.metadata();
    (object.kind(), metadata.namespace.clone(), metadata.name.clone())
}

/// A workload that does not say who it is, is the earlier one.
fn keep_identity(object: &mut Object, earlier: &Object) {
    let ObjectMeta { uid, creation_timestamp, .. } = earlier.metadata().clone();
    if template(object).is_none() || !object.metadata().uid.is_empty() || uid.is_empty() {
        return;
    }
    object.metadata_mut().uid = uid;
    object.metadata_mut().creation_timestamp = creation_timestamp;
    if let Object::Job(job) = object {
        admit_job(job);
    }
}

/// Whether the pods would be the same, as far as a scheduler reads them.
fn is_same_template(object: &Object, earlier: &Object) -> bool {
    let (mut object, mut earlier) = (object.clone(), earlier.clone());
    fill_stored(&mut object);
    fill_stored(&mut earlier);
    match (template(&object), template(&earlier)) {
        (Some(a), Some(b)) => a.metadata.labels == b.metadata.labels && a.spec == b.spec,
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn template(object: &Object) -> Option<&PodTemplate> {
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
