//! Moves between the queues: by events, by time, by a change of configuration.

use std::sync::Arc;

use loadline_framework::{COSCHEDULING, ClusterEvent, EventObject, Profiles, Status};
use loadline_model::{PodInfo, Time};

use super::backoff::{is_backing_off, over_at};
use super::hints::{HintTable, Strategy, wildcard_strategy};
use super::slab::{Id, Place};
use super::{
    Cause, Gate, QueueName, SchedulingQueue, backoff_of, by_expiration, by_expiration_alone, by_priority, queue_sort,
};
use crate::cycle::guarded;
use crate::nominator::Nominator;

/// Pods that waited too long are collected at these moments, so that they come back together and in order of priority.
const LEFTOVER_PERIOD: Time = 30_000_000_000;

impl SchedulingQueue {
    /// Wakes the pods for which `event` may change something, and remembers it for those in flight. Returns how many
    /// became active or are now waiting for no more than their backoff.
    pub fn move_for_event(&mut self, event: ClusterEvent, object: &EventObject<'_>, now: Time) -> usize {
        self.move_if(event, object, |_| true, now)
    }

    /// The same for all pods but one, which is not in flight.
    pub fn move_others_for_event(
        &mut self,
        uid: &str,
        event: ClusterEvent,
        object: &EventObject<'_>,
        now: Time,
    ) -> usize {
        self.move_if(event, object, |pod| pod.uid != *uid, now)
    }

    /// The same for pods of at most this priority alone: what a nomination that ended left free is theirs.
    pub fn move_up_to_priority(
        &mut self,
        priority: i32,
        event: ClusterEvent,
        object: &EventObject<'_>,
        now: Time,
    ) -> usize {
        self.move_if(event, object, |pod| pod.priority <= priority, now)
    }

    fn move_if(
        &mut self,
        event: ClusterEvent,
        object: &EventObject<'_>,
        wanted: impl Fn(&PodInfo) -> bool,
        now: Time,
    ) -> usize {
        if self.unschedulable.is_empty() && self.in_flight.is_empty() {
            return 0;
        }
        let mut woken: Vec<(u64, Id, Strategy)> = Vec::new();
        if event == ClusterEvent::WILDCARD {
            for (_, id) in self.unschedulable.by_age() {
                let queued = &self.pods[id].queued;
                let strategy = wildcard_strategy(queued, object);
                if strategy != Strategy::Skip && wanted(&queued.pod) {
                    woken.push((queued.sequence, id, strategy));
                }
            }
        } else {
            let interest = self.hints.interest(event);
            if interest.is_empty() {
                return 0;
            }
            for plugin in &interest.plugins {
                for id in self.unschedulable.under(plugin) {
                    let entry = &self.pods[id];
                    let queued = &entry.queued;
                    // A pod stands under each plugin that turned it down, and is looked at under the first. A gated one
                    // stands under its gate alone.
                    let first = queued.rejectors.iter().find(|r| interest.plugins.contains(r));
                    if (queued.gate.is_none() && first != Some(plugin)) || !wanted(&queued.pod) {
                        continue;
                    }
                    let strategy = interest.strategy(queued, entry.profile, event, object);
                    if strategy != Strategy::Skip {
                        woken.push((queued.sequence, id, strategy));
                    }
                }
            }
        }
        self.in_flight.record(event, object);
        woken.sort_unstable_by_key(|(sequence, ..)| *sequence);
        let mut moved = 0;
        for (_, id, strategy) in woken {
            let queue = self.place(id, strategy, Cause::Event(event), now);
            moved += usize::from(matches!(queue, QueueName::Active | QueueName::Backoff));
        }
        moved
    }

