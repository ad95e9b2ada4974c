//! How the API server is reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use loadline_metrics::Metrics;
use serde_json::Value;
use tracing::{info, warn};

use crate::api::{Api, ApiError, Ask, RequestCounter};
use crate::fence::Fence;
use crate::limit::Limit;
use crate::transport::{TransportError, transport};

/// Where the API server is, and as whom it is asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig file. `None`: the service account of the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// An address that overrides that of the kubeconfig (`--master`).
    pub master: Option<String>,
}

/// As whom a person asks a cluster: what kubectl would take.
#[derive(Clone, Debug, Default)]
pub struct UserAccess {
    /// A kubeconfig file. `None`: `$KUBECONFIG`, `~/.kube/config`, or the service account of the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; `None`: its current one.
    pub context: Option<String>,
}

/// Why no API server can be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is not there or makes no sense.
    #[error("kubeconfig {path}: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// Neither a kubeconfig was named nor is this a pod.
    #[error(
        "no kubeconfig was given, and this is not a pod with a service account ({0}): give --kubeconfig, or clientConnection.kubeconfig in the configuration"
    )]
    NotInCluster(#[source] kube::config::InClusterError),
    /// There is no kubeconfig where one is looked for, and this is not a pod.
    #[error("no cluster is known: give --kubeconfig, set KUBECONFIG, or have a ~/.kube/config ({0})")]
    NoKubeconfig(String),
    /// The address of the API server is none.
    #[error("master {address:?}: {source}")]
    Master {
        /// As given.
        address: String,
        /// What is wrong.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// The address of a running scheduler is none.
    #[error("scheduler {url:?}: {source}")]
    Scheduler {
        /// As given.
        url: String,
        /// What is wrong.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// A file with certificates can not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// Certificates, keys or tokens can not be used.
    #[error("can not set up the connection: {0}")]
    Transport(#[from] TransportError),
}

/// Limits of requests in a time; absent, the API server's own fairness decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a second; no limit when it is not positive.
    pub qps: f32,
    /// Requests above that at once.
    pub burst: i32,
}

/// Connections to one API server.
#[derive(Clone)]
pub struct Connection {
    /// For lists and watches, and whatever else only reads.
    pub(crate) read: Api,
    /// For bindings alone, so that nothing else is in their way.
    pub(crate) bind: Api,
    /// For status patches, deletions and events.
    pub(crate) write: Api,
    /// For the lease alone.
    pub(crate) lease: Api,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads the files and sets up what is needed. Nothing is asked of the API server yet. Requests are counted.
    ///
    /// # Errors
    /// When files are missing or wrong.
    pub async fn new(access: &Access, limit: Option<RateLimit>, metrics: &Metrics) -> Result<Self, ConnectError> {
        let config = read(access).await?;
        let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
        let counter = RequestCounter { metrics: metrics.clone(), host: host.into() };
        // Bindings have a budget of their own, as large as all the rest.
        let limit = || limit.filter(|limit| limit.qps > 0.0).map(|limit| Arc::new(Limit::new(limit.qps, limit.burst)));
        let api = |limit| Ok::<Api, ConnectError>(Api::new(transport(&config)?, limit, counter.clone()));
        let shared = limit();
        Ok(Self { read: api(shared.clone())?, bind: api(limit())?, write: api(shared)?, lease: api(None)? })
    }

    /// The same connections for what only the leader may do. The lease itself is not among it.
    pub(crate) fn fenced(&self, fence: &Fence) -> Self {
        Self { bind: self.bind.fenced(fence.clone()), write: self.write.fenced(fence.clone()), ..self.clone() }
    }

    /// The same, for what is decided now ([`Api::of_this_term`]).
    pub(crate) fn of_this_term(&self) -> Self {
        Self { bind: self.bind.of_this_term(), write: self.write.of_this_term(), ..self.clone() }
    }

    /// Major and minor version of the API server.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn server_version(&self) -> Result<(u32, u32), ApiError> {
        let version: Value = self.read.answer(&Ask::get("/version")).await?;
        // A vendor may have added a sign: 36+.
        let number = |field: &str| {
            let text = version[field].as_str().unwrap_or_default();
            text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default()
        };
        Ok((number("major"), number("minor")))
    }

    /// Reads the files again from time to time, and goes on with what is in them when they changed: certificates run out, and
    /// whoever renews them replaces the files. Tokens in files are looked after by the client itself.
    pub async fn follow_files(self, access: Access) {
        let mut known = contents(&access);
        loop {
            tokio::time::sleep(LOOK_AT_FILES).await;
            let found = contents(&access);
            if found == known {
                continue;
            }
            match self.renew(&access).await {
                Ok(()) => {
                    info!("kubeconfig or certificates have changed: further requests use what they say now");
                    known = found;
                }
                // Half-written files will be whole soon.
                Err(error) => {
                    warn!(%error, "changed kubeconfig or certificates can not be used; going on with the old ones");
                }
            }
        }
    }

    async fn renew(&self, access: &Access) -> Result<(), ConnectError> {
        let config = read(access).await?;
        for api in [&self.read, &self.bind, &self.write, &self.lease] {
            api.replace(transport(&config)?);
        }
        Ok(())
    }
}

/// How often files are looked at.
const LOOK_AT_FILES: Duration = Duration::from_secs(10);

/// Where a pod finds who signed the API server's certificate.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

async fn read(access: &Access) -> Result<Config, ConnectError> {
    let mut config = match &access.kubeconfig {
        Some(path) => read_file(path, &KubeConfigOptions::default()).await?,
        None => Config::incluster().map_err(ConnectError::NotInCluster)?,
    };
    if let Some(address) = &access.master {
        config.cluster_url =
            address.parse().map_err(|source| ConnectError::Master { address: address.clone(), source })?;
    }
    Ok(config)
}

/// Whom a person asks, as kubectl would find out.
pub(crate) async fn of_user(access: &UserAccess) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &access.kubeconfig {
        return read_file(path, &options).await;
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        Err(error) if access.context.is_some() => Err(ConnectError::NoKubeconfig(error.to_string())),
        Err(error) => Config::incluster().map_err(|_| ConnectError::NoKubeconfig(error.to_string())),
    }
}

/// A way to ask for a command that ends: nobody reads what is counted.
pub(crate) fn for_once(config: &Config) -> Result<Api, ConnectError> {
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    let counter = RequestCounter { metrics: Metrics::new(), host: host.into() };
    Ok(Api::new(transport(config)?, None, counter))
}

/// What a kubeconfig file says.
async fn read_file(path: &Path, options: &KubeConfigOptions) -> Result<Config, ConnectError> {
    let wrong = |source| ConnectError::Kubeconfig { path: path.display().to_string(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    Config::from_custom_kubeconfig(kubeconfig, options).await.map_err(wrong)
}

/// What is in the files that an access is made of.
fn contents(access: &Access) -> Vec<Vec<u8>> {
    let Some(path) = &access.kubeconfig else { return vec![std::fs::read(IN_CLUSTER).unwrap_or_default()] };
    let mut files = vec![path.clone()];
    if let Ok(kubeconfig) = Kubeconfig::read_from(path) {
        let clusters = kubeconfig.clusters.into_iter().filter_map(|named| named.cluster?.certificate_authority);
        let users = kubeconfig.auth_infos.into_iter().filter_map(|named| named.auth_info);
        let of_users = users.flat_map(|user| [user.client_certificate, user.client_key]).flatten();
        // They are relative to the kubeconfig's folder, and the reader has made them absolute.
        files.extend(clusters.chain(of_users).map(PathBuf::from));
    }
    files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect()
}
