use loadline_framework::{UsageSample, WHOLE};
use proptest::prelude::*;
use serde_json::json;

use super::{Measurement, Reason, interpret, measure};
use crate::error::PollResult;
use crate::prometheus::{PrometheusClient, Series};
use crate::stub::{Asked, NOW, Stub, Told, ok, source, vector};

const SECOND: i64 = 1_000_000_000;

fn series(node: &str, value: f64) -> Series {
    Series { labels: [("node".to_owned(), node.to_owned())].into(), value, at: NOW as f64 }
}

/// Ten seconds old.
fn age(node: &str) -> Series {
    series(node, (NOW - 10) as f64)
}

/// Samples by node, and by series why others are not used.
type Interpreted = (Vec<(String, UsageSample)>, Vec<(String, Reason)>);

fn interpreted(values: &[Series], ages: &[Series]) -> Interpreted {
    let Measurement { samples, ignored, .. } = interpret(values, ages, "node", NOW * SECOND);
    let samples = samples.into_iter().map(|(node, sample)| (node.to_string(), sample));
    (samples.collect(), ignored.into_iter().map(|ignored| (ignored.series, ignored.reason)).collect())
}

fn sample(node: &str, milli_percent: i64, seconds: i64) -> (String, UsageSample) {
    (node.to_owned(), UsageSample { milli_percent, at: seconds * SECOND, window_seconds: None })
}

#[test]
fn percentages_are_taken() {
    let values = [series("b", 12.3456), series("a", 100.5), series("c", -0.5), series("d", 0.0)];
    let ages = [age("a"), age("b"), age("c"), age("d"), age("unknown")];
    let (samples, ignored) = interpreted(&values, &ages);
    let at = NOW - 10;
    assert_eq!(samples, [sample("a", WHOLE, at), sample("b", 12_346, at), sample("c", 0, at), sample("d", 0, at)]);
    assert_eq!(ignored, []);
}

#[test]
fn what_can_not_be_used_is_named() {
    let nowhere = Series { labels: [("instance".to_owned(), "x".to_owned())].into(), ..series("", 1.0) };
    let values = [
        nowhere,
        series("", 1.0),
        series("nan", f64::NAN),
        series("inf", f64::INFINITY),
        series("much", 100.6),
        series("little", -0.6),
        series("twice", 1.0),
        series("twice", 2.0),
        series("ageless", 1.0),
        series("good", 1.0),
    ];
    let ages = ["nan", "inf", "much", "little", "twice", "good"].map(age);
    let (samples, ignored) = interpreted(&values, &ages);
    assert_eq!(samples, [sample("good", 1000, NOW - 10)]);
    let of = |node: &str, reason| (format!("{{node=\"{node}\"}}"), reason);
    let expected = [
        ("{instance=\"x\"}".to_owned(), Reason::NoNodeLabel),
        of("", Reason::NoNodeLabel),
        of("ageless", Reason::NoAge),
        of("inf", Reason::NotFinite),
        of("little", Reason::OutOfRange),
        of("much", Reason::OutOfRange),
        of("nan", Reason::NotFinite),
        of("twice", Reason::DuplicateNode),
        of("twice", Reason::DuplicateNode),
    ];
    assert_eq!(ignored, expected);
}

#[test]
fn ages_are_looked_at() {
    let values = ["ahead", "far", "elapsed", "millis", "nan", "twice"].map(|node| series(node, 1.0));
    let now = NOW as f64;
    let ages = [
        series("ahead", now + 60.0),
        series("far", now + 60.5),
        series("elapsed", 15.0),
        series("millis", now * 1000.0),
        series("nan", f64::NAN),
        age("twice"),
        age("twice"),
        age(""),
    ];
    let (samples, ignored) = interpreted(&values, &ages);
    assert_eq!(samples, [sample("ahead", 1000, NOW), sample("far", 1000, NOW)]);
    let reasons: Vec<_> = ignored.into_iter().map(|(_, reason)| reason).collect();
    let expected = [
        Reason::AgeWithoutNodeLabel,
        Reason::AgeIsNoTime,
        Reason::AgeInFuture,
        Reason::AgeIsNoTime,
        Reason::AgeIsNoTime,
        Reason::DuplicateAge,
        Reason::DuplicateAge,
    ];
    assert_eq!(reasons, expected);
}

