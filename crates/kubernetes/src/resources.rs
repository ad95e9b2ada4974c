//! What is followed: a table of resources, and how an object of each becomes an event of the engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_api::convert::Converter;
use loadline_api::wire;
use loadline_engine::Event;
use loadline_model::{GroupApi, GroupKey, PodKey, Str, WorkloadKind};
use serde::de::DeserializeOwned;

use crate::originals::ShelfKey;

/// A resource that is followed.
pub(crate) trait Resource: 'static {
    /// The wire type.
    type Wire: DeserializeOwned + Send + 'static;
    /// What tells objects apart in the engine's events.
    type Key: Clone + Eq + std::hash::Hash + Send + ShelfKey + 'static;

    /// For logs: plural name.
    const NAME: &'static str;
    /// Path of the collection in all namespaces.
    const PATH: &'static str;
    /// Which objects, as query parameters that end in `&`; empty: all.
    const SELECTION: &'static str;
    /// Whether only objects are told of that come to be selected while it is followed. What is there already is not, nor what becomes
    /// of any.
    const ONLY_NEW: bool = false;

    /// Whether an API server of the supported versions may not serve it.
    const MAY_BE_ABSENT: bool = false;

    /// Whether a role that was written for another scheduler may not speak of it.
    const MAY_BE_FORBIDDEN: bool = false;

    /// Metadata of an object.
    fn metadata(object: &Self::Wire) -> &wire::ObjectMeta;
    /// The object's identity.
    fn key(object: &Self::Wire) -> Self::Key {
        Self::key_of(Self::metadata(object))
    }
    /// The same by its metadata.
    fn key_of(metadata: &wire::ObjectMeta) -> Self::Key;
    /// It is there, or changed. `None` if nobody needs to know.
    fn seen(converter: &mut Converter, object: &Self::Wire) -> Option<Event>;
    /// It is gone.
    fn gone(key: Self::Key) -> Event;
}

type Name = (Str, Str);

/// Pods that have ended take no room. One that ends is told as deleted.
const UNFINISHED: &str = "fieldSelector=status.phase!=Succeeded,status.phase!=Failed&";

fn name(metadata: &wire::ObjectMeta) -> Name {
    (metadata.namespace.as_str().into(), metadata.name.as_str().into())
}

fn group_gone(api: GroupApi, namespace: Str, name: Str) -> Event {
    Event::PodGroupGone(Arc::new(GroupKey { namespace, name, api }))
}

macro_rules! resources {
    ($($type:ident: $wire:ident, $path:literal, $selection:expr, $name:literal, $key_type:ty, $key:expr, $seen:expr, $gone:expr
        $(, may be absent: $absent:literal $(, may be forbidden: $forbidden:literal)?)?;)*) => {
        $(
            #[doc = concat!("`", $path, "`")]
            #[derive(Debug)]
            pub(crate) struct $type;

            impl Resource for $type {
                type Wire = wire::$wire;
                type Key = $key_type;
                const NAME: &'static str = $name;
                const PATH: &'static str = $path;
                const SELECTION: &'static str = $selection;
                $(const MAY_BE_ABSENT: bool = $absent;
                $(const MAY_BE_FORBIDDEN: bool = $forbidden;)?)?

                fn metadata(object: &Self::Wire) -> &wire::ObjectMeta {
                    &object.metadata
                }

                fn key_of(metadata: &wire::ObjectMeta) -> Self::Key {
                    let key: fn(&wire::ObjectMeta) -> Self::Key = $key;
                    key(metadata)
                }

                fn seen(converter: &mut Converter, object: &Self::Wire) -> Option<Event> {
                    let seen: fn(&mut Converter, &Self::Wire) -> Event = $seen;
                    Some(seen(converter, object))
                }

                fn gone(key: Self::Key) -> Event {
                    let gone: fn(Self::Key) -> Event = $gone;
                    gone(key)
                }
            }
        )*

        /// The names of all of them.
        pub(crate) fn names() -> BTreeSet<&'static str> {
            BTreeSet::from([$($name),*])
        }

        /// Calls a macro with the names of all resources that are followed.
        macro_rules! for_each_resource {
            ($with:ident) => { $($with!($type);)* };
        }
        pub(crate) use for_each_resource;
    };
}

