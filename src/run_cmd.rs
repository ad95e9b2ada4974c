//! `loadline run`: the live scheduler.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use loadline_framework::Registry;
use loadline_kubernetes::Access;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Exit, Failure};
use crate::input;
use crate::live;
use crate::output::Streams;

/// Options of `run`. Names are those of kube-scheduler.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// A KubeSchedulerConfiguration, as kube-scheduler takes it; without it, kube-scheduler's defaults.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// How to reach the API server, when the configuration does not say. Without either: as the pod that this runs in.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,
    /// Address of the API server, in the place of the kubeconfig's.
    #[arg(long, value_name = "URL")]
    master: Option<String>,
    /// How much is told on standard error: 0 warnings and what begins and ends, 4 each decision.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", default_value_t = 0)]
    verbosity: u8,
}

pub(crate) fn run(args: &RunArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let config = input::read_whole_config(args.config.as_deref(), registry, streams)?;
    let profiles = loadline_config::compile(&config, registry)?;
    let in_config = Some(&config.client_connection.kubeconfig).filter(|path| !path.is_empty()).map(PathBuf::from);
    let access = Access { kubeconfig: in_config.or_else(|| args.kubeconfig.clone()), master: args.master.clone() };
    streams.err.flush()?;
    log_to_stderr(args.verbosity);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::message(&error))?;
    let exit = runtime.block_on(live::run(&access, profiles, &config));
    // Watches never end by themselves.
    runtime.shutdown_background();
    exit
}

fn log_to_stderr(verbosity: u8) {
    let level = match verbosity {
        0..=3 => LevelFilter::INFO,
        4..=7 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_target("loadline", level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(layer).with(ours).init();
}
