//! Several profiles, and another scheduler beside them.

use loadline_fixture::Node;
use serde_json::{Value, json};

use crate::support::{Running, cluster, create, events, eventually, kubectl, list, running, tally, workload};

fn profile(name: &str, strategy: &str) -> Value {
    let resources = json!([{"name": "cpu", "weight": 1}]);
    json!({
        "schedulerName": name,
        // Only the resources shall decide.
        "plugins": {"multiPoint": {"disabled": [{"name": "PodTopologySpread"}, {"name": "NodeResourcesBalancedAllocation"}]}},
        "pluginConfig": [
            {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": strategy, "resources": resources}}},
        ],
    })
}

#[test]
fn each_profile_places_its_pods_and_counts_those_of_others() {
    let cluster = cluster(&["node-a", "node-b", "node-c"].map(|name| Node::new(name, 2000, 8192)));
    let profiles = json!([profile("packs", "MostAllocated"), profile("spreads", "LeastAllocated")]);
    let scheduler = Running::with_profiles(&cluster, &profiles);
    let kube_scheduler = cluster.kube_scheduler("default-scheduler").expect("kube-scheduler starts");
    let deployment = |name: &str, scheduler: &str, replicas: u32| {
        workload("Deployment", name, "500m", &json!({"replicas": replicas}), &json!({"schedulerName": scheduler}))
    };

    create(&cluster, &[deployment("spread", "spreads", 3)]);
    assert_eq!(tally(&running(&cluster, "app=spread", 3)), "node-a: 1, node-b: 1, node-c: 1");
    create(&cluster, &[deployment("packed", "packs", 3)]);
    let packed = running(&cluster, "app=packed", 3);
    assert!(packed.iter().all(|node| *node == packed[0]), "three fit on one node: {packed:?}");

    // The other scheduler fills one node of the two that are left, and it counts.
    kubectl(&cluster, &["cordon", if packed[0] == "node-c" { "node-b" } else { "node-c" }], "");
    create(&cluster, &[deployment("other", "default-scheduler", 3)]);
    let other = running(&cluster, "app=other", 3);
    assert!(other.iter().all(|node| *node == other[0] && *node != packed[0]), "{other:?}");
    kubectl(&cluster, &["uncordon", "node-a", "node-b", "node-c"], "");
    create(&cluster, &[deployment("rest", "packs", 4)]);
    let rest = eventually("three fit and one waits", || {
        let pods = list(&cluster, &["pods", "--selector", "app=rest"]);
        let waits = pods.iter().any(|pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable");
        let nodes: Vec<String> =
            pods.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).map(str::to_owned).collect();
        (waits && nodes.len() == 3).then_some(nodes)
    });
    assert!(rest.iter().all(|node| *node == rest[0]), "{rest:?}");

    for (app, name) in [("spread", "spreads"), ("packed", "packs"), ("other", "default-scheduler")] {
        let pods = list(&cluster, &["pods", "--selector", &format!("app={app}")]);
        let pod = pods[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let told = eventually("the binding is told of", || events(&cluster, &pod, "Scheduled").pop());
        assert_eq!(told["reportingController"], name);
    }
    drop(kube_scheduler);
    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}
