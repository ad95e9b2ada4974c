//! Pods that take the room of others.

use std::time::Duration;

use loadline_fixture::{ControlPlane, Fault, Node, Proxy};
use serde_json::{Value, json};

use crate::support::{
    Running, add_node, all_bound, bound, cluster, create, delete, eventually, get, kubectl, list, node_of, pod,
    priority_class, running, service_account, waiting, within, workload,
};

/// The pods that were told that they are preempted.
fn preempted(cluster: &loadline_fixture::Cluster) -> Vec<String> {
    let told = list(cluster, &["events.events.k8s.io", "--field-selector", "reason=Preempted"]);
    let mut names: Vec<String> =
        told.iter().filter_map(|event| event["regarding"]["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn the_less_important_make_room_and_budgets_are_kept_where_they_can_be() {
    let cluster = cluster(&[Node::new("node-a", 2000, 4096), Node::new("node-b", 2000, 4096)]);
    create(
        &cluster,
        &[
            priority_class("low", 10),
            priority_class("high", 1000),
            json!({
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": "patient"},
                "value": 1000,
                "preemptionPolicy": "Never",
            }),
            json!({
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "guarded"},
                "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "guarded"}}},
            }),
        ],
    );
    let scheduler = Running::start(&cluster);

    // Two guarded pods on one node and two that are not on the other; both nodes are full.
    let on = |node: &str, name: &str| {
        let spec = json!({"priorityClassName": "low", "nodeSelector": {"kubernetes.io/hostname": node}});
        workload("ReplicaSet", name, "1", &json!({"replicas": 2}), &spec)
    };
    create(&cluster, &[on("node-a", "guarded"), on("node-b", "open")]);
    running(&cluster, "app=guarded", 2);
    running(&cluster, "app=open", 2);
    eventually("the budget is reckoned", || {
        let budget = get(&cluster, &["poddisruptionbudget", "guarded"]);
        (budget["status"]["currentHealthy"] == 2 && budget["status"]["disruptionsAllowed"] == 0).then_some(())
    });

    // One that waits its turn takes nothing from anybody.
    create(&cluster, &[pod("patient", "1", &json!({"priorityClassName": "patient"}))]);
    waiting(&cluster, "patient");
    assert_eq!(preempted(&cluster), Vec::<String>::new());
    kubectl(&cluster, &["delete", "pod", "patient"], "");

    // One that does not wait gets a node where no budget is hurt.
    create(&cluster, &[pod("important", "2", &json!({"priorityClassName": "high"}))]);
    assert_eq!(bound(&cluster, "important"), "node-b");
    running(&cluster, "app=guarded", 2);
    let victims = eventually("both are told of", || Some(preempted(&cluster)).filter(|names| names.len() >= 2));
    assert!(victims.len() == 2 && victims.iter().all(|name| name.starts_with("open-")), "{victims:?}");

    // Where a budget must be hurt it is: a pod that takes long to stop is marked first, and the node is kept for the one that comes.
    let slow = json!({
        "priorityClassName": "low",
        "containers": [{
            "name": "main",
            "image": "registry.example/main",
            "resources": {"requests": {"cpu": "2"}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 4}}},
        }],
    });
    kubectl(&cluster, &["delete", "replicaset", "open", "guarded"], "");
    create(&cluster, &[pod("slow", "2", &slow)]);
    assert_eq!(bound(&cluster, "slow"), "node-a");
    eventually("it runs", || (get(&cluster, &["pod", "slow"])["status"]["phase"] == "Running").then_some(()));
    create(&cluster, &[pod("urgent", "1500m", &json!({"priorityClassName": "high"}))]);
    let marked = eventually("the victim is marked", || {
        let pods = list(&cluster, &["pods", "--field-selector", "metadata.name=slow"]);
        let pod = pods.into_iter().next().expect("it takes four seconds to stop");
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let marked = conditions.into_iter().find(|condition| condition["type"] == "DisruptionTarget")?;
        pod["metadata"]["deletionTimestamp"].is_string().then_some(marked)
    });
    assert_eq!((&marked["status"], &marked["reason"]), (&json!("True"), &json!("PreemptionByScheduler")));
    let message = "default-scheduler: preempting to accommodate a higher priority pod";
    assert!(marked["message"].as_str().is_some_and(|told| told.starts_with(message)), "{marked}");
    let nominated = eventually("the pod is nominated", || {
        get(&cluster, &["pod", "urgent"])["status"]["nominatedNodeName"].as_str().map(str::to_owned)
    });
    assert_eq!(nominated, "node-a");
    // A small one that comes meanwhile does not take the room.
    create(&cluster, &[pod("sneaky", "1", &json!({"priorityClassName": "low"}))]);
    assert_eq!(bound(&cluster, "urgent"), "node-a");
    let sneaky: Value = waiting(&cluster, "sneaky");
    assert_eq!(sneaky["reason"], "Unschedulable");

    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}

