//! What the plugins that go by real use are told: whom to ask, and how.

use std::sync::Arc;

use loadline_framework::{ArgField, ArgKind, FieldError, PrometheusQuery, UsageKind, UsageSource};
use serde::Deserialize;
use serde_json::Value;

use crate::args::decode;

const SECONDS: ArgKind = ArgKind::Int { min: 1, max: 86_400 };

/// Whom to ask, and how often.
pub(crate) const ADDRESS: ArgField = ArgField {
    name: "prometheusApiAddr",
    kind: ArgKind::Text,
    default: "",
    help: "Base URL of a Prometheus HTTP API, such as http://10.96.0.102:9090. Required.",
};
const TIMEOUT: ArgField = ArgField {
    name: "queryMetricTimeSeconds",
    kind: SECONDS,
    default: "10",
    help: "Time limit of one query, seconds.",
};
const INTERVAL: ArgField = ArgField {
    name: "queryMetricIntervalSeconds",
    kind: SECONDS,
    default: "10",
    help: "How often Prometheus is asked, seconds. No cycle waits for it.",
};
const NODE_LABEL: ArgField = ArgField {
    name: "nodeLabel",
    kind: ArgKind::Text,
    default: r#""node""#,
    help: "Label of the results that names the node.",
};
const WINDOW: ArgField = ArgField {
    name: "windowSeconds",
    kind: SECONDS,
    default: "300",
    help: "Over how long the query averages, seconds: for so long a pod that was placed counts with what it requests, ever less.",
};
const STALE: ArgField = ArgField {
    name: "staleAfterSeconds",
    kind: SECONDS,
    default: "180",
    help: "Samples that are older count no more, seconds. At least as long as from one answer to the next: queryMetricIntervalSeconds and queryMetricTimeSeconds together. The default queries for their age look back for 300 seconds.",
};
const TOKEN: ArgField = ArgField {
    name: "bearerTokenFile",
    kind: ArgKind::Text,
    default: "",
    help: "File with a bearer token for Prometheus. It is read again when it changes.",
};
const AUTHORITY: ArgField = ArgField {
    name: "caFile",
    kind: ArgKind::Text,
    default: "",
    help: "File with the certificate authorities that Prometheus' certificate is checked against, PEM.",
};
const INSECURE: ArgField = ArgField {
    name: "insecureSkipVerify",
    kind: ArgKind::Bool,
    default: "false",
    help: "Prometheus' certificate is not checked.",
};

/// Arguments of a plugin that goes by one resource, with the defaults of its queries as JSON texts.
pub(crate) const fn fields(query: &'static str, age_query: &'static str) -> [ArgField; 11] {
    let query = ArgField {
        name: "query",
        kind: ArgKind::Text,
        default: query,
        help: "PromQL that gives the use of each node, 0 to 100 percent.",
    };
    let age = ArgField {
        name: "ageQuery",
        kind: ArgKind::Text,
        default: age_query,
        help: "PromQL that gives the time of each node's last real sample, seconds since 1970: an average goes on answering for minutes after an exporter died.",
    };
    [ADDRESS, TIMEOUT, INTERVAL, query, age, NODE_LABEL, WINDOW, STALE, TOKEN, AUTHORITY, INSECURE]
}

/// Arguments of a plugin that goes by cpu and memory, and by something of its own.
pub(crate) const fn fields_of_both(own: ArgField) -> [ArgField; 14] {
    let cpu = ArgField {
        name: "cpuQuery",
        kind: ArgKind::Text,
        default: CPU_QUERY,
        help: "PromQL that gives the cpu use of each node, 0 to 100 percent.",
    };
    let cpu_age = ArgField {
        name: "cpuAgeQuery",
        kind: ArgKind::Text,
        default: CPU_AGE,
        help: "PromQL that gives the time of each node's last real sample of it, seconds since 1970.",
    };
    let memory = ArgField {
        name: "memoryQuery",
        kind: ArgKind::Text,
        default: MEMORY_QUERY,
        help: "PromQL that gives the memory use of each node, 0 to 100 percent.",
    };
    let memory_age = ArgField {
        name: "memoryAgeQuery",
        kind: ArgKind::Text,
        default: MEMORY_AGE,
        help: "PromQL that gives the time of each node's last real sample of it, seconds since 1970.",
    };
    [
        own, ADDRESS, TIMEOUT, INTERVAL, cpu, cpu_age, memory, memory_age, NODE_LABEL, WINDOW, STALE, TOKEN, AUTHORITY,
        INSECURE,
    ]
}

/// Name of the recording rule that is shipped for memory, as JSON.
pub(crate) const MEMORY_QUERY: &str = r#""node_mem_usage_avg_5m""#;
/// When something was really measured last, or when the recording rule was evaluated last, if that is longer ago: scrapes go on where
/// rules fail. With a look back, since Prometheus ends a series at the first scrape that fails: one that is lost among many shall not
/// cost a node its sample.
macro_rules! age {
    ($rule:literal, $series:literal) => {
        concat!(
            "\"max by (node) (timestamp(",
            $rule,
            ")) < max by (node) (max_over_time(timestamp(",
            $series,
            ")[5m:15s])) or max by (node) (max_over_time(timestamp(",
            $series,
            ")[5m:15s]))\""
        )
    };
}

