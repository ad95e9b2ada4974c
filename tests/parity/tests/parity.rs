//! The promise that decisions are kube-scheduler's, on fixed clusters and on ones that nobody has seen before.

use std::thread;

use loadline_parity::{JUDGES, Plan, Profile, dump_folder, fresh_seed, run};

/// Fixed seeds: the same clusters in every run.
const FIXED: std::ops::RangeInclusive<u64> = 1..=20;
/// How many new ones.
const FRESH: u64 = 5;

#[test]
fn decisions_are_those_of_kube_scheduler() {
    assert!(!JUDGES.is_empty(), "there is no judge: nothing would be compared");
    let fresh = fresh_seed();
    let seeds: Vec<_> = FIXED.chain(fresh..fresh + FRESH).collect();
    println!("seeds 1 to 20 and {fresh} to {}", fresh + FRESH - 1);
    let plan = Plan {
        clusters: Profile::ALL.into_iter().flat_map(|profile| seeds.iter().map(move |seed| (profile, *seed))).collect(),
        dump: Some(dump_folder()),
        threads: thread::available_parallelism().map_or(1, usize::from),
        stop_early: false,
    };
    let summary = run(&plan, JUDGES, &|_| ()).expect("the referee answers");
    println!("{}", summary.line());
    assert_eq!(summary.differences(), 0, "\n{}", summary.report());
    let missed = summary.coverage.below_floors();
    assert!(missed.is_empty(), "{}\n{}", missed.join("\n"), summary.coverage.table());
}
