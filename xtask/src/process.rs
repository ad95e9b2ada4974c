//! Running other programs, and saying which one failed.

#![allow(clippy::disallowed_methods, reason = "times of steps are for a person to read")]

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// `cargo` with these arguments, in the root of the workspace.
pub(crate) fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    // Cargo tells its children which cargo it is; a plain `cargo` could be another toolchain's.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(crate::root());
    // It also tells them which package they are of; build scripts that look at this (ring's) would run anew after each cargo that was
    // called by hand, and everything above them be built again.
    for (name, _) in std::env::vars_os() {
        let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(&name);
        }
    }
    command
}

/// Builds all programs of the workspace, and gives the folder that they are in. With a test among what is built, and be it a small one,
/// its dependencies have the features that they have for all tests; without, they would be built anew after these.
pub(crate) fn programs(step: &str) -> Result<PathBuf> {
    run(step, &mut cargo(["build", "--workspace", "--bins", "--test", "corpus"]))?;
    Ok(crate::tidy::metadata()?.target_directory().join("debug"))
}

/// Runs a command that writes to the terminal itself, and says so as a part of `step`.
pub(crate) fn run(step: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {step}: {}", shown(command));
    let status = command.status().with_context(|| format!("can not start: {}", shown(command)))?;
    if !status.success() {
        bail!("failed ({status}): {}", shown(command));
    }
    Ok(())
}

/// What a command writes to stdout; its stderr goes to the terminal.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can not start: {}", shown(command)))?;
    if !output.status.success() {
        bail!("failed ({}): {}", output.status, shown(command));
    }
    String::from_utf8(output.stdout).with_context(|| format!("not UTF-8: the output of {}", shown(command)))
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    command.get_args().fold(program, |line, arg| line + " " + &quoted(&arg.to_string_lossy()))
}

/// A word for a POSIX shell, in quotes where it needs them.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Steps that ran, and how long each took.
#[derive(Default)]
pub(crate) struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    /// Does `work`, and prints at the end how it went and how long each of its steps took.
    pub(crate) fn report(title: &str, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mut steps = Self::default();
        let result = work(&mut steps);
        eprint!("\n{title}: {}\n{}", if result.is_ok() { "passed" } else { "FAILED" }, steps.summary());
        result
    }

    /// Does one step and notes its time; a failure names the step.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = work().with_context(|| format!("step `{name}`"));
        self.0.push((name, start.elapsed()));
        result
    }

    /// One line for each step.
    fn summary(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, time): &(&str, Duration)| format!("  {name:width$}  {:>7.1} s\n", time.as_secs_f64());
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Steps, capture, quoted, run, shown};

    #[test]
    fn a_failure_names_the_command() {
        let error = run("parity", Command::new("sh").args(["-c", "exit 3"])).expect_err("exit 3");
        assert_eq!(error.to_string(), "failed (exit status: 3): sh -c 'exit 3'");
        let error = run("lint", &mut Command::new("loadline-no-such-program")).expect_err("there is no such program");
        assert_eq!(error.to_string(), "can not start: loadline-no-such-program");
    }

    #[test]
    fn output_is_captured_unless_the_command_fails() {
        assert_eq!(capture(Command::new("sh").args(["-c", "echo out"])).expect("it succeeds"), "out\n");
        assert!(capture(Command::new("sh").args(["-c", "echo out; exit 1"])).is_err());
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("--flag=/a/b.c"), "--flag=/a/b.c");
        assert_eq!(quoted("it's two"), r"'it'\''s two'");
        assert_eq!(quoted(""), "''");
        assert_eq!(shown(Command::new("/usr/bin/go").args(["build", "-s -w"])), "go build '-s -w'");
    }

    #[test]
    fn the_summary_has_every_step_also_the_one_that_failed() {
        let mut steps = Steps::default();
        steps.step("a", || Ok(())).expect("it succeeds");
        let error = steps.step("longer", || -> anyhow::Result<()> { anyhow::bail!("why") }).expect_err("it fails");
        assert_eq!(format!("{error:#}"), "step `longer`: why");
        let summary = steps.summary();
        assert!(summary.starts_with("  a       "), "{summary}");
        assert_eq!(summary.lines().count(), 2);
    }
}
