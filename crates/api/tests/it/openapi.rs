//! The wire types against the API's own: every field that a wire type has is a field of the API, by name and by type, and is read.

use k8s_openapi::api::{apps, batch, core, node, policy, resource, scheduling};
use loadline_api::wire;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `json` gives a value other than the default to every field of the wire type, and to no field that the API does not have.
fn same_fields<W: DeserializeOwned + std::fmt::Debug, A: Serialize + for<'de> Deserialize<'de>>(json: &str) {
    let value: Value = serde_json::from_str(json).unwrap();
    let api: A = serde_json::from_value(value.clone()).unwrap();
    let again = serde_json::to_value(&api).unwrap();
    assert_eq!(lost(&value, &again, ""), [""; 0], "the API has no such field");
    let wire: W = serde_json::from_str(json).unwrap();
    let shown = format!("{wire:#?}");
    let unread: Vec<&str> = shown
        .lines()
        .filter(|line| {
            [": \"\",", ": None,", ": [],", ": {},", ": 0,", ": false,"].iter().any(|default| line.ends_with(default))
        })
        .collect();
    assert!(unread.is_empty(), "not read: {unread:?}\nin {shown}");
    // Read through the tree with places, it is the same.
    let nodes = loadline_api::doc::Document::parse(json, "f.json").unwrap();
    let from_tree: W = loadline_api::doc::decode(&nodes[0]).unwrap();
    assert_eq!(format!("{from_tree:?}"), format!("{wire:?}"));
}

/// Paths of what `a` has and `b` has not.
fn lost(a: &Value, b: &Value, path: &str) -> Vec<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .flat_map(|(key, value)| match b.get(key) {
                Some(other) => lost(value, other, &format!("{path}.{key}")),
                None => vec![format!("{path}.{key}")],
            })
            .collect(),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().flat_map(|(index, (a, b))| lost(a, b, &format!("{path}[{index}]"))).collect()
        }
        _ if a == b => Vec::new(),
        _ => vec![format!("{path} (as {a})")],
    }
}

const METADATA: &str = r#""metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 3, "labels": {"a": "b"}, "annotations": {"c": "d"},
    "creationTimestamp": "2026-05-11T08:12:01Z", "deletionTimestamp": "2026-05-11T08:12:02Z",
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "x", "controller": true}]}"#;

const SELECTOR: &str =
    r#"{"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}"#;

const SET_STATUS: &str = r#""status": {"observedGeneration": 3, "replicas": 3, "availableReplicas": 1}"#;

fn container() -> String {
    r#"{"name": "c", "image": "i:1", "restartPolicy": "Always", "restartPolicyRules": [{"action": "RestartAllContainers"}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}, "claims": [{"name": "gpu", "request": "r"}]},
        "ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1", "protocol": "UDP"}]}"#
        .to_owned()
}

fn pod_affinity() -> String {
    let term = format!(
        r#"{{"labelSelector": {SELECTOR}, "namespaces": ["a"], "namespaceSelector": {SELECTOR}, "topologyKey": "zone",
            "matchLabelKeys": ["m"], "mismatchLabelKeys": ["x"]}}"#
    );
    format!(
        r#"{{"requiredDuringSchedulingIgnoredDuringExecution": [{term}],
            "preferredDuringSchedulingIgnoredDuringExecution": [{{"weight": 5, "podAffinityTerm": {term}}}]}}"#
    )
}

