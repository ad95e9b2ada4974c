//! `cargo xtask`: the project's own commands. What a developer or CI runs is here, so that both run the same thing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool: it talks to a person")]

mod cache;
mod conformance;
mod generate;
mod go;
mod image;
mod instructions;
mod lint;
mod process;
mod test;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::process::cargo;

/// Builds, tests and checks Loadline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test: the workspace, the example plugin, the referee's own, with `go vet`, and those of the recording rules.
    ///
    /// The tests need etcd, kube-apiserver, kubectl, kube-controller-manager, kube-scheduler, kwok, the referee, Prometheus and
    /// promtool. They are built with Go the first time and kept in the user's cache folder; KUBEBUILDER_ASSETS names a folder
    /// that has the first three already.
    Test,
    /// Find or build what the tests need, and print it as `export` lines for a shell.
    ///
    /// `eval "$(cargo xtask tools)"` makes plain `cargo test` work in that shell.
    Tools,
    /// Compare our decisions with those of the real kube-scheduler plugins on random clusters.
    ///
    /// All arguments go to the parity runner: `--clusters N`, `--seed S`, `--profile P`, and the others that
    /// `cargo xtask parity -- --help` lists.
    Parity {
        /// Arguments of the parity runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Schedule live on a real API server, and compare each decision with the real kube-scheduler plugins'.
    Shadow {
        /// How often 200 pods.
        #[arg(long, default_value_t = 10)]
        rounds: usize,
    },
    /// Measure decisions beside kube-scheduler's own algorithm, in one run on the same clusters.
    ///
    /// All arguments go to the benchmark `beside`: `--nodes N`, `--kind TEXT`, `--runs N`, and the others that
    /// `cargo xtask beside -- --help` lists.
    Beside {
        /// Arguments of the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run Kubernetes' own end-to-end tests of scheduling, with Loadline as the cluster's scheduler.
    ///
    /// All arguments go to the runner: `--scheduler kube-scheduler`, `--subset`, and the others that
    /// `cargo xtask conformance -- --help` lists.
    Conformance {
        /// Arguments of the runner.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure Loadline beside kube-scheduler, in turn on one real API server: throughput, CPU, latency, memory.
    ///
    /// All arguments go to the benchmark: `--nodes N`, `--pods N`, `--rounds N`, and the others that
    /// `cargo xtask bench-live -- --help` lists.
    BenchLive {
        /// Arguments of the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The long forms of the failure drills: 50 kills, leaders that fight for the lease, wrong clocks, new credentials, churn for 15
    /// minutes, 100,000 pods that fit nowhere, 30,000 heartbeats.
    ///
    /// Arguments are names of tests, or parts of them; without any, all drills run.
    Drills {
        /// Names of tests, or parts of them.
        tests: Vec<String>,
    },
    /// Count the instructions of the main decisions with valgrind, and compare with those that are committed.
    Instructions {
        /// Write what was counted to benches/instructions.json.
        #[arg(long)]
        update: bool,
    },
    /// Write the files that are generated from the code.
    Generate {
        /// Write nothing; fail if a file differs from what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Lay out the image's files with a static binary, try them without anything around them, and build the image where podman,
    /// buildah or docker works.
    Image {
        /// Only lay out the files, in this folder.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Formatting, clippy, licences and the rules of the tree (dependency direction, file sizes, and the like).
    Lint,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Test => test::run(),
        Command::Tools => {
            print!("{}", tools::Tools::ready()?.exports());
            Ok(())
        }
        Command::Parity { args } => {
            let referee = tools::referee()?;
            let mut runner = cargo(["run", "--release", "--package", "loadline-parity", "--"]);
            process::run("parity", runner.args(args).env("LOADLINE_REFEREE", referee))
        }
        Command::Shadow { rounds } => {
            let tools = tools::Tools::ready()?;
            let mut test = cargo(["test", "--package", "loadline-parity", "--test", "shadow", "--", "--nocapture"]);
            test.envs(tools.environment()).env("LOADLINE_SHADOW_ROUNDS", rounds.to_string());
            process::run("shadow", &mut test)
        }
        Command::Beside { args } => {
            let referee = tools::referee()?;
            let mut bench = cargo(["bench", "--package", "loadline-benches", "--bench", "beside", "--"]);
            process::run("beside", bench.args(args).env("LOADLINE_REFEREE", referee))
        }
        Command::Conformance { args } => conformance::run(&args, &tools::Tools::ready()?),
        Command::Drills { tests } => {
            // What a failure drill is, and how long it is in its long form, its test says.
            let mut long = cargo(["test", "--workspace", "--test", "live", "--", "--test-threads=1"]);
            let drills = ["crowds", "faults", "leaders", "rotation", "soak"].map(str::to_owned);
            long.args(if tests.is_empty() { drills.to_vec() } else { tests });
            process::run("drills", long.env("LOADLINE_DRILLS", "long").envs(tools::Tools::ready()?.environment()))
        }
        Command::BenchLive { args } => bench_live(&args, &tools::Tools::ready()?),
        Command::Instructions { update } => instructions::run(update),
        Command::Image { into } => image::run(into.as_deref()),
        Command::Generate { check } => generate::run(check),
        Command::Lint => lint::run(),
    }
}

/// Measures the command beside kube-scheduler, both as they are released.
fn bench_live(args: &[String], tools: &tools::Tools) -> Result<()> {
    let both = ["build", "--release", "--package", "loadline", "--package", "loadline-bench-live"];
    process::run("bench-live", &mut cargo(both))?;
    let programs = tidy::metadata()?.target_directory().join("release");
    let mut runner = std::process::Command::new(programs.join("loadline-bench-live"));
    runner.arg("--loadline").arg(programs.join("loadline"));
    runner.arg("--kube-scheduler").arg(tools.kube_scheduler());
    process::run("bench-live", runner.args(args).envs(tools.environment()))
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn parity_passes_flags_through() {
        let cli = Cli::parse_from(["xtask", "parity", "--clusters", "3", "--profile", "mixed"]);
        let Command::Parity { args } = cli.command else { panic!("not parity") };
        assert_eq!(args, ["--clusters", "3", "--profile", "mixed"]);
    }
}
