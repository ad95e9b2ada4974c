//! Several profiles, extenders, and the fields at the top.

use super::{config, refused, warned};
use crate::format_duration;

#[test]
fn several_profiles() {
    let config = config(
        "percentageOfNodesToScore: 50\n\
         profiles:\n- schedulerName: a\n- schedulerName: b\n  percentageOfNodesToScore: 100\n  \
         plugins: {postFilter: {disabled: [{name: '*'}]}}\n",
    );
    assert_eq!(config.profiles.len(), 2);
    assert_eq!(config.profiles[0].percentage_of_nodes_to_score, None);
    assert_eq!(config.profiles[1].percentage_of_nodes_to_score, Some(100));
}

#[test]
fn names_of_profiles() {
    insta::assert_snapshot!(
        refused("profiles:\n- {}\n- schedulerName: a\n- schedulerName: a\n- schedulerName: 7\n- schedulerName: ''\n"),
        @""
    );
    insta::assert_snapshot!(refused("profiles: [{schedulerName: ''}]\n"), @"");
}

#[test]
fn all_profiles_sort_the_queue_alike() {
    insta::assert_snapshot!(
        refused(
            "profiles:\n- schedulerName: a\n- schedulerName: b\n  plugins:\n    queueSort:\n      enabled: [{name: OtherSort}]\n      disabled: [{name: '*'}]\n"
        ),
        @""
    );
    // Even by the same plugin: kube-scheduler compares what is written.
    insta::assert_snapshot!(
        refused("profiles:\n- schedulerName: a\n- schedulerName: b\n  plugins: {queueSort: {enabled: [{name: PrioritySort}]}}\n"),
        @""
    );
    let sort = "plugins: {queueSort: {enabled: [{name: OtherSort}], disabled: [{name: '*'}]}}";
    config(&format!(
        "profiles:\n- schedulerName: a\n  {sort}\n- schedulerName: b\n  {sort}\n"
    ));
    insta::assert_snapshot!(
        refused(&format!(
            "profiles:\n- schedulerName: a\n  {sort}\n- schedulerName: b\n  {sort}\n  pluginConfig: [{{name: OtherSort, args: {{reverse: true}}}}]\n"
        )),
        @""
    );
}

#[test]
fn values_out_of_range() {
    insta::assert_snapshot!(
        refused(
            "parallelism: 0\n\
             percentageOfNodesToScore: 101\n\
             podInitialBackoffSeconds: 0\n\
             podMaxBackoffSeconds: -1\n\
             clientConnection: {burst: -1}\n\
             leaderElection: {leaseDuration: 5s, renewDeadline: 10s, retryPeriod: 9s, resourceLock: endpoints}\n\
             profiles: [{percentageOfNodesToScore: -1}]\n"
        ),
        @""
    );
    insta::assert_snapshot!(refused("podInitialBackoffSeconds: 20\n"), @"");
}

#[test]
fn leader_election_is_checked_only_when_it_takes_place() {
    let config = config("leaderElection: {leaderElect: false, leaseDuration: -1s, resourceLock: endpoints}\n");
    assert_eq!(config.leader_election.resource_lock, "endpoints");
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(
        refused(
            "parallelism: \"16\"\n\
             enableProfiling: 1\n\
             leaderElection: {leaderElect: maybe, leaseDuration: 15, renewDeadline: 10 s, resourceName: yes}\n\
             clientConnection: []\n\
             extenders: {}\n\
             profiles: [a, {plugins: [], pluginConfig: x}]\n"
        ),
        @""
    );
}

#[test]
fn extenders() {
    let config = config(
        "extenders:\n- urlPrefix: http://127.0.0.1:8888/scheduler\n  filterVerb: filter\n  prioritizeVerb: prioritize\n  weight: 5\n  \
         bindVerb: bind\n  enableHTTPS: true\n  httpTimeout: 100ms\n  nodeCacheCapable: true\n  ignorable: true\n  \
         tlsConfig: {serverName: x, caData: QUJD}\n  managedResources:\n  - name: example.com/gpu\n    ignoredByScheduler: true\n  - name: example.com/fpga\n\
         - urlPrefix: http://other\n",
    );
    let [first, second] = &config.extenders[..] else {
        panic!("two extenders")
    };
    assert_eq!(first.weight, 5);
    assert_eq!(format_duration(first.http_timeout), "100ms");
    assert_eq!(format_duration(second.http_timeout), "5s");
    assert!(first.managed_resources[0].ignored_by_scheduler);
    // What an extender takes care of, NodeResourcesFit leaves alone.
    let fit = config.profiles[0].args("NodeResourcesFit").expect("it has arguments");
    assert_eq!(fit.args["ignoredResources"], serde_json::json!(["example.com/gpu"]));
}

#[test]
fn an_extender_needs_node_resources_fit_to_ignore_a_resource() {
    let extender =
        "extenders: [{urlPrefix: 'http://e', managedResources: [{name: a.b/c, ignoredByScheduler: true}]}]\n";
    let plugins = "plugins: {multiPoint: {disabled: [{name: NodeResourcesFit}]}}";
    insta::assert_snapshot!(refused(&format!("{extender}profiles:\n- {plugins}\n")), @"");
    // Arguments are enough, as in kube-scheduler.
    insta::assert_snapshot!(
        warned(&format!("{extender}profiles:\n- {plugins}\n  pluginConfig: [{{name: NodeResourcesFit}}]\n")),
        @""
    );
}

#[test]
fn wrong_extenders() {
    insta::assert_snapshot!(
        refused(
            "extenders:\n- urlPrefix: http://a\n  prioritizeVerb: p\n  bindVerb: b\n  managedResources: [{name: cpu}, {name: a.b/c}]\n\
             - url: http://b\n  bindVerb: b\n  httpTimeout: fast\n  managedResources: [{name: a.b/c}]\n  tlsConfig: {keyData: \"a secret\", insecur: true}\n"
        ),
        @""
    );
}
