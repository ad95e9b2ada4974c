//! The effective configuration.

use loadline_framework::ExtensionPoint as P;
use proptest::prelude::*;

use super::registry::registry;
use super::{HEAD, config, lines};
use crate::effective::{provenance, to_json, to_yaml};
use crate::reference::generate_plugins_reference;
use crate::{Config, hash, parse};

/// What reads back from what is shown.
#[track_caller]
fn read_back(config: &Config) -> Config {
    let yaml = to_yaml(config, &registry(), true);
    match parse(&yaml, "again.yaml", &registry()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{}\n{yaml}", lines(&problems)),
    }
}

#[test]
fn the_default_configuration() {
    insta::assert_snapshot!("effective_default", to_yaml(&config(""), &registry(), true));
}

#[test]
fn a_configuration_with_everything() {
    let full = config(
        "parallelism: 4\nclientConnection: {qps: 0.1, kubeconfig: \"a #b: c\"}\nleaderElection: {leaderElect: false}\n\
         extenders:\n- urlPrefix: https://e\n  tlsConfig: {keyData: QUJD}\n  managedResources: [{name: example.com/gpu, ignoredByScheduler: true}]\n\
         profiles:\n- schedulerName: \"yes\"\n  percentageOfNodesToScore: 7\n  plugins:\n    multiPoint: {enabled: [{name: Everywhere, weight: 2}]}\n    \
         queueSort: {disabled: [{name: Everywhere}]}\n    score: {enabled: [{name: NodeAffinity, weight: 5}]}\n  pluginConfig:\n  - name: NodeAffinity\n    args:\n      addedAffinity:\n        \
         requiredDuringSchedulingIgnoredDuringExecution:\n          nodeSelectorTerms:\n          - matchExpressions:\n            - {key: a/b, operator: In, values: [\"1\", x y]}\n  \
         - name: DynamicResources\n    args: {filterTimeout: 1m}\n",
    );
    insta::assert_snapshot!("effective_full", to_yaml(&full, &registry(), true));
    let again = read_back(&full);
    assert_eq!(to_json(&again, &registry()), to_json(&full, &registry()));
}

#[test]
fn json_has_provenance_beside_it() {
    let config =
        config("parallelism: 4\nprofiles:\n- plugins: {score: {enabled: [{name: NodeAffinity, weight: 5}]}}\n");
    let sources = provenance(&config, &registry());
    assert_eq!(sources["parallelism"], "c.yaml:3");
    assert_eq!(sources["podMaxBackoffSeconds"], "default");
    assert_eq!(sources["profiles[0].plugins.score.enabled[0].weight"], "c.yaml:5");
    assert_eq!(sources["profiles[0].plugins.score.enabled[1].name"], "default");
    let json = to_json(&config, &registry());
    let again = parse(&json.to_string(), "c.json", &registry()).expect("it is valid").config;
    assert_eq!(hash(&again), hash(&config));
}

#[test]
fn the_reference_of_plugins() {
    insta::assert_snapshot!("plugins_reference", generate_plugins_reference(&registry()));
}

const NAMES: [&str; 9] = [
    "TaintToleration",
    "NodeAffinity",
    "NodeResourcesFit",
    "VolumeBinding",
    "PodTopologySpread",
    "InterPodAffinity",
    "ImageLocality",
    "NodeName",
    "Everywhere",
];

/// A set of plugins for an extension point, or for multiPoint.
fn set(point: Option<P>) -> impl Strategy<Value = String> {
    let known: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| {
            let plugin = registry().get(name).expect("it is registered");
            point.is_none_or(|point| plugin.points.contains(&point))
        })
        .collect();
    let count = known.len();
    let disabled = prop::sample::subsequence(known.iter().copied().chain(["*"]).collect::<Vec<_>>(), 0..=count.min(3));
    let enabled = prop::sample::subsequence(known, 0..=count).prop_shuffle();
    let weights = prop::collection::vec(prop::option::of(0..50_i32), NAMES.len());
    (enabled, disabled, weights).prop_map(|(enabled, disabled, weights)| {
        let enabled: Vec<String> = enabled
            .iter()
            .zip(weights)
            .map(|(name, weight)| match weight {
                Some(weight) => format!("{{name: {name}, weight: {weight}}}"),
                None => format!("{{name: {name}}}"),
            })
            .collect();
        let disabled: Vec<String> = disabled.iter().map(|name| format!("{{name: '{name}'}}")).collect();
        format!("{{enabled: [{}], disabled: [{}]}}", enabled.join(", "), disabled.join(", "))
    })
}

prop_compose! {
    fn profile()(
        multi_point in set(None),
        filter in set(Some(P::Filter)),
        score in set(Some(P::Score)),
        pre_score in set(Some(P::PreScore)),
        percentage in prop::option::of(0..=100_i32),
        hard in 0..=100_i32,
        timeout in 0..100_000_i64,
        name in "\\PC{1,8}",
    ) -> String {
        let percentage = percentage.map_or_else(String::new, |percentage| format!("  percentageOfNodesToScore: {percentage}\n"));
        let name = serde_json::Value::from(name);
        format!(
            "- schedulerName: {name}\n{percentage}  plugins:\n    multiPoint: {multi_point}\n    filter: {filter}\n    score: {score}\n    preScore: {pre_score}\n    \
             queueSort: {{disabled: [{{name: '*'}}], enabled: [{{name: PrioritySort}}]}}\n    bind: {{disabled: [{{name: '*'}}], enabled: [{{name: DefaultBinder}}]}}\n  \
             pluginConfig:\n  - name: InterPodAffinity\n    args: {{hardPodAffinityWeight: {hard}}}\n  - name: DynamicResources\n    args: {{filterTimeout: {timeout}ms}}\n"
        )
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_as_itself(
        profiles in prop::collection::vec(profile(), 0..3),
        parallelism in 1..100_i32,
        qps in any::<f32>().prop_filter("finite", |qps| qps.is_finite()),
    ) {
        let profiles = if profiles.is_empty() { "[]\n".to_owned() } else { format!("\n{}", profiles.concat()) };
        let text = format!("{HEAD}parallelism: {parallelism}\nclientConnection: {{qps: {qps}}}\nprofiles: {profiles}");
        let result = parse(&text, "c.yaml", &registry());
        // Two profiles may have got one name; everything else is valid.
        let same_name = result.as_ref().is_err_and(|found| lines(found).contains("Duplicate value"));
        prop_assume!(!same_name);
        let loaded = result.map_err(|found| TestCaseError::fail(lines(&found)))?;
        let again = read_back(&loaded.config);
        prop_assert_eq!(to_yaml(&again, &registry(), false), to_yaml(&loaded.config, &registry(), false));
        prop_assert_eq!(hash(&again), hash(&loaded.config));
        prop_assert!(crate::diff::diff(&loaded.config, &again, &registry()).is_empty());
    }
}
