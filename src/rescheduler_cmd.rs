//! `loadline rescheduler`: what the Rescheduler would move.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint, value_parser};
use loadline_config::Config;
use loadline_engine::Settings;
use loadline_framework::Registry;
use loadline_model::Time;
use loadline_rescheduler::{Options, Situation, plan, policy};
use loadline_simulator::nominate_pending;

use crate::cli::{Cluster, Input};
use crate::descheduler;
use crate::exit::{Exit, Failure, warning};
use crate::input::{self, Ready, Source};
use crate::output::{Format, Streams, write_value};
use crate::progress::Bar;
use crate::render::plan::render;
use crate::snapshot_cmd;

/// JSON is spread over lines down to the lists; a move, a reason, a node is one line.
const OPEN: usize = 2;
/// Name of the plugin.
const RESCHEDULER: &str = "Rescheduler";

const EXAMPLES: &str = "\
Examples:
  loadline rescheduler plan -f examples/rescheduler/cluster.yaml
  loadline rescheduler plan -f cluster.json --config scheduler.yaml --usage usage.json
  loadline rescheduler plan -f cluster.json --policy descheduler-policy.yaml
  loadline rescheduler plan                     # the cluster that kubectl talks with

Exit codes:
  0  done; that something is to be moved is a result, not a failure
  1  with --fail-on-moves: something is to be moved
  2  the command line, the input, the configuration or the policy is wrong; nothing is on standard output
  3  with --keep-going: bad objects were reported and left out, the rest is on standard output";

/// Arguments of `rescheduler`.
#[derive(Args, Debug)]
pub(crate) struct ReschedulerArgs {
    #[command(subcommand)]
    command: ReschedulerCommand,
}

#[derive(Debug, Subcommand)]
enum ReschedulerCommand {
    /// Show which pods the Rescheduler would move where, who stays and why, and the balance before and after.
    ///
    /// The plan is made on a copy of the cluster: the target of each move is the node that the scheduler itself would choose, by
    /// all filters and scores of the pod's profile, with the moves before it counted. Nothing is changed anywhere. Without -f
    /// the cluster of the kubeconfig is asked, as it is now.
    #[command(after_long_help = EXAMPLES)]
    Plan(PlanArgs),
}

#[derive(Args, Debug)]
struct PlanArgs {
    /// Kubernetes objects: a file, a folder (with its folders), or - for standard input. May be repeated. See `explain`.
    #[arg(short = 'f', long = "filename", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// A KubeSchedulerConfiguration, - for standard input. The arguments of its Rescheduler say what is planned; without any
    /// they have their defaults.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// A DeschedulerPolicy (descheduler/v1alpha2), which takes the place of the Rescheduler's own strategies, rules and limits.
    ///
    /// Each of its evictions becomes a move to where the scheduler would put the pod; nodeFit is always on.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// What nodes really use, in the place of what pods request: what `loadline metrics check -o json` prints, or NodeMetrics of
    /// metrics.k8s.io; - for standard input.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    usage: Option<PathBuf>,
    /// The time that the ages of pods are reckoned from, such as 2026-05-11T08:12:01Z; without it, now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Time>,
    /// Decides between nodes with equal totals: the same seed gives the same result.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Threads, 0 for one on each core. The result is the same with any number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = value_parser!(u16).range(0..=1024))]
    parallelism: u16,
    /// Leave out objects that have something wrong in them, and go on with the rest.
    #[arg(long)]
    keep_going: bool,
    /// End with exit code 1 when something is to be moved.
    #[arg(long)]
    fail_on_moves: bool,
    /// In the table, show every node instead of those that change and the fullest.
    #[arg(long)]
    nodes: bool,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
    output: Format,
}

fn time(text: &str) -> Result<Time, String> {
    let nanoseconds = text.parse::<jiff::Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanoseconds.ok_or_else(|| "not a time such as 2026-05-11T08:12:01Z".to_owned())
}

