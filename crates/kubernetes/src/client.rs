//! How the API server is reached.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Where the API server is, and as whom it is asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig file. `None`: the service account of the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// An address that overrides that of the kubeconfig (`--master`).
    pub master: Option<String>,
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
    /// The address of the API server is none.
    #[error("master {address:?}: {source}")]
    Master {
        /// As given.
        address: String,
        /// What is wrong.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// Certificates, keys or tokens can not be used.
    #[error("can not set up the connection: {0}")]
    Client(#[source] kube::Error),
}

/// Connections to one API server.
#[derive(Clone)]
pub struct Connection {
    /// For lists and watches.
    pub(crate) read: Client,
    /// For bindings alone, so that nothing else is in their way.
    pub(crate) bind: Client,
    /// For status patches, deletions and events.
    pub(crate) write: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads the files and sets up what is needed. Nothing is asked of the API server yet.
    ///
    /// # Errors
    /// When files are missing or wrong.
    pub async fn new(access: &Access) -> Result<Self, ConnectError> {
        let mut config = match &access.kubeconfig {
            Some(path) => {
                let wrong = |source| ConnectError::Kubeconfig { path: path.display().to_string(), source };
                let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(wrong)?
            }
            None => Config::incluster().map_err(ConnectError::NotInCluster)?,
        };
        if let Some(address) = &access.master {
            config.cluster_url =
                address.parse().map_err(|source| ConnectError::Master { address: address.clone(), source })?;
        }
        // The client would repeat any write up to 15 times, bindings too: what is repeated is decided here.
        config.default_retry = false;
        let client = || Client::try_from(config.clone()).map_err(ConnectError::Client);
        Ok(Self { read: client()?, bind: client()?, write: client()? })
    }
}
