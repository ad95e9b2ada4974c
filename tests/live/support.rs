//! What the tests share: a scheduler that runs, objects, and waiting.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use loadline_fixture::{Cluster, ControlPlane, Node, Proxy, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::https::Client;

/// A running scheduler; it is ended with the test.
pub(crate) struct Running {
    process: Child,
    /// Where its configuration is, if it has one.
    folder: Option<TempDir>,
}

impl Running {
    /// Starts it with kube-scheduler's defaults.
    pub(crate) fn start(server: &ControlPlane) -> Self {
        Self::with_flags(server, &[])
    }

    /// One that was started otherwise.
    pub(crate) fn of(mut command: Command) -> Self {
        Self { process: command.spawn().expect("the scheduler starts"), folder: None }
    }

    /// The same with more flags.
    pub(crate) fn with_flags(server: &ControlPlane, flags: &[&str]) -> Self {
        let mut command = Self::command();
        command.arg("--kubeconfig").arg(service_account(server));
        command.args(["--leader-elect-resource-name", NAME]).args(flags);
        Self::of(command)
    }

    /// Starts it behind a proxy.
    pub(crate) fn through(proxy: &Proxy, flags: &[&str]) -> Self {
        let mut command = Self::command();
        command.arg("--kubeconfig").arg(proxy.kubeconfig());
        command.args(["--leader-elect-resource-name", NAME]).args(flags);
        Self::of(command)
    }

    /// Starts it as the scheduler of these profiles.
    pub(crate) fn with_profiles(server: &ControlPlane, profiles: &Value) -> Self {
        Self::with_extenders(server, profiles, &json!([]))
    }

    /// The same with extenders.
    pub(crate) fn with_extenders(server: &ControlPlane, profiles: &Value, extenders: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = json!({
            "extenders": extenders,
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": service_account(server)},
            "leaderElection": {"resourceName": NAME},
            "profiles": profiles,
        });
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, config.to_string()).expect("the configuration is written");
        let mut running = Self::with_config(&path);
        running.folder = Some(folder);
        running
    }

    /// Starts it with a configuration file and nothing else.
    pub(crate) fn with_config(path: &Path) -> Self {
        let mut command = Self::command();
        command.arg("--config").arg(path);
        Self::of(command)
    }

    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
        // Many run at the same time; what is served has a test of its own.
        command.args(["run", "-v", "4", "--secure-port=0"]).stdin(Stdio::null());
        // As in the image, which has none of the certificate authorities that a system comes with.
        command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        command
    }

    /// Asks it to end, and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Its resident memory, in kB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        // The kernel counts in hundredths of a second, whatever it does itself.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the manifests call the service account, and the Lease that it may hold.
pub(crate) const NAME: &str = "loadline-scheduler";

/// A scheduler whose metrics everybody may see.
pub(crate) struct Watched {
    pub(crate) scheduler: Running,
    metrics: Client,
}

impl Watched {
    /// Starts it with these flags and those that its metrics need.
    pub(crate) fn start(flags: &[&str], run: impl FnOnce(&[&str]) -> Running) -> Self {
        let port = free_port().expect("a port");
        let secure_port = format!("--secure-port={port}");
        let serving = ["--bind-address=127.0.0.1", &secure_port, "--authorization-always-allow-paths=/metrics,/readyz"];
        let (scheduler, metrics) = (run(&[flags, &serving].concat()), Client::anonymous(port));
        eventually("metrics are served", || metrics.try_get("/metrics").filter(|answer| answer.status == 200));
        Self { scheduler, metrics }
    }

    /// A metric that is there from the beginning.
    pub(crate) fn gauge(&self, name: &str) -> usize {
        assert!(self.metrics.body("/metrics").contains(&format!("\n{name} ")), "there is no {name}");
        self.metric(name)
    }

