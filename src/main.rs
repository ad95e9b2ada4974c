//! The `loadline` command.

fn main() -> std::process::ExitCode {
    loadline::main_with(loadline_plugins::registry())
}
