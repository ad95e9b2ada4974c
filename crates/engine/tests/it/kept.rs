//! What is kept between decisions, and the number of threads, show in speed and never in a decision.

use std::sync::Arc;

use loadline_engine::Settings;
use loadline_framework::{
    Extender, ExtenderFilter, HostPriority, NodeMetaVictims, NodeVictims, SharedExtender, in_asking_order,
};
use loadline_model::{PodInfo, Str};
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

fn tell(profile: Profile, seed: u64, kept_bytes: usize, size: (usize, f64), steps: usize) -> Tally {
    tell_with(&[], profile, seed, kept_bytes, size, steps)
}

fn tell_with(
    extenders: &[SharedExtender],
    profile: Profile,
    seed: u64,
    kept_bytes: usize,
    (nodes, pods): (usize, f64),
    steps: usize,
) -> Tally {
    let mut outside = Outside::new(profile, seed);
    outside.profiles.extenders = extenders.to_vec();
    outside.with_share.extenders = extenders.to_vec();
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
    let Tally { judged, unschedulable, nominated, scheduled, bound, forgotten, preempted, swaps, doubted, evictions } =
        sum;
    assert!(judged > 1000 && unschedulable > 200 && nominated > 30, "{sum:?}");
    assert!(scheduled > 800 && bound > 200 && forgotten > 40 && preempted > 15, "{sum:?}");
    assert!(swaps > 100 && doubted > 100 && evictions > 400, "{sum:?}");
}

#[test]
fn threads_do_not_show_in_decisions() {
    // More nodes than the engine judges on one thread.
    let tally = tell(Profile::Mixed, 5, 64 << 20, (4500, 0.5), 120);
    println!("{tally:?}");
    assert!(tally.judged > 10 && tally.scheduled > 5, "{tally:?}");
}

/// An extender with a whim about each pod and node, always the same one.
struct Whim {
    name: &'static str,
    ignorable: bool,
}

impl Whim {
    /// A number from 0 to 23.
    fn of(&self, pod: &PodInfo, node: &str) -> u64 {
        let text = self.name.bytes().chain(pod.uid.bytes()).chain(node.bytes());
        text.fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % 24
    }
}

impl Extender for Whim {
    fn name(&self) -> &str {
        self.name
    }
    fn is_interested(&self, pod: &PodInfo) -> bool {
        self.of(pod, "") > 3
    }
    fn is_ignorable(&self) -> bool {
        self.ignorable
    }
    fn is_filter(&self) -> bool {
        true
    }
    fn is_prioritizer(&self) -> bool {
        true
    }
    fn is_binder(&self) -> bool {
        self.ignorable
    }
    fn supports_preemption(&self) -> bool {
        true
    }
    fn weight(&self) -> i64 {
        3
    }
    fn filter(&self, pod: &PodInfo, nodes: &[Str]) -> Result<ExtenderFilter, String> {
        let mut answer = ExtenderFilter::default();
        for node in nodes {
            match self.of(pod, node) {
                0 => return Err("it has no wish to answer".to_owned()),
                1..4 => drop(answer.failed.insert(node.to_string(), "a whim".to_owned())),
                4..6 => drop(answer.failed_and_unresolvable.insert(node.to_string(), "for ever".to_owned())),
                6 => {}
                _ => answer.passed.push(node.to_string()),
            }
        }
        Ok(answer)
    }
    fn prioritize(&self, pod: &PodInfo, nodes: &[Str]) -> Result<Vec<HostPriority>, String> {
        let score = |node: &Str| HostPriority { host: node.to_string(), score: self.of(pod, node) as i64 % 11 };
        Ok(nodes.iter().map(score).collect())
    }
    fn process_preemption(&self, pod: &PodInfo, candidates: &[NodeVictims]) -> Result<Vec<NodeMetaVictims>, String> {
        let left = candidates.iter().filter(|candidate| self.of(pod, &candidate.node) > 8);
        let victims = |candidate: &NodeVictims| NodeMetaVictims {
            node: candidate.node.to_string(),
            pods: candidate.pods.iter().map(|pod| pod.uid.to_string()).collect(),
            pdb_violations: candidate.pdb_violations,
        };
        Ok(left.map(victims).collect())
    }
    fn bind(&self, _: &PodInfo, _: &str) -> Result<(), String> {
        Err("the engine binds nothing".to_owned())
    }
}

#[test]
fn nor_do_they_with_extenders() {
    let whim = |name, ignorable| SharedExtender(Arc::new(Whim { name, ignorable }));
    let extenders = in_asking_order(vec![whim("mild", true), whim("strict", false)]);
    let mut sum = Tally::default();
    for (number, profile) in Profile::ALL.into_iter().enumerate() {
        let round = number % SIZES.len();
        let tally = tell_with(&extenders, profile, 100 + number as u64, BUDGETS[round], SIZES[round], 250);
        sum.add(tally);
    }
    println!("{sum:?}");
    assert!(sum.scheduled > 200 && sum.bound > 40 && sum.forgotten > 5 && sum.preempted > 1, "{sum:?}");
}
