//! Requests, and what the API server answers.

use std::time::Duration;

use http::{Method, Request, header};
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request takes no longer; what is slower has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

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
    Transport(#[source] kube::Error),
    /// There was no answer in time.
    #[error("no answer after {} s", TIMEOUT.as_secs())]
    TimedOut,
}

impl ApiError {
    pub(crate) fn is_code(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// Whether the same request may succeed a little later, as client-go sees it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code, 409 | 429 | 500 | 503 | 504),
            Self::Transport(_) | Self::TimedOut => true,
        }
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let (code, reason, message) = (status.code, status.reason, status.message);
                Self::Refused { code, reason, message }
            }
            other => Self::Transport(other),
        }
    }
}

/// Media type of a strategic merge patch, which kube-scheduler uses for a pod's status.
pub(crate) const STRATEGIC_MERGE: &str = "application/strategic-merge-patch+json";
/// Media type of a JSON merge patch.
pub(crate) const JSON: &str = "application/json";

pub(crate) fn get(path: &str) -> Request<Vec<u8>> {
    request(Method::GET, path, None, Vec::new())
}

pub(crate) fn send(method: Method, path: &str, media_type: &'static str, body: &Value) -> Request<Vec<u8>> {
    request(method, path, Some(media_type), body.to_string().into_bytes())
}

fn request(method: Method, path: &str, media_type: Option<&'static str>, body: Vec<u8>) -> Request<Vec<u8>> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("paths are made of names that the API server has taken");
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, header::HeaderValue::from_static(JSON));
    if let Some(media_type) = media_type {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    }
    request
}

/// Sends a request and reads the answer.
pub(crate) async fn answer<T: DeserializeOwned>(client: &Client, request: Request<Vec<u8>>) -> Result<T, ApiError> {
    match tokio::time::timeout(TIMEOUT, client.request(request)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ApiError::TimedOut),
    }
}

/// Sends a request; only whether it worked is of interest.
pub(crate) async fn done(client: &Client, request: Request<Vec<u8>>) -> Result<(), ApiError> {
    match tokio::time::timeout(TIMEOUT, client.request_text(request)).await {
        Ok(answer) => answer.map(drop).map_err(ApiError::from),
        Err(_) => Err(ApiError::TimedOut),
    }
}
