//! NodeAffinity: a node must match a pod's nodeSelector and required node affinity, and scores by the preferred terms that
//! it matches. Mirrors kube-scheduler's `nodeaffinity`.

mod args;
mod explain;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView,
    Normalization, Plugin, Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict,
    normalize_default,
};
use loadline_model::{Affinity, Labels, NodeSelector, NodeSelectorTerm, NodeSpec, PodInfo, Str, Weighted};

use crate::hint::queue_if;
use args::AddedAffinity;

/// NodeAffinity.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeAffinity",
    help: "Turns down nodes that do not match the pod's nodeSelector and required node affinity, and scores by its preferred terms.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 2 },
    args: args::FIELDS,
    validate: args::validate,
    events: &[ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_LABEL))],
    build: |args| {
        let plugin = NodeAffinity { added: Arc::new(AddedAffinity::new(args)?) };
        Ok(Plugin::new("NodeAffinity").with_node(plugin.clone()).with_hints(plugin))
    },
};

#[derive(Clone)]
struct NodeAffinity {
    added: Arc<AddedAffinity>,
}

/// Turned down by `addedAffinity`.
const ENFORCED: u32 = 0;
/// Turned down by the pod's own selector or affinity.
const OWN: u32 = 1;

/// What the plugin reads of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// `spec.nodeSelector`.
    selector: Labels,
    affinity: Option<NodeParts>,
}

/// An affinity of which only the node parts count: pods that differ in the others are alike.
#[derive(Clone, Debug)]
struct NodeParts(Arc<Affinity>);

impl NodeParts {
    fn of(pod: &PodInfo) -> Option<Self> {
        let affinity = pod.affinity.as_ref()?;
        let any = affinity.node_required.is_some() || !affinity.node_preferred.is_empty();
        any.then(|| Self(affinity.clone()))
    }

    fn parts(&self) -> (&Option<NodeSelector>, &[Weighted<NodeSelectorTerm>]) {
        (&self.0.node_required, &self.0.node_preferred)
    }
}

impl PartialEq for NodeParts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parts() == other.parts()
    }
}

impl Eq for NodeParts {}

impl Hash for NodeParts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Key {
    fn of(pod: &PodInfo) -> Self {
        Self { selector: pod.node_selector.clone(), affinity: NodeParts::of(pod) }
    }

    fn required(&self) -> Option<&NodeSelector> {
        self.affinity.as_ref()?.0.node_required.as_ref()
    }

    fn preferred(&self) -> &[Weighted<NodeSelectorTerm>] {
        self.affinity.as_ref().map_or(&[], |parts| &parts.0.node_preferred)
    }

    /// Whether a node matches the pod's own selector and required affinity.
    fn admits(&self, name: &str, labels: &Labels) -> bool {
        self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.required().is_none_or(|required| required.matches(name, labels))
    }
}

/// The nodes that a pod's required affinity names by `matchFields`, sorted; `None` when some term names none and so
/// leaves all nodes open.
fn named_nodes(pod: &PodInfo) -> Option<Vec<Str>> {
    let terms = &pod.affinity.as_ref()?.node_required.as_ref()?.terms;
    if terms.is_empty() {
        return None;
    }
    let mut nodes = Vec::new();
    for term in terms {
        let mut named = term.fields.iter().filter(|field| !field.negated);
        let first = named.next()?;
        // All of a term's names must hold: two different ones leave nothing of the term.
        if named.all(|field| field.name == first.name) {
            nodes.push(first.name.clone());
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    Some(nodes)
}

fn score(terms: &[Weighted<NodeSelectorTerm>], node: &NodeSpec) -> i64 {
    let matching = terms.iter().filter(|w| w.term.matches(&node.name, &node.labels));
    matching.map(|w| i64::from(w.weight)).sum()
}

impl NodePlugin for NodeAffinity {
    type Key = Key;
    type State = Key;

    fn reads(&self) -> Reads {
        Reads::SPEC
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Key>, Status> {
        if named_nodes(pod).is_some_and(|nodes| nodes.is_empty()) {
            return Err(Status::unresolvable("pod affinity terms conflict"));
        }
        let key = Key::of(pod);
        let idle = key.selector.is_empty() && key.affinity.is_none() && self.added.is_empty();
        Ok((!idle).then_some(key))
    }

    fn narrow(&self, pod: &PodInfo) -> Option<Vec<Str>> {
        named_nodes(pod)
    }

    fn prepare(&self, key: &Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Key> {
        Prepared {
            state: key.clone(),
            filters: !key.selector.is_empty() || key.required().is_some() || self.added.required.is_some(),
            scores: !key.preferred().is_empty() || !self.added.preferred.is_empty(),
        }
    }

    fn filter(&self, state: &Key, node: &NodeView<'_>) -> Verdict {
        let node = node.spec();
        if !self.added.admits(node) {
            Verdict::unresolvable(ENFORCED)
        } else if !state.admits(&node.name, &node.labels) {
            Verdict::unresolvable(OWN)
        } else {
            Verdict::PASS
        }
    }

    fn reasons(&self, _state: &Key, verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        let reason = if verdict.meaning() == ENFORCED {
            "node(s) didn't match scheduler-enforced node affinity"
        } else {
            "node(s) didn't match Pod's node affinity/selector"
        };
        vec![reason.into()]
    }

    fn detail(&self, state: &Key, verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        if verdict.meaning() == ENFORCED {
            explain::unmet(&Labels::default(), self.added.required.as_ref(), node.spec())
        } else {
            explain::unmet(&state.selector, state.required(), node.spec())
        }
    }

    fn pre_score_error(&self, state: &Key) -> Option<String> {
        let read = state.preferred().iter().enumerate().filter(|(_, preferred)| preferred.weight != 0);
        let problems: Vec<String> = read
            .flat_map(|(index, preferred)| {
                preferred.term.problems.iter().map(move |problem| format!("[{index}].{problem}"))
            })
            .collect();
        match &problems[..] {
            [] => None,
            [one] => Some(one.clone()),
            all => Some(format!("[{}]", all.join(", "))),
        }
    }

    fn score(&self, state: &Key, node: &NodeView<'_>) -> i64 {
        score(&self.added.preferred, node.spec()) + score(state.preferred(), node.spec())
    }

    fn normalization(&self) -> Normalization {
        Normalization::Bounds(normalize_default)
    }
}

impl QueueingHints for NodeAffinity {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        let EventObject::Node { old, new: Some(new) } = object else {
            return Hint::Queue;
        };
        let key = Key::of(pod);
        let admits = |node: &NodeSpec| key.admits(&node.name, &node.labels);
        // What `addedAffinity` said of the node before is not asked, in kube-scheduler neither.
        queue_if(self.added.admits(new) && admits(new) && old.is_none_or(|old| !admits(old)))
    }
}
