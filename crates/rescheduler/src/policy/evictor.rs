//! DefaultEvictor: who may be moved by a policy.

use std::collections::BTreeMap;

use loadline_engine::Engine;
use loadline_framework::Cluster;
use loadline_model::{Map, Marks, PodInfo, Selector, Str, Time, VolumeSource, duration};

use super::args::{DefaultEvictorArgs, LabelSelector};
use crate::owners::{OwnerKey, Situation, key, living};
use crate::refusal::Refusal;
use crate::rules::{is_critical, is_of_gang};

/// Fewer replicas say nothing.
const LEAST_REPLICAS: usize = 2;

/// Values of the classes that every cluster has.
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The evictor of a profile, with what it goes by.
pub(crate) struct Evictor<'a> {
    args: &'a DefaultEvictorArgs,
    situation: &'a Situation,
    schedulers: Vec<Str>,
    living: Map<OwnerKey, usize>,
    labels: Option<Selector>,
    namespaces: Option<Selector>,
    threshold: Option<i32>,
    min_age: Option<Time>,
}

impl<'a> Evictor<'a> {
    /// An error names a PriorityClass that is not there.
    pub(crate) fn new(
        engine: &Engine,
        situation: &'a Situation,
        args: &'a DefaultEvictorArgs,
        priorities: &BTreeMap<String, i32>,
    ) -> Result<Self, String> {
        let compiled = |selector: &Option<LabelSelector>| {
            let selector = selector.as_ref().map(LabelSelector::compile);
            selector.transpose().map_err(|error| format!("{}: {}", error.path, error.message))
        };
        let threshold = match &args.priority_threshold {
            None => None,
            Some(threshold) if threshold.name.is_empty() => threshold.value,
            Some(threshold) => {
                let of_system =
                    SYSTEM_CLASSES.iter().find(|(name, _)| *name == threshold.name).map(|(_, value)| *value);
                let value = priorities.get(&threshold.name).copied().or(of_system);
                Some(value.ok_or_else(|| {
                    format!("DefaultEvictor: there is no PriorityClass `{}` for the priorityThreshold", threshold.name)
                })?)
            }
        };
        let profiles = &engine.profiles().profiles;
        Ok(Self {
            situation,
            schedulers: profiles.iter().map(|profile| profile.scheduler_name.clone()).collect(),
            living: living(engine),
            labels: compiled(&args.label_selector)?,
            namespaces: compiled(&args.namespace_label_selector)?,
            threshold,
            min_age: args.min_pod_age.as_deref().and_then(duration::parse),
            args,
        })
    }

    fn protects(&self, name: &str) -> bool {
        let args = self.args;
        let protections = &args.pod_protections;
        let named = |names: &[String]| names.iter().any(|given| given == name);
        if named(&protections.extra_enabled) {
            return true;
        }
        match name {
            "PodsWithLocalStorage" => !named(&protections.default_disabled) && !args.evict_local_storage_pods,
            "DaemonSetPods" => !named(&protections.default_disabled) && !args.evict_daemon_set_pods,
            "SystemCriticalPods" => !named(&protections.default_disabled) && !args.evict_system_critical_pods,
            "FailedBarePods" => !named(&protections.default_disabled) && !args.evict_failed_bare_pods,
            "PodsWithPVC" => args.ignore_pvc_pods,
            "PodsWithoutPDB" => args.ignore_pods_without_pdb,
            _ => false,
        }
    }

    /// Why a pod stays.
    pub(crate) fn refusal(&self, pod: &PodInfo, _from: &Str, engine: &Engine) -> Option<Refusal> {
        let always = [
            (Refusal::OtherScheduler, !self.schedulers.contains(&pod.scheduler_name)),
            (Refusal::Gang, is_of_gang(pod)),
            (
                Refusal::ExcludedNamespace,
                self.namespaces
                    .as_ref()
                    .is_some_and(|selector| !selector.matches(engine.cluster().namespace_labels(&pod.namespace))),
            ),
        ];
        let refused = always.into_iter().find_map(|(refusal, holds)| holds.then_some(refusal));
        if refused.is_some() || pod.marks.has(Marks::EVICT) {
            return refused;
        }
        let is_failed = pod.is_in_phase("Failed");
        let bare = pod.owner.is_none() && (self.protects("FailedBarePods") || !is_failed);
        let critical = self.protects("SystemCriticalPods");
        let has_claim = || {
            pod.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::Claim(_) | VolumeSource::Ephemeral))
        };
        let has_budget = || {
            let mut budgets = engine.disruption_budgets(&pod.namespace).iter();
            budgets.any(|budget| budget.selector.matches(&pod.labels))
        };
        let is_daemon = pod.owner.as_ref().is_some_and(|owner| owner.kind == *"DaemonSet");
        let few = self.args.min_replicas >= LEAST_REPLICAS
            && key(pod).is_some_and(|key| self.living.get(&key).copied().unwrap_or(0) < self.args.min_replicas);
        let age = pod.started.or(pod.created).map(|since| self.situation.now.saturating_sub(since));
        let young = self.min_age.zip(age).is_some_and(|(least, age)| age < least);
        let table = [
            (
                Refusal::PrefersNoEviction,
                self.args.no_eviction_policy == "Mandatory" && pod.marks.has(Marks::PREFER_NO_EVICTION),
            ),
            (Refusal::Mirror, pod.marks.has(Marks::MIRROR)),
            (Refusal::Static, pod.marks.has(Marks::STATIC)),
            (Refusal::Terminating, pod.is_terminating()),
            (Refusal::DaemonSet, is_daemon && self.protects("DaemonSetPods")),
            (Refusal::SystemCritical, critical && is_critical(pod)),
            (Refusal::PriorityThreshold, critical && self.threshold.is_some_and(|threshold| pod.priority >= threshold)),
            (Refusal::Bare, bare),
            (Refusal::LocalStorage, pod.marks.has(Marks::LOCAL_STORAGE) && self.protects("PodsWithLocalStorage")),
            (Refusal::VolumeClaim, self.protects("PodsWithPVC") && has_claim()),
            (Refusal::NoBudget, self.protects("PodsWithoutPDB") && !has_budget()),
            (Refusal::ResourceClaim, self.protects("PodsWithResourceClaims") && !pod.resource_claims.is_empty()),
            (Refusal::ExcludedPod, self.labels.as_ref().is_some_and(|labels| !labels.matches(&pod.labels))),
            (Refusal::SingleReplica, few),
            (Refusal::Young, young),
        ];
        table.into_iter().find_map(|(refusal, holds)| holds.then_some(refusal))
    }
}
