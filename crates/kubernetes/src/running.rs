//! A running scheduler, asked by somebody for its record of a pod.

use std::path::PathBuf;
use std::time::Duration;

use loadline_framework::record::LiveDecision;
use loadline_model::name::is_dns_subdomain;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::api::{Api, ApiError, Ask};
use crate::client::{ConnectError, UserAccess, for_once, of_user};

/// No answer is waited for any longer: a fresh snapshot says nearly as much.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where schedulers and their Leases are.
const NAMESPACE: &str = "kube-system";
/// The name of a scheduler's pod where the kubelet starts it: the node's name follows.
const STATIC_POD: &str = "kube-scheduler";
/// The Leases by which one leads: that of the manifests beside kube-scheduler, and kube-scheduler's own.
const LEASES: [&str; 2] = ["loadline-scheduler", "kube-scheduler"];
/// Where it listens, unless it is told otherwise.
const PORT: u16 = 10259;

/// Whose signature makes a running scheduler's certificate believed.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The authority of the API server, as the kubeconfig has it.
    Cluster,
    /// The certificates in this file.
    File(PathBuf),
    /// Nobody's: any certificate is believed.
    Nobody,
}

/// Why a running scheduler tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// No cluster is known, or files are wrong.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was asked, or the API server for it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There was no answer in time.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// No Lease says who it is.
    #[error("nobody holds a Lease {} in {NAMESPACE}", LEASES.join(" or "))]
    NobodyLeads,
    /// Whoever leads is no pod, or its name can not be told from the Lease.
    #[error("there is no pod of `{0}` in {NAMESPACE}, which holds the Lease")]
    NoPod(String),
}

/// What it has decided on a pod.
#[derive(Debug)]
pub struct Record {
    /// Hash of the configuration that is in force there.
    pub config_hash: String,
    /// Seed of its tie-break.
    pub seed: u64,
    /// The decision.
    pub decision: LiveDecision,
}

/// A running scheduler.
pub struct RunningScheduler {
    api: Api,
    /// What stands before its own paths.
    prefix: String,
    name: String,
    pod: Option<String>,
}

impl std::fmt::Debug for RunningScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningScheduler").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RunningScheduler {
    /// The one at this address, which begins with `https://`. It is asked with the user's own token or certificate. Nothing is asked
    /// yet.
    ///
    /// # Errors
    /// When no cluster is known, or the address or a file is wrong.
    pub async fn at(access: &UserAccess, url: &str, authority: &Authority) -> Result<Self, ConnectError> {
        let mut config = of_user(access).await?;
        config.cluster_url = url.parse().map_err(|source| ConnectError::Scheduler { url: url.to_owned(), source })?;
        // What the kubeconfig says of the way to the API server is not said of this one.
        (config.tls_server_name, config.proxy_url) = (None, None);
        config.accept_invalid_certs = matches!(authority, Authority::Nobody);
        if let Authority::File(path) = authority {
            std::fs::File::open(path)
                .map_err(|source| ConnectError::File { path: path.display().to_string(), source })?;
            config.root_cert_file = Some(path.clone());
        }
        Ok(Self { api: for_once(&config)?, prefix: String::new(), name: url.to_owned(), pod: None })
    }

    /// The one that leads by the Lease, through the API server, which passes requests on to its pod. The user needs the right to do
    /// so (`get` of `pods/proxy`), and the scheduler sees nobody in particular: the API server keeps credentials to itself.
    ///
    /// # Errors
    /// When no cluster is known, or none is found in it.
    pub async fn leading(access: &UserAccess) -> Result<Self, RunningError> {
        let api = for_once(&of_user(access).await?)?;
        let Leader { pod, is_second } = in_time(leader(&api)).await?;
        let prefix = format!("/api/v1/namespaces/{NAMESPACE}/pods/https:{pod}:{PORT}/proxy");
        let name = format!("pod {NAMESPACE}/{pod}, through the API server");
        // Whoever holds the second Lease where the first has outlived its holder may be another scheduler: nobody is told to send it
        // a token.
        Ok(Self { api, prefix, name, pod: (!is_second).then_some(pod) })
    }

    /// Which one it is, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to reach it as oneself, if it was found by its Lease and there is no doubt that it is the one.
    pub fn way_to_it(&self) -> Option<String> {
        let pod = self.pod.as_ref()?;
        Some(format!(
            "`kubectl port-forward -n {NAMESPACE} {pod} {PORT}` and --scheduler https://127.0.0.1:{PORT} --scheduler-insecure"
        ))
    }

    /// Its last decision on a pod; `None` when it has none.
    ///
    /// # Errors
    /// When it can not be asked, or may not be.
    pub async fn record(&self, namespace: &str, name: &str) -> Result<Option<Record>, RunningError> {
        // Other names are none of a pod, and would not fit into a path.
        if !is_dns_subdomain(namespace) || !is_dns_subdomain(name) {
            return Ok(None);
        }
        let ask = Ask::get(format!("{}/debug/decisions?pod={namespace}/{name}", self.prefix));
        let answer = in_time(async { Ok(self.api.answer::<Decisions>(&ask).await?) }).await;
        match answer {
            Ok(Decisions { config_hash, seed, pods }) => {
                Ok(pods.into_iter().next().map(|decision| Record { config_hash, seed, decision }))
            }
            // A server that does not know the path says so in other words.
            Err(RunningError::Api(ApiError::Refused { code: 404, reason, .. })) if reason == "NotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A list of decisions, as `/debug/decisions` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decisions {
    config_hash: String,
    seed: u64,
    pods: Vec<LiveDecision>,
}

async fn in_time<T>(work: impl Future<Output = Result<T, RunningError>>) -> Result<T, RunningError> {
    timeout(PATIENCE, work).await.unwrap_or(Err(RunningError::TimedOut))
}

/// Who leads.
struct Leader {
    pod: String,
    /// Another Lease says that somebody leads of whom there is no pod.
    is_second: bool,
}

/// The pod that leads. A Lease may outlive the one that held it.
async fn leader(api: &Api) -> Result<Leader, RunningError> {
    let mut gone: Option<RunningError> = None;
    for lease in LEASES {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{lease}");
        let found = match api.answer::<Value>(&Ask::get(path)).await {
            Err(error) if error.is_code(404) => continue,
            found => found?,
        };
        let identity = found["spec"]["holderIdentity"].as_str().unwrap_or_default();
        // Something random stands behind the name, so that no two are the same.
        let host = identity.rsplit_once('_').map_or(identity, |(host, _)| host);
        if host.is_empty() {
            continue;
        }
        match pod_of(api, host).await {
            Err(error @ RunningError::NoPod(_)) => gone = gone.or(Some(error)),
            found => return Ok(Leader { pod: found?, is_second: gone.is_some() }),
        }
    }
    Err(gone.unwrap_or(RunningError::NobodyLeads))
}

/// The pod that has this name, or runs on the node of this name.
async fn pod_of(api: &Api, host: &str) -> Result<String, RunningError> {
    for pod in [host.to_owned(), format!("{STATIC_POD}-{host}")] {
        if !is_dns_subdomain(&pod) {
            continue;
        }
        match api.done(&Ask::get(format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}"))).await {
            Err(error) if error.is_code(404) => {}
            found => return Ok(found.map(|()| pod)?),
        }
    }
    Err(RunningError::NoPod(host.to_owned()))
}
