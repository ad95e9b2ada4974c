//! `loadline metrics`: what plugins that go by real use would be told.

mod advice;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;
use loadline_framework::{Registry, UsageKind, UsageSource};
use loadline_kubernetes::snapshot::Snapshot;
use loadline_model::{Set, Time};
use loadline_simulator::{LoadOptions, NodeUsageReport, NodeUsed, PercentUsed, load};
use loadline_usage::{ClientError, Measurement, PrometheusClient, QueryError, measure};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Cluster;
use crate::exit::{Exit, Failure, warning};
use crate::input::{STDIN, read_whole_config};
use crate::output::{Format, Streams, write_json, write_yaml};
use crate::progress::Bar;
use crate::render::usage::render;
use crate::snapshot_cmd::block_on;

const EXAMPLES: &str = "\
Examples:
  loadline metrics check --config scheduler.yaml
  loadline metrics check --config scheduler.yaml -f cluster.json
  loadline metrics check --config scheduler.yaml -o json > usage.json
  loadline simulate -f cluster.json --config scheduler.yaml --usage usage.json

Exit codes:
  0  every node has a sample of each resource that counts
  1  something is to be changed; what, is said
  2  the command line or the configuration is wrong; nothing is on standard output";

/// Arguments of `metrics`.
#[derive(Args, Debug)]
pub(crate) struct MetricsArgs {
    #[command(subcommand)]
    command: MetricsCommand,
}

#[derive(Debug, Subcommand)]
enum MetricsCommand {
    /// Ask the Prometheus of a configuration what a scheduler would ask it, and show what comes of it.
    ///
    /// For each source of real use that a plugin of the configuration goes by (MemRealUsage and the like): the queries, the nodes
    /// with their use and the age of the sample, the nodes without, the series that do not count, and what to change.
    /// Nothing is changed anywhere.
    #[command(after_long_help = EXAMPLES)]
    Check(Check),
}

#[derive(Args, Debug)]
struct Check {
    /// A KubeSchedulerConfiguration with a plugin that goes by real use; - for standard input.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: PathBuf,
    /// Where the nodes are that should have samples: files or folders as of `explain`; without it, the cluster of the
    /// kubeconfig. May be repeated.
    #[arg(short = 'f', long = "filename", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// What to print. JSON and YAML can be given to `--usage` of `explain` and `simulate`.
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
    output: Format,
}

/// A source of real use, and what came of asking it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedSource {
    /// `cpu` or `memory`.
    pub(crate) resource: String,
    /// Plugins that go by it, with their profiles: `MemRealUsage of mem-real-usage-scheduler`.
    pub(crate) wanted_by: Vec<String>,
    /// Base URL.
    pub(crate) address: String,
    /// PromQL for the use.
    pub(crate) query: String,
    /// PromQL for the times of the samples.
    pub(crate) age_query: String,
    /// Label that names the node.
    pub(crate) node_label: String,
    /// Why there is no answer, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Series that the query gave.
    pub(crate) series: usize,
    /// Nodes by name, with what is known of them.
    pub(crate) nodes: Vec<CheckedNode>,
    /// Series that do not count, or with a doubt.
    pub(crate) ignored: Vec<IgnoredSeries>,
    /// Nodes of the cluster that have no sample.
    pub(crate) without_sample: Vec<String>,
    /// Nodes of which there is a sample and that are not in the cluster.
    pub(crate) not_in_cluster: Vec<String>,
    /// What Prometheus remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remarks: Vec<String>,
    /// What to change.
    pub(crate) advice: Vec<String>,
}

/// A node with a sample.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedNode {
    /// Name.
    pub(crate) name: String,
    /// In use.
    pub(crate) percent: f64,
    /// Seconds since it was measured.
    pub(crate) age_seconds: f64,
    /// Older than the configuration lets it be: it does not count.
    pub(crate) is_stale: bool,
}

/// A series that does not count.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IgnoredSeries {
    /// Labels as PromQL writes them.
    pub(crate) series: String,
    /// As text: it may be NaN.
    pub(crate) value: String,
    /// Why.
    pub(crate) reason: String,
}

/// What is printed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    /// What `--usage` reads.
    #[serde(flatten)]
    report: NodeUsageReport,
    /// The sources.
    pub(crate) sources: Vec<CheckedSource>,
}

