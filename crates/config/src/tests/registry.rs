//! A small registry: some of kube-scheduler's plugins, in its order and with its weights, and some others.

use std::cmp::Ordering;

use loadline_framework::{
    Action, ArgField, ArgKind, Bind, ClusterEvent, DefaultProfile, Descriptor, ExtensionPoint, ExtensionPoint as P,
    FieldError, NodePlugin, Permit, Plugin, PostBind, PostFilter, PostFilterResult, PreBind, PreBindStep, PreEnqueue,
    Prepare, Prepared, QueueSort, Reads, Registry, Reserve, Resource, Status, WhatIf, no_further_checks,
};
use loadline_model::{PodInfo, Str, Time};
use serde_json::Value;

pub(super) fn registry() -> Registry {
    let mut registry = Registry::new();
    for plugin in &ALL {
        registry.register(plugin).expect("each name stands here once");
    }
    registry
}

/// Does nothing, at every extension point.
struct Nothing;

impl NodePlugin for Nothing {
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(None)
    }

    fn prepare(&self, (): &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: false, scores: false }
    }
}

impl PreEnqueue for Nothing {
    fn pre_enqueue(&self, _pod: &PodInfo) -> Status {
        Status::success()
    }
}

impl QueueSort for Nothing {
    fn compare(&self, _a: (&PodInfo, Time), _b: (&PodInfo, Time)) -> Ordering {
        Ordering::Equal
    }
}

impl PostFilter for Nothing {
    fn post_filter(&self, _pod: &std::sync::Arc<PodInfo>, _cluster: &dyn WhatIf) -> PostFilterResult {
        PostFilterResult { status: Status::success(), nominate: None, victims: Vec::new(), hold: None }
    }
}

impl Reserve for Nothing {
    fn reserve(&self, _pod: &PodInfo, _node: &Str) -> Status {
        Status::success()
    }

    fn unreserve(&self, _pod: &PodInfo, _node: &Str) {}
}

impl Permit for Nothing {
    fn permit(&self, _pod: &PodInfo, _node: &Str) -> (Status, Time) {
        (Status::success(), 0)
    }
}

impl PreBind for Nothing {
    fn pre_bind(&self, _pod: &PodInfo, _node: &Str, _now: Time) -> PreBindStep {
        PreBindStep::Done
    }
}

impl Bind for Nothing {
    fn binds(&self, _pod: &PodInfo, _node: &Str) -> bool {
        true
    }
}

impl PostBind for Nothing {
    fn post_bind(&self, _pod: &PodInfo, _node: &Str) {}
}

fn complete(name: &'static str) -> Plugin {
    Plugin::new(name)
        .with_node(Nothing)
        .with_pre_enqueue(Nothing)
        .with_queue_sort(Nothing)
        .with_post_filter(Nothing)
        .with_reserve(Nothing)
        .with_permit(Nothing)
        .with_pre_bind(Nothing)
        .with_bind(Nothing)
        .with_post_bind(Nothing)
}

const NODE: &[P] = &[P::PreFilter, P::Filter, P::PreScore, P::Score];
const I32_MAX: i64 = i32::MAX as i64;

const fn arg(name: &'static str, kind: ArgKind, default: &'static str) -> ArgField {
    ArgField { name, kind, default, help: "An argument." }
}

const RESOURCES: ArgKind = ArgKind::List(&ArgKind::Object(&[
    arg("name", ArgKind::Text, ""),
    arg("weight", ArgKind::Int { min: 1, max: 100 }, "1"),
]));

const SHAPE: ArgKind = ArgKind::List(&ArgKind::Object(&[
    arg("utilization", ArgKind::Int { min: 0, max: 100 }, "0"),
    arg("score", ArgKind::Int { min: 0, max: 10 }, "0"),
]));

macro_rules! plugin {
    ($name:literal, $points:expr, $weight:expr, $args:expr, $validate:expr) => {
        Descriptor {
            name: $name,
            help: "A plugin.",
            points: $points,
            default_profile: $weight,
            args: $args,
            validate: $validate,
            events: &[ClusterEvent::new(Resource::Node, Action::ADD)],
            build: |_| Ok(complete($name)),
        }
    };
    ($name:literal, $points:expr, $weight:expr) => {
        plugin!($name, $points, $weight, &[], no_further_checks)
    };
}

const fn by_default(weight: i32) -> DefaultProfile {
    DefaultProfile::Enabled { weight }
}

