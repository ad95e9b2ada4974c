//! Thought experiments for a gang that finds no room: who would have to go. The choice itself is a plugin's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_framework::{Cluster, GangPreemption, GangWhatIf, VictimUnit};
use loadline_model::{GroupKey, Map, PodInfo, Set, Str};

use super::{Gangs, Stand, Transaction, Want};
use crate::Engine;
use crate::cycle::guarded;
use crate::evaluate::{Kept, Request};

/// Who goes, and where the members of the gang would be then.
#[derive(Debug)]
pub(crate) struct Preemption {
    pub(crate) victims: Vec<(Arc<PodInfo>, Str)>,
    pub(crate) nominated: Vec<(Arc<PodInfo>, Str)>,
}

struct Experiment<'a> {
    engine: &'a mut Engine,
    want: &'a Want,
    transaction: Transaction,
    units: Vec<VictimUnit>,
    /// Nodes of each unit.
    nodes: Vec<BTreeSet<Str>>,
    /// Members of the last plan by node.
    planned: BTreeMap<Str, Vec<Arc<PodInfo>>>,
}

impl GangWhatIf for Experiment<'_> {
    fn units(&self) -> &[VictimUnit] {
        &self.units
    }

    fn remove(&mut self, unit: usize) {
        for pod in self.units[unit].pods.clone() {
            self.engine.lift(&mut self.transaction, &pod.uid);
        }
    }

    fn restore(&mut self, unit: usize) {
        for pod in self.units[unit].pods.clone() {
            self.engine.put_back(&mut self.transaction, &pod.uid);
        }
    }

    fn plan(&mut self) -> bool {
        self.engine.unplace(&mut self.transaction, 0);
        self.planned.clear();
        let Ok(outcome) = self.engine.plan(self.want, &mut self.transaction) else { return false };
        for member in outcome.placed {
            self.planned.entry(member.node).or_default().push(member.pod);
        }
        true
    }

    fn is_in_the_way(&self, unit: usize) -> bool {
        self.nodes[unit].iter().any(|node| self.planned.contains_key(node))
    }

    fn holds(&mut self, unit: usize) -> bool {
        let shared = self.nodes[unit].iter().filter_map(|node| Some((node.clone(), self.planned.get(node)?.clone())));
        let shared: Vec<(Str, Vec<Arc<PodInfo>>)> = shared.collect();
        shared.iter().all(|(node, members)| members.iter().all(|member| self.engine.still_fits(member, node)))
    }
}

impl Engine {
    /// Whether a pod that is on a node passes its filters there with all others as they are.
    fn still_fits(&mut self, pod: &Arc<PodInfo>, node: &Str) -> bool {
        let found = self.profiles.profiles.iter().position(|profile| profile.scheduler_name == pod.scheduler_name);
        let (Some(profile_index), Some(slot)) = (found, self.cluster.slot(node)) else { return false };
        let profile = self.profiles.profiles[profile_index].clone();
        self.cluster.remove_pod(&pod.uid);
        let fits = guarded(|| {
            let request = Request { profile: &profile, profile_index, pod };
            let Ok(opened) = self.kept.pre_filter(&request, &mut self.cluster) else { return false };
            let (filters, _) = self.kept.members(&profile, &opened);
            Kept::one_node(&request, &filters, slot, self.sources()).is_none()
        });
        let fits = fits.unwrap_or_else(|_| {
            self.drop_kept();
            false
        });
        self.cluster.place_pod(pod.clone(), node.clone(), true);
        fits
    }

    /// Whom a gang of this priority would have to preempt, by a plugin's choice. `None`: nobody, or it would not help.
    pub(crate) fn gang_victims(
        &mut self,
        want: &Want,
        priority: i32,
        gangs: &Gangs,
        own: &GroupKey,
        policy: &dyn GangPreemption,
    ) -> Option<Preemption> {
        if self.cluster.lowest_priority().is_none_or(|lowest| lowest >= priority) {
            return None;
        }
        let (units, surplus_of) = self.victim_units(priority, gangs, own);
        let node_of = |pod: &Arc<PodInfo>| self.cluster.pod(&pod.uid).map(|cached| cached.node.clone());
        let nodes = units.iter().map(|unit| unit.pods.iter().filter_map(node_of).collect()).collect();
        let transaction = self.begin(want.members.iter());
        let mut experiment = Experiment { engine: self, want, transaction, units, nodes, planned: BTreeMap::new() };
        let chosen = guarded(|| policy.choose(&mut experiment)).unwrap_or_default();
        // Of a gang that goes nothing is left that would run for nothing.
        let mut victims: BTreeSet<usize> = chosen.iter().flatten().copied().collect();
        for unit in chosen.into_iter().flatten() {
            victims.extend(surplus_of.get(&unit).into_iter().flatten().copied());
        }
        // Whatever the plugin did, victims go only for a plan that stands without them and with everybody else.
        for unit in 0..experiment.units.len() {
            if victims.contains(&unit) { experiment.remove(unit) } else { experiment.restore(unit) }
        }
        let helps = !victims.is_empty() && experiment.plan();
        let Experiment { engine, transaction, units, planned, .. } = experiment;
        engine.roll_back(transaction);
        if !helps {
            return None;
        }
        let node_of = |pod: &Arc<PodInfo>| engine.cluster.pod(&pod.uid).map(|cached| cached.node.clone());
        let victims = victims.into_iter().flat_map(|unit| &units[unit].pods);
        let victims = victims.filter_map(|pod| Some((pod.clone(), node_of(pod)?))).collect();
        let nominated =
            planned.into_iter().flat_map(|(node, pods)| pods.into_iter().map(move |pod| (pod, node.clone()))).collect();
        Some(Preemption { victims, nominated })
    }

