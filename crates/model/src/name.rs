//! The syntax of Kubernetes' names: label keys, label values, names of resources.

/// What is wrong with a label key or resource name (`[prefix/]name`), as Kubernetes checks qualified names.
pub fn qualified_name_error(text: &str) -> Option<&'static str> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if name.contains('/') {
        return Some("must be a name with at most one '/'");
    }
    match prefix {
        Some("") => return Some("prefix part must be non-empty"),
        Some(prefix) if !is_dns_subdomain(prefix) => {
            return Some(
                "prefix part must be a DNS subdomain: lower case letters, digits, '-' or '.', at most 253 characters",
            );
        }
        _ => {}
    }
    if name.is_empty() {
        return Some("name part must be non-empty");
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters");
    }
    (!is_label_text(name)).then_some(
        "name part must consist of letters, digits, '-', '_' or '.', and must start and end with a letter or digit",
    )
}

/// What is wrong with the value of a label.
pub fn label_value_error(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!value.is_empty() && !is_label_text(value)).then_some(
        "must be empty or consist of letters, digits, '-', '_' or '.', and start and end with a letter or digit",
    )
}

/// Whether kube-scheduler takes a name for that of an extended resource: of a domain that is not Kubernetes' own, and still a
/// name when quotas have put their word before it.
pub fn is_extended_resource(name: &str) -> bool {
    const QUOTA: &str = "requests.";
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with(QUOTA)
        && qualified_name_error(&format!("{QUOTA}{name}")).is_none()
}

fn is_label_text(text: &str) -> bool {
    let ends = |b: &u8| b.is_ascii_alphanumeric();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    bytes.first().is_some_and(ends) && bytes.last().is_some_and(ends) && bytes.iter().all(inner)
}

/// Whether a text is a DNS subdomain, as the names of most objects are.
pub fn is_dns_subdomain(text: &str) -> bool {
    let ends = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(ends) && bytes.last().is_some_and(ends) && bytes.iter().all(|b| ends(b) || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kubernetes_checks_them() {
        for good in ["cpu", "example.com/gpu", "a.b-c/X_y.z", "1/1"] {
            assert_eq!(qualified_name_error(good), None, "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", "/gpu", "Example.com/gpu", "a/b/c", "example.com/", "-a", "a..b/c", "a b", &long] {
            assert!(qualified_name_error(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn extended_resources_have_a_domain_of_their_own() {
        for good in ["example.com/gpu", "a/b", "x.y.z/some-Thing_1.2"] {
            assert!(is_extended_resource(good), "{good}");
        }
        let long = format!("{}/x", "a".repeat(245));
        assert_eq!(qualified_name_error(&long), None);
        for bad in ["cpu", "", "kubernetes.io/x", "foo.kubernetes.io/x", "requests.example.com/x", "a/-x", &long] {
            assert!(!is_extended_resource(bad), "{bad}");
        }
    }

    #[test]
    fn label_values_may_be_empty() {
        let long = "x".repeat(64);
        for good in ["", "a", "A.b_c-1", &long[..63]] {
            assert_eq!(label_value_error(good), None, "{good}");
        }
        for bad in ["-a", "a-", "a/b", "a b", "ä", &long] {
            assert!(label_value_error(bad).is_some(), "{bad}");
        }
    }
}
