//! `cargo xtask lint`: what is checked without running the code.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::process::{self, Steps, capture, cargo};
use crate::{root, tidy};

/// Runs all lints; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    Steps::report("cargo xtask lint", all)
}

fn all(steps: &mut Steps) -> Result<()> {
    steps.step("tidy", tidy::check)?;
    steps.step("formatting", formatting)?;
    steps.step("clippy", clippy)?;
    steps.step("dependencies", dependencies)
}

/// The example plugin's manifest, once there is one: a package outside of the workspace.
fn example() -> Option<String> {
    let manifest = root().join("examples/own-plugin/Cargo.toml");
    manifest.is_file().then(|| manifest.to_string_lossy().into_owned())
}

fn formatting() -> Result<()> {
    process::run("formatting", &mut cargo(["fmt", "--all", "--check"]))?;
    // What is outside of the workspace has manifests of its own.
    for manifest in example().into_iter().chain(["fuzz/Cargo.toml".to_owned()]) {
        process::run("formatting", &mut cargo(["fmt", "--check", "--manifest-path", &manifest]))?;
    }
    let referee = Path::new("tests/parity/referee");
    let unformatted = capture(Command::new("gofmt").arg("-l").arg(referee).current_dir(root()))?;
    if !unformatted.is_empty() {
        bail!("gofmt would change these files:\n{unformatted}");
    }
    Ok(())
}

fn clippy() -> Result<()> {
    process::run("clippy", &mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if let Some(manifest) = example() {
        let mut command = cargo(["clippy", "--no-deps", "--all-targets", "--manifest-path", &manifest]);
        command.env("CARGO_TARGET_DIR", tidy::metadata()?.target_directory());
        process::run("clippy", command.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Licences, banned crates and sources, by cargo-deny where it is installed: building it takes minutes, so nobody is made to.
fn dependencies() -> Result<()> {
    let installed = cargo(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) {
        process::run("dependencies", &mut cargo(["deny", "check", "bans", "licenses", "sources"]))
    } else {
        eprintln!("==> dependencies: not checked against deny.toml, cargo-deny is not installed");
        Ok(())
    }
}
