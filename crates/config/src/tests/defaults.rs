//! What is not written.

use loadline_framework::ExtensionPoint as P;

use super::registry::registry;
use super::{config, names, refused, weights};
use crate::{compile, default_config, hash};

#[test]
fn no_file_is_the_default_configuration() {
    let default = default_config(&registry()).expect("the registry has a default profile");
    assert!(default.origins.keys().all(|path| path == "apiVersion" || path == "kind"));
    let profile = &default.profiles[0];
    assert_eq!(default.profiles.len(), 1);
    assert_eq!(profile.scheduler_name, "default-scheduler");
    assert_eq!(
        names(profile, P::Filter),
        [
            "NodeName",
            "TaintToleration",
            "NodeAffinity",
            "NodeResourcesFit",
            "VolumeBinding",
            "PodTopologySpread",
            "InterPodAffinity",
            "DynamicResources",
        ]
    );
    assert_eq!(
        weights(profile),
        [
            ("TaintToleration", 3),
            ("NodeAffinity", 2),
            ("NodeResourcesFit", 1),
            // It is in the default profile without a weight.
            ("VolumeBinding", 1),
            ("PodTopologySpread", 2),
            ("InterPodAffinity", 2),
            ("ImageLocality", 1),
        ]
    );
    assert_eq!(names(profile, P::PreEnqueue), ["SchedulingGates", "DynamicResources", "DefaultPreemption"]);
    assert_eq!(names(profile, P::PostFilter), ["DynamicResources", "DefaultPreemption"]);
    assert_eq!(names(profile, P::QueueSort), ["PrioritySort"]);
    assert_eq!(names(profile, P::Bind), ["DefaultBinder"]);
    assert!(names(profile, P::Permit).is_empty());
}

#[test]
fn the_scalars() {
    let config = config("");
    assert_eq!(config.parallelism, 16);
    assert_eq!(config.percentage_of_nodes_to_score, 0);
    assert_eq!((config.pod_initial_backoff_seconds, config.pod_max_backoff_seconds), (1, 10));
    assert!(config.enable_profiling && config.enable_contention_profiling && !config.delay_cache_until_active);
    let connection = &config.client_connection;
    assert_eq!(connection.content_type, "application/vnd.kubernetes.protobuf");
    assert!((connection.qps - 50.0).abs() < f32::EPSILON);
    assert_eq!(connection.burst, 100);
    let election = &config.leader_election;
    assert!(election.leader_elect);
    assert_eq!(
        [election.lease_duration, election.renew_deadline, election.retry_period],
        [15, 10, 2].map(|seconds: i64| seconds * 1_000_000_000)
    );
    assert_eq!(election.resource_lock, "leases");
    assert_eq!(election.resource_name, "kube-scheduler");
    assert_eq!(election.resource_namespace, "kube-system");
}

#[test]
fn null_and_zero_values_are_absent_where_go_can_not_tell() {
    let written = config(
        "parallelism: null\n\
         leaderElection: {leaseDuration: 0s, renewDeadline: null, resourceLock: \"\"}\n\
         clientConnection: {qps: 0, burst: 0, contentType: \"\"}\n\
         profiles: null\n\
         extenders: []\n",
    );
    let default = config("");
    assert_eq!(hash(&written), hash(&default));
    assert_eq!(written.leader_election, default.leader_election);
    // Nor do they count as written.
    assert!(!written.origins.contains_key("leaderElection.leaseDuration"));
    assert!(!written.origins.contains_key("clientConnection.qps"));
}

#[test]
fn contention_profiling_follows_profiling() {
    assert!(!config("enableProfiling: false\n").enable_contention_profiling);
    assert!(config("enableProfiling: false\nenableContentionProfiling: true\n").enable_contention_profiling);
}

#[test]
fn the_hash_does_not_depend_on_spelling() {
    let plain = hash(&config(""));
    assert_eq!(plain.len(), 16);
    let spelt =
        config("# a comment\nleaderElection: {leaseDuration: 0.25m}\nprofiles: [{schedulerName: default-scheduler}]\n");
    assert_eq!(hash(&spelt), plain);
    assert_ne!(hash(&config("parallelism: 17\n")), plain);
    let weighted = config("profiles: [{plugins: {score: {enabled: [{name: ImageLocality, weight: 2}]}}}]\n");
    assert_ne!(hash(&weighted), plain);
}

#[test]
fn compiled_profiles_list_plugins_by_index() {
    let config = config(
        "percentageOfNodesToScore: 30\npodInitialBackoffSeconds: 2\n\
         profiles:\n- schedulerName: a\n- schedulerName: b\n  percentageOfNodesToScore: 0\n",
    );
    let profiles = compile(&config, &registry()).expect("it is valid");
    assert_eq!(profiles.pod_initial_backoff, 2_000_000_000);
    assert_eq!(profiles.pod_max_backoff, 10_000_000_000);
    assert_eq!(&*profiles.config_hash, hash(&config).as_str());
    let [a, b] = &profiles.profiles[..] else { panic!("two profiles") };
    assert_eq!(a.percentage_of_nodes_to_score, Some(30));
    assert_eq!(b.percentage_of_nodes_to_score, Some(0));
    assert_eq!(a.name(a.queue_sort), "PrioritySort");
    let filters: Vec<&str> = a.filter.iter().map(|index| a.name(*index)).collect();
    assert_eq!(filters, names(&config.profiles[0], P::Filter));
    let score: Vec<(&str, i64)> = a.score.iter().map(|score| (a.name(score.plugin), score.weight)).collect();
    assert_eq!(score, weights(&config.profiles[0]));
    assert!(profiles.get("b").is_some() && profiles.get("c").is_none());
}

#[test]
fn a_registry_without_a_default_profile_is_refused() {
    let problems = default_config(&loadline_framework::Registry::new()).expect_err("nothing sorts the queue");
    assert_eq!(problems.len(), 2);
}

#[test]
fn numbers_that_do_not_fit() {
    insta::assert_snapshot!(
        refused("parallelism: 3000000000\npodMaxBackoffSeconds: 1.5\nclientConnection: {qps: 1e300, burst: 99999999999}\n"),
        @r#"
    c.yaml:3:1: parallelism: Invalid value: 3000000000: does not fit in 32 bits
    c.yaml:4:1: podMaxBackoffSeconds: expected a whole number, found the number 1.5
    c.yaml:5:20: clientConnection.qps: Invalid value: inf: does not fit in 32 bits
    c.yaml:5:32: clientConnection.burst: Invalid value: 99999999999: does not fit in 32 bits
    "#
    );
}
