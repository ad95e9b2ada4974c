//! A Prometheus that says what the test wants.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

/// When it evaluates what it is asked, seconds since 1970: 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600;

/// A series: its labels, and its value as Prometheus writes it.
pub(crate) type Series = (Value, String);

/// What it says of nodes: the labels of each, its percent, and how many seconds ago that was measured.
pub(crate) fn nodes(nodes: &[(&str, f64, i64)]) -> [Vec<Series>; 2] {
    let values = nodes.iter().map(|(node, percent, _)| (json!({"node": node}), percent.to_string()));
    let ages = nodes.iter().map(|(node, _, age)| (json!({"node": node}), (NOW - age).to_string()));
    [values.collect(), ages.collect()]
}

/// The server, on a free port, until the process of the tests ends.
pub(crate) struct Stub(SocketAddr);

impl Stub {
    /// Answers with values, and with their times where the query asks for a `timestamp`.
    pub(crate) fn of(said: [Vec<Series>; 2]) -> Self {
        let vector = |series: &[Series]| {
            let of = |(labels, value): &Series| json!({"metric": labels, "value": [NOW, value]});
            let result: Vec<Value> = series.iter().map(of).collect();
            json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
        };
        let [values, ages] = said.map(|series| vector(&series));
        let now = vector(&[(json!({}), NOW.to_string())]);
        Self::start(move |query| {
            let body = match query {
                "vector(time())" => &now,
                _ if query.contains("timestamp(") => &ages,
                _ => &values,
            };
            (200, body.clone())
        })
    }

    /// Answers each query with a status and a body.
    pub(crate) fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = answer.clone();
                // Whoever goes away in the middle of a request is no concern of the test.
                thread::spawn(move || talk(&mut BufReader::new(stream?), &*answer));
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// One request and its answer.
fn talk(stream: &mut BufReader<TcpStream>, answer: &impl Fn(&str) -> (u16, String)) -> io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    assert!(head.starts_with("POST /api/v1/query HTTP/1.1\r\n"), "{head}");
    let length =
        head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8(body).expect("a form is ASCII");
    let (status, text) = answer(&decoded(body.strip_prefix("query=").expect("a query")));
    let head = format!("HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
    stream.get_mut().write_all((head + &text).as_bytes())
}

/// A form's value, of ASCII.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).expect("two digits")));
        decoded += rest;
    }
    decoded
}
