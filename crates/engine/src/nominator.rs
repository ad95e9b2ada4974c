//! Nominated pods: pods that wait for room on a node that preemption made for them. Pods of lower priority must leave it
//! to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_model::{Map, PodInfo, PodKey, Str};

use crate::log::ChangeLog;

/// Nominated pods by node.
#[derive(Debug)]
pub struct Nominator {
    by_node: BTreeMap<Str, Vec<Arc<PodInfo>>>,
    node_of: Map<PodKey, Str>,
    priorities: BTreeMap<i32, usize>,
    log: ChangeLog<Str>,
}

impl Default for Nominator {
    fn default() -> Self {
        Self {
            by_node: BTreeMap::new(),
            node_of: Map::default(),
            priorities: BTreeMap::new(),
            log: ChangeLog::new(4096),
        }
    }
}

impl Nominator {
    /// Nominates `pod` to `node`, in place of what it was nominated to before.
    pub fn add(&mut self, pod: Arc<PodInfo>, node: Str) {
        self.take(&pod.uid);
        self.node_of.insert(pod.uid.clone(), node.clone());
        *self.priorities.entry(pod.priority).or_insert(0) += 1;
        self.log.push(node.clone());
        self.by_node.entry(node).or_default().push(pod);
    }

    /// Ends a pod's nomination. Returns the pod as it was nominated, and the node.
    pub fn take(&mut self, uid: &str) -> Option<(Arc<PodInfo>, Str)> {
        let node = self.node_of.remove(uid)?;
        let pods = self.by_node.get_mut(&node)?;
        let at = pods.iter().position(|pod| pod.uid == *uid)?;
        let pod = pods.remove(at);
        if pods.is_empty() {
            self.by_node.remove(&node);
        }
        if let Some(count) = self.priorities.get_mut(&pod.priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&pod.priority);
            }
        }
        self.log.push(node.clone());
        Some((pod, node))
    }

    /// Pods nominated to a node.
    pub fn pods_on(&self, node: &str) -> &[Arc<PodInfo>] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// The node that a pod is nominated to.
    pub fn node_of(&self, uid: &str) -> Option<&Str> {
        self.node_of.get(uid)
    }

    /// Nodes with nominated pods, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Str> {
        self.by_node.keys()
    }

    /// The highest priority of a nominated pod.
    pub fn max_priority(&self) -> Option<i32> {
        self.priorities.keys().next_back().copied()
    }

    /// The position after the last change, for [`Nominator::since`].
    pub fn position(&self) -> u64 {
        self.log.position()
    }

    /// Nodes whose nominated pods changed since; `None` when that is no longer known.
    pub fn since(&self, position: u64) -> Option<&[Str]> {
        self.log.since(position)
    }
}
