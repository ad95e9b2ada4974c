//! Many requests to the API server at once, for which kubectl is too slow.

use futures_util::{StreamExt, stream};
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use loadline_fixture::ControlPlane;
use serde_json::Value;
use tokio::runtime::Runtime;

/// So many are under way at a time.
const AT_ONCE: usize = 32;

/// Somebody who may do everything, by several connections.
pub(crate) struct Many {
    runtime: Runtime,
    client: Client,
}

impl Many {
    pub(crate) fn of(server: &ControlPlane) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        self.runtime.block_on(self.client.request(request)).expect("the API server answers")
    }

    /// Creates objects in a collection, in about this order.
    pub(crate) fn create(&self, path: &str, objects: impl Iterator<Item = Value>) {
        self.send(&Method::POST, "application/json", objects.map(|object| (path.to_owned(), object)));
    }

    /// Patches objects, in about this order.
    pub(crate) fn patch(&self, patches: impl Iterator<Item = (String, Value)>) {
        self.send(&Method::PATCH, "application/merge-patch+json", patches);
    }

    fn send(&self, method: &Method, media_type: &str, what: impl Iterator<Item = (String, Value)>) {
        let send = |(path, body): (String, Value)| {
            let request = Request::builder().method(method).uri(path).header("content-type", media_type);
            let request = request.body(body.to_string().into_bytes()).expect("a request");
            async { self.client.request::<Value>(request).await.map(drop).expect("the API server takes it") }
        };
        self.runtime.block_on(stream::iter(what.map(send)).buffered(AT_ONCE).for_each(|()| async {}));
    }
}
