//! The syntax of label keys and values.

use loadline_model::name::{label_value_error, qualified_name_error};

use super::Report;
use crate::doc::At;
use crate::wire::StringMap;

/// A label key: a name, or a DNS subdomain, a slash and a name.
pub(super) fn check_label_key(at: At<'_>, key: &str, report: &mut Report<'_>) {
    if !is_label_key(key) {
        let found = if key.is_empty() { "nothing".to_owned() } else { format!("`{key}`") };
        report(at, format!("expected a label key such as app or example.com/app, found {found}"));
    }
}

/// A label value: empty, or a name.
pub(super) fn check_label_value(at: At<'_>, value: &str, report: &mut Report<'_>) {
    if !is_label_value(value) {
        report(at, format!("expected a label value (up to 63 letters, digits, `-`, `_` and `.`), found `{value}`"));
    }
}

/// Keys and values of a map of labels.
pub(super) fn check_label_map(at: &At<'_>, labels: &StringMap, report: &mut Report<'_>) {
    for (key, value) in labels {
        check_label_key(at.field(key), key, report);
        check_label_value(at.field(key), value, report);
    }
}

/// Whether a text is a label key.
pub(crate) fn is_label_key(key: &str) -> bool {
    qualified_name_error(key).is_none()
}

/// Whether a text is a label value.
pub(crate) fn is_label_value(value: &str) -> bool {
    label_value_error(value).is_none()
}
