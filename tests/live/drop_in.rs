//! In the place of kube-scheduler: kubeadm's static pod with nothing changed but the image.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use loadline_fixture::{ControlPlane, User};
use serde_json::{Value, json};

use crate::support::{Running, add_node, bound, create, pod};

/// The command of the static pod as kubeadm 1.36 writes it, the kubeconfig with the modes that kubeadm gives it, and a log as long as
/// it can be, in which the token must not be.
#[test]
fn kubeadms_static_pod_needs_another_image_and_nothing_else() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "2");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig = folder.path().join("scheduler.conf");
    fs::copy(server.kubeconfig_of(User::Scheduler), &kubeconfig).expect("it can be copied");
    fs::set_permissions(&kubeconfig, fs::Permissions::from_mode(0o600)).expect("it can be changed");
    let binary = folder.path().join("kube-scheduler");
    symlink(env!("CARGO_BIN_EXE_loadline"), &binary).expect("a link can be made");
    let log = folder.path().join("log");

    let kubeconfig = kubeconfig.display();
    let mut command = Command::new(binary);
    command
        .arg(format!("--authentication-kubeconfig={kubeconfig}"))
        .arg(format!("--authorization-kubeconfig={kubeconfig}"))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--kubeconfig={kubeconfig}"))
        .arg("--leader-elect=true")
        // Not kubeadm's: the usual port may be taken on the machine that this runs on.
        .arg("--secure-port=0")
        .args(["--v=10", "--logging-format=json"])
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log).expect("it can be written"));
    let scheduler = Running::of(command);
    create(&server, &[pod("web", "500m", &json!({}))]);
    assert_eq!(bound(&server, "web"), "node-a");
    assert_eq!(scheduler.stop(), Some(0));

    let log = fs::read_to_string(log).expect("it was written");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).expect("each line is an object");
        assert!(event["message"].is_string() && event["level"].is_string(), "{line}");
    }
    assert!(log.contains("\"bound\"") && log.contains("\"decided\""), "the log tells of decisions");
    assert!(log.contains("/api/v1/nodes"), "and of requests");
    assert!(!log.contains(User::Scheduler.token()), "but not as whom they were made");
}
