//! The manifests, the example, and the way from kube-scheduler to Loadline and back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loadline_fixture::{ControlPlane, User};
use serde_json::{Value, json};

use crate::support::{Running, add_node, bound, create, get, kubectl, pod};

fn path(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn dry_run(server: &ControlPlane, arguments: &[&str]) -> Vec<Value> {
    let text = kubectl(server, &[&["apply", "--dry-run=server", "-o", "json"], arguments].concat(), "");
    let list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    list["items"].as_array().cloned().unwrap_or_else(|| vec![list])
}

#[test]
fn the_api_server_takes_them() {
    let server = ControlPlane::start().expect("the control plane starts");
    for (folder, profile) in
        [("manifests/base", "default-scheduler"), ("manifests/overlays/second-scheduler", "loadline")]
    {
        let objects = dry_run(&server, &["-k", &path(folder)]);
        let mut kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        kinds.sort_unstable();
        let expected = [
            "ClusterRole",
            "ClusterRoleBinding",
            "ConfigMap",
            "Deployment",
            "PodDisruptionBudget",
            "Role",
            "RoleBinding",
            "Service",
            "ServiceAccount",
        ];
        assert_eq!(kinds, expected, "{folder}");
        let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).expect("it is there");
        for object in
            objects.iter().filter(|object| !object["kind"].as_str().unwrap_or_default().starts_with("Cluster"))
        {
            assert_eq!(object["metadata"]["namespace"], "kube-system", "{object}");
        }
        let config = of_kind("ConfigMap")["data"]["config.yaml"].as_str().expect("it is there");
        assert!(config.contains(&format!("schedulerName: {profile}\n")), "{config}");
        assert!(config.contains("resourceName: loadline-scheduler\n"), "{config}");
        selectors_meet_the_pods(&objects);
        restricted(&server, &of_kind("Deployment")["spec"]["template"], folder);
    }
    let example = dry_run(&server, &["-f", &path("examples/schedule-with-loadline/deployment.yaml")]);
    assert_eq!(example[0]["spec"]["template"]["spec"]["schedulerName"], "loadline");
}

#[test]
fn an_overlay_may_have_the_rescheduler_and_gangs() {
    let server = ControlPlane::start().expect("the control plane starts");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let real = folder.path().canonicalize().expect("it is there");
    let manifests = path("manifests");
    let up = "../".repeat(real.components().count() - 1) + manifests.trim_start_matches('/');
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{up}/base]\ncomponents: [{up}/components/rescheduler, {up}/components/gangs]\n"
    );
    fs::write(folder.path().join("kustomization.yaml"), text).expect("it can be written");
    let objects = dry_run(&server, &["-k", &folder.path().display().to_string()]);
    let of_kind = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of_kind("ClusterRole").len(), of_kind("ClusterRoleBinding").len()), (3, 3));
    let mut definitions: Vec<&str> = of_kind("CustomResourceDefinition")
        .iter()
        .filter_map(|definition| definition["metadata"]["name"].as_str())
        .collect();
    definitions.sort_unstable();
    assert_eq!(definitions, ["moves.loadline.dev", "podgroups.scheduling.x-k8s.io"]);
    // Only whoever wants pods moved may evict any.
    let evicts = |role: &&&Value| role["rules"].to_string().contains("pods/eviction");
    let roles = of_kind("ClusterRole");
    let names: Vec<&Value> = roles.iter().filter(evicts).map(|role| &role["metadata"]["name"]).collect();
    assert_eq!(names, ["loadline-rescheduler"]);
}

fn selectors_meet_the_pods(objects: &[Value]) {
    let of_kind = |kind: &str| &objects.iter().find(|object| object["kind"] == kind).expect("it is there")["spec"];
    let labels = &of_kind("Deployment")["template"]["metadata"]["labels"];
    for selector in [&of_kind("PodDisruptionBudget")["selector"]["matchLabels"], &of_kind("Service")["selector"]] {
        assert_eq!(selector, labels);
    }
}

/// A namespace that takes only pods with as few rights as can be takes the scheduler's.
fn restricted(server: &ControlPlane, template: &Value, folder: &str) {
    let name = folder.replace('/', "-");
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    create(server, &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})]);
    let mut pod = template.clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "scheduler".into();
    pod["metadata"]["namespace"] = name.into();
    kubectl(server, &["create", "--dry-run=server", "-f", "-"], &pod.to_string());
    // It would say so otherwise.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refused = server.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&pod.to_string()));
    assert!(refused.is_err_and(|error| error.to_string().contains("PodSecurity")), "{folder}");
}

/// The command of the manifest for the static pod, with a kubeconfig that is here and a port that nobody else has.
fn static_pods_command(server: &ControlPlane, kubeconfig: &Path) -> Vec<String> {
    let pod = dry_run(server, &["-f", &path("manifests/static-pod/kube-scheduler.yaml")]).swap_remove(0);
    let command = pod["spec"]["containers"][0]["command"].as_array().expect("it has a command").clone();
    let kubeconfig = kubeconfig.display().to_string();
    let words = command.iter().filter_map(Value::as_str);
    let words = words.map(|word| word.replace("/etc/kubernetes/scheduler.conf", &kubeconfig));
    words.chain(["--secure-port=0".to_owned()]).collect()
}

fn holder(server: &ControlPlane) -> String {
    let lease = get(server, &["lease", "kube-scheduler", "-n", "kube-system"]);
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn there_and_back() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "2");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let command = static_pods_command(&server, &server.kubeconfig_of(User::Scheduler));
    assert_eq!(command[0], "kube-scheduler");
    let theirs = PathBuf::from(std::env::var_os("LOADLINE_COMPONENTS").expect("`cargo xtask tools` says where"));
    let theirs = theirs.join("kube-scheduler");
    let ours = folder.path().join("kube-scheduler");
    symlink(env!("CARGO_BIN_EXE_loadline"), &ours).expect("a link can be made");

    // Each ends as the kubelet ends it, and the next one leads at once, by the same Lease and the same command line.
    let mut holders = Vec::new();
    for (number, binary) in [&theirs, &ours, &theirs].into_iter().enumerate() {
        let log = fs::File::create(folder.path().join(format!("log-{number}"))).expect("it can be made");
        let mut process = Command::new(binary);
        process.args(&command[1..]).stdin(Stdio::null()).stderr(log);
        let scheduler = Running::of(process);
        let name = format!("web-{number}");
        create(&server, &[pod(&name, "100m", &json!({}))]);
        assert_eq!(bound(&server, &name), "node-a");
        holders.push(holder(&server));
        assert_eq!(scheduler.stop(), Some(0));
        assert_eq!(holder(&server), "", "the Lease is free");
    }
    holders.dedup();
    assert_eq!(holders.len(), 3, "{holders:?}");
}

/// The image has what manifests and kubeadm ask of it.
#[test]
fn the_image_is_what_the_manifests_run() {
    let read = |name: &str| fs::read_to_string(path(name)).expect("it is there");
    let (image, toolchain) = (read("Containerfile"), read("rust-toolchain.toml"));
    let version = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has one");
    assert!(image.contains(&format!("FROM rust:{version}-")), "{image}");
    assert!(image.contains(&format!("RUSTUP_TOOLCHAIN={version}\n")), "{image}");
    // kubeadm's static pod reads root's files; what is not to run as root says so itself.
    assert!(!image.lines().any(|line| line.starts_with("USER")), "{image}");
    let tag = format!("newTag: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(read("manifests/base/kustomization.yaml").contains(&tag));
    let tag = format!("image: loadline:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(read("manifests/static-pod/kube-scheduler.yaml").contains(&tag));
}
