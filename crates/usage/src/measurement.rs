//! What the answers of a source mean for nodes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use loadline_framework::{UsageSample, UsageSource, WHOLE};
use loadline_model::{Str, Time};

use crate::error::QueryError;
use crate::prometheus::{PrometheusClient, Series};

/// The use of one resource by all nodes, as a Prometheus tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// When that was, by Prometheus' clock.
    pub now: Time,
    /// How many series the query gave.
    pub series: usize,
    /// By name of node, each once.
    pub samples: Vec<(Str, UsageSample)>,
    /// What was not used, and what was used with a doubt.
    pub ignored: Vec<Ignored>,
    /// What Prometheus remarks: `warnings` and `infos` of its answers.
    pub notes: Vec<String>,
}

/// A series that was not used as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// Its labels, as PromQL writes them.
    pub series: String,
    /// Its value.
    pub value: f64,
    /// Why.
    pub reason: Reason,
}

/// Why a series is not used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It does not say which node it is of.
    NoNodeLabel,
    /// Another series is of the same node; neither counts.
    DuplicateNode,
    /// NaN or infinite.
    NotFinite,
    /// Not a percentage.
    OutOfRange,
    /// The age query does not know the node; how old the value is can not be told, so it does not count.
    NoAge,
    /// A result of the age query does not say which node it is of.
    AgeWithoutNodeLabel,
    /// The age query knows the node more than once; its value does not count.
    DuplicateAge,
    /// The age query does not give a time in seconds since 1970; the node's value does not count.
    AgeIsNoTime,
    /// The age query gives a time to come. The node's value counts, as one of now.
    AgeInFuture,
}

impl Reason {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoNodeLabel => "without the label that names the node",
            Self::DuplicateNode => "another series has the same node: neither counts",
            Self::NotFinite => "not a number",
            Self::OutOfRange => "not within 0 and 100",
            Self::NoAge => "the age query has nothing of this node: how old this is, nobody knows",
            Self::AgeWithoutNodeLabel => "the age query's result has no label that names the node",
            Self::DuplicateAge => "the age query's result has this node more than once",
            Self::AgeIsNoTime => "the age query's result is no time in seconds since 1970",
            Self::AgeInFuture => "the age query's result is a time to come, taken as now",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.series, self.value, self.reason)
    }
}

/// Asks for values and ages at once, each within the source's time limit.
///
/// # Errors
/// When one of the queries fails.
pub async fn measure(client: &PrometheusClient, source: &UsageSource) -> Result<Measurement, QueryError> {
    let asked = &source.prometheus;
    let (values, ages) = tokio::join!(client.instant(&asked.query), client.instant(&asked.age_query));
    // Both are waited for, so that of two failures the same one is told each time.
    let (values, ages) = (values?, ages?);
    let evaluated = |series: &[Series]| series.iter().map(|series| time(series.at)).max();
    let now = match evaluated(&values.series).max(evaluated(&ages.series)) {
        Some(now) => now,
        // Empty vectors have no time. The header Date would be the clock of whatever proxy stands in between, if it is there at
        // all; so Prometheus is asked, and as a vector, which is what can be read here.
        None => evaluated(&client.instant("vector(time())").await?.series).unwrap_or_default(),
    };
    let mut measurement = interpret(&values.series, &ages.series, &asked.node_label, now);
    measurement.notes = values.notes;
    for note in ages.notes {
        if !measurement.notes.contains(&note) {
            measurement.notes.push(note);
        }
    }
    Ok(measurement)
}

/// How far from 0 to 100 a percentage may be that was computed from samples of different moments.
const TOLERANCE: f64 = 0.5;

/// How far ahead of Prometheus' clock that of a node may be without being told of.
const CLOCKS_DIFFER: Time = 60 * 1_000_000_000;

/// What can be a time in seconds since 1970: the years 2001 to 5138. Below are ages (`time() - timestamp(…)`), above are
/// milliseconds.
const TIMES: std::ops::Range<f64> = 1e9..1e11;

/// What values and ages of series say of nodes at a time.
pub fn interpret(values: &[Series], ages: &[Series], node_label: &str, now: Time) -> Measurement {
    let mut ignored = Vec::new();
    let values_by_node = by_node(values, node_label, Reason::NoNodeLabel, &mut ignored);
    let ages_by_node = by_node(ages, node_label, Reason::AgeWithoutNodeLabel, &mut ignored);
    let mut samples = Vec::with_capacity(values_by_node.len());
    for (node, series) in values_by_node {
        let mut ignore =
            |series: &Series, reason| ignored.push(Ignored { series: series.to_string(), value: series.value, reason });
        let [one] = series[..] else {
            for one in series {
                ignore(one, Reason::DuplicateNode);
            }
            continue;
        };
        if !one.value.is_finite() {
            ignore(one, Reason::NotFinite);
            continue;
        }
        if !(-TOLERANCE..=100.0 + TOLERANCE).contains(&one.value) {
            ignore(one, Reason::OutOfRange);
            continue;
        }
        let age = match ages_by_node.get(node).map(Vec::as_slice) {
            Some([age]) => *age,
            Some(ages) => {
                for age in ages {
                    ignore(age, Reason::DuplicateAge);
                }
                continue;
            }
            None => {
                ignore(one, Reason::NoAge);
                continue;
            }
        };
        if !TIMES.contains(&age.value) {
            ignore(age, Reason::AgeIsNoTime);
            continue;
        }
        let at = time(age.value);
        if at.saturating_sub(now) > CLOCKS_DIFFER {
            ignore(age, Reason::AgeInFuture);
        }
        // Within the range above, so it fits.
        let milli_percent = ((one.value * 1000.0).round() as i64).clamp(0, WHOLE);
        samples.push((Str::from(node), UsageSample { milli_percent, at: at.min(now), window_seconds: None }));
    }
    Measurement { now, series: values.len(), samples, ignored, notes: Vec::new() }
}

/// The series of each node. To Prometheus an empty label is none.
fn by_node<'s>(
    series: &'s [Series],
    node_label: &str,
    without: Reason,
    ignored: &mut Vec<Ignored>,
) -> BTreeMap<&'s str, Vec<&'s Series>> {
    let mut found: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for series in series {
        match series.labels.get(node_label).filter(|node| !node.is_empty()) {
            Some(node) => found.entry(node).or_default().push(series),
            None => ignored.push(Ignored { series: series.to_string(), value: series.value, reason: without }),
        }
    }
    found
}

/// Seconds as Prometheus has them, which are milliseconds with a point.
fn time(seconds: f64) -> Time {
    // The cast saturates, and makes 0 of NaN.
    ((seconds * 1e3).round() as i64).saturating_mul(1_000_000)
}
