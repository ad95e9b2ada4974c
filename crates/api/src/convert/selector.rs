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
        let (mut expressions, mut fields, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (index, requirement) in term.match_expressions.iter().enumerate() {
            match self.node_requirement(requirement) {
                Ok(requirement) => expressions.push(requirement),
                Err(found) => {
                    problems.extend(found.iter().map(|problem| format!("matchExpressions[{index}].{problem}").into()));
                }
            }
        }
        for (index, requirement) in term.match_fields.iter().enumerate() {
            match self.field_requirement(requirement) {
                Some(requirement) => fields.push(requirement),
                None => problems.push(format!("matchFields[{index}]: can not be read").into()),
            }
        }
        NodeSelectorTerm { expressions: expressions.into(), fields: fields.into(), problems: problems.into() }
    }

    /// An error is what kube-scheduler says when it can not read it, each from the place within the requirement on.
    fn node_requirement(&mut self, requirement: &wire::NodeSelectorRequirement) -> Result<Requirement, Vec<String>> {
        let values = &requirement.values;
        let operator = match (&*requirement.operator, values.len()) {
            ("In", 1..) => Some(Operator::In),
            ("NotIn", 1..) => Some(Operator::NotIn),
            ("Exists", 0) => Some(Operator::Exists),
            ("DoesNotExist", 0) => Some(Operator::DoesNotExist),
            ("Gt", 1) => Some(Operator::Gt),
            ("Lt", 1) => Some(Operator::Lt),
            _ => None,
        };
        let (mut problems, key) = (Vec::new(), &requirement.key);
        for (index, value) in values.iter().enumerate() {
            if matches!(operator, Some(Operator::Gt | Operator::Lt)) && !is_integer(value) {
                let what = "for 'Gt', 'Lt' operators, the value must be an integer";
                problems.push(format!("values[{index}]: Invalid value: \"{value}\": {what}"));
            }
        }
        for (index, value) in values.iter().enumerate() {
            // Among others, -5 and +5 are no label values, whatever Gt makes of them.
            if !is_label_value(value) {
                let what = label_value_problem(value);
                problems.push(format!("values[{index}][{key}]: Invalid value: \"{value}\": {what}"));
            }
        }
        match operator {
            Some(operator) if problems.is_empty() && is_label_key(&requirement.key) => {
                Ok(Requirement::new(self.str(&requirement.key), operator, self.strs(values)))
            }
            _ if problems.is_empty() => Err(vec!["key: can not be read".to_owned()]),
            _ => Err(problems),
        }
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

/// Kubernetes' words for a text that is no label value.
fn label_value_problem(value: &str) -> String {
    const LONGEST: usize = 63;
    let long = (value.len() > LONGEST).then(|| format!("must be no more than {LONGEST} bytes"));
    let syntax = (!value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        || !value.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !value.ends_with(|c: char| c.is_ascii_alphanumeric()))
    .then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation \
         is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    });
    long.into_iter().chain(syntax).collect::<Vec<_>>().join("; ")
}
