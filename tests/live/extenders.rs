//! Extenders of the live scheduler and of the real kube-scheduler beside it: both are told the same by theirs, and must ask the same
//! and do the same.

use std::sync::Arc;

use loadline_fixture::{Answer, Asked, Cluster, ExtenderServer, Node};
use serde_json::{Map, Value, json};

use crate::support::{Running, cluster, create, eventually, get, kubectl, pod, priority_class};

/// Each scheduler's name is that of the namespace of its pods.
const BOTH: [&str; 2] = ["ours", "theirs"];

/// Two extenders behind one server: the first is shown whole nodes, the second names, and binds.
fn extenders(server: &ExtenderServer) -> Value {
    let url = server.url();
    json!([
        {"urlPrefix": url, "filterVerb": "filter", "prioritizeVerb": "prioritize", "preemptVerb": "preempt", "weight": 50},
        {"urlPrefix": url, "filterVerb": "filter-names", "bindVerb": "bind", "nodeCacheCapable": true},
        // Nobody is there, which is ignored; and nobody wants what it manages.
        {"urlPrefix": "http://127.0.0.1:1", "filterVerb": "filter", "ignorable": true},
        {
            "urlPrefix": "http://127.0.0.1:1/managed",
            "filterVerb": "filter",
            "managedResources": [{"name": "example.com/gpu", "ignoredByScheduler": true}],
        },
    ])
}

/// What they say, by the pod's name.
fn answer(cluster: &Cluster, asked: &Asked) -> Answer {
    let name = asked.body["Pod"]["metadata"]["name"].as_str().unwrap_or_default();
    let body = match (asked.verb.as_str(), name) {
        ("filter", "turned-down") => json!({
            "Nodes": {"items": []},
            // Nothing is said of node-c.
            "FailedNodes": {"node-a": "not here", "node-b": "not now"},
            "FailedAndUnresolvableNodes": {"node-b": "never here"},
        }),
        ("filter", "left-out") => json!({}),
        ("filter", "enough") => json!({"Error": "the extender has had enough"}),
        ("filter", "broken") => return (500, "no".to_owned()),
        ("filter-names", "unknown") => json!({"NodeNames": ["node-z"]}),
        ("filter", _) => json!({"nodes": asked.body["Nodes"]}),
        ("filter-names", "placed") => json!({"NodeNames": ["node-b", "node-c"], "FailedNodes": {"node-a": "no"}}),
        ("filter-names", _) => json!({"NodeNames": asked.body["NodeNames"]}),
        ("prioritize", _) => json!([{"Host": "node-c", "Score": 10}, {"Host": "node-b", "Score": 1}]),
        ("preempt", _) => {
            let victims = asked.body["NodeNameToVictims"]["node-b"]["Pods"].as_array().cloned().unwrap_or_default();
            let uids: Vec<Value> = victims.iter().map(|pod| json!({"UID": pod["metadata"]["uid"]})).collect();
            json!({"NodeNameToMetaVictims": {"node-b": {"Pods": uids, "NumPDBViolations": 0}}})
        }
        ("bind", _) => bind(cluster, &asked.body),
        (verb, name) => unreachable!("nobody asks for {verb} of {name}"),
    };
    (200, body.to_string())
}

/// Binds a pod, as a user who may.
fn bind(cluster: &Cluster, asked: &Value) -> Value {
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    if text("PodName") == "unbound" {
        return json!({"Error": "the extender does not bind it"});
    }
    let path = format!("/api/v1/namespaces/{}/pods/{}/binding", text("PodNamespace"), text("PodName"));
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": text("PodName"), "namespace": text("PodNamespace"), "uid": text("PodUID")},
        "target": {"kind": "Node", "name": text("Node")},
    });
    let bound = cluster.kubectl(&["create", "--raw", &path, "-f", "-"], Some(&binding.to_string()));
    json!({"Error": bound.err().map(|error| error.to_string()).unwrap_or_default()})
}

