//! The Rescheduler's controller on a real control plane: pods are moved by evictions, and nothing is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use loadline_fixture::{Cluster, ControlPlane, Fault, Node};
use serde_json::{Value, json};

use crate::support::{
    NAME, Running, Watched, cluster, create, eventually, get, install_component, kubectl, list, patch, pod,
    priority_class, running, service_account, tally, within, workload,
};

const MAINTENANCE: &str = "scheduler.alpha.kubernetes.io/maintenance";

/// Installs what the manifests have for the controller.
pub(crate) fn install(server: &ControlPlane) {
    install_component(server, "rescheduler", "move.yaml", "moves.loadline.dev");
}

struct Scene {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

/// Arguments for a test that has no time.
fn quick(more: &Value) -> Value {
    let mut args = json!({
        "mode": "act",
        "reschedulingInterval": "1s",
        "minPodAge": "0s",
        "coolDown": "1s",
        "readings": 2,
        "evictionsPerSecond": 2.0,
        "moveDeadline": "5m",
    });
    args.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    args
}

impl Scene {
    /// Nodes of four cores and 8 GiB, in a cluster that has what the controller needs.
    fn new(nodes: &[&str]) -> Self {
        let scene = Self::bare(nodes);
        install(&scene.cluster);
        scene
    }

    /// The same without that.
    fn bare(nodes: &[&str]) -> Self {
        let nodes: Vec<Node> = nodes.iter().map(|name| Node::new(name, 4000, 8192)).collect();
        Self { cluster: cluster(&nodes), folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// Writes a configuration with the Rescheduler in the default profile.
    fn configure(&self, kubeconfig: &Path, args: &Value) {
        let config = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": kubeconfig},
            "leaderElection": {
                "resourceName": NAME, "leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms",
            },
            "profiles": [
                {
                    "schedulerName": "default-scheduler",
                    "plugins": {"multiPoint": {"enabled": [{"name": "Rescheduler"}]}},
                    "pluginConfig": [{"name": "Rescheduler", "args": args}],
                },
                {"schedulerName": "other"},
            ],
        });
        std::fs::write(self.path(), config.to_string()).expect("the configuration is written");
    }

    fn start(&self, args: &Value) -> Running {
        self.configure(&service_account(&self.cluster), args);
        self.run(&["--secure-port=0"])
    }

    /// Starts it with the configuration that is written.
    fn run(&self, flags: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(["run", "-v", "4", "--config"]).arg(self.path()).args(flags).stdin(Stdio::null());
        Running::of(command)
    }

    /// Lets pods come to this node alone until [`Scene::open`].
    fn only(&self, node: &str) {
        for other in list(&self.cluster, &["nodes"]) {
            let name = other["metadata"]["name"].as_str().expect("it has a name");
            kubectl(&self.cluster, &[if name == node { "uncordon" } else { "cordon" }, name], "");
        }
    }

    fn open(&self) {
        for node in list(&self.cluster, &["nodes"]) {
            kubectl(&self.cluster, &["uncordon", node["metadata"]["name"].as_str().expect("it has a name")], "");
        }
    }

    /// Deployments of two pods of 400m each, all on one node, where a scheduler without a controller has put them.
    fn deployments_on(&self, node: &str, names: &[&str]) {
        self.only(node);
        let scheduler = Running::with_flags(&self.cluster, &["--leader-elect=false"]);
        let deployments = names.iter().map(|name| deployment(name, 2, "400m", &json!({})));
        create(&self.cluster, &deployments.collect::<Vec<_>>());
        for name in names {
            running(&self.cluster, &format!("app={name}"), 2);
            kubectl(&self.cluster, &["rollout", "status", &format!("deployment/{name}"), "--timeout=60s"], "");
        }
        assert_eq!(scheduler.stop(), Some(0));
        self.open();
    }

    fn moves(&self) -> Vec<Value> {
        list(&self.cluster, &["moves"])
    }

