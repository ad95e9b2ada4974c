//! `whenUnsatisfiable: DoNotSchedule`: one constraint's counts by domain, their minimum, and which domains are full.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_framework::{Cluster, DomainId, NodeDelta, Slot, Topology, TopologyId};
use loadline_model::{PodInfo, Str};
use smallvec::SmallVec;

use super::constraint::Constraint;
use crate::tracking::{Followed, TouchedNodes};

/// What kube-scheduler takes for the minimum while no domain exists.
const NO_DOMAIN: i64 = i32::MAX as i64;

/// A constraint that filters.
#[derive(Debug)]
pub(super) struct HardConstraint {
    pub(super) constraint: Constraint,
    pub(super) topology: TopologyId,
    /// The count that it goes by, among those that the state follows; `None` when it counts no pod.
    pub(super) source: Option<usize>,
    /// By slot, the domain that the node's pods count in; none for a node that is not eligible.
    counted_in: Vec<DomainId>,
    /// Matching pods by domain.
    matching: Vec<i64>,
    /// Whether an eligible node has the domain, which makes it exist.
    exists: Vec<bool>,
    /// Number of domains that exist.
    domains: i64,
    /// How many of the existing domains have each count.
    levels: BTreeMap<i64, u32>,
    /// The minimum that `full` was judged by.
    minimum: i64,
    /// Domains that can take no further pod.
    full: Vec<bool>,
}

/// What a constraint goes by on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Matching pods in the node's domain.
    pub(super) matching: i64,
    /// Fewest in any domain.
    pub(super) minimum: i64,
}

impl HardConstraint {
    pub(super) fn new(constraint: Constraint, topology: TopologyId, source: Option<usize>) -> Self {
        Self {
            constraint,
            topology,
            source,
            counted_in: Vec::new(),
            matching: Vec::new(),
            exists: Vec::new(),
            domains: 0,
            levels: BTreeMap::new(),
            minimum: 0,
            full: Vec::new(),
        }
    }

    /// Computes everything anew; `counted_in` says which domain each slot's pods count in.
    pub(super) fn rebuild(&mut self, cluster: &dyn Cluster, followed: &[Followed], counted_in: Vec<DomainId>) {
        let domains = cluster.topology(self.topology).values.len();
        self.counted_in = counted_in;
        self.matching = vec![0; domains];
        self.exists = vec![false; domains];
        for domain in self.counted_in.iter().filter_map(|domain| domain.index()) {
            self.exists[domain] = true;
        }
        if let Some(source) = self.source {
            for (slot, pods) in cluster.counts(followed[source].query()).by_slot() {
                if let Some(domain) = self.domain_counted(slot) {
                    self.matching[domain] += i64::from(pods);
                }
            }
        }
        self.levels.clear();
        for domain in (0..domains).filter(|domain| self.exists[*domain]) {
            *self.levels.entry(self.matching[domain]).or_insert(0) += 1;
        }
        self.domains = self.levels.values().map(|domains| i64::from(*domains)).sum();
        self.minimum = self.least_counted(None);
        self.full = (0..domains).map(|domain| self.exceeds(self.standing_of(domain))).collect();
    }

    /// Counts changes in, and collects the nodes of domains that became full or are full no longer.
    pub(super) fn apply(&mut self, changes: &[(Slot, i32)], touched: &mut TouchedNodes) {
        let mut changed: SmallVec<[usize; 8]> = SmallVec::new();
        for (slot, by) in changes {
            if let Some(domain) = self.domain_counted(*slot) {
                let before = self.matching[domain];
                self.matching[domain] += i64::from(*by);
                self.move_level(before, self.matching[domain]);
                changed.push(domain);
            }
        }
        if changed.is_empty() {
            return;
        }
        // Even when no verdict changes: on a node with nominated pods it may.
        touched.note();
        let minimum = self.least_counted(None);
        if minimum == self.minimum {
            for domain in changed {
                self.judge(domain, touched);
            }
        } else {
            self.minimum = minimum;
            for domain in 0..self.matching.len() {
                self.judge(domain, touched);
            }
        }
    }

