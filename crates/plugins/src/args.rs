//! Reading plugin arguments: decoding, Kubernetes names, Go durations.

use loadline_framework::FieldError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes complete, valid arguments.
pub(crate) fn decode<T: DeserializeOwned>(args: &Value) -> Result<T, Vec<FieldError>> {
    T::deserialize(args).map_err(|error| vec![FieldError::new("", error.to_string())])
}

/// Nanoseconds of a Go duration such as `1m30s`, `1.5h` or `-5ms`; `None` when it is not one.
pub(crate) fn go_duration(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 8] = [
        // Longer names first: `ms` is not `m` followed by something.
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (unit, nanoseconds) = UNITS.into_iter().find(|(name, _)| tail.starts_with(name))?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(nanoseconds)?)?;
        let mut part = nanoseconds;
        for digit in fraction.bytes() {
            part /= 10;
            total += part * i128::from(digit - b'0');
        }
        rest = &tail[unit.len()..];
    }
    // A Go duration has 64 bits.
    i64::try_from(sign * total).ok().map(i128::from)
}

/// What is wrong with a label key or resource name (`[prefix/]name`), as Kubernetes checks qualified names.
pub(crate) fn qualified_name_error(text: &str) -> Option<&'static str> {
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
pub(crate) fn label_value_error(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!value.is_empty() && !is_label_text(value)).then_some(
        "must be empty or consist of letters, digits, '-', '_' or '.', and start and end with a letter or digit",
    )
}

fn is_label_text(text: &str) -> bool {
    let ends = |b: &u8| b.is_ascii_alphanumeric();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    bytes.first().is_some_and(ends) && bytes.last().is_some_and(ends) && bytes.iter().all(inner)
}

fn is_dns_subdomain(text: &str) -> bool {
    let ends = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(ends) && bytes.last().is_some_and(ends) && bytes.iter().all(|b| ends(b) || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Arguments with nothing but defaults, as the configuration fills them in.
#[cfg(test)]
pub(crate) fn defaults(fields: &[loadline_framework::ArgField]) -> Value {
    let given = fields.iter().filter(|field| !field.default.is_empty());
    let pairs = given.map(|field| {
        let value = serde_json::from_str(field.default).expect("a default is JSON");
        (field.name.to_owned(), value)
    });
    Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [
            ("10s", Some(10_000_000_000)),
            ("10m0s", Some(600_000_000_000)),
            ("1h1m1.5s", Some(3_661_500_000_000)),
            ("-5ms", Some(-5_000_000)),
            ("1µs", Some(1_000)),
            (".5s", Some(500_000_000)),
            ("0", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("9999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(go_duration(text), expected, "{text}");
        }
    }

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
}
