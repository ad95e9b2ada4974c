//! Amounts of resources as people write them.

use std::cmp::Ordering;

const UNITS: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Cores: `1.5`, `0.1`, `24`.
pub(crate) fn cores(milli: i64) -> String {
    let text = format!("{:.2}", milli as f64 / 1000.0);
    trimmed(&text)
}

/// Bytes, in the largest unit that leaves a number above 1: `1.5Gi`.
pub(crate) fn bytes(amount: i64) -> String {
    let mut number = amount as f64;
    let mut unit = 0;
    while number.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{}{}", trimmed(&format!("{number:.1}")), UNITS[unit])
}

/// An amount of any resource but cpu.
pub(crate) fn of(resource: &str, amount: i64) -> String {
    let in_bytes = resource == "memory" || resource == "ephemeral-storage" || resource.starts_with("hugepages-");
    if in_bytes { bytes(amount) } else { amount.to_string() }
}

/// A share in whole percent, rounded; `100%` is full to the last bit, as what is left matters. `None` without a whole.
pub(crate) fn percent(part: i64, whole: i64) -> Option<i64> {
    if whole <= 0 {
        return None;
    }
    let (part, whole) = (i128::from(part), i128::from(whole));
    let rounded = (part * 200 + whole).div_euclid(whole * 2);
    let honest = match part.cmp(&whole) {
        Ordering::Less => rounded.min(99),
        Ordering::Equal => 100,
        Ordering::Greater => rounded.max(101),
    };
    Some(honest as i64)
}

fn trimmed(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!([cores(0), cores(100), cores(1500), cores(24_000), cores(1250)], ["0", "0.1", "1.5", "24", "1.25"]);
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1 << 20), bytes(3 << 29), bytes(100 << 30)],
            ["0", "1023", "1Mi", "1.5Gi", "100Gi"]
        );
        assert_eq!([of("nvidia.com/gpu", 8), of("hugepages-2Mi", 4 << 20)], ["8", "4Mi"]);
    }

    #[test]
    fn shares_are_rounded_but_full_is_full() {
        assert_eq!([percent(344, 1000), percent(345, 1000), percent(0, 7)], [Some(34), Some(35), Some(0)]);
        assert_eq!([percent(999, 1000), percent(1000, 1000), percent(1001, 1000)], [Some(99), Some(100), Some(101)]);
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(i64::MAX, i64::MAX), Some(100));
    }
}
