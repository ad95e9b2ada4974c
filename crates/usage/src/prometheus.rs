//! A Prometheus, asked over its HTTP API.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::Body;
use kube::{Client, Config};
use loadline_framework::PrometheusQuery;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tracing::debug;

use crate::error::{ClientError, Failure, QueryError};

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// With `__name__`, where there is one.
    pub labels: BTreeMap<String, String>,
    /// May be NaN or infinite.
    pub value: f64,
    /// When Prometheus evaluated the query, by its clock: seconds since 1970.
    pub at: f64,
}

/// The labels as PromQL writes them.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAME: &str = "__name__";
        f.write_str(self.labels.get(NAME).map_or("", String::as_str))?;
        f.write_char('{')?;
        for (n, (name, value)) in self.labels.iter().filter(|(name, _)| *name != NAME).enumerate() {
            write!(f, "{}{name}={value:?}", if n == 0 { "" } else { ", " })?;
        }
        f.write_char('}')
    }
}

/// What a query gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The vector.
    pub series: Vec<Series>,
    /// What Prometheus remarks on it: `warnings`, then `infos`.
    pub notes: Vec<String>,
}

/// A way to one Prometheus. Its files are read again for each query, so that renewed ones are used from the next on.
pub struct PrometheusClient {
    query: PrometheusQuery,
    address: Uri,
    connection: Mutex<Option<Connection>>,
}

/// Connections, and what they trust in.
struct Connection {
    /// The content of the file with the certificate authorities.
    authorities: Vec<u8>,
    client: Client,
}

impl fmt::Debug for PrometheusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusClient").field("address", &self.query.address).finish_non_exhaustive()
    }
}

/// Bytes of an answer; 10,000 nodes take 3 MB. More is somebody else's, and shall not fill the memory.
const MOST_BYTES: usize = 64 << 20;

/// Characters of an answer that an error shows.
const SHOWN: usize = 120;

const USER_AGENT: &str = concat!("loadline/", env!("CARGO_PKG_VERSION"));

impl PrometheusClient {
    /// Looks at the address. Files are read, and connections made, when something is asked.
    ///
    /// # Errors
    /// When the address can not be used.
    pub fn new(query: &PrometheusQuery) -> Result<Self, ClientError> {
        let address = || query.address.clone();
        // First of all, so that no other error shows a password.
        if let Some((_, host)) = query.address.rsplit_once('@') {
            return Err(ClientError::User { host: host.to_owned() });
        }
        let parsed = query.address.parse::<Uri>();
        let uri = parsed.map_err(|error| ClientError::Address { address: address(), what: error.to_string() })?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(ClientError::NoHost { address: address() });
        }
        if uri.query().is_some() {
            return Err(ClientError::Query { address: address() });
        }
        if query.insecure_skip_verify && query.ca_file.is_some() {
            return Err(ClientError::InsecureWithAuthority { address: address() });
        }
        Ok(Self { query: query.clone(), address: uri, connection: Mutex::default() })
    }

    /// Whom it asks, and what for.
    pub fn query(&self) -> &PrometheusQuery {
        &self.query
    }

    /// Evaluates PromQL at Prometheus' present. Needs a tokio runtime. Nothing is sent twice.
    ///
    /// # Errors
    /// When there is no instant vector within the time limit.
    pub async fn instant(&self, promql: &str) -> Result<Answer, QueryError> {
        let limit = Duration::from_secs(u64::try_from(self.query.timeout_seconds).unwrap_or_default().max(1));
        self.instant_within(promql, limit).await
    }

    pub(crate) async fn instant_within(&self, promql: &str, limit: Duration) -> Result<Answer, QueryError> {
        let answer = timeout(limit, self.exchange(promql, limit)).await;
        let failed = |failure| QueryError { address: self.query.address.clone(), promql: promql.to_owned(), failure };
        answer.unwrap_or(Err(Failure::Timeout(limit))).map_err(failed)
    }

    async fn exchange(&self, promql: &str, limit: Duration) -> Result<Answer, Failure> {
        let token = self.token()?;
        let client = self.client(limit)?;
        // POST, for a query may be longer than an address can be.
        let mut request = Request::post("/api/v1/query")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::from(format!("query={}", form_encoded(promql)).into_bytes()))
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        let has_token = token.is_some();
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        let response = client.send(request).await.map_err(|error| Failure::Unreachable(with_causes(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failure::TooLarge { limit: MOST_BYTES }
            } else {
                Failure::Unreachable(with_causes(&*error))
            }
        })?;
        read(head.status, &head.headers, &body.to_bytes(), has_token)
    }

    /// The value of the header that says who asks.
    fn token(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(path) = &self.query.bearer_token_file else { return Ok(None) };
        let wrong = |what: String| Failure::Token { path: path.clone(), what };
        let text = std::fs::read_to_string(path.as_str()).map_err(|error| wrong(error.to_string()))?;
        let token = text.trim();
        if token.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| wrong("there is more in it than a token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The connections that are there, or new ones where the certificate authorities have changed.
    fn client(&self, limit: Duration) -> Result<Client, Failure> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let authorities = match &self.query.ca_file {
            Some(path) => std::fs::read(path.as_str()).map_err(|error| format!("{path}: {error}")),
            None => Ok(Vec::new()),
        };
        if let (Some(known), Ok(found)) = (&*connection, &authorities)
            && known.authorities == *found
        {
            return Ok(known.client.clone());
        }
        let made = authorities.and_then(|authorities| Ok(Connection { authorities, client: self.connect(limit)? }));
        match made {
            Ok(made) => Ok(connection.insert(made).client.clone()),
            Err(error) => {
                let Some(known) = &*connection else { return Err(Failure::Tls(error)) };
                // Half-written files will be whole soon.
                debug!(address = %self.query.address, error, "changed certificate authorities can not be used yet");
                Ok(known.client.clone())
            }
        }
    }

    fn connect(&self, limit: Duration) -> Result<Client, String> {
        let mut config = Config::new(self.address.clone());
        // What a failure means is for the asker to say, and nothing is sent twice.
        config.default_retry = false;
        config.connect_timeout = Some(limit);
        config.accept_invalid_certs = self.query.insecure_skip_verify;
        config.root_cert_file = self.query.ca_file.as_ref().map(|path| PathBuf::from(path.as_str()));
        let needs_system = self.address.scheme_str() == Some("https")
            && self.query.ca_file.is_none()
            && !self.query.insecure_skip_verify;
        if !needs_system {
            // Else the system's authorities are read first, and an image that has none would be an error for nothing.
            config.root_cert = Some(Vec::new());
        }
        Client::try_from(config).map_err(|error| match &self.query.ca_file {
            Some(path) => format!("{path}: {}", with_causes(&error)),
            None => with_causes(&error),
        })
    }
}

