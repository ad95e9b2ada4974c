//! `cargo xtask generate`: files that are written from the code, and checked in so that people can read them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{self, capture};
use crate::root;

/// Each generated file, and the name by which `loadline generate` prints it.
const GENERATED: [(&str, &str); 3] = [
    ("docs/plugins.md", "plugins-reference"),
    ("docs/decision-record.schema.json", "decision-schema"),
    ("docs/metrics.md", "metrics-reference"),
];

/// Writes the generated files, or with `check` fails with the names of those that would change.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    let loadline = process::programs("generate")?.join("loadline");
    for (path, what) in GENERATED {
        let wanted = capture(Command::new(&loadline).args(["generate", what]).current_dir(root()))?;
        let file = root().join(path);
        // A file that is not there yet differs from any other.
        if fs::read_to_string(&file).is_ok_and(|found| found == wanted) {
            continue;
        }
        if check {
            stale.push(path);
        } else {
            fs::create_dir_all(file.parent().unwrap_or(&file)).with_context(|| format!("can not write {path}"))?;
            fs::write(&file, wanted).with_context(|| format!("can not write {path}"))?;
            eprintln!("==> generate: wrote {path}");
        }
    }
    if !stale.is_empty() {
        bail!("not what the code generates: {}; run `cargo xtask generate` and commit the result", stale.join(", "));
    }
    Ok(())
}
