//! Loadline on an API server: what it lists and watches, the thread that schedules, and how effects reach the API.
//!
//! The only crate that talks with an API server. What it says goes through `loadline-api`'s wire types, so that live objects are read
//! as files are; what is to be done comes as effects of the engine.

mod announce;
mod api;
mod client;
mod clock;
mod election;
mod extender;
mod fence;
mod follow;
mod groups;
mod lease;
mod limit;
mod live;
mod measure;
mod originals;
mod patcher;
mod recorder;
mod reschedule;
mod resources;
mod review;
mod running;
pub mod snapshot;
mod transport;
mod witness;
mod writer;

pub use announce::Announcer;
pub use api::ApiError;
pub use client::{Access, ConnectError, Connection, RateLimit, UserAccess};
pub use election::{Election, ElectionOptions};
pub use extender::{ExtenderError, Extenders};
pub use fence::Fence;
pub use groups::GroupStatuses;
pub use live::{Live, LiveError, LiveOptions, Scheduling};
pub use measure::reading;
pub use originals::Originals;
pub use reschedule::Rescheduler;
pub use review::{Reviews, Subject};
pub use running::{Authority, Record, RunningError, RunningScheduler};
pub use transport::TransportError;
pub use witness::Witnessed;
