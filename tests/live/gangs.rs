//! Gangs on real control planes: placed whole or not at all, and told in the status of their PodGroups.

use std::path::Path;

use std::time::Duration;

use loadline_fixture::{Cluster, ControlPlane, Fault, Node};
use serde_json::{Value, json};

use crate::support::{
    NAME, Running, add_node_for, cluster, create, eventually, get, install_component, is_long, kubectl, list, pod,
    priority_class, service_account, within,
};

/// Flags of an API server that serves Kubernetes' own PodGroups.
pub(crate) const CORE: [&str; 2] = [
    "--runtime-config=scheduling.k8s.io/v1alpha2=true",
    "--feature-gates=GenericWorkload=true,GangScheduling=true,TopologyAwareWorkloadScheduling=true",
];

/// Installs what the manifests have for gangs.
pub(crate) fn install(server: &ControlPlane) {
    install_component(server, "gangs", "podgroups.yaml", GROUPS);
}

const GROUPS: &str = "podgroups.scheduling.x-k8s.io";
const CORE_GROUPS: &str = "podgroups.scheduling.k8s.io";

/// Writes a configuration with gangs in the default profile and in one named `loadline`.
pub(crate) fn configure(path: &Path, kubeconfig: &Path, args: &Value) {
    let profile = |name: &str| {
        json!({
            "schedulerName": name,
            "plugins": {
                "multiPoint": {"enabled": [{"name": "Coscheduling"}], "disabled": [{"name": "PrioritySort"}]},
            },
            "pluginConfig": [{"name": "Coscheduling", "args": args}],
        })
    };
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig, "qps": 2000.0, "burst": 4000},
        "leaderElection": {
            "resourceName": NAME, "leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms",
        },
        "profiles": [profile("default-scheduler"), profile("loadline")],
    });
    std::fs::write(path, config.to_string()).expect("the configuration is written");
}

struct Gangs {
    scheduler: Running,
    _folder: tempfile::TempDir,
}

fn start(server: &ControlPlane) -> Gangs {
    start_with(&service_account(server), &json!({}))
}

fn start_with(kubeconfig: &Path, args: &Value) -> Gangs {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yaml");
    configure(&path, kubeconfig, args);
    Gangs { scheduler: Running::with_config(&path), _folder: folder }
}

pub(crate) fn group(name: &str, minimum: usize) -> Value {
    json!({
        "apiVersion": "scheduling.x-k8s.io/v1alpha1",
        "kind": "PodGroup",
        "metadata": {"name": name},
        "spec": {"minMember": minimum},
    })
}

pub(crate) fn core_group(name: &str, minimum: usize) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1alpha2",
        "kind": "PodGroup",
        "metadata": {"name": name},
        "spec": {"schedulingPolicy": {"gang": {"minCount": minimum}}},
    })
}

/// A member of a group that labels name.
pub(crate) fn member(group: &str, number: usize, cpu: &str, spec: &Value) -> Value {
    let mut pod = pod(&format!("{group}-{number}"), cpu, spec);
    pod["metadata"]["labels"] = json!({"app": group, "scheduling.x-k8s.io/pod-group": group});
    pod
}

pub(crate) fn core_member(group: &str, number: usize, cpu: &str) -> Value {
    let mut pod = pod(&format!("{group}-{number}"), cpu, &json!({"schedulingGroup": {"podGroupName": group}}));
    pod["metadata"]["labels"] = json!({"app": group});
    pod
}

fn members(group: &str, count: usize, cpu: &str) -> Vec<Value> {
    (0..count).map(|number| member(group, number, cpu, &json!({}))).collect()
}

/// How many pods of a gang are there and go nowhere, and how many of them have a node.
fn placed(server: &ControlPlane, namespace: &str, group: &str) -> (usize, usize) {
    let pods = list(server, &["pods", "-n", namespace, "--selector", &format!("app={group}")]);
    let stay = || pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    (stay().count(), stay().filter(|pod| pod["spec"]["nodeName"].is_string()).count())
}

/// Waits until so many pods of a gang have a node, and no other is there.
fn whole(server: &ControlPlane, group: &str, count: usize) {
    eventually(&format!("{count} pods of {group} have nodes"), || {
        (placed(server, "default", group) == (count, count)).then_some(())
    });
}

