//! `loadline run` on real control planes.
//!
//! Unless a test says otherwise it runs as the service account of the manifests, with its rights and no more.

mod beside;
mod binding;
mod crowds;
mod drop_in;
mod explain;
mod extenders;
mod faults;
mod gangs;
mod https;
mod leaders;
mod manifests;
mod many;
mod placement;
mod preemption;
mod profiles;
mod real_usage;
mod refusals;
mod reload;
mod rescheduling;
mod rights;
mod rotation;
mod serving;
mod soak;
mod support;
mod waking;
mod workloads;
