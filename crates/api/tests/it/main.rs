//! The crate against what others made of the same input: Kubernetes' own types, and vectors that the referee in Go wrote.

// Tests say what they found and stop.
#![allow(clippy::unwrap_used, clippy::panic)]

mod damaged;
mod fields;
mod openapi;
mod quantities;
mod selectors;

use std::path::PathBuf;

/// A file of vectors.
fn vectors(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/vectors").join(name)
}
