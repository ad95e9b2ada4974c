//! Comparing configurations.

use super::config;
use super::registry::registry;
use crate::diff::diff;

#[track_caller]
fn changes(old: &str, new: &str) -> String {
    let changes = diff(&config(old), &config(new), &registry());
    changes.iter().map(|change| format!("{change}\n")).collect()
}

#[test]
fn how_it_is_written_does_not_matter() {
    assert_eq!(
        changes("", "parallelism: 16\nprofiles: [{schedulerName: default-scheduler}]\n"),
        ""
    );
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
        @""
    );
}

#[test]
fn keys_are_compared_and_not_shown() {
    let extender = |key: &str| format!("extenders: [{{urlPrefix: 'http://e', tlsConfig: {{keyData: {key}}}}}]\n");
    let changed = changes(&extender("QUJD"), &extender("QUJE"));
    insta::assert_snapshot!(changed, @"");
    assert!(!changes("", &extender("QUJD")).contains("QUJD"));
}
