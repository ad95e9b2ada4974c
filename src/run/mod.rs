//! `loadline run`: the live scheduler, with the command line of kube-scheduler.

mod flags;
mod gate_table;
mod gates;
pub(crate) mod go;
mod live;
mod logs;
mod reload;
mod reschedule;
mod serve;
mod settings;
mod usage;

use clap::Args;
use loadline_framework::Registry;
use tracing::warn;

use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::Streams;

/// Options of `run`. Names and meanings are those of kube-scheduler.
#[derive(Args, Debug)]
#[command(args_override_self = true)]
pub(crate) struct RunArgs {
    // Before all others: each takes its values out of what was read.
    #[command(flatten)]
    values: serve::FlagValues,
    #[command(flatten)]
    config: flags::ConfigFlags,
    #[command(flatten)]
    election: flags::ElectionFlags,
    #[command(flatten)]
    versions: flags::VersionFlags,
    #[command(flatten)]
    serve: serve::ServeFlags,
    #[command(flatten)]
    logs: logs::LogFlags,
    #[command(flatten)]
    idle: flags::IdleFlags,
    #[command(flatten)]
    own: OwnFlags,
}

/// What kube-scheduler does not have.
#[derive(Args, Debug)]
#[command(next_help_heading = "Of Loadline alone")]
struct OwnFlags {
    /// Seed of the choice among nodes with equal scores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How often what is known of the cluster is held against the API server, and mended where it differs.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = go::duration)]
    cache_check_period: i64,
    /// For how long a node counts for less after its kubelet refused a pod (OutOfcpu and the like) that fits by what the API says;
    /// doubled, to 10 minutes at most, when it does so again. 0 turns it off.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = go::duration)]
    refusal_backoff: i64,
}

/// The release of Kubernetes whose scheduler this takes the place of.
const IN_THE_PLACE_OF: &str = "v1.36.3";

pub(crate) fn run(args: &RunArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    if let Some(wanted) = &args.versions.version
        && go::boolean(wanted) != Ok(false)
    {
        return say_version(wanted, streams);
    }
    let repeats = logs::begin(&args.logs);
    let mut warnings = Vec::new();
    // Read before it is read for good: what changes in between is a change. Standard input is no file to be followed.
    let text = args.config.config.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let config = input::read_whole_config(args.config.config.as_deref(), registry, streams.stdin, &mut warnings)?;
    let settings = settings::merge(args, config, &mut warnings);
    for message in warnings {
        warn!("{message}");
    }
    let settings = settings?;
    if let Some(path) = &args.config.write_config_to {
        let text = loadline_config::effective::to_yaml(&settings.config, registry, false);
        let written = std::fs::write(path, text);
        written.map_err(|error| Failure::Message(format!("--write-config-to {}: {error}", path.display())))?;
        return Ok(Exit::Done);
    }
    streams.err.flush()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::message(&error))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = live::run(args, &settings, text, registry) => ended,
            () = repeats.keep_reporting() => unreachable!("it goes on for ever"),
        }
    });
    // Watches never end by themselves, and the scheduling thread may still wait for one: they end with the process.
    std::mem::forget(runtime);
    repeats.report();
    ended
}

/// `--version`, `--version=raw`, and `--version=v1.36.3-something`, which tells kube-scheduler what to say that it is.
fn say_version(wanted: &str, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let ours = env!("CARGO_PKG_VERSION");
    if wanted == "raw" {
        writeln!(streams.out, "loadline {ours}, kube-scheduler {IN_THE_PLACE_OF}, {}", std::env::consts::ARCH)?;
        return Ok(Exit::Done);
    }
    if go::boolean(wanted) != Ok(true) && !wanted.starts_with(IN_THE_PLACE_OF) {
        return Err(Failure::Message(format!("--version: {wanted}: neither true, false, raw nor {IN_THE_PLACE_OF}")));
    }
    writeln!(streams.out, "Loadline {ours}, in the place of Kubernetes {IN_THE_PLACE_OF}")?;
    Ok(Exit::Done)
}
