//! What is told of gangs to those who ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_framework::record::{DecidedBy, GangRecord, GangState};
use loadline_model::{GroupKey, PodGroupInfo, PodInfo, PodKey, Time};

use super::{PlacedMember, Scheduler};
use crate::gang::Stand;
use crate::queue::QueueName;

/// What a PodGroup's status is made of.
#[derive(Clone, Debug)]
pub struct GangReport {
    /// The PodGroup.
    pub group: Arc<PodGroupInfo>,
    /// How far the gang is.
    pub gang: GangRecord,
    /// Members that run, that ran to their end, and that failed.
    pub running: u32,
    /// Those that ran to their end.
    pub succeeded: u32,
    /// Those that failed.
    pub failed: u32,
    /// Controllers of its pods, as `namespace/name`, sorted.
    pub owners: Vec<String>,
    /// Whether it was ever tried.
    pub is_tried: bool,
    /// Whether something went wrong when it was tried last, which is another thing than that it did not fit.
    pub is_in_error: bool,
}

impl Scheduler {
    /// All gangs are reported anew, and from now on those that change.
    pub fn report_all_gangs(&mut self) {
        self.gangs.unreported = Some(self.gangs.keys().into_iter().collect());
    }

    /// Nobody asks for reports any more: what changes is not kept for them.
    pub fn report_no_gangs(&mut self) {
        self.gangs.unreported = None;
    }

    /// Gangs of which something changed since they were reported last, at most so many at once; `None`: there is no PodGroup, or none
    /// any more.
    pub fn changed_gangs(&mut self, most: usize, now: Time) -> Vec<(Arc<GroupKey>, Option<GangReport>)> {
        let mut reports = Vec::new();
        while reports.len() < most
            && let Some(key) = self.gangs.unreported.as_mut().and_then(BTreeSet::pop_first)
        {
            let report = self.report_of(&key, now);
            reports.push((key, report));
        }
        reports
    }

    fn report_of(&self, key: &GroupKey, now: Time) -> Option<GangReport> {
        let gang = self.gang(key, now)?;
        let group = self.gangs.get(key)?;
        let count = |is: &dyn Fn(&PodInfo, Stand) -> bool| {
            group.members.values().filter(|member| is(&member.pod, member.stand)).count() as u32
        };
        let mut owners: Vec<String> = group
            .members
            .values()
            .filter_map(|member| Some(format!("{}/{}", member.pod.namespace, member.pod.owner.as_ref()?.name)))
            .collect();
        owners.sort_unstable();
        owners.dedup();
        Some(GangReport {
            group: group.object.clone()?,
            gang,
            running: count(&|pod, stand| stand == Stand::Placed && pod.is_in_phase("Running")),
            succeeded: count(&|_, stand| stand == Stand::Succeeded),
            failed: count(&|_, stand| stand == Stand::Failed),
            owners,
            is_tried: group.is_tried,
            is_in_error: group.is_in_error,
        })
    }

    /// How far a gang is, with when it is tried again.
    pub fn gang(&self, key: &GroupKey, now: Time) -> Option<GangRecord> {
        let group = self.gangs.get(key)?;
        let record = group.record();
        let last = group.last.as_deref().filter(|_| record.state == GangState::Ready);
        let record = last.map_or(record.clone(), |last| GangRecord {
            state: last.state,
            fits: last.fits,
            domain: last.domain.clone(),
            blocked: last.blocked.clone(),
            message: last.message.clone(),
            ..record
        });
        Some(self.timed(record, key, now))
    }

    /// The gang of a pod that is known.
    pub fn gang_of(&self, uid: &str, now: Time) -> Option<GangRecord> {
        self.gang(self.gangs.of(uid)?, now)
    }

    /// Members of a group that wait, by uid.
    pub fn waiting_members(&self, key: &GroupKey) -> Vec<Arc<PodInfo>> {
        let waits = |stand: Stand| matches!(stand, Stand::Ready | Stand::Gated);
        let members = self.gangs.get(key).into_iter().flat_map(|group| group.members.values());
        let mut pods: Vec<_> = members.filter(|member| waits(member.stand)).map(|member| member.pod.clone()).collect();
        pods.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        pods
    }

    /// Plans a gang and takes the plan back: how far it is, and where its members would go.
    pub fn look_at_gang(&mut self, key: &GroupKey) -> Option<(GangRecord, Vec<PlacedMember>)> {
        let group = self.gangs.get(key)?;
        let record = group.record();
        if !group.is_ready() {
            return Some((record, Vec::new()));
        }
        let want = self.want(key, 1)?;
        let mut transaction = self.engine.begin(want.members.iter());
        let planned = self.engine.plan(&want, &mut transaction);
        self.engine.roll_back(transaction);
        match planned {
            Ok(outcome) => {
                let domain = outcome.domain.map(|(key, value)| format!("{key}={value}"));
                let fits = Some(outcome.placed.len() as u32);
                let placed = outcome.placed.into_iter().map(|member| PlacedMember {
                    decided_by: member.cycle.decided_by.unwrap_or(DecidedBy::Score),
                    feasible: member.cycle.feasible,
                    pod: member.pod,
                    node: member.node,
                    attempts: 1,
                });
                Some((GangRecord { fits, domain, ..record }, placed.collect()))
            }
            Err(outcome) => Some((self.gangs.get(key)?.record_of(&outcome), Vec::new())),
        }
    }

    /// Keys of all groups, in order.
    pub fn gang_keys(&self) -> Vec<Arc<GroupKey>> {
        self.gangs.keys()
    }

    pub(super) fn timed(&self, mut record: GangRecord, key: &GroupKey, now: Time) -> GangRecord {
        const SECOND: f64 = 1e9;
        let seconds = |at: Time| at.saturating_sub(now).max(0) as f64 / SECOND;
        let leader: Option<PodKey> = self.gangs.get(key).and_then(|group| group.leader.clone());
        record.next_try_seconds = leader.and_then(|uid| match self.queue.get(&uid)? {
            (QueueName::Active, _) => Some(0.0),
            _ => self.queue.next_try(&uid).map(seconds),
        });
        record.reserved_seconds =
            self.kept_room.as_ref().filter(|kept| *kept.key == *key).map(|kept| seconds(kept.until));
        record
    }
}
