use std::fs;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use loadline_config::{ExtenderConfig, ExtenderTls, ManagedResource};
use loadline_fixture::{Asked, ExtenderServer, Tls};
use loadline_framework::{ExtenderFilter, HostPriority, NodeMetaVictims, NodeVictims, SharedExtender};
use loadline_model::{PodInfo, PodRequests, Resources, Str};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{ExtenderError, Extenders};

const SECOND: i64 = 1_000_000_000;

/// Extenders as a process has them, and the runtime that their calls go through.
struct Process {
    runtime: Runtime,
    extenders: Extenders,
}

impl Process {
    fn new(configs: &[ExtenderConfig]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let extenders = runtime.block_on(Extenders::new(configs)).unwrap();
        let process = Self { runtime, extenders };
        for (shelf, key, text) in [
            (
                &process.extenders.originals.pods,
                "uid-p",
                r#"{"metadata":{"name":"p","uid":"uid-p"},"spec":{"x":1.50}}"#,
            ),
            (&process.extenders.originals.pods, "uid-v", r#"{"metadata":{"name":"v","uid":"uid-v"}}"#),
            (&process.extenders.originals.nodes, "a", r#"{"metadata":{"name":"a"},"status":{"images":[]}}"#),
            (&process.extenders.originals.nodes, "b", r#"{"metadata":{"name":"b"}}"#),
        ] {
            if let Some(shelf) = shelf {
                shelf.put(&key.into(), &RawValue::from_string(text.to_owned()).unwrap());
            }
        }
        process
    }

    fn one(&self) -> SharedExtender {
        self.extenders.all().remove(0)
    }

    fn error(&self, configs: &[ExtenderConfig]) -> ExtenderError {
        self.runtime.block_on(Extenders::new(configs)).expect_err("it can not be asked")
    }
}

fn config(server: &ExtenderServer) -> ExtenderConfig {
    at(&server.url())
}

fn at(url: &str) -> ExtenderConfig {
    ExtenderConfig {
        url_prefix: url.to_owned(),
        filter_verb: "filter".to_owned(),
        prioritize_verb: "prioritize".to_owned(),
        preempt_verb: "preempt".to_owned(),
        bind_verb: "bind".to_owned(),
        weight: 2,
        http_timeout: 30 * SECOND,
        ..ExtenderConfig::default()
    }
}

fn pod() -> PodInfo {
    PodInfo { namespace: "default".into(), name: "p".into(), uid: "uid-p".into(), ..PodInfo::default() }
}

fn nodes() -> Vec<Str> {
    vec!["a".into(), "b".into()]
}

/// An extender that always says this.
fn says(answer: &Value) -> ExtenderServer {
    let answer = answer.to_string();
    ExtenderServer::start(move |_| (200, answer.clone())).unwrap()
}

fn only(server: &ExtenderServer) -> Asked {
    let [asked] = &server.asked()[..] else { panic!("one request: {:?}", server.asked()) };
    asked.clone()
}

#[test]
fn one_that_knows_the_nodes_is_told_names() {
    let server =
        says(&json!({"nodenames": ["b"], "FAILEDNODES": {"a": "no"}, "failedAndUnresolvableNodes": {"c": "never"}}));
    let process = Process::new(&[ExtenderConfig { node_cache_capable: true, ..config(&server) }]);
    let answer = process.one().filter(&pod(), &nodes()).unwrap();
    let map = |node: &str, reason: &str| [(node.to_owned(), reason.to_owned())].into();
    let (failed, failed_and_unresolvable) = (map("a", "no"), map("c", "never"));
    assert_eq!(answer, ExtenderFilter { passed: vec!["b".to_owned()], failed, failed_and_unresolvable });
    let pod = json!({"metadata": {"name": "p", "uid": "uid-p"}, "spec": {"x": 1.5}});
    let body = json!({"Pod": pod, "Nodes": null, "NodeNames": ["a", "b"]});
    assert_eq!(only(&server), Asked { verb: "filter".to_owned(), body });
}

#[test]
fn one_that_does_not_is_shown_whole_nodes() {
    let server = says(&json!({"Nodes": {"items": [{"Metadata": {"name": "b"}}]}, "NodeNames": ["a"]}));
    let process = Process::new(&[config(&server)]);
    let asked: Vec<Str> = vec!["a".into(), "gone".into(), "b".into()];
    let answer = process.one().filter(&pod(), &asked).unwrap();
    assert_eq!(answer, ExtenderFilter { passed: vec!["b".to_owned()], ..ExtenderFilter::default() });
    let whole = json!([{"metadata": {"name": "a"}, "status": {"images": []}}, {"metadata": {"name": "b"}}]);
    let body = only(&server).body;
    assert_eq!((&body["Nodes"], &body["NodeNames"]), (&json!({"metadata": {}, "items": whole}), &Value::Null));
    let unknown = PodInfo { uid: "other".into(), ..pod() };
    let error = process.one().filter(&unknown, &asked).unwrap_err();
    assert_eq!(error, "pod default/p is not there any more");
}

#[test]
fn what_filter_may_answer() {
    let answer = |node_cache_capable, answer: &str| {
        let answer = answer.to_owned();
        let server = ExtenderServer::start(move |_| (200, answer.clone())).unwrap();
        let process = Process::new(&[ExtenderConfig { node_cache_capable, ..config(&server) }]);
        let filtered = process.one().filter(&pod(), &nodes()).map(|answer| answer.passed);
        filtered.map_err(|error| error.replace(&server.url(), "URL"))
    };
    let nothing: Result<Vec<String>, String> = Ok(Vec::new());
    // Who says nothing of nodes lets none pass.
    assert_eq!(answer(true, "{}"), nothing);
    assert_eq!(answer(true, "null"), nothing);
    assert_eq!(answer(true, r#"{"NodeNames": null, "FailedNodes": null, "Error": ""}"#), nothing);
    assert_eq!(answer(true, r#"{"NodeNames": []}"#), nothing);
    // Names are for those who were told names, nodes for all.
    assert_eq!(answer(false, r#"{"NodeNames": ["a"]}"#), nothing);
    assert_eq!(answer(true, r#"{"Nodes": {"items": [{"metadata": {"name": "a"}}]}}"#), Ok(vec!["a".to_owned()]));
    // The last of two that Go takes for the same, and nothing after the first value.
    assert_eq!(answer(true, r#"{"NodeNames": ["a"], "nodeNames": ["b"]} trailing"#), Ok(vec!["b".to_owned()]));
    assert_eq!(answer(true, r#"{"NodeNames": ["a"], "Error": "out of order"}"#), Err("out of order".to_owned()));
    let unknown = "extender \"URL\" claims a filtered node \"z\" which is not found in the input node list";
    assert_eq!(answer(true, r#"{"NodeNames": ["z"]}"#), Err(unknown.to_owned()));
    for unreadable in ["", "nonsense", "[]", r#"{"NodeNames": "a"}"#] {
        let error = answer(true, unreadable).unwrap_err();
        assert!(error.starts_with("the answer can not be read: "), "{unreadable}: {error}");
    }
}

#[test]
fn scores_come_as_a_list() {
    let server = says(&json!([{"Host": "a", "Score": 7}, {"host": "b", "SCORE": -1}, {"Host": "c"}]));
    let process = Process::new(&[ExtenderConfig { node_cache_capable: true, ..config(&server) }]);
    let score = |host: &str, score| HostPriority { host: host.to_owned(), score };
    let answer = process.one().prioritize(&pod(), &nodes()).unwrap();
    assert_eq!(answer, [score("a", 7), score("b", -1), score("c", 0)]);
    assert_eq!((only(&server).verb.as_str(), process.one().weight()), ("prioritize", 2));
    let none = says(&Value::Null);
    assert_eq!(Process::new(&[config(&none)]).one().prioritize(&pod(), &nodes()), Ok(vec![]));
    let fraction = says(&json!([{"Host": "a", "Score": 1.5}]));
    assert!(Process::new(&[config(&fraction)]).one().prioritize(&pod(), &nodes()).is_err());
}

#[test]
fn preemption_is_told_with_whole_pods_or_uids() {
    let answer = json!({"NodeNameToMetaVictims": {
        "b": {"Pods": [{"UID": "uid-v"}], "NumPDBViolations": 2},
        "a": {"Pods": null},
        "c": null,
    }});
    let victim = Arc::new(PodInfo { name: "v".into(), uid: "uid-v".into(), ..PodInfo::default() });
    let candidates = [NodeVictims { node: "b".into(), pods: vec![victim], pdb_violations: 1 }];
    let left = |node: &str, pods: &[&str], pdb_violations| NodeMetaVictims {
        node: node.to_owned(),
        pods: pods.iter().map(ToString::to_string).collect(),
        pdb_violations,
    };
    for (node_cache_capable, name, other, victim) in [
        (true, "NodeNameToMetaVictims", "NodeNameToVictims", json!({"UID": "uid-v"})),
        (false, "NodeNameToVictims", "NodeNameToMetaVictims", json!({"metadata": {"name": "v", "uid": "uid-v"}})),
    ] {
        let server = says(&answer);
        let process = Process::new(&[ExtenderConfig { node_cache_capable, ..config(&server) }]);
        let found = process.one().process_preemption(&pod(), &candidates).unwrap();
        assert_eq!(found, [left("a", &[], 0), left("b", &["uid-v"], 2), left("c", &[], 0)]);
        let Asked { verb, body } = only(&server);
        assert_eq!(verb, "preempt");
        assert_eq!(body[name], json!({"b": {"Pods": [victim], "NumPDBViolations": 1}}));
        assert_eq!((&body[other], &body["Pod"]["metadata"]["name"]), (&Value::Null, &json!("p")));
    }
    let nothing = says(&json!({}));
    assert_eq!(Process::new(&[config(&nothing)]).one().process_preemption(&pod(), &candidates), Ok(vec![]));
}

#[test]
fn binding_names_the_pod_and_the_node() {
    let server = says(&json!({}));
    let process = Process::new(&[config(&server)]);
    assert_eq!(process.one().bind(&pod(), "a"), Ok(()));
    let body = json!({"PodName": "p", "PodNamespace": "default", "PodUID": "uid-p", "Node": "a"});
    assert_eq!(only(&server), Asked { verb: "bind".to_owned(), body });
    let refuses = says(&json!({"error": "no room"}));
    assert_eq!(Process::new(&[config(&refuses)]).one().bind(&pod(), "a"), Err("no room".to_owned()));
}

#[test]
fn failures_are_told_in_kube_schedulers_words() {
    let server = ExtenderServer::start(|_| (503, "busy".to_owned())).unwrap();
    // As in Go, slashes at the end are no part of the address, and the name is as configured.
    let process = Process::new(&[at(&format!("{}//", server.url()))]);
    let code = format!("failed bind with extender at URL {}/bind, code 503", server.url());
    assert_eq!(process.one().bind(&pod(), "a"), Err(code));
    assert_eq!((process.one().name(), server.asked().len()), (&*format!("{}//", server.url()), 1));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{closed}/x");
    let error = Process::new(&[at(&nobody)]).one().bind(&pod(), "a").unwrap_err();
    assert!(error.starts_with(&format!("Post \"{nobody}/bind\": ")), "{error}");

    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let slow = ExtenderServer::start(move |_| {
        // Until the test is over.
        let _ = wait.lock().unwrap().recv();
        (200, "{}".to_owned())
    });
    let slow = slow.unwrap();
    let process = Process::new(&[ExtenderConfig { http_timeout: SECOND / 20, ..config(&slow) }]);
    let late = format!(
        "Post \"{}/bind\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        slow.url()
    );
    assert_eq!(process.one().bind(&pod(), "a"), Err(late));
    drop(release);
}

#[test]
fn interest_is_by_resources_and_ignorable_ones_come_last() {
    let resource = |name: &str| ManagedResource { name: name.to_owned(), ignored_by_scheduler: false };
    let managed = vec![resource("example.com/gpu"), resource("example.com/fpga")];
    let process = Process::new(&[
        ExtenderConfig { ignorable: true, managed_resources: managed, ..at("http://127.0.0.1:1/mild") },
        ExtenderConfig { filter_verb: String::new(), ..at("http://127.0.0.1:1/strict") },
    ]);
    let all = process.extenders.all();
    assert_eq!([all[0].name(), all[1].name()], ["http://127.0.0.1:1/strict", "http://127.0.0.1:1/mild"]);
    assert_eq!([all[0].is_ignorable(), all[1].is_ignorable()], [false, true]);
    assert_eq!([all[0].is_filter(), all[1].is_filter(), all[0].is_binder()], [false, true, true]);
    let wants = |scalars: &[(&str, i64)]| {
        let mut spec = Resources { milli_cpu: 100, ..Resources::default() };
        for (name, amount) in scalars {
            spec.set_scalar((*name).into(), *amount);
        }
        PodInfo { requests: Arc::new(PodRequests { spec, ..PodRequests::default() }), ..pod() }
    };
    let interested = |pod: &PodInfo| [all[0].is_interested(pod), all[1].is_interested(pod)];
    assert_eq!(interested(&wants(&[])), [true, false]);
    assert_eq!(interested(&wants(&[("example.com/other", 1)])), [true, false]);
    assert_eq!(interested(&wants(&[("example.com/fpga", 0)])), [true, true]);
}

/// Base64, as a configuration has it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            encoded.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    encoded
}

#[test]
fn tls_with_certificates_of_both() {
    let tls = Tls::new("extender.test");
    let server = ExtenderServer::start_tls(&tls, |_| (200, "{}".to_owned())).unwrap();
    let with = |tls: ExtenderTls, enable_https| {
        let config = ExtenderConfig { tls_config: Some(tls), enable_https, ..config(&server) };
        Process::new(&[config]).one().bind(&pod(), "a")
    };
    let data = ExtenderTls {
        server_name: "extender.test".to_owned(),
        ca_data: base64(&tls.authority),
        cert_data: base64(&tls.client_certificate),
        key_data: base64(&tls.client_key),
        ..ExtenderTls::default()
    };
    assert_eq!(with(data.clone(), true), Ok(()));
    let folder = std::env::temp_dir().join(format!("loadline-extender-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let files = ExtenderTls {
        server_name: "extender.test".to_owned(),
        ca_file: file("ca", &tls.authority),
        cert_file: file("cert", &tls.client_certificate),
        key_file: file("key", &tls.client_key),
        ..ExtenderTls::default()
    };
    assert_eq!(with(files.clone(), false), Ok(()));
    fs::remove_dir_all(&folder).unwrap();

    // Without an authority the server's certificate is not checked; with one it must be for the host.
    let unchecked = ExtenderTls { ca_data: String::new(), server_name: String::new(), ..data.clone() };
    assert_eq!(with(unchecked.clone(), true), Ok(()));
    assert_eq!(with(ExtenderTls { insecure: true, ..unchecked.clone() }, false), Ok(()));
    for refused in [
        with(unchecked, false),
        with(ExtenderTls { server_name: String::new(), ..data.clone() }, true),
        with(ExtenderTls { ca_data: base64(&Tls::new("extender.test").authority), ..data.clone() }, true),
        with(ExtenderTls { cert_data: String::new(), key_data: String::new(), ..data.clone() }, true),
    ] {
        let error = refused.expect_err("one of both does not trust the other");
        assert!(error.starts_with(&format!("Post \"{}/bind\": ", server.url())), "{error}");
    }
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn what_can_not_be_asked_is_told_at_once() {
    let process = Process::new(&[]);
    let error = |config: ExtenderConfig| process.error(&[config]).to_string();
    assert_eq!(error(at("")), "extender \"\": empty string");
    assert_eq!(error(at("/scheduler")), "extender \"/scheduler\": http:// or https:// and a host are needed");
    let tls = |tls_config| ExtenderConfig { tls_config: Some(tls_config), ..at("https://127.0.0.1:1") };
    let both = ExtenderTls { insecure: true, ca_file: "/ca".to_owned(), ..ExtenderTls::default() };
    assert_eq!(
        error(tls(both)),
        "extender \"https://127.0.0.1:1\": specifying a root certificates file with the insecure flag is not allowed"
    );
    let gone = ExtenderTls { ca_file: "/nowhere/ca".to_owned(), ..ExtenderTls::default() };
    assert!(error(tls(gone)).contains("/nowhere/ca"));
    let no_key = ExtenderTls { cert_data: base64(&Tls::new("x").client_certificate), ..ExtenderTls::default() };
    assert!(error(tls(no_key)).starts_with("extender \"https://127.0.0.1:1\": "));

    // A process that goes on can change to extenders that need no more than it keeps.
    let names = ExtenderConfig { node_cache_capable: true, ..at("http://127.0.0.1:1") };
    let process = Process::new(std::slice::from_ref(&names));
    let changed = |configs: &[ExtenderConfig]| process.runtime.block_on(process.extenders.changed(configs));
    assert_eq!(changed(&[names.clone(), names]).map(|changed| changed.all().len()).ok(), Some(2));
    assert!(matches!(changed(&[at("http://127.0.0.1:1")]), Err(ExtenderError::NotKept)));
}
