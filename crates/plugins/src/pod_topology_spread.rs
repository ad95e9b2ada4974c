//! PodTopologySpread: spreads pods over the domains of a topology. Hard constraints filter, soft ones score.

mod arguments;
mod constraint;
mod hard;
mod hints;
mod soft;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, Cluster, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Normalization,
    Plugin, Prepare, Prepared, Reads, Reason, Resource, Slot, Status, TopologyId, Touched, Verdict,
};
use loadline_model::PodInfo;
use serde_json::json;

use arguments::Arguments;
use constraint::Key;
use hints::Hints;
use state::State;

const NAME: &str = "PodTopologySpread";
const MISMATCH: &str = "node(s) didn't match pod topology spread constraints";
const MISSING_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// What is known about PodTopologySpread.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Spreads pods over the domains of a topology, by the pod's topologySpreadConstraints or the default ones.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 2 },
    args: &arguments::FIELDS,
    validate: arguments::validate,
    events: &[
        ClusterEvent::new(
            Resource::Pod,
            Action::ADD.and(Action::UPDATE_POD_LABEL).and(Action::UPDATE_POD_TOLERATION).and(Action::DELETE),
        ),
        ClusterEvent::new(
            Resource::Node,
            Action::ADD.and(Action::DELETE).and(Action::UPDATE_NODE_LABEL).and(Action::UPDATE_NODE_TAINT),
        ),
    ],
    build: |args| {
        let arguments = Arguments::parse(args)?;
        Ok(Plugin::new(NAME)
            .with_hints(Hints { arguments: arguments.clone() })
            .with_node(PodTopologySpread { arguments }))
    },
};

/// The plugin.
#[derive(Debug)]
pub struct PodTopologySpread {
    arguments: Arguments,
}

impl NodePlugin for PodTopologySpread {
    type Key = Key;
    type State = State;

    fn reads(&self) -> Reads {
        Reads::SPEC.and(Reads::COUNTS)
    }

    fn key(&self, pod: &PodInfo, cx: &mut dyn Prepare) -> Result<Option<Key>, Status> {
        Ok(Key::of(pod, &self.arguments, cx))
    }

    fn prepare(&self, key: &Key, _pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let state = State::prepare(key, &self.arguments, cx);
        Prepared { filters: !state.hard.is_empty(), scores: !state.soft.is_empty(), state }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        state.catch_up(cluster)
    }

    fn filter(&self, state: &State, node: &NodeView<'_>) -> Verdict {
        state.filter(node)
    }

    fn is_moved_by(&self, state: &State, added: &[Arc<PodInfo>], _cluster: &dyn Cluster) -> bool {
        state.is_moved_by(added)
    }

    fn reasons(&self, _state: &State, verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        let reason = if verdict.is_unresolvable() { MISSING_LABEL } else { MISMATCH };
        vec![reason.into()]
    }

    fn detail(&self, state: &State, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let Some(hard) = state.hard.get(verdict.meaning() as usize) else {
            return Default::default();
        };
        let key = &hard.constraint.topology_key;
        let topology = node.cluster().topology(hard.topology);
        let Some(domain) = topology.domain_of[node.slot().index()].index() else {
            let detail = Detail { what: format!("label {key}"), wanted: "any value".into(), found: "none".into() };
            let remedy = Remedy {
                text: format!("needs the label {key} on {}", node.name()),
                change: json!({"node": node.name(), "addLabel": key}),
                ..Remedy::default()
            };
            return (vec![detail], vec![remedy]);
        };
        let standing = hard.standing(node.slot(), domain, state.namespace(), node.delta());
        let (skew, max_skew) = (hard.skew(standing), hard.constraint.max_skew);
        let value = &topology.values[domain];
        let fewest = match hard.domain_with(standing.minimum, topology) {
            _ if hard.domains() < hard.constraint.min_domains => format!(
                "the fewest count as 0, since there are {} of at least {} domains",
                hard.domains(),
                hard.constraint.min_domains
            ),
            Some(name) => format!("the fewest are {} in {name}", standing.minimum),
            None => format!("the fewest are {}", standing.minimum),
        };
        let detail = Detail {
            what: format!("skew over {key}"),
            wanted: format!("at most {max_skew}"),
            found: format!(
                "{skew}: {} matching pods in {value} with this one, {fewest}",
                standing.matching + i64::from(hard.constraint.self_match),
            ),
        };
        let excess = skew - max_skew;
        let remedies = vec![
            Remedy {
                text: format!("needs {excess} fewer matching pods in {key}={value}, or as many more in the others"),
                change: json!({"topologyKey": key, "domain": value, "fewerPods": excess}),
                ..Remedy::default()
            },
            Remedy {
                text: format!("needs maxSkew {skew} instead of {max_skew} over {key}"),
                change: json!({"topologyKey": key, "maxSkew": skew}),
                ..Remedy::default()
            },
        ];
        (vec![detail], remedies)
    }

    fn filters_by(&self, state: &State) -> Option<TopologyId> {
        state.filters_by()
    }

    fn normalization(&self) -> Normalization {
        Normalization::Whole(soft::normalize)
    }

    fn score_feasible(&self, state: &State, feasible: &[Slot], cluster: &dyn Cluster, out: &mut [i64]) {
        soft::score(&state.soft, state.require_all, feasible, cluster, out);
    }
}
