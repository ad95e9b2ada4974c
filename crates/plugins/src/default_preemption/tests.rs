use loadline_framework::{
    CarriedTerm, Cluster, Counts, ImageState, NodeTrial, QueryId, Topology, TopologyId, Usage, UsageId,
};
use loadline_model::{Labels, NodeInfo, NodeSpec, PodRequests, Requirement, Resources, Selector, Set};
use serde_json::json;

use super::*;

/// A cluster whose only filter is cpu, with verdicts as a cycle would have left them.
#[derive(Default)]
struct Fake {
    nodes: Vec<Option<Arc<NodeInfo>>>,
    by_name: Vec<Slot>,
    codes: Vec<Code>,
    budgets: Vec<DisruptionBudget>,
    wanted: i64,
    /// A node on which even an empty node is no help.
    never_fits: Option<&'static str>,
    scheduler: Str,
}

struct FakeTrial<'a> {
    free: i64,
    fake: &'a Fake,
    never: bool,
}

impl NodeTrial for FakeTrial<'_> {
    fn remove(&mut self, pod: &Arc<PodInfo>) {
        self.free += pod.requests.usage.milli_cpu;
    }
    fn restore(&mut self, pod: &Arc<PodInfo>) {
        self.free -= pod.requests.usage.milli_cpu;
    }
    fn check(&mut self) -> Status {
        if self.never {
            Status::unschedulable("node(s) didn't have free ports for the requested pod ports")
        } else if self.free < self.fake.wanted {
            Status::unschedulable("Insufficient cpu")
        } else {
            Status::success()
        }
    }
}

impl Cluster for Fake {
    fn nodes(&self) -> &[Option<Arc<NodeInfo>>] {
        &self.nodes
    }
    fn node_count(&self) -> usize {
        self.nodes.iter().flatten().count()
    }
    fn slot(&self, name: &str) -> Option<Slot> {
        let at = self.nodes.iter().flatten().position(|n| n.spec.name == *name)?;
        Some(Slot(at as u32))
    }
    fn spec_generation(&self) -> u64 {
        0
    }
    fn topology(&self, _id: TopologyId) -> &Topology {
        unreachable!("preemption reads no topology")
    }
    fn carried(&self, _id: QueryId) -> Option<&CarriedTerm> {
        unreachable!("preemption reads no terms")
    }
    fn counts(&self, _id: QueryId) -> &Counts {
        unreachable!("preemption reads no counts")
    }
    fn image(&self, _name: &str) -> Option<ImageState> {
        None
    }
    fn image_generation(&self) -> u64 {
        0
    }
    fn namespace_labels(&self, _name: &str) -> &Labels {
        unreachable!("preemption reads no namespace")
    }
    fn usage(&self, _id: UsageId) -> &Usage {
        unreachable!("preemption reads no real use")
    }
}

impl WhatIf for Fake {
    fn cluster(&self) -> &dyn Cluster {
        self
    }
    fn slots_by_name(&self) -> &[Slot] {
        &self.by_name
    }
    fn code(&self, slot: Slot) -> Code {
        self.codes[slot.index()]
    }
    fn pre_filter_ran(&self, _plugin: &str) -> bool {
        true
    }
    fn trial(&self, slot: Slot) -> Box<dyn NodeTrial + '_> {
        let node = self.nodes[slot.index()].as_ref().unwrap();
        Box::new(FakeTrial {
            free: node.spec.allocatable.milli_cpu - node.load.requested.milli_cpu,
            fake: self,
            never: self.never_fits.is_some_and(|name| node.spec.name == *name),
        })
    }
    fn disruption_budgets(&self, namespace: &str) -> &[DisruptionBudget] {
        if namespace == "default" { &self.budgets } else { &[] }
    }
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(work);
    }
    fn resolvable(&self) -> usize {
        self.codes.iter().filter(|code| **code == Code::Unschedulable).count()
    }
    fn lowest_priority(&self) -> Option<i32> {
        self.nodes.iter().flatten().flat_map(|node| &node.pods).map(|pod| pod.priority).min()
    }
    fn scheduler_name(&self) -> &Str {
        &self.scheduler
    }
}

