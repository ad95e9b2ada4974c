//! Arguments of plugins.

use serde_json::json;

use super::registry::registry;
use super::{config, lines, load, refused, warned};
use crate::{ProfileConfig, compile};

fn with_args(plugin: &str, args: &str) -> ProfileConfig {
    let config = config(&format!("profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n"));
    config.profiles.into_iter().next().expect("there is a profile")
}

fn refused_args(plugin: &str, args: &str) -> String {
    refused(&format!("profiles:\n- pluginConfig:\n  - name: {plugin}\n    args: {args}\n"))
}

#[test]
fn every_plugin_that_takes_arguments_has_them() {
    let config = config("");
    let names: Vec<&str> = config.profiles[0].plugin_config.iter().map(|args| args.name.as_str()).collect();
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
        config.profiles[0].args("NodeResourcesFit").expect("it has arguments").args,
        json!({
            "ignoredResources": [],
            "scoringStrategy": {
                "type": "LeastAllocated",
                "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}],
            },
        })
    );
    assert_eq!(config.profiles[0].args("NodeAffinity").expect("it has arguments").args, json!({}));
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
    let empty = with_args("NodeResourcesFit", "{scoringStrategy: {type: MostAllocated, resources: []}}");
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
         [{weight: 1, preference: {matchFields: [{key: metadata.name, operator: In, values: [n1]}]}}]}}",
    );
    let args = &affinity.args("NodeAffinity").expect("it has arguments").args;
    let terms = &args["addedAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["values"], json!(["a"]));
    insta::assert_snapshot!(
        refused_args(
            "NodeAffinity",
            "{addedAffinity: {requiredDuringScheduling: {}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Is}]}}]}}"
        ),
        @r#"
    c.yaml:6:28: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringScheduling: unknown field "requiredDuringScheduling"; did you mean "requiredDuringSchedulingIgnoredDuringExecution"?
    c.yaml:6:161: profiles[0].pluginConfig[0].args.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator: Unsupported value: "Is": supported values: "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"; did you mean "In"?
    "#
    );
    insta::assert_snapshot!(
        refused_args(
            "PodTopologySpread",
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, labelSelector: {}, minDomains: many}]}"
        ),
        @r#"
    c.yaml:6:87: profiles[0].pluginConfig[0].args.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod
    c.yaml:6:106: profiles[0].pluginConfig[0].args.defaultConstraints[0].minDomains: expected a whole number, found the text `many`
    "#
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
        @r#"
    c.yaml:6:12: profiles[0].pluginConfig[0].args.apiVersion: Unsupported value: "kubescheduler.config.k8s.io/v2": supported values: "kubescheduler.config.k8s.io/v1"
    c.yaml:6:56: profiles[0].pluginConfig[0].args.kind: args for plugin InterPodAffinity were not of type InterPodAffinityArgs, got NodeAffinityArgs
    "#
    );
}

#[test]
fn wrong_arguments() {
    insta::assert_snapshot!(
        refused_args(
            "InterPodAffinity",
            "\n      hardPodAffinityWeight: 101\n      ignorePreferredTermOfExistingPods: true\n      ignorePreferredTermsOfExistingPods: \"yes\""
        ),
        @r#"
    c.yaml:7:7: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]
    c.yaml:8:7: profiles[0].pluginConfig[0].args.ignorePreferredTermOfExistingPods: unknown field "ignorePreferredTermOfExistingPods"; did you mean "ignorePreferredTermsOfExistingPods"?
    c.yaml:9:7: profiles[0].pluginConfig[0].args.ignorePreferredTermsOfExistingPods: expected true or false, found the text `yes`
    "#
    );
    insta::assert_snapshot!(
        refused_args(
            "NodeResourcesFit",
            "\n      scoringStrategy:\n        type: mostallocated\n        resources:\n        - name: cpu\n          weight: 200\n        - weight: 1\n          nam: x"
        ),
        @r#"
    c.yaml:8:9: profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "mostallocated": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"; did you mean "MostAllocated"?
    c.yaml:11:11: profiles[0].pluginConfig[0].args.scoringStrategy.resources[0].weight: Invalid value: 200: not in valid range [1, 100]
    c.yaml:13:11: profiles[0].pluginConfig[0].args.scoringStrategy.resources[1].nam: unknown field "nam"; did you mean "name"?
    "#
    );
    insta::assert_snapshot!(refused_args("NodeName", "{name: x}"), @r#"c.yaml:6:12: profiles[0].pluginConfig[0].args.name: unknown field "name""#);
    insta::assert_snapshot!(refused_args("VolumeBinding", "[1]"), @"c.yaml:6:5: profiles[0].pluginConfig[0].args: expected a map, found a list");
}

