//! JSON: one value or several one after the other, lists split into their elements without reading them twice.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};
use serde_json::value::RawValue;

use super::head::Head;
use super::{ItemDefault, Place, Reader};
use crate::doc::{Problem, read_json};
use crate::wire::Object;

/// A text in which places are looked up in growing order.
struct Cursor<'t> {
    text: &'t str,
    file: Arc<str>,
    /// Offset up to which `line` and `line_start` hold.
    at: usize,
    line: u32,
    line_start: usize,
}

impl Cursor<'_> {
    /// The place of `part`, which is a part of the text.
    fn place_of(&mut self, part: &str) -> Place {
        let offset = part.as_ptr() as usize - self.text.as_ptr() as usize;
        // Lists in lists look back; that is rare.
        if offset < self.at {
            (self.at, self.line, self.line_start) = (0, 1, 0);
        }
        let between = &self.text.as_bytes()[self.at..offset];
        let lines = between.iter().map(|byte| u32::from(*byte == b'\n')).sum::<u32>();
        if lines > 0 {
            self.line += lines;
            self.line_start = self.at + between.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) + 1;
        }
        self.at = offset;
        Place { file: self.file.clone(), line: self.line, column: (offset - self.line_start + 1) as u32 }
    }
}

impl<S: FnMut(Object)> Reader<S> {
    pub(super) fn read_json(&mut self, text: &str, file: &Arc<str>) {
        let mut cursor = Cursor { text, file: file.clone(), at: 0, line: 1, line_start: 0 };
        let mut rest = text;
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            match self.read_root(rest, &ItemDefault::default(), &mut cursor) {
                Ok(end) => rest = &rest[end..],
                Err(error) => {
                    let end = cursor.place_of(rest);
                    let (line, column) = if error.line() <= 1 {
                        (end.line, end.column + error.column().saturating_sub(1) as u32)
                    } else {
                        (end.line + error.line() as u32 - 1, error.column() as u32)
                    };
                    let message = error.to_string();
                    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                    self.summary.problems.push(Problem { file: file.clone(), line, column, path: String::new(), message });
                    return;
                }
            }
        }
    }

    /// The first value of a text: an object, or a list of them. Returns where it ends.
    fn read_root(&mut self, text: &str, default: &ItemDefault, cursor: &mut Cursor<'_>) -> Result<usize, serde_json::Error> {
        let kind = Head::of_first_fields(text).kind;
        if kind.is_some_and(|kind| !kind.ends_with("List")) {
            return self.read_single(text, default, cursor);
        }
        // A list, or something that says only later what it is.
        let mut list = List { reader: self, cursor, default: ItemDefault::default(), known: false, waiting: Vec::new(), items: false, is_list: false };
        let mut json = serde_json::Deserializer::from_str(text);
        (&mut list).deserialize(&mut json)?;
        let List { items, is_list, waiting, default: item, .. } = list;
        if !(items && is_list) {
            // What it holds under `items` was not handed on, as it says no kind of its own, or is an object in its own right.
            return self.read_single(text, default, cursor);
        }
        for element in waiting {
            self.read_element(element, &item, cursor)?;
        }
        let end = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next().transpose()?.map_or(text.len(), |raw| raw.get().len());
        Ok(end)
    }

    fn read_single(&mut self, text: &str, default: &ItemDefault, cursor: &mut Cursor<'_>) -> Result<usize, serde_json::Error> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let Some(raw) = values.next().transpose()? else { return Ok(text.len()) };
        let end = values.byte_offset();
        self.read_one(raw.get(), default, cursor);
        Ok(end)
    }

    fn read_element(&mut self, element: &str, default: &ItemDefault, cursor: &mut Cursor<'_>) -> Result<(), serde_json::Error> {
        let nested = Head::of_json(element).kind.is_some_and(|kind| kind.ends_with("List"));
        if nested {
            self.read_root(element, default, cursor).map(drop)
        } else {
            self.read_one(element, default, cursor);
            Ok(())
        }
    }

    fn read_one(&mut self, json: &str, default: &ItemDefault, cursor: &mut Cursor<'_>) {
        let place = cursor.place_of(json);
        self.object_from_json(json, default, place.clone(), |reader, json| {
            let mut nodes = Vec::new();
            match read_json(json, &place.file, place.line, place.column, &mut nodes) {
                Ok(duplicates) => {
                    let mut duplicates = Some(duplicates);
                    for node in nodes {
                        reader.object_from_node(node, duplicates.take().unwrap_or_default(), default, &place.file);
                    }
                }
                Err(problem) => reader.summary.problems.push(problem),
            }
        });
    }
}

/// The visitor of a list: hands its elements on as they come.
struct List<'r, 'c, 't, S> {
    reader: &'r mut Reader<S>,
    cursor: &'c mut Cursor<'t>,
    default: ItemDefault,
    /// `default` is what the list says.
    known: bool,
    /// Elements that came before the list said what they are, and do not say it themselves.
    waiting: Vec<&'r str>,
    items: bool,
    is_list: bool,
}
