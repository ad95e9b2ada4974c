//! Kubernetes' own end-to-end tests of scheduling: builds them and what they need, and runs them.

use anyhow::Result;

use crate::process::{self, cargo};
use crate::tidy;
use crate::tools::{self, Tools};

/// Runs them with these arguments of the runner in `tests/conformance`, against the command as cargo's tests build it.
pub(crate) fn run(args: &[String], tools: &Tools) -> Result<()> {
    let specs = tools::end_to_end()?;
    // All of the workspace, as its tests are built: a package alone has other features of its dependencies, and they are built anew.
    process::run("conformance", &mut cargo(["build", "--workspace", "--bins"]))?;
    let target = tidy::metadata()?.target_directory().to_owned();
    let mut runner = std::process::Command::new(target.join("debug/loadline-conformance"));
    runner.args(args).envs(tools.environment());
    runner.env("LOADLINE_END_TO_END", specs).env("LOADLINE_BINARY", target.join("debug/loadline"));
    process::run("conformance", runner.env("LOADLINE_REPORTS", target.join("conformance")))
}
