//! The cluster as the scheduler knew it, one step after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_engine::{Effect, Event};
use loadline_framework::record::Outcome;
use loadline_kubernetes::Witnessed;
use loadline_model::{NodeSpec, PodInfo};
use loadline_parity::{Expected, Referee, Request};
use serde_json::{Value, json};

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) decisions: usize,
    /// Pods that got a node.
    pub(crate) placed: usize,
    /// Pods that fitted nowhere.
    pub(crate) refused: usize,
    /// Of these, those for which others had to go.
    pub(crate) preemptions: usize,
    /// Pods that got the node which was kept for them.
    pub(crate) nominated: usize,
    /// Decisions while some node counted for less than its object says.
    pub(crate) doubted: usize,
}

impl Tally {
    /// Whether all of it is there that many times.
    pub(crate) fn reaches(&self, floors: &Self, times: usize) -> bool {
        self.decisions >= floors.decisions * times
            && self.placed >= floors.placed * times
            && self.refused >= floors.refused * times
            && self.preemptions >= floors.preemptions * times
            && self.nominated >= floors.nominated * times
            && self.doubted >= floors.doubted * times
    }
}

/// Puts the cluster together, and each decision before the referee.
pub(crate) struct Replay {
    referee: Referee,
    surroundings: Vec<Value>,
    /// Pods as the API server had them when they were new, by uid.
    pods: BTreeMap<String, Value>,
    /// Those that take room: uid and node.
    placed: BTreeMap<String, String>,
    /// Those for which a node is kept, as the scheduler had it before the last decision: uid and node.
    nominated: BTreeMap<String, String>,
    undecided: BTreeSet<String>,
    /// Nodes as they counted before the last decision, where that is less than their objects say.
    doubted: Vec<Arc<NodeSpec>>,
    refusals: usize,
    tally: Tally,
    differences: Vec<String>,
}

impl Replay {
    pub(crate) fn new(referee: Referee, surroundings: Vec<Value>) -> Self {
        Self {
            referee,
            surroundings,
            pods: BTreeMap::new(),
            placed: BTreeMap::new(),
            nominated: BTreeMap::new(),
            undecided: BTreeSet::new(),
            doubted: Vec::new(),
            refusals: 0,
            tally: Tally::default(),
            differences: Vec::new(),
        }
    }

    /// Tells it of pods that the scheduler will see.
    pub(crate) fn expect(&mut self, pods: Vec<Value>) {
        for mut pod in pods {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            if pod["spec"]["nodeName"].is_null() {
                self.undecided.insert(uid.clone());
            }
            // The conditions say nothing to the referee, and are much to read.
            let started = pod["status"]["startTime"].clone();
            pod["status"] = json!({"phase": "Pending"});
            if started.is_string() {
                pod["status"] = json!({"phase": "Running", "startTime": started});
            }
            self.pods.insert(uid, pod);
        }
    }

    pub(crate) fn has_decided_all(&self) -> bool {
        self.undecided.is_empty()
    }

    /// Whether the scheduler knows all pods that are on nodes from their beginning.
    pub(crate) fn knows_all_placed(&self) -> bool {
        let placed = self.pods.iter().filter(|(_, pod)| pod["spec"]["nodeName"].is_string());
        placed.into_iter().all(|(uid, _)| self.placed.contains_key(uid))
    }

