//! For how many rounds in a row a node has been bad, and which nodes are on their way down.

use std::collections::{BTreeMap, BTreeSet};

use loadline_model::Str;

use crate::balance::{Ledger, Resource};
use crate::options::{Options, SLACK, Strategy};

/// What the rounds so far have found of each node.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    bad: BTreeMap<Str, u32>,
    relieving: BTreeSet<(Str, Resource)>,
}

impl Readings {
    /// Takes over what a round finds.
    pub fn read(&mut self, ledger: &Ledger, options: &Options) {
        let is_wanted = |strategy| options.strategies.contains(&strategy);
        let (relieves, balances) = (is_wanted(Strategy::ResourceOptimization), is_wanted(Strategy::LoadBalancing));
        let mut bad = BTreeMap::new();
        let mut relieving = BTreeSet::new();
        for name in ledger.names() {
            let percent = |resource| ledger.percent(name, resource).unwrap_or(0.0);
            let is_over = |resource| percent(resource) > options.high(resource) + SLACK;
            let is_above_low = |resource| percent(resource) > options.low(resource) + SLACK;
            let is_apart = |resource| percent(resource) - ledger.extremes(resource).0 > options.imbalance_threshold;
            let over = relieves && Resource::ALL.into_iter().any(is_over);
            let apart = balances && Resource::ALL.into_iter().any(is_apart);
            let count = if over || apart { self.bad.get(name).map_or(1, |count| count.saturating_add(1)) } else { 0 };
            for resource in Resource::ALL.into_iter().filter(|_| relieves) {
                let begins = is_over(resource) && count >= options.readings;
                let relieved = (name.clone(), resource);
                if begins || is_above_low(resource) && self.relieving.contains(&relieved) {
                    relieving.insert(relieved);
                }
            }
            bad.insert(name.clone(), count);
        }
        (self.bad, self.relieving) = (bad, relieving);
    }

    /// Nodes on which nothing is begun: they have not been bad for long enough.
    pub fn unconfirmed(&self, options: &Options) -> BTreeSet<Str> {
        let is_new = |(_, count): &(&Str, &u32)| **count < options.readings;
        self.bad.iter().filter(is_new).map(|(name, _)| name.clone()).collect()
    }

    /// These are being relieved from now on.
    pub fn begin(&mut self, nodes: BTreeSet<(Str, Resource)>) {
        self.relieving.extend(nodes);
    }

    /// Nodes that are being relieved of a resource, down to the low mark.
    pub fn relieving(&self) -> &BTreeSet<(Str, Resource)> {
        &self.relieving
    }
}
