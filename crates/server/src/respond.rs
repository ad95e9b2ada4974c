//! Answers in the form that Kubernetes' own servers give them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::auth::User;

/// With this body.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Media type of what people read.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
/// Media type of Prometheus' text.
pub(crate) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// An error as Go's HTTP library writes it.
pub(crate) fn error(status: StatusCode, message: &str) -> Response {
    let mut response = text(status, PLAIN, format!("{message}\n"));
    no_sniffing(&mut response);
    response
}

pub(crate) fn json_body(value: &Value) -> Response {
    text(StatusCode::OK, JSON, value.to_string())
}

pub(crate) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// An object without fields.
#[derive(Serialize)]
struct Nothing {}

/// What Kubernetes says of a request that failed: its kind Status. Its fields stand in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Nothing,
    status: &'a str,
    message: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Nothing>,
    code: u16,
}

fn failure(code: StatusCode, reason: &str, message: &str, details: Option<Nothing>) -> Response {
    let metadata = Nothing {};
    let status = Failure {
        kind: "Status",
        api_version: "v1",
        metadata,
        status: "Failure",
        message,
        reason,
        details,
        code: code.as_u16(),
    };
    // There is nothing in it that can not be written.
    let body = serde_json::to_string(&status).unwrap_or_default();
    text(code, JSON, format!("{body}\n"))
}

/// The path is right, and what is asked for is not there.
pub(crate) fn no_such(message: &str) -> Response {
    failure(StatusCode::NOT_FOUND, "NotFound", message, None)
}

/// Nobody knows who asks.
pub(crate) fn unauthorized() -> Response {
    failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized", None)
}

/// Who asks may not.
pub(crate) fn forbidden(user: &User, verb: &str, path: &str, reason: &str) -> Response {
    let mut message = sanitized(&format!("User {:?} cannot {verb} path {path:?}", user.name));
    if !reason.is_empty() {
        message = format!("{message}: {reason}");
    }
    let message = format!("forbidden: {message}");
    let mut response = failure(StatusCode::FORBIDDEN, "Forbidden", &message, Some(Nothing {}));
    no_sniffing(&mut response);
    response
}

/// Whether he may could not be found out.
pub(crate) fn internal_error(path: &str, problem: &str) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, &sanitized(&format!("Internal Server Error: {path:?}: {problem}")))
}

/// The scheduling thread does not answer.
pub(crate) fn unavailable() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "the scheduler does not answer")
}

pub(crate) fn no_sniffing(response: &mut Response) {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Nothing that looks like HTML.
fn sanitized(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Status and text of a response.
#[cfg(test)]
pub(crate) async fn shown(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}
