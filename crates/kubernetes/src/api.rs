//! Requests, and what the API server answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::io::AsyncBufRead;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use kube::client::Body;
use loadline_metrics::Metrics;
use loadline_model::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tracing::{Level, debug, enabled, trace};

use crate::fence::Fence;
use crate::limit::Limit;
use crate::measure::Timer;
use crate::transport::Transport;

/// A request takes no longer; what is slower has failed, and nobody knows how it ended.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request is sent again because the API server said when, as client-go does it.
pub(crate) const TOLD_TO_WAIT: u32 = 10;
/// However long the API server says: a pod must not wait for hours.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server said no.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// Such as `NotFound`, `Conflict`, `Expired`.
        reason: String,
        /// For people.
        message: String,
    },
    /// There was no answer, or none that can be read.
    #[error("{0}")]
    Transport(String),
    /// There was no answer in time.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// It was not sent: the lease may be somebody else's by now.
    #[error("not sent: this instance may not be the leader any more")]
    NotLeading,
}

impl ApiError {
    pub(crate) fn is_code(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// Whether the API server has certainly not done what it was asked for. Otherwise only a look at the object can tell.
    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code < 500,
            Self::Transport(_) | Self::TimedOut => false,
            Self::NotLeading => true,
        }
    }

    /// Whether the same request may succeed a little later, as client-go sees it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code, 429 | 500 | 503 | 504),
            Self::Transport(_) | Self::TimedOut => true,
            Self::NotLeading => false,
        }
    }

    /// Whether nobody answered at all.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::TimedOut)
    }
}

/// Media type of a strategic merge patch, which kube-scheduler uses for a pod's status.
pub(crate) const STRATEGIC_MERGE: &str = "application/strategic-merge-patch+json";
/// Media type of a merge patch, which replaces what it names: custom resources know no strategic ones.
pub(crate) const MERGE: &str = "application/merge-patch+json";
/// Media type of everything else that is sent.
pub(crate) const JSON: &str = "application/json";

/// What is asked for. It can be sent more than once.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    media_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), media_type: None, body: Vec::new() }
    }

    pub(crate) fn send(method: Method, path: impl Into<String>, media_type: &'static str, body: &Value) -> Self {
        Self { method, path: path.into(), media_type: Some(media_type), body: body.to_string().into_bytes() }
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().expect("paths are made of names that the API server has taken");
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, header::HeaderValue::from_static(JSON));
        headers.insert(header::USER_AGENT, header::HeaderValue::from_static(USER_AGENT));
        if let Some(media_type) = self.media_type {
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
        }
        request
    }
}

/// Who asks, for the API server's audit log.
pub(crate) const USER_AGENT: &str = concat!("loadline/", env!("CARGO_PKG_VERSION"));

/// Counts requests and how long their answers took to begin.
#[derive(Clone)]
pub(crate) struct RequestCounter {
    pub(crate) metrics: Metrics,
    /// The API server's host and port.
    pub(crate) host: Arc<str>,
}

