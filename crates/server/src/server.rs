//! The listener: connections, TLS, and their end.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::auth::{AuthOptions, Authenticator, Authorizer, Delegate, Trust};
use crate::certificate::{Certificate, CertificateError, CertificateSource};
use crate::routes::{Guard, Parts, Shown, routes};
use crate::tls::{self, TlsVersion};

/// Connections at the same time; more wait.
const CONNECTIONS: usize = 1024;
/// Those of one address, so that no single one keeps the kubelet's probes out; more are closed.
const OF_ONE_ADDRESS: usize = 128;
/// A client that takes longer to say what it wants is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end waits for answers that are under way.
const LONGEST_END: Duration = Duration::from_secs(5);

/// Where to listen, and how.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `--bind-address` and `--secure-port`. Port 0: any that is free.
    pub address: SocketAddr,
    /// The certificate.
    pub certificate: CertificateSource,
    /// The oldest version of TLS that is spoken.
    pub oldest_tls: TlsVersion,
    /// Who may ask.
    pub auth: AuthOptions,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can not be listened on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS can not be set up.
    #[error("can not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// It can not be found out who asks, or what he may.
    #[error("{0}")]
    Auth(String),
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    keeping_up: [JoinHandle<()>; 2],
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address is taken, or a file is missing or wrong.
    pub async fn start(options: ServerOptions, parts: Parts, delegate: Arc<dyn Delegate>) -> Result<Self, ServerError> {
        let ServerOptions { address, certificate, oldest_tls, auth } = options;
        let certificate = Certificate::new(&certificate, address.ip())?;
        let acceptor = TlsAcceptor::from(Arc::new(tls::config(certificate.clone(), oldest_tls)?));
        let token_ttl = auth.token_ttl;
        let authorizer = Authorizer::new(&auth, delegate.clone()).map_err(ServerError::Auth)?;
        let trust = Trust::new(auth, delegate.clone()).await.map_err(ServerError::Auth)?;
        let authenticator = Authenticator::new(trust.clone(), delegate, token_ttl);
        let router = routes(Arc::new(parts), Arc::new(Guard { authenticator, authorizer }));
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let keeping_up = [tokio::spawn(certificate.keep_up()), tokio::spawn(trust.keep_up())];
        let listening = tokio::spawn(listen(listener, acceptor, router, stopped));
        Ok(Self { address, stop, listening, keeping_up })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, and ends when those that there are have their answers.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.listening.await;
        for task in self.keeping_up {
            task.abort();
        }
    }
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, router: Router, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let addresses = Addresses::default();
    loop {
        let next = async { (places.clone().acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(of_address) = addresses.enter(from.ip()) else {
                    debug!(%from, "too many connections from there");
                    continue;
                };
                let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, acceptor, router, watcher).await {
                        debug!(%from, %error, "a connection ended");
                    }
                    drop((place, of_address));
                });
            }
            Err(error) => {
                // Such as: too many files are open. It may pass.
                warn!(%error, "can not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(LONGEST_END, graceful.shutdown()).await;
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let router = router.layer(axum::Extension(Shown(chain.into())));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    watcher.watch(connection).await?;
    Ok(())
}

/// How many connections there are from each address.
#[derive(Clone, Debug, Default)]
struct Addresses(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Addresses {
    /// Counts one more, if there is room for it.
    fn enter(&self, address: IpAddr) -> Option<OfAddress> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= OF_ONE_ADDRESS {
            return None;
        }
        *count += 1;
        Some(OfAddress { addresses: self.clone(), address })
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
struct OfAddress {
    addresses: Addresses,
    address: IpAddr,
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_the_places() {
        let addresses = Addresses::default();
        let [one, other] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        let mut there: Vec<OfAddress> = (0..OF_ONE_ADDRESS).filter_map(|_| addresses.enter(one)).collect();
        assert_eq!(there.len(), OF_ONE_ADDRESS);
        assert!(addresses.enter(one).is_none());
        assert!(addresses.enter(other).is_some());
        there.pop();
        there.extend(addresses.enter(one));
        assert_eq!(there.len(), OF_ONE_ADDRESS);
        drop(there);
        assert!(addresses.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }
}
