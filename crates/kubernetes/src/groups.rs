//! The status of PodGroups, written while this instance leads: what the scheduling thread knows of gangs, as their users see it.
//!
//! Statuses follow from what is known and from what was written before, so nothing is lost when a write fails or another instance takes
//! over. Nothing is asked and nothing written before there is a PodGroup in a profile that places gangs.

mod status;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use loadline_engine::GangReport;
use loadline_model::{GroupApi, GroupKey, Map, PodGroupInfo, Str};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::api::{Api, ApiError, Ask, MERGE, STRATEGIC_MERGE};
use crate::client::Connection;
use crate::clock;
use crate::fence::Fence;
use crate::live::Scheduling;
use crate::resources::{CorePodGroups, FINISHED, FINISHED_CORE, PodGroups, Resource};

/// How often changed gangs are asked for: of several changes in a row the last is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many are taken from the scheduling thread at once, which decides nothing meanwhile.
const AT_ONCE: usize = 200;
/// How many are written at the same time.
const WRITERS: usize = 4;
/// Pause after the API server said that it may not be written.
const REFUSED: Duration = Duration::from_secs(10);

/// Of which APIs there have been groups that are placed as gangs. What only they need is not asked for before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlacedGroups {
    crd: bool,
    core: bool,
    /// How many lists of finished members are whole.
    pub(crate) lists: usize,
}

impl PlacedGroups {
    pub(crate) fn are_known(self) -> bool {
        let lists = |has: bool, names: &[&str]| if has { names.len() } else { 0 };
        let wanted = lists(self.crd, &FINISHED) + lists(self.core, &FINISHED_CORE);
        wanted > 0 && self.lists >= wanted
    }

    pub(crate) fn has(self, api: GroupApi) -> bool {
        match api {
            GroupApi::Crd => self.crd,
            GroupApi::Core => self.core,
        }
    }

    pub(crate) fn with(self, api: GroupApi) -> Self {
        match api {
            GroupApi::Crd => Self { crd: true, ..self },
            GroupApi::Core => Self { core: true, ..self },
        }
    }
}

/// What writes the status of PodGroups.
pub struct GroupStatuses {
    connection: Connection,
    scheduling: Scheduling,
}

impl std::fmt::Debug for GroupStatuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupStatuses").finish_non_exhaustive()
    }
}

/// A PodGroup as it is listed.
#[derive(Deserialize)]
struct Listed {
    metadata: ListedMeta,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
struct ListedMeta {
    uid: String,
    name: String,
    namespace: String,
}

impl GroupStatuses {
    /// Does nothing before it is run.
    pub fn new(connection: &Connection, fence: &Fence, scheduling: Scheduling) -> Self {
        Self { connection: connection.fenced(fence), scheduling }
    }

