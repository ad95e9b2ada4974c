//! What is served, beside what the real kube-scheduler serves in the same place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use loadline_fixture::{ControlPlane, User, free_port};
use loadline_metrics::{Kind, Page, Presence, TABLE};
use serde_json::{Value, json};

use crate::gangs::{CORE, core_group, core_member};
use crate::https::Client;
use crate::support::{Running, add_node, create, eventually, kubectl, list, waiting};

/// A scheduler with kube-scheduler's command line, of one profile.
fn start(program: &Path, args: &[&str], server: &ControlPlane, profile: &Value, folder: &Path) -> (Running, Client) {
    let name = profile["schedulerName"].as_str().expect("a name");
    let kubeconfig = server.kubeconfig_of(User::Scheduler);
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig},
        "leaderElection": {"leaderElect": true, "resourceName": "kube-scheduler", "resourceNamespace": name},
        "profiles": [profile],
    });
    let path = folder.join(format!("{name}.yaml"));
    std::fs::write(&path, config.to_string()).expect("it is written");
    let port = free_port().expect("a port");
    let mut command = Command::new(program);
    command
        .args(args)
        .arg(format!("--config={}", path.display()))
        .args(["--bind-address=127.0.0.1".to_owned(), format!("--secure-port={port}")])
        .arg(format!("--authentication-kubeconfig={}", kubeconfig.display()))
        .arg(format!("--authorization-kubeconfig={}", kubeconfig.display()))
        .stdin(Stdio::null());
    (Running::of(command), Client::anonymous(port))
}

/// Loadline with these plugins, and kube-scheduler with these flags: "ours" and "theirs".
fn both(
    server: &ControlPlane,
    folder: &Path,
    plugins: &Value,
    flags: &[&str],
) -> ((Running, Client), (Running, Client)) {
    let components = std::env::var_os("LOADLINE_COMPONENTS");
    let components = components.expect("`eval \"$(cargo xtask tools)\"` says where the tools are");
    // The leases are in namespaces of their own: both lead, by a lease of the same name.
    for name in ["ours", "theirs"] {
        kubectl(server, &["create", "namespace", name], "");
        kubectl(
            server,
            &[
                "create",
                "rolebinding",
                "leases",
                "-n",
                name,
                "--clusterrole=admin-of-leases",
                "--user=system:kube-scheduler",
            ],
            "",
        );
    }
    kubectl(
        server,
        &[
            "create",
            "clusterrole",
            "admin-of-leases",
            "--verb=get,create,update,list,watch",
            "--resource=leases.coordination.k8s.io",
        ],
        "",
    );
    let ours = json!({"schedulerName": "ours", "plugins": plugins});
    let theirs = json!({"schedulerName": "theirs"});
    (
        start(Path::new(env!("CARGO_BIN_EXE_loadline")), &["run"], server, &ours, folder),
        start(&Path::new(&components).join("kube-scheduler"), flags, server, &theirs, folder),
    )
}

fn is_ready(client: &Client) {
    eventually("it is ready", || client.try_get("/readyz").filter(|answer| answer.status == 200));
}

/// A family of metrics.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// `STABLE`, `BETA`, `ALPHA`.
    stability: String,
    labels: BTreeSet<String>,
    /// Upper bounds, as text.
    buckets: BTreeSet<String>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                let stability = help.strip_prefix('[').and_then(|help| help.split(']').next()).unwrap_or_default();
                stability.clone_into(&mut families.entry(name.to_owned()).or_default().stability);
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
            }
            _ => {
                let (series, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap_or_default(), ""));
                let of = |suffix: &str| series.strip_suffix(suffix).filter(|name| families.contains_key(*name));
                let name =
                    [of("_bucket"), of("_count"), of("_sum")].into_iter().flatten().next().unwrap_or(series).to_owned();
                let family = families.get_mut(&name).expect("each family is declared");
                for pair in labels.rsplit_once('}').map_or("", |(labels, _)| labels).split("\",") {
                    match pair.split_once("=\"") {
                        Some(("le", bound)) => {
                            family.buckets.insert(bound.trim_end_matches('"').to_owned());
                        }
                        Some((label, _)) => {
                            family.labels.insert(label.to_owned());
                        }
                        None => {}
                    }
                }
            }
        }
    }
    families
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?.parse().ok()
}

/// Parts of Go's client that the table does not name one by one.
const OF_GO: [&str; 2] = ["rest_client_exec_plugin_", "rest_client_transport_"];
/// kube-scheduler has these with a gate alone: they are compared where it is on.
const OF_GROUPS: &str = "scheduler_podgroup_";
/// What the table is about.
const OF_THE_TABLE: [&str; 6] =
    ["scheduler_", "leader_election_", "rest_client_", "kubernetes_", "process_", "hidden_metrics"];

