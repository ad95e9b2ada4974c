//! Each pending pod judged on its own against the same cluster: nothing is committed between pods.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use loadline_api::doc::did_you_mean;
use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::record::{Decision, Outcome};
use loadline_framework::{Profiles, Status};
use loadline_model::PodInfo;

use crate::Progress;
use crate::cluster::{Cluster, is_pending};
use crate::gangs::Outlook;

/// What to explain.
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    /// `namespace/name`, or a name in the namespace `default`; all pending pods when empty.
    pub pods: Vec<String>,
    /// Seed of the tie-break.
    pub seed: u64,
    /// Threads.
    pub parallelism: usize,
}

/// What an explanation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pods that were explained; those that a decision stands for with its `count` included.
    pub pods: u64,
    /// Of these, pods with a node.
    pub feasible: u64,
    /// Pending pods that no profile schedules, by the scheduler that they ask for: left alone.
    pub other_schedulers: BTreeMap<String, u64>,
}

/// Why nothing was explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// A pod was asked for that is not in the input: its `namespace/name`, and which one may be meant.
    #[error("there is no pod `{0}` in the input{1}")]
    NoSuchPod(String, String),
    /// A pod was asked for that has a node already.
    #[error("pod `{0}` is on node `{1}` already; only a pod without a node can be explained")]
    Placed(String, String),
    /// A pod was asked for that is finished or being deleted.
    #[error("pod `{0}` is finished or being deleted; nothing schedules it")]
    Over(String),
    /// A pod was asked for that no profile schedules.
    #[error("pod `{0}` asks for scheduler `{1}`, which is no profile of the configuration")]
    NotOurs(String, String),
    /// The decisions could not be handed on.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// A pod to explain, and how many it stands for.
struct Subject {
    pod: Arc<PodInfo>,
    count: u32,
}

/// Explains pending pods in queue order; `sink` gets one decision at a time.
pub fn explain(
    cluster: &Cluster,
    profiles: &Profiles,
    options: &ExplainOptions,
    progress: &mut dyn FnMut(Progress),
    sink: &mut dyn FnMut(Decision) -> io::Result<()>,
) -> Result<Summary, ExplainError> {
    let mut summary = Summary::default();
    let subjects = subjects(cluster, profiles, options, &mut summary)?;
    let settings =
        Settings { seed: options.seed, parallelism: options.parallelism, record_bytes: 0, ..Settings::default() };
    let outlook = Outlook::new(cluster, profiles, &settings);
    let mut engine = cluster.engine(profiles.clone(), settings);
    nominate_pending(cluster, profiles, &mut engine);
    let total = subjects.len() as u64;
    for (done, subject) in subjects.into_iter().enumerate() {
        progress(Progress::Deciding { done: done as u64, total });
        let mut decision = judge(&mut engine, &subject.pod);
        outlook.amend(&subject.pod.uid, &mut decision);
        engine.trim();
        summary.pods += u64::from(subject.count);
        summary.feasible += if decision.result == Outcome::Feasible { u64::from(subject.count) } else { 0 };
        decision.count = (subject.count > 1).then_some(subject.count);
        sink(decision)?;
    }
    progress(Progress::Deciding { done: total, total });
    Ok(summary)
}

/// Tells the engine of the room that pending pods wait for after a preemption.
pub fn nominate_pending(cluster: &Cluster, profiles: &Profiles, engine: &mut Engine) {
    // A pod that is being deleted keeps its room until it is gone.
    for pod in cluster.without_node() {
        let Some(profile) = profiles.get(&pod.scheduler_name) else {
            continue;
        };
        if let (Some(node), None) = (&pod.nominated_node_name, profile.gate(pod)) {
            engine.nominate(pod.clone(), node.clone());
        }
    }
}

/// Judges one pod over all nodes, or over a share of them from the first on, and records everything.
pub fn judge(engine: &mut Engine, pod: &Arc<PodInfo>) -> Decision {
    judge_from(engine, pod, 0)
}

