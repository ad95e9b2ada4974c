use super::*;
use crate::doc::Document;

fn unknown(kind: Kind, text: &str) -> Vec<String> {
    let nodes = Document::parse(text, "f").expect("it is YAML");
    let mut found = Vec::new();
    check_known(kind, &nodes[0], &mut |at, message| {
        let (line, column) = nodes[0].position(&at.to_path());
        found.push(format!("{line}:{column}: {}: {message}", at.to_path()));
    });
    found
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {any: thing}}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxSurge: 25%}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        resources: {requests: {cpu: 1, memory: 1Gi}}
        env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
      nodeSelector: {disk: fast}
status: {replicas: 3}
";

#[test]
fn what_kubernetes_has_is_known() {
    assert_eq!(unknown(Kind::Deployment, DEPLOYMENT), [""; 0]);
    let slice = "spec: {devices: [{name: a, attributes: {model: {string: x}}, capacity: {memory: {value: 1}}}]}";
    assert_eq!(unknown(Kind::ResourceSlice, slice), [""; 0]);
}

#[test]
fn misspelt_fields() {
    let found =
        unknown(Kind::Deployment, &DEPLOYMENT.replace("nodeSelector:", "nodeSelecter:").replace("labels", "lables"));
    assert_eq!(
        found,
        [
            "3:23: metadata.lables: unknown field \"lables\"; did you mean \"labels\"?",
            "9:16: spec.template.metadata.lables: unknown field \"lables\"; did you mean \"labels\"?",
            "16:7: spec.template.spec.nodeSelecter: unknown field \"nodeSelecter\"; did you mean \"nodeSelector\"?",
        ]
    );
    let slice = "spec: {devices: [{name: a, attributes: {model: {strng: x}}}]}";
    assert_eq!(
        unknown(Kind::ResourceSlice, slice),
        ["1:49: spec.devices[0].attributes.model.strng: unknown field \"strng\"; did you mean \"string\"?"]
    );
    assert_eq!(unknown(Kind::Pod, "spec: {quux: {a: {b: c}}}"), ["1:8: spec.quux: unknown field \"quux\""]);
}

#[test]
fn fields_in_the_wrong_place() {
    let hint = |kind: Kind, text: &str| {
        let found = unknown(kind, text);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].split_once("\"; ").map_or_else(|| panic!("{found:?}"), |(_, hint)| hint.to_owned())
    };
    // Too deep.
    let pod = |container: &str| format!("spec: {{containers: [{{name: a}}, {{name: c, {container}}}]}}");
    assert_eq!(hint(Kind::Pod, &pod("nodeSelector: {a: b}")), "it belongs under spec");
    let ports = pod("ports: [{containerPort: 80, resources: {}}]");
    assert_eq!(hint(Kind::Pod, &ports), "it belongs under spec.containers[1]");
    assert_eq!(hint(Kind::Pod, "metadata: {spec: {}}"), "it belongs to the object itself, beside metadata");
    // Not deep enough.
    assert_eq!(hint(Kind::Pod, &pod("requests: {cpu: 1}")), "it belongs under spec.containers[1].resources");
    assert_eq!(hint(Kind::Deployment, "replicas: 3"), "it belongs under spec");
    assert_eq!(hint(Kind::Deployment, "spec: {containers: []}"), "it belongs under spec.template.spec");
    // A slip of the pen here is nearer than the same name there.
    for (wrong, right) in [("request: {cpu: 1}", "requests"), ("limit: {cpu: 1}", "limits")] {
        let found = hint(Kind::Pod, &pod(&format!("resources: {{{wrong}}}")));
        assert_eq!(found, format!("did you mean \"{right}\"?"));
    }
    // Beside.
    assert_eq!(hint(Kind::Deployment, "metadata: {template: {}}"), "it belongs under spec");
    // One of several.
    assert_eq!(
        hint(Kind::Pod, "spec: {image: a}"),
        "it belongs under spec.containers, spec.ephemeralContainers, spec.initContainers or spec.volumes"
    );
}
