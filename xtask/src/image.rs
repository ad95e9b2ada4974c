//! `cargo xtask image`: what is in the image, laid out in a folder, tried without anything around it, and built where that can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{self, capture, cargo};
use crate::{root, tidy};

/// The command, and the name under which it is kube-scheduler.
const NAMES: [&str; 2] = ["loadline", "kube-scheduler"];
/// Where names stand on the image's PATH, and the certificates that it points to; the Containerfile says the same.
const PROGRAMS: &str = "usr/local/bin";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Lays out the image's files in `into`, or in the target folder, where they are then tried.
pub(crate) fn run(into: Option<&Path>) -> Result<()> {
    if let Some(into) = into {
        return lay_out(into);
    }
    // The stage `build` of the Containerfile has them in this folder.
    let stage = tidy::metadata()?.target_directory().join("image-stage");
    if stage.exists() {
        fs::remove_dir_all(&stage).with_context(|| format!("can not remove {}", stage.display()))?;
    }
    let files = stage.join("image");
    lay_out(&files)?;
    try_alone(&files)?;
    let Some(builder) = builder() else {
        eprintln!("==> image: NOT BUILT, none of {} works here", BUILDERS.join(", "));
        return Ok(());
    };
    build(builder, &stage)
}

/// Builds a static binary, and puts it and certificates where the image has them.
fn lay_out(into: &Path) -> Result<()> {
    let version = capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    // A name for the target, although it is the machine's own: flags for it do not reach procedural macros then, which can not be
    // static.
    let mut build = cargo(["build", "--release", "--locked", "--bin", NAMES[0], "--target", host]);
    process::run("image", build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    let binary = tidy::metadata()?.target_directory().join(host).join("release").join(NAMES[0]);
    let programs = into.join(PROGRAMS);
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(&programs)?;
        fs::copy(&binary, programs.join(NAMES[0]))?;
        std::os::unix::fs::symlink(NAMES[0], programs.join(NAMES[1]))?;
        let certificates = into.join(CERTIFICATES);
        fs::create_dir_all(certificates.parent().unwrap_or(into))?;
        fs::copy(Path::new("/").join(CERTIFICATES), certificates).map(drop)
    };
    copy().with_context(|| format!("can not put the image's files into {}", into.display()))
}

/// Starts it under both names with nothing else in its file system.
fn try_alone(files: &Path) -> Result<()> {
    for name in NAMES {
        let mut alone = Command::new("unshare");
        alone.args(["--user", "--map-root-user", "--root"]).arg(files);
        alone.arg(format!("/{PROGRAMS}/{name}")).arg("--version");
        eprintln!("==> image: {name} --version, with the image's files alone");
        let said = capture(&mut alone)?;
        if said.trim().is_empty() {
            bail!("{name} --version says nothing");
        }
        eprint!("{said}");
    }
    Ok(())
}

const BUILDERS: [&str; 3] = ["podman", "buildah", "docker"];

/// A builder that has what it needs; docker may have no daemon.
fn builder() -> Option<&'static str> {
    let works = |builder: &&str| {
        let mut info = Command::new(builder);
        info.arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        info.status().is_ok_and(|status| status.success())
    };
    BUILDERS.into_iter().find(works)
}

/// Builds the image from the Containerfile, with what was laid out in the place of its first stage, so that nothing is fetched.
fn build(builder: &str, stage: &Path) -> Result<()> {
    let mut build = Command::new(builder);
    build.args(["build", "--file"]).arg(root().join("Containerfile"));
    build.arg("--build-context").arg(format!("build={}", stage.display()));
    build.arg("--tag").arg(format!("loadline:{}", env!("CARGO_PKG_VERSION")));
    process::run("image", build.arg(PathBuf::from(stage)))
}
