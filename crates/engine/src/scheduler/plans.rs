//! What becomes of a gang's plan: nobody is bound before every member of it may be, and one that may not sends all of them back.

use std::sync::Arc;

use loadline_framework::record::{DecidedBy, GangRecord, GangState, Outcome as Result_};
use loadline_framework::{Code, Status};
use loadline_model::{GroupKey, PodKey, Str, Time};

use super::binding::{Binding, Stage};
use super::gangs::Tried;
use super::{Attempt, GangAttempt, Scheduler};
use crate::cycle::Cycle;
use crate::effect::Effect;
use crate::extended::Binder;
use crate::gang::{Group, Outcome, Stand};
use crate::happened::Ended;
use crate::queue::{QueuedPod, Rejectors};

/// First pause before a binding that failed is tried again, nanoseconds; it doubles.
const FIRST_PAUSE: Time = 1_000_000_000;
/// Longest such pause.
const LONGEST_PAUSE: Time = 10_000_000_000;

/// A plan on its way.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Members that are on their way, in order.
    pub(super) members: Vec<PodKey>,
    /// Without so many of them it is none.
    need: usize,
    /// Members that wait for nothing but the others.
    ready: usize,
    /// Until when all of them have to.
    pub(super) until: Time,
}

/// How the binding of a gang's member goes on when it fails.
#[derive(Clone, Debug)]
pub(super) struct Bond {
    pub(super) key: Arc<GroupKey>,
    /// Until when a binding that failed is tried again.
    pub(super) until: Time,
    /// The next pause before that.
    pub(super) pause: Time,
}

/// A member that a plan found a node for.
#[derive(Clone, Debug)]
pub struct PlacedMember {
    /// The pod.
    pub pod: Arc<loadline_model::PodInfo>,
    /// Its node.
    pub node: Str,
    /// What decided.
    pub decided_by: DecidedBy,
    /// Number of feasible nodes.
    pub feasible: usize,
    /// Attempts, this one included.
    pub attempts: u32,
}