/// A pod on a node, that is gone as soon as it is deleted.
fn on(node: &str, name: &str, cpu: &str, class: &str) -> Value {
    pod(name, cpu, &json!({"nodeName": node, "priorityClassName": class, "terminationGracePeriodSeconds": 0}))
}

/// How often pods whose paths are such were asked to go.
fn deletions(proxy: &Proxy, is_meant: impl Fn(&str) -> bool) -> usize {
    proxy.seen().iter().filter(|(method, path)| method == "DELETE" && is_meant(path)).count()
}

#[test]
fn victims_are_deleted_once_however_late_the_watch_tells() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    create(&server, &[priority_class("low", 10), priority_class("high", 1000), priority_class("higher", 2000)]);
    for (name, cpu) in [("node-a", "4"), ("node-b", "1")] {
        add_node(&server, name, cpu);
    }
    let others: Vec<Value> = (0..10).map(|number| on("node-b", &format!("other-{number}"), "100m", "higher")).collect();
    create(&server, &others);
    let low: Vec<Value> = (0..4).map(|number| on("node-a", &format!("low-{number}"), "900m", "low")).collect();
    create(&server, &low);
    let scheduler = Running::through(&proxy, &[]);

    // Neither the end of a victim nor the nomination of whom it makes room for are told.
    proxy.sieve(|path, line| {
        let is_end = line.contains(r#""type":"DELETED""#) && line.contains(r#""name":"low-"#);
        let is_nomination = line.contains(r#""type":"MODIFIED""#) && line.contains(r#""name":"urgent""#);
        !(path.starts_with("/api/v1/pods") && (is_end || is_nomination))
    });
    // Nor is it soon that a deletion is answered, if at all.
    proxy.fail(|method, path| {
        let fault = if path.ends_with("/low-1") { Fault::LoseAnswer } else { Fault::Delay(Duration::from_secs(1)) };
        (method == "DELETE" && path.contains("/low-")).then_some(fault)
    });
    create(&server, &[pod("urgent", "3", &json!({"priorityClassName": "high"}))]);
    let is_low = |pod: &&Value| pod["spec"]["priorityClassName"] == "low";
    let left = || list(&server, &["pods"]).iter().filter(is_low).count();
    let victims = || deletions(&proxy, |path| path.contains("/low-"));
    eventually("two are asked to go", || (victims() == 2).then_some(()));
    // Each of these has it look again.
    for other in 0..10 {
        delete(&server, &format!("other-{other}"));
        std::thread::sleep(Duration::from_millis(250));
    }
    eventually("it looked again", || {
        let told = waiting(&server, "urgent")["message"].to_string();
        told.contains("preemption: not eligible due to a terminating pod on the nominated node.").then_some(())
    });
    assert_eq!((victims(), left()), (3, 1));

    // Where the API server no longer knows what there was to tell, everything is listed again.
    proxy.fail(|_, path| {
        (path.starts_with("/api/v1/pods?") && path.contains("watch=true")).then_some(Fault::Refuse(410, None))
    });
    proxy.set_up(false);
    proxy.set_up(true);
    assert_eq!(bound(&server, "urgent"), "node-a");
    assert_eq!((victims(), left()), (3, 1));
    // Not in one go: lists are dear.
    let lists = || {
        proxy
            .seen()
            .iter()
            .filter(|(_, path)| {
                path.starts_with("/api/v1/pods?fieldSelector=status.phase!") && !path.contains("watch=true")
            })
            .count()
    };
    let before = lists();
    std::thread::sleep(Duration::from_secs(3));
    assert!(lists() - before <= 5, "{} lists in three seconds", lists() - before);
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_deletion_that_is_refused_is_not_asked_for_without_a_pause() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    create(&server, &[priority_class("low", 10), priority_class("high", 1000), priority_class("higher", 2000)]);
    for (name, cpu) in [("node-a", "1"), ("node-b", "2")] {
        add_node(&server, name, cpu);
    }
    let others: Vec<Value> = (0..20).map(|number| on("node-b", &format!("other-{number}"), "100m", "higher")).collect();
    create(&server, &others);
    create(&server, &[on("node-a", "low", "1", "low")]);
    proxy.fail(|method, path| (method == "DELETE" && path.ends_with("/low")).then_some(Fault::Refuse(403, None)));
    let scheduler = Running::through(&proxy, &["--leader-elect=false"]);
    create(&server, &[pod("urgent", "1", &json!({"priorityClassName": "high"}))]);
    let asked = || deletions(&proxy, |path| path.ends_with("/low"));
    eventually("it is asked to go", || (asked() > 0).then_some(()));
    // Each of these would have it look again. The room on the other node stays too small for it.
    for other in 0..9 {
        delete(&server, &format!("other-{other}"));
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    let times = asked();
    assert!((2..=12).contains(&times), "{times} times in about five seconds");
    proxy.heal();
    assert_eq!(bound(&server, "urgent"), "node-a");
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn deletions_that_hang_are_not_in_the_way_of_others() {
    /// More than are under way at a time.
    const HANGING: usize = 40;
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    create(&server, &[priority_class("low", 10), priority_class("high", 1000)]);
    let for_node = |number: usize, name: &str, class: &str| {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [format!("node-{number}")]});
        let required = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
        let spec = json!({"affinity": affinity, "priorityClassName": class, "terminationGracePeriodSeconds": 0});
        pod(name, "1", &spec)
    };
    for number in 0..=HANGING {
        add_node(&server, &format!("node-{number}"), "1");
    }
    let scheduler = Running::through(&proxy, &["--leader-elect=false"]);
    let low: Vec<Value> = (0..=HANGING).map(|number| for_node(number, &format!("low-{number}"), "low")).collect();
    create(&server, &low);
    all_bound(&server);
    // As where a webhook for the deletions of some pods hangs, or turns them down.
    let last = format!("/low-{HANGING}");
    proxy.fail(move |method, path| {
        if method != "DELETE" || !path.contains("/low-") || path.ends_with(&last) {
            return None;
        }
        let is_odd = path.ends_with(['1', '3', '5', '7', '9']);
        Some(if is_odd { Fault::Refuse(409, None) } else { Fault::Delay(Duration::from_secs(20)) })
    });
    let hanging: Vec<Value> =
        (0..HANGING).map(|number| for_node(number, &format!("hanging-{number}"), "high")).collect();
    create(&server, &hanging);
    let asked = || deletions(&proxy, |path| path.contains("/low-"));
    eventually("they are asked to go", || (asked() >= 16).then_some(()));
    create(&server, &[for_node(HANGING, "urgent", "high")]);
    let bound = within(Duration::from_secs(10), "it has its room", || node_of(&server, "urgent"));
    assert_eq!(bound, format!("node-{HANGING}"));

    proxy.heal();
    for number in 0..HANGING {
        eventually("all have their room", || node_of(&server, &format!("hanging-{number}")));
    }
    assert_eq!(scheduler.stop(), Some(0));
}
