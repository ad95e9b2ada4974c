//! Which events wake a pod: the plugins' registrations and hints, by profile.

use std::sync::Arc;

use loadline_framework::{Action, ClusterEvent, EventObject, Hint, Profile, QueueingHints, Resource};
use loadline_model::PodInfo;

use super::pod::QueuedPod;
use crate::cycle::guarded;

/// The name under which extenders count as rejectors.
pub const EXTENDER: &str = "Extender";

/// A change of taints may let a node into the view of a plugin that asked for new nodes only.
const NODE_TAINT: ClusterEvent = ClusterEvent::new(Resource::Node, Action::UPDATE_NODE_TAINT);

/// What becomes of a waiting pod when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strategy {
    /// It waits on.
    Skip,
    /// It is tried again when its backoff is over.
    AfterBackoff,
    /// It is tried again at once.
    Immediately,
}

/// What one plugin of one profile wants to hear of.
struct Registration {
    plugin: &'static str,
    events: Vec<ClusterEvent>,
    /// [`NODE_TAINT`] counts as registered, without a hint.
    node_taint: bool,
    hints: Option<Arc<dyn QueueingHints>>,
}

impl Registration {
    fn registers(&self, event: ClusterEvent) -> bool {
        self.events.iter().any(|registered| matches(*registered, event))
    }

    fn wants(&self, event: ClusterEvent) -> bool {
        self.registers(event) || (self.node_taint && matches(NODE_TAINT, event))
    }

    fn hint(&self, queued: &QueuedPod, event: ClusterEvent, object: &EventObject<'_>) -> Hint {
        match &self.hints {
            // An attempt too many is better than one too few.
            Some(hints) if self.registers(event) => {
                let wakes =
                    |pod: &PodInfo| guarded(|| hints.hint(pod, &event, object)).unwrap_or(Hint::Queue) == Hint::Queue;
                let wakes_any = match &queued.gang {
                    Some(head) if !head.kinds.is_empty() => head.kinds.iter().any(|pod| wakes(pod)),
                    _ => wakes(&queued.pod),
                };
                if wakes_any { Hint::Queue } else { Hint::Skip }
            }
            _ => Hint::Queue,
        }
    }
}

/// Whether a registration is for `event`. One registration must cover all that the event says: an update of nothing in
/// particular is for those only who registered every update.
fn matches(registered: ClusterEvent, event: ClusterEvent) -> bool {
    if registered == ClusterEvent::WILDCARD {
        return true;
    }
    let resource = registered.resource == Resource::Wildcard
        || registered.resource == event.resource
        || (registered.resource == Resource::Pod
            && matches!(event.resource, Resource::AssignedPod | Resource::UnscheduledPod));
    resource && !event.action.is_empty() && registered.action.and(event.action) == registered.action
}

/// All registrations of a configuration.
#[derive(Default)]
pub(super) struct HintTable {
    /// By profile.
    registrations: Vec<Vec<Registration>>,
}

impl HintTable {
    pub(super) fn new(profiles: &[Arc<Profile>]) -> Self {
        let registrations = profiles.iter().map(|profile| of_profile(profile)).collect();
        Self { registrations }
    }

    /// Who wants to hear of `event`.
    pub(super) fn interest(&self, event: ClusterEvent) -> Interest<'_> {
        let of_profile: Vec<Vec<&Registration>> = self
            .registrations
            .iter()
            .map(|registrations| registrations.iter().filter(|r| r.wants(event)).collect())
            .collect();
        let mut plugins: Vec<&'static str> = of_profile.iter().flatten().map(|r| r.plugin).collect();
        plugins.sort_unstable();
        plugins.dedup();
        Interest { of_profile, plugins }
    }

    /// The events that may wake a pod of this profile that these plugins turned down.
    pub(super) fn registered<'a>(&'a self, profile: usize, plugin: &'a str) -> impl Iterator<Item = ClusterEvent> + 'a {
        self.registrations
            .get(profile)
            .into_iter()
            .flatten()
            .filter(move |r| r.plugin == plugin)
            .flat_map(|r| r.events.iter().copied().chain(r.node_taint.then_some(NODE_TAINT)))
    }
}

