//! Kubernetes objects.

use std::collections::BTreeMap;

use loadline_api::convert::Converter;
use loadline_api::defaults::fill_stored;
use loadline_api::intake::Intake;
use loadline_api::read::{Reader, Summary};
use loadline_api::wire::Object;
use serde_json::Value;

use crate::assert_in_text;

/// More pods of a workload show nothing new and take long.
const MOST_REPLICAS: i32 = 3;

/// Reads objects. Problems have places, what is JSON means the same as YAML, and objects go all the way to the model.
pub fn objects(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (objects, summary) = read(text);
    assert_in_text(text, &summary.problems);
    assert_eq!(objects.len(), summary.objects);
    if let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(text)
        && !gives_elements_away(&value)
    {
        as_yaml(&value);
    }
    complete(objects);
}

fn read(text: &str) -> (Vec<Object>, Summary) {
    let mut objects = Vec::new();
    let mut reader = Reader::new(|object| objects.push(object));
    reader.read_text(text, "f");
    let summary = reader.finish();
    (objects, summary)
}

/// Elements of a YAML list are read before the kind behind them says whether it is one. So what only looks like a list is taken for
/// one in YAML, beside the problem that it has, and JSON is not.
fn gives_elements_away(value: &Value) -> bool {
    let is_list = value["apiVersion"].is_string() && value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    value["items"].is_array() && !is_list
}

/// JSON is YAML when it stands behind a line that JSON does not have, and then it has the same objects and the same problems.
fn as_yaml(value: &Value) {
    // Written anew: of two equal keys YAML and JSON take another one, and not every escape is one of both.
    let json = value.to_string();
    if json.chars().any(is_not_of_yaml) {
        return;
    }
    let (of_json, json_summary) = read(&json);
    let (of_yaml, yaml_summary) = read(&format!("---\n{json}"));
    assert_eq!(of_json, of_yaml);
    let said = |summary: &Summary| -> BTreeMap<(String, String), usize> {
        let mut said = BTreeMap::new();
        for problem in &summary.problems {
            *said.entry((problem.path.clone(), problem.message.clone())).or_default() += 1;
        }
        said
    };
    assert_eq!(said(&json_summary), said(&yaml_summary));
    assert_eq!(json_summary.ignored, yaml_summary.ignored);
}

/// Characters that JSON may hold as they are and YAML may not.
fn is_not_of_yaml(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
}

/// Fills in, admits, expands and compiles.
fn complete(objects: Vec<Object>) {
    let mut converter = Converter::new();
    let mut compile = |object: &Object| match object {
        Object::Pod(pod) => drop(converter.pod(pod)),
        Object::Node(node) => drop(converter.node(node)),
        Object::Namespace(namespace) => drop(converter.namespace(namespace)),
        Object::Service(service) => drop(converter.service(service)),
        Object::ReplicationController(controller) => drop(converter.replication_controller(controller)),
        Object::ReplicaSet(set) => drop(converter.replica_set(set)),
        Object::StatefulSet(set) => drop(converter.stateful_set(set)),
        Object::PodDisruptionBudget(budget) => drop(converter.disruption_budget(budget)),
        _ => {}
    };
    let mut sink = |_, mut object: Object| {
        compile(&object);
        let once = object.clone();
        fill_stored(&mut object);
        assert_eq!(object, once, "what is filled in is filled in");
    };
    let mut intake = Intake::new();
    for mut object in objects {
        limit(&mut object);
        intake.push(object, &mut sink);
    }
    for missing in intake.finish(&mut sink).missing {
        assert!(!missing.pods.is_empty(), "{missing:?}");
        for pod in missing.pods {
            sink(0, Object::Pod(Box::new(pod)));
        }
    }
}

fn limit(object: &mut Object) {
    let cut = |number: &mut Option<i32>| *number = number.map(|number| number.min(MOST_REPLICAS));
    match object {
        Object::Deployment(it) => cut(&mut it.spec.replicas),
        Object::ReplicaSet(it) => cut(&mut it.spec.replicas),
        Object::StatefulSet(it) => cut(&mut it.spec.replicas),
        Object::ReplicationController(it) => cut(&mut it.spec.replicas),
        Object::Job(it) => {
            cut(&mut it.spec.parallelism);
            cut(&mut it.spec.completions);
        }
        _ => {}
    }
}
