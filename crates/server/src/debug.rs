//! `/debug/*`: decisions, waiting pods, nodes, as JSON.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;

use crate::inspect::{DecisionQuery, Page};
use crate::respond;
use crate::routes::Parts;

pub(crate) async fn decisions(State(parts): State<Arc<Parts>>, Query(query): Query<DecisionQuery>) -> Response {
    let pod = query.pod.clone();
    match parts.inspect.decisions(query).await {
        Some(Some(value)) => respond::json_body(&value),
        Some(None) => {
            let what = pod.unwrap_or_default();
            let message =
                format!("no decision on pod {what:?} is kept; give namespace/name of a pod that was tried lately");
            respond::no_such(&message)
        }
        None => respond::unavailable(),
    }
}

pub(crate) async fn pending(State(parts): State<Arc<Parts>>, Query(page): Query<Page>) -> Response {
    parts.inspect.pending(page).await.map_or_else(respond::unavailable, |value| respond::json_body(&value))
}

pub(crate) async fn nodes(State(parts): State<Arc<Parts>>, Query(page): Query<Page>) -> Response {
    parts.inspect.nodes(page).await.map_or_else(respond::unavailable, |value| respond::json_body(&value))
}
