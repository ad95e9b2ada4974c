//! `cargo run --release -p loadline-benches --example large_cluster > large.json`: 5,000 empty nodes and 100 Deployments of
//! 500 pods, for `loadline simulate -f large.json`.

#![allow(clippy::print_stdout, reason = "a program whose output is the file")]

use loadline_benches::{Kind, objects};
use serde_json::{Value, json};

fn main() {
    let mut items: Vec<Value> = objects(5000, Kind::Plain);
    items.retain(|object| object["kind"] != "Pod");
    items.extend((0..100).map(deployment));
    println!("{}", json!({"apiVersion": "v1", "kind": "List", "items": items}));
}

fn deployment(number: usize) -> Value {
    let labels = json!({"app": format!("app-{number}")});
    let requests = json!({"cpu": "100m", "memory": "500Mi"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": format!("app-{number}"), "namespace": "default"},
        "spec": {
            "replicas": 500,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "registry.example/main", "resources": {"requests": requests}}]},
            },
        },
    })
}