    /// Makes pods active whose backoff is over, and gives pods another try that waited too long for an event. Returns how
    /// many moved. To be called when [`SchedulingQueue::next_wakeup`] says, and does no harm at any other time.
    pub fn flush(&mut self, now: Time) -> usize {
        let mut moved = 0;
        while let Some(id) = self.backing_off.peek().filter(|id| self.is_over(*id, now)) {
            self.make_active(id, Cause::BackoffComplete, false, now);
            moved += 1;
        }
        while let Some(id) = self.backing_off_in_full.peek().filter(|id| self.is_over(*id, now)) {
            self.make_active(id, Cause::BackoffComplete, false, now);
            moved += 1;
        }
        let leftovers: Vec<Id> = self
            .unschedulable
            .by_age()
            .take_while(|(timestamp, _)| self.leftover_at(*timestamp) <= now)
            .map(|(_, id)| id)
            .collect();
        if !leftovers.is_empty() {
            self.in_flight.record(ClusterEvent::WILDCARD, &EventObject::Other);
        }
        for id in leftovers {
            self.place(id, Strategy::AfterBackoff, Cause::UnschedulableTimeout, now);
            moved += 1;
        }
        moved
    }

    /// When [`SchedulingQueue::pop`] will next give a pod, or after a [`SchedulingQueue::flush`] will: `now` when it does at
    /// once, `None` when only an event can change anything.
    pub fn next_wakeup(&self, now: Time) -> Option<Time> {
        if !self.active.is_empty() || !self.backing_off.is_empty() {
            return Some(now);
        }
        let full = self.backing_off_in_full.peek();
        let full = full.map(|id| self.pods[id].queued.backoff_expiration.map_or(now, over_at));
        let leftover = self.unschedulable.by_age().next();
        let leftover = leftover.map(|(timestamp, _)| self.leftover_at(timestamp));
        full.into_iter().chain(leftover).min().map(|at| at.max(now))
    }

    /// Puts other profiles in force: gates, hints, order and backoff are those of the new ones from now on, and every pod
    /// that waited for an event is tried again. Returns the pods that no profile schedules any more; they have left.
    pub fn set_profiles(&mut self, profiles: &Profiles, nominator: &mut Nominator, now: Time) -> Vec<Arc<PodInfo>> {
        let all = self.pods.in_order();
        let places: Vec<Place> = all.iter().map(|id| self.pods[*id].place).collect();
        for id in &all {
            self.detach(*id);
        }
        self.profiles.clone_from(&profiles.profiles);
        self.sort = queue_sort(profiles);
        self.hints = HintTable::new(&profiles.profiles);
        self.backoff = backoff_of(profiles);
        self.in_flight.record(ClusterEvent::WILDCARD, &EventObject::Other);

        let mut left = Vec::new();
        for (id, place) in all.into_iter().zip(places) {
            let Some(profile) = self.profile_of(&self.pods[id].queued.pod) else {
                let pod = self.pods.remove(id).queued.pod;
                nominator.take(&pod.uid);
                self.held.remove(&pod.uid);
                self.members.remove(&pod.uid);
                left.push(pod);
                continue;
            };
            self.pods[id].profile = profile;
            self.pods[id].queued.backoff_expiration = self.backoff.expiration(&self.pods[id].queued);
            let strategy = match place {
                Place::Active => Strategy::Immediately,
                _ => Strategy::AfterBackoff,
            };
            self.place(id, strategy, Cause::ForceActivate, now);
        }
        left
    }

    /// Puts a pod where the strategy says, PreEnqueue permitting.
    pub(super) fn place(&mut self, id: Id, strategy: Strategy, cause: Cause, now: Time) -> QueueName {
        match strategy {
            Strategy::Skip => self.put_in_unschedulable(id, cause),
            Strategy::AfterBackoff if !self.is_over(id, now) => self.put_in_backoff(id, cause),
            Strategy::AfterBackoff | Strategy::Immediately => self.make_active(id, cause, true, now),
        }
    }

    /// Makes a pod active. Pods that come from backoff passed PreEnqueue when they entered it.
    pub(super) fn make_active(&mut self, id: Id, cause: Cause, pre_enqueue: bool, now: Time) -> QueueName {
        self.detach(id);
        if pre_enqueue && self.is_gated(id) {
            return self.put_in_unschedulable(id, cause);
        }
        let entry = &mut self.pods[id];
        entry.place = Place::Active;
        entry.queued.initial_attempt.get_or_insert(now);
        self.active.push(id, &by_priority(&self.pods, &*self.sort));
        self.count_incoming(QueueName::Active, cause);
        QueueName::Active
    }

