//! docs/metrics.md.

use std::fmt::Write;

use crate::table::{Buckets, Definition, Kind, Page, Presence, TABLE};

const HEAD: &str = "# Metrics

<!-- Written by `cargo xtask generate` from crates/metrics/src/table.rs. -->

`loadline run` shows them under `/metrics`, `/metrics/slis` and `/metrics/resources` on its secure port. Who asks needs the right to
`get` these paths (`nonResourceURLs`), as with kube-scheduler.

Names, types, labels and buckets are those of kube-scheduler 1.36, so dashboards and alerts made for it go on working. Where the thing
that a metric of kube-scheduler measures does not exist here, the metric does not either: a number that means something else would be
worse than none. What is here beyond kube-scheduler's has the prefix `loadline_` and may change.

States of the scheduler (pending pods, sizes) are read at the moment of the request.
";

/// The page as Markdown.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (title, page) in [
        ("As kube-scheduler has them", Page::Metrics),
        ("Service levels: /metrics/slis", Page::Slis),
        ("Pods: /metrics/resources", Page::Resources),
    ] {
        let of_page = |metric: &&Definition| {
            metric.page == page && matches!(metric.presence, Presence::Here | Presence::Differs(_))
        };
        section(&mut text, title, TABLE.iter().filter(of_page));
        if page == Page::Resources {
            text += "\nThe instance that does not lead shows an empty page, as kube-scheduler's does.\n";
        }
    }
    section(&mut text, "Loadline's own", TABLE.iter().filter(|metric| metric.presence == Presence::Own));
    text += "\n## Not here\n\n| Metric of kube-scheduler | Why it is not here |\n| --- | --- |\n";
    for metric in TABLE {
        if let Presence::Absent(why) = metric.presence {
            row(&mut text, &[format!("`{}`", metric.name), sentence(why)]);
        }
    }
    text += "\nNor are the metrics of the Go runtime and of Go's libraries: `go_*`, `workqueue_*`, `apiserver_*`, `authentication_*`,\n\
        `authorization_*`, `rest_client_exec_plugin_*`, `rest_client_transport_*`.\n";
    text
}

fn section<'a>(text: &mut String, title: &str, metrics: impl Iterator<Item = &'a Definition>) {
    let _ = write!(
        text,
        "\n## {title}\n\n| Metric | Type | Labels | Stability | What it says |\n| --- | --- | --- | --- | --- |\n"
    );
    for metric in metrics {
        let kind = match metric.kind {
            Kind::Counter => "counter".to_owned(),
            Kind::Gauge => "gauge".to_owned(),
            Kind::Histogram(Buckets::Exponential(first, factor, count)) => {
                format!("histogram: {count} buckets from {first}, times {factor}")
            }
            Kind::Histogram(Buckets::List(bounds)) => {
                let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
                format!("histogram: {}", bounds.join(", "))
            }
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let what = match metric.presence {
            Presence::Differs(how) => format!("{} Difference: {}", metric.help, sentence(how)),
            _ => metric.help.to_owned(),
        };
        row(text, &[format!("`{}`", metric.name), kind, labels.join(", "), metric.stability.as_str().to_owned(), what]);
    }
}

fn row(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str();
    let stop = if rest.ends_with('.') { "" } else { "." };
    format!("{first}{rest}{stop}")
}