    /// How many pods kubelets have refused.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals
    }

    /// Whether all pods that it was told of are gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    pub(crate) fn lacks(&self) -> String {
        format!("{} pods are undecided of {}", self.undecided.len(), self.pods.len())
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn differences(&self) -> &[String] {
        &self.differences
    }

    pub(crate) fn take(&mut self, witnessed: Witnessed) {
        match witnessed {
            Witnessed::Event(Event::Pod(pod)) => {
                if let Some(node) = &pod.node_name {
                    self.placed.insert(pod.uid.to_string(), node.to_string());
                }
                if let Some(known) = self.pods.get_mut(pod.uid.as_str()) {
                    leaves(known, pod.preempted, pod.is_terminating());
                }
            }
            Witnessed::Event(Event::PodGone(uid)) => self.gone(&uid),
            Witnessed::Event(Event::PodRefused(pod, _)) => {
                self.gone(&pod.uid);
                self.refusals += 1;
            }
            Witnessed::Event(_) => {}
            Witnessed::Leaves(uid) => {
                if let Some(known) = self.pods.get_mut(uid.as_str()) {
                    leaves(known, true, true);
                }
            }
            // A pod that was deleted on its way to its node.
            Witnessed::NotBound(uid) => {
                self.placed.remove(uid.as_str());
            }
            Witnessed::Decided { pod, nominated, doubted, outcome, node, message, effects } => {
                self.doubted = doubted;
                let nominated = nominated.into_iter();
                self.nominated = nominated.map(|(uid, node)| (uid.to_string(), node.to_string())).collect();
                // Of the pod itself the node is looked at first that was decided, or else that its status has: a difference on
                // purpose (docs/differences.md), which the real plugins are told as if the watch had been in time.
                if let Some(node) = &pod.nominated_node_name {
                    self.nominated.entry(pod.uid.to_string()).or_insert_with(|| node.to_string());
                }
                let request = self.request(&pod);
                let answer = self.referee.ask(&request).expect("the referee judges");
                let expected = &answer.decisions[0];
                let nominates = effects.iter().find_map(|effect| match effect {
                    Effect::PatchStatus { pod: of, nominated_node_name: Some(node), .. } if of.uid == pod.uid => {
                        node.as_deref()
                    }
                    _ => None,
                });
                let found = Found { outcome, node: node.as_deref(), nominates, message: &message, effects: &effects };
                let nominated = self.nominated.get(pod.uid.as_str()).map(String::as_str);
                for difference in differences(expected, &found, nominated, &self.leaving()) {
                    self.differences.push(format!("{}: {difference}", pod.full_name()));
                }
                self.count(expected);
                self.follow(&pod, node.as_deref());
            }
        }
    }

    fn gone(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.placed.remove(uid);
        self.undecided.remove(uid);
    }

    /// The cluster as it is to the scheduler, and the question about one pod.
    fn request(&self, pod: &PodInfo) -> Request {
        let mut objects = self.surroundings.clone();
        for node in &self.doubted {
            let is_it = |object: &&mut Value| object["kind"] == "Node" && object["metadata"]["name"] == *node.name;
            let object = objects.iter_mut().find(is_it).expect("it is one of the nodes");
            let amounts = object["status"]["allocatable"].as_object_mut().expect("a node says what it has");
            for (resource, amount) in amounts {
                *amount = match resource.as_str() {
                    "pods" => node.allowed_pods.to_string().into(),
                    "cpu" => format!("{}m", node.allocatable.milli_cpu).into(),
                    other => node.allocatable.get(other).to_string().into(),
                };
            }
        }
        let with = |uid: &String, pointer: [&str; 2], node: &String| {
            let mut pod = self.pods.get(uid)?.clone();
            pod[pointer[0]][pointer[1]] = node.as_str().into();
            Some(pod)
        };
        objects.extend(self.placed.iter().filter_map(|(uid, node)| with(uid, ["spec", "nodeName"], node)));
        let nominated =
            self.nominated.iter().filter_map(|(uid, node)| with(uid, ["status", "nominatedNodeName"], node));
        objects.extend(nominated);
        if !self.nominated.contains_key(pod.uid.as_str()) {
            objects.extend(self.pods.get(pod.uid.as_str()).cloned());
        }
        Request { id: pod.full_name(), config: String::new(), objects, pods: vec![pod.full_name()] }
    }

    /// Pods that are being deleted.
    fn leaving(&self) -> Vec<String> {
        let leaving = self.pods.values().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        leaving.map(|pod| text(&pod["metadata"]["namespace"]) + "/" + &text(&pod["metadata"]["name"])).collect()
    }

    fn count(&mut self, expected: &Expected) {
        self.tally.decisions += 1;
        self.tally.placed += usize::from(expected.result == Outcome::Feasible);
        self.tally.refused += usize::from(expected.result == Outcome::Unschedulable);
        self.tally.preemptions += usize::from(expected.preemption.is_some());
        self.tally.nominated += usize::from(expected.nominated_first);
        self.tally.doubted += usize::from(!self.doubted.is_empty());
    }

    /// What the decision changes.
    fn follow(&mut self, pod: &PodInfo, node: Option<&str>) {
        self.undecided.remove(pod.uid.as_str());
        if let Some(node) = node {
            self.placed.insert(pod.uid.to_string(), node.to_owned());
        }
    }
}

/// Notes that a pod is on its way out: as long as it is, no more pods have to go for the one that waits for its room.
fn leaves(known: &mut Value, is_preempted: bool, is_terminating: bool) {
    if is_preempted {
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"});
        known["status"]["conditions"] = json!([condition]);
    }
    if is_terminating {
        known["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
        known["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    }
}

/// What was decided.
struct Found<'a> {
    outcome: Outcome,
    node: Option<&'a str>,
    nominates: Option<&'a str>,
    message: &'a str,
    effects: &'a [Effect],
}

/// How a decision differs from what kube-scheduler would have decided about a pod for which a node is kept, or none, while these
/// pods are on their way out.
fn differences(expected: &Expected, found: &Found<'_>, nominated: Option<&str>, leaving: &[String]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut equal = |what: &str, expected: String, found: String| {
        if expected != found {
            differences.push(format!("{what}: kube-scheduler says {expected}, we say {found}"));
        }
    };
    equal("result", format!("{:?}", expected.result), format!("{:?}", found.outcome));
    equal("message", expected.message.clone(), found.message.to_owned());
    let best: Vec<&str> = if expected.nominated_first {
        nominated.into_iter().collect()
    } else {
        let feasible = || expected.nodes.iter().filter(|node| node.feasible);
        let most = feasible().map(|node| node.total).max().flatten();
        feasible().filter(|node| node.total == most).map(|node| node.name.as_str()).collect()
    };
    if !(best.is_empty() && found.node.is_none() || found.node.is_some_and(|node| best.contains(&node))) {
        equal("node", format!("one of {best:?}"), format!("{:?}", found.node));
    }
    let victims = found.effects.iter().find_map(|effect| match effect {
        Effect::DeleteVictims { victims, .. } => Some(victims.iter().map(|victim| victim.full_name())),
        _ => None,
    });
    let mut victims: Vec<String> = victims.into_iter().flatten().collect();
    victims.sort();
    let Some(preemption) = &expected.preemption else {
        equal(
            "victims",
            "none".to_owned(),
            if victims.is_empty() { "none".to_owned() } else { format!("{victims:?}") },
        );
        return differences;
    };
    // A node that is kept for the pod already is not said again.
    let node = found.nominates.or(nominated).unwrap_or_default();
    let Some(candidate) = preemption.candidates.iter().find(|at| at.node == node && preemption.best.contains(&at.node))
    else {
        equal("preemption", format!("on one of {:?}", preemption.best), format!("on {node:?}"));
        return differences;
    };
    // Those that are on their way out already are not deleted once more.
    let mut wanted: Vec<String> = candidate.victims.iter().filter(|name| !leaving.contains(*name)).cloned().collect();
    wanted.sort();
    equal("victims", format!("{wanted:?}"), format!("{victims:?}"));
    differences
}
