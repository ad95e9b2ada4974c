//! Orders over nodes: by name (ranks), and the order in which kube-scheduler visits them.

use std::sync::Arc;

use loadline_framework::Slot;
use loadline_model::{Map, NodeInfo, Str};

/// Orders over nodes, settled lazily: nodes come in bursts.
#[derive(Clone, Debug, Default)]
pub struct NodeOrder {
    by_name: Vec<Slot>,
    rank: Vec<u32>,
    visiting: Vec<Slot>,
    zones: Vec<(String, Vec<Slot>)>,
    zone_index: Map<String, usize>,
    layout: u64,
    stale: bool,
    stale_visiting: bool,
}

/// The rank of a slot without a node.
pub(crate) const NO_RANK: u32 = u32::MAX;

impl NodeOrder {
    /// Nodes by name.
    pub fn by_name(&self) -> &[Slot] {
        &self.by_name
    }

    /// A node's place in [`NodeOrder::by_name`].
    pub fn rank(&self, slot: Slot) -> Option<usize> {
        self.rank.get(slot.index()).copied().filter(|rank| *rank != NO_RANK).map(|rank| rank as usize)
    }

    /// kube-scheduler's visiting order: round robin over zones in the order of their first appearance.
    pub fn visiting(&self) -> &[Slot] {
        &self.visiting
    }

    /// Grows when ranks change.
    pub fn layout(&self) -> u64 {
        self.layout
    }

    pub(super) fn insert(&mut self, slot: Slot, _name: &Str, zone: &str) {
        self.stale = true;
        self.join_zone(slot, zone);
    }

    pub(super) fn remove(&mut self, slot: Slot, _name: &Str) {
        self.stale = true;
        self.leave_zone(slot);
    }

    pub(super) fn change_zone(&mut self, slot: Slot, zone: &str) {
        self.leave_zone(slot);
        self.join_zone(slot, zone);
    }

    fn join_zone(&mut self, slot: Slot, zone: &str) {
        self.stale_visiting = true;
        if let Some(index) = self.zone_index.get(zone) {
            self.zones[*index].1.push(slot);
        } else {
            self.zone_index.insert(zone.to_owned(), self.zones.len());
            self.zones.push((zone.to_owned(), vec![slot]));
        }
    }

    fn leave_zone(&mut self, slot: Slot) {
        self.stale_visiting = true;
        let found = self
            .zones
            .iter()
            .enumerate()
            .find_map(|(zone, (_, slots))| slots.iter().position(|s| *s == slot).map(|at| (zone, at)));
        let Some((zone, at)) = found else { return };
        self.zones[zone].1.remove(at);
        if self.zones[zone].1.is_empty() {
            // A zone without nodes loses its place, as kube-scheduler's node tree has it.
            self.zones.remove(zone);
            self.zone_index = self.zones.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        }
    }

    pub(super) fn settle(&mut self, nodes: &[Option<Arc<NodeInfo>>]) {
        if std::mem::take(&mut self.stale) {
            self.layout += 1;
            self.by_name =
                (0..nodes.len() as u32).map(Slot).filter(|slot| nodes[slot.index()].is_some()).collect::<Vec<_>>();
            let name = |slot: &Slot| nodes[slot.index()].as_ref().map(|info| info.spec.name.clone());
            self.by_name.sort_by_cached_key(name);
            self.rank.clear();
            self.rank.resize(nodes.len(), NO_RANK);
            for (rank, slot) in self.by_name.iter().enumerate() {
                self.rank[slot.index()] = rank as u32;
            }
        }
        if std::mem::take(&mut self.stale_visiting) {
            self.visiting.clear();
            let longest = self.zones.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0);
            for round in 0..longest {
                self.visiting.extend(self.zones.iter().filter_map(|(_, slots)| slots.get(round)));
            }
        }
    }
}
