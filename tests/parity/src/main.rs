//! `loadline-parity`: compares our decisions with those of the real kube-scheduler plugins on random clusters.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool: it talks to a person")]

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use loadline_parity::mutants::{self, Trial};
use loadline_parity::{
    EXIT_DIFFERENT, EXIT_FAILED, EXIT_UNCOVERED, JUDGES, Plan, Profile, dump_folder, fresh_seed, generate, run,
};

/// Compares our decisions with those of the real kube-scheduler plugins on random clusters.
///
/// Needs the referee: LOADLINE_REFEREE names its binary; `cargo xtask parity` builds it and sets that.
/// Exit codes: 0 no difference, 1 differences, 2 the run failed, 3 the clusters exercised too little.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args)]
struct RunArgs {
    /// Clusters of each profile.
    #[arg(long, value_name = "N", default_value_t = 20)]
    clusters: u64,
    /// First seed; the others follow it. Without it a new one, which is printed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What the clusters are about; may be given several times. All by default.
    #[arg(long = "profile", value_name = "P")]
    profiles: Vec<Profile>,
    /// Folder for clusters with differences.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Clusters judged at once. One for each CPU by default.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Stop at the first cluster with differences, and demand no coverage.
    #[arg(long)]
    until_difference: bool,
    /// Ask the referee alone, to see what the clusters exercise; nothing is compared.
    #[arg(long)]
    referee_only: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Print a cluster as the one line that the referee reads.
    Print {
        /// Profile.
        profile: Profile,
        /// Seed.
        seed: u64,
    },
    /// Put mistakes into a copy of our source, one after another, and see that a run notices each.
    Mutants {
        /// Only those whose name contains this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
        /// Clusters for each, at most.
        #[arg(long, value_name = "N", default_value_t = 60)]
        clusters: usize,
        /// First seed.
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => compare(cli.run),
        Some(Command::Print { profile, seed }) => print(profile, seed),
        Some(Command::Mutants { only, clusters, seed }) => try_mutants(&only, clusters, seed),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("loadline-parity: {error:#}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn compare(args: RunArgs) -> Result<u8> {
    let judges = if args.referee_only { &[] } else { JUDGES };
    if judges.is_empty() && !args.referee_only {
        bail!("there is no judge to compare with the referee; --referee-only asks the referee alone");
    }
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let profiles = if args.profiles.is_empty() { Profile::ALL.to_vec() } else { args.profiles };
    let seeds = seed..seed.saturating_add(args.clusters);
    let plan = Plan {
        clusters: seeds.flat_map(|seed| profiles.iter().map(move |profile| (*profile, seed))).collect(),
        dump: Some(args.dump.unwrap_or_else(dump_folder)),
        threads: args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        stop_early: args.until_difference,
    };
    let total = plan.clusters.len();
    let show = std::io::stderr().is_terminal();
    let summary = run(&plan, judges, &|done| {
        if show {
            eprint!("\r{done}/{total} clusters");
        }
    })?;
    if show {
        eprintln!();
    }
    print!("{}", summary.report());
    if !args.until_difference {
        println!("{}\n", summary.coverage.table());
    }
    println!("seeds {seed} to {}", seed.saturating_add(args.clusters.saturating_sub(1)));
    if args.referee_only {
        println!("{} clusters: judged by the referee alone, nothing compared", summary.clusters);
    } else {
        println!("{}", summary.line());
    }
    if summary.differences() > 0 {
        return Ok(EXIT_DIFFERENT);
    }
    let missed = if args.until_difference { Vec::new() } else { summary.coverage.below_floors() };
    for line in &missed {
        println!("too little: {line}");
    }
    Ok(if missed.is_empty() { 0 } else { EXIT_UNCOVERED })
}

fn print(profile: Profile, seed: u64) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &generate(profile, seed))?;
    writeln!(out)?;
    Ok(0)
}

fn try_mutants(only: &str, clusters: usize, seed: u64) -> Result<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..").canonicalize().context("the workspace that this was built from is gone")?;
    let mut mutations = mutants::load(&root.join("tests/parity/mutations.yaml"))?;
    mutations.retain(|mutation| mutation.name.contains(only));
    if mutations.is_empty() {
        bail!("no mutation has `{only}` in its name");
    }
    let trial = Trial { folder: root.join("target/mutants"), root, clusters, seed };
    let outcomes = mutants::run(&trial, &mutations, &mut |outcome| {
        println!(
            "{} {} (build {} s, run {} s) {}",
            if outcome.caught { "caught  " } else { "SURVIVED" },
            outcome.name,
            outcome.build.as_secs(),
            outcome.run.as_secs(),
            outcome.evidence
        );
    })?;
    let survived = outcomes.iter().filter(|outcome| !outcome.caught).count();
    println!("{} mutations, {} caught, {survived} survived", outcomes.len(), outcomes.len() - survived);
    Ok(if survived == 0 { 0 } else { EXIT_DIFFERENT })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["x", "--profile", "node-affinity", "--profile", "mixed", "--clusters", "3"]);
        assert_eq!(cli.run.profiles.len(), 2);
    }
}
