//! Effects of the engine, performed through the API.

mod victims;

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
use tracing::{debug, info};

use crate::api::{ApiError, Ask, JSON, TOLD_TO_WAIT, read};
use crate::client::Connection;
use crate::clock::about;
use crate::live::Message;
use crate::measure::Timer;
use crate::patcher::{Patch, Patcher, path_of};
use crate::recorder::{About, Note, Recorder};
use victims::{Cause, Preemptions};

/// Bindings under way at the same time: each has a connection of its own.
pub(crate) const BINDINGS: usize = 64;
/// Pause before a binding is tried again whose answer was lost, doubled with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// Those of them that were tried before: bindings that fail are not in the way of others.
const REPEATED: usize = 16;
/// How often a binding is sent, and for how long, that is answered with an error, with the pod on no node afterwards. Then the attempt
/// has failed, and the pod is tried again after its backoff.
const TRIES: u32 = 5;
const LONGEST: Duration = Duration::from_secs(5);

/// Performs effects.
#[derive(Clone)]
pub(crate) struct Writer {
    connection: Connection,
    answers: Sender<Message>,
    bindings: Arc<Semaphore>,
    repeated: Arc<Semaphore>,
    preemptions: Preemptions,
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
            repeated: Arc::new(Semaphore::new(REPEATED)),
            preemptions: Preemptions::default(),
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
            Effect::DeleteVictims { preemptor, gang, node, victims } => {
                let under_way = self.preemptions.begin();
                let cause = Arc::new(Cause { preemptor, gang, node });
                self.runtime.spawn(self.of_this_term().delete_victims(cause, victims, under_way));
            }
            Effect::RecordEvent { pod, reason, warning, note } => {
                self.record(About::Pod(pod), reason, warning, note);
            }
            Effect::RecordGroupEvent { group, scheduler_name, reason, warning, note } => {
                self.record(About::Group(group, scheduler_name), reason, warning, note);
            }
        }
    }

    fn record(&self, about: About, reason: &'static str, warning: bool, text: String) {
        let action = if reason == "Scheduled" { "Binding" } else { "Scheduling" };
        self.recorder.record(Note { about, related: None, action, reason, warning, text });
    }

    /// Returns once all victims of preemptions are asked to go, and events and statuses are written.
    pub(crate) async fn all_written(&self) {
        while !(self.preemptions.are_over() && self.patcher.is_idle() && self.recorder.is_idle()) {
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    async fn bind(self, pod: Arc<PodInfo>, node: Str) {
        self.patcher.settle(&pod.uid).await;
        let body = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid},
            "target": {"kind": "Node", "name": &*node},
        });
        let ask = Ask::send(Method::POST, format!("{}/binding", path_of(&pod)), JSON, &body);
        let mut pause = FIRST_PAUSE;
        // None is kept during a pause: others may have better luck.
        let mut permit = self.bindings.acquire().await;
        let timer = Timer::start();
        let mut certainty = Certainty::default();
        let mut told = 0;
        let result = loop {
            let Err((error, wait)) = self.connection.bind.once(&ask).await else { break Ok(()) };
            let wait = match wait {
                Some(wait) if told < TOLD_TO_WAIT => {
                    told += 1;
                    wait
                }
                // It may be there already: by this request or one before whose answer was lost, or by another scheduler.
                _ if certainty.is_to_be_looked_up(&error) => {
                    let found = self.node_of(&pod).await;
                    if let Some(result) = certainty.result(&error, found, &node, timer.elapsed()) {
                        break result;
                    }
                    let now = about(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    now
                }
                _ => break Err(error.to_string()),
            };
            drop(permit);
            debug!(pod = pod.full_name(), %node, %error, ?wait, "binding is tried again");
            tokio::time::sleep(wait).await;
            permit = self.repeated.acquire().await;
        };
        drop(permit);
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
        let found = self.look(pod).await?;
        Ok(Some(found.spec.node_name).filter(|node| !node.is_empty()))
    }

    /// A pod as the API server has it; another pod of that name is none.
    async fn look(&self, pod: &PodInfo) -> Result<wire::Pod, ApiError> {
        let body = self.connection.bind.once(&Ask::get(path_of(pod))).await.map_err(|(error, _)| error)?;
        let found: wire::Pod = read(&body)?;
        if found.metadata.uid != *pod.uid {
            let message = format!("pods \"{}\" is another pod of that name by now", pod.name);
            return Err(ApiError::Refused { code: 404, reason: "NotFound".to_owned(), message });
        }
        Ok(found)
    }
}

/// What is known of how a binding ended, from answer to answer.
#[derive(Default)]
struct Certainty {
    /// Whether an answer was lost: that request may have bound the pod, or do so yet.
    is_lost: bool,
    /// How often the API server answered with an error.
    refused: u32,
}

