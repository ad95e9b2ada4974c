//! The configuration is changed while the scheduler runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::support::{
    NAME, Running, add_node, bound, create, events, eventually, list, node_of, pod, service_account, waiting,
};

/// Writes a configuration as a mounted ConfigMap changes: a new folder, and a link that is replaced.
fn mount(folder: &Path, version: u32, config: &str) {
    let data = folder.join(format!("..version-{version}"));
    fs::create_dir(&data).expect("a folder can be made");
    fs::write(data.join("config.yaml"), config).expect("a file can be written");
    let link = folder.join("..data-next");
    symlink(&data, &link).expect("a link can be made");
    fs::rename(link, folder.join("..data")).expect("a link can be replaced");
    if version == 0 {
        symlink("..data/config.yaml", folder.join("config.yaml")).expect("a link can be made");
    }
}

fn config(server: &ControlPlane, profiles: &Value, more: &Value) -> String {
    let mut config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": service_account(server)},
        "leaderElection": {"resourceName": NAME},
        "profiles": profiles,
    });
    config.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    config.to_string()
}

/// A profile that packs nodes full, or spreads over them; `more` are its other plugins.
fn profile(name: &str, strategy: &str, plugins: &Value) -> Value {
    json!({
        "schedulerName": name,
        "plugins": plugins,
        "pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": strategy, "resources": [{"name": "cpu"}]}}}],
    })
}

fn announced(server: &ControlPlane, reason: &str) -> Vec<String> {
    let selector = format!("--field-selector=involvedObject.kind=Lease,reason={reason}");
    let told = list(server, &["events", "--namespace=kube-system", &selector]);
    told.iter().filter_map(|event| event["message"].as_str()).map(str::to_owned).collect()
}

#[test]
fn a_changed_file_takes_effect_and_a_wrong_one_none() {
    let server = ControlPlane::start().expect("the control plane starts");
    for node in ["node-a", "node-b"] {
        add_node(&server, node, "8");
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let only_fit = json!({"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]}});
    let first = json!([profile("s", "LeastAllocated", &only_fit), profile("leaves", "LeastAllocated", &only_fit)]);
    mount(folder.path(), 0, &config(&server, &first, &json!({})));
    let scheduler = Running::with_config(&folder.path().join("config.yaml"));
    let named = |name: &str, of: &str, cpu: &str| pod(name, cpu, &json!({"schedulerName": of}));

    create(&server, &[named("spread-0", "s", "1")]);
    let one = bound(&server, "spread-0");
    create(&server, &[named("spread-1", "s", "1")]);
    assert_ne!(bound(&server, "spread-1"), one, "pods are spread");
    // One that waits for a node, one of a profile that will be gone, and one of a profile that will come.
    create(&server, &[named("waits", "s", "100"), named("left", "leaves", "100"), named("new", "comes", "1")]);
    waiting(&server, "waits");
    waiting(&server, "left");

    // The other way round, with other profiles and without the plugin that turns the pods down.
    let no_fit = json!({
        "filter": {"disabled": [{"name": "NodeResourcesFit"}]},
        "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]},
    });
    let second = json!([profile("s", "MostAllocated", &no_fit), profile("comes", "MostAllocated", &no_fit)]);
    mount(folder.path(), 1, &config(&server, &second, &json!({})));
    bound(&server, "waits");
    bound(&server, "new");
    let told =
        eventually("the pod that is nobody's any more is told so", || events(&server, "left", "ProfileRemoved").pop());
    assert_eq!(told["note"], "no profile is named \"leaves\" any more");
    eventually("it is announced", || announced(&server, "ConfigReloaded").pop());

    // What is wrong is refused with every reason, and what was in force stays so.
    let wrong = json!([profile("s", "NoSuchStrategy", &json!({"score": {"enabled": [{"name": "NoSuchPlugin"}]}}))]);
    mount(folder.path(), 2, &config(&server, &wrong, &json!({})));
    let told = eventually("it is refused", || announced(&server, "ConfigRejected").pop());
    assert!(told.contains("NoSuchStrategy") && told.contains("NoSuchPlugin"), "{told}");
    assert!(told.contains("profiles[0]"), "with the places: {told}");
    // So is what would need a restart, by name.
    mount(
        folder.path(),
        3,
        &config(&server, &second, &json!({"leaderElection": {"resourceName": "other"}, "parallelism": 3})),
    );
    let told = eventually("it is refused", || {
        announced(&server, "ConfigRejected").into_iter().find(|told| told.contains("restart"))
    });
    assert!(told.contains("leaderElection") && told.contains("parallelism"), "{told}");
    create(&server, &[named("after", "comes", "1")]);
    bound(&server, "after");

    // And a right one after that takes effect again.
    mount(folder.path(), 4, &config(&server, &json!([profile("leaves", "LeastAllocated", &no_fit)]), &json!({})));
    bound(&server, "left");
    create(&server, &[named("gone", "comes", "1"), named("still", "leaves", "1")]);
    bound(&server, "still");
    assert_eq!(node_of(&server, "gone"), None);
    assert_eq!(scheduler.stop(), Some(0));
}
