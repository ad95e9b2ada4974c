//! YAML text to nodes, through granit-parser's events (the parser that serde-saphyr is built on): it goes on behind a syntax error
//! with the next document, and gives each value's place.

use std::borrow::Cow;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::build::{Builder, Piece};
use super::node::{Node, Value};
use super::scalar::resolve;

/// Reads all documents of a YAML text and hands them over as they end; with `split_items`, the elements of a document's top-level
/// `items` come one by one before the document itself. Returns whether every document could be read to its end.
///
/// A syntax error costs the rest of its document; the next one is read again.
pub fn read_yaml<'a>(text: &'a str, file: &str, split_items: bool, sink: &mut dyn FnMut(Piece<'a>)) -> bool {
    let mut options = granit_parser::options! {};
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(file.into(), split_items, sink);
    let mut whole = true;
    while let Some(next) = parser.next() {
        let result = match next {
            Ok((event, span)) => {
                let (line, column) = place(&span.start);
                take(&mut builder, event, line, column).map_err(|message| (line, column, message))
            }
            Err(error) => {
                let (line, column) = place(error.marker());
                Err((line, column, error.info()))
            }
        };
        if let Err((line, column, message)) = result {
            whole = false;
            builder.broken(line, column, message);
            builder.reset();
            match parser.proceed_next_document() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let (line, column) = place(error.marker());
                    builder.broken(line, column, error.info());
                    break;
                }
            }
        }
    }
    whole
}

fn place(marker: &Marker) -> (u32, u32) {
    (marker.line() as u32, marker.col() as u32 + 1)
}

fn take<'a>(builder: &mut Builder<'a, '_>, event: Event<'a>, line: u32, column: u32) -> Result<(), String> {
    match event {
        Event::DocumentStart(..) => builder.reset(),
        Event::Scalar(text, style, anchor, tag) => {
            let value = scalar(text, style, tag.as_deref())?;
            // An empty document is no document.
            if value == Value::Null && builder.at_root() {
                return Ok(());
            }
            builder.add(Node { value, line, column }, anchor)?;
        }
        Event::SequenceStart(_, anchor, _) => builder.open_seq(line, column, anchor),
        Event::MappingStart(_, anchor, _) => builder.open_map(line, column, anchor),
        Event::SequenceEnd | Event::MappingEnd => builder.close()?,
        Event::Alias(anchor) => builder.alias(anchor, line, column)?,
        _ => {}
    }
    Ok(())
}

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value<'a>, String> {
    let core = tag.and_then(Tag::core_suffix);
    if core == Some("str") || (core.is_none() && style != ScalarStyle::Plain) {
        return Ok(Value::String(text));
    }
    match core {
        None => Ok(resolve(text)),
        Some("null") => Ok(Value::Null),
        Some(kind @ ("bool" | "int" | "float")) => {
            let value = resolve(text);
            match (kind, &value) {
                ("bool", Value::Bool(_)) | ("int", Value::Int(_)) | ("float", Value::Float(_)) => Ok(value),
                ("float", Value::Int(number)) => Ok(Value::Float(*number as f64)),
                _ => Err(format!(
                    "expected a value for the tag !!{kind}, found {}",
                    Node { value, line: 0, column: 0 }.describe()
                )),
            }
        }
        Some(_) => Ok(Value::String(text)),
    }
}
