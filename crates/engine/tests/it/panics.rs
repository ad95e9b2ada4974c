//! A plugin that panics fails the pod in question, and nobody else.

use std::sync::Arc;

use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_framework::{
    Bind, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Plugin, PreBind, PreBindStep, Prepare,
    Prepared, ProfilePlugin, QueueSort, Reads, Reserve, Status, Verdict, no_further_checks,
};
use loadline_model::{NodeSpec, PodInfo, Str, Time};

use crate::one_profile::{SCHEDULER, one_profile};

/// Panics at Filter, Reserve or PreBind for pods with these names.
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
        Verdict::PASS
    }
}

impl QueueSort for Explosive {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> std::cmp::Ordering {
        a.1.cmp(&b.1)
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
    events: &[],
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
