//! What extenders make of a cycle and of a binding. They are the only ones asked outside, so nothing of their answers is kept:
//! with an extender that filters or scores, a pod's nodes are judged one by one for this cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use loadline_framework::{Code, ExtenderFilter, HostPriority, Profile, SharedExtender, Slot};
use loadline_model::{Map, PodInfo, Str};

use crate::class::Sources;
use crate::cycle::guarded;
use crate::diagnosis::node_name;
use crate::evaluate::{Direct, Evaluation, Kept, score_set};

/// What one extender said of a node.
#[derive(Debug)]
pub(crate) struct Said {
    /// The extender.
    pub(crate) by: Str,
    pub(crate) code: Code,
    pub(crate) reason: String,
}

/// One extender's scores, 0 to 10.
#[derive(Debug)]
struct Scores {
    extender: SharedExtender,
    by_slot: Map<Slot, i64>,
}

/// What extenders said in one cycle.
#[derive(Debug, Default)]
pub(crate) struct Extended {
    /// By node: the last word on it, which takes the place of what the filters said. Also of nodes that nobody asked about, as in
    /// kube-scheduler.
    pub(crate) said: BTreeMap<String, Said>,
    /// Nodes that passed the filters, and the first extender that did not let them pass.
    dropped: BTreeMap<Slot, Str>,
    scores: Vec<Scores>,
}

impl Extended {
    /// Asks extenders about these nodes, each about what the ones before left. Returns what all let pass.
    ///
    /// # Errors
    /// What an extender says that must not fail.
    pub(crate) fn filter(
        &mut self,
        extenders: &[SharedExtender],
        pod: &PodInfo,
        mut nodes: Vec<(Slot, Str)>,
    ) -> Result<Vec<(Slot, Str)>, String> {
        for extender in extenders.iter().filter(|extender| extender.is_filter()) {
            if nodes.is_empty() {
                break;
            }
            let names: Vec<Str> = nodes.iter().map(|(_, name)| name.clone()).collect();
            let answer = match guarded(|| extender.filter(pod, &names)).flatten() {
                Ok(answer) => answer,
                Err(_) if extender.is_ignorable() => continue,
                Err(error) => return Err(error),
            };
            let by: Str = extender.name().into();
            let passed = self.take_over(&by, answer);
            nodes.retain(|(slot, name)| {
                let passes = passed.contains(name.as_str());
                if !passes {
                    self.dropped.insert(*slot, by.clone());
                }
                passes
            });
        }
        Ok(nodes)
    }

    /// Takes note of reasons; the names of nodes that passed.
    fn take_over(&mut self, by: &Str, answer: ExtenderFilter) -> BTreeSet<String> {
        let ExtenderFilter { passed, failed, failed_and_unresolvable: unresolvable } = answer;
        let failed = failed.into_iter().filter(|(node, _)| !unresolvable.contains_key(node)).collect();
        let both: [(Code, BTreeMap<String, String>); 2] =
            [(Code::Unschedulable, failed), (Code::UnschedulableAndUnresolvable, unresolvable)];
        for (code, reasons) in both {
            let said = reasons.into_iter().map(|(node, reason)| (node, Said { by: by.clone(), code, reason }));
            self.said.extend(said);
        }
        passed.into_iter().collect()
    }

    /// Asks extenders for scores of these nodes, all at the same time. One that fails gives none.
    pub(crate) fn prioritize(&mut self, extenders: &[SharedExtender], pod: &PodInfo, nodes: &[(Slot, Str)]) {
        let scoring: Vec<&SharedExtender> = extenders.iter().filter(|extender| extender.is_prioritizer()).collect();
        let names: Vec<Str> = nodes.iter().map(|(_, name)| name.clone()).collect();
        let ask = |extender: &SharedExtender| guarded(|| extender.prioritize(pod, &names)).flatten();
        let answers: Vec<Result<Vec<HostPriority>, String>> = match scoring[..] {
            [one] => vec![ask(one)],
            _ => thread::scope(|scope| {
                let asked: Vec<_> = scoring.iter().map(|extender| scope.spawn(|| ask(extender))).collect();
                let lost = || Err("the thread that asked has ended".to_owned());
                asked.into_iter().map(|answer| answer.join().unwrap_or_else(|_| lost())).collect()
            }),
        };
        let slots: Map<&str, Slot> = nodes.iter().map(|(slot, name)| (name.as_str(), *slot)).collect();
        for (extender, answer) in scoring.into_iter().zip(answers) {
            let mut by_slot: Map<Slot, i64> = Map::default();
            for HostPriority { host, score } in answer.unwrap_or_default() {
                if let Some(slot) = slots.get(host.as_str()) {
                    *by_slot.entry(*slot).or_default() += score;
                }
            }
            self.scores.push(Scores { extender: extender.clone(), by_slot });
        }
    }

