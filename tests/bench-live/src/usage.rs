//! What a Prometheus would say of the nodes: each time it is asked, something else of every one of them.

#![allow(clippy::disallowed_methods, reason = "it is a Prometheus of its own, with a clock")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};

/// Starts to answer for nodes of these names, until the process ends. Returns the base URL.
pub(crate) fn serve(nodes: Vec<String>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    let (nodes, answers) = (Arc::new(nodes), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (nodes, answers) = (nodes.clone(), answers.clone());
            thread::spawn(move || talk(stream, &nodes, &answers));
        }
    });
    Ok(url)
}

fn talk(stream: TcpStream, nodes: &[String], answers: &AtomicU64) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut query = vec![0; length];
        stream.read_exact(&mut query)?;
        let is_age = query.windows(9).any(|part| part == b"timestamp");
        // Two queries are one question.
        let turn = answers.fetch_add(1, Ordering::Relaxed) / 2;
        // What is older than a node says nothing of it.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let value = |number: usize| {
            let percent = 20.0 + ((number * 7919 + turn as usize * 31) % 50_000) as f64 / 1000.0;
            if is_age { now.to_string() } else { percent.to_string() }
        };
        let series =
            |(number, node): (usize, &String)| json!({"metric": {"node": node}, "value": [now, value(number)]});
        let result: Vec<Value> = nodes.iter().enumerate().map(series).collect();
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all((head + &body).as_bytes())?;
    }
}