    /// The sum of a metric over all series that begin so; 0 as long as there is none.
    pub(crate) fn metric(&self, series: &str) -> usize {
        let text = self.metrics.body("/metrics");
        let values = text.lines().filter_map(|line| line.strip_prefix(series)?.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum::<f64>() as usize
    }
}

/// Gives the API server the manifests' service account with its rights, and gives a kubeconfig for it.
pub(crate) fn service_account(server: &ControlPlane) -> PathBuf {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/base");
    let account = format!("{manifests}/service-account.yaml");
    let rights = format!("{manifests}/rights.yaml");
    kubectl(server, &["apply", "-n", "kube-system", "-f", &account, "-f", &rights], "");
    let token = kubectl(server, &["create", "token", NAME, "-n", "kube-system"], "");
    server.kubeconfig_with_token(NAME, token.trim()).expect("it can be written")
}

/// A lease that changes hands as quickly as whole seconds allow.
pub(crate) const QUICK: [&str; 3] =
    ["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms"];

/// Whether `cargo xtask drills` asks for the long forms.
pub(crate) fn is_long() -> bool {
    std::env::var_os("LOADLINE_DRILLS").is_some()
}

/// A cluster with these nodes.
pub(crate) fn cluster(nodes: &[Node]) -> Cluster {
    let mut cluster = Cluster::start().expect("the cluster starts");
    cluster.add_nodes(nodes).expect("the nodes become ready");
    cluster
}

pub(crate) fn create(server: &ControlPlane, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    kubectl(server, &["create", "-f", "-"], &list.to_string());
}

/// Deletes a pod at once.
pub(crate) fn delete(server: &ControlPlane, pod: &str) {
    kubectl(server, &["delete", "pod", pod, "--grace-period=0", "--force"], "");
}

/// A node on which nothing runs, for pods that only have to be bound.
pub(crate) fn add_node(server: &ControlPlane, name: &str, cpu: &str) {
    create(server, &[node(name, &json!({"cpu": cpu, "memory": "8Gi", "pods": "110"}))]);
}

/// One for exactly so many pods of one core each.
pub(crate) fn add_node_for(server: &ControlPlane, name: &str, pods: usize) {
    let pods = pods.to_string();
    create(server, &[node(name, &json!({"cpu": pods, "memory": "8Gi", "pods": pods}))]);
}

/// The object of one.
pub(crate) fn node(name: &str, resources: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

pub(crate) fn kubectl(server: &ControlPlane, arguments: &[&str], input: &str) -> String {
    server.kubectl(arguments, Some(input)).expect("kubectl succeeds")
}

pub(crate) fn get(server: &ControlPlane, what: &[&str]) -> Value {
    let arguments = [&["get", "-o", "json"], what].concat();
    serde_json::from_str(&kubectl(server, &arguments, "")).expect("kubectl prints JSON")
}

/// All objects that `what` selects.
pub(crate) fn list(server: &ControlPlane, what: &[&str]) -> Vec<Value> {
    get(server, what)["items"].as_array().cloned().unwrap_or_default()
}

/// Patches an object, as `kubectl patch` does with a merge patch.
pub(crate) fn patch(server: &ControlPlane, kind: &str, name: &str, patch: &Value) {
    kubectl(server, &["patch", kind, name, "--type=merge", "-p", &patch.to_string()], "");
}

/// Waits until there is what is asked for, a minute at most.
pub(crate) fn eventually<T>(what: &str, is_so: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_mins(1), what, is_so)
}

/// Waits until there is what is asked for, so long at most.
pub(crate) fn within<T>(longest: Duration, what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    #[allow(clippy::disallowed_methods, reason = "a test waits for the real API server")]
    let start = Instant::now();
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(start.elapsed() < longest, "not within {longest:?}: {what}");
        sleep(Duration::from_millis(100));
    }
}

pub(crate) fn node_of(server: &ControlPlane, pod: &str) -> Option<String> {
    get(server, &["pod", pod])["spec"]["nodeName"].as_str().map(str::to_owned)
}

/// Waits until a pod is bound, and gives its node.
pub(crate) fn bound(server: &ControlPlane, pod: &str) -> String {
    eventually(&format!("{pod} is bound"), || node_of(server, pod))
}

/// Waits until all pods are bound, and gives how many are on which node.
pub(crate) fn all_bound(server: &ControlPlane) -> String {
    eventually("all pods are bound", || {
        let pods = list(server, &["pods"]);
        let nodes: Vec<String> =
            pods.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).map(str::to_owned).collect();
        (nodes.len() == pods.len()).then(|| tally(&nodes))
    })
}

/// A pod's condition PodScheduled, once it is false.
pub(crate) fn waiting(server: &ControlPlane, pod: &str) -> Value {
    eventually(&format!("{pod} says why it waits"), || {
        let conditions = get(server, &["pod", pod])["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")
    })
}

/// Waits until so many pods with this label run and no other has it, and gives their nodes.
pub(crate) fn running(server: &ControlPlane, label: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} pods with {label} run"), || {
        let pods = list(server, &["pods", "--selector", label]);
        let runs = |pod: &Value| pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null();
        (pods.len() == count && pods.iter().all(runs))
            .then(|| pods.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).map(str::to_owned).collect())
    })
}

/// How many of these are on each node, as "node-a: 2, node-b: 1".
pub(crate) fn tally(nodes: &[String]) -> String {
    let mut nodes = nodes.to_vec();
    nodes.sort();
    let mut text = String::new();
    for same in nodes.chunk_by(|a, b| a == b) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{}: {}", same[0], same.len());
    }
    text
}

pub(crate) fn events(server: &ControlPlane, pod: &str, reason: &str) -> Vec<Value> {
    let selector = format!("regarding.name={pod},reason={reason}");
    list(server, &["events.events.k8s.io", "--field-selector", &selector])
}

/// A pod that requests this much, with more in its spec.
pub(crate) fn pod(name: &str, cpu: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": pod_spec(cpu, spec),
    })
}

fn pod_spec(cpu: &str, more: &Value) -> Value {
    let mut spec = json!({
        "containers": [{"name": "main", "image": "registry.example/main", "resources": {"requests": {"cpu": cpu}}}],
    });
    merge(&mut spec, more);
    spec
}

fn merge(object: &mut Value, more: &Value) {
    let more = more.as_object().cloned().unwrap_or_default();
    object.as_object_mut().expect("an object").extend(more);
}

/// A workload whose pods have the label `app` with its name, request this much each, and have more in their spec.
pub(crate) fn workload(kind: &str, name: &str, cpu: &str, workload: &Value, pods: &Value) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(cpu, pods)},
    });
    merge(&mut spec, workload);
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A class for pods of this priority.
pub(crate) fn priority_class(name: &str, value: i32) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    })
}

/// Installs what the manifests have in a component, and waits until the resource that it defines is served.
pub(crate) fn install_component(server: &ControlPlane, component: &str, definition: &str, resource: &str) {
    let component = format!("{}/manifests/components/{component}", env!("CARGO_MANIFEST_DIR"));
    for file in [definition, "rights.yaml"] {
        kubectl(server, &["apply", "-f", &format!("{component}/{file}")], "");
    }
    kubectl(server, &["wait", "--for=condition=Established", &format!("crd/{resource}"), "--timeout=60s"], "");
    eventually("it is served", || server.kubectl(&["get", resource], None).ok());
}
