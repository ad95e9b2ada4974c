//! `cargo xtask test`: everything that has to pass.

use std::process::Command;

use anyhow::Result;

use crate::process::{self, Steps, cargo};
use crate::tools::Tools;
use crate::{conformance, go, instructions, root, tidy};

/// Runs all tests; stops at the first step that fails.
pub(crate) fn run() -> Result<()> {
    Steps::report("cargo xtask test", all)
}

fn all(steps: &mut Steps) -> Result<()> {
    let tools = steps.step("tools", Tools::ready)?;
    steps.step("recording rules", || recording_rules(&tools))?;
    let mut with_tools =
        |name, mut command: Command| steps.step(name, || process::run(name, command.envs(tools.environment())));
    with_tools("workspace tests", cargo(["test", "--workspace"]))?;
    // A package of its own, as an author of a plugin has it; with our target folder its dependencies are built already.
    let example = root().join("examples/own-plugin/Cargo.toml");
    if example.is_file() {
        let mut command = cargo(["test", "--manifest-path"]);
        command.arg(&example).env("CARGO_TARGET_DIR", tidy::metadata()?.target_directory());
        with_tools("example plugin", command)?;
    }
    for (name, command) in [("go vet", "vet"), ("go test", "test")] {
        let mut of_referee = go::go(&root().join("tests/parity/referee"));
        // With the flags by which it was built, so that Kubernetes is not compiled anew.
        of_referee.args([command, "-mod=readonly", "-trimpath", "./..."]);
        with_tools(name, of_referee)?;
    }
    steps.step("conformance", || conformance::run(&["--subset".to_owned()], &tools))?;
    if instructions::is_possible() {
        return steps.step("instructions", || instructions::run(false));
    }
    eprintln!("==> instructions: NOT COUNTED, there is no valgrind");
    Ok(())
}

/// The files for Prometheus, by its own tool: the rules' tests, and whether the scrape job is one.
fn recording_rules(tools: &Tools) -> Result<()> {
    let promtool = |args: &[&str]| {
        let mut command = Command::new(tools.promtool());
        command.args(args).current_dir(root().join("manifests/prometheus"));
        process::run("recording rules", &mut command)
    };
    promtool(&["check", "config", "scrape-node-exporter.yaml"])?;
    promtool(&["test", "rules", "node-usage-rules.test.yaml"])
}
