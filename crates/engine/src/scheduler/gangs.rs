//! Gangs in the queue: who stands for a gang, when it is tried, and what a try that found no plan comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_framework::record::{GangRecord, GangState, Outcome as Result_};
use loadline_framework::{Action, ClusterEvent, EventObject, GangSettings, Profile, Resource};
use loadline_model::{GroupKey, NodeSpec, PodInfo, PreemptionPolicy, Str, Time};

use super::{Attempt, GangAttempt, Scheduler};
use crate::cycle::Cycle;
use crate::effect::Effect;
use crate::gang::{Outcome, Stand, Want};
use crate::happened::Ended;
use crate::queue::{Head, QueuedPod, Rejectors, Standing};

/// The plugin without which nobody preempts.
const PREEMPTION: &str = "DefaultPreemption";
/// Kinds of pods whose hints are asked; a gang of more is woken by whatever may help anybody.
const MANY_KINDS: usize = 64;

/// A gang that was tried.
pub(super) struct Tried<'a> {
    /// The pod that stood for it.
    pub(super) leader: QueuedPod,
    pub(super) key: &'a Arc<GroupKey>,
    pub(super) want: &'a Want,
    pub(super) profile: &'a Profile,
    pub(super) settings: &'a GangSettings,
}

impl Scheduler {
    /// What holds for gangs in the pod's profile.
    pub(super) fn gang_settings(&self, pod: &PodInfo) -> Option<Arc<GangSettings>> {
        self.engine.profiles().get(&pod.scheduler_name)?.gangs().cloned()
    }

    /// Whether any profile places gangs.
    pub fn places_gangs(&self) -> bool {
        self.engine.profiles().profiles.iter().any(|profile| profile.gangs().is_some())
    }

    /// A pod that waits, before the queue hears of it: a member waits for its gang.
    pub(super) fn enlist(&mut self, pod: &Arc<PodInfo>, now: Time) {
        let key = pod.pod_group.as_ref().filter(|_| self.gang_settings(pod).is_some()).cloned();
        let known = self.gangs.of(&pod.uid).cloned();
        let changes_groups = known.is_some() && known != key;
        if known != key
            && let Some(known) = known
        {
            self.gangs.remove(&pod.uid);
            self.touched.insert(known);
            if key.is_none() {
                self.queue.free_member(&pod.uid, now);
            }
        }
        let Some(key) = key else { return };
        let known = self.gangs.stand_of(&pod.uid);
        // What has ended is known from elsewhere, and this is older news.
        if !known.is_some_and(Stand::is_end) {
            let stand = known.filter(|stand| *stand == Stand::Ready).unwrap_or(Stand::Gated);
            self.gangs.set(pod, &key, stand);
        }
        if changes_groups || !self.queue.is_member(&pod.uid) {
            let text = Str::from(format!("waits for its gang, PodGroup {key}"));
            self.queue.hold_member(&pod.uid, &text, now);
        }
        if changes_groups {
            // It may have stood for the other group.
            self.queue.follow(&pod.uid, now);
        }
        self.touched.insert(key);
    }

    /// A member is where it should be, or has left.
    pub(super) fn member_is(&mut self, pod: &Arc<PodInfo>, stand: Option<Stand>) {
        let has_ended = self.gangs.stand_of(&pod.uid).is_some_and(Stand::is_end);
        if has_ended && !stand.is_some_and(Stand::is_end) {
            // Those who follow pods and those who follow finished members are not equally quick; only the latter take it back.
            return;
        }
        let left = match (&pod.pod_group, stand) {
            (Some(key), Some(stand)) if self.places_gangs() => {
                let before = self.gangs.of(&pod.uid).filter(|known| *known != key).cloned();
                self.gangs.set(pod, key, stand);
                self.touched.insert(key.clone());
                before
            }
            _ => self.gangs.remove(&pod.uid),
        };
        self.touched.extend(left);
    }

    /// A pod is gone. What ran to its end counts for as long as somebody else says so.
    pub(super) fn member_gone(&mut self, uid: &str) {
        if self.gangs.stand_of(uid).is_some_and(|stand| !stand.is_end()) {
            self.touched.extend(self.gangs.remove(uid));
        }
    }

