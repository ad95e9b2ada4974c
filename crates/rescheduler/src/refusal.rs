//! Why a pod stays where it is: one table for plans, metrics and documentation.

/// Why a pod stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No profile of the configuration has its scheduler name.
    OtherScheduler,
    /// The API's image of a static pod.
    Mirror,
    /// A kubelet runs it by itself, or a Node owns it.
    Static,
    /// Of a DaemonSet.
    DaemonSet,
    /// Its deletion has begun.
    Terminating,
    /// It has ended.
    Finished,
    /// Of a Job, or else one that runs to its end.
    Job,
    /// Its priority is that of the system's own classes.
    SystemCritical,
    /// Of a pod group.
    Gang,
    /// It has emptyDir or hostPath volumes.
    LocalStorage,
    /// It has no controller.
    Bare,
    /// The only pod of its controller.
    SingleReplica,
    /// Younger than the least age.
    Young,
    /// Of an excluded namespace.
    ExcludedNamespace,
    /// Matched by the selector of excluded pods, or not by that of those in question.
    ExcludedPod,
    /// Labelled so.
    OptedOut,
    /// Annotated for cluster-autoscaler.
    NotSafeToEvict,
    /// Annotated for Karpenter.
    DoNotDisrupt,
    /// Annotated for the descheduler.
    PrefersNoEviction,
    /// Its priority is not below the threshold of the policy.
    PriorityThreshold,
    /// The policy protects pods with claims of volumes.
    VolumeClaim,
    /// The policy protects pods with claims of devices.
    ResourceClaim,
    /// The policy protects pods without a PodDisruptionBudget.
    NoBudget,
    /// Its owner is rolling out, or has not all of its pods.
    RollingOut,
    /// Its owner rests after a move.
    OwnerRests,
    /// Its node rests after a move.
    NodeRests,
    /// Its PodDisruptionBudget allows no eviction.
    DisruptionBudget,
    /// The round has as many moves as it may.
    RoundLimit,
    /// As many are moved from its node as may be.
    NodeLimit,
    /// As many of its namespace are moved as may be.
    NamespaceLimit,
    /// As many of its owner are moved as may be.
    OwnerLimit,
    /// PreEnqueue would hold its replacement back.
    Gated,
    /// It fits no other node.
    FitsNowhere,
    /// The node that it would go to would be too full.
    TargetTooFull,
    /// It would gain less than what makes a move worth while.
    NoGain,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::OtherScheduler,
        Self::Mirror,
        Self::Static,
        Self::DaemonSet,
        Self::Terminating,
        Self::Finished,
        Self::Job,
        Self::SystemCritical,
        Self::Gang,
        Self::LocalStorage,
        Self::Bare,
        Self::SingleReplica,
        Self::Young,
        Self::ExcludedNamespace,
        Self::ExcludedPod,
        Self::OptedOut,
        Self::NotSafeToEvict,
        Self::DoNotDisrupt,
        Self::PrefersNoEviction,
        Self::PriorityThreshold,
        Self::VolumeClaim,
        Self::ResourceClaim,
        Self::NoBudget,
        Self::RollingOut,
        Self::OwnerRests,
        Self::NodeRests,
        Self::DisruptionBudget,
        Self::RoundLimit,
        Self::NodeLimit,
        Self::NamespaceLimit,
        Self::OwnerLimit,
        Self::Gated,
        Self::FitsNowhere,
        Self::TargetTooFull,
        Self::NoGain,
    ];

    /// Name in plans and metrics, and what it means.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::OtherScheduler => ("other-scheduler", "no profile of the configuration schedules it"),
            Self::Mirror => ("mirror-pod", "the image of a pod that a kubelet runs by itself"),
            Self::Static => ("static-pod", "a kubelet runs it by itself"),
            Self::DaemonSet => ("daemonset-pod", "a DaemonSet has one on each node"),
            Self::Terminating => ("terminating", "it is being deleted"),
            Self::Finished => ("finished", "it has ended"),
            Self::Job => ("job-pod", "it runs to its end, as of a Job: what it has done would be lost"),
            Self::SystemCritical => ("system-critical", "its priority is that of the system's own pods"),
            Self::Gang => ("gang-member", "its pod group would be broken"),
            Self::LocalStorage => ("local-storage", "its emptyDir or hostPath volumes stay behind (allowLocalStorage)"),
            Self::Bare => ("bare-pod", "no controller would replace it (allowBarePods)"),
            Self::SingleReplica => ("single-replica", "it is the only one of its controller (allowSingleReplica)"),
            Self::Young => ("young", "it is younger than minPodAge"),
            Self::ExcludedNamespace => ("excluded-namespace", "its namespace is excluded"),
            Self::ExcludedPod => ("excluded-pod", "the selector of pods leaves it out"),
            Self::OptedOut => ("opted-out", "label scheduler.alpha.kubernetes.io/rescheduling=disabled"),
            Self::NotSafeToEvict => {
                ("not-safe-to-evict", "annotation cluster-autoscaler.kubernetes.io/safe-to-evict=false")
            }
            Self::DoNotDisrupt => ("do-not-disrupt", "annotation karpenter.sh/do-not-disrupt=true"),
            Self::PrefersNoEviction => {
                ("prefers-no-eviction", "annotation descheduler.alpha.kubernetes.io/prefer-no-eviction")
            }
            Self::PriorityThreshold => ("priority-threshold", "its priority is not below the policy's threshold"),
            Self::VolumeClaim => ("volume-claim", "the policy protects pods with PersistentVolumeClaims"),
            Self::ResourceClaim => ("resource-claim", "the policy protects pods with ResourceClaims"),
            Self::NoBudget => ("no-disruption-budget", "the policy protects pods without a PodDisruptionBudget"),
            Self::RollingOut => ("rolling-out", "its owner is rolling out, or lacks available pods"),
            Self::OwnerRests => ("owner-rests", "its owner rests after a move (coolDown)"),
            Self::NodeRests => ("node-rests", "its node rests after a move (coolDown)"),
            Self::DisruptionBudget => ("disruption-budget", "its PodDisruptionBudget allows no eviction now"),
            Self::RoundLimit => ("round-limit", "the round has as many moves as it may"),
            Self::NodeLimit => ("node-limit", "as many are moved from its node as may be in a round"),
            Self::NamespaceLimit => ("namespace-limit", "as many of its namespace are moved as may be in a round"),
            Self::OwnerLimit => ("owner-limit", "as many of its owner are moved as may be in a round"),
            Self::Gated => ("gated", "a replacement would not be scheduled"),
            Self::FitsNowhere => ("fits-nowhere", "no other node takes it"),
            Self::TargetTooFull => ("target-too-full", "the node that the scheduler would choose would pass a mark"),
            Self::NoGain => ("no-gain", "the node that the scheduler would choose makes nothing better by minGain"),
        }
    }

    /// Name, as metrics and plans have it.
    pub const fn as_str(self) -> &'static str {
        self.told().0
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        self.told().1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_refusal_has_a_name_and_a_meaning_of_its_own() {
        let names: BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            let name = refusal.as_str();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(!refusal.meaning().is_empty() && refusal.meaning().len() < 90, "{name}");
        }
    }
}