fn pod_spec() -> String {
    let container = container();
    let pod_affinity = pod_affinity();
    let requirement = r#"{"key": "k", "operator": "Gt", "values": ["1"]}"#;
    let term = format!(r#"{{"matchExpressions": [{requirement}], "matchFields": [{requirement}]}}"#);
    format!(
        r#"{{"nodeName": "node", "schedulerName": "s", "containers": [{container}], "initContainers": [{container}],
        "resources": {{"requests": {{"cpu": "2"}}, "limits": {{"cpu": "3"}}, "claims": [{{"name": "gpu", "request": "r"}}]}},
        "overhead": {{"cpu": "10m"}}, "nodeSelector": {{"a": "b"}},
        "affinity": {{"nodeAffinity": {{"requiredDuringSchedulingIgnoredDuringExecution": {{"nodeSelectorTerms": [{term}]}},
            "preferredDuringSchedulingIgnoredDuringExecution": [{{"weight": 3, "preference": {term}}}]}},
            "podAffinity": {pod_affinity}, "podAntiAffinity": {pod_affinity}}},
        "tolerations": [{{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 30}}],
        "topologySpreadConstraints": [{{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {SELECTOR},
            "minDomains": 2, "nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore", "matchLabelKeys": ["m"]}}],
        "volumes": [{{"name": "v", "persistentVolumeClaim": {{"claimName": "c", "readOnly": true}}, "ephemeral": {{}}, "emptyDir": {{}}, "hostPath": {{"path": "/p"}}, "image": {{"reference": "r"}},
            "csi": {{"driver": "d"}}, "gcePersistentDisk": {{"pdName": "p", "readOnly": true}}, "awsElasticBlockStore": {{"volumeID": "v", "readOnly": true}},
            "iscsi": {{"iqn": "q", "readOnly": true, "lun": 1, "targetPortal": "t"}},
            "rbd": {{"monitors": ["m"], "image": "i", "pool": "p", "readOnly": true}}, "azureDisk": {{"diskURI": "u", "diskName": "d"}},
            "cinder": {{"volumeID": "v"}}, "portworxVolume": {{"volumeID": "v"}},
            "secret": {{}}, "configMap": {{}}, "downwardAPI": {{}}, "projected": {{}}, "nfs": {{}}, "fc": {{}},
            "azureFile": {{}}, "cephfs": {{}}, "glusterfs": {{}}, "flexVolume": {{}}, "flocker": {{}}, "gitRepo": {{}},
            "photonPersistentDisk": {{}}, "quobyte": {{}}, "scaleIO": {{}}, "storageos": {{}}, "vsphereVolume": {{}}}}],
        "resourceClaims": [{{"name": "gpu", "resourceClaimName": "c", "resourceClaimTemplateName": "t"}}],
        "priority": 7, "priorityClassName": "p", "preemptionPolicy": "Never", "runtimeClassName": "kata", "restartPolicy": "Never",
        "schedulingGates": [{{"name": "g"}}], "schedulingGroup": {{"podGroupName": "pg"}}, "hostNetwork": true, "hostUsers": true}}"#
    )
}

fn template() -> String {
    format!(r#"{{{METADATA}, "spec": {}}}"#, pod_spec())
}

#[test]
fn pods() {
    let status = r#"{"phase": "Running", "reason": "Evicted", "nominatedNodeName": "n", "startTime": "2026-05-11T08:12:01Z",
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "m", "observedGeneration": 2}],
        "containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}, "claims": [{"name": "g", "request": "r"}]},
            "allocatedResources": {"cpu": "1"}, "state": {"running": {"startedAt": "2026-05-11T08:12:05Z"}, "waiting": {"reason": "w"}, "terminated": {"reason": "t", "exitCode": 3}}, "image": "i", "imageID": "i", "ready": true, "restartCount": 4}],
        "initContainerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}, "claims": [{"name": "g", "request": "r"}]},
            "allocatedResources": {"cpu": "1"}, "state": {"running": {"startedAt": "2026-05-11T08:12:05Z"}, "waiting": {"reason": "w"}, "terminated": {"reason": "t", "exitCode": 3}}, "image": "i", "imageID": "i", "ready": true, "restartCount": 4}],
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}, "claims": [{"name": "g", "request": "r"}]}, "allocatedResources": {"cpu": "1"},
        "resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "c"}]}"#;
    let json =
        format!(r#"{{"apiVersion": "v1", "kind": "Pod", {METADATA}, "spec": {}, "status": {status}}}"#, pod_spec());
    same_fields::<wire::Pod, core::v1::Pod>(&json);
    // A quantity may be a number as well.
    let pod: wire::Pod =
        serde_json::from_str(&json.replace(r#"{"cpu": "2"}"#, r#"{"cpu": 2, "memory": 0.5, "x": null}"#)).unwrap();
    let requests = pod.spec.resources.unwrap().requests;
    assert_eq!((requests["cpu"].value(), requests["memory"].milli_value(), requests["x"].is_zero()), (2, 500, true));
    assert_eq!(pod.metadata.creation_timestamp, Some(wire::Time(1_778_487_121_000_000_000)));
}

#[test]
fn nodes() {
    let json = format!(
        r#"{{"apiVersion": "v1", "kind": "Node", {METADATA}, "spec": {{"unschedulable": true, "taints": [{{"key": "k", "value": "v", "effect": "NoSchedule"}}]}},
        "status": {{"capacity": {{"cpu": "4"}}, "allocatable": {{"cpu": "3500m", "pods": "110"}},
            "images": [{{"names": ["i"], "sizeBytes": 5}}], "declaredFeatures": ["F"]}}}}"#
    );
    same_fields::<wire::Node, core::v1::Node>(&json);
}

