//! Documents with positions: what stands behind every message that names a file, a line, a column and a field path.
//!
//! [`Document::parse`] reads YAML or JSON text into a tree of [`Node`]s. Scalars are resolved as Kubernetes resolves them (its YAML
//! library knows the booleans of YAML 1.1, so an unquoted `yes` is not a string), anchors, aliases and merge keys are expanded, and a
//! duplicate key is a problem. [`decode`] reads a typed value out of a node and says where it failed; [`decode_all`] goes on after a
//! failure by leaving the offending node out, so that one run reports everything that is wrong.
//!
//! What is not here: knowledge of any Kubernetes kind.

mod build;
mod decode;
mod json;
mod node;
mod problem;
mod scalar;
mod suggest;
mod yaml;

pub use build::Piece;
pub use decode::{DecodeError, decode, decode_all};
pub use json::read_json;
pub use node::{Entry, Node, Value};
pub use problem::{At, FieldPath, Problem, Segment};
pub(crate) use suggest::is_slip;
pub use suggest::{did_you_mean, nearest};
pub use yaml::read_yaml;

/// A text that holds any number of documents.
#[derive(Debug, Clone, Copy)]
pub struct Document;

impl Document {
    /// Reads every document of `text`; `file_name` goes into the problems.
    ///
    /// The text is taken for JSON when its first character is `{` or `[` and it reads as JSON (one value, or several one after the other),
    /// and for YAML otherwise. Empty documents are left out.
    ///
    /// # Errors
    /// All problems of all documents: syntax errors, duplicate keys, keys that are not scalars, unknown aliases.
    pub fn parse<'a>(text: &'a str, file_name: &str) -> Result<Vec<Node<'a>>, Vec<Problem>> {
        let (nodes, problems) = Self::parse_lenient(text, file_name);
        if problems.is_empty() { Ok(nodes) } else { Err(problems) }
    }

    /// As [`Document::parse`], but gives the documents that could be read along with the problems of the others.
    pub fn parse_lenient<'a>(text: &'a str, file_name: &str) -> (Vec<Node<'a>>, Vec<Problem>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut nodes = Vec::new();
        let mut problems = Vec::new();
        if text.trim_start().starts_with(['{', '[']) {
            match read_json(text, file_name, 1, 1, &mut nodes) {
                Ok(duplicates) => return (nodes, duplicates),
                // Braces also open a YAML flow mapping: only a text that is neither is reported, as JSON.
                Err(json_problem) => {
                    nodes.clear();
                    let ok = read_yaml(text, file_name, false, &mut |piece| {
                        collect(piece, &mut nodes, &mut problems);
                    });
                    if !ok {
                        return (Vec::new(), vec![json_problem]);
                    }
                    return (nodes, problems);
                }
            }
        }
        read_yaml(text, file_name, false, &mut |piece| {
            collect(piece, &mut nodes, &mut problems);
        });
        (nodes, problems)
    }
}

/// Sorts what the YAML reader hands over into documents and problems; a document with a problem of its own is left out.
fn collect<'a>(piece: Piece<'a>, nodes: &mut Vec<Node<'a>>, problems: &mut Vec<Problem>) {
    match piece {
        Piece::Root { node, problems: found } | Piece::Item { node, problems: found } => {
            if found.is_empty() {
                nodes.push(node);
            }
            problems.extend(found);
        }
        Piece::Broken(problem) => problems.push(problem),
    }
}

#[cfg(test)]
mod tests;
