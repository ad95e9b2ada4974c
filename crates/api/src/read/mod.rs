//! Files, folders and standard input to objects: what `kubectl get … -o yaml|json` prints and what people keep in repositories.
//!
//! The fast way decodes each object straight into its wire type. Only an object in which something is wrong is read again with places,
//! and then everything that is wrong with it is reported. One bad object never hides another. Objects are handed on one by one.

mod files;
mod head;
mod json;
mod not_followed;
mod object;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use loadline_model::Map;

use self::not_followed::is_not_followed;
use crate::check::object_name;
use crate::doc::{Node, Piece, Problem, Value, read_yaml};
use crate::wire::{Kind, Object};

/// What a reading came to, apart from the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of objects handed on.
    pub objects: usize,
    /// How many objects there were of each kind that a scheduler has no use for: `ConfigMap`, `Service.serving.knative.dev`.
    pub ignored: BTreeMap<String, usize>,
    /// How many there were of each kind that is not read either, and has a say in which pods there are: `CronJob`.
    pub not_followed: BTreeMap<String, usize>,
    /// Everything that is wrong, file by file. Objects that are named here were left out.
    pub problems: Vec<Problem>,
}

impl Summary {
    /// No object was found in which nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.objects == 0 && self.ignored.is_empty() && self.not_followed.is_empty()
    }

    /// What a user should know of objects that are not followed, a line for each kind.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.not_followed.iter().map(|(name, number)| not_followed::in_words(name, *number))
    }
}

/// Objects that were read, and what became of the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The objects in the order of the input.
    pub objects: Vec<Object>,
    /// The rest.
    pub summary: Summary,
}

/// Reads everything that `paths` name: a file, a folder (with its folders: `.yaml`, `.yml`, `.json`, by name) or `-` for `stdin`.
pub fn read_paths(paths: &[PathBuf], stdin: &mut dyn Read) -> Loaded {
    let mut objects = Vec::new();
    let mut reader = Reader::new(|object| objects.push(object));
    for path in paths {
        reader.read_path(path, stdin);
    }
    let summary = reader.finish();
    Loaded { objects, summary }
}

/// Reads texts and hands on the objects in them, one by one.
pub struct Reader<S> {
    sink: S,
    summary: Summary,
    /// Where each object was first seen.
    seen: Map<(Kind, String, String), Place>,
    /// Namespace and name of each object that says its uid.
    uids: Map<(Kind, String), (String, String)>,
    /// Number of the path that is being read, from 1.
    path: usize,
    /// Nothing was found in that path so far, not even a list of nothing.
    is_empty: bool,
    /// An object of a later path takes the place of the one like it of an earlier path.
    replace: bool,
    /// Where the objects stand that others have replaced.
    replaced: Map<(Kind, String, String), Place>,
}

/// Where objects stand, for problems that are found later.
#[derive(Debug, Clone, Default)]
pub struct Places {
    now: Map<(Kind, String, String), Place>,
    replaced: Map<(Kind, String, String), Place>,
}

impl Places {
    /// A problem of an object that was read; of no file when it was not.
    pub fn problem(&self, kind: Kind, namespace: &str, name: &str, message: &str) -> Problem {
        match self.now.get(&(kind, namespace.to_owned(), name.to_owned())) {
            Some(Place { file, line, column, .. }) => Problem {
                file: file.clone(),
                line: *line,
                column: *column,
                path: String::new(),
                message: message.to_owned(),
            },
            None => Problem::of_file(&object_name(kind, namespace, name), message),
        }
    }

    /// Says that an object took the place of another one, and which.
    pub fn replacement(&self, key: &(Kind, String, String)) -> String {
        let said =
            |place: Option<&Place>| place.map_or_else(String::new, |place| format!("{}:{}", place.file, place.line));
        let called = object_name(key.0, &key.1, &key.2);
        format!("{}: {called} replaces the one in {}", said(self.now.get(key)), said(self.replaced.get(key)))
    }
}

/// Where an object begins.
#[derive(Debug, Clone)]
struct Place {
    file: Arc<str>,
    line: u32,
    column: u32,
    /// Number of the path in which the object was found.
    path: usize,
}

/// `apiVersion` and `kind` that the elements of a typed list (`PodList`) have when they do not say.
#[derive(Debug, Clone, Default)]
struct ItemDefault {
    api_version: String,
    kind: String,
}

impl ItemDefault {
    /// From those of a list; `None` for an object that is no list. The elements of a plain `List` have to say what they are.
    fn of_list(api_version: &str, kind: &str) -> Option<Self> {
        let kind = kind.strip_suffix("List")?;
        Some(Self {
            api_version: if kind.is_empty() { String::new() } else { api_version.to_owned() },
            kind: kind.to_owned(),
        })
    }
}

