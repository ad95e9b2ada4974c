//! What the code calls.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
    exponential_buckets,
};

use crate::reading::Reading;
use crate::rescheduler::Rescheduler;
use crate::table::{Buckets, Definition, Kind, Page, TABLE};

/// How an attempt to place a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// Bound.
    Scheduled,
    /// No node fits now.
    Unschedulable,
    /// Something went wrong.
    Error,
    /// Pods were asked to make room. Of groups alone.
    WaitingOnPreemption,
}

impl AttemptResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Unschedulable => "unschedulable",
            Self::Error => "error",
            Self::WaitingOnPreemption => "waiting_on_preemption",
        }
    }
}

/// A histogram with its labels found already.
#[derive(Clone, Debug)]
pub struct Observer(Histogram);

impl Observer {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// The metrics of a process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    slis: Registry,
    attempts: IntCounterVec,
    attempt_seconds: HistogramVec,
    group_attempts: IntCounterVec,
    group_attempt_seconds: HistogramVec,
    group_algorithm_seconds: Histogram,
    algorithm_seconds: Histogram,
    decision_seconds: HistogramVec,
    sli_seconds: HistogramVec,
    scheduling_attempts: Histogram,
    extension_point_seconds: HistogramVec,
    event_seconds: HistogramVec,
    victims: Histogram,
    preemptions: IntCounter,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    leading: GaugeVec,
    features: GaugeVec,
    healthcheck: GaugeVec,
    healthchecks: IntCounterVec,
    pending: GaugeVec,
    incoming: IntCounterVec,
    in_flight: GaugeVec,
    cache_size: GaugeVec,
    unschedulable: GaugeVec,
    binding: GaugeVec,
    records: GaugeVec,
    records_bytes: GaugeVec,
    reloads: IntCounterVec,
    mended: IntCounterVec,
    refused: IntCounterVec,
    broken: GaugeVec,
    overcommitted: GaugeVec,
    checks: GaugeVec,
    usage_queries: IntCounterVec,
    usage_nodes: GaugeVec,
    usage_unsampled: GaugeVec,
    pub(crate) rescheduler: Rescheduler,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics of which nothing was counted yet.
    pub fn new() -> Self {
        let registry = Registry::new();
        let slis = Registry::new();
        register(&registry, ProcessCollector::for_self());
        let counter = |name| counter(&registry, name);
        let gauge = |name| gauge(&registry, name);
        let histogram = |name| histogram(&registry, name);
        // One without labels shows its zero from the beginning, as kube-scheduler's do.
        let single = |name| histogram(name).with_label_values(&[] as &[&str]);
        let build = gauge("kubernetes_build_info");
        let [major, minor] = KUBERNETES;
        let version = format!("v{major}.{minor}.{PATCH}+loadline.{}", env!("CARGO_PKG_VERSION"));
        let platform = format!("{}/{}", std::env::consts::OS, go_architecture());
        build.with_label_values(&[major, minor, &version, "", "", "", "", "rustc", &platform]).set(1.0);
        Self {
            attempts: counter("scheduler_schedule_attempts_total"),
            attempt_seconds: histogram("scheduler_scheduling_attempt_duration_seconds"),
            group_attempts: counter("scheduler_podgroup_schedule_attempts_total"),
            group_attempt_seconds: histogram("scheduler_podgroup_scheduling_attempt_duration_seconds"),
            group_algorithm_seconds: single("scheduler_podgroup_scheduling_algorithm_duration_seconds"),
            algorithm_seconds: single("scheduler_scheduling_algorithm_duration_seconds"),
            decision_seconds: histogram("loadline_decision_duration_seconds"),
            sli_seconds: histogram("scheduler_pod_scheduling_sli_duration_seconds"),
            scheduling_attempts: single("scheduler_pod_scheduling_attempts"),
            extension_point_seconds: histogram("scheduler_framework_extension_point_duration_seconds"),
            event_seconds: histogram("scheduler_event_handling_duration_seconds"),
            victims: single("scheduler_preemption_victims"),
            preemptions: counter("scheduler_preemption_attempts_total").with_label_values(&[] as &[&str]),
            requests: counter("rest_client_requests_total"),
            request_seconds: histogram("rest_client_request_duration_seconds"),
            leading: gauge("leader_election_master_status"),
            features: gauge("kubernetes_feature_enabled"),
            healthcheck: self::gauge(&slis, "kubernetes_healthcheck"),
            healthchecks: self::counter(&slis, "kubernetes_healthchecks_total"),
            pending: gauge("scheduler_pending_pods"),
            incoming: counter("scheduler_queue_incoming_pods_total"),
            in_flight: gauge("scheduler_inflight_events"),
            cache_size: gauge("scheduler_cache_size"),
            unschedulable: gauge("scheduler_unschedulable_pods"),
            binding: gauge("loadline_binding_pods"),
            records: gauge("loadline_decision_records"),
            records_bytes: gauge("loadline_decision_records_bytes"),
            reloads: counter("loadline_config_reloads_total"),
            mended: counter("loadline_cache_mended_objects_total"),
            refused: counter("loadline_refused_pods_total"),
            broken: gauge("loadline_broken_invariants"),
            overcommitted: gauge("loadline_overcommitted_nodes"),
            checks: gauge("loadline_checked_verdicts"),
            usage_queries: counter("loadline_usage_queries_total"),
            usage_nodes: gauge("loadline_usage_nodes"),
            usage_unsampled: gauge("loadline_usage_unsampled_node"),
            rescheduler: Rescheduler::new(&registry),
            registry,
            slis,
        }
    }

