//! NodeMaintenance: empties nodes that are marked. What it gains is room on them; there is no least gain, as a pod that
//! requests nothing has to go as well.

use crate::balance::{Amounts, Ledger, Resource};
use crate::options::Strategy;
use crate::planner::{Planner, Wanted};

pub(super) fn run(planner: &mut Planner<'_>) {
    for from in planner.marked().to_vec() {
        loop {
            let freed = |ledger: &Ledger, amounts: Amounts| {
                let shares = Resource::ALL.map(|resource| ledger.share(amounts, &from, resource));
                shares[0].max(shares[1])
            };
            let chosen = planner.best(&Wanted {
                from: &from,
                most: &freed,
                least: 0.0,
                judge: &|ledger, _, amounts, _| Ok(freed(ledger, amounts)),
            });
            let Some(chosen) = chosen else { break };
            let reason = format!("{from} is marked for maintenance");
            planner.make(&chosen, &from, Strategy::NodeMaintenance.as_str(), reason);
        }
    }
}
