//! A plan: a node for each member of a gang, made in a transaction. One order of the members after the other is tried, so that a gang is
//! not turned down because its first members took what only the last one could have used.

use std::cmp::Reverse;
use std::sync::Arc;

use loadline_framework::Slot;
use loadline_model::{Map, PodInfo, PodKey, Resources, Set, Str, UnsatisfiableAction};
use smallvec::SmallVec;

use super::Transaction;
use crate::Engine;
use crate::choice::Within;
use crate::columns::ColumnId;
use crate::cycle::{Ask, Cycle, Depth, guarded};
use crate::evaluate::Request;
use crate::records::Summary;

/// Orders of the members that are tried in one place.
const ORDERS: usize = 8;
/// Kinds of members up to which it is found out how free each is.
const MANY_KINDS: usize = 64;

/// What is to be planned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Want {
    /// Members, in the order in which they are to be placed.
    pub(crate) members: Vec<Arc<PodInfo>>,
    /// How many of them must find a node.
    pub(crate) need: usize,
    /// Number of the try, from 1.
    pub(crate) attempt: u32,
    pub(crate) required_topology: Option<Str>,
    pub(crate) preferred_topology: Option<Str>,
    /// Nodes of members that are placed.
    pub(crate) nodes: Vec<Str>,
    /// What the gang needs in all, and what its placed members have of it already.
    pub(crate) min_resources: Option<(Arc<Resources>, Resources)>,
}

impl Want {
    /// What makes a plan one.
    pub(crate) fn goal(&self) -> usize {
        self.need.max(1)
    }
}

/// A member with its node.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) node: Str,
    pub(crate) cycle: Cycle,
    pub(crate) summary: Option<Summary>,
}

/// Members that found no node, alike to every plugin.
#[derive(Debug)]
pub(crate) struct Blocked {
    /// One of them.
    pub(crate) pod: Arc<PodInfo>,
    /// All of them, by their places in [`Want::members`].
    pub(crate) members: Vec<usize>,
    pub(crate) cycle: Cycle,
}

/// What a plan came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) placed: Vec<Member>,
    pub(crate) blocked: Vec<Blocked>,
    /// Label key and value of the domain that it is in.
    pub(crate) domain: Option<(Str, Str)>,
    /// Why nothing was tried at all.
    pub(crate) refusal: Option<String>,
}

/// Pods of one kind are alike to every plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// What was opened for it, since everything kept was dropped last.
    Opened { epoch: u64, profile: usize, priority: i32, columns: SmallVec<[Option<ColumnId>; 16]>, slots: Vec<Slot> },
    /// Turned down before any node was looked at.
    Refused(String),
    /// Nobody knows, or somebody outside has a say.
    Alone(PodKey),
}

impl Engine {
    /// Plans a gang. `Ok`: enough members found nodes; they are on the cluster, by the transaction. `Err`: the best that was found, and
    /// nothing of it is there.
    pub(crate) fn plan(&mut self, want: &Want, transaction: &mut Transaction) -> Result<Outcome, Outcome> {
        if let Some(refusal) = self.lacks_resources(want) {
            return Err(Outcome { refusal: Some(refusal), ..Outcome::default() });
        }
        if want.required_topology.is_some() || want.preferred_topology.is_some() {
            return self.plan_by_topology(want, transaction);
        }
        self.plan_within(want, None, transaction)
    }

    /// Plans a gang on these nodes alone.
    pub(super) fn plan_within(
        &mut self,
        want: &Want,
        within: Option<&Within>,
        transaction: &mut Transaction,
    ) -> Result<Outcome, Outcome> {
        let base = transaction.placed();
        let mut order: Vec<usize> = (0..want.members.len()).collect();
        let mut best = self.try_order(want, &order, within, transaction);
        if best.placed.len() >= want.goal() {
            return Ok(best);
        }
        self.unplace(transaction, base);
        let kinds = self.kinds(want);
        let distinct = kinds.iter().max().map_or(0, |last| last + 1);
        if distinct < 2 {
            return Err(best);
        }
        let mut tried: Set<Vec<usize>> = Set::default();
        tried.insert(by_kind(&order, &kinds));
        let mut next = vec![by_size(want)];
        if distinct <= MANY_KINDS {
            let freedom = self.freedom(want, &kinds, distinct, within, transaction);
            let hopeless = kinds.iter().filter(|kind| freedom[**kind] == 0).count();
            if want.members.len() - hopeless < want.goal() {
                return Err(best);
            }
            let mut constrained = by_size(want);
            constrained.sort_by_key(|member| freedom[kinds[*member]]);
            next.push(constrained);
        }
        for _ in 1..ORDERS {
            let candidate = next.pop().unwrap_or_else(|| failed_first(&order, &best, &kinds));
            if !tried.insert(by_kind(&candidate, &kinds)) {
                if next.is_empty() && !tried.insert(by_kind(&failed_first(&order, &best, &kinds), &kinds)) {
                    break;
                }
                continue;
            }
            order = candidate;
            let outcome = self.try_order(want, &order, within, transaction);
            if outcome.placed.len() >= want.goal() {
                return Ok(outcome);
            }
            self.unplace(transaction, base);
            if outcome.placed.len() >= best.placed.len() {
                best = outcome;
            }
        }
        Err(best)
    }

