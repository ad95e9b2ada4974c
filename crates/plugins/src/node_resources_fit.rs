//! NodeResourcesFit: a node must have enough of every resource that a pod asks for, and scores by how full it is.
//! Mirrors kube-scheduler's `noderesources.Fit`.
//!
//! Extended resources that a DeviceClass stands for are counted as the nodes report them, too: pods that request one
//! do not come here, DynamicResources gates them.

mod args;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict,
};
use loadline_model::{NodeLoad, NodeSpec, PodInfo, PodRequests, Resources, Str};
use serde_json::json;

use crate::amount;
use crate::hint::{is_placed, queue_if};
use crate::scoring_strategy::{Asked, asked};
use args::Args;

/// NodeResourcesFit.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeResourcesFit",
    help: "Turns down nodes without enough cpu, memory or other resources left, and scores the others by how full they are.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 1 },
    args: args::FIELDS,
    validate: args::validate,
    events: &[
        ClusterEvent::new(Resource::Pod, Action::DELETE.and(Action::UPDATE_POD_SCALE_DOWN)),
        ClusterEvent::new(Resource::Node, Action::ADD.and(Action::UPDATE_NODE_ALLOCATABLE)),
        ClusterEvent::new(Resource::DeviceClass, Action::ADD.and(Action::UPDATE)),
    ],
    build: |args| {
        let args = Args::new(args)?;
        Ok(Plugin::new("NodeResourcesFit").with_node(NodeResourcesFit { args }).with_hints(Hints))
    },
};

struct NodeResourcesFit {
    args: Args,
}

/// What the filter and the score need of a pod.
struct State {
    wanted: Wanted,
    asked: Box<[Asked]>,
}

/// Amounts that a node must have left.
struct Wanted {
    milli_cpu: i64,
    memory: i64,
    ephemeral_storage: i64,
    /// By name; none of amount 0 or less, none that is ignored.
    scalars: Box<[(Str, i64)]>,
}

/// A resource of which a node has not enough left. The number is its bit in a verdict and its place among the reasons.
struct Short {
    index: usize,
    wanted: i64,
    allocatable: i64,
    used: i64,
}

const PODS: usize = 0;
const CPU: usize = 1;
const MEMORY: usize = 2;
const EPHEMERAL_STORAGE: usize = 3;
/// Index of the first scalar resource.
const SCALARS: usize = 4;
/// Number of resources that have a bit in a verdict.
const BITS: usize = Verdict::MEANING.count_ones() as usize;

impl Wanted {
    fn new(requests: &PodRequests, is_ignored: impl Fn(&str) -> bool) -> Self {
        let spec = &requests.spec;
        // A sum that wrapped around to a negative one counts as 0, as kube-scheduler takes the greater of both.
        let wanted = |(name, amount): &&(Str, i64)| *amount > 0 && !is_ignored(name);
        Self {
            milli_cpu: spec.milli_cpu,
            memory: spec.memory,
            ephemeral_storage: spec.ephemeral_storage,
            scalars: spec.scalars.iter().filter(wanted).cloned().collect(),
        }
    }

    /// Tells every resource of which a node has not enough left.
    #[inline]
    fn each_short(&self, allowed_pods: i64, allocatable: &Resources, load: &NodeLoad, mut tell: impl FnMut(Short)) {
        // Counted up and not down: an amount of pods beyond 64 bits is below zero.
        if load.pods + 1 > allowed_pods {
            tell(Short { index: PODS, wanted: 1, allocatable: allowed_pods, used: load.pods });
        }
        let used = &load.requested;
        let mut check = |index: usize, wanted: i64, allocatable: i64, used: i64| {
            if wanted > allocatable.wrapping_sub(used) {
                tell(Short { index, wanted, allocatable, used });
            }
        };
        // Asking for nothing fits even where more is used than there is.
        if self.milli_cpu > 0 {
            check(CPU, self.milli_cpu, allocatable.milli_cpu, used.milli_cpu);
        }
        if self.memory > 0 {
            check(MEMORY, self.memory, allocatable.memory, used.memory);
        }
        if self.ephemeral_storage > 0 {
            let index = EPHEMERAL_STORAGE;
            check(index, self.ephemeral_storage, allocatable.ephemeral_storage, used.ephemeral_storage);
        }
        for (at, (name, amount)) in self.scalars.iter().enumerate() {
            let has = |amounts: &Resources| amounts.scalar(name).unwrap_or(0);
            check(SCALARS + at, *amount, has(allocatable), has(used));
        }
    }

    fn name(&self, index: usize) -> &str {
        match index {
            PODS => "pods",
            CPU => "cpu",
            MEMORY => "memory",
            EPHEMERAL_STORAGE => "ephemeral-storage",
            scalar => &self.scalars[scalar - SCALARS].0,
        }
    }

    fn reason(&self, index: usize) -> Reason {
        match index {
            PODS => "Too many pods".into(),
            CPU => "Insufficient cpu".into(),
            MEMORY => "Insufficient memory".into(),
            EPHEMERAL_STORAGE => "Insufficient ephemeral-storage".into(),
            scalar => format!("Insufficient {}", self.name(scalar)).into(),
        }
    }

