//! `loadline` with one plugin more: it keeps pods off nodes that are in maintenance, and prefers nodes by rank.

mod maintenance;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut registry = loadline_plugins::registry();
    registry.register(&maintenance::DESCRIPTOR).expect("no built-in plugin has this name");
    loadline::main_with(registry)
}
