//! What an unquoted YAML scalar means. Kubernetes reads YAML with a library of the YAML 1.1 days: `yes`, `on` and `y` are booleans,
//! `0644` is octal, `1_000` is a number. A reader that follows YAML 1.2 would accept manifests that the API server refuses.

use std::borrow::Cow;

use super::node::Value;

/// Resolves a plain (unquoted, untagged) scalar.
pub(super) fn resolve(text: Cow<'_, str>) -> Value<'_> {
    let Some(&first) = text.as_bytes().first() else {
        return Value::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'0'..=b'9' | b'+' | b'-' => number(&text).unwrap_or(Value::String(text)),
        b'.' => leading_dot(&text).map_or(Value::String(text), Value::Float),
        _ => Value::String(text),
    }
}

fn word(text: Cow<'_, str>) -> Value<'_> {
    match &*text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => Value::String(text),
    }
}

fn leading_dot(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        _ => float(text),
    }
}

fn number(text: &str) -> Option<Value<'static>> {
    // By far most scalars that begin with a digit are dates, addresses and hashes: leave early.
    if text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'x' | b'X' | b'o' | b'O' | b'+' | b'-' | b'.' | b'_' | b'i' | b'I' | b'n' | b'N'))
    {
        return None;
    }
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Value::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    let plain: Cow<'_, str> = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if let Some(value) = integer(&plain) {
        return Some(value);
    }
    float(&plain).map(Value::Float)
}

/// A whole number with an optional sign, in decimal, hexadecimal (`0x`), octal (`0o` or a leading 0) or binary (`0b`).
fn integer(text: &str) -> Option<Value<'static>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    let value = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    match value {
        Some(value) => Some(Value::Int(value)),
        None if negative => None,
        None => Some(Value::Float(magnitude as f64)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, which is narrower than what Rust's own parser takes.
fn float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let start = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut at = digits(start);
    let whole = at - start;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole == 0 && fraction == at + 1 {
            return None;
        }
        at = fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let end = digits(at);
        if end == at {
            return None;
        }
        at = end;
    }
    if at < bytes.len() { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_kubernetes_does() {
        let text = |s: &'static str| Value::String(s.into());
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("nUll", text("nUll")),
            ("yes", Value::Bool(true)),
            ("On", Value::Bool(true)),
            ("y", Value::Bool(true)),
            ("off", Value::Bool(false)),
            ("N", Value::Bool(false)),
            ("nope", text("nope")),
            ("12", Value::Int(12)),
            ("-12", Value::Int(-12)),
            ("+7", Value::Int(7)),
            ("0644", Value::Int(420)),
            ("0o17", Value::Int(15)),
            ("0x1F", Value::Int(31)),
            ("0b101", Value::Int(5)),
            ("08", Value::Float(8.0)),
            ("1_000", Value::Int(1000)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
            ("1.10", Value::Float(1.1)),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("1e3", Value::Float(1000.0)),
            ("1e", text("1e")),
            ("-", text("-")),
            (".", text(".")),
            ("+.inf", Value::Float(f64::INFINITY)),
            ("inf", text("inf")),
            ("1.2.3", text("1.2.3")),
            ("100m", text("100m")),
            ("1Gi", text("1Gi")),
            ("2026-05-11T08:12:01Z", text("2026-05-11T08:12:01Z")),
            ("2026-05-11", text("2026-05-11")),
            ("10.244.1.1/32", text("10.244.1.1/32")),
            ("5d8a7d0e9b2c4f1a", text("5d8a7d0e9b2c4f1a")),
        ];
        for (input, expected) in cases {
            assert_eq!(resolve(input.into()), expected, "{input}");
        }
        assert!(matches!(resolve(".nan".into()), Value::Float(v) if v.is_nan()));
    }
}
