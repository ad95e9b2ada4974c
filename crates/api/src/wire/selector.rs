//! Label selectors and node selectors.

use super::{StringMap, wire};

wire! {
    /// A label selector; without any requirement it matches everything.
    LabelSelector {
        match_labels: StringMap,
        match_expressions: Vec<LabelSelectorRequirement>,
    }

    /// `matchExpressions[]` of a label selector.
    LabelSelectorRequirement {
        key: String,
        operator: String,
        values: Vec<String>,
    }

    /// Node selector: one of its terms must match.
    NodeSelector {
        node_selector_terms: Vec<NodeSelectorTerm>,
    }

    /// A node selector's term: all its requirements must hold.
    NodeSelectorTerm {
        match_expressions: Vec<NodeSelectorRequirement>,
        match_fields: Vec<NodeSelectorRequirement>,
    }

    /// A requirement on a node's label or field.
    NodeSelectorRequirement {
        key: String,
        operator: String,
        values: Vec<String>,
    }
}