    /// Whether the pod fits a node with nothing on it.
    fn fits_empty(&self, node: &NodeSpec) -> bool {
        let mut fits = true;
        self.each_short(node.allowed_pods, &node.allocatable, &NodeLoad::default(), |_| {
            fits = false;
        });
        fits
    }

    /// Whether a node now has more of something that the pod asks for, or takes more pods.
    fn gained(&self, old: &NodeSpec, new: &NodeSpec) -> bool {
        let (before, now) = (&old.allocatable, &new.allocatable);
        new.allowed_pods > old.allowed_pods
            || self.milli_cpu > 0 && now.milli_cpu > before.milli_cpu
            || self.memory > 0 && now.memory > before.memory
            || self.ephemeral_storage > 0 && now.ephemeral_storage > before.ephemeral_storage
            || (self.scalars.iter()).any(|(name, _)| now.get(name) > before.get(name))
    }
}

impl NodePlugin for NodeResourcesFit {
    type Key = Arc<PodRequests>;
    type State = State;

    fn reads(&self) -> Reads {
        Reads::LOAD
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        Ok(Some(pod.requests.clone()))
    }

    fn prepare(&self, requests: &Self::Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<State> {
        Prepared {
            state: State {
                wanted: Wanted::new(requests, |name| self.args.ignores(name)),
                asked: asked(&self.args.resources, &requests.score),
            },
            filters: true,
            scores: true,
        }
    }

    fn filter(&self, state: &State, node: &NodeView<'_>) -> Verdict {
        let (mut bits, mut unresolvable) = (0, false);
        state.wanted.each_short(node.allowed_pods(), node.allocatable(), node.load(), |short| {
            bits |= if short.index < BITS { 1 << short.index } else { Verdict::PER_NODE };
            // Taking pods away does not help where the empty node is too small. The number of pods is never taken for
            // that, not even when a node takes none.
            unresolvable |= short.index != PODS && short.wanted > short.allocatable;
        });
        if bits == 0 {
            Verdict::PASS
        } else if unresolvable {
            Verdict::unresolvable(bits)
        } else {
            Verdict::unschedulable(bits)
        }
    }

    fn reasons(&self, state: &State, verdict: Verdict, node: &NodeView<'_>) -> Vec<Reason> {
        let wanted = &state.wanted;
        if !verdict.is_per_node() {
            let insufficient = (0..BITS).filter(|index| verdict.meaning() & (1 << index) != 0);
            return insufficient.map(|index| wanted.reason(index)).collect();
        }
        let mut reasons = Vec::new();
        wanted.each_short(node.allowed_pods(), node.allocatable(), node.load(), |short| {
            reasons.push(wanted.reason(short.index));
        });
        reasons
    }

    fn detail(&self, state: &State, _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let (mut details, mut remedies) = (Vec::new(), Vec::new());
        let (wanted, name) = (&state.wanted, node.name());
        wanted.each_short(node.allowed_pods(), node.allocatable(), node.load(), |short| {
            let resource = wanted.name(short.index);
            let free = short.allocatable.saturating_sub(short.used);
            let lacking = short.wanted.saturating_sub(free);
            let add = amount::shortage(resource, lacking);
            details.push(Detail {
                what: resource.to_owned(),
                wanted: amount::quantity(resource, short.wanted),
                // More may be used than there is; that leaves nothing.
                found: amount::quantity(resource, free.max(0)),
            });
            remedies.push(Remedy {
                text: format!("needs {add} more {resource} on {name}"),
                change: json!({"kind": "resource", "node": name, "resource": resource, "add": add}),
                measure: Some((resource.to_owned(), lacking)),
            });
        });
        (details, remedies)
    }

    fn score(&self, state: &State, node: &NodeView<'_>) -> i64 {
        self.args.strategy.score(&state.asked, node.allocatable(), node.load())
    }
}

struct Hints;

impl QueueingHints for Hints {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        // Hints do not know `ignoredResources`, in kube-scheduler neither.
        let wanted = || Wanted::new(&pod.requests, |_| false);
        let helps = match object {
            EventObject::Pod { old: Some(old), new: None } => is_placed(old),
            EventObject::Pod { old: Some(old), new: Some(new) } => {
                new.uid == pod.uid || new.node_name.is_some() && gave_back(&pod.requests, old, new)
            }
            EventObject::Node { old, new: Some(new) } => {
                let wanted = wanted();
                wanted.fits_empty(new) && old.is_none_or(|old| wanted.gained(old, new))
            }
            // A DeviceClass may stand for an extended resource.
            EventObject::Other => !wanted().scalars.is_empty(),
            EventObject::Pod { .. } | EventObject::Node { .. } => true,
        };
        queue_if(helps)
    }
}

/// Whether a pod now takes less of something that `requests` ask for.
fn gave_back(requests: &PodRequests, old: &PodInfo, new: &PodInfo) -> bool {
    let (asked, before, now) = (&requests.usage, &old.requests.usage, &new.requests.usage);
    // What another pod takes is never less than nothing, even where its sum wrapped around.
    let less = |name: &str| asked.get(name) != 0 && now.get(name).max(0) < before.get(name).max(0);
    ["cpu", "memory", "ephemeral-storage"].into_iter().any(less) || asked.scalars.iter().any(|(name, _)| less(name))
}