fn of_profile(profile: &Profile) -> Vec<Registration> {
    let extender =
        Registration { plugin: EXTENDER, events: vec![ClusterEvent::WILDCARD], node_taint: false, hints: None };
    let of_plugins = profile.plugins.iter().map(|p| {
        let events = p.descriptor.events.to_vec();
        let on_node = |action| {
            let of_nodes = |e: &ClusterEvent| e.resource == Resource::Node && e.action.overlaps(action);
            events.iter().any(of_nodes)
        };
        Registration {
            plugin: p.descriptor.name,
            node_taint: on_node(Action::ADD) && !on_node(Action::UPDATE_NODE_TAINT),
            hints: p.plugin.hints.clone(),
            events,
        }
    });
    of_plugins.chain([extender]).collect()
}

/// The plugins that want to hear of one event.
pub(super) struct Interest<'a> {
    of_profile: Vec<Vec<&'a Registration>>,
    /// Of all profiles, sorted.
    pub(super) plugins: Vec<&'static str>,
}

impl Interest<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// What `event` means for a pod of this profile. Asks the hints of the plugins that turned it down.
    pub(super) fn strategy(
        &self,
        queued: &QueuedPod,
        profile: usize,
        event: ClusterEvent,
        object: &EventObject<'_>,
    ) -> Strategy {
        let rejectors = &queued.rejectors;
        if rejectors.is_empty() {
            return Strategy::AfterBackoff;
        }
        let mut strategy = Strategy::Skip;
        for registration in &self.of_profile[profile] {
            if !rejectors.contains(registration.plugin) || registration.hint(queued, event, object) == Hint::Skip {
                continue;
            }
            if rejectors.pending.contains(&registration.plugin) {
                return Strategy::Immediately;
            }
            strategy = Strategy::AfterBackoff;
            if rejectors.pending.is_empty() {
                break;
            }
        }
        strategy
    }
}

/// What an event for everybody means for a pod. With a pod as its object it is meant for that pod alone.
pub(super) fn wildcard_strategy(queued: &QueuedPod, object: &EventObject<'_>) -> Strategy {
    let meant = match object {
        EventObject::Pod { new: Some(pod), .. } => pod.uid == queued.pod.uid,
        EventObject::Node { new: Some(_), .. } => false,
        EventObject::Pod { new: None, .. } | EventObject::Node { new: None, .. } | EventObject::Other => true,
    };
    if meant || queued.rejectors.is_empty() { Strategy::AfterBackoff } else { Strategy::Skip }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(resource: Resource, action: Action) -> ClusterEvent {
        ClusterEvent::new(resource, action)
    }

    #[test]
    fn a_registration_must_cover_the_whole_event() {
        let label_or_add = event(Resource::Pod, Action::ADD.and(Action::UPDATE_POD_LABEL));
        assert!(matches(label_or_add, event(Resource::AssignedPod, Action::ADD)));
        assert!(matches(label_or_add, event(Resource::UnscheduledPod, Action::UPDATE_POD_LABEL)));
        assert!(!matches(label_or_add, event(Resource::AssignedPod, Action::DELETE)));
        assert!(
            !matches(label_or_add, event(Resource::AssignedPod, Action::UPDATE)),
            "an update of nothing in particular"
        );
        let any_update = event(Resource::Pod, Action::UPDATE);
        assert!(matches(any_update, event(Resource::AssignedPod, Action::UPDATE)));
        assert!(matches(any_update, event(Resource::AssignedPod, Action::UPDATE_POD_LABEL)));
    }

    #[test]
    fn resources_match_exactly_but_for_pods_and_the_wildcard() {
        let add = |resource| event(resource, Action::ADD);
        assert!(!matches(add(Resource::AssignedPod), add(Resource::Pod)));
        assert!(!matches(add(Resource::Node), add(Resource::Pod)));
        assert!(matches(add(Resource::Wildcard), add(Resource::CsiNode)));
        assert!(matches(ClusterEvent::WILDCARD, add(Resource::CsiNode)));
        assert!(!matches(add(Resource::Node), ClusterEvent::WILDCARD));
    }
}
