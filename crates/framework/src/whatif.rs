//! Thought experiments on the cluster: what PostFilter plugins see of the engine.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use loadline_model::{DisruptionBudget, PodInfo, Str};

use crate::cluster::{Cluster, Slot};
use crate::extender::SharedExtender;
use crate::status::{Code, Status};

/// What a PostFilter plugin found out about a node.
pub type Found = Arc<dyn Any + Send + Sync>;

/// The cluster at the end of a cycle that found no node, open for thought experiments. Shared by threads.
pub trait WhatIf: Sync {
    /// The cluster.
    fn cluster(&self) -> &dyn Cluster;
    /// Nodes with their slots, by name.
    fn slots_by_name(&self) -> &[Slot];
    /// This cycle's code for a node. Nodes outside of PreFilter's narrowing are UnschedulableAndUnresolvable; when
    /// PreFilter turned the pod down, every node has PreFilter's code.
    fn code(&self, slot: Slot) -> Code;
    /// Number of nodes whose code is [`Code::Unschedulable`].
    fn resolvable(&self) -> usize;
    /// Whether the PreFilter of the plugin with this name was reached: one that turns the pod down as
    /// UnschedulableAndUnresolvable keeps the later ones from running.
    fn pre_filter_ran(&self, plugin: &str) -> bool;
    /// Opens an experiment on one node: its pods can be taken off and put back.
    fn trial(&self, slot: Slot) -> Box<dyn NodeTrial + '_>;
    /// PodDisruptionBudgets of a namespace.
    fn disruption_budgets(&self, namespace: &str) -> &[DisruptionBudget];
    /// Runs `work` for each of `0..count`, on several threads when that pays; the results are in order.
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync));
    /// What `find_out` says of each of these nodes, in their order; on several threads when that pays.
    ///
    /// What was said before for a pod of the same class and priority is said again as long as the node with its pods and the
    /// PodDisruptionBudgets are the same. So `find_out` must look at nothing else but the node, its [`WhatIf::trial`], the budgets and
    /// the pod's priority. `plugin` is the name of whoever asks.
    fn find_out(&self, plugin: &'static str, slots: &[Slot], find_out: &(dyn Fn(Slot) -> Found + Sync)) -> Vec<Found> {
        let _ = plugin;
        self.find_out_anew(slots, find_out)
    }
    /// The same with nothing that was said before.
    fn find_out_anew(&self, slots: &[Slot], find_out: &(dyn Fn(Slot) -> Found + Sync)) -> Vec<Found> {
        let found: Vec<OnceLock<Found>> = slots.iter().map(|_| OnceLock::new()).collect();
        self.each(slots.len(), &|at| {
            found[at].get_or_init(|| find_out(slots[at]));
        });
        found
            .into_iter()
            .zip(slots)
            .map(|(found, slot)| found.into_inner().unwrap_or_else(|| find_out(*slot)))
            .collect()
    }
    /// The node that this cycle's pod is nominated to: by what was decided, or else by its status, which may be behind.
    fn nominated_node<'a>(&'a self, pod: &'a PodInfo) -> Option<&'a Str> {
        pod.nominated_node_name.as_ref()
    }
    /// The lowest priority of any pod on a node: none can be preempted by a pod that is not above it.
    fn lowest_priority(&self) -> Option<i32>;
    /// Name of the profile's scheduler.
    fn scheduler_name(&self) -> &Str;
    /// Extenders that are to be asked about preemption for the pod, in their order.
    fn extenders(&self) -> Vec<SharedExtender> {
        Vec::new()
    }
}

/// An experiment on one node for the pod of this cycle.
pub trait NodeTrial {
    /// Takes a pod off.
    fn remove(&mut self, pod: &Arc<PodInfo>);
    /// Puts one back that was taken off.
    fn restore(&mut self, pod: &Arc<PodInfo>);
    /// Whether the pod would pass all filters now, nominated pods of the same or higher priority counted as
    /// kube-scheduler counts them.
    fn check(&mut self) -> Status;
}
