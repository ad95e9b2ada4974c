//! A pod that preempts others waits until they are being deleted, by the word of the plugin that chose them.

use std::sync::Arc;

use loadline_engine::queue::QueueName;
use loadline_engine::{Depth, Effect, Engine, Event, Scheduler, Settings};
use loadline_framework::record::DecidedBy;
use loadline_model::{
    Affinity, DisruptionBudget, Labels, NamespaceMatch, NodeSpec, Operator, PodAffinityTerm, PodInfo, PodMatcher,
    PodRequests, Requirement, Resources, Selector, Set,
};
use loadline_parity::profiles;

pub(crate) fn cpu(milli_cpu: i64) -> Resources {
    Resources { milli_cpu, ..Resources::default() }
}

pub(crate) fn pod(name: &str, milli_cpu: i64, priority: i32, node: Option<&str>) -> Arc<PodInfo> {
    let requests = PodRequests {
        spec: cpu(milli_cpu),
        usage: cpu(milli_cpu),
        score: cpu(milli_cpu),
        non_zero_milli_cpu: milli_cpu,
        ..PodRequests::default()
    };
    Arc::new(PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        scheduler_name: "default-scheduler".into(),
        node_name: node.map(Into::into),
        priority,
        requests: Arc::new(requests),
        ..PodInfo::default()
    })
}

/// A node that is full with two pods, and a pod that pushes the larger one away. Returns who is to be deleted.
fn preempted(config: &str) -> (Scheduler, Vec<String>) {
    let mut scheduler = Scheduler::new(profiles(config).expect("the configuration is valid"), Settings::default());
    let node = NodeSpec { name: "n".into(), allocatable: cpu(1000), allowed_pods: 10, ..NodeSpec::default() };
    scheduler.apply(Event::Node(Arc::new(node)), 0);
    scheduler.apply(Event::Pod(pod("large", 900, 0, Some("n"))), 0);
    scheduler.apply(Event::Pod(pod("small", 100, 100, Some("n"))), 0);
    scheduler.apply(Event::Pod(pod("high", 900, 10, None)), 0);
    let (_, effects) = scheduler.schedule_one(1).expect("a pod waits");
    let victims = effects.iter().find_map(|effect| match effect {
        Effect::DeleteVictims { victims, .. } => Some(victims.iter().map(|pod| pod.name.to_string()).collect()),
        _ => None,
    });
    (scheduler, victims.expect("it preempts"))
}

/// Where the preemptor waits, and who gates it with which words.
fn place(scheduler: &Scheduler) -> Option<(QueueName, Option<(&'static str, String)>)> {
    let (queue, queued) = scheduler.queue().get("high")?;
    Some((queue, queued.gate.as_ref().map(|gate| (gate.plugin, gate.message.clone()))))
}

#[test]
fn a_preemptor_is_held_until_the_last_victim_is_going() {
    let (mut scheduler, victims) = preempted("");
    assert_eq!(victims, ["large"]);
    // This would let it try again, in vain.
    scheduler.apply(Event::PodGone("small".into()), 2);
    let gate = ("DefaultPreemption", "waiting for the preemption for this pod to be finished".to_owned());
    assert_eq!(place(&scheduler), Some((QueueName::Gated, Some(gate))));
    scheduler.release("high", "large", 3);
    scheduler.apply(Event::PodGone("large".into()), 3);
    let (attempt, _) = scheduler.schedule_one(10_000_000_000).expect("it may try again");
    assert_eq!(attempt.cycle.node.as_deref(), Some("n"));
}

#[test]
fn a_nomination_counts_before_the_status_shows_it() {
    let (mut scheduler, victims) = preempted("");
    assert_eq!(victims, ["large"]);
    // The victim is on its way out by an answer alone, and nothing is heard of the preemptor's status.
    scheduler.leaves(&"large".into(), 2);
    scheduler.release("high", "large", 2);
    for attempt in [2, 3] {
        // It was changed before it was deleted.
        scheduler.apply(Event::Pod(pod("large", 900, 0, Some("n"))), 2);
        scheduler.activate("high", 3);
        let (tried, effects) = scheduler.schedule_one(3).expect("it is tried again");
        assert_eq!(tried.number, attempt);
        let told = "preemption: not eligible due to a terminating pod on the nominated node.";
        assert!(tried.cycle.message.ends_with(told), "{}", tried.cycle.message);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::DeleteVictims { .. })), "{effects:?}");
        assert_eq!(scheduler.engine().nominator().node_of("high").map(|node| &**node), Some("n"));
    }
}

