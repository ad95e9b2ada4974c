//! One object: what it is, its type, its sense.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::head::Head;
use super::not_followed::{has_pod_template, has_pod_template_in_json};
use super::{ItemDefault, Place, Reader};
use crate::check::check;
use crate::doc::{At, DecodeError, FieldPath, Node, Problem, decode, decode_all};
use crate::fields::check_known;
use crate::wire::{Kind, Lookup, Object, ReadTyped};

/// What is known about a kind by its name, or what is wrong with the name.
enum Found {
    Known(Kind),
    Ignored,
    /// The field and the message.
    Wrong(&'static str, String),
}

fn find(api_version: &str, kind: &str) -> Found {
    if kind.is_empty() {
        return Found::Wrong("kind", "expected a kind such as Pod, found none".into());
    }
    match Kind::find(api_version, kind) {
        Lookup::Known(kind) => Found::Known(kind),
        Lookup::Ignored => Found::Ignored,
        Lookup::WrongVersion(expected) if api_version.is_empty() => {
            Found::Wrong("apiVersion", format!("expected {expected}, found none"))
        }
        Lookup::WrongVersion(expected) => {
            Found::Wrong("apiVersion", format!("expected {expected} for a {kind}, found `{api_version}`"))
        }
    }
}

impl<S: FnMut(Object)> Reader<S> {
    /// An object as a tree. `problems` are those that its text already has.
    pub(super) fn object_from_node(
        &mut self,
        mut node: Node<'_>,
        mut problems: Vec<Problem>,
        default: &ItemDefault,
        file: &Arc<str>,
    ) {
        let place = Place { file: file.clone(), line: node.line, column: node.column, path: self.path };
        let field = |name: &str, default: &str| match node.get(name) {
            Some(value) => value.as_str().map_or_else(|| Err(value.describe()), |text| Ok(text.to_owned())),
            None => Ok(default.to_owned()),
        };
        let found = match (field("apiVersion", &default.api_version), field("kind", &default.kind)) {
            _ if !matches!(node.value, crate::doc::Value::Map(_)) => {
                Found::Wrong("", format!("expected a Kubernetes object, found {}", node.describe()))
            }
            (Err(found), _) => Found::Wrong("apiVersion", format!("expected a text, found {found}")),
            (_, Err(found)) => Found::Wrong("kind", format!("expected a text, found {found}")),
            (Ok(api_version), Ok(kind)) => match find(&api_version, &kind) {
                Found::Ignored => match node.get("items").filter(|_| kind.ends_with("List")) {
                    // A list of nothing, as Go may write it.
                    Some(items) if items.is_null() => return,
                    Some(items) => Found::Wrong("items", format!("expected a list, found {}", items.describe())),
                    None => match self.misspelt(&api_version, &kind).filter(|_| !is_stored(&node)) {
                        Some(near) => {
                            Found::Wrong("kind", format!("unknown kind \"{kind}\"; did you mean \"{near}\"?"))
                        }
                        None => return self.pass_over(&api_version, &kind, || has_pod_template(&node)),
                    },
                },
                found => found,
            },
        };
        let kind = match found {
            Found::Known(kind) => kind,
            Found::Ignored => return,
            Found::Wrong(field, message) => {
                let path = if field.is_empty() { FieldPath::root() } else { FieldPath::root().field(field) };
                let (line, column) = node.position(&path);
                self.summary.problems.extend(problems);
                self.summary.problems.push(Problem {
                    file: file.clone(),
                    line,
                    column,
                    path: path.to_string(),
                    message,
                });
                return;
            }
        };
        if !is_stored(&node) {
            check_known(kind, &node, &mut |at, message| problems.push(problem_at(at, message, &node, file)));
        }
        if problems.is_empty()
            && let Ok(object) = kind.read(FromNode(&node))
            && makes_sense(&object)
        {
            self.hand_on(object, place);
            return;
        }
        // Something is wrong: look for all of it.
        let mut found = problems;
        let object = kind.read(FromBadNode { node: &mut node, file, problems: &mut found });
        if let Ok(object) = object {
            check(&object, &mut |at, message| found.push(problem_at(at, message, &node, file)));
        }
        self.summary.problems.append(&mut found);
    }

    /// An object as well-formed JSON text; false when something is wrong with it.
    pub(super) fn object_from_json(&mut self, json: &str, default: &ItemDefault, place: Place) -> bool {
        let head = if default.kind.is_empty() { Head::of_json(json) } else { Head::of_first_fields(json) };
        let api_version = head.api_version.as_deref().unwrap_or(&default.api_version);
        let kind = head.kind.as_deref().unwrap_or(&default.kind);
        match find(api_version, kind) {
            Found::Ignored if !kind.ends_with("List") && self.misspelt(api_version, kind).is_none() => {
                self.pass_over(api_version, kind, || has_pod_template_in_json(json));
            }
            Found::Ignored | Found::Wrong(..) => return false,
            Found::Known(kind) => match kind.read(FromJson(json)) {
                // What people wrote is looked at once more, as a tree.
                Ok(object) if !object.metadata().uid.is_empty() && makes_sense(&object) => self.hand_on(object, place),
                _ => return false,
            },
        }
        true
    }
}

fn problem_at(at: At<'_>, message: String, object: &Node<'_>, file: &Arc<str>) -> Problem {
    let path = at.to_path();
    let (line, column) = object.position(&path);
    Problem { file: file.clone(), line, column, path: path.to_string(), message }
}

/// Whether an API server had the object: it gives everything a uid, and keeps no field that it does not know.
fn is_stored(node: &Node<'_>) -> bool {
    node.get("metadata")
        .and_then(|metadata| metadata.get("uid"))
        .and_then(Node::as_str)
        .is_some_and(|uid| !uid.is_empty())
}

fn makes_sense(object: &Object) -> bool {
    let mut sense = true;
    check(object, &mut |_, _| sense = false);
    sense
}

struct FromJson<'j>(&'j str);

impl ReadTyped for FromJson<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error> {
        serde_json::from_str(self.0)
    }
}

struct FromNode<'n, 'a>(&'n Node<'a>);

impl ReadTyped for FromNode<'_, '_> {
    type Error = DecodeError;

    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error> {
        decode(self.0)
    }
}

struct FromBadNode<'n, 'a> {
    node: &'n mut Node<'a>,
    file: &'n Arc<str>,
    problems: &'n mut Vec<Problem>,
}

impl ReadTyped for FromBadNode<'_, '_> {
    type Error = ();

    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error> {
        decode_all(self.node, self.file, self.problems).ok_or(())
    }
}
