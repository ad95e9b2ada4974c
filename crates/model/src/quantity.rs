//! Kubernetes quantities (`100m`, `1.5Gi`, `1e3`), exactly as apimachinery's `resource.Quantity` reads, rounds, adds and prints them.
//!
//! kube-scheduler sees a quantity only as [`Quantity::value`] or [`Quantity::milli_value`], 64-bit integers. Both round away from zero,
//! and both have corners that can be observed: a number of up to 18 digits is kept as an integer with a decimal exponent and comes out
//! as 0 when it does not fit, a longer one is kept as a decimal and comes out as its lowest 64 bits, and one with a binary suffix is cut
//! at 2^63-1. A scheduler that saturates instead would decide differently for the same object, so these corners are kept.

use std::cmp::Ordering;
use std::fmt;

use smallvec::SmallVec;

mod print;
#[cfg(test)]
mod tests;

/// Why a text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a number with an optional suffix.
    Format,
    /// The numeric part has no digits.
    Numeric,
    /// A suffix that does not exist, such as `mi` or `KB`.
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format | Self::Numeric => "expected a quantity such as 100m, 1.5, 2Gi or 1e3",
            Self::Suffix => "unknown unit: a quantity ends in n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3",
        })
    }
}

impl std::error::Error for QuantityError {}

/// How a quantity was written, which decides how it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `12M`.
    DecimalSi,
    /// `12Mi`.
    BinarySi,
}

/// An exact number of something.
#[derive(Clone, Copy)]
pub struct Quantity {
    amount: Amount,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
enum Amount {
    /// `value * 10^scale`; parsing gives scales from -9.
    Int { value: i64, scale: i32 },
    /// A decimal number, kept to billionths.
    Dec(Dec),
}

/// A decimal number whose whole part may be of any size.
#[derive(Clone, Copy, Debug)]
struct Dec {
    negative: bool,
    /// The lowest 64 bits of the whole part.
    whole: u64,
    /// Billionths, below 10^9.
    nano: u32,
    /// All of it in billionths, with its sign; the nearest that fits when it does not.
    nanos: i128,
    /// The lowest 64 bits, signed, of the integer that Go multiplies by this power of ten; `None` where it divides one.
    integer: Option<(i64, u32)>,
}

const NANO: i64 = 1_000_000_000;
/// Digits that an `i64` holds whatever they are.
const MAX_DIGITS: i64 = 18;

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self { amount: Amount::Int { value: 0, scale: 0 }, format: Format::DecimalSi };

    /// `value` whole units, printed with decimal suffixes.
    pub fn from_value(value: i64) -> Self {
        Self { amount: Amount::Int { value, scale: 0 }, format: Format::DecimalSi }
    }

    /// `value` thousandths, printed with decimal suffixes.
    pub fn from_milli(value: i64) -> Self {
        Self { amount: Amount::Int { value, scale: -3 }, format: Format::DecimalSi }
    }

