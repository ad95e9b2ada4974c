//! The `loadline` command. Somebody with plugins of their own links this crate, adds them to the registry and calls
//! [`main_with`]; everything that the command does then knows them.

mod cli;
mod config_cmd;
mod descheduler;
mod exit;
mod explain_cmd;
mod generate_cmd;
mod input;
mod metrics_cmd;
mod output;
mod plugins_cmd;
mod progress;
mod recorded;
mod render;
mod rescheduler_cmd;
mod run;
mod simulate_cmd;
mod snapshot_cmd;

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use loadline_framework::Registry;

use cli::{Cli, Command};
use exit::{Exit, Failure};
use output::Streams;

/// Runs the command line of this process with these plugins.
#[allow(clippy::needless_pass_by_value, reason = "whoever calls it has built the registry for this alone")]
pub fn main_with(registry: Registry) -> ExitCode {
    let command = match cli::read(std::env::args_os()) {
        Ok(command) => command,
        Err(mut error) => {
            cli::suggest_files(&mut error);
            // Help goes to standard output, a wrong command line to standard error; if that is closed, so be it.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Refused } else { Exit::Done };
            return exit.into();
        }
    };
    let exit = output::with_process_streams(|streams| {
        let result = run(command, &registry, streams).and_then(|exit| {
            streams.out.flush()?;
            Ok(exit)
        });
        exit::report(result, streams.err, streams.err_styles)
    });
    exit.into()
}

fn run(command: Command, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Explain(args) => explain_cmd::run(&args, registry, streams),
        Command::Simulate(args) => simulate_cmd::run(&args, registry, streams),
        Command::Run(args) => run::run(&args, registry, streams),
        Command::Snapshot(args) => snapshot_cmd::run(&args, streams),
        Command::Rescheduler(args) => rescheduler_cmd::run(&args, registry, streams),
        Command::Metrics(args) => metrics_cmd::run(&args, registry, streams),
        Command::Config(args) => config_cmd::run(&args, registry, streams),
        Command::Plugins(args) => plugins_cmd::run(&args, registry, streams),
        Command::Completion { shell } => {
            complete(shell, streams.out)?;
            Ok(Exit::Done)
        }
        Command::Generate { what } => {
            generate_cmd::run(what, registry, streams.out)?;
            Ok(Exit::Done)
        }
    }
}

fn complete(shell: clap_complete::Shell, out: &mut dyn io::Write) -> io::Result<()> {
    // The generator gives up with a panic when it can not write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loadline", &mut script);
    out.write_all(&script)
}