/// Waits until the status of a group is so.
fn status(server: &ControlPlane, kind: &str, group: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    within(Duration::from_mins(1), &format!("the status of {group} is right"), || {
        let found = get(server, &[kind, group])["status"].clone();
        is_so(&found).then_some(found)
    })
}

#[test]
fn of_two_gangs_for_most_of_the_cluster_one_runs_and_the_other_holds_nothing() {
    let nodes: Vec<Node> = (0..4).map(|number| Node::new(&format!("node-{number}"), 4000, 8192)).collect();
    let cluster = cluster(&nodes);
    install(&cluster);
    let gangs = start(&cluster);
    // Ten of sixteen cores each, in turns, and the groups last.
    let both: Vec<Value> =
        members("a", 10, "1").into_iter().zip(members("b", 10, "1")).flat_map(|(a, b)| [a, b]).collect();
    create(&cluster, &both);
    create(&cluster, &[group("a", 10), group("b", 10)]);
    let (first, second) = eventually("one of them has its nodes", || {
        let of = |group| placed(&cluster, "default", group).1;
        match (of("a"), of("b")) {
            (10, 0) => Some(("a", "b")),
            (0, 10) => Some(("b", "a")),
            _ => None,
        }
    });
    status(&cluster, GROUPS, first, |status| {
        status["phase"] == "Running" && status["running"] == 10 && status["conditions"][0]["status"] == "True"
    });
    let waits = status(&cluster, GROUPS, second, |status| status["conditions"][0]["reason"] == "Unschedulable");
    assert_eq!((&waits["phase"], &waits["running"]), (&json!("Scheduling"), &json!(0)));
    assert!(waits["scheduleStartTime"].is_string(), "{waits}");
    let message = waits["conditions"][0]["message"].as_str().expect("it says why");
    assert!(message.contains("6 of the 10 pods that must be placed together find a node"), "{message}");
    let why = eventually("the group has an event", || {
        let selector = format!("regarding.kind=PodGroup,regarding.name={second},reason=FailedScheduling");
        list(&cluster, &["events.events.k8s.io", "--field-selector", &selector]).pop()
    });
    assert_eq!(why["note"], message);

    // Small work flows past, and fits into what neither holds.
    create(&cluster, &[pod("small", "1500m", &json!({}))]);
    eventually("small work is placed", || {
        get(&cluster, &["pod", "small"])["spec"]["nodeName"].is_string().then_some(())
    });
    kubectl(&cluster, &["delete", "pod", "small", "--grace-period=0", "--force"], "");

    // Members that ran to their end count, and their room is free.
    for number in 0..10 {
        let patch = json!({"status": {"phase": "Succeeded"}}).to_string();
        let name = format!("{first}-{number}");
        kubectl(&cluster, &["patch", "pod", &name, "--subresource=status", "--type=merge", "-p", &patch], "");
    }
    whole(&cluster, second, 10);
    let ended = status(&cluster, GROUPS, first, |status| {
        status["phase"] == "Finished" && status["conditions"][0]["status"] == "True"
    });
    assert_eq!((&ended["succeeded"], &ended["running"]), (&json!(10), &json!(0)));
    status(&cluster, GROUPS, second, |status| status["phase"] == "Running");
    kubectl(&cluster, &["delete", "pods", "--selector", &format!("app={first}"), "--grace-period=0", "--force"], "");
    // Another scheduler takes over, and finds no pods.
    assert_eq!(gangs.scheduler.stop(), Some(0));
    let _gangs = start(&cluster);
    status(&cluster, GROUPS, second, |status| status["phase"] == "Running" && status["running"] == 10);
    assert_eq!(get(&cluster, &[GROUPS, first])["status"]["phase"], "Finished");
}

