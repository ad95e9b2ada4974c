//! Plugin sets.

use loadline_framework::ExtensionPoint as P;

use super::{config, load, names, refused, warned, weights};
use crate::{Config, ProfileConfig};

fn profile(plugins: &str) -> ProfileConfig {
    first(config(&format!("profiles:\n- plugins: {plugins}\n")))
}

fn first(config: Config) -> ProfileConfig {
    config.profiles.into_iter().next().expect("there is a profile")
}

#[test]
fn a_disabled_plugin_is_gone_everywhere_or_at_one_point() {
    let everywhere = profile("{multiPoint: {disabled: [{name: NodeAffinity}]}}");
    assert!(!everywhere.plugins.contains("NodeAffinity"));
    let score = profile("{score: {disabled: [{name: NodeAffinity}]}}");
    assert!(!names(&score, P::Score).contains(&"NodeAffinity"));
    assert!(names(&score, P::Filter).contains(&"NodeAffinity"));
}

#[test]
fn disabling_all_leaves_what_is_enabled() {
    let only = profile(
        "{multiPoint: {disabled: [{name: '*'}], enabled: [{name: DefaultBinder}, {name: NodeAffinity, weight: 4}, \
         {name: PrioritySort}]}}",
    );
    assert_eq!(names(&only, P::Filter), ["NodeAffinity"]);
    assert_eq!(weights(&only), [("NodeAffinity", 4)]);
    let scores = profile("{score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality}]}}");
    assert_eq!(weights(&scores), [("ImageLocality", 1)]);
    assert_eq!(names(&scores, P::PreScore).len(), 5);
}

#[test]
fn an_explicit_plugin_is_enabled_though_it_is_disabled_too() {
    let both = profile("{multiPoint: {disabled: [{name: NodeName}], enabled: [{name: NodeName}]}}");
    // Behind the others, for it no longer is the default one.
    assert_eq!(names(&both, P::Filter).last(), Some(&"NodeName"));
    let point = profile("{filter: {disabled: [{name: NodeName}], enabled: [{name: NodeName}]}}");
    assert_eq!(names(&point, P::Filter).last(), Some(&"NodeName"));
}

#[test]
fn a_weight_in_multi_point_replaces_the_default_in_place() {
    let heavier = profile("{multiPoint: {enabled: [{name: NodeResourcesFit, weight: 9}]}}");
    assert_eq!(weights(&heavier)[2], ("NodeResourcesFit", 9));
    assert_eq!(names(&heavier, P::Filter)[3], "NodeResourcesFit");
}

#[test]
fn the_weight_at_score_beats_that_in_multi_point() {
    let both = profile(
        "{multiPoint: {enabled: [{name: NodeAffinity, weight: 9}]}, score: {enabled: [{name: NodeAffinity, weight: 5}]}}",
    );
    assert_eq!(weights(&both)[0], ("NodeAffinity", 5));
}

#[test]
fn order_at_a_point() {
    // Named here and in multiPoint: first, in this order. Named in multiPoint alone: then. Named here alone: last.
    let mixed = profile(
        "{filter: {enabled: [{name: InterPodAffinity}, {name: Everywhere}, {name: NodeName}]}, \
         permit: {disabled: [{name: '*'}]}}",
    );
    assert_eq!(
        names(&mixed, P::Filter),
        [
            "InterPodAffinity",
            "NodeName",
            "TaintToleration",
            "NodeAffinity",
            "NodeResourcesFit",
            "VolumeBinding",
            "PodTopologySpread",
            "DynamicResources",
            "Everywhere",
        ]
    );
}

#[test]
fn plugins_of_ones_own_go_behind_the_defaults() {
    let own = profile(
        "{multiPoint: {enabled: [{name: Everywhere, weight: 7}]}, queueSort: {disabled: [{name: PrioritySort}]}}",
    );
    for point in P::ALL {
        assert_eq!(names(&own, point).last(), Some(&"Everywhere"), "{point}");
    }
    assert_eq!(weights(&own).last(), Some(&("Everywhere", 7)));
}

#[test]
fn values_know_where_they_were_written() {
    let config =
        config("profiles:\n- plugins:\n    score:\n      enabled:\n      - name: NodeAffinity\n        weight: 5\n");
    let entry = &config.profiles[0].plugins.at(P::Score)[0];
    let line = |origin: &Option<crate::Origin>| origin.as_ref().map(ToString::to_string);
    assert_eq!(line(&entry.origin).as_deref(), Some("c.yaml:7"));
    assert_eq!(line(&entry.weight_origin).as_deref(), Some("c.yaml:8"));
    assert_eq!(config.profiles[0].plugins.at(P::Score)[1].origin, None);
}

