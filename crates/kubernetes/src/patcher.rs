//! What is to stand in the status of pods, written in the background.
//!
//! For each pod only the newest word waits, and a binding takes it away: what was to be said of why a pod waits is no longer true
//! when it is about to be bound, and a condition that is written after its binding would be wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use loadline_model::{Map, PodInfo, PodKey, Str};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::api::{Api, ApiError, Ask, STRATEGIC_MERGE, TOLD_TO_WAIT};
use crate::clock::seconds;

/// How many are written at the same time.
const WRITERS: usize = 4;
/// Attempts of a patch, and the first pause between: client-go's default backoff.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// A status that is to be.
pub(crate) struct Patch {
    pub(crate) pod: Arc<PodInfo>,
    /// Reason and message of PodScheduled = False.
    pub(crate) condition: Option<(&'static str, String)>,
    pub(crate) nominated_node_name: Option<Option<Str>>,
}

/// Writes them.
#[derive(Clone)]
pub(crate) struct Patcher {
    to_write: UnboundedSender<PodKey>,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    waiting: Map<PodKey, Patch>,
    writing: Map<PodKey, Writing>,
    /// What was last said of nominations that the pods as they are known do not show.
    nominated: Map<PodKey, Option<Str>>,
}

/// A status that is being written.
#[derive(Default)]
struct Writing {
    /// Whoever waits for the end of it.
    waiting: Vec<oneshot::Sender<()>>,
    /// It is not to be tried again.
    obsolete: Arc<Notify>,
}

impl Patcher {
    pub(crate) fn start(api: &Api, runtime: &tokio::runtime::Handle) -> Self {
        let (to_write, receiver) = unbounded_channel();
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        let patcher = Self { to_write, desk: Arc::default() };
        for _ in 0..WRITERS {
            runtime.spawn(work(api.clone(), Arc::clone(&receiver), patcher.clone()));
        }
        patcher
    }

    /// Has a status written, in the place of one for the same pod that is not begun.
    pub(crate) fn put(&self, patch: Patch) {
        let uid = patch.pod.uid.clone();
        let mut desk = self.desk();
        let older = desk.waiting.remove(&uid);
        let is_announced = older.is_some() || desk.writing.contains_key(&uid);
        let merged = match older {
            Some(older) => Patch {
                condition: patch.condition.or(older.condition),
                nominated_node_name: patch.nominated_node_name.or(older.nominated_node_name),
                ..patch
            },
            None => patch,
        };
        desk.waiting.insert(uid.clone(), merged);
        // One that is being written comes back to the queue by itself.
        if !is_announced {
            // The writers end with the process alone.
            let _ = self.to_write.send(uid);
        }
    }

    /// Takes away what waits to be said of a pod, and waits for what is being said: for the answer to a request that is out, not for
    /// another try.
    pub(crate) async fn settle(&self, uid: &str) {
        let ended = {
            let mut desk = self.desk();
            desk.waiting.remove(uid);
            desk.writing.get_mut(uid).map(|writing| {
                let (sender, receiver) = oneshot::channel();
                writing.waiting.push(sender);
                writing.obsolete.notify_one();
                receiver
            })
        };
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }

    /// Whether nothing waits and nothing is being written.
    pub(crate) fn is_idle(&self) -> bool {
        let desk = self.desk();
        desk.waiting.is_empty() && desk.writing.is_empty()
    }

    fn begin(&self, uid: &str) -> Option<(Patch, Arc<Notify>)> {
        let mut desk = self.desk();
        if desk.writing.contains_key(uid) {
            return None;
        }
        let (uid, mut patch) = desk.waiting.remove_entry(uid)?;
        desk.leave_out_known_nomination(&uid, &mut patch);
        let writing = Writing::default();
        let obsolete = Arc::clone(&writing.obsolete);
        desk.writing.insert(uid, writing);
        Some((patch, obsolete))
    }

