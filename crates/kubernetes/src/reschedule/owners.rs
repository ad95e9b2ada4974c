//! Whether the owners of pods are rolling out: asked when it matters, so that nobody has to watch every workload's status.

use loadline_api::convert::Converter;
use loadline_api::wire;
use loadline_model::{Owner, PodInfo, Str, WorkloadStatus};
use loadline_rescheduler::Workloads;
use serde::de::DeserializeOwned;

use crate::api::{Api, ApiError, Ask};

/// Looks up what owns a pod, and what owns that. What is of a kind that nobody knows here is at rest, and so is what is gone: the pod
/// is somebody else's soon.
pub(super) async fn look_up(api: &Api, pod: &PodInfo, known: &mut Workloads) -> Result<(), ApiError> {
    let mut owner = pod.owner.clone();
    // A pod's controller, and that one's.
    for _ in 0..2 {
        let Some(of) = owner.take() else { return Ok(()) };
        if known.of(&pod.namespace, &of).is_some() {
            return Ok(());
        }
        let Some(status) = status(api, &pod.namespace, &of).await? else { return Ok(()) };
        owner.clone_from(&status.owner);
        known.set(status);
    }
    Ok(())
}

async fn status(api: &Api, namespace: &Str, owner: &Owner) -> Result<Option<WorkloadStatus>, ApiError> {
    let mut converter = Converter::new();
    let path = |of: &str| format!("/{of}/{}", owner.name).replace("{}", namespace);
    let is_of = |group: &str| owner.api_version.split('/').next() == Some(group);
    match &*owner.kind {
        "ReplicaSet" if is_of("apps") => {
            let found = get::<wire::ReplicaSet>(api, &path("apis/apps/v1/namespaces/{}/replicasets")).await?;
            Ok(found.map(|found| converter.replica_set_status(&found)))
        }
        "Deployment" if is_of("apps") => {
            let found = get::<wire::Deployment>(api, &path("apis/apps/v1/namespaces/{}/deployments")).await?;
            Ok(found.map(|found| converter.deployment_status(&found)))
        }
        "StatefulSet" if is_of("apps") => {
            let found = get::<wire::StatefulSet>(api, &path("apis/apps/v1/namespaces/{}/statefulsets")).await?;
            Ok(found.map(|found| converter.stateful_set_status(&found)))
        }
        "ReplicationController" if is_of("v1") => {
            let found =
                get::<wire::ReplicationController>(api, &path("api/v1/namespaces/{}/replicationcontrollers")).await?;
            Ok(found.map(|found| converter.replication_controller_status(&found)))
        }
        _ => Ok(None),
    }
}

async fn get<T: DeserializeOwned>(api: &Api, path: &str) -> Result<Option<T>, ApiError> {
    match api.answer(&Ask::get(path)).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_code(404) => Ok(None),
        Err(error) => Err(error),
    }
}