#[test]
fn a_node_that_was_decided_is_looked_at_first_before_the_status_shows_it() {
    let mut scheduler = Scheduler::new(profiles("").expect("the configuration is valid"), Settings::default());
    for name in ["empty", "half-full"] {
        let node = NodeSpec { name: name.into(), allocatable: cpu(1000), allowed_pods: 10, ..NodeSpec::default() };
        scheduler.apply(Event::Node(Arc::new(node)), 0);
    }
    scheduler.apply(Event::Pod(pod("sitting", 500, 0, Some("half-full"))), 0);
    let other = scheduler.engine_mut().decide(&pod("other", 100, 0, None), 1, Depth::Decide);
    assert_eq!(other.node.as_deref(), Some("empty"), "it is the better one");
    let waiting = pod("waiting", 100, 0, None);
    assert_eq!(waiting.nominated_node_name, None);
    scheduler.apply(Event::Pod(waiting.clone()), 0);
    scheduler.engine_mut().nominate(waiting, "half-full".into());
    let (attempt, _) = scheduler.schedule_one(1).expect("a pod waits");
    assert_eq!(attempt.cycle.node.as_deref(), Some("half-full"));
    assert_eq!(attempt.cycle.decided_by, Some(DecidedBy::Nominated));
}

#[test]
fn without_its_pre_enqueue_nobody_is_held() {
    let config = "\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins:
    preEnqueue:
      disabled:
      - name: DefaultPreemption
";
    let (mut scheduler, _) = preempted(config);
    scheduler.apply(Event::PodGone("small".into()), 2);
    assert!(
        matches!(place(&scheduler), Some((QueueName::Backoff | QueueName::Active, None))),
        "{:?}",
        place(&scheduler)
    );
}

/// A pod that must not be in one zone with pods that `selector` matches.
fn apart_from(pod: &PodInfo, selector: Selector) -> Arc<PodInfo> {
    let namespaces = NamespaceMatch { names: ["default".into()].into(), selector: Selector::Nothing };
    let term = PodAffinityTerm { pods: PodMatcher { namespaces, selector }, topology_key: "zone".into() };
    let affinity = Affinity { anti_required: [term].into(), ..Affinity::default() };
    Arc::new(PodInfo { affinity: Some(Arc::new(affinity)), ..pod.clone() })
}

#[test]
fn terms_that_come_later_tell_pods_apart_that_were_alike() {
    let labelled = |name: &str, tier: &str| {
        let labels: Labels = [("app", "web"), ("tier", tier)].into_iter().collect();
        Arc::new(PodInfo { labels: Arc::new(labels), ..PodInfo::clone(&pod(name, 500, 100, None)) })
    };
    let mut engine = Engine::new(profiles("").expect("the configuration is valid"), Settings::default());
    let labels: Labels = [("zone", "a")].into_iter().collect();
    let node = NodeSpec {
        name: "n".into(),
        labels: Arc::new(labels),
        allocatable: cpu(1000),
        allowed_pods: 10,
        ..NodeSpec::default()
    };
    engine.set_node(Arc::new(node));
    // It means both, so that nothing tells them apart.
    let any = Selector::all(vec![Requirement::new("app".into(), Operator::Exists, Vec::new())]);
    engine.set_placed_pod(apart_from(&pod("placed", 900, 0, Some("n")), any), &"n".into());
    engine.decide(&labelled("back", "back"), 1, Depth::Decide);
    // It means the first one alone.
    let back = Selector::from_pairs([(&"tier".into(), &"back".into())]);
    engine.nominate(apart_from(&pod("nominated", 100, 1000, None), back), "n".into());
    let nominated = |engine: &mut Engine, pod: &Arc<PodInfo>| engine.decide(pod, 1, Depth::Decide).nominate;
    assert_eq!(nominated(&mut engine, &labelled("front", "front")), Some(Some("n".into())));
    assert_ne!(nominated(&mut engine, &labelled("back", "back")), Some(Some("n".into())));
}

/// Two full nodes in a zone each: on `a` a pod of priority 1, on `b` one of priority 5.
fn two_full_nodes() -> Engine {
    let mut engine = Engine::new(profiles("").expect("the configuration is valid"), Settings::default());
    for (name, priority) in [("a", 1), ("b", 5)] {
        let labels: Labels = [("zone", name)].into_iter().collect();
        let node = NodeSpec {
            name: name.into(),
            labels: Arc::new(labels),
            allocatable: cpu(1000),
            allowed_pods: 10,
            ..NodeSpec::default()
        };
        engine.set_node(Arc::new(node));
        let app: Labels = [("app", name)].into_iter().collect();
        let full = pod(&format!("on-{name}"), 1000, priority, Some(name));
        engine.set_placed_pod(Arc::new(PodInfo { labels: Arc::new(app), ..PodInfo::clone(&full) }), &name.into());
    }
    engine
}

