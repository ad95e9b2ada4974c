//! A cluster as it is now: saved, and asked without a file in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use loadline_fixture::ControlPlane;
use serde_json::Value;

use crate::dump::{Dump, dump};
use crate::run::{Done, loadline, loadline_with};

fn save(kubeconfig: &str, file: &Path) -> Done {
    loadline(&["snapshot", "save", &file.display().to_string(), "--kubeconfig", kubeconfig])
}

fn kubeconfig_of(dump: &Dump) -> String {
    dump.server.kubeconfig().display().to_string()
}

/// One API server, and what is asked of it in turn: some of it changes what it has.
#[test]
fn a_snapshot_is_the_cluster() {
    let dump = dump();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("cluster.json");
    let kubeconfig = kubeconfig_of(dump);

    let done = save(&kubeconfig, &file);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{done}");
    let snapshot = fs::read_to_string(&file).expect("it is there");
    let mode = fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is for nobody else");
    let list: Value = serde_json::from_str(&snapshot).expect("it is JSON");
    let number = list["items"].as_array().expect("it is a list").len();
    assert!(done.err.ends_with(&format!("{number} objects saved\n")), "{done}");
    for secret in ["not-for-snapshots", "managedFields", "\"env\"", "\"command\""] {
        assert!(!snapshot.contains(secret), "{secret}");
    }
    assert!(dump.json.contains("not-for-snapshots"), "the dump has it");
    let again = loadline(&["snapshot", "save", "-", "--kubeconfig", &kubeconfig]);
    assert_eq!((again.code, again.out == snapshot), (0, true), "{}", again.err);

    // What comes of it is what comes of kubectl's dump, and of the cluster itself.
    let file = file.display().to_string();
    let rest = ["-o", "json"];
    let of_dump = loadline_with(&[&["explain", "-f", "-"][..], &rest].concat(), &dump.json);
    assert!(of_dump.out.lines().count() > 40, "{of_dump}");
    let of_file = loadline(&[&["explain", "-f", &file][..], &rest].concat());
    let of_cluster = loadline(&[&["explain", "--kubeconfig", &kubeconfig][..], &rest].concat());
    for done in [&of_file, &of_cluster] {
        assert_eq!((done.code, &done.err, done.out == of_dump.out), (0, &of_dump.err, true));
    }
    let simulated = loadline_with(&["simulate", "-f", "-", "-o", "json"], &dump.json);
    let of_file = loadline(&["simulate", "-f", &file, "-o", "json"]);
    assert_eq!((of_file.code, of_file.out == simulated.out), (0, true), "{}", of_file.err);

    one_pod(&kubeconfig);
    without_rights(dump, folder.path());
    more_than_a_page(&dump.server, &kubeconfig, folder.path());
    nothing_is_lost(&file);
}

fn one_pod(kubeconfig: &str) {
    let explain = |args: &[&str]| loadline(&[&["explain", "--kubeconfig", kubeconfig][..], args].concat());
    let done = explain(&["shop/affinity"]);
    assert!(done.code == 0 && done.out.starts_with("shop/affinity: "), "{done}");
    let nobody = "no running scheduler reached (nobody holds a Lease loadline-scheduler or kube-scheduler in kube-system): \
                  evaluated on a fresh snapshot\n";
    assert!(done.err.starts_with(nobody), "{done}");
    let done = explain(&["shop/nobody"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("shop/nobody"), "{done}");
    let done = explain(&["--context", "elsewhere"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("elsewhere"), "{done}");
}

/// A kubeconfig for somebody who may do nothing at first.
fn somebody(dump: &Dump) -> String {
    let server = &dump.server;
    server.kubectl(&["create", "serviceaccount", "somebody", "-n", "default"], None).expect("it can be made");
    let token = server.kubectl(&["create", "token", "somebody", "-n", "default"], None).expect("it can be made");
    let path = server.kubeconfig_with_token("somebody", token.trim()).expect("it can be written");
    path.display().to_string()
}

fn without_rights(dump: &Dump, folder: &Path) {
    let kubeconfig = somebody(dump);
    let file = folder.join("nothing.json");
    for done in [save(&kubeconfig, &file), loadline(&["explain", "--kubeconfig", &kubeconfig])] {
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        assert!(done.err.starts_with("error: not allowed to list namespaces, services, "), "{done}");
        assert!(done.err.contains(", pods, nodes: "), "{done}");
        assert!(done.err.contains("system:serviceaccount:default:somebody"), "{done}");
    }
    assert_eq!(fs::read_dir(folder).expect("it is there").count(), 1, "no piece of a file stays");

    // The right to list what decisions depend on is enough.
    let role = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looks-at-pods}
rules:
- {apiGroups: [''], resources: [nodes, pods, namespaces, services, limitranges, replicationcontrollers], verbs: [list]}
- {apiGroups: [apps, batch], resources: [replicasets, statefulsets, deployments, daemonsets, jobs], verbs: [list]}
- {apiGroups: [scheduling.k8s.io, policy, node.k8s.io, resource.k8s.io], resources: [priorityclasses, poddisruptionbudgets, runtimeclasses, deviceclasses], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looks-at-pods}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looks-at-pods}
subjects: [{kind: ServiceAccount, name: somebody, namespace: default}]
";
    dump.server.kubectl(&["apply", "-f", "-"], Some(role)).expect("the API server takes it");
    // The API server learns of it by a watch of its own.
    let allowed = (0..100).find_map(|_| {
        let done = save(&kubeconfig, &file);
        std::thread::sleep(std::time::Duration::from_millis(if done.code == 0 { 0 } else { 100 }));
        (done.code == 0).then_some(done)
    });
    let done = allowed.expect("the right counts within ten seconds");
    assert!(done.err.contains("warning: left out: persistentvolumes: not allowed to list them"), "{done}");
}

fn more_than_a_page(server: &ControlPlane, kubeconfig: &str, folder: &Path) {
    let classes: Vec<String> = (0..501)
        .map(|number| format!("apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: c{number}}}\nvalue: {number}\n"))
        .collect();
    server.kubectl(&["create", "-f", "-"], Some(&classes.join("---\n"))).expect("the API server takes them");
    let file = folder.join("large.json");
    let done = save(kubeconfig, &file);
    assert_eq!(done.code, 0, "{done}");
    let list: Value = serde_json::from_str(&fs::read_to_string(file).expect("it is there")).expect("it is JSON");
    let items = list["items"].as_array().expect("it is a list");
    let mine = |item: &&Value| {
        item["kind"] == "PriorityClass" && item["metadata"]["name"].as_str().is_some_and(|name| name.starts_with('c'))
    };
    assert_eq!(items.iter().filter(mine).count(), 501);
}

/// A snapshot that can not be taken leaves the last one.
fn nothing_is_lost(file: &str) {
    let before = fs::read_to_string(file).expect("it is there");
    let kubeconfig = "\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: c}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: c, user: {}}]
";
    let path = format!("{file}.kubeconfig");
    fs::write(&path, kubeconfig).expect("it can be written");
    let done = save(&path, Path::new(file));
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("can not list namespaces at https://127.0.0.1:1/: "), "{done}");
    assert_eq!(fs::read_to_string(file).expect("it is there"), before);
}
