//! Nodes and what runs on them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{Effect, HostPort, Labels, PodInfo, Resources, Str, Taint, Toleration};

/// A container image on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// One of its names.
    pub name: Str,
    /// Size in bytes.
    pub size: i64,
}

/// What a Node object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name.
    pub name: Str,
    /// Uid; empty when unknown.
    pub uid: Str,
    /// When it was created, nanoseconds since 1970.
    pub created: Option<crate::Time>,
    /// Labels.
    pub labels: Arc<Labels>,
    /// Taints.
    pub taints: Box<[Taint]>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.allocatable`, without `pods`.
    pub allocatable: Resources,
    /// `status.allocatable.pods`; 0 when absent.
    pub allowed_pods: i64,
    /// Images, one entry for each name, sorted by name.
    pub images: Arc<[Image]>,
    /// `status.declaredFeatures`, sorted.
    pub declared_features: Box<[Str]>,
}

impl NodeSpec {
    /// Whether these tolerations cover every taint that keeps pods off it.
    pub fn is_tolerated(&self, tolerations: &[Toleration]) -> bool {
        let mut repelling = self.taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule);
        repelling.all(|taint| tolerations.iter().any(|toleration| toleration.tolerates(taint)))
    }

    /// The zone that kube-scheduler's visiting order goes by: region and zone labels, the beta ones first; empty when
    /// the node has neither.
    pub fn zone(&self) -> String {
        let label = |beta: &str, stable: &str| {
            self.labels.get(beta).or_else(|| self.labels.get(stable)).map(Str::as_str).unwrap_or_default()
        };
        let region = label("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region");
        let zone = label("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone");
        if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
    }
}

/// What the pods on a node take up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLoad {
    /// Sum of [`crate::PodRequests::usage`].
    pub requested: Resources,
    /// Sum of [`crate::PodRequests::non_zero_milli_cpu`].
    pub non_zero_milli_cpu: i64,
    /// Sum of [`crate::PodRequests::non_zero_memory`].
    pub non_zero_memory: i64,
    /// Number of pods.
    pub pods: i64,
    /// Host ports in use, with repeats.
    pub ports: SmallVec<[HostPort; 0]>,
}

impl NodeLoad {
    /// Counts a pod in.
    pub fn add(&mut self, pod: &PodInfo) {
        self.requested.add(&pod.requests.usage);
        self.non_zero_milli_cpu = self.non_zero_milli_cpu.wrapping_add(pod.requests.non_zero_milli_cpu);
        self.non_zero_memory = self.non_zero_memory.wrapping_add(pod.requests.non_zero_memory);
        self.pods += 1;
        self.ports.extend(pod.host_ports.iter().cloned());
    }

    /// Counts a pod out that was counted in.
    pub fn remove(&mut self, pod: &PodInfo) {
        self.requested.subtract(&pod.requests.usage);
        self.non_zero_milli_cpu = self.non_zero_milli_cpu.wrapping_sub(pod.requests.non_zero_milli_cpu);
        self.non_zero_memory = self.non_zero_memory.wrapping_sub(pod.requests.non_zero_memory);
        self.pods -= 1;
        for port in &pod.host_ports {
            if let Some(at) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(at);
            }
        }
    }
}

/// A node with the pods on it. Replaced whole in the cache, never changed in place by a reader.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// The Node object.
    pub spec: Arc<NodeSpec>,
    /// Pods on it, assumed ones included, in the order in which they came.
    pub pods: Vec<Arc<PodInfo>>,
    /// Their sums.
    pub load: NodeLoad,
    /// Grows with every change of this node, over all nodes.
    pub generation: u64,
}
