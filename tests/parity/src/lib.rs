//! Parity.

mod generate;
mod protocol;
pub use generate::{Profile, generate};