    /// Which extender did not let a node pass that had passed the filters.
    pub(crate) fn dropped_by(&self, slot: Slot) -> Option<&Str> {
        self.dropped.get(&slot)
    }

    /// Whether any did not let a node pass.
    pub(crate) fn dropped_any(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Scores of a node: extender, score, and its weight, in the scale of score plugins.
    pub(crate) fn scores(&self, slot: Slot) -> impl Iterator<Item = (&str, i64, i64)> {
        let of_node = self.scores.iter().filter_map(move |scores| Some((scores, *scores.by_slot.get(&slot)?)));
        of_node.map(|(scores, score)| (scores.extender.name(), score, scores.extender.weight()))
    }

    /// What all scores add to a node's total.
    pub(crate) fn total(&self, slot: Slot) -> i64 {
        let weighted = self.scores(slot).map(|(_, score, weight)| scaled(score).wrapping_mul(weight));
        weighted.fold(0, i64::wrapping_add)
    }
}

/// An extender's score, 0 to 10, in the scale of score plugins.
pub(crate) fn scaled(score: i64) -> i64 {
    score.wrapping_mul(10)
}

/// Has extenders filter what an evaluation left; it becomes one of single nodes.
///
/// # Errors
/// What an extender says that must not fail.
pub(crate) fn filter_with(
    extenders: &[SharedExtender],
    mut extended: Extended,
    evaluation: Evaluation,
    pod: &PodInfo,
    kept: &Kept,
    sources: Sources<'_>,
) -> Result<Evaluation, String> {
    let was_class = matches!(evaluation, Evaluation::Class(_));
    let mut direct = match evaluation {
        Evaluation::Class(class) => Direct::of_class(kept.classes.get(class), sources),
        Evaluation::Direct(direct) => direct,
        early @ Evaluation::Early(_) => return Ok(early),
    };
    // What it said of the nominated node may be different by now.
    extended.dropped.clear();
    let passed: Vec<Slot> = {
        let feasible = direct.feasible().map(|slot| (slot, node_name(slot, sources))).collect();
        let passed = extended.filter(extenders, pod, feasible)?;
        passed.into_iter().map(|(slot, _)| slot).collect()
    };
    if was_class || extended.dropped_any() {
        direct.scored = score_set(&direct.scores, &passed, sources);
    }
    direct.extended = Some(Box::new(extended));
    Ok(Evaluation::Direct(direct))
}

/// Who binds a pod.
#[derive(Clone, Debug)]
pub(crate) enum Binder {
    /// An extender, in the place of all plugins.
    Extender(SharedExtender),
    /// A plugin of the profile, by index.
    Plugin(usize),
}

impl Binder {
    /// The extender that binds the pod, or else the first plugin that does.
    pub(crate) fn first(extenders: &[SharedExtender], profile: &Profile, pod: &PodInfo, node: &Str) -> Option<Self> {
        let binds = |extender: &&SharedExtender| extender.is_binder() && extender.is_interested(pod);
        let extender = extenders.iter().find(binds).cloned().map(Self::Extender);
        extender.or_else(|| Self::plugin(profile, pod, node))
    }

    /// The first plugin that binds the pod.
    pub(crate) fn plugin(profile: &Profile, pod: &PodInfo, node: &Str) -> Option<Self> {
        let binds = |plugin: &usize| {
            let part = &profile.plugins[*plugin].plugin.bind;
            part.as_ref().is_some_and(|part| guarded(|| part.binds(pod, node)).unwrap_or(false))
        };
        profile.bind.iter().copied().find(binds).map(Self::Plugin)
    }

    /// The extender, if it is one.
    pub(crate) fn extender(&self) -> Option<&SharedExtender> {
        match self {
            Self::Extender(extender) => Some(extender),
            Self::Plugin(_) => None,
        }
    }

    /// kube-scheduler's text when the binding failed.
    pub(crate) fn failure(&self, profile: &Profile, error: &str) -> String {
        match self {
            Self::Extender(_) => error.to_owned(),
            Self::Plugin(plugin) => format!("running Bind plugin \"{}\": {error}", profile.name(*plugin)),
        }
    }
}
