//! What a DeschedulerPolicy may say, field by field as the descheduler has it. Unknown fields are errors of whoever reads it.

use std::collections::BTreeMap;

use loadline_framework::FieldError;
use loadline_model::{Operator, Requirement, Selector, duration};
use serde::Deserialize;

macro_rules! args {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
            #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
            pub struct $name {
                /// `descheduler/v1alpha2`, where it is written.
                pub api_version: String,
                /// Kind, where it is written.
                pub kind: String,
                $($(#[$field_meta])* pub $field: $type,)*
            }
        )*
    };
}

/// Namespaces by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Namespaces {
    /// Only these; all when empty.
    pub include: Vec<String>,
    /// All but these.
    pub exclude: Vec<String>,
}

impl Namespaces {
    /// Whether a namespace is meant.
    pub fn has(&self, namespace: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == namespace);
        (self.include.is_empty() || named(&self.include)) && !named(&self.exclude)
    }

    fn check(&self, field: &str, errors: &mut Vec<FieldError>) {
        if !self.include.is_empty() && !self.exclude.is_empty() {
            errors.push(FieldError::new(field, "only one of include and exclude can be set"));
        }
    }
}

/// A `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels that must be equal.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement of a label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelRequirement {
    /// Label key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values.
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Compiled.
    ///
    /// # Errors
    /// The path below it, and what is wrong there.
    pub fn compile(&self) -> Result<Selector, FieldError> {
        let equal = self
            .match_labels
            .iter()
            .map(|(key, value)| Requirement::new(key.as_str().into(), Operator::In, vec![value.as_str().into()]));
        let mut requirements: Vec<Requirement> = equal.collect();
        for (at, expression) in self.match_expressions.iter().enumerate() {
            let path = format!("matchExpressions[{at}]");
            let (operator, wants_values) = match expression.operator.as_str() {
                "In" => (Operator::In, true),
                "NotIn" => (Operator::NotIn, true),
                "Exists" => (Operator::Exists, false),
                "DoesNotExist" => (Operator::DoesNotExist, false),
                other => {
                    let message = format!("`{other}` is none of In, NotIn, Exists, DoesNotExist");
                    return Err(FieldError::new(format!("{path}.operator"), message));
                }
            };
            if expression.values.is_empty() == wants_values {
                let message = if wants_values { "needs values" } else { "takes no values" };
                return Err(FieldError::new(format!("{path}.values"), format!("{} {message}", expression.operator)));
            }
            let values = expression.values.iter().map(|value| value.as_str().into()).collect();
            requirements.push(Requirement::new(expression.key.as_str().into(), operator, values));
        }
        Ok(Selector::all(requirements))
    }
}

/// Percent by resource.
pub type Thresholds = BTreeMap<String, f64>;

/// A priority, by value or by the name of its class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PriorityThreshold {
    /// Value.
    pub value: Option<i32>,
    /// Name of a PriorityClass.
    pub name: String,
}

/// Which pods are protected besides, and which are not after all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodProtections {
    /// PodsWithPVC, PodsWithoutPDB, PodsWithResourceClaims.
    pub extra_enabled: Vec<String>,
    /// PodsWithLocalStorage, DaemonSetPods, SystemCriticalPods, FailedBarePods.
    pub default_disabled: Vec<String>,
    /// More about them.
    pub config: Option<ProtectionsConfig>,
}

/// More about protections.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProtectionsConfig {
    /// Of pods with claims.
    #[serde(rename = "PodsWithPVC")]
    pub pods_with_pvc: Option<ClaimsConfig>,
}

/// Which pods with claims are protected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ClaimsConfig {
    /// Those of these classes. Loadline does not move pods with claims at all.
    pub protected_storage_classes: Vec<StorageClassName>,
}

/// A StorageClass by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageClassName {
    /// Name.
    pub name: String,
}

/// Kinds of owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OwnerKinds {
    /// Only these; all when empty.
    pub include: Vec<String>,
    /// All but these.
    pub exclude: Vec<String>,
}

/// Evictions of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EvictionLimits {
    /// From one node.
    pub node: Option<usize>,
}

