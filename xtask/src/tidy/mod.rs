//! Rules of the tree that no compiler holds. `cargo test` checks them as well as `cargo xtask lint`.

mod dependencies;
mod manifests;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{capture, cargo};
use crate::root;

/// Checks all rules; the error lists every violation.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let files = files()?;
    let mut violations = dependencies::direction(&metadata);
    violations.extend(dependencies::core(&metadata)?);
    violations.extend(dependencies::locks(&files));
    violations.extend(manifests::no_libtest_benches(&metadata)?);
    violations.extend(text::check(&files));
    none(&violations)
}

fn none(violations: &[String]) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    bail!("the tree is not tidy:\n  {}", violations.join("\n  "))
}

/// What cargo says of the workspace.
pub(crate) struct Metadata {
    target_directory: PathBuf,
    packages: Vec<Package>,
}

/// A member of the workspace.
struct Package {
    name: String,
    /// Path of its Cargo.toml.
    manifest: PathBuf,
    /// Names of members that it needs, without those for its tests and build script.
    needs: Vec<String>,
}

impl Metadata {
    /// Where cargo puts what it builds.
    pub(crate) fn target_directory(&self) -> &Path {
        &self.target_directory
    }

    fn parse(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json).context("cargo metadata's output is not JSON")?;
        let text =
            |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata's output has another form");
        let list = |value: &Value| value.as_array().cloned().context("cargo metadata's output has another form");
        let mut packages = Vec::new();
        for package in list(&value["packages"])? {
            // A dependency for tests or the build script has a kind; one from a registry has no path.
            let needs = list(&package["dependencies"])?
                .iter()
                .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string())
                .map(|dependency| text(&dependency["name"]))
                .collect::<Result<_>>()?;
            packages.push(Package {
                name: text(&package["name"])?,
                manifest: text(&package["manifest_path"])?.into(),
                needs,
            });
        }
        Ok(Self { target_directory: text(&value["target_directory"])?.into(), packages })
    }
}

/// The workspace's members, without what they take from registries.
pub(crate) fn metadata() -> Result<Metadata> {
    Metadata::parse(&capture(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?)
}

/// A file of the repository that is text.
struct SourceFile {
    /// Path below the root, with slashes.
    path: String,
    text: String,
}

/// The text files that git knows, and new ones that it does not ignore.
fn files() -> Result<Vec<SourceFile>> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut files = Vec::new();
    for path in capture(&mut git)?.split_terminator('\0') {
        // A file that is deleted but still in the index can not be read; neither can a link to a folder.
        let Ok(bytes) = std::fs::read(root().join(path)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Metadata, dependencies, files, manifests, metadata, none, text};

    #[test]
    fn crates_depend_in_one_direction() {
        let metadata = metadata().expect("cargo describes the workspace");
        none(&dependencies::direction(&metadata)).expect("no violation");
    }

    #[test]
    fn the_core_has_no_runtime_and_no_client() {
        let metadata = metadata().expect("cargo describes the workspace");
        none(&dependencies::core(&metadata).expect("cargo prints the trees")).expect("no violation");
    }

    #[test]
    fn the_example_has_the_versions_of_the_workspace() {
        let files = files().expect("git lists the files");
        assert!(files.iter().any(|file| file.path == "examples/own-plugin/Cargo.lock"), "git lists the lock file");
        none(&dependencies::locks(&files)).expect("no violation");
    }

    #[test]
    fn no_target_has_libtest_benches() {
        let metadata = metadata().expect("cargo describes the workspace");
        none(&manifests::no_libtest_benches(&metadata).expect("the manifests can be read")).expect("no violation");
    }

    #[test]
    fn files_follow_the_rules() {
        let files = files().expect("git lists the files");
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy/mod.rs"), "git lists this file");
        none(&text::check(&files)).expect("no violation");
    }

    #[test]
    fn metadata_keeps_normal_dependencies_on_members() {
        let json = r#"{"target_directory": "/t", "packages": [{"name": "a", "manifest_path": "/a/Cargo.toml", "dependencies": [
            {"name": "b", "kind": null, "path": "/b"}, {"name": "c", "kind": "dev", "path": "/c"}, {"name": "serde", "kind": null}
        ]}]}"#;
        let metadata = Metadata::parse(json).expect("it is well formed");
        assert_eq!(metadata.packages[0].needs, ["b"]);
        assert!(Metadata::parse("{}").is_err());
    }
}
