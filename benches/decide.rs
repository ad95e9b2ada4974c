//! `cargo bench --bench decide`: criterion over one decision, for each kind of pod and size of cluster, to compare one state
//! of the code with another. An argument narrows it: `-- repeated/plain/5000`. `latency` has more situations, and
//! percentiles.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use loadline_benches::{Kind, cluster, engine, pod};
use loadline_engine::{Depth, Engine, Settings};

/// Nodes of the clusters.
const SIZES: [usize; 5] = [100, 1000, 5000, 20_000, 100_000];
/// Classes that a cluster sees before everything kept is dropped: each asks for a thousandth of a cpu more.
const CLASSES: usize = 1000;

/// Nothing is kept from before.
fn cold(criterion: &mut Criterion) {
    each(criterion, "cold", |engine, kind, number| {
        engine.drop_kept();
        decide(engine, kind, 0, number, false)
    });
}

/// The first pod of its class, after others of its kind.
fn first(criterion: &mut Criterion) {
    each(criterion, "first", |engine, kind, number| {
        if number % CLASSES == 0 {
            engine.drop_kept();
            decide(engine, kind, 0, number, false);
        }
        decide(engine, kind, 1 + number % CLASSES, number, false)
    });
}

/// The next pod of a class after the one before was assumed.
fn repeated(criterion: &mut Criterion) {
    each(criterion, "repeated", |engine, kind, number| {
        // Old ones are taken back, so that the cluster does not fill up.
        let most = engine.cluster().node_infos().count().min(2000) / 4;
        if let Some(old) = number.checked_sub(most) {
            engine.forget(&format!("pod-0-{old}"));
        }
        decide(engine, kind, 0, number, true)
    });
}

/// Decides on a pod, and assumes it where it is to stay.
fn decide(engine: &mut Engine, kind: Kind, class: usize, number: usize, stays: bool) -> Duration {
    let pod = pod(kind, class, number, false);
    let start = Instant::now();
    let cycle = engine.decide(&pod, 1, Depth::Decide);
    let time = start.elapsed();
    if let Some(node) = cycle.node.as_ref().filter(|_| stays) {
        engine.assume(&pod, node);
    }
    black_box(cycle.feasible);
    time
}

/// Times `step`, which is told a number that grows, for all kinds and sizes.
fn each(criterion: &mut Criterion, name: &str, step: impl Fn(&mut Engine, Kind, usize) -> Duration) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for nodes in SIZES {
        for kind in Kind::ALL {
            // What an argument leaves out is not set up either.
            let mut known = LazyCell::new(|| (engine(&cluster(nodes, kind), Settings::default()), 0));
            group.bench_function(BenchmarkId::new(kind.name(), nodes), |bencher| {
                let (engine, number) = &mut *known;
                bencher.iter_custom(|iterations| {
                    let steps = (0..iterations).map(|_| {
                        *number += 1;
                        step(engine, kind, *number - 1)
                    });
                    steps.sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, cold, first, repeated);
criterion_main!(benches);
