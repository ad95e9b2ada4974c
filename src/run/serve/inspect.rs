//! What the scheduler is asked over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use loadline_engine::Scheduler;
use loadline_engine::records::Summary;
use loadline_framework::record::{API_VERSION, Decision, Outcome};
use loadline_kubernetes::{Fence, Scheduling, reading};
use loadline_metrics::{Metrics, PodResources};
use loadline_model::{PodInfo, Time};
use loadline_server::{Answer, DecisionQuery, Inspect, Page};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::views;

/// The scheduling thread is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the scheduling thread.
#[derive(Clone)]
pub(super) struct Inspector {
    pub(super) scheduling: Scheduling,
    pub(super) metrics: Metrics,
    pub(super) in_force: watch::Receiver<Arc<Value>>,
    /// Open while this instance leads.
    pub(super) fence: Fence,
}

impl Inspector {
    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut Scheduler, Time) -> T + Send + 'static) -> Answer<T> {
        let scheduling = self.scheduling.clone();
        Box::pin(async move { tokio::time::timeout(PATIENCE, scheduling.ask(question)).await.ok().flatten() })
    }
}

impl Inspect for Inspector {
    fn refresh(&self) -> Answer<()> {
        let (reading, metrics) = (self.ask(|scheduler, _| reading(scheduler)), self.metrics.clone());
        Box::pin(async move {
            metrics.read(&reading.await?);
            Some(())
        })
    }

    fn pod_resources(&self) -> Answer<Option<Vec<PodResources>>> {
        if !self.fence.is_open() {
            return Box::pin(async { Some(None) });
        }
        let known = self.ask(|scheduler, _| {
            let pending: Vec<Arc<PodInfo>> = scheduler.pending().cloned().collect();
            (scheduler.engine().node_cache(), pending)
        });
        Box::pin(async move {
            let (nodes, pending) = known.await?;
            let mut pods = Vec::new();
            for node in nodes.all() {
                pods.extend(node.pods.iter().map(|pod| views::pod_resources(pod, &node.spec.name)));
            }
            // One that is assumed on a node counts there alone.
            let placed: std::collections::BTreeSet<(String, String)> =
                pods.iter().map(|pod| (pod.namespace.clone(), pod.name.clone())).collect();
            let waits = |pod: &PodResources| !placed.contains(&(pod.namespace.clone(), pod.name.clone()));
            pods.extend(pending.iter().map(|pod| views::pod_resources(pod, "")).filter(waits));
            Some(Some(pods))
        })
    }

    fn configuration(&self) -> Value {
        Value::clone(&self.in_force.borrow())
    }

    fn decisions(&self, query: DecisionQuery) -> Answer<Option<Value>> {
        self.ask(move |scheduler, now| match &query.pod {
            Some(pod) => {
                let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
                let found = if query.now {
                    judged_now(scheduler, now, namespace, name)
                } else {
                    latest(scheduler, now, namespace, name)
                };
                found.map(|decision| list(scheduler, &[decision], None))
            }
            None => Some(newest(scheduler, &query.page())),
        })
    }

    fn pending(&self, page: Page) -> Answer<Value> {
        self.ask(move |scheduler, _| {
            let after = page.after.as_deref().and_then(|after| after.split_once('/'));
            let (pods, more) = scheduler.queue().page(after, page.limit());
            let last = pods.last().filter(|_| more).map(|last| last.queued.pod.full_name());
            let counts = scheduler.queue().counts();
            json!({
                "apiVersion": API_VERSION,
                "kind": "PendingPodList",
                "counts": {
                    "active": counts.active,
                    "backoff": counts.backoff,
                    "unschedulable": counts.unschedulable,
                    "gated": counts.gated,
                    "binding": scheduler.binding(),
                },
                "pods": pods.iter().map(views::pending).collect::<Vec<_>>(),
                "continue": last,
            })
        })
    }

    fn nodes(&self, page: Page) -> Answer<Value> {
        let cache = self.ask(|scheduler, _| scheduler.engine().node_cache());
        Box::pin(async move {
            let mut nodes = cache.await?.all();
            let after = page.after.as_deref().unwrap_or_default();
            nodes.retain(|node| after.is_empty() || node.spec.name.as_str() > after);
            let more = nodes.len() > page.limit();
            nodes.truncate(page.limit());
            let last = nodes.last().filter(|_| more).map(|last| last.spec.name.to_string());
            Some(json!({
                "apiVersion": API_VERSION,
                "kind": "NodeList",
                "nodes": nodes.iter().map(|node| views::node(node)).collect::<Vec<_>>(),
                "continue": last,
            }))
        })
    }
}

/// The last decision on a pod; that a pod is gated is a decision too, and was none of the engine's.
fn latest(scheduler: &mut Scheduler, now: Time, namespace: &str, name: &str) -> Option<Value> {
    if let Some(decision) = gated(scheduler, now, namespace, name) {
        return shown(&decision);
    }
    let summary = scheduler.engine().records().latest(namespace, name)?.clone();
    shown(&scheduler.engine_mut().recall(&summary))
}

/// What would be decided on a waiting pod now.
fn judged_now(scheduler: &mut Scheduler, now: Time, namespace: &str, name: &str) -> Option<Value> {
    if let Some(decision) = gated(scheduler, now, namespace, name) {
        return shown(&decision);
    }
    let queued = scheduler.queue().find(namespace, name)?.queued;
    let (pod, attempt) = (queued.pod.clone(), queued.attempts + 1);
    shown(&scheduler.engine_mut().judge(&pod, attempt))
}

fn gated(scheduler: &Scheduler, now: Time, namespace: &str, name: &str) -> Option<Decision> {
    let waiting = scheduler.queue().find(namespace, name)?;
    let gate = waiting.queued.gate.as_ref()?;
    Some(Decision {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        scheduler_name: waiting.queued.pod.scheduler_name.to_string(),
        result: Outcome::Gated,
        node: None,
        decided_by: None,
        tie_broken_by: None,
        gated_by: Some(gate.plugin.to_owned()),
        message: gate.message.clone(),
        count: None,
        nodes: Some(Vec::new()),
        truncated: false,
        preemption: None,
        remedy: Vec::new(),
        gang: scheduler.gang_of(&waiting.queued.pod.uid, now),
    })
}

/// The newest decisions, newest first, without tables.
fn newest(scheduler: &Scheduler, page: &Page) -> Value {
    let before = page.after.as_deref().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
    let records = scheduler.engine().records();
    let mut older = records.iter().rev().filter(|summary| summary.number < before);
    let part: Vec<&Summary> = older.by_ref().take(page.limit()).collect();
    let last = part.last().map(|last| last.number.to_string()).filter(|_| older.next().is_some());
    let decisions = part.into_iter().filter_map(|summary| shown(&summary.decision()));
    list(scheduler, &decisions.collect::<Vec<_>>(), last)
}

fn shown(decision: &impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(decision).ok()
}

fn list(scheduler: &Scheduler, pods: &[Value], last: Option<String>) -> Value {
    let mut list = json!({
        "apiVersion": API_VERSION,
        "kind": "DecisionList",
        "configHash": &*scheduler.engine().profiles().config_hash,
        "seed": scheduler.engine().seed(),
        "pods": pods,
    });
    if let Some(last) = last {
        list["continue"] = last.into();
    }
    list
}