/// What kube-scheduler says of a family is what the table has of it.
fn as_in_the_table(name: &str, theirs: &Family) {
    let known = TABLE.iter().find(|metric| metric.name == name);
    assert!(known.is_some(), "{name} of kube-scheduler is not in the table");
    let Some(known) = known else { return };
    let kind = match known.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    assert_eq!(kind, theirs.kind, "{name}");
    if !name.starts_with("process_") {
        assert_eq!(known.stability.as_str(), theirs.stability, "{name}");
    }
    let labels: BTreeSet<String> = known.labels.iter().map(ToString::to_string).collect();
    assert_eq!(labels, theirs.labels, "{name}");
    if let Kind::Histogram(buckets) = known.kind {
        let bounds = |texts: &BTreeSet<String>| {
            let mut bounds: Vec<f64> =
                texts.iter().filter_map(|text| text.parse().ok()).filter(|bound: &f64| bound.is_finite()).collect();
            bounds.sort_by(f64::total_cmp);
            bounds
        };
        let theirs = bounds(&theirs.buckets);
        let ours = buckets.bounds();
        let close = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < a * 1e-9);
        assert!(close, "{name}: {ours:?} {theirs:?}");
    }
}

#[test]
fn metrics_health_and_refusals_are_kube_schedulers() {
    let server = ControlPlane::start().expect("the control plane starts");
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = both(&server, folder.path(), &json!({}), &[]);
    add_node(&server, "node-a", "2");
    is_ready(&ours.1);
    is_ready(&theirs.1);

    // Health, and what is told to those who may not.
    let same = |client: &dyn Fn(&Client) -> Client, path: &str| {
        let [ours, theirs] = [&ours.1, &theirs.1].map(|scheduler| client(scheduler).get(path));
        // What it says of itself beyond that.
        let body = ours.body.replace("[+]invariants ok\n", "");
        assert_eq!((ours.status, body), (theirs.status, theirs.body), "{path}");
    };
    let anybody = |client: &Client| client.clone();
    let nobody = |client: &Client| client.with_token("nobody's");
    let admin = |client: &Client| client.with_token(server.token());
    for path in [
        "/healthz",
        "/healthz?verbose",
        "/livez?verbose",
        "/readyz?verbose",
        "/readyz?verbose&exclude=shutdown&exclude=nothing",
        "/healthz/leaderElection",
        "/metrics",
        "/nothing",
        "/",
    ] {
        same(&anybody, path);
        same(&nobody, path);
    }
    for path in ["/healthz/leaderElection", "/readyz/sched-handler-sync", "/livez/ping", "/readyz/nothing", "/nothing"]
    {
        same(&admin, path);
    }

    // One pod for each that fits, and one that does not.
    for name in ["ours", "theirs"] {
        let pod = |pod: &str, cpu: &str| {
            let pod = format!("{name}-{pod}");
            crate::support::pod(&pod, cpu, &json!({"schedulerName": name}))
        };
        create(&server, &[pod("fits", "100m"), pod("large", "8")]);
        crate::support::bound(&server, &format!("{name}-fits"));
        waiting(&server, &format!("{name}-large"));
    }
    let counted = |client: &Client, name: &str| {
        let series = format!("scheduler_schedule_attempts_total{{profile=\"{name}\",result=\"scheduled\"}}");
        eventually("the binding is counted", || {
            let text = client.with_token(server.token()).body("/metrics");
            // Theirs is read once a second.
            let is_known = value(&text, "scheduler_cache_size{type=\"pods\"}") == Some(2.0);
            (is_known && value(&text, &series) == Some(1.0)).then_some(text)
        })
    };
    let (our_text, their_text) = (counted(&ours.1, "ours"), counted(&theirs.1, "theirs"));
    let (our_families, their_families) = (families(&our_text), families(&their_text));
    for (name, theirs) in &their_families {
        if OF_GO.iter().any(|go| name.starts_with(go)) || !OF_THE_TABLE.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        as_in_the_table(name, theirs);
    }
    let of_both = TABLE.iter().filter(|metric| metric.page == Page::Metrics && metric.presence != Presence::Own);
    for known in of_both.filter(|metric| !metric.name.starts_with(OF_GROUPS)) {
        assert_eq!(our_families.contains_key(known.name), known.is_here(), "{}", known.name);
        assert!(!known.is_here() || their_families.contains_key(known.name), "kube-scheduler shows no {}", known.name);
    }

    // The same happened to both, so the same is counted.
    for series in [
        "scheduler_pod_scheduling_attempts_count",
        "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"1\"}",
        "scheduler_pending_pods{queue=\"unschedulable\"}",
        "scheduler_pending_pods{queue=\"gated\"}",
        "scheduler_queue_incoming_pods_total{event=\"UnschedulablePodAdd\",queue=\"active\"}",
        "scheduler_unschedulable_pods{plugin=\"NodeResourcesFit\",profile=\"NAME\"}",
        "scheduler_framework_extension_point_duration_seconds_count{extension_point=\"Bind\",profile=\"NAME\",status=\"Success\"}",
        "scheduler_event_handling_duration_seconds_count{event=\"NodeAdd\"}",
        "scheduler_cache_size{type=\"nodes\"}",
        "scheduler_cache_size{type=\"pods\"}",
        "scheduler_preemption_victims_count",
        "leader_election_master_status{name=\"kube-scheduler\"}",
    ] {
        let of = |text: &str, name: &str| value(text, &series.replace("NAME", name));
        assert_eq!(of(&our_text, "ours"), of(&their_text, "theirs"), "{series}");
        assert!(of(&our_text, "ours").is_some(), "{series}");
    }

    let gates = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("kubernetes_feature_enabled{"));
        lines.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let (ours_on, theirs_on) = (gates(&our_text), gates(&their_text));
    assert!(ours_on.is_subset(&theirs_on), "{:?}", ours_on.difference(&theirs_on));

    let [our_slis, their_slis] = [&ours.1, &theirs.1].map(|client| families(&admin(client).body("/metrics/slis")));
    for name in ["kubernetes_healthcheck", "kubernetes_healthchecks_total"] {
        let [ours, theirs] = [&our_slis, &their_slis].map(|slis| &slis[name]);
        assert_eq!((&ours.kind, &ours.labels, &ours.stability), (&theirs.kind, &theirs.labels, &theirs.stability));
    }
    let [our_pods, their_pods] = [&ours.1, &theirs.1].map(|client| {
        let text = admin(client).body("/metrics/resources");
        let of_requests = text.lines().filter(|line| line.starts_with("kube_pod_resource_request{"));
        of_requests.map(str::to_owned).collect::<BTreeSet<String>>()
    });
    assert_eq!(our_pods, their_pods);
    assert_eq!(our_pods.len(), list(&server, &["pods"]).len());
    let keys = |client: &Client| {
        let config: Value = admin(client).json("/configz")["componentconfig"].clone();
        config.as_object().expect("an object").keys().cloned().collect::<BTreeSet<String>>()
    };
    let (ours, theirs) = (keys(&ours.1), keys(&theirs.1));
    assert!(theirs.is_subset(&ours), "{:?}", theirs.difference(&ours));
}

