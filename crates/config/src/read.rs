//! The configuration as a whole.

use loadline_api::doc::did_you_mean;
use loadline_framework::Registry;

use crate::log::{Log, Place, text};
use crate::reader::{Field, Fields};
use crate::types::Config;
use crate::{Problem, convert, extender, leader, profile, source};

/// What a configuration says of itself.
pub const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
/// What a configuration says of itself.
pub const KIND: &str = "KubeSchedulerConfiguration";
/// Name of the profile when there is one and it has no name.
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

const FIELDS: [&str; 13] = [
    "apiVersion",
    "kind",
    "parallelism",
    "leaderElection",
    "clientConnection",
    "enableProfiling",
    "enableContentionProfiling",
    "percentageOfNodesToScore",
    "podInitialBackoffSeconds",
    "podMaxBackoffSeconds",
    "profiles",
    "extenders",
    "delayCacheUntilActive",
];

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As it runs.
    pub config: Config,
    /// What is valid and probably not meant, what has no effect, and what the conversion from an older version changed.
    pub warnings: Vec<Problem>,
}

/// Versions that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1Beta2,
    V1Beta3,
    V1,
}

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("kubescheduler.config.k8s.io/")? {
            "v1" => Some(Self::V1),
            "v1beta3" => Some(Self::V1Beta3),
            "v1beta2" => Some(Self::V1Beta2),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V1Beta2 => "v1beta2",
            Self::V1Beta3 => "v1beta3",
            Self::V1 => "v1",
        }
    }
}

/// Reads a configuration from YAML or JSON. `file` is how messages name it.
///
/// Older versions (v1beta2, v1beta3) are converted, with a warning for each thing that changes.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn parse(text: &str, file: &str, registry: &Registry) -> Result<Loaded, Vec<Problem>> {
    let mut log = Log::new(file);
    let config = source::read(text, &mut log).and_then(|node| {
        let field = Field { place: Place { line: node.line, column: node.column, ..Place::default() }, node: &node };
        let version = read_version(&mut log, &field)?;
        Some(read_config(&mut log, registry, &field, version))
    });
    log.problems.sort();
    log.problems.dedup();
    log.warnings.sort();
    match config {
        Some(config) if log.problems.is_empty() => Ok(Loaded { config, warnings: log.warnings }),
        _ => Err(log.problems),
    }
}

/// The configuration without a file.
///
/// # Errors
/// When the plugins of the registry make no default profile, such as none that sorts the queue.
pub fn default_config(registry: &Registry) -> Result<Config, Vec<Problem>> {
    let text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\n");
    parse(&text, "the default configuration", registry).map(|loaded| loaded.config)
}

/// Checks `apiVersion` and `kind`; `None` when the rest can not be read as what it is not.
fn read_version(log: &mut Log, root: &Field<'_>) -> Option<Version> {
    let before = log.problems.len();
    let fields = Fields::open_any(log, root);
    if log.problems.len() > before {
        return None;
    }
    match fields.text(log, "kind").as_deref() {
        Some(KIND) => {}
        Some(kind) => {
            let hint = match kind {
                "ConfigMap" | "Secret" => {
                    "; this object holds a file: the configuration is the text under one of its keys in `data`"
                        .to_owned()
                }
                "Policy" => {
                    "; scheduler policies went with Kubernetes 1.23: predicates and priorities are plugins of a profile now"
                        .to_owned()
                }
                kind => did_you_mean(kind, [KIND]),
            };
            log.problem(&fields.place_of("kind"), format!("{}{hint}", text::unsupported(kind, &[KIND])));
        }
        None if log.problems.len() == before => {
            log.problem(&fields.place_of("kind"), text::required(&format!("must be {KIND}")));
        }
        None => {}
    }
    let place = fields.place_of("apiVersion");
    let written = fields.text(log, "apiVersion");
    let version = written.as_deref().and_then(Version::parse);
    if let Some(written) = &written
        && version.is_none()
    {
        log.problem(&place, refused_version(written));
    } else if fields.get("apiVersion").is_none() {
        log.problem(&place, text::required(&format!("must be {API_VERSION}")));
    }
    (log.problems.len() == before).then_some(version).flatten()
}

