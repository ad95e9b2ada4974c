//! The tree of a document.

use std::borrow::Cow;

use super::problem::{FieldPath, Segment};

/// A value and the place where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// What it is.
    pub value: Value<'a>,
    /// 1-based line of its first character.
    pub line: u32,
    /// 1-based column of its first character.
    pub column: u32,
}

/// A resolved value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` and `false`, and unquoted `yes`, `no`, `on`, `off`, `y`, `n` in YAML.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(Cow<'a, str>),
    /// A list.
    Seq(Vec<Node<'a>>),
    /// A map in the order of the document; keys are unique.
    Map(Vec<Entry<'a>>),
}

/// A key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// The key; numbers and booleans as keys are turned into text, as Kubernetes does.
    pub key: Cow<'a, str>,
    /// 1-based line of the key.
    pub line: u32,
    /// 1-based column of the key.
    pub column: u32,
    /// The value.
    pub value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The entries of a map; nothing for any other value.
    pub fn entries(&self) -> &[Entry<'a>] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; nothing for any other value.
    pub fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::Seq(items) => items,
            _ => &[],
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The node at a path; `None` when the path leads nowhere.
    pub fn at(&self, path: &FieldPath) -> Option<&Node<'a>> {
        path.segments().iter().try_fold(self, |node, segment| match segment {
            Segment::Name(name) => node.get(name),
            Segment::Index(index) => node.items().get(*index),
        })
    }

    /// Line and column of what a path names: of the key for a field of a map, of the element in a list; of the deepest part that exists
    /// when the path goes on where the document does not.
    pub fn position(&self, path: &FieldPath) -> (u32, u32) {
        let mut node = self;
        let mut position = (self.line, self.column);
        for segment in path.segments() {
            let next = match segment {
                Segment::Name(name) => node.entries().iter().find(|entry| entry.key == *name).map(|entry| {
                    position = (entry.line, entry.column);
                    &entry.value
                }),
                Segment::Index(index) => node.items().get(*index).inspect(|item| position = (item.line, item.column)),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        position
    }

    /// Puts null in place of what a path names; false when there is no such thing or it is null already.
    pub(super) fn blank(&mut self, path: &FieldPath) -> bool {
        match self.at_mut(path.segments()) {
            Some(node) if !node.is_null() => {
                node.value = Value::Null;
                true
            }
            _ => false,
        }
    }

    /// Takes out what a path names, an entry of a map or an element of a list; false when there is no such thing, and for the root.
    pub(super) fn remove(&mut self, path: &FieldPath) -> bool {
        let Some((last, parents)) = path.segments().split_last() else {
            return false;
        };
        let Some(parent) = self.at_mut(parents) else {
            return false;
        };
        match (last, &mut parent.value) {
            (Segment::Name(name), Value::Map(entries)) => {
                let before = entries.len();
                entries.retain(|entry| entry.key != *name);
                entries.len() < before
            }
            // A removed element keeps its place, so that the paths of those behind it stay true.
            (Segment::Index(index), Value::Seq(items)) => match items.get_mut(*index) {
                Some(item) if !item.is_removed() => {
                    *item = Node { value: Value::Null, line: 0, column: 0 };
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// True for what stands in place of an element that was taken out of a list.
    pub(super) fn is_removed(&self) -> bool {
        self.line == 0
    }

    fn at_mut(&mut self, segments: &[Segment]) -> Option<&mut Node<'a>> {
        segments.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Name(name), Value::Map(entries)) => {
                entries.iter_mut().find(|entry| entry.key == *name).map(|entry| &mut entry.value)
            }
            (Segment::Index(index), Value::Seq(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// What the value is, in words for a message: ``the text `abc` ``, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "null".into(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::String(text) => describe_text(text),
            Value::Seq(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }
}

/// Text in backticks, cut short when it is long.
pub(crate) fn describe_text(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.is_empty() {
        return "an empty text".into();
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("the text `{}…`", &text[..end]),
        None => format!("the text `{text}`"),
    }
}
