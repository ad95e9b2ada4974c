//! What nodes really use, out of a file: for `explain` and `simulate`, which ask nobody.

#[cfg(test)]
mod tests;

use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use loadline_api::doc::{Document, Node, Problem, decode};
use loadline_api::wire::{ResourceList, Time as WireTime};
use loadline_engine::Event;
use loadline_framework::record::API_VERSION;
use loadline_framework::{Profiles, UsageKind, UsageSample, UsageSource, WHOLE};
use loadline_model::{NodeSpec, PodInfo, Set, Str, Time, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;

/// Nodes that are named in a warning.
const NAMED: usize = 3;

const NO_TIME: &str = "is not a time such as 2026-05-11T08:12:01Z";

/// One resource of a node in a [`NodeUsageReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PercentUsed {
    /// How much of it is in use, 0 to 100.
    pub percent: f64,
    /// When that was measured, RFC 3339; absent: when the others were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<String>,
}

/// A node in a [`NodeUsageReport`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeUsed {
    /// Its name.
    pub name: String,
    /// Cpu, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<PercentUsed>,
    /// Memory, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<PercentUsed>,
}

/// What nodes really use: what `metrics check -o json` prints and `--usage` reads, beside what else the former has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeUsageReport {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `NodeUsageReport`.
    pub kind: String,
    /// When this was so, by the clock that the samples were stamped by, RFC 3339; absent: when the newest was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The nodes.
    pub nodes: Vec<NodeUsed>,
}

impl NodeUsageReport {
    /// Kind of the object.
    pub const KIND: &'static str = "NodeUsageReport";

    /// A report on these nodes.
    pub fn new(time: Option<String>, nodes: Vec<NodeUsed>) -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: Self::KIND.to_owned(), time, nodes }
    }
}

/// `metrics.k8s.io` NodeMetrics.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeMetrics {
    metadata: Metadata,
    timestamp: Option<WireTime>,
    /// Over how long it averages.
    window: String,
    usage: ResourceList,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

/// How much of a resource is in use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    /// Thousandths of a percent.
    MilliPercent(i64),
    /// Bytes or thousandths of a core.
    Absolute(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    amount: Amount,
    at: Option<Time>,
    /// Over how long it averages, where the file says so.
    window_seconds: Option<i64>,
}

/// What nodes really use, by node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredNodes {
    nodes: BTreeMap<String, BTreeMap<UsageKind, Measured>>,
    /// When that was so, where it is said: samples may all be older.
    time: Option<Time>,
}

impl MeasuredNodes {
    /// Reads a [`NodeUsageReport`], or NodeMetrics of metrics.k8s.io: one, a list of them, or several documents.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn read(text: &str, file: &str) -> Result<Self, Vec<Problem>> {
        let documents = Document::parse(text, file)?;
        let mut reading = Reading { file: file.into(), measured: Self::default(), problems: Vec::new() };
        for document in &documents {
            reading.object(document, "");
        }
        if reading.problems.is_empty() && reading.measured.nodes.is_empty() {
            reading.problems.push(Problem::of_file(file, "no node in it: expected a NodeUsageReport or NodeMetrics"));
        }
        if reading.problems.is_empty() { Ok(reading.measured) } else { Err(reading.problems) }
    }

    /// What a source would have said of these nodes: the time by its clock, and the samples.
    fn heard(&self, source: &UsageSource, nodes: &[Arc<NodeSpec>]) -> (Time, Vec<(Str, UsageSample)>) {
        let times = self.nodes.values().flat_map(BTreeMap::values).filter_map(|measured| measured.at);
        let now = times.chain(self.time).max().unwrap_or(Time::MAX / 2);
        let sample = |node: &Arc<NodeSpec>| {
            let measured = self.nodes.get(node.name.as_str())?.get(&source.kind)?;
            let milli_percent = match measured.amount {
                Amount::MilliPercent(milli_percent) => milli_percent,
                Amount::Absolute(amount) => {
                    let total = match source.kind {
                        UsageKind::Cpu => node.allocatable.milli_cpu,
                        UsageKind::Memory => node.allocatable.memory,
                    };
                    let share = i128::from(amount) * i128::from(WHOLE) / i128::from(total.max(1));
                    // The allocatable amount is less than what the node has, so that use may be above it.
                    share.clamp(0, i128::from(WHOLE)) as i64
                }
            };
            Some((
                node.name.clone(),
                UsageSample { milli_percent, at: measured.at.unwrap_or(now), window_seconds: measured.window_seconds },
            ))
        };
        (now, nodes.iter().filter_map(sample).collect())
    }
}

