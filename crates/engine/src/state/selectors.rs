//! Selectors of services and workloads, for default spreading.

use std::sync::Arc;

use loadline_model::{
    Labels, Map, PodInfo, Requirement, Selector, ServiceSelector, Str, WorkloadKind, WorkloadSelector,
};

type MemoKey = (Str, Arc<Labels>, Option<(WorkloadKind, Str)>);

/// Services, ReplicationControllers, ReplicaSets and StatefulSets by namespace.
#[derive(Clone, Debug, Default)]
pub struct SelectorIndex {
    services: Map<Str, Vec<ServiceSelector>>,
    workloads: Map<(WorkloadKind, Str, Str), WorkloadSelector>,
    memo: Map<MemoKey, Arc<Selector>>,
}

/// Answers kept at most; beyond that all are forgotten, which costs time and nothing else.
const MEMO_LIMIT: usize = 65_536;

impl SelectorIndex {
    /// Adds or replaces a service.
    pub fn set_service(&mut self, service: ServiceSelector) {
        self.memo.clear();
        let services = self.services.entry(service.namespace.clone()).or_default();
        match services.binary_search_by(|s| s.name.cmp(&service.name)) {
            Ok(at) => services[at] = service,
            Err(at) => services.insert(at, service),
        }
    }

    /// Removes a service.
    pub fn remove_service(&mut self, namespace: &str, name: &str) {
        self.memo.clear();
        if let Some(services) = self.services.get_mut(namespace) {
            services.retain(|s| s.name != *name);
        }
    }

    /// Adds or replaces a workload.
    pub fn set_workload(&mut self, workload: WorkloadSelector) {
        self.memo.clear();
        self.workloads.insert((workload.kind, workload.namespace.clone(), workload.name.clone()), workload);
    }

    /// Removes a workload.
    pub fn remove_workload(&mut self, kind: WorkloadKind, namespace: &Str, name: &Str) {
        self.memo.clear();
        self.workloads.remove(&(kind, namespace.clone(), name.clone()));
    }

    pub(super) fn default_selector(&mut self, pod: &PodInfo) -> Arc<Selector> {
        let owner = pod.owner.as_ref().and_then(|owner| {
            let kind = match (owner.api_version.as_str(), owner.kind.as_str()) {
                ("v1", "ReplicationController") => WorkloadKind::ReplicationController,
                ("apps/v1", "ReplicaSet") => WorkloadKind::ReplicaSet,
                ("apps/v1", "StatefulSet") => WorkloadKind::StatefulSet,
                _ => return None,
            };
            Some((kind, owner.name.clone()))
        });
        let key = (pod.namespace.clone(), pod.labels.clone(), owner);
        if let Some(known) = self.memo.get(&key) {
            return known.clone();
        }
        let selector = Arc::new(self.merge(pod, key.2.as_ref()));
        if self.memo.len() >= MEMO_LIMIT {
            self.memo.clear();
        }
        self.memo.insert(key, selector.clone());
        selector
    }

    fn merge(&self, pod: &PodInfo, owner: Option<&(WorkloadKind, Str)>) -> Selector {
        // All of them select this pod, so that they can not contradict each other. A service whose selector is present
        // but empty selects every pod and adds nothing.
        let mut pairs: Vec<(Str, Str)> = Vec::new();
        for service in self.services.get(&pod.namespace).into_iter().flatten() {
            if service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value)) {
                pairs.extend(service.selector.iter().cloned());
            }
        }
        let workload = owner.and_then(|(kind, name)| self.workloads.get(&(*kind, pod.namespace.clone(), name.clone())));
        let mut requirements: Vec<Requirement> = Vec::new();
        match workload.map(|w| (w.kind, &w.selector)) {
            Some((WorkloadKind::ReplicationController, Selector::All(more))) => {
                // A plain map: it joins the services' labels.
                pairs.extend(more.iter().filter_map(|r| Some((r.key.clone(), r.values.first()?.clone()))));
            }
            Some((_, Selector::All(more))) => requirements.extend(more.iter().cloned()),
            _ => {}
        }
        let merged = Labels::new(pairs);
        if let Selector::All(equalities) = Selector::from_pairs(merged.iter().map(|(k, v)| (k, v))) {
            requirements.extend(equalities);
        }
        Selector::all(requirements)
    }
}