fn refused_version(written: &str) -> String {
    let version = written.rsplit('/').next().unwrap_or_default();
    let hint = match version {
        "v1alpha1" | "v1alpha2" | "v1beta1" => format!(
            "; {version} can not be converted: its plugin names, arguments and defaults were others. \
             Write it anew as v1 (`loadline config effective` prints a complete one to start from)"
        ),
        _ => did_you_mean(written, [API_VERSION]),
    };
    format!("{}{hint}", text::unsupported(written, &[API_VERSION]))
}

fn read_config(log: &mut Log, registry: &Registry, root: &Field<'_>, version: Version) -> Config {
    let mut known: Vec<&str> = FIELDS.to_vec();
    if version == Version::V1Beta2 {
        known.extend(convert::GONE_SINCE_V1BETA2);
    }
    let fields = Fields::open(log, root, &known);
    convert::announce(log, &fields, version);

    let enable_profiling = fields.bool(log, "enableProfiling").unwrap_or(true);
    let mut config = Config {
        parallelism: read_parallelism(log, &fields),
        leader_election: leader::read_election(log, &fields),
        client_connection: leader::read_connection(log, &fields),
        enable_profiling,
        enable_contention_profiling: fields.bool(log, "enableContentionProfiling").unwrap_or(enable_profiling),
        percentage_of_nodes_to_score: read_percentage(log, &fields).unwrap_or(0),
        extenders: extender::read(log, &fields),
        delay_cache_until_active: fields.bool(log, "delayCacheUntilActive").unwrap_or(false),
        ..Config::default()
    };
    read_backoff(log, &fields, &mut config);
    config.profiles = profile::read_all(log, registry, &fields, version);
    extender::ignore_resources(log, &fields, &mut config);
    config.origins = std::mem::take(&mut log.origins);
    config
}

fn read_parallelism(log: &mut Log, fields: &Fields<'_>) -> i32 {
    let parallelism = fields.int32(log, "parallelism").unwrap_or(16);
    if parallelism <= 0 {
        log.problem(
            &fields.place_of("parallelism"),
            text::invalid(parallelism, "should be an integer value greater than zero"),
        );
    }
    parallelism
}

/// Of the configuration or of a profile.
pub(crate) fn read_percentage(log: &mut Log, fields: &Fields<'_>) -> Option<i32> {
    const NAME: &str = "percentageOfNodesToScore";
    let percentage = fields.int32(log, NAME)?;
    if !(0..=100).contains(&percentage) {
        log.problem(&fields.place_of(NAME), text::invalid(percentage, "not in valid range [0-100]"));
    }
    Some(percentage)
}

fn read_backoff(log: &mut Log, fields: &Fields<'_>, config: &mut Config) {
    const INITIAL: &str = "podInitialBackoffSeconds";
    const MAX: &str = "podMaxBackoffSeconds";
    config.pod_initial_backoff_seconds = fields.int64(log, INITIAL).unwrap_or(1);
    config.pod_max_backoff_seconds = fields.int64(log, MAX).unwrap_or(10);
    if config.pod_initial_backoff_seconds <= 0 {
        log.problem(
            &fields.place_of(INITIAL),
            text::invalid(config.pod_initial_backoff_seconds, "must be greater than 0"),
        );
    }
    if config.pod_max_backoff_seconds < config.pod_initial_backoff_seconds {
        // Where the larger one was written, when the smaller one is a default.
        let place = if fields.get(MAX).is_some() { MAX } else { INITIAL };
        let place = Place { path: MAX.to_owned(), ..fields.place_of(place) };
        log.problem(
            &place,
            text::invalid(config.pod_max_backoff_seconds, "must be greater than or equal to PodInitialBackoffSeconds"),
        );
    }
}
