//! The policy of the descheduler (`descheduler/v1alpha2`), run on the planner: each of its evictions becomes a move to where the
//! scheduler would put the replacement. So nodeFit is always on, by every filter of the pod's profile and with the moves before
//! it counted, and a pod that fits nowhere else is not moved.

pub mod args;
mod duplicates;
mod evictor;
mod lifetime;
mod spread;
#[cfg(test)]
mod tests;
mod utilization;
mod violations;

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_engine::Engine;
use loadline_model::{PodInfo, Selector, Str};

use crate::options::Limits;
use crate::owners::Situation;
use crate::plan::Plan;
use crate::planner::{Chosen, Guard, Planner};
use crate::refusal::Refusal;
pub(crate) use evictor::Evictor;

/// Protections that are on unless they are disabled.
pub const DEFAULT_PROTECTIONS: [&str; 4] =
    ["PodsWithLocalStorage", "SystemCriticalPods", "FailedBarePods", "DaemonSetPods"];
/// Protections that are off unless they are enabled.
pub const EXTRA_PROTECTIONS: [&str; 3] = ["PodsWithPVC", "PodsWithoutPDB", "PodsWithResourceClaims"];
/// A type of node affinity.
pub const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
/// A type of node affinity.
pub const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// A policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Nodes that pods are moved from; `None`: all.
    pub nodes: Option<Selector>,
    /// Limits over all profiles.
    pub limits: Limits,
    /// Profiles, in order.
    pub profiles: Vec<Profile>,
}

/// A profile of a policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// Arguments of DefaultEvictor.
    pub evictor: args::DefaultEvictorArgs,
    /// Plugins, in order: those that judge single pods run first, over all profiles.
    pub steps: Vec<Step>,
}

