//! What kubectl prints of a real API server: it is read whole, and it means the same as the manifests that the objects were made of.
//!
//! The objects of `dump/*.yaml` are created in an API server, which fills in what it fills in, and are printed by kubectl. No
//! controller runs there, so nothing else changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use loadline_api::defaults::derived_uid;
use loadline_api::intake::{self, load};
use loadline_api::read::{self, read_paths};
use loadline_api::wire::{Kind, Object};
use loadline_fixture::{ControlPlane, FixtureError};
use serde_json::{Value, json};

use crate::run::{Done, loadline_with};

/// Every kind that is read, with the groups of names that others may have too.
const KINDS: &str = "nodes,pods,namespaces,services,replicationcontrollers,replicasets.apps,statefulsets.apps,deployments.apps,\
                     daemonsets.apps,jobs.batch,priorityclasses,poddisruptionbudgets,limitranges,runtimeclasses,persistentvolumes,persistentvolumeclaims,storageclasses.storage.k8s.io,csinodes,csidrivers,\
                    csistoragecapacities,volumeattachments,resourceclaims,resourceclaimtemplates,resourceslices,deviceclasses,podgroups.scheduling.k8s.io,\
                    podgroups.scheduling.x-k8s.io";

/// What stands in the manifests for the uid of an object that others refer to.
const UID_OF: &str = "uid-of-";

/// One cluster, three times.
pub(crate) struct Dump {
    /// As it was written, one text.
    manifests: String,
    /// As kubectl prints it.
    yaml: String,
    pub(crate) json: String,
    /// Where the objects are.
    pub(crate) server: ControlPlane,
}

/// One API server serves all tests.
pub(crate) fn dump() -> &'static Dump {
    static DUMP: OnceLock<Dump> = OnceLock::new();
    DUMP.get_or_init(|| made().expect("the API server takes the manifests"))
}

fn made() -> Result<Dump, FixtureError> {
    let server = ControlPlane::start_with(&[
        "--feature-gates=GenericWorkload=true,GangScheduling=true,TopologyAwareWorkloadScheduling=true",
        "--runtime-config=scheduling.k8s.io/v1alpha2=true",
    ])?;
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/components/gangs/podgroups.yaml");
    server.kubectl(&["apply", "-f", definition], None)?;
    server.kubectl(&["wait", "--for=condition=Established", "crd/podgroups.scheduling.x-k8s.io"], None)?;
    let mut manifests = String::new();
    for text in files() {
        let (ours, theirs) = with_uids(&text, &server)?;
        server.kubectl(&["create", "-f", "-"], Some(&theirs))?;
        if theirs.contains("\nstatus:") {
            // What creating leaves out of it, and a kubelet or a controller would write.
            server.kubectl(&["apply", "--server-side", "--subresource=status", "-f", "-"], Some(&theirs))?;
        }
        manifests.push_str(&ours);
        manifests.push_str("---\n");
    }
    let get = |format: &str| server.kubectl(&["get", KINDS, "-A", "-o", format], None);
    let (yaml, json) = (get("yaml")?, get("json")?);
    Ok(Dump { manifests, yaml, json, server })
}

/// The manifests, in the order of their names.
fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/dump");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("it is text")).collect()
}

/// A text with the uids that we would give, and with those that the API server has given.
fn with_uids(text: &str, server: &ControlPlane) -> Result<(String, String), FixtureError> {
    let (mut ours, mut theirs) = (text.to_owned(), text.to_owned());
    for part in text.split(UID_OF).skip(1) {
        let name = part.split([',', '}', '\n']).next().expect("split gives one part at least");
        let (kind, rest) = name.split_once('/').expect("a kind is first");
        let (namespace, object) = rest.split_once('/').expect("a namespace and a name are next");
        let path = "jsonpath={.metadata.uid}";
        let uid = server.kubectl(&["get", kind, object, "--namespace", namespace, "-o", path], None)?;
        ours = ours.replace(&format!("{UID_OF}{name}"), &derived_uid(kind, namespace, object));
        theirs = theirs.replace(&format!("{UID_OF}{name}"), &uid);
    }
    Ok((ours, theirs))
}

/// Kind, namespace and name.
type Key = (String, String, String);

fn items(dump: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(dump).expect("it is JSON");
    list["items"].as_array().expect("it is a list").clone()
}

