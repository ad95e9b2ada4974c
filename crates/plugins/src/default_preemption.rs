//! DefaultPreemption: makes room for a pod by taking pods of lower priority off one node.
//!
//! Every node whose rejection can be resolved is tried (kube-scheduler starts at a random one and stops at a share of
//! them), so that the choice is the best there is and the same every time; candidates that are equal by all of
//! kube-scheduler's criteria are told apart by node name.
//!
//! Only the choice is made here. Deleting victims and clearing nominations of lower pods need a client and time: they belong
//! to whoever carries out the engine's effects. Meanwhile PreEnqueue turns the preemptor down; since a plugin holds nothing
//! that changes, PostFilter says with which words, and the queue does it in its place.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_framework::{
    Action, ArgField, ArgKind, ClusterEvent, Code, DefaultProfile, Descriptor, EventObject, ExtensionPoint, FieldError,
    Hint, Plugin, PostFilter, PostFilterResult, PreEnqueue, QueueingHints, Reason, Resource, Slot, Status, WhatIf,
};
use loadline_model::{DisruptionBudget, PodInfo, PreemptionPolicy, Str, Time};
use serde_json::Value;

use self::extenders::ask_extenders;

/// Name in the configuration.
pub const NAME: &str = "DefaultPreemption";

/// Why the preemptor is held back while its victims are being deleted.
const WAITING: &str = "waiting for the preemption for this pod to be finished";

const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const EFFECTLESS: &str = "It has no effect: Loadline tries all nodes.";

/// What is known about it.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: NAME,
    help: "Makes room for a pod that fits nowhere by deleting pods of lower priority from one node.",
    points: &[ExtensionPoint::PreEnqueue, ExtensionPoint::PostFilter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[
        ArgField {
            name: "minCandidateNodesPercentage",
            kind: ArgKind::Int { min: 0, max: 100 },
            default: "10",
            help: EFFECTLESS,
        },
        ArgField {
            name: "minCandidateNodesAbsolute",
            kind: ArgKind::Int { min: 0, max: i32::MAX as i64 },
            default: "100",
            help: EFFECTLESS,
        },
    ],
    validate,
    events: &[ClusterEvent::new(Resource::Pod, Action::DELETE)],
    build: |_args| {
        let plugin = Plugin::new(NAME).with_pre_enqueue(DefaultPreemption);
        Ok(plugin.with_post_filter(DefaultPreemption).with_hints(DefaultPreemption))
    },
};

fn validate(args: &Value) -> Vec<FieldError> {
    let is_zero = |name: &str| args.get(name).and_then(Value::as_i64) == Some(0);
    let (percentage, absolute) = ("minCandidateNodesPercentage", "minCandidateNodesAbsolute");
    if !(is_zero(percentage) && is_zero(absolute)) {
        return Vec::new();
    }
    [(percentage, absolute), (absolute, percentage)]
        .map(|(name, other)| FieldError::new(name, format!("cannot be zero at the same time as {other}")))
        .into()
}

struct DefaultPreemption;

impl QueueingHints for DefaultPreemption {
    /// Which event resolves the rejection is for the plugins to say that turned the pod down; the registration alone
    /// lets the end of a victim lift the gate.
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent, _object: &EventObject<'_>) -> Hint {
        Hint::Skip
    }
}

impl PreEnqueue for DefaultPreemption {
    /// Lets everybody in: whom [`PostFilterResult::hold`] keeps out is known to the queue.
    fn pre_enqueue(&self, _pod: &PodInfo) -> Status {
        Status::success()
    }
}

impl PostFilter for DefaultPreemption {
    fn post_filter(&self, pod: &Arc<PodInfo>, cluster: &dyn WhatIf) -> PostFilterResult {
        let failed = |code: Code, message: String, nominate| PostFilterResult {
            status: Status::new(code, format!("preemption: {message}")),
            nominate,
            victims: Vec::new(),
            hold: None,
        };
        if let Some(reason) = not_eligible(pod, cluster) {
            return failed(Code::Unschedulable, reason.to_owned(), None);
        }
        let (tried, rejections) = try_all(pod, cluster);
        let mut chosen = best(candidates(&tried)).cloned();
        if chosen.is_some() && !cluster.extenders().is_empty() {
            chosen = match ask_extenders(pod, cluster, candidates(&tried).cloned().collect()) {
                Ok(left) => best(&left).cloned(),
                Err(error) => return failed(Code::Error, error, None),
            };
            if chosen.is_none() {
                return failed(Code::Unschedulable, "no candidate node for preemption".to_owned(), None);
            }
        }
        if let Some(Candidate { node, victims, .. }) = chosen {
            return PostFilterResult {
                status: Status::success(),
                nominate: Some(Some(node)),
                victims,
                hold: Some(WAITING.into()),
            };
        }
        if rejections.errors.is_empty() {
            let message = no_candidate(cluster.cluster().node_count(), &rejections);
            failed(Code::Unschedulable, message, Some(None))
        } else {
            failed(Code::Error, aggregate(rejections.errors), None)
        }
    }
}

