//! Label selectors and node selectors.

use super::labels::{check_label_key, check_label_map, check_label_value};
use super::{Report, check_choice};
use crate::doc::At;
use crate::wire::{LabelSelector, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

pub(super) fn check_label_selector(at: &At<'_>, selector: &LabelSelector, report: &mut Report<'_>) {
    check_label_map(&at.field("matchLabels"), &selector.match_labels, report);
    let expressions = at.field("matchExpressions");
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let at = expressions.index(index);
        check_label_key(at.field("key"), &requirement.key, report);
        check_choice(
            at.field("operator"),
            Some(&requirement.operator),
            &["In", "NotIn", "Exists", "DoesNotExist"],
            report,
        );
        check_values(&at, &requirement.operator, &requirement.values, report);
        let values = at.field("values");
        for (index, value) in requirement.values.iter().enumerate() {
            check_label_value(values.index(index), value, report);
        }
    }
}

pub(super) fn check_node_selector(at: &At<'_>, selector: &NodeSelector, report: &mut Report<'_>) {
    let terms = at.field("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        report(terms, "expected at least one term, found none".into());
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        check_node_selector_term(&terms.index(index), term, report);
    }
}

pub(super) fn check_node_selector_term(at: &At<'_>, term: &NodeSelectorTerm, report: &mut Report<'_>) {
    let expressions = at.field("matchExpressions");
    for (index, requirement) in term.match_expressions.iter().enumerate() {
        check_node_requirement(&expressions.index(index), requirement, report);
    }
    let fields = at.field("matchFields");
    for (index, requirement) in term.match_fields.iter().enumerate() {
        let at = fields.index(index);
        check_choice(at.field("key"), Some(&requirement.key), &["metadata.name"], report);
        check_choice(at.field("operator"), Some(&requirement.operator), &["In", "NotIn"], report);
        if requirement.values.len() != 1 {
            report(at.field("values"), format!("expected exactly one value, found {}", requirement.values.len()));
        }
    }
}

fn check_node_requirement(at: &At<'_>, requirement: &NodeSelectorRequirement, report: &mut Report<'_>) {
    check_label_key(at.field("key"), &requirement.key, report);
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    check_choice(at.field("operator"), Some(&requirement.operator), &operators, report);
    check_values(at, &requirement.operator, &requirement.values, report);
    if matches!(&*requirement.operator, "Gt" | "Lt") {
        // A value that is no number is let through, as the API server lets it: the term never matches.
        let values = requirement.values.len();
        if values != 1 {
            report(
                at.field("values"),
                format!("expected exactly one value for {}, found {values}", requirement.operator),
            );
        }
    }
}

/// `In` and `NotIn` need values, `Exists` and `DoesNotExist` must have none.
fn check_values(at: &At<'_>, operator: &str, values: &[String], report: &mut Report<'_>) {
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            report(at.field("values"), format!("expected at least one value for {operator}, found none"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            report(at.field("values"), format!("expected no values for {operator}, found {}", values.len()));
        }
        _ => {}
    }
}
