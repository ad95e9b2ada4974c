//! Coscheduling: the pods of a group are placed together or not at all. The engine plans a gang whole; here are its arguments, the
//! order of the queue, and whom a gang preempts.

use std::cmp::Ordering;
use std::sync::Arc;

use loadline_framework::{
    Action, ArgField, ArgKind, ClusterEvent, Code, DefaultProfile, Descriptor, ExtensionPoint, FieldError,
    GangSettings, Permit, Plugin, PostBind, PostFilter, PostFilterResult, QueueSort, Resource, Status, WhatIf,
};
use loadline_model::duration::SECOND;
use loadline_model::{PodInfo, Str, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::args::decode;
use crate::gate::NothingToDo;

mod preemption;
#[cfg(test)]
mod tests;

use preemption::Preemption;

/// Name in the configuration.
pub const NAME: &str = loadline_framework::COSCHEDULING;

const SECONDS: ArgKind = ArgKind::Int { min: 0, max: 86_400 };
const OLDER_WAIT: &str = "permitWaitingTime";

/// What is known about it.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Places the pods of a PodGroup together or not at all: the whole gang is planned at once, and holds nothing while it waits. It is active wherever a profile enables it.",
    points: &[
        ExtensionPoint::QueueSort,
        ExtensionPoint::PreFilter,
        ExtensionPoint::PostFilter,
        ExtensionPoint::Reserve,
        ExtensionPoint::Permit,
        ExtensionPoint::PostBind,
    ],
    default_profile: DefaultProfile::Absent,
    args: &[
        ArgField {
            name: "permitWaitingTimeSeconds",
            kind: SECONDS,
            default: "60",
            help: "How long the pods of a planned gang may be on their way to their nodes, seconds; for so long a binding that failed is tried again. 0: 60. The PodGroup's scheduleTimeoutSeconds comes first.",
        },
        ArgField {
            name: OLDER_WAIT,
            kind: SECONDS,
            default: "",
            help: "The older name of permitWaitingTimeSeconds, which it takes the place of.",
        },
        ArgField {
            name: "podGroupBackoffSeconds",
            kind: SECONDS,
            default: "0",
            help: "At least so long until a gang that did not fit is tried again, seconds; 0: as any pod.",
        },
        ArgField {
            name: "podGroupRejectPercentage",
            kind: ArgKind::Int { min: 0, max: 100 },
            default: "10",
            help: "A gang that lacks no more than this share of its minimum, percent, is spared podGroupBackoffSeconds.",
        },
        ArgField {
            name: "reserveAfterSeconds",
            kind: SECONDS,
            default: "300",
            help: "The first gang in line for which there is no room for so long gets a reservation, so that smaller pods do not fill each gap before it, seconds; 0: never.",
        },
        ArgField {
            name: "reserveForSeconds",
            kind: SECONDS,
            default: "600",
            help: "How long a reservation lasts, seconds; then it is the next gang's turn.",
        },
    ],
    validate,
    events: &[
        ClusterEvent::new(Resource::Pod, Action::DELETE),
        ClusterEvent::new(Resource::Node, Action::ADD),
        ClusterEvent::new(Resource::Node, Action::UPDATE_NODE_ALLOCATABLE),
        ClusterEvent::new(Resource::Node, Action::UPDATE_NODE_TAINT),
        ClusterEvent::new(Resource::Node, Action::UPDATE_NODE_LABEL),
    ],
    build: |args| {
        let args: Args = decode(args)?;
        let plugin = Plugin::new(NAME).with_queue_sort(Coscheduling).with_gangs(args.settings());
        let plugin = plugin.with_node(NothingToDo).with_reserve(NothingToDo);
        Ok(plugin.with_post_filter(Coscheduling).with_permit(Coscheduling).with_post_bind(Coscheduling))
    },
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    permit_waiting_time_seconds: i64,
    #[serde(default)]
    permit_waiting_time: Option<i64>,
    pod_group_backoff_seconds: i64,
    pod_group_reject_percentage: u32,
    reserve_after_seconds: i64,
    reserve_for_seconds: i64,
}

impl Args {
    fn settings(&self) -> GangSettings {
        /// What 0 stands for, as in scheduler-plugins.
        const USUAL: i64 = 60;
        let wait = self.permit_waiting_time.unwrap_or(self.permit_waiting_time_seconds);
        GangSettings {
            wait: if wait == 0 { USUAL } else { wait } * SECOND,
            backoff: self.pod_group_backoff_seconds * SECOND,
            near_miss: self.pod_group_reject_percentage,
            reserve_after: self.reserve_after_seconds * SECOND,
            reserve_for: self.reserve_for_seconds * SECOND,
            preemption: Arc::new(Preemption),
        }
    }
}

fn validate(args: &Value) -> Vec<FieldError> {
    let number = |name: &str| args.get(name).and_then(Value::as_i64);
    if number("reserveAfterSeconds") > Some(0) && number("reserveForSeconds") == Some(0) {
        return vec![FieldError::new(
            "reserveForSeconds",
            "must be 1 or more where reserveAfterSeconds is: a reservation that lasts for no time is none",
        )];
    }
    Vec::new()
}

/// What stands at the points where scheduler-plugins' Coscheduling does its work: configurations name it there. Here a gang is planned
/// before any of its pods comes to one of them, so that nothing is left to be done.
struct Coscheduling;

impl PostFilter for Coscheduling {
    fn post_filter(&self, _pod: &Arc<PodInfo>, _cluster: &dyn WhatIf) -> PostFilterResult {
        let status = Status { code: Code::Unschedulable, reasons: Vec::new() };
        PostFilterResult { status, nominate: None, victims: Vec::new(), hold: None }
    }
}

impl Permit for Coscheduling {
    fn permit(&self, _pod: &PodInfo, _node: &Str) -> (Status, Time) {
        (Status::success(), 0)
    }
}

impl PostBind for Coscheduling {
    fn post_bind(&self, _pod: &PodInfo, _node: &Str) {}
}

impl QueueSort for Coscheduling {
    /// Of a gang's one entry the queue gives the group's time.
    fn compare(&self, a: (&PodInfo, Time), b: (&PodInfo, Time)) -> Ordering {
        b.0.priority.cmp(&a.0.priority).then_with(|| a.1.cmp(&b.1))
    }
}