impl Scheduler {
    /// Sends the members of a plan on their way. Their pods are assumed on their nodes.
    pub(super) fn commit_gang(
        &mut self,
        tried: Tried<'_>,
        outcome: Outcome,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Attempt {
        let Tried { leader, key, want, settings, .. } = tried;
        let (pod, number) = (leader.pod.clone(), leader.attempts);
        let timeout = self.gangs.get(key).and_then(|group| group.object.as_ref()?.timeout).filter(|time| *time > 0);
        let until = now.saturating_add(timeout.unwrap_or(settings.wait));
        let mut leader = Some(leader);
        let mut plan = Plan { members: Vec::new(), need: want.need, ready: 0, until };
        let mut placed = Vec::new();
        let mut first: Option<Cycle> = None;
        for member in outcome.placed {
            let queued = if leader.as_ref().is_some_and(|leader| leader.pod.uid == member.pod.uid) {
                self.queue.done(&member.pod.uid);
                leader.take().map(|mut leader| {
                    leader.gang = None;
                    leader
                })
            } else {
                self.queue.take_member(&member.pod.uid, now)
            };
            let profile = self.engine.profiles().get(&member.pod.scheduler_name).cloned();
            let (Some(queued), Some(profile)) = (queued, profile) else {
                self.engine.forget(&member.pod.uid);
                continue;
            };
            placed.push(PlacedMember {
                pod: member.pod.clone(),
                node: member.node.clone(),
                decided_by: member.cycle.decided_by.unwrap_or(DecidedBy::Score),
                feasible: member.cycle.feasible,
                attempts: queued.attempts,
            });
            if let Some(summary) = member.summary {
                self.engine.records.push(summary);
            }
            let bond = Bond { key: key.clone(), until, pause: FIRST_PAUSE };
            let binding = Binding { queued, node: member.node, profile, stage: Stage::Reserve, gang: Some(bond) };
            self.bindings.insert(member.pod.uid.clone(), binding);
            self.gangs.stand(&member.pod.uid, Stand::Underway);
            plan.members.push(member.pod.uid.clone());
            if first.is_none() || member.pod.uid == pod.uid {
                first = Some(member.cycle);
            }
        }
        if let Some(leader) = leader {
            self.queue.return_member(leader, now);
        }
        let uids = plan.members.clone();
        self.plans.insert(key.clone(), plan);
        if let Some(group) = self.gangs.get_mut(key) {
            group.before = None;
            group.failed_at = None;
            group.told = Str::default();
            group.last = None;
            group.is_in_error = false;
        }
        self.forget_room_of(key);
        self.touched.insert(key.clone());
        for uid in &uids {
            if self.plans.contains_key(key)
                && let Some(binding) = self.bindings.remove(uid)
            {
                self.reserve_and_permit(binding, now, effects);
            }
        }
        for uid in &uids {
            if self.plans.contains_key(key) {
                self.advance(uid, now, effects);
            }
        }
        let cycle = first.unwrap_or_else(|| Cycle::failed(&pod, 0, Result_::Error, String::new()));
        let mut record = self.gangs.get(key).map_or_else(|| Group::new(key.clone()).record(), Group::record);
        record.domain = outcome.domain.map(|(key, value)| format!("{key}={value}"));
        Attempt { cycle, number, gang: Some(Box::new(GangAttempt { key: key.clone(), placed, record })) }
    }

    /// A member waits for nothing but the others. The last of them has all bound.
    pub(super) fn member_ready(
        &mut self,
        mut binding: Binding,
        key: &Arc<GroupKey>,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        binding.stage = Stage::Ready;
        self.bindings.insert(binding.queued.pod.uid.clone(), binding);
        if let Some(plan) = self.plans.get_mut(key) {
            plan.ready += 1;
        }
        self.bind_if_whole(key, now, effects);
    }

    fn bind_if_whole(&mut self, key: &Arc<GroupKey>, now: Time, effects: &mut Vec<Effect>) {
        if self.plans.get(key).is_none_or(|plan| plan.ready < plan.members.len()) {
            return;
        }
        let Some(plan) = self.plans.remove(key) else { return };
        let note = format!("{} pods of the gang have their nodes", plan.members.len());
        self.tell_group(key, "Scheduled", false, note, effects);
        for uid in &plan.members {
            self.gangs.stand(uid, Stand::Placed);
        }
        self.touched.insert(key.clone());
        for uid in &plan.members {
            if let Some(binding) = self.bindings.remove(uid) {
                let extenders = &self.engine.profiles().extenders;
                let binder = Binder::first(extenders, &binding.profile, &binding.queued.pod, &binding.node);
                self.bind(binding, binder, now, effects);
            }
        }
    }

    /// One member can not be bound: nobody is, and the gang is tried again. Where the minimum is met without them, that one goes back
    /// alone: `false`.
    pub(super) fn plan_fails(
        &mut self,
        binding: &Binding,
        plugin: &'static str,
        status: &Status,
        text: &str,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(bond) = &binding.gang else { return false };
        let key = bond.key.clone();
        match self.plans.get_mut(&key) {
            Some(plan) if plan.need > 0 => {}
            Some(plan) => {
                plan.members.retain(|uid| *uid != binding.queued.pod.uid);
                if matches!(binding.stage, Stage::Ready) {
                    plan.ready -= 1;
                }
                self.stay_or_go(&key, now);
                return false;
            }
            None => return false,
        }
        let mut rejectors = Rejectors::default();
        match status.code {
            Code::Pending => rejectors.pending.push(plugin),
            Code::Unschedulable | Code::UnschedulableAndUnresolvable => rejectors.unschedulable.push(plugin),
            _ => {}
        }
        let text = format!("{}: {text}", binding.queued.pod.full_name());
        let uid = binding.queued.pod.uid.clone();
        self.bindings.insert(uid, Binding { stage: binding.stage.clone(), ..binding.clone() });
        self.undo_plan(&key, rejectors, &text, "FailedScheduling", now, effects);
        true
    }

    /// Takes a whole plan back. Nothing is held by it from here on.
    fn undo_plan(
        &mut self,
        key: &Arc<GroupKey>,
        rejectors: Rejectors,
        text: &str,
        reason: &'static str,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let Some(plan) = self.plans.remove(key) else { return };
        let mut history: Option<QueuedPod> = None;
        let mut freed = Vec::new();
        let outcome = if rejectors.is_empty() { Result_::Error } else { Result_::Unschedulable };
        for uid in plan.members.iter().rev() {
            let Some(binding) = self.bindings.remove(uid) else { continue };
            let was_seen = !matches!(binding.stage, Stage::Reserve);
            binding.unreserve();
            self.happened.ended.push(Ended::new(&binding.queued, outcome));
            let Binding { mut queued, node, .. } = binding;
            self.engine.forget(uid);
            self.engine.end_nomination(uid);
            if was_seen {
                freed.push((queued.pod.clone(), node));
            }
            if let Some(latest) = self.pending.get(uid) {
                queued.pod = latest.clone();
            }
            history = Some(queued.clone());
            self.gangs.stand(uid, Stand::Gated);
            self.queue.return_member(queued, now);
        }
        // Where they stand is known once the queue has said so; then one of them goes through the failure for all.
        for (uid, standing) in self.queue.take_moved_members() {
            let is_ready = standing == crate::queue::Standing::Ready;
            self.gangs.stand(&uid, if is_ready { Stand::Ready } else { Stand::Gated });
        }
        self.touched.insert(key.clone());
        let first = self.gangs.get(key).and_then(Group::first_ready);
        if let Some(mut leader) = first.and_then(|uid| self.queue.take_member(&uid, now)) {
            let note = format!("gang {key}: {text}");
            let pod = leader.pod.clone();
            if let Some(before) = &history {
                leader.attempts = before.attempts;
                leader.unschedulable_count = leader.unschedulable_count.max(before.unschedulable_count);
                leader.consecutive_errors = leader.consecutive_errors.max(before.consecutive_errors);
            }
            self.requeue_gang(leader, key, rejectors, None, Arc::new([]), now);
            effects.push(Effect::RecordEvent { pod: pod.clone(), reason, warning: true, note: note.clone() });
            let why = if outcome == Result_::Error { "SchedulerError" } else { "Unschedulable" };
            effects.push(Effect::PatchStatus { pod, condition: Some((why, note)), nominated_node_name: None });
        }
        if let Some(record) = self.gangs.get(key).map(Group::record) {
            let record = GangRecord { message: text.to_owned(), state: GangState::WaitsForRoom, ..record };
            if let Some(group) = self.gangs.get_mut(key) {
                group.last = Some(Arc::new(record));
                group.is_in_error = outcome == Result_::Error;
            }
            self.tell_group(key, reason, true, text.to_owned(), effects);
        }
        for (pod, node) in freed {
            self.room_is_free(&pod, &node, now);
        }
    }

    /// A member left a plan on its way: it is gone, or somebody else placed it. The others go on if they are enough without it.
    pub(super) fn left_plan(&mut self, binding: &Binding, is_placed: bool, now: Time) {
        let Some(bond) = &binding.gang else { return };
        let key = bond.key.clone();
        let Some(plan) = self.plans.get_mut(&key) else { return };
        plan.members.retain(|uid| *uid != binding.queued.pod.uid);
        if matches!(binding.stage, Stage::Ready) {
            plan.ready -= 1;
        }
        if is_placed {
            plan.need = plan.need.saturating_sub(1);
        }
        self.stay_or_go(&key, now);
    }

    /// Whether a plan that lost a member is one still.
    fn stay_or_go(&mut self, key: &Arc<GroupKey>, now: Time) {
        let Some(plan) = self.plans.get(key) else { return };
        let mut effects = std::mem::take(&mut self.deferred);
        if plan.members.is_empty() {
            self.plans.remove(key);
            self.touched.insert(key.clone());
        } else if plan.members.len() >= plan.need {
            self.bind_if_whole(key, now, &mut effects);
        } else {
            let text = "a member was deleted on its way, and the others are too few";
            let rejectors = Rejectors::by(vec![loadline_framework::COSCHEDULING]);
            self.undo_plan(key, rejectors, text, "FailedScheduling", now, &mut effects);
        }
        self.deferred = effects;
    }

    /// A binding of a member failed after all could be bound, which can not be taken back: it is tried again on the room that is held
    /// for it, for a while. `false`: no longer.
    pub(super) fn bind_again(
        &mut self,
        binding: &mut Binding,
        error: &str,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(bond) = &mut binding.gang else { return false };
        let pod = binding.queued.pod.clone();
        let at = now.saturating_add(bond.pause);
        if at >= bond.until {
            let key = bond.key.clone();
            let note = format!("{} could not be bound in time: {error}", pod.full_name());
            self.tell_group(&key, "BindFailed", true, note, effects);
            return false;
        }
        bond.pause = (2 * bond.pause).min(LONGEST_PAUSE);
        let note = format!("gang {}: binding failed and is tried again: {error}", bond.key);
        effects.push(Effect::RecordEvent { pod: pod.clone(), reason: "FailedScheduling", warning: true, note });
        binding.stage = Stage::Again { at };
        self.waiting.insert(pod.uid.clone());
        true
    }

    /// Another scheduler may have led meanwhile: what was decided before and is not on its way yet is decided anew.
    pub fn begin_term(&mut self, now: Time) -> Vec<Effect> {
        self.deferred.clear();
        self.happened.clear();
        let mut effects = Vec::new();
        let text = "another scheduler may have led since it was planned";
        let keys: Vec<Arc<GroupKey>> = self.plans.keys().cloned().collect();
        for key in keys {
            let rejectors = Rejectors::by(vec![loadline_framework::COSCHEDULING]);
            self.undo_plan(&key, rejectors, text, "FailedScheduling", now, &mut effects);
        }
        let is_again = |binding: &&Binding| matches!(binding.stage, Stage::Again { .. });
        let mut again: Vec<Str> = self.bindings.values().filter(is_again).map(|of| of.queued.pod.uid.clone()).collect();
        again.sort_unstable();
        for uid in again {
            if let Some(binding) = self.bindings.remove(&uid) {
                self.waiting.remove(&uid);
                let status = Status::error(text);
                self.turned_down(&binding, "", &status, text.to_owned(), now, &mut effects);
            }
        }
        for binding in self.bindings.values_mut() {
            if let Some(bond) = binding.gang.as_mut().filter(|_| matches!(binding.stage, Stage::Bind { .. })) {
                // If it fails, it was the last time.
                bond.until = now;
            }
        }
        self.settle_gangs(now);
        effects.append(&mut self.deferred);
        effects
    }

    /// While another scheduler leads: whatever would be done here is its to do.
    pub fn follow(&mut self) {
        self.report_no_gangs();
        self.deferred.clear();
        self.happened.clear();
    }

    /// A member went back alone, and waits for its gang again; its backoff is the gang's.
    pub(super) fn member_turned_down(&mut self, uid: &str) {
        self.gangs.stand(uid, Stand::Gated);
        let history = self.queue.get(uid).map(|(_, queued)| queued.clone());
        let Some(key) = self.gangs.of(uid).cloned() else { return };
        if let Some(group) = self.gangs.get_mut(&key) {
            group.before = history;
        }
        self.touched.insert(key);
    }

    /// Plans that took too long, and reservations that did.
    pub(super) fn tick_gangs(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let late: Vec<Arc<GroupKey>> =
            self.plans.iter().filter(|(_, plan)| plan.until <= now).map(|(key, _)| key.clone()).collect();
        for key in late {
            let text = "its pods were too long on their way to their nodes";
            let rejectors = Rejectors::by(vec![loadline_framework::COSCHEDULING]);
            self.undo_plan(&key, rejectors, text, "Timeout", now, effects);
        }
        self.tick_room(now);
        self.settle_gangs(now);
        effects.append(&mut self.deferred);
    }

    /// When a plan, a reservation or the first in line is due.
    pub(super) fn next_gang_time(&self) -> Option<Time> {
        let plans = self.plans.values().map(|plan| plan.until);
        plans.chain(self.next_room_time()).chain((!self.deferred.is_empty()).then_some(Time::MIN)).min()
    }
}
