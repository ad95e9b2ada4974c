//! Workloads of every kind, made by the real controllers.

use loadline_fixture::Node;
use serde_json::{Value, json};

use crate::support::{Running, cluster, create, events, eventually, get, kubectl, list, running, tally, workload};

#[test]
fn workloads_that_name_it_run_and_others_are_left_alone() {
    let nodes = ["node-a", "node-b", "node-c", "node-d"].map(|name| Node::new(name, 4000, 8192));
    let cluster = cluster(&nodes);
    let scheduler = Running::with_profiles(&cluster, &json!([{"schedulerName": "loadline"}]));
    let named = json!({"schedulerName": "loadline"});

    create(
        &cluster,
        &[
            workload("Deployment", "other", "100m", &json!({"replicas": 1}), &json!({})),
            workload("Deployment", "web", "400m", &json!({"replicas": 30}), &named),
        ],
    );
    kubectl(&cluster, &["rollout", "status", "deployment/web", "--timeout=60s"], "");
    // Nine fit on a node, and equal pods on equal nodes are spread.
    let spread = tally(&running(&cluster, "app=web", 30));
    assert_eq!((spread.matches(": 7").count(), spread.matches(": 8").count()), (2, 2), "{spread}");
    let one = list(&cluster, &["pods", "--selector", "app=web"]).remove(0);
    let name = one["metadata"]["name"].as_str().unwrap_or_default();
    let told = eventually("its binding is told of", || events(&cluster, name, "Scheduled").pop());
    assert_eq!(told["reportingController"], "loadline");

    kubectl(&cluster, &["scale", "deployment/web", "--replicas=0"], "");
    running(&cluster, "app=web", 0);
    kubectl(&cluster, &["scale", "deployment/web", "--replicas=30"], "");
    running(&cluster, "app=web", 30);
    kubectl(&cluster, &["scale", "deployment/web", "--replicas=3"], "");
    running(&cluster, "app=web", 3);

    // A pod of a StatefulSet takes the name of the one before it.
    create(
        &cluster,
        &[
            workload("StatefulSet", "db", "1", &json!({"replicas": 3, "serviceName": "db"}), &named),
            workload("DaemonSet", "agent", "100m", &json!({}), &named),
        ],
    );
    running(&cluster, "app=db", 3);
    assert_eq!(tally(&running(&cluster, "app=agent", 4)), "node-a: 1, node-b: 1, node-c: 1, node-d: 1");
    let uid = |name: &str| get(&cluster, &["pod", name])["metadata"]["uid"].clone();
    let before = uid("db-1");
    kubectl(&cluster, &["delete", "pod", "db-1"], "");
    eventually("the pod comes back", || {
        let pods = list(&cluster, &["pods", "--field-selector", "metadata.name=db-1,status.phase=Running"]);
        pods.into_iter().find(|pod| pod["metadata"]["uid"] != before)
    });

    create(&cluster, &[job("report", 6, 2)]);
    kubectl(&cluster, &["wait", "--for=condition=complete", "job/report", "--timeout=60s"], "");

    let others = list(&cluster, &["pods", "--selector", "app=other"]);
    assert_eq!(others.len(), 1);
    assert!(others[0]["spec"]["nodeName"].is_null(), "nobody asked Loadline to place it");
    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}

fn job(name: &str, completions: u32, parallelism: u32) -> Value {
    let template = workload("Deployment", name, "1", &json!({}), &json!({"schedulerName": "loadline"}));
    let mut pods = template["spec"]["template"].clone();
    pods["spec"]["restartPolicy"] = "Never".into();
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"completions": completions, "parallelism": parallelism, "template": pods},
    })
}
