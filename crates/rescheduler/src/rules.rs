//! Who may be moved by the Rescheduler's own strategies.

use loadline_engine::Engine;
use loadline_model::{Map, Marks, PodInfo, Str};

use crate::RESCHEDULING;
use crate::options::Options;
use crate::owners::{OwnerKey, Situation, Workloads, key, living, owner_name};
use crate::refusal::Refusal;

/// Kubernetes' own priority classes begin here.
const SYSTEM_CRITICAL: i32 = 2_000_000_000;
/// Whether a pod belongs to a group that is placed as a whole.
pub(crate) fn is_of_gang(pod: &PodInfo) -> bool {
    pod.pod_group.is_some()
}

/// Whether a pod has a priority of the system's own classes.
pub(crate) fn is_critical(pod: &PodInfo) -> bool {
    pod.priority >= SYSTEM_CRITICAL
}

/// The rules, with what they go by.
pub(crate) struct Rules<'a> {
    options: &'a Options,
    situation: &'a Situation,
    /// Names of the profiles.
    schedulers: Vec<Str>,
    living: Map<OwnerKey, usize>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(engine: &Engine, situation: &'a Situation, options: &'a Options) -> Self {
        let profiles = &engine.profiles().profiles;
        let schedulers = profiles.iter().map(|profile| profile.scheduler_name.clone()).collect();
        Self { options, situation, schedulers, living: living(engine) }
    }

    /// Why a pod stays, whatever would be gained.
    pub(crate) fn refusal(&self, pod: &PodInfo) -> Option<Refusal> {
        let Self { options, situation, .. } = self;
        let is_of = |kind: &str| pod.owner.as_ref().is_some_and(|owner| owner.kind == *kind);
        let labelled = |name: &str, value: &str| pod.labels.get(name).is_some_and(|found| *found == *value);
        // In the order in which one hides another: what can never change stands first.
        let table = [
            (Refusal::OtherScheduler, !self.schedulers.contains(&pod.scheduler_name)),
            (Refusal::Mirror, pod.marks.has(Marks::MIRROR)),
            (Refusal::Static, pod.marks.has(Marks::STATIC)),
            (Refusal::DaemonSet, is_of("DaemonSet")),
            (Refusal::Finished, pod.finished),
            (Refusal::Terminating, pod.is_terminating()),
            (Refusal::Job, is_of("Job") || pod.marks.has(Marks::RUNS_TO_ITS_END)),
            (Refusal::SystemCritical, is_critical(pod)),
            (Refusal::Gang, is_of_gang(pod)),
            (Refusal::ExcludedNamespace, options.excluded_namespaces.contains(&pod.namespace)),
            (
                Refusal::ExcludedPod,
                options.excluded_pods.as_ref().is_some_and(|selector| selector.matches(&pod.labels)),
            ),
            (Refusal::OptedOut, labelled(RESCHEDULING, "disabled")),
            (Refusal::NotSafeToEvict, pod.marks.has(Marks::NOT_SAFE_TO_EVICT)),
            (Refusal::DoNotDisrupt, pod.marks.has(Marks::DO_NOT_DISRUPT)),
            (Refusal::PrefersNoEviction, pod.marks.has(Marks::PREFER_NO_EVICTION)),
            (Refusal::LocalStorage, !options.allow_local_storage && pod.marks.has(Marks::LOCAL_STORAGE)),
            (Refusal::Bare, !options.allow_bare_pods && pod.owner.is_none()),
            (Refusal::SingleReplica, !options.allow_single_replica && self.is_single(pod)),
            (Refusal::Young, is_younger(pod, situation.now, options.min_pod_age)),
            (
                Refusal::RollingOut,
                pod.owner.as_deref().is_some_and(|owner| !situation.workloads.is_at_rest(&pod.namespace, owner)),
            ),
            (
                Refusal::OwnerRests,
                !situation.resting_owners.is_empty() && situation.resting_owners.contains(&owner_name(pod)),
            ),
        ];
        table.into_iter().find_map(|(refusal, holds)| holds.then_some(refusal))
    }

    /// Whether a pod is the only one of its controller, by what that wants or by what there is. A pod without one is bare.
    fn is_single(&self, pod: &PodInfo) -> bool {
        let Some(owner) = pod.owner.as_deref() else { return false };
        let wanted = self.situation.workloads.of(&pod.namespace, owner).map(|status| status.replicas);
        let living = key(pod).and_then(|key| self.living.get(&key)).copied().unwrap_or(0);
        wanted.is_some_and(|wanted| wanted < 2) || living < 2
    }
}

/// Why a pod that was chosen earlier stays after all: by the rules and options as they are now, but for its age and for the rest of its
/// owner, which were looked at when it was chosen.
pub fn stays(engine: &Engine, pod: &PodInfo, workloads: &Workloads, options: &Options) -> Option<Refusal> {
    let situation = Situation { now: i64::MAX / 2, workloads: workloads.clone(), ..Situation::default() };
    Rules::new(engine, &situation, options).refusal(pod)
}

/// Whether a pod is younger than `age`. One whose creation is not known is old enough: a person wrote it.
pub(crate) fn is_younger(pod: &PodInfo, now: i64, age: i64) -> bool {
    pod.created.is_some_and(|created| now.saturating_sub(created) < age)
}
