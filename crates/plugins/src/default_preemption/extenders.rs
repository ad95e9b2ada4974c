//! Extenders have a say in preemption: they take out candidates and change victims.

use loadline_framework::{NodeMetaVictims, NodeVictims, SharedExtender, WhatIf};
use loadline_model::PodInfo;

use super::Candidate;

/// What extenders leave of the candidates, by node name.
///
/// # Errors
/// kube-scheduler's text when an extender that must not fail does, or names what is not there.
pub(super) fn ask_extenders(
    pod: &PodInfo,
    what_if: &dyn WhatIf,
    mut candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, String> {
    for extender in what_if.extenders() {
        match ask(&extender, pod, what_if, &candidates) {
            Ok(left) => candidates = left,
            Err(_) if extender.is_ignorable() => continue,
            Err(error) => return Err(error),
        }
        for candidate in &candidates {
            if candidate.victims.is_empty() && !extender.is_ignorable() {
                return Err(format!("expected at least one victim pod on node {:?}", candidate.node.as_str()));
            }
        }
        candidates.retain(|candidate| !candidate.victims.is_empty());
        if candidates.is_empty() {
            break;
        }
    }
    Ok(candidates)
}

fn ask(
    extender: &SharedExtender,
    pod: &PodInfo,
    what_if: &dyn WhatIf,
    candidates: &[Candidate],
) -> Result<Vec<Candidate>, String> {
    let victims = candidates.iter().map(|candidate| NodeVictims {
        node: candidate.node.clone(),
        pods: candidate.victims.clone(),
        pdb_violations: candidate.violations,
    });
    let answer = extender.process_preemption(pod, &victims.collect::<Vec<_>>())?;
    let mut left: Vec<Candidate> =
        answer.into_iter().map(|victims| found(extender, what_if, victims)).collect::<Result<_, _>>()?;
    left.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(left)
}

/// A candidate as an extender names it.
fn found(extender: &SharedExtender, what_if: &dyn WhatIf, victims: NodeMetaVictims) -> Result<Candidate, String> {
    let cluster = what_if.cluster();
    let slot = cluster.slot(&victims.node);
    let at = slot.and_then(|slot| Some((slot, cluster.nodes()[slot.index()].as_deref()?)));
    let Some((slot, info)) = at else {
        return Err(format!("nodeinfo not found for node name {:?}", victims.node));
    };
    let pod = |uid: String| {
        let pod = info.pods.iter().find(|pod| pod.uid == *uid).cloned();
        pod.ok_or_else(|| {
            format!(
                "extender: {} claims to preempt pod (UID: &{{{uid}}}) on node: {}, but the pod is not found on that node",
                extender.name(),
                info.spec.name
            )
        })
    };
    let pods = victims.pods.into_iter().map(pod).collect::<Result<_, _>>()?;
    Ok(Candidate { slot, node: info.spec.name.clone(), victims: pods, violations: victims.pdb_violations })
}
