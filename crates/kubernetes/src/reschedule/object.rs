//! Moves as objects of the API: loadline.dev/v1alpha1. What was planned stands in the spec, how far it is in the status.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_api::wire;
use loadline_model::quantity::Quantity;
use loadline_model::{Labels, Owner, PodInfo, PodRequests, Resources, Str, Time};
use loadline_rescheduler::controller::{Failure, Past, Phase, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Nanoseconds in a second.
pub(super) const SECOND: Time = 1_000_000_000;
/// Group and version.
pub(super) const API_VERSION: &str = "loadline.dev/v1alpha1";
/// All of them, in all namespaces.
pub(super) const ALL: &str = "/apis/loadline.dev/v1alpha1/moves";
/// What is in front of the uid of a pod that stands for one that is to come.
const STAND_IN: &str = "move-";

/// Such an object, as far as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

/// What the API server says of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) creation_timestamp: Option<wire::Time>,
}

/// What was planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) pod: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<OwnedBy>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) template_hash: String,
    pub(super) scheduler_name: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) requests: BTreeMap<String, String>,
    pub(super) priority: i32,
    pub(super) strategy: String,
    pub(super) reason: String,
    pub(super) gain: f64,
    /// From its creation on. A time of day would be that of some machine's clock.
    pub(super) deadline_seconds: i64,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) uid: String,
}

/// Its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OwnedBy {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// How far it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) reason: String,
    pub(super) replacement: Replaced,
    pub(super) achieved_gain: f64,
    pub(super) times: BTreeMap<String, Value>,
}

/// What took the pod's place.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Replaced {
    pub(super) uid: String,
    pub(super) node: String,
}

/// Labels that say which template a pod is of, as the engine looks for them.
const TEMPLATE_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// What says which template a pod is of.
fn template_hash(pod: &PodInfo) -> Option<&Str> {
    TEMPLATE_LABELS.iter().find_map(|label| pod.labels.get(label))
}

/// Requests by their names in Kubernetes.
fn requests(of: &Resources) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("cpu".to_owned(), format!("{}m", of.milli_cpu)),
        ("memory".to_owned(), of.memory.to_string()),
    ]);
    if of.ephemeral_storage > 0 {
        all.insert("ephemeral-storage".to_owned(), of.ephemeral_storage.to_string());
    }
    all.extend(of.scalars.iter().map(|(name, amount)| (name.to_string(), amount.to_string())));
    all
}

fn resources(requests: &BTreeMap<String, String>) -> Resources {
    let mut resources = Resources::default();
    for (name, text) in requests {
        let Ok(quantity) = Quantity::parse(text) else { continue };
        resources.set(name, if name == "cpu" { quantity.milli_value() } else { quantity.value() });
    }
    resources
}

impl Spec {
    /// For a pod and what a plan says of it.
    pub(super) fn new(pod: &PodInfo, step: &loadline_rescheduler::Move, deadline: Time) -> Self {
        let owner = pod.owner.as_deref().map(|owner| OwnedBy {
            api_version: owner.api_version.to_string(),
            kind: owner.kind.to_string(),
            name: owner.name.to_string(),
            uid: owner.uid.to_string(),
        });
        Self {
            pod: Named { name: step.name.clone(), uid: step.uid.clone() },
            owner,
            template_hash: template_hash(pod).map(Str::to_string).unwrap_or_default(),
            scheduler_name: pod.scheduler_name.to_string(),
            source: step.from.clone(),
            target: step.to.clone(),
            requests: requests(&pod.requests.usage),
            priority: step.priority,
            strategy: step.strategy.clone(),
            reason: step.reason.clone(),
            gain: step.gain,
            deadline_seconds: (deadline / SECOND).max(1),
        }
    }

