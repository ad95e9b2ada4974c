//! The parity runner.
fn main() {}
