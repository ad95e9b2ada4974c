//! `/statusz` and `/flagz`: pages for people, as Kubernetes' components show them.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::respond::{self, JSON, PLAIN};

/// The component whose place this is.
const COMPONENT: &str = "kube-scheduler";
/// The version of Kubernetes whose decisions these are.
const KUBERNETES: (&str, &str) = ("1.36", "1.36.3");
/// There is none.
const GO: &str = concat!("none: Loadline ", env!("CARGO_PKG_VERSION"), " in Rust");

/// `/statusz`: since when this runs, and what.
pub(crate) fn statusz(headers: &HeaderMap, started: Timestamp, paths: &[&str]) -> Response {
    let up = now().duration_since(started).as_secs().max(0);
    let text = || {
        format!(
            "{}\nStarted: {}\nUp: {} hr {:02} min {:02} sec\nGo version: {GO}\nBinary version: {}\nEmulation version: {}\nPaths: {}\n",
            head("statusz"),
            started.strftime("%a %b %e %H:%M:%S UTC %Y"),
            up / 3600,
            up / 60 % 60,
            up % 60,
            KUBERNETES.1,
            KUBERNETES.0,
            paths.join(" "),
        )
    };
    let fields = json!({
        "startTime": started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "uptimeSeconds": up,
        "goVersion": GO,
        "binaryVersion": KUBERNETES.1,
        "emulationVersion": KUBERNETES.0,
        "paths": paths,
    });
    in_wanted_form(headers, "Statusz", text, fields)
}

/// `/flagz`: the command line as it is in force.
pub(crate) fn flagz(headers: &HeaderMap, flags: &BTreeMap<String, String>) -> Response {
    let text = || {
        let mut text = head("flagz");
        for (name, value) in flags {
            // Writing into a String can not fail.
            let _ = writeln!(text, "{name}={value}");
        }
        text
    };
    in_wanted_form(headers, "Flagz", text, json!({"flags": flags}))
}

fn head(page: &str) -> String {
    format!(
        "\n{COMPONENT} {page}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n"
    )
}

/// As text, or as an object of `config.k8s.io` for who asks for that.
fn in_wanted_form(headers: &HeaderMap, kind: &str, text: impl FnOnce() -> String, fields: Value) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wanted = accept.split(',').map(str::trim).filter(|one| !one.is_empty()).peekable();
    if wanted.peek().is_none() {
        return respond::text(StatusCode::OK, PLAIN, text());
    }
    for one in wanted {
        let mut parts = one.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let parameter = |name: &str| {
            let found = one.split(';').map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default()
        };
        let version = parameter("v");
        match media_type {
            "text/plain" | "text/*" | "*/*" => return respond::text(StatusCode::OK, PLAIN, text()),
            JSON if parameter("as") == kind
                && parameter("g") == "config.k8s.io"
                && ["v1alpha1", "v1beta1"].contains(&version) =>
            {
                let mut object = json!({
                    "kind": kind,
                    "apiVersion": format!("config.k8s.io/{version}"),
                    "metadata": {"name": COMPONENT},
                });
                if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
                    object.extend(fields);
                }
                return respond::json_body(&object);
            }
            _ => {}
        }
    }
    let message = format!("only text/plain and application/json;as={kind};v=v1beta1;g=config.k8s.io are there");
    respond::error(StatusCode::NOT_ACCEPTABLE, &message)
}

#[allow(clippy::disallowed_methods, reason = "the page says for how long this has been running")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::shown;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, value.parse().expect("a value"))])
    }

    #[tokio::test]
    async fn pages_are_text_unless_an_object_is_asked_for() {
        let flags = BTreeMap::from([("v".to_owned(), "4".to_owned()), ("secure-port".to_owned(), "10259".to_owned())]);
        let (status, text) = shown(flagz(&HeaderMap::new(), &flags)).await;
        assert_eq!(status, 200);
        assert!(text.starts_with("\nkube-scheduler flagz\nWarning: "), "{text}");
        assert!(text.ends_with("purposes only.\nsecure-port=10259\nv=4\n"), "{text}");
        assert_eq!(shown(flagz(&accept("*/*"), &flags)).await.1, text);
        let object = accept("application/json;as=Flagz;v=v1beta1;g=config.k8s.io");
        let (_, object) = shown(flagz(&object, &flags)).await;
        let object: Value = serde_json::from_str(&object).expect("JSON");
        assert_eq!(object["apiVersion"], "config.k8s.io/v1beta1");
        assert_eq!(object["flags"]["secure-port"], "10259");
        assert_eq!(shown(flagz(&accept("application/json"), &flags)).await.0, 406);
    }

    #[tokio::test]
    async fn the_status_says_since_when_and_what() {
        let started = now() - jiff::SignedDuration::from_secs(3725);
        let (_, text) = shown(statusz(&HeaderMap::new(), started, &["/healthz", "/metrics"])).await;
        assert!(text.contains("\nUp: 1 hr 02 min 0"), "{text}");
        assert!(
            text.contains("\nBinary version: 1.36.3\nEmulation version: 1.36\nPaths: /healthz /metrics\n"),
            "{text}"
        );
    }
}
