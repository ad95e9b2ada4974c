//! Metadata.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::wire;

/// Labels, annotations, node selectors.
pub type StringMap = BTreeMap<String, String>;

wire! {
    /// `metadata`.
    ObjectMeta {
        name: String,
        namespace: String,
        uid: String,
        resource_version: String,
        generation: i64,
        labels: StringMap,
        annotations: StringMap,
        creation_timestamp: Option<Time>,
        deletion_timestamp: Option<Time>,
        owner_references: Vec<OwnerReference>,
    }

    /// `metadata.ownerReferences[]`.
    OwnerReference {
        api_version: String,
        kind: String,
        name: String,
        uid: String,
        controller: bool,
    }
}

impl ObjectMeta {
    /// The owner that manages the object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// A point in time: nanoseconds since the Unix epoch; before 1677 and after 2262, the first and the last that they reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-05-11T08:12:01Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                nanoseconds(text).map(Time).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Go's zero time is of the year 1, and tools write the year 9999 for "never": both are times, if not in 64 bits of nanoseconds.
fn nanoseconds(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        let end = if time < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX };
        return Some(i64::try_from(time.as_nanosecond()).unwrap_or(end));
    }
    // The parser's own range ends a day before the year 9999 does.
    let pieces = Pieces::parse(text).ok()?;
    let is_whole = pieces.time().is_some() && pieces.to_numeric_offset().is_some();
    (is_whole && pieces.date().year() == 9999).then_some(i64::MAX)
}
