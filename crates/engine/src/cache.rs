//! The node cache as others read it while the scheduling thread writes: a lock-sharded map of nodes.

use std::sync::Arc;

use dashmap::DashMap;
use loadline_model::{NodeInfo, Str};

/// Nodes by name, with the pods on them. One writer, the scheduling thread; many readers. Entries are replaced whole, and
/// no guard of the map leaves this type, so that no reader can hold a shard against the writer.
#[derive(Debug, Default)]
pub struct NodeCache {
    nodes: DashMap<Str, Arc<NodeInfo>, rustc_hash::FxBuildHasher>,
}

impl NodeCache {
    /// A node.
    pub fn get(&self, name: &str) -> Option<Arc<NodeInfo>> {
        self.nodes.get(name).map(|entry| entry.value().clone())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, by name. Taken shard by shard: nodes that change meanwhile may be seen before or after the change.
    pub fn all(&self) -> Vec<Arc<NodeInfo>> {
        let mut nodes: Vec<Arc<NodeInfo>> = self.nodes.iter().map(|entry| entry.value().clone()).collect();
        nodes.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        nodes
    }

    pub(crate) fn put(&self, node: Arc<NodeInfo>) {
        self.nodes.insert(node.spec.name.clone(), node);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.nodes.remove(name);
    }
}
