//! Effects of the engine, performed through the API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::hash_map::Entry;
use http::Method;
use jiff::Timestamp;
use kube::Client;
use loadline_engine::Effect;
use loadline_model::{Map, PodInfo, PodKey, Str};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, error, warn};

use crate::api::{self, ApiError, STRATEGIC_MERGE};
use crate::client::Connection;
use crate::live::Message;
use crate::recorder::{Note, Recorder};

/// Bindings under way at the same time: each has a connection of its own.
const BINDINGS: usize = 64;
/// Workers for status patches. Those of one pod go through one worker, in order.
const PATCHERS: usize = 4;
/// Attempts of a patch, and the first pause between: client-go's default backoff.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// Performs effects.
#[derive(Clone)]
pub(crate) struct Writer {
    connection: Connection,
    answers: Sender<Message>,
    bindings: Arc<Semaphore>,
    patchers: Arc<[UnboundedSender<Work>]>,
    /// How many patches of a pod are not written yet.
    unwritten: Arc<Mutex<Map<PodKey, usize>>>,
    recorder: Recorder,
    runtime: tokio::runtime::Handle,
}

/// What a patcher does, in order.
enum Work {
    Patch(Patch),
    /// Everything before it is written.
    Tell(oneshot::Sender<()>),
}

/// A status that is to be.
struct Patch {
    pod: Arc<PodInfo>,
    condition: Option<(&'static str, String)>,
    nominated_node_name: Option<Option<Str>>,
}

impl Writer {
    pub(crate) fn new(connection: Connection, answers: Sender<Message>, runtime: tokio::runtime::Handle) -> Self {
        let unwritten = Arc::default();
        let patcher = |_| {
            let (sender, receiver) = unbounded_channel();
            runtime.spawn(patch_in_order(connection.write.clone(), receiver, Arc::clone(&unwritten)));
            sender
        };
        let patchers: Vec<_> = (0..PATCHERS).map(patcher).collect();
        Self {
            recorder: Recorder::start(connection.write.clone(), &runtime),
            answers,
            bindings: Arc::new(Semaphore::new(BINDINGS)),
            patchers: patchers.into(),
            unwritten,
            connection,
            runtime,
        }
    }

    /// Begins with an effect; what comes of it is told by a [`Message`].
    pub(crate) fn perform(&self, effect: Effect) {
        match effect {
            Effect::Bind { pod, node } => {
                self.runtime.spawn(self.clone().bind(pod, node));
            }
            Effect::PatchStatus { pod, condition, nominated_node_name } => {
                self.patch(Patch { pod, condition, nominated_node_name });
            }
            Effect::DeleteVictims { preemptor, node, victims } => {
                self.runtime.spawn(self.clone().delete_victims(preemptor, node, victims));
            }
            Effect::RecordEvent { pod, reason, warning, note } => {
                let action = if reason == "Scheduled" { "Binding" } else { "Scheduling" };
                self.recorder.record(Note { about: pod, related: None, action, reason, warning, text: note });
            }
        }
    }

    fn patch(&self, patch: Patch) {
        let uid = patch.pod.uid.clone();
        let patcher = self.patcher(&uid);
        *lock(&self.unwritten).entry(uid).or_default() += 1;
        // A patcher ends with the process alone.
        let _ = patcher.send(Work::Patch(patch));
    }

    /// The one that writes a pod's status.
    fn patcher(&self, uid: &str) -> &UnboundedSender<Work> {
        let place = uid.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        &self.patchers[place % PATCHERS]
    }

    /// Waits until what was said of a pod's status before is written: after its binding it would be wrong.
    async fn written(&self, uid: &str) {
        let (sender, receiver) = oneshot::channel();
        if lock(&self.unwritten).contains_key(uid) && self.patcher(uid).send(Work::Tell(sender)).is_ok() {
            let _ = receiver.await;
        }
    }