/// What is the same whoever asks: without names of schedulers and namespaces, versions, and times.
fn plain(value: &Value) -> Value {
    const OWN: [&str; 16] = [
        // Controllers add theirs to nodes at any time.
        "annotations",
        // kube-scheduler takes them off pods alone.
        "managedFields",
        "namespace",
        "schedulerName",
        "uid",
        "UID",
        "PodUID",
        "PodNamespace",
        "resourceVersion",
        "creationTimestamp",
        "lastHeartbeatTime",
        "lastTransitionTime",
        "lastProbeTime",
        "startTime",
        "startedAt",
        "podIP",
    ];
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str()) && *name != "podIPs");
            Value::Object(fields.map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(plain).collect();
            // Nodes come in any order.
            values.sort_by_key(ToString::to_string);
            Value::Array(values)
        }
        other => other.clone(),
    }
}

/// The first request of a kind about a pod.
fn first(server: &ExtenderServer, verb: &str, pod: &str) -> Value {
    let asked = eventually(&format!("{verb} of {pod} is asked for"), || {
        let about = |asked: &&Asked| {
            asked.verb == verb && (asked.body["Pod"]["metadata"]["name"] == pod || asked.body["PodName"] == pod)
        };
        server.asked().iter().find(about).cloned()
    });
    let mut body = plain(&asked.body);
    // Conditions and nominations of pods may have come back from the API server or not yet.
    let victims = body["NodeNameToVictims"].as_object_mut().into_iter().flat_map(|nodes| nodes.values_mut());
    let victims = victims.flat_map(|victims| victims["Pods"].as_array_mut().into_iter().flatten());
    for pod in victims {
        assert_eq!(without_status(pod)["phase"], "Running", "{verb} of {pod}");
    }
    if body["Pod"].is_object() {
        assert_eq!(without_status(&mut body["Pod"])["phase"], "Pending", "{verb} of {pod}");
    }
    body
}

/// Takes the status off a pod.
fn without_status(pod: &mut Value) -> Value {
    pod.as_object_mut().and_then(|pod| pod.remove("status")).unwrap_or_default()
}

fn in_namespace(namespace: &str, name: &str, cpu: &str, more: &Value) -> Value {
    let mut spec = json!({"schedulerName": namespace, "automountServiceAccountToken": false});
    spec.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let mut pod = pod(name, cpu, &spec);
    pod["metadata"]["namespace"] = namespace.into();
    pod
}

fn node_of(cluster: &Cluster, namespace: &str, pod: &str) -> String {
    eventually(&format!("{namespace}/{pod} is bound"), || {
        get(cluster, &["pod", pod, "--namespace", namespace])["spec"]["nodeName"].as_str().map(str::to_owned)
    })
}

/// Reason and message of a pod that waits.
fn waits(cluster: &Cluster, server: &ExtenderServer, namespace: &str, pod: &str) -> (Value, String) {
    eventually(&format!("{namespace}/{pod} says why it waits"), || {
        let found = get(cluster, &["pod", pod, "--namespace", namespace]);
        let conditions = found["status"]["conditions"].as_array()?.clone();
        let condition = conditions.into_iter().find(|condition| condition["status"] == "False")?;
        Some((condition["reason"].clone(), condition["message"].as_str()?.replace(&server.url(), "URL")))
    })
}

