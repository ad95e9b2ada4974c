//! The whole way from files to objects that a scheduler can be given: read, filled in, admitted, expanded.
//!
//! Most of a large input are pods that an API server has admitted before; these go through one by one. What depends on other objects,
//! wherever they stand in the input, waits for its end.

mod namespaces;
mod replace;

use std::cell::Cell;
use std::io::Read;
use std::path::PathBuf;

use loadline_model::NodeSpec;

use self::namespaces::Namespaces;
use self::replace::{Replaced, Replacing};
use crate::check::object_name;
use crate::convert::Converter;
use crate::defaults::{Admission, admit_job, derived_uid, fill_stored, fill_uid, is_admitted, system_namespaces};
use crate::expand::{MOST_PODS, Missing, Present, expand};
use crate::read::{Reader, Summary};
use crate::wire::{Kind, Object, Pod};

/// What became of an input, apart from the objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// Pods that workloads lack, complete, by workload.
    pub missing: Vec<Missing>,
    /// Counts and problems.
    pub summary: Summary,
    /// What took the place of something else, a line each.
    pub replaced: Vec<String>,
    /// Pods that left their nodes by that.
    pub vacated: usize,
    /// What a user should know although nothing is wrong, a line each.
    pub warnings: Vec<String>,
}

/// Reads everything that `paths` name, as [`crate::read::read_paths`] does, and hands complete objects to `sink` with their place in
/// the input, which grows with the input but not from call to call. Namespaces that every cluster has, and ReplicaSets that
/// Deployments would create, come behind all others.
///
/// With `replace`, an object of a later path takes the place of the one with its kind, namespace and name of an earlier path; all
/// objects are held for that until the last one is read.
pub fn load(paths: &[PathBuf], replace: bool, stdin: &mut dyn Read, sink: &mut dyn FnMut(usize, Object)) -> Loaded {
    let mut intake = Intake::new();
    let mut namespaces = Namespaces::default();
    let mut replacing = Replacing::default();
    let number = Cell::new(0);
    let mut reader = Reader::new(|object| {
        namespaces.observe(&object);
        if replace {
            replacing.push(number.get(), object);
        } else {
            intake.push(object, sink);
        }
    })
    .replacing(replace);
    for path in paths {
        number.set(number.get() + 1);
        reader.read_path(path, stdin);
    }
    let (mut summary, places) = reader.finish_with_places();
    let mut warnings: Vec<String> = summary.warnings().collect();
    warnings.extend(namespaces.warnings());
    if replace {
        warnings.extend(replacing.nothing_replaced(paths));
    }
    let (held, replaced) = replacing.finish();
    for object in held {
        intake.push(object, sink);
    }
    let vacated = replaced.iter().map(Replaced::vacated).sum();
    let replaced = replaced
        .into_iter()
        .map(|replaced| {
            summary.objects -= replaced.taken();
            places.replacement(&replaced.key) + &replaced.in_words()
        })
        .collect();
    let Finished { missing, refused } = intake.finish(sink);
    summary.objects -= refused.iter().filter(|refusal| !refusal.of_expanded).count();
    summary.problems.extend(
        refused.iter().map(|refusal| places.problem(refusal.kind, &refusal.namespace, &refusal.name, &refusal.message)),
    );
    Loaded { missing, summary, replaced, vacated, warnings }
}

/// Completes objects that are pushed into it in the order of the input.
#[derive(Debug, Default)]
pub struct Intake {
    admission: Admission,
    present: Present,
    waiting: Vec<(usize, Object)>,
    next: usize,
}

/// The end of an [`Intake`].
#[derive(Debug, Default)]
pub struct Finished {
    /// Pods that workloads lack, complete, by workload.
    pub missing: Vec<Missing>,
    /// What the API server would have refused; it was left out.
    pub refused: Vec<Refusal>,
}

/// An object that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Kind of the object in the input.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why, in one line.
    pub message: String,
    /// The object itself is kept; its pods are not created.
    pub of_expanded: bool,
}

