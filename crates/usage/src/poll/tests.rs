use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tracing_subscriber::fmt::MakeWriter;

use super::{Heard, poll_every};
use crate::error::PollResult;
use crate::prometheus::PrometheusClient;
use crate::stub::{NOW, Stub, Told, source, vector};

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Asks as often as there are answers, each of which is for both queries; what is heard, and logged.
fn polling(rounds: Vec<[Told; 2]>) -> (Vec<Heard>, Vec<String>) {
    let count = rounds.len();
    let asked = AtomicUsize::new(0);
    let stub = Stub::start(move |request| {
        let round = asked.fetch_add(1, Ordering::SeqCst) / 2;
        rounds[round.min(count - 1)][usize::from(request.query == "ages")].clone()
    });
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let heard = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let source = Arc::new(source(&stub.url()));
            let client = PrometheusClient::new(&source.prometheus).unwrap();
            let (sender, mut receiver) = unbounded_channel();
            let tell = move |heard| sender.send(heard).unwrap();
            let polling = tokio::spawn(poll_every(Duration::from_millis(1), client, source, tell));
            let mut all = Vec::new();
            while all.len() < count {
                all.push(receiver.recv().await.unwrap());
            }
            polling.abort();
            all
        })
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The client library complains of every status for itself; the command leaves libraries out unless asked for them.
    (heard, log.lines().filter(|line| line.contains(" loadline_usage")).map(str::to_owned).collect())
}

fn good() -> [Told; 2] {
    [vector(&[("a", "1"), ("b", "2")]), vector(&[("a", "1699999990"), ("b", "1699999990")])]
}

fn failing(code: u16) -> [Told; 2] {
    [(code, "", String::new()), (code, "", String::new())]
}

fn ageless() -> [Told; 2] {
    [vector(&[("a", "1"), ("b", "2")]), vector(&[("a", "1699999990")])]
}

fn contain(lines: &[String], expected: &[[&str; 3]]) {
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(expected) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}\n{words:?}");
    }
}

#[test]
fn it_goes_on_after_failures_and_tells_of_each_once() {
    let rounds = vec![failing(500), failing(500), failing(401), good(), good(), failing(401), failing(401), good()];
    let (heard, lines) = polling(rounds);
    let results: Vec<_> = heard.iter().map(|heard| heard.result).collect();
    let (error, unauthorized, success) = (PollResult::Error, PollResult::Unauthorized, PollResult::Success);
    assert_eq!(results, [error, error, unauthorized, success, success, unauthorized, unauthorized, success]);
    let nodes: Vec<_> = heard.iter().map(|heard| heard.samples.as_ref().map(Vec::len)).collect();
    assert_eq!(nodes, [None, None, None, Some(2), Some(2), None, None, Some(2)]);
    contain(
        &lines,
        &[
            ["WARN", "scheduling goes on with what is known", "HTTP 500"],
            ["WARN", "scheduling goes on with what is known", "HTTP 401"],
            ["INFO", "tells again what nodes use", "nodes=2"],
            ["WARN", "resource=\"cpu\"", "HTTP 401"],
            ["INFO", "tells again what nodes use", "address=\"http://127.0.0.1:"],
        ],
    );

    let now = NOW * 1_000_000_000;
    let times: Vec<_> = heard.iter().map(|heard| heard.now).collect();
    assert_eq!(times[..5], [0, 0, 0, now, now]);
    assert!(now < times[5] && times[5] < times[6], "{times:?}: the clock goes on without answers");
    assert_eq!(times[7], now, "it is Prometheus' own");
}

#[test]
fn series_that_are_not_used_are_told_of_once() {
    let nothing = || [vector(&[]), vector(&[("a", "1699999990")])];
    let (heard, lines) = polling(vec![ageless(), ageless(), good(), good(), nothing(), nothing(), ageless()]);
    assert_eq!(heard.iter().map(|heard| heard.ignored).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0, 1]);
    assert!(heard.iter().all(|heard| heard.result == PollResult::Success));
    assert_eq!(heard[4].samples.as_ref().map(Vec::len), Some(0));
    contain(
        &lines,
        &[
            ["INFO", "Prometheus tells what nodes use", "nodes=1"],
            ["WARN", "ignored=1", "the age query has nothing of this node"],
            ["INFO", "all series are used again", "nodes=2"],
            ["WARN", "the query gives no series", "query=\"values\""],
            ["WARN", "ignored=1", "node=\\\"b\\\""],
        ],
    );
}
