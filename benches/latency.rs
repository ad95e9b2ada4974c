//! `cargo bench --bench latency`: median and 99th percentile of a decision, record kept, for each kind of pod and size of
//! cluster, in the situations that a scheduler meets. hits: how many of the columns that decisions asked for were ready.
//!
//! cold: nothing is kept from before, as after a start. first: the first pod of its class, others of its kind having been
//! before. repeated: the next pod of a class after the one before was assumed.
//! interleaved: 100 classes in turn, each placement confirmed, a node's allocatable changing for one node in a hundred
//! and a pod deleted between two decisions. own labels: repeated, each pod with a label of its own. nominated: repeated,
//! with a pod of higher priority nominated to one node in ten.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures time and prints it")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use loadline_benches::{Kind, cluster, engine, important_pod, node, node_name, pod, share_cluster};
use loadline_engine::{Depth, Engine, Settings};
use loadline_model::{PodInfo, Str};
use loadline_simulator::Cluster;

/// Latency of decisions.
#[derive(Parser)]
struct Options {
    /// Sizes of the cluster.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,20000,100000")]
    nodes: Vec<usize>,
    /// Kinds whose name contains this.
    #[arg(long, default_value = "")]
    kind: String,
    /// Situations whose name contains this.
    #[arg(long, default_value = "")]
    situation: String,
    /// Decisions measured in each situation; a twentieth of them in `cold` and `first`.
    #[arg(long, default_value_t = 1000)]
    decisions: usize,
    /// Threads of the engine.
    #[arg(long, default_value_t = 2)]
    parallelism: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Situation {
    Cold,
    First,
    Repeated,
    Interleaved,
    OwnLabels,
    Nominated,
}

impl Situation {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Cold, "cold"),
        (Self::First, "first"),
        (Self::Repeated, "repeated"),
        (Self::Interleaved, "interleaved"),
        (Self::OwnLabels, "own labels"),
        (Self::Nominated, "nominated"),
    ];
}

/// Classes in turn.
const CLASSES: usize = 100;

fn main() {
    let options = Options::parse();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["nodes", "kind", "situation", "median µs", "p99 µs", "hits", "placed"]);
    for nodes in &options.nodes {
        let mut known: Option<(Kind, Cluster)> = None;
        for kind in Kind::ALL.into_iter().filter(|kind| kind.name().contains(&options.kind)) {
            let known = match &mut known {
                Some((of, cluster)) if share_cluster(*of, kind) => cluster,
                _ => &known.insert((kind, cluster(*nodes, kind))).1,
            };
            for (situation, name) in Situation::ALL {
                let once = [Situation::Cold, Situation::First].contains(&situation);
                if !name.contains(&options.situation) || (kind == Kind::Preemption && !once) {
                    continue;
                }
                let Measured { mut times, placed, hits } = measure(known, kind, situation, &options);
                times.sort_unstable();
                let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
                table.add_row([
                    nodes.to_string(),
                    kind.name().to_owned(),
                    name.to_owned(),
                    format!("{:.1}", at(0.5)),
                    format!("{:.1}", at(0.99)),
                    format!("{:.1} %", 100.0 * hits.0 as f64 / hits.1.max(1) as f64),
                    format!("{placed}/{}", times.len()),
                ]);
            }
        }
    }
    for column in [0, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}

/// What was measured.
struct Measured {
    /// Nanoseconds of each decision.
    times: Vec<u64>,
    /// How many of them found a node.
    placed: usize,
    /// How many columns were ready when a decision asked for them, and how many were asked for.
    hits: (u64, u64),
}

fn measure(cluster: &Cluster, kind: Kind, situation: Situation, options: &Options) -> Measured {
    let settings = Settings { parallelism: options.parallelism, ..Settings::default() };
    let nodes = cluster.node_count();
    let mut engine = engine(cluster, settings);
    let mut run = Run { engine: &mut engine, times: Vec::new(), placed: 0, hits_before: (0, 0) };
    match situation {
        Situation::Cold => {
            for number in 0..options.decisions.div_ceil(20) {
                run.engine.drop_kept();
                run.decide(pod(kind, 0, number, false));
            }
        }
        Situation::First => {
            run.decide(pod(kind, 0, 0, false));
            run.begin();
            for class in 1..=options.decisions.div_ceil(20) {
                run.decide(pod(kind, class, 0, false));
            }
        }
        Situation::Repeated | Situation::OwnLabels => {
            let own_labels = situation == Situation::OwnLabels;
            run.repeat(kind, options.decisions, own_labels);
        }
        Situation::Nominated => {
            for index in (0..nodes).step_by(10) {
                run.engine.nominate(important_pod(index), node_name(index).into());
            }
            run.repeat(kind, options.decisions, false);
        }
        Situation::Interleaved => run.interleave(kind, nodes, options.decisions),
    }
    let (found, asked) = run.engine.column_hits();
    let hits = (found - run.hits_before.0, asked - run.hits_before.1);
    Measured { times: run.times, placed: run.placed, hits }
}

struct Run<'a> {
    engine: &'a mut Engine,
    times: Vec<u64>,
    placed: usize,
    hits_before: (u64, u64),
}

impl Run<'_> {
    fn decide(&mut self, pod: Arc<PodInfo>) -> Option<(Arc<PodInfo>, Str)> {
        let start = Instant::now();
        let cycle = self.engine.decide(&pod, 1, Depth::Decide);
        self.times.push(start.elapsed().as_nanos() as u64);
        let node = cycle.node?;
        self.placed += 1;
        self.engine.assume(&pod, &node);
        Some((pod, node))
    }

    /// What was before does not count.
    fn begin(&mut self) {
        self.times.clear();
        self.placed = 0;
        self.hits_before = self.engine.column_hits();
    }

    fn repeat(&mut self, kind: Kind, decisions: usize, own_labels: bool) {
        self.decide(pod(kind, 0, 0, own_labels));
        // The first one is another situation.
        self.begin();
        for number in 1..=decisions {
            self.decide(pod(kind, 0, number, own_labels));
        }
    }

    fn interleave(&mut self, kind: Kind, nodes: usize, decisions: usize) {
        let mut placed: VecDeque<Arc<PodInfo>> = VecDeque::new();
        let rounds = decisions.div_ceil(CLASSES) + 1;
        let mut moved = 0;
        for round in 0..rounds {
            if round == 1 {
                self.begin();
            }
            for class in 0..CLASSES {
                if let Some((pod, node)) = self.decide(pod(kind, class, round, false)) {
                    let confirmed = Arc::new(PodInfo { node_name: Some(node.clone()), ..PodInfo::clone(&pod) });
                    self.engine.set_placed_pod(confirmed.clone(), &node);
                    placed.push_back(confirmed);
                }
                if placed.len() > 2 * CLASSES
                    && let Some(gone) = placed.pop_front()
                {
                    self.engine.remove_pod(&gone.uid);
                }
                self.heartbeats(nodes, &mut moved);
            }
        }
    }

    /// One node in a hundred says something new in each round of all classes.
    fn heartbeats(&mut self, nodes: usize, moved: &mut usize) {
        for _ in 0..nodes.div_ceil(100).div_ceil(CLASSES) {
            self.engine.set_node(node(*moved % nodes, *moved / nodes % 2 * 10 + 10));
            *moved += 7;
        }
    }
}
