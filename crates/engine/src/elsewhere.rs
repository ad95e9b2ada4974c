//! What a plan asks: a copy of the engine to try moves on, and where a pod would go that may not stay where it is.

use std::cmp::Reverse;
use std::sync::Arc;

use loadline_framework::{Cluster, Slot};
use loadline_model::{DisruptionBudget, PodInfo, Str};
use smallvec::SmallVec;

use crate::choice::tie_break;
use crate::cycle::guarded;
use crate::diagnosis::Diagnosis;
use crate::evaluate::{Evaluation, Kept, Request, nodes_to_find};
use crate::records::Records;
use crate::{Engine, NodeCache, Settings};

impl Engine {
    /// The same cluster, profiles and nominations in an engine of its own: what is done to one of them never shows in the
    /// other. Nodes and pods are shared until one of them changes them, and columns are its own. Extenders are left out:
    /// nobody outside is asked about what may never happen.
    pub fn fork(&self) -> Self {
        let mut profiles = self.profiles.clone();
        profiles.extenders.clear();
        Self {
            settings: Settings { record_bytes: 0, ..self.settings.clone() },
            profiles,
            cluster: self.cluster.clone(),
            kept: Kept::new(self.pool.clone()),
            nominator: self.nominator.clone(),
            budgets: self.budgets.clone(),
            budgets_at: self.budgets_at,
            pool: self.pool.clone(),
            nominations_known: self.nominations_known,
            next_start: self.next_start,
            records: Records::new(0),
            epoch: 0,
            cache: Arc::<NodeCache>::default(),
            keeping: self.keeping,
        }
    }

