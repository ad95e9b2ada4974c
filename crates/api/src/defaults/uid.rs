//! Uids for objects that no API server has given one.

/// A uid that depends on nothing but what it is of: the same input gives the same uids, and with them the same decisions.
///
/// It has the form of a version 8 UUID, so that it is never one that an API server gave.
pub fn derived_uid(kind: &str, namespace: &str, name: &str) -> String {
    let text = format!("{kind}/{namespace}/{name}");
    let high = fnv1a(0xcbf2_9ce4_8422_2325, &text);
    // A second hash of the same text, from where the first one ended.
    let low = fnv1a(high, &text);
    format!(
        "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

/// FNV-1a of 64 bits, from a given start.
pub(crate) fn fnv1a(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
