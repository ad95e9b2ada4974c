//! Extenders, played by the test: what they are asked, and what becomes of their answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use loadline_engine::{Cycle, Depth, Effect, Engine, Event, Scheduler, Settings};
use loadline_framework::record::{DecidedBy, NodeRecord, Outcome};
use loadline_framework::{
    Extender, ExtenderFilter, HostPriority, NodeMetaVictims, NodeVictims, SharedExtender, in_asking_order,
};
use loadline_model::{NodeSpec, PodInfo, PodRequests, Resources, Str};
use loadline_parity::profiles;

type Filter = Box<dyn Fn(&[Str]) -> Result<ExtenderFilter, String> + Send + Sync>;
type Prioritize = Box<dyn Fn(&[Str]) -> Result<Vec<HostPriority>, String> + Send + Sync>;
type Preempt = Box<dyn Fn(&[NodeVictims]) -> Result<Vec<NodeMetaVictims>, String> + Send + Sync>;

/// What was asked, by all extenders of a test, in order.
type Asked = Arc<Mutex<Vec<String>>>;

#[derive(Default)]
struct Played {
    name: &'static str,
    ignorable: bool,
    /// It has no interest in the pod of this name.
    ignores: &'static str,
    weight: i64,
    filter: Option<Filter>,
    prioritize: Option<Prioritize>,
    preempt: Option<Preempt>,
    binds: bool,
    asked: Asked,
}

impl Played {
    fn note(&self, what: &str, nodes: &[Str]) {
        self.asked.lock().expect("no test panics with it").push(format!("{} {what} {}", self.name, nodes.join(",")));
    }
}

impl Extender for Played {
    fn name(&self) -> &str {
        self.name
    }
    fn is_interested(&self, pod: &PodInfo) -> bool {
        pod.name.as_str() != self.ignores
    }
    fn is_ignorable(&self) -> bool {
        self.ignorable
    }
    fn is_filter(&self) -> bool {
        self.filter.is_some()
    }
    fn is_prioritizer(&self) -> bool {
        self.prioritize.is_some()
    }
    fn is_binder(&self) -> bool {
        self.binds
    }
    fn supports_preemption(&self) -> bool {
        self.preempt.is_some()
    }
    fn weight(&self) -> i64 {
        self.weight
    }
    fn filter(&self, _: &PodInfo, nodes: &[Str]) -> Result<ExtenderFilter, String> {
        self.note("filter", nodes);
        self.filter.as_ref().expect("only filters are asked")(nodes)
    }
    fn prioritize(&self, _: &PodInfo, nodes: &[Str]) -> Result<Vec<HostPriority>, String> {
        self.note("prioritize", nodes);
        self.prioritize.as_ref().expect("only prioritizers are asked")(nodes)
    }
    fn process_preemption(&self, _: &PodInfo, candidates: &[NodeVictims]) -> Result<Vec<NodeMetaVictims>, String> {
        let nodes: Vec<Str> = candidates.iter().map(|candidate| candidate.node.clone()).collect();
        self.note("preempt", &nodes);
        self.preempt.as_ref().expect("only those with a verb are asked")(candidates)
    }
    fn bind(&self, _: &PodInfo, _: &str) -> Result<(), String> {
        unreachable!("the engine binds nothing")
    }
}

/// Turns down these nodes, each with the reason, or without one when it is empty; `!` before it: unresolvable.
#[allow(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn without(nodes: &'static [(&'static str, &'static str)]) -> Option<Filter> {
    Some(Box::new(move |asked| {
        let passed = asked.iter().map(ToString::to_string).collect();
        let mut answer = ExtenderFilter { passed, ..ExtenderFilter::default() };
        answer.passed.retain(|name| !nodes.iter().any(|(node, _)| node == name));
        for (node, reason) in nodes.iter().filter(|(_, reason)| !reason.is_empty()) {
            match reason.strip_prefix('!') {
                Some(reason) => answer.failed_and_unresolvable.insert((*node).to_owned(), reason.to_owned()),
                None => answer.failed.insert((*node).to_owned(), (*reason).to_owned()),
            };
        }
        Ok(answer)
    }))
}

