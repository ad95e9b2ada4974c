//! From a stream of YAML events to nodes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use super::node::{Entry, Node, Value};
use super::problem::{At, Problem};

/// What a reader hands over, in the order of the text.
#[derive(Debug)]
pub enum Piece<'a> {
    /// An element of the top-level `items` of a document, when the reader was asked to hand them over one by one.
    Item {
        /// The element.
        node: Node<'a>,
        /// What is wrong with it as a document: duplicate keys. Paths start at the element.
        problems: Vec<Problem>,
    },
    /// A document; its `items` are empty when they were handed over one by one.
    Root {
        /// The document.
        node: Node<'a>,
        /// What is wrong with it as a document: duplicate keys.
        problems: Vec<Problem>,
    },
    /// A document that could not be read to its end.
    Broken(Problem),
}

/// Copies that anchors and aliases may make, in nodes: a few lines of aliases of aliases, or of anchors in anchors, would otherwise fill
/// the memory.
const MAX_COPIED_NODES: usize = 1_000_000;

enum Open<'a> {
    Seq(Vec<Node<'a>>),
    Map { entries: Vec<Entry<'a>>, key: Option<(Cow<'a, str>, u32, u32)> },
}

struct Frame<'a> {
    open: Open<'a>,
    line: u32,
    column: u32,
    anchor: usize,
}

/// Puts nodes together; one for each document.
pub(super) struct Builder<'a, 's> {
    file: Arc<str>,
    split_items: bool,
    frames: Vec<Frame<'a>>,
    anchors: BTreeMap<usize, Node<'a>>,
    /// Nodes in `anchors`.
    anchored: usize,
    /// Nodes that aliases have become, in all documents.
    aliased: usize,
    sink: &'s mut dyn FnMut(Piece<'a>),
}

impl<'a, 's> Builder<'a, 's> {
    pub(super) fn new(file: Arc<str>, split_items: bool, sink: &'s mut dyn FnMut(Piece<'a>)) -> Self {
        Self { file, split_items, frames: Vec::new(), anchors: BTreeMap::new(), anchored: 0, aliased: 0, sink }
    }

    /// Forgets the open document: for a new one, or after a syntax error.
    pub(super) fn reset(&mut self) {
        self.frames.clear();
        self.anchors.clear();
        self.anchored = 0;
    }

    /// True outside of any list or map.
    pub(super) fn at_root(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn broken(&mut self, line: u32, column: u32, message: String) {
        let problem = Problem { file: self.file.clone(), line, column, path: String::new(), message };
        (self.sink)(Piece::Broken(problem));
    }

    pub(super) fn open_seq(&mut self, line: u32, column: u32, anchor: usize) {
        self.frames.push(Frame { open: Open::Seq(Vec::new()), line, column, anchor });
    }

    pub(super) fn open_map(&mut self, line: u32, column: u32, anchor: usize) {
        self.frames.push(Frame { open: Open::Map { entries: Vec::new(), key: None }, line, column, anchor });
    }

    /// Ends the innermost list or map. An error is a message about the place of the frame.
    pub(super) fn close(&mut self) -> Result<(), String> {
        // The parser gives ends only for what it has begun.
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let value = match frame.open {
            Open::Seq(items) => Value::Seq(items),
            Open::Map { entries, .. } => Value::Map(merge(entries)?),
        };
        self.add(Node { value, line: frame.line, column: frame.column }, frame.anchor)
    }

    pub(super) fn alias(&mut self, anchor: usize, line: u32, column: u32) -> Result<(), String> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err("an alias inside its own anchor".into());
        };
        self.aliased += count(node);
        check_copies(self.anchored + self.aliased)?;
        let mut node = node.clone();
        (node.line, node.column) = (line, column);
        self.add(node, 0)
    }

    /// Puts a complete value where it belongs: a key, a value, an element, or the document itself.
    pub(super) fn add(&mut self, node: Node<'a>, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchored += count(&node);
            check_copies(self.anchored + self.aliased)?;
            self.anchors.insert(anchor, node.clone());
        }
        let depth = self.frames.len();
        if self.split_items && depth == 2 && self.in_items() {
            self.hand_over(node, true);
            return Ok(());
        }
        match self.frames.last_mut().map(|frame| &mut frame.open) {
            None => self.hand_over(node, false),
            Some(Open::Seq(items)) => items.push(node),
            Some(Open::Map { entries, key }) => match key.take() {
                Some((key, line, column)) => entries.push(Entry { key, line, column, value: node }),
                None => *key = Some((key_text(node.value)?, node.line, node.column)),
            },
        }
        Ok(())
    }

    /// Whether the innermost frame is the list under the document's `items`.
    fn in_items(&self) -> bool {
        let [root, list] = self.frames.as_slice() else {
            return false;
        };
        matches!(&root.open, Open::Map { key: Some((key, ..)), .. } if key == "items")
            && matches!(list.open, Open::Seq(_))
    }

    fn hand_over(&mut self, mut node: Node<'a>, item: bool) {
        let problems = drop_duplicates(&mut node, &self.file);
        (self.sink)(if item { Piece::Item { node, problems } } else { Piece::Root { node, problems } });
    }
}

