//! Admission: what happens to an object once, when it is created, and depends on other objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pod::{fill_missing, fill_stored, merge_label_keys};
use super::{PREEMPT_LOWER_PRIORITY, fill_limit_range, runtime_class};
use crate::wire::{
    CorePodGroup, LimitRange, Object, Pod, PriorityClass, ResourceList, RuntimeClass, StoredObject, StringMap,
    Toleration,
};

/// What pods tolerate for five minutes unless they say otherwise.
const FAILING_NODE_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const FAILING_NODE_SECONDS: i64 = 300;

/// The priority classes that every cluster has.
const SYSTEM_PRIORITIES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

const DEFAULT_STORAGE_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// What pods on a node carry of its labels: the API server copies them when it binds a pod.
pub const TOPOLOGY_LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// The objects that admission goes by.
#[derive(Debug, Clone)]
pub struct Admission {
    priority_classes: BTreeMap<String, PriorityClass>,
    runtime_classes: BTreeMap<String, RuntimeClass>,
    /// By namespace and name.
    limit_ranges: BTreeMap<(String, String), LimitRange>,
    /// Of those marked as default, the newest, then the first by name.
    default_storage_class: Option<(std::cmp::Reverse<i64>, String)>,
    /// Those of [`TOPOLOGY_LABELS`] that nodes have, by node.
    topology: BTreeMap<String, StringMap>,
}

impl Default for Admission {
    fn default() -> Self {
        Self::new()
    }
}

impl Admission {
    /// With what every cluster has.
    pub fn new() -> Self {
        let mut admission = Self {
            priority_classes: BTreeMap::new(),
            runtime_classes: BTreeMap::new(),
            limit_ranges: BTreeMap::new(),
            default_storage_class: None,
            topology: BTreeMap::new(),
        };
        for (name, value) in SYSTEM_PRIORITIES {
            let mut class = PriorityClass { value, ..PriorityClass::default() };
            name.clone_into(&mut class.metadata.name);
            admission.priority_classes.insert(name.to_owned(), class);
        }
        admission
    }

