//! One scheduling cycle up to the choice of a node: PreFilter, Filter, PostFilter, PreScore, Score. Nothing is committed
//! here; [`crate::Engine`] does that with the result.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loadline_framework::record::{DecidedBy, Outcome};
use loadline_framework::{Cluster, Code, Profile, Reason, SharedExtender, Slot, Status, Verdict, WhatIf};
use loadline_model::{Map, PodInfo, Str};
use smallvec::SmallVec;

use crate::Engine;
use crate::choice::{Within, tie_break};
use crate::class::Sources;
use crate::diagnosis::{Diagnosis, count_by_reason, count_single, node_name};
use crate::evaluate::{Early, Evaluation, Kept, Request, nodes_to_find};
use crate::experiment::Experiment;
use crate::extended::{Extended, filter_with};
use crate::queue::Gate;
use crate::records::Summary;

/// What a cycle decided for a pod, valid until the next change of the cluster.
#[derive(Debug)]
pub struct Cycle {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// Number of the profile in the configuration.
    pub(crate) profile: usize,
    /// What became of it. Never Gated: gates are looked at before the queue.
    pub outcome: Outcome,
    /// The chosen node.
    pub node: Option<Str>,
    /// What decided.
    pub decided_by: Option<DecidedBy>,
    /// The plugin that told nodes with equal totals apart, before the hash did.
    pub tie_broken_by: Option<&'static str>,
    /// kube-scheduler's text when no node was found; empty otherwise.
    pub message: String,
    /// Plugins that turned the pod down: events that they registered wake it.
    pub rejected_by: Vec<&'static str>,
    /// A change of the nomination: `Some(None)` clears it.
    pub nominate: Option<Option<Str>>,
    /// Pods to delete for it.
    pub victims: Vec<Arc<PodInfo>>,
    /// Who holds it back while they are being deleted.
    pub(crate) hold: Option<Gate>,
    /// Number of feasible nodes that were found.
    pub feasible: usize,
    pub(crate) evaluation: Option<Evaluation>,
    /// PreScore failed, or a score is outside of its bounds: there are no scores.
    pub(crate) unscored: bool,
    /// Who turned the pod's own nominated node down, when that happened.
    pub(crate) nominated_first: Option<Slot>,
}

impl Cycle {
    /// Whether trying again later without any event makes sense: the failure was not the pod's.
    pub fn is_error(&self) -> bool {
        self.outcome == Outcome::Error || (self.node.is_none() && self.rejected_by.is_empty())
    }

    /// Whether PostFilter was asked to help a pod that no node fits.
    pub fn tried_post_filter(&self) -> bool {
        self.outcome == Outcome::Unschedulable && self.evaluation.is_some()
    }

    pub(crate) fn failed(pod: &Arc<PodInfo>, profile: usize, outcome: Outcome, message: String) -> Self {
        Self {
            pod: pod.clone(),
            profile,
            outcome,
            node: None,
            decided_by: None,
            tie_broken_by: None,
            message,
            rejected_by: Vec::new(),
            nominate: Some(None),
            victims: Vec::new(),
            hold: None,
            feasible: 0,
            evaluation: None,
            unscored: outcome == Outcome::Error,
            nominated_first: None,
        }
    }
}

/// How much of a cycle is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The decision alone, with every shortcut.
    Decide,
    /// Every node is judged, also where a shortcut decides.
    Explain,
}

/// What a cycle is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) attempt: u32,
    pub(crate) depth: Depth,
    /// Whether the pod stands alone: nobody else preempts for it.
    pub(crate) alone: bool,
    /// The only nodes that may be taken.
    pub(crate) within: Option<&'a Within>,
    /// The node to look at first, in place of the one that the pod is nominated to.
    pub(crate) prefer: Option<&'a Str>,
}

/// Runs code of plugins, so that a panic fails one pod and not the scheduler. The error says what the panic said.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        format!("a plugin panicked: {text}")
    })
}

impl Engine {
    /// Runs a cycle for `pod`. `attempt` counts the pod's attempts from 1 and goes into the tie-break.
    pub fn decide(&mut self, pod: &Arc<PodInfo>, attempt: u32, depth: Depth) -> Cycle {
        let cycle = self.ask(pod, Ask { attempt, depth, alone: true, within: None, prefer: None });
        if depth == Depth::Decide && self.records.is_on() {
            self.keep_summary(&cycle, attempt);
        }
        cycle
    }

