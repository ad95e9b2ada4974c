//! Clusters and kinds of pods for the benchmarks, shaped like those of kube-scheduler's own scheduler_perf: nodes of 4
//! cores, 32 GiB and 110 pods in three zones, pods of 100m and 500 MiB, two of them on each node before anything is
//! measured.

mod kinds;

use std::sync::Arc;

use loadline_engine::{Engine, Settings};
use loadline_framework::Profiles;
use loadline_model::{
    Effect, Labels, Namespace, NodeSpec, PodInfo, PodRequests, Resources, Selector, ServiceSelector, Str, Taint,
};

pub use kinds::Kind;

/// Zones of a cluster.
pub const ZONES: usize = 3;
/// Label key of the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Label key of the host.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
const GIB: i64 = 1 << 30;
const MIB: i64 = 1 << 20;

/// The default profile.
///
/// # Panics
/// Never: the built-in plugins make a default profile.
pub fn profiles() -> Profiles {
    let registry = loadline_plugins::registry();
    let config = loadline_config::default_config(&registry).expect("the built-in plugins make a default profile");
    loadline_config::compile(&config, &registry).expect("the default configuration is valid")
}

/// A cluster of this many nodes with the objects that `kind` needs, `pods_on_each` pods on each node.
pub fn engine(nodes: usize, pods_on_each: usize, kind: Kind, settings: Settings) -> Engine {
    let mut engine = Engine::new(profiles(), settings);
    for name in ["default", "other"] {
        let labels = [("kubernetes.io/metadata.name", name), ("team", name)].into_iter().collect();
        engine.set_namespace(Namespace { name: name.into(), labels: Arc::new(labels) });
    }
    engine.set_service(ServiceSelector {
        namespace: "default".into(),
        name: "web".into(),
        selector: [("app", "served")].into_iter().collect(),
    });
    for index in 0..nodes {
        engine.set_node(Arc::new(node(index)));
    }
    let sitting = Arc::new(requests(100, 500 * MIB));
    let apps: Vec<Arc<Labels>> =
        (0..20).map(|app| Arc::new([("app", format!("base-{app}"))].into_iter().collect())).collect();
    for number in 0..nodes * pods_on_each {
        let name: Str = format!("base-{number}").into();
        let mut pod = PodInfo {
            labels: apps[number % apps.len()].clone(),
            requests: sitting.clone(),
            started: Some(number as i64 * 1_000_000_000),
            ..pod(name)
        };
        kind.shape_sitting(&mut pod);
        let node = format!("node-{:06}", number % nodes).into();
        pod.node_name = Some(Str::clone(&node));
        engine.set_placed_pod(Arc::new(pod), &node);
    }
    engine
}

/// The node with this number. One in ten is tainted, one in ten prefers to be left alone.
pub fn node(index: usize) -> NodeSpec {
    let name: Str = format!("node-{index:06}").into();
    let labels = [
        (Str::from("kubernetes.io/arch"), Str::from("amd64")),
        (HOSTNAME.into(), name.clone()),
        ("kubernetes.io/os".into(), "linux".into()),
        ("node.kubernetes.io/instance-type".into(), format!("type-{}", index % 5).into()),
        ("topology.kubernetes.io/region".into(), "region-1".into()),
        (ZONE.into(), format!("zone-{}", index % ZONES).into()),
    ];
    let taint = |effect| Taint { key: "dedicated".into(), value: "batch".into(), effect };
    let taints: Box<[Taint]> = match index % 10 {
        3 => [taint(Effect::NoSchedule)].into(),
        7 => [taint(Effect::PreferNoSchedule)].into(),
        _ => Box::default(),
    };
    NodeSpec {
        uid: name.clone(),
        name,
        labels: Arc::new(labels.into_iter().collect()),
        taints,
        allocatable: Resources {
            milli_cpu: 4000,
            memory: 32 * GIB,
            ephemeral_storage: 100 * GIB,
            ..Resources::default()
        },
        allowed_pods: 110,
        ..NodeSpec::default()
    }
}

/// A pod without a node.
pub fn pod(name: Str) -> PodInfo {
    PodInfo {
        namespace: "default".into(),
        uid: name.clone(),
        name,
        scheduler_name: "default-scheduler".into(),
        ..PodInfo::default()
    }
}

/// Requests of one container.
pub fn requests(milli_cpu: i64, memory: i64) -> PodRequests {
    let amounts = Resources { milli_cpu, memory, ..Resources::default() };
    PodRequests {
        spec: amounts.clone(),
        usage: amounts.clone(),
        non_zero_milli_cpu: milli_cpu,
        non_zero_memory: memory,
        score: amounts,
    }
}

/// A selector on `app`.
pub fn app(value: &str) -> Selector {
    Selector::from_pairs([(&Str::from("app"), &Str::from(value))])
}