    fn move_level(&mut self, from: i64, to: i64) {
        if let Some(domains) = self.levels.get_mut(&from) {
            *domains -= 1;
            if *domains == 0 {
                self.levels.remove(&from);
            }
        }
        *self.levels.entry(to).or_insert(0) += 1;
    }

    fn judge(&mut self, domain: usize, touched: &mut TouchedNodes) {
        let full = self.exceeds(self.standing_of(domain));
        if full != self.full[domain] {
            self.full[domain] = full;
            touched.domain(self.topology, domain);
        }
    }

    fn domain_counted(&self, slot: Slot) -> Option<usize> {
        self.counted_in.get(slot.index())?.index()
    }

    /// The smallest count of any domain. With `moved`, one domain's count is taken for another one.
    fn least_counted(&self, moved: Option<(i64, i64)>) -> i64 {
        if self.domains < self.constraint.min_domains {
            return 0;
        }
        let mut levels = self.levels.iter();
        let Some((from, to)) = moved else {
            return levels.next().map_or(NO_DOMAIN, |(level, _)| *level);
        };
        let others = levels.find(|(level, domains)| **level != from || **domains > 1);
        others.map_or(to, |(level, _)| to.min(*level))
    }

    fn standing_of(&self, domain: usize) -> Standing {
        Standing { matching: self.matching[domain], minimum: self.minimum }
    }

    /// The skew that the pod would leave behind.
    pub(super) fn skew(&self, standing: Standing) -> i64 {
        standing.matching + i64::from(self.constraint.self_match) - standing.minimum
    }

    fn exceeds(&self, standing: Standing) -> bool {
        self.skew(standing) > self.constraint.max_skew
    }

    /// Whether a domain can take no further pod.
    pub(super) fn is_full(&self, domain: usize) -> bool {
        self.full[domain]
    }

    /// The same for a node's domain with pods put on that node or taken off.
    pub(super) fn is_full_with(&self, slot: Slot, domain: usize, namespace: &Str, delta: Option<&NodeDelta>) -> bool {
        self.exceeds(self.standing(slot, domain, namespace, delta))
    }

    /// The numbers for a node's domain, with pods put on that node or taken off.
    ///
    /// As kube-scheduler's AddPod and RemovePod do, which differ from its counting: they mind neither whether a pod is
    /// terminating nor that an empty selector counts none.
    pub(super) fn standing(&self, slot: Slot, domain: usize, namespace: &Str, delta: Option<&NodeDelta>) -> Standing {
        let standing = self.standing_of(domain);
        let Some(delta) = delta.filter(|_| self.domain_counted(slot).is_some()) else {
            return standing;
        };
        let meant = |pods: &[Arc<PodInfo>]| pods.iter().filter(|pod| self.counts(pod, namespace)).count() as i64;
        let by = meant(&delta.added) - meant(&delta.removed);
        if by == 0 {
            return standing;
        }
        let matching = standing.matching + by;
        Standing { matching, minimum: self.least_counted(Some((standing.matching, matching))) }
    }

    /// Whether a pod of a thought experiment counts.
    pub(super) fn counts(&self, pod: &PodInfo, namespace: &Str) -> bool {
        pod.namespace == *namespace && self.constraint.selector.matches(&pod.labels)
    }

    /// The first existing domain by name that has `count` pods.
    pub(super) fn domain_with<'a>(&self, count: i64, topology: &'a Topology) -> Option<&'a Str> {
        let with_count = |domain: &usize| self.exists[*domain] && self.matching[*domain] == count;
        (0..self.matching.len()).filter(with_count).map(|domain| &topology.values[domain]).min()
    }

    /// Number of domains that exist.
    pub(super) fn domains(&self) -> i64 {
        self.domains
    }
}
