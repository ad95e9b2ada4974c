//! What comes out, whatever the subcommand: colours, pipes, completions, generated files, help.

use std::process::Stdio;

use crate::run::{command, loadline};
use crate::usage;

#[test]
fn help_names_what_there_is() {
    insta::assert_snapshot!(loadline(&["--help"]));
    for subcommand in ["explain", "simulate"] {
        let help = loadline(&[subcommand, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Exit codes:") && help.out.contains("Examples:"), "{help}");
    }
    assert_eq!(loadline(&["--version"]).out, concat!("loadline ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let args = ["simulate", "-f", "examples/cluster"];
    let out = |variables: &[(&str, &str)]| {
        let output = command(&args).envs(variables.iter().copied()).output().expect("the command runs");
        String::from_utf8(output.stdout).expect("output is UTF-8")
    };
    let plain = out(&[]);
    assert!(!plain.contains('\u{1b}'));
    let coloured = out(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    assert_eq!(out(&[("NO_COLOR", "1")]), plain);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    for format in ["table", "json", "yaml"] {
        let mut child = command(&["explain", "-f", "examples/cluster", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the command ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{format}: {err}");
        assert!(!err.contains("error") && !err.contains("panicked"), "{format}: {err}");
    }
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = loadline(&["completion", shell]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{shell}");
        assert!(done.out.contains("explain") && done.out.contains("fail-on-pending"), "{shell}");
    }
}

#[test]
fn generated_files_are_printed() {
    let reference = loadline(&["generate", "plugins-reference"]);
    assert_eq!(reference.code, 0, "{reference}");
    assert!(reference.out.contains("NodeResourcesFit"), "{reference}");
    let schema = loadline(&["generate", "decision-schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).expect("the schema is JSON");
    assert!(schema["$defs"]["Decision"]["properties"]["rejectedBy"].is_null());
    assert!(schema["$defs"]["NodeRecord"]["properties"]["rejectedBy"].is_object());
}

/// Blocks of pages that show a command with what it prints.
#[test]
fn pages_show_what_is_printed() {
    for (page, text, least) in [
        ("README.md", include_str!("../../README.md"), 3),
        ("docs/real-usage.md", include_str!("../../docs/real-usage.md"), 3),
        ("examples/real-usage/README.md", include_str!("../../examples/real-usage/README.md"), 2),
        ("examples/gangs/README.md", include_str!("../../examples/gangs/README.md"), 2),
        ("examples/rescheduler/README.md", include_str!("../../examples/rescheduler/README.md"), 1),
    ] {
        let mut shown = 0;
        for block in text.split("```console\n").skip(1) {
            let block = block.split("```").next().unwrap_or(block);
            let (command, wanted) = block.split_once('\n').expect("a command and what it prints");
            let args: Vec<&str> = command.strip_prefix("$ loadline ").expect("a command").split(' ').collect();
            let done = match args[..] {
                // As a Prometheus in the test has it.
                ["metrics", "check", "--config", config, ..] => {
                    assert_eq!(config, usage::CONFIG, "{page}");
                    usage::check(&usage::of_the_example(), &args[4..])
                }
                _ => loadline(&args),
            };
            assert_eq!(done.out, wanted, "{page} is not what `{command}` prints");
            shown += 1;
        }
        assert!(shown >= least, "{page} shows examples");
    }
}
