//! Gangs for those who explain: each is planned as one against the same cluster, and its pods say what came of that.

use std::sync::Arc;

use loadline_engine::{Event, PlacedMember, Scheduler, Settings};
use loadline_framework::Profiles;
use loadline_framework::record::{Decision, GangRecord, GangState, Outcome};
use loadline_model::{Map, PodInfo, PodKey};

use crate::cluster::Cluster;

/// What would become of the gangs of pods that wait.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    of: Map<PodKey, (Arc<GangRecord>, Option<PlacedMember>)>,
}

impl Outlook {
    /// Plans every gang by itself. Nothing is done where no pod that waits is of one.
    pub(crate) fn new(cluster: &Cluster, profiles: &Profiles, settings: &Settings) -> Self {
        let of_workloads = cluster.missing.iter().flat_map(|missing| &missing.pods);
        let waiting: Vec<&Arc<PodInfo>> = cluster.pending().chain(of_workloads).collect();
        let is_member = |pod: &&Arc<PodInfo>| {
            pod.pod_group.is_some()
                && profiles.get(&pod.scheduler_name).is_some_and(|profile| profile.gangs().is_some())
        };
        if !waiting.iter().any(is_member) {
            return Self::default();
        }
        let mut scheduler = Scheduler::new(profiles.clone(), settings.clone());
        for event in cluster.events() {
            scheduler.apply(event, 0);
        }
        for pod in waiting {
            scheduler.apply(Event::Pod(pod.clone()), 0);
        }
        let mut outlook = Self::default();
        for key in scheduler.gang_keys() {
            let Some((record, placed)) = scheduler.look_at_gang(&key) else { continue };
            let record = Arc::new(record);
            for pod in scheduler.waiting_members(&key) {
                let node = placed.iter().find(|member| member.pod.uid == pod.uid).cloned();
                outlook.of.insert(pod.uid.clone(), (record.clone(), node));
            }
        }
        outlook
    }

    /// Adds to the decision on a pod what its gang says.
    pub(crate) fn amend(&self, uid: &str, decision: &mut Decision) {
        if let Some((record, placed)) = self.of.get(uid) {
            amend(decision, GangRecord::clone(record), placed.as_ref());
        }
    }
}

/// A pod of a gang has the node that the gang's plan gives it, or none.
pub(crate) fn amend(decision: &mut Decision, record: GangRecord, placed: Option<&PlacedMember>) {
    if decision.result == Outcome::Gated {
        decision.gang = Some(record);
        return;
    }
    if let Some(member) = placed {
        if decision.node.as_deref() != Some(&*member.node) {
            decision.node = Some(member.node.to_string());
            decision.tie_broken_by = None;
        }
        decision.decided_by = Some(member.decided_by);
        decision.result = Outcome::Feasible;
        decision.message.clear();
        decision.preemption = None;
    } else {
        decision.node = None;
        decision.decided_by = None;
        decision.tie_broken_by = None;
        decision.preemption = None;
        match record.state {
            GangState::WaitsForGroup | GangState::WaitsForPods => {
                decision.result = Outcome::Gated;
                decision.gated_by = Some(loadline_framework::COSCHEDULING.to_owned());
                decision.message.clone_from(&record.message);
            }
            _ => {
                // What its own nodes lack says more, where that is what keeps it.
                let alone = std::mem::take(&mut decision.message);
                let is_own = decision.result != Outcome::Feasible && record.fits.is_some_and(|fits| fits > 0);
                let of_gang = format!("gang {}/{}: {}", record.namespace, record.name, record.message);
                decision.message = if is_own && record.message.is_empty() { alone } else { of_gang };
                decision.result = Outcome::Unschedulable;
            }
        }
    }
    decision.gang = Some(record);
}