/// Runs the command.
pub(crate) fn run(args: &MetricsArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let MetricsCommand::Check(args) = &args.command;
    if args.config == Path::new(STDIN) && args.paths.iter().any(|path| path == Path::new(STDIN)) {
        return Err(Failure::Message(
            "- is standard input, which can be read once: give one of them as a file".to_owned(),
        ));
    }
    let mut said = Vec::new();
    let config = read_whole_config(Some(&args.config), registry, streams.stdin, &mut said)?;
    let profiles = loadline_config::compile(&config, registry)?;
    for message in said {
        warning(&message, streams.err, streams.err_styles)?;
    }
    let sources = profiles.usage_sources();
    if sources.is_empty() {
        return Err(Failure::Message(format!(
            "{}: no plugin of it goes by real use: enable MemRealUsage, CpuRealUsage or RealUsageAllocated at score",
            args.config.display()
        )));
    }
    let mut wanted_by: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for profile in &profiles.profiles {
        for plugin in &profile.plugins {
            for source in &plugin.plugin.usage {
                let at = sources.iter().position(|other| other == source).unwrap_or_default();
                let name = format!("{} of {}", plugin.plugin.name, profile.scheduler_name);
                wanted_by.entry(at).or_default().push(name);
            }
        }
    }
    let nodes = node_names(args, streams)?;
    let asked = block_on(ask_all(&sources))?.map_err(|error| Failure::message(&error))?;
    let answers = sources.iter().zip(asked).enumerate();
    let checked = answers.map(|(at, (source, answer))| {
        let wanted_by = wanted_by.remove(&at).unwrap_or_default();
        (check(source, wanted_by, &answer, nodes.as_ref()), answer.ok())
    });
    let (sources_checked, measured): (Vec<CheckedSource>, Vec<Option<Measurement>>) = checked.unzip();
    let is_fine = sources_checked.iter().all(|source| source.advice.is_empty());
    let measured: Vec<_> = sources.iter().zip(&measured).collect();
    let checked = Checked { report: report(&measured), sources: sources_checked };
    match args.output {
        Format::Table => streams.out.write_all(render(&checked, streams.view).as_bytes())?,
        Format::Json => write_json_of(&checked, streams.out)?,
        Format::Yaml => write_yaml(&checked, streams.out)?,
    }
    // Where nobody knows the nodes, nobody knows that each has a sample.
    Ok(if is_fine && nodes.is_some() { Exit::Done } else { Exit::Pending })
}

type Answer = Result<Measurement, QueryError>;

/// All at once; an error when one can not be asked at all.
async fn ask_all(sources: &[Arc<UsageSource>]) -> Result<Vec<Answer>, ClientError> {
    let with_client = |source: &Arc<UsageSource>| Ok((PrometheusClient::new(&source.prometheus)?, source.clone()));
    let clients: Vec<(PrometheusClient, Arc<UsageSource>)> =
        sources.iter().map(with_client).collect::<Result<_, _>>()?;
    let asked: Vec<_> = clients
        .into_iter()
        .map(|(client, source)| tokio::spawn(async move { measure(&client, &source).await }))
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    Ok(answers)
}

/// The nodes that should have samples; `None` when nobody can say.
fn node_names(args: &Check, streams: &mut Streams<'_>) -> Result<Option<BTreeSet<String>>, Failure> {
    if !args.paths.is_empty() {
        let options = LoadOptions { paths: args.paths.clone(), ..LoadOptions::default() };
        let mut bar = Bar::new(streams.progress.draws(args.output));
        let loaded = load(&options, streams.stdin, &mut |progress| bar.show(&progress));
        bar.clear();
        return Ok(Some(loaded?.cluster.nodes().map(|node| node.name.to_string()).collect()));
    }
    let names = block_on(async {
        Snapshot::of(&args.cluster.access())
            .await
            .map_err(|e| e.to_string())?
            .node_names()
            .await
            .map_err(|e| e.to_string())
    })?;
    match names {
        Ok(names) => Ok(Some(names.into_iter().collect())),
        Err(error) if args.cluster.kubeconfig.is_some() || args.cluster.context.is_some() => {
            Err(Failure::Message(error))
        }
        Err(error) => {
            let message = format!(
                "the cluster's nodes are not known, so nobody says which of them have no sample; -f gives them: {error}"
            );
            warning(&message, streams.err, streams.err_styles)?;
            Ok(None)
        }
    }
}

