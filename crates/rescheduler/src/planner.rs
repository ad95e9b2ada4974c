//! The state of a plan in the making: the fork, the ledger, what was moved and who was refused.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::Engine;
use loadline_model::{Map, PodInfo, PodKey, Set, Str};

use crate::MAINTENANCE;
use crate::balance::{Amounts, Ledger, Resource, rounded};
use crate::options::Limits;
use crate::owners::{OwnerKey, Situation, key};
use crate::plan::{Move, NodeBalance, Plan, Requests, Skipped};
use crate::policy::Evictor;
use crate::refusal::Refusal;
use crate::rules::Rules;

/// Who may be moved.
pub(crate) enum Guard<'a> {
    /// By the Rescheduler's rules.
    Own(Rules<'a>),
    /// By those of a policy of the descheduler.
    Policy(Evictor<'a>),
}

/// A pod that would go somewhere, and what that gains.
pub(crate) struct Chosen {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) to: Str,
    pub(crate) gain: f64,
}

/// What a strategy says of a pod that the scheduler would put somewhere: the gain, or why it stays.
pub(crate) type Judge<'j> = dyn Fn(&Ledger, &PodInfo, Amounts, &Str) -> Result<f64, Refusal> + 'j;

/// What a strategy is looking for on one node.
pub(crate) struct Wanted<'w> {
    pub(crate) from: &'w Str,
    /// The most that moving a pod could gain; moves that gain less than `least` are not looked at.
    pub(crate) most: &'w dyn Fn(&Ledger, Amounts) -> f64,
    pub(crate) least: f64,
    pub(crate) judge: &'w Judge<'w>,
}