/// Whether so many copies may be made.
fn check_copies(nodes: usize) -> Result<(), String> {
    if nodes > MAX_COPIED_NODES {
        return Err(format!("the anchors and aliases stand for more than {MAX_COPIED_NODES} values"));
    }
    Ok(())
}

fn count(node: &Node<'_>) -> usize {
    1 + match &node.value {
        Value::Seq(items) => items.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
        _ => 0,
    }
}

/// Keys are text in JSON, so Kubernetes turns numbers and booleans into text; nothing else can be a key.
fn key_text(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string().into()),
        Value::Float(number) => Ok(number.to_string().into()),
        Value::Bool(value) => Ok(if value { "true" } else { "false" }.into()),
        Value::Null => Err("expected a key, found null".into()),
        Value::Seq(_) => Err("expected a key, found a list".into()),
        Value::Map(_) => Err("expected a key, found a map".into()),
    }
}

/// Resolves YAML's merge key: what `<<` names goes in where the map itself has no such key.
fn merge(mut entries: Vec<Entry<'_>>) -> Result<Vec<Entry<'_>>, String> {
    while let Some(at) = entries.iter().position(|entry| entry.key == "<<") {
        let sources = match entries.remove(at).value.value {
            Value::Map(source) => vec![source],
            Value::Seq(items) => items
                .into_iter()
                .map(|item| match item.value {
                    Value::Map(source) => Ok(source),
                    _ => Err("expected maps under the merge key `<<`".to_owned()),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err("expected a map or a list of maps under the merge key `<<`".into()),
        };
        for entry in sources.into_iter().flatten() {
            if entry.key != "<<" && !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

/// Finds keys that occur twice in one map and keeps the first of each.
pub(super) fn drop_duplicates(node: &mut Node<'_>, file: &Arc<str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    visit(node, At::Root, file, &mut problems);
    problems
}

fn visit(node: &mut Node<'_>, at: At<'_>, file: &Arc<str>, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::Seq(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                visit(item, at.index(index), file, problems);
            }
        }
        Value::Map(entries) => {
            if has_duplicates(entries) {
                let mut first_lines: BTreeMap<String, u32> = BTreeMap::new();
                for entry in mem::take(entries) {
                    if let Some(first) = first_lines.get(&*entry.key) {
                        problems.push(Problem {
                            file: file.clone(),
                            line: entry.line,
                            column: entry.column,
                            path: at.field(&entry.key).to_path().to_string(),
                            message: format!("the key `{}` stands here twice, first in line {first}", entry.key),
                        });
                    } else {
                        first_lines.insert(entry.key.to_string(), entry.line);
                        entries.push(entry);
                    }
                }
            }
            for entry in entries {
                visit(&mut entry.value, at.field(&entry.key), file, problems);
            }
        }
        _ => {}
    }
}

fn has_duplicates(entries: &[Entry<'_>]) -> bool {
    /// Below this, comparing each with each is faster than a set.
    const FEW: usize = 16;
    if entries.len() <= FEW {
        return entries
            .iter()
            .enumerate()
            .any(|(at, entry)| entries[..at].iter().any(|earlier| earlier.key == entry.key));
    }
    let mut seen = BTreeSet::new();
    entries.iter().any(|entry| !seen.insert(&*entry.key))
}
