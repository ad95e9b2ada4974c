use super::*;

fn read(text: &str) -> MeasuredNodes {
    MeasuredNodes::read(text, "usage.yaml").unwrap()
}

fn problems(text: &str) -> Vec<String> {
    MeasuredNodes::read(text, "u").unwrap_err().iter().map(ToString::to_string).collect()
}

const LIST: &str = r#"{"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [
    {"metadata": {"name": "a"}, "timestamp": "2026-05-11T08:12:01Z", "window": "20s", "usage": {"cpu": "512345678n", "memory": "1048576Ki"}}]}"#;

#[test]
fn all_forms_say_the_same() {
    let list = read(LIST);
    let a = &list.nodes["a"];
    assert_eq!(a[&UsageKind::Memory].amount, Amount::Absolute(1 << 30));
    assert_eq!(a[&UsageKind::Cpu].amount, Amount::Absolute(513));
    let one = LIST.replace(r#"{"metadata": {"name": "a"}"#, r#"{"kind": "NodeMetrics", "metadata": {"name": "a"}"#);
    assert_eq!(read(&one.replace("NodeMetricsList", "List")), list);
    let report = "{apiVersion: loadline.dev/v1alpha1, kind: NodeUsageReport, sources: [], nodes: [\
                  {name: a, memory: {percent: 12.5, measuredAt: '2026-05-11T08:12:01Z'}}]}";
    let memory = read(report).nodes["a"][&UsageKind::Memory];
    let at = a[&UsageKind::Memory].at;
    assert_eq!(memory, Measured { amount: Amount::MilliPercent(12_500), at, window_seconds: None });
}

#[test]
fn measurements_average_over_the_window_that_they_name() {
    let heard = read(LIST).heard(&source_of_memory(), &[node("a", 4 << 30)]);
    assert_eq!(heard.1[0].1.window_seconds, Some(20));
    assert_eq!(problems(&LIST.replace("20s", "long")), ["u:2:80: items[0].window: is no duration, such as 20s"]);
}

#[test]
fn amounts_become_shares_of_the_allocatable() {
    let source = source_of_memory();
    let of = |memory| read(LIST).heard(&source, &[node("a", memory)]).1[0].1.milli_percent;
    assert_eq!((of(4 << 30), of(1 << 20), of(0)), (25_000, WHOLE, WHOLE));
}

fn node(name: &str, memory: i64) -> Arc<NodeSpec> {
    let allocatable = loadline_model::Resources { memory, ..loadline_model::Resources::default() };
    Arc::new(NodeSpec { name: name.into(), allocatable, ..NodeSpec::default() })
}

fn source_of_memory() -> UsageSource {
    UsageSource {
        kind: UsageKind::Memory,
        prometheus: loadline_framework::PrometheusQuery {
            address: "http://p".into(),
            query: "q".into(),
            age_query: "a".into(),
            node_label: "node".into(),
            timeout_seconds: 1,
            interval_seconds: 1,
            bearer_token_file: None,
            ca_file: None,
            insecure_skip_verify: false,
        },
        window_seconds: 300,
        stale_after_seconds: 180,
    }
}

#[test]
fn samples_are_as_old_as_the_report_says() {
    let report = |time: &str| {
        let text = format!(
            "{{apiVersion: loadline.dev/v1alpha1, kind: NodeUsageReport, {time} nodes: [\
             {{name: a, memory: {{percent: 9, measuredAt: '2026-05-11T08:12:01Z'}}}}]}}"
        );
        let (now, samples) = read(&text).heard(&source_of_memory(), &[node("a", 1 << 30)]);
        (now - samples[0].1.at) / 1_000_000_000
    };
    assert_eq!(report(""), 0, "there is nothing newer");
    assert_eq!(report("time: '2026-05-11T08:17:01Z',"), 300);
    assert_eq!(report("time: '2020-05-11T08:17:01Z',"), 0, "no sample is of a time to come");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let report =
        |nodes: &str| format!("{{apiVersion: loadline.dev/v1alpha1, kind: NodeUsageReport, nodes: [{nodes}]}}");
    assert_eq!(problems(""), ["u: no node in it: expected a NodeUsageReport or NodeMetrics"]);
    assert_eq!(problems("{kind: Node}"), ["u:1:1: is a Node: expected a NodeUsageReport or NodeMetrics"]);
    assert_eq!(
        problems(&report("{name: a, memory: {percent: 101}}")),
        ["u:1:86: nodes[0].memory: percent is 101: expected 0 to 100"]
    );
    assert_eq!(
        problems(&report("{name: a}, {name: a}, {}")),
        ["u:1:79: nodes[1]: node a is there already", "u:1:90: nodes[2]: the field `name` is missing"]
    );
    let misspelt = problems(&report("{name: a, memory: {percents: 1}}"));
    assert!(misspelt[0].contains("percents"), "{misspelt:?}");
    let late = problems(&report("{name: a, memory: {percent: 1, measuredAt: yesterday}}"));
    assert!(late[0].contains("measuredAt is not a time"), "{late:?}");
    let soon = report("{name: a}").replace("nodes:", "time: soon, nodes:");
    assert_eq!(problems(&soon), ["u:1:66: time: is not a time such as 2026-05-11T08:12:01Z"]);
}
