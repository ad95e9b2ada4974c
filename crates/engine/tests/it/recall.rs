//! Decisions told again, and the queue looked at in parts.

use std::sync::Arc;

use loadline_engine::{Event, Scheduler, Settings};
use loadline_framework::record::Outcome;
use loadline_model::{NodeSpec, PodInfo, PodRequests, Resources};
use loadline_parity::profiles;

fn cpu(milli_cpu: i64) -> Resources {
    Resources { milli_cpu, ..Resources::default() }
}

fn node(name: &str) -> Event {
    let spec = NodeSpec { name: name.into(), allocatable: cpu(2000), allowed_pods: 110, ..NodeSpec::default() };
    Event::Node(Arc::new(spec))
}

fn pod(name: &str, milli_cpu: i64) -> Event {
    let requests = PodRequests { spec: cpu(milli_cpu), usage: cpu(milli_cpu), ..PodRequests::default() };
    Event::Pod(Arc::new(PodInfo {
        namespace: "default".into(),
        name: name.into(),
        uid: name.into(),
        scheduler_name: "default-scheduler".into(),
        requests: Arc::new(requests),
        ..PodInfo::default()
    }))
}

fn scheduler() -> Scheduler {
    let mut scheduler = Scheduler::new(profiles("").expect("the defaults are right"), Settings::default());
    for name in ["a", "b"] {
        scheduler.apply(node(name), 0);
    }
    scheduler
}

#[test]
fn the_table_is_made_anew_while_nothing_has_changed() {
    let mut scheduler = scheduler();
    scheduler.apply(pod("large", 4000), 0);
    scheduler.schedule_one(1).expect("it waits");
    let summary = scheduler.engine().records().latest("default", "large").expect("it is kept").clone();

    let told = scheduler.engine_mut().recall(&summary);
    assert_eq!((told.decision.result, told.decision.truncated), (Outcome::Unschedulable, false));
    let nodes = told.decision.nodes.expect("nothing has changed");
    assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(nodes[0].reasons, ["Insufficient cpu"]);
    assert_eq!(told.summary.expect("it was tried").rejections[0].nodes, 2);
    assert_eq!(scheduler.engine().records().iter().len(), 1, "who looks leaves no decision behind");

    // A node more, and the table would be another.
    scheduler.apply(node("c"), 2);
    let told = scheduler.engine_mut().recall(&summary);
    assert_eq!((told.decision.nodes, told.decision.truncated), (None, true));
    assert_eq!(told.decision.message, summary.message.to_string());
    let waiting = scheduler.queue().find("default", "large").expect("it waits").queued.pod.clone();
    assert_eq!(scheduler.engine_mut().judge(&waiting, 2).nodes.map(|nodes| nodes.len()), Some(3));
}

#[test]
fn of_a_placed_pod_the_summary_is_left() {
    let mut scheduler = scheduler();
    scheduler.apply(pod("web", 500), 0);
    scheduler.schedule_one(1).expect("it waits");
    let summary = scheduler.engine().records().latest("default", "web").expect("it is kept").clone();
    let told = scheduler.engine_mut().recall(&summary);
    assert_eq!((told.decision.result, told.decision.truncated), (Outcome::Feasible, true));
    assert!(told.decision.node.is_some());
    let kept = told.summary.expect("it was tried");
    assert_eq!((kept.feasible, kept.best.len(), kept.attempt), (2, 2, 1));
}

#[test]
fn waiting_pods_come_in_parts_by_name() {
    let mut scheduler = scheduler();
    for name in ["c", "a", "b"] {
        scheduler.apply(pod(name, 100), 0);
    }
    let names = |after: Option<(&str, &str)>, limit| {
        let (page, more) = scheduler.queue().page(after, limit);
        (page.iter().map(|waiting| waiting.queued.pod.name.to_string()).collect::<Vec<_>>().join(" "), more)
    };
    assert_eq!(names(None, 2), ("a b".to_owned(), true));
    assert_eq!(names(Some(("default", "b")), 2), ("c".to_owned(), false));
    assert_eq!(names(Some(("default", "c")), 2), (String::new(), false));
    assert!(scheduler.queue().find("default", "d").is_none());
}
