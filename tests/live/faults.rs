//! An API server that is slow, busy, away, or forgets to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loadline_fixture::{ControlPlane, Fault, Proxy};
use serde_json::json;

use crate::support::{
    QUICK, Running, Watched, add_node, add_node_for, all_bound, bound, create, delete, events, eventually, get,
    is_long, kubectl, list, node_of, patch, pod, service_account, waiting, within,
};

/// Pods with names that count from 0, each of which requests this much.
fn pods(name: &str, count: usize, cpu: &str) -> Vec<serde_json::Value> {
    (0..count).map(|number| pod(&format!("{name}-{number}"), cpu, &json!({}))).collect()
}

fn is_binding(method: &str, path: &str) -> bool {
    method == "POST" && path.ends_with("/binding")
}

/// How often each pod's binding was asked for.
fn bindings(proxy: &Proxy) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (method, path) in proxy.seen() {
        if is_binding(&method, &path) {
            *count.entry(path).or_default() += 1;
        }
    }
    count
}

#[test]
fn answers_that_are_lost_late_or_no_bind_each_pod_once() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    for node in ["node-a", "node-b"] {
        add_node(&server, node, "4");
    }

    // All pods are known and the nodes are not: nothing is placed before they are.
    create(&server, &pods("early", 4, "1"));
    proxy.fail(|_, path| path.starts_with("/api/v1/nodes?limit").then_some(Fault::Refuse(503, None)));
    let scheduler = Running::through(&proxy, &[]);
    let asked_for_pods = |path: &str| path.starts_with("/api/v1/pods?") && path.contains("watch=true");
    eventually("pods are watched", || proxy.seen().iter().find(|(_, path)| asked_for_pods(path)).map(|_| ()));
    std::thread::sleep(Duration::from_millis(500));
    assert!(!proxy.seen().iter().any(|(method, path)| is_binding(method, path)), "no node is known");
    proxy.heal();
    assert_eq!(all_bound(&server), "node-a: 2, node-b: 2");

    // The API server binds and the answer is lost: the pod is looked up, and nothing is asked for twice.
    let lost = Mutex::new(Vec::new());
    proxy.fail(move |method, path| {
        let mut lost = lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_first = is_binding(method, path) && !lost.contains(&path.to_owned());
        is_first.then(|| lost.push(path.to_owned())).map(|()| Fault::LoseAnswer)
    });
    create(&server, &pods("unanswered", 2, "1"));
    all_bound(&server);
    for name in ["unanswered-0", "unanswered-1"] {
        assert_eq!(eventually("it is told", || events(&server, name, "Scheduled").pop())["series"], json!(null));
        assert_eq!(events(&server, name, "FailedScheduling"), Vec::<serde_json::Value>::new());
        assert_eq!(bindings(&proxy)[&format!("/api/v1/namespaces/default/pods/{name}/binding")], 1);
    }

    // The request is lost before the API server sees it, or is refused for now: it is asked for again.
    let tries = AtomicUsize::new(0);
    proxy.fail(move |method, path| {
        let try_now = || tries.fetch_add(1, Ordering::Relaxed) % 3;
        is_binding(method, path)
            .then(try_now)
            .and_then(|number| [Some(Fault::Lose), Some(Fault::Refuse(503, None)), None][number])
    });
    create(&server, &pods("refused", 1, "1"));
    all_bound(&server);

    // Somebody else binds a pod while our binding is on its way: what the API server says holds, and the room is free again.
    proxy.fail(|method, path| {
        (is_binding(method, path) && path.contains("/stolen/")).then_some(Fault::Delay(Duration::from_secs(2)))
    });
    create(&server, &[pod("stolen", "1", &json!({}))]);
    eventually("its binding is on its way", || {
        bindings(&proxy).keys().any(|path| path.contains("/stolen/")).then_some(())
    });
    add_node(&server, "node-c", "1");
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "stolen", "namespace": "default"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-c"},
    });
    kubectl(
        &server,
        &["create", "--raw", "/api/v1/namespaces/default/pods/stolen/binding", "-f", "-"],
        &binding.to_string(),
    );
    assert_eq!(bound(&server, "stolen"), "node-c");
    create(&server, &pods("last", 1, "1"));
    assert_eq!(all_bound(&server), "node-a: 4, node-b: 4, node-c: 1");
    proxy.heal();
    create(&server, &pods("over", 1, "1"));
    let told = waiting(&server, "over-0");
    assert!(told["message"].as_str().unwrap_or_default().starts_with("0/3 nodes are available: 3 Insufficient cpu."));
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn an_api_server_that_is_busy_or_away_delays_and_loses_nothing() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    add_node(&server, "node-a", "30");
    // An outage is longer than its lease: it has to win it again.
    let scheduler = Running::through(&proxy, &QUICK);
    create(&server, &pods("first", 1, "1"));
    all_bound(&server);

    // Too many requests: everything but bindings is put off, and they are not behind it.
    proxy.fail(|method, path| {
        // Statuses for so long that a binding which waits for one never comes.
        let wait = if method == "PATCH" { 60 } else { 5 };
        (method != "GET" && !path.contains("/leases") && !is_binding(method, path))
            .then_some(Fault::Refuse(429, Some(wait)))
    });
    create(&server, &pods("too-big", 8, "1000"));
    create(&server, &pods("fits", 3, "1"));
    for name in ["fits-0", "fits-1", "fits-2"] {
        bound(&server, name);
    }
    // A status that is put off is given up when its pod can be bound.
    add_node(&server, "node-huge", "8000");
    for number in 0..8 {
        assert_eq!(bound(&server, &format!("too-big-{number}")), "node-huge");
    }
    kubectl(&server, &["delete", "node", "node-huge"], "");
    for number in 0..8 {
        delete(&server, &format!("too-big-{number}"));
    }
    // And bindings that are put off come when they are told to.
    let refused = AtomicUsize::new(0);
    proxy.fail(move |method, path| {
        let is_refused = is_binding(method, path) && refused.fetch_add(1, Ordering::Relaxed) < 2;
        is_refused.then_some(Fault::Refuse(429, Some(1)))
    });
    create(&server, &pods("later", 1, "1"));
    assert_eq!(bound(&server, "later-0"), "node-a");
    assert_eq!(bindings(&proxy)["/api/v1/namespaces/default/pods/later-0/binding"], 3);
    proxy.heal();

    // It goes away and comes back, twice; pods come and go meanwhile.
    let away = if is_long() { Duration::from_mins(5) } else { Duration::from_secs(3) };
    for round in 0..2 {
        let [gone, new] = [format!("fits-{round}"), format!("meanwhile-{round}")];
        proxy.set_up(false);
        delete(&server, &gone);
        create(&server, &pods("meanwhile", round + 1, "1")[round..]);
        std::thread::sleep(away);
        assert_eq!(node_of(&server, &new), None, "nobody else binds it");
        proxy.set_up(true);
        bound(&server, &new);
    }

    // A watch that is too far behind: what vanished meanwhile is found by a list.
    add_node(&server, "node-b", "1");
    let named = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-b"]}]});
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [named]}});
    let on_b = json!({"affinity": {"nodeAffinity": required}});
    create(&server, &[pod("holds", "1", &on_b)]);
    assert_eq!(bound(&server, "holds"), "node-b");
    create(&server, &[pod("waits", "1", &on_b)]);
    waiting(&server, "waits");
    proxy.set_up(false);
    delete(&server, "holds");
    let behind = Mutex::new(Vec::new());
    proxy.fail(move |_, path| {
        let resource = path.split_once('?').filter(|(_, query)| query.contains("watch=true"))?.0.to_owned();
        let mut behind = behind.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_first = !behind.contains(&resource);
        is_first.then(|| behind.push(resource)).map(|()| Fault::Refuse(410, None))
    });
    proxy.set_up(true);
    assert_eq!(bound(&server, "waits"), "node-b");
    assert_eq!(scheduler.stop(), Some(0));
}

