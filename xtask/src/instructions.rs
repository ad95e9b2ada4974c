//! Instruction counts of the main decisions, by valgrind's callgrind, against the counts that are committed: unlike times
//! they are the same on a busy machine, so that a decision that became dearer is seen.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{capture, cargo};
use crate::root;

/// Kind of pod, and whether it is the first of its class.
const CASES: [(&str, bool); 10] = [
    ("plain", true),
    ("plain", false),
    ("hard spread", true),
    ("hard spread", false),
    ("soft spread", false),
    ("required affinity", false),
    ("required anti-affinity", false),
    ("preferred affinity", false),
    ("unschedulable", false),
    ("preemption", true),
];

/// A count may be so many percent above the committed one: another libc takes another path through memory copies.
const TOLERANCE: f64 = 5.0;

/// Where the counts are kept.
fn file() -> PathBuf {
    root().join("benches/instructions.json")
}

/// Whether there is a valgrind.
pub(crate) fn is_possible() -> bool {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Counts, and compares with what is committed; with `update` commits to what was counted.
pub(crate) fn run(update: bool) -> Result<()> {
    if !is_possible() {
        bail!("valgrind is not there: it comes as the package `valgrind` of most distributions");
    }
    let program = program()?;
    let mut counts = BTreeMap::new();
    for (kind, first) in CASES {
        let name = format!("{kind}, {}", if first { "first" } else { "repeated" });
        let counted = count(&program, kind, first).with_context(|| name.clone())?;
        eprintln!("  {name:<34} {counted:>12}");
        counts.insert(name, counted);
    }
    if update {
        let text = serde_json::to_string_pretty(&counts)? + "\n";
        return fs::write(file(), text).context("can not write benches/instructions.json");
    }
    let text = fs::read_to_string(file()).context("can not read benches/instructions.json")?;
    let known: BTreeMap<String, u64> = serde_json::from_str(&text).context("benches/instructions.json")?;
    let verdict = compare(&known, &counts);
    for line in &verdict.notes {
        eprintln!("{line}");
    }
    if !verdict.failures.is_empty() {
        bail!("{}\nIf that is meant: cargo xtask instructions --update", verdict.failures.join("\n"));
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Comparison {
    failures: Vec<String>,
    notes: Vec<String>,
}

fn compare(known: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> Comparison {
    let mut found = Comparison::default();
    for (name, count) in counts {
        let Some(before) = known.get(name) else {
            found.failures.push(format!("{name}: not in benches/instructions.json"));
            continue;
        };
        let change = (*count as f64 / *before as f64 - 1.0) * 100.0;
        let line = format!("{name}: {count} instructions, {change:+.1} % against {before}");
        if change > TOLERANCE {
            found.failures.push(line);
        } else if change < -TOLERANCE {
            found.notes.push(line + "; cargo xtask instructions --update keeps that");
        }
    }
    found
}

/// Builds the benchmark, and says where it is.
fn program() -> Result<PathBuf> {
    // The whole workspace, so that its dependencies have the features with which its tests have built them.
    let args = ["bench", "--workspace", "--bench", "instructions", "--no-run", "--profile", "dev"];
    let mut command = cargo(args);
    // What is counted must not depend on what was built before, as the units of incremental code do.
    command.env("CARGO_INCREMENTAL", "0").args(["--message-format", "json-render-diagnostics"]);
    let output = capture(&mut command)?;
    let mut executables = output.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"] == "instructions";
        message["executable"].as_str().filter(|_| named).map(PathBuf::from)
    });
    executables.next_back().context("cargo named no program for the benchmark `instructions`")
}

fn count(program: &Path, kind: &str, first: bool) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_decision*"])
        .arg(program)
        .args(["--kind", kind])
        .args(first.then(|| OsString::from("--first")));
    let output = command.stdin(Stdio::null()).output().context("can not start valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind ended with {}:\n{told}", output.status);
    }
    collected(&told).with_context(|| format!("valgrind told no count:\n{told}"))
}

/// The count in what callgrind prints at its end.
fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.split_once("Collected :").map(|(_, count)| count))?;
    line.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn more_is_a_failure_less_is_a_note_and_what_is_unknown_too_is_a_failure() {
        let known = counts(&[("a", 1000), ("b", 1000), ("c", 1000)]);
        let found = compare(&known, &counts(&[("a", 1049), ("b", 1051), ("c", 900), ("d", 1)]));
        assert_eq!(found.failures.len(), 2, "{found:?}");
        assert!(found.failures[0].starts_with("b: 1051 instructions, +5.1 %"), "{found:?}");
        assert!(found.failures[1].starts_with("d: not in"), "{found:?}");
        assert_eq!(found.notes.len(), 1, "{found:?}");
        assert!(found.notes[0].starts_with("c: 900"), "{found:?}");
    }

    #[test]
    fn the_count_is_read_and_none_is_an_error() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 12345\n"), Some(12345));
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("==1== nothing\n"), None);
    }
}
