//! `cargo bench --bench decide`: criterion over the main decisions at 5,000 nodes, to compare one state of the code with
//! another. `latency` has the whole table.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use loadline_benches::{Kind, cluster, engine, pod};
use loadline_engine::{Depth, Settings};

const NODES: usize = 5000;

fn repeated(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("repeated");
    group.sample_size(20);
    for kind in [
        Kind::Plain,
        Kind::Taints,
        Kind::NodeAffinity,
        Kind::HardSpread,
        Kind::SoftSpread,
        Kind::DefaultSpread,
        Kind::Affinity,
        Kind::AntiAffinity,
        Kind::Unschedulable,
    ] {
        let mut engine = engine(&cluster(NODES, kind), Settings::default());
        let mut number = 0;
        group.bench_function(kind.name(), |bencher| {
            bencher.iter(|| {
                // The pod before is taken back every now and then, so that the cluster does not fill up.
                let pod = pod(kind, 0, number, false);
                number += 1;
                let cycle = engine.decide(&pod, 1, Depth::Decide);
                if let Some(node) = &cycle.node {
                    engine.assume(&pod, node);
                }
                if number > 2000 {
                    engine.forget(&format!("pod-0-{}", number - 2000));
                }
                black_box(cycle.feasible)
            });
        });
    }
    group.finish();
}

fn first(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("first");
    group.sample_size(20);
    for kind in [Kind::Plain, Kind::HardSpread, Kind::Affinity, Kind::Preemption] {
        let mut engine = engine(&cluster(NODES, kind), Settings::default());
        let pod = pod(kind, 0, 0, false);
        group.bench_function(kind.name(), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = std::time::Duration::ZERO;
                for _ in 0..iterations {
                    engine.drop_kept();
                    #[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
                    let start = std::time::Instant::now();
                    black_box(engine.decide(&pod, 1, Depth::Decide).feasible);
                    total += start.elapsed();
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, repeated, first);
criterion_main!(benches);
