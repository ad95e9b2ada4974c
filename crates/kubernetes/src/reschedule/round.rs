//! One round: what the cluster is like, and what should be moved.

use std::sync::Arc;

use loadline_engine::Engine;
use loadline_model::{PodInfo, Str};
use loadline_rescheduler::{Balance, Ledger, Options, Plan, Resource, Situation, Workloads, plan};

use super::acts;
use super::owners::look_up;
use crate::api::{Api, ApiError};

/// How often a round is planned anew, with what was found out about the owners of the pods that would be moved.
const PLANS: usize = 6;

/// How full a node is.
pub(super) struct NodeUse {
    pub(super) node: Str,
    pub(super) percent: [f64; 2],
}

/// How full all nodes are.
pub(super) fn uses(ledger: &Ledger) -> (Balance, Vec<NodeUse>) {
    let percent = |node: &Str, resource| ledger.percent(node, resource).unwrap_or(0.0);
    let of =
        |node: &Str| NodeUse { node: node.clone(), percent: Resource::ALL.map(|resource| percent(node, resource)) };
    (ledger.balance(), ledger.names().map(of).collect())
}

/// What a round comes to.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// The pods of the moves whose owners are known to be at rest, from the front.
    pub(super) pods: Vec<Arc<PodInfo>>,
}

/// Plans on a fork. Planning is done where it holds nobody up; between two plans the owners of the pods in question are asked for.
pub(super) async fn planned(
    api: &Api,
    fork: Engine,
    situation: Situation,
    options: Arc<Options>,
) -> Result<Option<Planned>, ApiError> {
    let (mut fork, mut situation) = (fork, situation);
    let mut known = Workloads::default();
    for attempt in 1.. {
        situation.workloads = known.clone();
        let (of_round, by) = (situation.clone(), options.clone());
        let planning = tokio::task::spawn_blocking(move || {
            let plan = plan(&mut fork.fork(), &of_round, &by);
            let pod = |uid: &String| fork.cluster().pod(uid).map(|known| known.pod.clone());
            let pods: Vec<Option<Arc<PodInfo>>> = plan.moves.iter().map(|step| pod(&step.uid)).collect();
            (fork, plan, pods)
        });
        // It panics where a plugin does, or when the process ends.
        let Ok((again, made, pods)) = planning.await else { return Ok(None) };
        fork = again;
        let mut pods: Vec<Arc<PodInfo>> = pods.into_iter().map_while(|pod| pod).collect();
        let is_known = |known: &Workloads, pod: &PodInfo| {
            pod.owner.as_ref().is_none_or(|owner| known.of(&pod.namespace, owner).is_some())
        };
        let mut is_new = false;
        for pod in &pods {
            if !is_known(&known, pod) {
                match look_up(api, pod, &mut known).await {
                    // Whoever only looks may do so without these rights; owners are at rest then.
                    Err(error) if error.is_code(403) && !acts(&options) => {}
                    result => result?,
                }
                is_new |= is_known(&known, pod);
            }
        }
        if !is_new || attempt >= PLANS {
            // The plan has to know of an owner that can be known; those after one of which it did not count on it.
            let is_judged = |pod: &Arc<PodInfo>| is_known(&situation.workloads, pod) || !is_known(&known, pod);
            let end = pods.iter().position(|pod| !is_judged(pod)).unwrap_or(pods.len());
            pods.truncate(end);
            return Ok(Some(Planned { plan: made, pods }));
        }
    }
    unreachable!("the loop has no end")
}