    /// Takes note of an object, if it is one that admission goes by.
    pub fn observe(&mut self, object: &Object) {
        let metadata = object.metadata();
        match object {
            Object::PriorityClass(class) => {
                self.priority_classes.insert(metadata.name.clone(), (**class).clone());
            }
            Object::RuntimeClass(class) => {
                self.runtime_classes.insert(metadata.name.clone(), (**class).clone());
            }
            Object::LimitRange(range) => {
                let mut range = (**range).clone();
                fill_limit_range(&mut range);
                self.limit_ranges.insert((metadata.namespace.clone(), metadata.name.clone()), range);
            }
            Object::Node(_) => {
                let labels: StringMap = TOPOLOGY_LABELS
                    .into_iter()
                    .filter_map(|key| metadata.labels.get_key_value(key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                if !labels.is_empty() {
                    self.topology.insert(metadata.name.clone(), labels);
                }
            }
            Object::StorageClass(class)
                if class.metadata.annotations.get(DEFAULT_STORAGE_CLASS).is_some_and(|value| value == "true") =>
            {
                let created = metadata.creation_timestamp.map_or(i64::MIN, |time| time.0);
                let candidate = (std::cmp::Reverse(created), metadata.name.clone());
                if self.default_storage_class.as_ref().is_none_or(|best| candidate < *best) {
                    self.default_storage_class = Some(candidate);
                }
            }
            _ => {}
        }
    }

    /// Admits a new pod whose stored defaults are filled in.
    ///
    /// # Errors
    /// Why the API server would refuse the pod, in one line.
    pub fn admit(&self, pod: &mut Pod) -> Result<(), String> {
        self.apply_limit_ranges(pod);
        self.set_priority(pod)?;
        tolerate_failing_nodes(&mut pod.spec.tolerations);
        if let Some(name) = &pod.spec.runtime_class_name {
            let class = self
                .runtime_classes
                .get(name)
                .ok_or_else(|| format!("there is no RuntimeClass {name} (spec.runtimeClassName)"))?;
            runtime_class::apply(pod, class)?;
        }
        if let Some(labels) = self.topology.get(&pod.spec.node_name) {
            pod.metadata.labels.extend(labels.clone());
        }
        merge_label_keys(pod);
        // An API server fills in again whenever it reads what it has stored, so also behind what was added here.
        fill_stored(pod);
        Ok(())
    }

    /// Admits a new PersistentVolumeClaim: one that names no storage class gets the default one.
    pub fn admit_claim(&self, claim: &mut StoredObject) {
        const BETA_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
        let Some((_, class)) = &self.default_storage_class else {
            return;
        };
        if claim.metadata.annotations.contains_key(BETA_ANNOTATION) {
            return;
        }
        if let Value::Object(fields) = &mut claim.value
            && let Value::Object(spec) = fields.entry("spec").or_insert_with(|| json!({}))
            && spec.get("storageClassName").is_none_or(Value::is_null)
        {
            spec.insert("storageClassName".into(), json!(class));
        }
    }

    /// Admits a new PodGroup of Kubernetes' own API: its priority is that of its class.
    ///
    /// # Errors
    /// Why the API server would refuse the group, in one line.
    pub fn admit_group(&self, group: &mut CorePodGroup) -> Result<(), String> {
        let name = &group.spec.priority_class_name;
        if name.is_empty() || group.spec.priority.is_some() {
            return Ok(());
        }
        let class = self.priority_classes.get(name);
        let class = class.ok_or_else(|| format!("there is no PriorityClass {name} (spec.priorityClassName)"))?;
        group.spec.priority = Some(class.value);
        Ok(())
    }

    /// Defaults of the namespace's LimitRanges for what containers do not name.
    fn apply_limit_ranges(&self, pod: &mut Pod) {
        let namespace = &pod.metadata.namespace;
        let ranges = self.limit_ranges.iter().filter(|((of, _), _)| of == namespace);
        for (_, range) in ranges {
            // Within one LimitRange a later entry replaces an earlier one.
            let (mut requests, mut limits) = (ResourceList::default(), ResourceList::default());
            for item in range.spec.limits.iter().filter(|item| item.kind == "Container") {
                requests.extend(item.default_request.iter().map(|(name, amount)| (name.clone(), *amount)));
                limits.extend(item.default.iter().map(|(name, amount)| (name.clone(), *amount)));
            }
            for container in pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers) {
                fill_missing(&mut container.resources.limits, &limits);
                fill_missing(&mut container.resources.requests, &requests);
            }
        }
    }

    /// Priority and preemption policy of the pod's PriorityClass, else of the global default, else 0.
    fn set_priority(&self, pod: &mut Pod) -> Result<(), String> {
        let name = &pod.spec.priority_class_name;
        let class = if !name.is_empty() {
            match self.priority_classes.get(name) {
                Some(class) => Some(class),
                // A number makes up for the missing class.
                None if pod.spec.priority.is_some() => None,
                None => return Err(format!("there is no PriorityClass {name} (spec.priorityClassName)")),
            }
        } else if pod.spec.priority.is_some() {
            None
        } else {
            // The lowest, should there be several.
            let defaults = self.priority_classes.values().filter(|class| class.global_default);
            defaults.min_by_key(|class| class.value)
        };
        if let Some(class) = class {
            pod.spec.priority.get_or_insert(class.value);
            if pod.spec.preemption_policy.is_none() {
                pod.spec.preemption_policy.clone_from(&class.preemption_policy);
            }
            pod.spec.priority_class_name.clone_from(&class.metadata.name);
        }
        pod.spec.priority.get_or_insert(0);
        pod.spec.preemption_policy.get_or_insert_with(|| PREEMPT_LOWER_PRIORITY.to_owned());
        Ok(())
    }
}

fn tolerate_failing_nodes(tolerations: &mut Vec<Toleration>) {
    let missing = FAILING_NODE_TAINTS.into_iter().filter(|taint| {
        !tolerations.iter().any(|toleration| {
            (toleration.key == *taint || toleration.key.is_empty()) && matches!(&*toleration.effect, "" | "NoExecute")
        })
    });
    let missing: Vec<Toleration> = missing
        .map(|taint| Toleration {
            key: taint.to_owned(),
            operator: "Exists".into(),
            effect: "NoExecute".into(),
            toleration_seconds: Some(FAILING_NODE_SECONDS),
            ..Toleration::default()
        })
        .collect();
    tolerations.extend(missing);
}
