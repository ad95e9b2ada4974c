//! What the clusters of a run exercised. Agreement over cases that never occur would prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets};
use loadline_framework::record::{NodeRecord, Outcome};
use serde_json::Value;

use crate::floors::{FLOORS, wanted};
use crate::generate::Profile;
use crate::protocol::{Answer, Expected, Request};

/// Parts of messages that say which way PreFilter or PostFilter went.
const PHRASES: [&str; 10] = [
    "not eligible due to preemptionPolicy=Never",
    "not eligible due to a terminating pod on the nominated node",
    "No preemption victims found for incoming pod",
    "Preemption is not helpful for scheduling",
    "no new claims to deallocate",
    "node(s) didn't satisfy plugin(s) [NodeAffinity]",
    "node(s) didn't satisfy plugin(s) [NodeAffinity ",
    "pod affinity terms conflict",
    ". not found",
    "returns an invalid score",
];

/// How often what occurred in the clusters of one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clusters.
    pub clusters: u64,
    items: BTreeMap<String, u64>,
}

impl Counts {
    /// How often `item` occurred.
    pub fn get(&self, item: &str) -> u64 {
        self.items.get(item).copied().unwrap_or(0)
    }

    fn add(&mut self, item: impl Into<String>, times: u64) {
        if times > 0 {
            *self.items.entry(item.into()).or_default() += times;
        }
    }

    /// Counts what one cluster exercised.
    fn cluster(&mut self, request: &Request, answer: &Answer) {
        self.clusters += 1;
        self.add(if request.config.is_empty() { "configuration: default" } else { "configuration: own" }, 1);
        let nodes = request.objects.iter().filter(|object| object["kind"] == "Node");
        let nodes: Vec<_> = nodes.map(|node| &node["status"]).collect();
        self.add(
            "node with an image twice",
            nodes.iter().filter(|status| has_an_image_twice(&status["images"])).count() as u64,
        );
        self.add(
            "node without allocatable",
            nodes.iter().filter(|status| status["allocatable"].is_null()).count() as u64,
        );
        let priorities = Priorities::of(request);
        for decision in &answer.decisions {
            self.decision(decision, &priorities);
        }
    }

    fn decision(&mut self, decision: &Expected, priorities: &Priorities<'_>) {
        self.add(format!("result: {:?}", decision.result), 1);
        if decision.result == Outcome::Gated {
            self.add(format!("gated by {}", decision.gated_by), 1);
        }
        self.add("nominated node taken first", u64::from(decision.nominated_first));
        for phrase in PHRASES {
            self.add(format!("message: {phrase}"), u64::from(decision.message.contains(phrase)));
        }
        let mut reasons = BTreeSet::new();
        for node in decision.nodes.iter().filter(|node| !node.feasible) {
            reasons.insert(format!("rejected by {}: {}", node.rejected_by, node.code));
            reasons.extend(node.reasons.iter().map(|reason| format!("reason: {reason}")));
            if node.reasons.len() > 1 {
                reasons.insert("several reasons on a node".to_owned());
            }
        }
        // Once for each pod: a thousand nodes that lack the same label are one case.
        for reason in reasons {
            self.add(reason, 1);
        }
        self.scores(decision.nodes.iter().filter(|node| node.feasible));
        self.preemption(decision, priorities);
    }