#[allow(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn scores(of: &'static [(&'static str, i64)]) -> Option<Prioritize> {
    let score = |(host, score): &(&str, i64)| HostPriority { host: (*host).to_owned(), score: *score };
    Some(Box::new(move |_| Ok(of.iter().map(score).collect())))
}

fn milli_cpu(milli_cpu: i64) -> Resources {
    Resources { milli_cpu, ..Resources::default() }
}

fn pod(name: &str, cpu: i64, priority: i32) -> PodInfo {
    let requests = PodRequests {
        spec: milli_cpu(cpu),
        usage: milli_cpu(cpu),
        score: milli_cpu(cpu),
        non_zero_milli_cpu: cpu,
        ..PodRequests::default()
    };
    PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        scheduler_name: "default-scheduler".into(),
        priority,
        requests: Arc::new(requests),
        ..PodInfo::default()
    }
}

fn node(name: &str, cpu: i64) -> Arc<NodeSpec> {
    Arc::new(NodeSpec { name: name.into(), allocatable: milli_cpu(cpu), allowed_pods: 10, ..NodeSpec::default() })
}

/// A scheduler with nodes `a`, `b`, `c` of 1000m and one `tiny`.
fn scheduler(extenders: Vec<Played>) -> (Scheduler, Asked) {
    scheduler_of("", extenders)
}

fn scheduler_of(config: &str, extenders: Vec<Played>) -> (Scheduler, Asked) {
    let asked = Asked::default();
    let mut profiles = profiles(config).expect("the configuration is valid");
    let share = |extender| SharedExtender(Arc::new(Played { asked: asked.clone(), ..extender }));
    profiles.extenders = in_asking_order(extenders.into_iter().map(share).collect());
    let mut scheduler = Scheduler::new(profiles, Settings::default());
    for (name, cpu) in [("a", 1000), ("b", 1000), ("c", 1000), ("tiny", 10)] {
        scheduler.apply(Event::Node(node(name, cpu)), 0);
    }
    (scheduler, asked)
}

fn taken(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut asked.lock().expect("no test panics with it"))
}

fn decide(engine: &mut Engine, pod: &PodInfo) -> Cycle {
    engine.decide(&Arc::new(pod.clone()), 1, Depth::Decide)
}

fn records(engine: &Engine, cycle: &Cycle) -> BTreeMap<String, NodeRecord> {
    let nodes = engine.record(cycle).nodes.expect("there is a table");
    nodes.into_iter().map(|node| (node.name.clone(), node)).collect()
}

