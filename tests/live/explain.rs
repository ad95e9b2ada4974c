//! `loadline explain POD` while a scheduler runs: its record where it can be reached, and a fresh snapshot where not.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::https::{Client, for_server};
use crate::serving::{Served, may_get, served, served_with};
use crate::support::{add_node, bound, create, eventually, kubectl, pod, waiting, workload};

/// What the command did.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// `loadline explain`, as the user of a kubeconfig.
fn explain(kubeconfig: &Path, args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.arg("explain").args(args).arg("--kubeconfig").arg(kubeconfig).stdin(Stdio::null());
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The list that it printed.
fn json_of(done: &Done) -> Value {
    assert_eq!(done.code, Some(0), "{done}");
    serde_json::from_str(&done.out).expect("it is JSON")
}

/// Lets a service account read all objects, which is more than a snapshot needs, and nothing else; gives its kubeconfig.
fn reader(server: &ControlPlane) -> PathBuf {
    kubectl(server, &["create", "serviceaccount", "reader"], "");
    kubectl(server, &["create", "clusterrole", "read-all", "--verb=get,list", "--resource=*.*"], "");
    kubectl(
        server,
        &["create", "clusterrolebinding", "read-all", "--clusterrole=read-all", "--serviceaccount=default:reader"],
        "",
    );
    let token = kubectl(server, &["create", "token", "reader"], "");
    server.kubeconfig_with_token("reader", token.trim()).expect("it can be written")
}

#[test]
fn the_record_of_the_running_scheduler_is_shown_to_those_who_may() {
    let Served { scheduler, server, clients, folder, port, .. } = served(&for_server());
    let admin = server.kubeconfig();
    add_node(&server, "node-a", "2");
    add_node(&server, "node-b", "1");
    create(&server, &[pod("web", "1500m", &json!({}))]);
    assert_eq!(bound(&server, "web"), "node-a");
    create(&server, &[pod("large", "4", &json!({"priority": 0}))]);
    create(&server, &[pod("held", "1", &json!({"schedulingGates": [{"name": "example.com/quota"}]}))]);
    waiting(&server, "large");

    let url = format!("https://localhost:{port}");
    let authority = folder.path().join("tls.crt").display().to_string();
    let at = ["--scheduler", url.as_str(), "--scheduler-ca", &authority];
    let told = format!("From the record of the running scheduler ({url}); --fresh evaluates anew\n");
    let asked = Client::anonymous(port).with_token(server.token());

    // The record is what is served, whole; and it looks as an evaluation does, but for what is kept besides.
    let done = explain(&admin, &[&["large", "-o", "json"][..], &at].concat());
    assert_eq!(done.err, told, "{done}");
    let recorded = json_of(&done);
    assert_eq!(recorded, asked.json("/debug/decisions?pod=default/large"));
    assert_eq!(recorded["pods"][0]["truncated"], false);
    let fresh = explain(&admin, &["default/large", "-o", "json", "--fresh"]);
    assert_eq!(fresh.err, "");
    let mut without = recorded.clone();
    without["pods"][0].as_object_mut().expect("a decision").remove("summary").expect("it was tried");
    assert_eq!(without["pods"], json_of(&fresh)["pods"]);
    let table = explain(&admin, &[&["large"][..], &at].concat());
    let fresh = explain(&admin, &["large", "--fresh"]);
    assert_eq!(table.out.replace("  attempt   1\n", ""), fresh.out, "{table}");
    let yaml = explain(&admin, &[&["large", "-o", "yaml"][..], &at].concat());
    assert!(yaml.out.contains("\nkind: DecisionList\n") && yaml.out.contains("  summary:\n"), "{yaml}");

    // Its own placement was a change: the nodes are gone, which is said, and what is kept is shown.
    let web = explain(&admin, &[&["web"][..], &at].concat());
    assert_eq!((web.code, web.err.as_str()), (Some(0), told.as_str()), "{web}");
    for text in [
        "default/web: Feasible\n",
        "the only node that fits\n",
        "\nThe table of nodes is no longer kept for this decision.\n",
        "\nFit: 1 node\n",
        "NodeResourcesFit   Insufficient cpu\n",
    ] {
        assert!(web.out.contains(text), "{text}: {web}");
    }

    // Each of several; also one that the scheduler can not have tried, as no controller has made it.
    create(&server, &[workload("Deployment", "later", "1", &json!({"replicas": 1}), &json!({}))]);
    let all = explain(&admin, &["-o", "json"]);
    assert_eq!(all.err, "", "without a name no scheduler is asked");
    let pods = json_of(&all)["pods"].as_array().expect("a list").clone();
    let made = pods.iter().filter_map(|pod| pod["name"].as_str()).find(|name| name.starts_with("later-"));
    let made = made.expect("it stands for its pod").to_owned();
    let done = explain(&admin, &[&["large", made.as_str(), "held", "--fail-on-pending"][..], &at].concat());
    assert_eq!(done.code, Some(1), "{done}");
    let unknown = format!(
        "The running scheduler ({url}) has no record of {made}, which it has not tried, or not lately: evaluated on a fresh snapshot\n"
    );
    assert_eq!(done.err, format!("{told}{unknown}"));
    for text in ["default/large: Unschedulable\n", "default/held: Gated\n", &format!("default/{made}: Feasible\n")] {
        assert!(done.out.contains(text), "{text}: {done}");
    }
    let done = explain(&admin, &[&["large", "nobody"][..], &at].concat());
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{done}");

    // Whoever has no right to look is told so, and gets what he may have.
    let reader = reader(&server);
    let refused = "forbidden: User \"system:serviceaccount:default:reader\" cannot get path \"/debug/decisions\"";
    let done = eventually("the role works", || {
        Some(explain(&reader, &[&["large"][..], &at].concat())).filter(|done| done.code == Some(0))
    });
    let fallback =
        |why: &str| format!("warning: no running scheduler reached ({url}: {why}): evaluated on a fresh snapshot\n");
    assert_eq!((&done.err, &done.out), (&fallback(refused), &fresh.out), "{done}");
    may_get(
        &server,
        "look",
        &["/debug/*"],
        &json!({"kind": "ServiceAccount", "name": "reader", "namespace": "default"}),
    );
    // What was refused is remembered for ten seconds.
    eventually("it may look", || (explain(&reader, &[&["large"][..], &at].concat()).err == told).then_some(()));

    // A certificate is as good as a token; and who may only look needs no right to list anything.
    may_get(&server, "jane", &["/debug/*"], &json!({"kind": "User", "name": "jane"}));
    let jane = clients.sign("jane", "");
    fs::write(folder.path().join("jane.crt"), jane.certificate.pem()).expect("it can be written");
    fs::write(folder.path().join("jane.key"), jane.key.serialize_pem()).expect("it can be written");
    let user = json!({"client-certificate": "jane.crt", "client-key": "jane.key"});
    let cluster = json!({"server": server.server(), "certificate-authority": server.certificate_authority()});
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": user}],
    });
    let of_jane = folder.path().join("jane.kubeconfig");
    fs::write(&of_jane, config.to_string()).expect("it can be written");
    eventually("jane may look", || {
        let done = explain(&of_jane, &[&["large", "-o", "json"][..], &at].concat());
        (done.err == told && json_of(&done)["pods"][0]["name"] == "large").then_some(())
    });

    // Nobody whom the kubeconfig believes has signed its certificate.
    let done = explain(&admin, &["large", "--scheduler", &url]);
    assert_eq!((done.code, &done.out), (Some(0), &fresh.out), "{done}");
    assert!(done.err.contains("invalid peer certificate: UnknownIssuer"), "{done}");
    assert!(done.err.ends_with("): evaluated on a fresh snapshot\n"), "{done}");
    let done = explain(&admin, &["large", "--scheduler", &url, "--scheduler-insecure"]);
    assert_eq!((done.err, done.out), (told, table.out));
    let done = explain(&admin, &["large", "--scheduler", &url, "--scheduler-ca", "no/such/file"]);
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
    assert!(done.err.contains("no/such/file: No such file"), "{}", done.err);

    assert_eq!(scheduler.stop(), Some(0));
    let done = explain(&admin, &[&["large"][..], &at].concat());
    assert_eq!((done.code, &done.out), (Some(0), &fresh.out), "{done}");
    assert!(done.err.contains("Connection refused"), "{done}");
    assert!(done.err.ends_with("): evaluated on a fresh snapshot\n"), "{done}");
}

