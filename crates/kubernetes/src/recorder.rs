//! Events (events.k8s.io/v1), written in the background: scheduling never waits for them.
//!
//! What is repeated becomes a series, as client-go's recorder makes it: the first repetition is written, later ones are
//! counted and written from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use loadline_model::{Map, PodGroupInfo, PodInfo, Str, Time};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{debug, warn};

use crate::api::{Api, ApiError, Ask, JSON, STRATEGIC_MERGE};
use crate::clock;

/// Events that wait to be written; more are dropped, with a word in the log.
const WAITING: usize = 10_000;
/// How many are written at the same time.
const WRITERS: usize = 4;
/// How often a write is tried while nobody answers, and the pause between, as client-go does it.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_secs(10);
/// Longest note that the API server takes.
const LONGEST_NOTE: usize = 1024;
/// A series that was silent for so long has ended.
const IDLE: Duration = Duration::from_mins(6);
/// How often a series that goes on is written.
const REFRESH: Duration = Duration::from_mins(30);
/// How often series are looked through.
const ROUND: Duration = Duration::from_mins(1);

/// What an event is about.
#[derive(Clone, Debug)]
pub(crate) enum About {
    Pod(Arc<PodInfo>),
    /// The controller of a pod, which is what the event is related to.
    OwnerOf(Arc<PodInfo>),
    /// A PodGroup whose pods are scheduled by this profile.
    Group(Arc<PodGroupInfo>, Str),
}

impl About {
    fn namespace(&self) -> &Str {
        match self {
            Self::Pod(pod) | Self::OwnerOf(pod) => &pod.namespace,
            Self::Group(group, _) => &group.key.namespace,
        }
    }

    fn scheduler_name(&self) -> &Str {
        match self {
            Self::Pod(pod) | Self::OwnerOf(pod) => &pod.scheduler_name,
            Self::Group(_, scheduler_name) => scheduler_name,
        }
    }

    /// The uid of the object that tells whose turn it is, and whether the event is about the owner of that.
    fn key(&self) -> (Str, bool) {
        match self {
            Self::Pod(pod) => (pod.uid.clone(), false),
            Self::OwnerOf(pod) => (pod.uid.clone(), true),
            Self::Group(group, _) => (group.uid.clone(), false),
        }
    }

    /// As `regarding` has it.
    fn reference(&self) -> Value {
        match self {
            Self::Pod(pod) => reference(pod),
            Self::OwnerOf(pod) => pod.owner.as_ref().map_or_else(
                || reference(pod),
                |owner| {
                    json!({
                        "kind": &*owner.kind,
                        "apiVersion": &*owner.api_version,
                        "namespace": &*pod.namespace,
                        "name": &*owner.name,
                        "uid": &*owner.uid,
                    })
                },
            ),
            Self::Group(group, _) => json!({
                "kind": "PodGroup",
                "apiVersion": group.key.api.api_version(),
                "namespace": &*group.key.namespace,
                "name": &*group.key.name,
                "uid": &*group.uid,
            }),
        }
    }
}

/// An event to be recorded.
pub(crate) struct Note {
    pub(crate) about: About,
    pub(crate) related: Option<Arc<PodInfo>>,
    pub(crate) action: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) warning: bool,
    pub(crate) text: String,
}

/// Takes events.
#[derive(Clone)]
pub(crate) struct Recorder {
    writers: Arc<[Sender<Note>]>,
    /// How many are not written yet.
    unwritten: Arc<AtomicUsize>,
}

impl Recorder {
    pub(crate) fn start(api: &Api, runtime: &tokio::runtime::Handle) -> Self {
        let unwritten = Arc::default();
        let writer = |_| {
            let (sender, receiver) = channel(WAITING / WRITERS);
            let recording = Recording {
                api: api.clone(),
                hostname: hostname(),
                series: Map::default(),
                unwritten: Arc::clone(&unwritten),
            };
            runtime.spawn(recording.run(receiver));
            sender
        };
        let writers: Vec<_> = (0..WRITERS).map(writer).collect();
        Self { writers: writers.into(), unwritten }
    }

    /// Takes an event, if there is room. Those of one pod are written in order.
    pub(crate) fn record(&self, note: Note) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.writers[place(&note.about.key().0, WRITERS)].try_send(note) {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            warn!(%error, "an event is not recorded");
        }
    }

    /// Whether all events are written.
    pub(crate) fn is_idle(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) == 0
    }
}

/// Which of so many writers is this pod's.
pub(crate) fn place(uid: &str, writers: usize) -> usize {
    uid.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % writers
}

/// What makes an event the same as another; the text is no part of it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    about: (Str, bool),
    related: Option<Str>,
    action: &'static str,
    reason: &'static str,
    warning: bool,
}

struct Series {
    path: String,
    count: u32,
    last: Time,
    /// The same as the time of day, which is what readers want.
    last_observed: String,
    written: Time,
}

impl Series {
    /// Whether it has ended.
    fn is_idle(&self, now: Time) -> bool {
        now - self.last > IDLE.as_nanos() as Time
    }

    /// Whether something of it is to be written.
    fn is_due(&self, now: Time) -> bool {
        let is_old = now - self.written > REFRESH.as_nanos() as Time;
        self.count > 2 && self.last > self.written && (self.is_idle(now) || is_old)
    }
}

