//! The effective configuration: every value, defaults filled in, plugin sets merged and expanded.

use loadline_framework::ExtensionPoint;
use serde_json::Value;

use crate::log::{Origin, Origins};

/// A KubeSchedulerConfiguration as it runs. Durations are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Degree of parallelism; at least 1.
    pub parallelism: i32,
    /// Leader election.
    pub leader_election: LeaderElection,
    /// How the API server is reached.
    pub client_connection: ClientConnection,
    /// Profiling over HTTP.
    pub enable_profiling: bool,
    /// Contention profiling over HTTP.
    pub enable_contention_profiling: bool,
    /// Share of nodes to find before scoring, in percent, for profiles without their own. 0 means all nodes here, and a
    /// share that depends on the size of the cluster in kube-scheduler.
    pub percentage_of_nodes_to_score: i32,
    /// First backoff of a pod, seconds.
    pub pod_initial_backoff_seconds: i64,
    /// Longest backoff of a pod, seconds.
    pub pod_max_backoff_seconds: i64,
    /// At least one.
    pub profiles: Vec<ProfileConfig>,
    /// In the order of the file. Those that are not ignorable are asked first.
    pub extenders: Vec<ExtenderConfig>,
    /// Whether the caches are filled only once this replica leads.
    pub delay_cache_until_active: bool,
    /// Where the values were written, except for those of plugins and their arguments, which carry their own.
    pub origins: Origins,
}

/// Leader election.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderElection {
    /// Whether it takes place.
    pub leader_elect: bool,
    /// How long a lease lasts.
    pub lease_duration: i64,
    /// For how long the leader tries to renew it.
    pub renew_deadline: i64,
    /// Pause between two tries.
    pub retry_period: i64,
    /// Always `leases` when leader election takes place.
    pub resource_lock: String,
    /// Name of the Lease.
    pub resource_name: String,
    /// Namespace of the Lease.
    pub resource_namespace: String,
}

/// How the API server is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientConnection {
    /// Path of a kubeconfig file; empty inside a cluster.
    pub kubeconfig: String,
    /// The Accept header; empty for the client's own.
    pub accept_content_types: String,
    /// The Content-Type header.
    pub content_type: String,
    /// Requests per second; negative for no limit.
    pub qps: f32,
    /// Requests above that at once.
    pub burst: i32,
}

/// A profile as it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileConfig {
    /// `schedulerName` of the pods that it schedules.
    pub scheduler_name: String,
    /// Overrides [`Config::percentage_of_nodes_to_score`].
    pub percentage_of_nodes_to_score: Option<i32>,
    /// What runs where.
    pub plugins: PluginLists,
    /// Arguments, by name of the plugin: of every plugin that runs and takes some, and of others that the file has
    /// arguments for.
    pub plugin_config: Vec<PluginArgs>,
}

impl ProfileConfig {
    /// The arguments of a plugin.
    pub fn args(&self, plugin: &str) -> Option<&PluginArgs> {
        self.plugin_config.iter().find(|args| args.name == plugin)
    }
}

/// For each extension point the plugins that run there, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLists([Vec<PluginRef>; ExtensionPoint::ALL.len()]);

impl PluginLists {
    /// The plugins at a point.
    pub fn at(&self, point: ExtensionPoint) -> &[PluginRef] {
        &self.0[point as usize]
    }

    /// The plugins at a point, to change.
    pub(crate) fn at_mut(&mut self, point: ExtensionPoint) -> &mut Vec<PluginRef> {
        &mut self.0[point as usize]
    }

    /// Whether a plugin runs anywhere.
    pub fn contains(&self, plugin: &str) -> bool {
        self.0.iter().flatten().any(|entry| entry.name == plugin)
    }
}

/// A plugin at an extension point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRef {
    /// Its name.
    pub name: String,
    /// Weight of its score, at least 1; 0 at every point but Score.
    pub weight: i64,
    /// Where it was enabled; `None` when the default profile does.
    pub origin: Option<Origin>,
    /// Where the weight was written; `None` for a default.
    pub weight_origin: Option<Origin>,
}

/// Arguments of a plugin, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginArgs {
    /// Name of the plugin.
    pub name: String,
    /// An object with every argument that is set or has a default.
    pub args: Value,
    /// Where arguments were written, by their paths below `args`.
    pub origins: Origins,
}

/// An HTTP extender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtenderConfig {
    /// Where it is, up to the verb.
    pub url_prefix: String,
    /// Empty when it does not filter.
    pub filter_verb: String,
    /// Empty when it has no say in preemption.
    pub preempt_verb: String,
    /// Empty when it does not score.
    pub prioritize_verb: String,
    /// Factor of its scores; at least 1 when it scores.
    pub weight: i64,
    /// Empty when it does not bind.
    pub bind_verb: String,
    /// HTTPS instead of HTTP.
    pub enable_https: bool,
    /// TLS.
    pub tls_config: Option<ExtenderTls>,
    /// How long a call may take.
    pub http_timeout: i64,
    /// It knows the nodes: only their names are sent.
    pub node_cache_capable: bool,
    /// It is asked only about pods that request one of these; about all when there is none.
    pub managed_resources: Vec<ManagedResource>,
    /// A failure of it is passed over.
    pub ignorable: bool,
}

/// An extended resource that an extender takes care of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedResource {
    /// Its name.
    pub name: String,
    /// Whether NodeResourcesFit leaves it alone.
    pub ignored_by_scheduler: bool,
}

/// TLS towards an extender. Data are base64 and come before files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtenderTls {
    /// The server's certificate is not checked.
    pub insecure: bool,
    /// Name to check the certificate against; empty for the host's.
    pub server_name: String,
    /// Client certificate.
    pub cert_file: String,
    /// Its key.
    pub key_file: String,
    /// Who may have signed the server's.
    pub ca_file: String,
    /// Client certificate.
    pub cert_data: String,
    /// Its key: a secret.
    pub key_data: String,
    /// Who may have signed the server's.
    pub ca_data: String,
}
