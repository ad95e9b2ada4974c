//! Changes of the cluster in thought, on the one state that everything is kept for: what was done is undone, and nobody outside of the
//! engine sees any of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_model::{Map, PodInfo, Str};

use crate::Engine;
use crate::state::CachedPod;

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// Pods that were put on nodes, in order.
    placed: Vec<Arc<PodInfo>>,
    /// Pods that were taken off, by uid.
    removed: BTreeMap<Str, CachedPod>,
    /// Pods of nodes from which some were taken off, as they were: their order counts for preemption.
    orders: Map<Str, Vec<Arc<PodInfo>>>,
    /// Nominations that do not count meanwhile.
    nominations: Vec<(Arc<PodInfo>, Str)>,
    /// The same by uid.
    nominated: Map<Str, Str>,
    /// Where the next search among a share of the nodes would have begun.
    first: usize,
}

impl Transaction {
    /// Where a pod is nominated to that is planned.
    pub(crate) fn nominated(&self, uid: &str) -> Option<&Str> {
        self.nominated.get(uid)
    }

    pub(crate) fn placed(&self) -> usize {
        self.placed.len()
    }
}

impl Engine {
    /// Begins: room that is kept for any of these pods is theirs.
    pub(crate) fn begin<'p>(&mut self, pods: impl Iterator<Item = &'p Arc<PodInfo>>) -> Transaction {
        let mut transaction = Transaction { first: self.first_to_visit(), ..Transaction::default() };
        if self.nominator.max_priority().is_some() {
            transaction.nominations.extend(pods.filter_map(|pod| self.nominator.take(&pod.uid)));
            let by_uid = transaction.nominations.iter().map(|(pod, node)| (pod.uid.clone(), node.clone()));
            transaction.nominated = by_uid.collect();
        }
        transaction
    }

    pub(crate) fn put(&mut self, transaction: &mut Transaction, pod: &Arc<PodInfo>, node: &Str) {
        self.cluster.place_pod(pod.clone(), node.clone(), true);
        transaction.placed.push(pod.clone());
    }

    /// Takes a pod off its node that was there before.
    pub(crate) fn lift(&mut self, transaction: &mut Transaction, uid: &str) {
        let Some(node) = self.cluster.pod(uid).map(|cached| cached.node.clone()) else { return };
        if let Some(info) = self.cluster.node(&node) {
            let pods = &info.pods;
            transaction.orders.entry(node).or_insert_with(|| pods.clone());
        }
        if let Some(removed) = self.cluster.remove_pod(uid) {
            transaction.removed.insert(removed.pod.uid.clone(), removed);
        }
    }

    /// Puts a pod back that was taken off.
    pub(crate) fn put_back(&mut self, transaction: &mut Transaction, uid: &str) {
        if let Some(CachedPod { pod, node, assumed }) = transaction.removed.remove(uid) {
            self.cluster.place_pod(pod, node, assumed);
        }
    }

    /// Takes the planned pods off again, but for the first so many.
    pub(crate) fn unplace(&mut self, transaction: &mut Transaction, but: usize) {
        while transaction.placed.len() > but {
            if let Some(pod) = transaction.placed.pop() {
                self.cluster.remove_pod(&pod.uid);
            }
        }
    }

    /// Undoes everything.
    pub(crate) fn roll_back(&mut self, mut transaction: Transaction) {
        self.unplace(&mut transaction, 0);
        for CachedPod { pod, node, assumed } in std::mem::take(&mut transaction.removed).into_values() {
            self.cluster.place_pod(pod, node, assumed);
        }
        for (node, pods) in std::mem::take(&mut transaction.orders) {
            self.cluster.reorder(&node, pods);
        }
        for (pod, node) in transaction.nominations {
            self.nominator.add(pod, node);
        }
        self.visit_from(transaction.first);
    }

    /// Keeps what was placed: the pods are assumed from now on, and their nominations are at an end. Nothing may have been taken off.
    pub(crate) fn keep(&mut self, transaction: Transaction) {
        debug_assert!(transaction.removed.is_empty(), "nobody is deleted by a plan");
        for pod in &transaction.placed {
            if let Some(node) = self.cluster.pod(&pod.uid).map(|cached| cached.node.clone()) {
                self.publish(&node);
            }
        }
        let is_placed = |uid: &str, engine: &Self| engine.cluster.pod(uid).is_some();
        for (pod, node) in transaction.nominations {
            if !is_placed(&pod.uid, self) {
                self.nominator.add(pod, node);
            }
        }
    }
}
