//! Spread constraints as they apply to one pod, and the key that says which pods they are the same for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use loadline_framework::Prepare;
use loadline_model::{
    Affinity, Labels, NodeSelector, NodeSpec, Operator, PodInfo, Requirement, Selector, SpreadConstraint, Str,
    Toleration, UnsatisfiableAction,
};
use smallvec::SmallVec;

use super::arguments::Arguments;

/// What PodTopologySpread reads of a pod. Not the whole label set: pods of one StatefulSet share a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) namespace: Str,
    source: Source,
    /// Whether the pod matches each constraint's selector itself.
    self_match: SmallVec<[bool; 4]>,
    /// `None` when no constraint honours it.
    pub(super) rules: Option<NodeRules>,
    /// `None` when no constraint honours taints.
    pub(super) tolerations: Option<Arc<[Toleration]>>,
}

/// Where a pod's constraints come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// The pod itself, with the labels that `matchLabelKeys` name.
    Own(Arc<[SpreadConstraint]>, Labels),
    /// The plugin's defaults, with the selector of the pod's services and controller.
    Defaults(Arc<Selector>),
}

/// A constraint with its final selector.
#[derive(Clone, Debug)]
pub(super) struct Constraint {
    pub(super) max_skew: i64,
    pub(super) topology_key: Str,
    pub(super) action: UnsatisfiableAction,
    pub(super) selector: Arc<Selector>,
    pub(super) min_domains: i64,
    pub(super) honor_affinity: bool,
    pub(super) honor_taints: bool,
    /// The pod matches the selector itself.
    pub(super) self_match: bool,
}

impl Constraint {
    fn new(constraint: &SpreadConstraint, selector: Arc<Selector>, self_match: bool) -> Self {
        Self {
            max_skew: i64::from(constraint.max_skew),
            topology_key: constraint.topology_key.clone(),
            action: constraint.when_unsatisfiable,
            selector,
            min_domains: i64::from(constraint.min_domains),
            honor_affinity: constraint.honor_affinity,
            honor_taints: constraint.honor_taints,
            self_match,
        }
    }

    /// Whether kube-scheduler counts pods for it at all: it takes a selector that matches everything for one that is
    /// not there, and counts none.
    pub(super) fn counts(&self) -> bool {
        matches!(&*self.selector, Selector::All(requirements) if !requirements.is_empty())
    }
}

impl Key {
    /// The key of a pod; `None` when it has no constraint, not even by default.
    pub(super) fn of(pod: &PodInfo, arguments: &Arguments, cx: &mut dyn Prepare) -> Option<Self> {
        let (source, constraints, default) = if pod.spread.is_empty() {
            if arguments.defaults.is_empty() {
                return None;
            }
            let selector = cx.default_selector(pod);
            if selector.is_everything() {
                return None;
            }
            (Source::Defaults(selector.clone()), &arguments.defaults, Some(selector))
        } else {
            let source = Source::Own(pod.spread.clone(), match_labels(pod));
            (source, &pod.spread, None)
        };
        // Labels that `matchLabelKeys` add are the pod's own, so they never keep it from matching.
        let self_match = match &default {
            Some(selector) => SmallVec::from_elem(selector.matches(&pod.labels), constraints.len()),
            None => constraints.iter().map(|c| c.selector.matches(&pod.labels)).collect(),
        };
        let any = |honours: fn(&SpreadConstraint) -> bool| constraints.iter().any(honours);
        Some(Self {
            namespace: pod.namespace.clone(),
            self_match,
            rules: any(|c| c.honor_affinity).then(|| NodeRules::of(pod)),
            tolerations: any(|c| c.honor_taints).then(|| pod.tolerations.clone()),
            source,
        })
    }

    /// The constraints, hard and soft together, in the pod's order.
    pub(super) fn constraints(&self, arguments: &Arguments) -> Vec<Constraint> {
        let with_selector = |(constraint, self_match): (&SpreadConstraint, &bool), selector: Arc<Selector>| {
            Constraint::new(constraint, selector, *self_match)
        };
        match &self.source {
            Source::Own(spread, labels) => {
                let pairs = spread.iter().zip(&self.self_match);
                pairs.map(|pair| with_selector(pair, Arc::new(merged_selector(pair.0, labels)))).collect()
            }
            Source::Defaults(selector) => {
                let pairs = arguments.defaults.iter().zip(&self.self_match);
                pairs.map(|pair| with_selector(pair, selector.clone())).collect()
            }
        }
    }

    /// Whether a node must have every topology label to be scored: the system's defaults alone do not ask for it.
    pub(super) fn requires_all_topologies(&self, arguments: &Arguments) -> bool {
        matches!(self.source, Source::Own(..)) || !arguments.system_defaulted
    }
}

/// The pod's labels that its constraints' `matchLabelKeys` name.
fn match_labels(pod: &PodInfo) -> Labels {
    let keys = pod.spread.iter().flat_map(|c| &c.match_label_keys);
    keys.filter_map(|key| Some((key.clone(), pod.labels.get(key)?.clone()))).collect()
}

/// A constraint's selector with the values that `labels` have for its `matchLabelKeys`. An absent selector stays one
/// that matches nothing.
pub(super) fn merged_selector(constraint: &SpreadConstraint, labels: &Labels) -> Selector {
    let Selector::All(requirements) = &constraint.selector else {
        return Selector::Nothing;
    };
    let mut all = requirements.to_vec();
    for key in &constraint.match_label_keys {
        if let Some(value) = labels.get(key) {
            all.push(Requirement::new(key.clone(), Operator::In, vec![value.clone()]));
        }
    }
    Selector::all(all)
}

/// A pod's node selector and required node affinity.
#[derive(Clone, Debug)]
pub(super) struct NodeRules {
    selector: Labels,
    affinity: Option<Arc<Affinity>>,
}

impl NodeRules {
    fn of(pod: &PodInfo) -> Self {
        Self {
            selector: pod.node_selector.clone(),
            affinity: pod.affinity.clone().filter(|affinity| affinity.node_required.is_some()),
        }
    }

    fn required(&self) -> Option<&NodeSelector> {
        self.affinity.as_deref()?.node_required.as_ref()
    }

    /// Whether they let the pod onto a node.
    pub(super) fn admit(&self, node: &NodeSpec) -> bool {
        self.selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && self.required().is_none_or(|required| required.matches(&node.name, &node.labels))
    }

    /// Whether they let the pod onto every node.
    pub(super) fn admit_all(&self) -> bool {
        self.selector.is_empty() && self.affinity.is_none()
    }
}

// By what is read: the shared affinity has other parts.
impl PartialEq for NodeRules {
    fn eq(&self, other: &Self) -> bool {
        self.selector == other.selector && self.required() == other.required()
    }
}

impl Eq for NodeRules {}

impl Hash for NodeRules {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.selector.hash(state);
        self.required().hash(state);
    }
}
