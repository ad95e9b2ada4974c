//! From text to one document.

use loadline_api::doc::{Node, Piece, Value, read_json, read_yaml};

use crate::log::{Log, Place};

/// Reads the one document of a file. Problems, duplicate keys among them, go to the log; a document that can be read
/// at all is returned nevertheless, so that everything else that is wrong in it is found in the same run.
pub(crate) fn read<'t>(text: &'t str, log: &mut Log) -> Option<Node<'t>> {
    let file = log.file.clone();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    if text.trim_start().starts_with(['{', '[']) {
        match read_json(text, &file, 1, 1, &mut documents) {
            Ok(duplicates) => log.problems.extend(duplicates),
            // Braces also open a flow mapping of YAML; a text that is neither is reported as JSON.
            Err(problem) => {
                documents.clear();
                let before = log.problems.len();
                if !read_as_yaml(text, log, &mut documents) {
                    log.problems.truncate(before);
                    log.problems.push(problem);
                    return None;
                }
            }
        }
    } else if !read_as_yaml(text, log, &mut documents) {
        return None;
    }
    documents.retain(|document| document.value != Value::Null);
    let mut documents = documents.into_iter();
    let first = documents.next();
    if first.is_none() && log.problems.is_empty() {
        log.problem(
            &Place::default(),
            "the file is empty: a KubeSchedulerConfiguration starts with \
             `apiVersion: kubescheduler.config.k8s.io/v1` and `kind: KubeSchedulerConfiguration`",
        );
    }
    if let Some(second) = documents.next() {
        let place = Place { line: second.line, column: second.column, ..Place::default() };
        log.problem(&place, "a second document: a configuration is one document");
    }
    first
}

/// False when a document could not be read to its end.
fn read_as_yaml<'t>(text: &'t str, log: &mut Log, documents: &mut Vec<Node<'t>>) -> bool {
    let mut whole = true;
    let file = log.file.clone();
    let ok = read_yaml(text, &file, false, &mut |piece| match piece {
        Piece::Root { node, problems } | Piece::Item { node, problems } => {
            documents.push(node);
            log.problems.extend(problems);
        }
        Piece::Broken(problem) => {
            whole = false;
            log.problems.push(problem);
        }
    });
    ok && whole
}
