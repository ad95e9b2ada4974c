//! The reservation of the first gang in line, and its end.

use std::sync::Arc;

use loadline_framework::GangSettings;
use loadline_framework::record::GangRecord;
use loadline_model::{GroupKey, PodInfo, Time};

use super::Scheduler;
use crate::gang::{KeptRoom, Want};

impl Scheduler {
    pub(super) fn has_room_kept(&self, key: &GroupKey) -> bool {
        self.kept_room.as_ref().is_some_and(|kept| *kept.key == *key)
    }

    /// Keeps room for a gang that failed, if it is the first in line and has waited for long enough.
    pub(super) fn keep_room(
        &mut self,
        key: &Arc<GroupKey>,
        want: &Want,
        priority: i32,
        settings: &GangSettings,
        record: &mut GangRecord,
        now: Time,
    ) {
        let Some((head, since)) = self.gangs.head() else { return };
        let due = since.saturating_add(settings.reserve_after).max(self.keep_from);
        let is_due = settings.reserve_after > 0 && due <= now;
        if self.kept_room.is_some() || head != key || !is_due || want.need == 0 {
            return;
        }
        let gangs = &self.gangs;
        let is_own = |pod: &PodInfo| gangs.of(&pod.uid).is_some_and(|of| of == key);
        // What is on its way may be bound at any moment.
        let found = self.engine.room_to_come(want, priority, since, &is_own);
        // Whoever has no room even so waits behind all others, for a while or until a node changes; who has had his turn behind
        // his equals.
        self.gangs.set_since(key, Some(now), if found.is_some() { priority } else { i32::MIN });
        let Some(nominated) = found else {
            self.passed_over.insert(key.clone(), (priority, now.saturating_add(settings.reserve_after)));
            record.message += "; it would not fit either if all pods of its priority and below were gone";
            return;
        };
        let until = now.saturating_add(settings.reserve_for);
        let pods = nominated.iter().map(|(pod, _)| pod.uid.clone()).collect();
        for (pod, node) in nominated {
            self.engine.nominate(pod, node);
        }
        record.message += "; room is kept for it until others are gone";
        self.kept_room = Some(KeptRoom { key: key.clone(), until, pods, pause: settings.reserve_after });
    }

    /// Puts gangs that were passed over until a time at most where they were in line.
    pub(super) fn reconsider_passed_over(&mut self, until: Time) {
        let due: Vec<_> =
            self.passed_over.iter().filter(|(_, (_, at))| *at <= until).map(|(key, _)| key.clone()).collect();
        for key in due {
            let Some((priority, _)) = self.passed_over.remove(&key) else { continue };
            // One that left the line meanwhile has come back by itself.
            if let Some((i32::MIN, since)) = self.gangs.get(&key).and_then(|group| group.in_line) {
                self.gangs.set_since(&key, Some(since), priority);
            }
        }
    }

    /// A gang needs its reservation no longer: its members have their nodes.
    pub(super) fn forget_room_of(&mut self, key: &GroupKey) {
        if self.has_room_kept(key)
            && let Some(kept) = self.kept_room.take()
        {
            for uid in &kept.pods {
                self.engine.end_nomination(uid);
            }
        }
    }

    /// The same while others may wait for the room.
    pub(super) fn end_room_of(&mut self, key: &GroupKey, now: Time) {
        if !self.has_room_kept(key) {
            return;
        }
        let Some(kept) = self.kept_room.take() else { return };
        for uid in &kept.pods {
            self.end_promise(uid, now);
        }
    }

    /// Ends a reservation whose time is up, and has the first in line tried whose time has come.
    pub(super) fn tick_room(&mut self, now: Time) {
        self.reconsider_passed_over(now);
        if let Some(kept) = self.kept_room.as_ref().filter(|kept| kept.until <= now) {
            let key = kept.key.clone();
            // Others have waited for the room; before the next gang keeps it from them, they have a turn.
            self.keep_from = now.saturating_add(kept.pause);
            self.end_room_of(&key, now);
        }
        if let Some((key, due)) = self.due_head().filter(|(_, due)| *due <= now)
            && let Some(uid) = self.gangs.get(&key).and_then(|group| group.leader.clone())
        {
            self.queue.activate(&uid, now);
            self.tried_for_room = Some((key, due));
        }
    }

    /// The first in line, and when room is to be kept for it.
    fn due_head(&self) -> Option<(Arc<GroupKey>, Time)> {
        if self.kept_room.is_some() {
            return None;
        }
        let (key, since) = self.gangs.head()?;
        let group = self.gangs.get(key)?;
        let leader = group.members.get(group.leader.as_ref()?)?;
        let settings = self.gang_settings(&leader.pod)?;
        let due = since.saturating_add(settings.reserve_after).max(self.keep_from);
        // Once for each: a try that ends otherwise, such as with victims that are asked to go, changes nothing here.
        let was_tried = self.tried_for_room.as_ref().is_some_and(|(of, at)| of == key && *at == due);
        (settings.reserve_after > 0 && !was_tried).then(|| (key.clone(), due))
    }

    pub(super) fn next_room_time(&self) -> Option<Time> {
        let room = self.kept_room.as_ref().map(|kept| kept.until).or_else(|| self.due_head().map(|(_, at)| at));
        room.into_iter().chain(self.passed_over.values().map(|(_, at)| *at)).min()
    }
}
