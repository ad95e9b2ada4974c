//! What carries requests: kube's layers for address and identity over hyper's pool of connections, and nothing in between. kube's own
//! client hands each request to a task of its own and back, writes a span for it, and logs what callers know better.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::{Body, ConfigExt};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

/// Sends a request. Clones share their connections.
pub(crate) type Transport = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Certificates, keys or tokens can not be used.
    #[error(transparent)]
    Config(#[from] kube::Error),
    /// The kubeconfig or the environment says that there is a proxy.
    #[error("the API server is to be reached by the proxy {0}, which is not supported")]
    Proxy(http::Uri),
}

/// Sets it up; nothing is sent yet.
pub(crate) fn transport(config: &Config) -> Result<Transport, TransportError> {
    if let Some(proxy) = &config.proxy_url {
        return Err(TransportError::Proxy(proxy.clone()));
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(http)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Client::builder(TokioExecutor::new()).build::<_, Body>(https));
    Ok(BoxCloneSyncService::new(service))
}