/// Judges a pod as a search does that begins with this node. Where the next search begins stays as it is.
pub(crate) fn judge_from(engine: &mut Engine, pod: &Arc<PodInfo>, first: usize) -> Decision {
    let profile = engine.profiles().get(&pod.scheduler_name).cloned();
    if let Some((plugin, status)) = profile.and_then(|profile| profile.gate(pod)) {
        return gated(pod, plugin, &status);
    }
    let next = engine.visit_from(first);
    let cycle = engine.decide(pod, 1, Depth::Explain);
    engine.visit_from(next);
    engine.record(&cycle)
}

fn gated(pod: &PodInfo, plugin: &str, status: &Status) -> Decision {
    Decision {
        namespace: pod.namespace.to_string(),
        name: pod.name.to_string(),
        scheduler_name: pod.scheduler_name.to_string(),
        result: Outcome::Gated,
        node: None,
        decided_by: None,
        tie_broken_by: None,
        gated_by: Some(plugin.to_owned()),
        message: status.message(),
        count: None,
        nodes: Some(Vec::new()),
        truncated: false,
        preemption: None,
        remedy: Vec::new(),
        gang: None,
    }
}

fn subjects(
    cluster: &Cluster,
    profiles: &Profiles,
    options: &ExplainOptions,
    summary: &mut Summary,
) -> Result<Vec<Subject>, ExplainError> {
    if !options.pods.is_empty() {
        return options.pods.iter().map(|wanted| named(cluster, profiles, wanted)).collect();
    }
    let one = |pod: &Arc<PodInfo>| Subject { pod: pod.clone(), count: 1 };
    let mut subjects: Vec<Subject> = cluster.pending().map(one).collect();
    subjects.extend(cluster.missing.iter().filter_map(|missing| {
        let first = missing.pods.first()?;
        Some(Subject { pod: first.clone(), count: missing.pods.len() as u32 })
    }));
    subjects.retain(|subject| {
        let ours = profiles.get(&subject.pod.scheduler_name).is_some();
        if !ours {
            let scheduler = subject.pod.scheduler_name.to_string();
            *summary.other_schedulers.entry(scheduler).or_default() += u64::from(subject.count);
        }
        ours
    });
    // Queue order: priority, creation, place in the input (the sort is stable).
    subjects.sort_by_key(|subject| (std::cmp::Reverse(subject.pod.priority), subject.pod.created.unwrap_or(i64::MAX)));
    Ok(subjects)
}

fn named(cluster: &Cluster, profiles: &Profiles, wanted: &str) -> Result<Subject, ExplainError> {
    let (namespace, name) = wanted.split_once('/').unwrap_or(("default", wanted));
    let of_workloads = cluster.missing.iter().flat_map(|missing| &missing.pods);
    let pod = cluster
        .pods
        .iter()
        .chain(of_workloads)
        .find(|pod| pod.name == *name && pod.namespace == *namespace)
        .ok_or_else(|| {
            let of_workloads = cluster.missing.iter().flat_map(|missing| &missing.pods);
            let pending = cluster.pods.iter().chain(of_workloads).filter(|pod| is_pending(pod));
            ExplainError::NoSuchPod(format!("{namespace}/{name}"), meant(namespace, name, pending))
        })?;
    if let Some(node) = &pod.node_name {
        return Err(ExplainError::Placed(wanted.to_owned(), node.to_string()));
    }
    if !is_pending(pod) {
        return Err(ExplainError::Over(wanted.to_owned()));
    }
    if profiles.get(&pod.scheduler_name).is_none() {
        return Err(ExplainError::NotOurs(wanted.to_owned(), pod.scheduler_name.to_string()));
    }
    Ok(Subject { pod: pod.clone(), count: 1 })
}

/// Which pod is probably meant by a name that is none, as the end of a message.
pub(crate) fn meant<'p>(namespace: &str, name: &str, known: impl Iterator<Item = &'p Arc<PodInfo>>) -> String {
    let mut known: Vec<&Arc<PodInfo>> = known.collect();
    known.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let elsewhere = known.iter().find(|pod| pod.name == *name).map(|pod| pod.full_name());
    let wanted = format!("{namespace}/{name}");
    let names: Vec<String> = known.iter().map(|pod| pod.full_name()).collect();
    match elsewhere {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None => did_you_mean(&wanted, names.iter().map(String::as_str)),
    }
}
