//! The labels behind a rejection: wanted, found, and what would have to change.

use loadline_framework::record::{Detail, Remedy};
use loadline_model::{FieldRequirement, Labels, NodeSelector, NodeSelectorTerm, NodeSpec, Operator, Requirement, Str};
use serde_json::json;

/// What a node lacks of a nodeSelector and, when that is met, of the term of a required affinity that it is closest to.
pub(super) fn unmet(selector: &Labels, required: Option<&NodeSelector>, node: &NodeSpec) -> (Vec<Detail>, Vec<Remedy>) {
    let mut told = Told { node, details: Vec::new(), remedies: Vec::new() };
    for (key, value) in selector.iter() {
        if node.labels.get(key) != Some(value) {
            told.label(key, value.to_string(), Some(value));
        }
    }
    if told.details.is_empty()
        && let Some(term) = required.and_then(|required| closest(required, node))
    {
        for requirement in unmet_labels(term, node) {
            told.requirement(requirement);
        }
        for field in unmet_fields(term, node) {
            told.field(field);
        }
    }
    (told.details, told.remedies)
}

/// The usable term with the fewest requirements that the node does not meet.
fn closest<'a>(required: &'a NodeSelector, node: &NodeSpec) -> Option<&'a NodeSelectorTerm> {
    let usable = required.terms.iter().filter(|term| term.problems.is_empty() && !term.is_empty());
    usable.min_by_key(|term| unmet_labels(term, node).count() + unmet_fields(term, node).count())
}

fn unmet_labels<'a>(term: &'a NodeSelectorTerm, node: &NodeSpec) -> impl Iterator<Item = &'a Requirement> {
    term.expressions.iter().filter(|r| !r.matches(&node.labels))
}

fn unmet_fields<'a>(term: &'a NodeSelectorTerm, node: &NodeSpec) -> impl Iterator<Item = &'a FieldRequirement> {
    term.fields.iter().filter(|f| (f.name == node.name) == f.negated)
}

struct Told<'a> {
    node: &'a NodeSpec,
    details: Vec<Detail>,
    remedies: Vec<Remedy>,
}

impl Told<'_> {
    /// A label that is wrong; `cure` is the value to set, `None` to take the label off.
    fn label(&mut self, key: &Str, wanted: String, cure: Option<&str>) {
        let name = &self.node.name;
        self.details.push(Detail {
            what: format!("label {key}"),
            wanted,
            found: self.node.labels.get(key).map_or("absent".to_owned(), ToString::to_string),
        });
        self.remedies.push(Remedy {
            text: match cure {
                Some(value) => format!("needs label {key}={value} on {name}"),
                None => format!("needs label {key} taken off {name}"),
            },
            change: json!({"kind": "label", "node": name, "key": key, "value": cure}),
            ..Remedy::default()
        });
    }

    fn requirement(&mut self, requirement: &Requirement) {
        let Requirement { key, operator, values } = requirement;
        let list = values.join(", ");
        let first = || values.first().map(ToString::to_string);
        let number = || values.first().and_then(|v| v.parse::<i64>().ok());
        let beyond = |number: Option<i64>| number.map(|n| n.to_string());
        let (wanted, cure) = match operator {
            Operator::In if values.len() == 1 => (list, first()),
            Operator::In => (format!("one of {list}"), first()),
            Operator::NotIn => (format!("none of {list}"), None),
            Operator::Exists => ("present".to_owned(), Some(String::new())),
            Operator::DoesNotExist => ("absent".to_owned(), None),
            Operator::Gt => (format!("> {list}"), beyond(number().and_then(|n| n.checked_add(1)))),
            Operator::Lt => (format!("< {list}"), beyond(number().and_then(|n| n.checked_sub(1)))),
        };
        self.label(key, wanted, cure.as_deref());
    }

    fn field(&mut self, field: &FieldRequirement) {
        let not = if field.negated { "not " } else { "" };
        self.details.push(Detail {
            what: "node name".to_owned(),
            wanted: format!("{not}{}", field.name),
            found: self.node.name.to_string(),
        });
    }
}
