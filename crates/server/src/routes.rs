//! What answers to which path, behind the guard.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use loadline_metrics::{Metrics, resources_text};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tracing::{debug, error, warn};

use crate::auth::{Authenticator, Authorizer, Ruling};
use crate::health::Checks;
use crate::inspect::Inspect;
use crate::respond::{self, PROMETHEUS};
use crate::{debug, pages};

/// What is shown.
pub struct Parts {
    /// What is counted.
    pub metrics: Metrics,
    /// Checks of `/healthz`.
    pub healthz: Checks,
    /// Checks of `/livez`.
    pub livez: Checks,
    /// Checks of `/readyz`.
    pub readyz: Checks,
    /// The scheduler.
    pub inspect: Arc<dyn Inspect>,
    /// The command line as it is in force.
    pub flags: BTreeMap<String, String>,
}

/// The certificates that a client showed, its own first.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Arc<[CertificateDer<'static>]>);

/// Stands before everything.
pub(crate) struct Guard {
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Authorizer,
}

/// First parts of the paths that there are.
const PATHS: [&str; 8] = ["/configz", "/debug", "/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz"];

pub(crate) fn routes(parts: Arc<Parts>, guard: Arc<Guard>) -> Router {
    let started = pages::now();
    let statusz = move |headers: HeaderMap| async move { pages::statusz(&headers, started, &PATHS) };
    let mut router = Router::new();
    for checks in [&parts.healthz, &parts.livez, &parts.readyz] {
        let (name, metrics) = (checks.name(), parts.metrics.clone());
        let (all, one) = (checks.clone(), checks.clone());
        router = router
            .route(
                &format!("/{name}"),
                any(move |RawQuery(query): RawQuery| async move { all.all(&query.unwrap_or_default(), &metrics) }),
            )
            .route(&format!("/{name}/{{check}}"), any(move |Path(check): Path<String>| async move { one.one(&check) }));
    }
    router
        .route("/metrics", get(metrics))
        .route("/metrics/slis", get(slis))
        .route("/metrics/resources", get(resources))
        .route("/configz", get(configz))
        .route("/flagz", get(flagz))
        .route("/statusz", get(statusz))
        .route("/debug/decisions", get(debug::decisions))
        .route("/debug/pending", get(debug::pending))
        .route("/debug/nodes", get(debug::nodes))
        .fallback(async || respond::not_found())
        .with_state(parts)
        .layer(middleware::from_fn_with_state(guard, admit))
}

/// Lets a request pass when who asks is known and may.
async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let none: Arc<[CertificateDer<'static>]> = Arc::default();
    let shown = request.extensions().get::<Shown>().map_or(none, |shown| shown.0.clone());
    let (verb, path) = (request.method().as_str().to_ascii_lowercase(), request.uri().path().to_owned());
    let mut response = match guard.authenticator.user(request.headers(), &shown).await {
        Err(problem) => {
            warn!(path, problem, "nobody knows who asks");
            respond::unauthorized()
        }
        Ok(user) => match guard.authorizer.rule(&user, &verb, &path).await {
            Ruling::Allowed => next.run(request).await,
            Ruling::Forbidden(reason) => {
                debug!(user = user.name, path, reason, "forbidden");
                respond::forbidden(&user, &verb, &path, &reason)
            }
            Ruling::Failed(problem) => {
                error!(user = user.name, path, problem, "can not find out whether he may");
                respond::internal_error(&path, &problem)
            }
        },
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    // Without an answer the numbers of the last time are shown: those that are counted are right in any case.
    if parts.inspect.refresh().await.is_none() {
        warn!("the scheduler does not answer: its states in the metrics are old");
    }
    respond::text(StatusCode::OK, PROMETHEUS, parts.metrics.text())
}

async fn slis(State(parts): State<Arc<Parts>>) -> Response {
    respond::text(StatusCode::OK, PROMETHEUS, parts.metrics.slis_text())
}

async fn resources(State(parts): State<Arc<Parts>>) -> Response {
    match parts.inspect.pod_resources().await {
        Some(Some(pods)) => respond::text(StatusCode::OK, PROMETHEUS, resources_text(&pods)),
        Some(None) => respond::text(StatusCode::OK, PROMETHEUS, ""),
        None => respond::unavailable(),
    }
}

async fn configz(State(parts): State<Arc<Parts>>) -> Response {
    respond::json_body(&json!({"componentconfig": parts.inspect.configuration()}))
}

async fn flagz(State(parts): State<Arc<Parts>>, headers: HeaderMap) -> Response {
    pages::flagz(&headers, &parts.flags)
}
