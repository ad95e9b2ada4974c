//! Orders of the state machine, performed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use loadline_api::wire;
use loadline_engine::{Event, Reservation};
use loadline_model::{Str, Time};
use loadline_rescheduler::controller::{Answer, Ending, Failure, Found, Looked, Order, Phase};
use loadline_rescheduler::{Workloads, stays};
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use super::object::{self, Object, SECOND};
use super::{KEPT, Rescheduler, acts, owners, view};
use crate::api::{ApiError, Ask, JSON, MERGE, read};
use crate::clock;
use crate::recorder::{About, Note};

impl Rescheduler {
    /// Performs orders, and those that come of them.
    pub(super) async fn perform(&mut self, orders: Vec<Order>) {
        let mut left = VecDeque::new();
        self.release_first(orders, &mut left).await;
        while let Some(order) = left.pop_front() {
            let orders = self.perform_one(order).await;
            self.release_first(orders, &mut left).await;
        }
    }

    /// Gives rooms back before anything that may take long: whoever loses the lease meanwhile knows no more of moves that are over.
    async fn release_first(&mut self, orders: Vec<Order>, left: &mut VecDeque<Order>) {
        for order in orders {
            if matches!(order, Order::Release(_)) {
                self.perform_one(order).await;
            } else {
                left.push_back(order);
            }
        }
    }

    async fn perform_one(&mut self, order: Order) -> Vec<Order> {
        match order {
            Order::Create(key) => {
                let result = self.create(&key).await;
                self.machine(|machine, now| machine.created(&key, result, now))
            }
            Order::Reserve { key, is_due } => {
                self.reserve(&key, is_due).await;
                Vec::new()
            }
            Order::Write(key, phase) => {
                self.note_phase(&key, phase).await;
                Vec::new()
            }
            Order::Look(key) => {
                let looked = self.look(&key).await;
                self.machine(|machine, now| machine.looked(&key, looked, now))
            }
            Order::Evict(key) => {
                let answer = self.evict(&key).await;
                self.machine(|machine, now| machine.answered(&key, answer, now))
            }
            Order::LookUp(key) => {
                let found = self.look_up(&key).await;
                self.machine(|machine, now| machine.found(&key, found, now))
            }
            Order::Release(key) => {
                self.scheduling.tell(Event::ReservationGone(key)).await;
                Vec::new()
            }
            Order::End(key, ending) => {
                self.end(&key, &ending).await;
                Vec::new()
            }
        }
    }

    fn machine(
        &mut self,
        told: impl FnOnce(&mut loadline_rescheduler::controller::Machine, Time) -> Vec<Order>,
    ) -> Vec<Order> {
        self.term.as_mut().map_or_else(Vec::new, |term| told(&mut term.machine, clock::now()))
    }

    /// Creates the object of a move. It has a name of its own, so that one whose answer was lost is found again.
    async fn create(&mut self, key: &Str) -> Result<(), String> {
        let Some(term) = &mut self.term else { return Err(String::new()) };
        let Some(held) = term.held.get_mut(key) else { return Err(String::new()) };
        let (namespace, name) = object::parts(key);
        let body = held.spec.object(namespace, name);
        let post = Ask::send(Method::POST, object::collection(namespace), JSON, &body);
        let mut answer = term.write.answer::<Object>(&post).await;
        if answer.as_ref().is_err_and(|error| error.is_code(409) || !error.is_certain()) {
            let path = format!("{}?fieldSelector=metadata.name%3D{name}&", object::collection(namespace));
            let found = term.read.page::<Object>(&path, "").await.ok().and_then(|page| page.items?.pop());
            match found {
                // The next one is to take another name.
                Some(found) if found.phase().is_over() => {
                    term.past.insert((found.created(), key.clone()));
                }
                Some(found) if found.spec == held.spec => answer = Ok(found),
                // Of an earlier plan that never heard that it was created: nothing was begun with it.
                Some(found) if found.phase() == Phase::Planned => {
                    answer = match term.write.done(&delete(key)).await {
                        Ok(()) => term.write.answer(&post).await,
                        Err(error) => Err(error),
                    };
                }
                _ => {}
            }
        }
        let object = answer.map_err(|error| error.to_string())?;
        (held.created, held.is_written) = (object.created(), true);
        Ok(())
    }

