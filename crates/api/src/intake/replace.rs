//! Objects of a later path in the place of those of an earlier one: a changed manifest beside a dump of the cluster that it is meant
//! for.
//!
//! The later object stands as it is written, in the place of the earlier one, but for what `kubectl apply` leaves as it is where a
//! manifest says nothing (`keep`): replicas, status, the node of a pod. A workload goes on owning what the earlier one owned, also when
//! fewer pods are wanted, as which of them would go is the controller's choice.
//!
//! Where the controller would replace pods because the template is another (`rollout`), the ReplicaSets and pods that stood for the
//! earlier one are taken out, and the later one lacks all of its pods: the end of a rollout, without the way there. Templates that are
//! the same in what a scheduler reads change nothing here: a rollout for another environment variable ends with the same requests.

mod keep;
mod rollout;

use std::path::PathBuf;

use loadline_model::{Map, Set};

use self::rollout::{Counts, Outcome, wanted};
use crate::check::object_name;
use crate::defaults::fill_stored;
use crate::expand::named_for;
use crate::wire::{Kind, Object};

/// Kind, namespace and name.
pub(super) type Key = (Kind, String, String);

/// Holds all objects, since what comes late may have a say in what came early.
#[derive(Debug, Default)]
pub(super) struct Replacing {
    objects: Vec<Held>,
    places: Map<Key, usize>,
    /// In the order in which they came.
    replaced: Vec<Replaced>,
}

/// An object, with the number of the path that it comes from.
#[derive(Debug)]
struct Held {
    source: usize,
    object: Object,
}

/// An object that took the place of another.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) key: Key,
    source: usize,
    /// Of the earlier object.
    uid: String,
    outcome: Option<Outcome>,
    counts: Counts,
    /// How many pods the later one wants, where that is a number.
    wanted: Option<usize>,
    /// The node that a pod keeps although it does not name it.
    stays_on: Option<String>,
}

impl Replaced {
    /// Number of objects that were taken out with the earlier one.
    pub(super) fn taken(&self) -> usize {
        self.counts.replica_sets + self.counts.pods
    }

    /// Number of pods that left their nodes by it.
    pub(super) fn vacated(&self) -> usize {
        self.counts.vacated
    }

    /// The end of a message, or nothing.
    pub(super) fn in_words(&self) -> String {
        match (&self.stays_on, self.outcome) {
            (Some(node), _) => format!("; it stays on node {node}"),
            (None, Some(outcome)) => outcome.in_words(self.counts) + &self.too_many(),
            (None, None) => String::new(),
        }
    }

    fn too_many(&self) -> String {
        let exist = self.counts.kept;
        match self.wanted.and_then(|wanted| exist.checked_sub(wanted)) {
            None | Some(0) => String::new(),
            Some(more) => {
                let stay = if more == 1 { "stays" } else { "stay" };
                format!("; it wants {} of the {exist} pods that there are: the {more} too many {stay}", exist - more)
            }
        }
    }

    /// Whether an object that was held, and names its owner's uid, was the earlier one's.
    fn owned(&self, held: &Held, uid: &str) -> bool {
        held.source < self.source && (uid.is_empty() || uid == self.uid)
    }
}

impl Replacing {
    /// Takes an object of the path with this number.
    pub(super) fn push(&mut self, source: usize, mut object: Object) {
        let metadata = object.metadata();
        let key = (object.kind(), metadata.namespace.clone(), metadata.name.clone());
        let Some(&place) = self.places.get(&key) else {
            self.places.insert(key, self.objects.len());
            self.objects.push(Held { source, object });
            return;
        };
        let earlier = &mut self.objects[place].object;
        fill_stored(earlier);
        let is_same = keep::is_same_object(&object, earlier);
        let is_nowhere = node_of(&object).is_none();
        if is_same {
            keep::take_over(&mut object, earlier);
        }
        fill_stored(&mut object);
        let outcome = Outcome::of(&object, earlier, is_same);
        let stays_on = node_of(&object).filter(|_| is_nowhere).map(str::to_owned);
        let vacated = usize::from(node_of(earlier).is_some() && node_of(&object).is_none());
        let counts = Counts { vacated, ..Counts::default() };
        let uid = earlier.metadata().uid.clone();
        self.replaced.push(Replaced { key, source, uid, outcome, counts, wanted: wanted(&object), stays_on });
        self.objects[place] = Held { source, object };
    }

