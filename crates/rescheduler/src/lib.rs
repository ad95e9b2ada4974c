//! Which pods should be somewhere else, and where the scheduler would put them: the plan of the Rescheduler, made on a fork of
//! the engine. The target of each move is what [`Engine::elsewhere`] chooses, with the moves before it counted; there is no rule
//! here about where a pod fits.
//!
//! [`plan()`] runs the strategies of [`Options`]; [`policy::plan`] runs a policy of the descheduler on the same planner.
//!
//! Invariants: no clock, no client, nothing is evicted here. The same engine, situation and options give the same plan.
//! A plan comes to rest: done and made again it ends, since each move of a strategy lowers what the strategy goes by and
//! raises nothing that another one starts at. In this order: pods on nodes marked for maintenance, use above the marks,
//! variance of use.
//!
//! [`Engine::elsewhere`]: loadline_engine::Engine::elsewhere

pub mod balance;
pub mod controller;
pub mod options;
pub mod owners;
pub mod plan;
mod planner;
pub mod policy;
pub mod refusal;
mod rules;
mod strategies;

use loadline_engine::Engine;

pub use balance::{Balance, Ledger, Resource, Spread};
pub use options::{Limits, Mode, Options, Strategy};
pub use owners::{Situation, Workloads};
pub use plan::{Move, NodeBalance, Plan, Requests, Skipped};
pub use refusal::Refusal;
pub use rules::stays;

use planner::{Guard, Planner};
use rules::Rules;

/// The node label that asks for a node to be emptied, when it is `true`.
pub const MAINTENANCE: &str = "scheduler.alpha.kubernetes.io/maintenance";
/// The pod label that keeps a pod where it is, when it is `disabled`.
pub const RESCHEDULING: &str = "scheduler.alpha.kubernetes.io/rescheduling";

/// Plans one round. `fork` is the cluster to plan on ([`Engine::fork`], or an engine of its own): it ends as it would be with
/// every move made.
pub fn plan(fork: &mut Engine, situation: &Situation, options: &Options) -> Plan {
    let rules = Rules::new(fork, situation, options);
    let mut planner = Planner::new(fork, situation, Guard::Own(rules), options.limits);
    // From what can not wait to what may; the order of the list says nothing.
    for strategy in [Strategy::NodeMaintenance, Strategy::ResourceOptimization, Strategy::LoadBalancing] {
        if options.strategies.contains(&strategy) {
            strategies::run(strategy, &mut planner, options);
        }
    }
    planner.finish()
}

#[cfg(test)]
mod testing;