/// Why tried nodes are no candidates.
#[derive(Debug, Default)]
struct Rejections {
    /// Number of tried nodes.
    nodes: usize,
    /// Number of them by reason.
    reasons: BTreeMap<Reason, usize>,
    /// Texts of those that failed otherwise.
    errors: Vec<String>,
}

impl Rejections {
    fn add(&mut self, status: &Status) {
        self.nodes += 1;
        if status.code == Code::Error {
            self.errors.push(status.message());
        }
        for reason in &status.reasons {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }
}

/// A node on which preemption would make room.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The node's slot.
    pub slot: Slot,
    /// The node's name.
    pub node: Str,
    /// Pods to delete, the most important first, unless an extender chose them; never empty.
    pub victims: Vec<Arc<PodInfo>>,
    /// How many of them a PodDisruptionBudget protects, or so an extender says.
    pub violations: i64,
}

impl Candidate {
    /// kube-scheduler's criteria in their order, smallest best: violations, priority of the victim that is listed first, sum
    /// of the priorities (made positive, so that more victims weigh more), number of victims, and the latest start of
    /// the first one that started among those of the highest priority.
    fn rank(&self) -> (i64, i32, i64, usize, Reverse<Time>) {
        const LIFT: i64 = 1 << 31;
        let listed_first = self.victims.first().map_or(i32::MAX, |v| v.priority);
        let highest = self.victims.iter().map(|v| v.priority).max();
        let sum = self.victims.iter().map(|v| i64::from(v.priority) + LIFT).sum();
        let of_highest = self.victims.iter().filter(|v| Some(v.priority) == highest);
        let first_start = of_highest.map(|v| start(v)).min().unwrap_or(Time::MAX);
        (self.violations, listed_first, sum, self.victims.len(), Reverse(first_start))
    }
}

/// All nodes on which preemption would make room for `pod`, by name. Eligibility is not looked at.
pub fn dry_run(pod: &PodInfo, what_if: &dyn WhatIf) -> Vec<Candidate> {
    candidates(&try_all(pod, what_if).0).cloned().collect()
}

/// The candidate that kube-scheduler's criteria prefer; of equal ones the first, which in the order of [`dry_run`] is
/// the lowest node name.
pub fn best<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    candidates.into_iter().min_by_key(|candidate| candidate.rank())
}

/// What became of one node.
type Tried = Result<Candidate, Status>;

fn candidates(tried: &[Arc<Tried>]) -> impl Iterator<Item = &Candidate> {
    tried.iter().filter_map(|tried| tried.as_ref().as_ref().ok())
}

/// Why the pod may not preempt now.
fn not_eligible(pod: &PodInfo, what_if: &dyn WhatIf) -> Option<&'static str> {
    if pod.preemption_policy == PreemptionPolicy::Never {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let cluster = what_if.cluster();
    // A nominated node that has gone, or that no deletion can make fit, does not keep the pod from looking elsewhere.
    let slot = cluster.slot(what_if.nominated_node(pod)?)?;
    if what_if.code(slot) == Code::UnschedulableAndUnresolvable {
        return None;
    }
    let node = cluster.nodes()[slot.index()].as_ref()?;
    let making_room = |p: &Arc<PodInfo>| p.priority < pod.priority && p.is_terminating() && p.preempted;
    node.pods.iter().any(making_room).then_some("not eligible due to a terminating pod on the nominated node.")
}

/// Tries every node that deletions may help, by node name; and why those of them that are no candidates are none.
fn try_all(pod: &PodInfo, what_if: &dyn WhatIf) -> (Vec<Arc<Tried>>, Rejections) {
    let mut rejections = Rejections::default();
    if what_if.lowest_priority().is_none_or(|lowest| lowest >= pod.priority) {
        // No node has a victim, and looking at each would say the same.
        let nodes = what_if.resolvable();
        if nodes > 0 {
            rejections.nodes = nodes;
            rejections.reasons.insert(NO_VICTIMS.into(), nodes);
        }
        return (Vec::new(), rejections);
    }
    let by_name = what_if.slots_by_name().iter().copied();
    let slots: Vec<Slot> = by_name.filter(|slot| what_if.code(*slot) == Code::Unschedulable).collect();
    let found = what_if.find_out(NAME, &slots, &|slot| Arc::new(try_node(pod, slot, what_if)));
    let tried: Vec<Arc<Tried>> = found.into_iter().filter_map(|found| found.downcast().ok()).collect();
    debug_assert_eq!(tried.len(), slots.len(), "what is found out about a node is of one type");
    for status in tried.iter().filter_map(|tried| tried.as_ref().as_ref().err()) {
        rejections.add(status);
    }
    (tried, rejections)
}