struct Reading {
    file: Arc<str>,
    measured: MeasuredNodes,
    problems: Vec<Problem>,
}

impl Reading {
    fn object(&mut self, node: &Node<'_>, path: &str) {
        let text = |field: &str| node.get(field).and_then(Node::as_str).unwrap_or_default();
        match text("kind") {
            NodeUsageReport::KIND if text("apiVersion") == API_VERSION => self.report(node, path),
            NodeUsageReport::KIND => {
                let found = text("apiVersion");
                self.problem(node, path, format!("apiVersion is {found:?}, and {API_VERSION} is known"));
            }
            "NodeMetrics" => self.metrics(node, path),
            kind @ ("List" | "NodeMetricsList") => {
                let Some(items) = node.get("items") else {
                    return self.problem(node, path, "has no items".to_owned());
                };
                for (index, item) in items.items().iter().enumerate() {
                    let path = format!("{}items[{index}]", prefix(path));
                    if kind == "List" { self.object(item, &path) } else { self.metrics(item, &path) }
                }
            }
            "" => self.problem(node, path, "has no kind: expected a NodeUsageReport or NodeMetrics".to_owned()),
            kind => self.problem(node, path, format!("is a {kind}: expected a NodeUsageReport or NodeMetrics")),
        }
    }

    fn report(&mut self, node: &Node<'_>, path: &str) {
        let Some(nodes) = node.get("nodes") else {
            return self.problem(node, path, "has no nodes".to_owned());
        };
        if let Some(place) = node.get("time") {
            match place.as_str().and_then(time) {
                Some(time) => self.measured.time = self.measured.time.max(Some(time)),
                None => self.problem(place, &format!("{}time", prefix(path)), NO_TIME.to_owned()),
            }
        }
        for (index, item) in nodes.items().iter().enumerate() {
            let path = format!("{}nodes[{index}]", prefix(path));
            let Some(used) = self.decoded::<NodeUsed>(item, &path) else { continue };
            let mut measured = BTreeMap::new();
            for (kind, used) in [(UsageKind::Cpu, used.cpu), (UsageKind::Memory, used.memory)] {
                let Some(PercentUsed { percent, measured_at }) = used else { continue };
                let place = item.get(kind.as_str()).unwrap_or(item);
                let path = format!("{path}.{kind}");
                if !(0.0..=100.0).contains(&percent) {
                    self.problem(place, &path, format!("percent is {percent}: expected 0 to 100"));
                    continue;
                }
                let at = match measured_at.as_deref().map(time) {
                    Some(None) => {
                        self.problem(place, &path, format!("measuredAt {NO_TIME}"));
                        continue;
                    }
                    at => at.flatten(),
                };
                let amount = Amount::MilliPercent((percent * 1000.0).round() as i64);
                measured.insert(kind, Measured { amount, at, window_seconds: None });
            }
            self.add(item, &path, used.name, measured);
        }
    }

    fn metrics(&mut self, node: &Node<'_>, path: &str) {
        let Some(metrics) = self.decoded::<NodeMetrics>(node, path) else { return };
        let at = metrics.timestamp.map(|time| time.0);
        let window = Some(metrics.window.as_str()).filter(|window| !window.is_empty()).map(duration::parse);
        if window == Some(None) {
            let place = node.get("window").unwrap_or(node);
            return self.problem(place, &format!("{}window", prefix(path)), "is no duration, such as 20s".to_owned());
        }
        let window_seconds = window.flatten().map(|window| window / duration::SECOND);
        let amount = |kind: UsageKind| {
            let quantity = metrics.usage.get(kind.as_str())?;
            let amount = match kind {
                UsageKind::Cpu => quantity.milli_value(),
                UsageKind::Memory => quantity.value(),
            };
            Some((kind, Measured { amount: Amount::Absolute(amount.max(0)), at, window_seconds }))
        };
        let measured = [UsageKind::Cpu, UsageKind::Memory].into_iter().filter_map(amount).collect();
        self.add(node, path, metrics.metadata.name, measured);
    }

    fn add(&mut self, node: &Node<'_>, path: &str, name: String, measured: BTreeMap<UsageKind, Measured>) {
        if name.is_empty() {
            return self.problem(node, path, "names no node".to_owned());
        }
        match self.measured.nodes.entry(name) {
            Entry::Vacant(place) => {
                place.insert(measured);
            }
            Entry::Occupied(known) => {
                let message = format!("node {} is there already", known.key());
                self.problem(node, path, message);
            }
        }
    }

