//! Kinds of pods.

use std::sync::Arc;

use loadline_model::{
    Affinity, Labels, NamespaceMatch, NodeSelector, NodeSelectorTerm, Operator, PodAffinityTerm, PodInfo, PodMatcher,
    Requirement, Selector, SpreadConstraint, Str, Toleration, TolerationOperator, UnsatisfiableAction, Weighted,
};

use crate::{HOSTNAME, ZONE, app, pod, requests};

/// What a measured pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cpu and memory.
    Plain,
    /// Tolerates the taint of one node in ten.
    Taints,
    /// Two of the zones required, an instance type preferred.
    NodeAffinity,
    /// At most 1 apart between zones.
    HardSpread,
    /// Over zones and hosts, if possible.
    SoftSpread,
    /// Default constraints, with a service that selects it.
    DefaultSpread,
    /// In a zone with its like.
    Affinity,
    /// Not on a node with its like.
    AntiAffinity,
    /// Rather in a zone with its like.
    PreferredAffinity,
    /// Rather not on a node with its like.
    PreferredAntiAffinity,
    /// Not on a node with its like from the namespaces of a team.
    AntiAffinityNamespaces,
    /// More cpu than any node has.
    Unschedulable,
    /// More cpu than is free anywhere, over pods of lower priority.
    Preemption,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Plain,
        Self::Taints,
        Self::NodeAffinity,
        Self::HardSpread,
        Self::SoftSpread,
        Self::DefaultSpread,
        Self::Affinity,
        Self::AntiAffinity,
        Self::PreferredAffinity,
        Self::PreferredAntiAffinity,
        Self::AntiAffinityNamespaces,
        Self::Unschedulable,
        Self::Preemption,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Taints => "taints",
            Self::NodeAffinity => "node affinity",
            Self::HardSpread => "hard spread",
            Self::SoftSpread => "soft spread",
            Self::DefaultSpread => "default spread",
            Self::Affinity => "required affinity",
            Self::AntiAffinity => "required anti-affinity",
            Self::PreferredAffinity => "preferred affinity",
            Self::PreferredAntiAffinity => "preferred anti-affinity",
            Self::AntiAffinityNamespaces => "anti-affinity, namespace selector",
            Self::Unschedulable => "unschedulable",
            Self::Preemption => "preemption",
        }
    }

    /// The pod with this number of a class. `class` tells classes apart by their requests, as different workloads are;
    /// `own_labels` gives the pod a label that no other has, as StatefulSets and indexed Jobs do.
    pub fn pod(self, class: usize, number: usize, own_labels: bool) -> PodInfo {
        let mut measured = pod(format!("pod-{class}-{number}").into());
        let label = match self {
            Self::DefaultSpread => "served".to_owned(),
            _ => format!("class-{class}"),
        };
        let mut labels = vec![(Str::from("app"), Str::from(label.clone()))];
        if own_labels {
            labels.push(("apps.kubernetes.io/pod-index".into(), format!("{number}").into()));
        }
        measured.labels = Arc::new(Labels::new(labels));
        measured.requests = Arc::new(requests(100 + class as i64, 500 << 20));
        self.shape(&mut measured, &label);
        measured
    }

    fn shape(self, pod: &mut PodInfo, label: &str) {
        let spread = |topology_key: &str, max_skew, when_unsatisfiable| SpreadConstraint {
            max_skew,
            topology_key: topology_key.into(),
            when_unsatisfiable,
            selector: app(label),
            min_domains: 1,
            honor_affinity: true,
            honor_taints: false,
            match_label_keys: Box::default(),
        };
        let term = |topology_key: &str, selector: Selector, namespaces: &[&str]| PodAffinityTerm {
            pods: PodMatcher {
                namespaces: NamespaceMatch {
                    names: namespaces.iter().map(|name| Str::from(*name)).collect(),
                    selector,
                },
                selector: app(label),
            },
            topology_key: topology_key.into(),
        };
        let own = |topology_key: &str| term(topology_key, Selector::Nothing, &["default"]);
        let preferred = |topology_key: &str| [Weighted { weight: 100, term: own(topology_key) }].into();
        match self {
            Self::Plain | Self::DefaultSpread => {}
            Self::Taints => {
                pod.tolerations = [Toleration {
                    key: "dedicated".into(),
                    operator: TolerationOperator::Equal,
                    value: "batch".into(),
                    effect: None,
                }]
                .into();
            }
            Self::NodeAffinity => {
                let within = |key: &str, values: &[&str]| NodeSelectorTerm {
                    expressions: [Requirement::new(
                        key.into(),
                        Operator::In,
                        values.iter().map(|value| Str::from(*value)).collect(),
                    )]
                    .into(),
                    fields: Box::default(),
                    invalid: false,
                };
                pod.affinity = Some(Arc::new(Affinity {
                    node_required: Some(NodeSelector { terms: [within(ZONE, &["zone-0", "zone-1"])].into() }),
                    node_preferred: [Weighted {
                        weight: 10,
                        term: within("node.kubernetes.io/instance-type", &["type-2"]),
                    }]
                    .into(),
                    ..Affinity::default()
                }));
            }
            Self::HardSpread => pod.spread = [spread(ZONE, 1, UnsatisfiableAction::DoNotSchedule)].into(),
            Self::SoftSpread => {
                let constraints = [
                    spread(ZONE, 1, UnsatisfiableAction::ScheduleAnyway),
                    spread(HOSTNAME, 1, UnsatisfiableAction::ScheduleAnyway),
                ];
                pod.spread = constraints.into();
            }
            Self::Affinity => {
                pod.affinity = Some(Arc::new(Affinity { pod_required: [own(ZONE)].into(), ..Affinity::default() }));
            }
            Self::AntiAffinity => {
                pod.affinity =
                    Some(Arc::new(Affinity { anti_required: [own(HOSTNAME)].into(), ..Affinity::default() }));
            }
            Self::PreferredAffinity => {
                pod.affinity = Some(Arc::new(Affinity { pod_preferred: preferred(ZONE), ..Affinity::default() }));
            }
            Self::PreferredAntiAffinity => {
                pod.affinity = Some(Arc::new(Affinity { anti_preferred: preferred(HOSTNAME), ..Affinity::default() }));
            }
            Self::AntiAffinityNamespaces => {
                let team = Selector::from_pairs([(&Str::from("team"), &Str::from("default"))]);
                let anti_required = [term(HOSTNAME, team, &[])].into();
                pod.affinity = Some(Arc::new(Affinity { anti_required, ..Affinity::default() }));
            }
            Self::Unschedulable => pod.requests = Arc::new(requests(9000, 500 << 20)),
            Self::Preemption => {
                pod.requests = Arc::new(requests(3000, 500 << 20));
                pod.priority = 10;
            }
        }
    }

    /// Pods that sit on the nodes before anything is measured: for preemption they fill them (four of 900m on each).
    pub(crate) fn shape_sitting(self, pod: &mut PodInfo) {
        if self == Self::Preemption {
            pod.requests = Arc::new(requests(900, 500 << 20));
        }
    }

    /// Pods on each node before anything is measured.
    pub fn sitting(self) -> usize {
        if self == Self::Preemption { 4 } else { 2 }
    }
}
