//! What says whether a pod may be moved.

use std::sync::Arc;

use loadline_model::{ContainerHealth, Marks, PodHealth, Str, WorkloadStatus};

use super::Converter;
use crate::wire::{self, Container, ContainerStatus, ObjectMeta, Pod, PodStatus};

/// The marks of a pod.
pub(super) fn marks(pod: &Pod) -> Marks {
    let annotation = |name: &str| pod.metadata.annotations.get(name).map(String::as_str);
    let by_kubelet = annotation("kubernetes.io/config.source").is_some_and(|source| source != "api");
    let of_node = pod.metadata.owner_references.iter().any(|owner| owner.kind == "Node");
    let is_local = |volume: &wire::Volume| volume.empty_dir.is_some() || volume.host_path.is_some();
    let found = [
        (Marks::MIRROR, annotation("kubernetes.io/config.mirror").is_some()),
        (Marks::STATIC, by_kubelet || of_node),
        (Marks::NOT_SAFE_TO_EVICT, annotation("cluster-autoscaler.kubernetes.io/safe-to-evict") == Some("false")),
        (Marks::DO_NOT_DISRUPT, annotation("karpenter.sh/do-not-disrupt") == Some("true")),
        (Marks::PREFER_NO_EVICTION, annotation("descheduler.alpha.kubernetes.io/prefer-no-eviction").is_some()),
        (Marks::EVICT, annotation("descheduler.alpha.kubernetes.io/evict").is_some()),
        (Marks::RUNS_TO_ITS_END, !matches!(&*pod.spec.restart_policy, "" | "Always")),
        (Marks::LOCAL_STORAGE, pod.spec.volumes.iter().any(is_local)),
    ];
    found.into_iter().fold(quality(pod), |marks, (mark, is)| marks.and(mark.when(is)))
}

/// The QoS class: Burstable has no mark.
fn quality(pod: &Pod) -> Marks {
    const RESOURCES: [&str; 2] = ["cpu", "memory"];
    let has = |list: &wire::ResourceList, name: &str| list.get(name).is_some_and(|amount| !amount.is_zero());
    let is_limited = |resources: &wire::ResourceRequirements| {
        RESOURCES.iter().all(|name| {
            let (request, limit) = (resources.requests.get(*name), resources.limits.get(*name));
            has(&resources.limits, name) && (request.is_none() || request == limit)
        })
    };
    if let Some(resources) = &pod.spec.resources
        && RESOURCES.iter().any(|name| has(&resources.requests, name) || has(&resources.limits, name))
    {
        return Marks::GUARANTEED.when(is_limited(resources));
    }
    let containers = || pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let asks = |container: &Container| {
        let resources = &container.resources;
        RESOURCES.iter().any(|name| has(&resources.requests, name) || has(&resources.limits, name))
    };
    if !containers().any(asks) {
        return Marks::BEST_EFFORT;
    }
    Marks::GUARANTEED.when(containers().all(|container| is_limited(&container.resources)))
}

impl Converter {
    /// How a pod fares; `None` for one that has no status yet.
    pub(super) fn health(&mut self, status: &PodStatus) -> Option<Arc<PodHealth>> {
        if status.phase.is_empty() && status.container_statuses.is_empty() {
            return None;
        }
        let health = PodHealth {
            phase: self.str(&status.phase),
            reason: self.str(&status.reason),
            containers: self.container_health(&status.container_statuses),
            init_containers: self.container_health(&status.init_container_statuses),
        };
        Some(self.healths.share(health))
    }

    fn container_health(&mut self, statuses: &[ContainerStatus]) -> ContainerHealth {
        let states = || statuses.iter().filter_map(|status| status.state.as_ref());
        let waiting = states().filter_map(|state| state.waiting.as_ref()).map(|waiting| waiting.reason.as_str());
        let ended = || states().filter_map(|state| state.terminated.as_ref());
        let mut exit_codes: Vec<i32> = ended().map(|ended| ended.exit_code).collect();
        exit_codes.sort_unstable();
        exit_codes.dedup();
        ContainerHealth {
            restarts: statuses.iter().fold(0, |sum: i32, status| sum.saturating_add(status.restart_count)),
            waiting: self.reasons(waiting),
            terminated: self.reasons(ended().map(|ended| ended.reason.as_str())),
            exit_codes: exit_codes.into(),
        }
    }