fn seconds(from: Time, to: Time) -> f64 {
    (to - from) as f64 / 1e9
}

fn check(
    source: &UsageSource,
    wanted_by: Vec<String>,
    answer: &Answer,
    nodes: Option<&BTreeSet<String>>,
) -> CheckedSource {
    let asked = &source.prometheus;
    let mut checked = CheckedSource {
        resource: source.kind.to_string(),
        wanted_by,
        address: asked.address.to_string(),
        query: asked.query.to_string(),
        age_query: asked.age_query.to_string(),
        node_label: asked.node_label.to_string(),
        ..CheckedSource::default()
    };
    let measurement = match answer {
        Ok(measurement) => measurement,
        Err(error) => {
            checked.error = Some(error.what());
            checked.advice = vec![advice::on_failure(source, error)];
            return checked;
        }
    };
    checked.series = measurement.series;
    checked.remarks.clone_from(&measurement.notes);
    let node = |(name, sample): &(loadline_model::Str, loadline_framework::UsageSample)| {
        let age_seconds = seconds(sample.at, measurement.now);
        let is_stale = age_seconds > source.stale_after_seconds as f64;
        CheckedNode { name: name.to_string(), percent: sample.milli_percent as f64 / 1000.0, age_seconds, is_stale }
    };
    checked.nodes = measurement.samples.iter().map(node).collect();
    let ignored = measurement.ignored.iter().map(|ignored| IgnoredSeries {
        series: ignored.series.clone(),
        value: ignored.value.to_string(),
        reason: ignored.reason.to_string(),
    });
    checked.ignored = ignored.collect();
    if let Some(nodes) = nodes {
        let sampled: Set<&str> = checked.nodes.iter().map(|node| node.name.as_str()).collect();
        checked.without_sample = nodes.iter().filter(|name| !sampled.contains(name.as_str())).cloned().collect();
        let unknown = checked.nodes.iter().filter(|node| !nodes.contains(&node.name));
        checked.not_in_cluster = unknown.map(|node| node.name.clone()).collect();
    }
    checked.advice = advice::on_answer(source, measurement, &checked);
    checked
}

/// What `--usage` reads. Of several sources of one resource, the first that knows a node counts.
fn report(measured: &[(&Arc<UsageSource>, &Option<Measurement>)]) -> NodeUsageReport {
    let mut nodes: BTreeMap<String, NodeUsed> = BTreeMap::new();
    for (source, measurement) in measured {
        for (name, sample) in measurement.iter().flat_map(|measurement| &measurement.samples) {
            let node = nodes
                .entry(name.to_string())
                .or_insert_with(|| NodeUsed { name: name.to_string(), ..NodeUsed::default() });
            let used = match source.kind {
                UsageKind::Cpu => &mut node.cpu,
                UsageKind::Memory => &mut node.memory,
            };
            used.get_or_insert_with(|| PercentUsed {
                percent: sample.milli_percent as f64 / 1000.0,
                measured_at: written(sample.at),
            });
        }
    }
    let now = measured.iter().filter_map(|(_, measurement)| Some(measurement.as_ref()?.now)).max();
    NodeUsageReport::new(now.and_then(written), nodes.into_values().collect())
}

fn written(time: Time) -> Option<String> {
    Timestamp::from_nanosecond(i128::from(time)).ok().map(|at| at.to_string())
}

/// A node is one line, in the report and in each source.
fn write_json_of(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    let Checked { report: NodeUsageReport { api_version, kind, time, nodes }, sources } = checked;
    // None of these has a character that JSON writes otherwise.
    writeln!(out, "{{\n  \"apiVersion\": \"{api_version}\",\n  \"kind\": \"{kind}\",")?;
    if let Some(time) = time {
        writeln!(out, "  \"time\": \"{time}\",")?;
    }
    write!(out, "  \"nodes\": ")?;
    write_json(nodes, 1, 2, out)?;
    write!(out, ",\n  \"sources\": ")?;
    write_json(sources, 1, 4, out)?;
    writeln!(out, "\n}}")
}