    /// Other profiles are in force: who is a member is asked anew.
    pub(super) fn regroup(&mut self, now: Time) {
        if !self.places_gangs() && self.gangs.keys().is_empty() {
            return;
        }
        let mut pods: Vec<Arc<PodInfo>> = self.pending.values().cloned().collect();
        pods.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        for pod in pods {
            if self.queue.get(&pod.uid).is_some() {
                self.enlist(&pod, now);
            }
        }
        let mut placed: Vec<Arc<PodInfo>> = self.engine.cluster().pods().map(|cached| cached.pod.clone()).collect();
        placed.retain(|pod| pod.pod_group.is_some() && !self.bindings.contains_key(&pod.uid) && !pod.is_terminating());
        placed.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        for pod in placed {
            self.member_is(&pod, Some(Stand::Placed));
        }
        self.touched.extend(self.gangs.keys());
        self.settle_gangs(now);
    }

    /// Has the queue follow what became of gangs and their members.
    pub(super) fn settle_gangs(&mut self, now: Time) {
        loop {
            for (uid, standing) in self.queue.take_moved_members() {
                let stand = if standing == Standing::Ready { Stand::Ready } else { Stand::Gated };
                let waits = matches!(self.gangs.stand_of(&uid), Some(Stand::Gated | Stand::Ready));
                if waits && self.gangs.stand_of(&uid) != Some(stand) {
                    self.gangs.stand(&uid, stand);
                    self.touched.extend(self.gangs.of(&uid).cloned());
                }
            }
            let touched = std::mem::take(&mut self.touched);
            if touched.is_empty() {
                return;
            }
            for key in touched {
                self.settle_gang(&key, now);
            }
        }
    }

    fn settle_gang(&mut self, key: &Arc<GroupKey>, now: Time) {
        self.gangs.changed(key);
        let Some(group) = self.gangs.get(key) else { return };
        let (is_ready, leader, need) = (group.is_ready(), group.leader.clone(), group.need());
        let waits_for_room = is_ready && need > 0;
        let (since, tally, minimum) = (group.since, group.tally, group.minimum());
        let leads = leader.filter(|uid| {
            let stands = self.gangs.stand_of(uid) == Some(Stand::Ready);
            stands && self.queue.get(uid).is_some_and(|(_, queued)| queued.gang.is_some())
        });
        let priority = leads.as_ref().or(self.gangs.get(key).and_then(|group| group.leader.as_ref()));
        let priority = priority.and_then(|uid| self.gangs.get(key)?.members.get(uid)).map(|member| member.pod.priority);
        match (leads, is_ready) {
            (Some(uid), true) => {
                let group = self.gangs.get_mut(key);
                let is_news = group.as_ref().is_some_and(|group| group.seen != Some((tally, minimum)));
                if is_news {
                    self.queue.wake_gang(&uid, now);
                }
            }
            (Some(uid), false) => {
                let before = self.queue.get(&uid).map(|(_, queued)| queued.clone());
                if let Some(group) = self.gangs.get_mut(key) {
                    group.leader = None;
                    group.before = before;
                }
                self.queue.follow(&uid, now);
            }
            (None, true) => self.elect(key, now),
            (None, false) => {
                if let Some(group) = self.gangs.get_mut(key) {
                    group.leader = None;
                }
            }
        }
        if let Some(group) = self.gangs.get_mut(key) {
            group.seen = Some((tally, minimum));
        }
        match (waits_for_room, since) {
            (true, None) => {
                let leader = self.gangs.get(key).and_then(|group| group.members.get(group.leader.as_ref()?));
                let priority = priority.or(leader.map(|member| member.pod.priority)).unwrap_or(0);
                // Who wants no reservation keeps nobody from one.
                let settings = leader.and_then(|member| self.gang_settings(&member.pod));
                let wants_room = settings.is_some_and(|settings| settings.reserve_after > 0);
                self.gangs.set_since(key, Some(now), if wants_room { priority } else { i32::MIN });
            }
            (false, Some(_)) if tally.of(Stand::Underway) == 0 => self.gangs.set_since(key, None, 0),
            _ => {}
        }
        let is_out = !is_ready && tally.of(Stand::Underway) == 0;
        if is_out || need == 0 {
            self.end_room_of(key, now);
        }
        if is_out {
            self.end_promises(key, now);
        }
    }