    fn reasons<'r>(&mut self, reasons: impl Iterator<Item = &'r str>) -> Box<[Str]> {
        let mut reasons: Vec<Str> =
            reasons.filter(|reason| !reason.is_empty()).map(|reason| self.strings.intern(reason)).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.into()
    }

    /// How a Deployment stands.
    pub fn deployment_status(&mut self, deployment: &wire::Deployment) -> WorkloadStatus {
        let (metadata, status) = (&deployment.metadata, &deployment.status);
        let replicas = deployment.spec.replicas.unwrap_or(1);
        let all = [status.replicas, status.updated_replicas, status.available_replicas];
        self.status(metadata, "Deployment", replicas, is_at_rest(metadata, status.observed_generation, replicas, &all))
    }

    /// How a ReplicaSet stands.
    pub fn replica_set_status(&mut self, set: &wire::ReplicaSet) -> WorkloadStatus {
        let (metadata, status, replicas) = (&set.metadata, &set.status, set.spec.replicas.unwrap_or(1));
        let all = [status.replicas, status.available_replicas];
        self.status(metadata, "ReplicaSet", replicas, is_at_rest(metadata, status.observed_generation, replicas, &all))
    }

    /// How a ReplicationController stands.
    pub fn replication_controller_status(&mut self, controller: &wire::ReplicationController) -> WorkloadStatus {
        let (metadata, status) = (&controller.metadata, &controller.status);
        let replicas = controller.spec.replicas.unwrap_or(1);
        let all = [status.replicas, status.available_replicas];
        let at_rest = is_at_rest(metadata, status.observed_generation, replicas, &all);
        self.status(metadata, "ReplicationController", replicas, at_rest)
    }

    /// How a StatefulSet stands.
    pub fn stateful_set_status(&mut self, set: &wire::StatefulSet) -> WorkloadStatus {
        let (metadata, status, replicas) = (&set.metadata, &set.status, set.spec.replicas.unwrap_or(1));
        let strategy = set.spec.update_strategy.as_ref();
        let on_delete = strategy.is_some_and(|strategy| strategy.kind == "OnDelete");
        let partition = strategy.and_then(|strategy| strategy.rolling_update.as_ref()).map_or(0, |by| by.partition);
        // The pods below the partition keep the old template for as long as people like.
        let to_update = if on_delete { 0 } else { (replicas - partition).max(0) };
        let updated = status.updated_replicas.max(replicas - to_update + status.updated_replicas.min(to_update));
        let all = [status.replicas, status.available_replicas, updated.min(replicas)];
        self.status(metadata, "StatefulSet", replicas, is_at_rest(metadata, status.observed_generation, replicas, &all))
    }

    fn status(&mut self, metadata: &ObjectMeta, kind: &str, replicas: i32, at_rest: bool) -> WorkloadStatus {
        WorkloadStatus {
            kind: self.str(kind),
            namespace: self.str(&metadata.namespace),
            name: self.str(&metadata.name),
            owner: metadata.controller().map(|owner| self.owner(owner)),
            replicas,
            at_rest,
        }
    }
}

