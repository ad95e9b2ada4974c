//! A resource followed: listed in pages, then watched from there. What vanished unseen is told as gone after the next list.
//!
//! From time to time what was told is held against a list of the very version that the watch has reached: watches have lost events
//! before, and a scheduler that missed one is wrong until it starts again.

use std::time::Duration;

use futures_util::AsyncBufReadExt;
use loadline_api::convert::Converter;
use loadline_api::wire;
use loadline_model::Map;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::api::{Api, ApiError, Ask, Page, Status};
use crate::clock::about;
use crate::live::Message;
use crate::measure::Timer;
use crate::originals::{Originals, Shelf, ShelfKey};
use crate::resources::Resource;

/// How long the API server may hold a watch open; then it is resumed.
const WATCH_SECONDS: u64 = 300;
/// Silence after which a watch is begun anew: its connection may be dead. Bookmarks come every minute where etcd tells the API server of
/// its progress; where it does not, a quiet resource says nothing for longer.
const SILENCE: Duration = Duration::from_secs(100);
/// Pause after a failure, doubled with each one in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause while nobody answers: whoever comes back is to be noticed within two seconds.
pub(crate) const LONGEST_UNREACHABLE: Duration = Duration::from_secs(1);
/// Longest pause while the API server says no.
const LONGEST_REFUSED: Duration = Duration::from_secs(30);

/// A watch that ends sooner has failed.
const SHORTEST: Duration = Duration::from_millis(500);
/// Pause before a resource is asked for again that the API server does not serve.
const NOT_SERVED: Duration = Duration::from_mins(5);

#[derive(Deserialize)]
struct WatchLine<'l> {
    #[serde(rename = "type")]
    kind: &'l str,
    #[serde(borrow)]
    object: &'l RawValue,
}

/// As much of an object as can always be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    metadata: Version,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    #[serde(rename = "resourceVersion")]
    resource_version: String,
}

/// What objects are told apart by.
#[derive(Deserialize)]
struct Named {
    metadata: wire::ObjectMeta,
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

/// What is known of an object.
#[derive(Clone, Copy)]
struct Known {
    /// Number of the list that last had it, or of the last list before the watch told of it.
    list: u64,
    /// Its version.
    version: u64,
}

/// One resource on its way to the scheduling thread.
pub(crate) struct Follower<R: Resource> {
    api: Api,
    sender: Sender<Message>,
    converter: Converter,
    known: Map<R::Key, Known>,
    lists: u64,
    /// Where the next watch begins.
    version: String,
    /// How often what is known is held against the API server.
    check_period: Duration,
    checked: Timer,
    /// Since when there is a watch.
    watching: Option<Timer>,
    /// Whether the last request came to nothing.
    is_failing: bool,
    /// Whether the list had objects that nobody can tell apart: any of those that are known may be among them.
    has_unreadable: bool,
    /// Where whole objects are put, if somebody wants them.
    shelf: Option<Shelf>,
}

impl<R: Resource> Follower<R> {
    pub(crate) fn new(api: Api, sender: Sender<Message>, check_period: Duration, originals: &Originals) -> Self {
        Self {
            api,
            sender,
            converter: Converter::new(),
            known: Map::default(),
            lists: 0,
            version: String::new(),
            check_period,
            checked: Timer::start(),
            watching: None,
            is_failing: false,
            has_unreadable: false,
            shelf: originals.shelf::<R>(),
        }
    }

