//! RuntimeClass: what a container runtime costs and where it can be had.

use crate::wire::{Pod, RuntimeClass, Toleration};

/// Puts a RuntimeClass' overhead, node selector and tolerations into a pod.
///
/// # Errors
/// Why the API server would refuse the pod.
pub(super) fn apply(pod: &mut Pod, class: &RuntimeClass) -> Result<(), String> {
    let name = &class.metadata.name;
    if let Some(overhead) = &class.overhead {
        if !pod.spec.overhead.is_empty() && pod.spec.overhead != overhead.pod_fixed {
            return Err(format!("spec.overhead differs from that of the RuntimeClass {name}"));
        }
        pod.spec.overhead.clone_from(&overhead.pod_fixed);
    }
    let Some(scheduling) = &class.scheduling else {
        return Ok(());
    };
    for (key, value) in &scheduling.node_selector {
        let own = pod.spec.node_selector.entry(key.clone()).or_insert_with(|| value.clone());
        if own != value {
            return Err(format!("spec.nodeSelector has {key}={own}, the RuntimeClass {name} has {key}={value}"));
        }
    }
    pod.spec.tolerations = merge_tolerations(&pod.spec.tolerations, &scheduling.tolerations);
    Ok(())
}

/// All tolerations but those that another one covers; of equal ones the first.
fn merge_tolerations(first: &[Toleration], second: &[Toleration]) -> Vec<Toleration> {
    let all: Vec<&Toleration> = first.iter().chain(second).collect();
    let mut merged: Vec<Toleration> = Vec::new();
    for (index, toleration) in all.iter().enumerate() {
        let covered = merged.iter().any(|kept| covers(kept, toleration))
            || all[index + 1..].iter().any(|later| later != toleration && covers(later, toleration));
        if !covered {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether `wide` tolerates all that `narrow` does.
fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let every_key = wide.key.is_empty() && wide.operator == "Exists";
    if (narrow.key != wide.key && !every_key) || (narrow.effect != wide.effect && !wide.effect.is_empty()) {
        return false;
    }
    if wide.effect == "NoExecute"
        && let Some(seconds) = wide.toleration_seconds
        && narrow.toleration_seconds.is_none_or(|narrow| narrow > seconds)
    {
        return false;
    }
    match &*wide.operator {
        "" | "Equal" => narrow.operator == "Equal" && narrow.value == wide.value,
        "Exists" => true,
        _ => false,
    }
}
