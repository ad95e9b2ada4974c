//! Affinity, tolerations, topology spread.

use std::sync::Arc;

use loadline_model::{
    Affinity, NamespaceMatch, PodAffinityTerm, PodMatcher, Selector, SpreadConstraint, Str, Toleration,
    TolerationOperator, UnsatisfiableAction, Weighted,
};

use super::Converter;
use super::node::effect;
use crate::wire;

impl Converter {
    pub(super) fn affinity(&mut self, affinity: &wire::Affinity, namespace: &Str) -> Arc<Affinity> {
        let node = affinity.node_affinity.as_ref();
        let preferred = node.map_or(&[][..], |node| &node.preferred_during_scheduling_ignored_during_execution);
        let pods = affinity.pod_affinity.as_ref();
        let anti = affinity.pod_anti_affinity.as_ref();
        let compiled = Affinity {
            node_required: node
                .and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref())
                .map(|required| self.node_selector(required)),
            node_preferred: preferred
                .iter()
                .map(|term| Weighted { weight: term.weight, term: self.node_selector_term(&term.preference) })
                .collect(),
            pod_required: self.required_terms(pods, namespace),
            pod_preferred: self.preferred_terms(pods, namespace),
            anti_required: self.required_terms(anti, namespace),
            anti_preferred: self.preferred_terms(anti, namespace),
        };
        self.affinities.share(compiled)
    }

    fn required_terms(&mut self, affinity: Option<&wire::PodAffinity>, namespace: &Str) -> Box<[PodAffinityTerm]> {
        let terms = affinity.map_or(&[][..], |affinity| &affinity.required_during_scheduling_ignored_during_execution);
        terms.iter().map(|term| self.pod_affinity_term(term, namespace)).collect()
    }

    fn preferred_terms(
        &mut self,
        affinity: Option<&wire::PodAffinity>,
        namespace: &Str,
    ) -> Box<[Weighted<PodAffinityTerm>]> {
        let terms = affinity.map_or(&[][..], |affinity| &affinity.preferred_during_scheduling_ignored_during_execution);
        terms
            .iter()
            .map(|term| Weighted {
                weight: term.weight,
                term: self.pod_affinity_term(&term.pod_affinity_term, namespace),
            })
            .collect()
    }

    fn pod_affinity_term(&mut self, term: &wire::PodAffinityTerm, namespace: &Str) -> PodAffinityTerm {
        let mut names = if term.namespaces.is_empty() && term.namespace_selector.is_none() {
            vec![namespace.clone()]
        } else {
            self.strs(&term.namespaces)
        };
        names.sort_unstable();
        names.dedup();
        let selector = term.namespace_selector.as_ref();
        PodAffinityTerm {
            pods: PodMatcher {
                namespaces: NamespaceMatch {
                    names: names.into(),
                    selector: selector.map_or(Selector::Nothing, |selector| self.selector(Some(selector))),
                },
                selector: self.selector(term.label_selector.as_ref()),
            },
            topology_key: self.str(&term.topology_key),
        }
    }

    pub(super) fn tolerations(&mut self, tolerations: &[wire::Toleration]) -> Arc<[Toleration]> {
        let compiled: Vec<Toleration> = tolerations.iter().map(|toleration| self.toleration(toleration)).collect();
        self.tolerations.share(compiled)
    }

    fn toleration(&mut self, toleration: &wire::Toleration) -> Toleration {
        let effect = effect(&toleration.effect);
        let operator = match &*toleration.operator {
            // An effect that does not exist is never that of a taint.
            _ if effect.is_none() && !toleration.effect.is_empty() => TolerationOperator::Never,
            "" | "Equal" => TolerationOperator::Equal,
            "Exists" => TolerationOperator::Exists,
            _ => TolerationOperator::Never,
        };
        Toleration { key: self.str(&toleration.key), operator, value: self.str(&toleration.value), effect }
    }

    pub(super) fn spread(&mut self, constraints: &[wire::TopologySpreadConstraint]) -> Arc<[SpreadConstraint]> {
        let compiled: Vec<SpreadConstraint> =
            constraints.iter().filter_map(|constraint| self.spread_constraint(constraint)).collect();
        self.spreads.share(compiled)
    }

    fn spread_constraint(&mut self, constraint: &wire::TopologySpreadConstraint) -> Option<SpreadConstraint> {
        let honors =
            |policy: &Option<String>, default: bool| policy.as_deref().map_or(default, |policy| policy == "Honor");
        Some(SpreadConstraint {
            max_skew: constraint.max_skew,
            topology_key: self.str(&constraint.topology_key),
            when_unsatisfiable: match &*constraint.when_unsatisfiable {
                "DoNotSchedule" => UnsatisfiableAction::DoNotSchedule,
                "ScheduleAnyway" => UnsatisfiableAction::ScheduleAnyway,
                _ => return None,
            },
            selector: self.selector(constraint.label_selector.as_ref()),
            min_domains: constraint.min_domains.unwrap_or(1),
            honor_affinity: honors(&constraint.node_affinity_policy, true),
            honor_taints: honors(&constraint.node_taints_policy, false),
            match_label_keys: self.strs(&constraint.match_label_keys).into(),
        })
    }
}
