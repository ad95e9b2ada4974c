//! What the scheduling thread is asked: between two pods, so each question is quick.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::{Engine, ReservationState, Scheduler};
use loadline_model::{PodInfo, Set, Str, Time};
use loadline_rescheduler::controller::{Failure, Replacement, Room, Sighting, Task, achieved};
use loadline_rescheduler::{Ledger, MAINTENANCE};

use super::object::{Spec, are_siblings, stand_in};

/// What is looked for of a move.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) task: Task,
    pub(super) stand_in: Arc<PodInfo>,
    /// When its object was created, by the API server's clock.
    pub(super) created: Time,
    /// Its pod goes.
    pub(super) is_evicted: bool,
}

/// Whether a node is marked for maintenance.
pub(super) fn is_marked(engine: &Engine, node: &str) -> bool {
    let label = engine.cluster().node(node).and_then(|info| info.spec.labels.get(MAINTENANCE));
    label.is_some_and(|value| *value == *"true")
}

/// The pod that stands for one that is to come: like the pod itself if it is known, else like one of its siblings, else what the
/// spec tells.
pub(super) fn known_stand_in(scheduler: &Scheduler, spec: &Spec, namespace: &str) -> PodInfo {
    let told = spec.stand_in(namespace);
    let cluster = scheduler.engine().cluster();
    if let Some(known) = cluster.pod(&spec.pod.uid) {
        return stand_in(&known.pod, &spec.pod.uid);
    }
    let placed = cluster.pods().map(|known| &known.pod);
    let sibling = placed.chain(scheduler.pending()).find(|pod| are_siblings(pod, &told));
    sibling.map_or(told, |sibling| stand_in(sibling, &spec.pod.uid))
}

/// What is seen of moves. `taken`: pods that took the place of others, whose moves are over.
pub(super) fn sightings(
    scheduler: &mut Scheduler,
    watched: &[Watched],
    mut taken: Set<Str>,
) -> BTreeMap<Str, Sighting> {
    let mut seen = BTreeMap::new();
    for of in watched {
        let (room, replacement) = match scheduler.reservation(&of.task.key) {
            None => (Room::None, None),
            Some(ReservationState::Open) => (Room::Open, None),
            Some(ReservationState::Lost) => (Room::Lost, None),
            Some(ReservationState::Used(uid)) => {
                let uid = uid.clone();
                taken.insert(uid.clone());
                (Room::Used, replacement(scheduler, &uid, &of.task))
            }
        };
        seen.insert(of.task.key.clone(), Sighting { room, replacement });
    }
    // The room was taken by somebody else, or was not held when it came: the pods that were made since the move began.
    for of in watched.iter().filter(|of| of.is_evicted) {
        let Some(sighting) = seen.get_mut(&of.task.key) else { continue };
        if sighting.room == Room::Used || sighting.replacement.is_some() {
            continue;
        }
        let is_it = |pod: &&Arc<PodInfo>| {
            are_siblings(pod, &of.stand_in)
                && pod.uid != of.task.uid
                && pod.created.is_some_and(|created| created >= of.created)
                && !pod.is_terminating()
                && !taken.contains(&pod.uid)
        };
        let cluster = scheduler.engine().cluster();
        let placed = cluster.pods().map(|known| &known.pod).filter(is_it);
        let Some(uid) = placed.min_by_key(|pod| (pod.created, pod.uid.clone())).map(|pod| pod.uid.clone()) else {
            continue;
        };
        taken.insert(uid.clone());
        sighting.replacement = replacement(scheduler, &uid, &of.task);
    }
    seen
}

fn replacement(scheduler: &mut Scheduler, uid: &Str, task: &Task) -> Option<Replacement> {
    let Some(known) = scheduler.engine().cluster().pod(uid).cloned() else {
        let waits = scheduler.pending().find(|pod| pod.uid == *uid)?;
        let (name, uid) = (waits.name.clone(), uid.clone());
        return Some(Replacement { name, uid, node: None, is_running: false, gain: 0.0 });
    };
    let is_running = !known.assumed && known.pod.running_since.is_some() && !known.pod.is_terminating();
    let gain = if is_running {
        // Only at the end of a move: all nodes are added up for it.
        let ledger = Ledger::new(scheduler.engine_mut());
        achieved(&ledger, &task.strategy, &known.pod, &task.from, &known.node)
    } else {
        0.0
    };
    Some(Replacement { name: known.pod.name.clone(), uid: uid.clone(), node: Some(known.node), is_running, gain })
}

/// Whether anything that the scheduler knows stands against an eviction. Otherwise the cluster as it is, for a look at whether the
/// room is still there.
pub(super) fn stands_against(scheduler: &Scheduler, task: &Task) -> Result<Engine, Failure> {
    let cluster = scheduler.engine().cluster();
    let known = cluster.pod(&task.uid).ok_or(Failure::PodGone)?;
    if known.pod.is_terminating() {
        return Err(Failure::PodGone);
    }
    if known.node != task.from {
        return Err(Failure::PodChanged);
    }
    if !matches!(scheduler.reservation(&task.key), Some(ReservationState::Open)) {
        return Err(Failure::RoomLost);
    }
    let target = cluster.node(&task.to).ok_or(Failure::TargetGone)?;
    if target.spec.unschedulable || is_marked(scheduler.engine(), &task.to) {
        return Err(Failure::TargetGone);
    }
    Ok(scheduler.engine().fork())
}

/// Whether the pod that will come fits the target, with the one that goes gone. A pod of higher priority may have come without asking.
pub(super) fn fits(mut fork: Engine, task: &Task, stand_in: &Arc<PodInfo>) -> bool {
    let others = fork.cluster().node_infos().map(|info| info.spec.name.clone()).filter(|name| *name != task.to);
    let others: Vec<Str> = others.collect();
    fork.remove_pod(&task.uid);
    fork.end_nomination(&stand_in.uid);
    fork.elsewhere(stand_in, &others).is_some_and(|node| node == task.to)
}

/// The cluster as it will be once what is under way has ended: with each moved pod on its target. Its replacement is counted where it
/// is, if it is anywhere.
pub(super) fn with_moves_made(scheduler: &Scheduler, watched: &[Watched]) -> Engine {
    let mut fork = scheduler.engine().fork();
    for of in watched {
        fork.remove_pod(&of.task.uid);
        fork.end_nomination(&of.stand_in.uid);
        if let Some(ReservationState::Used(uid)) = scheduler.reservation(&of.task.key) {
            if fork.cluster().pod(uid).is_some() {
                continue;
            }
            fork.end_nomination(uid);
        }
        if fork.cluster().node(&of.task.to).is_some() && of.task.is_replaced {
            fork.assume(&of.stand_in, &of.task.to);
        }
    }
    fork
}
