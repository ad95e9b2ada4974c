//! A server for tests, on a free port of 127.0.0.1, that says what the test wants and remembers what it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use loadline_framework::{PrometheusQuery, UsageKind, UsageSource};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
}

/// Status, further lines of the head, body.
pub(crate) type Told = (u16, &'static str, String);

pub(crate) struct Stub {
    scheme: &'static str,
    address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        Self::listen("http", answer, Ok)
    }

    /// Speaks HTTPS with a certificate for 127.0.0.1.
    pub(crate) fn start_tls(authority: &Authority, answer: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let config = authority.server.clone();
        Self::listen("https", answer, move |stream| {
            let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        })
    }

    fn listen<S: Read + Write>(
        scheme: &'static str,
        answer: impl Fn(&Asked) -> Told + Send + Sync + 'static,
        accept: impl Fn(TcpStream) -> io::Result<S> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (answer, remembered) = (Arc::new(answer), asked.clone());
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, remembered, accept) = (answer.clone(), remembered.clone(), accept.clone());
                // Whoever goes away in the middle of a request is no concern of the test.
                thread::spawn(move || talk(accept(stream?)?, &*answer, &remembered));
            }
        });
        Self { scheme, address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

fn talk(stream: impl Read + Write, answer: &impl Fn(&Asked) -> Told, asked: &Mutex<Vec<Asked>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            let mut headers = head.iter().filter_map(|line| line.split_once(": "));
            headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let query = form_decoded(String::from_utf8(body).unwrap().strip_prefix("query=").unwrap());
        let request = Asked { path, query, authorization: header("authorization") };
        asked.lock().unwrap().push(request.clone());
        let (code, lines, body) = answer(&request);
        let head = format!("HTTP/1.1 {code} Told\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes())?;
        stream.get_mut().flush()?;
    }
}

fn form_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// A certificate authority, and a server whose certificate it signed.
pub(crate) struct Authority {
    pub(crate) pem: String,
    server: Arc<ServerConfig>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        Self { pem: authority.pem(), server: Arc::new(server) }
    }
}

/// When the stub evaluates, seconds since 1970.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn ok(kind: &str, result: &Value) -> Told {
    let body = json!({"status": "success", "data": {"resultType": kind, "result": result}});
    (200, "Content-Type: application/json\r\n", body.to_string())
}

/// A vector of nodes and what is known of them.
pub(crate) fn vector(nodes: &[(&str, &str)]) -> Told {
    let series = |(node, value): &(&str, &str)| json!({"metric": {"node": node, "job": "x"}, "value": [NOW, value]});
    ok("vector", &nodes.iter().map(series).collect())
}

pub(crate) fn query(address: &str) -> PrometheusQuery {
    PrometheusQuery {
        address: address.into(),
        query: "values".into(),
        age_query: "ages".into(),
        node_label: "node".into(),
        timeout_seconds: 5,
        interval_seconds: 10,
        bearer_token_file: None,
        ca_file: None,
        insecure_skip_verify: false,
    }
}

pub(crate) fn source(address: &str) -> UsageSource {
    UsageSource { kind: UsageKind::Cpu, prometheus: query(address), window_seconds: 300, stale_after_seconds: 300 }
}
