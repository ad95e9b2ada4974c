//! The command as people and scripts use it: what it prints where, and how it ends.

mod drop_in;
mod dump;
mod explain;
mod gangs;
mod input;
mod output;
mod rescheduler;
mod run;
mod simulate;
mod snapshot;
mod usage;
