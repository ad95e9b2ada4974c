//! Room that is held for pods that are about to be moved: until the pod that takes a moved one's place is there, nobody else of equal or
//! lower priority may have it.
//!
//! A reservation counts as a nominated pod. The first new pod of the same owner and template becomes the one that is nominated; with
//! it the room goes the way of every nomination.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_model::{Map, PodInfo, PodKey, Str, Time};

use super::Scheduler;

/// Labels in which controllers write which template a pod is of.
const TEMPLATE_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// Room on a node for a pod that is still to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// Its name, unique.
    pub name: Str,
    /// The pod as it will come: without a node, with a uid that no other pod has.
    pub pod: Arc<PodInfo>,
    /// The node.
    pub node: Str,
    /// The pod that it is to take the place of is gone or going: one of its like that waits already may be the one.
    pub is_due: bool,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReservationState {
    /// The room is held.
    Open,
    /// The room is held for this pod, or it has had it.
    Used(PodKey),
    /// A pod of higher priority has taken the room by preemption.
    Lost,
}

/// Pods that are alike to their owner: the owner's uid, and what says which of its templates they are of.
type Template = (Str, Str);

fn template(pod: &PodInfo) -> Option<Template> {
    let owner = pod.owner.as_ref()?;
    let hash = TEMPLATE_LABELS.iter().find_map(|label| pod.labels.get(label)).cloned();
    Some((owner.uid.clone(), hash.unwrap_or_else(Str::empty)))
}

/// All reservations.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    held: BTreeMap<Str, (Reservation, ReservationState)>,
    /// Open ones.
    open: Map<Template, BTreeSet<Str>>,
    /// By the uid of the pod that stands for one.
    by_pod: Map<PodKey, Str>,
    /// By the pod that uses one.
    used_by: Map<PodKey, Str>,
}

impl Reservations {
    fn set_open(&mut self, name: &Str, is_open: bool) {
        let Some(template) = self.held.get(name).and_then(|(reservation, _)| template(&reservation.pod)) else {
            return;
        };
        let open = self.open.entry(template.clone()).or_default();
        if is_open {
            open.insert(name.clone());
        } else {
            open.remove(name);
        }
        if open.is_empty() {
            self.open.remove(&template);
        }
    }

    /// Whether a nominated pod stands for a reservation.
    pub(super) fn is_one(&self, uid: &str) -> bool {
        self.by_pod.contains_key(uid)
    }
}

impl Scheduler {
    /// Holds room. What is known of the reservation by this name, if anything, stays as it is.
    pub(super) fn reserve(&mut self, mut reservation: Reservation, now: Time) {
        let name = reservation.name.clone();
        if self.reservations.held.contains_key(&name) {
            return;
        }
        // As a pod that is nominated by its status: at its end, those that wait for room look for the node.
        Arc::make_mut(&mut reservation.pod).nominated_node_name = Some(reservation.node.clone());
        self.engine.nominate(reservation.pod.clone(), reservation.node.clone());
        self.reservations.by_pod.insert(reservation.pod.uid.clone(), name.clone());
        let is_due = reservation.is_due;
        let wanted = template(&reservation.pod);
        self.reservations.held.insert(name.clone(), (reservation, ReservationState::Open));
        self.reservations.set_open(&name, true);
        if is_due {
            let is_free = |pod: &&Arc<PodInfo>| {
                template(pod) == wanted
                    && !self.reservations.used_by.contains_key(&pod.uid)
                    && self.queue.get(&pod.uid).is_some()
            };
            let waiting =
                self.pending.values().filter(is_free).min_by_key(|pod| (pod.created, pod.uid.clone())).cloned();
            if let Some(pod) = waiting {
                self.claim(&pod);
                self.queue.activate(&pod.uid, now);
            }
        }
    }

    /// Holds the room no longer, unless a pod has been nominated in the place of the reservation: that stays.
    pub(super) fn end_reservation(&mut self, name: &str, now: Time) {
        let Some((name, _)) = self.reservations.held.get_key_value(name) else { return };
        let name = name.clone();
        self.reservations.set_open(&name, false);
        let Some((reservation, state)) = self.reservations.held.remove(&name) else { return };
        self.reservations.by_pod.remove(&reservation.pod.uid);
        if let ReservationState::Used(uid) = &state {
            self.reservations.used_by.remove(uid);
        }
        if let Some((pod, _)) = self.engine.end_nomination(&reservation.pod.uid) {
            self.room_was_held(&pod, now);
        }
    }

    /// What became of a reservation; `None` when there is none of that name.
    pub fn reservation(&self, name: &str) -> Option<&ReservationState> {
        self.reservations.held.get(name).map(|(_, state)| state)
    }

    /// A new pod that waits: if room is held for its like, it is nominated there.
    pub(super) fn claim(&mut self, pod: &Arc<PodInfo>) {
        if self.reservations.open.is_empty() || pod.nominated_node_name.is_some() {
            return;
        }
        let open = template(pod).and_then(|template| self.reservations.open.get(&template)?.first().cloned());
        let Some(name) = open else { return };
        self.reservations.set_open(&name, false);
        let Some((reservation, state)) = self.reservations.held.get_mut(&name) else { return };
        *state = ReservationState::Used(pod.uid.clone());
        let (stand_in, node) = (reservation.pod.uid.clone(), reservation.node.clone());
        self.reservations.used_by.insert(pod.uid.clone(), name);
        self.engine.end_nomination(&stand_in);
        self.engine.nominate(pod.clone(), node);
    }

    /// A pod that never had a node is gone: the room that it was to have is held for the next of its like.
    pub(super) fn unclaim(&mut self, uid: &str) {
        let Some(name) = self.reservations.used_by.remove(uid) else { return };
        let Some((reservation, state)) = self.reservations.held.get_mut(&name) else { return };
        *state = ReservationState::Open;
        let (pod, node) = (reservation.pod.clone(), reservation.node.clone());
        self.engine.nominate(pod, node);
        self.reservations.set_open(&name, true);
    }

    /// A pod of higher priority takes the room of this one, which stands for a reservation.
    pub(super) fn lose_reservation(&mut self, uid: &str) {
        self.engine.end_nomination(uid);
        let Some(name) = self.reservations.by_pod.get(uid).cloned() else { return };
        self.reservations.set_open(&name, false);
        if let Some((_, state)) = self.reservations.held.get_mut(&name) {
            *state = ReservationState::Lost;
        }
    }
}
