//! Older versions.

use loadline_framework::ExtensionPoint as P;

use super::registry::registry;
use super::{lines, names, refused_text, weights};
use crate::{Loaded, parse};

#[track_caller]
fn old(version: &str, body: &str) -> Loaded {
    let text = format!("apiVersion: kubescheduler.config.k8s.io/{version}\nkind: KubeSchedulerConfiguration\n{body}");
    parse(&text, "old.yaml", &registry()).unwrap_or_else(|problems| panic!("{}", lines(&problems)))
}

#[test]
fn v1beta3_changes_little() {
    let loaded = old(
        "v1beta3",
        "profiles:\n- plugins:\n    multiPoint:\n      enabled: [{name: SelectorSpread, weight: 1}]\n      disabled: [{name: EBSLimits}]\n    \
         filter: {enabled: [{name: AzureDiskLimits}]}\n  pluginConfig: [{name: GCEPDLimits, args: {}}]\n",
    );
    insta::assert_snapshot!(lines(&loaded.warnings), @r#"
    old.yaml:1:1: apiVersion: read as kubescheduler.config.k8s.io/v1: kube-scheduler 1.36 no longer reads v1beta3
    old.yaml:6:17: profiles[0].plugins.multiPoint.enabled[0]: SelectorSpread left out: PodTopologySpread spreads by default constraints (`defaultingType: System`)
    old.yaml:8:24: profiles[0].plugins.filter.enabled[0]: AzureDiskLimits left out: NodeVolumeLimits checks the limits of CSI volumes, into which these were migrated
    old.yaml:9:19: profiles[0].pluginConfig[0].name: GCEPDLimits left out: NodeVolumeLimits checks the limits of CSI volumes, into which these were migrated
    "#);
    assert_eq!(weights(&loaded.config.profiles[0])[0], ("TaintToleration", 3));
}

#[test]
fn v1beta2_changes_more() {
    let loaded = old(
        "v1beta2",
        "healthzBindAddress: \"\"\nmetricsBindAddress: 0.0.0.0:0\n\
         profiles:\n- plugins:\n    multiPoint: {disabled: [{name: ImageLocality}]}\n    \
         filter: {enabled: [{name: NodeAffinity}]}\n    score: {enabled: [{name: TaintToleration, weight: 1}]}\n",
    );
    insta::assert_snapshot!(lines(&loaded.warnings), @r#"
    old.yaml:1:1: apiVersion: read as kubescheduler.config.k8s.io/v1: kube-scheduler 1.36 no longer reads v1beta2
    old.yaml:3:1: healthzBindAddress: left out: v1 has no such field, addresses are set by flags (--bind-address, --secure-port)
    old.yaml:4:1: metricsBindAddress: left out: v1 has no such field, addresses are set by flags (--bind-address, --secure-port)
    old.yaml:6:3: profiles[0]: default weights changed since v1beta2: NodeAffinity 1 -> 2, InterPodAffinity 1 -> 2; name them under plugins.multiPoint.enabled with their old weights to keep those
    old.yaml:7:5: profiles[0].plugins.multiPoint: has an effect now: v1beta2 ignored multiPoint
    old.yaml:8:24: profiles[0].plugins.filter.enabled[0]: NodeAffinity runs before the default plugins that are not named at Filter; in v1beta2 it kept its place
    "#);
    let profile = &loaded.config.profiles[0];
    assert_eq!(names(profile, P::Filter)[0], "NodeAffinity");
    assert_eq!(weights(profile)[0], ("TaintToleration", 1));
}

#[test]
fn plugins_whose_work_must_be_told_to_others_are_refused() {
    insta::assert_snapshot!(
        refused_text(
            "apiVersion: kubescheduler.config.k8s.io/v1beta2\nkind: KubeSchedulerConfiguration\n\
             profiles:\n- plugins: {score: {enabled: [{name: NodeResourcesMostAllocated, weight: 1}]}}\n"
        ),
        @r#"c.yaml:4:31: profiles[0].plugins.score.enabled[0]: ScorePlugin "NodeResourcesMostAllocated" does not exist; it was removed: use NodeResourcesFit with the argument `scoringStrategy.type: MostAllocated`"#
    );
}

#[test]
fn versions_that_can_not_be_read() {
    for version in ["v1alpha1", "v1beta1"] {
        let text = format!("apiVersion: kubescheduler.config.k8s.io/{version}\nkind: KubeSchedulerConfiguration\n");
        assert!(refused_text(&text).contains("can not be converted"), "{version}");
    }
    insta::assert_snapshot!(
        refused_text("apiVersion: kubescheduler.config.k8s.io/v1beta1\nkind: KubeSchedulerConfiguration\nalgorithmSource: {}\n"),
        @r#"c.yaml:1:1: apiVersion: Unsupported value: "kubescheduler.config.k8s.io/v1beta1": supported values: "kubescheduler.config.k8s.io/v1"; v1beta1 can not be converted: its plugin names, arguments and defaults were others. Write it anew as v1 (`loadline config effective` prints a complete one to start from)"#
    );
    // v1 never had the fields of v1beta2.
    insta::assert_snapshot!(
        refused_text("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nhealthzBindAddress: x\n"),
        @r#"c.yaml:3:1: healthzBindAddress: unknown field "healthzBindAddress""#
    );
}
