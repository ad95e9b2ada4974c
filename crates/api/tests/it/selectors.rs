//! Selectors and tolerations, compiled, against what kube-scheduler's own code says of the same labels and taints.

use loadline_api::convert::Converter;
use loadline_api::read::Reader;
use loadline_api::wire;
use loadline_model::{Labels, Taint};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(super::vectors(name)).unwrap()).unwrap()
}

fn typed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn bools(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|value| value.as_bool().unwrap()).collect()
}

fn vectors_of(file: &Value) -> &[Value] {
    let vectors = file["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn labels(converter: &mut Converter, value: &Value) -> std::sync::Arc<Labels> {
    converter.labels(&typed(value))
}

/// Whether a pod with this spec is read without a problem.
fn is_accepted(spec: &Value) -> bool {
    let mut reader = Reader::new(drop);
    reader.read_text(
        &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}).to_string(),
        "-",
    );
    reader.finish().problems.is_empty()
}

#[test]
fn label_selectors() {
    let file = read("label-selectors.json");
    let mut converter = Converter::new();
    let sets: Vec<_> = file["labelSets"].as_array().unwrap().iter().map(|set| labels(&mut converter, set)).collect();
    for vector in vectors_of(&file) {
        let spec = json!({"topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": vector["selector"]}]});
        assert_eq!(is_accepted(&spec), vector["valid"].as_bool().unwrap(), "{vector}");
        // What is not valid never gets further than that.
        if vector["valid"] == true {
            let selector = converter.selector(typed::<Option<wire::LabelSelector>>(&vector["selector"]).as_ref());
            assert_eq!(
                sets.iter().map(|set| selector.matches(set)).collect::<Vec<_>>(),
                bools(&vector["matches"]),
                "{vector}"
            );
            assert_eq!(selector.is_everything(), vector["empty"].as_bool().unwrap(), "{vector}");
        }
    }
}

#[test]
fn node_selectors() {
    let file = read("node-selectors.json");
    let mut converter = Converter::new();
    let nodes: Vec<_> = file["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["name"].as_str().unwrap().to_owned(), labels(&mut converter, &node["labels"])))
        .collect();
    for vector in vectors_of(&file) {
        let plain = labels(&mut converter, vector.get("nodeSelector").unwrap_or(&json!({})));
        let required = vector.get("required").map(|required| converter.node_selector(&typed(required)));
        let found: Vec<bool> = nodes
            .iter()
            .map(|(name, labels)| {
                plain.iter().all(|(key, value)| labels.get(key) == Some(value))
                    && required.as_ref().is_none_or(|required| required.matches(name, labels))
            })
            .collect();
        assert_eq!(found, bools(&vector["matches"]), "{vector}");
    }
}

#[test]
fn tolerations() {
    let file = read("tolerations.json");
    let node: wire::Node = typed(&json!({"spec": {"taints": file["taints"]}}));
    let taints: Vec<Taint> = Converter::new().node(&node).taints.into();
    for vector in vectors_of(&file) {
        let pod: wire::Pod = typed(&json!({"spec": {"tolerations": [vector["toleration"]]}}));
        let pod = Converter::new().pod(&pod);
        let found: Vec<bool> = taints.iter().map(|taint| pod.tolerations[0].tolerates(taint)).collect();
        assert_eq!(found, bools(&vector["tolerates"]), "{vector}");
    }
}
