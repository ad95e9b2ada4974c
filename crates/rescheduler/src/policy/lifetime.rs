//! PodLifeTime, RemoveFailedPods and RemovePodsHavingTooManyRestarts: pods by their age and by how they fare.

use std::sync::Arc;

use loadline_model::{ContainerHealth, PodInfo, Str, Time};

use super::args::{PodLifeTimeArgs, RemoveFailedPodsArgs, RemovePodsHavingTooManyRestartsArgs};
use super::{Round, scope};

const SECOND: Time = 1_000_000_000;
/// Failed pods are kept so long when nothing is said, seconds.
const FAILED_FOR: i64 = 3600;

/// The containers of a pod that count.
fn containers(pod: &PodInfo, with_init: bool) -> impl Iterator<Item = &ContainerHealth> {
    let health = pod.health.as_deref();
    let init = health.filter(|_| with_init).map(|health| &health.init_containers);
    health.map(|health| &health.containers).into_iter().chain(init)
}

fn has(names: &[String], name: &Str) -> bool {
    names.iter().any(|known| known == name.as_str())
}

fn is_of(kinds: &[String], pod: &PodInfo) -> bool {
    pod.owner.as_ref().is_some_and(|owner| has(kinds, &owner.kind))
}

impl Round<'_, '_> {
    fn age(&self, pod: &PodInfo) -> Option<i64> {
        pod.created.map(|created| self.planner.situation.now.saturating_sub(created) / SECOND)
    }

    pub(super) fn life_time(&mut self, args: &PodLifeTimeArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let with_init = args.including_init_containers;
        let is_in_state = |pod: &PodInfo| {
            let health = pod.health.as_deref();
            let of_pod =
                health.is_some_and(|health| has(&args.states, &health.phase) || has(&args.states, &health.reason));
            let mut reasons =
                containers(pod, with_init).flat_map(|health| health.waiting.iter().chain(&health.terminated));
            of_pod || reasons.any(|reason| has(&args.states, reason))
        };
        let has_ended_so = |pod: &PodInfo| {
            containers(pod, with_init).any(|health| health.exit_codes.iter().any(|code| args.exit_codes.contains(code)))
        };
        let kinds = &args.owner_kinds;
        let mut pods: Vec<(Str, Arc<PodInfo>, i64)> = self
            .pods(|pod| {
                scope(pod)
                    && (args.states.is_empty() || is_in_state(pod))
                    && (args.exit_codes.is_empty() || has_ended_so(pod))
                    && (kinds.include.is_empty() || is_of(&kinds.include, pod))
                    && !is_of(&kinds.exclude, pod)
            })
            .into_iter()
            .filter_map(|(node, pod)| {
                let age = self.age(&pod);
                let old = args.max_pod_life_time_seconds.is_none_or(|most| age.is_some_and(|age| age > most));
                old.then_some((node, pod, age.unwrap_or(0)))
            })
            .collect();
        pods.sort_by_key(|(_, _, age)| std::cmp::Reverse(*age));
        for (node, pod, age) in pods {
            self.evict(&pod, &node, format!("it is {age} s old"), |_, _| Ok(0.0));
        }
    }

    pub(super) fn failed(&mut self, args: &RemoveFailedPodsArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let least = args.min_pod_lifetime_seconds.unwrap_or(FAILED_FOR);
        let with_init = args.including_init_containers;
        let situation = self.planner.situation;
        for pod in &situation.failed {
            let Some(health) = pod.health.as_deref().filter(|health| health.phase == *"Failed") else { continue };
            let from = pod.node_name.clone().unwrap_or_default();
            let mut reasons = containers(pod, with_init)
                .flat_map(|health| health.waiting.iter().chain(&health.terminated))
                .chain(std::iter::once(&health.reason));
            let mut codes = containers(pod, with_init).flat_map(|health| health.exit_codes.iter());
            let wanted = scope(pod)
                && self.age(pod).is_none_or(|age| age >= least)
                && !is_of(&args.exclude_owner_kinds, pod)
                && (args.reasons.is_empty() || reasons.any(|reason| has(&args.reasons, reason)))
                && (args.exit_codes.is_empty() || codes.any(|code| args.exit_codes.contains(code)))
                && (from.is_empty() || self.nodes.contains(&from));
            if wanted {
                let why = if health.reason.is_empty() {
                    "it has failed".to_owned()
                } else {
                    format!("it has failed: {}", health.reason)
                };
                self.evict(pod, &from, why, |_, _| Ok(0.0));
            }
        }
    }

    pub(super) fn restarts(&mut self, args: &RemovePodsHavingTooManyRestartsArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let with_init = args.including_init_containers;
        let count =
            |pod: &PodInfo| containers(pod, with_init).fold(0, |sum: i32, health| sum.saturating_add(health.restarts));
        let is_in_state = |pod: &PodInfo| {
            pod.health.as_ref().is_some_and(|health| has(&args.states, &health.phase))
                || containers(pod, with_init)
                    .flat_map(|health| health.waiting.iter())
                    .any(|reason| has(&args.states, reason))
        };
        let mut pods = self.pods(|pod| {
            scope(pod) && count(pod) >= args.pod_restart_threshold && (args.states.is_empty() || is_in_state(pod))
        });
        // Node by node, the most restarts first.
        pods.sort_by(|(a, of_a), (b, of_b)| a.cmp(b).then_with(|| count(of_b).cmp(&count(of_a))));
        for (node, pod) in pods {
            let restarts = count(&pod);
            self.evict(&pod, &node, format!("its containers restarted {restarts} times"), |_, _| Ok(0.0));
        }
    }
}
