//! What ginkgo says of the specs that it ran.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// The specs that were not left out.
pub(super) struct Report(Vec<Spec>);

struct Spec {
    name: String,
    state: String,
    time: Duration,
    failure: Option<String>,
}

impl Report {
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        let suites: Value = serde_json::from_slice(json).context("the report is no JSON")?;
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let reports = suites.as_array().into_iter().flatten().flat_map(|suite| list(suite, "SpecReports"));
        // The set-up of the suite has a report of its own; it says something when it failed.
        let tells = |report: &Value| match report["State"].as_str() {
            Some("skipped" | "pending") => false,
            Some("passed") => report["LeafNodeType"] == "It",
            _ => true,
        };
        let spec = |report: Value| Spec {
            name: match report["LeafNodeText"].as_str() {
                Some(name) if !name.is_empty() => name.to_owned(),
                _ => report["LeafNodeType"].as_str().unwrap_or_default().to_owned(),
            },
            state: report["State"].as_str().unwrap_or_default().to_owned(),
            time: Duration::from_nanos(report["RunTime"].as_u64().unwrap_or_default()),
            failure: report["Failure"]["Message"].as_str().map(str::to_owned),
        };
        Ok(Self(reports.filter(tells).map(spec).collect()))
    }

    pub(super) fn ran(&self) -> usize {
        self.0.len()
    }

    /// How many passed, if none failed beside them.
    pub(super) fn passed(&self) -> usize {
        self.0.iter().filter(|spec| spec.state == "passed").count()
    }

    /// One line for each spec, and what went wrong.
    pub(super) fn shown(&self) -> String {
        let mut text = String::new();
        for spec in &self.0 {
            let _ = writeln!(text, "  {:8} {:>6.1} s  {}", spec.state, spec.time.as_secs_f64(), spec.name);
            for line in spec.failure.iter().flat_map(|failure| failure.lines()) {
                let _ = writeln!(text, "      {line}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn specs_that_were_left_out_do_not_count_and_a_failed_set_up_does() {
        let json = r#"[{"SpecReports": [
            {"LeafNodeType": "SynchronizedBeforeSuite", "LeafNodeText": "", "State": "passed", "RunTime": 1},
            {"LeafNodeType": "It", "LeafNodeText": "a", "State": "passed", "RunTime": 1500000000},
            {"LeafNodeType": "It", "LeafNodeText": "b", "State": "failed", "RunTime": 2, "Failure": {"Message": "why\nso"}},
            {"LeafNodeType": "It", "LeafNodeText": "c", "State": "skipped"},
            {"LeafNodeType": "SynchronizedAfterSuite", "LeafNodeText": "", "State": "panicked", "RunTime": 0}
        ]}]"#;
        let report = Report::read(json.as_bytes()).expect("it is a report");
        assert_eq!((report.ran(), report.passed()), (3, 1));
        let shown = "  passed      1.5 s  a\n  failed      0.0 s  b\n      why\n      so\n  panicked    0.0 s  SynchronizedAfterSuite\n";
        assert_eq!(report.shown(), shown);
        assert!(Report::read(b"no").is_err());
    }
}
