//! Effects of the engine, performed through the API.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use loadline_api::wire;
use loadline_engine::Effect;
use loadline_framework::SharedExtender;
use loadline_metrics::Metrics;
use loadline_model::{PodInfo, Str};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tracing::{debug, error, info};

use crate::api::{ApiError, Ask, JSON};
use crate::client::Connection;
use crate::clock::{about, seconds};
use crate::live::Message;
use crate::measure::Timer;
use crate::patcher::{Patch, Patcher, patch_status, path_of};
use crate::recorder::{Note, Recorder};

/// Bindings under way at the same time: each has a connection of its own.
const BINDINGS: usize = 64;
/// Pause before a binding is tried again whose answer was lost, doubled with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);

/// Performs effects.
#[derive(Clone)]
pub(crate) struct Writer {
    connection: Connection,
    answers: Sender<Message>,
    bindings: Arc<Semaphore>,
    patcher: Patcher,
    recorder: Recorder,
    metrics: Metrics,
    runtime: tokio::runtime::Handle,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        answers: Sender<Message>,
        runtime: tokio::runtime::Handle,
        metrics: Metrics,
    ) -> Self {
        Self {
            recorder: Recorder::start(&connection.write, &runtime),
            patcher: Patcher::start(&connection.write, &runtime),
            answers,
            bindings: Arc::new(Semaphore::new(BINDINGS)),
            connection,
            metrics,
            runtime,
        }
    }

    /// Bindings and deletions may wait until another instance has led and decided otherwise.
    fn of_this_term(&self) -> Self {
        Self { connection: self.connection.of_this_term(), ..self.clone() }
    }

    /// Begins with an effect; what comes of it is told by a [`Message`].
    pub(crate) fn perform(&self, effect: Effect) {
        match effect {
            Effect::Bind { pod, node, extender: None } => {
                self.runtime.spawn(self.of_this_term().bind(pod, node));
            }
            Effect::Bind { pod, node, extender: Some(extender) } => {
                self.runtime.spawn(self.of_this_term().bind_by(extender, pod, node));
            }
            Effect::PatchStatus { pod, condition, nominated_node_name } => {
                self.patcher.put(Patch { pod, condition, nominated_node_name });
            }
            Effect::DeleteVictims { preemptor, node, victims } => {
                self.runtime.spawn(self.of_this_term().delete_victims(preemptor, node, victims));
            }
            Effect::RecordEvent { pod, reason, warning, note } => {
                let action = if reason == "Scheduled" { "Binding" } else { "Scheduling" };
                self.recorder.record(Note { about: pod, related: None, action, reason, warning, text: note });
            }
        }
    }

    /// Returns once events and statuses are written.
    pub(crate) async fn all_written(&self) {
        while !(self.patcher.is_idle() && self.recorder.is_idle()) {
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    async fn bind(self, pod: Arc<PodInfo>, node: Str) {
        self.patcher.settle(&pod.uid).await;
        let _permit = self.bindings.acquire().await;
        let body = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid},
            "target": {"kind": "Node", "name": &*node},
        });
        let ask = Ask::send(Method::POST, format!("{}/binding", path_of(&pod)), JSON, &body);
        let mut pause = FIRST_PAUSE;
        let timer = Timer::start();
        let result = loop {
            let error = match self.connection.bind.done(&ask).await {
                Ok(()) => break Ok(()),
                Err(error) => error,
            };
            // It may be there already: by this request whose answer was lost, or by another scheduler.
            if error.is_code(409) || !error.is_certain() {
                match self.node_of(&pod).await {
                    Ok(Some(found)) if found == *node => break Ok(()),
                    Ok(Some(found)) => break Err(format!("{error}: the pod is on node {found}")),
                    Ok(None) if error.is_certain() => break Err(error.to_string()),
                    Err(gone) if gone.is_certain() => break Err(gone.to_string()),
                    // Nobody knows, or it is not bound: the room stays taken until one of both is certain.
                    Ok(None) | Err(_) => {}
                }
                debug!(pod = pod.full_name(), %node, %error, "binding is tried again");
                tokio::time::sleep(about(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            break Err(error.to_string());
        };
        let status = if result.is_ok() { "Success" } else { "Error" };
        self.metrics.extension_point("Bind", status, &pod.scheduler_name, timer.elapsed());
        match &result {
            Ok(()) => debug!(pod = pod.full_name(), %node, "bound"),
            Err(error) => info!(pod = pod.full_name(), %node, error, "binding failed"),
        }
        let _ = self.answers.send(Message::Bound { uid: pod.uid.clone(), result }).await;
    }

    /// Has an extender bind a pod.
    async fn bind_by(self, extender: SharedExtender, pod: Arc<PodInfo>, node: Str) {
        self.patcher.settle(&pod.uid).await;
        let _permit = self.bindings.acquire().await;
        let result = if self.connection.bind.may_send() {
            let (binder, asked, target) = (extender.clone(), pod.clone(), node.clone());
            let answer = tokio::task::spawn_blocking(move || binder.bind(&asked, &target)).await;
            answer.unwrap_or_else(|panic| Err(panic.to_string()))
        } else {
            Err(ApiError::NotLeading.to_string())
        };
        let result = match result {
            Ok(()) => Ok(()),
            // It may have bound the pod, and its answer was lost.
            Err(error) => match self.node_of(&pod).await {
                Ok(Some(found)) if found == *node => Ok(()),
                Ok(Some(found)) => Err(format!("{error}: the pod is on node {found}")),
                Ok(None) | Err(_) => Err(error),
            },
        };
        debug!(pod = pod.full_name(), %node, extender = extender.name(), ?result, "the extender was asked to bind");
        let _ = self.answers.send(Message::Bound { uid: pod.uid.clone(), result }).await;
    }

    /// On which node the API server has a pod.
    async fn node_of(&self, pod: &PodInfo) -> Result<Option<String>, ApiError> {
        let found: wire::Pod = self.connection.bind.answer(&Ask::get(path_of(pod))).await?;
        if found.metadata.uid != *pod.uid {
            let message = format!("pods \"{}\" is another pod of that name by now", pod.name);
            return Err(ApiError::Refused { code: 404, reason: "NotFound".to_owned(), message });
        }
        Ok(Some(found.spec.node_name).filter(|node| !node.is_empty()))
    }

    /// Marks and deletes victims: all but the last together, then the last, whose end wakes the preemptor.
    async fn delete_victims(self, preemptor: Arc<PodInfo>, node: Str, victims: Vec<Arc<PodInfo>>) {
        let Some((last, others)) = victims.split_last() else { return };
        let delete = |victim: &Arc<PodInfo>| {
            let (writer, victim, preemptor, node) = (self.clone(), victim.clone(), preemptor.clone(), node.clone());
            self.runtime.spawn(async move { writer.delete_victim(&preemptor, &node, &victim).await })
        };
        let others: Vec<_> = others.iter().map(delete).collect();
        let mut all_gone = true;
        for other in others {
            all_gone &= other.await.unwrap_or(false);
        }
        let _ = self.answers.send(Message::Release(preemptor.uid.clone())).await;
        all_gone &= self.delete_victim(&preemptor, &node, last).await;
        if !all_gone {
            // No end of a victim will wake it, so it looks again by itself.
            let _ = self.answers.send(Message::Activate(preemptor.uid.clone())).await;
        }
    }

    /// Whether the victim is on its way out.
    async fn delete_victim(&self, preemptor: &Arc<PodInfo>, node: &Str, victim: &Arc<PodInfo>) -> bool {
        let api = &self.connection.write;
        let message = format!("{}: preempting to accommodate a higher priority pod", preemptor.scheduler_name);
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": message,
            "observedGeneration": victim.generation,
            "lastProbeTime": null,
            "lastTransitionTime": seconds(),
        });
        let body = json!({"metadata": {"uid": &*victim.uid}, "status": {"conditions": [condition]}});
        let marked = patch_status(api, victim, &body).await;
        let result = match marked {
            Ok(()) => {
                let body = json!({"preconditions": {"uid": &*victim.uid}});
                api.done(&Ask::send(Method::DELETE, path_of(victim), JSON, &body)).await
            }
            refused => refused,
        };
        match result {
            Ok(()) => {
                let text = format!("Preempted by pod {} on node {node}", preemptor.uid);
                self.recorder.record(Note {
                    about: victim.clone(),
                    related: Some(preemptor.clone()),
                    action: "Preempting",
                    reason: "Preempted",
                    warning: false,
                    text,
                });
                true
            }
            // Gone already, or another pod of that name by now: the room is free either way.
            Err(error) if error.is_code(404) || error.is_code(409) => {
                debug!(pod = victim.full_name(), %error, "the victim is gone");
                true
            }
            Err(error) => {
                error!(pod = victim.full_name(), %error, "can not delete the victim of a preemption");
                false
            }
        }
    }
}
