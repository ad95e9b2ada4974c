use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use loadline_framework::PrometheusQuery;
use serde_json::json;

use super::{Answer, MOST_BYTES, PrometheusClient};
use crate::error::{ClientError, Failure, PollResult, QueryError};
use crate::stub::{Asked, Authority, NOW, Stub, Told, ok, query, vector};

fn client(query: &PrometheusQuery) -> PrometheusClient {
    PrometheusClient::new(query).unwrap()
}

/// What comes of one query that is answered like this.
async fn asking(told: Told) -> Result<Answer, QueryError> {
    let stub = Stub::start(move |_| told.clone());
    client(&query(&stub.url())).instant("values").await
}

/// The result as counted, and what is said.
async fn failing(told: Told) -> (PollResult, String) {
    let error = asking(told).await.unwrap_err();
    (error.result(), error.what())
}

fn text(code: u16, body: &str) -> Told {
    (code, "Content-Type: text/html\r\n", body.to_owned())
}

#[test]
fn addresses_that_can_not_be_asked_are_refused() {
    let refused = |address: &str| PrometheusClient::new(&query(address)).unwrap_err();
    for (address, expected) in [
        ("prometheus:9090", "http:// or https:// and a host are needed"),
        ("ftp://host", "http:// or https:// and a host are needed"),
        ("", "empty string"),
        ("http://a b", "invalid"),
        ("http://host/?a=b", "takes no `?`"),
    ] {
        let error = refused(address).to_string();
        assert!(error.contains(expected) && error.contains(&format!("{address:?}")), "{error}");
    }
    let error = refused("http://me:secret@host:9090/p").to_string();
    assert!(error.contains("host:9090") && !error.contains("secret"), "{error}");
    let both = PrometheusQuery { insecure_skip_verify: true, ca_file: Some("ca".into()), ..query("https://host") };
    assert!(matches!(PrometheusClient::new(&both), Err(ClientError::InsecureWithAuthority { .. })));
}

#[tokio::test]
async fn a_vector_is_read() {
    let stub = Stub::start(|_| {
        let body = json!({
            "status": "success",
            "warnings": ["w"],
            "infos": ["i"],
            "data": {"result": [
                {"metric": {"__name__": "up", "a": "x", "b": "\""}, "value": [1_700_000_000.123, "12.5"]},
                {"metric": {}, "value": [1_700_000_000, "NaN"]},
                {"metric": {}, "value": [1_700_000_000, "+Inf"]},
                {"metric": {}, "value": [1_700_000_000, "-Inf"]},
            ], "resultType": "vector"},
        });
        (200, "", body.to_string())
    });
    let promql = "sum by (node) (rate(x{a=\"ä&=+ %\"}[5m]))";
    let answer = client(&query(&format!("{}/pre/fix/", stub.url()))).instant(promql).await.unwrap();
    assert_eq!(answer.notes, ["w", "i"]);
    assert_eq!(answer.series[0].to_string(), r#"up{a="x", b="\""}"#);
    assert_eq!((answer.series[0].value, answer.series[0].at), (12.5, 1_700_000_000.123));
    assert!(answer.series[1].value.is_nan());
    assert_eq!((answer.series[2].value, answer.series[3].value), (f64::INFINITY, f64::NEG_INFINITY));
    let expected = Asked { path: "/pre/fix/api/v1/query".into(), query: promql.into(), authorization: None };
    assert_eq!(*stub.asked.lock().unwrap(), [expected]);
    assert_eq!(asking(vector(&[])).await.unwrap(), Answer::default());
}

#[tokio::test]
async fn other_results_say_what_to_change() {
    for (kind, result, hint) in [
        ("scalar", json!([NOW, "1"]), "leave scalar() out"),
        ("matrix", json!([]), "leave the [range] out"),
        ("string", json!([NOW, "x"]), "a text"),
        ("vector", json!([{"metric": {}, "histogram": [NOW, {"count": "1"}]}]), "native histograms"),
    ] {
        let (result, what) = failing(ok(kind, &result)).await;
        assert_eq!(result, PollResult::Invalid);
        assert!(what.contains(hint) && what.ends_with("(query: values)"), "{what}");
    }
    let (result, what) = failing(ok("vector", &json!([{"metric": {}, "value": [NOW, "much"]}]))).await;
    assert_eq!(result, PollResult::Invalid);
    assert!(what.contains("\"much\" is no number"), "{what}");
}

#[tokio::test]
async fn what_prometheus_says_is_passed_on() {
    let error = json!({"status": "error", "errorType": "bad_data", "error": "1:5: parse error:\nunexpected end"});
    let (result, what) = failing((400, "", error.to_string())).await;
    assert_eq!(result, PollResult::Error);
    assert_eq!(what, "HTTP 400 bad_data: 1:5: parse error: unexpected end (query: values)");
    let error = json!({"status": "error", "errorType": "timeout", "error": "query timed out"});
    let (result, what) = failing((503, "", error.to_string())).await;
    assert_eq!((result, &*what), (PollResult::Error, "HTTP 503 timeout: query timed out (query: values)"));
}

#[tokio::test]
async fn other_servers_are_told_apart() {
    for (told, expected, words) in [
        (text(500, "oh\n no"), PollResult::Error, "HTTP 500: \"oh no\""),
        (text(503, ""), PollResult::Error, "HTTP 503: \"\""),
        (text(403, "no"), PollResult::Unauthorized, "HTTP 403 (this may not be asked): \"no\""),
        (
            text(200, "<html>\n  <title>Sign in</title>"),
            PollResult::Invalid,
            "this is not the API of a Prometheus: HTTP 200 with \"text/html\": \"<html> <title>Sign in</title>\"",
        ),
        (
            text(404, "404 page not found"),
            PollResult::Invalid,
            "this is not the API of a Prometheus: HTTP 404 with \"text/html\": \"404 page not found\"",
        ),
        (
            (302, "Location: /login\r\n", String::new()),
            PollResult::Invalid,
            "this is not the API of a Prometheus: HTTP 302 to \"/login\": \"\"",
        ),
        (
            (200, "", "{\"status\": \"success\"}".to_owned()),
            PollResult::Invalid,
            "this is not the API of a Prometheus: HTTP 200: \"{\\\"status\\\": \\\"success\\\"}\"",
        ),
    ] {
        assert_eq!(failing(told).await, (expected, words.to_owned()));
    }
    let (_, what) = failing(text(500, &"ä".repeat(1000))).await;
    assert_eq!(what, format!("HTTP 500: \"{}…\"", "ä".repeat(120)), "long texts are cut");
}

#[tokio::test]
async fn too_much_is_not_kept() {
    let error = asking((200, "", "x".repeat(MOST_BYTES + 1))).await.unwrap_err();
    assert_eq!((error.result(), error.failure), (PollResult::Invalid, Failure::TooLarge { limit: MOST_BYTES }));
}

#[tokio::test]
async fn nobody_and_slow_ones_are_told_apart() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&query(&address)).instant("values").await.unwrap_err();
    assert_eq!(error.result(), PollResult::Unreachable);
    // Without what the client's layers are called.
    let said = format!("Prometheus {address}: can not be reached: tcp connect error: Connection refused (os error ");
    assert!(error.to_string().starts_with(&said), "{error}");

    let stub = Stub::start(|_| {
        std::thread::sleep(Duration::from_millis(400));
        vector(&[])
    });
    let limit = Duration::from_millis(50);
    let error = client(&query(&stub.url())).instant_within("values", limit).await.unwrap_err();
    assert_eq!((error.result(), &*error.what()), (PollResult::Timeout, "no answer within 0.05 s (query: values)"));
}

