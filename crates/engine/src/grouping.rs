//! The nodes of a topology with few domains as sets of ranks, for answers that one node of a domain gives for all of them.

use loadline_framework::{Cluster, DomainId, Slot, Topology, TopologyId};
use loadline_model::Map;

use crate::bits::Bits;
use crate::state::ClusterState;

/// Groups at most, one of them for nodes without the label: beyond that a domain has so few nodes that going through
/// them costs less than its set.
const MOST: usize = 64;

/// The nodes of a topology by domain. The last group has those without the label.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    generation: u64,
    layout: u64,
    /// Grows when a node's group or rank changed.
    version: u64,
    group_of: Vec<u8>,
    members: Vec<Bits>,
    representatives: Vec<Option<Slot>>,
}

impl Grouping {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Group of each rank.
    pub(crate) fn group_of(&self) -> &[u8] {
        &self.group_of
    }

    /// Ranks of each group.
    pub(crate) fn members(&self) -> &[Bits] {
        &self.members
    }

    /// A node of each group; `None` for a group without any.
    pub(crate) fn representatives(&self) -> &[Option<Slot>] {
        &self.representatives
    }

    fn rebuild(&mut self, topology: &Topology, cluster: &ClusterState) {
        let order = cluster.order();
        self.version += 1;
        (self.generation, self.layout) = (topology.generation, order.layout());
        let groups = topology.values.len() + 1;
        self.members.resize_with(groups, Bits::default);
        self.members.iter_mut().for_each(|members| members.reset(order.by_name().len()));
        self.representatives.clear();
        self.representatives.resize(groups, None);
        self.group_of.clear();
        for (rank, slot) in order.by_name().iter().enumerate() {
            let group = group(topology, *slot);
            self.group_of.push(group as u8);
            self.members[group].set(rank, true);
            self.representatives[group].get_or_insert(*slot);
        }
    }
}

/// The group of a node.
pub(crate) fn group(topology: &Topology, slot: Slot) -> usize {
    topology.domain_of.get(slot.index()).copied().and_then(DomainId::index).unwrap_or(topology.values.len())
}

/// Groupings that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Groupings {
    by_topology: Map<TopologyId, Grouping>,
}

impl Groupings {
    /// Whether a topology has few enough domains.
    pub(crate) fn suit(topology: &Topology) -> bool {
        topology.values.len() < MOST
    }

    /// Brings a grouping up to date. The node order is settled.
    pub(crate) fn sync(&mut self, id: TopologyId, cluster: &ClusterState) -> &Grouping {
        let topology = cluster.topology(id);
        let grouping = self.by_topology.entry(id).or_default();
        if (grouping.generation, grouping.layout) != (topology.generation, cluster.order().layout()) {
            grouping.rebuild(topology, cluster);
        }
        grouping
    }

    /// A grouping that was brought up to date before.
    pub(crate) fn get(&self, id: TopologyId) -> &Grouping {
        self.by_topology.get(&id).expect("whoever answers by group has asked for the grouping")
    }
}
