//! What to change so that every node has a sample that counts: of each problem the likeliest cause.

use std::collections::BTreeSet;

use loadline_framework::UsageSource;
use loadline_usage::{Failure, Ignored, Measurement, QueryError, Reason};

use super::CheckedSource;
use crate::render::count;

/// When there is no answer.
pub(super) fn on_failure(source: &UsageSource, error: &QueryError) -> String {
    let asked = &source.prometheus;
    match &error.failure {
        Failure::Unreachable(_) => format!(
            "see that {} is where Prometheus is, and that nothing bars the way. An address of the cluster's network is reached \
             from its pods: from outside, ask through kubectl port-forward, with that address in a copy of the configuration",
            asked.address
        ),
        Failure::Timeout(_) => format!(
            "give Prometheus more time with queryMetricTimeSeconds (now {}), or less to do: a recording rule in the place of the query",
            asked.timeout_seconds
        ),
        Failure::Unauthorized { has_token: false, .. } => {
            "name the file of a token that may ask in bearerTokenFile".to_owned()
        }
        Failure::Unauthorized { .. } => {
            format!("put a token that may ask into {}", asked.bearer_token_file.as_deref().unwrap_or_default())
        }
        Failure::Token { .. } => "see to the file that bearerTokenFile names".to_owned(),
        Failure::Tls(_) => "see to the file that caFile names, or name one".to_owned(),
        Failure::NotPrometheus { .. } => {
            "have prometheusApiAddr end before /api/v1: http://host:9090, or with the path that Prometheus is served under"
                .to_owned()
        }
        Failure::Status { .. } => "see to Prometheus, and to what stands in front of it".to_owned(),
        Failure::Refused { .. } | Failure::TooLarge { .. } | Failure::ResultType { .. } => {
            format!("correct the query, so that it gives one value for each {}", asked.node_label)
        }
    }
}

/// When there is one. Nothing when every node has a sample that counts.
pub(super) fn on_answer(source: &UsageSource, measurement: &Measurement, checked: &CheckedSource) -> Vec<String> {
    let asked = &source.prometheus;
    let label = &asked.node_label;
    let mut advice = Vec::new();
    let has = |reason| measurement.ignored.iter().any(|ignored| ignored.reason == reason);
    if measurement.series == 0 {
        advice.push(format!(
            "the query gives nothing: see that Prometheus has the recording rule {}, and scrapes node_exporter \
             (manifests/prometheus has both)",
            asked.query
        ));
    }
    if has(Reason::NoNodeLabel) || has(Reason::AgeWithoutNodeLabel) {
        advice.push(format!(
            "series lack the label {label}: relabel node_exporter's targets with the node's name \
             (manifests/prometheus/scrape-node-exporter.yaml), or name another label with nodeLabel"
        ));
    }
    if has(Reason::DuplicateNode) || has(Reason::DuplicateAge) {
        advice.push(format!("several series have the same node: aggregate them, as in max by ({label}) (…)"));
    }
    if has(Reason::NotFinite) || has(Reason::OutOfRange) {
        advice.push("values are not 0 to 100: the query has to give percent of what the node has".to_owned());
    }
    let most = checked.nodes.iter().map(|node| node.percent).fold(0.0, f64::max);
    if checked.nodes.len() > 1 && most <= 1.0 {
        advice.push(format!(
            "no node uses more than {most} %: if the query gives 0 to 1, multiply it by 100, since it has to give percent"
        ));
    }
    if has(Reason::NoAge) {
        // Prometheus ends a series with the first scrape that fails, and an average goes on for minutes.
        advice.push(if checked.nodes.is_empty() {
            format!("how old samples are is not known: ageQuery has to give seconds since 1970 by {label}")
        } else {
            "the use of some nodes is an average of what was once measured: see that node_exporter still runs there, and is \
             scraped"
                .to_owned()
        });
    }
    if has(Reason::AgeIsNoTime) {
        advice.push("ageQuery has to give seconds since 1970, as timestamp() does".to_owned());
    }
    if has(Reason::AgeInFuture) {
        advice.push("samples are of a time to come: see to the clocks of the nodes and of Prometheus".to_owned());
    }
    let stale = checked.nodes.iter().filter(|node| node.is_stale).count();
    if stale > 0 {
        let (samples, are) = (count(stale as u64, "sample"), if stale == 1 { "is" } else { "are" });
        let limit = source.stale_after_seconds;
        advice.push(format!("{samples} {are} older than staleAfterSeconds ({limit}): see to node_exporter there"));
    }
    let without = &checked.without_sample;
    if let (Some(unknown), Some(without)) = (checked.not_in_cluster.first(), without.first())
        && checked.not_in_cluster.len() == checked.nodes.len()
    {
        advice.push(format!(
            "the label {label} does not have the names of the nodes: there is {unknown}, where the cluster has {without}"
        ));
    } else if measurement.series > 0 && !has(Reason::NoNodeLabel) && !has(Reason::AgeWithoutNodeLabel) {
        // Of those whose series do not count something was said above.
        let named: BTreeSet<&str> = measurement.ignored.iter().filter_map(|ignored| node_of(ignored, label)).collect();
        let missing: Vec<&str> = without.iter().map(String::as_str).filter(|name| !named.contains(name)).collect();
        if let [first, ..] = missing[..] {
            let (nodes, are) = (count(missing.len() as u64, "node"), if missing.len() == 1 { "is" } else { "are" });
            advice.push(format!(
                "{nodes} of the cluster {are} in no series, such as {first}: see that node_exporter runs there, and is scraped"
            ));
        }
    }
    advice
}

/// The node that a series is of, out of its labels as PromQL writes them.
fn node_of<'a>(ignored: &'a Ignored, label: &str) -> Option<&'a str> {
    let labels = ignored.series.split_once('{')?.1;
    let value = labels.split(", ").find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\""))?;
    value.split('"').next()
}
