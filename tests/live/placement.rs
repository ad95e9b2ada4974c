//! Where pods go: taints, spread, affinity.

use loadline_fixture::Node;
use serde_json::{Value, json};

use crate::support::{
    Running, bound, cluster, create, eventually, kubectl, list, pod, running, tally, waiting, workload,
};

fn over_zones(app: &str, when_unsatisfiable: &str) -> Value {
    json!([{
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": when_unsatisfiable,
        "labelSelector": {"matchLabels": {"app": app}},
    }])
}

fn term(app: &str, topology_key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": topology_key})
}

fn required(kind: &str, term: &Value) -> Value {
    json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

fn preferred(kind: &str, term: &Value) -> Value {
    let terms = json!([{"weight": 100, "podAffinityTerm": term}]);
    json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": terms}}})
}

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

#[test]
fn taints_spread_and_affinity_are_kept() {
    let cluster = cluster(&[
        Node::new("east-1", 4000, 8192).zone("east"),
        Node::new("east-2", 4000, 8192).zone("east").label("disk", "fast"),
        Node::new("west-1", 4000, 8192).zone("west"),
        Node::new("west-2", 4000, 8192).zone("west").taint("example.com/gpu", "yes", "NoSchedule"),
    ]);
    let scheduler = Running::start(&cluster);
    let deployment = |name: &str, replicas: u32, spec: &Value| {
        workload("Deployment", name, "100m", &json!({"replicas": replicas}), spec)
    };

    // Spread over zones that must be, with one node of the two in the west closed to it; three a zone.
    create(
        &cluster,
        &[deployment("spread", 6, &json!({"topologySpreadConstraints": over_zones("spread", "DoNotSchedule")}))],
    );
    let nodes = running(&cluster, "app=spread", 6);
    assert_eq!(nodes.iter().filter(|node| node.starts_with("east")).count(), 3, "{nodes:?}");
    assert_eq!(nodes.iter().filter(|node| *node == "west-1").count(), 3, "{nodes:?}");
    // The constraint counts zones, not the room in them: with no open node in the west there is none for a fourth in the east either.
    kubectl(&cluster, &["cordon", "west-1"], "");
    create(
        &cluster,
        &[labelled(
            pod("fourth", "100m", &json!({"topologySpreadConstraints": over_zones("spread", "DoNotSchedule")})),
            "spread",
        )],
    );
    assert!(bound(&cluster, "fourth").starts_with("east"), "three and three: either zone may have the next");
    create(
        &cluster,
        &[labelled(
            pod("fifth", "100m", &json!({"topologySpreadConstraints": over_zones("spread", "DoNotSchedule")})),
            "spread",
        )],
    );
    let message = waiting(&cluster, "fifth")["message"].clone();
    let wanted = "0/4 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 2 node(s) didn't match pod \
                  topology spread constraints.";
    assert!(message.as_str().is_some_and(|message| message.starts_with(wanted)), "{message}");
    kubectl(&cluster, &["uncordon", "west-1"], "");
    assert_eq!(bound(&cluster, "fifth"), "west-1");

    // A toleration opens the tainted node, and a selector makes it the only one.
    let tolerant = json!({
        "tolerations": [{"key": "example.com/gpu", "operator": "Exists"}],
        "nodeSelector": {HOST: "west-2"},
    });
    create(&cluster, &[pod("tolerant", "100m", &tolerant)]);
    assert_eq!(bound(&cluster, "tolerant"), "west-2");

    // One on each node, and none for the fourth.
    create(&cluster, &[deployment("apart", 4, &required("podAntiAffinity", &term("apart", HOST)))]);
    let waits = eventually("three are bound and one waits", || {
        let pods = list(&cluster, &["pods", "--selector", "app=apart"]);
        let (placed, waits): (Vec<&Value>, Vec<&Value>) =
            pods.iter().partition(|pod| pod["spec"]["nodeName"].is_string());
        (placed.len() == 3 && waits.len() == 1).then(|| waits[0]["metadata"]["name"].as_str().map(str::to_owned))?
    });
    let message = waiting(&cluster, &waits)["message"].clone();
    let wanted =
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 node(s) didn't match pod anti-affinity rules.";
    assert!(message.as_str().is_some_and(|message| message.starts_with(wanted)), "{message}");
    kubectl(&cluster, &["scale", "deployment/apart", "--replicas=3"], "");
    assert_eq!(tally(&running(&cluster, "app=apart", 3)), "east-1: 1, east-2: 1, west-1: 1");

    // All in the zone of the first, which has to be where the disk is.
    let mut near = required("podAffinity", &term("near", ZONE));
    near["affinity"]["nodeAffinity"] = json!({"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}},
    ]});
    create(&cluster, &[deployment("near", 8, &near)]);
    let nodes = running(&cluster, "app=near", 8);
    assert!(nodes.iter().all(|node| node.starts_with("east")), "{nodes:?}");

    // What is only preferred decides among equal nodes, and does not keep pods from running.
    let node_affinity = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}],
    }}}});
    create(&cluster, &[pod("fast", "100m", &node_affinity)]);
    assert_eq!(bound(&cluster, "fast"), "east-2");
    create(&cluster, &[pod("friend", "100m", &preferred("podAffinity", &term("fast", HOST)))]);
    assert_eq!(bound(&cluster, "friend"), "east-2");
    create(&cluster, &[pod("rival", "100m", &preferred("podAntiAffinity", &term("fast", ZONE)))]);
    assert_eq!(bound(&cluster, "rival"), "west-1");

    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}

/// The pod with another app's label.
fn labelled(mut pod: Value, app: &str) -> Value {
    pod["metadata"]["labels"]["app"] = app.into();
    pod
}
