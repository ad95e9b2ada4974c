//! The command line as it is typed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueHint, value_parser};
use loadline_kubernetes::UserAccess;
use loadline_model::Time;

use crate::output::Format;
use crate::run::go;

const HELP_STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  done; a pod without a node is a result, not a failure
  1  with --fail-on-pending: some pod has no node
  2  the command line, the input or the configuration is wrong; nothing is on standard output
  3  with --keep-going: bad objects were reported and left out, the rest is on standard output";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  loadline explain -f examples/cluster
  loadline explain -f examples/cluster shop/search-0
  loadline explain -f cluster.json -o json
  loadline explain                              # the pending pods of the cluster that kubectl talks with
  loadline explain shop/search-0 --context test
  loadline explain shop/search-0 --scheduler https://127.0.0.1:10259 --scheduler-insecure

";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  loadline simulate -f examples/cluster
  loadline snapshot save cluster.json
  loadline simulate -f cluster.json -f new-deployment.yaml --fail-on-pending
  loadline simulate -f cluster.json -f changed-deployment.yaml --replace
  loadline simulate -f examples/cluster --explain shop/search-0

";

/// A Kubernetes scheduler that decides as kube-scheduler does, and says why.
#[derive(Debug, Parser)]
#[command(name = "loadline", version, styles = HELP_STYLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Schedules the pods of a cluster, as kube-scheduler does: Loadline, started under the name kube-scheduler.
///
/// It is Loadline's `run`. Under its own name the binary has more to offer.
#[derive(Debug, Parser)]
#[command(name = KUBE_SCHEDULER, disable_version_flag = true, styles = HELP_STYLES)]
pub(crate) struct KubeScheduler {
    #[command(flatten)]
    pub(crate) run: crate::run::RunArgs,
}

/// The name that is taken over.
const KUBE_SCHEDULER: &str = "kube-scheduler";

/// Reads a command line, whose first word is the name under which the binary was started.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let started_as = arguments.first().map(Path::new).and_then(Path::file_name);
    if started_as == Some(KUBE_SCHEDULER.as_ref()) {
        let line = go::with_dashes(arguments.into_iter());
        return KubeScheduler::try_parse_from(line).map(|line| Command::Run(Box::new(line.run)));
    }
    let is_run = arguments.get(1).is_some_and(|word| word == "run");
    let line = if is_run { go::with_dashes(arguments.into_iter()) } else { arguments };
    Cli::try_parse_from(line).map(|line| line.command)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show for each pending pod which nodes it fits, how they score, and who turned the others down.
    ///
    /// Each pod is decided on its own against the cluster as it is: nothing is placed in between, and every node is
    /// filtered and scored. Without -f the cluster of the kubeconfig is asked, as it is now; nothing is changed in it.
    ///
    /// Of a pod that is named, without -f, the record of the running scheduler is shown when it can be reached: what it
    /// decided last, with the nodes as long as nothing has changed since.
    #[command(after_long_help = format!("{EXPLAIN_EXAMPLES}{EXIT_CODES}"))]
    Explain(Explain),
    /// Run the scheduler over a cluster in virtual time until nothing more happens, and show where the pods went.
    ///
    /// Workloads (Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, ReplicationController) stand for the pods that
    /// they still lack. Nothing outside of this process is read or changed.
    #[command(after_long_help = format!("{SIMULATE_EXAMPLES}{EXIT_CODES}"))]
    Simulate(Simulate),
    /// Save what decisions depend on in a cluster, as input for `explain` and `simulate`.
    Snapshot(crate::snapshot_cmd::SnapshotArgs),
    /// Schedule the pods of a cluster, as kube-scheduler does.
    ///
    /// The options are those of kube-scheduler; a binary that is called kube-scheduler takes them without the word `run`.
    Run(Box<crate::run::RunArgs>),
    /// Plan which pods should be moved, and where the scheduler would put them.
    Rescheduler(crate::rescheduler_cmd::ReschedulerArgs),
    /// Ask what plugins that go by the real use of nodes would be told.
    Metrics(crate::metrics_cmd::MetricsArgs),
    /// Check, show and compare scheduler configurations.
    Config(crate::config_cmd::ConfigArgs),
    /// List the plugins, or describe one.
    Plugins(crate::plugins_cmd::PluginsArgs),
    /// Print a completion script for a shell.
    ///
    /// For bash: `source <(loadline completion bash)`.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the reference of all plugins or metrics, or the JSON Schema of what `explain`, `simulate` and plans print.
    Generate {
        /// Which one.
        what: Generated,
    },
}

/// Files that are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Generated {
    /// The reference of all plugins, in Markdown.
    PluginsReference,
    /// The JSON Schema of what `explain` and `simulate` print.
    DecisionSchema,
    /// The reference of all metrics, in Markdown.
    MetricsReference,
}

