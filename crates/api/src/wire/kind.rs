//! Which kinds are read: one table.

use serde::de::DeserializeOwned;

use super::{
    CorePodGroup, DaemonSet, Deployment, DeviceClass, Job, LimitRange, Namespace, Node, ObjectMeta, Pod,
    PodDisruptionBudget, PodGroup, PriorityClass, ReplicaSet, ReplicationController, RuntimeClass, Service,
    StatefulSet, StoredObject,
};
use crate::doc::nearest;

/// Something that can be read as any of the wire types.
pub(crate) trait ReadTyped {
    type Error;

    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error>;
}

/// What is known about an `apiVersion` and a `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// A kind that is read.
    Known(Kind),
    /// A kind that is read, of a version or group of Kubernetes that is not; the one that is.
    WrongVersion(&'static str),
    /// A kind that the scheduler has no use for.
    Ignored,
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident $(as $name:literal)?: $type:ty, $api_version:literal, $scope:ident;)*) => {
        /// A kind that is read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$meta])* $kind,)*
        }

        /// An object of a kind that is read.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object {
            $($(#[$meta])* $kind(Box<$type>),)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// As in `kind:`. Kinds of two API groups may share it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => kinds!(@name $kind $($name)?),)* }
            }

            /// A name that no other kind has.
            pub fn id(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }

            /// As in `apiVersion:`.
            pub fn api_version(self) -> &'static str {
                match self { $(Self::$kind => $api_version,)* }
            }

            /// Whether its objects live in namespaces.
            pub fn is_namespaced(self) -> bool {
                match self { $(Self::$kind => kinds!(@$scope),)* }
            }
        }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata,)* }
            }

            /// Its metadata.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => &mut object.metadata,)* }
            }
        }

        impl Kind {
            /// Has `reader` read the type of this kind.
            pub(crate) fn read<R: ReadTyped>(self, reader: R) -> Result<Object, R::Error> {
                match self { $(Self::$kind => reader.read::<$type>().map(|object| Object::$kind(Box::new(object))),)* }
            }
        }
    };
    (@name $kind:ident) => { stringify!($kind) };
    (@name $kind:ident $name:literal) => { $name };
    (@namespaced) => { true };
    (@cluster) => { false };
}

kinds! {
    Node: Node, "v1", cluster;
    Pod: Pod, "v1", namespaced;
    Namespace: Namespace, "v1", cluster;
    Service: Service, "v1", namespaced;
    LimitRange: LimitRange, "v1", namespaced;
    ReplicationController: ReplicationController, "v1", namespaced;
    ReplicaSet: ReplicaSet, "apps/v1", namespaced;
    StatefulSet: StatefulSet, "apps/v1", namespaced;
    Deployment: Deployment, "apps/v1", namespaced;
    DaemonSet: DaemonSet, "apps/v1", namespaced;
    Job: Job, "batch/v1", namespaced;
    PriorityClass: PriorityClass, "scheduling.k8s.io/v1", cluster;
    PodDisruptionBudget: PodDisruptionBudget, "policy/v1", namespaced;
    RuntimeClass: RuntimeClass, "node.k8s.io/v1", cluster;
    PersistentVolume: StoredObject, "v1", cluster;
    PersistentVolumeClaim: StoredObject, "v1", namespaced;
    StorageClass: StoredObject, "storage.k8s.io/v1", cluster;
    CSINode: StoredObject, "storage.k8s.io/v1", cluster;
    CSIDriver: StoredObject, "storage.k8s.io/v1", cluster;
    CSIStorageCapacity: StoredObject, "storage.k8s.io/v1", namespaced;
    VolumeAttachment: StoredObject, "storage.k8s.io/v1", cluster;
    ResourceClaim: StoredObject, "resource.k8s.io/v1", namespaced;
    ResourceClaimTemplate: StoredObject, "resource.k8s.io/v1", namespaced;
    ResourceSlice: StoredObject, "resource.k8s.io/v1", cluster;
    DeviceClass: DeviceClass, "resource.k8s.io/v1", cluster;
    PodGroup: PodGroup, "scheduling.x-k8s.io/v1alpha1", namespaced;
    CorePodGroup as "PodGroup": CorePodGroup, "scheduling.k8s.io/v1alpha2", namespaced;
}

