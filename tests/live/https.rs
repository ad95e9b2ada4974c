//! A client of what is served: one request for each connection, so that each may come as somebody else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The certificate that the server showed.
    pub(crate) certificate: CertificateDer<'static>,
}

/// Somebody who asks.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) port: u16,
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) certificate: Option<Arc<Identity>>,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Client {
    /// Nobody in particular.
    pub(crate) fn anonymous(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.trim().to_owned()), ..self.clone() }
    }

    pub(crate) fn with_certificate(&self, certificate: Identity) -> Self {
        Self { certificate: Some(Arc::new(certificate)), ..self.clone() }
    }

    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.headers.push((name.to_owned(), value.to_owned()));
        with
    }

    /// Asks for a path. `None`: there is no server.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let config = config.expect("versions").dangerous().with_custom_certificate_verifier(Arc::new(Any(provider)));
        let config = match &self.certificate {
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
                let chain = vec![identity.certificate.der().clone()];
                config.with_client_auth_cert(chain, key).expect("a certificate")
            }
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        let mut lines =
            vec![format!("GET {path} HTTP/1.0"), "Host: localhost".to_owned(), "Connection: close".to_owned()];
        lines.extend(self.token.iter().map(|token| format!("Authorization: Bearer {token}")));
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        stream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).ok()?;
        let mut text = Vec::new();
        // The server may close without a word of farewell.
        let _ = stream.read_to_end(&mut text);
        let certificate = stream.conn.peer_certificates()?.first()?.clone().into_owned();
        let text = String::from_utf8(text).expect("text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned(), certificate })
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("the server answers")
    }

    /// What is at a path, which must be there for this one.
    pub(crate) fn body(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.body(path)).expect("JSON")
    }
}

/// Believes any certificate: which one it is, is looked at by the test.
#[derive(Debug)]
struct Any(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate.
    pub(crate) fn sign(&self, name: &str, group: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        Identity { certificate: params.signed_by(&key, &self.0).expect("a certificate"), key }
    }
}

/// A certificate for a server that vouches for itself.
pub(crate) fn for_server() -> Identity {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    Identity { certificate: params.self_signed(&key).expect("a certificate"), key }
}
