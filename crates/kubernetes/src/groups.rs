//! The status of PodGroups, written while this instance leads: what the scheduling thread knows of gangs, as their users see it.
//!
//! Statuses follow from what is known and from what was written before, so nothing is lost when a write fails or another instance takes
//! over. Nothing is asked and nothing written before there is a PodGroup in a profile that places gangs.

mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use loadline_engine::GangReport;
use loadline_model::{GroupApi, GroupKey, Map, Str};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::api::{Api, ApiError, Ask, STRATEGIC_MERGE};
use crate::client::Connection;
use crate::clock;
use crate::fence::Fence;
use crate::live::Scheduling;
use crate::resources::{CorePodGroups, PodGroups, Resource};

/// How often changed gangs are asked for: of several changes in a row the last is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many are taken from the scheduling thread at once, which decides nothing meanwhile.
const AT_ONCE: usize = 200;
/// How many are written at the same time.
const WRITERS: usize = 4;
/// Pause after the API server said that it may not be written.
const REFUSED: Duration = Duration::from_secs(30);
/// Media type of a merge patch: custom resources know no strategic ones.
const MERGE: &str = "application/merge-patch+json";

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
}

impl GroupStatuses {
    /// Does nothing before it is run.
    pub fn new(connection: &Connection, fence: &Fence, scheduling: Scheduling) -> Self {
        Self { connection: connection.fenced(fence), scheduling }
    }

    /// Writes for as long as it is polled, which is while this instance leads.
    pub async fn run(&self) {
        self.scheduling.has_groups().await;
        let connection = self.connection.of_this_term();
        let mut desk =
            Desk { written: Map::default(), late: BTreeMap::new(), is_refused: false, not_before: Instant::now() };
        while let Err(error) = desk.load(&connection.read).await {
            debug!(%error, "the status of PodGroups is not known yet");
            sleep(LOOK_EVERY).await;
        }
        self.scheduling.ask(|scheduler, _| scheduler.report_all_gangs()).await;
        loop {
            while let Some(reports) = self.scheduling.ask(|scheduler, now| scheduler.changed_gangs(AT_ONCE, now)).await
            {
                let is_all = reports.len() < AT_ONCE;
                // A newer word takes the place of one that is not written.
                desk.late.extend(reports.into_iter().map(|report| (report.group.uid.clone(), report)));
                if is_all {
                    break;
                }
            }
            if Instant::now() >= desk.not_before {
                desk.write(&connection.write).await;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

struct Desk {
    /// The status that each group has, by uid.
    written: Map<Str, Value>,
    /// What is to be written, by uid.
    late: BTreeMap<Str, GangReport>,
    /// It was said that it may not be written.
    is_refused: bool,
    not_before: Instant,
}

impl Desk {
    /// Learns what stands in the status of all groups.
    async fn load(&mut self, api: &Api) -> Result<(), ApiError> {
        for path in [PodGroups::PATH, CorePodGroups::PATH] {
            let path = format!("{path}?");
            let mut next = String::new();
            loop {
                let page = match api.page::<Listed>(&path, &next).await {
                    Ok(page) => page,
                    // It is not served, or not to be seen: there are none then.
                    Err(error) if error.is_code(404) || error.is_code(403) => break,
                    Err(error) => return Err(error),
                };
                let known = page
                    .items
                    .into_iter()
                    .flatten()
                    .map(|group| (Str::from(group.metadata.uid.as_str()), group.status));
                self.written.extend(known);
                next = page.metadata.next;
                if next.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, api: &Api) {
        let now = clock::seconds();
        let mut wanted = Vec::new();
        for (uid, report) in std::mem::take(&mut self.late) {
            let known = self.written.get(&uid).unwrap_or(&Value::Null);
            if let Some(status) = status::of(&report, known, &now) {
                wanted.push((uid, report, status));
            }
        }
        let mut answers = futures_util::stream::iter(wanted)
            .map(|(uid, report, status)| async move {
                let answer = api.done(&ask(&report.group.key, &uid, &status)).await;
                (uid, report, status, answer)
            })
            .buffer_unordered(WRITERS);
        while let Some((uid, report, status, answer)) = answers.next().await {
            let name = &report.group.key;
            match answer {
                Ok(()) => {
                    self.is_refused = false;
                    merge(self.written.entry(uid).or_default(), status);
                }
                // Gone, or another one of the same name by now.
                Err(error) if [404, 409, 422].into_iter().any(|code| error.is_code(code)) => {
                    debug!(group = %name, %error, "the status of a PodGroup is not written");
                    self.written.remove(&uid);
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
                        debug!(group = %name, %error, "the status of a PodGroup is written later");
                    }
                    self.late.entry(uid).or_insert(report);
                }
            }
        }
    }
}

/// The request that sets what is in `status`.
fn ask(key: &GroupKey, uid: &str, status: &Value) -> Ask {
    let (path, media_type) = match key.api {
        GroupApi::Crd => ("scheduling.x-k8s.io/v1alpha1", MERGE),
        GroupApi::Core => ("scheduling.k8s.io/v1alpha2", STRATEGIC_MERGE),
    };
    let path = format!("/apis/{path}/namespaces/{}/podgroups/{}/status", key.namespace, key.name);
    // A group of the same name that came after this one is another group.
    let body = json!({"metadata": {"uid": uid}, "status": status});
    Ask::send(Method::PATCH, path, media_type, &body)
}

/// What a status is once these fields are written.
fn merge(written: &mut Value, fields: Value) {
    match (written, fields) {
        (Value::Object(written), Value::Object(fields)) => written.extend(fields),
        (written, fields) => *written = fields,
    }
}