    /// The object to be created.
    pub(super) fn object(&self, namespace: &str, name: &str) -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": "Move",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "loadline"}},
            "spec": self,
        })
    }

    /// The pod that will come, as far as the spec tells: for whoever knows no pod of its like any more.
    pub(super) fn stand_in(&self, namespace: &str) -> PodInfo {
        let owner = self.owner.as_ref().map(|owner| {
            Arc::new(Owner {
                api_version: owner.api_version.as_str().into(),
                kind: owner.kind.as_str().into(),
                name: owner.name.as_str().into(),
                uid: owner.uid.as_str().into(),
            })
        });
        let label = (!self.template_hash.is_empty()).then(|| (TEMPLATE_LABELS[0], self.template_hash.as_str()));
        let amounts = resources(&self.requests);
        let requests = PodRequests {
            spec: amounts.clone(),
            usage: amounts.clone(),
            non_zero_milli_cpu: amounts.milli_cpu,
            non_zero_memory: amounts.memory,
            score: amounts,
        };
        let pod = PodInfo {
            namespace: namespace.into(),
            name: self.pod.name.as_str().into(),
            uid: self.pod.uid.as_str().into(),
            labels: Arc::new(label.into_iter().collect::<Labels>()),
            owner,
            scheduler_name: self.scheduler_name.as_str().into(),
            priority: self.priority,
            requests: Arc::new(requests),
            ..PodInfo::default()
        };
        stand_in(&pod, &self.pod.uid)
    }

    /// What the state machine knows of it.
    pub(super) fn task(&self, namespace: &str, name: &str) -> Task {
        let owner = self.owner.as_ref();
        let owner_name = match owner {
            Some(owner) => format!("{namespace}/{}/{}", owner.kind, owner.name),
            None => format!("{namespace}/Pod/{}", self.pod.name),
        };
        Task {
            key: key(namespace, name),
            uid: self.pod.uid.as_str().into(),
            owner: owner_name,
            is_replaced: owner.is_some(),
            from: self.source.as_str().into(),
            to: self.target.as_str().into(),
            strategy: self.strategy.clone(),
            gain: self.gain,
        }
    }
}

impl Object {
    /// The name of its reservation.
    pub(super) fn key(&self) -> Str {
        key(&self.metadata.namespace, &self.metadata.name)
    }

    /// How far it is.
    pub(super) fn phase(&self) -> Phase {
        Phase::parse(&self.status.phase, &self.status.reason)
    }

    /// What the state machine knows of it.
    pub(super) fn task(&self) -> Task {
        self.spec.task(&self.metadata.namespace, &self.metadata.name)
    }

    /// When it was created, by the API server's clock.
    pub(super) fn created(&self) -> Time {
        self.metadata.creation_timestamp.map_or(0, |time| time.0)
    }

    /// How long it has been over, by the API server's clock, which says `now`. When it ended is written by the clock of whoever
    /// led then: that may be wrong, so it counts only as far as it lies between the object's creation and now.
    pub(super) fn age(&self, now: Time) -> Time {
        let finished = self.status.times.get("finished").cloned();
        let finished = finished.and_then(|time| serde_json::from_value::<wire::Time>(time).ok());
        let created = self.created().min(now);
        now - finished.map_or(created, |time| time.0.clamp(created, now))
    }

    /// Whether its pod went, of one that is over. That it was about to be asked does not say that it did.
    fn was_evicted(&self) -> bool {
        let times = &self.status.times;
        match self.phase() {
            Phase::Succeeded | Phase::Elsewhere => true,
            Phase::Failed(Failure::Deadline) => times.contains_key("evicting"),
            _ => times.contains_key("evicted"),
        }
    }

    /// One that is over.
    pub(super) fn past(&self) -> Past {
        let node = self.status.replacement.node.as_str();
        Past {
            task: self.task(),
            phase: self.phase(),
            was_evicted: self.was_evicted(),
            gain: self.status.achieved_gain,
            node: (!node.is_empty()).then(|| node.into()),
        }
    }
}

/// Names an object, and its reservation.
pub(super) fn key(namespace: &str, name: &str) -> Str {
    format!("{namespace}/{name}").as_str().into()
}

