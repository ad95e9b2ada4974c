//! With the plugins that are shipped: the default profile is kube-scheduler's, and configurations as people write them
//! work.

use loadline_framework::ExtensionPoint as P;
use loadline_plugins::registry;

use super::{HEAD, lines, names, weights};
use crate::effective::to_yaml;
use crate::reference::{self, arg_rows, generate_plugins_reference};
use crate::{Config, compile, default_config, hash, parse};

/// Reads, builds, and reads back what is shown.
#[track_caller]
fn works(body: &str) -> Config {
    let loaded =
        parse(&format!("{HEAD}{body}"), "c.yaml", &registry()).unwrap_or_else(|found| panic!("{}", lines(&found)));
    assert_eq!(lines(&loaded.warnings), "");
    compile(&loaded.config, &registry()).unwrap_or_else(|found| panic!("{}", lines(&found)));
    let shown = to_yaml(&loaded.config, &registry(), true);
    let again = parse(&shown, "again.yaml", &registry()).unwrap_or_else(|found| panic!("{}\n{shown}", lines(&found)));
    assert_eq!(hash(&again.config), hash(&loaded.config), "{shown}");
    loaded.config
}

#[test]
fn the_default_profile_is_kube_schedulers() {
    let config = default_config(&registry()).expect("the built-in plugins make a default profile");
    compile(&config, &registry()).expect("its plugins can be built");
    let profile = &config.profiles[0];
    let filters = [
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "VolumeBinding",
        "VolumeZone",
        "PodTopologySpread",
        "InterPodAffinity",
        "DynamicResources",
        "NodeDeclaredFeatures",
    ];
    assert_eq!(names(profile, P::Filter), filters);
    assert_eq!(names(profile, P::PreFilter), filters[3..]);
    assert_eq!(names(profile, P::QueueSort), ["PrioritySort"]);
    assert_eq!(names(profile, P::PostFilter), ["DynamicResources", "DefaultPreemption"]);
    assert_eq!(
        names(profile, P::PreScore),
        [
            "TaintToleration",
            "NodeAffinity",
            "NodeResourcesFit",
            "VolumeBinding",
            "PodTopologySpread",
            "InterPodAffinity",
            "NodeResourcesBalancedAllocation",
        ]
    );
    assert_eq!(
        weights(profile),
        [
            ("TaintToleration", 3),
            ("NodeAffinity", 2),
            ("NodeResourcesFit", 1),
            ("VolumeBinding", 1),
            ("PodTopologySpread", 2),
            ("InterPodAffinity", 2),
            ("DynamicResources", 2),
            ("NodeResourcesBalancedAllocation", 1),
            ("ImageLocality", 1),
        ]
    );
    assert_eq!(names(profile, P::Reserve), ["VolumeBinding", "DynamicResources"]);
    assert_eq!(names(profile, P::PreBind), ["VolumeBinding", "DynamicResources"]);
    assert_eq!(names(profile, P::Bind), ["DefaultBinder"]);
    assert!(names(profile, P::Permit).is_empty() && names(profile, P::PostBind).is_empty());
    works("");
}

#[test]
fn arguments_of_every_plugin() {
    let config = works(include_str!("arguments.yaml"));
    let written: Vec<&str> = config.profiles[0].plugin_config.iter().map(|args| args.name.as_str()).collect();
    let taking: Vec<&str> =
        registry().iter().filter(|plugin| !plugin.args.is_empty()).map(|plugin| plugin.name).collect();
    for name in taking {
        assert!(written.contains(&name), "{name}");
        let args = config.profiles[0].args(name).expect("it was just found");
        assert!(!args.origins.is_empty(), "arguments.yaml sets none of {name}");
    }
}

#[test]
fn scoring_alone_by_one_plugin() {
    let config = works(
        "profiles:\n- schedulerName: packing\n  plugins:\n    score:\n      disabled: [{name: '*'}]\n      enabled: [{name: NodeResourcesFit, weight: 1}]\n  \
         pluginConfig:\n  - name: NodeResourcesFit\n    args:\n      scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 2}, {name: memory, weight: 1}]}\n",
    );
    assert_eq!(weights(&config.profiles[0]), [("NodeResourcesFit", 1)]);
}

#[test]
fn a_scheduler_without_preemption_beside_the_default_one() {
    let config = works(
        "profiles:\n- schedulerName: default-scheduler\n- schedulerName: no-preemption\n  plugins: {multiPoint: {disabled: [{name: DefaultPreemption}]}}\n\
         - schedulerName: no-scoring\n  plugins: {preScore: {disabled: [{name: '*'}]}, score: {disabled: [{name: '*'}]}}\n",
    );
    assert_eq!(names(&config.profiles[1], P::PostFilter), ["DynamicResources"]);
    assert!(weights(&config.profiles[2]).is_empty());
}

#[test]
fn only_what_is_named() {
    let config = works(
        "profiles:\n- plugins:\n    multiPoint:\n      disabled: [{name: '*'}]\n      enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeResourcesFit}]\n",
    );
    assert_eq!(names(&config.profiles[0], P::Filter), ["NodeResourcesFit"]);
}

#[test]
fn an_update_of_any_kind_is_one_event() {
    let registry = registry();
    let events = |name: &str| reference::events(registry.get(name).expect("it is registered"));
    let fit = events("NodeResourcesFit");
    assert!(fit.contains(&"NodeUpdateNodeAllocatable".to_owned()), "{fit:?}");
    assert!(fit.contains(&"resource.k8s.io/DeviceClassUpdate".to_owned()), "{fit:?}");
    assert!(fit.iter().all(|event| !event.contains('|')), "{fit:?}");
}

#[test]
fn descriptors_are_complete() {
    for plugin in registry().iter() {
        assert!(!plugin.help.is_empty(), "{}", plugin.name);
        for row in arg_rows(plugin) {
            assert!(!row.help.is_empty(), "{} {}", plugin.name, row.path);
            let default = serde_json::from_str::<serde_json::Value>(row.default);
            assert!(row.default.is_empty() || default.is_ok(), "{} {}", plugin.name, row.path);
        }
    }
    let page = generate_plugins_reference(&registry());
    assert!(registry().iter().all(|plugin| page.contains(&format!("## {}\n", plugin.name))));
}
