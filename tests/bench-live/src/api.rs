//! The API server, as the benchmark asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{AsyncBufReadExt, StreamExt, stream};
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Requests that are under way at once when many objects are made.
const CREATORS: usize = 32;

/// Where the pods are that are measured.
pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
/// Where their groups are.
pub(crate) const GROUPS: &str = "/apis/scheduling.k8s.io/v1alpha2/namespaces/default/podgroups";

/// Pods and nodes of one API server.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
}

impl Api {
    pub(crate) async fn new(kubeconfig: &std::path::Path) -> Result<Self> {
        let (read, choice) = (Kubeconfig::read_from(kubeconfig)?, KubeConfigOptions::default());
        let mut config = Config::from_custom_kubeconfig(read, &choice).await?;
        config.default_retry = false;
        Ok(Self { client: Client::try_from(config)? })
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        Ok(self.client.request(request.body(body)?).await?)
    }

    /// Creates objects in a collection, many at once and in about this order; when each was taken.
    pub(crate) async fn create(&self, path: &str, objects: &[Value]) -> Result<Vec<Instant>> {
        let create = |object: &Value| {
            let (api, path, object) = (self.clone(), path.to_owned(), object.clone());
            async move { api.send(Method::POST, &path, &object).await.map(|_| now()) }
        };
        let made: Vec<Result<Instant>> = stream::iter(objects.iter().map(create)).buffered(CREATORS).collect().await;
        made.into_iter().collect()
    }

    /// Deletes everything in a collection, and waits until it is gone. Nobody runs who takes finalizers off, so it is done here.
    pub(crate) async fn delete_all(&self, path: &str) -> Result<()> {
        loop {
            let how = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
            self.send(Method::DELETE, path, &how).await?;
            let left = self.send(Method::GET, &format!("{path}?limit=500"), &Value::Null).await?;
            let left = left["items"].as_array().cloned().unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            let held = left.iter().filter(|object| object["metadata"]["finalizers"].is_array());
            let names: Vec<&str> = held.filter_map(|object| object["metadata"]["name"].as_str()).collect();
            let release = |name: &&str| {
                let (api, path) = (self.clone(), format!("{path}/{name}"));
                async move {
                    let patch = json!({"metadata": {"finalizers": null}});
                    let request = Request::builder().method(Method::PATCH).uri(path);
                    let request = request.header("content-type", "application/merge-patch+json");
                    // It may be gone by now, which the next look at the collection tells.
                    drop(api.client.request::<Value>(request.body(patch.to_string().into_bytes())?).await);
                    Ok::<_, anyhow::Error>(())
                }
            };
            let released: Vec<Result<()>> = stream::iter(names.iter().map(release)).buffered(CREATORS).collect().await;
            released.into_iter().collect::<Result<()>>()?;
        }
    }

    /// Follows the pods from now on.
    pub(crate) fn follow_pods(&self) -> Pods {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (sender, changed) = watch::channel(());
        let (api, told) = (self.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = api.tell_of_pods(&told, &sender).await {
                    crate::say(&format!("{error:#}; following the pods anew"));
                }
            }
        });
        Pods { seen, changed, task }
    }

    /// Tells of pods until the API server ends the watch.
    async fn tell_of_pods(&self, told: &Mutex<Seen>, sender: &watch::Sender<()>) -> Result<()> {
        let path = PODS;
        let list = self.send(Method::GET, path, &Value::Null).await?;
        let version = list["metadata"]["resourceVersion"].as_str().context("a list has a version")?;
        let request = Request::get(format!("{path}?watch=true&resourceVersion={version}")).body(Vec::new())?;
        let tell = |pod: &Value| {
            told.lock().unwrap_or_else(PoisonError::into_inner).take(pod);
            let _ = sender.send(());
        };
        list["items"].as_array().into_iter().flatten().for_each(tell);
        let mut lines = std::pin::pin!(self.client.request_stream(request).await?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await? > 0 {
            let event: Value = serde_json::from_slice(&line)?;
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => tell(&event["object"]),
                Some("DELETED") => {}
                _ => bail!("the watch says {event}"),
            }
            line.clear();
        }
        bail!("the watch has ended")
    }
}

/// What a watch told of pods, by name.
#[derive(Default)]
struct Seen {
    bound: BTreeMap<String, Instant>,
    refused: BTreeMap<String, Instant>,
}

impl Seen {
    fn take(&mut self, pod: &Value) {
        let Some(name) = pod["metadata"]["name"].as_str() else { return };
        if pod["spec"]["nodeName"].is_string() {
            self.bound.entry(name.to_owned()).or_insert_with(now);
        } else if pod["status"]["conditions"][0]["reason"] == "Unschedulable" {
            self.refused.entry(name.to_owned()).or_insert_with(now);
        }
    }
}

/// Pods as a watch tells of them.
pub(crate) struct Pods {
    seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pods {
    /// Waits until all of these are bound, or said to be unschedulable, and gives when.
    pub(crate) async fn settled(&mut self, names: &[String]) -> Result<Vec<Instant>> {
        self.all(names, |seen, name| seen.bound.get(name).or_else(|| seen.refused.get(name)).copied()).await
    }

    /// The same, of pods that are bound in the end.
    pub(crate) async fn bound(&mut self, names: &[String]) -> Result<Vec<Instant>> {
        self.all(names, |seen, name| seen.bound.get(name).copied()).await
    }

    /// Waits until each of these has a time.
    async fn all(&mut self, names: &[String], when: fn(&Seen, &str) -> Option<Instant>) -> Result<Vec<Instant>> {
        /// With nothing heard of any pod.
        const PATIENCE: Duration = Duration::from_mins(5);
        loop {
            let times: Vec<Instant> = {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                names.iter().map_while(|name| when(&seen, name)).collect()
            };
            if times.len() == names.len() {
                return Ok(times);
            }
            if !matches!(tokio::time::timeout(PATIENCE, self.changed.changed()).await, Ok(Ok(()))) {
                bail!("no pod was bound for five minutes");
            }
        }
    }
}

/// The time, for measuring.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