    fn end(&self, uid: &str) {
        let mut desk = self.desk();
        for waiting in desk.writing.remove(uid).into_iter().flat_map(|writing| writing.waiting) {
            let _ = waiting.send(());
        }
        if let Some((uid, _)) = desk.waiting.get_key_value(uid) {
            let _ = self.to_write.send(uid.clone());
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing is half done under the lock, so a holder that panicked leaves it as good as any.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pods of which it is remembered what was said. Those that are deleted at once are never heard of again.
const REMEMBERED: usize = 10_000;

impl Desk {
    /// A nomination that the status shows is not written, unless something else was written meanwhile.
    fn leave_out_known_nomination(&mut self, uid: &PodKey, patch: &mut Patch) {
        let Some(wanted) = &patch.nominated_node_name else { return };
        let is_shown = *wanted == patch.pod.nominated_node_name;
        if is_shown && self.nominated.get(uid).is_none_or(|said| said == wanted) {
            self.nominated.remove(uid);
            patch.nominated_node_name = None;
            return;
        }
        if self.nominated.len() >= REMEMBERED {
            self.nominated.clear();
        }
        self.nominated.insert(uid.clone(), wanted.clone());
    }
}

async fn work(api: Api, queue: Arc<tokio::sync::Mutex<UnboundedReceiver<PodKey>>>, patcher: Patcher) {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(uid) = next else { return };
        if let Some((patch, obsolete)) = patcher.begin(&uid) {
            write(&api, &patch, &obsolete).await;
            patcher.end(&uid);
        }
    }
}

async fn write(api: &Api, patch: &Patch, obsolete: &Notify) {
    let Some(body) = body(patch) else { return };
    match patch_status(api, &patch.pod, &body, obsolete).await {
        Ok(()) => {}
        Err(error) if error.is_code(404) || error.is_code(409) => {
            debug!(pod = patch.pod.full_name(), %error, "the pod is gone");
        }
        Err(error) => warn!(pod = patch.pod.full_name(), %error, "can not write the pod's status"),
    }
}

/// The patch that makes a pod's status what it is to be; `None` when it is so already.
fn body(patch: &Patch) -> Option<Value> {
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
                condition["lastTransitionTime"] = seconds().into();
            }
            status.insert("conditions".to_owned(), json!([condition]));
        }
    }
    if let Some(node) = nominated_node_name {
        status.insert("nominatedNodeName".to_owned(), json!(node.as_deref()));
    }
    // A pod of the same name that came after this one is another pod.
    (!status.is_empty()).then(|| json!({"metadata": {"uid": &*pod.uid}, "status": status}))
}

/// Patches a pod's status, with client-go's patience, which ends when the patch is obsolete.
pub(crate) async fn patch_status(api: &Api, pod: &PodInfo, body: &Value, obsolete: &Notify) -> Result<(), ApiError> {
    let ask = Ask::send(Method::PATCH, format!("{}/status", path_of(pod)), STRATEGIC_MERGE, body);
    let (mut attempt, mut told, mut pause) = (1, 0, PAUSE);
    loop {
        let Err((error, wait)) = api.once(&ask).await else { return Ok(()) };
        let wait = match wait {
            Some(wait) if told < TOLD_TO_WAIT => {
                told += 1;
                wait
            }
            _ if attempt < ATTEMPTS && error.is_transient() => {
                attempt += 1;
                let now = pause;
                pause *= 5;
                now
            }
            _ => return Err(error),
        };
        debug!(pod = pod.full_name(), %error, ?wait, "the status is written later");
        tokio::select! {
            () = sleep(wait) => {}
            () = obsolete.notified() => {
                debug!(pod = pod.full_name(), "the status is not written any more");
                return Ok(());
            }
        }
    }
}

/// Where a pod is.
pub(crate) fn path_of(pod: &PodInfo) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_about_a_nomination_takes_the_place_of_one_that_is_not_written() {
        let (to_write, _queue) = unbounded_channel();
        let patcher = Patcher { to_write, desk: Arc::default() };
        let pod = Arc::new(PodInfo { uid: "a".into(), ..PodInfo::default() });
        let put = |condition: Option<&str>, nominated: Option<Option<&str>>| {
            patcher.put(Patch {
                pod: pod.clone(),
                condition: condition.map(|message| ("Unschedulable", message.to_owned())),
                nominated_node_name: nominated.map(|node| node.map(Str::from)),
            });
        };
        let written = || patcher.begin("a").and_then(|(patch, _)| body(&patch)).map(|body| body["status"].clone());
        put(Some("first"), Some(Some("n")));
        put(Some("second"), None);
        let status = written().expect("there is something to write");
        assert_eq!(
            (&status["nominatedNodeName"], &status["conditions"][0]["message"]),
            (&json!("n"), &json!("second"))
        );
        patcher.end("a");

        // It is written, or may be, and not heard of yet.
        put(None, Some(None));
        assert_eq!(written(), Some(json!({"nominatedNodeName": null})));
        patcher.end("a");
        put(None, Some(None));
        assert_eq!(written(), None, "it is so already");
        patcher.end("a");

        put(None, Some(Some("n")));
        put(None, Some(None));
        assert_eq!(written(), None, "the newest word is that nothing changes");
    }
}
