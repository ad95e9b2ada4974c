//! Pods.

use super::{
    LabelSelector, NodeSelector, NodeSelectorTerm, ObjectMeta, PodResourceClaim, PodStatus, ResourceList,
    ResourceRequirements, StringMap, Volume, wire,
};

wire! {
    /// `v1` Pod.
    Pod {
        metadata: ObjectMeta,
        spec: PodSpec,
        status: PodStatus,
    }

    /// The template of a workload's pods.
    PodTemplate {
        metadata: ObjectMeta,
        spec: PodSpec,
    }

    /// Pod `spec`.
    PodSpec {
        node_name: String,
        scheduler_name: String,
        containers: Vec<Container>,
        init_containers: Vec<Container>,
        resources: Option<ResourceRequirements>,
        overhead: ResourceList,
        node_selector: StringMap,
        affinity: Option<Affinity>,
        tolerations: Vec<Toleration>,
        topology_spread_constraints: Vec<TopologySpreadConstraint>,
        volumes: Vec<Volume>,
        resource_claims: Vec<PodResourceClaim>,
        priority: Option<i32>,
        priority_class_name: String,
        preemption_policy: Option<String>,
        runtime_class_name: Option<String>,
        restart_policy: String,
        scheduling_gates: Vec<PodSchedulingGate>,
        scheduling_group: Option<PodSchedulingGroup>,
        host_network: bool,
        host_users: Option<bool>,
    }

    /// `spec.containers[]` and `spec.initContainers[]`.
    Container {
        name: String,
        image: String,
        resources: ResourceRequirements,
        ports: Vec<ContainerPort>,
        restart_policy: Option<String>,
        restart_policy_rules: Vec<ContainerRestartRule>,
    }

    /// `containers[].ports[]`.
    ContainerPort {
        container_port: i32,
        host_port: i32,
        #[serde(rename = "hostIP")]
        host_ip: String,
        protocol: String,
    }

    /// `containers[].restartPolicyRules[]`.
    ContainerRestartRule {
        action: String,
    }

    /// `spec.affinity`.
    Affinity {
        node_affinity: Option<NodeAffinity>,
        pod_affinity: Option<PodAffinity>,
        pod_anti_affinity: Option<PodAffinity>,
    }

    /// `spec.affinity.nodeAffinity`.
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
        preferred_during_scheduling_ignored_during_execution: Vec<PreferredSchedulingTerm>,
    }

    /// A preferred term of node affinity.
    PreferredSchedulingTerm {
        weight: i32,
        preference: NodeSelectorTerm,
    }

    /// `spec.affinity.podAffinity` and `spec.affinity.podAntiAffinity`.
    PodAffinity {
        required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm>,
        preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm>,
    }

    /// A preferred term of pod (anti-)affinity.
    WeightedPodAffinityTerm {
        weight: i32,
        pod_affinity_term: PodAffinityTerm,
    }

    /// A term of pod (anti-)affinity.
    PodAffinityTerm {
        label_selector: Option<LabelSelector>,
        namespaces: Vec<String>,
        namespace_selector: Option<LabelSelector>,
        topology_key: String,
        match_label_keys: Vec<String>,
        mismatch_label_keys: Vec<String>,
    }

    /// `spec.tolerations[]`.
    Toleration {
        key: String,
        operator: String,
        value: String,
        effect: String,
        toleration_seconds: Option<i64>,
    }

    /// `spec.topologySpreadConstraints[]`.
    TopologySpreadConstraint {
        max_skew: i32,
        topology_key: String,
        when_unsatisfiable: String,
        label_selector: Option<LabelSelector>,
        min_domains: Option<i32>,
        node_affinity_policy: Option<String>,
        node_taints_policy: Option<String>,
        match_label_keys: Vec<String>,
    }

    /// `spec.schedulingGates[]`.
    PodSchedulingGate {
        name: String,
    }

    /// `spec.schedulingGroup`.
    PodSchedulingGroup {
        pod_group_name: Option<String>,
    }
}

impl Container {
    /// True for an init container that goes on running: a sidecar.
    pub fn is_restartable(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

impl Pod {
    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// Succeeded or failed: it takes up nothing any more.
    pub fn is_finished(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }
}
