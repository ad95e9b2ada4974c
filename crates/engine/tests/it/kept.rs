//! What is kept between decisions, and the number of threads, show in speed and never in a decision.

use loadline_engine::Settings;
use loadline_parity::Profile;

use crate::outside::Outside;
use crate::together::{Member, Tally, Together};

/// One that keeps within a budget, one that computes everything anew, one with threads.
fn members(kept_bytes: usize) -> Vec<Member> {
    let settings = |parallelism, kept_bytes| Settings { seed: 7, parallelism, kept_bytes, ..Settings::default() };
    vec![
        Member { name: "one that keeps", settings: settings(1, kept_bytes), keeps: true, trims: 0.5 },
        Member { name: "one that keeps nothing", settings: settings(1, 0), keeps: false, trims: 1.0 },
        Member { name: "one with threads", settings: settings(4, 64 << 20), keeps: true, trims: 0.1 },
    ]
}

fn tell(profile: Profile, seed: u64, kept_bytes: usize, (nodes, pods): (usize, f64), steps: usize) -> Tally {
    let outside = Outside::new(profile, seed);
    let story = format!("{profile}/{seed} with {nodes} nodes and {kept_bytes} bytes");
    let mut together = Together::new(story, outside, members(kept_bytes), nodes, pods);
    together.live(steps);
    together.tally
}

/// Bytes to keep: nothing, a few classes, a part, everything.
const BUDGETS: [usize; 4] = [0, 8 << 10, 64 << 10, 64 << 20];
/// Nodes, and pods on each at first: full small clusters, and one in which a share of the nodes is fewer than all.
const SIZES: [(usize, f64); 4] = [(4, 20.0), (12, 8.0), (30, 3.0), (120, 4.0)];

#[test]
fn decisions_do_not_depend_on_what_is_kept() {
    let mut sum = Tally::default();
    for (number, profile) in Profile::ALL.into_iter().enumerate() {
        for (round, size) in SIZES.into_iter().enumerate() {
            let seed = (number * SIZES.len() + round) as u64;
            let tally = tell(profile, seed, BUDGETS[(number + round) % BUDGETS.len()], size, 250);
            sum.add(tally);
        }
    }
    println!("{sum:?}");
    let Tally { judged, unschedulable, nominated, scheduled, bound, forgotten, preempted, swaps, evictions } = sum;
    assert!(judged > 1000 && unschedulable > 200 && nominated > 30, "{sum:?}");
    assert!(scheduled > 800 && bound > 200 && forgotten > 40 && preempted > 15, "{sum:?}");
    assert!(swaps > 100 && evictions > 400, "{sum:?}");
}

#[test]
fn threads_do_not_show_in_decisions() {
    // More nodes than the engine judges on one thread.
    let tally = tell(Profile::Mixed, 5, 64 << 20, (4500, 0.5), 120);
    println!("{tally:?}");
    assert!(tally.judged > 10 && tally.scheduled > 5, "{tally:?}");
}
