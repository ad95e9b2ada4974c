//! The Rescheduler's own strategies.

mod load_balancing;
mod node_maintenance;
mod resource_optimization;
#[cfg(test)]
mod tests;

use crate::options::{Options, Strategy};
use crate::planner::Planner;

/// Has a strategy add its moves to the plan.
pub(crate) fn run(strategy: Strategy, planner: &mut Planner<'_>, options: &Options) {
    match strategy {
        Strategy::NodeMaintenance => node_maintenance::run(planner),
        Strategy::ResourceOptimization => resource_optimization::run(planner, options),
        Strategy::LoadBalancing => load_balancing::run(planner, options),
    }
}