static ALL: [Descriptor; 17] = [
    plugin!("SchedulingGates", &[P::PreEnqueue], by_default(0)),
    plugin!("PrioritySort", &[P::QueueSort], by_default(0)),
    plugin!("NodeName", &[P::Filter], by_default(0)),
    plugin!("TaintToleration", &[P::Filter, P::PreScore, P::Score], by_default(3)),
    plugin!("NodeAffinity", NODE, by_default(2), &[arg("addedAffinity", ArgKind::NodeAffinity, "")], no_further_checks),
    plugin!(
        "NodeResourcesFit",
        NODE,
        by_default(1),
        &[
            arg("ignoredResources", ArgKind::List(&ArgKind::Text), "[]"),
            arg(
                "scoringStrategy",
                ArgKind::Object(&[
                    arg("type", ArgKind::Enum(&["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]), "",),
                    arg("resources", RESOURCES, r#"[{"name":"cpu"},{"name":"memory","weight":1}]"#),
                    arg("requestedToCapacityRatio", ArgKind::Object(&[arg("shape", SHAPE, "")]), "",),
                ]),
                r#"{"type":"LeastAllocated"}"#,
            ),
        ],
        validate_fit
    ),
    plugin!(
        "VolumeBinding",
        &[P::PreFilter, P::Filter, P::Score, P::Reserve, P::PreBind],
        by_default(0),
        &[arg("bindTimeoutSeconds", ArgKind::Int { min: 0, max: i64::MAX }, "600")],
        no_further_checks
    ),
    plugin!(
        "PodTopologySpread",
        NODE,
        by_default(2),
        &[
            arg("defaultConstraints", ArgKind::List(&ArgKind::SpreadConstraint), ""),
            arg("defaultingType", ArgKind::Enum(&["System", "List"]), r#""System""#),
        ],
        validate_spread
    ),
    plugin!(
        "InterPodAffinity",
        NODE,
        by_default(2),
        &[
            arg("hardPodAffinityWeight", ArgKind::Int { min: 0, max: 100 }, "1"),
            arg("ignorePreferredTermsOfExistingPods", ArgKind::Bool, "false"),
        ],
        no_further_checks
    ),
    plugin!(
        "DynamicResources",
        &[P::PreEnqueue, P::PreFilter, P::Filter, P::PostFilter, P::Reserve, P::PreBind],
        by_default(2),
        &[arg("filterTimeout", ArgKind::Duration, r#""10s""#), arg("bindingTimeout", ArgKind::Duration, r#""10m0s""#),],
        no_further_checks
    ),
    plugin!(
        "DefaultPreemption",
        &[P::PreEnqueue, P::PostFilter],
        by_default(0),
        &[
            arg("minCandidateNodesPercentage", ArgKind::Int { min: 0, max: 100 }, "10"),
            arg("minCandidateNodesAbsolute", ArgKind::Int { min: 0, max: I32_MAX }, "100"),
        ],
        no_further_checks
    ),
    plugin!("ImageLocality", &[P::Score], by_default(1)),
    plugin!("DefaultBinder", &[P::Bind], by_default(0)),
    plugin!(
        "OtherSort",
        &[P::QueueSort],
        DefaultProfile::Absent,
        &[arg("reverse", ArgKind::Bool, "false")],
        no_further_checks
    ),
    plugin!(
        "RealUsage",
        &[P::Score],
        DefaultProfile::Absent,
        &[arg("address", ArgKind::Text, ""), arg("interval", ArgKind::Duration, r#""10s""#),],
        validate_usage
    ),
    plugin!("Everywhere", &ExtensionPoint::ALL, DefaultProfile::Absent),
    Descriptor {
        build: |_| Err(vec![FieldError::new("level", "there is no such level")]),
        ..plugin!("Broken", &[P::Permit], DefaultProfile::Absent, &[arg("level", ArgKind::Text, "")], no_further_checks)
    },
];

fn validate_fit(args: &Value) -> Vec<FieldError> {
    let strategy = &args["scoringStrategy"];
    match (strategy["type"].as_str(), strategy.get("requestedToCapacityRatio")) {
        (None, _) => vec![FieldError::new("scoringStrategy.type", "Required value")],
        (Some("RequestedToCapacityRatio"), None) => vec![FieldError::new(
            "scoringStrategy.requestedToCapacityRatio",
            "Required value: must be specified when type is RequestedToCapacityRatio",
        )],
        _ => Vec::new(),
    }
}

fn validate_spread(args: &Value) -> Vec<FieldError> {
    let constraints = args["defaultConstraints"].as_array().into_iter().flatten().enumerate();
    constraints
        .filter(|(_, constraint)| constraint["maxSkew"].as_i64().unwrap_or(0) <= 0)
        .map(|(index, constraint)| {
            FieldError::new(
                format!("defaultConstraints[{index}].maxSkew"),
                format!("Invalid value: {}: not in valid range (0, inf)", constraint["maxSkew"]),
            )
        })
        .collect()
}

fn validate_usage(args: &Value) -> Vec<FieldError> {
    if args.get("address").is_some() {
        return Vec::new();
    }
    vec![FieldError::new("address", "Required value: the URL of the metrics server")]
}