    /// A changed configuration was put in force, or refused.
    pub fn reloaded(&self, is_in_force: bool) {
        self.reloads.with_label_values(&[if is_in_force { "success" } else { "error" }]).inc();
    }

    /// So many objects of a resource were not known as the API server has them.
    pub fn mended(&self, resource: &str, objects: usize) {
        self.mended.with_label_values(&[resource]).inc_by(objects as u64);
    }

    /// A kubelet refused a pod, since it had not enough of a resource.
    pub fn refused(&self, resource: &str) {
        self.refused.with_label_values(&[resource]).inc();
    }

    /// Prometheus was asked so often what nodes use of a resource; 0 shows that it will be.
    pub fn usage_queries(&self, resource: &str, result: &str, times: u64) {
        self.usage_queries.with_label_values(&[resource, result]).inc_by(times);
    }

    /// What a look at everything found: violations, nodes that have promised more than they have, and how many verdicts were
    /// computed anew and how many of them differed.
    pub fn looked_through(&self, broken: usize, overcommitted: usize, [checked, wrong]: [u64; 2]) {
        let none = &[] as &[&str];
        self.broken.with_label_values(none).set(broken as f64);
        self.overcommitted.with_label_values(none).set(overcommitted as f64);
        self.checks.with_label_values(&["right"]).set((checked - wrong) as f64);
        self.checks.with_label_values(&["wrong"]).set(wrong as f64);
    }

    /// An attempt ended, `since` its pod left the queue.
    pub fn attempt(&self, result: AttemptResult, profile: &str, since: Duration) {
        let labels = [result.as_str(), profile];
        self.attempts.with_label_values(&labels).inc();
        self.attempt_seconds.with_label_values(&labels).observe(since.as_secs_f64());
    }

    /// An attempt to place a group of pods ended.
    pub fn group_attempt(&self, result: AttemptResult, profile: &str, took: Duration) {
        let labels = [result.as_str(), profile];
        self.group_attempts.with_label_values(&labels).inc();
        self.group_attempt_seconds.with_label_values(&labels).observe(took.as_secs_f64());
        self.group_algorithm_seconds.observe(took.as_secs_f64());
    }

    /// A pod was bound in its `attempts`th attempt, `since` it could first be tried.
    pub fn scheduled(&self, attempts: u32, since: Option<Duration>) {
        self.scheduling_attempts.observe(f64::from(attempts));
        if let Some(since) = since {
            let attempts = if attempts >= 15 { "15+".to_owned() } else { attempts.to_string() };
            self.sli_seconds.with_label_values(&[&attempts]).observe(since.as_secs_f64());
        }
    }

    /// A decision was made.
    pub fn decided(&self, profile: &str, took: Duration) {
        self.algorithm_seconds.observe(took.as_secs_f64());
        self.decision_seconds.with_label_values(&[profile]).observe(took.as_secs_f64());
    }

    /// Preemption was tried; with this many victims if it helps.
    pub fn preemption(&self, victims: usize) {
        self.preemptions.inc();
        if victims > 0 {
            self.victims.observe(victims as f64);
        }
    }

    /// All plugins of an extension point ran.
    pub fn extension_point(&self, point: &str, status: &str, profile: &str, took: Duration) {
        self.extension_point_seconds.with_label_values(&[point, status, profile]).observe(took.as_secs_f64());
    }

    /// For the handling of events of one kind: to be kept, since events are many.
    pub fn event(&self, label: &str) -> Observer {
        Observer(self.event_seconds.with_label_values(&[label]))
    }

    /// The API server answered; `None`: it did not.
    pub fn request(&self, method: &str, host: &str, code: Option<u16>, took: Duration) {
        let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        self.requests.with_label_values(&[&*code, method, host]).inc();
        self.request_seconds.with_label_values(&[method, host]).observe(took.as_secs_f64());
    }

    /// Whether this instance leads by the lease of this name.
    pub fn set_leading(&self, lease: &str, leads: bool) {
        self.leading.with_label_values(&[lease]).set(f64::from(u8::from(leads)));
    }

    /// Whether a feature gate is on. `stage` is empty for one that is generally available.
    pub fn set_feature(&self, name: &str, stage: &str, enabled: bool) {
        self.features.with_label_values(&[name, stage]).set(f64::from(u8::from(enabled)));
    }

    /// A health check was asked for under a path.
    pub fn health_check(&self, name: &str, path: &str, is_fine: bool) {
        self.healthcheck.with_label_values(&[name, path]).set(f64::from(u8::from(is_fine)));
        let status = if is_fine { "success" } else { "error" };
        self.healthchecks.with_label_values(&[name, path, status]).inc();
    }