fn key_of_item(item: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&item["kind"]), text(&item["metadata"]["namespace"]), text(&item["metadata"]["name"]))
}

fn key(object: &Object) -> Key {
    let metadata = object.metadata();
    (object.kind().name().to_owned(), metadata.namespace.clone(), metadata.name.clone())
}

fn objects(text: &str) -> Vec<Object> {
    let read::Loaded { objects, summary } = read_paths(&["-".into()], &mut text.as_bytes());
    assert_eq!((summary.problems, summary.ignored), (Vec::new(), BTreeMap::new()));
    objects
}

/// The dump without what tells it from the manifests although it means the same: its uids are ours, no object is older than another,
/// and the order is that of the manifests.
fn as_if_ours(dump: &Dump) -> String {
    let mut text = dump.json.clone();
    for item in items(&dump.json) {
        let (kind, namespace, name) = key_of_item(&item);
        let uid = item["metadata"]["uid"].as_str().expect("every object has one");
        // Wherever it stands: in references to owners, in a Job's labels and selector.
        let kind = match item["apiVersion"].as_str() {
            Some("scheduling.k8s.io/v1alpha2") => Kind::CorePodGroup.id(),
            _ => kind.as_str(),
        };
        text = text.replace(uid, &derived_uid(kind, &namespace, &name));
    }
    let places: BTreeMap<Key, usize> =
        objects(&dump.manifests).iter().enumerate().map(|(place, object)| (key(object), place)).collect();
    let mut items = items(&text);
    for item in &mut items {
        let metadata = item["metadata"].as_object_mut().expect("every object has metadata");
        for mark in ["creationTimestamp", "resourceVersion"] {
            metadata.remove(mark).expect("every object has it");
        }
        // Not every kind has one.
        metadata.remove("generation");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            // Notes of what was filled in, and for versions of the API that are gone.
            annotations.retain(|key, _| {
                key != "kubernetes.io/limit-ranger" && key != "deprecated.daemonset.template.generation"
            });
        }
        if matches!(item["kind"].as_str(), Some("Job" | "ReplicationController")) {
            // Those of the template, when it has none of its own; nothing asks for them.
            item["metadata"]["labels"] = Value::Null;
        }
        if let Some(conditions) = item["status"]["conditions"].as_array_mut() {
            conditions.retain(|condition| condition["reason"] != "SchedulingGated");
        }
    }
    items.sort_by_key(|item| places.get(&key_of_item(item)).copied().unwrap_or(usize::MAX));
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Complete objects, and the pods that workloads lack.
fn complete(text: &str) -> (BTreeMap<Key, Object>, intake::Loaded) {
    let mut objects = BTreeMap::new();
    let loaded = load(&["-".into()], false, &mut text.as_bytes(), &mut |_, object| {
        objects.insert(key(&object), object);
    });
    assert_eq!(loaded.summary.problems, []);
    (objects, loaded)
}

#[test]
fn every_object_is_read() {
    let dump = dump();
    let printed: Vec<Key> = items(&dump.json).iter().map(key_of_item).collect();
    let read = objects(&dump.json);
    assert_eq!(read.iter().map(key).collect::<Vec<_>>(), printed);
    let kinds: BTreeSet<Kind> = read.iter().map(Object::kind).collect();
    assert_eq!(kinds, Kind::ALL.iter().copied().collect(), "there is an object of every kind");
    let printed: BTreeSet<Key> = printed.into_iter().collect();
    let lost: Vec<Key> = objects(&dump.manifests).iter().map(key).filter(|key| !printed.contains(key)).collect();
    assert_eq!(lost, []);
}

#[test]
fn yaml_and_json_are_the_same_objects() {
    let dump = dump();
    assert!(dump.yaml.starts_with("apiVersion: v1\nitems:\n"), "kubectl prints a list");
    assert_eq!(objects(&dump.yaml), objects(&dump.json));
    for command in ["explain", "simulate"] {
        let args = [command, "-f", "-", "-o", "json"];
        let (yaml, json) = (loadline_with(&args, &dump.yaml), loadline_with(&args, &dump.json));
        assert_same(&yaml, &json);
    }
}

