//! The way of a pod from the decision to its confirmation: Reserve, Permit, PreBind, Bind, PostBind.

use std::sync::Arc;

use loadline_framework::record::Outcome;
use loadline_framework::{Action, ClusterEvent, Code, EventObject, PreBindStep, Profile, Resource, Status};
use loadline_model::{PodInfo, Str, Time};

use super::plans::Bond;
use super::{Scheduler, report_failure};
use crate::cycle::guarded;
use crate::effect::Effect;
use crate::extended::Binder;
use crate::happened::Ended;
use crate::queue::{QueuedPod, Rejectors};

/// A placed pod on its way to its node.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(super) queued: QueuedPod,
    pub(super) node: Str,
    pub(super) profile: Arc<Profile>,
    pub(super) stage: Stage,
    /// What it has with the others of its gang.
    pub(super) gang: Option<Bond>,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// In the cycle that decided: nobody has met the room as taken yet.
    Reserve,
    /// Permit plugins wait, until a time by which the pod is turned down.
    Permit { until: Vec<(&'static str, Time)> },
    /// PreBind plugins that are not done yet, by index; and when the first must be asked again.
    PreBind { left: Vec<usize>, at: Time },
    /// Nothing is left to do before Bind; the others of its gang are not as far.
    Ready,
    /// Bind failed for a member of a gang, and is tried again at this time.
    Again { at: Time },
    /// The Bind effect is out; and the node where the pod was seen meanwhile.
    Bind { binder: Binder, seen_on: Option<Str> },
}

impl Scheduler {
    pub(super) fn commit(&mut self, queued: QueuedPod, node: &Str, now: Time, effects: &mut Vec<Effect>) {
        let pod = queued.pod.clone();
        let Some(profile) = self.engine.profiles().get(&pod.scheduler_name).cloned() else {
            return;
        };
        self.engine.assume(&pod, node);
        let binding = Binding { queued, node: node.clone(), profile, stage: Stage::Reserve, gang: None };
        if self.reserve_and_permit(binding, now, effects) {
            self.advance(&pod.uid, now, effects);
        }
    }

    /// Runs Reserve and Permit for a placed pod. Whether it goes on.
    pub(super) fn reserve_and_permit(&mut self, mut binding: Binding, now: Time, effects: &mut Vec<Effect>) -> bool {
        let (pod, node, profile) = (binding.queued.pod.clone(), binding.node.clone(), binding.profile.clone());
        for plugin in &profile.reserve {
            let Some(part) = &profile.plugins[*plugin].plugin.reserve else {
                continue;
            };
            let status = guarded(|| part.reserve(&pod, &node)).unwrap_or_else(Status::error);
            if !status.is_success() {
                let text = format!("running Reserve plugin \"{}\": {}", profile.name(*plugin), status.message());
                self.turned_down(&binding, profile.name(*plugin), &status, text, now, effects);
                return false;
            }
        }
        let mut until = Vec::new();
        for plugin in &profile.permit {
            let Some(part) = &profile.plugins[*plugin].plugin.permit else {
                continue;
            };
            let permitted = guarded(|| part.permit(&pod, &node));
            let (status, wait) = permitted.unwrap_or_else(|panic| (Status::error(panic), 0));
            match status.code {
                Code::Success => {}
                Code::Wait => {
                    /// No pod waits longer, whatever a plugin says: 15 minutes.
                    const LONGEST: Time = 900_000_000_000;
                    until.push((profile.name(*plugin), now.saturating_add(wait.min(LONGEST))));
                }
                _ => {
                    let text = format!("running Permit plugin \"{}\": {}", profile.name(*plugin), status.message());
                    self.turned_down(&binding, profile.name(*plugin), &status, text, now, effects);
                    return false;
                }
            }
        }
        binding.stage = Stage::Permit { until };
        self.bindings.insert(pod.uid.clone(), binding);
        true
    }

    /// Lets a pod that waits at Permit pass one plugin.
    pub fn allow(&mut self, uid: &str, plugin: &str, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(Binding { stage: Stage::Permit { until }, .. }) = self.bindings.get_mut(uid) {
            until.retain(|(name, _)| *name != plugin);
            self.advance(uid, now, &mut effects);
        }
        effects
    }

    /// Lets a pod that Permit or PreBind has go on, as far as it may.
    pub(super) fn advance(&mut self, uid: &str, now: Time, effects: &mut Vec<Effect>) {
        let Some(mut binding) = self.bindings.remove(uid) else {
            return;
        };
        if let Stage::Permit { until } = &binding.stage {
            if let Some((plugin, _)) = until.iter().find(|(_, at)| *at <= now).copied() {
                let text = format!("rejected due to timeout after waiting at plugin {plugin}");
                self.turned_down(&binding, plugin, &Status::unschedulable(text.clone()), text, now, effects);
                return;
            }
            if until.is_empty() {
                self.queue.done(uid);
                binding.stage = Stage::PreBind { left: binding.profile.pre_bind.clone(), at: now };
            }
        }
        if let Stage::PreBind { left, at } = &mut binding.stage {
            let mut waiting = Vec::new();
            *at = Time::MAX;
            for plugin in std::mem::take(left) {
                let Some(part) = &binding.profile.plugins[plugin].plugin.pre_bind else {
                    continue;
                };
                let step = guarded(|| part.pre_bind(&binding.queued.pod, &binding.node, now));
                match step.unwrap_or_else(|panic| PreBindStep::Fail(Status::error(panic))) {
                    PreBindStep::Done => {}
                    PreBindStep::WaitUntil(until, _) if until > now => {
                        waiting.push(plugin);
                        *at = until.min(*at);
                    }
                    PreBindStep::WaitUntil(_, status) | PreBindStep::Fail(status) => {
                        let name = binding.profile.name(plugin);
                        let text = format!("running PreBind plugin \"{name}\": {}", status.message());
                        self.turned_down(&binding, name, &status, text, now, effects);
                        return;
                    }
                }
            }
            *left = waiting;
            if left.is_empty()
                && let Some(key) = binding.gang.as_ref().map(|bond| bond.key.clone())
                && self.plans.contains_key(&key)
            {
                self.member_ready(binding, &key, now, effects);
                return;
            }
            if left.is_empty() {
                let extenders = &self.engine.profiles().extenders;
                let binder = Binder::first(extenders, &binding.profile, &binding.queued.pod, &binding.node);
                self.bind(binding, binder, now, effects);
                return;
            }
        }
        if let Stage::Again { at } = binding.stage
            && at <= now
        {
            if self.engine.cluster().node(&binding.node).is_none() {
                let text = format!("node {} is gone", binding.node);
                self.turned_down(&binding, "", &Status::error(text.clone()), text, now, effects);
                return;
            }
            let extenders = &self.engine.profiles().extenders;
            let binder = Binder::first(extenders, &binding.profile, &binding.queued.pod, &binding.node);
            self.bind(binding, binder, now, effects);
            return;
        }
        if !matches!(binding.stage, Stage::Ready | Stage::Bind { .. }) {
            self.waiting.insert(uid.into());
        }
        self.bindings.insert(uid.into(), binding);
    }

    pub(super) fn bind(&mut self, mut binding: Binding, binder: Option<Binder>, now: Time, effects: &mut Vec<Effect>) {
        let (pod, node) = (binding.queued.pod.clone(), binding.node.clone());
        let Some(binder) = binder else {
            let text = "no Bind plugin takes the pod".to_owned();
            self.turned_down(&binding, "", &Status::error(text.clone()), text, now, effects);
            return;
        };
        effects.push(Effect::Bind { pod: pod.clone(), node, extender: binder.extender().cloned() });
        binding.stage = Stage::Bind { binder, seen_on: None };
        self.bindings.insert(pod.uid.clone(), binding);
    }

    /// The answer to [`Effect::Bind`]: bound, or why not. What was bound stays assumed until its event comes. An answer that
    /// says no is overruled by a pod that was seen on the node.
    pub fn bound(&mut self, uid: &str, result: Result<(), String>, now: Time) -> Vec<Effect> {
        self.happened.clear();
        let mut effects = std::mem::take(&mut self.deferred);
        let Some(Binding { stage: Stage::Bind { binder, seen_on }, .. }) = self.bindings.get(uid) else {
            return effects;
        };
        let (binder, seen_on) = (binder.clone(), seen_on.clone());
        let Some(mut binding) = self.bindings.remove(uid) else {
            return effects;
        };
        let passed_over = binder.extender().is_some_and(|extender| extender.is_ignorable());
        if result.is_err() && seen_on.is_none() && passed_over {
            let plugin = Binder::plugin(&binding.profile, &binding.queued.pod, &binding.node);
            self.bind(binding, plugin, now, &mut effects);
            return effects;
        }
        match result {
            Err(_) if seen_on.as_ref().is_some_and(|seen_on| *seen_on != binding.node) => binding.unreserve(),
            Err(error) if seen_on.is_none() && self.bind_again(&mut binding, &error, now, &mut effects) => {
                self.bindings.insert(uid.into(), binding);
            }
            Err(error) if seen_on.is_none() => {
                let text = binder.failure(&binding.profile, &error);
                self.turned_down(&binding, "", &Status::error(error), text, now, &mut effects);
            }
            _ => {
                let Binding { queued, node, profile, .. } = binding;
                self.happened.ended.push(Ended::new(&queued, Outcome::Feasible));
                let pod = queued.pod;
                for plugin in &profile.post_bind {
                    if let Some(part) = &profile.plugins[*plugin].plugin.post_bind {
                        // The pod is bound whatever it does, and the panic itself was told of.
                        let _ = guarded(|| part.post_bind(&pod, &node));
                    }
                }
                let note = format!("Successfully assigned {} to {node}", pod.full_name());
                effects.push(Effect::RecordEvent { pod, reason: "Scheduled", warning: false, note });
            }
        }
        self.settle_gangs(now);
        effects.append(&mut self.deferred);
        effects
    }

    /// Takes back what a pod holds that will not be bound; pods that may fit now are woken.
    pub(super) fn give_back(&mut self, binding: &Binding, now: Time) {
        binding.unreserve();
        let Binding { queued, node, stage, .. } = binding;
        if self.engine.forget(&queued.pod.uid) && !matches!(stage, Stage::Reserve) {
            self.room_is_free(&queued.pod, node, now);
        }
    }

    /// Wakes the others that may fit where an assumed pod is no more.
    pub(super) fn room_is_free(&mut self, pod: &PodInfo, node: &Str, now: Time) {
        // Hints ask whether the pod took up a node at all.
        let placed = PodInfo { node_name: Some(node.clone()), ..pod.clone() };
        let object = EventObject::Pod { old: Some(&placed), new: None };
        let event = ClusterEvent::new(Resource::AssignedPod, Action::DELETE);
        self.queue.move_others_for_event(&pod.uid, event, &object, now);
    }

    /// A pod that failed after a node was found for it.
    pub(super) fn turned_down(
        &mut self,
        binding: &Binding,
        plugin: &'static str,
        status: &Status,
        text: String,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if self.plan_fails(binding, plugin, status, &text, now, effects) {
            return;
        }
        let mut queued = binding.queued.clone();
        let mut rejectors = Rejectors::default();
        match status.code {
            Code::Pending => rejectors.pending.push(plugin),
            Code::Unschedulable | Code::UnschedulableAndUnresolvable => rejectors.unschedulable.push(plugin),
            _ => {}
        }
        // It may have changed while it was on its way.
        if let Some(latest) = self.pending.get(&queued.pod.uid) {
            queued.pod = latest.clone();
        }
        let (outcome, reason) = if rejectors.is_empty() {
            (Outcome::Error, "SchedulerError")
        } else {
            (Outcome::Unschedulable, "Unschedulable")
        };
        self.happened.ended.push(Ended::new(&queued, outcome));
        let pod = queued.pod.clone();
        self.engine.end_nomination(&pod.uid);
        self.queue.requeue_after_failure(queued, rejectors, now);
        if binding.gang.is_some() {
            self.member_turned_down(&pod.uid);
        }
        // In flight it would hear of its own end, and be tried again for that.
        self.give_back(binding, now);
        report_failure(&pod, reason, text, Some(None), effects);
    }
}

impl Binding {
    /// Undoes Reserve, in reverse.
    pub(super) fn unreserve(&self) {
        let Self { profile, queued, node, .. } = self;
        for plugin in profile.reserve.iter().rev() {
            if let Some(part) = &profile.plugins[*plugin].plugin.reserve {
                // The others must be undone whatever one does.
                let _ = guarded(|| part.unreserve(&queued.pod, node));
            }
        }
    }
}