macro_rules! steps {
    ($($(#[$meta:meta])* $name:ident($args:ident, $balances:literal),)*) => {
        /// A plugin with its arguments.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Step {
            $($(#[$meta])* $name(args::$args),)*
        }

        impl Step {
            /// Names of all plugins that move pods, with whether they belong under `balance` and not `deschedule`.
            pub const ALL: &'static [(&'static str, bool)] = &[$((stringify!($name), $balances),)*];

            /// Name of the plugin.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// Whether it judges sets of pods, under `balance`.
            pub const fn balances(&self) -> bool {
                match self { $(Self::$name(_) => $balances,)* }
            }
        }
    };
}

steps! {
    /// Spreads pods of one owner with the same images over nodes.
    RemoveDuplicates(RemoveDuplicatesArgs, true),
    /// Relieves nodes above a target where others are below a threshold.
    LowNodeUtilization(LowNodeUtilizationArgs, true),
    /// Empties nodes below a threshold.
    HighNodeUtilization(HighNodeUtilizationArgs, true),
    /// Moves pods whose node does not match their node affinity (any more), or less well than another.
    RemovePodsViolatingNodeAffinity(RemovePodsViolatingNodeAffinityArgs, false),
    /// Moves pods from nodes whose taints they do not tolerate.
    RemovePodsViolatingNodeTaints(RemovePodsViolatingNodeTaintsArgs, false),
    /// Moves pods that are beside pods which their anti-affinity rules out.
    RemovePodsViolatingInterPodAntiAffinity(RemovePodsViolatingInterPodAntiAffinityArgs, false),
    /// Evens out domains that are further apart than a constraint allows.
    RemovePodsViolatingTopologySpreadConstraint(RemovePodsViolatingTopologySpreadConstraintArgs, true),
    /// Moves pods that are old, or in some state.
    PodLifeTime(PodLifeTimeArgs, false),
    /// Removes failed pods.
    RemoveFailedPods(RemoveFailedPodsArgs, false),
    /// Moves pods whose containers restart often.
    RemovePodsHavingTooManyRestarts(RemovePodsHavingTooManyRestartsArgs, false),
}

/// Plans one round of a policy. `priorities` has the values of PriorityClasses by name. The fork ends as it would be with
/// every move made.
///
/// # Errors
/// A PriorityClass that a threshold names and nobody has.
pub fn plan(
    fork: &mut Engine,
    situation: &Situation,
    policy: &Policy,
    priorities: &BTreeMap<String, i32>,
) -> Result<Plan, String> {
    let mut evictors =
        policy.profiles.iter().map(|profile| Evictor::new(fork, situation, &profile.evictor, priorities));
    let first = evictors.next().transpose()?;
    let rest: Vec<Evictor<'_>> = evictors.collect::<Result<_, _>>()?;
    let none = args::DefaultEvictorArgs::default();
    let first = match first {
        Some(first) => first,
        None => Evictor::new(fork, situation, &none, priorities)?,
    };
    let mut guards: Vec<Option<Evictor<'_>>> = std::iter::once(None).chain(rest.into_iter().map(Some)).collect();
    let mut planner = Planner::new(fork, situation, Guard::Policy(first), policy.limits);
    // The guard of the profile whose turn it is stands in the planner, the others wait in their places.
    let mut turn = 0;
    for balances in [false, true] {
        for (at, profile) in policy.profiles.iter().enumerate() {
            if at != turn {
                if let Some(next) = guards[at].take() {
                    guards[turn] = planner.change_guard(Guard::Policy(next));
                }
                turn = at;
            }
            let nodes = sources(&planner, policy.nodes.as_ref());
            let targets = apart_by(&planner, &profile.evictor.node_selector);
            for step in profile.steps.iter().filter(|step| step.balances() == balances) {
                let mut round = Round { planner: &mut planner, nodes: &nodes, apart: &targets, plugin: step.name() };
                round.run(step);
            }
        }
    }
    Ok(planner.finish())
}

/// Nodes that pods are moved from, by name.
fn sources(planner: &Planner<'_>, selector: Option<&Selector>) -> Vec<Str> {
    let infos = planner.engine.cluster().node_infos();
    let mut nodes: Vec<Str> = infos
        .filter(|info| selector.is_none_or(|selector| selector.matches(&info.spec.labels)))
        .map(|info| info.spec.name.clone())
        .collect();
    nodes.sort_unstable();
    nodes
}

/// Nodes that pods may not go to, by name.
fn apart_by(planner: &Planner<'_>, selector: &str) -> Vec<Str> {
    // Whoever read the policy has refused a selector that is none.
    let Ok(selector) = Selector::parse(selector) else { return Vec::new() };
    let infos = planner.engine.cluster().node_infos();
    infos.filter(|info| !selector.matches(&info.spec.labels)).map(|info| info.spec.name.clone()).collect()
}

/// One plugin's turn.
struct Round<'r, 'a> {
    planner: &'r mut Planner<'a>,
    /// Nodes that pods are moved from, by name.
    nodes: &'r [Str],
    /// Nodes that pods may not go to.
    apart: &'r [Str],
    plugin: &'static str,
}

impl Round<'_, '_> {
    fn run(&mut self, step: &Step) {
        match step {
            Step::RemoveDuplicates(args) => self.duplicates(args),
            Step::LowNodeUtilization(args) => self.low_utilization(args),
            Step::HighNodeUtilization(args) => self.high_utilization(args),
            Step::RemovePodsViolatingNodeAffinity(args) => self.node_affinity(args),
            Step::RemovePodsViolatingNodeTaints(args) => self.node_taints(args),
            Step::RemovePodsViolatingInterPodAntiAffinity(args) => self.anti_affinity(args),
            Step::RemovePodsViolatingTopologySpreadConstraint(args) => self.spread(args),
            Step::PodLifeTime(args) => self.life_time(args),
            Step::RemoveFailedPods(args) => self.failed(args),
            Step::RemovePodsHavingTooManyRestarts(args) => self.restarts(args),
        }
    }

    /// Moves a pod, if it may be moved and the scheduler finds it a node that `accept` takes. Whether it was moved.
    fn evict(
        &mut self,
        pod: &Arc<PodInfo>,
        from: &Str,
        reason: String,
        accept: impl FnOnce(&mut Planner<'_>, &Str) -> Result<f64, Refusal>,
    ) -> bool {
        if !self.planner.may_move(pod, from) {
            return false;
        }
        let judged = self
            .planner
            .target_apart(pod, from, self.apart)
            .and_then(|to| accept(self.planner, &to).map(|gain| (to, gain)));
        match judged {
            Ok((to, gain)) => {
                let chosen = Chosen { pod: pod.clone(), to, gain };
                self.planner.make(&chosen, from, self.plugin, reason);
                true
            }
            Err(refusal) => {
                self.planner.skip(pod, refusal);
                false
            }
        }
    }

    /// Pods on the nodes in question, node by node, that `wanted` takes.
    fn pods(&self, wanted: impl Fn(&PodInfo) -> bool) -> Vec<(Str, Arc<PodInfo>)> {
        let on = |node: &Str| {
            let pods = self.planner.pods_on(node);
            pods.into_iter().map(|pod| (node.clone(), pod)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(on).filter(|(_, pod)| wanted(pod)).collect()
    }
}

/// The pods that a plugin's namespaces and labels mean. A selector that can not be compiled was refused on reading.
fn scope(namespaces: &args::Namespaces, labels: Option<&args::LabelSelector>) -> impl Fn(&PodInfo) -> bool {
    let (namespaces, labels) = (namespaces.clone(), labels.map(args::LabelSelector::compile));
    move |pod: &PodInfo| {
        let labelled = match &labels {
            None => true,
            Some(Ok(selector)) => selector.matches(&pod.labels),
            Some(Err(_)) => false,
        };
        labelled && namespaces.has(&pod.namespace)
    }
}