#[test]
fn what_is_filled_in_is_what_the_api_server_fills_in() {
    let dump = dump();
    let (ours, ours_loaded) = complete(&dump.manifests);
    let (mut theirs, theirs_loaded) = complete(&as_if_ours(dump));
    // Every cluster has these; only a cluster prints them.
    for (kind, namespace, name) in [
        ("Service", "default", "kubernetes"),
        ("PriorityClass", "", "system-cluster-critical"),
        ("PriorityClass", "", "system-node-critical"),
    ] {
        theirs.remove(&(kind.into(), namespace.into(), name.into())).expect("it is there");
    }
    let only = |these: &BTreeMap<Key, Object>, others: &BTreeMap<Key, Object>| -> Vec<Key> {
        these.keys().filter(|key| !others.contains_key(*key)).cloned().collect()
    };
    assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (Vec::new(), Vec::new()));
    let differences: String = ours.iter().map(|(key, object)| difference(object, &theirs[key])).collect();
    assert!(differences.is_empty(), "{differences}");
    assert!(ours_loaded.missing.len() > 8, "most workloads lack pods");
    for (ours, theirs) in ours_loaded.missing.iter().zip(&theirs_loaded.missing) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours_loaded.missing.len(), theirs_loaded.missing.len());
}

/// The lines in which two objects differ; of what is kept as it is, the paths of what is lost.
fn difference(ours: &Object, theirs: &Object) -> String {
    let mut lines = match (kept(ours), kept(theirs)) {
        (Some(ours), Some(theirs)) => lost(ours, theirs, ""),
        _ if ours == theirs => Vec::new(),
        _ => {
            let (ours, theirs) = (format!("{ours:#?}"), format!("{theirs:#?}"));
            let only = |sign: char, these: &str, others: &str| -> Vec<String> {
                let others: BTreeSet<&str> = others.lines().collect();
                these.lines().filter(|line| !others.contains(line)).map(|line| format!("  {sign} {line}\n")).collect()
            };
            [only('-', &ours, &theirs), only('+', &theirs, &ours), vec![String::new()]].concat()
        }
    };
    if !lines.is_empty() {
        lines.insert(0, format!("{:?}\n", key(ours)));
    }
    lines.concat()
}

fn kept(object: &Object) -> Option<&Value> {
    match object {
        Object::PersistentVolume(it)
        | Object::PersistentVolumeClaim(it)
        | Object::StorageClass(it)
        | Object::CSINode(it)
        | Object::CSIDriver(it)
        | Object::CSIStorageCapacity(it)
        | Object::VolumeAttachment(it)
        | Object::ResourceClaim(it)
        | Object::ResourceClaimTemplate(it)
        | Object::ResourceSlice(it) => Some(&it.value),
        _ => None,
    }
}

/// Paths of what the first has and the second has not.
fn lost(first: &Value, second: &Value, path: &str) -> Vec<String> {
    match (first, second) {
        (Value::Object(first), _) => {
            first.iter().flat_map(|(key, value)| lost(value, &second[key], &format!("{path}.{key}"))).collect()
        }
        (Value::Array(first), _) => first
            .iter()
            .enumerate()
            .flat_map(|(at, value)| lost(value, &second[at], &format!("{path}[{at}]")))
            .collect(),
        _ if first == second => Vec::new(),
        _ => vec![format!("  {path} is {second}, expected {first}\n")],
    }
}

#[test]
fn decisions_are_the_same() {
    let dump = dump();
    let theirs = as_if_ours(dump);
    for args in [&["explain"][..], &["simulate"], &["simulate", "--seed", "7", "--explain", "shop/whole"]] {
        let args = [args, &["-f", "-", "-o", "json"]].concat();
        let (ours, theirs) = (loadline_with(&args, &dump.manifests), loadline_with(&args, &theirs));
        assert_same(&ours, &theirs);
    }
}

/// Both did the same, and had nothing to complain about.
fn assert_same(first: &Done, second: &Done) {
    for done in [first, second] {
        let said =
            "warning: left alone: 1 pod asks for scheduler `another`, and the configuration has default-scheduler\n";
        assert_eq!((done.code, &*done.err), (0, said));
    }
    assert!(first.out.lines().count() > 40, "{first}");
    let difference = first.out.lines().zip(second.out.lines()).find(|(first, second)| first != second);
    assert_eq!(difference, None);
    assert_eq!(first.out.len(), second.out.len());
}
