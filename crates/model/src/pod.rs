//! Pods.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    DeviceClass, GroupKey, Labels, Marks, NodeSelector, NodeSelectorTerm, Owner, PodHealth, Resources, Selector, Str,
    Time, Toleration,
};

/// What the cache knows a pod by: its uid.
pub type PodKey = Str;

/// Whether a pod may preempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PreemptionPolicy {
    /// May preempt pods of lower priority.
    #[default]
    PreemptLowerPriority,
    /// Never preempts.
    Never,
}

/// Protocol of a host port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port on the host that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Protocol.
    pub protocol: Protocol,
    /// Address; `0.0.0.0` stands for an absent one.
    pub ip: Str,
    /// Port, never 0.
    pub port: i32,
}

/// The ways in which kube-scheduler adds up a pod's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodRequests {
    /// From the spec, pod-level resources honoured: what NodeResourcesFit asks a node for.
    pub spec: Resources,
    /// Resize status and pod-level resources honoured: what the pod takes up on its node, and what
    /// NodeResourcesBalancedAllocation scores.
    pub usage: Resources,
    /// Cpu of `usage` with 100m for each container that names none, thousandths of a core.
    pub non_zero_milli_cpu: i64,
    /// Memory of `usage` with 200 MiB for each container that names none, bytes.
    pub non_zero_memory: i64,
    /// From the containers alone with those defaults, no pod-level resources, no status: what NodeResourcesFit scores.
    pub score: Resources,
}

/// A value with a weight of 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Weighted<T> {
    /// Weight.
    pub weight: i32,
    /// Value.
    pub term: T,
}

/// Which namespaces a term looks at: the named ones and those whose labels match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceMatch {
    /// Names, sorted, each once. (The term's own namespace when the API object named none and has no selector.)
    pub names: Box<[Str]>,
    /// Labels of further namespaces; [`Selector::Nothing`] when absent.
    pub selector: Selector,
}

/// Pods that a term means: by namespace and labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodMatcher {
    /// Namespaces.
    pub namespaces: NamespaceMatch,
    /// Labels.
    pub selector: Selector,
}

impl PodMatcher {
    /// Whether a pod with these labels in a namespace with that name and those labels is meant.
    pub fn matches(&self, namespace: &Str, namespace_labels: &Labels, labels: &Labels) -> bool {
        (self.namespaces.names.contains(namespace) || self.namespaces.selector.matches(namespace_labels))
            && self.selector.matches(labels)
    }
}

/// A term of inter-pod (anti-)affinity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodAffinityTerm {
    /// The pods that it means.
    pub pods: PodMatcher,
    /// Label key of the topology.
    pub topology_key: Str,
}

/// `spec.affinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affinity {
    /// Required node affinity.
    pub node_required: Option<NodeSelector>,
    /// Preferred node affinity.
    pub node_preferred: Box<[Weighted<NodeSelectorTerm>]>,
    /// Required pod affinity.
    pub pod_required: Box<[PodAffinityTerm]>,
    /// Preferred pod affinity.
    pub pod_preferred: Box<[Weighted<PodAffinityTerm>]>,
    /// Required pod anti-affinity.
    pub anti_required: Box<[PodAffinityTerm]>,
    /// Preferred pod anti-affinity.
    pub anti_preferred: Box<[Weighted<PodAffinityTerm>]>,
}

impl Affinity {
    /// Whether it has any inter-pod term.
    pub fn has_pod_terms(&self) -> bool {
        !(self.pod_required.is_empty()
            && self.pod_preferred.is_empty()
            && self.anti_required.is_empty()
            && self.anti_preferred.is_empty())
    }
}

/// What to do when a spread constraint can not be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnsatisfiableAction {
    /// Filter.
    DoNotSchedule,
    /// Score.
    ScheduleAnyway,
}

/// A topology spread constraint, `matchLabelKeys` not yet merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadConstraint {
    /// Largest allowed difference, at least 1.
    pub max_skew: i32,
    /// Label key of the topology.
    pub topology_key: Str,
    /// Filter or score.
    pub when_unsatisfiable: UnsatisfiableAction,
    /// Pods that count.
    pub selector: Selector,
    /// Fewest domains, 1 when absent.
    pub min_domains: i32,
    /// `nodeAffinityPolicy: Honor` (the default): nodes that the pod's affinity rules out do not count.
    pub honor_affinity: bool,
    /// `nodeTaintsPolicy: Honor` (not the default): nodes with untolerated taints do not count.
    pub honor_taints: bool,
    /// Keys of the pod's own labels that are added to the selector.
    pub match_label_keys: Box<[Str]>,
}

/// A volume that placement depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    /// Name within the pod.
    pub name: Str,
    /// What it is.
    pub source: VolumeSource,
}

/// Sources of volumes that placement depends on; others are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumeSource {
    /// A claim by name.
    Claim(Str),
    /// A generic ephemeral volume; its claim is named `<pod>-<volume>`.
    Ephemeral,
    /// A disk named in the pod itself: the API field (`gcePersistentDisk`, `awsElasticBlockStore`, `iscsi`, `rbd`, …).
    InTree(Str),
    /// An inline CSI volume of this driver.
    InlineCsi(Str),
}