    /// Keeps what a cycle decided.
    pub(crate) fn keep_summary(&mut self, cycle: &Cycle, attempt: u32) {
        let Some(profile) = self.profiles.profiles.get(cycle.profile).cloned() else { return };
        let summary = self.summary(cycle, &profile, attempt);
        self.records.push(summary);
    }

    /// A cycle, of which nothing is kept.
    pub(crate) fn ask(&mut self, pod: &Arc<PodInfo>, ask: Ask<'_>) -> Cycle {
        let found = self.profiles.profiles.iter().position(|p| p.scheduler_name == pod.scheduler_name);
        let Some(index) = found else {
            let message = format!("no profile for scheduler name \"{}\"", pod.scheduler_name);
            return Cycle::failed(pod, 0, Outcome::Error, message);
        };
        let profile = self.profiles.profiles[index].clone();
        if self.cluster.node_count() == 0 {
            let message = "no nodes available to schedule pods".to_owned();
            return Cycle::failed(pod, index, Outcome::Unschedulable, message);
        }
        self.know_nominated_terms();
        // The pod must not make room for itself.
        self.nominator.set_aside(&pod.uid);
        let decided = guarded(|| self.decide_without_own(pod, ask, index, &profile));
        let cycle = decided.unwrap_or_else(|panic| {
            // Nobody knows what it left half done: everything but the cluster itself is built anew.
            self.drop_kept();
            Cycle::failed(pod, index, Outcome::Error, panic)
        });
        self.nominator.put_back();
        cycle
    }

    /// A nominated pod is put on its node in thought experiments, with the terms that it carries.
    pub(crate) fn know_nominated_terms(&mut self) {
        let now = self.nominator.position();
        if self.nominations_known == Some(now) {
            return;
        }
        let changed = self.nominations_known.and_then(|position| self.nominator.since(position));
        let nodes: Vec<Str> = match changed {
            Some(nodes) => nodes.to_vec(),
            None => self.nominator.nodes().cloned().collect(),
        };
        for node in nodes {
            for pod in self.nominator.pods_on(&node) {
                self.cluster.know_terms(pod);
            }
        }
        self.nominations_known = Some(now);
    }

    pub(crate) fn summary(&self, cycle: &Cycle, profile: &Profile, attempt: u32) -> Summary {
        /// Best nodes that are kept.
        const TOP: usize = 5;
        let order = self.cluster.order().by_name();
        let name = |slot: Slot| self.cluster.nodes()[slot.index()].as_ref().map(|info| info.spec.name.clone());
        let mut top: SmallVec<[(Str, i64); TOP]> = SmallVec::new();
        let mut rejections = Vec::new();
        match &cycle.evaluation {
            Some(Evaluation::Class(class)) => {
                let class = self.kept.classes.get(*class);
                let best = class.top(TOP).into_iter();
                top.extend(best.filter_map(|rank| Some((name(order[rank])?, class.total(rank)))));
                rejections = count_by_reason(class, profile, self.sources());
            }
            Some(Evaluation::Direct(direct)) => {
                let mut totals: Vec<(Slot, i64)> = direct.feasible().zip(direct.totals()).collect();
                totals.sort_unstable_by_key(|(slot, total)| (Reverse(*total), self.cluster.order().rank(*slot)));
                top.extend(totals.into_iter().take(TOP).filter_map(|(slot, total)| Some((name(slot)?, total))));
                rejections = count_single(direct, profile, self.sources());
            }
            Some(Evaluation::Early(_)) | None => {}
        }
        Summary {
            number: 0,
            pod: cycle.pod.clone(),
            outcome: cycle.outcome,
            config_hash: self.profiles.config_hash.clone(),
            seed: self.settings.seed,
            attempt,
            generation: self.cluster.generation(),
            winner: cycle.node.clone().zip(cycle.decided_by),
            tie_broken_by: cycle.tie_broken_by,
            feasible: cycle.feasible,
            rejections: rejections.into(),
            top: top.into_vec().into(),
            message: cycle.message.as_str().into(),
        }
    }

