//! What InterPodAffinity reads of a pod.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use loadline_framework::{MatchedTerm, Prepare, TermKind};
use loadline_model::{Affinity, Labels, PodAffinityTerm, PodInfo, PodMatcher, Selector, Str, Weighted};

use super::Arguments;

/// The key: the pod's own terms, and which carried terms mean the pod. Not its labels: pods of one StatefulSet share a
/// key, as long as no term tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) namespace: Str,
    pub(super) own: OwnTerms,
    /// The pod matches all of its own required affinity terms.
    pub(super) self_match: bool,
    /// Carried terms that mean the pod and count for it.
    pub(super) matched: Arc<[MatchedTerm]>,
}

impl Key {
    /// The key of a pod; `None` when no term has to do with it.
    pub(super) fn of(pod: &PodInfo, arguments: Arguments, cx: &mut dyn Prepare) -> Option<Self> {
        let own = OwnTerms(pod.affinity.clone().filter(|affinity| affinity.has_pod_terms()));
        let scores_carried = arguments.scores_carried(&own);
        let counts = |term: &MatchedTerm| match term.kind {
            TermKind::RequiredAnti => true,
            TermKind::RequiredAffinity => scores_carried && arguments.hard_pod_affinity_weight > 0,
            TermKind::PreferredAffinity(_) | TermKind::PreferredAnti(_) => scores_carried,
        };
        let matched = cx.matched_terms(pod);
        let matched = if matched.iter().all(counts) {
            matched
        } else {
            matched.iter().filter(|term| counts(term)).cloned().collect()
        };
        if own.0.is_none() && matched.is_empty() {
            return None;
        }
        let namespace_labels = cx.cluster().namespace_labels(&pod.namespace);
        Some(Self {
            namespace: pod.namespace.clone(),
            self_match: all_mean(own.required(), &pod.namespace, namespace_labels, &pod.labels),
            own,
            matched,
        })
    }
}

/// Whether a term of the pod to be placed means a pod of this namespace with these labels.
///
/// kube-scheduler resolves the term's namespace selector to names beforehand, but goes on matching the selector itself
/// against no labels at all: one that matches those (`NotIn` and `DoesNotExist` alone) means every namespace.
pub(super) fn means(term: &PodAffinityTerm, namespace: &Str, namespace_labels: &Labels, labels: &Labels) -> bool {
    let namespaces = &term.pods.namespaces;
    (namespaces.names.contains(namespace)
        || namespaces.selector.matches(namespace_labels)
        || namespaces.selector.matches(&Labels::default()))
        && term.pods.selector.matches(labels)
}

/// The pods that a term of the pod to be placed means, as [`means`] has it.
pub(super) fn matcher(term: &PodAffinityTerm) -> PodMatcher {
    let mut matcher = term.pods.clone();
    if matcher.namespaces.selector.matches(&Labels::default()) {
        matcher.namespaces.selector = Selector::all(Vec::new());
    }
    matcher
}

/// Whether all terms mean it; without terms none does.
pub(super) fn all_mean(terms: &[PodAffinityTerm], namespace: &Str, namespace_labels: &Labels, labels: &Labels) -> bool {
    !terms.is_empty() && terms.iter().all(|term| means(term, namespace, namespace_labels, labels))
}

/// A pod's own inter-pod terms.
#[derive(Clone, Debug)]
pub(super) struct OwnTerms(Option<Arc<Affinity>>);

impl OwnTerms {
    fn part<T>(&self, part: fn(&Affinity) -> &[T]) -> &[T] {
        self.0.as_deref().map_or(&[], part)
    }

    pub(super) fn required(&self) -> &[PodAffinityTerm] {
        self.part(|affinity| &affinity.pod_required)
    }

    pub(super) fn anti(&self) -> &[PodAffinityTerm] {
        self.part(|affinity| &affinity.anti_required)
    }

    pub(super) fn preferred(&self) -> &[Weighted<PodAffinityTerm>] {
        self.part(|affinity| &affinity.pod_preferred)
    }

    pub(super) fn preferred_anti(&self) -> &[Weighted<PodAffinityTerm>] {
        self.part(|affinity| &affinity.anti_preferred)
    }

    fn parts(&self) -> impl PartialEq + Hash + '_ {
        (self.required(), self.anti(), self.preferred(), self.preferred_anti())
    }
}

// By what is read: node affinity, in the same shared object, is none of this plugin's business.
impl PartialEq for OwnTerms {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same || self.parts() == other.parts()
    }
}

impl Eq for OwnTerms {}

impl Hash for OwnTerms {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}