impl Intake {
    /// An intake that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an object; hands it on at once when nothing else can have a say in it.
    pub fn push(&mut self, mut object: Object, sink: &mut dyn FnMut(usize, Object)) {
        let place = self.next;
        self.next += 1;
        fill_stored(&mut object);
        self.admission.observe(&object);
        match &object {
            Object::Pod(pod) if is_admitted(&pod.metadata) => {
                self.present.observe(pod);
                sink(place, object);
            }
            _ => self.waiting.push((place, object)),
        }
    }

    /// Completes and hands on what waited.
    pub fn finish(mut self, sink: &mut dyn FnMut(usize, Object)) -> Finished {
        let mut finished = Finished::default();
        let mut complete: Vec<(usize, Object)> = Vec::with_capacity(self.waiting.len());
        for (place, mut object) in std::mem::take(&mut self.waiting) {
            match self.complete(&mut object) {
                Ok(()) => complete.push((place, object)),
                Err(message) => finished.refused.push(refusal(&object, &message)),
            }
        }
        self.expand(&mut complete, &mut finished);
        let namespaces = complete.iter().filter(|(_, object)| object.kind() == Kind::Namespace);
        let namespaces: Vec<&str> = namespaces.map(|(_, object)| &*object.metadata().name).collect();
        for namespace in system_namespaces(&namespaces) {
            complete.push((self.take_place(), Object::Namespace(Box::new(namespace))));
        }
        for (place, object) in complete {
            sink(place, object);
        }
        finished
    }

    fn take_place(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn complete(&mut self, object: &mut Object) -> Result<(), String> {
        if !is_admitted(object.metadata()) {
            fill_uid(object);
            match object {
                Object::Pod(pod) => self.admission.admit(pod)?,
                Object::PersistentVolumeClaim(claim) => self.admission.admit_claim(claim),
                Object::Job(job) => admit_job(job),
                Object::CorePodGroup(group) => self.admission.admit_group(group)?,
                _ => {}
            }
        }
        if let Object::Pod(pod) = object {
            self.present.observe(pod);
        }
        Ok(())
    }

    fn expand(&mut self, objects: &mut Vec<(usize, Object)>, finished: &mut Finished) {
        let has_daemon_sets = objects.iter().any(|(_, object)| object.kind() == Kind::DaemonSet);
        let mut converter = Converter::new();
        let nodes: Vec<NodeSpec> = objects
            .iter()
            .filter_map(|(_, object)| match object {
                Object::Node(node) if has_daemon_sets => Some(converter.node(node)),
                _ => None,
            })
            .collect();
        let expansion = expand(objects.iter().map(|(_, object)| object), &self.present, &nodes);
        for mut missing in expansion.missing {
            match missing.pods.iter_mut().try_for_each(|pod| self.create(pod)) {
                Ok(()) => finished.missing.push(missing),
                Err(message) => finished.refused.push(Refusal {
                    message: format!("the API server would refuse its pods: {message}"),
                    kind: missing.kind,
                    namespace: missing.namespace,
                    name: missing.name,
                    of_expanded: true,
                }),
            }
        }
        finished.refused.extend(expansion.too_many.into_iter().map(|too_many| Refusal {
            message: format!(
                "its {} pods are left out: workloads are expanded to {MOST_PODS} pods at most, all together",
                too_many.pods
            ),
            kind: too_many.kind,
            namespace: too_many.namespace,
            name: too_many.name,
            of_expanded: true,
        }));
        for set in expansion.replica_sets {
            objects.push((self.take_place(), Object::ReplicaSet(Box::new(set))));
        }
    }

    /// What happens to a pod that a controller creates.
    fn create(&self, pod: &mut Pod) -> Result<(), String> {
        let mut object = Object::Pod(Box::new(std::mem::take(pod)));
        fill_stored(&mut object);
        if let Object::Pod(filled) = object {
            *pod = *filled;
        }
        // Not the uid of a pod of the input that has this name and is gone.
        pod.metadata.uid = derived_uid("created Pod", &pod.metadata.namespace, &pod.metadata.name);
        self.admission.admit(pod)
    }
}

fn refusal(object: &Object, message: &str) -> Refusal {
    let metadata = object.metadata();
    let called = object_name(object.kind(), &metadata.namespace, &metadata.name);
    Refusal {
        kind: object.kind(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        message: format!("the API server would refuse {called}: {message}"),
        of_expanded: false,
    }
}

#[cfg(test)]
mod replace_tests;
#[cfg(test)]
mod tests;