#[test]
fn a_gang_preempts_a_gang_whole() {
    let cluster = cluster(&[Node::new("node-a", 4000, 8192), Node::new("node-b", 4000, 8192)]);
    install(&cluster);
    let _gangs = start(&cluster);
    create(&cluster, &[priority_class("high", 1000), group("low", 6), group("high", 4)]);
    create(&cluster, &members("low", 6, "1"));
    whole(&cluster, "low", 6);
    let important = json!({"priorityClassName": "high"});
    create(&cluster, &(0..4).map(|number| member("high", number, "1500m", &important)).collect::<Vec<_>>());
    whole(&cluster, "high", 4);
    assert_eq!(placed(&cluster, "default", "low"), (0, 0), "nothing of the other is left behind");
    status(&cluster, GROUPS, "high", |status| status["phase"] == "Running");
    let uid = get(&cluster, &[GROUPS, "high"])["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let told = eventually("each victim has an event", || {
        let told = list(&cluster, &["events.events.k8s.io", "--field-selector", "reason=Preempted"]);
        (told.len() == 6).then_some(told)
    });
    for event in told {
        let note = event["note"].as_str().unwrap_or_default();
        assert!(note.starts_with(&format!("Preempted by podgroup {uid} on node node-")), "{note}");
    }
}

#[test]
fn a_gang_whose_binding_fails_is_gone_on_with_by_the_next_scheduler() {
    let cluster = cluster(&[Node::new("node-a", 4000, 8192)]);
    install(&cluster);
    let proxy = cluster.proxy(&service_account(&cluster)).expect("a proxy");
    proxy.fail(|method, path| {
        (method == "POST" && (path.contains("a-2/binding") || path.contains("a-3/binding")))
            .then_some(Fault::Refuse(500, None))
    });
    let gangs = start_with(&proxy.kubeconfig(), &json!({}));
    create(&cluster, &[group("a", 4)]);
    create(&cluster, &members("a", 4, "1"));
    eventually("two of four are bound", || (placed(&cluster, "default", "a").1 == 2).then_some(()));
    // The room of the others is held meanwhile.
    create(&cluster, &[pod("other", "1", &json!({}))]);
    eventually("the other has no room", || {
        let conditions = get(&cluster, &["pod", "other"])["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|condition| condition["reason"] == "Unschedulable").then_some(())
    });
    gangs.scheduler.signal("KILL");
    kubectl(&cluster, &["delete", "pod", "other", "--grace-period=0", "--force"], "");
    proxy.heal();
    let _gangs = start_with(&proxy.kubeconfig(), &json!({}));
    whole(&cluster, "a", 4);
}

#[test]
fn the_example_for_a_cluster_does_what_its_page_says() {
    let cluster = cluster(&[Node::new("node-a", 4000, 8192), Node::new("node-b", 4000, 8192)]);
    install(&cluster);
    let _gangs = start(&cluster);
    let example = include_str!("../../examples/gangs/live.yaml");
    kubectl(&cluster, &["apply", "-f", "-"], example);
    let phase = |group: &str| get(&cluster, &[GROUPS, group])["status"]["phase"].clone();
    let (first, second) = eventually("one runs and the other does not", || match [phase("train"), phase("render")] {
        [train, render] if train == "Running" && render == "Scheduling" => Some(("train", "render")),
        [train, render] if train == "Scheduling" && render == "Running" => Some(("render", "train")),
        _ => None,
    });
    let shown = kubectl(&cluster, &["get", GROUPS], "");
    let row = |group: &str| shown.lines().find(|line| line.starts_with(group)).map(str::to_owned).unwrap_or_default();
    assert!(row(first).contains("Running") && row(second).contains("Scheduling"), "{shown}");
    eventually("the other says what it lacks", || {
        let described = kubectl(&cluster, &["describe", "podgroup.scheduling.x-k8s.io", second], "");
        described.contains("Insufficient cpu").then_some(())
    });
    kubectl(&cluster, &["delete", "job", first], "");
    let pods = || list(&cluster, &["pods", "--selector", &format!("scheduling.x-k8s.io/pod-group={second}")]);
    eventually("the other is placed whole", || {
        let placed = pods().iter().filter(|pod| pod["spec"]["nodeName"].is_string()).count();
        (placed == 6).then_some(())
    });
}

#[test]
fn a_group_whose_status_may_not_be_written_is_not_in_the_way_of_others() {
    let cluster = cluster(&[Node::new("node-a", 4000, 8192)]);
    install(&cluster);
    let proxy = cluster.proxy(&service_account(&cluster)).expect("a proxy");
    let refuse = |names: &'static [&'static str]| {
        proxy.fail(move |method, path| {
            let is_meant = method == "PATCH" && names.iter().any(|name| path.contains(&format!("/podgroups/{name}/")));
            is_meant.then_some(Fault::Refuse(403, None))
        });
    };
    let patches =
        |name: &str| proxy.seen().iter().filter(|(method, path)| method == "PATCH" && path.contains(name)).count();
    refuse(&["a", "b"]);
    let _gangs = start_with(&proxy.kubeconfig(), &json!({}));
    create(&cluster, &[group("a", 1), group("b", 1)]);
    create(&cluster, &[members("a", 1, "1"), members("b", 1, "1")].concat());
    eventually("both are refused", || (patches("/podgroups/a/") > 0 && patches("/podgroups/b/") > 0).then_some(()));
    refuse(&["a"]);
    status(&cluster, GROUPS, "b", |status| status["phase"] == "Running");
    assert!(get(&cluster, &[GROUPS, "a"])["status"].is_null());
}

