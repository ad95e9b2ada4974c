//! Nodes that pods on their way to them take above a mark, between two rounds.

use std::collections::BTreeSet;

use loadline_engine::Engine;
use loadline_model::{Map, NodeInfo, Str};

use crate::balance::{Resource, measured_nodes};
use crate::options::{Options, SLACK};

/// By [`Resource::ALL`]: what is requested of a node with the pods on their way to it, and what it has. `None` where plans go by
/// what is really used: that passes no mark before it is measured.
pub type Demand = [Option<(i64, i64)>; 2];

/// What is requested of each node.
pub fn demands(engine: &mut Engine) -> Vec<(Str, Demand)> {
    engine.settle();
    let demand = |(info, measured): (&NodeInfo, [Option<i64>; 2])| {
        let (used, all) = (&info.load.requested, &info.spec.allocatable);
        let by_request = [(used.milli_cpu, all.milli_cpu), (used.memory, all.memory)];
        let of = |at: usize| measured[at].is_none().then_some(by_request[at]);
        (info.spec.name.clone(), [of(0), of(1)])
    };
    measured_nodes(engine).map(demand).collect()
}

/// Looks for nodes to plan for before the next round.
///
/// It is the pods that count: neither a node that comes with its pods, or shrinks, nor a mark that is lowered begins anything.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    /// What was requested when it was looked last; `None` before the first time.
    before: Option<Map<Str, [Option<i64>; 2]>>,
}

impl Ahead {
    /// Takes over what is requested now. Nodes that pods took above the mark of a resource since the last look.
    pub fn look(&mut self, now: Vec<(Str, Demand)>, options: &Options) -> BTreeSet<(Str, Resource)> {
        let mut requested = Map::default();
        let mut passed = BTreeSet::new();
        for (node, demand) in now {
            let before = self.before.as_ref().and_then(|before| before.get(&node));
            for (at, resource) in Resource::ALL.into_iter().enumerate() {
                let Some((used, all)) = demand[at] else { continue };
                let passes = |used: i64| 100.0 * used as f64 / all as f64 > options.high(resource) + SLACK;
                if passes(used) && before.and_then(|before| before[at]).is_some_and(|used| !passes(used)) {
                    passed.insert((node.clone(), resource));
                }
            }
            requested.insert(node, demand.map(|of| of.map(|(used, _)| used)));
        }
        self.before = Some(requested);
        passed
    }
}
