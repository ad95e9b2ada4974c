//! Comparing configurations.

use super::config;
use super::registry::registry;
use crate::diff::diff;

#[track_caller]
fn changes(old: &str, new: &str) -> String {
    let changes = diff(&config(old), &config(new), &registry());
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn how_it_is_written_does_not_matter() {
    assert_eq!(changes("", "parallelism: 16\nprofiles: [{schedulerName: default-scheduler}]\n"), "");
    assert_eq!(
        changes(
            "profiles: [{schedulerName: a}, {schedulerName: b}]\n",
            "profiles:\n- {schedulerName: a}\n- schedulerName: b\n  plugins: {score: {disabled: [{name: ImageLocality}], enabled: [{name: ImageLocality, weight: 1}]}}\n"
        ),
        ""
    );
}

#[test]
fn what_differs() {
    insta::assert_snapshot!(
        changes(
            "parallelism: 8\nprofiles: [{schedulerName: a}, {schedulerName: b}]\n",
            "profiles:\n- schedulerName: c\n  percentageOfNodesToScore: 5\n  plugins: {multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}]}}\n\
             - schedulerName: a\n  percentageOfNodesToScore: 10\n  plugins:\n    score: {enabled: [{name: NodeAffinity, weight: 5}, {name: RealUsage}]}\n    filter: {enabled: [{name: NodeName}, {name: InterPodAffinity}]}\n  \
             pluginConfig:\n  - {name: RealUsage, args: {address: x}}\n  - {name: NodeResourcesFit, args: {ignoredResources: [a.b/c], scoringStrategy: {type: LeastAllocated, resources: [{name: cpu, weight: 2}]}}}\n"
        ),
        @r#"
    ~ parallelism: 8 -> 16
    ~ profiles[a].plugins.filter.enabled (order): ["NodeName","TaintToleration","NodeAffinity","NodeResourcesFit","VolumeBinding","PodTopologySpread","InterPodAffinity","DynamicResources"] -> ["NodeName","InterPodAffinity","TaintToleration","NodeAffinity","NodeResourcesFit","VolumeBinding","PodTopologySpread","DynamicResources"]
    ~ profiles[a].plugins.score.enabled[NodeAffinity].weight: 2 -> 5
    + profiles[a].plugins.score.enabled[RealUsage]: {"name":"RealUsage","weight":1}
    ~ profiles[a].plugins.score.enabled (order): ["TaintToleration","NodeAffinity","NodeResourcesFit","VolumeBinding","PodTopologySpread","InterPodAffinity","ImageLocality"] -> ["NodeAffinity","TaintToleration","NodeResourcesFit","VolumeBinding","PodTopologySpread","InterPodAffinity","ImageLocality"]
    ~ profiles[a].pluginConfig[NodeResourcesFit].args.ignoredResources: [] -> ["a.b/c"]
    ~ profiles[a].pluginConfig[NodeResourcesFit].args.scoringStrategy.resources[cpu].weight: 1 -> 2
    - profiles[a].pluginConfig[NodeResourcesFit].args.scoringStrategy.resources[memory]: {"name":"memory","weight":1}
    + profiles[a].pluginConfig[RealUsage]: {"args":{"address":"x","interval":"10s"},"name":"RealUsage"}
    + profiles[a].percentageOfNodesToScore: 10
    - profiles[b]: {"pluginConfig":[{"args":{"minCandidateNodesAbsolute":100,"minCandidateNodesPercentage":10},"name":"DefaultPreemption"},{"args":{"bindingTimeout":"10m0s","filterTimeout":"10s"},"name":"DynamicResources"},{"args":{"hardPodAffinityWeight":1,"ignorePreferredTermsOfExistingPods":false},"name":"InterPodAffinity"},{"args":{},"name":"NodeAffinity"},{"args":{"ignoredResources":[],"scoringStrategy":{"resources":[{"name":"cpu","weight":1},{"name":"memory","weight":1}],"type":"LeastAllocated"}},"name":"NodeResourcesFit"},{"args":{"defaultingType":"System"},"name":"PodTopologySpread"},{"args":{"bindTimeoutSeconds":600},"name":"VolumeBinding"}],"plugins":{"bind":{"enabled":[{"name":"DefaultBinder"}]},"filter":{"enabled":[{"name":"NodeName"},{"name":"TaintToleration"},{"name":"NodeAffinity"},{"name":"NodeResourcesFit"},{"name":"VolumeBinding"},{"name":"PodTopologySpread"},{"name":"InterPodAffinity"},{"name":"DynamicResources"}]},"multiPoint":{"disabled":[{"name":"*"}]},"postFilter":{"enabled":[{"name":"DynamicResources"},{"name":"DefaultPreemption"}]},"preBind":{"enabled":[{"name":"VolumeBinding"},{"name":"DynamicResources"}]},"preEnqueue":{"enabled":[{"name":"SchedulingGates"},{"name":"DynamicResources"},{"name":"DefaultPreemption"}]},"preFilter":{"enabled":[{"name":"NodeAffinity"},{"name":"NodeResourcesFit"},{"name":"VolumeBinding"},{"name":"PodTopologySpread"},{"name":"InterPodAffinity"},{"name":"DynamicResources"}]},"preScore":{"enabled":[{"name":"TaintToleration"},{"name":"NodeAffinity"},{"name":"NodeResourcesFit"},{"name":"PodTopologySpread"},{"name":"InterPodAffinity"}]},"queueSort":{"enabled":[{"name":"PrioritySort"}]},"reserve":{"enabled":[{"name":"VolumeBinding"},{"name":"DynamicResources"}]},"score":{"enabled":[{"name":"TaintToleration","weight":3},{"name":"NodeAffinity","weight":2},{"name":"NodeResourcesFit","weight":1},{"name":"VolumeBinding","weight":1},{"name":"PodTopologySpread","weight":2},{"name":"InterPodAffinity","weight":2},{"name":"ImageLocality","weight":1}]}},"schedulerName":"b"}
    + profiles[c]: {"percentageOfNodesToScore":5,"pluginConfig":[],"plugins":{"bind":{"enabled":[{"name":"DefaultBinder"}]},"multiPoint":{"disabled":[{"name":"*"}]},"queueSort":{"enabled":[{"name":"PrioritySort"}]}},"schedulerName":"c"}
    "#
    );
}

#[test]
fn keys_are_compared_and_not_shown() {
    let extender = |key: &str| format!("extenders: [{{urlPrefix: 'http://e', tlsConfig: {{keyData: {key}}}}}]\n");
    let changed = changes(&extender("QUJD"), &extender("QUJE"));
    insta::assert_snapshot!(changed, @r#"~ extenders[http://e].tlsConfig.keyData: "(not shown)" -> "(not shown)""#);
    assert!(!changes("", &extender("QUJD")).contains("QUJD"));
}
