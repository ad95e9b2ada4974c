//! What the plugins for volumes and devices share in this version: pods that need them are gated, with the reason, and
//! for every other pod the plugin has nothing to do, as kube-scheduler's own has then.
//!
//! A gated pod is never Unschedulable, so that no autoscaler adds nodes for it, and never placed as if it had not asked.

use loadline_framework::{
    ClusterEvent, EventObject, Hint, NodePlugin, PreBind, PreBindStep, PreEnqueue, Prepare, Prepared, QueueingHints,
    Reads, Reserve, Status,
};
use loadline_model::{PodInfo, Str, Time};

/// PreEnqueue that turns down pods which ask for something that this version does not have.
pub(crate) struct Gate(
    /// What is asked for and missing, in words; `None` when the pod may pass.
    pub(crate) fn(&PodInfo) -> Option<String>,
);

impl PreEnqueue for Gate {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        match (self.0)(pod) {
            Some(missing) => Status::unresolvable(missing),
            None => Status::success(),
        }
    }
}

/// The other parts of such a plugin. They only see pods that passed the gate: PreFilter and PreScore say Skip, Reserve
/// and PreBind have nothing to claim.
pub(crate) struct NothingToDo;

impl NodePlugin for NothingToDo {
    type Key = ();
    type State = ();

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn key(&self, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<()>, Status> {
        Ok(None)
    }

    fn prepare(&self, _key: &(), _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<()> {
        Prepared { state: (), filters: false, scores: false }
    }
}

impl Reserve for NothingToDo {
    fn reserve(&self, _pod: &PodInfo, _node: &Str) -> Status {
        Status::success()
    }

    fn unreserve(&self, _pod: &PodInfo, _node: &Str) {}
}

impl PreBind for NothingToDo {
    fn pre_bind(&self, _pod: &PodInfo, _node: &Str, _now: Time) -> PreBindStep {
        PreBindStep::Done
    }
}

/// Hints of a plugin that only gates: a pod's volumes and claims never change, so that no event lifts the gate.
pub(crate) struct NeverLifted;

impl QueueingHints for NeverLifted {
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent, _object: &EventObject<'_>) -> Hint {
        Hint::Skip
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::testing::pod;
    use loadline_framework::{Code, Descriptor};
    use loadline_model::{Volume, VolumeSource};

    /// Sources that some plugin must gate, and sources that kube-scheduler pays no attention to.
    pub(crate) fn sources() -> Vec<VolumeSource> {
        let mut sources = vec![
            VolumeSource::Claim("web-0".into()),
            VolumeSource::Ephemeral,
            VolumeSource::InlineCsi("secrets-store.csi.k8s.io".into()),
        ];
        for field in [
            "gcePersistentDisk",
            "awsElasticBlockStore",
            "iscsi",
            "rbd",
            "azureDisk",
            "cinder",
            "portworxVolume",
            "nfs",
        ] {
            sources.push(VolumeSource::InTree(field.into()));
        }
        sources
    }

    /// A pod with one volume, named `data`.
    pub(crate) fn pod_with(source: VolumeSource) -> PodInfo {
        PodInfo { volumes: [Volume { name: "data".into(), source }].into(), ..pod("web-0") }
    }

    /// What the PreEnqueue of a plugin says about a pod; `None` when it lets it pass.
    pub(crate) fn gated(descriptor: &Descriptor, pod: &PodInfo) -> Option<String> {
        let plugin = crate::testing::build(descriptor, &crate::args::defaults(descriptor.args));
        let status = plugin.pre_enqueue.expect("it gates").pre_enqueue(pod);
        assert_ne!(status.code, Code::Unschedulable, "a gated pod must not look unschedulable");
        (!status.is_success()).then(|| status.message())
    }
}
