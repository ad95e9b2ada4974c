//! Shared strings.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::Set;

/// An immutable, shared string. Two that come from one [`StrPool`] compare by address first.
#[derive(Clone, PartialOrd, Ord)]
pub struct Str(Arc<str>);

impl Str {
    /// The empty string.
    pub fn empty() -> Self {
        Self::from("")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many owners the text has: 1 means that only the pool still holds it.
    fn owners(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Default for Str {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `str` hashes, so that `Borrow<str>` look-ups find it.
        (*self.0).hash(state);
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<&Str> for Str {
    fn from(text: &Str) -> Self {
        text.clone()
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Str {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Gives equal values one allocation. Used where objects enter: it saves memory and makes equality cheap, and nothing
/// depends on it for correctness.
#[derive(Debug, Default)]
pub struct StrPool {
    strings: Set<Str>,
}

impl StrPool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared copy of `text`.
    pub fn intern(&mut self, text: &str) -> Str {
        if let Some(found) = self.strings.get(text) {
            return found.clone();
        }
        let shared = Str::from(text);
        self.strings.insert(shared.clone());
        shared
    }

    /// Forgets strings that nothing else holds any more.
    pub fn shrink(&mut self) {
        self.strings.retain(|text| text.owners() > 1);
    }
}