    /// Takes over the state of the scheduler.
    pub fn read(&self, reading: &Reading) {
        for (queue, pods) in reading.pending {
            self.pending.with_label_values(&[queue]).set(pods as f64);
        }
        for (queue, event, pods) in &reading.incoming {
            let counter = self.incoming.with_label_values(&[queue, event.as_str()]);
            // The scheduler has the whole number; a counter takes what came since.
            counter.inc_by(pods.saturating_sub(counter.get()));
        }
        self.in_flight.reset();
        for (event, count) in &reading.in_flight {
            self.in_flight.with_label_values(&[event]).set(*count as f64);
        }
        for (kind, count) in reading.cache_size {
            self.cache_size.with_label_values(&[kind]).set(count as f64);
        }
        // A plugin that turns nobody down any more stays, with 0.
        for metric in self.unschedulable.collect().iter().flat_map(|family| family.get_metric().to_vec()) {
            let labels = metric.get_label();
            let value = |name| labels.iter().find(|label| label.name() == name).map_or("", |label| label.value());
            self.unschedulable.with_label_values(&[value("plugin"), value("profile")]).set(0.0);
        }
        for (plugin, profile, pods) in &reading.unschedulable {
            self.unschedulable.with_label_values(&[*plugin, profile.as_str()]).set(*pods as f64);
        }
        let set = |gauge: &GaugeVec, number: usize| gauge.with_label_values(&[] as &[&str]).set(number as f64);
        set(&self.binding, reading.binding);
        set(&self.records, reading.records);
        set(&self.records_bytes, reading.records_bytes);
        self.read_usage(reading);
    }

    fn read_usage(&self, reading: &Reading) {
        /// Where Prometheus is gone, no node has a sample: their number says it, and their names are of no use.
        const NAMED: usize = 100;
        self.usage_nodes.reset();
        self.usage_unsampled.reset();
        for (resource, nodes, unsampled) in &reading.usage {
            let fresh = nodes.saturating_sub(unsampled.len());
            self.usage_nodes.with_label_values(&[*resource, "fresh"]).set(fresh as f64);
            self.usage_nodes.with_label_values(&[*resource, "none"]).set(unsampled.len() as f64);
            for node in unsampled.iter().take(NAMED) {
                self.usage_unsampled.with_label_values(&[*resource, node.as_str()]).set(1.0);
            }
        }
    }

    /// What `/metrics` shows.
    pub fn text(&self) -> String {
        encode(&self.registry)
    }

    /// What `/metrics/slis` shows.
    pub fn slis_text(&self) -> String {
        encode(&self.slis)
    }
}

/// The Kubernetes version whose decisions these are.
const KUBERNETES: [&str; 2] = ["1", "36"];
const PATCH: &str = "3";

/// This machine's architecture under the name that Go has for it.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The definition of a metric that is here.
pub(crate) fn definition(name: &str) -> &'static Definition {
    let found = TABLE.iter().find(|metric| metric.name == name && metric.is_here());
    found.expect("what is registered stands in the table")
}

/// The help with Kubernetes' class of stability in front.
pub(crate) fn help(metric: &Definition) -> String {
    match metric.page {
        // The library that reads the process has texts of its own.
        _ if metric.name.starts_with("process_") => metric.help.to_owned(),
        Page::Metrics | Page::Slis | Page::Resources => format!("[{}] {}", metric.stability.as_str(), metric.help),
    }
}

fn options(metric: &Definition) -> Opts {
    Opts::new(metric.name, help(metric))
}

fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect("each metric is registered once");
}

pub(crate) fn counter(registry: &Registry, name: &str) -> IntCounterVec {
    let metric = definition(name);
    assert_eq!(metric.kind, Kind::Counter, "{name} is a counter");
    let made = IntCounterVec::new(options(metric), metric.labels).expect("the table's names are valid");
    register(registry, made.clone());
    made
}

pub(crate) fn gauge(registry: &Registry, name: &str) -> GaugeVec {
    let metric = definition(name);
    assert_eq!(metric.kind, Kind::Gauge, "{name} is a gauge");
    let made = GaugeVec::new(options(metric), metric.labels).expect("the table's names are valid");
    register(registry, made.clone());
    made
}

fn histogram(registry: &Registry, name: &str) -> HistogramVec {
    let metric = definition(name);
    let Kind::Histogram(buckets) = metric.kind else { unreachable!("{name} is a histogram") };
    let options = HistogramOpts::from(options(metric)).buckets(buckets.bounds());
    let made = HistogramVec::new(options, metric.labels).expect("the table's names and bounds are valid");
    register(registry, made.clone());
    made
}

impl Buckets {
    /// The upper bounds, without that of the last bucket, which has none.
    pub fn bounds(self) -> Vec<f64> {
        match self {
            Self::Exponential(first, factor, count) => {
                exponential_buckets(first, factor, count).expect("the table's bounds grow")
            }
            Self::List(bounds) => bounds.to_vec(),
        }
    }
}

pub(crate) fn encode(registry: &Registry) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail, and what is registered has valid names.
    let _ = TextEncoder::new().encode(&registry.gather(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