    /// Has the first of the members that wait stand for all of them.
    fn elect(&mut self, key: &Arc<GroupKey>, now: Time) {
        let Some(uid) = self.gangs.get(key).and_then(crate::gang::Group::first_ready) else { return };
        let before = self.gangs.get(key).and_then(|group| group.before.clone());
        // Who stands for the gang may change while it pauses.
        let pause = before.as_ref().and_then(|before| before.gang.as_ref()?.pause).filter(|until| *until > now);
        let head = self.head(key, pause, Arc::new([]), now);
        self.queue.lead(&uid, head, before.as_ref(), now);
        if before.is_none() {
            // Never tried here: what its pods say may be the word of a scheduler that ran before, for which victims went.
            for pod in self.gangs.get(key).map(crate::gang::Group::ready).unwrap_or_default() {
                self.engine.nominator.keep(&pod);
            }
        }
        if let Some(group) = self.gangs.get_mut(key) {
            group.leader = Some(uid);
        }
    }

    fn head(&self, key: &Arc<GroupKey>, pause: Option<Time>, kinds: Arc<[Arc<PodInfo>]>, now: Time) -> Head {
        let time = self.gangs.get(key).map_or(now, |group| group.time(now));
        Head { key: key.clone(), time, pause, kinds }
    }

    /// What the next plan of a gang is to be.
    pub(crate) fn want(&self, key: &GroupKey, attempt: u32) -> Option<Want> {
        let group = self.gangs.get(key)?;
        let object = group.object.as_ref()?;
        let placed = || group.members.values().filter(|member| member.stand == Stand::Placed);
        let settled =
            || group.members.values().filter(|member| matches!(member.stand, Stand::Placed | Stand::Succeeded));
        let needs_nodes = object.required_topology.is_some() || object.preferred_topology.is_some();
        let on = |pod: &PodInfo| self.engine.cluster().pod(&pod.uid).map(|cached| cached.node.clone());
        let mut nodes: Vec<Str> = placed().filter(|_| needs_nodes).filter_map(|member| on(&member.pod)).collect();
        nodes.sort_unstable();
        let has = || {
            let mut sum = loadline_model::Resources::default();
            settled().for_each(|member| sum.add(&member.pod.requests.usage));
            sum
        };
        Some(Want {
            members: group.ready(),
            need: group.need(),
            attempt,
            required_topology: object.required_topology.clone(),
            preferred_topology: object.preferred_topology.clone(),
            nodes,
            min_resources: object.min_resources.clone().map(|wanted| (wanted, has())),
        })
    }

    /// Tries the gang that a popped pod stands for.
    pub(super) fn schedule_gang(
        &mut self,
        leader: QueuedPod,
        key: &Arc<GroupKey>,
        now: Time,
    ) -> (Attempt, Vec<Effect>) {
        let mut effects = std::mem::take(&mut self.deferred);
        let number = leader.attempts;
        if let Some(group) = self.gangs.get_mut(key) {
            group.leader = None;
            group.is_tried = true;
        }
        let profile = self.engine.profiles().get(&leader.pod.scheduler_name).cloned();
        let settings = profile.as_ref().and_then(|profile| profile.gangs().cloned());
        let is_ready = self.gangs.get(key).is_some_and(crate::gang::Group::is_ready);
        let want = self.want(key, number).filter(|_| is_ready);
        let (Some(want), Some(profile), Some(settings)) = (want, profile, settings) else {
            // It has changed since it was let in; whoever changed it has the queue follow.
            let cycle = Cycle::failed(&leader.pod, 0, Result_::Unschedulable, String::new());
            self.queue.return_member(leader, now);
            self.touched.insert(key.clone());
            self.settle_gangs(now);
            return (Attempt { cycle, number, gang: None }, effects);
        };
        let mut transaction = self.engine.begin(want.members.iter());
        let planned = self.engine.plan(&want, &mut transaction);
        let tried = Tried { leader, key, want: &want, profile: &profile, settings: &settings };
        let attempt = match planned {
            Ok(outcome) => {
                self.engine.keep(transaction);
                self.commit_gang(tried, outcome, now, &mut effects)
            }
            Err(outcome) => {
                self.engine.roll_back(transaction);
                self.gang_failed(tried, &outcome, now, &mut effects)
            }
        };
        self.settle_gangs(now);
        effects.append(&mut self.deferred);
        (attempt, effects)
    }

