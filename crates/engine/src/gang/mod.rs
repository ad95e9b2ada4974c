//! Gangs: which pods belong to which group, and how far each is. All of it follows from pods and group objects, so that a scheduler
//! that begins anew knows it again. How a gang is planned is in `plan`, what becomes of a plan in `scheduler/gangs`.

mod plan;
mod preempt;
mod quick;
mod report;
mod reserve;
mod topology;
mod transaction;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_framework::record::GangRecord;
use loadline_model::{GroupKey, Map, PodGroupInfo, PodInfo, PodKey, Str, Time};

pub(crate) use plan::{Outcome, Want};
pub(crate) use reserve::KeptRoom;
pub(crate) use transaction::Transaction;

use crate::queue::QueuedPod;

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Without a node, and something else than its gang keeps it there.
    Gated,
    /// Without a node; it lacks nothing but its gang.
    Ready,
    /// Planned, with the others of its plan, and not sent to its node yet.
    Underway,
    /// On a node, or sent there.
    Placed,
    /// It ran to its end: it counts towards the minimum for as long as the API has it.
    Succeeded,
    /// It failed. It counts for nothing: who made it makes another one.
    Failed,
}

const STANDS: usize = 6;

impl Stand {
    /// Where a pod stands that runs no more.
    pub(crate) fn at_end(pod: &PodInfo) -> Self {
        if pod.is_in_phase("Failed") { Self::Failed } else { Self::Succeeded }
    }

    /// Whether it runs no more.
    pub(crate) const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Numbers of members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    by_stand: [u32; STANDS],
}

impl Tally {
    pub(crate) fn of(&self, stand: Stand) -> u32 {
        self.by_stand[stand as usize]
    }

    /// Members that are where they should be.
    pub(crate) fn settled(&self) -> u32 {
        self.of(Stand::Placed) + self.of(Stand::Succeeded)
    }

    /// Members that count towards the quorum.
    pub(crate) fn have(&self) -> u32 {
        self.settled() + self.of(Stand::Ready) + self.of(Stand::Underway)
    }
}

#[derive(Debug)]
pub(crate) struct GroupMember {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) stand: Stand,
    /// Place in the order in which members were heard of.
    sequence: u64,
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Arc<GroupKey>,
    pub(crate) object: Option<Arc<PodGroupInfo>>,
    pub(crate) members: Map<PodKey, GroupMember>,
    pub(crate) tally: Tally,
    /// The member that stands in the queue for all that wait.
    pub(crate) leader: Option<PodKey>,
    /// What earlier leaders went through since something was placed last.
    pub(crate) before: Option<QueuedPod>,
    /// Since when it could be tried and was not placed.
    pub(crate) since: Option<Time>,
    /// Its place in the line: priority, and since when.
    pub(crate) in_line: Option<(i32, Time)>,
    /// When the last try failed.
    pub(crate) failed_at: Option<Time>,
    /// What its pods were told last.
    pub(crate) told: Str,
    /// Whether it was ever tried, and whether something went wrong when it was tried last.
    pub(crate) is_tried: bool,
    pub(crate) is_in_error: bool,
    /// What the queue was told of last.
    pub(crate) seen: Option<(Tally, Option<u32>)>,
    pub(crate) last: Option<Arc<GangRecord>>,
}

impl Group {
    /// One of which nothing is known.
    pub(crate) fn new(key: Arc<GroupKey>) -> Self {
        Self {
            key,
            object: None,
            members: Map::default(),
            tally: Tally::default(),
            leader: None,
            before: None,
            since: None,
            in_line: None,
            failed_at: None,
            told: Str::default(),
            is_tried: false,
            is_in_error: false,
            seen: None,
            last: None,
        }
    }

    /// Members at least; `None` while the object is not known.
    pub(crate) fn minimum(&self) -> Option<u32> {
        self.object.as_ref().map(|object| object.min_member)
    }

    /// Members that the next plan must place, at least.
    pub(crate) fn need(&self) -> usize {
        self.minimum().unwrap_or(0).saturating_sub(self.tally.settled()) as usize
    }

    /// Whether there are enough members to try it.
    pub(crate) fn has_quorum(&self) -> bool {
        self.minimum().is_some_and(|minimum| self.tally.have() >= minimum)
    }

    /// Whether it is to be tried: the object, the quorum, and somebody who waits are there, and no plan is on its way.
    pub(crate) fn is_ready(&self) -> bool {
        self.has_quorum() && self.tally.of(Stand::Ready) > 0 && self.tally.of(Stand::Underway) == 0
    }

    /// Members that lack nothing but their gang, in the order in which they are placed.
    pub(crate) fn ready(&self) -> Vec<Arc<PodInfo>> {
        let mut ready: Vec<&GroupMember> =
            self.members.values().filter(|member| member.stand == Stand::Ready).collect();
        ready.sort_unstable_by_key(|member| member.order());
        ready.into_iter().map(|member| member.pod.clone()).collect()
    }

    /// Who should stand for it.
    pub(crate) fn first_ready(&self) -> Option<PodKey> {
        let ready = self.members.iter().filter(|(_, member)| member.stand == Stand::Ready);
        ready.min_by_key(|(_, member)| member.order()).map(|(uid, _)| uid.clone())
    }

