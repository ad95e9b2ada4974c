//! Volumes of pods, and the objects behind them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{ObjectMeta, wire};

wire! {
    /// `spec.volumes[]`, with the sources that placement depends on.
    Volume {
        name: String,
        persistent_volume_claim: Option<PersistentVolumeClaimSource>,
        ephemeral: Option<Ephemeral>,
        empty_dir: Option<EmptyDir>,
        host_path: Option<HostPath>,
        image: Option<ImageVolume>,
        csi: Option<Csi>,
        gce_persistent_disk: Option<GcePersistentDisk>,
        aws_elastic_block_store: Option<AwsElasticBlockStore>,
        iscsi: Option<Iscsi>,
        rbd: Option<Rbd>,
        azure_disk: Option<AzureDisk>,
        cinder: Option<VolumeById>,
        portworx_volume: Option<VolumeById>,
        secret: Option<OtherSource>,
        config_map: Option<OtherSource>,
        #[serde(rename = "downwardAPI")]
        downward_api: Option<OtherSource>,
        projected: Option<OtherSource>,
        nfs: Option<OtherSource>,
        fc: Option<OtherSource>,
        azure_file: Option<OtherSource>,
        cephfs: Option<OtherSource>,
        glusterfs: Option<OtherSource>,
        flex_volume: Option<OtherSource>,
        flocker: Option<OtherSource>,
        git_repo: Option<OtherSource>,
        photon_persistent_disk: Option<OtherSource>,
        quobyte: Option<OtherSource>,
        #[serde(rename = "scaleIO")]
        scale_io: Option<OtherSource>,
        storageos: Option<OtherSource>,
        vsphere_volume: Option<OtherSource>,
    }

    /// A source that decides nothing but that the volume has one.
    OtherSource {}

    /// `persistentVolumeClaim`.
    PersistentVolumeClaimSource {
        claim_name: String,
        read_only: bool,
    }

    /// `ephemeral`: its claim has the pod's and the volume's name.
    Ephemeral {}

    /// `emptyDir`.
    EmptyDir {}

    /// `hostPath`.
    HostPath {
        path: String,
    }

    /// `image`.
    ImageVolume {
        reference: String,
    }

    /// Inline `csi`.
    Csi {
        driver: String,
    }

    /// `gcePersistentDisk`.
    GcePersistentDisk {
        pd_name: String,
        read_only: bool,
    }

    /// `awsElasticBlockStore`.
    AwsElasticBlockStore {
        #[serde(rename = "volumeID")]
        volume_id: String,
        read_only: bool,
    }

    /// `iscsi`.
    Iscsi {
        iqn: String,
        read_only: bool,
    }

    /// `rbd`.
    Rbd {
        monitors: Vec<String>,
        image: String,
        pool: String,
        read_only: bool,
    }

    /// `azureDisk`.
    AzureDisk {
        #[serde(rename = "diskURI")]
        disk_uri: String,
    }

    /// `cinder` and `portworxVolume`.
    VolumeById {
        #[serde(rename = "volumeID")]
        volume_id: String,
    }

    /// `spec.resourceClaims[]` of a pod.
    PodResourceClaim {
        name: String,
        resource_claim_name: Option<String>,
        resource_claim_template_name: Option<String>,
    }
}

/// An object that is kept as it came: of the kinds of storage and of devices, which this version reads and does not yet understand.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObject {
    pub metadata: ObjectMeta,
    /// The whole object.
    pub value: Value,
}

impl<'de> Deserialize<'de> for StoredObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let metadata = match value.get("metadata") {
            Some(metadata) => ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?,
            None => ObjectMeta::default(),
        };
        Ok(Self { metadata, value })
    }
}
