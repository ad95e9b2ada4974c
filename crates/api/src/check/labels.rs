//! The syntax of label keys and values.

use super::Report;
use crate::doc::At;
use crate::wire::StringMap;

const NAME_LENGTH: usize = 63;
const PREFIX_LENGTH: usize = 253;

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
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    }
}

/// Whether a text is a label value.
pub(crate) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= NAME_LENGTH
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || *b == b'-')
    };
    name.len() <= PREFIX_LENGTH && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys() {
        for key in ["app", "a", "a.b_c-d", "example.com/app", "node-role.kubernetes.io/control-plane", "A"] {
            assert!(is_label_key(key), "{key}");
        }
        let long = "x".repeat(64);
        for key in ["", "/", "a/", "/a", "-a", "a-", "a b", "a/b/c", "A/b", "exa_mple.com/a", "example..com/a", &long] {
            assert!(!is_label_key(key), "{key}");
        }
    }
}
