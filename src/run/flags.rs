//! The flags of kube-scheduler: those that have a meaning here are fields of the structs below, the others stand in a table with the
//! reason. A test holds that together they are the flags of the real kube-scheduler, and no more.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};
use loadline_model::Time;

use super::go::{self, Kind};

/// Flags of kube-scheduler that every version of it has had, and what has become of them in its own versions.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The configuration")]
pub(crate) struct ConfigFlags {
    /// A KubeSchedulerConfiguration, as kube-scheduler takes it; without it, kube-scheduler's defaults.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Write the configuration as it would run to this file, and end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_config_to: Option<PathBuf>,
    /// Address of the API server, in the place of the kubeconfig's.
    #[arg(long, value_name = "URL")]
    pub(crate) master: Option<String>,
    /// How to reach the API server; without it: as the pod that this runs in. With --config the file says it
    /// (clientConnection.kubeconfig), and this is ignored.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Requests to the API server in a second; without it there is no limit of our own. Ignored with --config, as for
    /// --kubeconfig.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) kube_api_qps: Option<f32>,
    /// Requests above --kube-api-qps at once. Ignored with --config.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) kube_api_burst: Option<i32>,
    /// How long a pod without a node rests at most before it is tried again, whatever happens in the cluster.
    #[arg(long, value_name = "DURATION", value_parser = go::duration, default_value = "5m", allow_hyphen_values = true)]
    pub(crate) pod_max_in_unschedulable_pods_duration: Time,
}

/// `--leader-elect*`: each one that is given takes the place of what the configuration says.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Leader election (these override the configuration)")]
#[allow(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(crate) struct ElectionFlags {
    /// Whether to schedule only while holding a Lease that other instances would have to take first [default: true]
    #[arg(long, value_name = "true|false", value_parser = go::boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) leader_elect: Option<bool>,
    /// How long others wait after a renewal that they saw before they try to take the Lease [default: 15s]
    #[arg(long, value_name = "DURATION", value_parser = go::duration, allow_hyphen_values = true)]
    pub(crate) leader_elect_lease_duration: Option<Time>,
    /// For how long the leader tries to renew before it gives up [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = go::duration, allow_hyphen_values = true)]
    pub(crate) leader_elect_renew_deadline: Option<Time>,
    /// Pause between two tries [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = go::duration, allow_hyphen_values = true)]
    pub(crate) leader_elect_retry_period: Option<Time>,
    /// What is held: `leases`.
    #[arg(long, value_name = "KIND")]
    pub(crate) leader_elect_resource_lock: Option<String>,
    /// Name of the Lease [default: kube-scheduler]
    #[arg(long, value_name = "NAME")]
    pub(crate) leader_elect_resource_name: Option<String>,
    /// Namespace of the Lease [default: kube-system]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) leader_elect_resource_namespace: Option<String>,
}

/// `--feature-gates` and versions.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Versions and gates")]
pub(crate) struct VersionFlags {
    /// Feature gates of kube-scheduler, as NAME=true|false,... A gate that would change decisions is refused at any value but
    /// its default.
    #[arg(long, value_name = "NAME=BOOL,...", allow_hyphen_values = true)]
    pub(crate) feature_gates: Vec<String>,
    /// The version whose behaviour is wanted; there is one, 1.36.
    #[arg(long, value_name = "VERSION")]
    pub(crate) emulated_version: Vec<String>,
    /// Print the version and end; =raw with more about it.
    #[arg(long, value_name = "true|false|raw", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) version: Option<String>,
}

/// A flag that is taken and does nothing.
struct Idle {
    name: &'static str,
    kind: Kind,
    /// Why, as the end of a sentence.
    why: &'static str,
    /// kube-scheduler 1.36 does not have it any more.
    gone: bool,
}

const fn idle(name: &'static str, kind: Kind, why: &'static str) -> Idle {
    Idle { name, kind, why, gone: false }
}

const fn gone(name: &'static str, kind: Kind, why: &'static str) -> Idle {
    Idle { name, kind, why, gone: true }
}

const HTTP1: &str = "HTTP/1.1 alone is served";
const METRICS: &str = "all metrics are shown, with all of their labels";
const PORT: &str = "the port is this process's alone";
const SAFE: &str = "there are no others than those that are considered safe";
const STREAM: &str = "all of the log goes to standard error, at once";
const OLD_LOG: &str = "kube-scheduler has not had it since 1.26, and the log goes to standard error";
const GO: &str = "there is no Go runtime to be profiled";

const IDLE: &[Idle] = &[
    idle("allow-metric-labels", Kind::Text, METRICS),
    idle("allow-metric-labels-manifest", Kind::Text, METRICS),
    idle("contention-profiling", Kind::Bool, GO),
    idle("disable-http2-serving", Kind::Bool, HTTP1),
    idle("disabled-metrics", Kind::List, METRICS),
    idle("http2-max-streams-per-connection", Kind::Number, HTTP1),
    idle("kube-api-content-type", Kind::Text, "JSON is what is spoken with the API server"),
    idle("log-flush-frequency", Kind::Duration, STREAM),
    idle("log-json-info-buffer-size", Kind::Text, STREAM),
    idle("log-json-split-stream", Kind::Bool, STREAM),
    idle("log-text-info-buffer-size", Kind::Text, STREAM),
    idle("log-text-split-stream", Kind::Bool, STREAM),
    idle("min-compatibility-version", Kind::List, "no gate that matters here depends on it"),
    idle("permit-address-sharing", Kind::Bool, PORT),
    idle("permit-port-sharing", Kind::Bool, PORT),
    idle("profiling", Kind::Bool, GO),
    idle("show-hidden-metrics-for-version", Kind::Text, METRICS),
    idle("tls-cipher-suites", Kind::List, SAFE),
    idle("tls-curve-preferences", Kind::List, SAFE),
    idle("tls-sni-cert-key", Kind::List, "everybody is shown the same certificate"),
    // Manifests of older clusters still have these.
    gone("add-dir-header", Kind::Bool, OLD_LOG),
    gone("alsologtostderr", Kind::Bool, OLD_LOG),
    gone("log-backtrace-at", Kind::Text, OLD_LOG),
    gone("log-dir", Kind::Text, OLD_LOG),
    gone("log-file", Kind::Text, OLD_LOG),
    gone("log-file-max-size", Kind::Number, OLD_LOG),
    gone("logtostderr", Kind::Bool, OLD_LOG),
    gone("one-output", Kind::Bool, OLD_LOG),
    gone("skip-headers", Kind::Bool, OLD_LOG),
    gone("skip-log-headers", Kind::Bool, OLD_LOG),
    gone("stderrthreshold", Kind::Text, OLD_LOG),
];

/// The flags of the table that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdleFlags {
    given: Vec<&'static str>,
}

impl IdleFlags {
    /// What to say about each.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let given = |idle: &&Idle| self.given.contains(&idle.name);
        IDLE.iter().filter(given).map(|Idle { name, why, .. }| format!("--{name} has no effect: {why}"))
    }
}

impl Args for IdleFlags {
    fn augment_args(command: Command) -> Command {
        let command =
            command.next_help_heading("Taken, so that command lines of kube-scheduler can stay, and without effect");
        let argument = |idle: &Idle| {
            let help = format!("No effect: {}.", idle.why);
            idle.kind.argument(idle.name).help(help).hide(idle.gone).hide_short_help(true)
        };
        command.args(IDLE.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for IdleFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = |name: &&'static str| matches.value_source(name) == Some(ValueSource::CommandLine);
        Ok(Self { given: IDLE.iter().map(|idle| idle.name).filter(is_given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