    async fn reserve(&mut self, key: &Str, is_due: bool) {
        let Some(held) = self.term.as_ref().and_then(|term| term.held.get(key)) else { return };
        let (pod, node) = (held.stand_in.clone(), held.spec.target.as_str().into());
        let reservation = Reservation { name: key.clone(), pod, node, is_due };
        self.scheduling.tell(Event::Reservation(reservation)).await;
    }

    /// Writes how far a move is, and tells of it when its pod goes.
    async fn note_phase(&mut self, key: &Str, phase: Phase) {
        if let Err(error) = self.write_phase(key, phase).await {
            warn!(name = &**key, phase = phase.as_str(), %error, "can not write how far a move is");
        }
        let Some(held) = self.term.as_ref().and_then(|term| term.held.get(key)) else { return };
        let spec = &held.spec;
        if phase != Phase::Evicted {
            return;
        }
        let pod = format!("{}/{}", held.namespace, spec.pod.name);
        let (from, to, strategy) = (&spec.source, &spec.target, &spec.strategy);
        info!(pod, from, to, strategy, gain = spec.gain, reason = spec.reason, "evicted");
        let Some(about) = &held.pod else { return };
        let text = format!("From {from} to {to} by {strategy}: {}; gains {} percent points", spec.reason, spec.gain);
        let note = |about, text: String| Note {
            about,
            related: None,
            action: "Rescheduling",
            reason: "Rescheduled",
            warning: false,
            text,
        };
        if about.owner.is_some() {
            self.recorder.record(note(About::OwnerOf(Arc::clone(about)), format!("Pod {}: {text}", spec.pod.name)));
        }
        self.recorder.record(note(About::Pod(Arc::clone(about)), text));
    }

    async fn write_phase(&self, key: &Str, phase: Phase) -> Result<(), ApiError> {
        let Some(term) = &self.term else { return Ok(()) };
        let time = phase.as_str().to_ascii_lowercase();
        let status = json!({"phase": phase.as_str(), "times": {time: clock::seconds()}});
        write_status(&term.write, key, &status).await
    }

    /// Looks at everything right before an eviction.
    async fn look(&mut self, key: &Str) -> Looked {
        let Some(watched) = self.watched().into_iter().find(|watched| watched.task.key == *key) else {
            return Looked::Not(Failure::Error);
        };
        let Some(held) = self.term.as_ref().and_then(|term| term.held.get(key)) else {
            return Looked::Not(Failure::Error);
        };
        let (task, spec, namespace) = (watched.task.clone(), held.spec.clone(), held.namespace.clone());
        let Some(options) = self.wanted().filter(|options| acts(options)) else {
            return Looked::Not(Failure::Stopped);
        };
        let asked = self.scheduling.ask(move |scheduler, _| {
            let fork = view::stands_against(scheduler, &task)?;
            let pod = scheduler.engine().cluster().pod(&task.uid).map(|known| known.pod.clone());
            Ok((fork, pod, view::known_stand_in(scheduler, &spec, &namespace)))
        });
        let (fork, pod, stand_in) = match asked.await {
            None => return Looked::Unknown("the scheduling thread has ended".to_owned()),
            Some(Err(failure)) => return Looked::Not(failure),
            Some(Ok(found)) => found,
        };
        let Some(pod) = pod else { return Looked::Not(Failure::PodGone) };
        let Some(term) = &mut self.term else { return Looked::Unknown(String::new()) };
        let mut known = Workloads::default();
        if let Err(error) = owners::look_up(&term.read, &pod, &mut known).await {
            return Looked::Unknown(error.to_string());
        }
        if pod.owner.as_ref().is_some_and(|owner| !known.is_at_rest(&pod.namespace, owner)) {
            return Looked::Not(Failure::RollingOut);
        }
        let (task, about) = (watched.task, Arc::clone(&pod));
        let judged = tokio::task::spawn_blocking(move || {
            // Much may have been written since it was planned: on the pod, on its owner, in the configuration.
            let stays = stays(&fork, &about, &known, &options);
            (stays, view::fits(fork, &task, &Arc::new(stand_in)))
        });
        match judged.await {
            Ok((None, true)) => {}
            Ok((Some(refusal), _)) => {
                debug!(name = &**key, reason = refusal.as_str(), "a pod that was to be moved stays");
                return Looked::Not(Failure::PodChanged);
            }
            Ok((None, false)) | Err(_) => return Looked::Not(Failure::RoomLost),
        }
        let Some(term) = &mut self.term else { return Looked::Unknown(String::new()) };
        if let Some(held) = term.held.get_mut(key) {
            held.pod = Some(pod);
        }
        Looked::Fine
    }

