//! `cargo xtask instructions`: some decisions of one kind, to be counted by valgrind's callgrind.
//!
//! Only what `counted_decision` does is counted. Run by itself it does the same and prints how many pods found a node.

#![allow(clippy::print_stdout, reason = "a program for a person, or for xtask")]

use std::hint::black_box;
use std::sync::Arc;

use clap::Parser;
use loadline_benches::{Kind, cluster, engine, pod};
use loadline_engine::{Depth, Engine, Settings};
use loadline_model::PodInfo;

/// Decisions to be counted.
#[derive(Parser)]
struct Options {
    /// The kind of the pods, as `latency` calls it.
    #[arg(long)]
    kind: String,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Decide with nothing kept from before.
    #[arg(long)]
    first: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Decisions that are counted.
const COUNTED: usize = 20;

fn main() -> Result<(), String> {
    let options = Options::parse();
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == options.kind);
    let kind = kind.ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("no kind \"{}\"; there are: {}", options.kind, names.join("; "))
    })?;
    let mut engine = engine(&cluster(options.nodes, kind), Settings::default());
    let pods: Vec<Arc<PodInfo>> = (0..=COUNTED).map(|number| pod(kind, 0, number, false)).collect();
    let counted = if options.first {
        &pods[..1]
    } else {
        decisions(&mut engine, &pods[..1], false);
        &pods[1..]
    };
    println!("{} of {} placed", decisions(&mut engine, counted, true), counted.len());
    Ok(())
}

fn decisions(engine: &mut Engine, pods: &[Arc<PodInfo>], counted: bool) -> usize {
    let mut placed = 0;
    for pod in pods {
        let node = if counted { counted_decision(engine, pod) } else { decision(engine, pod) };
        placed += usize::from(black_box(node));
    }
    placed
}

/// What callgrind is told to count, by this name.
#[inline(never)]
fn counted_decision(engine: &mut Engine, pod: &Arc<PodInfo>) -> bool {
    decision(engine, pod)
}

fn decision(engine: &mut Engine, pod: &Arc<PodInfo>) -> bool {
    let cycle = engine.decide(pod, 1, Depth::Decide);
    if let Some(node) = &cycle.node {
        engine.assume(pod, node);
    }
    cycle.node.is_some()
}