/// Where a pod would push others away.
fn chosen(engine: &mut Engine, pod: &Arc<PodInfo>) -> Option<String> {
    let cycle = engine.decide(pod, 1, Depth::Decide);
    assert_eq!(cycle.node, None);
    cycle.nominate.flatten().map(|node| node.to_string())
}

#[test]
fn what_was_found_out_for_one_preemptor_holds_for_the_next_as_long_as_it_is_true() {
    let mut engine = two_full_nodes();
    let high = |name: &str| pod(name, 1000, 10, None);
    assert_eq!(chosen(&mut engine, &high("first")).as_deref(), Some("a"));
    assert_eq!(chosen(&mut engine, &high("second")).as_deref(), Some("a"));

    // A budget comes, and goes.
    let budget = DisruptionBudget {
        namespace: "default".into(),
        name: "keep".into(),
        selector: Selector::from_pairs([(&"app".into(), &"a".into())]),
        disruptions_allowed: 0,
        disrupted_pods: Set::default(),
    };
    engine.set_disruption_budget(budget);
    assert_eq!(chosen(&mut engine, &high("third")).as_deref(), Some("b"));
    engine.remove_disruption_budget("default", "keep");
    assert_eq!(chosen(&mut engine, &high("fourth")).as_deref(), Some("a"));

    // One of the same kind and lower priority pushes nobody away whom it may not.
    engine.set_placed_pod(pod("on-a", 1000, 3, Some("a")), &"a".into());
    assert_eq!(chosen(&mut engine, &high("fifth")).as_deref(), Some("a"));
    assert_eq!(chosen(&mut engine, &pod("low", 1000, 2, None)), None);
    engine.set_placed_pod(pod("on-a", 1000, 8, Some("a")), &"a".into());
    let small = NodeSpec { name: "c".into(), allocatable: cpu(500), allowed_pods: 10, ..NodeSpec::default() };
    engine.set_node(Arc::new(small));
    engine.set_placed_pod(pod("on-c", 500, 0, Some("c")), &"c".into());
    assert_eq!(chosen(&mut engine, &pod("middle", 1000, 4, None)), None);
    assert_eq!(chosen(&mut engine, &high("above")).as_deref(), Some("b"));
    engine.set_placed_pod(pod("on-a", 1000, 3, Some("a")), &"a".into());

    // Room that is promised to somebody else is not there, and is there again afterwards.
    engine.nominate(pod("there", 1000, 20, None), "b".into());
    assert_eq!(chosen(&mut engine, &high("sixth")).as_deref(), Some("a"));
    engine.nominate(pod("promised", 1000, 20, None), "a".into());
    assert_eq!(chosen(&mut engine, &high("seventh")), None);
    engine.end_nomination("there");
    assert_eq!(chosen(&mut engine, &high("eighth")).as_deref(), Some("b"));
    engine.end_nomination("promised");
    assert_eq!(chosen(&mut engine, &high("ninth")).as_deref(), Some("a"));
}

#[test]
fn what_depends_on_other_nodes_is_found_out_anew() {
    let mut engine = two_full_nodes();
    // Another node in the zone of `a`, and on it a pod that the preemptor must not be with and can not push away.
    let labels: Labels = [("zone", "a")].into_iter().collect();
    let node = NodeSpec { name: "c".into(), labels: Arc::new(labels), allowed_pods: 10, ..NodeSpec::default() };
    engine.set_node(Arc::new(node));
    let other: Labels = [("app", "other")].into_iter().collect();
    let other = PodInfo { labels: Arc::new(other), ..PodInfo::clone(&pod("other", 0, 100, Some("c"))) };
    engine.set_placed_pod(Arc::new(other), &"c".into());
    let apart = |name: &str| {
        let selector = Selector::from_pairs([(&"app".into(), &"other".into())]);
        apart_from(&pod(name, 1000, 10, None), selector)
    };
    assert_eq!(chosen(&mut engine, &apart("first")).as_deref(), Some("b"));
    engine.remove_pod("other");
    assert_eq!(chosen(&mut engine, &apart("second")).as_deref(), Some("a"));
}
