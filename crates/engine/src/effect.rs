//! What the engine wants done outside: values, performed through the API by the live scheduler and in memory by the
//! simulator, and confirmed by events.

use std::sync::Arc;

use crate::scheduler::Reservation;
use loadline_framework::{SharedExtender, UsageSample, UsageSource};
use loadline_model::{
    DeviceClass, DisruptionBudget, GroupKey, Namespace, NodeSpec, PodGroupInfo, PodInfo, PodKey, ServiceSelector, Str,
    Time, WorkloadKind, WorkloadSelector,
};

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Bind the pod to the node; answer with [`crate::Scheduler::bound`].
    Bind {
        /// The pod.
        pod: Arc<PodInfo>,
        /// The node.
        node: Str,
        /// Who is to bind it in the place of the API server, if an extender does.
        extender: Option<SharedExtender>,
    },
    /// Change the pod's status.
    PatchStatus {
        /// The pod.
        pod: Arc<PodInfo>,
        /// Condition PodScheduled = False with this reason and message; `None` leaves conditions alone.
        condition: Option<(&'static str, String)>,
        /// What `status.nominatedNodeName` is to be, if it is not so already: `Some(None)` clears it, `None` leaves it alone.
        nominated_node_name: Option<Option<Str>>,
    },
    /// Delete the victims of a preemption: for each the condition DisruptionTarget, then DELETE, and what was accepted is told by
    /// [`crate::Scheduler::leaves`]. The last one alone, after [`crate::Scheduler::last_victim`], and then
    /// [`crate::Scheduler::release`].
    DeleteVictims {
        /// The pod that needs the room, or stands for its gang.
        preemptor: Arc<PodInfo>,
        /// Where a gang needs it: the uid of its PodGroup, or its namespace and name.
        gang: Option<Str>,
        /// The node.
        node: Str,
        /// The victims, never empty.
        victims: Vec<Arc<PodInfo>>,
    },
    /// Record an event.
    RecordEvent {
        /// On this pod.
        pod: Arc<PodInfo>,
        /// `Scheduled`, `FailedScheduling` or `Preempted`.
        reason: &'static str,
        /// Whether it is a warning.
        warning: bool,
        /// Text.
        note: String,
    },
    /// Record an event about a PodGroup.
    RecordGroupEvent {
        /// The PodGroup.
        group: Arc<PodGroupInfo>,
        /// The profile that schedules its pods.
        scheduler_name: Str,
        /// `Scheduled`, `FailedScheduling`, `Preempted`, `Timeout` or `BindFailed`.
        reason: &'static str,
        /// Whether it is a warning.
        warning: bool,
        /// Text.
        note: String,
    },
}

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Event {
    /// A node is there, or changed.
    Node(Arc<NodeSpec>),
    /// A node is gone.
    NodeGone(Str),
    /// A pod is there, or changed.
    Pod(Arc<PodInfo>),
    /// A pod is gone.
    PodGone(PodKey),
    /// A pod has failed: its node's kubelet refused it, since it had not enough left of this resource.
    PodRefused(Arc<PodInfo>, Str),
    /// A namespace is there, or changed.
    Namespace(Namespace),
    /// A namespace is gone.
    NamespaceGone(Str),
    /// A service is there, or changed.
    Service(ServiceSelector),
    /// A service is gone: namespace and name.
    ServiceGone(Str, Str),
    /// A ReplicationController, ReplicaSet or StatefulSet is there, or changed.
    Workload(WorkloadSelector),
    /// One is gone: kind, namespace and name.
    WorkloadGone(WorkloadKind, Str, Str),
    /// A PodDisruptionBudget is there, or changed.
    DisruptionBudget(DisruptionBudget),
    /// One is gone: namespace and name.
    DisruptionBudgetGone(Str, Str),
    /// A DeviceClass is there, or changed.
    DeviceClass(DeviceClass),
    /// One is gone.
    DeviceClassGone(Str),
    /// A PodGroup is there, or changed.
    PodGroup(PodGroupInfo),
    /// A PodGroup is gone.
    PodGroupGone(Arc<GroupKey>),
    /// A pod of a group ran to its end: it counts towards the group's minimum, whatever is heard of the pod besides.
    MemberFinished(Arc<PodInfo>),
    /// One of those is gone.
    FinishedMemberGone(PodKey),
    /// Room is to be held for a pod that is about to be moved.
    Reservation(Reservation),
    /// It is not, by the reservation's name.
    ReservationGone(Str),
    /// A source of real use was asked: the time by its own clock, and its samples by node; `None` when it gave no answer.
    Usage(Arc<UsageSource>, Time, Option<Vec<(Str, UsageSample)>>),
}