impl Fake {
    fn new(wanted: i64) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// A node with 1000m, full unless its pods leave room.
    fn node(mut self, name: &str, pods: &[Arc<PodInfo>]) -> Self {
        let mut info = NodeInfo {
            spec: Arc::new(NodeSpec {
                name: name.into(),
                allocatable: Resources { milli_cpu: 1000, ..Resources::default() },
                ..NodeSpec::default()
            }),
            ..NodeInfo::default()
        };
        for pod in pods {
            info.load.add(pod);
            info.pods.push(pod.clone());
        }
        self.by_name.push(Slot(self.nodes.len() as u32));
        self.nodes.push(Some(Arc::new(info)));
        self.codes.push(Code::Unschedulable);
        let nodes = &self.nodes;
        self.by_name.sort_by_key(|slot| nodes[slot.index()].as_ref().unwrap().spec.name.clone());
        self
    }

    fn unresolvable(mut self, name: &str) -> Self {
        let slot = self.slot(name).unwrap();
        self.codes[slot.index()] = Code::UnschedulableAndUnresolvable;
        self
    }

    fn budget(mut self, app: &str, allowed: i32) -> Self {
        self.budgets.push(DisruptionBudget {
            namespace: "default".into(),
            name: app.into(),
            selector: Selector::from_pairs([(&"app".into(), &app.into())]),
            disruptions_allowed: allowed,
            disrupted_pods: Set::default(),
        });
        self
    }

    fn chosen(&self) -> Option<(String, Vec<String>)> {
        let result = DefaultPreemption.post_filter(&preemptor(), self);
        let node = result.nominate??;
        Some((node.to_string(), names(&result.victims)))
    }
}

fn names(pods: &[Arc<PodInfo>]) -> Vec<String> {
    pods.iter().map(|p| p.name.to_string()).collect()
}

fn pod(name: &str, priority: i32, cpu: i64, started: Option<Time>) -> PodInfo {
    PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        priority,
        started,
        requests: Arc::new(PodRequests {
            usage: Resources { milli_cpu: cpu, ..Resources::default() },
            ..PodRequests::default()
        }),
        ..PodInfo::default()
    }
}

fn running(name: &str, priority: i32, cpu: i64, started: Time) -> Arc<PodInfo> {
    Arc::new(pod(name, priority, cpu, Some(started)))
}

fn labelled(name: &str, priority: i32, cpu: i64, app: &str) -> Arc<PodInfo> {
    Arc::new(PodInfo { labels: Arc::new([("app", app)].into_iter().collect()), ..pod(name, priority, cpu, Some(1)) })
}

fn preemptor() -> Arc<PodInfo> {
    Arc::new(pod("preemptor", 100, 0, None))
}

/// What became of the nomination.
#[derive(Debug, PartialEq)]
enum Nomination {
    Kept,
    Cleared,
}

fn failure(fake: &Fake, pod: &Arc<PodInfo>) -> (Status, Nomination) {
    let result = DefaultPreemption.post_filter(pod, fake);
    assert!(result.victims.is_empty());
    let nomination = match result.nominate {
        None => Nomination::Kept,
        Some(None) => Nomination::Cleared,
        Some(Some(node)) => panic!("{node} was nominated"),
    };
    (result.status, nomination)
}

#[test]
fn keeps_the_important_pods_that_can_stay() {
    // 1000m are wanted less 400m: the most important pods that leave 600m stay.
    let fake = Fake::new(600).node(
        "n",
        &[
            running("low", 1, 300, 1),
            running("high", 9, 200, 9),
            running("middle-late", 5, 300, 7),
            running("middle-early", 5, 200, 3),
        ],
    );
    let (_, victims) = fake.chosen().unwrap();
    assert_eq!(victims, ["middle-late", "low"]);
}

#[test]
fn pods_of_the_same_priority_are_never_victims() {
    let fake = Fake::new(500).node("n", &[running("equal", 100, 800, 1), running("low", 99, 200, 1)]);
    let (status, nomination) = failure(&fake, &preemptor());
    assert_eq!(status, Status::unschedulable("preemption: 0/1 nodes are available: 1 Insufficient cpu."));
    assert_eq!(nomination, Nomination::Cleared);
}

#[test]
fn protected_pods_are_spared_first() {
    // One of the two must go. By importance it would be `guarded`, which the budget protects.
    let fake = Fake::new(500)
        .node("n", &[labelled("guarded", 1, 500, "db"), labelled("plain", 2, 500, "web")])
        .budget("db", 0);
    assert_eq!(fake.chosen().unwrap().1, ["plain"]);
    let candidates = dry_run(&preemptor(), &fake);
    assert_eq!(candidates[0].violations, 0);
}

