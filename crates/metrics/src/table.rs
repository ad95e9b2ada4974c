//! All metrics, those that are not here too.

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Full name.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// How much it may change, as Kubernetes promises for its own.
    pub stability: Stability,
    /// Where it stands.
    pub page: Page,
    /// What it says.
    pub help: &'static str,
    /// Whether it is here.
    pub presence: Presence,
}

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram(Buckets),
}

/// Upper bounds of a histogram's buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Buckets {
    /// The first bound, the factor to the next, and how many.
    Exponential(f64, f64, usize),
    /// One by one.
    List(&'static [f64]),
}

/// Kubernetes' classes of stability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Stays.
    Stable,
    /// Labels may be added.
    Beta,
    /// May change or go.
    Alpha,
}

/// Paths that show metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/metrics`.
    Metrics,
    /// `/metrics/slis`.
    Slis,
    /// `/metrics/resources`.
    Resources,
}

/// Whether kube-scheduler's metric is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// As there.
    Here,
    /// Here, with a difference to know of.
    Differs(&'static str),
    /// Not here, for this reason.
    Absent(&'static str),
    /// Not one of kube-scheduler's.
    Own,
}

impl Stability {
    /// As it stands in front of the help.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "STABLE",
            Self::Beta => "BETA",
            Self::Alpha => "ALPHA",
        }
    }
}

impl Page {
    /// The path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Slis => "/metrics/slis",
            Self::Resources => "/metrics/resources",
        }
    }
}

impl Definition {
    /// Whether it is registered.
    pub fn is_here(&self) -> bool {
        !matches!(self.presence, Presence::Absent(_))
    }

    const fn differs(mut self, how: &'static str) -> Self {
        self.presence = Presence::Differs(how);
        self
    }

    const fn absent(mut self, why: &'static str) -> Self {
        self.presence = Presence::Absent(why);
        self
    }

    const fn own(mut self) -> Self {
        self.presence = Presence::Own;
        self
    }

    const fn on(mut self, page: Page) -> Self {
        self.page = page;
        self
    }
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    stability: Stability,
    help: &'static str,
) -> Definition {
    Definition { name, kind, labels, stability, page: Page::Metrics, help, presence: Presence::Here }
}

const fn exponential(first: f64, factor: f64, count: usize) -> Kind {
    Kind::Histogram(Buckets::Exponential(first, factor, count))
}

use Kind::{Counter, Gauge};
use Stability::{Alpha, Beta, Stable};

/// Bounds of the durations of requests to the API server.
const REQUEST_SECONDS: Kind =
    Kind::Histogram(Buckets::List(&[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0]));
/// Bounds of the sizes of requests and answers.
const REQUEST_BYTES: Kind = Kind::Histogram(Buckets::List(&[
    64.0,
    256.0,
    512.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
]));

const COLUMNS: &str = "verdicts and scores are kept in columns that many pods share and are brought up to date when something \
    changed: there is no run of one plugin for one pod whose time could be taken";
const NO_BATCHES: &str = "kube-scheduler's opportunistic batching remembers the nodes of the last pod for the next one like it; \
    here every decision reuses what is known of all nodes, and there are no batches";
const NO_GOROUTINES: &str = "there are no goroutines";
const NO_CLAIMS: &str = "resource claims are not supported by this version";
const NO_VOLUMES: &str = "volumes are not supported by this version";
const NO_DISPATCHER: &str =
    "only with the feature gate SchedulerAsyncAPICalls, which is off by default in 1.36 as well";
const NOT_THIS_CLIENT: &str = "it speaks of the inside of Go's client";

