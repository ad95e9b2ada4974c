//! A pod that could not be bound, and what is said about it.

use std::sync::Arc;

use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_framework::record::Outcome;
use loadline_framework::{
    Bind, DefaultProfile, Descriptor, ExtensionPoint, Plugin, ProfilePlugin, QueueSort, no_further_checks,
};
use loadline_model::{NodeSpec, PodInfo, Str, Time};

use crate::one_profile::{SCHEDULER, one_profile};

/// Binds the pods with one name, or all.
struct Binder(Option<&'static str>);

impl Bind for Binder {
    fn binds(&self, pod: &PodInfo, _: &Str) -> bool {
        self.0.is_none_or(|name| pod.name.as_str() == name)
    }
}

impl QueueSort for Binder {
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> std::cmp::Ordering {
        a.1.cmp(&b.1)
    }
}

const fn descriptor(name: &'static str) -> Descriptor {
    Descriptor {
        name,
        help: "",
        points: &[ExtensionPoint::Bind],
        default_profile: DefaultProfile::Absent,
        args: &[],
        validate: no_further_checks,
        events: &[],
        build: |_| Err(Vec::new()),
    }
}

static PICKY: Descriptor = descriptor("PickyBinder");
static LAST: Descriptor = descriptor("LastBinder");

/// A scheduler that has decided about the pod of this name, and the pod.
fn decided(name: &str) -> (Scheduler, PodInfo) {
    let plugin = |descriptor: &'static Descriptor, binder| ProfilePlugin {
        plugin: Plugin::new(descriptor.name).with_queue_sort(Binder(None)).with_bind(binder),
        descriptor,
    };
    let plugins = vec![plugin(&PICKY, Binder(Some("picked"))), plugin(&LAST, Binder(None))];
    let profiles = one_profile(plugins, |profile| profile.bind = vec![0, 1]);
    let mut scheduler = Scheduler::new(profiles, Settings::default());
    scheduler.apply(Event::Node(Arc::new(NodeSpec { name: "n".into(), ..NodeSpec::default() })), 0);
    let pod = PodInfo { name: name.into(), uid: name.into(), scheduler_name: SCHEDULER.into(), ..PodInfo::default() };
    scheduler.apply(Event::Pod(Arc::new(pod.clone())), 0);
    let (_, effects) = scheduler.schedule_one(1).expect("the pod waits");
    assert!(matches!(effects.as_slice(), [Effect::Bind { .. }]), "{effects:?}");
    (scheduler, pod)
}

/// The text of the event among these effects.
fn told(effects: Vec<Effect>) -> Option<String> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::RecordEvent { note, .. } => Some(note),
        _ => None,
    })
}

/// The text of the event after the API server refused to bind the pod of this name.
fn refused(name: &str) -> String {
    let (mut scheduler, _) = decided(name);
    let note = told(scheduler.bound(name, Err("it is gone".to_owned()), 2));
    // An answer that nobody waits for changes nothing.
    assert_eq!(scheduler.bound(name, Ok(()), 3), []);
    note.expect("there is an event")
}

#[test]
fn the_binder_that_took_the_pod_is_named() {
    assert_eq!(refused("picked"), "running Bind plugin \"PickyBinder\": it is gone");
    assert_eq!(refused("other"), "running Bind plugin \"LastBinder\": it is gone");
}

/// What is told when the pod is seen on a node before the answer comes.
fn seen_before(on: &str, answer: Result<(), String>) -> (Scheduler, Option<String>) {
    let (mut scheduler, pod) = decided("web");
    scheduler.apply(Event::Pod(Arc::new(PodInfo { node_name: Some(on.into()), ..pod })), 2);
    assert_eq!(scheduler.in_flight(), 1, "the answer is waited for");
    let told = told(scheduler.bound("web", answer, 3));
    assert_eq!(scheduler.in_flight(), 0);
    assert!(scheduler.schedule_one(i64::MAX).is_none(), "it is not decided again");
    (scheduler, told)
}

#[test]
fn a_watch_that_is_faster_than_the_answer_takes_nothing_from_it() {
    let assigned = Some("Successfully assigned /web to n".to_owned());
    assert_eq!(seen_before("n", Ok(())).1, assigned);
    // The answer was lost, but the pod is there.
    assert_eq!(seen_before("n", Err("no answer".to_owned())).1, assigned);
    // Somebody else was faster: there is nothing to tell, and the pod is where the API server says.
    let (scheduler, told) = seen_before("m", Err("already assigned".to_owned()));
    assert_eq!(told, None);
    let cluster = scheduler.engine().cluster();
    assert_eq!(cluster.pod("web").map(|pod| pod.node.to_string()), Some("m".to_owned()));
}

#[test]
fn attempts_that_ended_and_events_that_were_heard_are_told_until_the_next_call() {
    let (mut scheduler, pod) = decided("picked");
    assert!(scheduler.happened().ended.is_empty(), "it is on its way");
    assert_eq!(scheduler.engine().cluster().assumed_count(), 1);

    scheduler.bound("picked", Ok(()), 5);
    let [ended] = scheduler.happened().ended.as_slice() else { panic!("{:?}", scheduler.happened()) };
    assert_eq!((ended.outcome, ended.attempts, ended.began), (Outcome::Feasible, 1, 1));
    assert_eq!(ended.initial_attempt, Some(0));

    let placed = PodInfo { node_name: Some("n".into()), ..pod };
    scheduler.apply(Event::Pod(Arc::new(placed)), 6);
    assert!(scheduler.happened().ended.is_empty());
    assert_eq!(heard(&scheduler), ["AssignedPodAdd"]);
    assert_eq!(scheduler.engine().cluster().assumed_count(), 0);
    scheduler.apply(Event::PodGone("picked".into()), 7);
    assert_eq!(heard(&scheduler), ["AssignedPodDelete"]);
    scheduler.apply(Event::NodeGone("n".into()), 8);
    assert_eq!(heard(&scheduler), ["NodeDelete"]);
}

#[test]
fn an_attempt_that_fails_ends_with_its_outcome() {
    let (mut scheduler, pod) = decided("picked");
    scheduler.bound("picked", Err("no".into()), 5);
    let outcomes: Vec<Outcome> = scheduler.happened().ended.iter().map(|ended| ended.outcome).collect();
    assert_eq!(outcomes, [Outcome::Error]);
    assert_eq!(scheduler.engine().cluster().assumed_count(), 0);

    // Without a node the next one is turned down at once.
    scheduler.apply(Event::NodeGone("n".into()), 6);
    let other = PodInfo { name: "other".into(), uid: "other".into(), ..pod };
    scheduler.apply(Event::Pod(Arc::new(other)), 7);
    assert_eq!(heard(&scheduler), ["UnschedulablePodAdd"]);
    scheduler.schedule_one(8).expect("it waits");
    let [ended] = scheduler.happened().ended.as_slice() else { panic!("{:?}", scheduler.happened()) };
    assert_eq!((ended.outcome, ended.began, ended.initial_attempt), (Outcome::Unschedulable, 8, Some(7)));
}

fn heard(scheduler: &Scheduler) -> Vec<String> {
    scheduler.happened().heard.iter().map(ToString::to_string).collect()
}
