//! Thought experiments for PostFilter plugins, at the end of a cycle that found no node.

use std::sync::Arc;

use loadline_framework::{
    Cluster, Code, Found, NodeDelta, NodeTrial, NodeView, Profile, Reads, SharedExtender, Slot, Status, Verdict, WhatIf,
};
use loadline_model::{DisruptionBudget, Map, NodeInfo, NodeLoad, PodInfo, Str};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::class::{Asked, Member, Sources};
use crate::evaluate::{Early, Evaluation, Kept};

/// Below this number of pieces of work threads cost more than they bring.
const WORTH_THREADS: usize = 256;
/// Reads that a pod put on or taken off a node can change.
const MOVES_WITH_PODS: Reads = Reads::LOAD.and(Reads::PODS).and(Reads::COUNTS);

pub(crate) struct Experiment<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) pod: &'a PodInfo,
    pub(crate) kept: &'a Kept,
    pub(crate) evaluation: &'a Evaluation,
    pub(crate) filters: Vec<Member>,
    pub(crate) sources: Sources<'a>,
    pub(crate) budgets: &'a Map<Str, Vec<DisruptionBudget>>,
    /// How often they have changed.
    pub(crate) budgets_at: u64,
    pub(crate) pool: Option<&'a ThreadPool>,
    /// Codes of the nodes that were judged one by one; empty when a class judged all.
    pub(crate) judged: Map<Slot, Code>,
    /// Those that have a say in preemption for this pod.
    pub(crate) extenders: Vec<SharedExtender>,
}

impl WhatIf for Experiment<'_> {
    fn cluster(&self) -> &dyn Cluster {
        self.sources.cluster
    }

    fn slots_by_name(&self) -> &[Slot] {
        self.sources.cluster.order().by_name()
    }

    fn code(&self, slot: Slot) -> Code {
        match self.evaluation {
            Evaluation::Early(Early { status, .. }) => status.code,
            Evaluation::Class(class) => {
                let Some(rank) = self.sources.cluster.order().rank(slot) else {
                    return Code::UnschedulableAndUnresolvable;
                };
                self.kept
                    .classes
                    .get(*class)
                    .rejection(rank, self.sources)
                    .map_or(Code::Success, |(_, verdict)| verdict.code())
            }
            Evaluation::Direct(_) => self.judged.get(&slot).copied().unwrap_or(Code::UnschedulableAndUnresolvable),
        }
    }

    fn resolvable(&self) -> usize {
        match self.evaluation {
            Evaluation::Early(Early { status, .. }) if status.code == Code::Unschedulable => {
                self.sources.cluster.node_count()
            }
            Evaluation::Early(_) => 0,
            Evaluation::Class(class) => {
                let rejections = self.kept.classes.get(*class).rejections();
                let resolvable = rejections.filter(|(_, verdict, _)| verdict.code() == Code::Unschedulable);
                resolvable.map(|(.., nodes)| nodes as usize).sum()
            }
            Evaluation::Direct(_) => self.judged.values().filter(|code| **code == Code::Unschedulable).count(),
        }
    }

    fn pre_filter_ran(&self, plugin: &str) -> bool {
        let reached = match self.evaluation {
            Evaluation::Early(early) => early.reached,
            _ => self.profile.pre_filter.len(),
        };
        self.profile.pre_filter[..reached].iter().any(|index| self.profile.name(*index) == plugin)
    }

    fn trial(&self, slot: Slot) -> Box<dyn NodeTrial + '_> {
        let nodes = self.sources.cluster.nodes();
        let info = nodes[slot.index()].as_deref().expect("experiments are made on nodes that exist");
        let nominated = self.sources.nominator.pods_on(&info.spec.name);
        let nominated = nominated
            .iter()
            .filter(|pod| pod.priority >= self.pod.priority && pod.uid != self.pod.uid)
            .cloned()
            .collect();
        Box::new(Trial {
            experiment: self,
            slot,
            info,
            load: info.load.clone(),
            delta: NodeDelta::default(),
            nominated,
            fixed: None,
        })
    }

    fn nominated_node<'b>(&'b self, pod: &'b PodInfo) -> Option<&'b Str> {
        self.sources.nominator.node_for(pod)
    }

    fn disruption_budgets(&self, namespace: &str) -> &[DisruptionBudget] {
        self.budgets.get(namespace).map_or(&[], Vec::as_slice)
    }

    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        match self.pool {
            Some(pool) if count >= WORTH_THREADS => {
                pool.install(|| (0..count).into_par_iter().with_min_len(16).for_each(work));
            }
            _ => (0..count).for_each(work),
        }
    }

    fn find_out(&self, plugin: &'static str, slots: &[Slot], find_out: &(dyn Fn(Slot) -> Found + Sync)) -> Vec<Found> {
        let Sources { cluster, columns, nominator } = self.sources;
        let sees_others = |member: &Member| columns.get(member.column).runner.reads().has_any(Reads::COUNTS);
        let class = match self.evaluation {
            Evaluation::Class(class) if !self.filters.iter().any(sees_others) => self.kept.classes.get(*class),
            _ => return self.find_out_anew(slots, find_out),
        };
        // Nominated pods count on these.
        let mut apart: Vec<Slot> = nominator.nodes().filter_map(|node| cluster.slot(node)).collect();
        apart.sort_unstable();
        let nodes: Vec<(Slot, Option<u64>)> = slots
            .iter()
            .map(|slot| {
                let generation = cluster.nodes()[slot.index()].as_ref().map(|info| info.generation);
                (*slot, generation.filter(|_| apart.binary_search(slot).is_err()))
            })
            .collect();
        let asked = Asked { plugin, priority: self.pod.priority, budgets: self.budgets_at };
        class.tried.find_out(asked, &nodes, |slots| self.find_out_anew(slots, find_out))
    }

    fn lowest_priority(&self) -> Option<i32> {
        self.sources.cluster.lowest_priority()
    }

    fn scheduler_name(&self) -> &Str {
        &self.profile.scheduler_name
    }

    fn extenders(&self) -> Vec<SharedExtender> {
        self.extenders.clone()
    }
}

