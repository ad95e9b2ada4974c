//! The manifests' service account: what it may do is what the scheduler does, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use loadline_fixture::{Cluster, ControlPlane, Node};
use loadline_kubernetes::{Access, Connection, Reviews, Subject};
use loadline_metrics::Metrics;
use serde_json::{Value, json};

use crate::gangs;
use crate::support::{
    NAME, Running, add_node, bound, create, events, eventually, get, kubectl, list, pod, priority_class, running,
    service_account, within, workload,
};

const USER: &str = "system:serviceaccount:kube-system:loadline-scheduler";
const POD_GROUPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/components/gangs/podgroups.yaml");
const OVERLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/overlays/second-scheduler");

/// API group, resource with subresource, verb.
type Right = (String, String, String);

/// What the API server wrote down of the user's requests: each with the code of its answer.
fn requests(log: &Path) -> Vec<(Right, u64)> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let read = |line: &str| {
        // The last line may not be whole yet.
        let event: Value = serde_json::from_str(line).ok()?;
        assert_eq!(event["user"]["username"], USER);
        if event["objectRef"].is_null() {
            // The version, which everybody may ask for.
            assert_eq!(
                (event["requestURI"].as_str(), &event["responseStatus"]["code"]),
                (Some("/version"), &json!(200))
            );
            return None;
        }
        let text = |field: &str| event["objectRef"][field].as_str().unwrap_or_default().to_owned();
        let resource = match (text("resource"), text("subresource")) {
            (resource, of) if of.is_empty() => resource,
            (resource, of) => format!("{resource}/{of}"),
        };
        let code = event["responseStatus"]["code"].as_u64().unwrap_or_default();
        Some(((text("apiGroup"), resource, event["verb"].as_str()?.to_owned()), code))
    };
    text.lines().filter_map(read).collect()
}

/// What these roles allow.
fn granted(roles: &[Value]) -> BTreeSet<Right> {
    let texts = |list: &Value| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut rights = BTreeSet::new();
    for role in roles {
        for rule in role["rules"].as_array().expect("a role has rules") {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    rights
                        .extend(texts(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
    }
    rights
}

/// The roles of the base.
fn roles(server: &ControlPlane) -> [Value; 2] {
    [get(server, &["clusterrole", NAME]), get(server, &["role", NAME, "-n", "kube-system"])]
}

/// What a component's role allows: all of it was asked for, nothing was refused, and none of it is in the base, which has the rest.
fn rights_of_its_own(server: &ControlPlane, role: &str, log: &Path) -> BTreeSet<Right> {
    let requests = requests(log);
    let refused: Vec<_> = requests.iter().filter(|(_, code)| *code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let used: BTreeSet<Right> = requests.into_iter().map(|(right, _)| right).collect();
    let own = granted(&[get(server, &["clusterrole", role])]);
    let base = granted(&roles(server));
    let unused: Vec<&Right> = own.difference(&used).collect();
    assert!(unused.is_empty(), "allowed and never asked for: {unused:?}");
    let missing: Vec<&Right> = used.iter().filter(|right| !own.contains(right) && !base.contains(right)).collect();
    assert!(missing.is_empty(), "asked for and not in the rules: {missing:?}");
    assert!(own.is_disjoint(&base), "what the base allows already");
    own
}

/// The configuration of the overlay's ConfigMap, with a way to the API server, which a pod has by itself.
fn configuration(server: &ControlPlane, kubeconfig: &Path) -> String {
    let map = get(server, &["configmap", NAME, "-n", "kube-system"]);
    let config = map["data"]["config.yaml"].as_str().expect("it is there");
    format!("{config}clientConnection: {{kubeconfig: '{}'}}\n", kubeconfig.display())
}

/// Every binding fails for as long as this is there, and nobody knows whether it was made.
fn failing_bindings() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "nobody-there"},
        "webhooks": [{
            "name": "nobody.example.com",
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/binding"]}],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 1,
        }],
    })
}

/// What the HTTPS server asks the API server.
fn asked_by_the_server(kubeconfig: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a runtime");
    runtime.block_on(async {
        let access = Access { kubeconfig: Some(kubeconfig.to_owned()), master: None };
        let connection = Connection::new(&access, None, &Metrics::new()).await.expect("the kubeconfig is right");
        let reviews = Reviews::new(connection);
        let subject = reviews.token("nobody's").await.expect("it may ask who that is");
        assert!(subject.is_none(), "{subject:?}");
        let somebody = Subject { name: "somebody".to_owned(), ..Subject::default() };
        reviews.access(&somebody, "get", "/metrics").await.expect("it may ask what they may");
        // Where the API server trusts no certificates there is none; what it answers is looked at in its log.
        let _ = reviews.authentication_config().await;
    });
}