/// A way to the API server: a pool of connections, the limits that the configuration sets, and for writes the leader's fence.
#[derive(Clone)]
pub(crate) struct Api {
    transport: Arc<Mutex<Transport>>,
    limit: Option<Arc<Limit>>,
    fence: Option<Fence>,
    counter: RequestCounter,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(transport: Transport, limit: Option<Arc<Limit>>, counter: RequestCounter) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)), limit, fence: None, counter }
    }

    /// The same connections for what only the leader may do.
    pub(crate) fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// The same, for what is decided now: it is not sent any more once the lease was lost, also when it is won again.
    pub(crate) fn of_this_term(&self) -> Self {
        Self { fence: self.fence.as_ref().map(Fence::of_this_term), ..self.clone() }
    }

    /// Has further requests go another way: certificates have changed.
    pub(crate) fn replace(&self, transport: Transport) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    /// Whether what is written now would go out; anybody may read.
    pub(crate) fn may_send(&self) -> bool {
        self.fence.as_ref().is_none_or(Fence::is_open)
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn answer<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ApiError> {
        read(&self.body(ask).await?)
    }

    /// A page of a list: the first one, or that which the page before told of. `path` ends where a parameter can follow.
    pub(crate) async fn page<T: DeserializeOwned>(&self, path: &str, next: &str) -> Result<Page<T>, ApiError> {
        let next = if next.is_empty() { String::new() } else { format!("&continue={next}") };
        self.answer(&Ask::get(format!("{path}limit={PAGE}{next}"))).await
    }

    /// All of a list. `path` ends where a parameter can follow.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ApiError> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.page::<T>(path, &next).await?;
            all.extend(page.items.unwrap_or_default());
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Sends a request; only whether it worked is of interest.
    pub(crate) async fn done(&self, ask: &Ask) -> Result<(), ApiError> {
        self.body(ask).await.map(drop)
    }

    /// Sends a request once. Why it came to nothing, and after which time the API server wants to be asked again, if it says so.
    pub(crate) async fn once(&self, ask: &Ask) -> Result<Vec<u8>, (ApiError, Option<Duration>)> {
        let (answer, body) = self.exchange(ask).await.map_err(|error| (error, None))?;
        if answer.is_success() { Ok(body) } else { Err((refusal(answer.code, &body), answer.wait)) }
    }

    /// The time by the API server's clock, to the second: that of creation timestamps, with which no other clock is to be mixed.
    pub(crate) async fn server_time(&self) -> Result<Time, ApiError> {
        let (answer, body) = self.exchange(&Ask::get("/version")).await?;
        if !answer.is_success() {
            return Err(refusal(answer.code, &body));
        }
        let date = answer.date.as_ref().and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
        let date = date.ok_or_else(|| ApiError::Transport("the answer has no Date".to_owned()))?;
        Ok(date.timestamp().as_nanosecond() as Time)
    }

    /// The body of an answer, once it has come whole.
    async fn body(&self, ask: &Ask) -> Result<Vec<u8>, ApiError> {
        for sent in 1.. {
            let (response, body) = self.exchange(ask).await?;
            if response.is_success() {
                return Ok(body);
            }
            let wait = response.wait.filter(|_| sent <= TOLD_TO_WAIT);
            let Some(wait) = wait else { return Err(refusal(response.code, &body)) };
            debug!(path = ask.path, code = response.code.as_u16(), ?wait, "told to wait");
            sleep(wait).await;
        }
        unreachable!("the loop has no end")
    }

    async fn exchange(&self, ask: &Ask) -> Result<(Answer, Vec<u8>), ApiError> {
        self.take_turn().await;
        let response = self.sent(ask.request());
        let whole = async {
            let response = response.await?;
            let answer = Answer::of(&response);
            let body = response.into_body().collect().await.map_err(|error| no_answer(&error))?;
            Ok((answer, body.to_bytes().to_vec()))
        };
        timeout(TIMEOUT, whole).await.map_err(|_| ApiError::TimedOut)?
    }

    async fn take_turn(&self) {
        if let Some(limit) = &self.limit {
            limit.take().await;
        }
    }

    async fn sent(&self, request: Request<Body>) -> Result<Response<Incoming>, ApiError> {
        // As late as can be: what was waited for before may have taken longer than the lease lasts.
        if request.method() != Method::GET && !self.may_send() {
            return Err(ApiError::NotLeading);
        }
        let transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (timer, method) = (Timer::start(), request.method().clone());
        let uri = enabled!(Level::TRACE).then(|| request.uri().clone());
        let response = transport.oneshot(request).await;
        let code = response.as_ref().ok().map(|response| response.status().as_u16());
        if let Some(uri) = uri {
            trace!(%method, %uri, code, took = ?timer.elapsed(), "request");
        }
        self.counter.metrics.request(method.as_str(), &self.counter.host, code, timer.elapsed());
        response.map_err(|error| no_answer(&*error))
    }

    /// Sends a request whose answer comes line by line.
    pub(crate) async fn lines(&self, ask: &Ask) -> Result<impl AsyncBufRead + Unpin + Send + use<>, ApiError> {
        let mut request = ask.request();
        // One compressed member for each event is more than the client's decoder reads.
        request.headers_mut().insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
        self.take_turn().await;
        let response = timeout(TIMEOUT, self.sent(request)).await.map_err(|_| ApiError::TimedOut)??;
        let answer = Answer::of(&response);
        if !answer.is_success() {
            let body = timeout(TIMEOUT, response.into_body().collect()).await.map_err(|_| ApiError::TimedOut)?;
            let refused = refusal(answer.code, &body.map_err(|error| no_answer(&error))?.to_bytes());
            if let Some(wait) = answer.wait {
                sleep(wait).await;
            }
            return Err(refused);
        }
        let chunks = response.into_body().into_data_stream().map_err(std::io::Error::other);
        Ok(Box::pin(chunks.into_async_read()))
    }
}

/// What the body of an answer says.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Transport(format!("the answer can not be read: {error}")))
}

/// What the head of an answer says.
struct Answer {
    code: StatusCode,
    /// After this time the request may be sent again; the API server has not done what it was asked for.
    wait: Option<Duration>,
    /// When it was given.
    date: Option<header::HeaderValue>,
}

impl Answer {
    fn of<B>(response: &Response<B>) -> Self {
        let code = response.status();
        let is_told = code == StatusCode::TOO_MANY_REQUESTS || code.is_server_error();
        let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let wait = seconds.filter(|_| is_told).map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        Self { code, wait, date: response.headers().get(header::DATE).cloned() }
    }

    fn is_success(&self) -> bool {
        self.code.is_success()
    }
}

/// Objects in a page of a list, as client-go asks for.
const PAGE: usize = 500;

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) metadata: PageMeta,
    // Go writes an empty list as null.
    pub(crate) items: Option<Vec<T>>,
}

/// What a page says of its list.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PageMeta {
    pub(crate) resource_version: String,
    /// What the next page is asked for by; empty: there is none.
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

/// A Status that the API server answers with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl From<Status> for ApiError {
    fn from(Status { code, reason, message }: Status) -> Self {
        Self::Refused { code, reason, message }
    }
}

fn refusal(code: StatusCode, body: &[u8]) -> ApiError {
    let status = serde_json::from_slice::<Status>(body).ok().filter(|status| !status.message.is_empty());
    let status = status.unwrap_or_else(|| {
        let said = String::from_utf8_lossy(body);
        let reason = code.canonical_reason().unwrap_or_default().to_owned();
        let message = if said.trim().is_empty() { reason.clone() } else { said.trim().to_owned() };
        Status { code: code.as_u16(), reason, message }
    });
    Status { code: code.as_u16(), ..status }.into()
}

fn no_answer(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::Transport(with_causes(error))
}

/// An error with what it comes from: the outer one alone says only that something failed.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