    /// Its place among equals in the queue. What lacks a member of its minimum while others run comes first: it holds room for nothing
    /// as it is. Else the group's creation counts, or its last try that failed.
    pub(crate) fn time(&self, now: Time) -> Time {
        let is_broken = self.need() > 0 && self.tally.of(Stand::Placed) > 0;
        if is_broken {
            return Time::MIN;
        }
        let created = self.object.as_ref().and_then(|object| object.created).filter(|created| *created <= now);
        self.failed_at.unwrap_or_else(|| created.into_iter().chain(self.since).min().unwrap_or(now))
    }
}

impl GroupMember {
    fn order(&self) -> (Reverse<i32>, Time, u64) {
        (Reverse(self.pod.priority), self.pod.created.unwrap_or(Time::MAX), self.sequence)
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Gangs {
    groups: Map<Arc<GroupKey>, Group>,
    of: Map<PodKey, Arc<GroupKey>>,
    sequence: u64,
    /// Gangs that could be tried and were not placed: the highest priority first, then the one that waits for longest.
    line: BTreeSet<(Reverse<i32>, Time, Arc<GroupKey>)>,
    /// Those of which something changed since they were reported; `None` while nobody asks for reports.
    pub(crate) unreported: Option<BTreeSet<Arc<GroupKey>>>,
}

impl Gangs {
    pub(crate) fn get(&self, key: &GroupKey) -> Option<&Group> {
        self.groups.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &GroupKey) -> Option<&mut Group> {
        self.groups.get_mut(key)
    }

    /// The group that a pod is known in.
    pub(crate) fn of(&self, uid: &str) -> Option<&Arc<GroupKey>> {
        self.of.get(uid)
    }

    /// Since when a gang could be tried and was not placed; `None` takes it out of the line.
    pub(crate) fn set_since(&mut self, key: &Arc<GroupKey>, since: Option<Time>, priority: i32) {
        let Some(group) = self.groups.get_mut(key) else { return };
        if let Some((priority, since)) = group.in_line.take() {
            self.line.remove(&(Reverse(priority), since, key.clone()));
        }
        group.since = since;
        if let Some(since) = since {
            group.in_line = Some((priority, since));
            self.line.insert((Reverse(priority), since, key.clone()));
        }
    }

    /// The first in line, and since when it waits.
    pub(crate) fn head(&self) -> Option<(&Arc<GroupKey>, Time)> {
        self.line.first().map(|(_, since, key)| (key, *since))
    }

    /// Something of a group changed.
    pub(crate) fn changed(&mut self, key: &Arc<GroupKey>) {
        if let Some(unreported) = &mut self.unreported {
            unreported.insert(key.clone());
        }
    }

    /// Keys of all groups, in order.
    pub(crate) fn keys(&self) -> Vec<Arc<GroupKey>> {
        let mut keys: Vec<_> = self.groups.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// A group's object is there, or changed. Whether anything is new.
    pub(crate) fn set_object(&mut self, object: PodGroupInfo) -> bool {
        let key = object.key.clone();
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group::new(key));
        let is_new = group.object.as_deref() != Some(&object);
        if is_new {
            // Whatever changed may be what the gang lacked.
            group.seen = None;
        }
        group.object = Some(Arc::new(object));
        is_new
    }

    /// A group's object is gone.
    pub(crate) fn remove_object(&mut self, key: &GroupKey) {
        if let Some(group) = self.groups.get_mut(key) {
            group.object = None;
        }
        self.drop_empty(key);
    }

    /// Where a member stands now.
    pub(crate) fn set(&mut self, pod: &Arc<PodInfo>, key: &Arc<GroupKey>, stand: Stand) {
        if self.of.get(&pod.uid).is_some_and(|known| known != key) {
            self.remove(&pod.uid);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group::new(key.clone()));
        self.of.insert(pod.uid.clone(), group.key.clone());
        let member = group.members.entry(pod.uid.clone()).or_insert_with(|| {
            group.tally.by_stand[stand as usize] += 1;
            GroupMember { pod: pod.clone(), stand, sequence }
        });
        group.tally.by_stand[member.stand as usize] -= 1;
        group.tally.by_stand[stand as usize] += 1;
        member.stand = stand;
        member.pod = pod.clone();
    }

    /// Where a member that is known stands now.
    pub(crate) fn stand(&mut self, uid: &str, stand: Stand) {
        let Some(group) = self.of.get(uid).and_then(|key| self.groups.get_mut(key)) else { return };
        if let Some(member) = group.members.get_mut(uid) {
            group.tally.by_stand[member.stand as usize] -= 1;
            group.tally.by_stand[stand as usize] += 1;
            member.stand = stand;
        }
    }

    pub(crate) fn stand_of(&self, uid: &str) -> Option<Stand> {
        Some(self.groups.get(self.of.get(uid)?)?.members.get(uid)?.stand)
    }

    /// A member is gone. Returns its group.
    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<GroupKey>> {
        let key = self.of.remove(uid)?;
        if let Some(group) = self.groups.get_mut(&key)
            && let Some(member) = group.members.remove(uid)
        {
            group.tally.by_stand[member.stand as usize] -= 1;
        }
        self.drop_empty(&key);
        Some(key)
    }

    /// Forgets a group of which nothing is there any more.
    fn drop_empty(&mut self, key: &GroupKey) {
        if self.groups.get(key).is_some_and(|group| group.object.is_none() && group.members.is_empty())
            && let Some(group) = self.groups.remove(key)
            && let Some((priority, since)) = group.in_line
        {
            self.line.remove(&(Reverse(priority), since, group.key));
        }
    }
}