#[test]
fn metrics_of_groups_are_kube_schedulers() {
    let server = ControlPlane::start_with(&CORE).expect("the control plane starts");
    let folder = tempfile::tempdir().expect("a folder");
    // Who watches PodGroups with the rights of kube-scheduler may do so in both.
    let gangs = json!({
        "multiPoint": {"enabled": [{"name": "Coscheduling"}], "disabled": [{"name": "PrioritySort"}]},
    });
    let (ours, theirs) = both(&server, folder.path(), &gangs, &[CORE[1]]);
    is_ready(&ours.1);
    is_ready(&theirs.1);
    add_node(&server, "node-a", "4");
    for name in ["ours", "theirs"] {
        create(&server, &[core_group(&format!("{name}-fits"), 2), core_group(&format!("{name}-large"), 2)]);
        let members = |group: &str, cpu: &str| {
            let member = |number| {
                let mut pod = core_member(&format!("{name}-{group}"), number, cpu);
                pod["spec"]["schedulerName"] = name.into();
                pod
            };
            [member(0), member(1)]
        };
        create(&server, &members("fits", "100m"));
        create(&server, &members("large", "3"));
        for number in 0..2 {
            crate::support::bound(&server, &format!("{name}-fits-{number}"));
            waiting(&server, &format!("{name}-large-{number}"));
        }
    }
    let counted = |client: &Client, name: &str| {
        eventually("the attempts are counted", || {
            let text = client.with_token(server.token()).body("/metrics");
            let of = |result: &str| {
                let labels = format!("{{profile=\"{name}\",result=\"{result}\"}}");
                // Theirs is tried over and over while it does not fit.
                value(&text, &format!("scheduler_podgroup_scheduling_attempt_duration_seconds_count{labels}"))?;
                value(&text, &format!("scheduler_podgroup_schedule_attempts_total{labels}"))
            };
            (of("scheduled")? >= 1.0 && of("unschedulable")? >= 1.0).then_some(())?;
            Some(families(&text))
        })
    };
    let (our_families, their_families) = (counted(&ours.1, "ours"), counted(&theirs.1, "theirs"));
    let of_groups = |families: &BTreeMap<String, Family>| {
        families.keys().filter(|name| name.starts_with(OF_GROUPS)).cloned().collect::<Vec<String>>()
    };
    assert_eq!(of_groups(&our_families), of_groups(&their_families));
    assert_eq!(of_groups(&our_families).len(), 3);
    for name in of_groups(&their_families) {
        as_in_the_table(&name, &their_families[&name]);
        let [ours, theirs] = [&our_families[&name], &their_families[&name]];
        assert_eq!((&ours.labels, &ours.buckets), (&theirs.labels, &theirs.buckets), "{name}");
    }
}
