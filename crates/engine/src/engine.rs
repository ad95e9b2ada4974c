//! The engine's state and its changes.

use std::sync::Arc;

use loadline_framework::{Cluster, Profiles, Usage, UsageSample, UsageSource};
use loadline_model::{
    DisruptionBudget, Map, Namespace, NodeSpec, PodInfo, ServiceSelector, Str, Time, WorkloadKind, WorkloadSelector,
};
use rayon::ThreadPool;

use crate::cache::NodeCache;
use crate::evaluate::Kept;
use crate::nominator::Nominator;
use crate::records::Records;
use crate::state::{CachedPod, ClusterState};

/// What is fixed for an engine's life.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seed of the tie-break between nodes with equal totals.
    pub seed: u64,
    /// Threads for wide work; 1: everything on the calling thread. The results are the same.
    pub parallelism: usize,
    /// Bytes that columns and classes may take before the longest unused ones go.
    pub kept_bytes: usize,
    /// Bytes that summaries of decisions may take; 0 keeps none.
    pub record_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, parallelism: 1, kept_bytes: 256 << 20, record_bytes: 8 << 20 }
    }
}

/// Tracked counts at most; beyond that everything kept is dropped and built again on demand.
const QUERY_LIMIT: usize = 65_536;

/// A scheduler's state of mind.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) profiles: Profiles,
    pub(crate) cluster: ClusterState,
    pub(crate) kept: Kept,
    pub(crate) nominator: Nominator,
    pub(crate) budgets: Map<Str, Vec<DisruptionBudget>>,
    /// How often they have changed.
    pub(crate) budgets_at: u64,
    pub(crate) pool: Option<Arc<ThreadPool>>,
    /// Nominations up to here have their terms known to the cluster.
    pub(crate) nominations_known: Option<u64>,
    /// Where the next search among a share of the nodes begins.
    pub(crate) next_start: usize,
    pub(crate) records: Records,
    /// How often everything that is kept was dropped.
    pub(crate) epoch: u64,
    pub(crate) cache: Arc<NodeCache>,
    pub(crate) keeping: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("nodes", &self.cluster.node_count()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with an empty cluster.
    pub fn new(profiles: Profiles, settings: Settings) -> Self {
        let build = || rayon::ThreadPoolBuilder::new().num_threads(settings.parallelism).build().ok();
        let pool = (settings.parallelism > 1).then(build).flatten().map(Arc::new);
        let mut cluster = ClusterState::new();
        cluster.set_usage_sources(&profiles.usage_sources());
        Self {
            records: Records::new(settings.record_bytes),
            settings,
            profiles,
            cluster,
            kept: Kept::new(pool.clone()),
            nominator: Nominator::default(),
            budgets: Map::default(),
            budgets_at: 0,
            pool,
            nominations_known: None,
            next_start: 0,
            epoch: 0,
            cache: Arc::default(),
            keeping: true,
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// Summaries of the newest decisions.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The profiles that are in force.
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Number of the profile that schedules a pod.
    pub(crate) fn profile_index(&self, pod: &PodInfo) -> Option<usize> {
        self.profiles.profiles.iter().position(|profile| profile.scheduler_name == pod.scheduler_name)
    }

    /// Seed of the tie-break.
    pub fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// Nominated pods.
    pub fn nominator(&self) -> &Nominator {
        &self.nominator
    }

    /// The node cache, for readers on other threads.
    pub fn node_cache(&self) -> Arc<NodeCache> {
        self.cache.clone()
    }

    /// Puts other profiles in force. What was kept for the old ones is dropped.
    pub fn set_profiles(&mut self, profiles: Profiles) {
        self.cluster.set_usage_sources(&profiles.usage_sources());
        self.profiles = profiles;
        self.drop_kept();
    }

    /// Keeps what a source of real use says, until the profiles change: for somebody besides the plugins who goes by it.
    pub fn keep_usage(&mut self, source: &Arc<UsageSource>) {
        self.cluster.keep_usage(source);
    }

    /// What a source of real use said at a time of its clock, nodes by name; `None`: it gave no answer, and what it said
    /// before has grown older.
    pub fn hear_usage(&mut self, source: &UsageSource, now: Time, samples: Option<Vec<(Str, UsageSample)>>) {
        self.cluster.hear_usage(source, now, samples);
    }

    /// Brings the order of the nodes and their real use up to date, for whoever reads them without a decision before.
    pub fn settle(&mut self) {
        self.cluster.settle();
    }

    /// For each source of real use: the nodes that have no sample which counts, by name.
    pub fn unsampled_nodes(&mut self) -> Vec<(Arc<UsageSource>, Vec<Str>)> {
        self.cluster.settle();
        let unsampled = |usage: &Usage| {
            let nodes = usage.nodes.iter().zip(self.cluster.nodes());
            let without = nodes.filter(|(node, _)| node.sample.is_none());
            let mut names: Vec<Str> = without.filter_map(|(_, info)| Some(info.as_ref()?.spec.name.clone())).collect();
            names.sort_unstable();
            (usage.source.clone(), names)
        };
        self.cluster.usages().map(unsampled).collect()
    }

    /// With `false` nothing is kept between decisions: the slow way to the same answers, for tests.
    pub fn set_keeping(&mut self, keeping: bool) {
        self.keeping = keeping;
    }

    /// Drops everything that was kept between decisions.
    pub fn drop_kept(&mut self) {
        self.epoch += 1;
        self.kept = Kept::new(self.pool.clone());
        self.cluster.forget_derived();
        self.nominations_known = None;
    }

    /// Keeps within the budget; called between decisions, since it ends the life of what a cycle refers to.
    pub fn trim(&mut self) {
        if !self.keeping || self.cluster.query_count() > QUERY_LIMIT || self.cluster.is_worn() {
            self.drop_kept();
            return;
        }
        let half = self.settings.kept_bytes / 2;
        self.kept.classes.shrink(half, None);
        let Kept { columns, classes } = &mut self.kept;
        columns.shrink(half, &|column| classes.uses(column));
    }

    /// Adds or replaces a node. Returns what was known before.
    pub fn set_node(&mut self, node: Arc<NodeSpec>) -> Option<Arc<NodeSpec>> {
        let name = node.name.clone();
        let old = self.cluster.set_node(node);
        self.publish(&name);
        old
    }

    /// Removes a node. Returns what was known.
    pub fn remove_node(&mut self, name: &str) -> Option<Arc<NodeSpec>> {
        self.cache.remove(name);
        self.cluster.remove_node(name)
    }

    /// A pod that is on a node, by the word of the API. Returns what was known before.
    pub fn set_placed_pod(&mut self, pod: Arc<PodInfo>, node: &Str) -> Option<CachedPod> {
        self.nominator.take(&pod.uid);
        let old = self.cluster.place_pod(pod, node.clone(), false);
        if let Some(old) = old.as_ref().filter(|old| old.node != *node) {
            self.publish(&old.node);
        }
        self.publish(node);
        old
    }

    /// What is known of a pod on a node is something else from now on, and it stays where it is, assumed or not.
    pub(crate) fn replace_placed_pod(&mut self, pod: Arc<PodInfo>) {
        let Some(CachedPod { node, assumed, .. }) = self.cluster.pod(&pod.uid).cloned() else { return };
        self.cluster.place_pod(pod, node.clone(), assumed);
        self.publish(&node);
    }

    /// A pod is gone, or runs no longer.
    pub fn remove_pod(&mut self, uid: &str) -> Option<CachedPod> {
        self.nominator.take(uid);
        let old = self.cluster.remove_pod(uid)?;
        self.publish(&old.node);
        Some(old)
    }

    /// Assumes a decided pod on its node until the API confirms it.
    pub fn assume(&mut self, pod: &Arc<PodInfo>, node: &Str) {
        self.nominator.take(&pod.uid);
        self.cluster.place_pod(pod.clone(), node.clone(), true);
        self.publish(node);
    }

    /// Undoes [`Engine::assume`]. A pod that was confirmed meanwhile stays.
    pub fn forget(&mut self, uid: &str) -> bool {
        let assumed = self.cluster.pod(uid).is_some_and(|cached| cached.assumed);
        if assumed && let Some(old) = self.cluster.remove_pod(uid) {
            self.publish(&old.node);
        }
        assumed
    }

    /// Which node, by its number in visiting order, the next search among a share of the nodes begins with.
    pub fn first_to_visit(&self) -> usize {
        self.next_start
    }

    /// Has the next search among a share of the nodes begin with this one. Returns the one that it would have begun with.
    pub fn visit_from(&mut self, first: usize) -> usize {
        std::mem::replace(&mut self.next_start, first)
    }

    /// Nominates a pod to a node.
    pub fn nominate(&mut self, pod: Arc<PodInfo>, node: Str) {
        self.nominator.add(pod, node);
    }

    /// Ends a nomination.
    pub fn end_nomination(&mut self, uid: &str) -> Option<(Arc<PodInfo>, Str)> {
        self.nominator.take(uid)
    }

    /// Adds or replaces a namespace.
    pub fn set_namespace(&mut self, namespace: Namespace) {
        self.cluster.set_namespace(namespace);
    }

    /// Removes a namespace.
    pub fn remove_namespace(&mut self, name: &str) {
        self.cluster.remove_namespace(name);
    }

    /// Adds or replaces a service.
    pub fn set_service(&mut self, service: ServiceSelector) {
        self.cluster.selectors_mut().set_service(service);
    }

    /// Removes a service.
    pub fn remove_service(&mut self, namespace: &str, name: &str) {
        self.cluster.selectors_mut().remove_service(namespace, name);
    }

    /// Adds or replaces a ReplicationController, ReplicaSet or StatefulSet.
    pub fn set_workload(&mut self, workload: WorkloadSelector) {
        self.cluster.selectors_mut().set_workload(workload);
    }

    /// Removes one.
    pub fn remove_workload(&mut self, kind: WorkloadKind, namespace: &Str, name: &Str) {
        self.cluster.selectors_mut().remove_workload(kind, namespace, name);
    }

    /// Adds or replaces a PodDisruptionBudget.
    pub fn set_disruption_budget(&mut self, budget: DisruptionBudget) {
        let budgets = self.budgets.entry(budget.namespace.clone()).or_default();
        let found = budgets.binary_search_by(|b| b.name.cmp(&budget.name));
        self.budgets_at += u64::from(found.is_ok_and(|at| budgets[at] != budget) || found.is_err());
        match found {
            Ok(at) => budgets[at] = budget,
            Err(at) => budgets.insert(at, budget),
        }
    }

    /// Removes a PodDisruptionBudget.
    pub fn remove_disruption_budget(&mut self, namespace: &str, name: &str) {
        self.budgets_at += 1;
        if let Some(budgets) = self.budgets.get_mut(namespace) {
            budgets.retain(|b| b.name != *name);
        }
    }

    /// Number of columns and classes that are kept.
    pub fn kept_counts(&self) -> (usize, usize) {
        (self.kept.columns.len(), self.kept.classes.len())
    }

    /// How many columns decisions found ready since everything was dropped last, and how many they asked for.
    pub fn column_hits(&self) -> (u64, u64) {
        self.kept.columns.hits()
    }

    pub(crate) fn publish(&self, name: &str) {
        if let Some(node) = self.cluster.node(name) {
            self.cache.put(node.clone());
        }
    }
}