    /// What a user should know if nothing was replaced although there are later paths: where something of that name stands.
    pub(super) fn nothing_replaced(&self, paths: &[PathBuf]) -> Option<String> {
        const NAMED: usize = 3;
        let (_, later) = paths.split_first().filter(|(_, later)| !later.is_empty())?;
        if !self.replaced.is_empty() {
            return None;
        }
        let mut names: Map<(Kind, &str), &Held> = Map::default();
        let mut namesakes = Vec::new();
        for held in &self.objects {
            let called =
                |object: &Object| object_name(object.kind(), &object.metadata().namespace, &object.metadata().name);
            let key = (held.object.kind(), &*held.object.metadata().name);
            let earlier = names.entry(key).or_insert(held);
            if earlier.source < held.source {
                namesakes.push(format!("{} has the name of {}", called(&held.object), called(&earlier.object)));
            }
        }
        let later: Vec<String> = later.iter().map(|path| path.display().to_string()).collect();
        namesakes.truncate(NAMED);
        namesakes.insert(0, format!("nothing was replaced by {} (--replace)", later.join(", ")));
        Some(namesakes.join("; "))
    }

    /// What is left, in the order of the input, and what was replaced.
    pub(super) fn finish(self) -> (impl Iterator<Item = Object>, Vec<Replaced>) {
        let Self { objects, mut replaced, .. } = self;
        let mut counts: Vec<Counts> = replaced.iter().map(|replaced| replaced.counts).collect();
        let gone = taken_out(&objects, &replaced, &mut counts);
        for (replaced, counts) in replaced.iter_mut().zip(counts) {
            replaced.counts = counts;
        }
        let left = objects.into_iter().zip(gone).filter(|(_, gone)| !gone);
        (left.map(|(held, _)| held.object), replaced)
    }
}

fn node_of(object: &Object) -> Option<&str> {
    match object {
        Object::Pod(pod) => Some(&*pod.spec.node_name).filter(|node| !node.is_empty()),
        _ => None,
    }
}

/// Something that owned pods: a workload that was replaced, or a ReplicaSet of one.
#[derive(Clone, Copy)]
struct Owner<'r> {
    uid: &'r str,
    /// The number of the workload that was replaced.
    replaced: usize,
    outcome: Outcome,
}

/// For each object, whether it goes with the workload that owned it. Counts what goes and what stays for each workload.
fn taken_out(objects: &[Held], replaced: &[Replaced], counts: &mut [Counts]) -> Vec<bool> {
    let mut owners: Map<(&str, &str, &str), Vec<Owner<'_>>> = Map::default();
    for (number, of) in replaced.iter().enumerate() {
        let Replaced { key: (kind, namespace, name), outcome: Some(outcome), uid, .. } = of else { continue };
        let owner = Owner { uid, replaced: number, outcome: *outcome };
        owners.entry((namespace, kind.name(), name)).or_default().push(owner);
    }
    let mut gone = vec![false; objects.len()];
    let mut sets: Set<(&str, &str)> = Set::default();
    // All of them before the pods, which may stand in front of them.
    for (held, gone) in objects.iter().zip(&mut gone) {
        let Object::ReplicaSet(set) = &held.object else { continue };
        let metadata = &set.metadata;
        sets.insert((&metadata.namespace, &metadata.name));
        let Some(owner) = metadata.controller() else { continue };
        let of = owners.get(&(&*metadata.namespace, &*owner.kind, &*owner.name)).map_or(&[][..], Vec::as_slice);
        let of: Vec<Owner<'_>> =
            of.iter().filter(|of| replaced[of.replaced].owned(held, &owner.uid)).copied().collect();
        if let Some(by) = of.iter().find(|of| of.outcome.takes_replica_sets()) {
            *gone = true;
            counts[by.replaced].replica_sets += 1;
        }
        let own = owners.entry((&metadata.namespace, Kind::ReplicaSet.name(), &metadata.name)).or_default();
        own.extend(of.into_iter().map(|of| Owner { uid: &metadata.uid, ..of }));
    }
    for (held, gone) in objects.iter().zip(&mut gone) {
        let Object::Pod(pod) = &held.object else { continue };
        let Some(owner) = pod.metadata.controller() else { continue };
        let namespace = &*pod.metadata.namespace;
        let direct = owners.get(&(namespace, &*owner.kind, &*owner.name)).into_iter().flatten();
        let direct = direct.filter(|of| owner.uid.is_empty() || owner.uid == of.uid);
        let absent = named_for(pod).filter(|(_, set)| !sets.contains(&(namespace, *set)));
        let by_name = absent.and_then(|(name, _)| owners.get(&(namespace, Kind::Deployment.name(), name)));
        let mut of =
            direct.chain(by_name.into_iter().flatten()).filter(|of| held.source < replaced[of.replaced].source);
        let mut candidates = of.clone();
        if let Some(by) = candidates.find(|of| of.outcome.takes(pod, &owner.name)) {
            *gone = true;
            counts[by.replaced].pods += 1;
            counts[by.replaced].vacated += usize::from(node_of(&held.object).is_some());
        } else if let Some(by) = of.next() {
            counts[by.replaced].kept += 1;
        }
    }
    gone
}
