//! What the scheduler counts and measures, in the format of Prometheus.
//!
//! [`TABLE`] is the one place that knows names, types, labels, buckets and stability: kube-scheduler's own, so that dashboards
//! and alerts go on working, and ours with the prefix `loadline_`, but for those of the Rescheduler. It has those of kube-scheduler's metrics too that do not exist
//! here, each with its reason; [`reference()`] writes docs/metrics.md from it. [`Metrics`] has what the code calls.
//!
//! Invariants: nothing here knows the engine, a client or a clock. What is counted where it happens goes through the methods of
//! [`Metrics`]; what is a state of the scheduler is read when somebody asks, as a [`Reading`].

mod metrics;
mod reading;
mod reference;
mod rescheduler;
mod resources;
mod table;

pub use metrics::{AttemptResult, Metrics, Observer};
pub use reading::Reading;
pub use reference::reference;
pub use resources::{PodResources, resources_text};
pub use table::{Buckets, Definition, Kind, Page, Presence, Stability, TABLE};
