//! Health checks: kube-scheduler's paths, names and texts.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use loadline_metrics::Metrics;
use tracing::warn;

use crate::respond::{self, PLAIN};

type Run = dyn Fn() -> Result<(), String> + Send + Sync;

/// A check with its name.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<Run>,
    /// Whether the path fails when this does.
    is_decisive: bool,
}

impl Check {
    /// A check that tells what is wrong, if something is. It must not wait for anything.
    pub fn new(name: &'static str, run: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { name, run: Arc::new(run), is_decisive: true }
    }

    /// The same for something that people should see, and for which nobody is to be taken out of service.
    pub fn notice(name: &'static str, run: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { is_decisive: false, ..Self::new(name, run) }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The checks of one path; one that is always fine when there are none.
#[derive(Clone, Debug)]
pub struct Checks {
    /// `healthz`, `livez` or `readyz`.
    name: &'static str,
    checks: Vec<Check>,
}

impl Checks {
    /// The checks of the path of this name.
    pub fn new(name: &'static str, mut checks: Vec<Check>) -> Self {
        if checks.is_empty() {
            checks.push(Check::new("ping", || Ok(())));
        }
        Self { name, checks }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// All of them, but for those that the query excludes. What is wrong stands in the log alone: anybody may ask.
    pub(crate) fn all(&self, query: &str, metrics: &Metrics) -> Response {
        let pairs = || form(query);
        let excluded: BTreeSet<String> = pairs().filter(|(key, _)| key == "exclude").map(|(_, value)| value).collect();
        let mut unknown = excluded.clone();
        let (mut lines, mut failed) = (String::new(), Vec::new());
        // Writing into a String can not fail.
        for check in &self.checks {
            let name = check.name;
            if excluded.contains(name) {
                unknown.remove(name);
                let _ = writeln!(lines, "[+]{name} excluded: ok");
                continue;
            }
            let result = (check.run)();
            metrics.health_check(name, self.name, result.is_ok());
            let _ = match result {
                Ok(()) => writeln!(lines, "[+]{name} ok"),
                Err(_) if !check.is_decisive => {
                    writeln!(lines, "[-]{name} failed, which is not decisive: reason withheld")
                }
                Err(error) => {
                    failed.push(format!("{name}: {error}"));
                    writeln!(lines, "[-]{name} failed: reason withheld")
                }
            };
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
            let _ = writeln!(lines, "warn: some health checks cannot be excluded: no matches for {}", names.join(","));
        }
        if !failed.is_empty() {
            warn!(path = self.name, failed = failed.join("; "), "a health check failed");
            return respond::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{lines}{} check failed", self.name));
        }
        let is_verbose = pairs().any(|(key, _)| key == "verbose");
        let body = if is_verbose { format!("{lines}{} check passed\n", self.name) } else { "ok".to_owned() };
        let mut response = respond::text(StatusCode::OK, PLAIN, body);
        respond::no_sniffing(&mut response);
        response
    }

    /// One of them, which may say what is wrong: for that path a right is needed.
    pub(crate) fn one(&self, name: &str) -> Response {
        let Some(check) = self.checks.iter().find(|check| check.name == name) else { return respond::not_found() };
        match (check.run)() {
            Ok(()) => respond::text(StatusCode::OK, PLAIN, "ok"),
            Err(error) => respond::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("internal server error: {error}")),
        }
    }
}

/// Keys and values of a query.
fn form(query: &str) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<(String, String)> = match axum::extract::Query::try_from_uri(&as_uri(query)) {
        Ok(axum::extract::Query(pairs)) => pairs,
        Err(_) => Vec::new(),
    };
    pairs.into_iter()
}

fn as_uri(query: &str) -> http::Uri {
    format!("/?{query}").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::shown;

    fn checks() -> Checks {
        let fine = |name| Check::new(name, || Ok(()));
        Checks::new("readyz", vec![fine("leaderElection"), Check::new("shutdown", || Err("it is over".into()))])
    }

    #[tokio::test]
    async fn a_notice_is_told_and_decides_nothing() {
        let checks = Checks::new("readyz", vec![Check::notice("invariants", || Err("a sum is wrong".into()))]);
        let all = |query: &str| shown(checks.all(query, &Metrics::new()));
        assert_eq!(all("").await, (200, "ok".to_owned()));
        let told = "[-]invariants failed, which is not decisive: reason withheld\nreadyz check passed\n";
        assert_eq!(all("verbose").await, (200, told.to_owned()));
        let one = shown(checks.one("invariants")).await;
        assert_eq!(one, (500, "internal server error: a sum is wrong\n".to_owned()));
    }

    #[tokio::test]
    async fn texts_are_those_of_kubernetes() {
        let metrics = Metrics::new();
        let ask = |query: &str| shown(checks().all(query, &metrics));
        let failed = "[+]leaderElection ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
        assert_eq!(ask("").await, (500, failed.to_owned()));
        assert_eq!(ask("exclude=shutdown").await, (200, "ok".to_owned()));
        let excluded = "[+]leaderElection ok\n[+]shutdown excluded: ok\nreadyz check passed\n";
        assert_eq!(ask("verbose&exclude=shutdown").await, (200, excluded.to_owned()));
        let unknown = "[+]leaderElection ok\n[+]shutdown excluded: ok\n\
            warn: some health checks cannot be excluded: no matches for \"a\",\"b\"\nreadyz check passed\n";
        assert_eq!(ask("verbose=true&exclude=shutdown&exclude=b&exclude=a").await, (200, unknown.to_owned()));

        let slis = metrics.slis_text();
        assert!(slis.contains("kubernetes_healthcheck{name=\"leaderElection\",type=\"readyz\"} 1"), "{slis}");
        assert!(slis.contains("kubernetes_healthcheck{name=\"shutdown\",type=\"readyz\"} 0"), "{slis}");
        let count = "kubernetes_healthchecks_total{name=\"shutdown\",status=\"error\",type=\"readyz\"} 1";
        assert!(slis.contains(count), "{slis}");
    }

    #[tokio::test]
    async fn one_check_says_what_is_wrong() {
        assert_eq!(shown(checks().one("leaderElection")).await, (200, "ok".to_owned()));
        assert_eq!(shown(checks().one("shutdown")).await, (500, "internal server error: it is over\n".to_owned()));
        assert_eq!(shown(checks().one("other")).await.0, 404);
        assert_eq!(shown(Checks::new("livez", Vec::new()).one("ping")).await, (200, "ok".to_owned()));
    }
}
