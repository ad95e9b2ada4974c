//! Pods that are being decided, and what happened meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use loadline_framework::{ClusterEvent, EventObject};
use loadline_model::{Map, NodeSpec, PodInfo, PodKey};

/// A copy of an event's object.
#[derive(Debug)]
enum Object {
    Pod { old: Option<Box<PodInfo>>, new: Option<Box<PodInfo>> },
    Node { old: Option<Box<NodeSpec>>, new: Option<Box<NodeSpec>> },
    Other,
}

impl Object {
    fn copy(object: &EventObject<'_>) -> Self {
        match object {
            EventObject::Pod { old, new } => {
                Self::Pod { old: old.map(|pod| Box::new(pod.clone())), new: new.map(|pod| Box::new(pod.clone())) }
            }
            EventObject::Node { old, new } => {
                Self::Node { old: old.map(|node| Box::new(node.clone())), new: new.map(|node| Box::new(node.clone())) }
            }
            EventObject::Other => Self::Other,
        }
    }

    fn borrow(&self) -> EventObject<'_> {
        match self {
            Self::Pod { old, new } => EventObject::Pod { old: old.as_deref(), new: new.as_deref() },
            Self::Node { old, new } => EventObject::Node { old: old.as_deref(), new: new.as_deref() },
            Self::Other => EventObject::Other,
        }
    }
}

/// A pod in flight.
#[derive(Debug)]
pub(super) struct Flight {
    /// Position in the log at which it began.
    begin: u64,
    /// The pod as it is by now; `None` when it is gone or somebody else placed it.
    pub(super) latest: Option<Arc<PodInfo>>,
}

/// The pods in flight, and the events since the first of them began.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    pods: Map<PodKey, Flight>,
    /// How many of them began at each position.
    begins: BTreeMap<u64, usize>,
    events: VecDeque<(ClusterEvent, Object)>,
    /// Position of the first event that is kept.
    start: u64,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len()
    }

    /// Begins; `false` when the pod is in flight already.
    pub(super) fn begin(&mut self, pod: &Arc<PodInfo>) -> bool {
        if self.pods.contains_key(&pod.uid) {
            return false;
        }
        let begin = self.start + self.events.len() as u64;
        let flight = Flight { begin, latest: Some(pod.clone()) };
        self.pods.insert(pod.uid.clone(), flight);
        *self.begins.entry(begin).or_default() += 1;
        true
    }

    pub(super) fn get(&self, uid: &str) -> Option<&Flight> {
        self.pods.get(uid)
    }

    pub(super) fn get_mut(&mut self, uid: &str) -> Option<&mut Flight> {
        self.pods.get_mut(uid)
    }

    /// Ends; events that only this pod needed are forgotten.
    pub(super) fn end(&mut self, uid: &str) {
        let Some(flight) = self.pods.remove(uid) else {
            return;
        };
        if let Some(count) = self.begins.get_mut(&flight.begin) {
            *count -= 1;
            if *count == 0 {
                self.begins.remove(&flight.begin);
            }
        }
        let end = self.start + self.events.len() as u64;
        let needed_from = self.begins.keys().next().copied().unwrap_or(end);
        while self.start < needed_from {
            self.events.pop_front();
            self.start += 1;
        }
    }

    /// Remembers an event if a pod is in flight.
    pub(super) fn record(&mut self, event: ClusterEvent, object: &EventObject<'_>) {
        if !self.pods.is_empty() {
            self.events.push_back((event, Object::copy(object)));
        }
    }

    /// Events since the flight began.
    pub(super) fn events_since(&self, flight: &Flight) -> impl Iterator<Item = (ClusterEvent, EventObject<'_>)> {
        let from = usize::try_from(flight.begin - self.start).unwrap_or(usize::MAX);
        self.events.iter().skip(from).map(|(event, object)| (*event, object.borrow()))
    }

    /// Number of remembered events by what they are.
    pub(super) fn by_event(&self) -> Map<ClusterEvent, usize> {
        let mut counts = Map::default();
        for (event, _) in &self.events {
            *counts.entry(*event).or_insert(0) += 1;
        }
        counts
    }

    /// Number of remembered events.
    pub(super) fn event_count(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadline_framework::{Action, Resource};

    fn pod(uid: &str) -> Arc<PodInfo> {
        Arc::new(PodInfo { uid: uid.into(), ..PodInfo::default() })
    }

    fn seen(in_flight: &InFlight, uid: &str) -> Vec<Action> {
        let flight = in_flight.get(uid).expect("in flight");
        in_flight.events_since(flight).map(|(event, _)| event.action).collect()
    }

    #[test]
    fn each_pod_sees_what_happened_since_it_began() {
        let mut in_flight = InFlight::default();
        let record = |in_flight: &mut InFlight, action| {
            in_flight.record(ClusterEvent::new(Resource::Node, action), &EventObject::Other);
        };
        record(&mut in_flight, Action::ALL);
        assert_eq!(in_flight.event_count(), 0, "nobody is in flight");

        assert!(in_flight.begin(&pod("a")));
        assert!(!in_flight.begin(&pod("a")));
        record(&mut in_flight, Action::ADD);
        in_flight.begin(&pod("b"));
        in_flight.begin(&pod("c"));
        record(&mut in_flight, Action::DELETE);
        assert_eq!(seen(&in_flight, "a"), [Action::ADD, Action::DELETE]);
        assert_eq!(seen(&in_flight, "b"), [Action::DELETE]);

        in_flight.end("a");
        assert_eq!(in_flight.event_count(), 1);
        in_flight.end("b");
        assert_eq!(seen(&in_flight, "c"), [Action::DELETE]);
        in_flight.end("c");
        in_flight.end("c");
        assert_eq!((in_flight.event_count(), in_flight.is_empty()), (0, true));
    }
}
