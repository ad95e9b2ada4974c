//! Which crate may need which.

use anyhow::Result;

use super::{Metadata, SourceFile};
use crate::process::{capture, cargo};

/// For each crate the crates of ours that it may need. Dependencies point one way, from the shell to the core.
const MAY_NEED: [(&str, &[&str]); 12] = [
    ("loadline-model", &[]),
    ("loadline-api", &["loadline-model"]),
    ("loadline-framework", &["loadline-model"]),
    // api for decoding NodeAffinity and TopologySpreadConstraint arguments.
    ("loadline-plugins", &["loadline-api", "loadline-framework", "loadline-model"]),
    ("loadline-engine", &["loadline-framework", "loadline-model"]),
    ("loadline-config", &["loadline-api", "loadline-framework", "loadline-model"]),
    ("loadline-rescheduler", &["loadline-engine", "loadline-framework", "loadline-model"]),
    ("loadline-metrics", &[]),
    ("loadline-server", &["loadline-metrics"]),
    ("loadline-usage", &["loadline-framework", "loadline-model"]),
    (
        "loadline-kubernetes",
        &[
            "loadline-api",
            "loadline-config",
            "loadline-engine",
            "loadline-framework",
            "loadline-metrics",
            "loadline-model",
            // What it plans is carried out here.
            "loadline-rescheduler",
        ],
    ),
    (
        "loadline-simulator",
        &["loadline-api", "loadline-config", "loadline-engine", "loadline-framework", "loadline-model"],
    ),
];

/// The command, which wires the crates together and so may need all of them.
const COMMAND: &str = "loadline";

/// Crates for tests and development: they may need anything, and nothing that is shipped may need them.
const FOR_TESTS: [&str; 7] = [
    "loadline-bench-live",
    "loadline-benches",
    "loadline-conformance",
    "loadline-fixture",
    "loadline-fuzz",
    "loadline-parity",
    "xtask",
];

/// The crates that decide. They get time, seed and events as arguments and do no input or output.
const CORE: [&str; 7] = [
    "loadline-model",
    "loadline-api",
    "loadline-framework",
    "loadline-plugins",
    "loadline-engine",
    "loadline-config",
    "loadline-rescheduler",
];

/// What does not belong in the core: async runtimes, clients of an API server, HTTP, sockets. A name stands also for the crates
/// whose names start with it and a dash, such as kube-client.
const NOT_IN_CORE: [&str; 11] =
    ["tokio", "async-std", "smol", "mio", "socket2", "kube", "hyper", "reqwest", "ureq", "h2", "rustls"];

/// Members that need a crate which they may not.
pub(super) fn direction(metadata: &Metadata) -> Vec<String> {
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if FOR_TESTS.contains(&name) {
            continue;
        }
        let allowed = MAY_NEED.iter().find(|(member, _)| *member == name).map(|(_, allowed)| *allowed);
        if allowed.is_none() && name != COMMAND {
            violations.push(format!("{name} has no line in MAY_NEED of xtask/src/tidy/dependencies.rs"));
            continue;
        }
        for need in package.needs.iter().map(String::as_str) {
            let fine = match allowed {
                Some(allowed) => allowed.contains(&need),
                None => !FOR_TESTS.contains(&need),
            };
            if !fine {
                violations.push(format!("{name} may not depend on {need}"));
            }
        }
    }
    violations
}

/// Crates of the core with something in their dependency tree that has no place there.
pub(super) fn core(metadata: &Metadata) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for member in CORE {
        if !metadata.packages.iter().any(|package| package.name == member) {
            violations
                .push(format!("{member} is not a member of the workspace: correct xtask/src/tidy/dependencies.rs"));
            continue;
        }
        let tree = capture(&mut cargo(["tree", "--package", member, "--edges", "normal", "--prefix", "none"]))?;
        violations.extend(foreign(&tree).into_iter().map(|name| format!("{member} has {name} in its dependency tree")));
    }
    Ok(violations)
}

/// The lock file of the workspace, and that of the example, which is a workspace of its own.
const LOCKS: [&str; 2] = ["Cargo.lock", "examples/own-plugin/Cargo.lock"];

