//! A resource followed: listed in pages, then watched from there. What vanished unseen is told as gone after the next list.

use std::time::Duration;

use futures_util::AsyncBufReadExt;
use kube::Client;
use loadline_api::convert::Converter;
use loadline_model::Map;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::api::{self, ApiError};
use crate::live::Message;
use crate::resources::Resource;

/// Objects in a page of a list, as client-go asks for.
const PAGE: usize = 500;
/// How long the API server may hold a watch open; then it is resumed.
const WATCH_SECONDS: u64 = 300;
/// Silence after which a watch is given up: bookmarks come every minute.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);
/// Pause after a failure, doubled with each one in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct ListMeta {
    #[serde(rename = "resourceVersion", default)]
    resource_version: String,
    #[serde(rename = "continue", default)]
    next: String,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct WatchLine<'l> {
    #[serde(rename = "type")]
    kind: &'l str,
    #[serde(borrow)]
    object: &'l RawValue,
}

/// `object` of an ERROR line.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// Nobody listens any more.
struct Ended;

enum Stop {
    Ended,
    Failed(ApiError),
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        Self::Ended
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// One resource on its way to the scheduling thread.
pub(crate) struct Follower<R: Resource> {
    client: Client,
    sender: Sender<Message>,
    converter: Converter,
    /// What is there, with the number of the list that last had it.
    known: Map<R::Key, u64>,
    lists: u64,
    /// Where the next watch begins.
    version: String,
}

impl<R: Resource> Follower<R> {
    pub(crate) fn new(client: Client, sender: Sender<Message>) -> Self {
        Self { client, sender, converter: Converter::new(), known: Map::default(), lists: 0, version: String::new() }
    }

    /// Follows until nobody listens any more.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let step = if self.version.is_empty() { self.list().await } else { self.watch().await };
            match step {
                Ok(()) => pause = FIRST_PAUSE,
                Err(Stop::Ended) => return,
                Err(Stop::Failed(error)) => {
                    if error.is_code(410) {
                        debug!(resource = R::NAME, "the watch is too far behind: listing anew");
                        self.version.clear();
                        continue;
                    }
                    warn!(resource = R::NAME, %error, "can not list or watch; trying again");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn list(&mut self) -> Result<(), Stop> {
        self.lists += 1;
        let mut next = String::new();
        let first = format!("{}?{}limit={PAGE}", R::PATH, R::SELECTION);
        loop {
            let path = if next.is_empty() { first.clone() } else { format!("{first}&continue={next}") };
            let page: List = api::answer(&self.client, api::get(&path)).await?;
            for item in page.items.iter().flatten() {
                self.seen(item).await?;
            }
            next = page.metadata.next;
            if next.is_empty() {
                self.version = page.metadata.resource_version;
                break;
            }
        }
        let current = self.lists;
        let vanished: Vec<R::Key> =
            self.known.extract_if(|_, seen_in| *seen_in != current).map(|(key, _)| key).collect();
        for key in vanished {
            self.send(Message::Event(R::gone(key))).await?;
        }
        self.send(Message::Synced(R::NAME)).await?;
        Ok(())
    }

    async fn watch(&mut self) -> Result<(), Stop> {
        let path = format!(
            "{}?{}watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            R::PATH,
            R::SELECTION,
            self.version
        );
        let mut request = api::get(&path);
        // One compressed member for each event is more than the client's decoder reads.
        request.headers_mut().insert(http::header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        let opened = tokio::time::timeout(SILENCE, self.client.request_stream(request)).await;
        let stream = opened.map_err(|_| ApiError::TimedOut)?.map_err(ApiError::from)?;
        let mut stream = std::pin::pin!(stream);
        let mut line = String::new();
        loop {
            line.clear();
            match tokio::time::timeout(SILENCE, stream.read_line(&mut line)).await {
                Err(_) => return Err(ApiError::TimedOut.into()),
                // The end of the watch's time, or of the connection: it goes on from the last version.
                Ok(Ok(0) | Err(_)) => return Ok(()),
                Ok(Ok(_)) => self.take(&line).await?,
            }
        }
    }

    async fn take(&mut self, line: &str) -> Result<(), Stop> {
        let Ok(line) = serde_json::from_str::<WatchLine<'_>>(line) else {
            // Half a line: the connection broke.
            return Ok(());
        };
        match line.kind {
            "ADDED" | "MODIFIED" => {
                if let Some(version) = self.seen(line.object).await? {
                    self.version = version;
                }
                Ok(())
            }
            "DELETED" => {
                if let Some(object) = Self::read(line.object) {
                    let key = R::key(&object);
                    if self.known.remove(&key).is_some() {
                        self.send(Message::Event(R::gone(key))).await?;
                    }
                    self.version.clone_from(&R::metadata(&object).resource_version);
                }
                Ok(())
            }
            "BOOKMARK" => {
                if let Some(object) = Self::read(line.object) {
                    self.version.clone_from(&R::metadata(&object).resource_version);
                }
                Ok(())
            }
            _ => {
                let status = serde_json::from_str::<Status>(line.object.get());
                let status = status.unwrap_or(Status { code: 0, reason: String::new(), message: String::new() });
                let Status { code, reason, message } = status;
                Err(ApiError::Refused { code, reason, message }.into())
            }
        }
    }

    /// Tells of an object; its version, where it can be read.
    async fn seen(&mut self, object: &RawValue) -> Result<Option<String>, Ended> {
        let Some(object) = Self::read(object) else { return Ok(None) };
        self.known.insert(R::key(&object), self.lists);
        let event = R::seen(&mut self.converter, &object);
        self.send(Message::Event(event)).await?;
        Ok(Some(R::metadata(&object).resource_version.clone()))
    }

    /// An object that can not be read is left out: the others must not wait for it.
    fn read(object: &RawValue) -> Option<R::Wire> {
        let read = serde_json::from_str(object.get());
        read.inspect_err(|error| warn!(resource = R::NAME, %error, "an object can not be read and is left out")).ok()
    }

    async fn send(&self, message: Message) -> Result<(), Ended> {
        self.sender.send(message).await.map_err(|_| Ended)
    }
}
