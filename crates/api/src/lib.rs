//! Kubernetes objects for a scheduler: wire types with only the fields that it reads, defaulting as the API server does it, and the
//! conversion into the model.

pub mod doc;
pub mod wire;
pub mod check;
pub mod read;
pub mod convert;
