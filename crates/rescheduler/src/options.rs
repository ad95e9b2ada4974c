//! What the plugin's arguments come to.

use loadline_framework::FieldError;
use loadline_model::duration;
use loadline_model::{Selector, Str, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::balance::Resource;

/// Rounding is no reason to call a node full, percent points.
pub(crate) const SLACK: f64 = 1e-6;

/// What a round looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Strategy {
    /// Moves pods from the fullest nodes to emptier ones while they are further apart than the threshold.
    LoadBalancing,
    /// Relieves nodes whose use is above a mark.
    ResourceOptimization,
    /// Empties nodes that are marked for maintenance.
    NodeMaintenance,
}

impl Strategy {
    /// The name in the configuration, in plans and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalancing => "LoadBalancing",
            Self::ResourceOptimization => "ResourceOptimization",
            Self::NodeMaintenance => "NodeMaintenance",
        }
    }
}

/// What becomes of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is shown.
    Observe,
    /// It is carried out.
    Act,
}

/// How many moves a round may have; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub round: Option<usize>,
    /// From one node.
    pub node: Option<usize>,
    /// Of one namespace.
    pub namespace: Option<usize>,
    /// Of one owner.
    pub owner: Option<usize>,
}

/// The arguments, compiled. Percentages are 0 to 100, times nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Cpu use above which a node is full.
    pub cpu_threshold: f64,
    /// Memory use above which a node is full.
    pub memory_threshold: f64,
    /// Use down to which a full node is relieved; `None`: ten below each threshold.
    pub low_mark: Option<f64>,
    /// What a round looks for.
    pub strategies: Vec<Strategy>,
    /// Difference of use between two nodes that is let be, percent points.
    pub imbalance_threshold: f64,
    /// Namespaces whose pods stay.
    pub excluded_namespaces: Vec<Str>,
    /// Pods that stay; `None`: none.
    pub excluded_pods: Option<Selector>,
    /// Least improvement that is worth a move, percent points.
    pub min_gain: f64,
    /// Younger pods stay.
    pub min_pod_age: Time,
    /// Pods without a controller may be moved: that is, deleted for good.
    pub allow_bare_pods: bool,
    /// The only pod of its controller may be moved.
    pub allow_single_replica: bool,
    /// Pods with emptyDir or hostPath volumes may be moved.
    pub allow_local_storage: bool,
    /// Limits of a round.
    pub limits: Limits,
    /// Whether rounds are made at all.
    pub controller: bool,
    /// PreBind tells of nodes that are about to pass a threshold.
    pub preventive: bool,
    /// What becomes of plans; `None` where nothing is written.
    pub mode: Option<Mode>,
    /// From one round to the next.
    pub interval: Time,
    /// Rounds in a row that have to find a node bad before anything is moved.
    pub readings: u32,
    /// Rest for an owner and a node after a move.
    pub cool_down: Time,
    /// Moves under way at a time.
    pub max_moves_at_once: usize,
    /// Evictions a second.
    pub evictions_per_second: f64,
    /// How long a move may take.
    pub move_deadline: Time,
}

const SECOND: Time = 1_000_000_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            cpu_threshold: 80.0,
            memory_threshold: 80.0,
            low_mark: None,
            strategies: vec![Strategy::LoadBalancing],
            imbalance_threshold: 20.0,
            excluded_namespaces: vec!["kube-system".into(), "kube-public".into()],
            excluded_pods: None,
            min_gain: 2.0,
            min_pod_age: 300 * SECOND,
            allow_bare_pods: false,
            allow_single_replica: false,
            allow_local_storage: false,
            limits: Limits { round: Some(10), node: Some(2), namespace: Some(5), owner: Some(1) },
            controller: true,
            preventive: true,
            mode: None,
            interval: 30 * SECOND,
            readings: 3,
            cool_down: 600 * SECOND,
            max_moves_at_once: 5,
            evictions_per_second: 1.0,
            move_deadline: 300 * SECOND,
        }
    }
}

/// The arguments as they are written; what is absent has its default.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    cpu_threshold: f64,
    memory_threshold: f64,
    low_mark: Option<f64>,
    enabled_strategies: Vec<Strategy>,
    imbalance_threshold: f64,
    excluded_namespaces: Vec<String>,
    excluded_pod_selector: String,
    min_gain: f64,
    min_pod_age: String,
    allow_bare_pods: bool,
    allow_single_replica: bool,
    allow_local_storage: bool,
    max_reschedule_pods: usize,
    max_moves_per_node: usize,
    max_moves_per_namespace: usize,
    max_moves_per_owner: usize,
    max_moves_at_once: usize,
    evictions_per_second: f64,
    move_deadline: String,
    enable_rescheduling_controller: bool,
    enable_preventive_rescheduling: bool,
    mode: Option<Mode>,
    rescheduling_interval: String,
    readings: u32,
    cool_down: String,
}

impl Default for Given {
    fn default() -> Self {
        let options = Options::default();
        let Limits { round, node, namespace, owner } = options.limits;
        let text = |time: Time| format!("{}s", time / SECOND);
        Self {
            cpu_threshold: options.cpu_threshold,
            memory_threshold: options.memory_threshold,
            low_mark: options.low_mark,
            enabled_strategies: options.strategies,
            imbalance_threshold: options.imbalance_threshold,
            excluded_namespaces: options.excluded_namespaces.iter().map(Str::to_string).collect(),
            excluded_pod_selector: String::new(),
            min_gain: options.min_gain,
            min_pod_age: text(options.min_pod_age),
            allow_bare_pods: options.allow_bare_pods,
            allow_single_replica: options.allow_single_replica,
            allow_local_storage: options.allow_local_storage,
            max_reschedule_pods: round.unwrap_or(usize::MAX),
            max_moves_per_node: node.unwrap_or(usize::MAX),
            max_moves_per_namespace: namespace.unwrap_or(usize::MAX),
            max_moves_per_owner: owner.unwrap_or(usize::MAX),
            max_moves_at_once: options.max_moves_at_once,
            evictions_per_second: options.evictions_per_second,
            move_deadline: text(options.move_deadline),
            enable_rescheduling_controller: options.controller,
            enable_preventive_rescheduling: options.preventive,
            mode: options.mode,
            rescheduling_interval: text(options.interval),
            readings: options.readings,
            cool_down: text(options.cool_down),
        }
    }
}