    fn decoded<T: for<'de> Deserialize<'de>>(&mut self, node: &Node<'_>, path: &str) -> Option<T> {
        decode(node)
            .map_err(|error| {
                let (line, column) = error.place();
                let below = error.path().to_string();
                let path = if below.is_empty() { path.to_owned() } else { format!("{}{below}", prefix(path)) };
                let message = error.message().to_owned();
                self.problems.push(Problem { file: self.file.clone(), line, column, path, message });
            })
            .ok()
    }

    fn problem(&mut self, node: &Node<'_>, path: &str, message: String) {
        let (file, path) = (self.file.clone(), path.to_owned());
        self.problems.push(Problem { file, line: node.line, column: node.column, path, message });
    }
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.") }
}

fn time(text: &str) -> Option<Time> {
    decode::<WireTime>(Document::parse(&serde_json::Value::from(text).to_string(), "").ok()?.first()?).ok().map(|t| t.0)
}

impl Cluster {
    /// Has the cluster's nodes use what was measured. Returns what a user should know about it.
    ///
    /// Pods on nodes of which nothing is known but that count as running since before the measurement: they are in it.
    pub fn measure(&mut self, measured: Option<&MeasuredNodes>, profiles: &Profiles) -> Vec<String> {
        let sources = profiles.usage_sources();
        let Some(measured) = measured else {
            let plugins = profiles.profiles.iter().flat_map(|profile| &profile.plugins);
            let of_use = plugins.filter(|plugin| !plugin.plugin.usage.is_empty()).map(|plugin| plugin.plugin.name);
            let names: std::collections::BTreeSet<&str> = of_use.collect();
            let names: Vec<&str> = names.into_iter().collect();
            return (!names.is_empty())
                .then(|| {
                    format!(
                        "{}: real use is not asked for here, so all nodes are alike; give it with --usage",
                        names.join(", ")
                    )
                })
                .into_iter()
                .collect();
        };
        let mut warnings = Vec::new();
        if sources.is_empty() {
            warnings.push("--usage changes nothing: no plugin of the configuration goes by real use".to_owned());
        }
        warnings.extend(self.measure_by(measured, sources));
        warnings
    }

    /// The same for somebody who goes by real use himself: also of resources that no plugin goes by.
    pub fn measure_all(&mut self, measured: &MeasuredNodes, profiles: &Profiles) -> Vec<String> {
        let mut sources = profiles.usage_sources();
        for kind in [UsageKind::Cpu, UsageKind::Memory] {
            if sources.iter().all(|source| source.kind != kind) {
                sources.push(Arc::new(UsageSource::of_file(kind)));
            }
        }
        self.measure_by(measured, sources)
    }

    fn measure_by(&mut self, measured: &MeasuredNodes, sources: Vec<Arc<UsageSource>>) -> Vec<String> {
        let mut warnings = Vec::new();
        let nodes: Set<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        warnings.extend(named(
            "of --usage not in the input",
            measured.nodes.keys().map(String::as_str).filter(|name| !nodes.contains(name)),
        ));
        for pod in &mut self.pods {
            let says_nothing = |pod: &PodInfo| pod.running_since.is_none() && pod.started.is_none();
            if pod.node_name.is_some() && says_nothing(pod) {
                Arc::make_mut(pod).running_since = Some(0);
            }
        }
        let mut heard = Vec::new();
        for source in sources {
            let (now, samples) = measured.heard(&source, &self.nodes);
            let sampled: Set<Str> = samples.iter().map(|(name, _)| name.clone()).collect();
            let without = self.nodes.iter().filter(|node| !sampled.contains(&node.name)).map(|node| node.name.as_str());
            warnings.extend(named(&format!("without a sample of {}", source.kind), without));
            let limit = source.stale_after_seconds.saturating_mul(1_000_000_000);
            let stale = samples.iter().filter(|(_, sample)| now.saturating_sub(sample.at) > limit);
            let what = format!("whose sample of {} is stale, and does not count", source.kind);
            warnings.extend(named(&what, stale.map(|(name, _)| name.as_str())));
            heard.push(Event::Usage(source, now, Some(samples)));
        }
        self.measured = heard;
        // Sources of one resource that differ in whom they ask say the same here.
        let mut said = Set::default();
        warnings.retain(|warning| said.insert(warning.clone()));
        warnings
    }
}

/// `3 nodes without a sample: a, b, c`.
fn named<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let more = if names.len() > NAMED { ", …" } else { "" };
    let nodes = if names.len() == 1 { "node" } else { "nodes" };
    let first = names[..names.len().min(NAMED)].join(", ");
    (!names.is_empty()).then(|| format!("{} {nodes} {what}: {first}{more}", names.len()))
}
