//! The cluster as a plugin sees it.
//!
//! Nodes have dense, stable [`Slot`]s. A label key that serves as a topology has a [`TopologyId`], its values
//! [`DomainId`]s. A set of pods that somebody counts has a [`QueryId`]: the engine keeps how many of them each node
//! holds, and a log of changes, so that a plugin's state can be brought up to date instead of being computed anew.

use std::sync::Arc;

use loadline_model::{
    HostPort, Labels, NodeInfo, NodeLoad, NodeSpec, PodAffinityTerm, PodInfo, PodMatcher, Selector, Str,
};

use crate::counts::Counts;
use crate::usage::{Usage, UsageId, UsageSource};

/// Dense number of a node. Stable while the node exists; used again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

impl Slot {
    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Dense number of a label key that serves as a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopologyId(pub u32);

/// Dense number of a value of a topology's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainId(pub u32);

impl DomainId {
    /// The node lacks the label.
    pub const NONE: Self = Self(u32::MAX);

    /// As an index, or `None` when the node lacks the label.
    pub const fn index(self) -> Option<usize> {
        if self.0 == u32::MAX { None } else { Some(self.0 as usize) }
    }
}

/// Dense number of a tracked query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u32);

/// Pods on nodes that are counted for each node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// Pods that every one of these matchers means.
    Matching {
        /// All must match.
        all: Box<[PodMatcher]>,
        /// Leave out pods whose deletion has begun.
        skip_terminating: bool,
    },
    /// Pods that carry this inter-pod term.
    Carrying(CarriedTerm),
}

/// Which list of an affinity a term stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TermKind {
    /// Required affinity.
    RequiredAffinity,
    /// Required anti-affinity.
    RequiredAnti,
    /// Preferred affinity, with its weight.
    PreferredAffinity(i32),
    /// Preferred anti-affinity, with its weight.
    PreferredAnti(i32),
}

/// A term that pods on nodes carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CarriedTerm {
    /// List and weight.
    pub kind: TermKind,
    /// The term.
    pub term: PodAffinityTerm,
}

/// A carried term that a pod matches, with the query that counts its carriers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchedTerm {
    /// Counts its carriers.
    pub query: QueryId,
    /// List and weight.
    pub kind: TermKind,
    /// Its topology.
    pub topology: TopologyId,
}

/// A topology: one label key over all nodes.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The label key.
    pub key: Str,
    /// Domain of each slot; [`DomainId::NONE`] for nodes without the label and for empty slots.
    pub domain_of: Vec<DomainId>,
    /// Values, by domain. A value without nodes stays listed.
    pub values: Vec<Str>,
    /// Slots of each domain, in no particular order.
    pub members: Vec<Vec<Slot>>,
    /// Grows when any node's domain changes (nodes that come and go included).
    pub generation: u64,
}

/// Nodes that have an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageState {
    /// Size in bytes, as the first node that reported it said.
    pub size: i64,
    /// Number of nodes that have it.
    pub nodes: usize,
}

/// The cluster, read only.
pub trait Cluster: Sync {
    /// Nodes by slot.
    fn nodes(&self) -> &[Option<Arc<NodeInfo>>];
    /// Number of nodes.
    fn node_count(&self) -> usize;
    /// The slot of a node by name.
    fn slot(&self, name: &str) -> Option<Slot>;
    /// Grows when a node comes, goes, or changes its spec (labels, taints, unschedulable, declared features).
    fn spec_generation(&self) -> u64;
    /// A topology that [`Prepare::topology`] gave.
    fn topology(&self, id: TopologyId) -> &Topology;
    /// The counts of a query that [`Prepare::track`] gave.
    fn counts(&self, id: QueryId) -> &Counts;
    /// The term of a [`MatchedTerm`].
    fn carried(&self, id: QueryId) -> Option<&CarriedTerm>;
    /// An image by its normalised name.
    fn image(&self, name: &str) -> Option<ImageState>;
    /// Grows when an image appears on a node or vanishes from one, or the number of nodes changes.
    fn image_generation(&self) -> u64;
    /// Labels of a namespace; none when it is not known.
    fn namespace_labels(&self, name: &str) -> &Labels;
    /// What nodes use by a source that [`Prepare::usage`] gave.
    fn usage(&self, id: UsageId) -> &Usage;
}