/// The pods to take off one node: all of lower priority, but for those that can stay after all.
fn try_node(pod: &PodInfo, slot: Slot, what_if: &dyn WhatIf) -> Tried {
    let node = what_if.cluster().nodes()[slot.index()].as_deref();
    let mut potential: Vec<OnNode<'_>> =
        node.map_or(&[][..], |node| &node.pods).iter().enumerate().filter(|(_, p)| p.priority < pod.priority).collect();
    let (Some(node), false) = (node, potential.is_empty()) else {
        return Err(Status::unresolvable(NO_VICTIMS));
    };

    let mut trial = what_if.trial(slot);
    for (_, victim) in &potential {
        trial.remove(victim);
    }
    let status = trial.check();
    if !status.is_success() {
        return Err(status);
    }

    potential.sort_unstable_by_key(importance);
    let violating = violates_budget(&potential, what_if);
    let mut is_victim = vec![false; potential.len()];
    let mut violations = 0;
    for protected in [true, false] {
        for (i, (_, candidate)) in potential.iter().enumerate() {
            if violating[i] != protected {
                continue;
            }
            trial.restore(candidate);
            if !trial.check().is_success() {
                trial.remove(candidate);
                is_victim[i] = true;
                violations += i64::from(protected);
            }
        }
    }
    let victims: Vec<_> =
        potential.into_iter().zip(is_victim).filter(|(_, is_victim)| *is_victim).map(|((_, p), _)| p.clone()).collect();
    let name = &node.spec.name;
    if victims.is_empty() {
        return Err(Status::error(format!("expected at least one victim pod on node {:?}", name.as_str())));
    }
    Ok(Candidate { slot, node: name.clone(), victims, violations })
}

/// When a pod started; one that has not counts as started after all others. (kube-scheduler takes the current time.)
fn start(pod: &PodInfo) -> Time {
    pod.started.unwrap_or(Time::MAX)
}

/// A pod with its place in the node's list.
type OnNode<'a> = (usize, &'a Arc<PodInfo>);

/// Sorts the most important pod first: higher priority, then earlier start, then the place on the node.
///
/// Pods that have not started come in the reverse of that place: kube-scheduler asks the clock anew in each comparison,
/// so that the pod compared against is always the later one, and its sort (of up to 12 pods) turns them round.
fn importance((place, pod): &OnNode<'_>) -> (Reverse<i32>, Time, i64) {
    let place = *place as i64;
    let place = if pod.started.is_some() { place } else { -place };
    (Reverse(pod.priority), start(pod), place)
}

/// For each pod whether taking it off would violate a PodDisruptionBudget, pods before it in the list taken off first.
fn violates_budget(pods: &[OnNode<'_>], what_if: &dyn WhatIf) -> Vec<bool> {
    // Budgets that a pod matched, with the disruptions that are left; there are few of them on one node.
    let mut left: Vec<(&DisruptionBudget, i32)> = Vec::new();
    pods.iter()
        .map(|(_, pod)| {
            if pod.labels.is_empty() {
                return false;
            }
            let mut violates = false;
            for budget in what_if.disruption_budgets(&pod.namespace) {
                // kube-scheduler lets an empty selector match nothing here, although the API says everything.
                if budget.selector.is_everything() || !budget.counts(pod) {
                    continue;
                }
                let known = left.iter().position(|(b, _)| std::ptr::eq(*b, budget));
                let at = known.unwrap_or(left.len());
                if known.is_none() {
                    left.push((budget, budget.disruptions_allowed));
                }
                left[at].1 -= 1;
                violates |= left[at].1 < 0;
            }
            violates
        })
        .collect()
}

/// kube-scheduler's text for "no candidate": how many nodes had which reason, nodes that were not tried included.
fn no_candidate(nodes: usize, rejections: &Rejections) -> String {
    let mut items: Vec<String> = rejections.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if rejections.nodes < nodes {
        items.push(format!("{} {NOT_HELPFUL}", nodes - rejections.nodes));
    }
    // Sorted as text, count first: "10 x" comes before "2 y".
    items.sort_unstable();
    if items.is_empty() {
        format!("0/{nodes} nodes are available:")
    } else {
        format!("0/{nodes} nodes are available: {}.", items.join(", "))
    }
}

/// Several errors as one text, each once, in brackets when they differ.
fn aggregate(errors: Vec<String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for error in errors {
        if !distinct.contains(&error) {
            distinct.push(error);
        }
    }
    if distinct.len() == 1 { distinct.remove(0) } else { format!("[{}]", distinct.join(", ")) }
}

mod extenders;
#[cfg(test)]
mod tests;
