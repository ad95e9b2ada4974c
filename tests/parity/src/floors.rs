//! How often what must occur at least, so that agreement means something.
//!
//! The numbers are about a fifth of the least that was seen in sixteen runs of 25 clusters: chance alone does not miss them.

use crate::generate::Profile;

/// The least that a profile's clusters must exercise.
#[derive(Clone, Copy, Debug)]
pub struct Floors {
    /// Profile.
    pub profile: Profile,
    /// What is counted, as the coverage table names it, and how often at least in a hundred clusters.
    pub items: &'static [(&'static str, u64)],
}

/// How often at least in a run of so many clusters. Few clusters prove nothing either way: below twenty, nothing is
/// demanded.
pub(crate) const fn wanted(in_hundred: u64, clusters: u64) -> u64 {
    if clusters < 20 { 0 } else { in_hundred * clusters / 100 }
}

/// The floors of all profiles.
pub const FLOORS: &[Floors] = &[
    Floors {
        profile: Profile::Resources,
        items: &[
            ("node without allocatable", 5),
            ("result: Feasible", 95),
            ("result: Unschedulable", 60),
            ("preemption: helps", 20),
            ("preemption: candidates", 80),
            ("scores differ: NodeResourcesFit", 70),
            ("scores differ: NodeResourcesBalancedAllocation", 35),
            ("several reasons on a node", 140),
            ("reason: Insufficient cpu", 160),
            ("reason: Insufficient memory", 160),
            ("reason: Insufficient ephemeral-storage", 20),
            ("reason: Insufficient example.com/gpu", 10),
            ("reason: Insufficient hugepages-2Mi", 10),
            ("reason: Too many pods", 90),
            ("rejected by NodeResourcesFit: Unschedulable", 160),
            ("rejected by NodeResourcesFit: UnschedulableAndUnresolvable", 100),
            ("message: No preemption victims found for incoming pod", 10),
            ("configuration: own", 6),
            ("preemption: violates a budget", 1),
        ],
    },
    Floors {
        profile: Profile::Taints,
        items: &[
            ("result: Feasible", 120),
            ("result: Unschedulable", 25),
            ("preemption: helps", 8),
            ("preemption: candidates", 15),
            ("scores differ: NodeResourcesFit", 100),
            ("scores differ: NodeResourcesBalancedAllocation", 75),
            ("several reasons on a node", 100),
            ("reason: node(s) had untolerated taint(s)", 180),
            ("reason: node(s) were unschedulable", 95),
            ("scores differ: TaintToleration", 60),
            ("message: Preemption is not helpful for scheduling", 10),
        ],
    },
    Floors {
        profile: Profile::NodeAffinity,
        items: &[
            ("result: Feasible", 100),
            ("result: Unschedulable", 70),
            ("preemption: helps", 10),
            ("preemption: candidates", 25),
            ("scores differ: NodeResourcesFit", 65),
            ("scores differ: NodeResourcesBalancedAllocation", 50),
            ("several reasons on a node", 100),
            ("reason: node(s) didn't match Pod's node affinity/selector", 85),
            ("reason: node(s) didn't match scheduler-enforced node affinity", 7),
            ("message: node(s) didn't satisfy plugin(s) [NodeAffinity]", 8),
            ("scores differ: NodeAffinity", 20),
            ("message: pod affinity terms conflict", 1),
            ("message: . not found", 1),
        ],
    },
    Floors {
        profile: Profile::PodAffinity,
        items: &[
            ("result: Feasible", 100),
            ("result: Unschedulable", 65),
            ("preemption: helps", 8),
            ("preemption: candidates", 20),
            ("scores differ: NodeResourcesFit", 75),
            ("scores differ: NodeResourcesBalancedAllocation", 50),
            ("several reasons on a node", 140),
            ("reason: node(s) didn't match pod affinity rules", 20),
            ("reason: node(s) didn't match pod anti-affinity rules", 15),
            ("reason: node(s) didn't satisfy existing pods anti-affinity rules", 25),
            ("rejected by InterPodAffinity: Unschedulable", 45),
            ("rejected by InterPodAffinity: UnschedulableAndUnresolvable", 20),
            ("scores differ: InterPodAffinity", 55),
        ],
    },
    Floors {
        profile: Profile::Spread,
        items: &[
            ("result: Feasible", 120),
            ("result: Unschedulable", 40),
            ("preemption: helps", 10),
            ("preemption: candidates", 20),
            ("scores differ: NodeResourcesFit", 100),
            ("scores differ: NodeResourcesBalancedAllocation", 70),
            ("several reasons on a node", 140),
            ("rejected by PodTopologySpread: Unschedulable", 35),
            ("rejected by PodTopologySpread: UnschedulableAndUnresolvable", 15),
            ("scores differ: PodTopologySpread", 35),
            ("gated by SchedulingGates", 8),
        ],
    },
    Floors {
        profile: Profile::Ports,
        items: &[
            ("result: Feasible", 140),
            ("result: Unschedulable", 40),
            ("preemption: helps", 20),
            ("preemption: candidates", 160),
            ("scores differ: NodeResourcesFit", 100),
            ("scores differ: NodeResourcesBalancedAllocation", 85),
            ("several reasons on a node", 140),
            ("rejected by NodePorts: Unschedulable", 100),
        ],
    },
    Floors {
        profile: Profile::Images,
        items: &[
            ("node with an image twice", 80),
            ("result: Feasible", 160),
            ("result: Unschedulable", 25),
            ("preemption: helps", 6),
            ("preemption: candidates", 60),
            ("scores differ: NodeResourcesFit", 120),
            ("scores differ: NodeResourcesBalancedAllocation", 90),
            ("several reasons on a node", 140),
            ("scores differ: ImageLocality", 80),
            ("nominated node taken first", 3),
        ],
    },
    Floors {
        profile: Profile::Preemption,
        items: &[
            ("result: Feasible", 100),
            ("result: Unschedulable", 75),
            ("preemption: helps", 40),
            ("preemption: candidates", 200),
            ("scores differ: NodeResourcesFit", 65),
            ("scores differ: NodeResourcesBalancedAllocation", 45),
            ("several reasons on a node", 160),
            ("preemption: a choice between nodes", 30),
            ("preemption: several victims", 25),
            ("preemption: spares a pod", 40),
            ("preemption: violates a budget", 9),
            ("preemption: some victims violate a budget, some do not", 4),
            ("message: not eligible due to preemptionPolicy=Never", 3),
            ("message: not eligible due to a terminating pod on the nominated node", 2),
            ("rejected by InterPodAffinity: Unschedulable", 25),
            ("rejected by NodePorts: Unschedulable", 35),
            ("rejected by PodTopologySpread: Unschedulable", 8),
            ("nominated node taken first", 1),
        ],
    },
    Floors {
        profile: Profile::Mixed,
        items: &[
            ("result: Feasible", 85),
            ("result: Unschedulable", 70),
            ("preemption: helps", 10),
            ("preemption: candidates", 5),
            ("scores differ: NodeResourcesFit", 55),
            ("scores differ: NodeResourcesBalancedAllocation", 30),
            ("several reasons on a node", 120),
            ("gated by SchedulingGates", 6),
            ("rejected by InterPodAffinity: Unschedulable", 7),
            ("rejected by NodePorts: Unschedulable", 10),
            ("rejected by PodTopologySpread: Unschedulable", 4),
            ("rejected by NodeAffinity: UnschedulableAndUnresolvable", 25),
            ("rejected by TaintToleration: UnschedulableAndUnresolvable", 90),
            ("rejected by NodeDeclaredFeatures: UnschedulableAndUnresolvable", 1),
            ("scores differ: ImageLocality", 7),
            ("scores differ: InterPodAffinity", 20),
            ("scores differ: PodTopologySpread", 10),
        ],
    },
];
