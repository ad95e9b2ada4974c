//! Kubernetes objects for a scheduler: wire types with only the fields that it reads, defaulting as the API server does it, and the
//! conversion into the model.

pub mod check;
pub mod convert;
pub mod defaults;
pub mod doc;
pub mod expand;
mod fields;
pub mod intake;
pub mod read;
pub mod wire;
