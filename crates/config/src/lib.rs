//! KubeSchedulerConfiguration: read with positions, convert from older versions, fill in defaults, validate against the
//! plugins that the binary knows, compile into profiles.
//!
//! [`parse`] gives the effective [`Config`] or every problem at once, each with file, line, column and path. [`compile`]
//! builds the plugins. [`effective`] shows a configuration as it runs and where each value came from; [`diff`] compares
//! two. [`reference`] describes plugins.
//!
//! Invariants: names, arguments, defaults and order of plugins come from the registry. The names known here are that of
//! NodeResourcesFit, whose arguments extenders change, and those that older versions treated differently. No file is
//! opened, no client, no clock.

mod compile;
mod convert;
pub mod diff;
pub mod effective;
mod extender;
mod leader;
mod log;
mod merge;
mod profile;
mod read;
mod reader;
pub mod reference;
mod schema;
mod source;
pub mod tree;
mod types;

pub use compile::compile;
pub use effective::hash;
pub use loadline_api::doc::Problem;
pub use log::{Origin, Origins};
pub use read::{API_VERSION, DEFAULT_SCHEDULER_NAME, KIND, Loaded, default_config, parse};
pub use types::{
    ClientConnection, Config, ExtenderConfig, ExtenderTls, LeaderElection, ManagedResource, PluginArgs, PluginLists,
    PluginRef, ProfileConfig,
};

#[cfg(test)]
mod tests;