    fn decide_without_own(&mut self, pod: &Arc<PodInfo>, ask: Ask<'_>, index: usize, profile: &Arc<Profile>) -> Cycle {
        let Ask { attempt, depth, within, .. } = ask;
        let request = Request { profile, profile_index: index, pod };
        let opened = match self.kept.pre_filter(&request, &mut self.cluster) {
            Ok(opened) => opened,
            Err(early) => return self.ended_early(pod, index, profile, early, ask),
        };
        let pre_score_error = self.kept.pre_score_error(profile, &opened);
        let extenders = self.extenders_in_cycle(pod, depth);
        let mut extended = Extended::default();
        let nominated = ask.prefer.or_else(|| self.nominator.node_for(pod)).and_then(|name| self.cluster.slot(name));
        let nominated = nominated.filter(|slot| within.is_none_or(|within| within.has(*slot)));
        let mut first = None;
        let mut refused = None;
        if let Some(slot) = nominated {
            let (filters, _) = self.kept.members(profile, &opened);
            match Kept::one_node(&request, &filters, slot, self.sources()) {
                None => first = Some(slot),
                Some((filter, verdict)) => refused = Some((slot, filter, verdict, filters[filter].plugin)),
            }
            if let (Some(slot), false) = (first, extenders.is_empty())
                && !self.passes_extenders(slot, pod, &extenders, &mut extended)
            {
                first = None;
            }
            if let (Some(slot), Depth::Decide) = (first, depth) {
                return self.found(pod, index, slot, DecidedBy::Nominated, 1, None);
            }
        }
        let limit = nodes_to_find(profile, self.cluster.node_count());
        let mut evaluation = if let Some(narrowed) = &opened.narrowed {
            // In the order of names: a set has no order of its own.
            let mut slots = narrowed.slots.clone();
            // A nominated node that passes is taken although PreFilter left it out.
            slots.extend(first.filter(|slot| !slots.contains(slot)));
            slots.retain(|slot| within.is_none_or(|within| within.has(*slot)));
            let limit = nodes_to_find(profile, slots.len());
            let mut direct = self.kept.some_nodes(&request, opened, slots.into_iter(), limit, self.sources());
            if let (Some((slot, filter, verdict, plugin)), Some(narrowed)) = (refused, &mut direct.narrowed) {
                let name = profile.name(plugin);
                if let Err(at) = narrowed.plugins.binary_search(&name) {
                    narrowed.plugins.insert(at, name);
                }
                if !direct.judged.iter().any(|(judged, _)| *judged == slot) {
                    direct.judged.push((slot, Some((filter, verdict))));
                }
            }
            Evaluation::Direct(direct)
        } else if limit < self.cluster.node_count() {
            let order = self.cluster.order().visiting();
            let start = self.next_start % order.len();
            let slots = order[start..].iter().chain(&order[..start]).copied();
            let slots = slots.filter(|slot| within.is_none_or(|within| within.has(*slot)));
            let direct = self.kept.some_nodes(&request, opened, slots, limit, self.sources());
            self.next_start = (start + direct.judged.len()) % order.len();
            Evaluation::Direct(direct)
        } else {
            let class = self.kept.all_nodes(&request, &opened, &self.cluster, &self.nominator);
            Evaluation::Class(class)
        };
        if let Some(within) = within {
            evaluation = self.only_within(evaluation, within);
        }
        let mut feasible = self.feasible(&evaluation);
        if !extenders.is_empty() && (feasible > 0 || !extended.said.is_empty()) {
            let filtered = filter_with(&extenders, extended, evaluation, pod, &self.kept, self.sources());
            evaluation = match filtered {
                Ok(filtered) => filtered,
                Err(message) => return Cycle::failed(pod, index, Outcome::Error, message),
            };
            feasible = self.feasible(&evaluation);
        }
        if feasible == 0 {
            let mut cycle = self.not_found(pod, index, profile, evaluation, ask);
            cycle.nominated_first = refused.map(|(slot, ..)| slot);
            return cycle;
        }
        let invalid_score = self.invalid_score(&evaluation);
        let unscored = pre_score_error.is_some() || invalid_score.is_some();
        // A node that has no rival is taken without scores.
        let needs_scores = feasible > 1 && first.is_none();
        if let Some((plugin, error)) = pre_score_error.filter(|_| needs_scores) {
            let message = format!("running PreScore plugin \"{}\": {error}", profile.name(plugin));
            return Cycle { evaluation: Some(evaluation), ..Cycle::failed(pod, index, Outcome::Error, message) };
        }
        if let Some((plugin, score)) = invalid_score.filter(|_| needs_scores) {
            let message = format!(
                "applying score defaultWeights on Score plugins: plugin \"{}\" returns an invalid score {score}, it \
                 should in the range of [0, 100] after normalizing",
                profile.name(plugin)
            );
            return Cycle { evaluation: Some(evaluation), ..Cycle::failed(pod, index, Outcome::Error, message) };
        }
        if let Some(slot) = first {
            let found = self.found(pod, index, slot, DecidedBy::Nominated, feasible, Some(evaluation));
            return Cycle { unscored, ..found };
        }
        if needs_scores {
            self.ask_for_scores(&extenders, pod, &mut evaluation);
        }
        let tie = tie_break(self.settings.seed, &pod.uid, attempt);
        let (slot, tie_broken_by) = self.choose(&evaluation, profile, tie).expect("there is a feasible node");
        let decided_by = if feasible == 1 { DecidedBy::OnlyFeasible } else { DecidedBy::Score };
        let found = self.found(pod, index, slot, decided_by, feasible, Some(evaluation));
        Cycle { tie_broken_by, unscored, ..found }
    }

