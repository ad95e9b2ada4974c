//! Manifests or a dump of a cluster in, decisions out: the engine with its effects performed in memory, in virtual time.

pub mod report;
