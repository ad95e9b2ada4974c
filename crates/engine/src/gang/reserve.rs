//! Room that is kept for the first gang in line: where it would fit once pods that run now are gone. Smaller pods flow past a gang that
//! does not fit; without this they might do so for ever.

use std::sync::Arc;

use loadline_model::{GroupKey, PodInfo, PodKey, Str, Time};

use super::Want;
use crate::Engine;

/// Kept for one gang at a time.
#[derive(Debug)]
pub(crate) struct KeptRoom {
    pub(crate) key: Arc<GroupKey>,
    pub(crate) until: Time,
    /// How long nothing is kept for anybody when it ends unused.
    pub(crate) pause: Time,
    /// Its members that are nominated.
    pub(crate) pods: Vec<PodKey>,
}

impl Engine {
    /// Where the members of a gang would go once others are gone: those alone that came after `since`, if that is enough, or else all
    /// that are not of higher priority. `None`: it has no room even so.
    pub(crate) fn room_to_come(
        &mut self,
        want: &Want,
        priority: i32,
        since: Time,
        is_own: &dyn Fn(&PodInfo) -> bool,
    ) -> Option<Vec<(Arc<PodInfo>, Str)>> {
        let mut others: Vec<(bool, PodKey)> = Vec::new();
        for cached in self.cluster.pods() {
            let pod = &cached.pod;
            let stays = pod.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet") || is_own(pod);
            if pod.priority <= priority && !stays {
                others.push((pod.started.is_none_or(|started| started < since), pod.uid.clone()));
            }
        }
        others.sort_unstable();
        let newer = others.partition_point(|(is_older, _)| !is_older);
        let mut transaction = self.begin(want.members.iter());
        let mut lifted = 0;
        let mut found = None;
        for end in [newer, others.len()] {
            if end == lifted && end > 0 {
                continue;
            }
            for (_, uid) in &others[lifted..end] {
                self.lift(&mut transaction, uid);
            }
            lifted = end;
            if let Ok(outcome) = self.plan(want, &mut transaction) {
                found = Some(outcome.placed.into_iter().map(|member| (member.pod, member.node)).collect());
                break;
            }
        }
        self.roll_back(transaction);
        found
    }
}
