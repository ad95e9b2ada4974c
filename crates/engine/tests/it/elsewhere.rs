//! Where a pod would go that may not stay where it is, and the fork that plans are made on.

use std::sync::Arc;

use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::record::{DecidedBy, NodeRecord, Outcome};
use loadline_model::{PodInfo, Str};
use loadline_parity::{Profile, World, generate};

/// Clusters of each profile.
const SEEDS: u64 = 12;

fn each_cluster(look: impl Fn(&str, Engine, &[Arc<PodInfo>])) {
    for profile in Profile::ALL {
        for seed in 0..SEEDS {
            let request = generate(profile, seed);
            let world = World::read(&request).expect("the generator makes valid clusters");
            let engine = world.cluster.engine(world.profiles.clone(), Settings { seed, ..Settings::default() });
            look(&request.id, engine, &world.judged);
        }
    }
}

#[test]
fn with_nothing_left_out_it_is_what_the_scheduler_decides() {
    let mut seen = [0; 2];
    let count = std::cell::RefCell::new(&mut seen);
    each_cluster(|name, mut engine, pods| {
        for pod in pods {
            let gated = engine.profiles().get(&pod.scheduler_name).is_none_or(|profile| profile.gate(pod).is_some());
            let there = engine.elsewhere(pod, &[]);
            if gated {
                assert_eq!(there, None, "{name} {}", pod.name);
                continue;
            }
            engine.visit_from(0);
            let cycle = engine.decide(pod, 1, Depth::Explain);
            // A nominated node is taken whatever it scores.
            if cycle.decided_by == Some(DecidedBy::Nominated) {
                continue;
            }
            assert_eq!(there, cycle.node, "{name} {}", pod.name);
            // Of a nominated node that turned the pod down the decision says why, also where PreFilter left it out.
            if cycle.outcome == Outcome::Unschedulable && pod.nominated_node_name.is_none() {
                let why = engine.why_not_elsewhere(pod, &[]);
                assert!(cycle.message.starts_with(&why), "{name} {}: {why} and {}", pod.name, cycle.message);
            }
            count.borrow_mut()[usize::from(there.is_some())] += 1;
        }
    });
    assert!(seen[0] > 100 && seen[1] > 300, "{seen:?}");
}

#[test]
fn with_the_winner_left_out_it_is_the_best_of_the_others() {
    let others = std::cell::Cell::new(0);
    each_cluster(|name, mut engine, pods| {
        let is_open = |pod: &&Arc<PodInfo>| {
            engine.profiles().get(&pod.scheduler_name).is_some_and(|profile| profile.gate(pod).is_none())
        };
        let open: Vec<_> = pods.iter().filter(is_open).collect();
        for pod in open {
            engine.visit_from(0);
            let cycle = engine.decide(pod, 1, Depth::Explain);
            let Some(winner) = cycle.node.clone().filter(|_| cycle.decided_by != Some(DecidedBy::Nominated)) else {
                continue;
            };
            let nodes = engine.record(&cycle).nodes.unwrap_or_default();
            let open = |node: &&NodeRecord| node.feasible && node.name != *winner;
            let best = nodes.iter().filter(open).map(|node| node.total).max();
            let there = engine.elsewhere(pod, std::slice::from_ref(&winner));
            let found = there.as_ref().and_then(|there| nodes.iter().filter(open).find(|node| node.name == **there));
            if nodes.iter().filter(open).all(|node| node.total.is_some()) {
                assert_eq!(
                    found.map(|node| node.total),
                    best,
                    "{name} {}: {there:?} {:?} {:?} {nodes:#?}",
                    pod.name,
                    cycle.decided_by,
                    engine.why_not_elsewhere(pod, std::slice::from_ref(&winner))
                );
            }
            others.set(others.get() + usize::from(there.is_some()));
        }
    });
    assert!(others.get() > 200, "{}", others.get());
}

fn places(engine: &Engine) -> Vec<(Str, Str)> {
    let mut places: Vec<_> = engine.cluster().pods().map(|known| (known.pod.uid.clone(), known.node.clone())).collect();
    places.sort_unstable();
    places
}

#[test]
fn what_is_done_to_a_fork_shows_in_the_fork_alone() {
    each_cluster(|name, mut engine, pods| {
        let decide = |engine: &mut Engine| -> Vec<Option<Str>> {
            engine.visit_from(0);
            pods.iter().map(|pod| engine.decide(pod, 1, Depth::Decide).node).collect()
        };
        let (before, decided) = (places(&engine), decide(&mut engine));
        let mut fork = engine.fork();
        assert_eq!(decide(&mut fork), decided, "{name}: it begins as the same");
        // Every other pod moves to the next node, and one in five is gone.
        let nodes: Vec<Str> = engine.cluster().node_infos().map(|info| info.spec.name.clone()).collect();
        for (number, (uid, node)) in before.iter().enumerate() {
            let at = nodes.iter().position(|name| name == node).unwrap_or(0);
            let Some(known) = fork.cluster().pod(uid).cloned() else { continue };
            match number % 10 {
                0 | 5 => {
                    fork.remove_pod(uid);
                }
                even if even % 2 == 0 => {
                    fork.set_placed_pod(known.pod, &nodes[(at + 1) % nodes.len()]);
                }
                _ => {}
            }
        }
        assert!(fork.findings().is_sound() && engine.findings().is_sound(), "{name}");
        assert_eq!(places(&engine), before, "{name}");
        assert_eq!(decide(&mut engine), decided, "{name}");
        // What the fork has kept on the way is as if it had never kept anything.
        let kept = decide(&mut fork);
        fork.drop_kept();
        assert_eq!(decide(&mut fork), kept, "{name}");
    });
}
