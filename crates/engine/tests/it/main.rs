//! The engine with the real plugins under random events: what it must be like whatever happens.

mod binding;
mod cache;
mod elsewhere;
mod extenders;
mod gangs;
mod kept;
mod one_profile;
mod outside;
mod own_plugins;
mod panics;
mod preemption;
mod reader;
mod recall;
mod refusals;
mod reservations;
mod snapshot;
mod together;
mod usage;
mod wakes;