    async fn bind(self, pod: Arc<PodInfo>, node: Str) {
        self.written(&pod.uid).await;
        let _permit = self.bindings.acquire().await;
        let body = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid},
            "target": {"kind": "Node", "name": &*node},
        });
        let path = format!("{}/binding", path_of(&pod));
        let result = api::done(&self.connection.bind, api::send(Method::POST, &path, api::JSON, &body)).await;
        if let Err(error) = &result {
            warn!(pod = pod.full_name(), %node, %error, "binding failed");
        }
        let result = result.map_err(|error| error.to_string());
        let _ = self.answers.send(Message::Bound { uid: pod.uid.clone(), result }).await;
    }

    /// Marks and deletes victims: all but the last together, then the last, whose end wakes the preemptor.
    async fn delete_victims(self, preemptor: Arc<PodInfo>, node: Str, victims: Vec<Arc<PodInfo>>) {
        let Some((last, others)) = victims.split_last() else { return };
        let delete = |victim: &Arc<PodInfo>| {
            let (writer, victim, preemptor, node) = (self.clone(), victim.clone(), preemptor.clone(), node.clone());
            self.runtime.spawn(async move { writer.delete_victim(&preemptor, &node, &victim).await })
        };
        let others: Vec<_> = others.iter().map(delete).collect();
        for other in others {
            let _ = other.await;
        }
        let _ = self.answers.send(Message::Release(preemptor.uid.clone())).await;
        self.delete_victim(&preemptor, &node, last).await;
    }

    async fn delete_victim(&self, preemptor: &Arc<PodInfo>, node: &Str, victim: &Arc<PodInfo>) {
        let client = &self.connection.write;
        let message = format!("{}: preempting to accommodate a higher priority pod", preemptor.scheduler_name);
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": message,
            "observedGeneration": victim.generation,
            "lastProbeTime": null,
            "lastTransitionTime": now(),
        });
        let body = json!({"metadata": {"uid": &*victim.uid}, "status": {"conditions": [condition]}});
        let marked = patch_status(client, victim, &body).await;
        let result = match marked {
            Ok(()) => {
                let body = json!({"preconditions": {"uid": &*victim.uid}});
                api::done(client, api::send(Method::DELETE, &path_of(victim), api::JSON, &body)).await
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
            }
            // Gone already, or another pod of that name by now: the room is free either way.
            Err(error) if error.is_code(404) || error.is_code(409) => {
                debug!(pod = victim.full_name(), %error, "the victim is gone");
            }
            Err(error) => error!(pod = victim.full_name(), %error, "can not delete the victim of a preemption"),
        }
    }
}

async fn patch_in_order(client: Client, mut work: UnboundedReceiver<Work>, unwritten: Arc<Mutex<Map<PodKey, usize>>>) {
    while let Some(work) = work.recv().await {
        let patch = match work {
            Work::Patch(patch) => patch,
            Work::Tell(sender) => {
                let _ = sender.send(());
                continue;
            }
        };
        write(&client, &patch).await;
        if let Entry::Occupied(mut left) = lock(&unwritten).entry(patch.pod.uid.clone()) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
    }
}

async fn write(client: &Client, patch: &Patch) {
    let Some(body) = status_patch(patch) else { return };
    match patch_status(client, &patch.pod, &body).await {
        Ok(()) => {}
        Err(error) if error.is_code(404) || error.is_code(409) => {
            debug!(pod = patch.pod.full_name(), %error, "the pod is gone");
        }
        Err(error) => warn!(pod = patch.pod.full_name(), %error, "can not write the pod's status"),
    }
}

/// A lock whose holder panicked is as good as any: counts are all it guards.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The patch that makes a pod's status what it is to be; `None` when it is so already.
fn status_patch(patch: &Patch) -> Option<Value> {
    let Patch { pod, condition, nominated_node_name } = patch;
    let mut status = serde_json::Map::new();
    if let Some((reason, message)) = condition {
        let known = pod.unplaced.as_deref();
        let same = known.is_some_and(|known| {
            *known.reason == **reason && *known.message == **message && known.observed_generation == pod.generation
        });
        if !same {
            let mut condition = json!({
                "type": "PodScheduled",
                "status": "False",
                "reason": reason,
                "message": message,
                "observedGeneration": pod.generation,
            });
            // It stays as it was while the status stays False: the merge keeps it.
            if known.is_none() {
                condition["lastProbeTime"] = Value::Null;
                condition["lastTransitionTime"] = now();
            }
            status.insert("conditions".to_owned(), json!([condition]));
        }
    }
    if let Some(node) = nominated_node_name.as_ref().filter(|wanted| **wanted != pod.nominated_node_name) {
        status.insert("nominatedNodeName".to_owned(), json!(node.as_deref()));
    }
    // A pod of the same name that came after this one is another pod.
    (!status.is_empty()).then(|| json!({"metadata": {"uid": &*pod.uid}, "status": status}))
}

async fn patch_status(client: &Client, pod: &PodInfo, body: &Value) -> Result<(), ApiError> {
    let path = format!("{}/status", path_of(pod));
    let mut pause = PAUSE;
    for attempt in 1.. {
        let result = api::done(client, api::send(Method::PATCH, &path, STRATEGIC_MERGE, body)).await;
        match result {
            Err(error) if attempt < ATTEMPTS && error.is_transient() && !error.is_code(409) => {
                tokio::time::sleep(pause).await;
                pause *= 5;
            }
            result => return result,
        }
    }
    unreachable!("the loop has no end")
}

fn path_of(pod: &PodInfo) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name)
}

#[allow(clippy::disallowed_methods, reason = "what is written to the API bears the time of the writing")]
fn now() -> Value {
    let now = Timestamp::now();
    json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
