//! How often what occurs: one set of probabilities for each profile.

use super::dice::Dice;

/// What a profile turns up. All are probabilities unless the name says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knobs {
    /// Requests in unusual forms: odd quantities, explicit zeros, init containers, sidecars, pod-level, extended.
    pub(super) resources: f64,
    /// Taints on nodes, tolerations of pods, unschedulable nodes.
    pub(super) taints: f64,
    /// Node selectors, node affinity, pins.
    pub(super) node_affinity: f64,
    /// Pod affinity and anti-affinity.
    pub(super) pod_affinity: f64,
    /// Topology spread constraints, services and owners for the default ones.
    pub(super) spread: f64,
    /// Host ports.
    pub(super) ports: f64,
    /// Images on nodes.
    pub(super) images: f64,
    /// Several priorities, budgets, nominations, terminating pods.
    pub(super) preemption: f64,
    /// Scheduling gates, declared features.
    pub(super) gates: f64,
    /// A configuration that is not the default one.
    pub(super) config: f64,
    /// The share of a node's resources that its pods take: smallest and largest.
    pub(super) fill: (f64, f64),
    /// The cluster has little room: full nodes, and more of what excludes nodes.
    pub(super) tight: bool,
    /// All nodes are alike, and so are the pods in place in size and priority: what tells candidates for preemption apart is
    /// the last criterion.
    pub(super) alike: bool,
}

impl Knobs {
    const QUIET: Self = Self {
        resources: 0.05,
        taints: 0.0,
        node_affinity: 0.0,
        pod_affinity: 0.0,
        spread: 0.0,
        ports: 0.0,
        images: 0.0,
        preemption: 0.35,
        gates: 0.05,
        config: 0.4,
        fill: (0.0, 0.9),
        tight: false,
        alike: false,
    };

    pub(super) const RESOURCES: Self = Self { resources: 0.5, config: 0.75, fill: (0.2, 1.05), ..Self::QUIET };
    pub(super) const TAINTS: Self = Self { taints: 0.8, ..Self::QUIET };
    pub(super) const NODE_AFFINITY: Self = Self { node_affinity: 0.8, taints: 0.25, config: 0.6, ..Self::QUIET };
    pub(super) const POD_AFFINITY: Self = Self { pod_affinity: 0.8, config: 0.5, ..Self::QUIET };
    pub(super) const SPREAD: Self = Self { spread: 0.8, taints: 0.15, node_affinity: 0.15, config: 0.5, ..Self::QUIET };
    pub(super) const PORTS: Self = Self { ports: 0.8, ..Self::QUIET };
    pub(super) const IMAGES: Self = Self { images: 0.9, ..Self::QUIET };
    pub(super) const PREEMPTION: Self = Self {
        preemption: 0.9,
        resources: 0.1,
        taints: 0.1,
        node_affinity: 0.1,
        pod_affinity: 0.25,
        spread: 0.25,
        ports: 0.25,
        fill: (0.7, 1.05),
        ..Self::QUIET
    };

    /// Some of everything, at a strength that differs from cluster to cluster.
    pub(super) fn mixed(dice: &mut Dice) -> Self {
        let mut strength = |most: f64| {
            if dice.chance(0.3) { 0.0 } else { dice.fraction(0.05, most) }
        };
        Self {
            resources: strength(0.5),
            taints: strength(0.5),
            node_affinity: strength(0.5),
            pod_affinity: strength(0.5),
            spread: strength(0.5),
            ports: strength(0.5),
            images: strength(0.9),
            preemption: strength(0.9),
            gates: strength(0.15),
            config: 0.7,
            fill: (0.1, 1.0),
            tight: false,
            alike: false,
        }
    }

    /// The same with little room.
    pub(super) fn tightened(self) -> Self {
        Self { fill: (0.85, 1.1), tight: true, ..self }
    }
}
