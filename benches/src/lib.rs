//! Clusters and kinds of pods for the benchmarks, shaped like those of kube-scheduler's own scheduler_perf: nodes of 4
//! cores, 32 GiB and 110 pods in three zones, pods of 100m and 500 MiB, two of them on each node before anything is
//! measured.

mod kinds;
mod objects;

use std::sync::Arc;

use loadline_api::convert::Converter;
use loadline_api::read::Reader;
use loadline_api::wire::Object;
use loadline_engine::{Engine, Settings};
use loadline_framework::Profiles;
use loadline_model::{NodeSpec, PodInfo};
use loadline_simulator::{Cluster, of_objects};
use serde_json::{Value, json};

pub use kinds::Kind;
pub use objects::node_name;

/// Zones of a cluster.
pub const ZONES: usize = 3;
/// Label key of the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Label key of the host.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// Cpu of a node.
const MILLI_CPU: usize = 4000;

/// The default profile.
///
/// # Panics
/// Never: the built-in plugins make a default profile.
pub fn profiles() -> Profiles {
    let registry = loadline_plugins::registry();
    let config = loadline_config::default_config(&registry).expect("the built-in plugins make a default profile");
    loadline_config::compile(&config, &registry).expect("the default configuration is valid")
}

/// The objects of a cluster of this many nodes with the pods that `kind` is measured among.
pub fn objects(nodes: usize, kind: Kind) -> Vec<Value> {
    let (on_each, milli_cpu) = kind.sitting();
    let mut all = objects::surroundings();
    all.extend((0..nodes).map(|index| objects::node(index, MILLI_CPU)));
    all.extend((0..nodes * on_each).map(|number| objects::sitting_pod(number, nodes, milli_cpu)));
    all
}

/// Whether two kinds are measured in the same cluster.
pub fn share_cluster(a: Kind, b: Kind) -> bool {
    a.sitting() == b.sitting()
}

/// The same, read.
///
/// # Panics
/// Never: the objects are valid.
pub fn cluster(nodes: usize, kind: Kind) -> Cluster {
    // A list at a time: the text of all of them at once would be large.
    let read: Vec<Object> = objects(nodes, kind).chunks(1000).flat_map(read).collect();
    of_objects(read).expect("a benchmark's objects are valid")
}

/// An engine that knows a cluster.
pub fn engine(cluster: &Cluster, settings: Settings) -> Engine {
    cluster.engine(profiles(), settings)
}

/// A node with so much less cpu, in thousandths.
///
/// # Panics
/// Never: the object is valid.
pub fn node(index: usize, less: usize) -> Arc<NodeSpec> {
    let mut read = read(&[objects::node(index, MILLI_CPU - less)]);
    let Some(Object::Node(node)) = read.pop() else { unreachable!("a node is read as a node") };
    Arc::new(Converter::new().node(&node))
}

/// The pod of [`Kind::object`].
///
/// # Panics
/// Never: the object is valid.
pub fn pod(kind: Kind, class: usize, number: usize, own_labels: bool) -> Arc<PodInfo> {
    compile(&kind.object(class, number, own_labels))
}

/// A pod of high priority that asks for a quarter of a node.
pub fn important_pod(number: usize) -> Arc<PodInfo> {
    compile(&objects::pod(&format!("important-{number}"), &json!({}), MILLI_CPU / 4, 100, serde_json::Map::new()))
}

fn compile(pod: &Value) -> Arc<PodInfo> {
    let mut read = read(std::slice::from_ref(pod));
    let Some(Object::Pod(pod)) = read.pop() else { unreachable!("a pod is read as a pod") };
    Arc::new(Converter::new().pod(&pod))
}

fn read(objects: &[Value]) -> Vec<Object> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut read = Vec::new();
    let mut reader = Reader::new(|object| read.push(object));
    reader.read_text(&list.to_string(), "benchmark");
    let problems = reader.finish().problems;
    assert!(problems.is_empty(), "{problems:?}");
    read
}
