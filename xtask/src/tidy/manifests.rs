//! Rules for the members' Cargo.toml.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Metadata;

/// Library and binary targets without `bench = false`. Cargo would run their unit tests as benchmarks too, and libtest refuses
/// the flags that `cargo bench -- ...` is meant to give to criterion.
pub(super) fn no_libtest_benches(metadata: &Metadata) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let path = &package.manifest;
        let text = fs::read_to_string(path).with_context(|| format!("can not read {}", path.display()))?;
        let sources = path.parent().unwrap_or(Path::new(".")).join("src");
        let mut wanted = Vec::new();
        if sources.join("lib.rs").is_file() {
            wanted.push("[lib]");
        }
        if sources.join("main.rs").is_file() || sources.join("bin").is_dir() {
            wanted.push("[[bin]]");
        }
        let missing = without_bench_false(&text, &wanted);
        violations.extend(missing.into_iter().map(|table| format!("{}: {table} needs `bench = false`", package.name)));
    }
    Ok(violations)
}

/// The `tables` of a manifest that are absent, or present without `bench = false`.
fn without_bench_false<'a>(manifest: &str, tables: &[&'a str]) -> Vec<&'a str> {
    let off = |table: &&&str| {
        let mut lines = manifest.lines().map(str::trim);
        let mut found = false;
        while lines.by_ref().any(|line| line == **table) {
            found = true;
            let mut keys = lines.clone().take_while(|line| !line.starts_with('['));
            if !keys.any(|line| line == "bench = false") {
                return false;
            }
        }
        found
    };
    tables.iter().filter(|table| !off(table)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::without_bench_false;

    #[test]
    fn each_table_needs_the_line_itself() {
        let both = "[lib]\nbench = false\n\n[[bin]]\nname = \"a\"\nbench = false\n";
        assert_eq!(without_bench_false(both, &["[lib]", "[[bin]]"]), [""; 0]);
        assert_eq!(without_bench_false(both, &["[[bench]]"]), ["[[bench]]"]);
        assert_eq!(without_bench_false("[lib]\nname = \"a\"\n[x]\nbench = false\n", &["[lib]"]), ["[lib]"]);
        assert_eq!(without_bench_false("[[bin]]\nbench = false\n[[bin]]\nname = \"b\"\n", &["[[bin]]"]), ["[[bin]]"]);
    }
}