    /// Follows until nobody listens any more.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        // A watch that is too far behind is followed by a list at once, but where no watch can begin, lists must not follow each other
        // without a pause.
        let mut relist = Duration::ZERO;
        loop {
            let step = if self.version.is_empty() { self.list().await } else { self.watch().await };
            if self.watching.take().is_some_and(|begun| begun.elapsed() >= SHORTEST) {
                relist = Duration::ZERO;
            }
            let error = match step {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Err(Stop::Ended) => return,
                Err(Stop::Failed(error)) => error,
            };
            // Gone, and what older API servers said instead.
            if error.is_code(410) || matches!(&error, ApiError::Refused { reason, .. } if reason == "Expired") {
                info!(resource = R::NAME, "the watch is too far behind: listing anew");
                self.version.clear();
                sleep(about(relist)).await;
                relist = (relist * 2).clamp(FIRST_PAUSE, LONGEST_REFUSED);
                continue;
            }
            // An API server that does not serve the resource has no objects of it, yet. Of the others this is said by whoever stands in
            // front of one.
            if error.is_code(404) && R::MAY_BE_ABSENT {
                debug!(resource = R::NAME, "not served");
                if self.send(Message::Synced(R::NAME)).await.is_err() {
                    return;
                }
                sleep(NOT_SERVED).await;
                continue;
            }
            // Who may not see a resource does without it; what depends on it waits and says so.
            if error.is_code(403) && R::MAY_BE_FORBIDDEN {
                if !self.is_failing {
                    warn!(resource = R::NAME, "not allowed to list them: pods that name one wait for it");
                    self.is_failing = true;
                }
                if self.send(Message::Synced(R::NAME)).await.is_err() {
                    return;
                }
                sleep(NOT_SERVED).await;
                continue;
            }
            // The first failure in a row is told; those that follow are the same story.
            if self.is_failing {
                debug!(resource = R::NAME, %error, "can not list or watch; trying again");
            } else {
                warn!(resource = R::NAME, %error, "can not list or watch; trying again");
            }
            self.is_failing = true;
            let longest = if error.is_unreachable() { LONGEST_UNREACHABLE } else { LONGEST_REFUSED };
            sleep(about(pause.min(longest))).await;
            pause = (pause * 2).min(LONGEST_REFUSED);
        }
    }

    /// Something came: whatever was wrong is over.
    fn works(&mut self) {
        if self.is_failing {
            info!(resource = R::NAME, "listing and watching works again");
            self.is_failing = false;
        }
    }

    async fn list(&mut self) -> Result<(), Stop> {
        self.lists += 1;
        self.has_unreadable = false;
        let mut next = String::new();
        loop {
            let page = self.page("", &next).await?;
            self.works();
            if R::ONLY_NEW {
                // The watch begins here.
                self.version = page.metadata.resource_version;
                return Ok(());
            }
            for item in page.items.iter().flatten() {
                self.seen(item).await?;
            }
            next = page.metadata.next;
            if next.is_empty() {
                self.version = page.metadata.resource_version;
                break;
            }
        }
        self.tell_of_vanished().await?;
        self.checked = Timer::start();
        self.send(Message::Synced(R::NAME)).await?;
        Ok(())
    }

    /// A page of the list, the first one by these parameters more.
    async fn page(&self, more: &str, next: &str) -> Result<Page<Box<RawValue>>, ApiError> {
        let more = if next.is_empty() { more } else { "" };
        self.api.page(&format!("{}?{}{more}", R::PATH, R::SELECTION), next).await
    }

    /// What the last list did not have is gone. Returns how many.
    async fn tell_of_vanished(&mut self) -> Result<usize, Ended> {
        if self.has_unreadable {
            self.keep_all();
            return Ok(0);
        }
        let current = self.lists;
        let vanished: Vec<R::Key> =
            self.known.extract_if(|_, known| known.list != current).map(|(key, _)| key).collect();
        let count = vanished.len();
        for key in vanished {
            self.gone(key).await?;
        }
        Ok(count)
    }

    /// Nothing is told as gone after this list.
    fn keep_all(&mut self) {
        for known in self.known.values_mut() {
            known.list = self.lists;
        }
    }

