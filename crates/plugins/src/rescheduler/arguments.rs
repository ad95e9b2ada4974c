//! What the Rescheduler may be told.

use loadline_framework::{ArgField, ArgKind, FieldError};
use loadline_model::{Selector, duration};
use serde_json::Value;

const PERCENT: ArgKind = ArgKind::Number { min: 0.0, max: 100.0 };
const COUNT: ArgKind = ArgKind::Int { min: 1, max: 1_000_000 };
const STRATEGIES: ArgKind = ArgKind::Enum(&["LoadBalancing", "ResourceOptimization", "NodeMaintenance"]);

const fn field(name: &'static str, kind: ArgKind, default: &'static str, help: &'static str) -> ArgField {
    ArgField { name, kind, default, help }
}

/// All arguments.
pub(super) const FIELDS: &[ArgField] = &[
    field(
        "cpuThreshold",
        PERCENT,
        "80.0",
        "Cpu use above which a node is full, percent of its allocatable cpu: the high mark.",
    ),
    field(
        "memoryThreshold",
        PERCENT,
        "80.0",
        "Memory use above which a node is full, percent of its allocatable memory: the high mark.",
    ),
    field("enableSchedulingOptimization", ArgKind::Bool, "true", "Filter and Score take part in placing pods."),
    field(
        "enablePreventiveRescheduling",
        ArgKind::Bool,
        "true",
        "With ResourceOptimization: a node that a pod on its way takes above a threshold, by requests, is planned for within five seconds and without more readings; all limits of the planner hold. Not for a resource of which the node's real use is known.",
    ),
    field("cpuScoreWeight", ArgKind::Number { min: 0.0, max: 1.0 }, "0.6", "What free cpu counts in the score."),
    field("memoryScoreWeight", ArgKind::Number { min: 0.0, max: 1.0 }, "0.4", "What free memory counts in the score."),
    field(
        "loadBalanceBonus",
        ArgKind::Number { min: 0.0, max: 50.0 },
        "10.0",
        "What the score is raised by while both cpu and memory are used below 30 percent.",
    ),
    field("enableReschedulingController", ArgKind::Bool, "true", "Plans are made at all while the scheduler runs."),
    field("reschedulingInterval", ArgKind::Duration, "\"30s\"", "From one plan to the next."),
    field(
        "enabledStrategies",
        ArgKind::List(&STRATEGIES),
        "[\"LoadBalancing\"]",
        "What plans are made for; whatever their order, nodes are emptied first, then relieved, then evened out.",
    ),
    field("maxReschedulePods", COUNT, "10", "Most moves of a plan."),
    field("imbalanceThreshold", PERCENT, "20", "Difference of use between two nodes that is let be, percent points."),
    field(
        "excludedNamespaces",
        ArgKind::List(&ArgKind::Text),
        "[\"kube-system\", \"kube-public\"]",
        "Namespaces whose pods are not moved.",
    ),
    field(
        "excludedPodSelector",
        ArgKind::Text,
        "\"\"",
        "Labels of pods that are not moved, such as app=web,tier!=cache.",
    ),
    field(
        "mode",
        ArgKind::Enum(&["observe", "act"]),
        "",
        "Whether plans are shown or carried out; without it they are carried out where enableReschedulingController is true.",
    ),
    field(
        "lowMark",
        PERCENT,
        "",
        "Use down to which a full node is relieved, percent; ten below each threshold without it.",
    ),
    field("readings", COUNT, "3", "Plans in a row that have to find a node bad before anything is moved from it."),
    field("coolDown", ArgKind::Duration, "\"10m\"", "Rest of an owner and of a node after a move."),
    field("minGain", PERCENT, "2", "Least improvement that is worth a move, percent points."),
    field("minPodAge", ArgKind::Duration, "\"5m\"", "Younger pods are not moved."),
    field("maxMovesPerNode", COUNT, "2", "Most moves from one node in a plan."),
    field("maxMovesPerNamespace", COUNT, "5", "Most moves of pods of one namespace in a plan."),
    field("maxMovesPerOwner", COUNT, "1", "Most moves of pods of one controller in a plan."),
    field("maxMovesAtOnce", COUNT, "5", "Most moves that are under way at a time."),
    field("evictionsPerSecond", ArgKind::Number { min: 0.001, max: 1000.0 }, "1", "Most evictions a second."),
    field("moveDeadline", ArgKind::Duration, "\"5m\"", "How long a move may take before it is given up."),
    field("allowBarePods", ArgKind::Bool, "false", "Pods without a controller may be moved: nothing replaces them."),
    field("allowSingleReplica", ArgKind::Bool, "false", "The only pod of a controller may be moved."),
    field("allowLocalStorage", ArgKind::Bool, "false", "Pods with emptyDir or hostPath volumes may be moved."),
];

/// Checks beyond types and bounds.
pub(super) fn validate(args: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let number = |name: &str| args[name].as_f64();
    if let Some(low) = number("lowMark") {
        for name in ["cpuThreshold", "memoryThreshold"] {
            if number(name).is_some_and(|high| low > high) {
                errors.push(FieldError::new(
                    "lowMark",
                    format!("must not be above {name}: a node would never be relieved"),
                ));
            }
        }
    }
    if let Some(Err(error)) = args["excludedPodSelector"].as_str().map(Selector::parse) {
        errors.push(FieldError::new("excludedPodSelector", error));
    }
    for (name, least) in [("reschedulingInterval", 1), ("moveDeadline", 1), ("coolDown", 0), ("minPodAge", 0)] {
        let nanoseconds = args[name].as_str().and_then(duration::parse);
        if nanoseconds.is_some_and(|time| time < least * duration::SECOND) {
            errors.push(FieldError::new(name, format!("must be {least}s or more")));
        }
    }
    errors
}
