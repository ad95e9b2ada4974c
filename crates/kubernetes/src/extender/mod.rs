//! Extenders over HTTP: what the cycle asks them is sent, and waited for on the thread that asks, as in kube-scheduler.

mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use loadline_config::{ExtenderConfig, ExtenderTls};
use loadline_framework::{
    Extender, ExtenderFilter, HostPriority, NodeMetaVictims, NodeVictims, SharedExtender, in_asking_order,
};
use loadline_model::{PodInfo, Str};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use self::wire::{Args, BindingArgs, MetaPod, NodeList, PreemptionArgs, Victims};
use crate::api::{JSON, USER_AGENT, with_causes};
use crate::originals::Originals;

/// Why an extender can not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ExtenderError {
    /// The address is none.
    #[error("extender {url:?}: {source}")]
    Address {
        /// As configured.
        url: String,
        /// What is wrong.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// The address does not say by which protocol and whom.
    #[error("extender {url:?}: http:// or https:// and a host are needed")]
    NoHost {
        /// As configured.
        url: String,
    },
    /// A certificate authority is named, and not to be checked against.
    #[error("extender {url:?}: specifying a root certificates file with the insecure flag is not allowed")]
    InsecureWithAuthority {
        /// As configured.
        url: String,
    },
    /// Certificates or keys are missing or wrong.
    #[error("extender {url:?}: {source}")]
    Files {
        /// As configured.
        url: String,
        /// What is wrong.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// Certificates or keys can not be used.
    #[error("extender {url:?}: {source}")]
    Client {
        /// As configured.
        url: String,
        /// What is wrong.
        #[source]
        source: kube::Error,
    },
    /// A changed configuration shows extenders more than is known.
    #[error("extenders are to be shown whole objects that were not kept so far: this needs a new start")]
    NotKept,
}

/// The extenders of a configuration, with what they are shown.
#[derive(Clone, Debug, Default)]
pub struct Extenders {
    all: Vec<SharedExtender>,
    originals: Originals,
}

impl Extenders {
    /// Reads the files that the configuration names. Nobody is asked yet. Their calls wait on this runtime, so they must be made
    /// from outside of it.
    ///
    /// # Errors
    /// When an address, a certificate or a key can not be used.
    pub async fn new(configs: &[ExtenderConfig]) -> Result<Self, ExtenderError> {
        Self::with(configs, Originals::for_extenders(configs)).await
    }

    /// The extenders of a changed configuration, in a process that goes on.
    ///
    /// # Errors
    /// As for [`Extenders::new`], and when they are to be shown objects that are not kept.
    pub async fn changed(&self, configs: &[ExtenderConfig]) -> Result<Self, ExtenderError> {
        if !self.originals.cover(&Originals::for_extenders(configs)) {
            return Err(ExtenderError::NotKept);
        }
        Self::with(configs, self.originals.clone()).await
    }

    async fn with(configs: &[ExtenderConfig], originals: Originals) -> Result<Self, ExtenderError> {
        let mut all = Vec::new();
        for config in configs {
            all.push(SharedExtender(Arc::new(HttpExtender::new(config, &originals).await?)));
        }
        Ok(Self { all: in_asking_order(all), originals })
    }

    /// All of them, in the order in which they are asked.
    pub fn all(&self) -> Vec<SharedExtender> {
        self.all.clone()
    }

    /// What has to be kept for them.
    pub fn originals(&self) -> Originals {
        self.originals.clone()
    }
}

struct HttpExtender {
    config: ExtenderConfig,
    managed: Vec<Str>,
    client: Client,
    runtime: Handle,
    originals: Originals,
}

impl HttpExtender {
    async fn new(config: &ExtenderConfig, originals: &Originals) -> Result<Self, ExtenderError> {
        let url = || config.url_prefix.clone();
        let client = client_config(config).await?;
        let client = Client::try_from(client).map_err(|source| ExtenderError::Client { url: url(), source })?;
        let managed = config.managed_resources.iter().map(|resource| resource.name.as_str().into());
        Ok(Self {
            managed: managed.collect(),
            client,
            runtime: Handle::current(),
            originals: originals.clone(),
            config: config.clone(),
        })
    }

    fn url(&self, verb: &str) -> String {
        format!("{}/{verb}", self.config.url_prefix.trim_end_matches('/'))
    }

    /// The body of the answer. Waits for it.
    fn send(&self, verb: &str, arguments: &impl Serialize) -> Result<Vec<u8>, String> {
        let arguments = serde_json::to_vec(arguments).map_err(|error| error.to_string())?;
        self.runtime.block_on(self.exchange(verb, arguments))
    }

    async fn exchange(&self, verb: &str, arguments: Vec<u8>) -> Result<Vec<u8>, String> {
        /// No deadline is a deadline that nobody lives to see.
        const YEAR: Duration = Duration::from_hours(24 * 365);
        let url = self.url(verb);
        let timeout = u64::try_from(self.config.http_timeout).ok().filter(|nanos| *nanos > 0);
        let deadline = Instant::now() + timeout.map_or(YEAR, Duration::from_nanos);
        let failed = |what: &str| format!("Post {url:?}: {what}");
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, JSON)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::from(arguments))
            .map_err(|error| failed(&error.to_string()))?;
        let response = timeout_at(deadline, self.client.send(request)).await;
        let response = response
            .map_err(|_| failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))?
            .map_err(|error| failed(&with_causes(&error)))?;
        let code = response.status().as_u16();
        if code != 200 {
            return Err(format!("failed {verb} with extender at URL {url}, code {code}"));
        }
        let body = timeout_at(deadline, response.into_body().collect()).await;
        let body = body.map_err(|_| {
            "context deadline exceeded (Client.Timeout or context cancellation while reading body)".to_owned()
        })?;
        Ok(body.map_err(|error| with_causes(&error))?.to_bytes().to_vec())
    }

    fn pod(&self, pod: &PodInfo) -> Result<Arc<RawValue>, String> {
        let kept = self.originals.pods.as_ref().and_then(|pods| pods.get(&pod.uid));
        kept.ok_or_else(|| format!("pod {} is not there any more", pod.full_name()))
    }

    /// Asks about nodes; those that vanished a moment ago are left out.
    fn ask(&self, verb: &str, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<u8>, String> {
        let pod = self.pod(pod)?;
        let names = || nodes.iter().map(Str::as_str).collect();
        let kept = self.originals.nodes.as_ref().filter(|_| !self.config.node_cache_capable);
        let whole = kept.map(|kept| NodeList::new(nodes.iter().filter_map(|name| kept.get(name)).collect()));
        let node_names = self.config.node_cache_capable.then(names);
        self.send(verb, &Args { pod: &pod, nodes: whole, node_names })
    }

    /// Tells of a failure that has no consequences.
    fn passed_over(&self, what: &str, pod: &PodInfo, error: &str) {
        let extender = self.name();
        info!(extender, what, pod = pod.full_name(), error, "the extender failed and is passed over, being ignorable");
    }

    fn told<T>(&self, what: &str, pod: &PodInfo, result: Result<T, String>) -> Result<T, String> {
        if let Err(error) = &result {
            if self.config.ignorable {
                self.passed_over(what, pod, error);
            } else {
                warn!(extender = self.name(), what, pod = pod.full_name(), error, "the extender failed");
            }
        }
        result
    }
}

