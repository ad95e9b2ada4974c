//! Selectors.

use loadline_model::{FieldRequirement, NodeSelector, NodeSelectorTerm, Operator, Requirement, Selector, Str};

use super::Converter;
use crate::check::{is_label_key, is_label_value};
use crate::wire::{self, StringMap};

impl Converter {
    /// Compiles a label selector. An absent one matches nothing, and so does one that cannot be understood.
    pub fn selector(&mut self, selector: Option<&wire::LabelSelector>) -> Selector {
        let Some(selector) = selector else {
            return Selector::Nothing;
        };
        let mut requirements = self.equalities(&selector.match_labels);
        for expression in &selector.match_expressions {
            let operator = match &*expression.operator {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return Selector::Nothing,
            };
            let values = self.strs(&expression.values);
            requirements.push(Requirement::new(self.str(&expression.key), operator, values));
        }
        Selector::all(requirements)
    }

    /// A selector of labels that must all be equal; everything matches an empty one.
    pub fn label_equality(&mut self, labels: &StringMap) -> Selector {
        Selector::all(self.equalities(labels))
    }

    fn equalities(&mut self, labels: &StringMap) -> Vec<Requirement> {
        labels
            .iter()
            .map(|(key, value)| {
                Requirement::new(self.strings.intern(key), Operator::In, vec![self.strings.intern(value)])
            })
            .collect()
    }

    /// Compiles a node selector.
    pub fn node_selector(&mut self, selector: &wire::NodeSelector) -> NodeSelector {
        NodeSelector { terms: selector.node_selector_terms.iter().map(|term| self.node_selector_term(term)).collect() }
    }

    pub(super) fn node_selector_term(&mut self, term: &wire::NodeSelectorTerm) -> NodeSelectorTerm {
        let expressions: Vec<Option<Requirement>> =
            term.match_expressions.iter().map(|requirement| self.node_requirement(requirement)).collect();
        let fields: Vec<Option<FieldRequirement>> =
            term.match_fields.iter().map(|requirement| self.field_requirement(requirement)).collect();
        NodeSelectorTerm {
            invalid: expressions.iter().any(Option::is_none) || fields.iter().any(Option::is_none),
            expressions: expressions.into_iter().flatten().collect(),
            fields: fields.into_iter().flatten().collect(),
        }
    }

    /// `None` when kube-scheduler could not parse it.
    fn node_requirement(&mut self, requirement: &wire::NodeSelectorRequirement) -> Option<Requirement> {
        let values = &requirement.values;
        // Among others, -5 and +5 are no label values, whatever Gt makes of them.
        if !is_label_key(&requirement.key) || !values.iter().all(|value| is_label_value(value)) {
            return None;
        }
        let operator = match (&*requirement.operator, values.len()) {
            ("In", 1..) => Operator::In,
            ("NotIn", 1..) => Operator::NotIn,
            ("Exists", 0) => Operator::Exists,
            ("DoesNotExist", 0) => Operator::DoesNotExist,
            ("Gt", 1) if is_integer(&values[0]) => Operator::Gt,
            ("Lt", 1) if is_integer(&values[0]) => Operator::Lt,
            _ => return None,
        };
        let values = self.strs(values);
        Some(Requirement::new(self.str(&requirement.key), operator, values))
    }

    fn field_requirement(&mut self, requirement: &wire::NodeSelectorRequirement) -> Option<FieldRequirement> {
        let negated = match &*requirement.operator {
            "In" => false,
            "NotIn" => true,
            _ => return None,
        };
        match &*requirement.values {
            [name] if requirement.key == "metadata.name" => Some(FieldRequirement { negated, name: self.str(name) }),
            // No other field exists; kube-scheduler takes its value for empty. No node's name is empty, so to differ from the
            // empty name always holds and to equal it never does.
            [value] => Some(FieldRequirement { negated: value.is_empty() != negated, name: Str::empty() }),
            _ => None,
        }
    }
}

fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}