    /// Reads a quantity. White space is not skipped.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let parts = Parts::split(text)?;
        let (base, exponent, format) = suffix(parts.suffix).ok_or(QuantityError::Suffix)?;
        if let Some(amount) = parts.small(base, exponent) {
            return Ok(Self { amount, format });
        }
        let dec = parts.decimal(base, exponent)?;
        // Less than one byte is not printed in a binary unit.
        let format = if format == Format::BinarySi && (1..i128::from(NANO)).contains(&dec.nanos.abs()) {
            Format::DecimalSi
        } else {
            format
        };
        Ok(Self { amount: Amount::Dec(dec), format })
    }

    /// The number of whole units, rounded away from zero.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// The number of thousandths, rounded away from zero.
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    /// Rounded up to thousandths, as the API server does with every resource amount that it takes in.
    #[must_use]
    pub fn round_up_to_milli(self) -> Self {
        let rounded = Self { format: self.format, ..Self::from_milli(self.milli_value()) };
        let below = Self::from_milli(self.milli_value().saturating_sub(1));
        // Where thousandths do not fit into 64 bits there is nothing to round either.
        if rounded > self && below < self { rounded } else { self }
    }

    /// The same amount as its canonical text reads back, which is what an API server hands out. The two can be told apart only where
    /// 64 bits end: thousandths of `500000000000000000` wrap around, those of its canonical form `500P` come out as 0.
    #[must_use]
    pub fn canonical(self) -> Self {
        /// A thousand of these, in thousandths, fit into 64 bits however they are written.
        const HARMLESS: u128 = i64::MAX as u128 / 1_000_000;
        /// From here on there is no unit to print it with.
        const UNPRINTED: u128 = 10_u128.pow(21);
        let units = self.nanos().unsigned_abs() / NANO as u128;
        let reads_back = (HARMLESS..UNPRINTED).contains(&units).then(|| Self::parse(&self.to_string()).ok());
        reads_back.flatten().unwrap_or(self)
    }

    /// True for 0.
    pub fn is_zero(&self) -> bool {
        match self.amount {
            Amount::Int { value, .. } => value == 0,
            Amount::Dec(dec) => dec.nanos == 0,
        }
    }

    /// True below 0.
    pub fn is_negative(&self) -> bool {
        match self.amount {
            Amount::Int { value, .. } => value < 0,
            Amount::Dec(dec) => dec.nanos < 0,
        }
    }

    /// The exact sum, of amounts from 0.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let amount = match (self.amount, other.amount) {
            (a @ Amount::Int { .. }, Amount::Int { value: 0, .. }) => a,
            (Amount::Int { value: 0, .. }, b @ Amount::Int { .. }) => b,
            (Amount::Int { value: a, scale: sa }, Amount::Int { value: b, scale: sb }) => {
                let scale = sa.min(sb);
                let sum = checked_scale_up(a, sa.saturating_sub(scale))
                    .zip(checked_scale_up(b, sb.saturating_sub(scale)))
                    .and_then(|(a, b)| a.checked_add(b));
                let decimal = || Amount::Dec(self.to_dec().plus(other.to_dec()));
                sum.map_or_else(decimal, |value| Amount::Int { value, scale })
            }
            _ => Amount::Dec(self.to_dec().plus(other.to_dec())),
        };
        Self { amount, format }
    }

    /// The greater amount. Go's comparison with a decimal turns what is compared into a decimal as well: `10E`, which alone comes out
    /// as 0, then comes out as its lowest 64 bits.
    #[must_use]
    pub fn raised_to(self, other: Self) -> Self {
        match self.amount {
            _ if other <= self => self,
            Amount::Dec(_) => Self { amount: Amount::Dec(other.to_dec()), format: other.format },
            Amount::Int { .. } => other,
        }
    }

    fn to_dec(self) -> Dec {
        match self.amount {
            Amount::Dec(dec) => dec,
            Amount::Int { value, scale } => match u32::try_from(scale) {
                // More than `nanos` can say, but the lowest 64 bits are known.
                Ok(power) => Dec {
                    negative: value < 0,
                    whole: value.unsigned_abs().wrapping_mul(10_u64.wrapping_pow(power)),
                    nano: 0,
                    nanos: self.nanos(),
                    integer: Some((value, power)),
                },
                Err(_) => Dec::from_nanos(self.nanos()),
            },
        }
    }

    /// In billionths; the nearest number that fits when it does not.
    fn nanos(&self) -> i128 {
        match self.amount {
            Amount::Dec(dec) => dec.nanos,
            Amount::Int { value: 0, .. } => 0,
            Amount::Int { value, scale } => {
                let limit = if value < 0 { i128::MIN } else { i128::MAX };
                let factor = u32::try_from(scale.saturating_add(9)).ok().and_then(|power| 10_i128.checked_pow(power));
                factor.and_then(|factor| i128::from(value).checked_mul(factor)).unwrap_or(limit)
            }
        }
    }

    fn scaled(&self, scale: i32) -> i64 {
        match self.amount {
            Amount::Int { value, scale: own } if own < scale => divide_away(value, scale - own),
            // Where the difference of two scales does not fit, Go wraps it.
            Amount::Int { value, scale: own } => scale_up(value, own.wrapping_sub(scale)),
            Amount::Dec(dec) => dec.scaled(scale),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    /// By amount, however it was written; exact below 10^29.
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos().cmp(&other.nanos())
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

/// The parts of a quantity's text.
struct Parts<'t> {
    negative: bool,
    /// Digits before the point, without leading zeros; `0` when none are left.
    whole: &'t str,
    /// Digits behind the point.
    fraction: &'t str,
    suffix: &'t str,
    /// Any digit at all, leading zeros included.
    has_digits: bool,
}

impl<'t> Parts<'t> {
    fn split(text: &'t str) -> Result<Self, QuantityError> {
        let bytes = text.as_bytes();
        let run = |from: usize, of: fn(u8) -> bool| from + bytes[from..].iter().take_while(|&&b| of(b)).count();
        let digit = |b: u8| b.is_ascii_digit();
        let signed = usize::from(matches!(bytes[0], b'+' | b'-'));
        let start = run(signed, |b| b == b'0');
        if start == bytes.len() {
            // Nothing but zeros, and even a sign alone, is zero without a sign.
            return Ok(Self { negative: false, whole: "0", fraction: "", suffix: "", has_digits: true });
        }
        let point = run(start, digit);
        let (fraction, end) = if bytes.get(point) == Some(&b'.') {
            let end = run(point + 1, digit);
            (&text[point + 1..end], end)
        } else {
            ("", point)
        };
        let letters = run(end, |b| b"eEinumkKMGTP".contains(&b));
        let sign = usize::from(matches!(bytes.get(letters), Some(b'+' | b'-')));
        if run(letters + sign, digit) < bytes.len() {
            return Err(QuantityError::Format);
        }
        Ok(Self {
            negative: bytes[0] == b'-',
            whole: if point == start { "0" } else { &text[start..point] },
            fraction,
            suffix: &text[end..],
            has_digits: point > signed || !fraction.is_empty(),
        })
    }

    /// The integer form, when the digits are few enough for it.
    fn small(&self, base: u8, exponent: i32) -> Option<Amount> {
        let (whole, fraction) = (self.whole.len() as i64, self.fraction.len() as i64);
        let fits = if base == 10 {
            whole + fraction <= MAX_DIGITS
        } else {
            // A binary exponent of 10 takes 3 digits.
            fraction == 0 && whole + i64::from(exponent) * 3 / 10 < 15
        };
        let scale = if base == 10 { i64::from(exponent) - fraction } else { 0 };
        if !fits || scale < -9 {
            return None;
        }
        let digits = self.whole.bytes().chain(self.fraction.bytes());
        let mut value = digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        if base == 2 {
            value = value.checked_mul(1 << exponent)?;
        }
        Some(Amount::Int { value: if self.negative { -value } else { value }, scale: scale as i32 })
    }

    /// The decimal form.
    fn decimal(&self, base: u8, exponent: i32) -> Result<Dec, QuantityError> {
        if !self.has_digits {
            return Err(QuantityError::Numeric);
        }
        let mut digits: SmallVec<[u8; 48]> =
            self.whole.bytes().chain(self.fraction.bytes()).map(|b| b - b'0').collect();
        let mut point = self.whole.len() as i64;
        if base == 10 {
            point += i64::from(exponent);
        } else {
            for _ in 0..exponent {
                if double(&mut digits) {
                    point += 1;
                }
            }
        }
        Ok(Dec::from_digits(self.negative, &digits, point, base == 2))
    }
}

/// Doubles a number of decimal digits in place; true when it has grown by one digit in front.
fn double(digits: &mut SmallVec<[u8; 48]>) -> bool {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        let doubled = *digit * 2 + carry;
        *digit = doubled % 10;
        carry = doubled / 10;
    }
    if carry > 0 {
        digits.insert(0, carry);
    }
    carry > 0
}

