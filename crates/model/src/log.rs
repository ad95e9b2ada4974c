//! The natural logarithm, with the bits that kube-scheduler gets.
//!
//! PodTopologySpread's weights are logarithms, and what it rounds afterwards can hang on their last bit. Go computes
//! them on amd64 by the method that Sun's C library published in 1993; the standard library of Rust leaves the bits to
//! the platform, and they differ for about one count in a hundred. So the method stands here, in plain f64 operations
//! that round the same everywhere.
//!
//! With x = 2^k·m and √½ < m ≤ √2, ln x = k·ln 2 + ln m. For f = m − 1 and s = f / (2 + f), ln m = 2·artanh s =
//! 2s + s·R(s²), where R is a polynomial fitted to the rest of the series 2/3·s² + 2/5·s⁴ + …; and since 2s = f − s·f,
//! with h = f²/2, ln m = f − (h − s·(h + R)), whose large part f is exact. ln 2 is split in two, so that k times its
//! upper part is exact too.

/// Upper part of ln 2: its last 32 bits are 0.
const LN_2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 less the upper part.
const LN_2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Coefficients of R, for s², s⁴, … s¹⁴.
const R: [f64; 7] = [
    f64::from_bits(0x3fe5_5555_5555_5593),
    f64::from_bits(0x3fd9_9999_9997_fa04),
    f64::from_bits(0x3fd2_4924_9422_9359),
    f64::from_bits(0x3fcc_71c5_1d8e_78af),
    f64::from_bits(0x3fc7_4664_96cb_03de),
    f64::from_bits(0x3fc3_9a09_d078_c69f),
    f64::from_bits(0x3fc2_f112_df3e_5244),
];

/// Bits of an f64 below its exponent.
const FRACTION_BITS: u32 = 52;

/// Natural logarithm of `count`, bit for bit as Go's `math.Log` gives it on amd64; negative infinity for 0.
pub fn ln(count: u32) -> f64 {
    if count == 0 {
        return f64::NEG_INFINITY;
    }
    // Every count but 0 is a normal number: its exponent and fraction can be read off its bits.
    let bits = f64::from(count).to_bits();
    let mut k = (bits >> FRACTION_BITS) as i32 - 0x3fe;
    let mut m = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | 0.5_f64.to_bits());
    if m <= std::f64::consts::FRAC_1_SQRT_2 {
        m *= 2.0;
        k -= 1;
    }
    let k = f64::from(k);

    let f = m - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    // R's odd and even coefficients apart, as the original has them: the order of the roundings is part of the result.
    let odd = s2 * (R[0] + s4 * (R[2] + s4 * (R[4] + s4 * R[6])));
    let even = s4 * (R[1] + s4 * (R[3] + s4 * R[5]));
    let h = 0.5 * f * f;
    k * LN_2_HIGH - ((h - (s * (h + (odd + even)) + k * LN_2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_bits_that_go_prints() {
        // `fmt.Printf("%016x", math.Float64bits(math.Log(n)))` on amd64. The platform's own ln differs at 3, 14 and 48.
        for (count, bits) in [
            (2, 0x3fe6_2e42_fefa_39ef_u64),
            (3, 0x3ff1_93ea_7aad_030a),
            (14, 0x4005_1cca_16d7_bba8),
            (48, 0x400e_f838_3c50_bb74),
            (200_002, 0x4028_6983_aa1d_3895),
        ] {
            assert_eq!(ln(count).to_bits(), bits, "ln {count}");
        }
    }

    /// FNV-1a of the little-endian bits of the logarithms of these counts.
    fn digest(counts: std::ops::RangeInclusive<u32>) -> String {
        let bytes = counts.flat_map(|count| ln(count).to_bits().to_le_bytes());
        let digest = bytes
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{digest:016x}")
    }

    #[test]
    fn has_the_bits_of_go_for_every_number_of_domains() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/vectors/log.json");
        let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let number = |name: &str| vectors[name].as_u64().unwrap() as u32;
        let (first, last, block) = (number("first"), number("last"), number("block"));
        assert_eq!((first, last), (2, 200_002));
        let blocks = vectors["blocks"].as_array().unwrap();
        assert_eq!(blocks.len() as u32, (last - first + 1).div_ceil(block));
        for (index, expected) in blocks.iter().enumerate() {
            let from = first + index as u32 * block;
            let to = last.min(from + block - 1);
            assert_eq!(digest(from..=to), expected.as_str().unwrap(), "some of {from} to {to}");
        }
    }

    #[test]
    fn is_within_one_unit_of_the_last_place() {
        for count in 2..=200_002 {
            let standard = f64::from(count).ln();
            let distance = ln(count).to_bits().abs_diff(standard.to_bits());
            assert!(distance <= 1, "ln {count}: {distance} units off");
        }
    }

    #[test]
    fn of_none_and_one() {
        assert_eq!(ln(0).to_bits(), f64::NEG_INFINITY.to_bits());
        assert_eq!(ln(1).to_bits(), 0.0_f64.to_bits());
    }
}