#[test]
fn groups_of_both_apis_and_of_one_name_never_mix() {
    let mut cluster = Cluster::start_with(&CORE, &[]).expect("the cluster starts");
    cluster.add_nodes(&[Node::new("node-a", 8000, 8192)]).expect("the node becomes ready");
    install(&cluster);
    kubectl(&cluster, &["create", "namespace", "other"], "");
    let _gangs = start(&cluster);
    // Groups come last.
    create(&cluster, &(0..3).map(|number| core_member("a", number, "1")).collect::<Vec<_>>());
    let elsewhere: Vec<Value> = members("a", 1, "1")
        .into_iter()
        .map(|mut pod| {
            pod["metadata"]["namespace"] = "other".into();
            pod
        })
        .collect();
    create(&cluster, &elsewhere);
    let mut other = group("a", 2);
    other["metadata"]["namespace"] = "other".into();
    create(&cluster, &[core_group("a", 3), other]);
    whole(&cluster, "a", 3);
    let told = status(&cluster, CORE_GROUPS, "a", |status| status["conditions"][0]["status"] == "True");
    let condition = &told["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("PodGroupScheduled"), &json!("Scheduled")),
        "{condition}"
    );
    assert_eq!(placed(&cluster, "other", "a"), (1, 0), "two are needed there");

    create(&cluster, &[core_group("big", 4)]);
    create(&cluster, &(0..4).map(|number| core_member("big", number, "2")).collect::<Vec<_>>());
    let told = status(&cluster, CORE_GROUPS, "big", |status| status["conditions"][0]["status"] == "False");
    assert_eq!(told["conditions"][0]["reason"], "Unschedulable");
    // A member that runs to its end counts in the core API, too.
    let patch = json!({"status": {"phase": "Succeeded"}}).to_string();
    kubectl(&cluster, &["patch", "pod", "a-0", "--subresource=status", "--type=merge", "-p", &patch], "");
    create(&cluster, &[core_member("a", 3, "1")]);
    eventually("the next one goes alone", || {
        get(&cluster, &["pod", "a-3"])["spec"]["nodeName"].is_string().then_some(())
    });
}

/// In its long form one of 5,000 pods.
#[test]
fn a_large_gang_is_placed_whole() {
    let (nodes, pods): (usize, usize) = if is_long() { (500, 5000) } else { (50, 300) };
    let server = ControlPlane::start().expect("the control plane starts");
    install(&server);
    for number in 0..nodes {
        add_node_for(&server, &format!("node-{number}"), pods / nodes);
    }
    let _gangs = start(&server);
    create(&server, &[group("large", pods)]);
    create(&server, &members("large", pods, "1"));
    let longest = Duration::from_mins(5);
    within(longest, "all have their nodes", || (placed(&server, "default", "large") == (pods, pods)).then_some(()));
    let told = status(&server, GROUPS, "large", |status| status["conditions"][0]["status"] == "True");
    assert_eq!(told["conditions"][0]["message"], format!("{pods} of at least {pods} pods have their nodes"));
}
