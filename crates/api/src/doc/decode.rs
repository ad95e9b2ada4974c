//! Typed values out of nodes.
//!
//! The rules are those of Go's JSON decoder, which the API server reads with: `null` is the same as the type's zero value, and text,
//! numbers and booleans are never turned into one another.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::node::{Entry, Node, Value, describe_text};
use super::problem::{FieldPath, Problem, Segment};
use super::suggest::did_you_mean;

/// Why a node does not hold what it should, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// From the node that was decoded to the offending part, innermost step first while the error is on its way out.
    segments: Vec<Segment>,
    place: Option<(u32, u32)>,
    message: String,
    /// The key is wrong, not its value.
    of_key: bool,
}

impl DecodeError {
    /// The way to the offending part.
    pub fn path(&self) -> FieldPath {
        self.segments.iter().rev().cloned().collect()
    }

    /// Line and column of the offending part, both 1-based.
    pub fn place(&self) -> (u32, u32) {
        self.place.unwrap_or_default()
    }

    /// What was expected and what was found.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn at(mut self, line: u32, column: u32) -> Self {
        self.place.get_or_insert((line, column));
        self
    }

    fn below(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if path.is_root() { f.write_str(&self.message) } else { write!(f, "{path}: {}", self.message) }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self { segments: Vec::new(), place: None, message: message.to_string(), of_key: false }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_words(&expected.to_string());
        let hint = match (&*expected, &found) {
            ("a text", Unexpected::Bool(_)) => {
                " (without quotes, yes, no, on, off, y and n are booleans too: write it in quotes to make it a text)"
            }
            ("a text", Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_)) => {
                " (write it in quotes to make it a text)"
            }
            _ => "",
        };
        Self::custom(format_args!("expected {expected}, found {}{hint}", found_in_words(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {}, found {}", in_words(&expected.to_string()), found_in_words(&found)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown field `{field}`{}", did_you_mean(field, expected.iter().copied())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected one of {}, found {}", expected.join(", "), describe_text(variant)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the field `{field}` is missing"))
    }
}

/// serde's words for types, in those of a manifest.
fn in_words(expected: &str) -> Cow<'static, str> {
    match expected {
        "a string" | "string" | "a borrowed string" => "a text".into(),
        "a boolean" => "true or false".into(),
        "i64" | "u64" | "usize" | "isize" => "a whole number".into(),
        "i32" => "a whole number of 32 bits".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "i16" => "a whole number of 16 bits".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "f64" | "f32" => "a number".into(),
        "a sequence" => "a list".into(),
        other if other.starts_with("struct ") || other == "a map" => "a map".into(),
        other if other.starts_with("enum ") || other.starts_with("variant") => "a text".into(),
        other => other.to_owned().into(),
    }
}

fn found_in_words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => describe_text(text),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map | Unexpected::StructVariant => "a map".into(),
        other => other.to_string(),
    }
}

/// Reads a value out of a node; stops at the first thing that is wrong.
pub fn decode<'de, T: Deserialize<'de>>(node: &'de Node<'_>) -> Result<T, DecodeError> {
    T::deserialize(NodeDeserializer { node })
}

/// Reads a value out of a node; everything that is wrong goes to `problems`. What is wrong is blanked out or left out of the node and the
/// rest is tried again, so the value, if there is one, is what remains: use it to look for more problems and then drop it.
pub fn decode_all<T: DeserializeOwned>(node: &mut Node<'_>, file: &Arc<str>, problems: &mut Vec<Problem>) -> Option<T> {
    let mut blanked: Vec<FieldPath> = Vec::new();
    loop {
        let error = match decode::<T>(node) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let path = error.path();
        // What fails again after it was blanked, or because something in it was, has been reported already.
        if !blanked.iter().any(|earlier| earlier.segments().starts_with(path.segments())) {
            let (line, column) = error.place();
            problems.push(Problem { file: file.clone(), line, column, path: path.to_string(), message: error.message });
        }
        // Each round takes something out of the tree, so the rounds come to an end.
        if error.of_key || !node.blank(&path) {
            if !node.remove(&path) {
                return None;
            }
        } else {
            blanked.push(path);
        }
    }
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'de, 'a> {
    node: &'de Node<'a>,
}

impl<'de> NodeDeserializer<'de, '_> {
    fn located<T>(self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|error| error.at(self.node.line, self.node.column))
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Seq(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
        };
        self.located(result)
    }

    /// A number that is whole though written with a fraction or an exponent is a whole number, as it is once Kubernetes has turned YAML into JSON.
    fn whole<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.node.value {
            Value::Null => self.located(visitor.visit_i64(0)),
            Value::Float(value) if value.fract().abs() < f64::MIN_POSITIVE && value.abs() <= EXACT => {
                self.located(visitor.visit_i64(value as i64))
            }
            _ => self.any(visitor),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.whole(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'de, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { self.located(visitor.visit_bool(false)) } else { self.any(visitor) }
    }

    whole_numbers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128);
    whole_numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { self.located(visitor.visit_f64(0.0)) } else { self.any(visitor) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { self.located(visitor.visit_borrowed_str("")) } else { self.any(visitor) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) };
        self.located(result)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            self.located(visitor.visit_seq(Items { items: [].iter(), index: 0 }))
        } else {
            self.any(visitor)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            self.located(visitor.visit_map(Entries { entries: [].iter(), current: None }))
        } else {
            self.any(visitor)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.node.value {
            Value::String(text) => {
                let text: StrDeserializer<'_, DecodeError> = (&**text).into_deserializer();
                de::Deserializer::deserialize_enum(text, name, variants, visitor)
            }
            _ => Err(de::Error::custom(format_args!(
                "expected one of {}, found {}",
                variants.join(", "),
                self.node.describe()
            ))),
        };
        self.located(result)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.located(visitor.visit_newtype_struct(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'de, 'a> {
    items: std::slice::Iter<'de, Node<'a>>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let (index, node) = loop {
            let Some(node) = self.items.next() else { return Ok(None) };
            self.index += 1;
            if !node.is_removed() {
                break (self.index - 1, node);
            }
        };
        seed.deserialize(NodeDeserializer { node })
            .map(Some)
            .map_err(|error| error.at(node.line, node.column).below(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        // No more than that: removed ones are still among them.
        Some(self.items.len())
    }
}

struct Entries<'de, 'a> {
    entries: std::slice::Iter<'de, Entry<'a>>,
    current: Option<&'de Entry<'a>>,
}

fn in_entry(entry: &Entry<'_>, error: DecodeError) -> DecodeError {
    error.at(entry.line, entry.column).below(Segment::Name(entry.key.to_string()))
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.current = Some(entry);
        seed.deserialize(BorrowedStrDeserializer::new(&entry.key))
            .map(Some)
            .map_err(|error| in_entry(entry, DecodeError { of_key: true, ..error }))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some(entry) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(NodeDeserializer { node: &entry.value }).map_err(|error| in_entry(entry, error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}
