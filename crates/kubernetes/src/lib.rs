//! Loadline on an API server: what it lists and watches, the thread that schedules, and how effects reach the API.
//!
//! The only crate that talks with an API server. What it says goes through `loadline-api`'s wire types, so that live objects are read
//! as files are; what is to be done comes as effects of the engine.

mod api;
mod client;
mod follow;
mod live;
mod recorder;
mod resources;
mod writer;

pub use api::ApiError;
pub use client::{Access, ConnectError, Connection};
pub use live::{Live, LiveError, LiveOptions, Scheduling};