    fn put_in_backoff(&mut self, id: Id, cause: Cause) -> QueueName {
        self.detach(id);
        if self.is_gated(id) {
            return self.put_in_unschedulable(id, cause);
        }
        let queued = &self.pods[id].queued;
        let pauses = queued.gang.as_ref().is_some_and(|head| head.pause.is_some());
        if pauses || queued.rejectors.is_empty() {
            self.pods[id].place = Place::FullBackoff;
            self.backing_off_in_full.push(id, &by_expiration_alone(&self.pods));
        } else {
            self.pods[id].place = Place::Backoff;
            self.backing_off.push(id, &by_expiration(&self.pods, &*self.sort));
        }
        self.count_incoming(QueueName::Backoff, cause);
        QueueName::Backoff
    }

    fn put_in_unschedulable(&mut self, id: Id, cause: Cause) -> QueueName {
        self.detach(id);
        self.pods[id].place = Place::Unschedulable;
        self.unschedulable.insert(id, &self.pods[id].queued);
        self.count_incoming(QueueName::Unschedulable, cause);
        self.queue_of(id)
    }

    /// Takes a pod out of whatever holds it.
    pub(super) fn detach(&mut self, id: Id) {
        match self.pods[id].place {
            Place::Nowhere => {}
            Place::Active => {
                self.active.remove(id, &by_priority(&self.pods, &*self.sort));
            }
            Place::Backoff => {
                self.backing_off.remove(id, &by_expiration(&self.pods, &*self.sort));
            }
            Place::FullBackoff => {
                self.backing_off_in_full.remove(id, &by_expiration_alone(&self.pods));
            }
            Place::Unschedulable => self.unschedulable.remove(id, &self.pods[id].queued),
        }
        self.pods[id].place = Place::Nowhere;
    }

    /// Runs PreEnqueue on a pod that is nowhere, and notes the gate.
    fn is_gated(&mut self, id: Id) -> bool {
        let gate = self.gate(id);
        self.members.note(&self.pods[id].queued, gate.as_ref());
        let queued = &mut self.pods[id].queued;
        if let Some(gate) = &gate
            && gate.plugin != COSCHEDULING
            && !queued.rejectors.contains(gate.plugin)
        {
            queued.rejectors.unschedulable.push(gate.plugin);
        }
        queued.gate = gate;
        queued.gate.is_some()
    }

    /// The first PreEnqueue plugin that turns the pod down. The one that gated it before is asked first: most likely it
    /// still does.
    fn gate(&self, id: Id) -> Option<Gate> {
        let entry = &self.pods[id];
        let pod = &entry.queued.pod;
        let profile = &self.profiles[entry.profile];
        let held = self.held.get(&pod.uid);
        let before = entry.queued.gate.as_ref().map(|gate| gate.plugin);
        let ask = |index: usize| {
            let name = profile.name(index);
            if let Some(gate) = held.filter(|gate| gate.plugin == name) {
                return Some(gate.clone());
            }
            let part = profile.plugins[index].plugin.pre_enqueue.as_ref()?;
            let status = guarded(|| part.pre_enqueue(pod)).unwrap_or_else(Status::error);
            (!status.is_success()).then(|| Gate { plugin: name, message: status.message() })
        };
        if let Some(before) = before {
            let index = profile.pre_enqueue.iter().find(|index| profile.name(**index) == before);
            if let Some(gate) = index.and_then(|index| ask(*index)) {
                return Some(gate);
            }
        }
        let others = profile.pre_enqueue.iter().copied();
        let mut others = others.filter(|index| Some(profile.name(*index)) != before);
        others.find_map(ask).or_else(|| self.members.gate(&entry.queued))
    }

    fn is_over(&self, id: Id, now: Time) -> bool {
        !is_backing_off(self.pods[id].queued.backoff_expiration, now)
    }

    /// When a pod that waits since `timestamp` has waited too long: at the next of the moments after its time is up.
    pub(super) fn leftover_at(&self, timestamp: Time) -> Time {
        let up = timestamp.saturating_add(self.max_in_unschedulable);
        up.saturating_sub(up.rem_euclid(LEFTOVER_PERIOD)).saturating_add(LEFTOVER_PERIOD)
    }

    pub(super) fn count_incoming(&mut self, queue: QueueName, cause: Cause) {
        *self.incoming.entry((queue, cause)).or_default() += 1;
    }
}