    pub(crate) fn feasible(&self, evaluation: &Evaluation) -> usize {
        match evaluation {
            Evaluation::Early(_) => 0,
            Evaluation::Class(class) => self.kept.classes.get(*class).feasible(),
            Evaluation::Direct(direct) => direct.feasible().count(),
        }
    }

    /// The extenders that this pod's nodes are shown to. Whoever only wants to know how a pod is judged asks nobody outside.
    fn extenders_in_cycle(&self, pod: &PodInfo, depth: Depth) -> Vec<SharedExtender> {
        let takes_part = |extender: &&SharedExtender| {
            (extender.is_filter() || extender.is_prioritizer()) && extender.is_interested(pod)
        };
        match depth {
            Depth::Decide => self.profiles.extenders.iter().filter(takes_part).cloned().collect(),
            Depth::Explain => Vec::new(),
        }
    }

    /// Whether a nominated node passes, as far as extenders are concerned. A failure sends the pod to all nodes.
    fn passes_extenders(
        &self,
        slot: Slot,
        pod: &PodInfo,
        extenders: &[SharedExtender],
        extended: &mut Extended,
    ) -> bool {
        let node = vec![(slot, node_name(slot, self.sources()))];
        extended.filter(extenders, pod, node).is_ok_and(|passed| !passed.is_empty())
    }

    fn ask_for_scores(&self, extenders: &[SharedExtender], pod: &PodInfo, evaluation: &mut Evaluation) {
        let Evaluation::Direct(direct) = evaluation else { return };
        let nodes: Vec<_> = direct.feasible().map(|slot| (slot, node_name(slot, self.sources()))).collect();
        if let Some(extended) = &mut direct.extended {
            extended.prioritize(extenders, pod, &nodes);
        }
    }

    fn found(
        &self,
        pod: &Arc<PodInfo>,
        profile: usize,
        slot: Slot,
        decided_by: DecidedBy,
        feasible: usize,
        evaluation: Option<Evaluation>,
    ) -> Cycle {
        let name = self.cluster.nodes()[slot.index()].as_ref().map(|info| info.spec.name.clone());
        Cycle {
            pod: pod.clone(),
            profile,
            outcome: Outcome::Feasible,
            node: name,
            decided_by: Some(decided_by),
            tie_broken_by: None,
            message: String::new(),
            rejected_by: Vec::new(),
            nominate: None,
            victims: Vec::new(),
            hold: None,
            feasible,
            evaluation,
            unscored: false,
            nominated_first: (decided_by == DecidedBy::Nominated).then_some(slot),
        }
    }

    fn ended_early(&self, pod: &Arc<PodInfo>, index: usize, profile: &Profile, early: Early, ask: Ask<'_>) -> Cycle {
        if !early.status.is_rejected() {
            let plugin = early.plugins.first().copied().unwrap_or_default();
            let message = format!("running PreFilter plugin \"{plugin}\": {}", early.status.message());
            return Cycle::failed(pod, index, Outcome::Error, message);
        }
        self.not_found(pod, index, profile, Evaluation::Early(early), ask)
    }

