//! `whenUnsatisfiable: ScheduleAnyway`: pods by domain, and the score of a whole feasible set.

use loadline_framework::{Bounds, Cluster, DomainId, IGNORED, Slot, Topology, TopologyId};
use loadline_model::log;

use super::arguments::HOSTNAME;
use super::constraint::Constraint;
use crate::tracking::Followed;

/// Sums up to this are exact in f64 with room for one addition.
const EXACT: i64 = 1 << 52;

/// A constraint that scores.
#[derive(Debug)]
pub(super) struct SoftConstraint {
    pub(super) constraint: Constraint,
    pub(super) topology: TopologyId,
    /// The count that it goes by, among those that the state follows; `None` when it counts no pod.
    pub(super) source: Option<usize>,
    pods: Pods,
}

/// Where a constraint's pods are.
#[derive(Debug)]
enum Pods {
    /// By slot: what `kubernetes.io/hostname` goes by, eligible or not.
    OnNode(Vec<u32>),
    /// By domain.
    InDomain {
        /// By slot, the bucket that the node's pods count in; none for a node that is not eligible.
        counted_in: Vec<DomainId>,
        /// Matching pods by bucket.
        matching: Vec<u32>,
        /// Bucket of nodes without the label: that of the empty value, as kube-scheduler looks it up.
        unlabelled: usize,
    },
}

impl SoftConstraint {
    pub(super) fn new(constraint: Constraint, topology: TopologyId, source: Option<usize>) -> Self {
        let pods = if constraint.topology_key == HOSTNAME {
            Pods::OnNode(Vec::new())
        } else {
            Pods::InDomain { counted_in: Vec::new(), matching: Vec::new(), unlabelled: 0 }
        };
        Self { constraint, topology, source, pods }
    }

    /// Computes everything anew; `eligible` says of each slot whether its pods count.
    pub(super) fn rebuild(&mut self, cluster: &dyn Cluster, followed: &[Followed], eligible: &[bool]) {
        let counts = self.source.map(|source| cluster.counts(followed[source].query()));
        let by_slot = counts.iter().flat_map(|counts| counts.by_slot());
        match &mut self.pods {
            Pods::OnNode(on_node) => {
                on_node.clear();
                on_node.resize(eligible.len(), 0);
                for (slot, pods) in by_slot {
                    if let Some(on_node) = on_node.get_mut(slot.index()) {
                        *on_node = pods;
                    }
                }
            }
            Pods::InDomain { counted_in, matching, unlabelled } => {
                let topology = cluster.topology(self.topology);
                *unlabelled = topology.values.iter().position(|v| v.is_empty()).unwrap_or(topology.values.len());
                matching.clear();
                matching.resize(topology.values.len() + 1, 0);
                counted_in.clear();
                counted_in.extend(eligible.iter().enumerate().map(|(slot, eligible)| {
                    let domain = topology.domain_of.get(slot).copied().unwrap_or(DomainId::NONE);
                    match domain.index() {
                        _ if !eligible => DomainId::NONE,
                        None => DomainId(*unlabelled as u32),
                        Some(_) => domain,
                    }
                }));
                for (slot, pods) in by_slot {
                    if let Some(bucket) = counted_in.get(slot.index()).and_then(|bucket| bucket.index()) {
                        matching[bucket] += pods;
                    }
                }
            }
        }
    }

    /// Counts changes in; whether any of them counts.
    pub(super) fn apply(&mut self, changes: &[(Slot, i32)]) -> bool {
        let mut changed = false;
        for (slot, by) in changes {
            let count = match &mut self.pods {
                Pods::OnNode(on_node) => on_node.get_mut(slot.index()),
                Pods::InDomain { counted_in, matching, .. } => {
                    counted_in.get(slot.index()).and_then(|bucket| bucket.index()).map(|bucket| &mut matching[bucket])
                }
            };
            if let Some(count) = count {
                *count = count.wrapping_add_signed(*by);
                changed = true;
            }
        }
        changed
    }

    /// kube-scheduler's weight: the logarithm of the number of domains among the nodes in question, so that the counts
    /// of a small topology are not watered down by those of a large one.
    fn weight(&self, slots: &[Slot], ignored: &[bool], topology: &Topology, nodes: usize) -> f64 {
        let size = match &self.pods {
            Pods::OnNode(_) => slots.len() - ignored.iter().filter(|ignored| **ignored).count(),
            Pods::InDomain { matching, unlabelled, .. } => {
                let mut seen = vec![false; matching.len()];
                let mut size = 0;
                // No more than these can be seen: often so few that a look at a few nodes meets them all.
                let most = topology.members.iter().filter(|members| !members.is_empty()).count()
                    + usize::from(labelled(topology) < nodes);
                for (index, slot) in slots.iter().enumerate() {
                    let bucket = topology.domain_of[slot.index()].index().unwrap_or(*unlabelled);
                    if !seen[bucket] && !ignored.get(index).is_some_and(|ignored| *ignored) {
                        seen[bucket] = true;
                        size += 1;
                        if size == most {
                            break;
                        }
                    }
                }
                size
            }
        };
        log::ln(size as u32 + 2)
    }

