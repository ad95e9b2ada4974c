//! What must hold whatever happens, looked at from outside of the code that keeps it: sums, places of pods, and verdicts that are
//! kept, each computed anew.

use loadline_framework::Cluster;
use loadline_model::{NodeLoad, PodKey};

use crate::Engine;
use crate::class::Sources;
use crate::cycle::Cycle;
use crate::evaluate::{Evaluation, Kept, Request};
use crate::scheduler::Scheduler;

/// Violations that are named; more are counted.
const NAMED: usize = 10;

/// What a look at everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What should not be, in words, the first few.
    pub broken: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// Nodes that have promised more than they have, by name. No fault of this scheduler alone: others place pods too, and nodes
    /// shrink.
    pub overcommitted: Vec<String>,
}

impl Findings {
    fn add(&mut self, what: impl FnOnce() -> String) {
        if self.broken.len() < NAMED { self.broken.push(what()) } else { self.more += 1 }
    }

    /// Whether everything is as it should be.
    pub fn is_sound(&self) -> bool {
        self.broken.is_empty()
    }
}

impl Engine {
    /// Computes the sums of every node anew.
    pub fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        let mut on_nodes = 0;
        for info in self.cluster.node_infos() {
            let name = &info.spec.name;
            let mut load = NodeLoad::default();
            for pod in &info.pods {
                load.add(pod);
                if self.cluster.pod(&pod.uid).is_none_or(|cached| cached.node != *name) {
                    findings.add(|| format!("pod {} is counted on node {name} and known elsewhere", pod.full_name()));
                }
            }
            on_nodes += info.pods.len();
            let comparable = |load: &NodeLoad| {
                let mut load = load.clone();
                load.ports.sort_unstable();
                // What was taken up and is free again stays listed.
                load.requested.scalars.retain(|(_, amount)| *amount != 0);
                load
            };
            if comparable(&load) != comparable(&info.load) {
                findings.add(|| format!("the sums of node {name} are not those of its pods"));
            }
            let (used, has) = (&info.load.requested, &info.spec.allocatable);
            let is_over = used.milli_cpu > has.milli_cpu
                || used.memory > has.memory
                || used.ephemeral_storage > has.ephemeral_storage
                || used.scalars.iter().any(|(name, used)| has.scalar(name).is_some_and(|has| *used > has))
                || info.load.pods > info.spec.allowed_pods;
            if is_over {
                findings.overcommitted.push(name.to_string());
            }
        }
        let known = self.cluster.pod_count();
        if on_nodes + self.cluster.detached_count() != known {
            findings.add(|| format!("{known} pods are known, and {on_nodes} are counted on nodes"));
        }
        findings.overcommitted.sort_unstable();
        findings
    }

    /// Judges one of the nodes anew, with nothing that was kept, and compares. `None` when the decision was made without anything
    /// kept. The cluster must not have changed since the cycle.
    pub(crate) fn recheck(&mut self, cycle: &Cycle, pick: u64) -> Option<bool> {
        let Some(Evaluation::Class(class)) = &cycle.evaluation else { return None };
        let (class, count) = (*class, self.cluster.node_count());
        let rank = (pick % count.max(1) as u64) as usize;
        let slot = *self.cluster.order().by_name().get(rank)?;
        let profile = self.profiles.profiles[cycle.profile].clone();
        let own = self.nominator.take(&cycle.pod.uid);
        let kept = {
            let class = self.kept.classes.get(class);
            let rejection = class.rejection(rank, self.sources());
            rejection.map(|(filter, verdict)| (class.filters()[filter].plugin, verdict))
        };
        let request = Request { profile: &profile, profile_index: cycle.profile, pod: &cycle.pod };
        let mut fresh = Kept::new(None);
        let anew = fresh.pre_filter(&request, &mut self.cluster).ok().map(|opened| {
            let (filters, _) = fresh.members(&profile, &opened);
            let sources = Sources { cluster: &self.cluster, columns: &fresh.columns, nominator: &self.nominator };
            let rejection = Kept::one_node(&request, &filters, slot, sources);
            rejection.map(|(filter, verdict)| (filters[filter].plugin, verdict))
        });
        if let Some((pod, node)) = own {
            self.nominator.add(pod, node);
        }
        Some(anew == Some(kept))
    }
}

impl Scheduler {
    /// Looks at everything: the sums of every node, and that every pod is in exactly one place.
    pub fn findings(&self) -> Findings {
        let mut findings = self.engine.findings();
        let is_assumed = |uid: &PodKey| self.engine.cluster.pod(uid).is_some_and(|cached| cached.assumed);
        for (uid, pod) in &self.pending {
            let is_ours = self.engine.profiles.get(&pod.scheduler_name).is_some() && !pod.is_terminating();
            let is_waiting = self.queue.get(uid).is_some();
            let is_on_its_way = self.bindings.contains_key(uid) || is_assumed(uid);
            if is_ours && !is_waiting && !is_on_its_way {
                findings.add(|| format!("pod {} waits in no queue and is on its way to no node", pod.full_name()));
            }
            if is_waiting && is_on_its_way {
                findings.add(|| format!("pod {} waits in a queue and is on its way to a node", pod.full_name()));
            }
        }
        let assumed = self.engine.cluster.pods().filter(|cached| cached.assumed);
        for cached in assumed.filter(|cached| !self.pending.contains_key(&cached.pod.uid)) {
            findings.add(|| format!("pod {} is assumed on a node, and nobody waits for it", cached.pod.full_name()));
        }
        findings
    }
}
