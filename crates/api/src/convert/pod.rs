//! Pods.

use std::sync::Arc;

use loadline_model::{
    GROUP_LABELS, GroupApi, GroupKey, HostPort, Owner, PodInfo, PreemptionPolicy, Protocol, Str, Time, Unplaced,
    Volume, VolumeSource,
};
use smallvec::SmallVec;

use super::Converter;
use super::movable;
use super::requests::pod_requests;
use crate::wire::{self, OwnerReference, Pod, PodSpec};

impl Converter {
    /// Compiles a pod.
    pub fn pod(&mut self, pod: &Pod) -> PodInfo {
        let (metadata, spec, status) = (&pod.metadata, &pod.spec, &pod.status);
        let namespace = self.str(&metadata.namespace);
        let requests = pod_requests(pod, &mut self.strings);
        let images = self.images_of(spec);
        PodInfo {
            name: Str::from(&*metadata.name),
            uid: Str::from(&*metadata.uid),
            resource_version: Str::from(&*metadata.resource_version),
            labels: self.labels(&metadata.labels),
            owner: metadata.controller().map(|owner| self.owner(owner)),
            scheduler_name: self.str(&spec.scheduler_name),
            node_name: self.some_str(&spec.node_name),
            nominated_node_name: self.some_str(&status.nominated_node_name),
            priority: spec.priority.unwrap_or(0),
            preemption_policy: match spec.preemption_policy.as_deref() {
                Some("Never") => PreemptionPolicy::Never,
                _ => PreemptionPolicy::PreemptLowerPriority,
            },
            created: metadata.creation_timestamp.map(|time| time.0),
            started: status.start_time.map(|time| time.0),
            running_since: running_since(status),
            deleted: metadata.deletion_timestamp.map(|time| time.0),
            finished: pod.is_finished(),
            marks: movable::marks(pod),
            health: self.health(status),
            preempted: status.conditions.iter().any(|condition| {
                condition.kind == "DisruptionTarget"
                    && condition.status == "True"
                    && condition.reason == "PreemptionByScheduler"
            }),
            generation: metadata.generation,
            unplaced: unplaced(&status.conditions),
            scheduling_gates: spec.scheduling_gates.iter().map(|gate| self.strings.intern(&gate.name)).collect(),
            requests: self.requests.share(requests),
            node_selector: self.own_labels(&spec.node_selector),
            affinity: spec.affinity.as_ref().map(|affinity| self.affinity(affinity, &namespace)),
            tolerations: self.tolerations(&spec.tolerations),
            spread: self.spread(&spec.topology_spread_constraints),
            host_ports: self.host_ports(spec),
            images: self.names.share(images),
            container_count: (spec.init_containers.len() + spec.containers.len()) as u32,
            volumes: spec.volumes.iter().filter_map(|volume| self.volume(volume)).collect(),
            resource_claims: spec.resource_claims.iter().map(|claim| self.strings.intern(&claim.name)).collect(),
            // Whoever knows the DeviceClasses adds them.
            devices: Box::default(),
            required_features: required_features(spec),
            pod_group: self.group_of(metadata, spec),
            namespace,
        }
    }

    /// The group that a pod names. Its spec says it for certain; a label is what anybody may write.
    fn group_of(&mut self, metadata: &wire::ObjectMeta, spec: &PodSpec) -> Option<Arc<GroupKey>> {
        let in_spec = spec.scheduling_group.as_ref().and_then(|group| group.pod_group_name.as_deref());
        let (api, name) = match in_spec.filter(|name| !name.is_empty()) {
            Some(name) => (GroupApi::Core, name),
            None => (GroupApi::Crd, GROUP_LABELS.iter().find_map(|key| metadata.labels.get(*key))?.as_str()),
        };
        (!name.is_empty()).then(|| self.group_key(api, &metadata.namespace, name))
    }

    pub(super) fn owner(&mut self, owner: &OwnerReference) -> std::sync::Arc<Owner> {
        let owner = Owner {
            api_version: self.str(&owner.api_version),
            kind: self.str(&owner.kind),
            name: self.str(&owner.name),
            uid: self.str(&owner.uid),
        };
        self.owners.share(owner)
    }