resources! {
    Nodes: Node, "/api/v1/nodes", "", "nodes", Str, |of| of.name.as_str().into(),
        |converter, node| Event::Node(Arc::new(converter.node(node))), Event::NodeGone;
    Namespaces: Namespace, "/api/v1/namespaces", "", "namespaces", Str, |of| of.name.as_str().into(),
        |converter, namespace| Event::Namespace(converter.namespace(namespace)), Event::NamespaceGone;
    Pods: Pod, "/api/v1/pods", UNFINISHED, "pods", PodKey, |of| of.uid.as_str().into(),
        |converter, pod| Event::Pod(Arc::new(converter.pod(pod))), Event::PodGone;
    Services: Service, "/api/v1/services", "", "services", Name, name,
        |converter, service| Event::Service(converter.service(service)),
        |(namespace, name)| Event::ServiceGone(namespace, name);
    ReplicationControllers: ReplicationController, "/api/v1/replicationcontrollers", "", "replicationcontrollers", Name, name,
        |converter, workload| Event::Workload(converter.replication_controller(workload)),
        |(namespace, name)| Event::WorkloadGone(WorkloadKind::ReplicationController, namespace, name);
    ReplicaSets: ReplicaSet, "/apis/apps/v1/replicasets", "", "replicasets", Name, name,
        |converter, workload| Event::Workload(converter.replica_set(workload)),
        |(namespace, name)| Event::WorkloadGone(WorkloadKind::ReplicaSet, namespace, name);
    StatefulSets: StatefulSet, "/apis/apps/v1/statefulsets", "", "statefulsets", Name, name,
        |converter, workload| Event::Workload(converter.stateful_set(workload)),
        |(namespace, name)| Event::WorkloadGone(WorkloadKind::StatefulSet, namespace, name);
    DisruptionBudgets: PodDisruptionBudget, "/apis/policy/v1/poddisruptionbudgets", "", "poddisruptionbudgets", Name, name,
        |converter, budget| Event::DisruptionBudget(converter.disruption_budget(budget)),
        |(namespace, name)| Event::DisruptionBudgetGone(namespace, name);
    DeviceClasses: DeviceClass, "/apis/resource.k8s.io/v1/deviceclasses", "", "deviceclasses", Str, |of| of.name.as_str().into(),
        |converter, class| Event::DeviceClass(converter.device_class(class)), Event::DeviceClassGone, may be absent: true;
    PodGroups: PodGroup, "/apis/scheduling.x-k8s.io/v1alpha1/podgroups", "", "podgroups.scheduling.x-k8s.io", Name, name,
        |converter, group| Event::PodGroup(converter.pod_group(group)),
        |(namespace, name)| group_gone(GroupApi::Crd, namespace, name), may be absent: true, may be forbidden: true;
    CorePodGroups: CorePodGroup, "/apis/scheduling.k8s.io/v1alpha2/podgroups", "", "podgroups.scheduling.k8s.io", Name, name,
        |converter, group| Event::PodGroup(converter.core_pod_group(group)),
        |(namespace, name)| group_gone(GroupApi::Core, namespace, name), may be absent: true, may be forbidden: true;
}

/// Members of groups that run no more: who follows [`Pods`] hears only that they are gone.
macro_rules! finished_members {
    ($($type:ident, $label:literal, $name:literal;)*) => {
        $(
            #[doc = concat!("Finished pods; `", $label, "` as label or not at all.")]
            #[derive(Debug)]
            pub(crate) struct $type;

            impl Resource for $type {
                type Wire = wire::Pod;
                type Key = PodKey;
                const NAME: &'static str = $name;
                const PATH: &'static str = Pods::PATH;
                const SELECTION: &'static str = concat!(
                    $label, "fieldSelector=status.phase!=Pending,status.phase!=Running,status.phase!=Unknown&"
                );

                fn metadata(object: &Self::Wire) -> &wire::ObjectMeta {
                    &object.metadata
                }

                fn key_of(metadata: &wire::ObjectMeta) -> Self::Key {
                    Pods::key_of(metadata)
                }

                fn seen(converter: &mut Converter, pod: &Self::Wire) -> Option<Event> {
                    let pod = converter.pod(pod);
                    pod.pod_group.is_some().then(|| Event::MemberFinished(Arc::new(pod)))
                }

                fn gone(key: Self::Key) -> Event {
                    Event::FinishedMemberGone(key)
                }
            }
        )*
    };
}

/// Names of those by label, and of those of Kubernetes' own groups.
pub(crate) const FINISHED: [&str; 3] = [FinishedMembers::NAME, FinishedOldMembers::NAME, FinishedOldestMembers::NAME];
pub(crate) const FINISHED_CORE: [&str; 1] = [FinishedCoreMembers::NAME];

finished_members! {
    FinishedMembers, "labelSelector=scheduling.x-k8s.io%2Fpod-group&", "finished members";
    FinishedOldMembers, "labelSelector=pod-group.scheduling.sigs.k8s.io&", "finished members by the older label";
    FinishedOldestMembers, "labelSelector=pod-group.scheduling.sigs.k8s.io%2Fname&", "finished members by the oldest label";
    // The API server selects no pods by the group that their spec names.
    FinishedCoreMembers, "", "finished members of Kubernetes' own groups";
}

/// Pods that kubelets refuse for want of room. They have failed, so that who follows [`Pods`] hears only that they are gone, in the
/// state before.
#[derive(Debug)]
pub(crate) struct RefusedPods;

impl Resource for RefusedPods {
    type Wire = wire::Pod;
    type Key = PodKey;
    const NAME: &'static str = "refused pods";
    const PATH: &'static str = Pods::PATH;
    const SELECTION: &'static str = "fieldSelector=status.phase=Failed&";
    const ONLY_NEW: bool = true;

    fn metadata(object: &Self::Wire) -> &wire::ObjectMeta {
        &object.metadata
    }

    fn key_of(metadata: &wire::ObjectMeta) -> Self::Key {
        Pods::key_of(metadata)
    }

    fn seen(converter: &mut Converter, pod: &Self::Wire) -> Option<Event> {
        // A kubelet writes OutOfcpu, OutOfpods, OutOfexample.com/gpu.
        let resource = pod.status.reason.strip_prefix("OutOf").filter(|resource| !resource.is_empty())?;
        Some(Event::PodRefused(Arc::new(converter.pod(pod)), resource.into()))
    }

    fn gone(key: Self::Key) -> Event {
        Pods::gone(key)
    }
}

#[cfg(test)]
mod tests {
    use loadline_model::GROUP_LABELS;

    use super::*;

    #[test]
    fn finished_members_are_followed_by_each_label_that_names_a_group() {
        let selections = [FinishedMembers::SELECTION, FinishedOldMembers::SELECTION, FinishedOldestMembers::SELECTION];
        for (selection, label) in selections.into_iter().zip(GROUP_LABELS) {
            let selector = format!("labelSelector={}&fieldSelector=", label.replace('/', "%2F"));
            assert!(selection.starts_with(&selector), "{selection}");
        }
    }
}
