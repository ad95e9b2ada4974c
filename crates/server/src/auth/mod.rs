//! Who asks, and whether he may.

mod authenticate;
mod authorize;
mod cache;
mod trust;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

pub(crate) use authenticate::Authenticator;
pub(crate) use authorize::{Authorizer, Ruling};
pub(crate) use trust::Trust;

/// Somebody who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    /// Name.
    pub name: String,
    /// Uid; often empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More about him.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Whether somebody may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// He may.
    pub allowed: bool,
    /// Why, or why not.
    pub reason: String,
}

/// What is asked of the API server; the error is for the log.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// The API server, which knows who somebody is and what he may do.
pub trait Delegate: Send + Sync + 'static {
    /// Whose bearer token this is; `None` when it is nobody's.
    fn token<'a>(&'a self, token: &'a str) -> Asked<'a, Option<User>>;
    /// Whether a user may do this (`get`) with this path.
    fn access<'a>(&'a self, user: &'a User, verb: &'a str, path: &'a str) -> Asked<'a, Access>;
    /// The data of the ConfigMap `kube-system/extension-apiserver-authentication`.
    fn authentication_config(&self) -> Asked<'_, BTreeMap<String, String>>;
}

/// How it is found out who asks, and who may always ask. Names are those of kube-scheduler's flags.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// `--client-ca-file`: who signs the certificates of clients. `None`: what the API server says.
    pub client_ca_file: Option<PathBuf>,
    /// `--requestheader-*`. `None`: what the API server says.
    pub proxy: Option<ProxyOptions>,
    /// `--authentication-skip-lookup`: the API server is not asked for either.
    pub skip_lookup: bool,
    /// `--authentication-tolerate-lookup-failure`: it is no error when the API server does not say at the start.
    pub tolerate_lookup_failure: bool,
    /// `--authentication-token-webhook-cache-ttl`.
    pub token_ttl: Duration,
    /// `--authorization-webhook-cache-authorized-ttl`.
    pub authorized_ttl: Duration,
    /// `--authorization-webhook-cache-unauthorized-ttl`.
    pub unauthorized_ttl: Duration,
    /// `--authorization-always-allow-paths`.
    pub always_allow_paths: Vec<String>,
}

impl Default for AuthOptions {
    fn default() -> Self {
        let ttl = Duration::from_secs(10);
        Self {
            client_ca_file: None,
            proxy: None,
            skip_lookup: false,
            tolerate_lookup_failure: true,
            token_ttl: ttl,
            authorized_ttl: ttl,
            unauthorized_ttl: ttl,
            always_allow_paths: ["/healthz", "/readyz", "/livez"].map(str::to_owned).into(),
        }
    }
}

/// A proxy that says in headers for whom it asks.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// `--requestheader-client-ca-file`: who signs its certificate.
    pub client_ca_file: PathBuf,
    /// `--requestheader-allowed-names`: names that its certificate may have; any, when empty.
    pub allowed_names: Vec<String>,
    /// `--requestheader-username-headers`.
    pub username_headers: Vec<String>,
    /// `--requestheader-uid-headers`.
    pub uid_headers: Vec<String>,
    /// `--requestheader-group-headers`.
    pub group_headers: Vec<String>,
    /// `--requestheader-extra-headers-prefix`.
    pub extra_prefixes: Vec<String>,
}