#[test]
fn each_filters_what_the_ones_before_left_and_reasons_are_told() {
    let ignorable = Played { name: "late", ignorable: true, filter: without(&[("b", "")]), ..Played::default() };
    let first = Played { name: "first", filter: without(&[("a", "no a"), ("zzz", "unknown")]), ..Played::default() };
    let last = Played { name: "last", filter: without(&[("c", "!never c"), ("tiny", "no tiny")]), ..Played::default() };
    let (mut scheduler, asked) = scheduler(vec![ignorable, first, last]);
    let engine = scheduler.engine_mut();
    let cycle = decide(engine, &pod("p", 500, 0));
    assert_eq!(taken(&asked), ["first filter a,b,c", "last filter b,c", "late filter b"]);
    assert_eq!((cycle.outcome, cycle.node.clone(), cycle.feasible), (Outcome::Unschedulable, None, 0));
    // As in kube-scheduler: every reason counts, that of a node which nobody asked about and of one that is not there, and the
    // last word on a node takes the place of the filter's. A node left out without a word has none.
    let message = "0/4 nodes are available: 1 never c, 1 no a, 1 no tiny, 1 unknown. ";
    assert!(cycle.message.starts_with(message), "{}", cycle.message);
    assert_eq!(cycle.rejected_by, ["NodeResourcesFit", "Extender"]);
    let nodes = records(engine, &cycle);
    let told = |name: &str| (nodes[name].rejected_by.clone(), nodes[name].code.clone(), nodes[name].reasons.clone());
    let expected = |by: &str, code: &str, reasons: &[&str]| {
        (by.to_owned(), code.to_owned(), reasons.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(told("a"), expected("first", "Unschedulable", &["no a"]));
    assert_eq!(told("b"), expected("late", "UnschedulableAndUnresolvable", &[]));
    assert_eq!(told("c"), expected("last", "UnschedulableAndUnresolvable", &["never c"]));
    assert_eq!(told("tiny"), expected("last", "Unschedulable", &["no tiny"]));
    let summary = engine.records().latest("default", "p").expect("it is on record");
    let rejections: Vec<_> = summary.rejections.iter().map(|(by, why, nodes)| (*by, why.as_str(), *nodes)).collect();
    let by_extenders =
        [("Extender", "", 1), ("Extender", "never c", 1), ("Extender", "no a", 1), ("Extender", "no tiny", 1)];
    assert_eq!(rejections, by_extenders);
}

#[test]
fn nobody_is_asked_about_no_nodes_or_without_interest_or_to_explain() {
    let all = without(&[("a", "no"), ("b", "no"), ("c", "no")]);
    let first = Played { name: "first", filter: all, ignores: "other", ..Played::default() };
    let second =
        Played { name: "second", filter: without(&[]), weight: 1, prioritize: scores(&[]), ..Played::default() };
    let (mut scheduler, asked) = scheduler(vec![first, second]);
    let engine = scheduler.engine_mut();
    decide(engine, &pod("p", 500, 0));
    assert_eq!(taken(&asked), ["first filter a,b,c"]);
    decide(engine, &pod("huge", 5000, 0));
    assert_eq!(taken(&asked), [""; 0]);
    decide(engine, &pod("other", 500, 0));
    assert_eq!(taken(&asked), ["second filter a,b,c", "second prioritize a,b,c"]);
    let explained = engine.decide(&Arc::new(pod("p", 500, 0)), 1, Depth::Explain);
    assert_eq!((explained.feasible, taken(&asked)), (3, vec![]));
    // One node needs no scores.
    let engine = scheduler.engine_mut();
    engine.remove_node("a");
    engine.remove_node("b");
    assert_eq!(decide(engine, &pod("other", 500, 0)).decided_by, Some(DecidedBy::OnlyFeasible));
    assert_eq!(taken(&asked), ["second filter c"]);
}

#[test]
fn scores_are_scaled_weighted_and_added_and_the_plugins_score_what_is_left() {
    let narrows = Played { name: "narrows", filter: without(&[("a", "no")]), ..Played::default() };
    let heavy =
        Played { name: "heavy", weight: 7, prioritize: scores(&[("b", 3), ("c", 4), ("b", 2)]), ..Played::default() };
    let light =
        Played { name: "light", weight: 1, prioritize: scores(&[("a", 10), ("c", 1), ("?", 9)]), ..Played::default() };
    let broken =
        Played { name: "broken", weight: 9, prioritize: Some(Box::new(|_| Err("no".to_owned()))), ..Played::default() };
    let (mut scheduler, asked) = scheduler(vec![narrows, heavy, light, broken]);
    let engine = scheduler.engine_mut();
    let cycle = decide(engine, &pod("p", 500, 0));
    let mut asked = taken(&asked);
    asked[1..].sort_unstable();
    assert_eq!(
        asked,
        ["narrows filter a,b,c", "broken prioritize b,c", "heavy prioritize b,c", "light prioritize b,c"]
    );
    assert_eq!((cycle.node.as_deref(), cycle.decided_by), (Some("b"), Some(DecidedBy::Score)));
    let nodes = records(engine, &cycle);
    let score = |node: &str, by: &str| nodes[node].scores.get(by).map(|s| (s.raw, s.normalized, s.weight, s.weighted));
    assert_eq!(score("b", "heavy"), Some((5, 50, 7, 350)));
    assert_eq!(score("c", "heavy"), Some((4, 40, 7, 280)));
    assert_eq!((score("c", "light"), score("b", "light")), (Some((1, 10, 1, 10)), None));
    assert_eq!((score("b", "broken"), nodes["a"].scores.len()), (None, 0));
    // What the plugins give is what they give in a cluster without the node that an extender turned down.
    let (mut small, _) = self::scheduler(vec![]);
    small.engine_mut().remove_node("a");
    let engine = small.engine_mut();
    let alone = decide(engine, &pod("p", 500, 0));
    let alone = records(engine, &alone);
    for (name, added) in [("b", 350), ("c", 290)] {
        assert_eq!(nodes[name].total, alone[name].total.map(|total| total + added), "{name}");
        let of_plugins = nodes[name].scores.iter().filter(|(by, _)| alone[name].scores.contains_key(*by));
        assert!(of_plugins.eq(alone[name].scores.iter()), "{name}");
    }
    // Nothing is kept of it: without extenders the node is there again.
    let profiles = profiles("").expect("the configuration is valid");
    scheduler.set_profiles(profiles, 1);
    assert_eq!(decide(scheduler.engine_mut(), &pod("p", 500, 0)).feasible, 3);
}

#[test]
fn a_failure_is_an_error_of_the_scheduler_unless_it_may_be_ignored() {
    let fails = |ignorable| Played {
        name: "fails",
        ignorable,
        filter: Some(Box::new(|_| Err("it is down".to_owned()))),
        ..Played::default()
    };
    let (mut ignoring, _) = scheduler(vec![fails(true)]);
    assert_eq!(decide(ignoring.engine_mut(), &pod("p", 500, 0)).feasible, 3);
    let (mut scheduler, _) = scheduler(vec![fails(false)]);
    scheduler.apply(Event::Pod(Arc::new(pod("p", 500, 0))), 0);
    let (attempt, effects) = scheduler.schedule_one(1).expect("the pod waits");
    assert_eq!((attempt.cycle.outcome, attempt.cycle.message.as_str()), (Outcome::Error, "it is down"));
    let condition = effects.iter().find_map(|effect| match effect {
        Effect::PatchStatus { condition, .. } => condition.clone(),
        _ => None,
    });
    assert_eq!(condition, Some(("SchedulerError", "it is down".to_owned())));
    // Nothing has to happen for it to be tried again.
    scheduler.tick(20_000_000_000);
    assert!(scheduler.schedule_one(20_000_000_000).is_some());
}

#[test]
fn whom_an_extender_turned_down_any_event_wakes() {
    let nothing = without(&[("a", "no"), ("b", "no"), ("c", "no")]);
    let (mut scheduler, asked) = scheduler(vec![Played { name: "e", filter: nothing, ..Played::default() }]);
    scheduler.apply(Event::Pod(Arc::new(pod("p", 500, 0))), 0);
    scheduler.schedule_one(1).expect("the pod waits");
    scheduler.tick(20_000_000_000);
    assert!(scheduler.schedule_one(20_000_000_000).is_none(), "it waits for an event");
    // An event that no plugin wants that turned it down.
    let sitting = PodInfo { node_name: Some("a".into()), ..pod("sitting", 0, 0) };
    scheduler.apply(Event::Pod(Arc::new(sitting)), 21_000_000_000);
    scheduler.tick(40_000_000_000);
    assert!(scheduler.schedule_one(40_000_000_000).is_some());
    assert_eq!(taken(&asked).len(), 2);
}

#[test]
fn a_nominated_node_is_asked_about_alone_first() {
    let engine = |filter| {
        let (scheduler, asked) = scheduler(vec![Played { name: "e", filter, ..Played::default() }]);
        (scheduler, asked)
    };
    let nominated = PodInfo { nominated_node_name: Some("b".into()), ..pod("p", 500, 0) };
    let (mut scheduler, asked) = engine(without(&[("a", "no")]));
    let cycle = decide(scheduler.engine_mut(), &nominated);
    assert_eq!((cycle.node.as_deref(), cycle.decided_by), (Some("b"), Some(DecidedBy::Nominated)));
    assert_eq!(taken(&asked), ["e filter b"]);
    let (mut scheduler, asked) = engine(without(&[("b", "no"), ("c", "no")]));
    let cycle = decide(scheduler.engine_mut(), &nominated);
    assert_eq!((cycle.node.as_deref(), cycle.decided_by), (Some("a"), Some(DecidedBy::OnlyFeasible)));
    assert_eq!(taken(&asked), ["e filter b", "e filter a,b,c"]);
    // A failure about the nominated node alone is not the end.
    let fails_alone: Filter = Box::new(|nodes: &[Str]| match nodes {
        [_] => Err("busy".to_owned()),
        _ => Ok(ExtenderFilter { passed: vec!["c".to_owned()], ..ExtenderFilter::default() }),
    });
    let (mut scheduler, _) = engine(Some(fails_alone));
    assert_eq!(decide(scheduler.engine_mut(), &nominated).node.as_deref(), Some("c"));
}

/// Nodes `a`, `b` and `c` full, each with a pod of this priority that is named after it.
fn full(extenders: Vec<Played>) -> (Scheduler, Asked) {
    let (mut scheduler, asked) = scheduler(extenders);
    for (name, priority) in [("a", 1), ("b", 2), ("c", 3)] {
        let sitting = PodInfo { node_name: Some(name.into()), ..pod(&format!("on-{name}"), 1000, priority) };
        scheduler.apply(Event::Pod(Arc::new(sitting)), 0);
    }
    (scheduler, asked)
}

#[allow(clippy::unnecessary_wraps, reason = "as the field takes it")]
fn candidates(of: &'static [(&'static str, &'static [&'static str], i64)]) -> Option<Preempt> {
    let candidate = |(node, pods, pdb_violations): &(&str, &[&str], i64)| NodeMetaVictims {
        node: (*node).to_owned(),
        pods: pods.iter().map(ToString::to_string).collect(),
        pdb_violations: *pdb_violations,
    };
    Some(Box::new(move |_| Ok(of.iter().map(candidate).collect())))
}