/// Where use comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MetricsUtilization {
    /// Deprecated: source KubernetesMetrics.
    pub metrics_server: bool,
    /// KubernetesMetrics or Prometheus.
    pub source: String,
    /// How Prometheus is asked.
    pub prometheus: Option<PrometheusUse>,
}

/// How Prometheus is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PrometheusUse {
    /// PromQL.
    pub query: String,
}

args! {
    /// Of DefaultEvictor.
    DefaultEvictorArgs {
        /// Nodes that pods may go to.
        node_selector: String,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// Namespaces in question.
        namespace_label_selector: Option<LabelSelector>,
        /// Pods below it are in question.
        priority_threshold: Option<PriorityThreshold>,
        /// Always on here.
        node_fit: Option<bool>,
        /// Owners with fewer pods keep them; below 2 it says nothing.
        min_replicas: usize,
        /// A duration.
        min_pod_age: Option<String>,
        /// `Preferred` or `Mandatory`.
        no_eviction_policy: String,
        /// Protections.
        pod_protections: PodProtections,
        /// Deprecated.
        evict_local_storage_pods: bool,
        /// Deprecated.
        evict_daemon_set_pods: bool,
        /// Deprecated.
        evict_system_critical_pods: bool,
        /// Deprecated.
        ignore_pvc_pods: bool,
        /// Deprecated.
        #[serde(rename = "ignorePodsWithoutPDB")]
        ignore_pods_without_pdb: bool,
        /// Deprecated.
        evict_failed_bare_pods: bool,
    }

    /// Of LowNodeUtilization.
    LowNodeUtilizationArgs {
        /// Thresholds are distances from the mean.
        use_deviation_thresholds: bool,
        /// Nodes below are to be filled.
        thresholds: Thresholds,
        /// Nodes above are to be relieved.
        target_thresholds: Thresholds,
        /// So many nodes have to be below and one more.
        number_of_nodes: usize,
        /// Where use comes from.
        metrics_utilization: Option<MetricsUtilization>,
        /// Namespaces whose pods stay (exclude alone).
        evictable_namespaces: Namespaces,
        /// Limits.
        eviction_limits: EvictionLimits,
    }

    /// Of HighNodeUtilization.
    HighNodeUtilizationArgs {
        /// Nodes below are to be emptied.
        thresholds: Thresholds,
        /// So many nodes have to be below and one more.
        number_of_nodes: usize,
        /// `OnlyThresholdingResources`.
        eviction_modes: Vec<String>,
        /// Namespaces whose pods stay (exclude alone).
        evictable_namespaces: Namespaces,
    }

    /// Of PodLifeTime.
    PodLifeTimeArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// Owners in question.
        owner_kinds: OwnerKinds,
        /// Older pods go.
        max_pod_life_time_seconds: Option<i64>,
        /// Phases, reasons of pods, reasons of containers.
        states: Vec<String>,
        /// Exit codes of containers.
        exit_codes: Vec<i32>,
        /// Init containers count as well.
        including_init_containers: bool,
    }

    /// Of RemoveFailedPods.
    RemoveFailedPodsArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// Pods of these owners stay.
        exclude_owner_kinds: Vec<String>,
        /// Younger pods stay; an hour when absent.
        min_pod_lifetime_seconds: Option<i64>,
        /// Reasons; any when empty.
        reasons: Vec<String>,
        /// Exit codes; any when empty.
        exit_codes: Vec<i32>,
        /// Init containers count as well.
        including_init_containers: bool,
    }

    /// Of RemovePodsHavingTooManyRestarts.
    RemovePodsHavingTooManyRestartsArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// So many restarts and more.
        pod_restart_threshold: i32,
        /// Init containers count as well.
        including_init_containers: bool,
        /// `Running`, `CrashLoopBackOff`; any when empty.
        states: Vec<String>,
    }

    /// Of RemoveDuplicates.
    RemoveDuplicatesArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods of these owners stay.
        exclude_owner_kinds: Vec<String>,
    }

    /// Of RemovePodsViolatingNodeAffinity.
    RemovePodsViolatingNodeAffinityArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// `requiredDuringSchedulingIgnoredDuringExecution`, `preferredDuringSchedulingIgnoredDuringExecution`.
        node_affinity_type: Vec<String>,
    }

    /// Of RemovePodsViolatingNodeTaints.
    RemovePodsViolatingNodeTaintsArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// Taints with PreferNoSchedule count as well.
        include_prefer_no_schedule: bool,
        /// `key` or `key=value`: these do not count.
        excluded_taints: Vec<String>,
        /// `key` or `key=value`: these alone count.
        included_taints: Vec<String>,
    }

    /// Of RemovePodsViolatingInterPodAntiAffinity.
    RemovePodsViolatingInterPodAntiAffinityArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
    }

    /// Of RemovePodsViolatingTopologySpreadConstraint.
    RemovePodsViolatingTopologySpreadConstraintArgs {
        /// Namespaces in question.
        namespaces: Namespaces,
        /// Pods in question.
        label_selector: Option<LabelSelector>,
        /// `DoNotSchedule` (alone when empty), `ScheduleAnyway`.
        constraints: Vec<String>,
        /// Always on here.
        topology_balance_node_fit: Option<bool>,
    }
}