    /// Adds this constraint's part to the sums of these nodes. In f64 and in this order of operations, as
    /// kube-scheduler does.
    fn add(&self, slots: &[Slot], topology: &Topology, weight: f64, in_domain: &[f64], all: bool, sums: &mut [f64]) {
        let scored = slots.iter().zip(sums);
        let domain_of = &topology.domain_of;
        match &self.pods {
            Pods::OnNode(on_node) => {
                for (slot, sum) in scored {
                    if all || domain_of[slot.index()] != DomainId::NONE {
                        *sum += self.part(on_node[slot.index()], weight);
                    }
                }
            }
            Pods::InDomain { .. } => {
                for (slot, sum) in scored {
                    if let Some(domain) = domain_of[slot.index()].index() {
                        *sum += in_domain[domain];
                    }
                }
            }
        }
    }

    /// What so many matching pods add to a node's sum.
    fn part(&self, pods: u32, weight: f64) -> f64 {
        f64::from(pods) * weight + (self.constraint.max_skew - 1) as f64
    }

    /// The part of each bucket, where pods count by domain.
    fn parts(&self, weight: f64) -> Vec<f64> {
        match &self.pods {
            Pods::OnNode(_) => Vec::new(),
            Pods::InDomain { matching, .. } => matching.iter().map(|pods| self.part(*pods, weight)).collect(),
        }
    }
}

/// Number of nodes that have the topology's label.
fn labelled(topology: &Topology) -> usize {
    topology.members.iter().map(Vec::len).sum()
}

/// Score of `feasible` into `out`. With `require_all`, nodes that lack one of the topologies' labels are ignored.
pub(super) fn score(
    constraints: &[SoftConstraint],
    require_all: bool,
    feasible: &[Slot],
    cluster: &dyn Cluster,
    out: &mut [i64],
) {
    /// Nodes whose sums are at hand at a time: they stay in the nearest cache.
    const PIECE: usize = 512;
    let topologies: Vec<&Topology> =
        constraints.iter().map(|constraint| cluster.topology(constraint.topology)).collect();
    // By place in `feasible`; empty when no node lacks a label.
    let mut ignored = Vec::new();
    for topology in topologies.iter().filter(|_| require_all) {
        if labelled(topology) < cluster.node_count() {
            ignored.resize(feasible.len(), false);
            for (ignored, slot) in ignored.iter_mut().zip(feasible) {
                *ignored |= topology.domain_of[slot.index()] == DomainId::NONE;
            }
        }
    }
    let parts: Vec<_> = constraints
        .iter()
        .zip(&topologies)
        .map(|(constraint, topology)| {
            let weight = constraint.weight(feasible, &ignored, topology, cluster.node_count());
            let all = labelled(topology) == cluster.node_count();
            (constraint, topology, weight, constraint.parts(weight), all)
        })
        .collect();
    let mut sums = [0.0; PIECE];
    for (feasible, out) in feasible.chunks(PIECE).zip(out.chunks_mut(PIECE)) {
        let sums = &mut sums[..feasible.len()];
        sums.fill(0.0);
        for (constraint, topology, weight, in_domain, all) in &parts {
            constraint.add(feasible, topology, *weight, in_domain, *all, sums);
        }
        for (raw, sum) in out.iter_mut().zip(&*sums) {
            *raw = round(*sum);
        }
    }
    for (raw, _) in out.iter_mut().zip(&ignored).filter(|(_, ignored)| **ignored) {
        *raw = IGNORED;
    }
}

/// Rounds half away from zero, as Go's `math.Round`, a sum that is not negative.
fn round(sum: f64) -> i64 {
    let whole = sum as i64;
    // Exact: what is left of a number without its whole part needs no more bits than the number.
    whole + i64::from(sum - whole as f64 >= 0.5)
}

/// The lower the sum, the better: 100 for the lowest, the more of 100 for the highest the closer they are.
pub(super) fn normalize(raw: i64, Bounds { min, max }: Bounds) -> i64 {
    if max == 0 {
        return 100;
    }
    let dividend = 100 * (max + min - raw);
    if dividend < EXACT && max < EXACT {
        // The division of two integers in f64 is exact before its last rounding, and that does not reach the next
        // integer: it is at least 1/max away, a unit of the last place at most (dividend / max) / 2^52 wide.
        (dividend as f64 / max as f64) as i64
    } else {
        dividend / max
    }
}