proptest! {
    #[test]
    fn samples_are_sorted_unique_and_within_bounds(
        values in proptest::collection::vec(any_series(-5.0..110.0), 0..20),
        ages in proptest::collection::vec(any_series(1_699_990_000.0..1_700_000_100.0), 0..20),
        now in prop_oneof![Just(NOW * SECOND), any::<i64>()],
    ) {
        let measurement = interpret(&values, &ages, "node", now);
        prop_assert!(measurement.samples.is_sorted_by(|(a, _), (b, _)| a.as_str() < b.as_str()));
        for (_, sample) in &measurement.samples {
            prop_assert!((0..=WHOLE).contains(&sample.milli_percent));
            prop_assert!(sample.at <= now);
        }
        // Each node has a sample, or it is said why not.
        let nodes = |series: &[Series]| series.iter().filter_map(|one| one.labels.get("node").cloned()).collect::<Vec<_>>();
        for node in nodes(&values) {
            let name = format!("node={node:?}");
            let is_known = measurement.samples.iter().any(|(known, _)| *known == *node);
            prop_assert!(is_known || measurement.ignored.iter().any(|ignored| ignored.series.contains(&name)));
        }
    }
}

fn any_series(usual: std::ops::Range<f64>) -> impl Strategy<Value = Series> {
    let value = prop_oneof![4 => usual, 1 => proptest::num::f64::ANY];
    let labels = proptest::collection::btree_map("node|job", "[a-d]?", 0..2);
    (labels, value, proptest::num::f64::ANY).prop_map(|(labels, value, at)| Series { labels, value, at })
}

async fn measured(answer: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> (Measurement, Vec<String>) {
    let stub = Stub::start(answer);
    let source = source(&stub.url());
    let client = PrometheusClient::new(&source.prometheus).unwrap();
    let measurement = measure(&client, &source).await.unwrap();
    let mut asked: Vec<_> = stub.asked.lock().unwrap().iter().map(|asked| asked.query.clone()).collect();
    asked.sort();
    (measurement, asked)
}

#[tokio::test]
async fn values_and_ages_are_asked_for() {
    let (measurement, asked) = measured(|asked| match &*asked.query {
        "values" => vector(&[("b", "20"), ("a", "10.5"), ("c", "NaN")]),
        _ => vector(&[("a", "1699999990"), ("b", "1699999980.5"), ("c", "1699999990")]),
    })
    .await;
    assert_eq!(asked, ["ages", "values"]);
    assert_eq!((measurement.now, measurement.series), (NOW * SECOND, 3));
    let found: Vec<_> = measurement.samples.iter().map(|(node, sample)| (node.as_str(), *sample)).collect();
    let b = UsageSample { milli_percent: 20_000, at: (NOW - 20) * SECOND + SECOND / 2, window_seconds: None };
    assert_eq!(found, [("a", sample("a", 10_500, NOW - 10).1), ("b", b)]);
    assert_eq!(measurement.ignored.len(), 1);
    assert_eq!(measurement.ignored[0].to_string(), "{job=\"x\", node=\"c\"} NaN: not a number");
}

#[tokio::test]
async fn without_a_series_prometheus_is_asked_for_the_time() {
    let (measurement, asked) = measured(|asked| match &*asked.query {
        "vector(time())" => ok("vector", &json!([{"metric": {}, "value": [NOW as f64 + 0.25, "1700000000.25"]}])),
        _ => vector(&[]),
    })
    .await;
    assert_eq!(asked, ["ages", "values", "vector(time())"]);
    assert_eq!(measurement, Measurement { now: NOW * SECOND + SECOND / 4, ..Measurement::default() });
}

#[tokio::test]
async fn a_failure_says_which_query_it_is_of() {
    let stub = Stub::start(|asked| match &*asked.query {
        "values" => vector(&[]),
        _ => ok("scalar", &json!([NOW, "1"])),
    });
    let source = source(&stub.url());
    let client = PrometheusClient::new(&source.prometheus).unwrap();
    let error = measure(&client, &source).await.unwrap_err();
    assert_eq!((error.result(), &*error.promql), (PollResult::Invalid, "ages"));
}