/// What the descheduler would refuse, with the path below the arguments.
pub trait Check {
    /// Everything that is wrong.
    fn check(&self) -> Vec<FieldError>;
}

fn selector(field: &str, selector: Option<&LabelSelector>, errors: &mut Vec<FieldError>) {
    if let Some(Err(error)) = selector.map(LabelSelector::compile) {
        errors.push(FieldError::new(format!("{field}.{}", error.path), error.message));
    }
}

fn one_of(field: &str, values: &[String], known: &[&str], errors: &mut Vec<FieldError>) {
    for (at, value) in values.iter().enumerate().filter(|(_, value)| !known.contains(&value.as_str())) {
        errors.push(FieldError::new(format!("{field}[{at}]"), format!("`{value}` is none of {}", known.join(", "))));
    }
}

fn thresholds(field: &str, thresholds: &Thresholds, errors: &mut Vec<FieldError>) {
    if thresholds.is_empty() {
        errors.push(FieldError::new(field, "no threshold of any resource"));
    }
    for (name, percent) in thresholds {
        if name == "MetricResource" {
            let message = "comes with a query of its own, which is not asked here: use cpu and memory";
            errors.push(FieldError::new(format!("{field}.{name}"), message));
        } else if !(0.0..=100.0).contains(percent) {
            errors.push(FieldError::new(format!("{field}.{name}"), format!("{percent} is not from 0 to 100")));
        }
    }
}

fn exclude_alone(namespaces: &Namespaces, errors: &mut Vec<FieldError>) {
    if !namespaces.include.is_empty() {
        errors.push(FieldError::new("evictableNamespaces.include", "only exclude can be set"));
    }
}

macro_rules! check_scope {
    ($self:ident, $errors:ident) => {
        $self.namespaces.check("namespaces", &mut $errors);
        selector("labelSelector", $self.label_selector.as_ref(), &mut $errors);
    };
}

impl Check for DefaultEvictorArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Err(error) = Selector::parse(&self.node_selector) {
            errors.push(FieldError::new("nodeSelector", error));
        }
        selector("labelSelector", self.label_selector.as_ref(), &mut errors);
        selector("namespaceLabelSelector", self.namespace_label_selector.as_ref(), &mut errors);
        if self
            .priority_threshold
            .as_ref()
            .is_some_and(|priority| priority.value.is_some() && !priority.name.is_empty())
        {
            errors.push(FieldError::new("priorityThreshold", "only one of value and name can be set"));
        }
        if let Some(age) = self.min_pod_age.as_ref().filter(|age| duration::parse(age).is_none()) {
            errors.push(FieldError::new("minPodAge", format!("`{age}` is not a duration such as 10m")));
        }
        if !["", "Preferred", "Mandatory"].contains(&self.no_eviction_policy.as_str()) {
            let message = format!("`{}` is none of Preferred, Mandatory", self.no_eviction_policy);
            errors.push(FieldError::new("noEvictionPolicy", message));
        }
        let PodProtections { extra_enabled, default_disabled, .. } = &self.pod_protections;
        let deprecated = self.evict_local_storage_pods
            || self.evict_daemon_set_pods
            || self.evict_system_critical_pods
            || self.ignore_pvc_pods
            || self.ignore_pods_without_pdb
            || self.evict_failed_bare_pods;
        if deprecated && !(extra_enabled.is_empty() && default_disabled.is_empty()) {
            errors.push(FieldError::new("podProtections", "can not be set beside the older fields that it replaces"));
        }
        one_of("podProtections.extraEnabled", extra_enabled, &super::EXTRA_PROTECTIONS, &mut errors);
        one_of("podProtections.defaultDisabled", default_disabled, &super::DEFAULT_PROTECTIONS, &mut errors);
        errors
    }
}

