//! What PodTopologySpread knows about one key: its constraints with their counts, brought up to date from the counts'
//! logs.

use std::sync::Arc;

use loadline_framework::{Cluster, DomainId, NodeView, Prepare, Query, TopologyId, Touched, Verdict};
use loadline_model::{NamespaceMatch, NodeSpec, PodInfo, PodMatcher, Selector, Str, Toleration, UnsatisfiableAction};

use super::arguments::Arguments;
use super::constraint::{Constraint, Key, NodeRules};
use super::hard::HardConstraint;
use super::soft::SoftConstraint;
use crate::tracking::{Followed, TouchedNodes};

/// The state of one key.
#[derive(Debug)]
pub struct State {
    namespace: Str,
    rules: Option<NodeRules>,
    tolerations: Option<Arc<[Toleration]>>,
    pub(super) require_all: bool,
    pub(super) hard: Vec<HardConstraint>,
    pub(super) soft: Vec<SoftConstraint>,
    /// Each count once: constraints with one selector share it.
    followed: Vec<Followed>,
    spec_generation: u64,
}

impl State {
    pub(super) fn prepare(key: &Key, arguments: &Arguments, cx: &mut dyn Prepare) -> Self {
        let mut state = Self {
            namespace: key.namespace.clone(),
            rules: key.rules.clone().filter(|rules| !rules.admit_all()),
            tolerations: key.tolerations.clone(),
            require_all: key.requires_all_topologies(arguments),
            hard: Vec::new(),
            soft: Vec::new(),
            followed: Vec::new(),
            spec_generation: 0,
        };
        for constraint in key.constraints(arguments) {
            let topology = cx.topology(&constraint.topology_key);
            let source = constraint.counts().then(|| {
                let query = cx.track(&Query::Matching {
                    all: [PodMatcher {
                        namespaces: NamespaceMatch {
                            names: [key.namespace.clone()].into(),
                            selector: Selector::Nothing,
                        },
                        selector: Selector::clone(&constraint.selector),
                    }]
                    .into(),
                    skip_terminating: true,
                });
                Followed::place(&mut state.followed, query)
            });
            match constraint.action {
                UnsatisfiableAction::DoNotSchedule => {
                    state.hard.push(HardConstraint::new(constraint, topology, source));
                }
                UnsatisfiableAction::ScheduleAnyway => {
                    state.soft.push(SoftConstraint::new(constraint, topology, source));
                }
            }
        }
        state.rebuild(cx.cluster());
        state
    }

    /// Computes everything anew.
    fn rebuild(&mut self, cluster: &dyn Cluster) {
        let eligible = Eligibility::new(self, cluster);
        let topologies = self.hard.iter().map(|hard| hard.topology);
        let in_all: Vec<&[DomainId]> = topologies.map(|id| cluster.topology(id).domain_of.as_slice()).collect();
        for hard in &mut self.hard {
            let domain_of = &cluster.topology(hard.topology).domain_of;
            let counted_in = eligible
                .of(&hard.constraint)
                .enumerate()
                .map(
                    |(slot, eligible)| {
                        if eligible && has_all(&in_all, slot) { domain_of[slot] } else { DomainId::NONE }
                    },
                )
                .collect();
            hard.rebuild(cluster, &self.followed, counted_in);
        }
        let topologies = self.soft.iter().filter(|_| self.require_all).map(|soft| soft.topology);
        let in_all: Vec<&[DomainId]> = topologies.map(|id| cluster.topology(id).domain_of.as_slice()).collect();
        for soft in &mut self.soft {
            let counts = eligible.of(&soft.constraint).enumerate();
            let counts: Vec<bool> = counts.map(|(slot, eligible)| eligible && has_all(&in_all, slot)).collect();
            soft.rebuild(cluster, &self.followed, &counts);
        }
        for followed in &mut self.followed {
            followed.mark_seen(cluster);
        }
        self.spec_generation = cluster.spec_generation();
    }