impl Options {
    /// From the arguments of the plugin, which its descriptor has found valid.
    ///
    /// # Errors
    /// What the descriptor would have found.
    pub fn from_args(args: &Value) -> Result<Self, Vec<FieldError>> {
        let given: Given = Given::deserialize(args).map_err(|error| vec![FieldError::new("", error.to_string())])?;
        let time = |name: &str, text: &str| {
            let none = || vec![FieldError::new(name, format!("`{text}` is not a duration such as 30s"))];
            duration::parse(text).ok_or_else(none)
        };
        let selector = given.excluded_pod_selector.trim();
        let excluded_pods = (!selector.is_empty()).then(|| Selector::parse(selector)).transpose();
        Ok(Self {
            cpu_threshold: given.cpu_threshold,
            memory_threshold: given.memory_threshold,
            low_mark: given.low_mark,
            strategies: given.enabled_strategies,
            imbalance_threshold: given.imbalance_threshold,
            excluded_namespaces: given.excluded_namespaces.iter().map(|name| name.as_str().into()).collect(),
            excluded_pods: excluded_pods.map_err(|error| vec![FieldError::new("excludedPodSelector", error)])?,
            min_gain: given.min_gain,
            min_pod_age: time("minPodAge", &given.min_pod_age)?,
            allow_bare_pods: given.allow_bare_pods,
            allow_single_replica: given.allow_single_replica,
            allow_local_storage: given.allow_local_storage,
            limits: Limits {
                round: Some(given.max_reschedule_pods),
                node: Some(given.max_moves_per_node),
                namespace: Some(given.max_moves_per_namespace),
                owner: Some(given.max_moves_per_owner),
            },
            controller: given.enable_rescheduling_controller,
            preventive: given.enable_preventive_rescheduling,
            mode: given.mode,
            interval: time("reschedulingInterval", &given.rescheduling_interval)?,
            readings: given.readings,
            cool_down: time("coolDown", &given.cool_down)?,
            max_moves_at_once: given.max_moves_at_once,
            evictions_per_second: given.evictions_per_second,
            move_deadline: time("moveDeadline", &given.move_deadline)?,
        })
    }

    /// The high mark of a resource.
    pub fn high(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Cpu => self.cpu_threshold,
            Resource::Memory => self.memory_threshold,
        }
    }

    /// The low mark of a resource.
    pub fn low(&self, resource: Resource) -> f64 {
        /// How far below the high mark it is when nothing is said.
        const BELOW: f64 = 10.0;
        self.low_mark.unwrap_or(self.high(resource) - BELOW).clamp(0.0, self.high(resource))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_arguments_it_is_the_default() {
        assert_eq!(Options::from_args(&json!({})), Ok(Options::default()));
    }

    #[test]
    fn every_argument_arrives() {
        let options = Options::from_args(&json!({
            "cpuThreshold": 70, "memoryThreshold": 75.5, "lowMark": 50, "enabledStrategies": ["NodeMaintenance"],
            "imbalanceThreshold": 15, "excludedNamespaces": ["a"], "excludedPodSelector": "app=web", "minGain": 1,
            "minPodAge": "1m", "allowBarePods": true, "allowSingleReplica": true, "allowLocalStorage": true,
            "maxReschedulePods": 1, "maxMovesPerNode": 3, "maxMovesPerNamespace": 4, "maxMovesPerOwner": 5,
            "maxMovesAtOnce": 6, "evictionsPerSecond": 0.5, "moveDeadline": "7m", "enableReschedulingController": false,
            "enablePreventiveRescheduling": false, "mode": "observe", "reschedulingInterval": "8s", "readings": 9,
            "coolDown": "10s", "enableSchedulingOptimization": false, "cpuScoreWeight": 1.0,
        }))
        .unwrap();
        let expected = Options {
            cpu_threshold: 70.0,
            memory_threshold: 75.5,
            low_mark: Some(50.0),
            strategies: vec![Strategy::NodeMaintenance],
            imbalance_threshold: 15.0,
            excluded_namespaces: vec!["a".into()],
            excluded_pods: Some(Selector::parse("app=web").unwrap()),
            min_gain: 1.0,
            min_pod_age: 60 * SECOND,
            allow_bare_pods: true,
            allow_single_replica: true,
            allow_local_storage: true,
            limits: Limits { round: Some(1), node: Some(3), namespace: Some(4), owner: Some(5) },
            controller: false,
            preventive: false,
            mode: Some(Mode::Observe),
            interval: 8 * SECOND,
            readings: 9,
            cool_down: 10 * SECOND,
            max_moves_at_once: 6,
            evictions_per_second: 0.5,
            move_deadline: 420 * SECOND,
        };
        assert_eq!(options, expected);
        assert_eq!((options.low(Resource::Cpu), options.high(Resource::Memory)), (50.0, 75.5));
        assert!((Options::default().low(Resource::Cpu) - 70.0).abs() < 1e-9);
        let wrong = Options::from_args(&json!({"excludedPodSelector": "a b"})).unwrap_err();
        assert_eq!(wrong[0].path, "excludedPodSelector");
    }
}
