//! ResourceOptimization: relieves nodes above a high mark until they are at the low one. A pod goes only where both resources
//! stay at or below the high mark, so that no other node has to be relieved for it.

use loadline_model::Str;

use crate::balance::{Amounts, Ledger, Resource};
use crate::options::{Options, SLACK, Strategy};
use crate::planner::{Planner, Wanted};
use crate::refusal::Refusal;

pub(super) fn run(planner: &mut Planner<'_>, options: &Options) {
    for resource in Resource::ALL {
        for (from, percent) in planner.ledger.fullest(resource) {
            let over = percent > options.high(resource) + SLACK && !planner.situation.unconfirmed.contains(&from);
            let relieved = (from, resource);
            if over || planner.situation.relieving.contains(&relieved) {
                relieve(planner, options, resource, &relieved.0);
            }
        }
    }
}

fn relieve(planner: &mut Planner<'_>, options: &Options, resource: Resource, from: &Str) {
    loop {
        let percent = planner.ledger.percent(from, resource).unwrap_or(0.0);
        if percent <= options.low(resource) + SLACK {
            break;
        }
        let freed = |ledger: &Ledger, amounts: Amounts| ledger.share(amounts, from, resource);
        let chosen = planner.best(&Wanted {
            from,
            most: &freed,
            least: options.min_gain,
            judge: &|ledger, _, amounts, to| {
                if passes_a_mark(ledger, options, amounts, to) {
                    return Err(Refusal::TargetTooFull);
                }
                Ok(freed(ledger, amounts))
            },
        });
        let Some(chosen) = chosen else { break };
        let (name, high) = (resource.as_str(), options.high(resource));
        let reason = format!("{name} of {from} is at {percent:.1} %, above {high} %");
        let reason =
            if percent > high { reason } else { format!("{name} of {from} is at {percent:.1} %, on its way down") };
        planner.make(&chosen, from, Strategy::ResourceOptimization.as_str(), reason);
    }
}

/// Whether a node would be above a high mark with these amounts more.
pub(super) fn passes_a_mark(ledger: &Ledger, options: &Options, amounts: Amounts, to: &Str) -> bool {
    Resource::ALL.iter().any(|resource| {
        let percent = ledger.percent(to, *resource).unwrap_or(0.0) + ledger.share(amounts, to, *resource);
        percent > options.high(*resource) + SLACK
    })
}
