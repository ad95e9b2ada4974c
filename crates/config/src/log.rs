//! What reading one file finds: problems, warnings, and where each value stands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use loadline_api::doc::Problem;

/// Where a value of the effective configuration was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was named to [`crate::parse`].
    pub file: Arc<str>,
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where values were written, by their paths. What is not in it is a default.
pub type Origins = BTreeMap<String, Origin>;

/// A field or an element in the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The same position with one field more on the path: for what is missing there.
    pub(crate) fn missing(&self, name: &str) -> Self {
        Self { path: join(&self.path, name), ..self.clone() }
    }
}

/// A path and one field more.
pub(crate) fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !plain {
        format!("{path}[{name}]")
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Collects while one file is read.
pub(crate) struct Log {
    pub(crate) file: Arc<str>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) origins: Origins,
}

impl Log {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.into(), problems: Vec::new(), warnings: Vec::new(), origins: Origins::new() }
    }

    pub(crate) fn problem(&mut self, place: &Place, message: impl Into<String>) {
        let problem = self.at(place, message.into());
        self.problems.push(problem);
    }

    pub(crate) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        let warning = self.at(place, message.into());
        self.warnings.push(warning);
    }

    pub(crate) fn origin(&self, place: &Place) -> Origin {
        Origin { file: self.file.clone(), line: place.line, column: place.column }
    }

    /// Notes that the value at this place was written there.
    pub(crate) fn written(&mut self, place: &Place) {
        let origin = self.origin(place);
        self.origins.insert(place.path.clone(), origin);
    }

    /// Notes that what was written at a path does not count: a zero value that means the default.
    pub(crate) fn forget(&mut self, path: &str) {
        self.origins.remove(path);
    }

    /// Takes out the origins below a path; their keys become relative to it.
    pub(crate) fn take_origins(&mut self, below: &str) -> Origins {
        let prefix = format!("{below}.");
        let mut taken = Origins::new();
        self.origins.retain(|path, origin| match path.strip_prefix(&prefix) {
            Some(rest) => {
                taken.insert(rest.to_owned(), origin.clone());
                false
            }
            None => true,
        });
        taken
    }

    fn at(&self, place: &Place, message: String) -> Problem {
        Problem { file: self.file.clone(), line: place.line, column: place.column, path: place.path.clone(), message }
    }
}

/// kube-scheduler's words for the kinds of wrong values.
pub(crate) mod text {
    use std::fmt::Display;

    pub(crate) fn invalid(value: impl Display, detail: impl Display) -> String {
        format!("Invalid value: {value}: {detail}")
    }

    pub(crate) fn required(detail: &str) -> String {
        if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") }
    }

    pub(crate) fn duplicate(value: impl Display) -> String {
        format!("Duplicate value: \"{value}\"")
    }

    pub(crate) fn forbidden(detail: &str) -> String {
        format!("Forbidden: {detail}")
    }

    pub(crate) fn unsupported(value: &str, supported: &[&str]) -> String {
        let supported: Vec<String> = supported.iter().map(|name| format!("\"{name}\"")).collect();
        format!("Unsupported value: \"{value}\": supported values: {}", supported.join(", "))
    }
}
