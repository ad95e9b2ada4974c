//! Whose certificates are believed: from files, or as the API server says, and kept up to date.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tracing::{info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{AuthOptions, Delegate, ProxyOptions};
use crate::tls::provider;

/// How often files and the API server are looked at again.
const PERIOD: Duration = Duration::from_mins(1);

/// Whose certificates are believed, as of now.
#[derive(Debug, Default)]
pub(crate) struct Trusted {
    /// Those who sign for users.
    pub(crate) clients: Option<Signers>,
    /// Those who sign for proxies, and what a proxy may say.
    pub(crate) proxy: Option<Proxy>,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) signers: Signers,
    pub(crate) options: ProxyOptions,
}

/// Certificate authorities, and the text that they were read from.
#[derive(Debug)]
pub(crate) struct Signers {
    verifier: Arc<dyn ClientCertVerifier>,
    text: String,
}

impl Signers {
    fn new(text: String) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        let verifier = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { verifier, text })
    }

    /// Why a chain of certificates, that of the client first, is not believed.
    pub(crate) fn verify(&self, chain: &[CertificateDer<'static>]) -> Result<(), String> {
        let Some((own, between)) = chain.split_first() else { return Err("no certificate".to_owned()) };
        let verified = self.verifier.verify_client_cert(own, between, UnixTime::now());
        verified.map(drop).map_err(|error| error.to_string())
    }
}

/// The names in a certificate: its common name, and its organisations.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Result<(String, Vec<String>), String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| attribute.as_str().ok().map(str::to_owned);
    let subject = parsed.subject();
    // The last of several common names counts, as in Go.
    let name = subject.iter_common_name().filter_map(text).last().unwrap_or_default();
    Ok((name, subject.iter_organization().filter_map(text).collect()))
}

/// Keeps [`Trusted`] up to date.
pub(crate) struct Trust {
    options: AuthOptions,
    delegate: Arc<dyn Delegate>,
    now: RwLock<Arc<Trusted>>,
}

impl Trust {
    /// Reads everything once.
    pub(crate) async fn new(options: AuthOptions, delegate: Arc<dyn Delegate>) -> Result<Arc<Self>, String> {
        let trust = Arc::new(Self { options, delegate, now: RwLock::default() });
        let (trusted, looked_up) = trust.read().await;
        let lookup_failed = looked_up.err();
        *trust.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trusted?);
        if let Some(error) = lookup_failed {
            if !trust.options.tolerate_lookup_failure {
                return Err(format!("can not look up whose certificates the API server believes: {error}"));
            }
            warn!(%error, "can not look up whose certificates the API server believes: until then clients are known by tokens alone");
        }
        Ok(trust)
    }

    pub(crate) fn now(&self) -> Arc<Trusted> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again from time to time, for ever.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.read().await {
                (Ok(trusted), Ok(())) => {
                    let before = self.now();
                    let text = |trusted: &Trusted| trusted.clients.as_ref().map(|signers| signers.text.clone());
                    if text(&before) != text(&trusted) {
                        info!("other authorities sign the certificates of clients from now on");
                    }
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trusted);
                }
                // What was believed before is believed on.
                (Err(error), _) | (_, Err(error)) => warn!(%error, "can not look up whose certificates are believed"),
            }
        }
    }

    /// What is to be believed, and whether the API server could be asked.
    async fn read(&self) -> (Result<Trusted, String>, Result<(), String>) {
        let options = &self.options;
        let wanted = !options.skip_lookup && (options.client_ca_file.is_none() || options.proxy.is_none());
        if !wanted {
            return (trusted(options, &BTreeMap::new()), Ok(()));
        }
        match self.delegate.authentication_config().await {
            Ok(map) => (trusted(options, &map), Ok(())),
            Err(error) => (trusted(options, &BTreeMap::new()), Err(error)),
        }
    }
}

fn trusted(options: &AuthOptions, map: &BTreeMap<String, String>) -> Result<Trusted, String> {
    let in_map = |key: &str| map.get(key).filter(|text| !text.is_empty()).cloned();
    let clients = match &options.client_ca_file {
        Some(file) => Some(read(file)?),
        None => in_map("client-ca-file"),
    };
    let proxy = match &options.proxy {
        Some(options) => Some((read(&options.client_ca_file)?, options.clone())),
        None => match in_map("requestheader-client-ca-file") {
            Some(text) => Some((text, proxy_in(map)?)),
            None => None,
        },
    };
    Ok(Trusted {
        clients: clients.map(Signers::new).transpose()?,
        proxy: match proxy {
            Some((text, options)) => Some(Proxy { signers: Signers::new(text)?, options }),
            None => None,
        },
    })
}

/// What a proxy may say, by the API server's word: each value is a list in JSON.
fn proxy_in(map: &BTreeMap<String, String>) -> Result<ProxyOptions, String> {
    let list = |key: &str| match map.get(key).filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("{key}: {error}")),
        None => Ok(Vec::new()),
    };
    Ok(ProxyOptions {
        client_ca_file: std::path::PathBuf::new(),
        allowed_names: list("requestheader-allowed-names")?,
        username_headers: list("requestheader-username-headers")?,
        uid_headers: list("requestheader-uid-headers")?,
        group_headers: list("requestheader-group-headers")?,
        extra_prefixes: list("requestheader-extra-headers-prefix")?,
    })
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}
