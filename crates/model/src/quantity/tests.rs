#![allow(clippy::unwrap_used)]

use super::*;

fn q(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn common_forms() {
    for (text, value, milli, printed) in [
        ("0", 0, 0, "0"),
        ("1", 1, 1000, "1"),
        ("100m", 1, 100, "100m"),
        ("0.5", 1, 500, "500m"),
        (".5", 1, 500, "500m"),
        ("1.", 1, 1000, "1"),
        ("+5", 5, 5000, "5"),
        ("-5", -5, -5000, "-5"),
        ("-1500m", -2, -1500, "-1500m"),
        ("100u", 1, 1, "100u"),
        ("1n", 1, 1, "1n"),
        ("2k", 2000, 2_000_000, "2k"),
        ("3M", 3_000_000, 3_000_000_000, "3M"),
        ("1500M", 1_500_000_000, 1_500_000_000_000, "1500M"),
        ("2G", 2_000_000_000, 2_000_000_000_000, "2G"),
        ("1T", 1_000_000_000_000, 1_000_000_000_000_000, "1T"),
        ("128Ki", 131_072, 131_072_000, "128Ki"),
        ("64Mi", 67_108_864, 67_108_864_000, "64Mi"),
        ("1Gi", 1_073_741_824, 1_073_741_824_000, "1Gi"),
        ("1.5Gi", 1_610_612_736, 1_610_612_736_000, "1536Mi"),
        ("0.1Ki", 103, 102_400, "102400m"),
        ("100Ti", 109_951_162_777_600, 109_951_162_777_600_000, "100Ti"),
        ("1e3", 1000, 1_000_000, "1e3"),
        ("12E6", 12_000_000, 12_000_000_000, "12e6"),
        ("1E", 1_000_000_000_000_000_000, 0, "1E"),
        ("1e-3", 1, 1, "1e-3"),
        ("007", 7, 7000, "7"),
        ("1024", 1024, 1_024_000, "1024"),
    ] {
        let quantity = q(text);
        assert_eq!(
            (quantity.value(), quantity.milli_value(), &*quantity.to_string()),
            (value, milli, printed),
            "{text}"
        );
    }
}

#[test]
fn corners_that_can_be_observed() {
    // (text, value, milliValue)
    for (text, value, milli) in [
        // Finer than a billionth: up.
        ("1e-20", 1, 1),
        ("0.0000000001", 1, 1),
        ("1.0000000001", 2, 1001),
        ("123456789012345678.0000000001", 123_456_789_012_345_679, 123_456_789_012_345_678_001_i128 as i64),
        // Cut at 2^63-1, with a binary suffix only.
        ("9Ei", i64::MAX, -1000),
        ("8Ei", i64::MAX, -1000),
        ("7Ei", 7 << 60, (7_i64 << 60).wrapping_mul(1000)),
        ("9223372036854775808", i64::MIN, 0),
        ("99999999999999999999", 7_766_279_631_452_241_919, 99_999_999_999_999_999_999_000_i128 as i64),
        // Short digits with a large exponent: 0.
        ("100E", 0, 0),
        ("1e100", 0, 0),
        // In nothing but zeros and signs there is zero.
        ("+", 0, 0),
        ("-", 0, 0),
        ("-000", 0, 0),
        ("m", 0, 0),
        (".", 0, 0),
        ("0.000Gi", 0, 0),
        ("0e-20", 0, 0),
        ("0e2000000000", 0, 0),
    ] {
        let quantity = q(text);
        assert_eq!((quantity.value(), quantity.milli_value()), (value, milli), "{text}");
    }
}

#[test]
fn what_is_no_quantity() {
    for text in ["", " ", "a", "1 ", " 1", "1x", "1.2.3", "1Gi1x", "1,5", "0x10", "½"] {
        assert_eq!(Quantity::parse(text).unwrap_err(), QuantityError::Format, "{text:?}");
    }
    for text in ["1mi", "1K", "1Mii", "1Ki5", "1m5", "1e", "1ee5", "1-5", "--1", "1e99999999999999999999", "1KM"] {
        assert_eq!(Quantity::parse(text).unwrap_err(), QuantityError::Suffix, "{text:?}");
    }
    assert_eq!(Quantity::parse(".e-20").unwrap_err(), QuantityError::Numeric);
}

#[test]
fn order_and_sum_are_exact() {
    assert_eq!(q("1000m"), q("1"));
    assert_eq!(q("1Gi"), q("1073741824"));
    assert!(q("1G") < q("1Gi") && q("999999999n") < q("1") && q("-1") < q("0") && q("1e30") > q("9Ei"));
    assert_eq!(q("100.5m").add(&q("100.5m")).milli_value(), 201);
    assert_eq!(q("1Gi").add(&q("1G")).value(), 2_073_741_824);
    assert_eq!(q("0").add(&q("1Mi")).to_string(), "1Mi");
    assert_eq!(q("1.5Gi").add(&q("512Mi")).to_string(), "2Gi");
    assert_eq!(q("9223372036854775807").add(&q("1")).value(), i64::MIN);
    assert_eq!(Quantity::from_milli(250).add(&Quantity::from_value(1)), q("1.25"));
    assert!(q("-0.1Gi").is_negative() && !q("-0").is_negative() && q("0.0").is_zero());
}

#[test]
fn the_greater_amount_is_a_decimal_beside_a_decimal() {
    // As Go's Cmp leaves them: 9Ei and 1Pi are decimals, 1E is an integer.
    for (own, other, value) in [
        ("9Ei", "10E", 10_000_000_000_000_000_000_u64 as i64),
        ("1Pi", "10E", 10_000_000_000_000_000_000_u64 as i64),
        ("1E", "10E", 0),
        ("10E", "9Ei", 0),
        ("1", "2", 2),
    ] {
        assert_eq!(q(own).raised_to(q(other)).value(), value, "{own} and {other}");
    }
}

#[test]
fn a_power_of_ten_that_does_not_fit_is_the_smallest_number() {
    // As Go has them: (amount, value and thousandths once it was compared with a decimal, both of its sum with the next, the next)
    for (text, beside, sum, other) in [
        ("1E", (1_000_000_000_000_000_000, i64::MIN), (4_000_000_000_000_000_000, 0), "3E"),
        ("2E", (2_000_000_000_000_000_000, 0), (5_000_000_000_000_000_000, i64::MIN), "3E"),
        (
            "15P",
            (15_000_000_000_000_000, -3_446_744_073_709_551_616),
            (3_015_000_000_000_000_000, 8_180_715_985_343_086_592),
            "3E",
        ),
        ("7e16", (70_000_000_000_000_000, i64::MIN), (3_070_000_000_000_000_000, i64::MIN), "3E"),
        ("1e30", (i64::MIN, i64::MIN), (8_076_944_270_305_263_616, i64::MIN), "3E"),
        ("3e400", (i64::MIN, i64::MIN), (3_000_000_000_000_000_000, i64::MIN), "3E"),
        ("1E", (1_000_000_000_000_000_000, i64::MIN), (1_000_000_000_000_000_002, 3_875_820_019_684_214_236), "1500m"),
        ("10E", (-8_446_744_073_709_551_616, 0), (776_627_963_145_224_191, 1_864_712_049_423_023_128), "9Ei"),
    ] {
        let numbers = |quantity: Quantity| (quantity.value(), quantity.milli_value());
        let decimal = q("1Pi").raised_to(q(text));
        let added = decimal.add(&q(other));
        assert_eq!((numbers(decimal), numbers(added)), (beside, sum), "{text}, and {other}");
    }
}

#[test]
fn sums_keep_their_lowest_64_bits() {
    let low = |exact: i128| exact as i64;
    for (a, b, value) in [
        ("9223372036854775807", "9223372036854775807", -2),
        ("10E", "9Ei", low(10_000_000_000_000_000_000 + i128::from(i64::MAX))),
        ("9223372036854775807500m", "500m", low(9_223_372_036_854_775_808)),
        ("1e30", "9223372036854775", low(10_i128.pow(30) + 9_223_372_036_854_775)),
        // Beyond 128 bits in billionths.
        ("1e60", "9223372036854775", 10_i64.wrapping_pow(60).wrapping_add(9_223_372_036_854_775)),
    ] {
        assert_eq!(q(a).add(&q(b)).value(), value, "{a} and {b}");
        assert_eq!(q(b).add(&q(a)).value(), value, "{b} and {a}");
    }
    let thousandths = q("9223372036854775807m").add(&q("9223372036854775807m"));
    assert_eq!((thousandths.milli_value(), thousandths.value()), (-2, 18_446_744_073_709_552));
}

#[test]
fn the_canonical_form_is_what_its_text_reads_back() {
    // (text, thousandths as it stands, thousandths of the canonical form)
    for (text, milli, canonical) in [
        ("500000000000000000", 500_000_000_000_000_000_i64.wrapping_mul(1000), 0),
        ("1000000000000000000000m", 1_000_000_000_000_000_000_i64.wrapping_mul(1000), 0),
        ("9223372036854775807m", i64::MAX, i64::MAX),
        ("1e30", 0, 0),
        ("1500m", 1500, 1500),
        ("16Ti", (16 << 40) * 1000, (16 << 40) * 1000),
        ("9Ei", -1000, -1000),
    ] {
        assert_eq!((q(text).milli_value(), q(text).canonical().milli_value()), (milli, canonical), "{text}");
        assert_eq!(q(text).canonical(), q(text), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn agrees_with_plain_arithmetic(digits in 0_u64..1_000_000_000_000, places in 0_usize..12, unit in 0_usize..13) {
        let (suffix, numerator, denominator) = [
            ("n", 1, 1_000_000_000_i128), ("u", 1, 1_000_000), ("m", 1, 1000), ("", 1, 1), ("k", 1000, 1), ("M", 1_000_000, 1),
            ("G", 1_000_000_000, 1), ("e-2", 1, 100), ("e4", 10_000, 1), ("Ki", 1 << 10, 1), ("Mi", 1 << 20, 1), ("Gi", 1 << 30, 1),
            ("Ti", 1 << 40, 1),
        ][unit];
        let text = format!("{digits:012}");
        let (whole, fraction) = text.split_at(12 - places);
        let quantity = q(&format!("{whole}.{fraction}{suffix}"));
        let (top, bottom) = (i128::from(digits) * numerator, 10_i128.pow(places as u32) * denominator);
        let up = |top: i128, bottom: i128| (top + bottom - 1) / bottom;
        // Billionths first: what is finer rounds up there, and stays rounded.
        let nanos = up(top * 1_000_000_000, bottom);
        let capped = i128::from(i64::MAX);
        if up(nanos, 1_000_000_000) <= capped {
            proptest::prop_assert_eq!(i128::from(quantity.value()), up(nanos, 1_000_000_000));
        }
        if up(nanos, 1_000_000) <= capped {
            proptest::prop_assert_eq!(i128::from(quantity.milli_value()), up(nanos, 1_000_000));
        }
        // Printing loses nothing and is stable.
        let printed = quantity.to_string();
        proptest::prop_assert_eq!(q(&printed), quantity);
        proptest::prop_assert_eq!(q(&printed).to_string(), printed);
    }

    #[test]
    fn never_panics(text in "[+-]?[0-9.]{0,45}[eEinumkKMGTP]{0,2}[+-]?[0-9]{0,11}") {
        if let Ok(quantity) = Quantity::parse(&text) {
            let _ = (quantity.value(), quantity.milli_value(), quantity.to_string(), quantity.add(&quantity), quantity.cmp(&Quantity::ZERO));
        }
    }
}

#[test]
fn the_largest_exponents_wrap_as_in_go() {
    let quantity = Quantity::parse("10e2147483647").unwrap();
    assert_eq!((quantity.value(), quantity.milli_value()), (0, 10));
    assert_eq!(quantity.to_string(), "100e2147483646");
    assert!(quantity > Quantity::from_value(i64::MAX) && quantity.add(&Quantity::from_value(1)) > Quantity::ZERO);
    assert_eq!(quantity.round_up_to_milli(), quantity);
    assert_eq!(Quantity::parse("0e2147483647").unwrap().milli_value(), 0);
}