    /// Places as many members as fit, in this order. Those like one that failed are counted and not tried.
    fn try_order(
        &mut self,
        want: &Want,
        order: &[usize],
        within: Option<&Within>,
        transaction: &mut Transaction,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut left = order.to_vec();
        loop {
            let before = outcome.placed.len();
            let mut failed: Map<Kind, usize> = Map::default();
            for member in left {
                let pod = &want.members[member];
                if !failed.is_empty()
                    && let Some(at) = failed.get(&self.kind(pod))
                {
                    outcome.blocked[*at].members.push(member);
                    continue;
                }
                let prefer = transaction.nominated(&pod.uid).cloned();
                let ask =
                    Ask { attempt: want.attempt, depth: Depth::Decide, alone: false, within, prefer: prefer.as_ref() };
                let mut cycle = self.ask(pod, ask);
                let summary = if cycle.node.is_some() && self.records.is_on() {
                    self.profiles.profiles.get(cycle.profile).cloned().map(|of| self.summary(&cycle, &of, want.attempt))
                } else {
                    None
                };
                // What it refers to may end with the next member's.
                cycle.evaluation = None;
                if let Some(node) = cycle.node.clone() {
                    self.put(transaction, pod, &node);
                    outcome.placed.push(Member { pod: pod.clone(), node, cycle, summary });
                } else {
                    failed.insert(self.kind(pod), outcome.blocked.len());
                    outcome.blocked.push(Blocked { pod: pod.clone(), members: vec![member], cycle });
                }
            }
            // One that was placed since can be what another waits for.
            let helped: Vec<Blocked> = if outcome.placed.len() > before {
                outcome.blocked.extract_if(.., |blocked| may_follow(&blocked.pod)).collect()
            } else {
                Vec::new()
            };
            if helped.is_empty() {
                return outcome;
            }
            left = helped.into_iter().flat_map(|blocked| blocked.members).collect();
        }
    }

    /// A number for the kind of each member, in the order in which kinds come.
    fn kinds(&mut self, want: &Want) -> Vec<usize> {
        let mut numbers: Map<Kind, usize> = Map::default();
        let mut kinds = Vec::with_capacity(want.members.len());
        for pod in &want.members {
            let kind = self.kind(pod);
            let next = numbers.len();
            kinds.push(*numbers.entry(kind).or_insert(next));
        }
        kinds
    }

    /// A pod of each kind.
    pub(crate) fn one_of_each_kind(&mut self, pods: &[Arc<PodInfo>]) -> Vec<Arc<PodInfo>> {
        let mut known: Set<Kind> = Set::default();
        pods.iter().filter(|pod| known.insert(self.kind(pod))).cloned().collect()
    }

    fn kind(&mut self, pod: &Arc<PodInfo>) -> Kind {
        let found = self.profiles.profiles.iter().position(|profile| profile.scheduler_name == pod.scheduler_name);
        let Some(index) = found else { return Kind::Alone(pod.uid.clone()) };
        if self.profiles.extenders.iter().any(|extender| extender.is_interested(pod)) {
            return Kind::Alone(pod.uid.clone());
        }
        let profile = self.profiles.profiles[index].clone();
        let request = Request { profile: &profile, profile_index: index, pod };
        match guarded(|| self.kept.pre_filter(&request, &mut self.cluster)) {
            Ok(Ok(opened)) => Kind::Opened {
                epoch: self.epoch,
                profile: index,
                priority: pod.priority,
                slots: opened.narrowed.as_ref().map_or_else(Vec::new, |narrowed| narrowed.slots.clone()),
                columns: opened.columns,
            },
            Ok(Err(early)) => Kind::Refused(early.status.message()),
            Err(_) => {
                self.drop_kept();
                Kind::Alone(pod.uid.clone())
            }
        }
    }

    /// For each kind the number of nodes that one of it could have if it came first.
    fn freedom(
        &mut self,
        want: &Want,
        kinds: &[usize],
        distinct: usize,
        within: Option<&Within>,
        transaction: &Transaction,
    ) -> Vec<usize> {
        let first = |kind: usize| kinds.iter().position(|other| *other == kind);
        let mut freedom = Vec::with_capacity(distinct);
        for kind in 0..distinct {
            let Some(pod) = first(kind).map(|member| want.members[member].clone()) else { continue };
            let prefer = transaction.nominated(&pod.uid).cloned();
            let ask =
                Ask { attempt: want.attempt, depth: Depth::Decide, alone: false, within, prefer: prefer.as_ref() };
            let cycle = self.ask(&pod, ask);
            // One that follows another has no node before that one is placed, and is not hopeless.
            let follows = cycle.node.is_none() && may_follow(&pod);
            freedom.push(if follows { usize::MAX } else { cycle.feasible });
        }
        freedom
    }
}

/// Whether another member's placement can be what a pod waits for.
fn may_follow(pod: &PodInfo) -> bool {
    pod.affinity.as_ref().is_some_and(|affinity| !affinity.pod_required.is_empty())
        || pod.spread.iter().any(|spread| spread.when_unsatisfiable == UnsatisfiableAction::DoNotSchedule)
}

fn by_kind(order: &[usize], kinds: &[usize]) -> Vec<usize> {
    order.iter().map(|member| kinds[*member]).collect()
}

/// The largest first.
fn by_size(want: &Want) -> Vec<usize> {
    let size = |member: &usize| {
        let Resources { milli_cpu, memory, scalars, .. } = &want.members[*member].requests.usage;
        let others: i64 = scalars.iter().map(|(_, amount)| *amount).sum();
        (Reverse(others), Reverse(*milli_cpu), Reverse(*memory))
    };
    let mut order: Vec<usize> = (0..want.members.len()).collect();
    order.sort_by_key(size);
    order
}

/// The kinds that failed before the others.
fn failed_first(order: &[usize], outcome: &Outcome, kinds: &[usize]) -> Vec<usize> {
    let failed: Set<usize> =
        outcome.blocked.iter().filter_map(|blocked| blocked.members.first()).map(|member| kinds[*member]).collect();
    let (mut first, rest): (Vec<usize>, Vec<usize>) =
        order.iter().partition(|member| failed.contains(&kinds[**member]));
    first.extend(rest);
    first
}
