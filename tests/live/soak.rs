//! Churn: pods, nodes and their labels come and go at random; in the end what the scheduler knows is what the API server has.

use std::time::{Duration, Instant};

use loadline_fixture::ControlPlane;
use serde_json::{Value, json};

use crate::support::{
    Running, Watched, add_node, all_bound, create, eventually, is_long, kubectl, list, patch, pod, waiting,
};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn names(server: &ControlPlane, kind: &str) -> Vec<String> {
    let objects = list(server, &[kind]);
    objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

#[test]
fn churn_leaves_nothing_behind() {
    let server = ControlPlane::start().expect("the control plane starts");
    // What is known is held against the API server all the time, and everything is looked through every minute.
    let flags = ["--leader-elect=false", "--cache-check-period=5s"];
    let watched = Watched::start(&flags, |flags| Running::with_flags(&server, flags));
    let scheduler = &watched.scheduler;
    let length = if is_long() { Duration::from_mins(15) } else { Duration::from_secs(15) };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for node in 0..6 {
        add_node(&server, &format!("node-{node}"), "8");
    }
    let mut early = 0;
    let mut made = 0;
    #[allow(clippy::disallowed_methods, reason = "the length of a test")]
    let begin = Instant::now();
    while begin.elapsed() < length {
        match dice.below(10) {
            0..6 => {
                let more = [
                    json!({}),
                    json!({"nodeSelector": {"kind": "fast"}}),
                    json!({"topologySpreadConstraints": [{
                        "maxSkew": 1, "topologyKey": "kind", "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
                    }]}),
                ];
                let batch: Vec<Value> = (0..=dice.below(8))
                    .map(|number| {
                        let spec = &more[dice.below(more.len())];
                        pod(&format!("pod-{made}-{number}"), ["100m", "1", "3"][dice.below(3)], spec)
                    })
                    .collect();
                made += 1;
                create(&server, &batch);
            }
            6 | 7 => {
                let pods = names(&server, "pods");
                if !pods.is_empty() {
                    let some: Vec<&str> = (0..4).map(|_| pods[dice.below(pods.len())].as_str()).collect();
                    let delete = ["delete", "pod", "--grace-period=0", "--force", "--ignore-not-found", "--wait=false"];
                    kubectl(&server, &[&delete[..], &some[..]].concat(), "");
                }
            }
            8 => {
                let nodes = names(&server, "nodes");
                let node = &nodes[dice.below(nodes.len())];
                let label = ["fast", "slow"][dice.below(2)];
                patch(&server, "node", node, &json!({"metadata": {"labels": {"kind": label}}}));
            }
            _ => {
                // A node that goes takes its pods along, as the controllers would see to.
                let nodes = names(&server, "nodes");
                let node = nodes[dice.below(nodes.len())].clone();
                kubectl(&server, &["delete", "node", &node], "");
                let on = format!("--field-selector=spec.nodeName={node}");
                kubectl(&server, &["delete", "pods", &on, "--grace-period=0", "--force", "--wait=false"], "");
                add_node(&server, &node, "8");
            }
        }
        if early == 0 && begin.elapsed() > length / 3 {
            early = scheduler.resident();
        }
    }

    // Everything goes, and comes again under the same names: it fits as on an empty cluster, so no room is taken by what is gone.
    let nodes = names(&server, "nodes");
    kubectl(&server, &["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"], "");
    for node in &nodes {
        kubectl(&server, &["delete", "node", node], "");
    }
    eventually("all pods are gone", || names(&server, "pods").is_empty().then_some(()));
    for node in &nodes {
        add_node(&server, node, "8");
    }
    let fill: Vec<Value> = (0..8 * nodes.len()).map(|number| pod(&format!("last-{number}"), "1", &json!({}))).collect();
    create(&server, &fill);
    let full: Vec<String> = nodes.iter().map(|node| format!("{node}: 8")).collect();
    assert_eq!(all_bound(&server), full.join(", "));
    create(&server, &[pod("over", "1", &json!({}))]);
    waiting(&server, "over");
    assert_eq!(watched.metric("loadline_cache_mended_objects_total"), 0, "the watches told everything");
    // Everything is looked through every minute.
    if is_long() {
        assert_eq!(watched.gauge("loadline_broken_invariants"), 0);
    }
    let late = scheduler.resident();
    assert!(late < early * 3 / 2 + 20_000, "memory grew from {early} kB to {late} kB");
    assert_eq!(watched.scheduler.stop(), Some(0));
}