    /// PodDisruptionBudgets of a namespace, by name.
    pub fn disruption_budgets(&self, namespace: &str) -> &[DisruptionBudget] {
        self.budgets.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The node that the scheduler would choose for a pod among all but these: with every filter and score of the pod's
    /// profile, and its way to tell equal nodes apart. Those that are left out are judged like any other and not chosen, so
    /// that the scores are those of a real decision. No PostFilter makes room, no extender is asked, nothing is committed.
    /// `None`: the pod fits no other node, its PreEnqueue turns it down, no profile schedules it, or a plugin failed.
    pub fn elsewhere(&mut self, pod: &Arc<PodInfo>, apart: &[Str]) -> Option<Str> {
        self.look_elsewhere(pod, apart).0
    }

    /// [`Engine::elsewhere`] for a pod that fits no other node: why, in kube-scheduler's words.
    pub fn why_not_elsewhere(&mut self, pod: &Arc<PodInfo>, apart: &[Str]) -> String {
        let (_, evaluation) = self.look_elsewhere(pod, apart);
        match evaluation {
            Err(message) => message,
            Ok((index, evaluation)) => {
                let profile = &self.profiles.profiles[index];
                let diagnosis = match &evaluation {
                    Evaluation::Early(early) => Diagnosis::of_early(early),
                    Evaluation::Class(class) => {
                        Diagnosis::of_class(self.kept.classes.get(*class), profile, self.sources())
                    }
                    Evaluation::Direct(direct) => Diagnosis::of_direct(direct, profile, self.sources()),
                };
                diagnosis.message(self.cluster.node_count(), "")
            }
        }
    }

    fn look_elsewhere(
        &mut self,
        pod: &Arc<PodInfo>,
        apart: &[Str],
    ) -> (Option<Str>, Result<(usize, Evaluation), String>) {
        let found = self.profiles.profiles.iter().position(|p| p.scheduler_name == pod.scheduler_name);
        let Some(index) = found else {
            return (None, Err(format!("no profile for scheduler name \"{}\"", pod.scheduler_name)));
        };
        if let Some((plugin, status)) = self.profiles.profiles[index].gate(pod) {
            return (None, Err(format!("gated by {plugin}: {}", status.message())));
        }
        self.cluster.settle();
        self.know_nominated_terms();
        self.nominator.set_aside(&pod.uid);
        let decided = guarded(|| self.judge_elsewhere(pod, index, apart));
        self.nominator.put_back();
        match decided {
            Ok((slot, evaluation)) => {
                let name = slot.and_then(|slot| Some(self.cluster.nodes()[slot.index()].as_ref()?.spec.name.clone()));
                (name, Ok((index, evaluation)))
            }
            Err(panic) => {
                // Nobody knows what it left half done.
                self.drop_kept();
                (None, Err(panic))
            }
        }
    }

    fn judge_elsewhere(&mut self, pod: &Arc<PodInfo>, index: usize, apart: &[Str]) -> (Option<Slot>, Evaluation) {
        let profile = self.profiles.profiles[index].clone();
        let request = Request { profile: &profile, profile_index: index, pod };
        let opened = match self.kept.pre_filter(&request, &mut self.cluster) {
            Ok(opened) => opened,
            Err(early) => return (None, Evaluation::Early(early)),
        };
        let fails = self.kept.pre_score_error(&profile, &opened).is_some();
        let limit = nodes_to_find(&profile, self.cluster.node_count());
        let evaluation = if let Some(narrowed) = &opened.narrowed {
            let slots = narrowed.slots.clone();
            let limit = nodes_to_find(&profile, slots.len());
            let slots = slots.into_iter();
            Evaluation::Direct(self.kept.some_nodes(&request, opened, slots, limit, self.sources()))
        } else if limit < self.cluster.node_count() {
            // A plan does not take its turn in the round of visits: it would change what the scheduler looks at next.
            let order = self.cluster.order().visiting().iter().copied();
            Evaluation::Direct(self.kept.some_nodes(&request, opened, order, limit, self.sources()))
        } else {
            Evaluation::Class(self.kept.all_nodes(&request, &opened, &self.cluster, &self.nominator))
        };
        let unscored = fails || self.invalid_score(&evaluation).is_some();
        // Who has rivals and no scores fails the pod's cycle, and those that are left out are rivals in the real one.
        let chosen = if unscored && self.feasible(&evaluation) > 1 {
            None
        } else {
            self.choose_apart(&evaluation, &request, apart)
        };
        (chosen, evaluation)
    }

    /// The feasible node with the largest total that is not one of `apart`.
    fn choose_apart(&self, evaluation: &Evaluation, request: &Request<'_>, apart: &[Str]) -> Option<Slot> {
        let apart: SmallVec<[Slot; 4]> = apart.iter().filter_map(|name| self.cluster.slot(name)).collect();
        let by_name = self.cluster.order().by_name();
        let mut best: (i64, Vec<Slot>) = (i64::MIN, Vec::new());
        let mut offer = |slot: Slot, total: i64| {
            if total < best.0 || apart.contains(&slot) {
                return;
            }
            if total > best.0 {
                best = (total, Vec::new());
            }
            best.1.push(slot);
        };
        match evaluation {
            Evaluation::Early(_) => {}
            Evaluation::Class(class) => {
                let class = self.kept.classes.get(*class);
                let tied = class.tied().into_iter().map(|rank| by_name[rank]);
                let tied: Vec<Slot> = tied.filter(|slot| !apart.contains(slot)).collect();
                if tied.is_empty() {
                    class.each_feasible(|rank, total| offer(by_name[rank], total));
                } else {
                    // Which is nearly always so, and saves a look at all nodes.
                    best.1 = tied;
                }
            }
            Evaluation::Direct(direct) => {
                let mut totals: Vec<(Slot, i64)> = direct.feasible().zip(direct.totals()).collect();
                totals.sort_unstable_by_key(|(slot, total)| (Reverse(*total), self.cluster.order().rank(*slot)));
                for (slot, total) in totals {
                    offer(slot, total);
                }
            }
        }
        let tie = tie_break(self.settings.seed, &request.pod.uid, 1);
        self.pick(best.1, self.tie_breakers(evaluation), request.profile, tie).map(|(slot, _)| slot)
    }
}
