//! Credentials that are replaced while the scheduler runs: it goes on with the new ones, and is never restarted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::https::{Authority, Identity};
use crate::support::{Running, add_node, bound, create, eventually, get, is_long, kubectl, pod};

/// Users with the same rights, in the order in which one follows the other: the first two have certificates, the others tokens.
const USERS: [&str; 4] = ["first", "second", "third", "fourth"];

/// The binding that gives a user its rights.
fn rights_of(user: &str) -> Value {
    let subject = if matches!(user, "first" | "second") {
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user})
    } else {
        json!({"kind": "ServiceAccount", "name": user, "namespace": "default"})
    };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [subject],
    })
}

/// As the API server calls it.
fn full_name(user: &str) -> String {
    if matches!(user, "first" | "second") { user.to_owned() } else { format!("system:serviceaccount:default:{user}") }
}

/// What renews certificates writes whole files, one after the other.
fn write(path: &Path, text: &str) {
    let part = path.with_extension("part");
    fs::write(&part, text).expect("it can be written");
    fs::rename(&part, path).expect("it can be replaced");
}

fn write_pair(folder: &Path, identity: &Identity) {
    write(&folder.join("client.key"), &identity.key.serialize_pem());
    write(&folder.join("client.crt"), &identity.certificate.pem());
}

struct Rotation {
    server: ControlPlane,
    folder: tempfile::TempDir,
}

impl Rotation {
    fn write_kubeconfig(&self, user: &Value) {
        let cluster =
            json!({"server": self.server.server(), "certificate-authority": self.server.certificate_authority()});
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": user}],
        });
        write(&self.folder.path().join("kubeconfig"), &config.to_string());
    }

    fn token_of(&self, user: &str) -> String {
        kubectl(&self.server, &["create", "token", user], "").trim().to_owned()
    }

    /// Whether the lease has been renewed by this user since the log was so long.
    fn renews_as(&self, user: &str, since: usize) -> Option<()> {
        let log = fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default();
        let renewed = |line: &str| {
            // The last line may not be whole yet.
            let event: Value = serde_json::from_str(line).ok()?;
            (event["user"]["username"] == full_name(user) && event["responseStatus"]["code"] == 200).then_some(())
        };
        log.lines().skip(since).find_map(renewed)
    }

    fn audited(&self) -> usize {
        fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default().lines().count()
    }

    /// Takes a user's rights away once the next one is used, and sees a pod bound.
    fn retire(&self, user: &str, next: &str) {
        let since = self.audited();
        eventually(&format!("{next} renews the lease"), || self.renews_as(next, since));
        kubectl(&self.server, &["delete", "clusterrolebinding", user], "");
        let as_user = format!("--as={}", full_name(user));
        eventually(&format!("{user} may bind nothing any more"), || {
            let may =
                self.server.kubectl(&["auth", "can-i", "create", "pods", "--subresource=binding", &as_user], None);
            may.is_err().then_some(())
        });
        let name = format!("after-{user}");
        create(&self.server, &[pod(&name, "1", &json!({}))]);
        assert_eq!(bound(&self.server, &name), "node-a");
    }
}

#[test]
fn whoever_gets_new_credentials_goes_on_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clients = Authority::new("clients");
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    fs::write(in_folder("clients.crt"), clients.pem()).expect("it can be written");
    let rules = json!([
        {"level": "Metadata", "verbs": ["update"], "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None"},
    ]);
    let policy =
        json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules});
    fs::write(in_folder("policy.yaml"), policy.to_string()).expect("it can be written");
    let flags = [
        format!("--client-ca-file={}", in_folder("clients.crt")),
        format!("--audit-policy-file={}", in_folder("policy.yaml")),
        format!("--audit-log-path={}", in_folder("audit.log")),
    ];
    let server = ControlPlane::start_with(&flags.each_ref().map(String::as_str)).expect("the control plane starts");
    for account in ["third", "fourth"] {
        kubectl(&server, &["create", "serviceaccount", account], "");
    }
    create(&server, &USERS.map(rights_of));
    add_node(&server, "node-a", "10");
    let rotation = Rotation { server, folder };
    let (server, folder) = (&rotation.server, rotation.folder.path());

    write_pair(folder, &clients.sign("first", ""));
    // Relative to the kubeconfig's own folder, as kubelets have them.
    rotation.write_kubeconfig(&json!({"client-certificate": "client.crt", "client-key": "client.key"}));
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.args(["run", "-v", "2", "--secure-port=0"]).stdin(Stdio::null());
    command.arg("--kubeconfig").arg(folder.join("kubeconfig"));
    let scheduler = Running::of(command);
    create(server, &[pod("at-first", "1", &json!({}))]);
    assert_eq!(bound(server, "at-first"), "node-a");

    // Other certificate, same kubeconfig.
    write_pair(folder, &clients.sign("second", ""));
    rotation.retire("first", "second");
    // Other kubeconfig, with a token in a file.
    write(&folder.join("token"), &rotation.token_of("third"));
    rotation.write_kubeconfig(&json!({"tokenFile": folder.join("token")}));
    rotation.retire("second", "third");
    if is_long() {
        // Other token in the same file, which each connection looks at once a minute.
        write(&folder.join("token"), &rotation.token_of("fourth"));
        sleep(Duration::from_secs(65));
        rotation.retire("third", "fourth");
    }
    let lease = get(server, &["lease", "kube-scheduler", "-n", "kube-system"]);
    assert_eq!(lease["spec"]["leaseTransitions"], 0, "the one that began still leads");
    assert_eq!(scheduler.stop(), Some(0));
}