/// The nominated node and the victims, and the message.
fn preempted(extenders: Vec<Played>) -> (Option<String>, Vec<String>, String, Asked) {
    let (mut scheduler, asked) = full(extenders);
    let cycle = decide(scheduler.engine_mut(), &pod("p", 500, 100));
    let victims = cycle.victims.iter().map(|pod| pod.name.to_string()).collect();
    (cycle.nominate.flatten().map(|node| node.to_string()), victims, cycle.message, asked)
}

fn preempts(preempt: Option<Preempt>, ignorable: bool) -> Played {
    Played { name: "http://e", ignorable, preempt, ..Played::default() }
}

#[test]
fn extenders_have_a_say_in_preemption() {
    let (node, victims, ..) = preempted(vec![]);
    assert_eq!((node.as_deref(), victims), (Some("a"), vec!["on-a".to_owned()]));

    let two = vec![
        preempts(candidates(&[("c", &["on-c"], 0), ("b", &["on-b"], 1)]), false),
        Played { name: "uninterested", ignores: "p", ..preempts(candidates(&[]), false) },
        preempts(
            Some(Box::new(|given| {
                let left = given.iter().map(|candidate| NodeMetaVictims {
                    node: candidate.node.to_string(),
                    pods: candidate.pods.iter().map(|pod| pod.uid.to_string()).collect(),
                    pdb_violations: candidate.pdb_violations,
                });
                Ok(left.collect())
            })),
            true,
        ),
    ];
    let (node, victims, _, asked) = preempted(two);
    // By what it says of budgets, not by priority.
    assert_eq!((node.as_deref(), victims), (Some("c"), vec!["on-c".to_owned()]));
    assert_eq!(taken(&asked), ["http://e preempt a,b,c", "http://e preempt b,c"]);

    let message = |preempt, ignorable| {
        let (node, _, message, _) = preempted(vec![preempts(preempt, ignorable)]);
        // Other PostFilter plugins have their say before it.
        (node, message.split_once("preemption: ").map(|(_, text)| text.to_owned()))
    };
    let said = |text: &str| (None, Some(text.to_owned()));
    let (on_a, none) = (|| Some("a".to_owned()), None::<String>);
    let fails = || -> Option<Preempt> { Some(Box::new(|_| Err("it is down".to_owned()))) };
    assert_eq!(message(candidates(&[]), false), said("no candidate node for preemption"));
    assert_eq!(message(fails(), false), said("it is down"));
    assert_eq!(message(fails(), true), (on_a(), none.clone()));
    let empty = || candidates(&[("a", &[], 0), ("b", &["on-b"], 0)]);
    assert_eq!(message(empty(), false), said("expected at least one victim pod on node \"a\""));
    assert_eq!(message(empty(), true), (Some("b".to_owned()), none.clone()));
    let gone = || candidates(&[("d", &["on-d"], 0)]);
    assert_eq!(message(gone(), false), said("nodeinfo not found for node name \"d\""));
    assert_eq!(message(gone(), true), (on_a(), none.clone()));
    let elsewhere = said(
        "extender: http://e claims to preempt pod (UID: &{on-b}) on node: a, but the pod is not found on that node",
    );
    assert_eq!(message(candidates(&[("a", &["on-b"], 0)]), false), elsewhere);
}

