use super::*;
use crate::table::Presence;

fn filled() -> Metrics {
    let metrics = Metrics::new();
    let second = Duration::from_secs(1);
    for result in [AttemptResult::Scheduled, AttemptResult::Unschedulable, AttemptResult::Error] {
        metrics.attempt(result, "default-scheduler", second);
    }
    metrics.group_attempt(AttemptResult::WaitingOnPreemption, "default-scheduler", second);
    metrics.scheduled(3, Some(second));
    metrics.decided("default-scheduler", second);
    metrics.preemption(2);
    metrics.extension_point("Bind", "Success", "default-scheduler", second);
    metrics.event("NodeAdd").observe(second);
    metrics.request("GET", "127.0.0.1:6443", Some(200), second);
    metrics.set_leading("kube-scheduler", true);
    metrics.set_feature("SchedulerQueueingHints", "", true);
    metrics.health_check("ping", "healthz", true);
    metrics.reloaded(true);
    metrics.mended("pods", 2);
    metrics.refused("cpu");
    metrics.usage_queries("memory", "success", 1);
    metrics.looked_through(1, 2, [10, 1]);
    metrics.node_uses(90.0, [("a", [10.0, 20.0])].into_iter());
    metrics.skipped_pods([("young", 2)].into_iter());
    metrics.moved("LoadBalancing", "success", Some((10.0, 9.0)));
    metrics.read(&Reading {
        pending: [("active", 1), ("backoff", 2), ("unschedulable", 3), ("gated", 4)],
        incoming: vec![("active", "NodeAdd".to_owned(), 5)],
        in_flight: vec![("PodPopped".to_owned(), 1)],
        cache_size: [("nodes", 3), ("pods", 30), ("assumed_pods", 1)],
        unschedulable: vec![("NodeResourcesFit", "default-scheduler".to_owned(), 3)],
        binding: 1,
        records: 9,
        records_bytes: 900,
        usage: vec![("memory", 3, vec!["a".to_owned()])],
    });
    metrics
}

/// Names with types, as the text declares them.
fn declared(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

#[test]
fn what_the_table_says_is_here_is_shown_and_nothing_else() {
    let metrics = filled();
    for (page, text) in [(Page::Metrics, metrics.text()), (Page::Slis, metrics.slis_text())] {
        let shown = declared(&text);
        let mut wanted: Vec<(&str, &str)> = TABLE
            .iter()
            .filter(|metric| metric.page == page && metric.is_here())
            .map(|metric| match metric.kind {
                Kind::Counter => (metric.name, "counter"),
                Kind::Gauge => (metric.name, "gauge"),
                Kind::Histogram(_) => (metric.name, "histogram"),
            })
            .collect();
        wanted.sort_unstable();
        assert_eq!(shown, wanted);
    }
}

#[test]
fn labels_and_buckets_are_those_of_the_table() {
    let text = filled().text();
    for metric in TABLE.iter().filter(|metric| metric.is_here() && metric.page == Page::Metrics) {
        let Kind::Histogram(buckets) = metric.kind else { continue };
        let prefix = format!("{}_bucket{{", metric.name);
        let first: Vec<&str> = text.lines().filter(|line| line.starts_with(&prefix)).collect();
        let count = buckets.bounds().len() + 1;
        assert!(first.len() >= count && first.len().is_multiple_of(count), "{}: {}", metric.name, first.len());
        for label in metric.labels {
            assert!(first[0].contains(&format!("{label}=\"")), "{}: {label} in {}", metric.name, first[0]);
        }
    }
    assert!(text.contains("scheduler_scheduling_attempt_duration_seconds_bucket{profile=\"default-scheduler\",result=\"error\",le=\"16.384\"}"), "{text}");
}

#[test]
fn stability_stands_before_the_help() {
    let text = filled().text();
    assert!(text.contains("# HELP scheduler_pending_pods [STABLE] "));
    assert!(text.contains("# HELP scheduler_cache_size [ALPHA] "));
    assert!(text.contains("# HELP scheduler_unschedulable_pods [BETA] "));
}

#[test]
fn attempts_from_the_fifteenth_on_are_counted_together() {
    let metrics = Metrics::new();
    metrics.scheduled(14, Some(Duration::from_secs(1)));
    metrics.scheduled(15, Some(Duration::from_secs(1)));
    metrics.scheduled(400, Some(Duration::from_secs(1)));
    let text = metrics.text();
    let series = |attempts| format!("scheduler_pod_scheduling_sli_duration_seconds_count{{attempts=\"{attempts}\"}}");
    assert_eq!(value(&text, &series("14")), Some(1.0));
    assert_eq!(value(&text, &series("15+")), Some(2.0));
    assert_eq!(value(&text, "scheduler_pod_scheduling_attempts_count"), Some(3.0));
}

#[test]
fn a_second_reading_replaces_states_and_adds_to_counters() {
    let metrics = filled();
    metrics.read(&Reading {
        pending: [("active", 0), ("backoff", 0), ("unschedulable", 1), ("gated", 0)],
        incoming: vec![("active", "NodeAdd".to_owned(), 7)],
        unschedulable: vec![("TaintToleration", "default-scheduler".to_owned(), 1)],
        ..Reading::default()
    });
    let text = metrics.text();
    assert_eq!(value(&text, "scheduler_pending_pods{queue=\"active\"}"), Some(0.0));
    assert_eq!(value(&text, "scheduler_pending_pods{queue=\"unschedulable\"}"), Some(1.0));
    assert_eq!(value(&text, "scheduler_queue_incoming_pods_total{event=\"NodeAdd\",queue=\"active\"}"), Some(7.0));
    let unschedulable =
        |plugin| format!("scheduler_unschedulable_pods{{plugin=\"{plugin}\",profile=\"default-scheduler\"}}");
    assert_eq!(value(&text, &unschedulable("NodeResourcesFit")), Some(0.0));
    assert_eq!(value(&text, &unschedulable("TaintToleration")), Some(1.0));
    assert!(!text.contains("PodPopped"));
}

#[test]
fn the_build_names_the_kubernetes_version() {
    let text = Metrics::new().text();
    let line = text.lines().find(|line| line.starts_with("kubernetes_build_info{")).expect("it is there");
    assert!(line.contains("git_version=\"v1.36.3+loadline."), "{line}");
    assert!(line.contains("major=\"1\",minor=\"36\""), "{line}");
}

#[test]
fn the_reference_names_every_metric_once() {
    let page = crate::reference();
    for metric in TABLE {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{}` |", metric.name))).count();
        assert_eq!(rows, 1, "{}", metric.name);
        if let Presence::Absent(why) | Presence::Differs(why) = metric.presence {
            assert!(why.len() > 15, "{} has a reason", metric.name);
        }
    }
}