impl Certainty {
    /// Whether only a look at the pod can tell, after this answer.
    fn is_to_be_looked_up(&mut self, error: &ApiError) -> bool {
        self.refused += u32::from(!error.is_unreachable());
        self.is_lost |= !error.is_certain();
        self.is_lost || error.is_code(409)
    }

    /// How it ended, from the answer, what was found then, and how long all of this has taken. `None`: nobody knows, or it is not bound
    /// and may be yet. The room stays taken until one of both is certain.
    fn result(
        &self,
        error: &ApiError,
        found: Result<Option<String>, ApiError>,
        node: &str,
        took: Duration,
    ) -> Option<Result<(), String>> {
        let is_over = self.refused >= TRIES || took >= LONGEST;
        match found {
            Ok(Some(found)) if found == node => Some(Ok(())),
            Ok(Some(found)) => Some(Err(format!("{error}: the pod is on node {found}"))),
            Ok(None) if error.is_certain() => Some(Err(error.to_string())),
            Ok(None) => (is_over && !error.is_unreachable()).then(|| Err(error.to_string())),
            Err(gone) if gone.is_code(404) => Some(Err(gone.to_string())),
            // Whoever may not look never knows; the watch will tell.
            Err(barred) if barred.is_code(401) || barred.is_code(403) => is_over.then(|| Err(error.to_string())),
            // What else a look is answered with says nothing of the pod.
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> ApiError {
        ApiError::Refused { code, reason: String::new(), message: format!("code {code}") }
    }

    /// What comes of a binding to node "n" that is answered so, with the pod found so after each answer.
    fn ends(answers: Vec<(ApiError, Result<Option<&str>, ApiError>)>) -> Option<Result<(), String>> {
        let mut certainty = Certainty::default();
        answers.into_iter().find_map(|(error, found)| {
            if !certainty.is_to_be_looked_up(&error) {
                return Some(Err(error.to_string()));
            }
            certainty.result(&error, found.map(|node| node.map(str::to_owned)), "n", Duration::ZERO)
        })
    }

    #[test]
    fn a_binding_has_failed_only_when_that_is_certain() {
        let no = |text: &str| Some(Err(text.to_owned()));
        assert_eq!(ends(vec![(refused(403), Ok(Some("n")))]), no("code 403"), "nobody looks");
        assert_eq!(ends(vec![(refused(409), Ok(Some("n")))]), Some(Ok(())));
        assert_eq!(ends(vec![(refused(409), Ok(Some("m")))]), no("code 409: the pod is on node m"));
        assert_eq!(ends(vec![(refused(409), Ok(None))]), no("code 409"));
        assert_eq!(ends(vec![(ApiError::TimedOut, Ok(Some("n")))]), Some(Ok(())));
        assert_eq!(ends(vec![(ApiError::TimedOut, Err(refused(404)))]), no("code 404"));
        // What a look is answered with otherwise says nothing of the binding.
        for code in [401, 403, 429, 500] {
            assert_eq!(ends(vec![(ApiError::TimedOut, Err(refused(code)))]), None, "{code}");
        }
        let lost = || (ApiError::TimedOut, Ok(None));
        assert_eq!(ends((0..100).map(|_| lost()).collect()), None, "it may be made yet");
        assert_eq!(ends(vec![lost(), (refused(422), Ok(None))]), no("code 422"));
        // No longer the leader, and what was sent before may have arrived.
        assert_eq!(ends(vec![(ApiError::NotLeading, Ok(Some("n")))]), no(&ApiError::NotLeading.to_string()));
        assert_eq!(
            ends(vec![(ApiError::TimedOut, Err(ApiError::TimedOut)), (ApiError::NotLeading, Ok(Some("n")))]),
            Some(Ok(()))
        );
    }

    #[test]
    fn an_api_server_that_always_fails_keeps_no_pod_for_ever() {
        let fails = || (refused(500), Ok(None));
        assert_eq!(ends((1..TRIES).map(|_| fails()).collect()), None);
        assert_eq!(ends((0..TRIES).map(|_| fails()).collect()), Some(Err("code 500".to_owned())));
        // Nobody knows: the pod may be there.
        for look in [403, 429, 500] {
            let ended = ends((0..100).map(|_| (refused(500), Err(refused(look)))).collect());
            assert_eq!(ended.is_some(), look == 403, "{look}");
        }
        assert_eq!(ends((0..100).map(|_| (refused(500), Err(ApiError::TimedOut))).collect()), None);
        let mut last_is_lost: Vec<_> = (0..9).map(|_| (refused(500), Err(ApiError::TimedOut))).collect();
        last_is_lost.push((ApiError::TimedOut, Ok(None)));
        assert_eq!(ends(last_is_lost), None, "the last one may arrive yet");
        // One that takes long to fail is not sent five times.
        let mut certainty = Certainty::default();
        assert!(certainty.is_to_be_looked_up(&refused(500)));
        assert_eq!(certainty.result(&refused(500), Ok(None), "n", LONGEST), Some(Err("code 500".to_owned())));
    }
}