    /// A score tells nodes apart only where it differs between them.
    fn scores<'a>(&mut self, feasible: impl Iterator<Item = &'a NodeRecord>) {
        let mut bounds: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for node in feasible {
            for (plugin, score) in &node.scores {
                let (low, high) = bounds.entry(plugin).or_insert((score.raw, score.raw));
                (*low, *high) = ((*low).min(score.raw), (*high).max(score.raw));
            }
        }
        for (plugin, (low, high)) in bounds {
            self.add(format!("scores differ: {plugin}"), u64::from(low != high));
        }
    }

    fn preemption(&mut self, decision: &Expected, priorities: &Priorities<'_>) {
        let Some(found) = &decision.preemption else { return };
        let own = priorities.of_pod(&decision.pod());
        let any = |test: &dyn Fn(&crate::Candidate) -> bool| u64::from(found.candidates.iter().any(test));
        self.add("preemption: helps", 1);
        self.add("preemption: candidates", found.candidates.len() as u64);
        self.add("preemption: a choice between nodes", u64::from(found.best.len() < found.candidates.len()));
        self.add("preemption: nodes tie", u64::from(found.best.len() > 1));
        self.add("preemption: several victims", any(&|node| node.victims.len() > 1));
        self.add("preemption: violates a budget", any(&|node| node.num_pdb_violations > 0));
        self.add(
            "preemption: some victims violate a budget, some do not",
            any(&|node| node.num_pdb_violations > 0 && node.num_pdb_violations < node.victims.len() as i64),
        );
        // Of the pods with a lower priority, some may stay.
        self.add("preemption: spares a pod", any(&|node| priorities.lower_on(&node.node, own) > node.victims.len()));
    }
}

fn has_an_image_twice(images: &Value) -> bool {
    let names = || images.as_array().into_iter().flatten().filter_map(|image| image["names"].as_array()).flatten();
    names().count() > names().filter_map(Value::as_str).collect::<BTreeSet<_>>().len()
}

/// Priorities of a request's pods.
struct Priorities<'a> {
    pods: BTreeMap<String, i64>,
    nodes: BTreeMap<&'a str, Vec<i64>>,
}

impl<'a> Priorities<'a> {
    fn of(request: &'a Request) -> Self {
        let (mut pods, mut nodes) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for pod in request.objects.iter().filter(|object| object["kind"] == "Pod") {
            let text = |field| pod["metadata"][field].as_str().unwrap_or_default();
            let priority = pod["spec"]["priority"].as_i64().unwrap_or(0);
            pods.insert(format!("{}/{}", text("namespace"), text("name")), priority);
            if let Some(node) = pod["spec"]["nodeName"].as_str() {
                nodes.entry(node).or_default().push(priority);
            }
        }
        Self { pods, nodes }
    }

    fn of_pod(&self, pod: &str) -> i64 {
        self.pods.get(pod).copied().unwrap_or(0)
    }

    fn lower_on(&self, node: &str, than: i64) -> usize {
        let on_it = self.nodes.get(node).map_or(&[][..], Vec::as_slice);
        on_it.iter().filter(|priority| **priority < than).count()
    }
}

/// How often what occurred, by profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Profile, Counts>);

impl Coverage {
    /// Counts what one cluster exercised, by kube-scheduler's decisions.
    pub fn add(&mut self, profile: Profile, request: &Request, answer: &Answer) {
        self.0.entry(profile).or_default().cluster(request, answer);
    }

