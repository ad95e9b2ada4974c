//! Kubernetes' own end-to-end tests of scheduling: builds them and what they need, and runs them.

use anyhow::Result;

use crate::process;
use crate::tidy;
use crate::tools::{self, Tools};

/// Runs them with these arguments of the runner in `tests/conformance`, against the command as cargo's tests build it.
pub(crate) fn run(args: &[String], tools: &Tools) -> Result<()> {
    let specs = tools::end_to_end()?;
    let programs = process::programs("conformance")?;
    let mut runner = std::process::Command::new(programs.join("loadline-conformance"));
    runner.args(args).envs(tools.environment());
    runner.env("LOADLINE_END_TO_END", specs).env("LOADLINE_BINARY", programs.join("loadline"));
    let reports = tidy::metadata()?.target_directory().join("conformance");
    process::run("conformance", runner.env("LOADLINE_REPORTS", reports))
}