/// Bindings that are not answered when nothing more is decided: the most that were seen in flight may be no more.
const MOST_UNANSWERED: usize = 512;

#[test]
fn a_slow_api_server_has_a_bounded_number_of_bindings_to_answer() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    add_node_for(&server, "wide", 1000);
    // All of them are there before anything is decided.
    create(&server, &pods("slow", MOST_UNANSWERED + 100, "1m"));
    proxy.fail(|method, _| (method != "GET").then_some(Fault::Delay(Duration::from_secs(1))));
    let flags = ["--leader-elect=false"];
    let watched = Watched::start(&flags, |flags| Running::through(&proxy, flags));
    let mut most = 0;
    eventually("all are bound", || {
        most = most.max(watched.gauge("loadline_binding_pods"));
        let unbound = list(&server, &["pods", "--field-selector=spec.nodeName="]);
        unbound.is_empty().then_some(())
    });
    let expected = MOST_UNANSWERED / 2..=MOST_UNANSWERED;
    assert!(expected.contains(&most), "{most} bindings were not answered at the same time");
    let bindings = bindings(&proxy);
    assert_eq!(bindings.len(), MOST_UNANSWERED + 100);
    assert!(bindings.values().all(|count| *count == 1), "{bindings:?}");
    assert_eq!(watched.scheduler.stop(), Some(0));
}