#[test]
fn small_ones() {
    same_fields::<wire::Namespace, core::v1::Namespace>(&format!("{{{METADATA}}}"));
    same_fields::<wire::Service, core::v1::Service>(&format!(
        r#"{{{METADATA}, "spec": {{"selector": {{"a": "b"}}}}}}"#
    ));
    same_fields::<wire::PriorityClass, scheduling::v1::PriorityClass>(&format!(
        r#"{{{METADATA}, "value": 5, "globalDefault": true, "preemptionPolicy": "Never"}}"#
    ));
    same_fields::<wire::PodDisruptionBudget, policy::v1::PodDisruptionBudget>(&format!(
        r#"{{{METADATA}, "spec": {{"selector": {SELECTOR}}}, "status": {{"disruptionsAllowed": 3, "disruptedPods": {{"p": "2026-05-11T08:12:01Z"}},
            "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}}}}"#
    ));
    same_fields::<wire::RuntimeClass, node::v1::RuntimeClass>(&format!(
        r#"{{{METADATA}, "handler": "h", "overhead": {{"podFixed": {{"cpu": "1"}}}}, "scheduling": {{"nodeSelector": {{"a": "b"}},
            "tolerations": [{{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 30}}]}}}}"#
    ));
    same_fields::<wire::DeviceClass, resource::v1::DeviceClass>(&format!(
        r#"{{{METADATA}, "spec": {{"extendedResourceName": "example.com/gpu"}}}}"#
    ));
    same_fields::<wire::CorePodGroup, scheduling::v1alpha2::PodGroup>(&format!(
        r#"{{{METADATA}, "spec": {{"podGroupTemplateRef": {{"workload": {{"workloadName": "w", "podGroupTemplateName": "t"}}}},
            "schedulingPolicy": {{"basic": {{}}, "gang": {{"minCount": 3}}}}, "schedulingConstraints": {{"topology": [{{"key": "rack"}}]}},
            "disruptionMode": "PodGroup", "priorityClassName": "high", "priority": 5}}}}"#
    ));
    same_fields::<wire::LimitRange, core::v1::LimitRange>(&format!(
        r#"{{{METADATA}, "spec": {{"limits": [{{"type": "Container", "max": {{"cpu": "2"}}, "min": {{"cpu": "1"}}, "default": {{"cpu": "1"}},
            "defaultRequest": {{"cpu": "1"}}}}]}}}}"#
    ));
}

#[test]
fn workloads() {
    let template = template();
    same_fields::<wire::Deployment, apps::v1::Deployment>(&format!(
        r#"{{{METADATA}, "spec": {{"replicas": 3, "selector": {SELECTOR}, "template": {template}, "paused": true}},
        "status": {{"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 1}}}}"#
    ));
    same_fields::<wire::ReplicaSet, apps::v1::ReplicaSet>(&format!(
        r#"{{{METADATA}, "spec": {{"replicas": 3, "selector": {SELECTOR}, "template": {template}}}, {SET_STATUS}}}"#
    ));
    same_fields::<wire::ReplicationController, core::v1::ReplicationController>(&format!(
        r#"{{{METADATA}, "spec": {{"replicas": 3, "selector": {{"a": "b"}}, "template": {template}}}, {SET_STATUS}}}"#
    ));
    same_fields::<wire::StatefulSet, apps::v1::StatefulSet>(&format!(
        r#"{{{METADATA}, "spec": {{"replicas": 3, "selector": {SELECTOR}, "template": {template}, "ordinals": {{"start": 2}},
            "updateStrategy": {{"type": "RollingUpdate", "rollingUpdate": {{"partition": 1}}}},
            "volumeClaimTemplates": [{{"apiVersion": "v1", "kind": "PersistentVolumeClaim", {METADATA}}}]}},
        "status": {{"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 1}}}}"#
    ));
    same_fields::<wire::DaemonSet, apps::v1::DaemonSet>(&format!(
        r#"{{{METADATA}, "spec": {{"selector": {SELECTOR}, "template": {template}, "updateStrategy": {{"type": "OnDelete"}}}}}}"#
    ));
    same_fields::<wire::Job, batch::v1::Job>(&format!(
        r#"{{{METADATA}, "spec": {{"parallelism": 2, "completions": 3, "completionMode": "Indexed", "suspend": true, "manualSelector": true, "selector": {SELECTOR}, "template": {template}}},
        "status": {{"succeeded": 1, "failed": 1, "completedIndexes": "0", "failedIndexes": "1", "conditions": [{{"type": "Complete", "status": "True", "reason": "r"}}]}}}}"#
    ));
}

#[test]
fn stored_objects_keep_everything() {
    let json = format!(
        r#"{{"apiVersion": "v1", "kind": "PersistentVolume", {METADATA}, "spec": {{"capacity": {{"storage": "1Gi"}}}}}}"#
    );
    let stored: wire::StoredObject = serde_json::from_str(&json).unwrap();
    assert_eq!(stored.metadata.name, "n");
    assert_eq!(stored.value, serde_json::from_str::<Value>(&json).unwrap());
}
