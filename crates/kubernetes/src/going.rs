//! Pods that the API server has let go, as long as its watch does not tell.
//!
//! An answer may be seconds ahead of the watch. A preemptor that looked again meanwhile would find its victims as if nobody had asked
//! them to go, and ask again, or ask others that need not go.

use std::sync::Arc;

use loadline_engine::Event;
use loadline_model::{PodInfo, PodKey, Set, Time};

/// Victims whose deletion the API server has answered, and of whose end nothing was heard.
#[derive(Debug, Default)]
pub(crate) struct Going(Set<PodKey>);

impl Going {
    /// A deletion was answered. What is known of the pod from now on; `None` when it is known already, or the pod is gone.
    pub(crate) fn begin(&mut self, known: Option<&Arc<PodInfo>>, now: Time) -> Option<Event> {
        let pod = known?;
        let is_new = self.0.insert(pod.uid.clone());
        (is_new && !pod.is_terminating()).then(|| Event::Pod(marked(pod, now)))
    }

    /// An event as it is with what was answered: one that is older than the answer takes nothing back.
    pub(crate) fn complete(&mut self, event: Event, now: Time) -> Event {
        match event {
            Event::PodGone(uid) => {
                self.0.remove(&uid);
                Event::PodGone(uid)
            }
            Event::Pod(pod) if !pod.is_terminating() && self.0.contains(&pod.uid) => Event::Pod(marked(&pod, now)),
            other => other,
        }
    }
}

/// The pod as the API server has it: on its way out, to make room for another.
fn marked(pod: &Arc<PodInfo>, now: Time) -> Arc<PodInfo> {
    Arc::new(PodInfo { deleted: Some(now), preempted: true, ..PodInfo::clone(pod) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminating(event: &Event) -> Option<bool> {
        match event {
            Event::Pod(pod) => Some(pod.is_terminating() && pod.preempted),
            _ => None,
        }
    }

    #[test]
    fn what_is_older_than_an_answer_takes_nothing_back() {
        let mut going = Going::default();
        let pod = Arc::new(PodInfo { uid: "a".into(), ..PodInfo::default() });
        let other = Arc::new(PodInfo { uid: "b".into(), ..PodInfo::default() });
        assert!(going.begin(None, 1).is_none(), "it is gone already");
        assert_eq!(going.begin(Some(&pod), 1).as_ref().and_then(terminating), Some(true));
        assert!(going.begin(Some(&pod), 1).is_none());
        assert_eq!(terminating(&going.complete(Event::Pod(pod.clone()), 2)), Some(true));
        assert_eq!(terminating(&going.complete(Event::Pod(other), 2)), Some(false));
        going.complete(Event::PodGone("a".into()), 3);
        assert!(going.0.is_empty(), "nothing is kept of those that are gone");
    }
}