    /// Writes that a pod is being evicted, and evicts it. Whoever leads next would else not know that it may have been.
    async fn evict(&mut self, key: &Str) -> Answer {
        if let Err(error) = self.write_phase(key, Phase::Evicting).await {
            debug!(name = &**key, %error, "the eviction is not begun");
            return if error.is_transient() { Answer::Busy(SECOND) } else { Answer::Refused(error.to_string()) };
        }
        let Some((term, held)) = self.term.as_ref().and_then(|term| Some((term, term.held.get(key)?))) else {
            return Answer::Refused(String::new());
        };
        let (namespace, pod) = (&held.namespace, &held.spec.pod);
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}/eviction", pod.name);
        match term.write.once(&Ask::send(Method::POST, path, JSON, &body)).await {
            Ok(_) => Answer::Accepted,
            Err((error, wait)) => answer(&error, wait),
        }
    }

    /// Looks whether a pod goes whose eviction was not answered.
    async fn look_up(&mut self, key: &Str) -> Found {
        let Some((term, held)) = self.term.as_ref().and_then(|term| Some((term, term.held.get(key)?))) else {
            return Found::Unknown;
        };
        let pod = &held.spec.pod;
        let ask = Ask::get(format!("/api/v1/namespaces/{}/pods/{}", held.namespace, pod.name));
        let found = match term.read.once(&ask).await {
            Ok(body) => read::<wire::Pod>(&body),
            Err((error, _)) => Err(error),
        };
        match found {
            Ok(found) if found.metadata.uid != pod.uid || found.metadata.deletion_timestamp.is_some() => Found::Leaving,
            Ok(_) => Found::There,
            Err(error) if error.is_code(404) => Found::Leaving,
            Err(_) => Found::Unknown,
        }
    }

    /// Writes down how a move ended, tells of it, and lets old ones go.
    async fn end(&mut self, key: &Str, ending: &Ending) {
        let Some(term) = &mut self.term else { return };
        let Some(held) = term.held.remove(key) else { return };
        let spec = &held.spec;
        let pod = format!("{}/{}", held.namespace, spec.pod.name);
        let node = ending.replacement.as_ref().and_then(|found| found.node.as_deref());
        let (result, strategy) = (result(ending.phase), spec.strategy.as_str());
        let ran = matches!(ending.phase, Phase::Succeeded | Phase::Elsewhere);
        let achieved = ending.replacement.as_ref().filter(|_| ran).map(|found| found.gain);
        self.metrics.moved(strategy, result, achieved.map(|achieved| (spec.gain, achieved)));
        let message = ending.message.as_str();
        match ending.phase {
            Phase::Succeeded => info!(pod, node, achieved, "moved"),
            Phase::Elsewhere => warn!(pod, node, wanted = spec.target, achieved, "moved, and not to where it was to"),
            _ => warn!(
                pod,
                from = spec.source,
                to = spec.target,
                strategy,
                reason = result,
                message,
                "a move has failed"
            ),
        }
        if !held.is_written {
            return;
        }
        let reason = if let Phase::Failed(failure) = ending.phase { failure.as_str() } else { "" };
        let replacement = ending.replacement.as_ref();
        let replacement = replacement.map(|found| json!({"name": &*found.name, "uid": &*found.uid, "node": node}));
        let status = json!({
            "phase": ending.phase.as_str(),
            "reason": reason,
            "message": message,
            "replacement": replacement,
            "achievedGain": achieved,
            "times": {"finished": clock::seconds()},
        });
        term.used.extend(ending.replacement.as_ref().map(|found| (key.clone(), found.uid.clone())));
        term.past.insert((held.created, key.clone()));
        term.unwritten.insert(key.clone(), status);
        self.write_what_is_late().await;
        self.trim().await;
    }

    /// Writes how moves ended. What can not be written now is in the next round.
    pub(super) async fn write_what_is_late(&mut self) {
        let Some(term) = &mut self.term else { return };
        for (key, status) in std::mem::take(&mut term.unwritten) {
            match write_status(&term.write, &key, &status).await {
                Ok(()) => {}
                Err(error) if error.is_certain() && !error.is_transient() => {
                    debug!(name = &*key, %error, "how a move ended is not written");
                }
                Err(error) => {
                    warn!(name = &*key, %error, "how a move ended is written later");
                    term.unwritten.insert(key, status);
                }
            }
        }
    }

    /// Deletes the oldest moves that are over.
    async fn trim(&mut self) {
        let Some(term) = &mut self.term else { return };
        while term.past.len() > KEPT {
            let Some((created, key)) = term.past.pop_first() else { return };
            term.used.remove(&key);
            match term.write.done(&delete(&key)).await {
                Ok(()) => {}
                Err(error) if error.is_code(404) => {}
                Err(error) => {
                    debug!(name = &*key, %error, "an old move is deleted later");
                    term.past.insert((created, key));
                    return;
                }
            }
        }
    }
}

