//! What is served over HTTPS, and to whom.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use loadline_fixture::{ControlPlane, User, free_port};
use serde_json::{Value, json};

use crate::https::{Authority, Client, Identity, for_server};
use crate::support::{Running, add_node, bound, create, eventually, kubectl, pod, waiting};

fn write_pair(folder: &Path, identity: &Identity) {
    // The key first: a certificate is taken only with its own.
    fs::write(folder.join("tls.key"), identity.key.serialize_pem()).expect("it is written");
    fs::write(folder.join("tls.crt"), identity.certificate.pem()).expect("it is written");
}

/// Who may get these paths.
pub(crate) fn may_get(server: &ControlPlane, role: &str, paths: &[&str], subject: &Value) {
    create(
        server,
        &[
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": role},
                "rules": [{"nonResourceURLs": paths, "verbs": ["get"]}],
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [subject],
            }),
        ],
    );
}

/// An API server that says whose certificates it believes, and a scheduler that asks it.
pub(crate) struct Served {
    pub(crate) scheduler: Running,
    pub(crate) server: ControlPlane,
    pub(crate) clients: Authority,
    proxies: Authority,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
}

pub(crate) fn served(shown: &Identity) -> Served {
    served_with(shown, &[])
}

/// The same with more flags for kube-apiserver.
pub(crate) fn served_with(shown: &Identity, more: &[String]) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let [clients, proxies] = [Authority::new("clients"), Authority::new("proxies")];
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    fs::write(in_folder("clients.crt"), clients.pem()).expect("it is written");
    fs::write(in_folder("proxies.crt"), proxies.pem()).expect("it is written");
    let flags = [
        format!("--client-ca-file={}", in_folder("clients.crt")),
        format!("--requestheader-client-ca-file={}", in_folder("proxies.crt")),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().chain(more).map(String::as_str).collect();
    let server = ControlPlane::start_with(&flags).expect("the control plane starts");
    write_pair(folder.path(), shown);
    let port = free_port().expect("a port");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    let kubeconfig = server.kubeconfig_of(User::Scheduler);
    command
        .args(["run", "-v", "4", "--bind-address=127.0.0.1"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--authentication-kubeconfig={}", kubeconfig.display()))
        .arg(format!("--authorization-kubeconfig={}", kubeconfig.display()))
        .args(["--tls-cert-file", &in_folder("tls.crt"), "--tls-private-key-file", &in_folder("tls.key")])
        .stdin(Stdio::null());
    let scheduler = Running::of(command);
    Served { scheduler, server, clients, proxies, folder, port }
}

#[test]
fn everything_but_health_is_for_those_who_may() {
    let shown = for_server();
    let Served { scheduler, server, clients, proxies, folder, port } = served(&shown);
    let anybody = Client::anonymous(port);

    let ready = eventually("it is ready", || anybody.try_get("/readyz?verbose").filter(|answer| answer.status == 200));
    let checks =
        "[+]leaderElection ok\n[+]shutdown ok\n[+]sched-handler-sync ok\n[+]invariants ok\nreadyz check passed\n";
    assert_eq!(ready.body, checks);
    assert_eq!(ready.certificate, *shown.certificate.der());
    assert_eq!(anybody.body("/healthz"), "ok");
    assert_eq!(anybody.body("/livez?verbose"), "[+]ping ok\nlivez check passed\n");

    // Nobody in particular may not, and is told so as the API server tells it.
    let refused = anybody.get("/metrics");
    let told: Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(refused.status, 403);
    assert_eq!(told["message"], "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    let by_api_server = server.kubectl(&["get", "--raw", "/metrics", "--as=system:anonymous"], None);
    let by_api_server = by_api_server.expect_err("nobody may").to_string();
    assert!(
        by_api_server.contains(told["message"].as_str().expect("text").trim_start_matches("forbidden: ")),
        "{by_api_server}"
    );
    // Not even the single checks, which say what is wrong.
    assert_eq!(anybody.get("/readyz/shutdown").status, 403);
    assert_eq!(anybody.get("/no/such/path").status, 403);

    // Tokens.
    let unknown = anybody.with_token("nobody's").get("/metrics");
    assert_eq!(unknown.status, 401);
    assert_eq!(serde_json::from_str::<Value>(&unknown.body).expect("JSON")["reason"], "Unauthorized");
    for name in ["watcher", "stranger"] {
        kubectl(&server, &["create", "serviceaccount", name], "");
    }
    may_get(
        &server,
        "watch",
        &["/metrics"],
        &json!({"kind": "ServiceAccount", "name": "watcher", "namespace": "default"}),
    );
    may_get(&server, "look", &["/metrics/*", "/debug/*"], &json!({"kind": "User", "name": "jane"}));
    let [watcher, stranger] =
        ["watcher", "stranger"].map(|name| anybody.with_token(&kubectl(&server, &["create", "token", name], "")));
    // The API server's own authorizer may take a moment to hear of a role.
    let metrics = eventually("the role works", || Some(watcher.get("/metrics")).filter(|answer| answer.status == 200));
    assert!(metrics.body.contains("# TYPE scheduler_pending_pods gauge"), "{}", metrics.body);
    assert_eq!(watcher.get("/configz").status, 403, "one path and no other");
    assert_eq!(stranger.get("/metrics").status, 403);

    // Certificates.
    let jane = anybody.with_certificate(clients.sign("jane", "dev"));
    eventually("the role works", || Some(jane.get("/metrics/slis")).filter(|answer| answer.status == 200));
    assert_eq!(jane.get("/metrics").status, 403);
    let other = Authority::new("others");
    assert_eq!(anybody.with_certificate(other.sign("jane", "dev")).get("/metrics/slis").status, 401);
    let master = anybody.with_certificate(clients.sign("root", "system:masters"));
    assert!(master.body("/configz").contains("componentconfig"));

    // A proxy, and those who only say that they are one.
    let for_jane = |client: Client| client.with_header("X-Remote-User", "jane").get("/metrics/slis").status;
    assert_eq!(for_jane(anybody.with_certificate(proxies.sign("front-proxy", ""))), 200);
    assert_eq!(for_jane(anybody.with_certificate(proxies.sign("somebody", ""))), 401);
    assert_eq!(for_jane(anybody.clone()), 403);
    assert_eq!(for_jane(anybody.with_certificate(clients.sign("mallory", ""))), 403);

    // Another certificate, without a restart.
    let next = for_server();
    write_pair(folder.path(), &next);
    eventually("the new certificate is shown", || {
        (anybody.get("/healthz").certificate == *next.certificate.der()).then_some(())
    });
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn decisions_waiting_pods_and_nodes_can_be_looked_at() {
    let Served { scheduler, server, port, folder, .. } = served(&for_server());
    let admin = Client::anonymous(port).with_token(server.token());
    add_node(&server, "node-a", "2");
    add_node(&server, "node-b", "1");
    create(&server, &[pod("web", "1500m", &json!({}))]);
    assert_eq!(bound(&server, "web"), "node-a");
    create(&server, &[pod("large", "4", &json!({"priority": 0}))]);
    create(&server, &[pod("held", "1", &json!({"schedulingGates": [{"name": "example.com/quota"}]}))]);
    let message = waiting(&server, "large")["message"].clone();

    let decided = admin.json("/debug/decisions?pod=default/large");
    assert_eq!((&decided["kind"], &decided["pods"][0]["result"]), (&json!("DecisionList"), &json!("Unschedulable")));
    let large = &decided["pods"][0];
    assert_eq!(large["message"], message);
    assert_eq!(large["summary"]["rejections"][0]["plugin"], "NodeResourcesFit");
    assert_eq!(large["summary"]["rejections"][0]["nodes"], 2);
    // Nothing has changed since: the table is there, with numbers.
    assert_eq!(large["truncated"], false, "{large}");
    assert_eq!(large["nodes"][1]["name"], "node-b");
    assert_eq!(large["nodes"][1]["reasons"], json!(["Insufficient cpu"]));
    assert_eq!(large["nodes"][1]["detail"][0]["wanted"], "4");

    let web = &admin.json("/debug/decisions?pod=default/web")["pods"][0];
    assert_eq!((&web["result"], &web["node"], &web["truncated"]), (&json!("Feasible"), &json!("node-a"), &json!(true)));
    assert_eq!(web["decidedBy"], "onlyFeasible");
    let held = &admin.json("/debug/decisions?pod=held")["pods"][0];
    assert_eq!((&held["result"], &held["gatedBy"]), (&json!("Gated"), &json!("SchedulingGates")));
    assert_eq!(admin.get("/debug/decisions?pod=default/nobody").status, 404);

    // The list, in parts.
    let first = admin.json("/debug/decisions?limit=1");
    let newest = first["pods"][0]["summary"]["number"].as_u64().expect("a number");
    let rest =
        admin.json(&format!("/debug/decisions?limit=5000&continue={}", first["continue"].as_str().expect("more")));
    let numbers: Vec<u64> =
        rest["pods"].as_array().expect("a list").iter().filter_map(|pod| pod["summary"]["number"].as_u64()).collect();
    assert!(!numbers.is_empty() && numbers.iter().all(|number| *number < newest), "{newest}: {numbers:?}");
    assert!(rest["continue"].is_null());

    // As it would be now.
    add_node(&server, "node-c", "2");
    let now = eventually("the new node is known", || {
        let now = admin.json("/debug/decisions?pod=default/large&now=true");
        (now["pods"][0]["nodes"].as_array()?.len() == 3).then_some(now)
    });
    assert_eq!(now["pods"][0]["result"], "Unschedulable");

    let pending = admin.json("/debug/pending");
    let names: Vec<&str> =
        pending["pods"].as_array().expect("a list").iter().filter_map(|pod| pod["name"].as_str()).collect();
    assert_eq!(names, ["held", "large"]);
    assert_eq!(pending["pods"][0]["queue"], "gated");
    let wakes = pending["pods"][0]["wakes"].to_string();
    assert!(wakes.contains("UpdatePodSchedulingGatesEliminated"), "{wakes}");
    let large = eventually("it rests", || {
        let large = admin.json("/debug/pending?continue=default/held")["pods"][0].clone();
        (large["queue"] == "unschedulable").then_some(large)
    });
    assert_eq!(large["rejectedBy"], json!(["NodeResourcesFit"]));
    assert!(large["attempts"].as_u64() >= Some(1) && large["nextTry"].is_string(), "{large}");
    assert!(large["wakes"].to_string().contains("NodeAdd"), "{large}");

    let nodes = admin.json("/debug/nodes?limit=1");
    assert_eq!((&nodes["nodes"][0]["name"], &nodes["continue"]), (&json!("node-a"), &json!("node-a")));
    assert_eq!(nodes["nodes"][0]["requested"]["cpu"], "1500m");
    assert_eq!(nodes["nodes"][0]["pods"], json!(["default/web"]));
    assert_eq!(admin.json("/debug/nodes?continue=node-a")["nodes"][0]["name"], "node-b");

    let config = admin.json("/configz")["componentconfig"].clone();
    assert_eq!(config["kind"], "KubeSchedulerConfiguration");
    assert_eq!(config["leaderElection"]["resourceName"], "kube-scheduler");
    let flags = admin.body("/flagz");
    assert!(
        flags.contains(&format!("\nsecure-port={port}\n")) && flags.contains("\nbind-address=127.0.0.1\n"),
        "{flags}"
    );
    assert!(admin.body("/statusz").contains("\nBinary version: 1.36.3\n"));
    assert_eq!(admin.get("/debug/pprof/").status, 404);
    drop(folder);
    assert_eq!(scheduler.stop(), Some(0));
}
