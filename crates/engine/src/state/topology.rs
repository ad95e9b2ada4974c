//! Topologies: for each label key that somebody spreads or groups by, the domain of every node.

use std::sync::Arc;

use loadline_framework::{DomainId, Slot, Topology, TopologyId};
use loadline_model::{Labels, Map, NodeInfo, Str};

/// All topologies that were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct TopologyIndex {
    topologies: Vec<Topology>,
    domains: Vec<Map<Str, DomainId>>,
    ids: Map<Str, TopologyId>,
}

impl TopologyIndex {
    pub(super) fn get(&self, id: TopologyId) -> &Topology {
        &self.topologies[id.0 as usize]
    }

    pub(super) fn track(&mut self, key: &Str, nodes: &[Option<Arc<NodeInfo>>]) -> TopologyId {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id = TopologyId(self.topologies.len() as u32);
        self.topologies.push(Topology {
            key: key.clone(),
            domain_of: Vec::new(),
            values: Vec::new(),
            members: Vec::new(),
            generation: 1,
        });
        self.domains.push(Map::default());
        self.ids.insert(key.clone(), id);
        for (index, info) in nodes.iter().enumerate() {
            self.set_one(id, Slot(index as u32), info.as_ref().map(|info| &*info.spec.labels));
        }
        id
    }

    /// Whether values that no node has any more are most of what is listed: they are never taken off the list.
    pub(super) fn is_worn(&self) -> bool {
        /// So many cost nothing to speak of.
        const FEW: usize = 1024;
        self.topologies.iter().any(|topology| {
            let live = || topology.members.iter().filter(|members| !members.is_empty()).count();
            topology.values.len() > FEW && topology.values.len() > 2 * live() + FEW
        })
    }

    /// A node's labels changed; `None` when it is gone.
    pub(super) fn set(&mut self, slot: Slot, labels: Option<&Labels>) {
        for id in 0..self.topologies.len() {
            self.set_one(TopologyId(id as u32), slot, labels);
        }
    }

    fn set_one(&mut self, id: TopologyId, slot: Slot, labels: Option<&Labels>) {
        let topology = &mut self.topologies[id.0 as usize];
        let domains = &mut self.domains[id.0 as usize];
        let domain = match labels.and_then(|labels| labels.get(&topology.key)) {
            None => DomainId::NONE,
            Some(value) => *domains.entry_ref(value).or_insert_with(|| {
                topology.values.push(value.clone());
                topology.members.push(Vec::new());
                DomainId(topology.values.len() as u32 - 1)
            }),
        };
        if topology.domain_of.len() <= slot.index() {
            topology.domain_of.resize(slot.index() + 1, DomainId::NONE);
        }
        let before = std::mem::replace(&mut topology.domain_of[slot.index()], domain);
        if before == domain {
            return;
        }
        topology.generation += 1;
        if let Some(index) = before.index()
            && let Some(at) = topology.members[index].iter().position(|member| *member == slot)
        {
            topology.members[index].swap_remove(at);
        }
        if let Some(index) = domain.index() {
            topology.members[index].push(slot);
        }
    }
}
