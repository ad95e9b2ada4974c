//! `loadline run` in the place of kube-scheduler: the flags of the real one, its gates, and its name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::run::loadline;

fn kube_scheduler() -> PathBuf {
    let assets =
        std::env::var_os("LOADLINE_COMPONENTS").expect("`eval \"$(cargo xtask tools)\"` says where the tools are");
    Path::new(&assets).join("kube-scheduler")
}

fn run(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

/// The options in a help text, each with what its line goes on with.
fn options(help: &str) -> Vec<(String, String)> {
    let option = |line: &str| {
        let text = line.trim_start();
        if line.len() - text.len() > 6 {
            return None;
        }
        let text = if text.starts_with("--") { text } else { text.strip_prefix('-')?.get(3..)? };
        let text = text.strip_prefix("--")?;
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(text.len());
        Some((text[..end].to_owned(), text[end..].to_owned()))
    };
    help.lines().filter_map(option).collect()
}

/// Flags of `run` that kube-scheduler does not have.
const OF_OUR_OWN: [&str; 3] = ["cache-check-period", "refusal-backoff", "seed"];

#[test]
fn it_starts_with_no_flag_at_all() {
    let done = loadline(&["run", "--secure-port=0"]);
    assert!(done.err.contains("no kubeconfig was given"), "{done}");
}

#[test]
fn the_flags_are_those_of_kube_scheduler() {
    let theirs = options(&text(&run(&kube_scheduler(), &["--help"]).stdout));
    let ours = options(&loadline(&["run", "--help"]).out);
    let names = |options: &[(String, String)]| options.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert!(theirs.len() > 60, "{theirs:?}");
    let mut expected = names(&theirs);
    expected.extend(OF_OUR_OWN.map(str::to_owned));
    assert_eq!(names(&ours), expected);
    // A switch takes no argument: what follows it on the command line is something else.
    let switches = |options: &[(String, String)], is_switch: &dyn Fn(&str) -> bool| {
        let switches = options.iter().filter(|(_, rest)| is_switch(rest)).map(|(name, _)| name.clone());
        switches.filter(|name| name != "version" && name != "help").collect::<BTreeSet<_>>()
    };
    let theirs = switches(&theirs, &|rest| rest.is_empty() || rest.starts_with("  "));
    assert_eq!(switches(&ours, &|rest| rest.starts_with("[=")), theirs);
}

#[test]
fn the_gates_are_those_of_kube_scheduler() {
    let table = include_str!("../../src/run/gate_table.rs");
    let calls = table.lines().filter_map(|line| line.trim().strip_suffix("),")?.split_once("(\""));
    // Stage, name, default.
    let gates: Vec<(&str, &str, bool)> =
        calls.filter_map(|(stage, rest)| Some((stage, rest.split('"').next()?, rest.ends_with("true")))).collect();
    assert!(gates.len() > 200, "{}", gates.len());
    let theirs = kube_scheduler();
    let version = |gates: String| run(&theirs, &["--feature-gates", &gates, "--version"]);

    let all: Vec<String> = gates.iter().map(|(_, name, default)| format!("{name}={default}")).collect();
    let done = version(all.join(","));
    assert!(done.status.success(), "kube-scheduler knows each name: {}", text(&done.stderr));

    let help = text(&run(&theirs, &["--help"]).stdout);
    let mut listed = BTreeSet::new();
    for line in help.lines() {
        let Some((name, rest)) = line.trim().strip_prefix("kube:").and_then(|line| line.split_once("=true|false ("))
        else {
            continue;
        };
        let (stage, rest) = rest.split_once(" - default=").expect("the default is told");
        if !["AllAlpha", "AllBeta"].contains(&name) {
            listed.insert((stage.to_lowercase(), name.to_owned(), rest.starts_with("true")));
        }
    }
    assert!(listed.len() > 100, "{}", listed.len());
    let ours = gates.iter().filter(|(stage, ..)| matches!(*stage, "alpha" | "beta"));
    let ours: BTreeSet<_> = ours.map(|&(stage, name, default)| (stage.to_owned(), name.to_owned(), default)).collect();
    assert_eq!(ours.symmetric_difference(&listed).collect::<Vec<_>>(), Vec::<&(String, String, bool)>::new());

    for (stage, name, default) in gates.iter().filter(|(stage, ..)| matches!(*stage, "locked" | "other")) {
        let done = version(format!("{name}={}", !default));
        let refused = text(&done.stderr).contains("feature is locked to");
        assert_eq!(refused, *stage == "locked", "{name}: {}", text(&done.stderr));
    }
}

/// What kubeadm 1.36 writes into the manifest of the static pod, but for the path.
fn kubeadms_command_line(kubeconfig: &Path) -> [String; 5] {
    let kubeconfig = kubeconfig.display();
    [
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--kubeconfig={kubeconfig}"),
        "--leader-elect=true".to_owned(),
    ]
}

#[test]
fn its_name_makes_it_kube_scheduler() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let binary = folder.path().join("kube-scheduler");
    symlink(env!("CARGO_BIN_EXE_loadline"), &binary).expect("a link can be made");

    let done = run(&binary, &["--version"]);
    assert!(done.status.success() && text(&done.stdout).contains("v1.36.3"), "{done:?}");
    let done = run(&binary, &["--help"]);
    assert!(text(&done.stdout).contains("Usage: kube-scheduler [OPTIONS]"), "{done:?}");
    let done = run(&binary, &["explain"]);
    assert_eq!(done.status.code(), Some(2), "it has no subcommands: {done:?}");

    // kubeadm's command line is read to its end: what is written is the configuration that results.
    let written = folder.path().join("written.yaml");
    let mut line = kubeadms_command_line(Path::new("/etc/kubernetes/scheduler.conf")).to_vec();
    line.push(format!("--write-config-to={}", written.display()));
    let done = run(&binary, &line.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(done.status.success(), "{done:?}");
    let written = fs::read_to_string(written).expect("it was written");
    assert!(written.contains("kubeconfig: /etc/kubernetes/scheduler.conf"), "{written}");
    assert!(written.contains("leaderElect: true"), "{written}");
    assert!(done.stdout.is_empty(), "{done:?}");
}

#[test]
fn flags_have_the_forms_of_go() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let written = folder.path().join("written.yaml");
    let write = format!("--write_config_to={}", written.display());
    let line = [
        "run",
        "--leader-elect",
        "--leader_elect=F",
        "--leader-elect-lease-duration",
        "1m30s",
        "-v=2",
        "--v",
        "3",
        &write,
    ];
    let done = loadline(&line);
    assert_eq!(done.code, 0, "{done}");
    let text = fs::read_to_string(&written).expect("it was written");
    assert!(text.contains("leaderElect: false") && text.contains("leaseDuration: 1m30s"), "{text}");
    for wrong in [
        &["run", "--leader-elect", "false"][..],
        &["run", "--leader-elect=no"],
        &["run", "--secure-port=high"],
        &["run", "--log-flush-frequency=5"],
        &["run", "--vmodule=a=b"],
        &["run", "--no-such-flag"],
        &["run", "--feature-gates=GangScheduling=true"],
        &["run", "--kubeconfig=/no/such/file"],
    ] {
        let done = loadline(wrong);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{wrong:?} {done}");
    }
}