/// A way for the API server to reach pods, wherever they are said to be: each connection ends at this port.
fn pods_are_at(socket: &Path, port: u16) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let serve = move |mut from: UnixStream| -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            from.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        from.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let (mut answers, mut back) = (to.try_clone()?, from.try_clone()?);
        thread::spawn(move || std::io::copy(&mut answers, &mut back));
        std::io::copy(&mut from, &mut to).map(drop)
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks is for the API server to notice.
            thread::spawn(move || serve(stream));
        }
    });
}

/// Without an address the pod that leads is asked through the API server, which asks as nobody in particular.
#[test]
fn the_leader_is_found_by_its_lease() {
    let way = tempfile::tempdir().expect("a folder");
    let (socket, config) = (way.path().join("pods"), way.path().join("egress.yaml"));
    let selection = json!({
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{
            "name": "cluster",
            "connection": {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": socket}}},
        }],
    });
    fs::write(&config, selection.to_string()).expect("it can be written");
    let flag = format!("--egress-selector-config-file={}", config.display());
    let Served { scheduler, server, folder, port, .. } = served_with(&for_server(), &[flag]);
    pods_are_at(&socket, port);
    let admin = server.kubeconfig();
    add_node(&server, "node-a", "1");
    create(&server, &[pod("large", "4", &json!({"priority": 0}))]);
    waiting(&server, "large");
    let fresh = explain(&admin, &["large", "--fresh"]);

    // Here it runs in no pod.
    let done = explain(&admin, &["large"]);
    assert_eq!((done.code, &done.out), (Some(0), &fresh.out), "{done}");
    assert!(done.err.starts_with("no running scheduler reached (there is no pod of `"), "{done}");
    assert!(done.err.ends_with("): evaluated on a fresh snapshot\n"), "{done}");

    // Nobody in particular has no right to look, unless the cluster gives it.
    lead(&server, "scheduler-0", "scheduler-0");
    let done = explain(&admin, &["large"]);
    assert_eq!((done.code, &done.out), (Some(0), &fresh.out), "{done}");
    let refused = "no running scheduler reached (pod kube-system/scheduler-0, through the API server: forbidden: User \
                   \"system:anonymous\" cannot get path \"/debug/decisions\"; `kubectl port-forward -n kube-system scheduler-0 \
                   10259` and --scheduler https://127.0.0.1:10259 --scheduler-insecure ask it as you): evaluated on a fresh snapshot\n";
    assert_eq!(done.err, refused);
    may_get(&server, "look", &["/debug/decisions"], &json!({"kind": "User", "name": "system:anonymous"}));
    let told = |pod: &str| {
        format!(
            "From the record of the running scheduler (pod kube-system/{pod}, through the API server); --fresh evaluates anew\n"
        )
    };
    let done = eventually("anybody may look", || {
        Some(explain(&admin, &["large"])).filter(|done| done.err == told("scheduler-0"))
    });
    assert!(done.code == Some(0) && done.out.contains("\n  attempt   "), "{done}");
    // A configuration of one's own asks for an evaluation.
    let config = way.path().join("config.yaml");
    fs::write(&config, "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n")
        .expect("it can be written");
    let done = explain(&admin, &["large", "--config", &config.display().to_string()]);
    assert_eq!((done.err.as_str(), &done.out), ("", &fresh.out));

    // One that the kubelet has started has its node's name behind its own.
    lead(&server, "node-a", "kube-scheduler-node-a");
    assert_eq!(explain(&admin, &["large"]).err, told("kube-scheduler-node-a"));
    // A Lease outlives its holder, and another one leads by the other Lease.
    hold(&server, "loadline-scheduler", "gone");
    hold(&server, "kube-scheduler", "node-a");
    assert_eq!(explain(&admin, &["large"]).err, told("kube-scheduler-node-a"));
    // Where nobody is left, it is told of the one that was to be asked.
    hold(&server, "kube-scheduler", "gone-too");
    let done = explain(&admin, &["large"]);
    assert!(done.err.starts_with("no running scheduler reached (there is no pod of `gone`"), "{done}");
    assert_eq!(scheduler.stop(), Some(0));
    drop(folder);
}

/// Has somebody hold the Lease of the manifests, and a pod that is said to be him.
fn lead(server: &ControlPlane, host: &str, pod_name: &str) {
    hold(server, "loadline-scheduler", host);
    let pod = pod(pod_name, "0", &json!({"nodeName": "node-a"}));
    kubectl(server, &["create", "-n", "kube-system", "-f", "-"], &pod.to_string());
    let status = json!({"status": {"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}}).to_string();
    let patch = ["patch", "pod", pod_name, "-n", "kube-system", "--subresource=status", "--type=merge", "-p", &status];
    kubectl(server, &patch, "");
}

fn hold(server: &ControlPlane, lease: &str, host: &str) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease, "namespace": "kube-system"},
        "spec": {"holderIdentity": format!("{host}_0a1b"), "leaseDurationSeconds": 15},
    });
    kubectl(server, &["apply", "-f", "-"], &lease.to_string());
}