    /// Takes in what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (profile, counts) in other.0 {
            let all = self.0.entry(profile).or_default();
            all.clusters += counts.clusters;
            for (item, times) in counts.items {
                all.add(item, times);
            }
        }
    }

    /// The counts of a profile.
    pub fn of(&self, profile: Profile) -> Option<&Counts> {
        self.0.get(&profile)
    }

    /// What occurred less often than [`FLOORS`] demands, one line each.
    pub fn below_floors(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for floors in FLOORS {
            let Some(counts) = self.of(floors.profile) else {
                continue;
            };
            for (item, in_hundred) in floors.items {
                let (found, wanted) = (counts.get(item), wanted(*in_hundred, counts.clusters));
                if found < wanted {
                    missed.push(format!(
                        "{}: `{item}` occurred {found} times in {} clusters; at least {wanted} were expected",
                        floors.profile, counts.clusters
                    ));
                }
            }
        }
        missed
    }

    /// A table: one line for each item, one column for each profile.
    pub fn table(&self) -> String {
        let items: BTreeSet<_> = self.0.values().flat_map(|counts| counts.items.keys()).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(std::iter::once("occurrences".to_owned()).chain(self.0.keys().map(ToString::to_string)));
        table.add_row(
            std::iter::once("clusters".to_owned()).chain(self.0.values().map(|counts| counts.clusters.to_string())),
        );
        for item in items {
            let times = self.0.values().map(|counts| counts.get(item).to_string());
            table.add_row(std::iter::once(item.clone()).chain(times));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use loadline_framework::record::{NodeRecord, Outcome, ScoreRecord};
    use serde_json::json;

    use super::Coverage;
    use crate::generate::Profile;
    use crate::protocol::{Answer, Candidate, Expected, ExpectedPreemption, Request};

    fn request() -> Request {
        let pod = |name: &str, priority: i64, node: Option<&str>| {
            json!({
                "kind": "Pod", "metadata": {"namespace": "default", "name": name},
                "spec": {"priority": priority, "nodeName": node},
            })
        };
        Request {
            id: "taints/1".to_owned(),
            config: String::new(),
            objects: vec![pod("a", 1, Some("n")), pod("b", 2, Some("n")), pod("c", 5, None)],
            pods: vec!["default/c".to_owned()],
        }
    }

    fn feasible(name: &str, raw: i64) -> NodeRecord {
        let score = ScoreRecord { raw, ..ScoreRecord::default() };
        NodeRecord {
            name: name.to_owned(),
            feasible: true,
            scores: [("ImageLocality".to_owned(), score)].into(),
            ..NodeRecord::default()
        }
    }

    fn answer(nodes: Vec<NodeRecord>, preemption: Option<ExpectedPreemption>) -> Answer {
        Answer {
            id: "taints/1".to_owned(),
            error: None,
            decisions: vec![Expected {
                namespace: "default".to_owned(),
                name: "c".to_owned(),
                scheduler_name: "default-scheduler".to_owned(),
                result: Outcome::Unschedulable,
                message: "0/1 nodes are available: 1 x. no new claims to deallocate".to_owned(),
                gated_by: String::new(),
                nominated_first: false,
                nodes,
                preemption,
            }],
        }
    }

    fn counted(answer: &Answer) -> super::Counts {
        let mut coverage = Coverage::default();
        coverage.add(Profile::Taints, &request(), answer);
        coverage.of(Profile::Taints).expect("it was added").clone()
    }

    #[test]
    fn equal_scores_tell_nothing() {
        let equal = counted(&answer(vec![feasible("m", 5), feasible("n", 5)], None));
        assert_eq!(equal.get("scores differ: ImageLocality"), 0);
        let different = counted(&answer(vec![feasible("m", 5), feasible("n", 6)], None));
        assert_eq!(different.get("scores differ: ImageLocality"), 1);
        assert_eq!(different.get("message: no new claims to deallocate"), 1);
    }

    #[test]
    fn a_spared_pod_is_one_of_lower_priority_that_stays() {
        let with = |victims: &[&str]| {
            counted(&answer(
                Vec::new(),
                Some(ExpectedPreemption {
                    nominated_node: "n".to_owned(),
                    candidates: vec![Candidate {
                        node: "n".to_owned(),
                        victims: victims.iter().map(ToString::to_string).collect(),
                        num_pdb_violations: 1,
                    }],
                    best: vec!["n".to_owned()],
                }),
            ))
        };
        let (one, both) = (with(&["default/a"]), with(&["default/a", "default/b"]));
        assert_eq!((one.get("preemption: spares a pod"), both.get("preemption: spares a pod")), (1, 0));
        assert_eq!((one.get("preemption: several victims"), both.get("preemption: several victims")), (0, 1));
        assert_eq!(both.get("preemption: some victims violate a budget, some do not"), 1);
        assert_eq!(one.get("preemption: some victims violate a budget, some do not"), 0);
    }

    #[test]
    fn a_profile_that_exercises_nothing_is_below_its_floors() {
        let mut coverage = Coverage::default();
        for _ in 0..19 {
            coverage.add(Profile::Taints, &request(), &answer(Vec::new(), None));
        }
        assert_eq!(coverage.below_floors(), [""; 0], "few clusters prove nothing");
        coverage.add(Profile::Taints, &request(), &answer(Vec::new(), None));
        let missed = coverage.below_floors();
        assert!(
            missed.iter().any(|line| line.starts_with("taints: `result: Feasible` occurred 0 times in 20 clusters")),
            "{missed:?}"
        );
        assert!(coverage.table().contains("result: Unschedulable"));
    }
}