    /// Writes for as long as it is polled, which is while this instance leads.
    pub async fn run(&self) {
        // Before everything is known a group that runs would be told as one that lacks pods.
        self.scheduling.has_groups().await;
        while !self.scheduling.is_synced() {
            sleep(LOOK_EVERY).await;
        }
        let connection = self.connection.of_this_term();
        let mut desk = Desk {
            written: Map::default(),
            late: BTreeMap::new(),
            is_refused: false,
            tried: None,
            not_before: Instant::now(),
        };
        while let Err(error) = desk.load(&connection.read).await {
            debug!(%error, "the status of PodGroups is not known yet");
            sleep(LOOK_EVERY).await;
        }
        self.scheduling.ask(|scheduler, _| scheduler.report_all_gangs()).await;
        loop {
            while let Some(reports) = self.scheduling.ask(|scheduler, now| scheduler.changed_gangs(AT_ONCE, now)).await
            {
                let is_all = reports.len() < AT_ONCE;
                for (key, report) in reports {
                    desk.take(key, report);
                }
                if is_all {
                    break;
                }
            }
            if Instant::now() >= desk.not_before && !desk.late.is_empty() {
                desk.write(&connection.write).await;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

struct Desk {
    /// The status that each group has, with its uid.
    written: Map<Arc<GroupKey>, (Str, Value)>,
    /// What is to be written.
    late: BTreeMap<Arc<GroupKey>, GangReport>,
    /// It was said that it may not be written.
    is_refused: bool,
    /// The one that was tried last while it was so.
    tried: Option<Arc<GroupKey>>,
    not_before: Instant,
}

impl Desk {
    /// A newer word takes the place of one that is not written.
    fn take(&mut self, key: Arc<GroupKey>, report: Option<GangReport>) {
        if let Some(report) = report {
            self.late.insert(key, report);
        } else {
            self.late.remove(&key);
            self.written.remove(&key);
        }
    }

    /// Learns what stands in the status of all groups.
    async fn load(&mut self, api: &Api) -> Result<(), ApiError> {
        for (of, path) in [(GroupApi::Crd, PodGroups::PATH), (GroupApi::Core, CorePodGroups::PATH)] {
            let listed = match api.list::<Listed>(&format!("{path}?")).await {
                Ok(listed) => listed,
                // It is not served, or not to be seen: there are none then.
                Err(error) if error.is_code(404) || error.is_code(403) => continue,
                Err(error) => return Err(error),
            };
            for Listed { metadata, status } in listed {
                let (namespace, name) = (metadata.namespace.as_str().into(), metadata.name.as_str().into());
                let key = Arc::new(GroupKey { namespace, name, api: of });
                self.written.insert(key, (metadata.uid.as_str().into(), status));
            }
        }
        Ok(())
    }

    async fn write(&mut self, api: &Api) {
        let now = clock::seconds();
        let mut wanted = Vec::new();
        let mut late = std::mem::take(&mut self.late);
        if self.is_refused {
            // One is enough to see whether they may be written now; in turn, since only some may be refused.
            let after = self.tried.take().map_or(Bound::Unbounded, Bound::Excluded);
            let next = late.range((after, Bound::Unbounded)).next().or_else(|| late.first_key_value());
            self.tried = next.map(|(key, _)| key.clone());
            let one = self.tried.as_ref().and_then(|key| late.remove_entry(key));
            self.late = std::mem::replace(&mut late, one.into_iter().collect());
        }
        for (key, report) in late {
            // Another group of the same name has nothing of the one before.
            let known = self.written.get(&key).filter(|(uid, _)| *uid == report.group.uid);
            let known = known.map_or(&Value::Null, |(_, status)| status);
            if let Some(status) = status::of(&report, known, &now) {
                wanted.push((key, report, status));
            }
        }
        let mut answers = futures_util::stream::iter(wanted)
            .map(|(key, report, status)| async move {
                let answer = api.done(&ask(&report.group, &status)).await;
                (key, report, status, answer)
            })
            .buffer_unordered(WRITERS);
        while let Some((key, report, status, answer)) = answers.next().await {
            match answer {
                Ok(()) => {
                    self.is_refused = false;
                    let uid = &report.group.uid;
                    let (known, written) = self.written.entry(key).or_insert_with(|| (uid.clone(), Value::Null));
                    if known != uid {
                        (*known, *written) = (uid.clone(), Value::Null);
                    }
                    merge(written, status);
                }
                // Gone, or another one of the same name by now.
                Err(error) if [404, 409, 422].into_iter().any(|code| error.is_code(code)) => {
                    debug!(group = %key, %error, "the status of a PodGroup is not written");
                    self.written.remove(&key);
                }
                Err(error) => {
                    if error.is_code(403) {
                        self.not_before = Instant::now() + REFUSED;
                        if !std::mem::replace(&mut self.is_refused, true) {
                            warn!(
                                %error,
                                "the status of PodGroups can not be written (manifests/components/gangs has the right); trying again"
                            );
                        }
                    } else {
                        debug!(group = %key, %error, "the status of a PodGroup is written later");
                    }
                    self.late.entry(key).or_insert(report);
                }
            }
        }
    }
}

/// The request that sets what is in `status`.
fn ask(group: &PodGroupInfo, status: &Value) -> Ask {
    let key = &group.key;
    let (path, media_type) = match key.api {
        GroupApi::Crd => ("scheduling.x-k8s.io/v1alpha1", MERGE),
        GroupApi::Core => ("scheduling.k8s.io/v1alpha2", STRATEGIC_MERGE),
    };
    let path = format!("/apis/{path}/namespaces/{}/podgroups/{}/status", key.namespace, key.name);
    // A group of the same name that came after this one is another group.
    let body = json!({"metadata": {"uid": &*group.uid}, "status": status});
    Ask::send(Method::PATCH, path, media_type, &body)
}

/// What a status is once these fields are written.
fn merge(written: &mut Value, fields: Value) {
    match (written, fields) {
        (Value::Object(written), Value::Object(fields)) => written.extend(fields),
        (written, fields) => *written = fields,
    }
}
