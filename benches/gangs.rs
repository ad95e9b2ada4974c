//! `cargo bench --bench gangs`: what one try of a gang costs, with more and more gangs there; and one large gang in one plan.
//!
//! Gangs of three pods are placed, bound and confirmed one after the other, until as many are there as are asked for; of each step the
//! tries of the last hundred gangs count, and those of gangs that fit nowhere.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures time and prints it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use loadline_benches::{Kind, cluster, pod};
use loadline_engine::{Effect, Event, Scheduler, Settings};
use loadline_framework::Profiles;
use loadline_model::{GroupApi, GroupKey, PodGroupInfo, PodInfo, Resources, Time};
use loadline_simulator::Cluster;

/// Cost of gangs.
#[derive(Parser)]
struct Options {
    /// Nodes.
    #[arg(long, default_value_t = 5000)]
    nodes: usize,
    /// Numbers of gangs, ascending.
    #[arg(long, value_delimiter = ',', default_value = "1000,2000,3000")]
    gangs: Vec<usize>,
    /// Pods of the large gang.
    #[arg(long, default_value_t = 10_000)]
    large: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Pods of a small gang.
const SMALL: usize = 3;
/// Tries that are measured.
const MEASURED: usize = 100;

fn profiles() -> Profiles {
    let registry = loadline_plugins::registry();
    let text = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{"plugins": {
        "multiPoint": {"enabled": [{"name": "Coscheduling"}], "disabled": [{"name": "PrioritySort"}]}}}]}"#;
    let config = loadline_config::parse(text, "benchmark", &registry).expect("the configuration is valid").config;
    loadline_config::compile(&config, &registry).expect("the configuration is valid")
}

struct World {
    scheduler: Scheduler,
    now: Time,
}

impl World {
    fn new(cluster: &Cluster) -> Self {
        let mut scheduler = Scheduler::new(profiles(), Settings::default());
        for event in cluster.events() {
            scheduler.apply(event, 0);
        }
        Self { scheduler, now: 1 }
    }

    /// A gang with all of its pods. They ask for this much cpu each, if given.
    fn add(&mut self, name: &str, pods: usize, milli_cpu: Option<i64>) {
        let key = GroupKey { namespace: "default".into(), name: name.into(), api: GroupApi::Crd };
        let group = PodGroupInfo::gang(key, pods as u32);
        let key = group.key.clone();
        self.scheduler.apply(Event::PodGroup(group), self.now);
        let one = pod(Kind::Plain, 0, 0, false);
        let mut requests = one.requests.clone();
        if let Some(milli_cpu) = milli_cpu {
            let amounts = Resources { milli_cpu, ..requests.spec.clone() };
            let changed = Arc::make_mut(&mut requests);
            (changed.spec, changed.usage, changed.score) = (amounts.clone(), amounts.clone(), amounts);
        }
        for number in 0..pods {
            let name = format!("{name}-{number}");
            let member = PodInfo {
                uid: name.as_str().into(),
                name: name.into(),
                requests: requests.clone(),
                pod_group: Some(key.clone()),
                ..PodInfo::clone(&one)
            };
            self.scheduler.apply(Event::Pod(Arc::new(member)), self.now);
        }
    }

    /// One try: how long it took, and how many pods were sent to nodes by it.
    fn attempt(&mut self) -> (Duration, usize) {
        self.now += 1;
        let start = Instant::now();
        let (_, effects) = self.scheduler.schedule_one(self.now).expect("a gang waits");
        let took = start.elapsed();
        let mut bound = 0;
        for effect in effects {
            if let Effect::Bind { pod, node, .. } = effect {
                bound += 1;
                self.scheduler.bound(&pod.uid, Ok(()), self.now);
                let placed = PodInfo { node_name: Some(node), ..PodInfo::clone(&pod) };
                self.scheduler.apply(Event::Pod(Arc::new(placed)), self.now);
            }
        }
        self.scheduler.trim();
        (took, bound)
    }
}

fn main() {
    let options = Options::parse();
    let known = cluster(options.nodes, Kind::Plain);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["nodes", "gangs", "pods each", "try", "median µs", "slowest µs"]);
    let mut row = |gangs: usize, pods: usize, what: &str, mut took: Vec<Duration>| {
        took.sort_unstable();
        let micros =
            |at: usize| took.get(at).map_or_else(String::new, |took| format!("{:.1}", took.as_secs_f64() * 1e6));
        let (median, slowest) = (micros(took.len() / 2), micros(took.len().saturating_sub(1)));
        table.add_row([
            options.nodes.to_string(),
            gangs.to_string(),
            pods.to_string(),
            what.to_owned(),
            median,
            slowest,
        ]);
    };
    let mut world = World::new(&known);
    let mut there = 0;
    for wanted in &options.gangs {
        let mut took = Vec::new();
        while there < *wanted {
            world.add(&format!("gang-{there}"), SMALL, None);
            let (time, bound) = world.attempt();
            assert_eq!(bound, SMALL, "there is room");
            there += 1;
            if *wanted - there < MEASURED {
                took.push(time);
            }
        }
        row(there, SMALL, "placed", took);
    }
    let mut waiting = World::new(&known);
    let mut there = 0;
    for wanted in &options.gangs {
        let mut took = Vec::new();
        while there < *wanted {
            waiting.add(&format!("gang-{there}"), SMALL, Some(1_000_000));
            let (time, bound) = waiting.attempt();
            assert_eq!(bound, 0, "there is no room");
            there += 1;
            if *wanted - there < MEASURED {
                took.push(time);
            }
        }
        row(there, SMALL, "no room", took);
    }
    let mut world = World::new(&known);
    world.add("large", options.large, None);
    let (time, bound) = world.attempt();
    row(1, options.large, if bound == options.large { "placed" } else { "no room" }, vec![time]);
    for column in [0, 1, 2, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}
