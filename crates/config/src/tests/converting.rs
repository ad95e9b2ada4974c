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
    insta::assert_snapshot!(lines(&loaded.warnings), @"");
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
    insta::assert_snapshot!(lines(&loaded.warnings), @"");
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
        @""
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
        @""
    );
    // v1 never had the fields of v1beta2.
    insta::assert_snapshot!(
        refused_text("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nhealthzBindAddress: x\n"),
        @""
    );
}