/// Whether the controller has seen the newest spec, and each of these counts of pods is what it is to be. A generation of 0
/// was never seen by a controller: the object has just been made and has no pods yet, or a person wrote it.
fn is_at_rest(metadata: &ObjectMeta, observed: i64, replicas: i32, counts: &[i32]) -> bool {
    observed == 0 || (observed >= metadata.generation && counts.iter().all(|count| *count == replicas))
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::doc::{Document, decode};

    fn yaml<T: DeserializeOwned>(text: &str) -> T {
        let nodes = Document::parse(text, "test").unwrap();
        decode(&nodes[0]).unwrap()
    }

    #[test]
    fn marks_come_from_annotations_owners_and_volumes() {
        let of = |text: &str| marks(&yaml::<Pod>(text));
        let none = of("{spec: {volumes: [{name: c, configMap: {name: x}}]}}");
        assert_eq!(none, Marks::BEST_EFFORT);
        for (text, mark) in [
            ("{metadata: {annotations: {kubernetes.io/config.mirror: x}}}", Marks::MIRROR),
            ("{metadata: {annotations: {kubernetes.io/config.source: file}}}", Marks::STATIC),
            ("{metadata: {ownerReferences: [{kind: Node, name: a, controller: true}]}}", Marks::STATIC),
            (
                "{metadata: {annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'}}}",
                Marks::NOT_SAFE_TO_EVICT,
            ),
            ("{metadata: {annotations: {karpenter.sh/do-not-disrupt: 'true'}}}", Marks::DO_NOT_DISRUPT),
            (
                "{metadata: {annotations: {descheduler.alpha.kubernetes.io/prefer-no-eviction: ''}}}",
                Marks::PREFER_NO_EVICTION,
            ),
            ("{metadata: {annotations: {descheduler.alpha.kubernetes.io/evict: 'true'}}}", Marks::EVICT),
            ("{spec: {volumes: [{name: a, emptyDir: {}}]}}", Marks::LOCAL_STORAGE),
            ("{spec: {volumes: [{name: a, hostPath: {path: /x}}]}}", Marks::LOCAL_STORAGE),
        ] {
            assert_eq!(of(text), Marks::BEST_EFFORT.and(mark), "{text}");
        }
        for text in [
            "{metadata: {annotations: {kubernetes.io/config.source: api}}}",
            "{metadata: {annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: 'true'}}}",
            "{metadata: {annotations: {karpenter.sh/do-not-disrupt: 'false'}}}",
        ] {
            assert_eq!(of(text), Marks::BEST_EFFORT, "{text}");
        }
    }

    #[test]
    fn quality_of_service_is_that_of_kubernetes() {
        let of = |resources: &str| {
            quality(&yaml::<Pod>(&format!("{{spec: {{containers: [{{name: a, resources: {resources}}}]}}}}")))
        };
        assert_eq!(of("{}"), Marks::BEST_EFFORT);
        assert_eq!(of("{requests: {cpu: 0}}"), Marks::BEST_EFFORT);
        assert_eq!(of("{requests: {cpu: 1}}"), Marks::default());
        assert_eq!(of("{limits: {cpu: 1}}"), Marks::default());
        assert_eq!(of("{limits: {cpu: 1, memory: 1Gi}}"), Marks::GUARANTEED);
        assert_eq!(of("{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1000m, memory: 1Gi}}"), Marks::GUARANTEED);
        assert_eq!(of("{requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}"), Marks::default());
    }

    #[test]
    fn health_is_shared() {
        let mut converter = Converter::new();
        let status = "{phase: Running, containerStatuses: [
            {name: a, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}},
            {name: b, restartCount: 3, state: {terminated: {reason: Error, exitCode: 7}}}],
            initContainerStatuses: [{name: i, restartCount: 1}]}";
        let health = converter.health(&yaml(status)).unwrap();
        assert_eq!((health.containers.restarts, health.init_containers.restarts), (5, 1));
        assert_eq!((health.containers.waiting.len(), health.containers.exit_codes[0]), (1, 7));
        assert_eq!(health.containers.terminated[0], "Error");
        assert!(Arc::ptr_eq(&health, &converter.health(&yaml(status)).unwrap()));
        assert_eq!(converter.health(&PodStatus::default()), None);
    }

    #[test]
    fn a_workload_is_at_rest_when_all_its_pods_are_new_and_available() {
        let mut converter = Converter::new();
        let mut deployment = |status: &str| {
            let text = format!("{{metadata: {{name: d, generation: 4}}, spec: {{replicas: 3}}, status: {status}}}");
            converter.deployment_status(&yaml(&text)).at_rest
        };
        assert!(deployment("{}"), "a person wrote it");
        assert!(deployment("{observedGeneration: 4, replicas: 3, updatedReplicas: 3, availableReplicas: 3}"));
        assert!(!deployment("{observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: 3}"));
        assert!(!deployment("{observedGeneration: 4, replicas: 4, updatedReplicas: 3, availableReplicas: 3}"));
        assert!(!deployment("{observedGeneration: 4, replicas: 3, updatedReplicas: 2, availableReplicas: 3}"));
        assert!(!deployment("{observedGeneration: 4, replicas: 3, updatedReplicas: 3, availableReplicas: 2}"));
        let mut set = |strategy: &str, updated: i32| {
            let text = format!(
                "{{metadata: {{name: d}}, spec: {{replicas: 3, updateStrategy: {strategy}}}, \
                 status: {{observedGeneration: 1, replicas: 3, updatedReplicas: {updated}, availableReplicas: 3}}}}"
            );
            converter.stateful_set_status(&yaml(&text)).at_rest
        };
        assert!(set("{type: RollingUpdate}", 3) && !set("{type: RollingUpdate}", 2));
        let partition = "{type: RollingUpdate, rollingUpdate: {partition: 2}}";
        assert!(set(partition, 1) && set(partition, 3) && !set(partition, 0));
        assert!(set("{type: OnDelete}", 0));
        let text = "{metadata: {name: rs, namespace: a, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: d, controller: true}]}}";
        let set = converter.replica_set_status(&yaml(text));
        assert_eq!((set.kind.as_str(), set.replicas, set.owner.unwrap().name.as_str()), ("ReplicaSet", 1, "d"));
        let text = "{metadata: {name: rc}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, availableReplicas: 1}}";
        assert!(!converter.replication_controller_status(&yaml(text)).at_rest);
    }
}