#[test]
fn what_an_extender_turned_down_is_told_to_preemption() {
    // `a` could be preempted, were it not for the extender; no deletion makes it change its mind about `b`.
    let filter: Filter = Box::new(|asked| {
        let failed = |node: &str| BTreeMap::from([(node.to_owned(), "not here".to_owned())]);
        assert_eq!(asked, ["c"]);
        let (failed, never) = (failed("b"), failed("a"));
        Ok(ExtenderFilter { passed: Vec::new(), failed, failed_and_unresolvable: never })
    });
    let (mut scheduler, _) = full(vec![Played { name: "e", filter: Some(filter), ..Played::default() }]);
    scheduler.apply(Event::PodGone("on-c".into()), 0);
    let cycle = decide(scheduler.engine_mut(), &pod("p", 500, 100));
    assert_eq!(cycle.nominate.flatten().as_deref(), Some("b"));
}

/// A scheduler that has decided about `p`, which an extender binds, and the effects.
fn binding(ignorable: bool) -> (Scheduler, Vec<Effect>) {
    let (mut scheduler, _) = scheduler(vec![
        Played { name: "uninterested", ignores: "p", binds: true, ..Played::default() },
        Played { name: "binds", ignorable, binds: true, ..Played::default() },
    ]);
    scheduler.apply(Event::Pod(Arc::new(pod("p", 500, 0))), 0);
    let (_, effects) = scheduler.schedule_one(1).expect("the pod waits");
    (scheduler, effects)
}