/// Base, exponent and format that a suffix stands for.
fn suffix(suffix: &str) -> Option<(u8, i32, Format)> {
    let decimal = |exponent| Some((10, exponent, Format::DecimalSi));
    let binary = |exponent| Some((2, exponent, Format::BinarySi));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()?;
            // Only the lowest 32 bits count.
            Some((10, exponent as i32, Format::DecimalExponent))
        }
    }
}

impl Dec {
    /// A number of decimal `digits` with the point before the digit at `point`, which may lie outside of them.
    fn from_digits(negative: bool, digits: &[u8], point: i64, binary: bool) -> Self {
        // 10^64 is a multiple of 2^64: zeros beyond that change nothing of the lowest 64 bits.
        const ZEROS: i64 = 64;
        let len = digits.len() as i64;
        let split = point.clamp(0, len) as usize;
        let (mut whole, mut exact) = (0_u64, Some(0_i128));
        let mut push = |digit: u8| {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
            exact = exact.and_then(|exact| exact.checked_mul(10)?.checked_add(i128::from(digit)));
        };
        digits[..split].iter().for_each(|&digit| push(digit));
        if digits.iter().any(|&digit| digit > 0) {
            (0..(point - len).clamp(0, ZEROS)).for_each(|_| push(0));
        }
        // Behind the point: `point` zeros when it lies before the digits, then the rest of them.
        let leading = (-point).clamp(0, 9) as usize;
        let rest = &digits[split..];
        let kept = rest.iter().copied().chain(std::iter::repeat(0)).take(9 - leading);
        let mut nano = kept.fold(0_u32, |nano, digit| nano * 10 + u32::from(digit));
        let beyond = rest.iter().skip(9 - leading).any(|&digit| digit > 0);
        if beyond {
            nano += 1;
        }
        if i64::from(nano) == NANO {
            nano = 0;
            whole = whole.wrapping_add(1);
            exact = exact.and_then(|exact| exact.checked_add(1));
        }
        let capped = binary && exact.is_none_or(|exact| (exact, nano) > (i128::from(i64::MAX), 0));
        if capped {
            (whole, nano, exact) = (i64::MAX as u64, 0, Some(i128::from(i64::MAX)));
        }
        let nanos = exact
            .and_then(|exact| exact.checked_mul(i128::from(NANO))?.checked_add(i128::from(nano)))
            .unwrap_or(i128::MAX);
        let sign = if negative { -1 } else { 1 };
        let integer = capped.then_some((sign * i64::MAX, 0));
        Self { negative, whole, nano, nanos: i128::from(sign) * nanos, integer }
    }

