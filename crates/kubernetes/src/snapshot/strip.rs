//! What is left out of a snapshot: what no decision depends on and may be secret or long.

use loadline_model::{PREFERRED_TOPOLOGY, REQUIRED_TOPOLOGY};
use serde_json::Value;

/// Fields of a container that are kept. Commands, environment and probes are where passwords stand.
const OF_CONTAINERS: &[&str] = &["name", "image", "ports", "resources", "resizePolicy", "restartPolicy"];
/// Fields of a container's status that are kept. The message of one that ended is what the program said last.
const OF_STATUSES: &[&str] =
    &["name", "image", "imageID", "ready", "resources", "allocatedResources", "restartCount", "state"];
/// What is kept of the state of one: since when it runs, or why it does not.
const OF_STATES: &[&str] = &["running", "waiting", "terminated"];
/// Of a container that waits or ended: its own last words are not among them.
const OF_ENDS: &[&str] = &["reason", "exitCode"];
/// Annotations of others that say what may be done with an object, and ours.
const OF_OTHERS: &[&str] = &["karpenter.sh/do-not-disrupt", REQUIRED_TOPOLOGY, PREFERRED_TOPOLOGY];
/// Fields of volumes that hold what a driver is told.
const OF_DRIVERS: &[&str] = &["volumeAttributes", "options", "parameters"];

/// Strips an object.
pub(super) fn strip(object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        // Of a StorageClass: what a driver is told.
        object.remove("parameters");
    }
    fields(object);
}

/// Keeps the annotations that Kubernetes gives a meaning, but for those that hold a copy of the whole object.
fn metadata(metadata: &mut Value) {
    let Some(metadata) = metadata.as_object_mut() else { return };
    metadata.remove("managedFields");
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|key, _| {
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        let of_kubernetes = ["kubernetes.io", "k8s.io"]
            .into_iter()
            .any(|owner| domain.strip_suffix(owner).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
        of_kubernetes && !key.contains("last-applied") || OF_OTHERS.contains(&key.as_str())
    });
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// Strips metadata, containers, their statuses and volumes, wherever they stand: pods, templates of pods and of claims, volumes.
fn fields(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "metadata" => metadata(value),
                    "containers" | "initContainers" | "ephemeralContainers" => keep(value, OF_CONTAINERS),
                    "containerStatuses" | "initContainerStatuses" | "ephemeralContainerStatuses" => {
                        keep(value, OF_STATUSES);
                        let statuses = value.as_array_mut().into_iter().flatten();
                        statuses.filter_map(|status| status.get_mut("state")).for_each(|state| {
                            leave_in(state, OF_STATES);
                            for end in ["waiting", "terminated"] {
                                if let Some(end) = state.get_mut(end) {
                                    leave_in(end, OF_ENDS);
                                }
                            }
                        });
                    }
                    "csi" | "flexVolume" | "opaque" => leave_out(value, OF_DRIVERS),
                    _ => fields(value),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(fields),
        _ => {}
    }
}

fn keep(list: &mut Value, names: &[&str]) {
    for element in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        element.retain(|name, _| names.contains(&name.as_str()));
    }
}

fn leave_in(value: &mut Value, names: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| names.contains(&name.as_str()));
    }
}

fn leave_out(value: &mut Value, names: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !names.contains(&name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stripped(mut object: Value) -> Value {
        strip(&mut object);
        object
    }

    #[test]
    fn what_may_be_secret_is_left_out_of_pods_and_templates() {
        let container = json!({
            "name": "main", "image": "i", "command": ["sh", "-c", "secret"], "args": ["secret"], "env": [{"name": "A", "value": "secret"}],
            "envFrom": [{"secretRef": {"name": "secret"}}], "resources": {"requests": {"cpu": "1"}}, "ports": [{"containerPort": 80}],
            "livenessProbe": {"exec": {"command": ["secret"]}}, "lifecycle": {"preStop": {"exec": {"command": ["secret"]}}},
        });
        let kept = json!({"name": "main", "image": "i", "resources": {"requests": {"cpu": "1"}}, "ports": [{"containerPort": 80}]});
        let spec = json!({"containers": [container], "initContainers": [container], "nodeName": "node-a",
            "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"a": "secret"}}}]});
        let expected = json!({"containers": [kept], "initContainers": [kept], "nodeName": "node-a",
            "volumes": [{"name": "v", "csi": {"driver": "d"}}]});
        let status = json!({"containerStatuses": [{"name": "main", "state": {"terminated": {"message": "secret", "reason": "Error", "exitCode": 3}}}]});
        let ended = json!([{"name": "main", "state": {"terminated": {"reason": "Error", "exitCode": 3}}}]);
        let pod = stripped(json!({"kind": "Pod", "spec": spec, "status": status}));
        assert_eq!(pod["spec"], expected);
        assert_eq!(pod["status"]["containerStatuses"], ended);
        let noted = json!({"labels": {"a": "b"}, "annotations": {"vault.example.com/token": "secret"}});
        let labelled = json!({"labels": {"a": "b"}});
        let claims = json!([{"metadata": noted, "spec": {}}]);
        let template = json!({"metadata": noted, "spec": spec});
        let of_set = json!({"replicas": 2, "template": template, "volumeClaimTemplates": claims});
        let set = stripped(json!({"kind": "StatefulSet", "metadata": noted, "spec": of_set}));
        let claims = json!([{"metadata": labelled, "spec": {}}]);
        let template = json!({"metadata": labelled, "spec": expected});
        assert_eq!(set["spec"], json!({"replicas": 2, "template": template, "volumeClaimTemplates": claims}));
        let class = stripped(json!({"kind": "StorageClass", "parameters": {"password": "secret"}, "provisioner": "p"}));
        for object in [pod, set, class] {
            assert!(!object.to_string().contains("secret"), "{object}");
        }
    }

    #[test]
    fn annotations_with_a_meaning_stay() {
        let metadata = json!({"name": "a", "managedFields": [{}], "annotations": {
            "batch.kubernetes.io/job-completion-index": "3",
            "storageclass.kubernetes.io/is-default-class": "true",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "karpenter.sh/do-not-disrupt": "true",
            "loadline.dev/required-topology": "rack",
            "loadline.dev/preferred-topology": "zone",
            "notkubernetes.io/a": "b",
            "example.com/token": "secret",
            "plain": "secret",
        }});
        assert_eq!(
            stripped(json!({"metadata": metadata}))["metadata"],
            json!({"name": "a", "annotations": {
                "batch.kubernetes.io/job-completion-index": "3",
                "karpenter.sh/do-not-disrupt": "true",
                "loadline.dev/required-topology": "rack",
                "loadline.dev/preferred-topology": "zone",
                "storageclass.kubernetes.io/is-default-class": "true",
            }})
        );
        let none = stripped(json!({"metadata": {"name": "a", "annotations": {"a": "b"}}}));
        assert_eq!(none, json!({"metadata": {"name": "a"}}));
    }
}
