//! RemovePodsViolatingTopologySpreadConstraint: pods from a domain that has too many of them to one with few.
//!
//! A move has to make the pod's constraints more even taken together. So two that contradict each other come to rest, where the
//! descheduler takes pods back and forth.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_model::{Operator, PodInfo, Requirement, Selector, SpreadConstraint, Str, UnsatisfiableAction};

use super::args::RemovePodsViolatingTopologySpreadConstraintArgs;
use super::violations::{CountMap, matches_node};
use super::{Round, scope};
use crate::planner::Planner;
use crate::refusal::Refusal;

/// The pods that a constraint counts: its selector, and the pod's own values of its matchLabelKeys.
fn selector(constraint: &SpreadConstraint, pod: &PodInfo) -> Selector {
    let Selector::All(requirements) = &constraint.selector else { return Selector::Nothing };
    let own = constraint.match_label_keys.iter().filter_map(|key| {
        let value = pod.labels.get(key)?;
        Some(Requirement::new(key.clone(), Operator::In, vec![value.clone()]))
    });
    Selector::all(requirements.iter().cloned().chain(own).collect())
}

/// Pods with their nodes.
type Placed = Vec<(Str, Arc<PodInfo>)>;

/// Pods of a constraint by domain.
struct Domains {
    counts: BTreeMap<Str, Placed>,
}

impl Domains {
    fn new(planner: &Planner<'_>, constraint: &SpreadConstraint, pod: &PodInfo) -> Self {
        let selector = selector(constraint, pod);
        let mut counts: BTreeMap<Str, Placed> = BTreeMap::new();
        for info in planner.engine.cluster().node_infos() {
            let Some(domain) = info.spec.labels.get(&constraint.topology_key) else { continue };
            let counts_here = (!constraint.honor_affinity || matches_node(pod, &info.spec))
                && (!constraint.honor_taints || info.spec.is_tolerated(&pod.tolerations));
            if !counts_here {
                continue;
            }
            let here = info.pods.iter().filter(|other| {
                other.namespace == pod.namespace && !other.is_terminating() && selector.matches(&other.labels)
            });
            let here = here.map(|other| (info.spec.name.clone(), other.clone()));
            counts.entry(domain.clone()).or_default().extend(here);
        }
        Self { counts }
    }

    fn least(&self) -> usize {
        self.counts.values().map(Vec::len).min().unwrap_or(0)
    }

    fn of(&self, domain: &Str) -> usize {
        self.counts.get(domain).map_or(0, Vec::len)
    }
}

impl Round<'_, '_> {
    pub(super) fn spread(&mut self, args: &RemovePodsViolatingTopologySpreadConstraintArgs) {
        let scope = scope(&args.namespaces, args.label_selector.as_ref());
        let wanted = |action: UnsatisfiableAction| {
            let name = match action {
                UnsatisfiableAction::DoNotSchedule => "DoNotSchedule",
                UnsatisfiableAction::ScheduleAnyway => "ScheduleAnyway",
            };
            if args.constraints.is_empty() {
                name == "DoNotSchedule"
            } else {
                args.constraints.iter().any(|c| c == name)
            }
        };
        // One pod stands for all that have the same constraint.
        let mut constraints: Vec<(SpreadConstraint, Arc<PodInfo>)> = Vec::new();
        let mut seen: CountMap<(Str, SpreadConstraint, Selector)> = CountMap::default();
        for (_, pod) in self.pods(|pod| scope(pod) && !pod.spread.is_empty()) {
            for constraint in pod.spread.iter().filter(|constraint| wanted(constraint.when_unsatisfiable)) {
                let key = (pod.namespace.clone(), constraint.clone(), selector(constraint, &pod));
                let times = seen.entry(key).or_default();
                *times += 1;
                if *times == 1 {
                    constraints.push((constraint.clone(), pod.clone()));
                }
            }
        }
        for (constraint, pod) in constraints {
            while self.even_out(&constraint, &pod, &scope) {}
        }
    }

    /// Makes one move for a constraint. Whether it found one.
    fn even_out(&mut self, constraint: &SpreadConstraint, like: &PodInfo, scope: &dyn Fn(&PodInfo) -> bool) -> bool {
        let domains = Domains::new(self.planner, constraint, like);
        let least = domains.least();
        let skew = usize::try_from(constraint.max_skew).unwrap_or(1);
        let mut full: Vec<(&Str, &Placed)> =
            domains.counts.iter().filter(|(_, pods)| pods.len() - least > skew).collect();
        full.sort_by_key(|(_, pods)| std::cmp::Reverse(pods.len()));
        for (domain, pods) in full {
            let mut pods = pods.clone();
            pods.retain(|(node, pod)| scope(pod) && self.nodes.contains(node) && !self.planner.was_moved(pod));
            let is_bound = |pod: &PodInfo| {
                !pod.node_selector.is_empty()
                    || pod.affinity.as_ref().is_some_and(|affinity| affinity.node_required.is_some())
            };
            pods.sort_by(|(_, a), (_, b)| (is_bound(a), a.priority, &a.name).cmp(&(is_bound(b), b.priority, &b.name)));
            let count = domains.of(domain);
            for (node, pod) in pods {
                let reason = format!(
                    "{count} of its kind are in {}={domain}, and {least} in another: more than {skew} apart",
                    constraint.topology_key
                );
                let moved = self.evict(&pod, &node, reason, |planner, to| {
                    let labels = planner.engine.cluster().node(to).map(|info| info.spec.labels.clone());
                    let there = labels.as_ref().and_then(|labels| labels.get(&constraint.topology_key));
                    let better = there.is_some_and(|there| domains.of(there) + 1 < count);
                    if better && change(planner, &pod, &node, to) < 0 {
                        Ok((count - there.map_or(0, |there| domains.of(there))) as f64)
                    } else {
                        Err(Refusal::NoGain)
                    }
                });
                if moved {
                    return true;
                }
            }
        }
        false
    }
}

/// How a move changes the sum of the squares of all counts of a pod's constraints: below 0, they become more even.
fn change(planner: &Planner<'_>, pod: &PodInfo, from: &Str, to: &Str) -> i64 {
    let cluster = planner.engine.cluster();
    let of_constraint = |constraint: &SpreadConstraint| {
        let domain = |node: &Str| cluster.node(node)?.spec.labels.get(&constraint.topology_key).cloned();
        let (Some(from), Some(to)) = (domain(from), domain(to)) else { return 0 };
        if from == to || !selector(constraint, pod).matches(&pod.labels) {
            return 0;
        }
        let domains = Domains::new(planner, constraint, pod);
        let (from, to) = (domains.of(&from) as i64, domains.of(&to) as i64);
        2 * (to - from + 1)
    };
    pod.spread.iter().map(of_constraint).sum()
}