struct Trial<'a> {
    experiment: &'a Experiment<'a>,
    slot: Slot,
    info: &'a NodeInfo,
    load: NodeLoad,
    delta: NodeDelta,
    nominated: Vec<Arc<PodInfo>>,
    /// What filters say that no pod on the node can change, once asked.
    fixed: Option<Vec<Option<Verdict>>>,
}

impl Trial<'_> {
    fn fix(&mut self) {
        if self.fixed.is_some() {
            return;
        }
        let Sources { cluster, columns, .. } = self.experiment.sources;
        let view = NodeView::new(cluster, self.slot, self.info, Reads::NOTHING);
        let fixed = self.experiment.filters.iter().map(|member| {
            let column = columns.get(member.column);
            (!column.runner.reads().has_any(MOVES_WITH_PODS)).then(|| column.runner.filter(&column.state, &view))
        });
        self.fixed = Some(fixed.collect());
    }

    fn run(&self, delta: &NodeDelta, load: &NodeLoad) -> Option<Status> {
        let Sources { cluster, columns, .. } = self.experiment.sources;
        let view = NodeView::new(cluster, self.slot, self.info, Reads::NOTHING).with_delta(delta, load);
        let fixed = self.fixed.as_deref().unwrap_or_default();
        self.experiment.filters.iter().zip(fixed).find_map(|(member, fixed)| {
            let column = columns.get(member.column);
            let verdict = fixed.unwrap_or_else(|| column.runner.filter(&column.state, &view));
            (!verdict.passes())
                .then(|| Status { code: verdict.code(), reasons: column.runner.reasons(&column.state, verdict, &view) })
        })
    }
}

impl NodeTrial for Trial<'_> {
    fn remove(&mut self, pod: &Arc<PodInfo>) {
        self.load.remove(pod);
        // kube-scheduler keeps a node's host ports as a set: with a pod its ports are free, whoever else has them.
        self.load.ports.retain(|port| !pod.host_ports.contains(port));
        self.delta.removed.push(pod.clone());
    }

    fn restore(&mut self, pod: &Arc<PodInfo>) {
        self.load.add(pod);
        if let Some(at) = self.delta.removed.iter().rposition(|p| p.uid == pod.uid) {
            self.delta.removed.swap_remove(at);
        }
    }

    fn check(&mut self) -> Status {
        self.fix();
        if !self.nominated.is_empty() {
            let mut load = self.load.clone();
            self.nominated.iter().for_each(|pod| load.add(pod));
            let delta = NodeDelta { added: self.nominated.clone(), removed: self.delta.removed.clone() };
            if let Some(status) = self.run(&delta, &load) {
                return status;
            }
        }
        self.run(&self.delta, &self.load).unwrap_or_else(Status::success)
    }
}