/// Writes a policy by which the API server writes down what the user asks for; the flags for it.
fn audit(policy: &Path, log: &Path) -> [String; 2] {
    let rules = json!([{"level": "Metadata", "users": [USER]}, {"level": "None"}]);
    let text =
        json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules});
    fs::write(policy, text.to_string()).expect("it can be written");
    [format!("--audit-policy-file={}", policy.display()), format!("--audit-log-path={}", log.display())]
}

#[test]
fn the_rights_are_those_that_are_used() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    let mut flags = audit(&policy, &log).to_vec();
    // Both kinds of PodGroups are followed where the API server has them.
    flags.extend(
        ["--runtime-config=scheduling.k8s.io/v1alpha2=true", "--feature-gates=GenericWorkload=true"].map(str::to_owned),
    );
    let server = ControlPlane::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>())
        .expect("the control plane starts");
    kubectl(&server, &["apply", "-f", POD_GROUPS], "");
    kubectl(&server, &["wait", "--for=condition=Established", "crd/podgroups.scheduling.x-k8s.io"], "");
    kubectl(&server, &["apply", "-k", OVERLAY], "");
    let kubeconfig = service_account(&server);
    let config = folder.path().join("config.yaml");
    fs::write(&config, configuration(&server, &kubeconfig)).expect("it can be written");

    add_node(&server, "node-a", "2");
    create(&server, &[priority_class("high", 1000)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.arg("run").arg("--config").arg(config).stdin(Stdio::null());
    let scheduler = Running::of(command);
    // There is no kubelet that would end a pod.
    let of_loadline = |name: &str, cpu: &str| {
        pod(name, cpu, &json!({"schedulerName": "loadline", "terminationGracePeriodSeconds": 0}))
    };

    create(&server, &[of_loadline("web", "1500m")]);
    assert_eq!(bound(&server, "web"), "node-a");
    create(&server, &[of_loadline("waits", "1800m")]);
    eventually("why it waits is told", || events(&server, "waits", "FailedScheduling").pop());
    let important = json!({"schedulerName": "loadline", "priorityClassName": "high"});
    create(&server, &[pod("important", "1800m", &important)]);
    assert_eq!(bound(&server, "important"), "node-a");
    // The end of the victim woke it; what is told then goes on with what was told before.
    eventually("it is told again", || {
        let event = events(&server, "waits", "FailedScheduling").pop()?;
        (event["series"]["count"].as_u64()? >= 2).then_some(())
    });
    add_node(&server, "node-b", "1");

    create(&server, &[failing_bindings()]);
    create(&server, &[of_loadline("late", "500m")]);
    let looked_up = (String::new(), "pods".to_owned(), "get".to_owned());
    eventually("the pod is looked up", || requests(&log).into_iter().find(|(right, _)| *right == looked_up));
    kubectl(&server, &["delete", "validatingwebhookconfiguration", "nobody-there"], "");
    assert_eq!(bound(&server, "late"), "node-b");

    eventually("it is told who leads", || {
        list(&server, &["events", "-n", "kube-system", "--field-selector", "reason=LeaderElection"]).pop()
    });
    asked_by_the_server(&kubeconfig);
    assert_eq!(scheduler.stop(), Some(0));

    let requests = requests(&log);
    let refused: Vec<_> = requests.iter().filter(|(_, code)| *code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let used: BTreeSet<Right> = requests.into_iter().map(|(right, _)| right).collect();
    let granted = granted(&roles(&server));
    assert!(granted.len() > 20, "{granted:?}");
    let unused: Vec<&Right> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "allowed and never asked for: {unused:?}");
    let missing: Vec<&Right> = used.difference(&granted).collect();
    assert!(missing.is_empty(), "asked for and not in the rules: {missing:?}");
}

/// As many moves that are over as are kept, of pods that nobody knows.
fn old_moves(server: &ControlPlane) {
    let list = |status: bool| {
        let one = |number: u32| {
            let mut one = json!({
                "apiVersion": "loadline.dev/v1alpha1",
                "kind": "Move",
                "metadata": {"name": format!("old-{number}"), "namespace": "default"},
            });
            if status {
                one["status"] = json!({"phase": "Succeeded"});
            } else {
                one["spec"] = json!({
                    "pod": {"name": "gone", "uid": format!("gone-{number}")},
                    "source": "a", "target": "b", "strategy": "LoadBalancing", "deadlineSeconds": 1,
                });
            }
            one
        };
        json!({"apiVersion": "v1", "kind": "List", "items": (0..100).map(one).collect::<Vec<_>>()}).to_string()
    };
    kubectl(server, &["create", "-f", "-"], &list(false));
    kubectl(server, &["apply", "--server-side", "--subresource=status", "--validate=false", "-f", "-"], &list(true));
}

#[test]
fn the_rights_of_the_rescheduler_are_those_that_are_used() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    let flags = audit(&policy, &log);
    let mut cluster =
        Cluster::start_with(&flags.each_ref().map(String::as_str), &[]).expect("the control plane starts");
    let nodes = ["node-a", "node-b"].map(|name| Node::new(name, 4000, 8192));
    cluster.add_nodes(&nodes).expect("the nodes become ready");
    crate::rescheduling::install(&cluster);
    let config = folder.path().join("config.yaml");
    let args = json!({
        "enabledStrategies": ["NodeMaintenance"], "reschedulingInterval": "1s", "minPodAge": "0s", "coolDown": "1s",
        "evictionsPerSecond": 10, "mode": "act",
    });
    let text = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": service_account(&cluster)},
        "leaderElection": {"resourceName": NAME},
        "profiles": [{
            "schedulerName": "default-scheduler",
            "plugins": {"multiPoint": {"enabled": [{"name": "Rescheduler"}]}},
            "pluginConfig": [{"name": "Rescheduler", "args": args}],
        }],
    });
    fs::write(&config, text.to_string()).expect("it can be written");
    old_moves(&cluster);
    let scheduler = Running::with_config(&config);
    let two = json!({"replicas": 2});
    let mut controller = workload("ReplicationController", "rc", "100m", &two, &json!({}));
    controller["apiVersion"] = "v1".into();
    controller["spec"]["selector"] = json!({"app": "rc"});
    create(
        &cluster,
        &[
            workload("Deployment", "web", "100m", &two, &json!({})),
            workload("StatefulSet", "db", "100m", &json!({"replicas": 2, "serviceName": "db"}), &json!({})),
            controller,
        ],
    );
    for app in ["web", "db", "rc"] {
        running(&cluster, &format!("app={app}"), 2);
    }
    kubectl(&cluster, &["label", "node", "node-a", "scheduler.alpha.kubernetes.io/maintenance=true"], "");
    within(Duration::from_mins(2), "node-a is empty", || {
        let pods = list(&cluster, &["pods"]);
        let is_done = pods.len() == 6 && pods.iter().all(|pod| pod["spec"]["nodeName"] == "node-b");
        is_done.then_some(())
    });
    eventually("old moves are gone", || (list(&cluster, &["moves"]).len() == 100).then_some(()));
    assert_eq!(scheduler.stop(), Some(0));

    rights_of_its_own(&cluster, "loadline-rescheduler", &log);
}

#[test]
fn the_rights_for_gangs_are_those_that_are_used() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (policy, log) = (folder.path().join("policy.yaml"), folder.path().join("audit.log"));
    let audit = audit(&policy, &log);
    let flags: Vec<&str> = audit.iter().map(String::as_str).chain(gangs::CORE).collect();
    let server = ControlPlane::start_with(&flags).expect("the control plane starts");
    gangs::install(&server);
    let config = folder.path().join("config.yaml");
    gangs::configure(&config, &service_account(&server), &json!({}));
    add_node(&server, "node-a", "4");
    let scheduler = Running::with_config(&config);
    create(&server, &[gangs::group("a", 1), gangs::core_group("b", 1)]);
    create(&server, &[gangs::member("a", 0, "1", &json!({})), gangs::core_member("b", 0, "1")]);
    for group in ["podgroups.scheduling.x-k8s.io/a", "podgroups.scheduling.k8s.io/b"] {
        eventually("its status is written", || {
            (get(&server, &[group])["status"]["conditions"][0]["status"] == "True").then_some(())
        });
    }
    assert_eq!(scheduler.stop(), Some(0));

    assert_eq!(rights_of_its_own(&server, "loadline-gangs", &log).len(), 2);
}