/// Namespace and name.
pub(super) fn parts(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

/// Where one is.
pub(super) fn path(key: &str) -> String {
    let (namespace, name) = parts(key);
    format!("{}/{name}", collection(namespace))
}

/// Where those of a namespace are.
pub(super) fn collection(namespace: &str) -> String {
    format!("/apis/{API_VERSION}/namespaces/{namespace}/moves")
}

/// A name for the `attempt`th move of a pod: to be read, and the same whoever makes it up, so that a lost answer makes no second one.
pub(super) fn name(pod: &str, uid: &str, attempt: usize) -> String {
    /// Names may be longer; nobody reads that.
    const LONGEST: usize = 200;
    let pod = pod.get(..LONGEST).unwrap_or(pod).trim_end_matches(['.', '-']);
    let uid = uid.get(..8).unwrap_or(uid);
    if attempt == 0 { format!("{pod}-{uid}") } else { format!("{pod}-{uid}-{attempt}") }
}

/// The pod that will come in the place of another: alike, on no node, with a uid that nobody else has.
pub(super) fn stand_in(pod: &PodInfo, uid: &str) -> PodInfo {
    PodInfo { uid: format!("{STAND_IN}{uid}").as_str().into(), ..pod.made_anew() }
}

/// Whether two pods are alike to their owner.
pub(super) fn are_siblings(a: &PodInfo, b: &PodInfo) -> bool {
    let (Some(of_a), Some(of_b)) = (&a.owner, &b.owner) else { return false };
    of_a.uid == of_b.uid && template_hash(a) == template_hash(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> PodInfo {
        let mut amounts = Resources { milli_cpu: 1500, memory: 1 << 30, ..Resources::default() };
        amounts.set("example.com/gpu", 2);
        let requests = PodRequests { spec: amounts.clone(), usage: amounts, ..PodRequests::default() };
        let owner = Owner {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: "web-5d8".into(),
            uid: "owner".into(),
        };
        PodInfo {
            namespace: "shop".into(),
            name: "web-5d8-x".into(),
            uid: "0123456789".into(),
            labels: Arc::new([("app", "web"), ("pod-template-hash", "5d8")].into_iter().collect::<Labels>()),
            owner: Some(Arc::new(owner)),
            scheduler_name: "loadline".into(),
            priority: 7,
            requests: Arc::new(requests),
            ..PodInfo::default()
        }
    }

    fn step() -> loadline_rescheduler::Move {
        loadline_rescheduler::Move {
            namespace: "shop".to_owned(),
            name: "web-5d8-x".to_owned(),
            uid: "0123456789".to_owned(),
            owner: "ReplicaSet/web-5d8".to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            strategy: "LoadBalancing".to_owned(),
            reason: "cpu of a is at 90 %".to_owned(),
            gain: 12.5,
            priority: 7,
            requests: loadline_rescheduler::Requests::default(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let spec = Spec::new(&pod(), &step(), 300 * SECOND);
        let written = spec.object("shop", "web-5d8-x-01234567");
        let read: Object = serde_json::from_value(written).expect("it is one");
        assert_eq!(read.spec, spec);
        assert_eq!((read.phase(), &*read.key()), (Phase::Planned, "shop/web-5d8-x-01234567"));
        let task = read.task();
        assert_eq!((task.owner.as_str(), task.is_replaced), ("shop/ReplicaSet/web-5d8", true));
        assert_eq!((&*task.from, &*task.to, task.gain), ("a", "b", 12.5));
    }

    #[test]
    fn a_stand_in_is_the_same_to_the_owner_whether_the_pod_is_known_or_not() {
        let spec = Spec::new(&pod(), &step(), 300 * SECOND);
        let (full, told) = (stand_in(&pod(), "0123456789"), spec.stand_in("shop"));
        assert!(are_siblings(&full, &told) && are_siblings(&told, &pod()));
        assert_eq!(full.uid, told.uid);
        assert_eq!((told.priority, &told.scheduler_name), (7, &pod().scheduler_name));
        assert_eq!(told.requests.usage, pod().requests.usage);
        let other = PodInfo { labels: Arc::new([("pod-template-hash", "6")].into_iter().collect()), ..pod() };
        assert!(!are_siblings(&other, &told));
        assert!(!are_siblings(&PodInfo { owner: None, ..pod() }, &told));
    }

    #[test]
    fn names_are_short_enough_and_of_one_pod() {
        assert_eq!(name("web-5d8-x", "0123456789", 0), "web-5d8-x-01234567");
        assert_eq!(name("web-5d8-x", "0123456789", 2), "web-5d8-x-01234567-2");
        assert!(name(&"x".repeat(253), "0123456789", 99).len() <= 253);
        assert_eq!(parts("shop/web"), ("shop", "web"));
        assert_eq!(path("shop/web"), "/apis/loadline.dev/v1alpha1/namespaces/shop/moves/web");
    }

    #[test]
    fn one_that_is_over_says_whether_it_was_of_use() {
        let mut read: Object =
            serde_json::from_value(Spec::new(&pod(), &step(), SECOND).object("shop", "m")).expect("it is one");
        read.status = serde_json::from_value(json!({
            "phase": "Elsewhere", "replacement": {"name": "web-2", "node": "c"}, "achievedGain": 3.5,
            "times": {"evicting": "2026-01-01T00:00:00Z"},
        }))
        .expect("it is a status");
        let past = read.past();
        assert_eq!((past.phase, past.was_evicted, past.gain), (Phase::Elsewhere, true, 3.5));
        assert_eq!(past.node.as_deref(), Some("c"));
    }

    #[test]
    fn rests_are_counted_from_the_end_as_far_as_the_clock_that_it_was_written_by_can_be_right() {
        let age = |finished: &str| {
            let metadata = json!({"name": "m", "creationTimestamp": "2026-01-01T00:00:00Z"});
            let object: Object = serde_json::from_value(json!({
                "metadata": metadata, "status": {"phase": "Succeeded", "times": {"finished": finished}},
            }))
            .expect("it is one");
            object.age(object.created() + 100 * SECOND) / SECOND
        };
        assert_eq!(age("2026-01-01T00:01:00Z"), 40);
        assert_eq!(age("2026-01-01T00:05:00Z"), 0, "in the future");
        assert_eq!(age("2025-12-31T00:00:00Z"), 100, "before it was created");
        assert_eq!(age("yesterday"), 100);
    }
}