    async fn watch(&mut self) -> Result<(), Stop> {
        let path = format!(
            "{}?{}watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            R::PATH,
            R::SELECTION,
            self.version
        );
        let mut lines = self.api.lines(&Ask::get(path)).await?;
        let begun = *self.watching.insert(Timer::start());
        let mut line = String::new();
        loop {
            line.clear();
            match timeout(SILENCE, lines.read_line(&mut line)).await {
                Err(_) => {
                    debug!(resource = R::NAME, "the watch is silent: it is begun anew");
                    break;
                }
                // The end of the watch's time, or of the connection: it goes on from the last version. One that did not even begin is
                // a failure: whoever asks again at once would do nothing else.
                Ok(Ok(0) | Err(_)) if begun.elapsed() < SHORTEST => {
                    return Err(ApiError::Transport("the watch ended as soon as it began".to_owned()).into());
                }
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(_)) => {
                    self.works();
                    self.take(&line).await?;
                }
            }
        }
        self.works();
        Ok(())
    }

    async fn take(&mut self, line: &str) -> Result<(), Stop> {
        let Ok(line) = serde_json::from_str::<WatchLine<'_>>(line) else {
            // Half a line: the connection broke.
            return Ok(());
        };
        match line.kind {
            "MODIFIED" | "DELETED" if R::ONLY_NEW => self.version = version_of(line.object),
            "ADDED" | "MODIFIED" => self.version = self.seen(line.object).await?,
            "DELETED" => {
                if let Some(object) = Self::read(line.object) {
                    let key = R::key(&object);
                    if self.known.remove(&key).is_some() {
                        self.gone(key).await?;
                    }
                }
                self.version = version_of(line.object);
            }
            "BOOKMARK" => self.version = version_of(line.object),
            _ => {
                let status = serde_json::from_str::<Status>(line.object.get());
                return Err(ApiError::from(status.unwrap_or_default()).into());
            }
        }
        // Everything up to this version was told, so a list of it says what should be known. Bookmarks see to it that there is a
        // version that the API server still has.
        if self.checked.elapsed() >= self.check_period {
            self.checked = Timer::start();
            self.check().await?;
        }
        Ok(())
    }

    /// Holds what was told against a list of this very version, and tells what is different.
    async fn check(&mut self) -> Result<(), Stop> {
        let exact = format!("resourceVersion={}&resourceVersionMatch=Exact&", self.version);
        self.lists += 1;
        self.has_unreadable = false;
        let mut next = String::new();
        let mut wrong = 0;
        loop {
            let page = match self.page(&exact, &next).await {
                Ok(page) => page,
                Err(error) => {
                    // That version is forgotten already, or the API server is busy: another time. What the pages so far did not
                    // have is not gone for that.
                    debug!(resource = R::NAME, %error, "the cache can not be checked now");
                    self.keep_all();
                    return Ok(());
                }
            };
            for item in page.items.iter().flatten() {
                let Some(object) = Self::read(item) else {
                    self.is_there(item);
                    continue;
                };
                let version = number(&R::metadata(&object).resource_version);
                match self.known.get_mut(&R::key(&object)) {
                    Some(known) if known.version == version => known.list = self.lists,
                    _ => {
                        wrong += 1;
                        self.seen(item).await?;
                    }
                }
            }
            next = page.metadata.next;
            if next.is_empty() {
                break;
            }
        }
        wrong += self.tell_of_vanished().await?;
        if wrong > 0 {
            warn!(resource = R::NAME, objects = wrong, "the cache differed from the API server; it is mended");
            self.send(Message::Mended(R::NAME, wrong)).await?;
        }
        Ok(())
    }

    /// Tells of an object; its version.
    async fn seen(&mut self, item: &RawValue) -> Result<String, Ended> {
        let Some(object) = Self::read(item) else {
            self.is_there(item);
            return Ok(version_of(item));
        };
        let version = R::metadata(&object).resource_version.clone();
        let key = R::key(&object);
        if let (Some(shelf), Some(key)) = (&self.shelf, key.shelf_key()) {
            shelf.put(key, item);
        }
        if !R::ONLY_NEW {
            self.known.insert(key, Known { list: self.lists, version: number(&version) });
        }
        if let Some(event) = R::seen(&mut self.converter, &object) {
            self.send(Message::Event(event)).await?;
        }
        Ok(version)
    }

    /// An object that can not be read is there all the same: as it is known, it is not gone.
    fn is_there(&mut self, item: &RawValue) {
        match serde_json::from_str::<Named>(item.get()) {
            Ok(named) => {
                if let Some(known) = self.known.get_mut(&R::key_of(&named.metadata)) {
                    known.list = self.lists;
                }
            }
            Err(_) => self.has_unreadable = true,
        }
    }

    /// Tells that an object is gone.
    async fn gone(&self, key: R::Key) -> Result<(), Ended> {
        if let (Some(shelf), Some(key)) = (&self.shelf, key.shelf_key()) {
            shelf.remove(key);
        }
        self.send(Message::Event(R::gone(key))).await
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

fn version_of(object: &RawValue) -> String {
    serde_json::from_str::<Versioned>(object.get()).unwrap_or_default().metadata.resource_version
}

/// A version as a number, which all API servers write; of any other text, something that differs when the text does.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or_else(|_| version.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte)))
}
