//! A cluster as it is now, as a List of all objects that decisions depend on: what `explain` and `simulate` read.

mod strip;

use std::io::{self, Write};

use loadline_api::wire::Kind;
use serde_json::Value;

use crate::api::{Api, ApiError};
use crate::client::{ConnectError, UserAccess, for_once, of_user};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No API server is known.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The user may not list what decisions depend on.
    #[error("not allowed to list {}: {message}", resources.join(", "))]
    Forbidden {
        /// What may not be listed, all of it.
        resources: Vec<String>,
        /// The API server's words about the first.
        message: String,
    },
    /// The API server can not be reached, or does not know the user.
    #[error("can not list {resource} at {server}: {error}")]
    Api {
        /// What was asked for.
        resource: String,
        /// Whom.
        server: String,
        /// What came back.
        #[source]
        error: ApiError,
    },
    /// What was listed can not be written.
    #[error("can not write the snapshot: {0}")]
    Write(#[from] io::Error),
}

/// What was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Objects in the list.
    pub objects: u64,
    /// Resources that are not in it, each with the reason: those that may not be listed, and on which little depends.
    pub left_out: Vec<String>,
}

/// Lists a cluster for somebody.
pub struct Snapshot {
    api: Api,
    server: String,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Looks for the cluster. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When no cluster is known, or files are wrong.
    pub async fn of(access: &UserAccess) -> Result<Self, ConnectError> {
        let config = of_user(access).await?;
        let server = config.cluster_url.to_string();
        Ok(Self { api: for_once(&config)?, server })
    }

    /// Names of the cluster's nodes, sorted.
    ///
    /// # Errors
    /// When they can not be listed.
    pub async fn node_names(&self) -> Result<Vec<String>, SnapshotError> {
        let mut names = Vec::new();
        let name = |node: &Value| Some(node.pointer("/metadata/name")?.as_str()?.to_owned());
        self.each_page(Kind::Node, &mut |page| {
            names.extend(page.iter().filter_map(name));
            Ok(())
        })
        .await?;
        names.sort();
        Ok(names)
    }

    /// Writes the list, one object a line. `progress` is told how many objects there are so far.
    ///
    /// # Errors
    /// When something can not be listed; what was written until then is of no use.
    pub async fn write(
        &self,
        out: &mut (dyn Write + Send),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Taken, SnapshotError> {
        let mut taken = Taken::default();
        let mut forbidden = Vec::new();
        out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[")?;
        for kind in order() {
            match self.list(kind, out, &mut taken.objects, progress).await {
                Err(SnapshotError::Api { resource, error: ApiError::Refused { code: 403, message, .. }, .. }) => {
                    if is_needed(kind) {
                        forbidden.push((resource, message));
                    } else {
                        taken.left_out.push(format!("{resource}: not allowed to list them"));
                    }
                }
                // An API server of another version, or with an API group switched off, has none of them.
                Err(SnapshotError::Api { error: ApiError::Refused { code: 404, .. }, .. }) => {}
                result => result?,
            }
        }
        if let Some((_, message)) = forbidden.first() {
            let message = message.clone();
            return Err(SnapshotError::Forbidden {
                resources: forbidden.into_iter().map(|(resource, _)| resource).collect(),
                message,
            });
        }
        out.write_all(b"\n]}\n")?;
        Ok(taken)
    }

    async fn list(
        &self,
        kind: Kind,
        out: &mut (dyn Write + Send),
        objects: &mut u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), SnapshotError> {
        self.each_page(kind, &mut |page| {
            for mut object in page {
                strip::strip(&mut object);
                // In a list of one kind they stand only at its head.
                object["apiVersion"] = kind.api_version().into();
                object["kind"] = kind.name().into();
                out.write_all(if *objects == 0 { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
                *objects += 1;
            }
            progress(*objects);
            Ok(())
        })
        .await
    }

    /// Lists a kind, page by page.
    async fn each_page(
        &self,
        kind: Kind,
        take: &mut (dyn FnMut(Vec<Value>) -> io::Result<()> + Send),
    ) -> Result<(), SnapshotError> {
        let path = format!("{}?", path(kind));
        let mut next = String::new();
        loop {
            let page = self.api.page::<Value>(&path, &next).await.map_err(|error| SnapshotError::Api {
                resource: plural(kind),
                server: self.server.clone(),
                error,
            })?;
            take(page.items.into_iter().flatten().collect())?;
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(());
            }
        }
    }
}

/// The kinds in the order in which they are listed: what happens meanwhile must not look like something else. A workload that is
/// listed before its pods lacks none of those that it gets meanwhile, and a pod that is listed before the nodes finds its own.
fn order() -> Vec<Kind> {
    let last = [Kind::Pod, Kind::Node];
    let others = Kind::ALL.iter().copied().filter(|kind| !last.contains(kind));
    others.chain(last).collect()
}

/// Whether decisions would be wrong without them. The others are about volumes, devices and gangs, for which pods are held back.
fn is_needed(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::PersistentVolume
            | Kind::PersistentVolumeClaim
            | Kind::StorageClass
            | Kind::CSINode
            | Kind::CSIDriver
            | Kind::CSIStorageCapacity
            | Kind::VolumeAttachment
            | Kind::ResourceClaim
            | Kind::ResourceClaimTemplate
            | Kind::ResourceSlice
            | Kind::PodGroup
            | Kind::CorePodGroup
    )
}

/// As in paths: Kubernetes forms the names of its own resources in this way.
fn plural(kind: Kind) -> String {
    let name = kind.name().to_lowercase();
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if name.ends_with('s') => format!("{name}es"),
        None => format!("{name}s"),
    }
}

fn path(kind: Kind) -> String {
    let version = kind.api_version();
    let root = if version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{version}/{}", plural(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_kubernetes_own() {
        assert_eq!(path(Kind::Pod), "/api/v1/pods");
        assert_eq!(path(Kind::PriorityClass), "/apis/scheduling.k8s.io/v1/priorityclasses");
        assert_eq!(path(Kind::CSIStorageCapacity), "/apis/storage.k8s.io/v1/csistoragecapacities");
    }

    #[test]
    fn each_kind_is_listed_once() {
        let mut kinds = order();
        assert_eq!(kinds.last(), Some(&Kind::Node));
        kinds.sort_unstable();
        assert!(kinds.iter().copied().eq(Kind::ALL.iter().copied()));
    }
}