    /// Waits until all moves are over, and gives how many ended how.
    fn ended(&self) -> BTreeMap<String, usize> {
        eventually("all moves are over", || {
            let mut phases: BTreeMap<String, usize> = BTreeMap::new();
            for one in self.moves() {
                let text = |field: &str| one["status"][field].as_str().unwrap_or_default().to_owned();
                let phase = if text("phase") == "Failed" { text("reason") } else { text("phase") };
                *phases.entry(phase).or_default() += 1;
            }
            let is_over =
                |phase: &String| !["", "Planned", "Reserved", "Evicting", "Evicted"].contains(&phase.as_str());
            (!phases.is_empty() && phases.keys().all(is_over)).then_some(phases)
        })
    }

    /// Pods on each node that run and stay.
    fn pods(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for pod in list(&self.cluster, &["pods"]) {
            if let Some(node) = pod["spec"]["nodeName"].as_str()
                && pod["metadata"]["deletionTimestamp"].is_null()
            {
                *count.entry(node.to_owned()).or_default() += 1;
            }
        }
        count
    }
}

fn deployment(name: &str, replicas: usize, cpu: &str, pods: &Value) -> Value {
    workload("Deployment", name, cpu, &json!({"replicas": replicas}), pods)
}

/// For so long nothing changes about the moves.
fn rests(scene: &Scene, time: Duration) {
    let before = scene.moves().len();
    let pods = scene.pods();
    sleep(time);
    assert_eq!(scene.moves().len(), before, "{:?}", scene.moves());
    assert_eq!(scene.pods(), pods);
}

fn phase(one: &Value) -> &str {
    one["status"]["phase"].as_str().unwrap_or_default()
}

#[test]
fn an_imbalanced_cluster_comes_to_balance_within_the_limits_and_rests() {
    let scene = Scene::new(&["node-a", "node-b", "node-c"]);
    let apps = ["one", "two", "three", "four"];
    scene.deployments_on("node-a", &apps);
    scene.configure(&service_account(&scene.cluster), &quick(&json!({"maxMovesAtOnce": 2})));
    let watched = Watched::start(&[], |flags| scene.run(flags));
    // Eight pods of a tenth each: two on one node more than on another are let be.
    #[allow(clippy::disallowed_methods, reason = "a test waits for the real API server")]
    let start = Instant::now();
    loop {
        let under_way =
            scene.moves().iter().filter(|one| ["Reserved", "Evicting", "Evicted"].contains(&phase(one))).count();
        assert!(under_way <= 2, "{under_way} moves at once");
        for name in apps {
            let available = get(&scene.cluster, &["deployment", name])["status"]["availableReplicas"].as_u64();
            assert!(available >= Some(1), "{name} has {available:?} available pods");
        }
        let pods = scene.pods();
        let counts: Vec<usize> =
            ["node-a", "node-b", "node-c"].map(|node| pods.get(node).copied().unwrap_or(0)).to_vec();
        let apart = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
        if counts.iter().sum::<usize>() == 8 && apart <= 2 {
            break;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{counts:?} {:?}", scene.moves());
        sleep(Duration::from_millis(100));
    }
    let ended = scene.ended();
    assert_eq!(ended.keys().collect::<Vec<_>>(), ["Succeeded"], "{ended:?}");
    let count = ended["Succeeded"];
    assert!((3..=6).contains(&count), "{ended:?}");
    // It rests for twenty rounds.
    rests(&scene, Duration::from_secs(21));
    assert_eq!(scene.cluster.refusals(), []);

    // What is told of it.
    let one = scene.moves().remove(0);
    let (name, owner) = (one["spec"]["pod"]["name"].as_str().expect("a name"), one["spec"]["owner"]["name"].as_str());
    let told = eventually("it is told", || crate::support::events(&scene.cluster, name, "Rescheduled").pop());
    let note = told["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("From node-a to node-") && note.contains("LoadBalancing"), "{note}");
    let told = eventually("its owner is told", || {
        crate::support::events(&scene.cluster, owner.expect("an owner"), "Rescheduled").pop()
    });
    assert_eq!(told["regarding"]["kind"], "ReplicaSet");
    assert_eq!(
        (&one["status"]["replacement"]["node"], &one["spec"]["source"]),
        (&one["spec"]["target"], &json!("node-a"))
    );
    assert!(one["status"]["achievedGain"].as_f64() >= Some(2.0), "{one}");
    let table = kubectl(&scene.cluster, &["get", "mv"], "");
    assert!(table.contains("STRATEGY") && table.contains("Succeeded"), "{table}");
    let movements = "rescheduler_pod_movements_total{result=\"success\",strategy=\"LoadBalancing\"}";
    assert_eq!(watched.metric(movements), count);
    assert!(watched.gauge("rescheduler_load_balance_score") > 80);
    assert!(watched.metric("rescheduler_node_utilization_percent{node=\"node-a\",resource=\"cpu\"}") >= 20);
    assert_eq!(watched.metric("rescheduler_predicted_gain_points"), watched.metric("rescheduler_achieved_gain_points"));
    assert_eq!(watched.scheduler.stop(), Some(0));
}

#[test]
fn a_node_that_is_marked_for_maintenance_is_emptied_of_all_that_may_be_moved() {
    let scene = Scene::new(&["node-a", "node-b"]);
    scene.only("node-a");
    let scheduler = Running::with_flags(&scene.cluster, &["--leader-elect=false"]);
    let labelled = |name: &str, label: Value| {
        let mut made = deployment(name, 2, "100m", &json!({}));
        made["spec"]["template"]["metadata"]["labels"]
            .as_object_mut()
            .expect("labels")
            .extend(label.as_object().cloned().unwrap_or_default());
        made
    };
    let critical = json!({"priorityClassName": "system-cluster-critical"});
    let volume = json!({"volumes": [{"name": "scratch", "emptyDir": {}}]});
    let mut annotated = deployment("annotated", 2, "100m", &json!({}));
    annotated["spec"]["template"]["metadata"]["annotations"] =
        json!({"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"});
    create(
        &scene.cluster,
        &[
            deployment("web", 4, "100m", &json!({})),
            workload("StatefulSet", "db", "100m", &json!({"replicas": 2, "serviceName": "db"}), &json!({})),
            // What stays.
            workload("DaemonSet", "agent", "100m", &json!({}), &json!({})),
            deployment("single", 1, "100m", &json!({})),
            deployment("critical", 2, "100m", &critical),
            deployment("scratch", 2, "100m", &volume),
            labelled("opted-out", json!({"scheduler.alpha.kubernetes.io/rescheduling": "disabled"})),
            annotated,
            pod("bare", "100m", &json!({})),
        ],
    );
    let count = |app: &str, count| running(&scene.cluster, &format!("app={app}"), count);
    let stay = [("single", 1), ("critical", 2), ("scratch", 2), ("opted-out", 2), ("annotated", 2), ("bare", 1)];
    for (app, pods) in [("web", 4), ("db", 2), ("agent", 2)].into_iter().chain(stay) {
        count(app, pods);
    }
    assert_eq!(scheduler.stop(), Some(0));
    scene.open();
    kubectl(&scene.cluster, &["label", "node", "node-a", &format!("{MAINTENANCE}=true")], "");
    let scheduler = scene.start(&quick(&json!({"enabledStrategies": ["NodeMaintenance"], "maxMovesPerOwner": 2})));
    let moved = |app: &str, pods: usize| {
        within(Duration::from_mins(2), &format!("{app} is moved"), || {
            let found = list(&scene.cluster, &["pods", "--selector", &format!("app={app}")]);
            let runs = |pod: &&Value| {
                pod["spec"]["nodeName"] == "node-b"
                    && pod["status"]["phase"] == "Running"
                    && pod["metadata"]["deletionTimestamp"].is_null()
            };
            (found.len() == pods && found.iter().filter(runs).count() == pods).then_some(())
        });
    };
    moved("web", 4);
    moved("db", 2);
    let ended = scene.ended();
    assert_eq!(ended.get("Succeeded"), Some(&6), "{ended:?} {:?}", scene.moves());
    rests(&scene, Duration::from_secs(3));
    for (app, pods) in stay {
        assert_eq!(tally(&count(app, pods)), format!("node-a: {pods}"), "{app} stays");
    }
    assert_eq!(tally(&count("agent", 2)), "node-a: 1, node-b: 1");
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_budget_that_says_no_ends_the_move_and_nothing_is_lost() {
    let scene = Scene::new(&["node-a", "node-b"]);
    scene.deployments_on("node-a", &["web"]);
    let uids = || -> Vec<Value> {
        let pods = list(&scene.cluster, &["pods"]);
        pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
    };
    let before = uids();
    kubectl(&scene.cluster, &["label", "node", "node-a", &format!("{MAINTENANCE}=true")], "");
    let proxy = scene.cluster.proxy(&service_account(&scene.cluster)).expect("the proxy starts");
    // The budget comes while the eviction is on its way: the planner could not know of it.
    proxy.fail(|method, path| is_eviction(method, path).then_some(Fault::Delay(Duration::from_secs(10))));
    scene.configure(&proxy.kubeconfig(), &quick(&json!({"enabledStrategies": ["NodeMaintenance"]})));
    let scheduler = scene.run(&["--secure-port=0"]);
    eventually("a pod is being evicted", || scene.moves().iter().any(|one| phase(one) == "Evicting").then_some(()));
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    });
    create(&scene.cluster, &[budget]);
    eventually("the budget counts its pods", || {
        (get(&scene.cluster, &["pdb", "web"])["status"]["currentHealthy"] == 2).then_some(())
    });
    assert_eq!(scene.ended(), BTreeMap::from([("DisruptionBudget".to_owned(), 1)]));
    assert_eq!(uids(), before);
    // From now on the planner knows.
    rests(&scene, Duration::from_secs(4));
    proxy.heal();
    kubectl(&scene.cluster, &["delete", "pdb", "web"], "");
    eventually("a pod is moved", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    running(&scene.cluster, "app=web", 2);
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_move_that_was_created_and_never_heard_of_does_not_keep_its_pod_where_it_is() {
    let scene = Scene::new(&["node-a", "node-b"]);
    scene.deployments_on("node-a", &["web"]);
    let proxy = scene.cluster.proxy(&service_account(&scene.cluster)).expect("the proxy starts");
    scene.configure(&proxy.kubeconfig(), &quick(&json!({"enabledStrategies": ["NodeMaintenance"]})));
    let scheduler = scene.run(&["--secure-port=0"]);
    eventually("it knows of all moves", || {
        proxy.seen().iter().any(|(_, path)| path.contains("loadline.dev/v1alpha1/moves")).then_some(())
    });
    // As they are where an answer was lost and the API server was slow.
    for pod in list(&scene.cluster, &["pods", "--selector", "app=web"]) {
        let text = |field: &str| pod["metadata"][field].as_str().expect("a pod has one").to_owned();
        let name = format!("{}-{}", text("name"), &text("uid")[..8]);
        let spec = json!({
            "pod": {"name": text("name"), "uid": text("uid")},
            "schedulerName": "default-scheduler", "source": "node-a", "target": "node-c",
            "strategy": "LoadBalancing", "deadlineSeconds": 60,
        });
        let lost =
            json!({"apiVersion": "loadline.dev/v1alpha1", "kind": "Move", "metadata": {"name": name}, "spec": spec});
        create(&scene.cluster, &[lost]);
    }
    kubectl(&scene.cluster, &["label", "node", "node-a", &format!("{MAINTENANCE}=true")], "");
    eventually("both are moved", || {
        (scene.moves().iter().filter(|one| phase(one) == "Succeeded").count() == 2).then_some(())
    });
    assert_eq!(tally(&running(&scene.cluster, "app=web", 2)), "node-b: 2");
    assert_eq!(scene.moves().len(), 2);
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_pod_that_takes_its_node_above_a_mark_begins_a_round_at_once() {
    let scene = Scene::new(&["node-a", "node-b", "node-c"]);
    scene.deployments_on("node-a", &["web"]);
    // Above the mark, but not for long enough.
    scene.deployments_on("node-b", &["one", "two", "three"]);
    scene.configure(
        &service_account(&scene.cluster),
        &quick(&json!({
            "enabledStrategies": ["ResourceOptimization"],
            "cpuThreshold": 50,
            "readings": 3,
            "reschedulingInterval": "10m",
        })),
    );
    let watched = Watched::start(&[], |flags| scene.run(flags));
    eventually("a round is made", || (watched.metric("rescheduler_load_balance_score") > 0).then_some(()));
    // It has looked once.
    sleep(Duration::from_secs(6));
    assert!(scene.moves().is_empty(), "no pod on its way takes a node above a mark");
    let large = pod("large", "2", &json!({"nodeSelector": {"kubernetes.io/hostname": "node-a"}}));
    create(&scene.cluster, &[large]);
    eventually("a pod is moved", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    assert!(scene.moves().iter().all(|one| one["spec"]["source"] == "node-a"), "{:?}", scene.moves());
    assert_eq!(scene.pods()["node-b"], 6);
    assert_eq!(watched.scheduler.stop(), Some(0));
}

#[test]
fn in_observe_mode_nothing_is_moved_until_the_file_says_otherwise() {
    let scene = Scene::new(&["node-a", "node-b"]);
    scene.deployments_on("node-a", &["one", "two", "three"]);
    let account = service_account(&scene.cluster);
    scene.configure(&account, &quick(&json!({"mode": "observe"})));
    let watched = Watched::start(&[], |flags| scene.run(flags));
    eventually("rounds are made", || (watched.metric("rescheduler_load_balance_score") > 0).then_some(()));
    sleep(Duration::from_secs(5));
    assert_eq!(scene.moves(), Vec::<Value>::new());
    assert_eq!(scene.pods(), BTreeMap::from([("node-a".to_owned(), 6)]));
    // A changed file takes effect while it runs, there and back.
    scene.configure(&account, &quick(&json!({})));
    eventually("a pod is moved", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    scene.configure(&account, &quick(&json!({"enableReschedulingController": false})));
    sleep(Duration::from_secs(3));
    scene.ended();
    rests(&scene, Duration::from_secs(4));
    assert_eq!(watched.scheduler.stop(), Some(0));
}

/// A node that is full, one with room for exactly one of its pods, and a pod beside that would like to have that room.
fn tight(scene: &Scene, strategies: &Value) -> Value {
    scene.deployments_on("node-a", &["web"]);
    // 400m are left on node-b.
    let filler = pod("filler", "3500m", &json!({"nodeName": "node-b"}));
    create(&scene.cluster, &[filler]);
    running(&scene.cluster, "app=filler", 1);
    kubectl(&scene.cluster, &["label", "node", "node-a", &format!("{MAINTENANCE}=true")], "");
    quick(&json!({"enabledStrategies": strategies, "cpuThreshold": 100, "memoryThreshold": 100}))
}

fn is_eviction(method: &str, path: &str) -> bool {
    method == "POST" && path.ends_with("/eviction")
}

#[test]
fn a_killed_leader_loses_no_pod_moves_none_twice_and_its_room_is_kept() {
    let scene = Scene::new(&["node-a", "node-b"]);
    let args = tight(&scene, &json!(["NodeMaintenance"]));
    let proxy = scene.cluster.proxy(&service_account(&scene.cluster)).expect("the proxy starts");
    scene.configure(&proxy.kubeconfig(), &args);
    // Killed between reserving and evicting: the eviction never arrives.
    proxy.fail(|method, path| is_eviction(method, path).then_some(Fault::Delay(Duration::from_mins(1))));
    let first = scene.run(&["--secure-port=0"]);
    eventually("a pod is being evicted", || scene.moves().iter().any(|one| phase(one) == "Evicting").then_some(()));
    // Another pod of the same priority, and one of another profile, which would fit where the room is held.
    let other = json!({"schedulerName": "other", "nodeSelector": {"kubernetes.io/hostname": "node-b"}});
    create(&scene.cluster, &[pod("greedy", "400m", &json!({})), pod("stranger", "400m", &other)]);
    let waits = |name: &str| {
        let spec = get(&scene.cluster, &["pod", name]);
        assert!(spec["spec"]["nodeName"].is_null(), "{name} has taken the room");
    };
    for name in ["greedy", "stranger"] {
        crate::support::waiting(&scene.cluster, name);
        waits(name);
    }
    first.signal("KILL");
    assert_eq!(list(&scene.cluster, &["pods", "--selector", "app=web"]).len(), 2);

    // Killed between the eviction and the binding of the replacement.
    proxy.fail(|method, path| (method == "POST" && path.ends_with("/binding")).then_some(Fault::Refuse(503, None)));
    let second = scene.run(&["--secure-port=0"]);
    eventually("a pod is evicted", || scene.moves().iter().any(|one| phase(one) == "Evicted").then_some(()));
    eventually("its replacement waits", || {
        let pods = list(&scene.cluster, &["pods", "--selector", "app=web"]);
        pods.iter().any(|pod| pod["spec"]["nodeName"].is_null()).then_some(())
    });
    second.signal("KILL");
    proxy.heal();
    let third = scene.run(&["--secure-port=0"]);
    let nodes = running(&scene.cluster, "app=web", 2);
    assert_eq!(tally(&nodes), "node-a: 1, node-b: 1");
    eventually("the move has succeeded", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    // The other pod of the Deployment has nowhere to go; the greedy ones have not taken the room.
    for name in ["greedy", "stranger"] {
        waits(name);
    }
    assert_eq!(scene.moves().len(), 1, "{:?}", scene.moves());
    assert_eq!(scene.cluster.refusals(), []);
    assert_eq!(third.stop(), Some(0));
}

#[test]
fn a_pod_of_higher_priority_takes_the_room_and_the_move_is_given_up() {
    let scene = Scene::new(&["node-a", "node-b"]);
    create(&scene.cluster, &[priority_class("high", 1000)]);
    let args = tight(&scene, &json!(["NodeMaintenance"]));
    let proxy = scene.cluster.proxy(&service_account(&scene.cluster)).expect("the proxy starts");
    scene.configure(&proxy.kubeconfig(), &args);
    proxy.fail(|method, path| is_eviction(method, path).then_some(Fault::Lose));
    let scheduler = scene.run(&["--secure-port=0"]);
    eventually("a pod is being evicted", || scene.moves().iter().any(|one| phase(one) == "Evicting").then_some(()));
    create(&scene.cluster, &[pod("urgent", "400m", &json!({"priorityClassName": "high"}))]);
    assert_eq!(crate::support::bound(&scene.cluster, "urgent"), "node-b");
    proxy.heal();
    let ended = scene.ended();
    assert!(!ended.contains_key("Succeeded") && !ended.is_empty(), "{ended:?}");
    assert_eq!(tally(&running(&scene.cluster, "app=web", 2)), "node-a: 2");
    let asked = proxy.seen().iter().filter(|(method, path)| is_eviction(method, path)).count();
    assert!(asked <= 3, "{asked} evictions");
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_rollout_that_is_under_way_is_left_alone() {
    let scene = Scene::new(&["node-a", "node-b"]);
    scene.deployments_on("node-a", &["one", "two", "three"]);
    for name in ["one", "two", "three"] {
        // The new pods fit nowhere, so that the rollout goes on for as long as the test.
        let containers =
            json!([{"name": "main", "image": "registry.example/main:2", "resources": {"requests": {"cpu": "20"}}}]);
        patch(
            &scene.cluster,
            "deployment",
            name,
            &json!({"spec": {
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"spec": {"containers": containers}},
            }}),
        );
    }
    eventually("the new pods are there", || (list(&scene.cluster, &["pods"]).len() == 9).then_some(()));
    let watched_args = quick(&json!({}));
    scene.configure(&service_account(&scene.cluster), &watched_args);
    let watched = Watched::start(&[], |flags| scene.run(flags));
    eventually("it is seen", || {
        (watched.metric("rescheduler_skipped_pods{reason=\"rolling-out\"}") == 6).then_some(())
    });
    sleep(Duration::from_secs(4));
    assert_eq!(scene.moves(), Vec::<Value>::new());
    for name in ["one", "two", "three"] {
        kubectl(&scene.cluster, &["rollout", "undo", &format!("deployment/{name}")], "");
    }
    eventually("a pod is moved", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    assert_eq!(watched.scheduler.stop(), Some(0));
}

#[test]
fn without_the_definition_of_move_nothing_is_moved_until_it_is_there() {
    let scene = Scene::bare(&["node-a", "node-b"]);
    scene.deployments_on("node-a", &["one", "two"]);
    scene.configure(&service_account(&scene.cluster), &quick(&json!({})));
    let watched = Watched::start(&[], |flags| scene.run(flags));
    eventually("rounds are made", || (watched.metric("rescheduler_load_balance_score") > 0).then_some(()));
    sleep(Duration::from_secs(4));
    assert_eq!(scene.pods(), BTreeMap::from([("node-a".to_owned(), 4)]));
    install(&scene.cluster);
    eventually("a pod is moved", || scene.moves().iter().any(|one| phase(one) == "Succeeded").then_some(()));
    assert_eq!(watched.scheduler.stop(), Some(0));
}