/// The cluster while a plugin prepares its state: it may ask for topologies and counts to be kept.
pub trait Prepare {
    /// The cluster. Topologies and queries that were asked for before are up to date in it.
    fn cluster(&self) -> &dyn Cluster;
    /// Keeps a topology.
    fn topology(&mut self, key: &Str) -> TopologyId;
    /// Keeps a count.
    fn track(&mut self, query: &Query) -> QueryId;
    /// Terms carried by pods on nodes that mean `pod`; terms whose carriers are gone may still be listed.
    /// Sorted by query, the same slice for equal namespace and labels while nothing new appears.
    fn matched_terms(&mut self, pod: &PodInfo) -> Arc<[MatchedTerm]>;
    /// The selector of the services, ReplicationController, ReplicaSet or StatefulSet that `pod` belongs to, merged as
    /// kube-scheduler does for default spreading: [`Selector::All`] of nothing when there is none.
    fn default_selector(&mut self, pod: &PodInfo) -> Arc<Selector>;
    /// Keeps what nodes use by a source. Somebody has to ask it: see [`crate::Plugin::with_usage`].
    fn usage(&mut self, source: &Arc<UsageSource>) -> UsageId;
}

/// What a plugin's answer about one node depends on. Reading something that was not declared panics in debug builds:
/// the engine would keep an answer that is no longer true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads(u8);

impl Reads {
    /// Nothing of the node.
    pub const NOTHING: Self = Self(0);
    /// Name, labels, taints, unschedulable, declared features, domains.
    pub const SPEC: Self = Self(1);
    /// Allocatable, and what the pods on it take up.
    pub const LOAD: Self = Self(2);
    /// The pods on it themselves.
    pub const PODS: Self = Self(4);
    /// Images.
    pub const IMAGES: Self = Self(8);
    /// Counts of pods in the node's domains: its state catches up by itself, see [`crate::NodePlugin::catch_up`].
    pub const COUNTS: Self = Self(16);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in it.
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Pods added to or removed from a node in a thought experiment.
#[derive(Clone, Debug, Default)]
pub struct NodeDelta {
    /// Added.
    pub added: Vec<Arc<PodInfo>>,
    /// Removed.
    pub removed: Vec<Arc<PodInfo>>,
}

/// A node as a filter or a scorer sees it: as it is, or with the pods of a [`NodeDelta`] put on it or taken off.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    slot: Slot,
    info: &'a NodeInfo,
    load: &'a NodeLoad,
    delta: Option<&'a NodeDelta>,
    cluster: &'a dyn Cluster,
    reads: Reads,
}

impl<'a> NodeView<'a> {
    /// The node as it is.
    pub fn new(cluster: &'a dyn Cluster, slot: Slot, info: &'a NodeInfo, reads: Reads) -> Self {
        Self { slot, info, load: &info.load, delta: None, cluster, reads }
    }

    /// The node with `delta` applied; `load` is its load with the delta already counted.
    pub fn with_delta(self, delta: &'a NodeDelta, load: &'a NodeLoad) -> Self {
        Self { load, delta: Some(delta), ..self }
    }

    /// The same for a plugin that declared other reads.
    pub fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    fn check(&self, wanted: Reads) {
        debug_assert!(self.reads.has_any(wanted), "a plugin read {wanted:?} of a node, but declared {:?}", self.reads);
    }

    /// Its slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Name. Needs no declaration: a slot's name never changes while a state lives.
    pub fn name(&self) -> &'a Str {
        &self.info.spec.name
    }

    /// What the Node object says, allocatable and images apart. Declares [`Reads::SPEC`].
    pub fn spec(&self) -> &'a NodeSpec {
        self.check(Reads::SPEC);
        &self.info.spec
    }

    /// Allocatable amounts. Declares [`Reads::LOAD`].
    pub fn allocatable(&self) -> &'a loadline_model::Resources {
        self.check(Reads::LOAD);
        &self.info.spec.allocatable
    }

    /// Number of pods that it takes. Declares [`Reads::LOAD`].
    pub fn allowed_pods(&self) -> i64 {
        self.check(Reads::LOAD);
        self.info.spec.allowed_pods
    }

    /// What its pods take up, the delta counted. Declares [`Reads::LOAD`].
    pub fn load(&self) -> &'a NodeLoad {
        self.check(Reads::LOAD);
        self.load
    }

    /// Host ports in use, the delta counted. Declares [`Reads::LOAD`].
    pub fn ports(&self) -> &'a [HostPort] {
        &self.load().ports
    }

    /// Images. Declares [`Reads::IMAGES`].
    pub fn images(&self) -> &'a [loadline_model::Image] {
        self.check(Reads::IMAGES);
        &self.info.spec.images
    }

    /// Pods on it, the delta NOT counted: see [`NodeView::delta`]. Declares [`Reads::PODS`].
    pub fn pods(&self) -> &'a [Arc<PodInfo>] {
        self.check(Reads::PODS);
        &self.info.pods
    }

    /// The thought experiment, if this is one. A plugin that counts pods by domain adds it to its counts.
    pub fn delta(&self) -> Option<&'a NodeDelta> {
        self.delta
    }

    /// The cluster.
    pub fn cluster(&self) -> &'a dyn Cluster {
        self.cluster
    }
}