#[test]
fn bindings_that_always_fail_are_told_and_keep_nobody_waiting() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    add_node(&server, "node-a", "100");
    let scheduler = Running::through(&proxy, &["--leader-elect=false"]);
    // As where a webhook for the bindings of one namespace is gone: more of them than bindings are under way at a time.
    proxy.fail(|method, path| {
        (is_binding(method, path) && path.contains("/broken-")).then_some(Fault::Refuse(500, None))
    });
    create(&server, &pods("broken", 80, "100m"));
    let told = waiting(&server, "broken-7");
    assert_eq!(told["reason"], "SchedulerError");
    create(&server, &pods("fine", 1, "1"));
    bound(&server, "fine-0");
    let told = eventually("it is told", || events(&server, "broken-7", "FailedScheduling").pop());
    let note = told["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("running Bind plugin \"DefaultBinder\": "), "{note}");
    proxy.heal();
    assert_eq!(all_bound(&server), "node-a: 81");
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn what_a_watch_never_told_is_found_and_mended() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    add_node(&server, "node-a", "2");
    let scheduler = Running::through(&proxy, &["--cache-check-period=1s"]);
    create(&server, &pods("ghost", 2, "1"));
    all_bound(&server);

    // The end of one pod and the beginning of another are never told.
    proxy.sieve(|path, line| {
        !(path.starts_with("/api/v1/pods")
            && (line.contains(r#""type":"DELETED""#) && line.contains("ghost-0") || line.contains("unheard-of")))
    });
    delete(&server, "ghost-0");
    create(&server, &pods("unheard-of", 1, "1"));
    // Something that is told: the next look at the API server is at its version.
    create(&server, &pods("told", 1, "1000"));
    waiting(&server, "told-0");
    let mut tries = 0;
    eventually("the pod that was never told of is bound", || {
        tries += 1;
        patch(&server, "pod", "told-0", &json!({"metadata": {"labels": {"tries": format!("{tries}")}}}));
        node_of(&server, "unheard-of-0")
    });

    // A node that goes and comes back under its name is another node: nothing of the first is left.
    proxy.heal();
    kubectl(&server, &["delete", "node", "node-a"], "");
    for name in ["ghost-1", "unheard-of-0"] {
        delete(&server, name);
    }
    add_node(&server, "node-a", "3");
    create(&server, &pods("again", 3, "1"));
    for name in ["again-0", "again-1", "again-2"] {
        assert_eq!(bound(&server, name), "node-a");
    }
    assert_eq!(get(&server, &["pod", "told-0"])["spec"]["nodeName"], json!(null));
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn an_api_server_that_comes_back_with_no_memory_is_followed_at_once() {
    let server = ControlPlane::start().expect("the control plane starts");
    let proxy = server.proxy(&service_account(&server)).expect("the proxy starts");
    add_node(&server, "node-a", "4");
    let scheduler = Running::through(&proxy, &["--leader-elect=false"]);
    create(&server, &pods("before", 1, "1"));
    all_bound(&server);
    // Away for long enough that nobody would ask often.
    proxy.set_up(false);
    std::thread::sleep(Duration::from_secs(12));
    // As one that was restarted: it knows of nothing that was before.
    let refused = Mutex::new(BTreeSet::new());
    proxy.fail(move |_, path| {
        let resource = path.split('?').next().unwrap_or_default().to_owned();
        let is_first = path.contains("watch=true") && refused.lock().expect("nobody panics").insert(resource);
        is_first.then_some(Fault::Refuse(410, None))
    });
    create(&server, &pods("after", 1, "1"));
    proxy.set_up(true);
    within(Duration::from_secs(5), "what came meanwhile is known", || node_of(&server, "after-0"));
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn a_pod_that_nobody_can_place_is_alone_with_it() {
    let server = ControlPlane::start().expect("the control plane starts");
    add_node(&server, "node-a", "4");
    let scheduler = Running::start(&server);
    let term = |number: usize| json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": format!("app-{number}")}}});
    let terms: Vec<_> = (0..2000).map(term).collect();
    let huge = json!({"limits": {"cpu": "9223372036854775807", "memory": "9223372036854775807"}});
    create(
        &server,
        &[
            pod(
                "many-terms",
                "1",
                &json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}),
            ),
            pod(
                "huge",
                "1",
                &json!({"containers": [{"name": "main", "image": "registry.example/main", "resources": huge}]}),
            ),
            pod("impossible", "1", &json!({"nodeSelector": {"no-such": "label"}})),
            pod("plain", "1", &json!({})),
        ],
    );
    assert_eq!(bound(&server, "plain"), "node-a");
    assert_eq!(bound(&server, "many-terms"), "node-a");
    for (name, reason) in [("huge", "Insufficient"), ("impossible", "node affinity/selector")] {
        let told = waiting(&server, name);
        assert_eq!(told["reason"], "Unschedulable");
        assert!(told["message"].as_str().unwrap_or_default().contains(reason), "{told}");
    }
    assert_eq!(scheduler.stop(), Some(0));
}
