//! The canonical form: no fraction, and the largest unit that loses nothing.

use std::fmt;

use super::{Amount, Format, NANO, Quantity};

const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let nanos = self.nanos();
        let small = nanos.unsigned_abs() < 1024 * u128::from(NANO.unsigned_abs());
        if self.format == Format::BinarySi && !small && nanos % i128::from(NANO) == 0 {
            let mut amount = nanos / i128::from(NANO);
            let mut unit = 0;
            while amount % 1024 == 0 && unit + 1 < BINARY.len() {
                amount /= 1024;
                unit += 1;
            }
            return write!(f, "{amount}{}", BINARY[unit]);
        }
        let (mut amount, mut exponent) = match self.amount {
            Amount::Int { value, scale } => (i128::from(value), i64::from(scale)),
            Amount::Dec(dec) => (dec.nanos, -9),
        };
        while amount % 10 == 0 {
            amount /= 10;
            exponent += 1;
        }
        while exponent % 3 != 0 {
            amount *= 10;
            exponent -= 1;
        }
        if self.format == Format::DecimalExponent {
            return if exponent == 0 { write!(f, "{amount}") } else { write!(f, "{amount}e{exponent}") };
        }
        // There is no unit above E.
        while exponent > 18 {
            amount = amount.saturating_mul(1000);
            exponent -= 3;
        }
        write!(f, "{amount}{}", usize::try_from((exponent + 9) / 3).map_or("", |unit| DECIMAL[unit]))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
