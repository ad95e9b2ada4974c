//! A plugin that panics fails the pod in question, and nobody else.

use std::sync::Arc;

use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_framework::{
    Action, Bind, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView,
    Plugin, PreBind, PreBindStep, PreEnqueue, Prepare, Prepared, ProfilePlugin, QueueSort, QueueingHints, Reads,
    Reserve, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::{NodeSpec, PodInfo, Str, Time};

use crate::one_profile::{SCHEDULER, one_profile};

const SECOND: Time = 1_000_000_000;

/// Panics at the extension points that pods are named after, and at hints.
struct Explosive;

fn explode_for(pod: &PodInfo, name: &str) {
    assert!(pod.name.as_str() != name, "boom at {name}");
}

impl NodePlugin for Explosive {
    type Key = Str;
    type State = Str;
    fn reads(&self) -> Reads {
        Reads::SPEC
    }
    fn key(&self, pod: &PodInfo, _: &mut dyn Prepare) -> Result<Option<Str>, Status> {
        Ok(Some(pod.name.clone()))
    }
    fn prepare(&self, key: &Str, _: &PodInfo, _: &mut dyn Prepare) -> Prepared<Str> {
        Prepared { state: key.clone(), filters: true, scores: false }
    }
    fn filter(&self, name: &Str, _: &NodeView<'_>) -> Verdict {
        assert!(name.as_str() != "filter", "boom at filter");
        if name.as_str() == "waits" { Verdict::unschedulable(0) } else { Verdict::PASS }
    }
}

impl QueueSort for Explosive {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> std::cmp::Ordering {
        explode_for(a.0, "queue_sort");
        explode_for(b.0, "queue_sort");
        a.1.cmp(&b.1)
    }
}

impl PreEnqueue for Explosive {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        explode_for(pod, "pre_enqueue");
        Status::success()
    }
}

impl QueueingHints for Explosive {
    fn hint(&self, pod: &PodInfo, _: &ClusterEvent, _: &EventObject<'_>) -> Hint {
        explode_for(pod, "waits");
        Hint::Skip
    }
}

impl Reserve for Explosive {
    fn reserve(&self, pod: &PodInfo, _: &Str) -> Status {
        explode_for(pod, "reserve");
        Status::success()
    }
    fn unreserve(&self, pod: &PodInfo, _: &Str) {
        explode_for(pod, "reserve");
    }
}

impl PreBind for Explosive {
    fn pre_bind(&self, pod: &PodInfo, _: &Str, _: Time) -> PreBindStep {
        explode_for(pod, "pre_bind");
        PreBindStep::Done
    }
}

impl Bind for Explosive {
    fn binds(&self, _: &PodInfo, _: &Str) -> bool {
        true
    }
}

static DESCRIPTOR: Descriptor = Descriptor {
    name: "Explosive",
    help: "",
    points: &[ExtensionPoint::Filter],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[ClusterEvent::new(Resource::Node, Action::ADD)],
    build: |_| Err(Vec::new()),
};

#[test]
fn a_panic_fails_one_pod() {
    let plugin = Plugin::new("Explosive").with_node(Explosive).with_queue_sort(Explosive);
    let plugin = plugin.with_reserve(Explosive).with_pre_bind(Explosive).with_bind(Explosive);
    let profiles = one_profile(vec![ProfilePlugin { plugin, descriptor: &DESCRIPTOR }], |profile| {
        (profile.pre_filter, profile.filter) = (vec![0], vec![0]);
        (profile.reserve, profile.pre_bind, profile.bind) = (vec![0], vec![0], vec![0]);
    });
    let mut scheduler = Scheduler::new(profiles, Settings::default());
    scheduler.apply(Event::Node(Arc::new(NodeSpec { name: "n".into(), ..NodeSpec::default() })), 0);
    for (at, text) in [
        ("filter", "a plugin panicked: boom at filter"),
        ("reserve", "running Reserve plugin \"Explosive\": a plugin panicked: boom at reserve"),
        ("pre_bind", "running PreBind plugin \"Explosive\": a plugin panicked: boom at pre_bind"),
    ] {
        for name in ["before", at, "after"] {
            let uid = format!("{name}-{at}");
            let pod = PodInfo {
                name: name.into(),
                uid: uid.as_str().into(),
                scheduler_name: SCHEDULER.into(),
                ..PodInfo::default()
            };
            scheduler.apply(Event::Pod(Arc::new(pod)), 1);
            let (_, effects) = scheduler.schedule_one(1).expect("the pod waits");
            if name == at {
                let told = effects.iter().find_map(|effect| match effect {
                    Effect::PatchStatus { condition: Some((reason, message)), .. } => Some((*reason, message.as_str())),
                    _ => None,
                });
                assert_eq!(told, Some(("SchedulerError", text)), "{effects:?}");
                assert!(scheduler.queue().get(&uid).is_some(), "it is tried again");
                assert!(scheduler.engine().cluster().pod(&uid).is_none(), "it holds no room");
            } else {
                assert!(matches!(effects.as_slice(), [Effect::Bind { .. }]), "{name} beside {at}: {effects:?}");
            }
        }
    }
}

#[test]
fn a_panic_in_the_queue_loses_nothing() {
    let plugin = Plugin::new("Explosive").with_node(Explosive).with_queue_sort(Explosive).with_bind(Explosive);
    let plugin = plugin.with_pre_enqueue(Explosive).with_hints(Explosive);
    let profiles = one_profile(vec![ProfilePlugin { plugin, descriptor: &DESCRIPTOR }], |profile| {
        (profile.pre_filter, profile.filter, profile.bind) = (vec![0], vec![0], vec![0]);
        profile.pre_enqueue = vec![0];
    });
    let mut scheduler = Scheduler::new(profiles, Settings::default());
    let node = |name: &str| Event::Node(Arc::new(NodeSpec { name: name.into(), ..NodeSpec::default() }));
    let pod = |name: &str| {
        let scheduler_name = SCHEDULER.into();
        Event::Pod(Arc::new(PodInfo { name: name.into(), uid: name.into(), scheduler_name, ..PodInfo::default() }))
    };
    scheduler.apply(node("n"), 0);
    for (time, name) in (1..).zip(["pre_enqueue", "first", "queue_sort", "second", "waits"]) {
        scheduler.apply(pod(name), time);
    }
    // Whoever can not be asked about is gated, and says why.
    let (_, gated) = scheduler.queue().get("pre_enqueue").expect("it is there");
    let gate = gated.gate.as_ref().expect("it is gated");
    assert_eq!(gate.message, "a plugin panicked: boom at pre_enqueue");
    // Where the order is unknown, it is that of arrival.
    let order: Vec<String> = std::iter::from_fn(|| scheduler.schedule_one(10))
        .map(|(attempt, _)| attempt.cycle.pod.name.to_string())
        .collect();
    assert_eq!(order, ["first", "queue_sort", "second", "waits"]);
    // And a hint that is not given is a yes.
    scheduler.apply(node("m"), 11);
    scheduler.tick(SECOND);
    let (attempt, _) = scheduler.schedule_one(SECOND).expect("it is tried again");
    assert_eq!((attempt.cycle.pod.name.as_str(), attempt.number), ("waits", 2));
}
