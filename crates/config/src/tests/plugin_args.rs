//! Arguments of plugins.

use serde_json::json;

use super::registry::registry;
use super::{config, lines, load, refused, warned};
use crate::{ProfileConfig, compile};

fn with_args(plugin: &str, args: &str) -> ProfileConfig {
    let config = config(&format!(
        "profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n"
    ));
    config.profiles.into_iter().next().expect("there is a profile")
}

fn refused_args(plugin: &str, args: &str) -> String {
    refused(&format!(
        "profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n"
    ))
}

#[test]
fn every_plugin_that_takes_arguments_has_them() {
    let config = config("");
    let names: Vec<&str> = config.profiles[0]
        .plugin_config
        .iter()
        .map(|args| args.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "DefaultPreemption",
            "DynamicResources",
            "InterPodAffinity",
            "NodeAffinity",
            "NodeResourcesFit",
            "PodTopologySpread",
            "VolumeBinding",
        ]
    );
    assert_eq!(
        config.profiles[0]
            .args("NodeResourcesFit")
            .expect("it has arguments")
            .args,
        json!({
            "ignoredResources": [],
            "scoringStrategy": {
                "type": "LeastAllocated",
                "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}],
            },
        })
    );
    assert_eq!(
        config.profiles[0].args("NodeAffinity").expect("it has arguments").args,
        json!({})
    );
}

#[test]
fn what_is_left_out_of_an_object_is_filled_in() {
    let fit = with_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: MostAllocated, resources: [{name: nvidia.com/gpu, weight: 3}, {name: cpu}, {name: memory, weight: 0}]}}",
    );
    assert_eq!(
        fit.args("NodeResourcesFit").expect("it has arguments").args["scoringStrategy"],
        json!({
            "type": "MostAllocated",
            "resources": [
                {"name": "nvidia.com/gpu", "weight": 3},
                {"name": "cpu", "weight": 1},
                {"name": "memory", "weight": 1},
            ],
        })
    );
    let empty = with_args(
        "NodeResourcesFit",
        "{scoringStrategy: {type: MostAllocated, resources: []}}",
    );
    let resources = &empty.args("NodeResourcesFit").expect("it has arguments").args["scoringStrategy"]["resources"];
    assert_eq!(resources.as_array().map(Vec::len), Some(2));
}

#[test]
fn durations_have_one_spelling() {
    let dra = with_args("DynamicResources", "{filterTimeout: 0.5m, bindingTimeout: 90s}");
    assert_eq!(
        dra.args("DynamicResources").expect("it has arguments").args,
        json!({"filterTimeout": "30s", "bindingTimeout": "1m30s"})
    );
}

#[test]
fn types_of_the_api() {
    let affinity = with_args(
        "NodeAffinity",
        "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: \
         [{key: pool, operator: In, values: [a]}]}]}, preferredDuringSchedulingIgnoredDuringExecution: \
         [{weight: 1, preference: {matchFields: [{key: metadata.name, operator: In, values: [n]}]}}]}}",
    );
    let args = &affinity.args("NodeAffinity").expect("it has arguments").args;
    let terms = &args["addedAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["values"], json!(["a"]));
    insta::assert_snapshot!(
        refused_args(
            "NodeAffinity",
            "{addedAffinity: {requiredDuringScheduling: {}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Is}]}}]}}"
        ),
        @""
    );
    insta::assert_snapshot!(
        refused_args(
            "PodTopologySpread",
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, labelSelector: {}, minDomains: many}]}"
        ),
        @""
    );
}

#[test]
fn kind_and_api_version_may_be_written() {
    with_args(
        "InterPodAffinity",
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: InterPodAffinityArgs, hardPodAffinityWeight: 5}",
    );
    insta::assert_snapshot!(
        refused_args("InterPodAffinity", "{apiVersion: kubescheduler.config.k8s.io/v2, kind: NodeAffinityArgs}"),
        @""
    );
}

#[test]
fn wrong_arguments() {
    insta::assert_snapshot!(
        refused_args(
            "InterPodAffinity",
            "\n      hardPodAffinityWeight: 101\n      ignorePreferredTermOfExistingPods: true\n      ignorePreferredTermsOfExistingPods: \"yes\""
        ),
        @""
    );
    insta::assert_snapshot!(
        refused_args(
            "NodeResourcesFit",
            "\n      scoringStrategy:\n        type: mostallocated\n        resources:\n        - name: cpu\n          weight: 200\n        - weight: 1\n          nam: x"
        ),
        @""
    );
    insta::assert_snapshot!(refused_args("NodeName", "{name: x}"), @"");
    insta::assert_snapshot!(refused_args("VolumeBinding", "[1]"), @"");
}

#[test]
fn what_a_plugin_says_stands_where_the_argument_does() {
    insta::assert_snapshot!(
        refused_args(
            "PodTopologySpread",
            "\n      defaultingType: List\n      defaultConstraints:\n      - topologyKey: zone\n        maxSkew: 1\n      - topologyKey: host\n        maxSkew: 0"
        ),
        @""
    );
    insta::assert_snapshot!(
        refused_args("NodeResourcesFit", "\n      scoringStrategy:\n        type: RequestedToCapacityRatio"),
        @""
    );
    // Without its own type, for a strategy that is written has no default one.
    insta::assert_snapshot!(refused_args("NodeResourcesFit", "{scoringStrategy: {}}"), @"");
}

#[test]
fn arguments_that_a_plugin_can_not_do_without() {
    insta::assert_snapshot!(
        refused("profiles:\n- plugins:\n    score:\n      enabled:\n      - name: RealUsage\n"),
        @""
    );
}

#[test]
fn plugins_in_the_list_of_arguments() {
    insta::assert_snapshot!(
        refused("profiles:\n- pluginConfig: [{name: NodeAffinity}, {name: NodeAffinity}, {args: {}}, {name: CinderLimits}, {nam: x}]\n"),
        @""
    );
    insta::assert_snapshot!(
        warned("profiles:\n- pluginConfig: [{name: NodeAfinity, args: {x: 1}}, {name: RealUsage, args: {address: a}}]\n"),
        @""
    );
    // They are kept, so that they are there when the plugin is enabled again.
    let loaded = load("profiles:\n- pluginConfig: [{name: RealUsage, args: {address: a}}]\n");
    assert!(loaded.config.profiles[0].args("RealUsage").is_some());
}

#[test]
fn what_building_a_plugin_finds_has_its_place_too() {
    let config = config(
        "profiles:\n- plugins: {permit: {enabled: [{name: Broken}]}}\n  pluginConfig:\n  - name: Broken\n    args:\n      level: x\n",
    );
    let problems = compile(&config, &registry()).expect_err("it can not be built");
    insta::assert_snapshot!(lines(&problems), @"");
}