/// Runs the command.
pub(crate) fn run(args: &ReschedulerArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let ReschedulerCommand::Plan(args) = &args.command;
    let input = Input {
        paths: args.paths.clone(),
        replace: false,
        config: args.config.clone(),
        usage: args.usage.clone(),
        seed: args.seed,
        parallelism: args.parallelism,
        keep_going: args.keep_going,
        fail_on_pending: false,
        output: args.output,
    };
    input::check_paths(&input)?;
    let stdin = Path::new(input::STDIN);
    let read_twice = input.paths.iter().chain(&input.config).chain(&input.usage).any(|path| path == stdin);
    if read_twice && args.policy.as_deref() == Some(stdin) {
        return Err(Failure::Message(
            "- is standard input, which can be read once: give the policy as a file".to_owned(),
        ));
    }
    let policy = args.policy.as_deref().map(|path| read_policy(path, streams)).transpose()?;
    let mut bar = Bar::new(streams.progress.draws(Format::Table));
    let source = if input.paths.is_empty() {
        Source::List(snapshot_cmd::in_memory(&args.cluster, &mut bar, streams)?)
    } else {
        Source::Paths
    };
    let Ready { loaded, profiles, config } = input::prepare_measured(&input, source, registry, streams, &mut bar)?;
    let cluster = &loaded.cluster;
    let settings = Settings { seed: args.seed, parallelism: input.threads(), record_bytes: 0, ..Settings::default() };
    let mut engine = cluster.engine(profiles.clone(), settings);
    nominate_pending(cluster, &profiles, &mut engine);
    let situation = Situation {
        now: args.at.unwrap_or_else(now),
        workloads: cluster.workload_statuses().cloned().collect(),
        failed: cluster.failed().cloned().collect(),
        ..Situation::default()
    };
    let made = match &policy {
        Some(policy) => {
            policy::plan(&mut engine, &situation, policy, cluster.priorities()).map_err(Failure::Message)?
        }
        None => plan(&mut engine, &situation, &options(&config, streams)?),
    };
    match args.output {
        Format::Table => streams.out.write_all(render(&made, args.nodes, streams.view).as_bytes())?,
        format => write_value(&made, format, OPEN, streams.out)?,
    }
    Ok(if !loaded.problems.is_empty() {
        Exit::Partial
    } else if args.fail_on_moves && !made.moves.is_empty() {
        Exit::Pending
    } else {
        Exit::Done
    })
}

fn read_policy(path: &Path, streams: &mut Streams<'_>) -> Result<policy::Policy, Failure> {
    let text = input::read_text(path, streams.stdin).map_err(|problem| Failure::Problems(vec![problem]))?;
    let descheduler::Read { policy, warnings } = descheduler::read(&text, &path.to_string_lossy())?;
    for message in warnings {
        warning(&message, streams.err, streams.err_styles)?;
    }
    Ok(policy)
}

/// The arguments of the first profile that has the Rescheduler, or the defaults.
fn options(config: &Config, streams: &mut Streams<'_>) -> Result<Options, Failure> {
    let mut having = config.profiles.iter().filter(|profile| profile.plugins.contains(RESCHEDULER));
    let Some(first) = having.next() else { return Ok(Options::default()) };
    let Some(args) = first.args(RESCHEDULER) else { return Ok(Options::default()) };
    for other in having.filter(|other| other.args(RESCHEDULER).is_none_or(|other| other.args != args.args)) {
        let message = format!(
            "profiles {} and {} have a {RESCHEDULER} with different arguments: those of {} count",
            first.scheduler_name, other.scheduler_name, first.scheduler_name
        );
        warning(&message, streams.err, streams.err_styles)?;
    }
    Options::from_args(&args.args).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect();
        Failure::Message(lines.join("\n"))
    })
}

/// Nanoseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "the planner is told the time; this is who tells it")]
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_kubernetes_writes_them() {
        assert_eq!(time("2026-05-11T08:12:01Z"), Ok(1_778_487_121_000_000_000));
        assert!(time("yesterday").is_err());
        assert!(now() > 0);
    }
}