impl Kind {
    /// What an `apiVersion` and a `kind` of an object mean to a scheduler.
    ///
    /// A kind of the same name in someone else's API group (a Service of Knative) is ignored; in one of Kubernetes' own groups, which
    /// have no dot or end in `.k8s.io`, it is a wrong version.
    pub fn find(api_version: &str, kind: &str) -> Lookup {
        let mut named = Self::ALL.iter().copied().filter(|known| known.name() == kind);
        if let Some(found) = named.clone().find(|known| known.api_version() == api_version) {
            return Lookup::Known(found);
        }
        let group = group_of(api_version);
        let same_group = named.clone().find(|known| group_of(known.api_version()) == group);
        let Some(found) = same_group.or_else(|| named.next()) else {
            return Lookup::Ignored;
        };
        if group.contains('.') && !group.ends_with(".k8s.io") {
            Lookup::Ignored
        } else {
            Lookup::WrongVersion(found.api_version())
        }
    }

    /// The kind that one which is not read most probably stands for. Kinds in groups of which none is read may have any name.
    pub(crate) fn misspelt(api_version: &str, kind: &str) -> Option<&'static str> {
        let group = group_of(api_version);
        if Self::ALL.iter().any(|known| group_of(known.api_version()) == group) {
            nearest(kind, Self::ALL.iter().map(|known| known.name()))
        } else {
            None
        }
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What else Kubernetes 1.36 has in the groups of the kinds that are read.
    const OTHERS: &[(&str, &[&str])] = &[
        (
            "v1",
            &[
                "Binding",
                "ComponentStatus",
                "ConfigMap",
                "Endpoints",
                "Event",
                "PodTemplate",
                "ResourceQuota",
                "Secret",
                "ServiceAccount",
            ],
        ),
        ("apps/v1", &["ControllerRevision"]),
        ("batch/v1", &["CronJob"]),
        ("policy/v1", &["Eviction"]),
        ("scheduling.k8s.io/v1alpha2", &["Workload"]),
        ("storage.k8s.io/v1", &["VolumeAttributesClass"]),
        ("storagemigration.k8s.io/v1beta1", &["StorageVersionMigration"]),
        ("resource.k8s.io/v1beta2", &["DeviceTaintRule", "ResourcePoolStatusRequest"]),
    ];

    #[test]
    fn kinds_are_told_apart_by_group() {
        assert_eq!(Kind::find("v1", "Pod"), Lookup::Known(Kind::Pod));
        assert_eq!(Kind::find("v1", "ConfigMap"), Lookup::Ignored);
        assert_eq!(Kind::find("serving.knative.dev/v1", "Service"), Lookup::Ignored);
        assert_eq!(Kind::find("extensions/v1beta1", "Deployment"), Lookup::WrongVersion("apps/v1"));
        assert_eq!(
            Kind::find("scheduling.k8s.io/v1beta1", "PriorityClass"),
            Lookup::WrongVersion("scheduling.k8s.io/v1")
        );
        assert_eq!(Kind::find("v1beta1", "Pod"), Lookup::WrongVersion("v1"));
        assert_eq!(Kind::find("scheduling.x-k8s.io/v1alpha1", "PodGroup"), Lookup::Known(Kind::PodGroup));
        assert_eq!(Kind::find("scheduling.k8s.io/v1alpha2", "PodGroup"), Lookup::Known(Kind::CorePodGroup));
        assert_eq!(
            Kind::find("scheduling.k8s.io/v1alpha1", "PodGroup"),
            Lookup::WrongVersion("scheduling.k8s.io/v1alpha2")
        );
        assert_eq!(
            Kind::find("scheduling.sigs.k8s.io/v1alpha1", "PodGroup"),
            Lookup::WrongVersion("scheduling.x-k8s.io/v1alpha1")
        );
        assert_eq!(Kind::find("scheduling.volcano.sh/v1beta1", "PodGroup"), Lookup::Ignored);
        assert!(Kind::Pod.is_namespaced() && !Kind::Node.is_namespaced());
    }

    #[test]
    fn misspelt_kinds_are_told_from_others() {
        assert_eq!(Kind::misspelt("apps/v1", "Deploymnt"), Some("Deployment"));
        assert_eq!(Kind::misspelt("v1", "pod"), Some("Pod"));
        assert_eq!(Kind::misspelt("example.com/v1", "Deploymnt"), None);
        for (api_version, kinds) in OTHERS {
            for kind in *kinds {
                assert_eq!(Kind::find(api_version, kind), Lookup::Ignored);
                assert_eq!(Kind::misspelt(api_version, kind), None, "{kind}");
            }
        }
    }
}