impl<S: FnMut(Object)> Reader<S> {
    /// A reader that hands objects to `sink`.
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            summary: Summary::default(),
            seen: Map::default(),
            uids: Map::default(),
            path: 0,
            is_empty: true,
            replace: false,
            replaced: Map::default(),
        }
    }

    /// Hands on an object of a later path although an earlier one had one like it.
    #[must_use]
    pub fn replacing(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// What it all came to.
    pub fn finish(self) -> Summary {
        self.summary
    }

    /// What it all came to, and where each object stands.
    pub fn finish_with_places(self) -> (Summary, Places) {
        (self.summary, Places { now: self.seen, replaced: self.replaced })
    }

    /// Reads one text: JSON when it begins with a JSON object, else YAML. `file` goes into the problems.
    pub fn read_text(&mut self, text: &str, file: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: Arc<str> = file.into();
        if is_json(text) {
            self.read_json(text, &file);
        } else {
            self.read_yaml(text, &file);
        }
    }

    fn read_yaml(&mut self, text: &str, file: &Arc<str>) {
        // Elements that do not say what they are wait for the end of their list, which does.
        let mut waiting = Vec::new();
        read_yaml(text, file, true, &mut |piece| {
            self.is_empty = false;
            match piece {
                Piece::Broken(problem) => {
                    waiting.clear();
                    self.summary.problems.push(problem);
                }
                Piece::Item { node, problems } => {
                    if problems.is_empty() && head::says_kind(&node) {
                        self.read_node(node, problems, &ItemDefault::default(), file);
                    } else {
                        waiting.push((node, problems));
                    }
                }
                Piece::Root { node, problems } => {
                    let is_list =
                        node.get("items").is_some_and(|items| matches!(items.value, Value::Seq(_) | Value::Null));
                    if let Some(item) = &head::list_of(&node).filter(|_| is_list) {
                        self.summary.problems.extend(problems);
                        for (node, problems) in waiting.drain(..) {
                            self.read_node(node, problems, item, file);
                        }
                    } else {
                        waiting.clear();
                        self.read_node(node, problems, &ItemDefault::default(), file);
                    }
                }
            }
        });
    }

    /// A document or an element of a list, as a tree; lists in lists are unpacked.
    fn read_node(&mut self, node: Node<'_>, problems: Vec<Problem>, default: &ItemDefault, file: &Arc<str>) {
        let Some(item) = head::list_of(&node)
            .filter(|_| node.get("items").is_some_and(|items| matches!(items.value, Value::Seq(_))))
        else {
            self.object_from_node(node, problems, default, file);
            return;
        };
        self.summary.problems.extend(problems);
        for element in head::into_items(node) {
            self.read_node(element, Vec::new(), &item, file);
        }
    }

    /// Hands an object on, unless there was one like it.
    fn hand_on(&mut self, mut object: Object, place: Place) {
        let kind = object.kind();
        let metadata = object.metadata_mut();
        if !kind.is_namespaced() {
            metadata.namespace.clear();
        } else if metadata.namespace.is_empty() {
            "default".clone_into(&mut metadata.namespace);
        }
        let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
        let called = object_name(kind, &namespace, &name);
        let uid = (kind, metadata.uid.clone());
        let known = (kind, namespace.clone(), name.clone());
        let earlier = self.seen.get(&known);
        if let Some(replaced) = earlier.filter(|earlier| self.replace && earlier.path < place.path) {
            self.replaced.insert(known.clone(), replaced.clone());
            self.seen.insert(known, place);
            (self.sink)(object);
            return;
        }
        let twice = if let Some(Place { file, line, path, .. }) = earlier {
            let hint = if *path < place.path { "; with --replace the later one takes its place" } else { "" };
            Some(("metadata.name", format!("{called} stands here a second time, first in {file}:{line}{hint}")))
        } else if let Some((namespace, name)) = self.uids.get(&uid) {
            let other = object_name(kind, namespace, name);
            let place = self.seen.get(&(kind, namespace.clone(), name.clone()));
            let place = place.map_or_else(String::new, |place| format!("{}:{}", place.file, place.line));
            Some(("metadata.uid", format!("{called} has the uid of {other}, which stands in {place}")))
        } else {
            None
        };
        if let Some((path, message)) = twice {
            self.summary.problems.push(Problem {
                file: place.file,
                line: place.line,
                column: place.column,
                path: path.into(),
                message,
            });
            return;
        }
        if !uid.1.is_empty() {
            self.uids.insert(uid, (namespace, name));
        }
        self.seen.insert(known, place);
        self.summary.objects += 1;
        (self.sink)(object);
    }

    /// Counts an object of a kind that is not read.
    fn pass_over(&mut self, api_version: &str, kind: &str, has_pod_template: impl FnOnce() -> bool) {
        let counts = if is_not_followed(api_version, kind, has_pod_template) {
            &mut self.summary.not_followed
        } else {
            &mut self.summary.ignored
        };
        *counts.entry(ignored_name(api_version, kind)).or_default() += 1;
    }

    /// The kind that one which is not read most probably stands for.
    fn misspelt(&self, api_version: &str, kind: &str) -> Option<&'static str> {
        // There are many of the same kind; one look is enough.
        let name = ignored_name(api_version, kind);
        let known = self.summary.ignored.contains_key(&name) || self.summary.not_followed.contains_key(&name);
        if known { None } else { Kind::misspelt(api_version, kind) }
    }
}

fn ignored_name(api_version: &str, kind: &str) -> String {
    let group = api_version.split_once('/').map(|(group, _)| group).filter(|group| group.contains('.'));
    group.map_or_else(|| kind.to_owned(), |group| format!("{kind}.{group}"))
}

/// A brace and then a quote or the other brace: YAML's flow maps begin otherwise, but for those that are JSON as well.
fn is_json(text: &str) -> bool {
    text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']))
}