#[test]
fn a_budget_is_used_up_in_the_order_of_importance() {
    let two = [labelled("first", 5, 500, "db"), labelled("second", 4, 500, "db")];
    let all = Fake::new(1000).node("n", &two).budget("db", 1);
    let candidates = dry_run(&preemptor(), &all);
    assert_eq!(names(&candidates[0].victims), ["first", "second"]);
    assert_eq!(candidates[0].violations, 1);

    // `second` is the violating one, so it is spared before the more important `first`.
    let half = Fake::new(500).node("n", &two).budget("db", 1);
    let candidates = dry_run(&preemptor(), &half);
    assert_eq!(names(&candidates[0].victims), ["first"]);
    assert_eq!(candidates[0].violations, 0);
}

#[test]
fn budgets_that_do_not_count() {
    let mut fake = Fake::new(1000).node("n", &[labelled("a", 1, 1000, "db")]).budget("db", 0);
    let violations = |fake: &Fake| dry_run(&preemptor(), fake)[0].violations;
    assert_eq!(violations(&fake), 1);
    fake.budgets[0].disrupted_pods.insert("a".into());
    assert_eq!(violations(&fake), 0, "its disruption is counted already");
    fake.budgets[0].disrupted_pods.clear();
    fake.budgets[0].selector = Selector::all(Vec::<Requirement>::new());
    assert_eq!(violations(&fake), 0, "an empty selector matches nothing here");
    fake.budgets[0].selector = Selector::Nothing;
    assert_eq!(violations(&fake), 0);
}

#[test]
fn criteria_in_their_order() {
    let base = || Fake::new(1000);
    // Fewest violations beats everything else.
    let fake = base()
        .node("a", &[labelled("cheap", 1, 1000, "db")])
        .node("b", &[running("dear", 50, 1000, 1)])
        .budget("db", 0);
    assert_eq!(fake.chosen().unwrap().0, "b");
    // Lowest priority of the most important victim.
    let fake = base()
        .node("a", &[running("a1", 10, 1000, 1)])
        .node("b", &[running("b1", 9, 500, 1), running("b2", 9, 500, 1)]);
    assert_eq!(fake.chosen().unwrap().0, "b");
    // Smallest sum, each victim counted with 2^31 more: one pod beats two of lower priority.
    let fake = base()
        .node("a", &[running("a1", 9, 500, 1), running("a2", -5, 500, 1)])
        .node("b", &[running("b1", 9, 1000, 1)]);
    assert_eq!(fake.chosen().unwrap().0, "b");
    // Latest start of the earliest among the most important victims; later starts of less important ones are nothing.
    let fake = base()
        .node("a", &[running("a1", 9, 500, 5), running("a2", 3, 500, 99)])
        .node("b", &[running("b1", 9, 500, 6), running("b2", 3, 500, 1)]);
    assert_eq!(fake.chosen().unwrap().0, "b");
    // A pod that has not started counts as the latest.
    let fake = base().node("a", &[running("a1", 9, 1000, 5)]).node("b", &[Arc::new(pod("b1", 9, 1000, None))]);
    assert_eq!(fake.chosen().unwrap().0, "b");
    // All equal: the lowest name, not the lowest slot.
    let fake = base().node("z", &[running("z1", 9, 1000, 5)]).node("m", &[running("m1", 9, 1000, 5)]);
    assert_eq!(fake.chosen().unwrap().0, "m");
}

#[test]
fn number_of_victims_decides_between_equal_sums() {
    // Sums can only be equal with different numbers when priorities reach below -2^30.
    let half = -(1 << 30);
    let victims = |priorities: &[i32]| Candidate {
        slot: Slot(0),
        node: "n".into(),
        victims: priorities.iter().map(|p| running("v", *p, 0, 0)).collect(),
        violations: 0,
    };
    let two = victims(&[half, half - 5]);
    let three = victims(&[half, i32::MIN, half - 5]);
    assert_eq!(two.rank().2, three.rank().2);
    assert_eq!(best(&[three, two.clone()]), Some(&two));
}

#[test]
fn pods_that_have_not_started_turn_round() {
    let waiting = |name| Arc::new(pod(name, 1, 300, None));
    let fake = Fake::new(600).node("n", &[waiting("a"), waiting("b"), waiting("c"), running("d", 1, 100, 5)]);
    // Importance: d (started), then c, b, a. 400m may stay: d and c.
    assert_eq!(fake.chosen().unwrap().1, ["b", "a"]);
}

#[test]
fn counts_reasons_of_tried_and_untried_nodes() {
    let mut fake = Fake::new(500)
        .node("empty", &[])
        .node("high", &[running("h", 100, 1000, 1)])
        .node("other", &[running("l", 1, 1000, 1)])
        .node("hopeless", &[running("x", 1, 1000, 1)])
        .unresolvable("hopeless");
    fake.never_fits = Some("other");
    let (status, nomination) = failure(&fake, &preemptor());
    assert_eq!(
        status.message(),
        "preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling, 1 node(s) didn't have free \
         ports for the requested pod ports, 2 No preemption victims found for incoming pod."
    );
    assert_eq!((status.code, nomination), (Code::Unschedulable, Nomination::Cleared));
}

