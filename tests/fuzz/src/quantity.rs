//! Quantities.

use loadline_model::quantity::Quantity;

/// Reads each word as a quantity: what it is worth, how it is printed, how it adds up.
pub fn quantity(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut sum = (Quantity::ZERO, Some(0_u128));
    for word in text.split(' ') {
        let Ok(quantity) = Quantity::parse(word) else {
            assert_eq!(billionths(word), None, "`{word}` is a quantity");
            continue;
        };
        rounded(word, &quantity);
        printed(word, &quantity);
        let Some(exact) = billionths(word) else { continue };
        worth(word, &quantity, exact);
        let total = sum.1.and_then(|sum| sum.checked_add(exact)).filter(|total| *total < LARGEST);
        if let Some(total) = total {
            assert_eq!(sum.0.cmp(&quantity), sum.1.unwrap_or_default().cmp(&exact), "{} and `{word}`", sum.0);
            sum = (sum.0.add(&quantity), Some(total));
            worth(&format!("{text} up to {word}"), &sum.0, total);
        }
    }
}

/// In billionths: the largest amount whose thousandths fit into 64 bits. What lies above is cut in ways of Go's own, for which there
/// are vectors.
const LARGEST: u128 = (i64::MAX / 1000) as u128 * 1_000_000_000;

/// The definition, digit by digit: a number without a sign below zero, times what its suffix stands for, rounded up to billionths.
/// `None` for what is no such number, and for what is too large to be looked at here.
fn billionths(word: &str) -> Option<u128> {
    let unsigned = word.strip_prefix('+').unwrap_or(word);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (twos, tens) = match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            // Go takes what does not fit into 64 bits for no exponent, and keeps the lowest 32 bits of what does.
            if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (0, exponent.parse::<i32>().ok()?)
        }
    };
    let mut amount = 0_u128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        amount = amount.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    amount = amount.checked_mul(1 << twos)?;
    let power = tens + 9 - i32::try_from(fraction.len()).ok()?;
    let factor = 10_u128.checked_pow(power.unsigned_abs());
    amount = match factor {
        _ if amount == 0 => 0,
        Some(factor) if power >= 0 => amount.checked_mul(factor)?,
        Some(factor) => amount.div_ceil(factor),
        None if power >= 0 => return None,
        None => 1,
    };
    (amount < LARGEST).then_some(amount)
}

fn worth(called: &str, quantity: &Quantity, exact: u128) {
    let up = |unit: u128| i64::try_from(exact.div_ceil(unit)).ok();
    assert_eq!(Some(quantity.value()), up(1_000_000_000), "value of {called}");
    assert_eq!(Some(quantity.milli_value()), up(1_000_000), "thousandths of {called}");
    assert_eq!((quantity.is_zero(), quantity.is_negative()), (exact == 0, false), "{called}");
}

fn rounded(word: &str, quantity: &Quantity) {
    let rounded = quantity.round_up_to_milli();
    assert!(rounded >= *quantity, "`{word}` is rounded down to {rounded}");
    assert_eq!(rounded.round_up_to_milli(), rounded, "`{word}` rounded twice");
    if rounded != *quantity {
        assert!(Quantity::from_milli(rounded.milli_value() - 1) < *quantity, "`{word}` is rounded to {rounded}");
    }
}

/// What is printed reads back as the same amount and is printed the same again.
fn printed(word: &str, quantity: &Quantity) {
    // Above 2^63 nothing is a quantity by Kubernetes' own definition, and printing is left open.
    if *quantity > Quantity::from_value(i64::MAX) || *quantity < Quantity::from_value(-i64::MAX) {
        return;
    }
    let text = quantity.to_string();
    let again = Quantity::parse(&text);
    assert_eq!(again, Ok(*quantity), "`{word}` is printed as {text}");
    assert_eq!(again.map(|again| again.to_string()), Ok(text), "`{word}`");
}