    fn from_nanos(nanos: i128) -> Self {
        let magnitude = nanos.unsigned_abs();
        let billion = NANO as u128;
        let (whole, nano) = ((magnitude / billion) as u64, (magnitude % billion) as u32);
        Self { negative: nanos < 0, whole, nano, nanos, integer: None }
    }

    /// The sum; of numbers with one sign its lowest 64 bits are exact, however large it is.
    fn plus(self, other: Self) -> Self {
        let nanos = self.nanos.saturating_add(other.nanos);
        if self.negative != other.negative {
            return Self::from_nanos(nanos);
        }
        let nano = u64::from(self.nano) + u64::from(other.nano);
        let whole = self.whole.wrapping_add(other.whole).wrapping_add(nano / NANO as u64);
        let integer = self.integer.zip(other.integer).map(|((a, a_power), (b, b_power))| {
            let power = a_power.min(b_power);
            let up = |value: i64, own: u32| value.wrapping_mul(10_i64.wrapping_pow(own - power));
            (up(a, a_power).wrapping_add(up(b, b_power)), power)
        });
        Self { negative: self.negative, whole, nano: (nano % NANO as u64) as u32, nanos, integer }
    }

    /// In units of `10^scale`, 0 or -3, rounded up; the lowest 64 bits of it.
    fn scaled(self, scale: i32) -> i64 {
        let per_unit = 10_i64.pow(scale.unsigned_abs());
        if let Some((value, power)) = self.integer {
            // Go takes the power from a floating-point number, and one that does not fit becomes -2^63 on amd64.
            let power = power.saturating_add(scale.unsigned_abs());
            return value.wrapping_mul(10_i64.checked_pow(power).unwrap_or(i64::MIN));
        }
        let step = NANO / per_unit;
        if self.negative {
            // Go divides the lowest 64 bits here, and adds one where it should take one away.
            let nanos = self.whole.wrapping_mul(NANO as u64).wrapping_add(u64::from(self.nano)).wrapping_neg() as i64;
            return nanos / step + i64::from(nanos % step != 0);
        }
        let fraction = i64::from(self.nano).div_euclid(step) + i64::from(i64::from(self.nano) % step != 0);
        (self.whole as i64).wrapping_mul(per_unit).wrapping_add(fraction)
    }
}

/// `value * 10^by`, or `None` when it does not fit.
fn checked_scale_up(value: i64, by: i32) -> Option<i64> {
    let factor = u32::try_from(by).ok().and_then(|power| 10_i64.checked_pow(power))?;
    value.checked_mul(factor)
}

/// `value * 10^by`. What does not fit is cut to its lowest 64 bits where Go multiplies in one step, and 0 where it multiplies in several.
fn scale_up(value: i64, by: i32) -> i64 {
    match by {
        ..=0 => value,
        1 | 2 | 3 | 6 | 9 if value != i64::MIN => value.wrapping_mul(10_i64.pow(by as u32)),
        _ if value == 0 => 0,
        _ => checked_scale_up(value, by).unwrap_or(0),
    }
}

/// `value / 10^by`, rounded away from zero.
fn divide_away(value: i64, by: i32) -> i64 {
    let Some(divisor) = u32::try_from(by).ok().and_then(|power| 10_i64.checked_pow(power)) else {
        return value.signum();
    };
    let quotient = value / divisor;
    if value % divisor == 0 { quotient } else { quotient + value.signum() }
}