#[test]
fn counts_are_sorted_as_text() {
    let mut fake = Fake::new(500);
    for i in 0..12 {
        fake = fake.node(&format!("n{i:02}"), &[]);
    }
    for name in ["n00", "n01"] {
        fake = fake.unresolvable(name);
    }
    assert_eq!(
        failure(&fake, &preemptor()).0.message(),
        "preemption: 0/12 nodes are available: 10 No preemption victims found for incoming pod, 2 Preemption is not \
         helpful for scheduling."
    );
}

#[test]
fn a_node_that_needs_no_victim_is_an_error() {
    let fake = Fake::new(500).node("n", &[running("small", 1, 100, 1)]);
    let (status, nomination) = failure(&fake, &preemptor());
    assert_eq!(status, Status::error("preemption: expected at least one victim pod on node \"n\""));
    assert_eq!(nomination, Nomination::Kept);
    // Different errors are listed, and a candidate elsewhere makes up for them.
    let fake = fake.node("m", &[running("small2", 1, 100, 1)]);
    assert_eq!(
        failure(&fake, &preemptor()).0.message(),
        "preemption: [expected at least one victim pod on node \"m\", expected at least one victim pod on node \"n\"]"
    );
    let fake = fake.node("o", &[running("big", 1, 1000, 1)]);
    assert_eq!(fake.chosen().unwrap().0, "o");
}

#[test]
fn eligibility() {
    let dying = Arc::new(PodInfo { deleted: Some(5), preempted: true, ..pod("dying", 1, 500, Some(1)) });
    let fake = Fake::new(500).node("n", &[dying.clone(), running("other", 1, 500, 2)]);
    let never = Arc::new(PodInfo { preemption_policy: PreemptionPolicy::Never, ..pod("p", 100, 0, None) });
    let (status, nomination) = failure(&fake, &never);
    assert_eq!(status, Status::unschedulable("preemption: not eligible due to preemptionPolicy=Never."));
    assert_eq!(nomination, Nomination::Kept);

    let nominated = |node: &str| Arc::new(PodInfo { nominated_node_name: Some(node.into()), ..pod("p", 100, 0, None) });
    let (status, nomination) = failure(&fake, &nominated("n"));
    assert_eq!(
        status,
        Status::unschedulable("preemption: not eligible due to a terminating pod on the nominated node.")
    );
    assert_eq!(nomination, Nomination::Kept);

    let proceeds = |fake: &Fake, pod: &Arc<PodInfo>| DefaultPreemption.post_filter(pod, fake).status.is_success();
    assert!(proceeds(&fake, &nominated("gone")), "the nominated node has gone");
    let elsewhere = Fake::new(500).node("n", &[dying]).unresolvable("n").node("m", &[running("v", 1, 1000, 1)]);
    assert!(proceeds(&elsewhere, &nominated("n")), "nothing can make the nominated node fit");
    let evicted = Fake::new(500).node(
        "n",
        &[Arc::new(PodInfo { deleted: Some(5), ..pod("evicted", 1, 500, Some(1)) }), running("other", 1, 500, 2)],
    );
    assert!(proceeds(&evicted, &nominated("n")), "its end is not preemption's doing");
}

#[test]
fn both_arguments_zero_is_refused() {
    let errors = |percentage, absolute| {
        (DESCRIPTOR.validate)(&json!({
            "minCandidateNodesPercentage": percentage, "minCandidateNodesAbsolute": absolute
        }))
    };
    assert!(errors(0, 1).is_empty() && errors(10, 0).is_empty());
    assert_eq!(
        errors(0, 0),
        [
            FieldError::new(
                "minCandidateNodesPercentage",
                "cannot be zero at the same time as minCandidateNodesAbsolute"
            ),
            FieldError::new(
                "minCandidateNodesAbsolute",
                "cannot be zero at the same time as minCandidateNodesPercentage"
            ),
        ]
    );
}

#[test]
fn the_hint_never_wakes() {
    let plugin = (DESCRIPTOR.build)(&json!({})).unwrap();
    let gone = preemptor();
    let object = EventObject::Pod { old: Some(&gone), new: None };
    let hint = plugin.hints.unwrap().hint(&preemptor(), &DESCRIPTOR.events[0], &object);
    assert_eq!(hint, Hint::Skip);
}