/// A plan in the making.
pub(crate) struct Planner<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) ledger: Ledger,
    pub(crate) situation: &'a Situation,
    guard: Guard<'a>,
    limits: Limits,
    before: Ledger,
    pods_before: BTreeMap<Str, i64>,
    /// Nodes marked for maintenance, by name: nothing is moved to them.
    marked: Vec<Str>,
    by_node: Map<Str, usize>,
    by_namespace: Map<Str, usize>,
    by_owner: Map<OwnerKey, usize>,
    /// Evictions that each PodDisruptionBudget has still to give, by namespace and name.
    allowed: Map<(Str, Str), i32>,
    moved: Set<PodKey>,
    skipped: BTreeMap<PodKey, (Refusal, Arc<PodInfo>)>,
    moves: Vec<Move>,
    notes: Vec<String>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(engine: &'a mut Engine, situation: &'a Situation, guard: Guard<'a>, limits: Limits) -> Self {
        let ledger = Ledger::new(engine);
        let infos = engine.cluster().node_infos();
        let pods_before = infos.map(|info| (info.spec.name.clone(), info.load.pods)).collect();
        let is_marked = |label: Option<&Str>| label.is_some_and(|value| *value == *"true");
        let mut marked: Vec<Str> = engine
            .cluster()
            .node_infos()
            .filter(|info| is_marked(info.spec.labels.get(MAINTENANCE)))
            .map(|info| info.spec.name.clone())
            .collect();
        marked.sort_unstable();
        Self {
            before: ledger.clone(),
            ledger,
            engine,
            situation,
            guard,
            limits,
            pods_before,
            marked,
            by_node: Map::default(),
            by_namespace: Map::default(),
            by_owner: Map::default(),
            allowed: Map::default(),
            moved: Set::default(),
            skipped: BTreeMap::new(),
            moves: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Has others say who may be moved. Returns who said it so far.
    pub(crate) fn change_guard(&mut self, guard: Guard<'a>) -> Option<Evictor<'a>> {
        match std::mem::replace(&mut self.guard, guard) {
            Guard::Policy(evictor) => Some(evictor),
            Guard::Own(_) => None,
        }
    }

    /// Nodes marked for maintenance, by name.
    pub(crate) fn marked(&self) -> &[Str] {
        &self.marked
    }

    /// Says something to whoever reads the plan.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether the round is full.
    pub(crate) fn is_full(&self) -> bool {
        self.limits.round.is_some_and(|limit| self.moves.len() >= limit)
    }

    /// Whether as many pods are moved from a node as may be.
    pub(crate) fn is_spent(&self, node: &str) -> bool {
        self.limits.node.is_some_and(|limit| self.by_node.get(node).copied().unwrap_or(0) >= limit)
    }

    /// Pods on a node that were not moved there by this plan, in the order of their names.
    pub(crate) fn pods_on(&self, node: &str) -> Vec<Arc<PodInfo>> {
        let info = self.engine.cluster().node(node);
        let pods = info.iter().flat_map(|info| &info.pods).filter(|pod| !self.moved.contains(&pod.uid));
        let mut pods: Vec<Arc<PodInfo>> = pods.cloned().collect();
        pods.sort_unstable_by(|a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
        pods
    }

    /// Whether the plan has moved a pod.
    pub(crate) fn was_moved(&self, pod: &PodInfo) -> bool {
        self.moved.contains(&pod.uid)
    }

    /// Takes note of why a pod stays.
    pub(crate) fn skip(&mut self, pod: &Arc<PodInfo>, refusal: Refusal) {
        self.skipped.insert(pod.uid.clone(), (refusal, pod.clone()));
    }

    /// Whether a pod may be moved from a node at all; why not is taken note of.
    pub(crate) fn may_move(&mut self, pod: &Arc<PodInfo>, from: &Str) -> bool {
        let refusal = self.refusal(pod, from);
        if let Some(refusal) = refusal {
            self.skip(pod, refusal);
        }
        refusal.is_none()
    }

    fn refusal(&self, pod: &PodInfo, from: &Str) -> Option<Refusal> {
        let by_rule = match &self.guard {
            Guard::Own(rules) => rules.refusal(pod),
            Guard::Policy(evictor) => evictor.refusal(pod, from, self.engine),
        };
        by_rule.or_else(|| self.by_limits(pod, from)).or_else(|| self.by_budget(pod))
    }

    fn by_limits(&self, pod: &PodInfo, from: &Str) -> Option<Refusal> {
        fn is_reached(limit: Option<usize>, count: Option<&usize>) -> bool {
            limit.is_some_and(|limit| count.copied().unwrap_or(0) >= limit)
        }
        let of_owner = key(pod).and_then(|key| self.by_owner.get(&key));
        let table = [
            (Refusal::NodeRests, self.situation.resting_nodes.contains(from)),
            (Refusal::RoundLimit, self.is_full()),
            (Refusal::NodeLimit, self.is_spent(from)),
            (Refusal::NamespaceLimit, is_reached(self.limits.namespace, self.by_namespace.get(&pod.namespace))),
            (Refusal::OwnerLimit, is_reached(self.limits.owner, of_owner)),
        ];
        table.into_iter().find_map(|(refusal, holds)| holds.then_some(refusal))
    }

    /// Budgets that count a pod, by name. One whose eviction was allowed already counts it no more.
    fn budgets_of<'e>(&'e self, pod: &'e PodInfo) -> impl Iterator<Item = (Str, i32)> + 'e {
        let budgets = self.engine.disruption_budgets(&pod.namespace).iter();
        budgets.filter(|budget| budget.counts(pod)).map(|budget| (budget.name.clone(), budget.disruptions_allowed))
    }

    /// The Eviction API refuses a pod that two budgets count, whatever they allow.
    fn by_budget(&self, pod: &PodInfo) -> Option<Refusal> {
        let budgets: Vec<(Str, i32)> = self.budgets_of(pod).collect();
        let left = |(name, allowed): &(Str, i32)| {
            self.allowed.get(&(pod.namespace.clone(), name.clone())).copied().unwrap_or(*allowed)
        };
        let refused = budgets.len() > 1 || budgets.iter().any(|budget| left(budget) < 1);
        refused.then_some(Refusal::DisruptionBudget)
    }

    /// The node that the scheduler would choose for a pod's replacement, with the pod itself gone from its node.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn target(&mut self, pod: &Arc<PodInfo>, from: &Str) -> Result<Str, Refusal> {
        self.target_apart(pod, from, &[])
    }

    /// The same, and it may not be any of these nodes.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn target_apart(&mut self, pod: &Arc<PodInfo>, from: &Str, others: &[Str]) -> Result<Str, Refusal> {
        let fresh = replacement(pod, self.situation.now);
        let profile = self.engine.profiles().get(&pod.scheduler_name).cloned();
        if profile.is_none_or(|profile| profile.gate(&fresh).is_some()) {
            return Err(Refusal::Gated);
        }
        let mut apart = self.marked.clone();
        apart.push(from.clone());
        apart.extend_from_slice(others);
        let was_there = self.engine.remove_pod(&pod.uid).is_some();
        let to = self.engine.elsewhere(&fresh, &apart);
        if was_there {
            self.engine.set_placed_pod(pod.clone(), from);
        }
        to.ok_or(Refusal::FitsNowhere)
    }

    /// Among the pods on a node that may be moved: of those with the lowest priority for which any move is worth while, the
    /// one whose move gains most.
    pub(crate) fn best(&mut self, wanted: &Wanted<'_>) -> Option<Chosen> {
        let mut open: Vec<(Arc<PodInfo>, Amounts, f64)> = Vec::new();
        for pod in self.pods_on(wanted.from) {
            if !self.may_move(&pod, wanted.from) {
                continue;
            }
            let amounts = self.ledger.amounts(&pod, wanted.from);
            let most = (wanted.most)(&self.ledger, amounts);
            if most < wanted.least {
                self.skip(&pod, Refusal::NoGain);
            } else {
                open.push((pod, amounts, most));
            }
        }
        // The order of names is kept among equals.
        open.sort_by(|a, b| a.0.priority.cmp(&b.0.priority).then(b.2.total_cmp(&a.2)));
        let mut best: Option<Chosen> = None;
        let mut asked: Option<(Arc<PodInfo>, Refusal)> = None;
        for (pod, amounts, most) in open {
            if best.as_ref().is_some_and(|best| best.pod.priority < pod.priority || best.gain >= most) {
                // Of a higher priority, or without a chance: neither is looked at.
                continue;
            }
            if best.as_ref().is_some_and(|best| are_alike(&best.pod, &pod)) {
                continue;
            }
            if let Some((twin, refusal)) = asked.as_ref().filter(|(twin, _)| are_alike(twin, &pod)) {
                debug_assert_ne!(twin.uid, pod.uid);
                let refusal = *refusal;
                self.skip(&pod, refusal);
                continue;
            }
            let judged = self.target(&pod, wanted.from).and_then(|to| {
                let gain = (wanted.judge)(&self.ledger, &pod, amounts, &to)?;
                if gain < wanted.least { Err(Refusal::NoGain) } else { Ok((to, gain)) }
            });
            match judged {
                Ok((to, gain)) => {
                    if best.as_ref().is_none_or(|best| gain > best.gain) {
                        best = Some(Chosen { pod, to, gain });
                    }
                }
                Err(refusal) => {
                    self.skip(&pod, refusal);
                    asked = Some((pod, refusal));
                }
            }
        }
        best
    }

    /// Makes a move on the fork and takes note of it.
    pub(crate) fn make(&mut self, chosen: &Chosen, from: &Str, strategy: &str, reason: String) {
        let Chosen { pod, to, gain } = chosen;
        let amounts = self.ledger.amounts(pod, from);
        self.engine.remove_pod(&pod.uid);
        self.engine.assume(&replacement(pod, self.situation.now), to);
        self.ledger.shift(amounts, from, to);
        *self.by_node.entry(from.clone()).or_default() += 1;
        *self.by_namespace.entry(pod.namespace.clone()).or_default() += 1;
        if let Some(key) = key(pod) {
            *self.by_owner.entry(key).or_default() += 1;
        }
        let budgets: Vec<(Str, i32)> = self.budgets_of(pod).collect();
        for (name, allowed) in budgets {
            *self.allowed.entry((pod.namespace.clone(), name)).or_insert(allowed) -= 1;
        }
        self.skipped.remove(&pod.uid);
        self.moved.insert(pod.uid.clone());
        let owner = pod.owner.as_ref().map_or_else(String::new, |owner| format!("{}/{}", owner.kind, owner.name));
        self.moves.push(Move {
            namespace: pod.namespace.to_string(),
            name: pod.name.to_string(),
            uid: pod.uid.to_string(),
            owner,
            from: from.to_string(),
            to: to.to_string(),
            strategy: strategy.to_owned(),
            reason,
            gain: rounded(*gain),
            priority: pod.priority,
            requests: Requests { milli_cpu: pod.requests.usage.milli_cpu, memory: pod.requests.usage.memory },
        });
    }

    /// The plan. The fork is left as it would be with every move made.
    pub(crate) fn finish(mut self) -> Plan {
        self.explain_first();
        let profiles = self.engine.profiles();
        let mut plan = Plan::empty(&profiles.config_hash, self.engine.seed());
        plan.skipped = self.summary();
        plan.before = self.before.balance();
        plan.after = self.ledger.balance();
        plan.nodes = self.ledger.names().map(|name| self.node(name)).collect();
        plan.moves = self.moves;
        plan.notes = self.notes;
        plan
    }

    fn node(&self, name: &Str) -> NodeBalance {
        let percent = |ledger: &Ledger, resource| rounded(ledger.percent(name, resource).unwrap_or(0.0));
        let pods_before = self.pods_before.get(name).copied().unwrap_or(0);
        NodeBalance {
            name: name.to_string(),
            cpu_before: percent(&self.before, Resource::Cpu),
            cpu_after: percent(&self.ledger, Resource::Cpu),
            memory_before: percent(&self.before, Resource::Memory),
            memory_after: percent(&self.ledger, Resource::Memory),
            pods_before,
            pods_after: self.engine.cluster().node(name).map_or(pods_before, |info| info.load.pods),
        }
    }

    fn summary(&self) -> Vec<Skipped> {
        let mut by_reason: BTreeMap<Refusal, (u64, &Arc<PodInfo>)> = BTreeMap::new();
        for (refusal, pod) in self.skipped.values() {
            let found = by_reason.entry(*refusal).or_insert((0, pod));
            found.0 += 1;
            if (&pod.namespace, &pod.name) < (&found.1.namespace, &found.1.name) {
                found.1 = pod;
            }
        }
        let mut skipped: Vec<(Refusal, Skipped)> = by_reason
            .into_iter()
            .map(|(refusal, (pods, example))| {
                let (reason, meaning) = (refusal.as_str().to_owned(), refusal.meaning().to_owned());
                (refusal, Skipped { reason, pods, meaning, example: example.full_name() })
            })
            .collect();
        skipped.sort_by_key(|(refusal, skipped)| (Reverse(skipped.pods), *refusal));
        skipped.into_iter().map(|(_, skipped)| skipped).collect()
    }

    /// Says of one of the pods that fit nowhere what turned it down everywhere.
    fn explain_first(&mut self) {
        let stuck = self.skipped.values().filter(|(refusal, _)| *refusal == Refusal::FitsNowhere);
        let first = stuck.map(|(_, pod)| pod.clone()).min_by(|a, b| a.full_name().cmp(&b.full_name()));
        let Some(pod) = first else { return };
        let from: Vec<Str> = pod.node_name.iter().cloned().collect();
        let was_there = self.engine.remove_pod(&pod.uid);
        let why = self.engine.why_not_elsewhere(&replacement(&pod, self.situation.now), &from);
        if let Some(was) = was_there {
            self.engine.set_placed_pod(was.pod, &was.node);
        }
        let why = why.split_once(": ").map_or(why.as_str(), |(_, reasons)| reasons).trim_end_matches('.');
        self.note(format!("{} fits no other node: {why}", pod.full_name()));
    }
}

/// The pod that a controller would make in a pod's place. It is known by the same uid, as there is never more than one of the
/// two.
fn replacement(pod: &PodInfo, now: i64) -> Arc<PodInfo> {
    Arc::new(PodInfo { created: Some(now), ..pod.made_anew() })
}

/// Whether two pods are of one owner and alike in all that a decision reads; what is said of one on a node holds for the other.
fn are_alike(a: &PodInfo, b: &PodInfo) -> bool {
    a.owner.is_some()
        && a.owner == b.owner
        && a.namespace == b.namespace
        && a.priority == b.priority
        && (Arc::ptr_eq(&a.requests, &b.requests) || a.requests == b.requests)
        && (Arc::ptr_eq(&a.labels, &b.labels) || a.labels == b.labels)
        && a.affinity == b.affinity
        && a.tolerations == b.tolerations
        && a.node_selector == b.node_selector
        && a.spread == b.spread
        && a.host_ports == b.host_ports
        && a.volumes.is_empty()
        && b.volumes.is_empty()
}
