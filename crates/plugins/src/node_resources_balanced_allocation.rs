//! NodeResourcesBalancedAllocation: prefers nodes whose resources a pod brings closer to even use. Mirrors
//! kube-scheduler's `noderesources.BalancedAllocation`.

use std::sync::Arc;

use loadline_framework::{
    ArgField, ArgKind, DefaultProfile, Descriptor, ExtensionPoint, FieldError, NodePlugin, NodeView, Plugin, Prepare,
    Prepared, Reads, Status,
};
use loadline_model::{PodInfo, PodRequests};
use serde::Deserialize;
use serde_json::Value;
use smallvec::SmallVec;

use crate::args::decode;
use crate::scoring_strategy::{Asked, DEFAULT_RESOURCES, MAX_SCORE, ResourceSpec, asked, or_default};

/// NodeResourcesBalancedAllocation.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeResourcesBalancedAllocation",
    help: "Scores nodes by how much closer to even the pod brings the use of their resources.",
    points: &[ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 1 },
    args: &[ArgField {
        name: "resources",
        kind: ArgKind::List(&ArgKind::Object(&[
            ArgField { name: "name", kind: ArgKind::Text, default: "", help: "Resource name." },
            ArgField {
                name: "weight",
                kind: ArgKind::Int { min: 1, max: 1 },
                default: "1",
                help: "Always 1 (0 means 1).",
            },
        ])),
        default: DEFAULT_RESOURCES,
        help: "Resources whose use is to be even, each once.",
    }],
    validate,
    events: &[],
    build: |args| {
        let given: Given = decode(args)?;
        let resources = or_default(given.resources.unwrap_or_default());
        Ok(Plugin::new("NodeResourcesBalancedAllocation").with_node(NodeResourcesBalancedAllocation { resources }))
    },
};

#[derive(Deserialize)]
struct Given {
    resources: Option<Vec<ResourceSpec>>,
}

struct NodeResourcesBalancedAllocation {
    resources: Vec<ResourceSpec>,
}

fn validate(args: &Value) -> Vec<FieldError> {
    let Ok(given) = decode::<Given>(args) else {
        // The type check has told already.
        return Vec::new();
    };
    let resources = given.resources.unwrap_or_default();
    let mut errors = Vec::new();
    for (index, resource) in resources.iter().enumerate() {
        if resources[..index].iter().any(|earlier| earlier.name == resource.name) {
            let message = format!("duplicate of an earlier resource: {}", resource.name);
            errors.push(FieldError::new(format!("resources[{index}].name"), message));
        }
        if resource.weight() != 1 {
            errors.push(FieldError::new(format!("resources[{index}].weight"), "must be 1"));
        }
    }
    errors
}

impl NodePlugin for NodeResourcesBalancedAllocation {
    type Key = Arc<PodRequests>;
    type State = Box<[Asked]>;

    fn reads(&self) -> Reads {
        Reads::LOAD
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        // A pod that asks for none of the resources changes no balance: PreScore says Skip.
        let usage = &pod.requests.usage;
        let asks = self.resources.iter().any(|resource| usage.get(&resource.name) != 0);
        Ok(asks.then(|| pod.requests.clone()))
    }

    fn prepare(&self, requests: &Self::Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Self::State> {
        Prepared { state: asked(&self.resources, &requests.usage), filters: false, scores: true }
    }

    fn score(&self, state: &Self::State, node: &NodeView<'_>) -> i64 {
        let (allocatable, load) = (node.allocatable(), node.load());
        let (mut with, mut without) = (SmallVec::<[f64; 8]>::new(), SmallVec::<[f64; 8]>::new());
        for resource in state {
            let capacity = resource.capacity(allocatable);
            if capacity != 0 {
                let used = resource.used(load);
                let fraction = |requested: i64| (requested as f64 / capacity as f64).min(1.0);
                with.push(fraction(used.wrapping_add(resource.amount())));
                without.push(fraction(used));
            }
        }
        // 75 where the pod changes nothing; 50 and 100 are the worst and the best that it can do.
        // Sums that wrapped around make fractions far below 0, and a score outside of its bounds.
        MAX_SCORE / 2 + (MAX_SCORE / 2).wrapping_add(evenness(&with)).wrapping_sub(evenness(&without)) / 2
    }
}

/// 100 for equal fractions, less by their standard deviation.
fn evenness(fractions: &[f64]) -> i64 {
    let deviation = match fractions {
        // Half of the difference is what the general formula gives for two, computed as kube-scheduler does it.
        [a, b] => ((a - b) / 2.0).abs(),
        [] | [_] => 0.0,
        more => {
            let count = more.len() as f64;
            let mut total = 0.0;
            for fraction in more {
                total += fraction;
            }
            let mean = total / count;
            let mut squares = 0.0;
            for fraction in more {
                squares += (fraction - mean) * (fraction - mean);
            }
            (squares / count).sqrt()
        }
    };
    ((1.0 - deviation) * MAX_SCORE as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, GI, node, pod, requests};
    use serde_json::json;

    fn plugin() -> NodeResourcesBalancedAllocation {
        NodeResourcesBalancedAllocation { resources: or_default(Vec::new()) }
    }

    fn asking(milli_cpu: i64, memory: i64) -> PodInfo {
        PodInfo { requests: Arc::new(requests(milli_cpu, memory)), ..pod("p") }
    }

    fn raw(cluster: &mut FakeCluster, pod: &PodInfo) -> Vec<i64> {
        let scores = cluster.scores(&plugin(), pod).expect("it scores");
        scores.iter().map(|score| score.raw).collect()
    }

    #[test]
    fn a_pod_that_evens_out_use_is_preferred() {
        let mut cluster = FakeCluster::new([node("a", &[]), node("b", &[]), node("c", &[])]);
        // a: half of the memory is used, none of the cpu. b: the other way round. c: empty.
        cluster.add_pod("a", asking(0, 4 * GI));
        cluster.add_pod("b", asking(2000, 0));
        // Evenness: a 100 after 75; b 50 after 75; c 75 after 100.
        assert_eq!(raw(&mut cluster, &asking(2000, 0)), [87, 62, 62]);
        // In proportion to the node: no change.
        assert_eq!(raw(&mut cluster, &asking(1000, 2 * GI)), [75, 75, 75]);
    }

    #[test]
    fn three_resources_go_by_the_standard_deviation() {
        assert_eq!(evenness(&[0.0, 0.0, 0.6]), 71);
        assert_eq!(evenness(&[0.5, 0.5, 0.5]), 100);
        assert_eq!(evenness(&[0.9]), 100);
    }

    #[test]
    fn use_above_capacity_counts_as_full() {
        let mut cluster = FakeCluster::new([node("a", &[])]);
        cluster.add_pod("a", asking(9000, 16 * GI));
        assert_eq!(raw(&mut cluster, &asking(100, 0)), [75]);
    }

    #[test]
    fn a_pod_that_asks_for_nothing_is_skipped() {
        let mut cluster = FakeCluster::new([node("a", &[])]);
        assert_eq!(cluster.scores(&plugin(), &pod("p")), None);
    }

    #[test]
    fn each_resource_once_with_weight_one() {
        assert!(validate(&json!({"resources": [{"name": "cpu"}, {"name": "memory", "weight": 0}]})).is_empty());
        let errors = validate(&json!({"resources": [{"name": "cpu"}, {"name": "cpu", "weight": 2}]}));
        let paths: Vec<_> = errors.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["resources[1].name", "resources[1].weight"]);
    }
}
