//! JSON: one value or several one after the other, lists split into their elements without reading them twice.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::head::Head;
use super::{ItemDefault, Place, Reader};
use crate::doc::{Problem, read_json};
use crate::wire::Object;

/// A text in which places are looked up in growing order.
struct Cursor<'t> {
    text: &'t str,
    file: Arc<str>,
    /// Number of the path that named the file.
    path: usize,
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
        Place {
            file: self.file.clone(),
            line: self.line,
            column: (offset - self.line_start + 1) as u32,
            path: self.path,
        }
    }
}

impl<S: FnMut(Object)> Reader<S> {
    pub(super) fn read_json(&mut self, text: &str, file: &Arc<str>) {
        let mut cursor = Cursor { text, file: file.clone(), path: self.path, at: 0, line: 1, line_start: 0 };
        let mut rest = text;
        while !rest.trim_start().is_empty() {
            self.is_empty = false;
            rest = rest.trim_start();
            match self.read_root(rest, &mut cursor) {
                Ok(end) => rest = &rest[end..],
                Err(error) => {
                    let end = cursor.place_of(rest);
                    let (line, column) = if error.line() <= 1 {
                        (end.line, end.column + error.column().saturating_sub(1) as u32)
                    } else {
                        (end.line + error.line() as u32 - 1, error.column().max(1) as u32)
                    };
                    let message = error.to_string();
                    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                    self.summary.problems.push(Problem {
                        file: file.clone(),
                        line,
                        column,
                        path: String::new(),
                        message,
                    });
                    return;
                }
            }
        }
    }

    /// The first value of a text: an object, or a list of them. Returns where it ends.
    fn read_root(&mut self, text: &str, cursor: &mut Cursor<'_>) -> Result<usize, serde_json::Error> {
        // An object that says first what it is need not be looked through for a list.
        if Head::of_first_fields(text).kind.is_none_or(|kind| kind.ends_with("List")) {
            let mut roots = serde_json::Deserializer::from_str(text).into_iter::<Root<'_>>();
            match roots.next() {
                Some(Ok(Root { api_version, kind, items: Some(items) })) => {
                    let end = roots.byte_offset();
                    let list = ItemDefault::of_list(&api_version.unwrap_or_default(), &kind.unwrap_or_default());
                    if let Some(default) = list {
                        for item in items {
                            self.read_element(item.get(), &default, cursor)?;
                        }
                        return Ok(end);
                    }
                }
                Some(Err(error)) if !error.is_data() => return Err(error),
                _ => {}
            }
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let Some(raw) = values.next().transpose()? else {
            return Ok(text.len());
        };
        self.read_one(raw.get(), &ItemDefault::default(), cursor);
        Ok(values.byte_offset())
    }

    fn read_element(
        &mut self,
        element: &str,
        default: &ItemDefault,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), serde_json::Error> {
        let head = Head::of_first_fields(element);
        if default.kind.is_empty() && head.kind.is_none_or(|kind| kind.ends_with("List")) {
            return self.read_root(element, cursor).map(drop);
        }
        self.read_one(element, default, cursor);
        Ok(())
    }

    fn read_one(&mut self, json: &str, default: &ItemDefault, cursor: &mut Cursor<'_>) {
        let place = cursor.place_of(json);
        if self.object_from_json(json, default, place.clone()) {
            return;
        }
        let mut nodes = Vec::new();
        match read_json(json, &place.file, place.line, place.column, &mut nodes) {
            Ok(duplicates) => {
                // One value goes in, one comes out.
                if let Some(node) = nodes.pop() {
                    self.object_from_node(node, duplicates, default, &place.file);
                }
            }
            Err(problem) => self.summary.problems.push(problem),
        }
    }
}

/// What may be a list, its elements unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Root<'a> {
    #[serde(borrow, default)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}