    fn gang_failed(&mut self, tried: Tried<'_>, outcome: &Outcome, now: Time, effects: &mut Vec<Effect>) -> Attempt {
        let Tried { leader, key, want, profile, settings } = tried;
        let (pod, number) = (leader.pod.clone(), leader.attempts);
        let Some(group) = self.gangs.get(key) else {
            let cycle = Cycle::failed(&pod, 0, Result_::Unschedulable, String::new());
            return Attempt { cycle, number, gang: None };
        };
        let mut record = group.record_of(outcome);
        let members = want.members.iter().map(|pod| pod.priority).min().unwrap_or(pod.priority);
        // Above its pods' own it would be at home neither in the queue nor in the room that victims leave.
        let priority = group.object.as_ref().and_then(|object| object.priority).map_or(members, |own| own.min(members));
        let leaving = self.leaving_for(want, priority);
        if leaving > 0 {
            record.state = GangState::Preempting;
            record.message += &["; waits for ", &leaving.to_string(), " pods that were asked to go"].concat();
        } else if may_preempt(profile, want) {
            self.preempt_for_gang(key, want, priority, settings, &mut record, effects);
        }
        if record.state != GangState::Preempting && !self.has_room_kept(key) {
            self.end_nominations(want, effects);
            self.keep_room(key, want, priority, settings, &mut record, now);
        }
        let (rejectors, kinds) = self.gang_rejectors(profile, outcome, want);
        let minimum = record.minimum.unwrap_or(1).max(1);
        let gap = want.goal().saturating_sub(record.fits.unwrap_or(0) as usize) * 100 / minimum as usize;
        let is_near = record.fits.is_some() && gap <= settings.near_miss as usize;
        let pause = (settings.backoff > 0 && !is_near).then(|| now.saturating_add(settings.backoff));
        let result = if rejectors.is_empty() { Result_::Error } else { Result_::Unschedulable };
        self.happened.ended.push(Ended::new(&leader, result));
        let mut cycle = Cycle::failed(&pod, 0, result, record.message.clone());
        cycle.profile = self.engine.profile_index(&pod).unwrap_or(0);
        cycle.rejected_by.clone_from(&rejectors.unschedulable);
        cycle.nominate = None;
        self.requeue_gang(leader, key, rejectors, pause, kinds, now);
        self.tell_members(key, &pod, result, &record, want, effects);
        let record = self.timed(record, key, now);
        if let Some(group) = self.gangs.get_mut(key) {
            group.last = Some(Arc::new(record.clone()));
            group.is_in_error = result == Result_::Error;
        }
        self.gangs.changed(key);
        Attempt { cycle, number, gang: Some(Box::new(GangAttempt { key: key.clone(), placed: Vec::new(), record })) }
    }

    /// Puts a gang back into the queue after a try that failed.
    pub(super) fn requeue_gang(
        &mut self,
        mut leader: QueuedPod,
        key: &Arc<GroupKey>,
        rejectors: Rejectors,
        pause: Option<Time>,
        kinds: Arc<[Arc<PodInfo>]>,
        now: Time,
    ) {
        if let Some(group) = self.gangs.get_mut(key) {
            group.failed_at = Some(now);
        }
        let uid = leader.pod.uid.clone();
        leader.gang = Some(Arc::new(self.head(key, pause, kinds, now)));
        self.queue.requeue_after_failure(leader, rejectors, now);
        let history = self.queue.get(&uid).map(|(_, queued)| queued.clone());
        if let Some(group) = self.gangs.get_mut(key) {
            group.leader = history.is_some().then_some(uid);
            group.before = history;
            group.seen = Some((group.tally, group.minimum()));
        }
    }