#[test]
fn extenders_are_asked_and_obeyed_as_kube_scheduler_does() {
    let cluster = Arc::new(cluster(&["node-a", "node-b", "node-c"].map(|name| Node::new(name, 2000, 8192))));
    let servers = BOTH.map(|_| {
        let cluster = cluster.clone();
        ExtenderServer::start(move |asked| answer(&cluster, asked)).expect("the extender starts")
    });
    for namespace in BOTH {
        kubectl(&cluster, &["create", "namespace", namespace], "");
    }
    create(&cluster, &[priority_class("low", 10), priority_class("high", 1000)]);
    let profiles = json!([{"schedulerName": "ours"}]);
    let scheduler = Running::with_extenders(&cluster, &profiles, &extenders(&servers[0]));
    let theirs = extenders(&servers[1]).as_array().cloned().unwrap_or_default();
    let kube_scheduler = cluster.kube_scheduler_with("theirs", &theirs).expect("kube-scheduler starts");

    // Turned down with reasons and without, an error, a code, a name that nobody asked about, a binding that is refused.
    let waiting = ["turned-down", "left-out", "enough", "broken", "unknown", "unbound"];
    for name in waiting {
        create(&cluster, &BOTH.map(|namespace| in_namespace(namespace, name, "100m", &json!({}))));
        let [(our_reason, our_message), (their_reason, their_message)] =
            [0, 1].map(|which| waits(&cluster, &servers[which], BOTH[which], name));
        assert_eq!(our_message, their_message, "{name}");
        assert_eq!(our_reason, their_reason, "{name}: {our_message}");
    }
    let [ours, theirs] = [0, 1].map(|which| first(&servers[which], "filter", "turned-down"));
    assert_eq!(ours, theirs);
    assert_eq!(ours["Nodes"]["items"].as_array().map(Vec::len), Some(3));
    for namespace in BOTH {
        kubectl(&cluster, &["delete", "pods", "--all", "--namespace", namespace], "");
    }

    // Scores decide, and the extender binds.
    create(&cluster, &BOTH.map(|namespace| in_namespace(namespace, "placed", "100m", &json!({}))));
    assert_eq!(BOTH.map(|namespace| node_of(&cluster, namespace, "placed")), ["node-c", "node-c"]);
    for verb in ["filter", "filter-names", "prioritize", "bind"] {
        let [ours, theirs] = [0, 1].map(|which| first(&servers[which], verb, "placed"));
        assert_eq!(ours, theirs, "{verb}");
    }
    let scheduled = eventually("the binding is told of", || {
        let selector = "regarding.name=placed,reason=Scheduled";
        let told = get(&cluster, &["events.events.k8s.io", "--namespace", "ours", "--field-selector", selector]);
        told["items"][0]["note"].as_str().map(str::to_owned)
    });
    assert_eq!(scheduled, "Successfully assigned ours/placed to node-c");

    // One after the other makes room on the node that its extender wants.
    for namespace in BOTH {
        for namespace in BOTH {
            kubectl(&cluster, &["delete", "pods", "--all", "--namespace", namespace], "");
        }
        let low = |node: &str| {
            let more = json!({"nodeName": node, "priorityClassName": "low", "terminationGracePeriodSeconds": 0});
            in_namespace(namespace, &format!("on-{node}"), "1500m", &more)
        };
        create(&cluster, &["node-a", "node-b", "node-c"].map(low));
        eventually("the nodes are full", || {
            let pods = get(&cluster, &["pods", "--namespace", namespace]);
            let pods = pods["items"].as_array()?.clone();
            pods.iter().all(|pod| pod["status"]["phase"] == "Running").then_some(())
        });
        create(&cluster, &[in_namespace(namespace, "urgent", "1500m", &json!({"priorityClassName": "high"}))]);
        assert_eq!(node_of(&cluster, namespace, "urgent"), "node-b");
        let left = get(&cluster, &["pods", "--namespace", namespace]);
        let left = left["items"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = left.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["on-node-a", "on-node-c", "urgent"]);
    }
    let [ours, theirs] = [0, 1].map(|which| first(&servers[which], "preempt", "urgent"));
    assert_eq!(ours, theirs);
    assert_eq!(ours["NodeNameToVictims"].as_object().map(Map::len), Some(3));
    // The room that was made is asked about alone.
    let [ours, theirs] = [0, 1].map(|which| first(&servers[which], "filter", "urgent"));
    assert_eq!((&ours["Nodes"]["items"][0]["metadata"]["name"], &ours), (&json!("node-b"), &theirs));

    assert!(servers[0].asked().iter().all(|asked| !asked.body.to_string().contains("managedFields")));
    drop(kube_scheduler);
    assert_eq!(cluster.refusals(), []);
    assert_eq!(scheduler.stop(), Some(0));
}
