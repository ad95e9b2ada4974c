//! What the scheduling thread does, measured: the engine has no clock, so its calls are timed from here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use loadline_engine::{Attempt, Checks, Findings, Happened, Scheduler};
use loadline_framework::ClusterEvent;
use loadline_framework::record::{GangState, Outcome};
use loadline_metrics::{AttemptResult, Metrics, Observer, Reading};
use loadline_model::{Map, Time};

/// Times something.
#[derive(Clone, Copy)]
pub(crate) struct Timer(Instant);

impl Timer {
    #[allow(clippy::disallowed_methods, reason = "durations are measured here, and decide nothing")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Measures the scheduling thread.
pub(crate) struct Measure {
    metrics: Metrics,
    /// Events are many and of few kinds.
    events: Map<ClusterEvent, Observer>,
}

impl Measure {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, events: Map::default() }
    }

    /// So many objects of a resource were not as the API server has them.
    pub(crate) fn mended(&self, resource: &str, objects: usize) {
        self.metrics.mended(resource, objects);
    }

    /// Everything was looked through.
    pub(crate) fn looked_through(&self, findings: &Findings, checks: Checks) {
        let broken = findings.broken.len() + findings.more;
        self.metrics.looked_through(broken, findings.overcommitted.len(), [checks.made, checks.wrong]);
    }

    /// An event was applied.
    pub(crate) fn applied(&mut self, happened: &Happened, took: Duration) {
        for event in &happened.heard {
            let observer = self.events.entry(*event).or_insert_with(|| self.metrics.event(&event.to_string()));
            observer.observe(took);
        }
        if let Some(refused) = &happened.refused {
            self.metrics.refused(&refused.resource);
        }
    }

    /// A decision was made.
    pub(crate) fn decided(&self, attempt: &Attempt, scheduler: &Scheduler, took: Duration) {
        /// The plugin whose tries kube-scheduler counts as preemption.
        const PREEMPTION: &str = "DefaultPreemption";
        let cycle = &attempt.cycle;
        let name = &cycle.pod.scheduler_name;
        self.metrics.decided(name, took);
        if let Some(gang) = &attempt.gang {
            let result = if !gang.placed.is_empty() {
                AttemptResult::Scheduled
            } else if gang.record.state == GangState::Preempting {
                AttemptResult::WaitingOnPreemption
            } else if cycle.outcome == Outcome::Error {
                AttemptResult::Error
            } else {
                AttemptResult::Unschedulable
            };
            self.metrics.group_attempt(result, name, took);
        }
        let profile = scheduler.engine().profiles().get(name);
        let preempts =
            profile.is_some_and(|profile| profile.post_filter.iter().any(|at| profile.name(*at) == PREEMPTION));
        if preempts && cycle.tried_post_filter() {
            self.metrics.preemption(cycle.victims.len());
        }
    }

    /// Attempts ended.
    pub(crate) fn ended(&self, happened: &Happened, now: Time) {
        for ended in &happened.ended {
            let result = match ended.outcome {
                Outcome::Feasible => AttemptResult::Scheduled,
                Outcome::Unschedulable | Outcome::Gated => AttemptResult::Unschedulable,
                Outcome::Error => AttemptResult::Error,
            };
            self.metrics.attempt(result, &ended.pod.scheduler_name, between(ended.began, now));
            if result == AttemptResult::Scheduled {
                self.metrics.scheduled(ended.attempts, ended.initial_attempt.map(|first| between(first, now)));
            }
        }
    }
}

fn between(from: Time, to: Time) -> Duration {
    Duration::from_nanos(to.saturating_sub(from).max(0) as u64)
}

/// The state of a scheduler as metrics show it.
pub fn reading(scheduler: &mut Scheduler) -> Reading {
    let usage = usage(scheduler);
    let (queue, engine) = (scheduler.queue(), scheduler.engine());
    let (counts, cluster) = (queue.counts(), engine.cluster());
    let incoming = queue.incoming().map(|(queue, cause, pods)| (queue.as_str(), cause.to_string(), pods));
    let in_flight = queue.in_flight_by_event().into_iter().map(|(event, count)| (event.to_string(), count));
    let rejections = queue.rejections().into_iter();
    Reading {
        pending: [
            ("active", counts.active),
            ("backoff", counts.backoff),
            ("unschedulable", counts.unschedulable),
            ("gated", counts.gated),
        ],
        incoming: incoming.collect(),
        in_flight: in_flight.chain([("PodPopped".to_owned(), queue.in_flight())]).collect(),
        cache_size: [
            ("nodes", cluster.node_infos().count()),
            ("pods", cluster.pod_count()),
            ("assumed_pods", cluster.assumed_count()),
        ],
        unschedulable: rejections.map(|((plugin, profile), pods)| (plugin, profile.to_string(), pods)).collect(),
        binding: scheduler.binding(),
        records: engine.records().iter().len(),
        records_bytes: engine.records().bytes(),
        usage,
    }
}

/// By resource whose real use a plugin goes by: all nodes, and by name those that lack a sample of any source.
fn usage(scheduler: &mut Scheduler) -> Vec<(&'static str, usize, Vec<String>)> {
    let mut unsampled: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for (source, nodes) in scheduler.engine_mut().unsampled_nodes() {
        let names = nodes.iter().map(ToString::to_string);
        unsampled.entry(source.kind.as_str()).or_default().extend(names);
    }
    let nodes = scheduler.engine().cluster().node_infos().count();
    unsampled.into_iter().map(|(resource, names)| (resource, nodes, names.into_iter().collect())).collect()
}