#[test]
fn wrong_names() {
    insta::assert_snapshot!(
        refused(
            "profiles:\n- plugins:\n    multiPoint:\n      enabled:\n      - name: NodeRessourcesFit\n      - name: \"\"\n    \
             filter:\n      enabled:\n      - name: nodename\n      - name: ImageLocality\n      - name: Everywhere\n      - name: Everywhere\n      - name: EBSLimits\n    \
             placementScore:\n      enabled: [{name: Everywhere}, {name: Nothing}]\n    \
             filters: {}\n"
        ),
        @r#"
    c.yaml:7:9: profiles[0].plugins.multiPoint.enabled[0]: plugin "NodeRessourcesFit" does not exist; did you mean "NodeResourcesFit"?
    c.yaml:8:9: profiles[0].plugins.multiPoint.enabled[1].name: Required value: the name of a plugin
    c.yaml:11:9: profiles[0].plugins.filter.enabled[0]: FilterPlugin "nodename" does not exist; did you mean "NodeName"?
    c.yaml:12:9: profiles[0].plugins.filter.enabled[1]: plugin "ImageLocality" does not extend FilterPlugin plugin
    c.yaml:14:9: profiles[0].plugins.filter.enabled[3]: plugin "Everywhere" already registered as "FilterPlugin"
    c.yaml:15:9: profiles[0].plugins.filter.enabled[4]: Invalid value: "EBSLimits": was invalid in version "v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1"): NodeVolumeLimits checks the limits of CSI volumes, into which these were migrated
    c.yaml:17:17: profiles[0].plugins.placementScore.enabled[0]: plugin "Everywhere" does not extend PlacementScorePlugin plugin
    c.yaml:17:37: profiles[0].plugins.placementScore.enabled[1]: PlacementScorePlugin "Nothing" does not exist
    c.yaml:18:5: profiles[0].plugins.filters: unknown field "filters"; did you mean "filter"?
    "#
    );
}

#[test]
fn a_plugin_twice_in_multi_point_is_said_once() {
    insta::assert_snapshot!(
        refused("profiles:\n- plugins: {multiPoint: {enabled: [{name: NodeAffinity, weight: 2}, {name: NodeAffinity, weight: 2}]}}\n"),
        @r#"c.yaml:4:36: profiles[0].plugins.multiPoint.enabled[0]: plugin "NodeAffinity" already registered as "PreFilterPlugin""#
    );
}

#[test]
fn weights_are_positive_numbers() {
    insta::assert_snapshot!(
        refused("profiles:\n- plugins: {score: {enabled: [{name: NodeAffinity, weight: -1}, {name: ImageLocality, weight: heavy}]}}\n"),
        @r#"
    c.yaml:4:52: profiles[0].plugins.score.enabled[0].weight: Invalid value: -1: a weight is at least 1 (disable the plugin to leave out its score)
    c.yaml:4:87: profiles[0].plugins.score.enabled[1].weight: expected a whole number, found the text `heavy`
    "#
    );
}

#[test]
fn what_has_no_effect_is_worth_a_warning() {
    insta::assert_snapshot!(
        warned(
            "profiles:\n- plugins:\n    multiPoint:\n      enabled:\n      - {name: NodeName, weight: 3}\n      - {name: TaintToleration}\n      \
             disabled:\n      - {name: ImageLocalty}\n    \
             filter:\n      enabled: [{name: NodeAffinity, weight: 3}]\n    \
             score:\n      disabled: [{name: NodeName}]\n      enabled: [{name: PodTopologySpread}]\n"
        ),
        @r#"
    c.yaml:7:26: profiles[0].plugins.multiPoint.enabled[0].weight: this weight has no effect: NodeName does not score
    c.yaml:8:9: profiles[0].plugins.multiPoint.enabled[1]: TaintToleration is named without a weight and so gets 1; the default profile gives it 3
    c.yaml:10:9: profiles[0].plugins.multiPoint.disabled[0]: plugin "ImageLocalty" does not exist, so this disables nothing; did you mean "ImageLocality"?
    c.yaml:12:38: profiles[0].plugins.filter.enabled[0].weight: this weight has no effect: only Score has weights, Filter has none
    c.yaml:14:18: profiles[0].plugins.score.disabled[0]: NodeName has no Score, so this disables nothing
    c.yaml:15:17: profiles[0].plugins.score.enabled[0]: PodTopologySpread is named without a weight and so gets 1; the default profile gives it 2
    "#
    );
}

#[test]
fn a_plugin_named_without_a_weight_weighs_one() {
    let loaded = load("profiles:\n- plugins: {multiPoint: {enabled: [{name: TaintToleration}]}}\n");
    assert_eq!(weights(&loaded.config.profiles[0])[0], ("TaintToleration", 1));
    // When Score has a weight of its own, that of multiPoint does not matter.
    config(
        "profiles:\n- plugins: {multiPoint: {enabled: [{name: TaintToleration}]}, score: {enabled: [{name: TaintToleration, weight: 3}]}}\n",
    );
}

#[test]
fn a_profile_needs_one_queue_sort_and_a_binder() {
    insta::assert_snapshot!(
        refused("profiles:\n- plugins: {queueSort: {enabled: [{name: OtherSort}]}, bind: {disabled: [{name: '*'}]}}\n"),
        @r#"
    c.yaml:4:13: profiles[0].plugins.queueSort: only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 2 (PrioritySort, OtherSort)
    c.yaml:4:56: profiles[0].plugins.bind: at least one bind plugin is needed for profile with scheduler name "default-scheduler"
    "#
    );
    insta::assert_snapshot!(refused("profiles:\n- plugins: {multiPoint: {disabled: [{name: '*'}]}}\n"), @r#"
    c.yaml:4:3: profiles[0].plugins.bind: at least one bind plugin is needed for profile with scheduler name "default-scheduler"
    c.yaml:4:3: profiles[0].plugins.queueSort: only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0
    "#);
}