    /// Ports on the host of containers and sidecars; other init containers are gone when it matters.
    fn host_ports(&mut self, spec: &PodSpec) -> SmallVec<[HostPort; 0]> {
        let sidecars = spec.init_containers.iter().filter(|container| container.is_restartable());
        let ports = sidecars.chain(&spec.containers).flat_map(|container| &container.ports);
        let mut host_ports: SmallVec<[HostPort; 0]> = ports
            .filter(|port| port.host_port > 0)
            .map(|port| HostPort {
                protocol: match &*port.protocol {
                    "UDP" => Protocol::Udp,
                    "SCTP" => Protocol::Sctp,
                    _ => Protocol::Tcp,
                },
                ip: self.strings.intern(if port.host_ip.is_empty() { "0.0.0.0" } else { &port.host_ip }),
                port: port.host_port,
            })
            .collect();
        host_ports.sort_unstable();
        host_ports
    }

    fn images_of(&mut self, spec: &PodSpec) -> Vec<Str> {
        let containers = spec.init_containers.iter().chain(&spec.containers).map(|container| &*container.image);
        let volumes = spec.volumes.iter().filter_map(|volume| volume.image.as_ref()).map(|image| &*image.reference);
        containers.chain(volumes).map(|name| self.image_name(name)).collect()
    }

    /// An image's name with its tag: `:latest` when it has none.
    fn image_name(&mut self, name: &str) -> Str {
        if name.rfind(':') <= name.rfind('/') { self.str(&format!("{name}:latest")) } else { self.str(name) }
    }

    fn volume(&mut self, volume: &wire::Volume) -> Option<Volume> {
        let in_tree = [
            (volume.gce_persistent_disk.is_some(), "gcePersistentDisk"),
            (volume.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
            (volume.iscsi.is_some(), "iscsi"),
            (volume.rbd.is_some(), "rbd"),
            (volume.azure_disk.is_some(), "azureDisk"),
            (volume.cinder.is_some(), "cinder"),
            (volume.portworx_volume.is_some(), "portworxVolume"),
        ];
        let source = if let Some(claim) = &volume.persistent_volume_claim {
            VolumeSource::Claim(self.str(&claim.claim_name))
        } else if volume.ephemeral.is_some() {
            VolumeSource::Ephemeral
        } else if let Some(csi) = &volume.csi {
            VolumeSource::InlineCsi(self.str(&csi.driver))
        } else {
            let (_, field) = in_tree.iter().find(|(present, _)| *present)?;
            VolumeSource::InTree(self.str(field))
        };
        Some(Volume { name: self.str(&volume.name), source })
    }
}

/// When the first of the containers that run began to. Of a pod of which one was started again that is no longer known, and it
/// counts from when the kubelet took it: what it used before is in every average.
fn running_since(status: &wire::PodStatus) -> Option<Time> {
    let statuses = &status.container_statuses;
    let running = statuses.iter().filter_map(|status| status.state.as_ref()?.running.as_ref()?.started_at);
    let first = running.map(|time| time.0).min()?;
    let was_restarted = statuses.iter().any(|container| container.restart_count > 0);
    Some(status.start_time.filter(|_| was_restarted).map_or(first, |start| start.0))
}

/// Condition PodScheduled, where it is False.
fn unplaced(conditions: &[wire::PodCondition]) -> Option<Arc<Unplaced>> {
    let found = conditions.iter().find(|condition| condition.kind == "PodScheduled" && condition.status == "False")?;
    Some(Arc::new(Unplaced {
        reason: found.reason.as_str().into(),
        message: found.message.as_str().into(),
        observed_generation: found.observed_generation,
    }))
}

/// Node features that a pod's spec needs, sorted.
fn required_features(spec: &PodSpec) -> Box<[Str]> {
    let restarts_all = spec
        .containers
        .iter()
        .chain(&spec.init_containers)
        .any(|container| container.restart_policy_rules.iter().any(|rule| rule.action == "RestartAllContainers"));
    let user_namespaces_on_host_network = spec.host_network && spec.host_users == Some(false);
    [
        (restarts_all, "RestartAllContainersOnContainerExits"),
        (user_namespaces_on_host_network, "UserNamespacesHostNetworkSupport"),
    ]
    .iter()
    .filter(|(needed, _)| *needed)
    .map(|(_, feature)| Str::from(*feature))
    .collect()
}
