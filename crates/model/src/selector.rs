//! Label selectors and node selectors, compiled.

use crate::{Labels, Str};

/// Operator of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The key's value is one of the values.
    In,
    /// The key is absent, or its value is none of the values.
    NotIn,
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
    /// Both are integers and the key's value is greater (node selectors only).
    Gt,
    /// Both are integers and the key's value is less (node selectors only).
    Lt,
}

/// One requirement on labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Label key.
    pub key: Str,
    /// Operator.
    pub operator: Operator,
    /// Values, sorted and each once (so that equal requirements are equal); exactly one for `Gt` and `Lt`.
    pub values: Box<[Str]>,
}

impl Requirement {
    /// A requirement with its values brought into order.
    pub fn new(key: Str, operator: Operator, mut values: Vec<Str>) -> Self {
        values.sort_unstable();
        values.dedup();
        Self { key, operator, values: values.into_boxed_slice() }
    }

    /// Whether `labels` meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt | Operator::Lt => {
                let Some(left) = value.and_then(|v| parse_int(v)) else {
                    return false;
                };
                let Some(right) = self.values.first().and_then(|v| parse_int(v)) else {
                    return false;
                };
                if self.operator == Operator::Gt { left > right } else { left < right }
            }
        }
    }
}

/// A 64-bit integer as Go's `strconv.ParseInt(s, 10, 64)` reads it: sign and decimal digits only.
fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A compiled `metav1.LabelSelector`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// An absent selector: matches nothing.
    Nothing,
    /// All requirements must hold; none at all (`{}`) matches everything. Sorted by key.
    All(Box<[Requirement]>),
}

impl Selector {
    /// From requirements in any order.
    pub fn all(mut requirements: Vec<Requirement>) -> Self {
        // Order does not matter to matching; a fixed one makes equal selectors equal.
        requirements.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| (a.operator as u8).cmp(&(b.operator as u8))));
        Self::All(requirements.into_boxed_slice())
    }

    /// From `key = value` pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a Str, &'a Str)>) -> Self {
        let requirements =
            pairs.into_iter().map(|(k, v)| Requirement::new(k.clone(), Operator::In, vec![v.clone()])).collect();
        Self::all(requirements)
    }

    /// Whether `labels` match.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.iter().all(|r| r.matches(labels)),
        }
    }

    /// Whether it has no requirement and so matches everything.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(requirements) if requirements.is_empty())
    }
}

/// A requirement on a field of a node. The only field that exists is `metadata.name`, with `In` or `NotIn` and exactly
/// one value; anything else makes its term unusable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldRequirement {
    /// `true`: the name must differ (`NotIn`).
    pub negated: bool,
    /// Node name.
    pub name: Str,
}

/// One term of a node selector: all its requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeSelectorTerm {
    /// On labels.
    pub expressions: Box<[Requirement]>,
    /// On the node's name.
    pub fields: Box<[FieldRequirement]>,
    /// What kube-scheduler says of requirements that it can not read, with their place in the term (`matchExpressions[0]…`).
    /// With any, the term never matches; among preferred terms it fails the pod's cycle.
    pub problems: Box<[Str]>,
}

impl NodeSelectorTerm {
    /// Whether it has no requirement at all: such a term never matches.
    pub fn is_empty(&self) -> bool {
        self.expressions.is_empty() && self.fields.is_empty()
    }

    /// Whether a node with this name and these labels matches.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        !self.is_empty()
            && self.problems.is_empty()
            && self.fields.iter().all(|f| (f.name == *name) != f.negated)
            && self.expressions.iter().all(|r| r.matches(labels))
    }
}

/// A node selector: one of its terms must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelector {
    /// Terms, as given.
    pub terms: Box<[NodeSelectorTerm]>,
}

impl NodeSelector {
    /// Whether a node with this name and these labels matches.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.terms.iter().any(|term| term.matches(name, labels))
    }
}