impl Extender for HttpExtender {
    fn name(&self) -> &str {
        &self.config.url_prefix
    }

    fn is_interested(&self, pod: &PodInfo) -> bool {
        // What a container limits and does not request, it requests: the API server and whoever reads its objects see to that.
        self.managed.is_empty() || self.managed.iter().any(|name| pod.requests.spec.scalar(name).is_some())
    }

    fn is_ignorable(&self) -> bool {
        self.config.ignorable
    }

    fn is_filter(&self) -> bool {
        !self.config.filter_verb.is_empty()
    }

    fn is_prioritizer(&self) -> bool {
        !self.config.prioritize_verb.is_empty()
    }

    fn is_binder(&self) -> bool {
        !self.config.bind_verb.is_empty()
    }

    fn supports_preemption(&self) -> bool {
        !self.config.preempt_verb.is_empty()
    }

    fn weight(&self) -> i64 {
        self.config.weight
    }

    fn filter(&self, pod: &PodInfo, nodes: &[Str]) -> Result<ExtenderFilter, String> {
        let asked = nodes.iter().map(Str::as_str).collect();
        let answer = self.ask(&self.config.filter_verb, pod, nodes);
        let read = |body: Vec<u8>| wire::filter_result(&body, self.name(), self.config.node_cache_capable, &asked);
        self.told("filter", pod, answer.and_then(read))
    }

