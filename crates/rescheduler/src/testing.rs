//! Small clusters for tests: what they have, and what a plan makes of them.

use std::sync::Arc;

use loadline_engine::{Engine, Settings};
use loadline_framework::Profiles;
use loadline_model::{GroupApi, GroupKey, Labels, Map, NodeSpec, Owner, PodInfo, PodRequests, Resources, Str, Time};

use crate::options::{Limits, Options};
use crate::owners::Situation;
use crate::plan::Plan;

/// Bytes in a gibibyte.
pub(crate) const GI: i64 = 1 << 30;
/// A time at which no pod is young.
pub(crate) const NOW: Time = 1_000_000_000_000_000;

/// A pod group of the namespace `default`.
pub(crate) fn group(name: &str) -> Arc<GroupKey> {
    Arc::new(GroupKey { namespace: "default".into(), name: name.into(), api: GroupApi::Crd })
}

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> Arc<Labels> {
    Arc::new(pairs.iter().copied().collect())
}

/// A node with 10 cores and 10 GiB.
pub(crate) fn node(name: &str, pairs: &[(&str, &str)]) -> NodeSpec {
    let all: Vec<(&str, &str)> = pairs.iter().copied().chain([("kubernetes.io/hostname", name)]).collect();
    NodeSpec {
        name: name.into(),
        labels: labels(&all),
        allocatable: Resources { milli_cpu: 10_000, memory: 10 * GI, ..Resources::default() },
        allowed_pods: 110,
        ..NodeSpec::default()
    }
}

pub(crate) fn owner(kind: &str, name: &str) -> Arc<Owner> {
    Arc::new(Owner { api_version: "apps/v1".into(), kind: kind.into(), name: name.into(), uid: name.into() })
}

/// A pod of the ReplicaSet that its name begins with, up to the last dash, with so many tenths of a node of cpu and memory.
pub(crate) fn pod(name: &str, node: &str, cpu: i64, memory: i64) -> PodInfo {
    let amounts = Resources { milli_cpu: cpu * 1000, memory: memory * GI, ..Resources::default() };
    let requests = PodRequests {
        spec: amounts.clone(),
        usage: amounts.clone(),
        non_zero_milli_cpu: amounts.milli_cpu,
        non_zero_memory: amounts.memory,
        score: amounts,
    };
    let set = name.rsplit_once('-').map_or(name, |(set, _)| set);
    PodInfo {
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid-{name}").into(),
        labels: labels(&[("app", set)]),
        owner: Some(owner("ReplicaSet", set)),
        scheduler_name: "default-scheduler".into(),
        node_name: Some(node.into()),
        requests: Arc::new(requests),
        created: Some(0),
        ..PodInfo::default()
    }
}

/// A configuration, compiled with all plugins; the default one when the text is empty.
pub(crate) fn profiles(text: &str) -> Profiles {
    let registry = loadline_plugins::registry();
    let config = if text.is_empty() {
        loadline_config::default_config(&registry).expect("it is the default")
    } else {
        loadline_config::parse(text, "config", &registry).expect("a configuration").config
    };
    loadline_config::compile(&config, &registry).expect("a configuration")
}

/// An engine with these nodes, and pods on them.
pub(crate) fn engine(nodes: &[NodeSpec], pods: &[PodInfo]) -> Engine {
    let mut engine = Engine::new(profiles(""), Settings::default());
    for node in nodes {
        engine.set_node(Arc::new(node.clone()));
    }
    for pod in pods {
        let node = pod.node_name.clone().expect("pods of tests are on nodes");
        engine.set_placed_pod(Arc::new(pod.clone()), &node);
    }
    engine
}

/// No limits, no least age, no least gain.
pub(crate) fn unlimited(options: Options) -> Options {
    Options { limits: Limits::default(), min_gain: 0.1, ..options }
}

pub(crate) fn situation() -> Situation {
    Situation { now: NOW, ..Situation::default() }
}

/// `pod: from -> to`, each.
pub(crate) fn moves(plan: &Plan) -> Vec<String> {
    plan.moves.iter().map(|m| format!("{}: {} -> {}", m.name, m.from, m.to)).collect()
}

/// Reasons of the pods that stay, with their numbers.
pub(crate) fn skipped(plan: &Plan) -> Map<String, u64> {
    plan.skipped.iter().map(|skipped| (skipped.reason.clone(), skipped.pods)).collect()
}

/// Where all pods are.
pub(crate) fn places(engine: &Engine) -> Vec<(Str, Str)> {
    let mut places: Vec<_> = engine.cluster().pods().map(|known| (known.pod.uid.clone(), known.node.clone())).collect();
    places.sort_unstable();
    places
}

/// Has every move done, and gives the cluster as it is then. The pods have been running for long.
pub(crate) fn carried_out(engine: &Engine, plan: &Plan) -> Engine {
    let mut after = engine.fork();
    for step in &plan.moves {
        let known = after.cluster().pod(&step.uid).expect("a pod that is moved is there").clone();
        assert_eq!(known.node, *step.from);
        let to: Str = step.to.as_str().into();
        after.remove_pod(&step.uid);
        let pod = PodInfo { node_name: Some(to.clone()), ..(*known.pod).clone() };
        after.set_placed_pod(Arc::new(pod), &to);
    }
    after
}