/// Packages that the example locks in another version than the workspace. It would have them built a second time, and all that
/// depends on them.
pub(super) fn locks(files: &[SourceFile]) -> Vec<String> {
    let text = |path| files.iter().find(|file| file.path == path).map_or("", |file| &*file.text);
    let [workspace, example] = LOCKS.map(|path| locked(text(path)));
    if workspace.is_empty() || example.is_empty() {
        return vec![format!("no package is read out of {} or {}", LOCKS[0], LOCKS[1])];
    }
    let other = |(name, version): &(&str, &str)| {
        let is_locked = |of: &[(&str, &str)]| of.iter().any(|(known, _)| known == name);
        is_locked(&workspace) && !workspace.contains(&(*name, *version))
    };
    let say = |(name, version): &(&str, &str)| {
        format!(
            "{} has {name} {version}, which {} has not: `cargo update -p {name} --precise VERSION` in its folder",
            LOCKS[1], LOCKS[0]
        )
    };
    example.iter().filter(|package| other(package)).map(say).collect()
}

/// Names and versions in a lock file.
fn locked(text: &str) -> Vec<(&str, &str)> {
    fn value<'a>(line: &'a str, field: &str) -> Option<&'a str> {
        line.strip_prefix(field)?.strip_prefix(" = \"")?.strip_suffix('"')
    }
    let lines = text.lines().zip(text.lines().skip(1));
    lines.filter_map(|(name, version)| Some((value(name, "name")?, value(version, "version")?))).collect()
}

/// The crates in the output of `cargo tree --prefix none` that have no place in the core.
fn foreign(tree: &str) -> Vec<&str> {
    let barred = |name: &str| {
        NOT_IN_CORE
            .iter()
            .any(|bar| name.strip_prefix(bar).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
    };
    let mut names: Vec<_> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| barred(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::{LOCKS, direction, foreign, locks};
    use crate::tidy::{Metadata, Package, SourceFile};

    fn violations(name: &str, needs: &[&str]) -> Vec<String> {
        let needs = needs.iter().map(ToString::to_string).collect();
        let package = Package { name: name.to_owned(), manifest: "Cargo.toml".into(), needs };
        direction(&Metadata { target_directory: "target".into(), packages: vec![package] })
    }

    #[test]
    fn a_wrong_direction_is_found() {
        assert_eq!(violations("loadline-model", &["loadline-api"]), ["loadline-model may not depend on loadline-api"]);
        assert_eq!(violations("loadline-engine", &["loadline-plugins"]).len(), 1);
        assert_eq!(violations("loadline-config", &["loadline-model", "loadline-api"]), [""; 0]);
        assert_eq!(violations("loadline", &["loadline-simulator", "loadline-plugins"]), [""; 0]);
        assert_eq!(violations("loadline", &["loadline-fixture"]).len(), 1);
        assert_eq!(violations("loadline-parity", &["loadline"]), [""; 0]);
    }

    #[test]
    fn a_new_crate_must_be_placed() {
        assert!(violations("loadline-new", &[])[0].contains("has no line in MAY_NEED"));
    }

    #[test]
    fn other_versions_in_the_examples_lock_are_found() {
        let package =
            |name, version| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"s\"\n\n");
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
        let ours = package("bytes", "1.12.1") + &package("rand", "0.9.0") + &package("rand", "0.10.0");
        let theirs = package("bytes", "1.12.2") + &package("own-plugin", "0.1.0") + &package("rand", "0.10.0");
        let found = locks(&[file(LOCKS[0], ours), file(LOCKS[1], theirs)]);
        let expected = "examples/own-plugin/Cargo.lock has bytes 1.12.2, which Cargo.lock has not: `cargo update -p bytes --precise VERSION` \
                        in its folder";
        assert_eq!(found, [expected]);
        assert_eq!(locks(&[]), ["no package is read out of Cargo.lock or examples/own-plugin/Cargo.lock"]);
    }

    #[test]
    fn barred_crates_are_found_by_name_and_family() {
        let tree = "loadline-model v0.1.0 (path)\nserde v1.0.0\nkube-client v5.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)\nkubernetes v1.0.0\n";
        assert_eq!(foreign(tree), ["kube-client", "tokio"]);
    }
}