struct Recording {
    api: Api,
    hostname: String,
    series: Map<Key, Series>,
    unwritten: Arc<AtomicUsize>,
}

impl Recording {
    async fn run(mut self, mut notes: Receiver<Note>) {
        let mut round = tokio::time::interval(ROUND);
        loop {
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => {
                        self.write(note).await;
                        self.unwritten.fetch_sub(1, Ordering::Relaxed);
                    }
                    None => return,
                },
                _ = round.tick() => self.look_through().await,
            }
        }
    }

    async fn write(&mut self, note: Note) {
        let key = Key {
            about: note.about.key(),
            related: note.related.as_ref().map(|related| related.uid.clone()),
            action: note.action,
            reason: note.reason,
            warning: note.warning,
        };
        let now = clock::now();
        if let Some(series) = self.series.get_mut(&key) {
            series.count += 1;
            (series.last, series.last_observed) = (now, clock::micros());
            if series.count == 2 {
                let path = series.path.clone();
                if self.write_series(&key).await.is_err_and(|error| error.is_code(404)) {
                    debug!(path, "the event is gone: the next one begins anew");
                    self.series.remove(&key);
                }
            }
            return;
        }
        let (namespace, body) = self.event(&note);
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        match self.send(&Ask::send(Method::POST, path.as_str(), JSON, &body)).await {
            Ok(()) => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
                let last_observed = clock::micros();
                self.series.insert(key, Series { path, count: 1, last: now, last_observed, written: now });
            }
            Err(error) => {
                let about = format!("{namespace}/{}", body["regarding"]["name"].as_str().unwrap_or_default());
                warn!(about, reason = note.reason, %error, "can not record an event");
            }
        }
    }

    async fn write_series(&mut self, key: &Key) -> Result<(), ApiError> {
        let Some(series) = self.series.get_mut(key) else { return Ok(()) };
        let body = json!({"series": {"count": series.count, "lastObservedTime": series.last_observed}});
        let ask = Ask::send(Method::PATCH, series.path.as_str(), STRATEGIC_MERGE, &body);
        series.written = series.last;
        self.send(&ask).await
    }

    async fn send(&self, ask: &Ask) -> Result<(), ApiError> {
        let mut tries = 1;
        loop {
            match self.api.done(ask).await {
                // It was there already: the answer to the try before was lost.
                Err(error) if error.is_code(409) && tries > 1 => return Ok(()),
                Err(error) if error.is_unreachable() && tries < TRIES => tries += 1,
                result => return result,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look_through(&mut self) {
        let now = clock::now();
        let due = self.series.iter().filter(|(_, series)| series.is_due(now));
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            if let Err(error) = self.write_series(&key).await {
                debug!(%error, "can not write a series of events");
            }
        }
        self.series.retain(|_, series| !series.is_idle(now));
    }

    fn event(&self, note: &Note) -> (Str, Value) {
        let (namespace, controller) = (note.about.namespace(), note.about.scheduler_name());
        let regarding = note.about.reference();
        let name = regarding["name"].as_str().unwrap_or_default();
        let mut body = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "namespace": &**namespace,
                "name": format!("{name}.{}", clock::suffix()),
            },
            "eventTime": clock::micros(),
            "reportingController": &**controller,
            "reportingInstance": format!("{controller}-{}", self.hostname),
            "action": note.action,
            "reason": note.reason,
            "regarding": regarding,
            "note": shortened(&note.text),
            "type": if note.warning { "Warning" } else { "Normal" },
        });
        if let Some(related) = &note.related {
            body["related"] = reference(related);
        }
        if let About::OwnerOf(pod) = &note.about {
            body["related"] = reference(pod);
        }
        (namespace.clone(), body)
    }
}

fn reference(pod: &PodInfo) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": &*pod.namespace,
        "name": &*pod.name,
        "uid": &*pod.uid,
        "resourceVersion": &*pod.resource_version,
    })
}

/// Cut at the length that the API server takes, with a sign that it was.
fn shortened(note: &str) -> String {
    const ENDING: &str = " ...";
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(LONGEST_NOTE - ENDING.len());
    format!("{}{ENDING}", &note[..end])
}

/// The name of this machine, as the kernel tells it.
pub(crate) fn hostname() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let told = told.ok().or_else(|| std::env::var("HOSTNAME").ok());
    told.map_or_else(|| "localhost".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_ends_by_the_clock_that_nobody_sets() {
        const MINUTE: Time = 60_000_000_000;
        // Whatever the time of day is said to be.
        let last_observed = "1970-01-01T00:00:00.000000Z".to_owned();
        let mut series = Series { path: String::new(), count: 3, last: MINUTE, last_observed, written: 0 };
        assert!(!series.is_idle(7 * MINUTE) && !series.is_due(7 * MINUTE));
        assert!(series.is_idle(7 * MINUTE + 1) && series.is_due(7 * MINUTE + 1));
        series.last = 30 * MINUTE;
        assert!(!series.is_due(30 * MINUTE));
        assert!(series.is_due(30 * MINUTE + 1), "one that goes on is written too");
        series.written = series.last;
        assert!(!series.is_due(90 * MINUTE), "nothing has happened since");
    }
}