    /// See [`loadline_framework::NodePlugin::catch_up`].
    pub(super) fn catch_up(&mut self, cluster: &dyn Cluster) -> Touched {
        // Labels and taints decide which nodes count and in which domain.
        let news: Option<Vec<_>> = self.followed.iter().map(|followed| followed.news(cluster)).collect();
        let Some(news) = news.filter(|_| self.spec_generation == cluster.spec_generation()) else {
            self.rebuild(cluster);
            return Touched::All;
        };
        if news.iter().all(|changes| changes.is_empty()) {
            return Touched::None;
        }
        let mut touched = TouchedNodes::default();
        for hard in &mut self.hard {
            if let Some(source) = hard.source {
                hard.apply(news[source], &mut touched);
            }
        }
        for soft in &mut self.soft {
            if soft.source.is_some_and(|source| soft.apply(news[source])) {
                touched.note();
            }
        }
        for followed in &mut self.followed {
            followed.mark_seen(cluster);
        }
        touched.finish()
    }

    /// Filter. The verdict's meaning is the index of the hard constraint that is not met.
    pub(super) fn filter(&self, node: &NodeView<'_>) -> Verdict {
        let (cluster, slot) = (node.cluster(), node.slot());
        for (index, hard) in self.hard.iter().enumerate() {
            let Some(domain) = cluster.topology(hard.topology).domain_of[slot.index()].index() else {
                return Verdict::unresolvable(index as u32);
            };
            let full = match node.delta() {
                None => hard.is_full(domain),
                delta => hard.is_full_with(slot, domain, &self.namespace, delta),
            };
            if full {
                return Verdict::unschedulable(index as u32);
            }
        }
        Verdict::PASS
    }

    /// Whether pods put on a node can change what is said of it.
    pub(super) fn is_moved_by(&self, added: &[Arc<PodInfo>]) -> bool {
        added.iter().any(|pod| self.hard.iter().any(|hard| hard.counts(pod, &self.namespace)))
    }

    /// The topology of the hard constraints, when they have but one.
    pub(super) fn filters_by(&self) -> Option<TopologyId> {
        let (first, others) = self.hard.split_first()?;
        others.iter().all(|other| other.topology == first.topology).then_some(first.topology)
    }

    /// Namespace of the pods that count.
    pub(super) fn namespace(&self) -> &Str {
        &self.namespace
    }
}

fn has_all(topologies: &[&[DomainId]], slot: usize) -> bool {
    topologies.iter().all(|domain_of| domain_of[slot] != DomainId::NONE)
}

/// Which nodes a constraint's inclusion policies let count, by slot.
struct Eligibility {
    present: Vec<bool>,
    admitted: Option<Vec<bool>>,
    tolerated: Option<Vec<bool>>,
}

impl Eligibility {
    fn new(state: &State, cluster: &dyn Cluster) -> Self {
        let nodes = cluster.nodes();
        let (rules, tolerations) = (state.rules.as_ref(), state.tolerations.as_deref());
        let each = |meets: &dyn Fn(&NodeSpec) -> bool| {
            nodes.iter().map(|node| node.as_ref().is_some_and(|node| meets(&node.spec))).collect()
        };
        Self {
            present: each(&|_| true),
            admitted: rules.map(|rules| each(&|node| rules.admit(node))),
            tolerated: tolerations.map(|tolerations| each(&|node| node.is_tolerated(tolerations))),
        }
    }

    fn of(&self, constraint: &Constraint) -> impl Iterator<Item = bool> + '_ {
        let admitted = self.admitted.as_ref().filter(|_| constraint.honor_affinity);
        let tolerated = self.tolerated.as_ref().filter(|_| constraint.honor_taints);
        self.present.iter().enumerate().map(move |(slot, present)| {
            *present
                && admitted.is_none_or(|admitted| admitted[slot])
                && tolerated.is_none_or(|tolerated| tolerated[slot])
        })
    }
}