    /// Who turned the gang down, and a pod of each kind that it has. In a mixed gang room for any member may help any other.
    fn gang_rejectors(
        &mut self,
        profile: &Profile,
        outcome: &Outcome,
        want: &Want,
    ) -> (Rejectors, Arc<[Arc<PodInfo>]>) {
        if outcome.refusal.is_some() {
            return (Rejectors::by(vec![loadline_framework::COSCHEDULING]), Arc::new([]));
        }
        let mut plugins: Vec<&'static str> = Vec::new();
        for name in outcome.blocked.iter().flat_map(|blocked| blocked.cycle.rejected_by.iter().copied()) {
            if !plugins.contains(&name) {
                plugins.push(name);
            }
        }
        if plugins.is_empty() {
            return (Rejectors::default(), Arc::new([]));
        }
        let kinds = self.engine.one_of_each_kind(&want.members);
        if kinds.len() > 1 || outcome.domain.is_some() {
            plugins.extend(profile.filter.iter().map(|plugin| profile.name(*plugin)));
            plugins.sort_unstable();
            plugins.dedup();
        }
        if kinds.len() > MANY_KINDS {
            return (Rejectors::by(vec![loadline_framework::COSCHEDULING]), Arc::new([]));
        }
        (Rejectors::by(plugins), kinds.into())
    }

    /// Tells of a try that failed: the group each time, its pods when there is something new to say.
    fn tell_members(
        &mut self,
        key: &Arc<GroupKey>,
        leader: &Arc<PodInfo>,
        result: Result_,
        record: &GangRecord,
        want: &Want,
        effects: &mut Vec<Effect>,
    ) {
        let reason = if result == Result_::Error { "SchedulerError" } else { "Unschedulable" };
        let note = format!("gang {key}: {}", record.message);
        let (pod, warning) = (leader.clone(), true);
        effects.push(Effect::RecordEvent { pod, reason: "FailedScheduling", warning, note: note.clone() });
        self.tell_group(key, "FailedScheduling", true, record.message.clone(), effects);
        let Some(group) = self.gangs.get_mut(key) else { return };
        let is_new = group.told.as_str() != note;
        group.told = Str::from(note.as_str());
        for pod in want.members.iter().filter(|pod| is_new || pod.unplaced.is_none()) {
            let condition = Some((reason, note.clone()));
            effects.push(Effect::PatchStatus { pod: pod.clone(), condition, nominated_node_name: None });
        }
    }

    pub(super) fn tell_group(
        &self,
        key: &GroupKey,
        reason: &'static str,
        warning: bool,
        note: String,
        effects: &mut Vec<Effect>,
    ) {
        let Some(found) = self.gangs.get(key) else { return };
        if let (Some(group), Some(member)) = (found.object.clone(), found.members.values().next()) {
            let scheduler_name = member.pod.scheduler_name.clone();
            effects.push(Effect::RecordGroupEvent { group, scheduler_name, reason, warning, note });
        }
    }

    /// How many pods are on their way out of nodes that members are nominated to. Nodes that members may no longer come to do not
    /// count: what leaves them, if it ever does, is of no use.
    fn leaving_for(&self, want: &Want, priority: i32) -> usize {
        let nominator = self.engine.nominator();
        let is_open = |pod: &PodInfo, node: &NodeSpec| !node.unschedulable && node.is_tolerated(&pod.tolerations);
        let nominated = want.members.iter().filter_map(|pod| Some((pod, nominator.node_for(pod)?)));
        let infos = nominated.filter_map(|(pod, node)| Some((pod, self.engine.cluster().node(node)?)));
        let mut infos: Vec<_> = infos.filter(|(pod, info)| is_open(pod, &info.spec)).map(|(_, info)| info).collect();
        infos.sort_unstable_by(|a, b| a.spec.name.cmp(&b.spec.name));
        infos.dedup_by(|a, b| a.spec.name == b.spec.name);
        let leaves = |pod: &&Arc<PodInfo>| pod.priority < priority && pod.is_terminating() && pod.preempted;
        infos.into_iter().map(|info| info.pods.iter().filter(leaves).count()).sum()
    }