fn delete(key: &Str) -> Ask {
    Ask::send(Method::DELETE, object::path(key), JSON, &json!({}))
}

async fn write_status(api: &crate::api::Api, key: &Str, status: &Value) -> Result<(), ApiError> {
    let path = format!("{}/status", object::path(key));
    api.done(&Ask::send(Method::PATCH, path, MERGE, &json!({"status": status}))).await
}

/// The name of a result in metrics.
const fn result(phase: Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "success",
        Phase::Elsewhere => "elsewhere",
        Phase::Failed(failure) => failure.as_str(),
        _ => "",
    }
}

/// What an answer to an eviction means. Both budgets and the API server's own limits say 429; only budgets say so in words.
fn answer(error: &ApiError, wait: Option<Duration>) -> Answer {
    let wait = wait.map(|wait| wait.as_nanos() as Time);
    match error {
        ApiError::Refused { code: 429, message, .. } if message.contains("disruption budget") => Answer::Budget(wait),
        ApiError::Refused { code: 429, .. } => Answer::Busy(wait.unwrap_or(SECOND)),
        ApiError::Refused { code: 404, .. } => Answer::Gone,
        ApiError::Refused { code: 409, .. } => Answer::Changed,
        error if error.is_certain() => Answer::Refused(error.to_string()),
        error => Answer::Lost(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> ApiError {
        ApiError::Refused { code, reason: String::new(), message: message.to_owned() }
    }

    #[test]
    fn a_budget_is_told_from_an_api_server_that_is_busy() {
        let no = "Cannot evict pod as it would violate the pod's disruption budget.";
        assert_eq!(answer(&refused(429, no), None), Answer::Budget(None));
        let wait = Some(Duration::from_secs(10));
        assert_eq!(answer(&refused(429, no), wait), Answer::Budget(Some(10 * SECOND)));
        assert_eq!(answer(&refused(429, "Too many requests"), wait), Answer::Busy(10 * SECOND));
        assert_eq!(answer(&refused(429, "Too many requests"), None), Answer::Busy(SECOND));
    }

    #[test]
    fn only_a_certain_no_is_one() {
        assert_eq!(answer(&refused(404, "x"), None), Answer::Gone);
        assert_eq!(answer(&refused(409, "x"), None), Answer::Changed);
        assert_eq!(answer(&refused(403, "x"), None), Answer::Refused("x".to_owned()));
        assert_eq!(answer(&refused(500, "x"), None), Answer::Lost("x".to_owned()));
        assert!(matches!(answer(&ApiError::TimedOut, None), Answer::Lost(_)));
        assert!(matches!(answer(&ApiError::NotLeading, None), Answer::Refused(_)));
    }
}