/// What goes in, for both commands.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// Kubernetes objects: a file, a folder (with its folders), or - for standard input. May be repeated.
    ///
    /// YAML with any number of documents, JSON, and lists are read. Kinds that a scheduler has no use for are left out
    /// and counted on standard error. Hidden files and folders, whose names begin with a dot, are not read. A field that
    /// Kubernetes does not have is an error, as with kubectl apply, in every object without a uid, which no API server
    /// has seen.
    #[arg(short = 'f', long = "filename", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Let an object of a later -f take the place of one of an earlier -f, as when a changed manifest is applied.
    ///
    /// It takes the place of the object with its kind, namespace and name, and stands as it is written, but for what
    /// kubectl apply leaves as it is where a manifest says nothing: replicas (parallelism and completions of a Job),
    /// whether it is paused, updateStrategy, status, owners, and the node of a Pod. A workload goes on owning the pods of
    /// the one that it replaces, also when it wants fewer.
    ///
    /// With another pod template they are taken out, with their ReplicaSets, and it stands for all of its pods anew: the
    /// end of a rollout, without the steps. That is where Kubernetes would do one: for a Deployment that is not paused,
    /// and a StatefulSet (from its partition on) or DaemonSet whose updateStrategy is not OnDelete. A template that is the
    /// same in what a scheduler reads changes nothing, as a rollout would end with the same requests. Each replacement is
    /// told on standard error.
    #[arg(long)]
    pub(crate) replace: bool,
    /// A KubeSchedulerConfiguration, as kube-scheduler takes it, - for standard input; without it, kube-scheduler's
    /// defaults.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// What nodes really use, for plugins that go by it: what `loadline metrics check -o json` prints, or NodeMetrics of
    /// metrics.k8s.io as `kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes` prints them; - for standard input.
    ///
    /// Prometheus is not asked here. Pods that are on nodes count as being in what was measured, unless their status says
    /// that they began to run later.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) usage: Option<PathBuf>,
    /// Decides between nodes with equal totals: the same seed gives the same result.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads, 0 for one on each core. The result is the same with any number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = value_parser!(u16).range(0..=1024))]
    pub(crate) parallelism: u16,
    /// Leave out objects that have something wrong in them, and go on with the rest.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// End with exit code 1 when some pod has no node.
    #[arg(long)]
    pub(crate) fail_on_pending: bool,
    /// What to print.
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) running: Running,
    /// Pods to explain, as NAME or NAMESPACE/NAME; without any, all that are pending.
    #[arg(value_name = "POD")]
    pub(crate) pods: Vec<String>,
}

/// Which running scheduler is asked for its record of the pods.
#[derive(Args, Debug)]
#[command(next_help_heading = "The running scheduler that is asked about a POD without -f")]
pub(crate) struct Running {
    /// Where it is, such as https://127.0.0.1:10259 behind kubectl port-forward; without it, the pod that leads by its Lease is
    /// asked through the API server.
    ///
    /// It is asked as the user of the kubeconfig, who needs the right to get /debug/decisions. Through the API server it sees
    /// nobody in particular, who has that right only where a cluster gives it. Where it has no record of a pod or is not
    /// reached, the pod is evaluated on a fresh snapshot; standard error says which of the two is shown.
    #[arg(
        long,
        value_name = "URL",
        value_hint = ValueHint::Url,
        value_parser = https,
        requires = "pods",
        conflicts_with_all = ["paths", "config", "usage", "seed", "fresh"],
    )]
    pub(crate) scheduler: Option<String>,
    /// Who signed its certificate; without it, who signed the API server's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "scheduler")]
    pub(crate) scheduler_ca: Option<PathBuf>,
    /// Believe any certificate. A token goes to whoever answers at the URL.
    #[arg(long, requires = "scheduler", conflicts_with = "scheduler_ca")]
    pub(crate) scheduler_insecure: bool,
    /// Ask no running scheduler, and evaluate on a fresh snapshot; so do --config, --usage and another --seed.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// Which cluster is asked, and as whom. Without either it is the one that kubectl talks with.
#[derive(Args, Debug)]
#[command(next_help_heading = "The cluster that is asked without -f")]
pub(crate) struct Cluster {
    /// A kubeconfig; without it $KUBECONFIG, ~/.kube/config, or the pod that this runs in.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig, in the place of its current one.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

impl Cluster {
    /// As whom it is asked.
    pub(crate) fn access(&self) -> UserAccess {
        UserAccess { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    #[command(flatten)]
    pub(crate) input: Input,
    /// Stop after this much virtual time, such as 90s, 10m or 1h30m.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) until: Time,
    /// Show the last decision on a pod in full, as NAME or NAMESPACE/NAME. May be repeated.
    #[arg(long, value_name = "POD")]
    pub(crate) explain: Vec<String>,
    /// In the table, show each placement in order instead of a line for each workload.
    #[arg(long)]
    pub(crate) placements: bool,
    /// In the table, show every node instead of the fullest.
    #[arg(long)]
    pub(crate) nodes: bool,
}

fn duration(text: &str) -> Result<Time, String> {
    loadline_model::duration::parse(text)
        .filter(|nanos| *nanos > 0)
        .ok_or_else(|| "not a duration above zero, such as 90s, 10m or 1h30m".to_owned())
}

/// A token may be sent there: it has to be encrypted.
fn https(url: &str) -> Result<String, String> {
    let is_https = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    is_https.then(|| url.to_owned()).ok_or_else(|| "not a URL that begins with https://".to_owned())
}

/// What to say about a file that stands where none can.
pub(crate) const FILES: &str = "give files with -f, each with its own, or the folder that they are in";

/// Adds a tip to the error about an argument that is a file: shells expand `-f *.yaml` to one `-f` and several files.
pub(crate) fn suggest_files(error: &mut clap::Error) {
    let is_file = error.kind() == ErrorKind::UnknownArgument
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(text)) if Path::new(text).exists());
    if is_file {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![FILES.into()]));
    }
}

impl Input {
    /// The number of threads to use.
    pub(crate) fn threads(&self) -> usize {
        match usize::from(self.parallelism) {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Cli::command().debug_assert();
        KubeScheduler::command().debug_assert();
    }

    #[test]
    fn durations_are_above_zero() {
        assert_eq!(duration("1h30m"), Ok(5_400_000_000_000));
        for wrong in ["0s", "-1s", "1", "soon", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