fn binder(effects: &[Effect]) -> Option<Option<String>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Bind { extender, .. } => Some(extender.as_ref().map(|extender| extender.name().to_owned())),
        _ => None,
    })
}

#[test]
fn an_extender_binds_in_the_place_of_the_plugins() {
    let (mut scheduler, effects) = binding(false);
    assert_eq!(binder(&effects), Some(Some("binds".to_owned())));
    let effects = scheduler.bound("p", Err("no such pod".to_owned()), 2);
    let note = effects.iter().find_map(|effect| match effect {
        Effect::RecordEvent { note, .. } => Some(note.clone()),
        _ => None,
    });
    assert_eq!((binder(&effects), note.as_deref()), (None, Some("no such pod")));
    assert_eq!(scheduler.engine().cluster().assumed_count(), 0);

    // One that may be ignored leaves the pod to the plugins, and the room stays taken.
    let (mut scheduler, _) = binding(true);
    let effects = scheduler.bound("p", Err("it is down".to_owned()), 2);
    assert_eq!((binder(&effects), effects.len()), (Some(None), 1));
    assert_eq!((scheduler.binding(), scheduler.engine().cluster().assumed_count()), (1, 1));
    let effects = scheduler.bound("p", Ok(()), 3);
    assert!(matches!(effects.as_slice(), [Effect::RecordEvent { reason: "Scheduled", .. }]), "{effects:?}");
}

#[test]
fn a_share_of_the_nodes_and_a_few_by_name_are_filtered_too() {
    let share =
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\npercentageOfNodesToScore: 50\n";
    let filter = || Played { name: "e", filter: without(&[("n000", "no")]), ..Played::default() };
    let (mut scheduler, asked) = scheduler_of(share, vec![filter()]);
    for name in ["a", "b", "c", "tiny"] {
        scheduler.apply(Event::NodeGone(name.into()), 0);
    }
    for n in 0..220 {
        scheduler.apply(Event::Node(node(&format!("n{n:03}"), 1000)), 0);
    }
    let engine = scheduler.engine_mut();
    let cycle = decide(engine, &pod("p", 500, 0));
    assert_eq!((cycle.feasible, taken(&asked)[0].matches(',').count() + 1), (109, 110));
    assert_eq!(records(engine, &cycle).len(), 110);
    assert_eq!(engine.first_to_visit(), 110);
}
