//! The server's certificate: from files, read again when they change, or made here.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use crate::tls::provider;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(10);
/// Name of the files that are written to `--cert-dir`, as with kube-scheduler.
const NAME: &str = "kube-scheduler";

/// Where the certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateSource {
    /// `--tls-cert-file` and `--tls-private-key-file`.
    Files {
        /// The certificate with those between it and its authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// `--cert-dir`: kube-scheduler.crt and kube-scheduler.key there; made when they are not there yet.
    Folder(PathBuf),
    /// Made here, and gone with the process.
    #[default]
    InMemory,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}: {source}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The key is not that of the certificate, or of a kind that is not supported.
    #[error("certificate and key: {0}")]
    Mismatch(#[from] rustls::Error),
    /// None could be made.
    #[error("can not make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The certificate that is shown now.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Option<(PathBuf, PathBuf)>,
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    /// As read, to see a change.
    text: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificate {
    /// # Errors
    /// When files are missing or wrong, or can not be written.
    pub(crate) fn new(source: &CertificateSource, address: IpAddr) -> Result<Arc<Self>, CertificateError> {
        let files = match source {
            CertificateSource::Files { certificate, key } => Some((certificate.clone(), key.clone())),
            CertificateSource::Folder(folder) => {
                let files = (folder.join(format!("{NAME}.crt")), folder.join(format!("{NAME}.key")));
                if !files.0.exists() || !files.1.exists() {
                    write_pair(folder, &files, &make(address)?)?;
                    info!(certificate = %files.0.display(), "made a certificate");
                }
                Some(files)
            }
            CertificateSource::InMemory => None,
        };
        let shown = if let Some(files) = &files {
            Shown::read(files)?
        } else {
            let (certificate, key) = make(address)?;
            let key = PrivateKeyDer::try_from(key.serialize_der());
            let key = key.map_err(|error| rustls::Error::General(error.to_owned()))?;
            Shown { key: certified(vec![certificate.der().clone()], key)?, text: None }
        };
        Ok(Arc::new(Self { files, shown: RwLock::new(shown) }))
    }

    /// Looks at the files from time to time, for ever. A change that makes no sense is left alone.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        let Some(files) = &self.files else { return };
        loop {
            tokio::time::sleep(PERIOD).await;
            self.read_again(files);
        }
    }

    fn read_again(&self, files: &(PathBuf, PathBuf)) {
        match Shown::read(files) {
            Ok(read) => {
                let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
                if shown.text != read.text {
                    info!(certificate = %files.0.display(), "the certificate changed");
                    *shown = read;
                }
            }
            // Certificate and key may be written one after the other.
            Err(error) => warn!(%error, "the certificate can not be read again: the one before stays"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl Shown {
    fn read((certificate, key): &(PathBuf, PathBuf)) -> Result<Self, CertificateError> {
        let text = (read(certificate)?, read(key)?);
        let pem = |path: &Path| {
            let path = path.display().to_string();
            move |source| CertificateError::Pem { path, source }
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text.0).collect();
        let private = PrivateKeyDer::from_pem_slice(&text.1).map_err(pem(key))?;
        Ok(Self { key: certified(chain.map_err(pem(certificate))?, private)?, text: Some(text) })
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::File { path: path.display().to_string(), source })
}

/// A certificate that vouches for itself, for this machine's own names and the address that is listened on.
fn make(address: IpAddr) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?, key))
}

fn write_pair(
    folder: &Path,
    (certificate, key): &(PathBuf, PathBuf),
    made: &(rcgen::Certificate, KeyPair),
) -> Result<(), CertificateError> {
    let wrong = |path: &Path| {
        let path = path.display().to_string();
        move |source| CertificateError::File { path, source }
    };
    fs::create_dir_all(folder).map_err(wrong(folder))?;
    fs::write(certificate, made.0.pem()).map_err(wrong(certificate))?;
    // The key is for nobody else to read.
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(key);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, made.1.serialize_pem().as_bytes()));
    written.map_err(wrong(key))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn chain(certificate: &Certificate) -> Vec<CertificateDer<'static>> {
        certificate.shown.read().expect("nobody panicked").key.cert.clone()
    }

    #[test]
    fn a_folder_keeps_the_certificate_for_the_next_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = CertificateSource::Folder(folder.path().join("pki"));
        let first = chain(&Certificate::new(&source, ADDRESS).expect("it is made"));
        let second = chain(&Certificate::new(&source, ADDRESS).expect("it is read"));
        assert_eq!(first, second);
        let key = fs::metadata(folder.path().join("pki/kube-scheduler.key")).expect("it is there");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        let other = chain(&Certificate::new(&CertificateSource::InMemory, ADDRESS).expect("it is made"));
        assert_ne!(first, other);
    }

    #[test]
    fn files_that_are_missing_or_wrong_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        let source = CertificateSource::Files { certificate: file("tls.crt"), key: file("tls.key") };
        let error = Certificate::new(&source, ADDRESS).expect_err("there is no file").to_string();
        assert!(error.contains("tls.crt: "), "{error}");
        let made = make(ADDRESS).expect("it is made");
        fs::write(file("tls.crt"), made.0.pem()).expect("it is written");
        fs::write(file("tls.key"), "no key").expect("it is written");
        let error = Certificate::new(&source, ADDRESS).expect_err("there is no key").to_string();
        assert!(error.contains("tls.key: "), "{error}");
        // The key of another certificate.
        fs::write(file("tls.key"), make(ADDRESS).expect("it is made").1.serialize_pem()).expect("it is written");
        assert!(matches!(Certificate::new(&source, ADDRESS), Err(CertificateError::Mismatch(_))));
    }

    #[test]
    fn files_that_change_are_read_again_and_wrong_ones_are_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let (crt, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let write = |made: &(rcgen::Certificate, KeyPair)| {
            fs::write(&crt, made.0.pem()).expect("it is written");
            fs::write(&key, made.1.serialize_pem()).expect("it is written");
        };
        let [first, second] = [make(ADDRESS).expect("it is made"), make(ADDRESS).expect("it is made")];
        write(&first);
        let source = CertificateSource::Files { certificate: crt.clone(), key: key.clone() };
        let certificate = Certificate::new(&source, ADDRESS).expect("it is read");
        let read_again = || certificate.read_again(certificate.files.as_ref().expect("it is of files"));
        fs::write(&crt, second.0.pem()).expect("it is written");
        read_again();
        assert_eq!(chain(&certificate), [first.0.der().clone()], "the key is not its key yet");
        write(&second);
        read_again();
        assert_eq!(chain(&certificate), [second.0.der().clone()]);
    }
}
