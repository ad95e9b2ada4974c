//! What a move has gained, once it is made.

use loadline_model::PodInfo;

use crate::balance::{Ledger, Resource};
use crate::options::Strategy;

/// What it gains, by the measure of the strategy, that a pod is on `node` and not on `from`, with everything else as it is now:
/// percent points. What others have done meanwhile is no merit of the move.
pub fn achieved(ledger: &Ledger, strategy: &str, pod: &PodInfo, from: &str, node: &str) -> f64 {
    if from == node {
        return 0.0;
    }
    let amounts = ledger.amounts(pod, node);
    let freed = |resource| ledger.share(amounts, from, resource);
    let closer = |resource| {
        let percent = |name: &str| ledger.percent(name, resource).unwrap_or(0.0);
        let (left, taken) = (ledger.share(amounts, from, resource), ledger.share(amounts, node, resource));
        let now = percent(from) - percent(node);
        (now + left + taken).abs() - now.abs()
    };
    let gain = |of: &dyn Fn(Resource) -> f64| Resource::ALL.into_iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let gain = if strategy == Strategy::LoadBalancing.as_str() { gain(&closer) } else { gain(&freed) };
    crate::balance::rounded(gain)
}