#[tokio::test]
async fn a_new_token_is_taken_up() {
    let stub = Stub::start(|asked| match asked.authorization.as_deref() {
        Some("Bearer new") => vector(&[]),
        _ => text(401, "Unauthorized"),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let path = file.to_str().unwrap();
    let client = client(&PrometheusQuery { bearer_token_file: Some(path.into()), ..query(&stub.url()) });
    let error = client.instant("values").await.unwrap_err();
    assert_eq!(error.result(), PollResult::Error);
    assert!(error.what().starts_with(&format!("bearer token file {path:?}: No such file")), "{error}");
    std::fs::write(&file, " \n").unwrap();
    assert!(client.instant("values").await.unwrap_err().what().ends_with("it is empty"));
    std::fs::write(&file, "old\n").unwrap();
    let error = client.instant("values").await.unwrap_err();
    assert_eq!((error.result(), error.status()), (PollResult::Unauthorized, Some(401)));
    assert_eq!(error.what(), "HTTP 401 (the token is not accepted): \"Unauthorized\"");
    std::fs::write(&file, "new\n").unwrap();
    client.instant("values").await.unwrap();
}

#[tokio::test]
async fn renewed_authorities_are_taken_up() {
    let authority = Authority::new();
    let stub = Stub::start_tls(&authority, |_| vector(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let trusting = PrometheusQuery { ca_file: Some(file.to_str().unwrap().into()), ..query(&stub.url()) };
    let client = client(&trusting);
    assert!(matches!(client.instant("values").await.unwrap_err().failure, Failure::Tls(_)), "there is no file");
    std::fs::write(&file, Authority::new().pem).unwrap();
    let error = client.instant("values").await.unwrap_err();
    assert_eq!(error.result(), PollResult::Unreachable);
    assert!(error.what().contains("certificate"), "{error}");
    std::fs::write(&file, &authority.pem).unwrap();
    client.instant("values").await.unwrap();
    std::fs::write(&file, "half of a certif").unwrap();
    client.instant("values").await.unwrap();

    let careless = PrometheusQuery { insecure_skip_verify: true, ..query(&stub.url()) };
    PrometheusClient::new(&careless).unwrap().instant("values").await.unwrap();
}