/// All metrics: kube-scheduler's in the order of its source, those of the libraries it is built with, ours.
pub const TABLE: &[Definition] = &[
    metric(
        "scheduler_schedule_attempts_total",
        Counter,
        &["result", "profile"],
        Stable,
        "Attempts to place a pod by how they ended: scheduled, unschedulable (no node fits now), error.",
    ),
    metric(
        "scheduler_event_handling_duration_seconds",
        exponential(0.0001, 2.0, 12),
        &["event"],
        Alpha,
        "Time to take over something that happened in the cluster, pods woken by it included.",
    ),
    metric(
        "scheduler_scheduling_attempt_duration_seconds",
        exponential(0.001, 2.0, 15),
        &["result", "profile"],
        Stable,
        "Time of an attempt from when the pod leaves the queue until it is bound or turned down.",
    ),
    metric(
        "scheduler_scheduling_algorithm_duration_seconds",
        exponential(0.001, 2.0, 15),
        &[],
        Alpha,
        "Time of the decision on a pod: filtering, scoring, preemption.",
    )
    .differs(
        "the reservation of the node is included; most decisions here are shorter than the first bucket: \
        `loadline_decision_duration_seconds` has finer ones",
    ),
    metric(
        "scheduler_preemption_victims",
        exponential(1.0, 2.0, 7),
        &[],
        Stable,
        "Pods that a preemption deletes to make room for one.",
    ),
    metric("scheduler_preemption_attempts_total", Counter, &[], Stable, "How often preemption was tried for a pod."),
    metric(
        "scheduler_pending_pods",
        Gauge,
        &["queue"],
        Stable,
        "Pods that wait by where: active (tried next), backoff, unschedulable (for an event), gated (for PreEnqueue).",
    ),
    metric(
        "scheduler_inflight_events",
        Gauge,
        &["event"],
        Alpha,
        "Events that are remembered for pods that are being decided or bound; PodPopped counts those pods.",
    ),
    metric("scheduler_goroutines", Gauge, &["operation"], Beta, "Goroutines by what they do.").absent(NO_GOROUTINES),
    metric(
        "scheduler_batch_attempts_total",
        Counter,
        &["profile", "result"],
        Alpha,
        "Attempts to place a pod as the one before it.",
    )
    .absent(NO_BATCHES),
    metric(
        "scheduler_batch_cache_flushed_total",
        Counter,
        &["profile", "reason"],
        Alpha,
        "How often the nodes remembered for the next pod were forgotten.",
    )
    .absent(NO_BATCHES),
    metric(
        "scheduler_get_node_hint_duration_seconds",
        exponential(0.00001, 2.0, 12),
        &["hinted", "profile"],
        Alpha,
        "Time to look up the nodes remembered for the next pod.",
    )
    .absent(NO_BATCHES),
    metric(
        "scheduler_store_schedule_results_duration_seconds",
        exponential(0.00001, 2.0, 12),
        &["profile"],
        Alpha,
        "Time to remember nodes for the next pod.",
    )
    .absent(NO_BATCHES),
    metric(
        "scheduler_pod_scheduling_sli_duration_seconds",
        exponential(0.01, 2.0, 20),
        &["attempts"],
        Beta,
        "Time from when a pod first could be tried until it is bound, over all of its attempts, by their number.",
    ),
    metric(
        "scheduler_pod_scheduling_attempts",
        exponential(1.0, 2.0, 5),
        &[],
        Stable,
        "Attempts that a pod took until it was bound.",
    ),
    metric(
        "scheduler_pod_scheduled_after_flush_total",
        Counter,
        &[],
        Alpha,
        "Pods that were bound after they had waited too long for an event and were tried anyway.",
    )
    .absent("it stays 0 in kube-scheduler 1.36.3 too, whose mark of such pods is lost on the way; \
        `scheduler_queue_incoming_pods_total{event=\"UnschedulableTimeout\"}` counts the tries"),
    metric(
        "scheduler_framework_extension_point_duration_seconds",
        exponential(0.0001, 2.0, 12),
        &["extension_point", "status", "profile"],
        Stable,
        "Time of all plugins of an extension point together, by how they ended.",
    )
    .differs("Bind alone, the request to the API server included; of the others there is no run for one pod: see \
        `scheduler_plugin_execution_duration_seconds`"),
    metric(
        "scheduler_plugin_execution_duration_seconds",
        exponential(0.00001, 1.5, 20),
        &["plugin", "extension_point", "status"],
        Alpha,
        "Time of a plugin at an extension point.",
    )
    .absent(COLUMNS),
    metric(
        "scheduler_queueing_hint_execution_duration_seconds",
        exponential(0.00001, 1.5, 20),
        &["plugin", "event", "hint"],
        Alpha,
        "Time of a plugin's queueing hint.",
    )
    .absent("hints take less time than reading the clock twice; `scheduler_event_handling_duration_seconds` has them all together"),
    metric(
        "scheduler_queue_incoming_pods_total",
        Counter,
        &["queue", "event"],
        Stable,
        "Pods that entered a queue, and why.",
    ),
    metric(
        "scheduler_permit_wait_duration_seconds",
        exponential(0.001, 2.0, 15),
        &["result"],
        Beta,
        "Time that pods waited at Permit.",
    )
    .absent("no plugin of this version waits at Permit"),
    metric(
        "scheduler_cache_size",
        Gauge,
        &["type"],
        Alpha,
        "What is known of the cluster: nodes, pods on them, and assumed_pods (placed, not yet confirmed) among these.",
    ),
    metric(
        "scheduler_unschedulable_pods",
        Gauge,
        &["plugin", "profile"],
        Beta,
        "Waiting pods by plugin that turned them down; a pod counts under each of them, so sums over plugins mean nothing.",
    ),
    metric(
        "scheduler_plugin_evaluation_total",
        Counter,
        &["plugin", "extension_point", "profile"],
        Beta,
        "How often a plugin was asked about a pod.",
    )
    .absent(COLUMNS),
    metric(
        "scheduler_preemption_goroutines_duration_seconds",
        exponential(0.01, 2.0, 20),
        &["result"],
        Alpha,
        "Time to delete the victims of a preemption.",
    )
    .absent(NO_GOROUTINES),
    metric(
        "scheduler_preemption_goroutines_execution_total",
        Counter,
        &["result"],
        Alpha,
        "Preemptions whose victims were deleted.",
    )
    .absent(NO_GOROUTINES),
    metric(
        "scheduler_async_api_call_execution_total",
        Counter,
        &["call_type", "result"],
        Alpha,
        "Requests of the dispatcher.",
    )
    .absent(NO_DISPATCHER),
    metric(
        "scheduler_async_api_call_execution_duration_seconds",
        exponential(0.001, 2.0, 15),
        &["call_type", "result"],
        Alpha,
        "Time of the dispatcher's requests.",
    )
    .absent(NO_DISPATCHER),
    metric("scheduler_pending_async_api_calls", Gauge, &["call_type"], Alpha, "Requests that the dispatcher holds.")
        .absent(NO_DISPATCHER),
    metric("scheduler_resourceclaim_creates_total", Counter, &["status"], Alpha, "Resource claims that were created.")
        .absent(NO_CLAIMS),
    metric(
        "scheduler_dra_bindingconditions_allocations_total",
        Counter,
        &["profile", "driver", "status"],
        Alpha,
        "Devices with binding conditions that were allocated.",
    )
    .absent(NO_CLAIMS),
    metric(
        "scheduler_dra_bindingconditions_wait_duration_seconds",
        exponential(0.1, 2.0, 14),
        &["profile", "driver", "status"],
        Alpha,
        "Time that pods waited for binding conditions of devices.",
    )
    .absent(NO_CLAIMS),
    metric(
        "scheduler_podgroup_schedule_attempts_total",
        Counter,
        &["result", "profile"],
        Alpha,
        "Attempts to place a group of pods: scheduled, unschedulable, waiting_on_preemption, error.",
    ),
    metric(
        "scheduler_podgroup_scheduling_attempt_duration_seconds",
        exponential(0.001, 2.0, 15),
        &["result", "profile"],
        Alpha,
        "Time of an attempt to place a group of pods: all of its members.",
    ),
    metric(
        "scheduler_podgroup_scheduling_algorithm_duration_seconds",
        exponential(0.001, 2.0, 15),
        &[],
        Alpha,
        "Time of the decision on a group of pods.",
    ),
    metric(
        "scheduler_volume_binder_cache_requests_total",
        Counter,
        &["operation"],
        Alpha,
        "Look-ups in the volume binder's memory.",
    )
    .absent(NO_VOLUMES),
    metric(
        "scheduler_volume_scheduling_stage_error_total",
        Counter,
        &["operation"],
        Alpha,
        "Errors of the volume binder.",
    )
    .absent(NO_VOLUMES),
    metric(
        "leader_election_master_status",
        Gauge,
        &["name"],
        Alpha,
        "1 on the instance that leads by the lease of this name, 0 on one that stands by.",
    ),
    metric("leader_election_slowpath_total", Counter, &["name"], Alpha, "Renewals of a lease that had to read it first.")
        .absent("every renewal here says which version of the lease it replaces, and reads it again only after a conflict"),
    metric(
        "rest_client_requests_total",
        Counter,
        &["code", "method", "host"],
        Alpha,
        "Requests to the API server by what came of them: the status, or `<error>` without an answer.",
    ),
    metric(
        "rest_client_request_duration_seconds",
        REQUEST_SECONDS,
        &["verb", "host"],
        Alpha,
        "Time from a request to the API server until its answer begins.",
    ),
    metric("rest_client_request_retries_total", Counter, &["code", "verb", "host"], Alpha, "Requests that were repeated.")
        .absent("the client here repeats nothing by itself"),
    metric(
        "rest_client_rate_limiter_duration_seconds",
        REQUEST_SECONDS,
        &["verb", "host"],
        Alpha,
        "Time that requests waited for the client's own limit.",
    )
    .absent("unless qps is set there is no limit on this side"),
    metric(
        "rest_client_dns_resolution_duration_seconds",
        Kind::Histogram(Buckets::List(&[0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0])),
        &["host"],
        Alpha,
        "Time to find the API server's address.",
    )
    .absent(NOT_THIS_CLIENT),
    metric("rest_client_request_size_bytes", REQUEST_BYTES, &["verb", "host"], Alpha, "Sizes of requests.")
        .absent(NOT_THIS_CLIENT),
    metric("rest_client_response_size_bytes", REQUEST_BYTES, &["verb", "host"], Alpha, "Sizes of answers.")
        .absent(NOT_THIS_CLIENT),
    metric(
        "kubernetes_build_info",
        Gauge,
        &["major", "minor", "git_version", "git_commit", "git_tree_state", "build_date", "go_version", "compiler", "platform"],
        Beta,
        "Always 1; the labels say what runs.",
    )
    .differs("the version is that of the kube-scheduler whose decisions these are, with Loadline's own behind the plus sign; \
        commit, tree state, date and Go version are empty"),
    metric(
        "kubernetes_feature_enabled",
        Gauge,
        &["name", "stage"],
        Beta,
        "1 for a feature gate that is on, 0 for one that is off.",
    )
    .differs("the gates that mean something to a scheduler alone"),
    metric("hidden_metrics_total", Counter, &[], Beta, "Metrics that are hidden because they are deprecated.")
        .absent("none is deprecated"),
    metric("process_cpu_seconds_total", Counter, &[], Alpha, "Processor time that the process has used."),
    metric("process_open_fds", Gauge, &[], Alpha, "Open file descriptors."),
    metric("process_max_fds", Gauge, &[], Alpha, "File descriptors that may be open."),
    metric("process_resident_memory_bytes", Gauge, &[], Alpha, "Memory that the process holds."),
    metric("process_virtual_memory_bytes", Gauge, &[], Alpha, "Address space of the process."),
    metric("process_start_time_seconds", Gauge, &[], Alpha, "When the process began, in seconds since 1970."),
    metric("process_threads", Gauge, &[], Alpha, "Threads of the process.").own(),
    metric("process_virtual_memory_max_bytes", Gauge, &[], Alpha, "Address space that the process may have.")
        .absent("the library that reads the others does not read it"),
    metric("process_network_receive_bytes_total", Counter, &[], Alpha, "Bytes that came over the network.")
        .absent("the library that reads the others does not read it"),
    metric("process_network_transmit_bytes_total", Counter, &[], Alpha, "Bytes that went over the network.")
        .absent("the library that reads the others does not read it"),
    metric(
        "kubernetes_healthcheck",
        Gauge,
        &["name", "type"],
        Stable,
        "1 when the check of this name was fine when it was last asked for under this path, else 0.",
    )
    .on(Page::Slis),
    metric(
        "kubernetes_healthchecks_total",
        Counter,
        &["name", "type", "status"],
        Stable,
        "How often the check of this name was asked for under this path, by how it went.",
    )
    .on(Page::Slis),
    metric(
        "kube_pod_resource_request",
        Gauge,
        RESOURCE_LABELS,
        Stable,
        "What a pod requests, as the scheduler counts it.",
    )
    .on(Page::Resources),
    metric("kube_pod_resource_limit", Gauge, RESOURCE_LABELS, Stable, "Limits of a pod, as the scheduler counts them.")
        .on(Page::Resources)
        .absent("limits decide nothing in a scheduler, so they are not kept"),
    metric("loadline_decision_duration_seconds", exponential(0.000_001, 2.0, 22), &["profile"], Alpha, "Time of the decision on a pod, reservation of the node included.").own(),
    metric("loadline_binding_pods", Gauge, &[], Alpha, "Pods whose binding is not answered yet.").own(),
    metric("loadline_decision_records", Gauge, &[], Alpha, "Decisions that are kept for /debug/decisions.").own(),
    metric("loadline_decision_records_bytes", Gauge, &[], Alpha, "Memory that they take.").own(),
    metric("loadline_config_reloads_total", Counter, &["result"], Alpha, "Changes of the configuration file that were put in force (success) or refused (error).").own(),
    metric("loadline_cache_mended_objects_total", Counter, &["resource"], Alpha, "Objects that were not known as the API server has them, found by comparing with it, and mended.").own(),
    metric("loadline_refused_pods_total", Counter, &["resource"], Alpha, "Pods that kubelets refused (OutOfcpu, OutOfpods, …), by the resource of which there was not enough.").own(),
    metric("loadline_usage_queries_total", Counter, &["resource", "result"], Alpha, "Questions to Prometheus about the real use of nodes, by how they were answered.").own(),
    metric("loadline_usage_nodes", Gauge, &["resource", "sample"], Alpha, "Nodes with a sample of their real use that counts (fresh) and without one (none), where a plugin goes by it.").own(),
    metric("loadline_usage_unsampled_node", Gauge, &["resource", "node"], Alpha, "1 for each node without a sample of its real use that counts, the first 100 by name.").own(),
    metric("rescheduler_pod_movements_total", Counter, &["strategy", "result"], Alpha, "Moves of pods that have ended: success, elsewhere (the replacement runs on another node than it was to), or why they failed.").own(),
    metric("rescheduler_load_balance_score", Gauge, &[], Alpha, "How evenly nodes are used, at the last round: 100 when all are used alike, less two for each percent point of the mean standard deviation of cpu and memory.").own(),
    metric("rescheduler_node_utilization_percent", Gauge, &["node", "resource"], Alpha, "How full each node was at the last round, with the moves under way made.").own(),
    metric("rescheduler_skipped_pods", Gauge, &["reason"], Alpha, "Pods that the last round would have moved, or looked at, and that stay, by why.").own(),
    metric("rescheduler_predicted_gain_points", Gauge, &["strategy"], Alpha, "Sum of what the moves whose pods run again were to gain, percent points.").own(),
    metric("rescheduler_achieved_gain_points", Gauge, &["strategy"], Alpha, "Sum of what the same moves gained; it falls where a move made things worse.").own(),
    metric("loadline_broken_invariants", Gauge, &[], Alpha, "Violations of what must always hold, at the last look at everything: sums of nodes, places of pods.").own(),
    metric("loadline_overcommitted_nodes", Gauge, &[], Alpha, "Nodes that have promised more than they have, whoever placed the pods.").own(),
    metric("loadline_checked_verdicts", Gauge, &["result"], Alpha, "Verdicts that were computed anew, with nothing that was kept, since the start: right or wrong.").own(),
];

const RESOURCE_LABELS: &[&str] = &["namespace", "pod", "node", "scheduler", "priority", "resource", "unit"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_ours_have_their_prefix() {
        let names: BTreeSet<&str> = TABLE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for metric in TABLE {
            let of_a_library = metric.name.starts_with("process_");
            // The Rescheduler's are in dashboards of users who had one before: their names are theirs.
            let is_theirs = metric.name.starts_with("rescheduler_");
            let is_own = metric.presence == Presence::Own && !is_theirs;
            assert!(of_a_library || metric.name.starts_with("loadline_") == is_own, "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), matches!(metric.kind, Counter), "{}", metric.name);
        }
    }
}
