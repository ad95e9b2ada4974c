//! Events about the scheduler itself.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use crate::api::{Api, Ask, JSON};
use crate::client::Connection;
use crate::clock;

/// Longest message of an event.
const LONGEST: usize = 1024;

/// Writes events about the scheduler itself. They are on its Lease, which stands for it whether it is elected or not, as those of
/// kube-scheduler's leader election are.
#[derive(Clone, Debug)]
pub struct Announcer {
    api: Api,
    namespace: String,
    lease: String,
    component: String,
}

impl Announcer {
    /// On this Lease, by `component`: the name of the first profile.
    pub fn new(connection: &Connection, namespace: &str, lease: &str, component: &str) -> Self {
        let (namespace, lease, component) = (namespace.to_owned(), lease.to_owned(), component.to_owned());
        Self { api: connection.lease.clone(), namespace, lease, component }
    }

    /// Writes an event. A failure is told in the log.
    pub async fn announce(&self, reason: &str, is_warning: bool, message: &str) {
        /// Nothing that scheduling waits for, but the leader's end may.
        const PATIENCE: Duration = Duration::from_secs(2);
        let Self { namespace, lease, component, .. } = self;
        let found = timeout(PATIENCE, self.api.answer::<Value>(&Ask::get(self.path()))).await;
        let metadata = found.ok().and_then(Result::ok).map(|found| found["metadata"].clone()).unwrap_or_default();
        let seconds = clock::seconds();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": format!("{lease}.{}", clock::suffix())},
            "involvedObject": {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "namespace": namespace,
                "name": lease,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": &message[..message.floor_char_boundary(LONGEST)],
            "type": if is_warning { "Warning" } else { "Normal" },
            "count": 1,
            "firstTimestamp": seconds,
            "lastTimestamp": seconds,
            "source": {"component": component},
        });
        let ask = Ask::send(Method::POST, format!("/api/v1/namespaces/{namespace}/events"), JSON, &event);
        match timeout(PATIENCE, self.api.done(&ask)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(reason, %error, "can not record an event"),
            Err(_) => warn!(reason, "can not record an event: no answer in time"),
        }
    }

    fn path(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", self.namespace, self.lease)
    }
}
