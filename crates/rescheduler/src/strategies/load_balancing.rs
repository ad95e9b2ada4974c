//! LoadBalancing: while nodes are further apart than the threshold, pods go from the fullest to where the scheduler would put
//! them, if that node is emptier by more than the threshold too and the move brings the two closer.
//!
//! It compares with the node that the pod would go to, and not with the emptiest there is: nodes that take none of the pods,
//! such as those of a control plane, would else keep it looking for ever.

use loadline_model::{PodInfo, Str};

use super::resource_optimization::passes_a_mark;
use crate::balance::{Amounts, Ledger, Resource};
use crate::options::{Options, Strategy};
use crate::planner::{Planner, Wanted};
use crate::refusal::Refusal;

/// What the variances have to fall by at least: less is rounding.
const LESS: f64 = -1e-6;

pub(super) fn run(planner: &mut Planner<'_>, options: &Options) {
    // The resource that is further apart first.
    let mut resources = Resource::ALL.map(|resource| {
        let (low, high) = planner.ledger.extremes(resource);
        (resource, high - low)
    });
    resources.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (resource, _) in resources {
        balance(planner, options, resource);
    }
}

fn balance(planner: &mut Planner<'_>, options: &Options, resource: Resource) {
    // Nodes that gave nothing: what is moved meanwhile makes targets fuller, and a node that became emptier is for the next round.
    let mut stuck: Vec<Str> = Vec::new();
    while !planner.is_full() {
        let extremes = Resource::ALL.map(|resource| planner.ledger.extremes(resource));
        let lowest = extremes[resource as usize].0;
        let passes = |percent: f64| percent - lowest > options.imbalance_threshold;
        let nodes = planner.ledger.fullest(resource);
        let open = |(node, percent): &(Str, f64)| {
            passes(*percent)
                && !stuck.contains(node)
                && !planner.is_spent(node)
                && !planner.situation.unconfirmed.contains(node)
                && !planner.situation.resting_nodes.contains(node)
        };
        let Some((from, percent)) = nodes.into_iter().find(open) else { break };
        let pair = Pair { from: &from, resource, options, extremes };
        let chosen = planner.best(&Wanted {
            from: &from,
            most: &|ledger, amounts| ledger.share(amounts, &from, resource) + ledger.largest_share(amounts, resource),
            least: options.min_gain,
            judge: &|ledger, pod, amounts, to| pair.judge(ledger, pod, amounts, to),
        });
        let Some(chosen) = chosen else {
            stuck.push(from);
            continue;
        };
        let (name, to) = (resource.as_str(), &chosen.to);
        let other = planner.ledger.percent(to, resource).unwrap_or(0.0);
        let reason = format!("{name} of {from} is at {percent:.1} %, of {to} at {other:.1} %");
        planner.make(&chosen, &from, Strategy::LoadBalancing.as_str(), reason);
    }
}

/// A full node, and what the cluster was like before a move from it.
struct Pair<'p> {
    from: &'p Str,
    resource: Resource,
    options: &'p Options,
    extremes: [(f64, f64); 2],
}

impl Pair<'_> {
    fn judge(&self, ledger: &Ledger, _pod: &PodInfo, amounts: Amounts, to: &Str) -> Result<f64, Refusal> {
        let Self { from, resource, options, .. } = *self;
        let percent = |node: &str| ledger.percent(node, resource);
        let (Some(full), Some(empty)) = (percent(from), percent(to)) else { return Err(Refusal::NoGain) };
        let apart = full - empty;
        let share = |node: &str| ledger.share(amounts, node, resource);
        let gain = apart - (apart - share(from) - share(to)).abs();
        if apart <= options.imbalance_threshold {
            return Err(Refusal::NoGain);
        }
        if passes_a_mark(ledger, options, amounts, to) {
            return Err(Refusal::TargetTooFull);
        }
        let better = ledger.variance_change(amounts, from, to) < LESS;
        if better && Resource::ALL.iter().all(|other| self.stays_apart(ledger, *other, amounts, to)) {
            Ok(gain)
        } else {
            Err(Refusal::NoGain)
        }
    }

    /// Whether a move takes no resource further apart than it is, unless it stays below the threshold.
    fn stays_apart(&self, ledger: &Ledger, resource: Resource, amounts: Amounts, to: &Str) -> bool {
        let (low, high) = self.extremes[resource as usize];
        let after = |node: &str, sign: f64| {
            ledger.percent(node, resource).unwrap_or(0.0) + sign * ledger.share(amounts, node, resource)
        };
        // Neither may become the new end of the row; that the old one moves makes it shorter.
        let (low, high) = (low.min(after(self.from, -1.0)), high.max(after(to, 1.0)));
        let before = self.extremes[resource as usize].1 - self.extremes[resource as usize].0;
        high - low <= before.max(self.options.imbalance_threshold) + 1e-6
    }
}
