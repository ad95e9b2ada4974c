//! Selectors of labels and of nodes.

use std::collections::BTreeMap;

use loadline_api::convert::Converter;
use loadline_api::read::Reader;
use loadline_api::wire::{
    LabelSelector, LabelSelectorRequirement, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
};
use loadline_model::{Operator, Requirement, Selector};
use serde_json::json;

/// Reads a first line of labels, `key=value` with commas between, and further lines of requirements, `key operator value,value`.
/// Compiled selectors must say what their definition says.
pub fn selector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let labels: BTreeMap<String, String> = first
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let lines: Vec<Line> = rest.lines().take(8).map(Line::of).collect();
    of_labels(&labels, &lines);
    of_nodes(&labels, &lines);
}

/// A requirement as it is written.
#[derive(Debug)]
struct Line {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Line {
    fn of(line: &str) -> Self {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let (key, operator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let values = words.next().map_or_else(Vec::new, |values| values.split(',').map(str::to_owned).collect());
        Self { key, operator, values }
    }

    /// Whether labels meet it; `None` for an operator that does not exist.
    fn holds(&self, labels: &BTreeMap<String, String>) -> Option<bool> {
        let value = labels.get(&self.key);
        let number = |text: &str| text.parse::<i64>().ok();
        let compared = |holds: fn(i64, i64) -> bool| {
            value
                .and_then(|value| number(value))
                .zip(self.values.first().and_then(|wanted| number(wanted)))
                .is_some_and(|(found, wanted)| holds(found, wanted))
        };
        Some(match &*self.operator {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => compared(|found, wanted| found > wanted),
            "Lt" => compared(|found, wanted| found < wanted),
            _ => return None,
        })
    }

    /// Whether kube-scheduler takes it for a requirement on a node's labels.
    fn is_of_a_node(&self) -> bool {
        let count = match (&*self.operator, self.values.len()) {
            ("In" | "NotIn", count) => count > 0,
            ("Exists" | "DoesNotExist", count) => count == 0,
            ("Gt" | "Lt", count) => count == 1 && self.values[0].parse::<i64>().is_ok(),
            _ => false,
        };
        count && is_key(&self.key) && self.values.iter().all(|value| value.is_empty() || is_name(value))
    }
}

fn is_name(text: &str) -> bool {
    let edges =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    edges && text.len() < 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_key(text: &str) -> bool {
    let of_domain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    match text.find('/') {
        Some(slash) => slash < 254 && text[..slash].split('.').all(of_domain) && is_name(&text[slash + 1..]),
        None => is_name(text),
    }
}

fn of_labels(labels: &BTreeMap<String, String>, lines: &[Line]) {
    let wire = LabelSelector {
        match_labels: BTreeMap::new(),
        match_expressions: lines
            .iter()
            .map(|line| LabelSelectorRequirement {
                key: line.key.clone(),
                operator: line.operator.clone(),
                values: line.values.clone(),
            })
            .collect(),
    };
    let mut converter = Converter::new();
    let compiled = converter.labels(labels);
    let selector = converter.selector(Some(&wire));
    let known = lines.iter().all(|line| !matches!(&*line.operator, "Gt" | "Lt") && line.holds(labels).is_some());
    let holds = known && lines.iter().all(|line| line.holds(labels) == Some(true));
    assert_eq!(selector.matches(&compiled), holds, "{lines:?} on {labels:?}");
    assert_eq!(selector.is_everything(), lines.is_empty());
    if let Selector::All(requirements) = &selector {
        for requirement in requirements {
            let opposite = match requirement.operator {
                Operator::In => Operator::NotIn,
                Operator::NotIn => Operator::In,
                Operator::Exists => Operator::DoesNotExist,
                Operator::DoesNotExist => Operator::Exists,
                Operator::Gt | Operator::Lt => continue,
            };
            let other = Requirement::new(requirement.key.clone(), opposite, requirement.values.to_vec());
            assert_ne!(requirement.matches(&compiled), other.matches(&compiled), "{requirement:?} on {labels:?}");
        }
        let backwards = Selector::all(requirements.iter().rev().cloned().collect());
        assert_eq!(backwards.matches(&compiled), holds);
    }
    // Equal labels that are required are the same as being one of one value.
    let equal = LabelSelector { match_labels: labels.clone(), match_expressions: Vec::new() };
    assert!(converter.selector(Some(&equal)).matches(&compiled), "{labels:?} match themselves");
    accepted_or_not(&wire, lines);
}

/// Only what the API server takes is taken.
fn accepted_or_not(wire: &LabelSelector, lines: &[Line]) {
    let expressions: Vec<_> = wire
        .match_expressions
        .iter()
        .map(|it| json!({"key": it.key, "operator": it.operator, "values": it.values}))
        .collect();
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"selector": {"matchExpressions": expressions}}});
    let mut read = 0;
    let mut reader = Reader::new(|_| read += 1);
    reader.read_text(&budget.to_string(), "-");
    let problems = reader.finish().problems;
    let valid = lines.iter().all(|line| line.is_of_a_node() && !matches!(&*line.operator, "Gt" | "Lt"));
    assert_eq!((problems.is_empty(), read == 1), (valid, valid), "{lines:?}: {problems:?}");
}

/// The same lines as a node selector of one term for each line, and of one term for all of them.
fn of_nodes(labels: &BTreeMap<String, String>, lines: &[Line]) {
    let requirement = |line: &Line| NodeSelectorRequirement {
        key: line.key.clone(),
        operator: line.operator.clone(),
        values: line.values.clone(),
    };
    let term = |lines: &[Line]| NodeSelectorTerm {
        match_expressions: lines.iter().map(requirement).collect(),
        match_fields: Vec::new(),
    };
    let holds = |line: &Line| line.is_of_a_node() && line.holds(labels) == Some(true);
    let mut converter = Converter::new();
    let compiled = converter.labels(labels);
    let any = NodeSelector { node_selector_terms: lines.iter().map(|line| term(std::slice::from_ref(line))).collect() };
    let found = converter.node_selector(&any).matches("node", &compiled);
    assert_eq!(found, lines.iter().any(holds), "one of {lines:?} on {labels:?}");
    let all = NodeSelector { node_selector_terms: vec![term(lines)] };
    let found = converter.node_selector(&all).matches("node", &compiled);
    assert_eq!(found, !lines.is_empty() && lines.iter().all(holds), "all of {lines:?} on {labels:?}");
}