    /// Whom a gang may preempt; and for each gang among them the units of what it has beyond its minimum.
    fn victim_units(
        &self,
        priority: i32,
        gangs: &Gangs,
        own: &GroupKey,
    ) -> (Vec<VictimUnit>, BTreeMap<usize, Vec<usize>>) {
        let may_go = |pod: &PodInfo| pod.priority < priority && !pod.is_terminating();
        let mut singles: Vec<Arc<PodInfo>> = Vec::new();
        let mut by_gang: BTreeMap<Arc<GroupKey>, Vec<Arc<PodInfo>>> = BTreeMap::new();
        for cached in self.cluster.pods().filter(|cached| may_go(&cached.pod)) {
            let key = gangs.of(&cached.pod.uid);
            let is_gang = |key: &&Arc<GroupKey>| gangs.get(key).is_some_and(|group| group.minimum().unwrap_or(0) > 0);
            match key.filter(is_gang) {
                Some(key) if **key == *own => {}
                Some(key) => by_gang.entry(key.clone()).or_default().push(cached.pod.clone()),
                None if cached.pod.pod_group.as_deref() == Some(own) => {}
                None => singles.push(cached.pod.clone()),
            }
        }
        singles.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        let protected = self.protected(singles.iter().chain(by_gang.values().flatten()));
        let is_protected = |pod: &PodInfo| protected.contains(&pod.uid);
        let one = |pod: Arc<PodInfo>| VictimUnit { is_protected: is_protected(&pod), pods: vec![pod], is_gang: false };
        let mut units: Vec<VictimUnit> = singles.into_iter().map(one).collect();
        let mut surplus_of = BTreeMap::new();
        for (key, mut pods) in by_gang {
            let Some(group) = gangs.get(&key) else { continue };
            let settled = group.tally.settled() as usize;
            let minimum = group.minimum().unwrap_or(0) as usize;
            let whole = group.object.as_ref().is_some_and(|object| object.disrupted_whole);
            let beyond = if whole { 0 } else { settled.saturating_sub(minimum).min(pods.len()) };
            // Of equal ones the youngest goes first.
            pods.sort_unstable_by_key(|pod| (pod.priority, std::cmp::Reverse(pod.started), pod.uid.clone()));
            let core = pods.split_off(beyond);
            let is_any_protected = pods.iter().chain(&core).any(|pod| is_protected(pod));
            let surplus: Vec<usize> = (units.len()..units.len() + pods.len()).collect();
            units.extend(pods.into_iter().map(one));
            // One that nobody may preempt protects the gang that needs it.
            let goes_whole = core.len() + beyond == group.tally.of(Stand::Placed) as usize;
            if !core.is_empty() && goes_whole {
                surplus_of.insert(units.len(), surplus);
                units.push(VictimUnit { pods: core, is_gang: true, is_protected: is_any_protected });
            }
        }
        (units, surplus_of)
    }

    /// The pods that a PodDisruptionBudget forbids to take away where those go first that matter least.
    fn protected<'p>(&self, pods: impl Iterator<Item = &'p Arc<PodInfo>>) -> Set<Str> {
        if self.budgets.is_empty() {
            return Set::default();
        }
        let mut pods: Vec<&Arc<PodInfo>> = pods.collect();
        pods.sort_unstable_by_key(|pod| (pod.priority, std::cmp::Reverse(pod.started), &pod.uid));
        let mut allowed: Map<(&Str, &Str), i32> = Map::default();
        let mut protected = Set::default();
        for pod in pods {
            let budgets = self.budgets.get(&pod.namespace).map_or(&[][..], Vec::as_slice);
            // As kube-scheduler has it: an empty selector matches nothing here.
            for budget in budgets.iter().filter(|budget| !budget.selector.is_everything() && budget.counts(pod)) {
                let left = allowed.entry((&pod.namespace, &budget.name)).or_insert(budget.disruptions_allowed);
                *left -= 1;
                if *left < 0 {
                    protected.insert(pod.uid.clone());
                }
            }
        }
        protected
    }
}
