//! `cargo xtask beside`: decisions of Loadline and of kube-scheduler's own algorithm, in one run on the same clusters.
//!
//! The referee (tests/parity/referee) links kube-scheduler's packages and times its scheduling algorithm, PreFilter to
//! Score, over all nodes. Nothing of the API, the queue or binding is in either figure. That both found the same number of
//! feasible nodes is checked.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, reason = "a benchmark tells times")]

use std::fs;
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use loadline_benches::{Kind, cluster, engine, objects, pod};
use loadline_engine::{Depth, Settings};
use serde::Deserialize;
use serde_json::json;

/// Decisions beside kube-scheduler.
#[derive(Parser)]
struct Options {
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 5000)]
    nodes: usize,
    /// Kinds whose name contains this.
    #[arg(long, default_value = "")]
    kind: String,
    /// Timed runs of kube-scheduler's algorithm for each kind.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    /// Decisions of Loadline for each kind; a twentieth of them cold, and as many first of their class.
    #[arg(long, default_value_t = 1000)]
    decisions: usize,
    /// Threads of Loadline.
    #[arg(long, default_value_t = 2)]
    parallelism: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the referee prints for a pod.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timing {
    feasible: usize,
    median_micros: f64,
    #[serde(default)]
    error: String,
}

/// Medians in µs.
struct Ours {
    cold: f64,
    first: f64,
    repeated: f64,
    feasible: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "kind",
        "kube-scheduler,\nall nodes µs",
        "Loadline,\ncold µs",
        "Loadline,\nfirst µs",
        "Loadline,\nrepeated µs",
        "all nodes /\ncold",
        "all nodes /\nfirst",
        "all nodes /\nrepeated",
    ]);
    // What kube-scheduler does about preemption is no part of what the referee times.
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Preemption && kind.name().contains(&options.kind));
    for kind in kinds {
        eprintln!("{}", kind.name());
        let all = theirs(&options, kind)?;
        let ours = ours(&options, kind);
        if all.feasible != ours.feasible {
            let message = format!("{}: {} nodes feasible there, {} here", kind.name(), all.feasible, ours.feasible);
            return Err(message.into());
        }
        table.add_row([
            kind.name().to_owned(),
            format!("{:.0}", all.median_micros),
            format!("{:.0}", ours.cold),
            format!("{:.0}", ours.first),
            format!("{:.1}", ours.repeated),
            format!("{:.1}", all.median_micros / ours.cold),
            format!("{:.1}", all.median_micros / ours.first),
            format!("{:.0}", all.median_micros / ours.repeated),
        ]);
    }
    for column in 1..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{} nodes; medians\n{table}", options.nodes);
    Ok(())
}

/// kube-scheduler's algorithm over all nodes.
fn theirs(options: &Options, kind: Kind) -> Result<Timing, Box<dyn std::error::Error>> {
    let referee = std::env::var_os("LOADLINE_REFEREE")
        .ok_or("LOADLINE_REFEREE is not set: run `cargo xtask beside`, which builds the referee and sets it")?;
    let mut all = objects(options.nodes, kind);
    all.push(kind.object(0, 0, false));
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "parallelism": options.parallelism,
        "percentageOfNodesToScore": 100,
    });
    let request = json!({"id": "", "config": config.to_string(), "objects": all, "pods": ["default/pod-0-0"]});
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cluster.json");
    fs::write(&file, request.to_string())?;
    let output = Command::new(&referee).args(["bench", "-n", &options.runs.to_string()]).arg(&file).output()?;
    if !output.status.success() {
        return Err(format!("the referee: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let timing: Timing = serde_json::from_slice(&output.stdout)?;
    if timing.error.is_empty() { Ok(timing) } else { Err(timing.error.into()) }
}

fn ours(options: &Options, kind: Kind) -> Ours {
    let settings = Settings { parallelism: options.parallelism, ..Settings::default() };
    let mut engine = engine(&cluster(options.nodes, kind), settings);
    let mut decide = |class: usize, number: usize, cold: bool| {
        let pod = pod(kind, class, number, false);
        if cold {
            engine.drop_kept();
        }
        let start = Instant::now();
        let cycle = engine.decide(&pod, 1, Depth::Decide);
        let micros = start.elapsed().as_nanos() as f64 / 1000.0;
        if let Some(node) = cycle.node.as_ref().filter(|_| !cold) {
            engine.assume(&pod, node);
        }
        (micros, cycle.feasible)
    };
    let (_, feasible) = decide(0, 0, true);
    let few = options.decisions.div_ceil(20);
    let cold = (0..few).map(|_| decide(0, 0, true).0).collect();
    decide(0, 0, false);
    let first = (1..=few).map(|class| decide(class, 0, false).0).collect();
    let repeated = (1..=options.decisions).map(|number| decide(0, number, false).0).collect();
    Ours { cold: median(cold), first: median(first), repeated: median(repeated), feasible }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
