//! Several profiles, extenders, and the fields at the top.

use loadline_model::duration;

use super::{config, refused, warned};

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
        @r#"
    c.yaml:4:3: profiles[0].schedulerName: Required value: each of several profiles needs a name of its own
    c.yaml:6:3: profiles[2].schedulerName: Duplicate value: "a": profiles[1] has it
    c.yaml:7:3: profiles[3].schedulerName: expected a text, found the number 7 (quotes make it a text)
    c.yaml:8:3: profiles[4].schedulerName: Required value: each of several profiles needs a name of its own
    "#
    );
    insta::assert_snapshot!(refused("profiles: [{schedulerName: ''}]\n"), @"c.yaml:3:13: profiles[0].schedulerName: Required value");
}

#[test]
fn all_profiles_sort_the_queue_alike() {
    insta::assert_snapshot!(
        refused(
            "profiles:\n- schedulerName: a\n- schedulerName: b\n  plugins:\n    queueSort:\n      enabled: [{name: OtherSort}]\n      disabled: [{name: '*'}]\n"
        ),
        @r#"c.yaml:7:5: profiles[1].plugins.queueSort: Invalid value: "OtherSort": must be the same for all profiles"#
    );
    // Even by the same plugin: kube-scheduler compares what is written.
    insta::assert_snapshot!(
        refused("profiles:\n- schedulerName: a\n- schedulerName: b\n  plugins: {queueSort: {enabled: [{name: PrioritySort}]}}\n"),
        @r#"c.yaml:6:13: profiles[1].plugins.queueSort: Invalid value: "PrioritySort": must be the same for all profiles"#
    );
    let sort = "plugins: {queueSort: {enabled: [{name: OtherSort}], disabled: [{name: '*'}]}}";
    config(&format!("profiles:\n- schedulerName: a\n  {sort}\n- schedulerName: b\n  {sort}\n"));
    insta::assert_snapshot!(
        refused(&format!(
            "profiles:\n- schedulerName: a\n  {sort}\n- schedulerName: b\n  {sort}\n  pluginConfig: [{{name: OtherSort, args: {{reverse: true}}}}]\n"
        )),
        @"c.yaml:6:3: profiles[1].pluginConfig: queueSort must be the same for all profiles: OtherSort has other arguments here than in the first"
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
        @r#"
    c.yaml:3:1: parallelism: Invalid value: 0: should be an integer value greater than zero
    c.yaml:4:1: percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]
    c.yaml:5:1: podInitialBackoffSeconds: Invalid value: 0: must be greater than 0
    c.yaml:6:1: podMaxBackoffSeconds: Invalid value: -1: must be greater than or equal to PodInitialBackoffSeconds
    c.yaml:7:20: clientConnection.burst: Invalid value: -1: must be non-negative
    c.yaml:8:18: leaderElection.leaseDuration: Invalid value: 5s: must be greater than `RenewDeadline` (10s)
    c.yaml:8:37: leaderElection.renewDeadline: Invalid value: 10s: must be greater than `RetryPeriod` (9s) times 1.2
    c.yaml:8:74: leaderElection.resourceLock: Invalid value: "endpoints": resourceLock value must be "leases"
    c.yaml:9:13: profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]
    "#
    );
    insta::assert_snapshot!(refused("podInitialBackoffSeconds: 20\n"), @"c.yaml:3:1: podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds");
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
        @r#"
    c.yaml:3:1: parallelism: expected a whole number, found the text `16`
    c.yaml:4:1: enableProfiling: expected true or false, found the number 1
    c.yaml:5:18: leaderElection.leaderElect: expected true or false, found the text `maybe`
    c.yaml:5:38: leaderElection.leaseDuration: expected a duration such as "10s" or "1m30s", found the number 15
    c.yaml:5:57: leaderElection.renewDeadline: Invalid value: "10 s": not a duration: expected a number with a unit (ns, us, ms, s, m, h), such as "10s" or "1m30s"
    c.yaml:5:78: leaderElection.resourceName: expected a text, found the boolean true (quotes make it a text)
    c.yaml:6:1: clientConnection: expected a map, found a list
    c.yaml:7:1: extenders: expected a list, found a map
    c.yaml:8:12: profiles[0]: expected a map, found the text `a`
    c.yaml:8:12: profiles[0].schedulerName: Required value: each of several profiles needs a name of its own
    c.yaml:8:15: profiles[1].schedulerName: Required value: each of several profiles needs a name of its own
    c.yaml:8:16: profiles[1].plugins: expected a map, found a list
    c.yaml:8:29: profiles[1].pluginConfig: expected a list, found the text `x`
    "#
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
    let [first, second] = &config.extenders[..] else { panic!("two extenders") };
    assert_eq!(first.weight, 5);
    assert_eq!(duration::format(first.http_timeout), "100ms");
    assert_eq!(duration::format(second.http_timeout), "5s");
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
    insta::assert_snapshot!(refused(&format!("{extender}profiles:\n- {plugins}\n")), @"c.yaml:3:1: profiles[0].pluginConfig: can't find NodeResourcesFitArgs in plugin config: an extender's managed resource is ignoredByScheduler, but the profile does not run NodeResourcesFit");
    // Arguments are enough, as in kube-scheduler.
    insta::assert_snapshot!(
        warned(&format!("{extender}profiles:\n- {plugins}\n  pluginConfig: [{{name: NodeResourcesFit}}]\n")),
        @"c.yaml:6:19: profiles[0].pluginConfig[0].name: NodeResourcesFit does not run in this profile, so these arguments have no effect"
    );
}

#[test]
fn wrong_extenders() {
    insta::assert_snapshot!(
        refused(
            "extenders:\n- urlPrefix: http://a\n  prioritizeVerb: p\n  bindVerb: b\n  managedResources: [{name: cpu}, {name: a.b/c}]\n\
             - url: http://b\n  bindVerb: b\n  httpTimeout: fast\n  managedResources: [{name: a.b/c}]\n  tlsConfig: {keyData: \"a secret\", insecur: true}\n"
        ),
        @r#"
    c.yaml:3:1: extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind
    c.yaml:4:3: extenders[0].weight: Invalid value: 0: must have a positive weight applied to it
    c.yaml:7:23: extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name
    c.yaml:8:3: extenders[1].url: unknown field "url"
    c.yaml:10:3: extenders[1].httpTimeout: Invalid value: "fast": not a duration: expected a number with a unit (ns, us, ms, s, m, h), such as "10s" or "1m30s"
    c.yaml:11:23: extenders[1].managedResources[0].name: Invalid value: "a.b/c": duplicate extender managed resource name
    c.yaml:12:15: extenders[1].tlsConfig.keyData: expected base64
    c.yaml:12:36: extenders[1].tlsConfig.insecur: unknown field "insecur"; did you mean "insecure"?
    "#
    );
}