/// As the body of a form has it.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Prometheus' answer to anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    status: String,
    #[serde(borrow)]
    data: Option<WireData<'a>>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireData<'a> {
    result_type: String,
    /// What it is depends on the type, which may come after it.
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct WireSeries {
    metric: BTreeMap<String, String>,
    /// Not there when it is a histogram.
    value: Option<(f64, String)>,
}

/// What an answer means.
fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], has_token: bool) -> Result<Answer, Failure> {
    let wire =
        serde_json::from_slice::<Wire<'_>>(body).ok().filter(|wire| wire.status == "error" || wire.data.is_some());
    let code = status.as_u16();
    let is_error = wire.as_ref().is_some_and(|wire| wire.status == "error");
    match wire {
        _ if matches!(code, 401 | 403) => Err(Failure::Unauthorized { status: code, has_token, said: excerpt(body) }),
        Some(wire) if is_error => {
            let (kind, text) = (one_line(&wire.error_type, SHOWN), one_line(&wire.error, 4 * SHOWN));
            Err(Failure::Refused { status: code, kind, text })
        }
        Some(Wire { data: Some(data), warnings, infos, .. }) if status.is_success() => {
            let series = vector(&data)?;
            Ok(Answer { series, notes: warnings.into_iter().chain(infos).flatten().collect() })
        }
        _ if status.is_server_error() || matches!(code, 408 | 429) => {
            Err(Failure::Status { status: code, said: excerpt(body) })
        }
        _ => Err(Failure::NotPrometheus { found: found(status, headers, body) }),
    }
}

fn vector(data: &WireData<'_>) -> Result<Vec<Series>, Failure> {
    if data.result_type != "vector" {
        return Err(Failure::ResultType { found: data.result_type.clone() });
    }
    let other = |what: String| Failure::NotPrometheus { found: format!("a vector of another form: {what}") };
    let wire: Vec<WireSeries> = serde_json::from_str(data.result.get()).map_err(|error| other(error.to_string()))?;
    let series = wire.into_iter().map(|WireSeries { metric: labels, value }| {
        let Some((at, value)) = value else { return Err(Failure::ResultType { found: "histogram".to_owned() }) };
        // Go's NaN, +Inf and -Inf are read too.
        let value = value.parse().map_err(|_| other(format!("{value:?} is no number")))?;
        Ok(Series { labels, value, at })
    });
    series.collect()
}

/// What is at an address where no Prometheus is.
fn found(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let to = header(header::LOCATION).map(|to| format!(" to {}", excerpt(to.as_bytes()))).unwrap_or_default();
    let kind =
        header(header::CONTENT_TYPE).map(|kind| format!(" with {}", excerpt(kind.as_bytes()))).unwrap_or_default();
    format!("HTTP {}{to}{kind}: {}", status.as_u16(), excerpt(body))
}

/// The beginning of what somebody sent, quoted.
fn excerpt(text: &[u8]) -> String {
    // Enough for characters of up to four bytes.
    format!("{:?}", one_line(&String::from_utf8_lossy(&text[..text.len().min(SHOWN * 4)]), SHOWN))
}

/// The first characters of a text, in one line.
fn one_line(text: &str, most: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// An error with what it comes from: the outer one alone says only that something failed.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    /// What the client's layers say of themselves, which is of no use to whoever configures an address.
    const LAYERS: [&str; 3] = ["ServiceError: ", "client error (Connect)", "client error (SendRequest)"];
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    let mut short = &*text;
    for layer in LAYERS {
        short = short.strip_prefix(layer).unwrap_or(short);
        short = short.strip_prefix(": ").unwrap_or(short);
    }
    if short.is_empty() { text } else { short.to_owned() }
}