    fn not_found(
        &self,
        pod: &Arc<PodInfo>,
        index: usize,
        profile: &Profile,
        evaluation: Evaluation,
        ask: Ask<'_>,
    ) -> Cycle {
        let diagnosis = match &evaluation {
            Evaluation::Early(early) => Diagnosis::of_early(early),
            Evaluation::Class(class) => Diagnosis::of_class(self.kept.classes.get(*class), profile, self.sources()),
            Evaluation::Direct(direct) => Diagnosis::of_direct(direct, profile, self.sources()),
        };
        let mut cycle = Cycle::failed(pod, index, Outcome::Unschedulable, String::new());
        cycle.rejected_by.clone_from(&diagnosis.plugins);
        if !ask.alone {
            cycle.message = diagnosis.message(self.cluster.node_count(), "");
            return cycle;
        }
        let mut experiment = self.experiment_on(pod, profile, &evaluation);
        if ask.depth == Depth::Decide {
            let preempts = |extender: &&SharedExtender| extender.supports_preemption() && extender.is_interested(pod);
            experiment.extenders = self.profiles.extenders.iter().filter(preempts).cloned().collect();
        }
        let status = run_post_filter(profile, pod, &experiment, &mut cycle);
        cycle.message = diagnosis.message(self.cluster.node_count(), &status.message());
        cycle.evaluation = Some(evaluation);
        cycle
    }

    fn experiment_on<'a>(
        &'a self,
        pod: &'a PodInfo,
        profile: &'a Profile,
        evaluation: &'a Evaluation,
    ) -> Experiment<'a> {
        let (filters, judged) = match evaluation {
            Evaluation::Early(_) => (Vec::new(), Map::default()),
            Evaluation::Class(class) => (self.kept.classes.get(*class).filters().to_vec(), Map::default()),
            Evaluation::Direct(direct) => {
                let code = |rejection: &Option<(usize, Verdict)>| rejection.map_or(Code::Success, |(_, v)| v.code());
                let mut judged: Map<Slot, Code> =
                    direct.judged.iter().map(|(slot, rejection)| (*slot, code(rejection))).collect();
                if let Some(extended) = &direct.extended {
                    for (_, code) in judged.iter_mut().filter(|(slot, _)| extended.dropped_by(**slot).is_some()) {
                        *code = Code::UnschedulableAndUnresolvable;
                    }
                    let said = extended.said.iter();
                    judged.extend(said.filter_map(|(node, said)| Some((self.cluster.slot(node)?, said.code))));
                }
                (direct.filters.clone(), judged)
            }
        };
        Experiment {
            profile,
            pod,
            kept: &self.kept,
            evaluation,
            filters,
            sources: self.sources(),
            budgets: &self.budgets,
            budgets_at: self.budgets_at,
            pool: self.pool.as_deref(),
            judged,
            extenders: Vec::new(),
        }
    }

    /// Opens the thought experiments that PostFilter plugins saw at the end of a cycle. `None` when the cycle ended before
    /// any node was looked at. The cluster must not have changed since.
    pub fn what_if<R>(&self, cycle: &Cycle, look: impl FnOnce(&dyn WhatIf) -> R) -> Option<R> {
        let profile = &self.profiles.profiles[cycle.profile];
        let experiment = self.experiment_on(&cycle.pod, profile, cycle.evaluation.as_ref()?);
        Some(look(&experiment))
    }

    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources { cluster: &self.cluster, columns: &self.kept.columns, nominator: &self.nominator }
    }
}

/// Runs PostFilter plugins as kube-scheduler does: the first success ends them, so does an error or an
/// UnschedulableAndUnresolvable; else their reasons add up and the last nomination counts.
fn run_post_filter(profile: &Profile, pod: &Arc<PodInfo>, experiment: &Experiment<'_>, cycle: &mut Cycle) -> Status {
    if profile.post_filter.is_empty() {
        return Status::success();
    }
    cycle.nominate = None;
    let mut reasons = Vec::new();
    for plugin in &profile.post_filter {
        let Some(part) = &profile.plugins[*plugin].plugin.post_filter else {
            continue;
        };
        let result = part.post_filter(pod, experiment);
        match result.status.code {
            Code::Success => {
                cycle.nominate = result.nominate;
                cycle.victims = result.victims;
                let gate = |reason: Reason| Gate { plugin: profile.name(*plugin), message: reason.to_string() };
                cycle.hold = result.hold.map(gate);
                return Status::success();
            }
            Code::UnschedulableAndUnresolvable => {
                cycle.nominate = result.nominate;
                return result.status;
            }
            Code::Unschedulable | Code::Pending => {
                if result.nominate.is_some() {
                    cycle.nominate = result.nominate;
                }
                reasons.extend(result.status.reasons);
            }
            Code::Error | Code::Wait | Code::Skip => {
                cycle.nominate = None;
                return result.status;
            }
        }
    }
    Status { code: Code::Unschedulable, reasons }
}