    fn prioritize(&self, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<HostPriority>, String> {
        let answer = self.ask(&self.config.prioritize_verb, pod, nodes);
        let scores = answer.and_then(|body| wire::priorities(&body));
        scores.inspect_err(|error| {
            let extender = self.name();
            debug!(extender, pod = pod.full_name(), error, "the extender failed to score, and gives no score");
        })
    }

    fn process_preemption(&self, pod: &PodInfo, candidates: &[NodeVictims]) -> Result<Vec<NodeMetaVictims>, String> {
        let send = || {
            let pod = self.pod(pod)?;
            let mut arguments =
                PreemptionArgs { pod: &pod, node_name_to_victims: None, node_name_to_meta_victims: None };
            if self.config.node_cache_capable {
                let meta = |candidate| victims(candidate, |pod| Ok(MetaPod { uid: pod.uid.as_str() }));
                arguments.node_name_to_meta_victims = Some(candidates.iter().map(meta).collect::<Result<_, String>>()?);
            } else {
                let whole = |candidate| victims(candidate, |pod| self.pod(pod));
                arguments.node_name_to_victims = Some(candidates.iter().map(whole).collect::<Result<_, String>>()?);
            }
            wire::victims(&self.send(&self.config.preempt_verb, &arguments)?)
        };
        self.told("preempt", pod, send())
    }

    fn bind(&self, pod: &PodInfo, node: &str) -> Result<(), String> {
        let arguments = BindingArgs { pod_name: &pod.name, pod_namespace: &pod.namespace, pod_uid: &pod.uid, node };
        let answer = self.send(&self.config.bind_verb, &arguments);
        self.told("bind", pod, answer.and_then(|body| wire::binding_result(&body)))
    }
}

/// A candidate's entry in the arguments of preemption.
fn victims<'a, P>(
    candidate: &'a NodeVictims,
    pod: impl Fn(&'a PodInfo) -> Result<P, String>,
) -> Result<(&'a str, Victims<P>), String> {
    let pods = candidate.pods.iter().map(|victim| pod(victim)).collect::<Result<_, _>>()?;
    Ok((candidate.node.as_str(), Victims { pods, pdb_violations: candidate.pdb_violations }))
}

/// How an extender is reached. The client's way to read a kubeconfig knows what to do with files and data.
async fn client_config(config: &ExtenderConfig) -> Result<Config, ExtenderError> {
    let url = || config.url_prefix.clone();
    let address: Uri = config.url_prefix.parse().map_err(|source| ExtenderError::Address { url: url(), source })?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (address.scheme_str(), address.authority()) else {
        return Err(ExtenderError::NoHost { url: url() });
    };
    let none = ExtenderTls::default();
    let tls = config.tls_config.as_ref().unwrap_or(&none);
    let has_authority = !tls.ca_file.is_empty() || !tls.ca_data.is_empty();
    let is_insecure = tls.insecure || (config.enable_https && !has_authority);
    if is_insecure && has_authority {
        return Err(ExtenderError::InsecureWithAuthority { url: url() });
    }
    let given = |fields: &[(&'static str, &str)]| -> BTreeMap<&'static str, String> {
        // Base64 may have line breaks.
        let compact = |value: &str| value.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (*name, compact(value))).collect()
    };
    let mut cluster = json!(given(&[
        ("certificate-authority", &tls.ca_file),
        ("certificate-authority-data", &tls.ca_data),
        ("tls-server-name", &tls.server_name),
    ]));
    cluster["server"] = format!("{scheme}://{authority}").into();
    cluster["insecure-skip-tls-verify"] = is_insecure.into();
    let user = given(&[
        ("client-certificate", &tls.cert_file),
        ("client-certificate-data", &tls.cert_data),
        ("client-key", &tls.key_file),
        ("client-key-data", &tls.key_data),
    ]);
    let files = |source| ExtenderError::Files { url: url(), source };
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "clusters": [{"name": "extender", "cluster": cluster}],
        "users": [{"name": "extender", "user": user}],
        "contexts": [{"name": "extender", "context": {"cluster": "extender", "user": "extender"}}],
        "current-context": "extender",
    }))
    .expect("these are the fields of a kubeconfig");
    let mut found = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(files)?;
    // What a failure means is for the cycle to say, and nothing is sent twice.
    found.default_retry = false;
    // Extenders are near; a proxy that is there for other things is not asked.
    found.proxy_url = None;
    if !has_authority && (scheme == "http" || is_insecure) {
        // Else the system's authorities are read first, and an image that has none would be an error for nothing.
        found.root_cert = Some(Vec::new());
    }
    Ok(found)
}
