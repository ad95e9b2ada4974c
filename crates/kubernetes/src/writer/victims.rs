//! Victims of preemptions, asked to go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use loadline_model::{PodInfo, PodKey, Set, Str};
use serde_json::json;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, error};

use super::Writer;
use crate::api::{ApiError, Ask, JSON};
use crate::clock::{about, seconds};
use crate::live::Message;
use crate::patcher::{patch_status, path_of};
use crate::recorder::{About, Note};

/// Preemptions that have their turn at the same time, first come, first served: where the API server is slow, the first preemptors have
/// their room before the last ones begin.
const TURNS: usize = 16;
/// How long a turn is at most: deletions that hang are not in the way of others.
const LONGEST_TURN: Duration = Duration::from_secs(1);
/// Pods whose last preemption failed have turns of their own, as long as they take: so many of them hang at a time, and no more.
const TURNS_AFTER_FAILURE: usize = 16;
/// Pause after a preemption that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Pods of which it is remembered that their preemption failed.
const REMEMBERED: usize = 10_000;

/// Why victims have to go.
pub(super) struct Cause {
    /// The pod that needs the room, or stands for its gang.
    pub(super) preemptor: Arc<PodInfo>,
    /// As in [`loadline_engine::Effect::DeleteVictims`].
    pub(super) gang: Option<Str>,
    /// The node that they are on.
    pub(super) node: Str,
}

/// Preemptions that are not over, and whose turn it is.
#[derive(Clone)]
pub(super) struct Preemptions {
    under_way: Arc<AtomicUsize>,
    turns: Arc<Semaphore>,
    turns_after_failure: Arc<Semaphore>,
    failed: Arc<Mutex<Set<PodKey>>>,
}

impl Default for Preemptions {
    fn default() -> Self {
        Self {
            under_way: Arc::default(),
            turns: Arc::new(Semaphore::new(TURNS)),
            turns_after_failure: Arc::new(Semaphore::new(TURNS_AFTER_FAILURE)),
            failed: Arc::default(),
        }
    }
}

/// A preemption that is not over.
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to ask victims to go, until it is dropped or over.
struct Turn(JoinHandle<()>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Preemptions {
    pub(super) fn begin(&self) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Whether all victims are asked to go.
    pub(super) fn are_over(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    async fn turn(&self, preemptor: &PodInfo) -> Turn {
        let has_failed = self.failed().contains(&preemptor.uid);
        let (turns, longest) =
            if has_failed { (&self.turns_after_failure, Duration::MAX) } else { (&self.turns, LONGEST_TURN) };
        let permit = Arc::clone(turns).acquire_owned().await;
        Turn(tokio::spawn(async move {
            sleep(longest).await;
            drop(permit);
        }))
    }

    /// A preemption has ended like this.
    fn note(&self, preemptor: &PodInfo, has_failed: bool) {
        let mut failed = self.failed();
        if !has_failed {
            failed.remove(&preemptor.uid);
            return;
        }
        if failed.len() >= REMEMBERED {
            failed.clear();
        }
        failed.insert(preemptor.uid.clone());
    }

    fn failed(&self) -> MutexGuard<'_, Set<PodKey>> {
        // Nothing is half done under the lock, so a holder that panicked leaves it as good as any.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Marks and deletes victims: all but the last together, then the last, whose end wakes the preemptor; not the last where one of the
    /// others stays, since there will be no room then.
    pub(super) async fn delete_victims(self, cause: Arc<Cause>, victims: Vec<Arc<PodInfo>>, under_way: UnderWay) {
        let Some((last, others)) = victims.split_last() else { return };
        let preemptor = &cause.preemptor;
        let turn = self.preemptions.turn(preemptor).await;
        if !self.still_waits(preemptor).await {
            debug!(pod = preemptor.full_name(), "it needs no room any more");
            return;
        }
        let delete = |victim: &Arc<PodInfo>| {
            let (writer, victim, cause) = (self.clone(), victim.clone(), cause.clone());
            self.runtime.spawn(async move { writer.delete_victim(&cause, &victim).await })
        };
        let others: Vec<_> = others.iter().map(delete).collect();
        let mut all_leave = true;
        for other in others {
            all_leave &= other.await.unwrap_or(false);
        }
        if all_leave {
            let begins = Message::LastVictim { preemptor: preemptor.uid.clone(), last: last.uid.clone() };
            let _ = self.answers.send(begins).await;
            all_leave = self.delete_victim(&cause, last).await;
        }
        drop((turn, under_way));
        self.preemptions.note(preemptor, !all_leave);
        if !all_leave {
            // It is held back meanwhile: if any event could have it try again, it would do little else.
            sleep(about(PAUSE)).await;
        }
        let release = Message::Release { preemptor: preemptor.uid.clone(), last: last.uid.clone() };
        let _ = self.answers.send(release).await;
        if !all_leave {
            // No end of a victim will wake it.
            let _ = self.answers.send(Message::Activate(preemptor.uid.clone())).await;
        }
    }

    /// Whether a preemptor still waits for room: it may be gone itself by now. Where the scheduling thread has ended nobody knows better.
    async fn still_waits(&self, preemptor: &PodInfo) -> bool {
        let (answer, answered) = oneshot::channel();
        let uid = preemptor.uid.clone();
        let question = Message::Ask(Box::new(move |scheduler, _| {
            let queue = scheduler.queue();
            let _ = answer.send(queue.get(&uid).is_some() || queue.is_in_flight(&uid));
        }));
        self.answers.send(question).await.is_err() || answered.await.unwrap_or(true)
    }

    /// Whether a victim leaves although asking it to go has failed. It may have been gone already, or another pod has its name by now, or
    /// the answer was lost. Whoever says so may be a webhook, so the API server is asked.
    async fn leaves_anyway(&self, victim: &PodInfo, error: &ApiError) -> bool {
        if error.is_certain() && !error.is_code(404) && !error.is_code(409) {
            return false;
        }
        match self.look(victim).await {
            Ok(found) => found.metadata.deletion_timestamp.is_some(),
            Err(error) => error.is_code(404),
        }
    }

    /// Whether the victim is on its way out.
    async fn delete_victim(&self, cause: &Cause, victim: &Arc<PodInfo>) -> bool {
        let api = &self.connection.write;
        let Cause { preemptor, gang, node } = cause;
        let (kind, uid) = gang.as_ref().map_or(("pod", &preemptor.uid), |gang| ("podgroup", gang));
        let message = format!("{}: preempting to accommodate a higher priority {kind}", preemptor.scheduler_name);
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
        let marked = patch_status(api, victim, &body, &Notify::new()).await;
        let result = match marked {
            Ok(()) => {
                let body = json!({"preconditions": {"uid": &*victim.uid}});
                api.done(&Ask::send(Method::DELETE, path_of(victim), JSON, &body)).await
            }
            refused => refused,
        };
        match result {
            Ok(()) => {
                let _ = self.answers.send(Message::Leaves(victim.uid.clone())).await;
                let text = format!("Preempted by {kind} {uid} on node {node}");
                self.recorder.record(Note {
                    about: About::Pod(victim.clone()),
                    related: Some(preemptor.clone()),
                    action: "Preempting",
                    reason: "Preempted",
                    warning: false,
                    text,
                });
                true
            }
            Err(error) if self.leaves_anyway(victim, &error).await => {
                debug!(pod = victim.full_name(), %error, "the victim is gone, or on its way out");
                let _ = self.answers.send(Message::Leaves(victim.uid.clone())).await;
                true
            }
            Err(error) => {
                error!(pod = victim.full_name(), %error, "can not delete the victim of a preemption");
                false
            }
        }
    }
}
