//! InterPodAffinity: places pods near to or away from other pods, as their own terms and those of pods in place have it.

mod filter;
mod hints;
mod key;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ArgField, ArgKind, Bounds, Cluster, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin,
    NodeView, Normalization, Plugin, Prepare, Prepared, Reads, Reason, Resource, Status, TopologyId, Touched, Verdict,
    no_further_checks,
};
use loadline_model::PodInfo;
use serde_json::Value;

use hints::Hints;
use key::{Key, OwnTerms};
use state::{Role, State};

const NAME: &str = "InterPodAffinity";

/// What is known about InterPodAffinity.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Places pods near to or away from other pods, by inter-pod affinity and anti-affinity.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 2 },
    args: &[
        ArgField {
            name: "hardPodAffinityWeight",
            kind: ArgKind::Int { min: 0, max: 100 },
            default: "1",
            help: "What a required affinity term of a pod in place adds to the score of its domain for pods that it \
                   means.",
        },
        ArgField {
            name: "ignorePreferredTermsOfExistingPods",
            kind: ArgKind::Bool,
            default: "false",
            help: "Do not score pods without preferred terms of their own by the terms of pods in place.",
        },
    ],
    validate: no_further_checks,
    events: &[
        ClusterEvent::new(Resource::Pod, Action::ADD.and(Action::UPDATE_POD_LABEL).and(Action::DELETE)),
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_LABEL)),
    ],
    build: |args| {
        let plugin = InterPodAffinity { arguments: Arguments::parse(args) };
        Ok(Plugin::new(NAME).with_hints(Hints).with_node(plugin))
    },
};

/// InterPodAffinityArgs.
#[derive(Clone, Copy, Debug)]
struct Arguments {
    hard_pod_affinity_weight: i32,
    ignore_preferred_terms_of_existing_pods: bool,
}

impl Arguments {
    fn parse(args: &Value) -> Self {
        let weight = args["hardPodAffinityWeight"].as_i64().and_then(|w| i32::try_from(w).ok());
        Self {
            hard_pod_affinity_weight: weight.unwrap_or(1),
            ignore_preferred_terms_of_existing_pods: args["ignorePreferredTermsOfExistingPods"] == true,
        }
    }

    /// Whether terms that other pods carry count for the score of a pod with these terms.
    fn scores_carried(self, own: &OwnTerms) -> bool {
        let prefers = !(own.preferred().is_empty() && own.preferred_anti().is_empty());
        prefers || !self.ignore_preferred_terms_of_existing_pods
    }
}

/// The plugin.
#[derive(Debug)]
pub struct InterPodAffinity {
    arguments: Arguments,
}

impl NodePlugin for InterPodAffinity {
    type Key = Key;
    type State = State;

    fn reads(&self) -> Reads {
        Reads::SPEC.and(Reads::COUNTS)
    }

    fn key(&self, pod: &PodInfo, cx: &mut dyn Prepare) -> Result<Option<Key>, Status> {
        Ok(Key::of(pod, self.arguments, cx))
    }

    fn prepare(&self, key: &Key, _: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let state = State::prepare(key, self.arguments, cx);
        let has = |wanted: fn(Role) -> bool| state.tallies.iter().any(|tally| wanted(tally.role));
        Prepared { filters: has(|role| role != Role::Score), scores: has(|role| role == Role::Score), state }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        state.catch_up(cluster)
    }

    fn filter(&self, state: &State, node: &NodeView<'_>) -> Verdict {
        filter::filter(state, node)
    }

    fn is_moved_by(&self, state: &State, added: &[Arc<PodInfo>], cluster: &dyn Cluster) -> bool {
        added.iter().any(|pod| filter::is_moved_by(state, pod, cluster))
    }

    fn reasons(&self, _state: &State, verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec![filter::reason(verdict).into()]
    }

    fn detail(&self, state: &State, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        filter::detail(state, verdict, node)
    }

    fn scores(&self, state: &State) -> bool {
        state.totals.score != 0
    }

    fn filters_by(&self, state: &State) -> Option<TopologyId> {
        state.topology_of(|role| role != Role::Score)
    }

    fn scores_by(&self, state: &State) -> Option<TopologyId> {
        state.topology_of(|role| role == Role::Score)
    }

    fn score(&self, state: &State, node: &NodeView<'_>) -> i64 {
        let amount = |tally: &state::Tally| tally.at(node.cluster(), node.slot()).map(|(_, weight)| weight);
        state.tallies(Role::Score).filter_map(amount).sum()
    }

    fn normalization(&self) -> Normalization {
        Normalization::Bounds(normalize)
    }
}

/// 0 for the smallest sum, 100 for the largest; 0 for all when they are equal. In f64, as kube-scheduler does it: the
/// quotient is rounded before it is multiplied.
fn normalize(raw: i64, bounds: Bounds) -> i64 {
    let range = bounds.max - bounds.min;
    if range > 0 { (100.0 * ((raw - bounds.min) as f64 / range as f64)) as i64 } else { 0 }
}
