//! Rules for the text of files.

use std::path::Path;

use super::SourceFile;

/// The most lines that a source file has. What is longer holds more than one thing.
const MOST_LINES: usize = 600;

/// Source files that may be longer, each with the reason.
const MAY_BE_LONGER: [(&str, &str); 0] = [];

/// The attribute that turns a test off. In two parts, so that this file does not hold it.
const TURNED_OFF: &str = concat!("#[", "ignore");

/// Folders of somebody's machine, which have no place in a file that others read.
const OF_A_MACHINE: [&str; 4] =
    [concat!("/", "root/"), concat!("/", "home/"), concat!("/", "work/"), concat!("/", "Users/")];

/// Checks every file by every rule.
pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    files.iter().flat_map(check_file).chain(stale_exceptions(files)).collect()
}

fn check_file(file: &SourceFile) -> Vec<String> {
    let SourceFile { path, text } = file;
    let mut violations = Vec::new();
    let excepted = MAY_BE_LONGER.iter().any(|(longer, _)| longer == path);
    if ends_in(path, &["rs", "go", "sh", "py"]) && text.lines().count() > MOST_LINES && !excepted {
        violations.push(format!("{path} has more than {MOST_LINES} lines: split it"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if ends_in(path, &["rs"]) && line.contains(TURNED_OFF) {
            violations.push(format!("{path}:{number}: a test that is turned off"));
        }
        if let Some(folder) = OF_A_MACHINE.into_iter().find(|folder| has_absolute(line, folder)) {
            violations.push(format!("{path}:{number}: a path of one machine ({folder})"));
        }
    }
    violations
}

/// Exceptions that nothing needs any more.
fn stale_exceptions(files: &[SourceFile]) -> impl Iterator<Item = String> {
    let long = |path: &str| files.iter().any(|file| file.path == path && file.text.lines().count() > MOST_LINES);
    let stale = MAY_BE_LONGER.iter().filter(move |(path, _)| !long(path));
    stale.map(|(path, _)| format!("{path} is not longer than {MOST_LINES} lines: remove it from MAY_BE_LONGER"))
}

fn ends_in(path: &str, extensions: &[&str]) -> bool {
    Path::new(path).extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted))
}

/// Whether `folder` stands in the line at the start of a path, not inside of one such as `docs/home/page`.
fn has_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "-_./}>*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::{MAY_BE_LONGER, MOST_LINES, OF_A_MACHINE, SourceFile, TURNED_OFF, check_file};

    fn violations(path: &str, text: &str) -> Vec<String> {
        check_file(&SourceFile { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn long_sources_are_found() {
        let long = "\n".repeat(MOST_LINES + 1);
        assert_eq!(violations("crates/a/src/lib.rs", &long).len(), 1);
        assert_eq!(violations("Cargo.lock", &long), [""; 0], "not a source file");
        assert_eq!(violations("crates/a/src/lib.rs", &long[1..]), [""; 0]);
    }

    #[test]
    fn tests_that_are_turned_off_are_found() {
        let text = format!("#[test]\n    {TURNED_OFF} = \"slow\"]\nfn t() {{}}\n");
        assert_eq!(violations("a.rs", &text), ["a.rs:2: a test that is turned off"]);
        assert_eq!(violations("a.md", &text), [""; 0]);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for folder in OF_A_MACHINE {
            assert_eq!(violations("a.md", &format!("see `{folder}x`")).len(), 1, "{folder}");
            assert_eq!(violations("a.md", &format!("{folder}x")).len(), 1, "{folder}");
            assert_eq!(violations("a.md", &format!("https://example.com/docs{folder}x")), [""; 0], "{folder}");
        }
        assert_eq!(violations("a.md", "/workloads/ and /apis/apps/v1"), [""; 0]);
    }

    #[test]
    fn exceptions_have_reasons() {
        assert!(MAY_BE_LONGER.iter().all(|(_, reason)| !reason.is_empty()));
    }
}
