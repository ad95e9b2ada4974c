//! The node cache: what it holds after each change, and what readers on other threads see meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loadline_engine::{Depth, Engine, Event, NodeCache, Settings};
use loadline_model::{NodeInfo, NodeLoad, NodeSpec, Str};
use loadline_parity::Profile;
use rand::RngExt;

use crate::outside::Outside;

/// A node and the uids of the pods on it.
type Seen = (Arc<NodeSpec>, Vec<Str>);

/// The naive cache: objects, and which pod is where.
#[derive(Default)]
struct Naive {
    nodes: BTreeMap<Str, Arc<NodeSpec>>,
    /// By uid: the node, and whether it is only assumed.
    pods: BTreeMap<Str, (Str, bool)>,
}

impl Naive {
    fn nodes(&self) -> BTreeMap<Str, Seen> {
        let on =
            |name: &Str| self.pods.iter().filter(|(_, (node, _))| node == name).map(|(uid, _)| uid.clone()).collect();
        self.nodes.iter().map(|(name, spec)| (name.clone(), (spec.clone(), on(name)))).collect()
    }
}

fn seen(cache: &NodeCache) -> BTreeMap<Str, Seen> {
    let nodes = cache.all();
    assert!(nodes.is_sorted_by(|a, b| a.spec.name < b.spec.name), "by name, each once");
    let uids = |info: &NodeInfo| {
        let mut uids: Vec<Str> = info.pods.iter().map(|pod| pod.uid.clone()).collect();
        uids.sort();
        uids
    };
    nodes.iter().map(|info| (info.spec.name.clone(), (info.spec.clone(), uids(info)))).collect()
}

/// A node as one value: the sums are those of the pods, whatever happens meanwhile.
fn whole(info: &NodeInfo) {
    let mut load = NodeLoad::default();
    info.pods.iter().for_each(|pod| load.add(pod));
    let sums = |load: &NodeLoad| {
        let amounts = (load.requested.milli_cpu, load.requested.memory, load.requested.ephemeral_storage);
        (amounts, load.non_zero_milli_cpu, load.non_zero_memory, load.pods, load.ports.len())
    };
    assert_eq!(sums(&info.load), sums(&load), "node {} is torn", info.spec.name);
}

/// Makes one thing happen to both.
fn change(outside: &mut Outside, engine: &mut Engine, naive: &mut Naive) {
    if outside.dice.random_bool(0.2) {
        let pod = outside.new_pod();
        if let Some(node) = outside.node_name() {
            // Also pods that a decision would not put there: assumption asks nobody.
            engine.assume(&pod, &node);
            naive.pods.insert(pod.uid.clone(), (node, true));
        }
        return;
    }
    if outside.dice.random_bool(0.15) {
        let assumed = naive.pods.iter().filter(|(_, (_, assumed))| *assumed).map(|(uid, _)| uid.clone()).next();
        if let Some(uid) = assumed {
            assert!(engine.forget(&uid));
            naive.pods.remove(&uid);
        }
        return;
    }
    match outside.next() {
        Event::Node(node) => {
            engine.set_node(node.clone());
            naive.nodes.insert(node.name.clone(), node);
        }
        Event::NodeGone(name) => {
            engine.remove_node(&name);
            naive.nodes.remove(&name);
        }
        Event::Pod(pod) if pod.finished => {
            engine.remove_pod(&pod.uid);
            naive.pods.remove(&pod.uid);
        }
        Event::Pod(pod) => {
            if let Some(node) = pod.node_name.clone() {
                naive.pods.insert(pod.uid.clone(), (node.clone(), false));
                engine.set_placed_pod(pod, &node);
            }
        }
        Event::PodGone(uid) => {
            engine.remove_pod(&uid);
            naive.pods.remove(&uid);
        }
        Event::PodRefused(pod, _) => {
            engine.remove_pod(&pod.uid);
            naive.pods.remove(&pod.uid);
        }
        Event::Namespace(namespace) => engine.set_namespace(namespace),
        _ => {
            let pod = outside.new_pod();
            engine.decide(&pod, 1, Depth::Decide);
        }
    }
}

#[test]
fn the_cache_agrees_with_a_naive_one() {
    for (number, profile) in Profile::ALL.into_iter().enumerate() {
        let mut outside = Outside::new(profile, 2000 + number as u64);
        let mut engine = Engine::new(outside.profiles.clone(), Settings::default());
        let mut naive = Naive::default();
        let cache = engine.node_cache();
        for step in 0..400 {
            change(&mut outside, &mut engine, &mut naive);
            let expected = naive.nodes();
            assert_eq!(seen(&cache), expected, "{profile} step {step}");
            assert_eq!((cache.len(), cache.is_empty()), (expected.len(), expected.is_empty()));
            for info in engine.cluster().node_infos() {
                whole(info);
                let cached = cache.get(&info.spec.name).expect("the cache has every node");
                assert_eq!(cached.generation, info.generation, "{profile} step {step}: {}", info.spec.name);
            }
            assert!(cache.get("unheard-of").is_none());
        }
    }
}

/// Tells the readers that the writer is done, also when it panics: they would read for ever.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn readers_see_whole_nodes_and_never_go_back() {
    let mut outside = Outside::new(Profile::Mixed, 2100);
    let mut engine = Engine::new(outside.profiles.clone(), Settings::default());
    let mut naive = Naive::default();
    let cache = engine.node_cache();
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (cache, done, rounds) = (&cache, &done, &rounds);
            scope.spawn(move || {
                let mut newest: BTreeMap<Str, u64> = BTreeMap::new();
                let mut look = |info: &NodeInfo| {
                    whole(info);
                    let last = newest.insert(info.spec.name.clone(), info.generation).unwrap_or(0);
                    assert!(info.generation >= last, "node {} went back in time", info.spec.name);
                };
                while !done.load(Ordering::Acquire) {
                    if reader == 0 {
                        let all = cache.all();
                        assert!(all.is_sorted_by(|a, b| a.spec.name < b.spec.name), "by name, each once");
                        for info in &all {
                            look(info);
                        }
                    } else {
                        for number in 0..100 {
                            let name = format!("node-{number:05}");
                            if let Some(info) = cache.get(&name) {
                                assert_eq!(info.spec.name, *name);
                                look(&info);
                            }
                        }
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let done = Done(&done);
        let mut step = 0;
        // Until the readers have read often enough for the test to mean something.
        while step < 2_000 || (rounds.load(Ordering::Relaxed) < 60 && step < 200_000) {
            change(&mut outside, &mut engine, &mut naive);
            step += 1;
        }
        drop(done);
    });
    assert!(rounds.load(Ordering::Relaxed) >= 60, "the readers hardly read");
    assert_eq!(seen(&cache), naive.nodes());
}
