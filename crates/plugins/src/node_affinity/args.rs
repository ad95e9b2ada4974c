//! NodeAffinityArgs.

use loadline_api::convert::Converter;
use loadline_api::wire::{self, NodeSelectorRequirement, NodeSelectorTerm as WireTerm};
use loadline_framework::{ArgField, ArgKind, FieldError};
use loadline_model::name::{label_value_error, qualified_name_error};
use loadline_model::{NodeSelector, NodeSelectorTerm, NodeSpec, Weighted};
use serde::Deserialize;
use serde_json::Value;

use crate::args::decode;

/// Schema.
pub(super) const FIELDS: &[ArgField] = &[ArgField {
    name: "addedAffinity",
    kind: ArgKind::NodeAffinity,
    default: "",
    help: "Node affinity that every pod of the profile has besides its own.",
}];

const REQUIRED: &str = "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
const PREFERRED: &str = "addedAffinity.preferredDuringSchedulingIgnoredDuringExecution";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    added_affinity: Option<wire::NodeAffinity>,
}

/// `addedAffinity`, compiled.
#[derive(Default)]
pub(super) struct AddedAffinity {
    /// Every node must match.
    pub(super) required: Option<NodeSelector>,
    /// Scored besides the pod's own.
    pub(super) preferred: Vec<Weighted<NodeSelectorTerm>>,
}

impl AddedAffinity {
    /// From complete, valid arguments.
    pub(super) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let Some(affinity) = decode::<Given>(args)?.added_affinity else {
            return Ok(Self::default());
        };
        let errors = check(&affinity);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut converter = Converter::new();
        let required = affinity.required_during_scheduling_ignored_during_execution;
        let (weights, terms): (Vec<i32>, _) = affinity
            .preferred_during_scheduling_ignored_during_execution
            .into_iter()
            .map(|term| (term.weight, term.preference))
            .unzip();
        let preferred = wire::NodeSelector { node_selector_terms: terms };
        let preferred = converter.node_selector(&preferred).terms;
        Ok(Self {
            required: required.map(|required| converter.node_selector(&required)),
            preferred: (weights.into_iter().zip(preferred)).map(|(weight, term)| Weighted { weight, term }).collect(),
        })
    }

    /// Whether it asks for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.required.is_none() && self.preferred.is_empty()
    }

    /// Whether a node matches what is required.
    pub(super) fn admits(&self, node: &NodeSpec) -> bool {
        let required = self.required.as_ref();
        required.is_none_or(|required| required.matches(&node.name, &node.labels))
    }
}

/// Terms must be such that kube-scheduler can parse them.
pub(super) fn validate(args: &Value) -> Vec<FieldError> {
    match decode::<Given>(args) {
        Ok(given) => given.added_affinity.as_ref().map(check).unwrap_or_default(),
        // The type check has told already.
        Err(_) => Vec::new(),
    }
}

fn check(affinity: &wire::NodeAffinity) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            check_term(term, &format!("{REQUIRED}[{index}]"), &mut errors);
        }
    }
    let preferred = &affinity.preferred_during_scheduling_ignored_during_execution;
    for (index, term) in preferred.iter().enumerate() {
        // kube-scheduler does not parse terms without weight.
        if term.weight != 0 {
            check_term(&term.preference, &format!("{PREFERRED}[{index}]"), &mut errors);
        }
    }
    errors
}

fn check_term(term: &WireTerm, path: &str, errors: &mut Vec<FieldError>) {
    for (index, requirement) in term.match_expressions.iter().enumerate() {
        check_expression(requirement, &format!("{path}.matchExpressions[{index}]"), errors);
    }
    for (index, requirement) in term.match_fields.iter().enumerate() {
        check_field(requirement, &format!("{path}.matchFields[{index}]"), errors);
    }
}

fn check_expression(requirement: &NodeSelectorRequirement, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(error) = qualified_name_error(&requirement.key) {
        errors.push(FieldError::new(format!("{path}.key"), error));
    }
    let values = &requirement.values;
    let wrong = match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => Some("must have at least one value"),
        "Exists" | "DoesNotExist" if !values.is_empty() => Some("must have no value"),
        "Gt" | "Lt" if values.len() != 1 || values[0].parse::<i64>().is_err() => Some("must be one whole number"),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => None,
        _ => {
            let message = "must be one of In, NotIn, Exists, DoesNotExist, Gt, Lt";
            errors.push(FieldError::new(format!("{path}.operator"), message));
            None
        }
    };
    if let Some(message) = wrong {
        errors.push(FieldError::new(format!("{path}.values"), message));
    }
    for (index, value) in values.iter().enumerate() {
        if let Some(error) = label_value_error(value) {
            errors.push(FieldError::new(format!("{path}.values[{index}]"), error));
        }
    }
}

fn check_field(requirement: &NodeSelectorRequirement, path: &str, errors: &mut Vec<FieldError>) {
    if requirement.key != "metadata.name" {
        errors.push(FieldError::new(format!("{path}.key"), "must be metadata.name, the only field there is"));
    }
    if !matches!(requirement.operator.as_str(), "In" | "NotIn") {
        errors.push(FieldError::new(format!("{path}.operator"), "must be one of In, NotIn"));
    }
    if requirement.values.len() != 1 {
        errors.push(FieldError::new(format!("{path}.values"), "must have one element"));
    }
}