    fn preempt_for_gang(
        &mut self,
        key: &Arc<GroupKey>,
        want: &Want,
        priority: i32,
        settings: &GangSettings,
        record: &mut GangRecord,
        effects: &mut Vec<Effect>,
    ) {
        let found = self.engine.gang_victims(want, priority, &self.gangs, key, &*settings.preemption);
        let Some(found) = found else { return };
        let mut by_node: BTreeMap<Str, Vec<Arc<PodInfo>>> = BTreeMap::new();
        for (victim, node) in found.victims {
            by_node.entry(node).or_default().push(victim);
        }
        let count: usize = by_node.values().map(Vec::len).sum();
        record.state = GangState::Preempting;
        record.message += &["; ", &count.to_string(), " pods are asked to make room for it"].concat();
        for (pod, node) in &found.nominated {
            self.lower_give_way(node, priority, effects);
            self.engine.nominate(pod.clone(), node.clone());
            let nominated_node_name = Some(Some(node.clone()));
            effects.push(Effect::PatchStatus { pod: pod.clone(), condition: None, nominated_node_name });
        }
        let uid = self.gangs.get(key).and_then(|group| group.object.as_ref()).map(|object| object.uid.clone());
        let gang = uid.filter(|uid| !uid.is_empty()).unwrap_or_else(|| key.to_string().into());
        for (node, victims) in by_node {
            let on_node = found.nominated.iter().find(|(_, nominated)| *nominated == node);
            if let Some((preemptor, _)) = on_node.or(found.nominated.first()) {
                let (preemptor, gang) = (preemptor.clone(), Some(gang.clone()));
                effects.push(Effect::DeleteVictims { preemptor, gang, node, victims });
            }
        }
    }

    /// A gang that is not to be tried holds nothing that victims leave.
    fn end_promises(&mut self, key: &GroupKey, now: Time) {
        let nominator = self.engine.nominator();
        // There are fewer of these than a large gang has members.
        let nominated = nominator.nodes().flat_map(|node| nominator.pods_on(node));
        let of_gang = nominated.filter(|pod| self.gangs.of(&pod.uid).is_some_and(|of| **of == *key));
        let mut members: Vec<Arc<PodInfo>> = of_gang.cloned().collect();
        members.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        for pod in members {
            if self.end_promise(&pod.uid, now) {
                let nominated_node_name = Some(None);
                self.deferred.push(Effect::PatchStatus { pod, condition: None, nominated_node_name });
            }
        }
    }

    /// Ends a nomination, and wakes those who may want the room. Whether there was one.
    pub(super) fn end_promise(&mut self, uid: &str, now: Time) -> bool {
        let Some((pod, node)) = self.engine.end_nomination(uid) else { return false };
        // Hints ask whether the pod took up a node at all.
        let placed = PodInfo { node_name: Some(node), ..PodInfo::clone(&pod) };
        let object = EventObject::Pod { old: Some(&placed), new: None };
        let event = ClusterEvent::new(Resource::AssignedPod, Action::DELETE);
        self.queue.move_up_to_priority(pod.priority, event, &object, now);
        true
    }

    /// Room that was kept for members of a gang that does not fit there either.
    fn end_nominations(&mut self, want: &Want, effects: &mut Vec<Effect>) {
        if self.engine.nominator().max_priority().is_none() {
            return;
        }
        for pod in &want.members {
            if self.engine.end_nomination(&pod.uid).is_some() {
                let nominated_node_name = Some(None);
                effects.push(Effect::PatchStatus { pod: pod.clone(), condition: None, nominated_node_name });
            }
        }
    }
}

fn may_preempt(profile: &Profile, want: &Want) -> bool {
    profile.post_filter.iter().any(|plugin| profile.name(*plugin) == PREEMPTION)
        && want.members.iter().all(|pod| pod.preemption_policy != PreemptionPolicy::Never)
}
