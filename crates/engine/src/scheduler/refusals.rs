//! Nodes whose kubelet refused a pod for want of room that it has by what the API says.
//!
//! A kubelet knows of what the API does not tell: containers that have not ended yet, pods of its own, devices that went bad. When
//! it refuses a pod, one thing is certain: of one resource less is free than the pod asks for. So just so much of it counts as
//! allocatable that the pod does not fit. No plugin has to know of that, nothing is on the node that is not there, and one refusal keeps
//! away all pods like it, while smaller ones may still come. After a while the node counts in full again; if its kubelet refuses a pod
//! then, it counts for less for twice as long.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_model::{NodeInfo, NodeSpec, PodInfo, Resources, Str, Time};

use super::Scheduler;
use crate::happened::Refused;

/// No node counts for less for longer at a time, unless the first time is longer already: 10 minutes.
const LONGEST: Time = 600_000_000_000;

/// What a node lets pods use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Room {
    allocatable: Resources,
    pods: i64,
}

impl Room {
    fn of(node: &NodeSpec) -> Self {
        Self { allocatable: node.allocatable.clone(), pods: node.allowed_pods }
    }

    fn in_place_of(&self, node: &mut Arc<NodeSpec>) {
        let node = Arc::make_mut(node);
        node.allocatable = self.allocatable.clone();
        node.allowed_pods = self.pods;
    }

    /// Room that a pod does not fit into by one unit of a resource, if that is less than this.
    fn without(&self, node: &NodeInfo, pod: &PodInfo, resource: &str) -> Option<Self> {
        let load = &node.load;
        let mut less = self.clone();
        if resource == "pods" {
            less.pods = load.pods;
            return (less.pods < self.pods).then_some(less);
        }
        let (used, wanted) = (load.requested.get(resource), pod.requests.spec.get(resource));
        let most = used.saturating_add(wanted).saturating_sub(1);
        less.allocatable.set(resource, most);
        (wanted > 0 && most < self.allocatable.get(resource)).then_some(less)
    }
}

/// A node whose kubelet refused a pod.
#[derive(Debug)]
struct Doubted {
    /// What the Node object says.
    offered: Room,
    /// What counts in its place; `None`: the node counts in full again.
    counted: Option<Room>,
    /// For how long it counts at a time.
    backoff: Time,
    /// When that ends, or has ended. As long after that the refusal is forgotten.
    until: Time,
}

/// What kubelets have taught.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// For how long a node counts for less the first time; 0: never.
    first: Time,
    nodes: BTreeMap<Str, Doubted>,
    /// Before this time no node counts in full again.
    next_end: Option<Time>,
}

impl Refusals {
    /// A node as it counts, by its object. An object that offers something else than before is believed.
    pub(super) fn counted(&mut self, mut node: Arc<NodeSpec>) -> Arc<NodeSpec> {
        let Some(doubted) = self.nodes.get(&node.name) else { return node };
        if doubted.offered != Room::of(&node) {
            self.nodes.remove(&node.name);
        } else if let Some(room) = &doubted.counted {
            room.in_place_of(&mut node);
        }
        node
    }

    /// A node is gone.
    pub(super) fn forget(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    /// A node as it counts from now on, and for how long, after its kubelet had not enough of a resource for a pod, which is not on it
    /// any more. `None`: what is known already leaves no room for the pod.
    fn learn(&mut self, node: &NodeInfo, pod: &PodInfo, resource: &str, now: Time) -> Option<(Arc<NodeSpec>, Time)> {
        let room = Room::of(&node.spec);
        let less = room.without(node, pod, resource).filter(|_| self.first > 0)?;
        let mut counts = node.spec.clone();
        less.in_place_of(&mut counts);
        let unheard_of = || Doubted { offered: room, counted: None, backoff: 0, until: now };
        let doubted = self.nodes.entry(counts.name.clone()).or_insert_with(unheard_of);
        // Pods that were on their way when the first one was refused are no new trial.
        if doubted.counted.is_none() {
            let is_again = now < doubted.until.saturating_add(doubted.backoff);
            let doubled = doubted.backoff.saturating_mul(2).min(LONGEST.max(self.first));
            doubted.backoff = if is_again { doubled } else { self.first };
        }
        doubted.counted = Some(less);
        doubted.until = now.saturating_add(doubted.backoff);
        self.next_end = Some(self.next_end.map_or(doubted.until, |end| end.min(doubted.until)));
        Some((counts, doubted.backoff))
    }

    pub(super) fn next_end(&self) -> Option<Time> {
        self.next_end
    }

    /// The nodes that count in full from now on, with what they offer.
    fn end(&mut self, now: Time) -> Vec<(Str, Room)> {
        if self.next_end.is_none_or(|end| now < end) {
            return Vec::new();
        }
        let mut ended = Vec::new();
        self.nodes.retain(|name, doubted| {
            if doubted.until <= now && doubted.counted.take().is_some() {
                ended.push((name.clone(), doubted.offered.clone()));
            }
            now < doubted.until.saturating_add(doubted.backoff)
        });
        let counting = self.nodes.values().filter(|doubted| doubted.counted.is_some());
        self.next_end = counting.map(|doubted| doubted.until).min();
        ended
    }
}

impl Scheduler {
    /// For how long a node whose kubelet refused a pod counts for less, at first; 0: it always counts as its object says.
    pub fn set_refusal_backoff(&mut self, first: Time) {
        self.refusals.first = first;
    }

    /// Nodes that count for less than their objects say, as they count.
    pub fn doubted_nodes(&self) -> impl Iterator<Item = &Arc<NodeSpec>> {
        let doubted = self.refusals.nodes.iter().filter(|(_, doubted)| doubted.counted.is_some());
        doubted.filter_map(|(name, _)| self.engine.cluster().node(name)).map(|node| &node.spec)
    }

    pub(super) fn pod_refused(&mut self, pod: Arc<PodInfo>, resource: Str, now: Time) {
        self.pod_gone(&pod.uid, now);
        let node = pod.node_name.as_ref().and_then(|name| self.engine.cluster().node(name));
        let learned = node.and_then(|node| self.refusals.learn(node, &pod, &resource, now));
        let backoff = learned.map(|(node, backoff)| {
            // Nobody is woken: there is less room now.
            self.engine.set_node(node);
            backoff
        });
        self.happened.refused = Some(Refused { pod, resource, backoff });
    }

    /// Has nodes count in full again whose time has come, as if they had just said what they offer.
    pub(super) fn end_refusals(&mut self, now: Time) {
        for (name, offered) in self.refusals.end(now) {
            let Some(node) = self.engine.cluster().node(&name) else { continue };
            let mut spec = node.spec.clone();
            offered.in_place_of(&mut spec);
            self.apply_node(&spec, now);
        }
    }
}