/// The time of memory's last sample, as JSON.
pub(crate) const MEMORY_AGE: &str = age!("node_mem_usage_avg_5m", "node_memory_MemTotal_bytes");
/// Name of the recording rule that is shipped for cpu, as JSON.
pub(crate) const CPU_QUERY: &str = r#""node_cpu_usage_avg_5m""#;
/// The same for cpu. By one series of a node, which has eight for each core.
pub(crate) const CPU_AGE: &str = age!("node_cpu_usage_avg_5m", r#"node_cpu_seconds_total{mode=\"idle\",cpu=\"0\"}"#);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    prometheus_api_addr: Option<String>,
    query_metric_time_seconds: i64,
    query_metric_interval_seconds: i64,
    query: Option<String>,
    age_query: Option<String>,
    cpu_query: Option<String>,
    cpu_age_query: Option<String>,
    memory_query: Option<String>,
    memory_age_query: Option<String>,
    node_label: String,
    window_seconds: i64,
    stale_after_seconds: i64,
    bearer_token_file: Option<String>,
    ca_file: Option<String>,
    insecure_skip_verify: bool,
}

impl Given {
    /// The plugin's only queries, or else those for this resource.
    fn queries(&self, kind: UsageKind) -> (Option<&String>, Option<&String>) {
        let of_kind = match kind {
            UsageKind::Cpu => (&self.cpu_query, &self.cpu_age_query),
            UsageKind::Memory => (&self.memory_query, &self.memory_age_query),
        };
        (self.query.as_ref().or(of_kind.0.as_ref()), self.age_query.as_ref().or(of_kind.1.as_ref()))
    }
}

/// The source of the use of a resource, from complete, valid arguments.
pub(crate) fn source(kind: UsageKind, args: &Value) -> Result<Arc<UsageSource>, Vec<FieldError>> {
    let given: Given = decode(args)?;
    let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Into::into);
    let (query, age_query) = given.queries(kind);
    Ok(Arc::new(UsageSource {
        kind,
        prometheus: PrometheusQuery {
            address: given.prometheus_api_addr.as_deref().unwrap_or_default().trim_end_matches('/').into(),
            query: query.map_or("", String::as_str).into(),
            age_query: age_query.map_or("", String::as_str).into(),
            node_label: given.node_label.as_str().into(),
            timeout_seconds: given.query_metric_time_seconds,
            interval_seconds: given.query_metric_interval_seconds,
            bearer_token_file: text(&given.bearer_token_file),
            ca_file: text(&given.ca_file),
            insecure_skip_verify: given.insecure_skip_verify,
        },
        window_seconds: given.window_seconds,
        stale_after_seconds: given.stale_after_seconds,
    }))
}

/// What types and bounds do not say.
pub(crate) fn validate(args: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let address = args["prometheusApiAddr"].as_str().unwrap_or_default();
    if address.is_empty() {
        let message = "is required: the base URL of a Prometheus HTTP API, such as http://10.96.0.102:9090";
        errors.push(FieldError::new(ADDRESS.name, message));
    } else if let Some(problem) = problem_of_address(address) {
        errors
            .push(FieldError::new(ADDRESS.name, format!("{problem}: expected a URL such as http://10.96.0.102:9090")));
    }
    let queries = ["query", "ageQuery", "cpuQuery", "cpuAgeQuery", "memoryQuery", "memoryAgeQuery", "nodeLabel"];
    for name in queries {
        if args[name].as_str().is_some_and(|text| text.trim().is_empty()) {
            errors.push(FieldError::new(name, "must not be empty"));
        }
    }
    let seconds = |field: &ArgField| args[field.name].as_i64().unwrap_or_default();
    let next = seconds(&INTERVAL) + seconds(&TIMEOUT);
    if seconds(&STALE) < next {
        // Nothing grows old between two answers.
        let message = format!("must be at least {next}, which is {} and {} together", INTERVAL.name, TIMEOUT.name);
        errors.push(FieldError::new(STALE.name, message));
    }
    let has_authority = args["caFile"].as_str().is_some_and(|file| !file.is_empty());
    if has_authority && args["insecureSkipVerify"] == Value::Bool(true) {
        errors.push(FieldError::new("insecureSkipVerify", "must be false when caFile is given"));
    }
    errors
}

fn problem_of_address(address: &str) -> Option<&'static str> {
    let Some(rest) = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")) else {
        return Some("has neither http:// nor https://");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match () {
        () if host.is_empty() || host.starts_with(':') => Some("names no host"),
        () if host.contains('@') => Some("has a user or password, which would show in logs; use bearerTokenFile"),
        () if address.contains(['?', '#']) || address.contains(char::is_whitespace) => Some("is more than a base URL"),
        () => None,
    }
}