#[test]
fn what_a_plugin_says_stands_where_the_argument_does() {
    insta::assert_snapshot!(
        refused_args(
            "PodTopologySpread",
            "\n      defaultingType: List\n      defaultConstraints:\n      - topologyKey: zone\n        maxSkew: 1\n      - topologyKey: host\n        maxSkew: 0"
        ),
        @"c.yaml:12:9: profiles[0].pluginConfig[0].args.defaultConstraints[1].maxSkew: Invalid value: 0: not in valid range (0, inf)"
    );
    insta::assert_snapshot!(
        refused_args("NodeResourcesFit", "\n      scoringStrategy:\n        type: RequestedToCapacityRatio"),
        @"c.yaml:7:7: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio"
    );
    // Without its own type, for a strategy that is written has no default one.
    insta::assert_snapshot!(refused_args("NodeResourcesFit", "{scoringStrategy: {}}"), @"c.yaml:6:12: profiles[0].pluginConfig[0].args.scoringStrategy.type: Required value");
}

#[test]
fn arguments_that_a_plugin_can_not_do_without() {
    insta::assert_snapshot!(
        refused("profiles:\n- plugins:\n    score:\n      enabled:\n      - name: RealUsage\n"),
        @"c.yaml:7:9: profiles[0].pluginConfig[RealUsage].args.address: Required value: the URL of the metrics server"
    );
}

#[test]
fn plugins_in_the_list_of_arguments() {
    insta::assert_snapshot!(
        refused("profiles:\n- pluginConfig: [{name: NodeAffinity}, {name: NodeAffinity}, {args: {}}, {name: CinderLimits}, {nam: x}]\n"),
        @r#"
    c.yaml:4:40: profiles[0].pluginConfig[1]: Duplicate value: "NodeAffinity"
    c.yaml:4:62: profiles[0].pluginConfig[2].name: Required value: the name of a plugin
    c.yaml:4:75: profiles[0].pluginConfig[3].name: Invalid value: "CinderLimits": was invalid in version "v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1"): NodeVolumeLimits checks the limits of CSI volumes, into which these were migrated
    c.yaml:4:96: profiles[0].pluginConfig[4].name: Required value: the name of a plugin
    c.yaml:4:97: profiles[0].pluginConfig[4].nam: unknown field "nam"; did you mean "name"?
    "#
    );
    insta::assert_snapshot!(
        warned("profiles:\n- pluginConfig: [{name: NodeAfinity, args: {x: 1}}, {name: RealUsage, args: {address: a}}]\n"),
        @r#"
    c.yaml:4:19: profiles[0].pluginConfig[0].name: plugin "NodeAfinity" does not exist, so these arguments have no effect; did you mean "NodeAffinity"?
    c.yaml:4:54: profiles[0].pluginConfig[1].name: RealUsage does not run in this profile, so these arguments have no effect
    "#
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
    insta::assert_snapshot!(lines(&problems), @r#"c.yaml:8:7: profiles[0].pluginConfig[Broken].args.level: initializing plugin "Broken": there is no such level"#);
}
