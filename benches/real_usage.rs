//! `cargo bench --bench real_usage`: what MemRealUsage adds to a decision, beside the default profile, in the same situations
//! as `latency`; and, as the only score, beside a profile without any.
//!
//! Each node has a sample of its own, and all are told anew as often as `--every` decisions.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures time and prints it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use loadline_benches::{Kind, cluster, node_name, pod};
use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::{Profiles, UsageSample};
use loadline_model::{PodInfo, Str, Time};
use loadline_simulator::Cluster;

/// Cost of MemRealUsage.
#[derive(Parser)]
struct Options {
    /// Sizes of the cluster.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000")]
    nodes: Vec<usize>,
    /// Decisions measured in each situation.
    #[arg(long, default_value_t = 2000)]
    decisions: usize,
    /// Decisions from one measurement of all nodes to the next: at 100 pods a second and 10 seconds it is 1000.
    #[arg(long, default_value_t = 1000)]
    every: usize,
    /// How often both profiles are measured in turn; the fastest counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Kinds of pods that come in turn.
    #[arg(long, value_delimiter = ',', default_value = "1,100")]
    classes: Vec<usize>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Pods that are there at a time.
const PLACED: usize = 200;

const PLUGIN: &str = r#"{"name": "MemRealUsage"}"#;

fn profiles(score: &str) -> Profiles {
    let registry = loadline_plugins::registry();
    let text = format!(
        r#"{{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [{{
            "plugins": {{"score": {score}}},
            "pluginConfig": [{{"name": "MemRealUsage", "args": {{"prometheusApiAddr": "http://127.0.0.1:9090"}}}}]}}]}}"#
    );
    let config = loadline_config::parse(&text, "benchmark", &registry).expect("the configuration is valid").config;
    loadline_config::compile(&config, &registry).expect("the configuration is valid")
}

fn main() {
    let options = Options::parse();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["nodes", "profile", "classes", "without µs", "with µs", "more µs", "more"]);
    let none = r#"{"disabled": [{"name": "*"}]}"#.to_owned();
    let both = [
        ("default", "{}".to_owned(), format!(r#"{{"enabled": [{PLUGIN}]}}"#)),
        ("only score", none, format!(r#"{{"disabled": [{{"name": "*"}}], "enabled": [{PLUGIN}]}}"#)),
    ];
    for nodes in &options.nodes {
        let known = cluster(*nodes, Kind::Plain);
        for (name, without, with) in &both {
            for classes in options.classes.iter().copied() {
                let mut fastest = [f64::MAX; 2];
                for _ in 0..options.rounds {
                    for (best, score) in fastest.iter_mut().zip([without, with]) {
                        *best = best.min(mean(&known, &profiles(score), classes, &options));
                    }
                }
                let [without, with] = fastest;
                table.add_row([
                    nodes.to_string(),
                    (*name).to_owned(),
                    classes.to_string(),
                    format!("{without:.1}"),
                    format!("{with:.1}"),
                    format!("{:.1}", with - without),
                    format!("{:.0} %", 100.0 * (with / without - 1.0)),
                ]);
            }
        }
    }
    for column in [0, 2, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}

/// Microseconds of a decision with everything that it takes to keep up with the placements and measurements between them.
fn mean(cluster: &Cluster, profiles: &Profiles, classes: usize, options: &Options) -> f64 {
    let mut engine = cluster.engine(profiles.clone(), Settings::default());
    let names: Vec<Str> = (0..cluster.node_count()).map(|index| node_name(index).as_str().into()).collect();
    let rounds = options.decisions.div_ceil(classes);
    let pods: Vec<Arc<PodInfo>> =
        (0..=rounds).flat_map(|round| (0..classes).map(move |class| pod(Kind::Plain, class, round, false))).collect();
    let mut placed: VecDeque<Arc<PodInfo>> = VecDeque::new();
    let (mut nanoseconds, mut measured) = (0, 0);
    for (number, pod) in pods.iter().enumerate() {
        let is_measured = number >= classes;
        let start = Instant::now();
        if number % options.every == 0 {
            measure(&mut engine, profiles, &names, number);
        }
        let node = engine.decide(pod, 1, Depth::Decide).node.expect("there is room");
        engine.assume(pod, &node);
        if is_measured {
            nanoseconds += start.elapsed().as_nanos();
            measured += 1;
        }
        let confirmed = Arc::new(PodInfo { node_name: Some(node.clone()), ..PodInfo::clone(pod) });
        engine.set_placed_pod(confirmed.clone(), &node);
        placed.push_back(confirmed);
        if placed.len() > PLACED
            && let Some(gone) = placed.pop_front()
        {
            engine.remove_pod(&gone.uid);
        }
    }
    nanoseconds as f64 / 1000.0 / f64::from(measured)
}

fn measure(engine: &mut Engine, profiles: &Profiles, names: &[Str], number: usize) {
    let now = (number as Time + 1) * 1_000_000_000;
    for source in profiles.usage_sources() {
        let sample = |(index, name): (usize, &Str)| {
            let milli_percent = 20_000 + ((index * 7919 + number * 31) % 50_000) as i64;
            (name.clone(), UsageSample { milli_percent, at: now, window_seconds: None })
        };
        engine.hear_usage(&source, now, Some(names.iter().enumerate().map(sample).collect()));
    }
}