/// An extended resource that stands for devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedDevice {
    /// Name of the extended resource.
    pub resource: Str,
    /// Name of the DeviceClass.
    pub class: Str,
}

/// Notes which of a pod's requests are for devices of these classes.
pub fn note_devices(pod: &mut Arc<PodInfo>, classes: &[DeviceClass]) {
    let requested = pod.requests.spec.scalars.iter().filter(|(_, amount)| *amount != 0);
    let devices: Box<[ExtendedDevice]> = requested
        .filter_map(|(resource, _)| {
            let class = classes.iter().find(|class| class.extended_resource.as_ref() == Some(resource))?;
            Some(ExtendedDevice { resource: resource.clone(), class: class.name.clone() })
        })
        .collect();
    if pod.devices != devices {
        Arc::make_mut(pod).devices = devices;
    }
}

/// What a pod's condition PodScheduled says while it is False.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// `Unschedulable`, `SchedulerError` or `SchedulingGated`.
    pub reason: Str,
    /// For people.
    pub message: Str,
    /// `metadata.generation` that it is about.
    pub observed_generation: i64,
}

/// A pod, compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodInfo {
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
    /// Uid: its identity in the cache.
    pub uid: PodKey,
    /// `metadata.resourceVersion`; empty when unknown.
    pub resource_version: Str,
    /// Labels, shared between pods that have the same.
    pub labels: Arc<Labels>,
    /// The controller.
    pub owner: Option<Arc<Owner>>,
    /// Which profile schedules it.
    pub scheduler_name: Str,
    /// `spec.nodeName`.
    pub node_name: Option<Str>,
    /// `status.nominatedNodeName`.
    pub nominated_node_name: Option<Str>,
    /// Priority, 0 when absent.
    pub priority: i32,
    /// Whether it may preempt.
    pub preemption_policy: PreemptionPolicy,
    /// Creation.
    pub created: Option<Time>,
    /// `status.startTime`.
    pub started: Option<Time>,
    /// When the first of its containers that run began to.
    pub running_since: Option<Time>,
    /// `metadata.deletionTimestamp`: it is terminating when set.
    pub deleted: Option<Time>,
    /// Phase is Succeeded or Failed.
    pub finished: bool,
    /// Whether it may be moved.
    pub marks: Marks,
    /// How it fares, shared between pods that fare alike; `None` when nothing is known.
    pub health: Option<Arc<PodHealth>>,
    /// Condition DisruptionTarget is True with reason PreemptionByScheduler.
    pub preempted: bool,
    /// `metadata.generation`.
    pub generation: i64,
    /// Condition PodScheduled, where it is False.
    pub unplaced: Option<Arc<Unplaced>>,
    /// `spec.schedulingGates`.
    pub scheduling_gates: Box<[Str]>,
    /// Sums of requests, shared between pods that have the same.
    pub requests: Arc<PodRequests>,
    /// `spec.nodeSelector`, sorted by key.
    pub node_selector: Labels,
    /// Affinity, shared between pods of one template.
    pub affinity: Option<Arc<Affinity>>,
    /// Tolerations.
    pub tolerations: Arc<[Toleration]>,
    /// Topology spread constraints.
    pub spread: Arc<[SpreadConstraint]>,
    /// Host ports, sorted, of containers and restartable init containers.
    pub host_ports: SmallVec<[HostPort; 0]>,
    /// Normalised image names of init containers, containers and image volumes, in that order, with repeats.
    pub images: Arc<[Str]>,
    /// Number of init containers and containers.
    pub container_count: u32,
    /// Volumes that placement depends on.
    pub volumes: Box<[Volume]>,
    /// Names of `spec.resourceClaims`.
    pub resource_claims: Box<[Str]>,
    /// Extended resources that it requests and that stand for the devices of a DeviceClass. Known to whoever knows the classes: a pod
    /// that is converted by itself has none.
    pub devices: Box<[ExtendedDevice]>,
    /// `spec.hostNetwork` and `spec.hostUsers: false`, and container restart rules: node features that the pod needs,
    /// by their names in `status.declaredFeatures`, sorted.
    pub required_features: Box<[Str]>,
    /// The group that it names, shared: by `spec.schedulingGroup`, or else by label.
    pub pod_group: Option<Arc<GroupKey>>,
}

impl PodInfo {
    /// Whether deletion has begun.
    pub fn is_terminating(&self) -> bool {
        self.deleted.is_some()
    }

    /// Whether `status.phase` is known, and is this one.
    pub fn is_in_phase(&self, phase: &str) -> bool {
        self.health.as_ref().is_some_and(|health| health.phase == *phase)
    }

    /// The pod that its controller would make in its place: alike, and with nothing that happened to this one. It has the same name and
    /// uid, and no time of creation.
    pub fn made_anew(&self) -> Self {
        Self {
            resource_version: Str::default(),
            node_name: None,
            nominated_node_name: None,
            created: None,
            started: None,
            running_since: None,
            deleted: None,
            finished: false,
            health: None,
            preempted: false,
            unplaced: None,
            ..self.clone()
        }
    }

    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Its inter-pod terms, if any.
    pub fn pod_affinity(&self) -> Option<&Affinity> {
        self.affinity.as_deref().filter(|a| a.has_pod_terms())
    }
}
