//! What is wrong and where.

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong in an input, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as it was named on the command line or found in a folder; `-` is standard input.
    pub file: Arc<str>,
    /// 1-based; 0 when the problem is of the file as a whole.
    pub line: u32,
    /// 1-based; 0 when the problem is of the file as a whole. Counts characters in YAML and bytes in JSON.
    pub column: u32,
    /// The field, from the object's root, as in `spec.containers[0].resources.requests.cpu`; empty for the document itself.
    pub path: String,
    /// What was expected and what was found: lower case, one line, no full stop.
    pub message: String,
}

impl Problem {
    /// A problem of a file as a whole, such as one that cannot be read.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: path: message`; parts that do not apply are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A field of an object or a key of a map.
    Name(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// The way from a document's root to a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path and one field or key more.
    #[must_use]
    pub fn field(&self, name: impl Into<String>) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Name(name.into()));
        path
    }

    /// This path and one list index more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// True for the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    /// `spec.containers[0].name`; names that are not plain field names stand in brackets: `metadata.labels[app.kubernetes.io/name]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Name(name) if is_plain(name) => {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(name)?;
                }
                Segment::Name(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

/// A [`FieldPath`] under construction, kept on the stack: a walk over an object names each place for free and pays only when it has
/// something to report.
#[derive(Debug, Clone, Copy)]
pub enum At<'p> {
    /// The object itself.
    Root,
    /// A field or a key of what the first part names.
    Name(&'p At<'p>, &'p str),
    /// A list element of what the first part names.
    Index(&'p At<'p>, usize),
}

impl At<'_> {
    /// The place of a field or key below this one.
    pub fn field<'p>(&'p self, name: &'p str) -> At<'p> {
        At::Name(self, name)
    }

    /// The place of a list element below this one.
    pub fn index(&self, index: usize) -> At<'_> {
        At::Index(self, index)
    }

    /// The path as a value of its own.
    pub fn to_path(&self) -> FieldPath {
        let mut segments = Vec::new();
        let mut at = self;
        loop {
            at = match at {
                At::Root => break,
                At::Name(parent, name) => {
                    segments.push(Segment::Name((*name).to_owned()));
                    parent
                }
                At::Index(parent, index) => {
                    segments.push(Segment::Index(*index));
                    parent
                }
            };
        }
        segments.into_iter().rev().collect()
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