impl Check for LowNodeUtilizationArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        exclude_alone(&self.evictable_namespaces, &mut errors);
        thresholds("thresholds", &self.thresholds, &mut errors);
        thresholds("targetThresholds", &self.target_thresholds, &mut errors);
        if !self.thresholds.keys().eq(self.target_thresholds.keys()) {
            errors.push(FieldError::new("targetThresholds", "must be of the same resources as thresholds"));
        }
        for (name, low) in &self.thresholds {
            let target = self.target_thresholds.get(name);
            if !self.use_deviation_thresholds && target.is_some_and(|target| low > target) {
                errors.push(FieldError::new(format!("thresholds.{name}"), "is above the target threshold"));
            }
        }
        if self.metrics_utilization.as_ref().is_some_and(|metrics| metrics.prometheus.is_some()) {
            let message = "is not asked here: the use of nodes comes from --usage, or from the configuration's sources";
            errors.push(FieldError::new("metricsUtilization.prometheus", message));
        }
        errors
    }
}

impl Check for HighNodeUtilizationArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        exclude_alone(&self.evictable_namespaces, &mut errors);
        thresholds("thresholds", &self.thresholds, &mut errors);
        one_of("evictionModes", &self.eviction_modes, &["OnlyThresholdingResources"], &mut errors);
        errors
    }
}

impl Check for PodLifeTimeArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        if !self.owner_kinds.include.is_empty() && !self.owner_kinds.exclude.is_empty() {
            errors.push(FieldError::new("ownerKinds", "only one of include and exclude can be set"));
        }
        if self.max_pod_life_time_seconds.is_none() && self.states.is_empty() && self.exit_codes.is_empty() {
            errors.push(FieldError::new("", "one of maxPodLifeTimeSeconds, states and exitCodes is needed"));
        }
        errors
    }
}

impl Check for RemoveFailedPodsArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        errors
    }
}

impl Check for RemovePodsHavingTooManyRestartsArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        if self.pod_restart_threshold < 1 {
            errors.push(FieldError::new("podRestartThreshold", "must be 1 or more"));
        }
        one_of("states", &self.states, &["Running", "CrashLoopBackOff"], &mut errors);
        errors
    }
}

impl Check for RemoveDuplicatesArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.namespaces.check("namespaces", &mut errors);
        errors
    }
}

impl Check for RemovePodsViolatingNodeAffinityArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        if self.node_affinity_type.is_empty() {
            errors.push(FieldError::new("nodeAffinityType", "is needed"));
        }
        one_of("nodeAffinityType", &self.node_affinity_type, &[super::REQUIRED, super::PREFERRED], &mut errors);
        errors
    }
}

impl Check for RemovePodsViolatingNodeTaintsArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        if !self.excluded_taints.is_empty() && !self.included_taints.is_empty() {
            errors.push(FieldError::new("includedTaints", "only one of includedTaints and excludedTaints can be set"));
        }
        errors
    }
}

impl Check for RemovePodsViolatingInterPodAntiAffinityArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        errors
    }
}

impl Check for RemovePodsViolatingTopologySpreadConstraintArgs {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        check_scope!(self, errors);
        one_of("constraints", &self.constraints, &["DoNotSchedule", "ScheduleAnyway"], &mut errors);
        errors
    }
}
