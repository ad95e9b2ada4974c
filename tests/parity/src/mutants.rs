//! Mutants: mistakes put into a copy of our own source, each of which a parity run must notice.
//!
//! A mutation is a place in a file and another text for it (`mutations.yaml`). The workspace is copied once, each mutation
//! is applied alone, the runner is built from the copy and run on the mutation's profile. What it does not notice, the
//! random clusters do not exercise.

#![allow(clippy::disallowed_methods, reason = "times of builds are for a person to read")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::generate::Profile;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What goes wrong, in a few words.
    pub name: String,
    /// The file, from the root of the workspace.
    pub file: PathBuf,
    /// The text to replace. It occurs once in the file.
    pub old: String,
    /// What stands there instead.
    pub new: String,
    /// The profile whose clusters must show it.
    pub profile: Profile,
}

/// What became of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Whether the run noticed.
    pub caught: bool,
    /// The run's first line about it.
    pub evidence: String,
    /// Time to build.
    pub build: Duration,
    /// Time to run.
    pub run: Duration,
}

/// How to try mutations.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The root of the workspace.
    pub root: PathBuf,
    /// Folder for the copy and what is built from it. It is kept: a second trial builds little.
    pub folder: PathBuf,
    /// Clusters for each mutation, at most.
    pub clusters: usize,
    /// First seed.
    pub seed: u64,
}

/// Reads a list of mutations.
pub fn load(path: &Path) -> Result<Vec<Mutation>> {
    let text = fs::read_to_string(path).with_context(|| format!("can not read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not a list of mutations", path.display()))
}

/// What is wrong with a list, one line each: every text must occur exactly once, or the source has moved on.
pub fn problems(root: &Path, mutations: &[Mutation]) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, mutation) in mutations.iter().enumerate() {
        let name = &mutation.name;
        if mutations[..at].iter().any(|other| other.name == *name) {
            problems.push(format!("{name}: the name is taken"));
        }
        if let Err(error) = mutated(root, mutation) {
            problems.push(format!("{name}: {error:#}"));
        }
    }
    problems
}

/// The mutation's file with the mistake in it.
fn mutated(root: &Path, mutation: &Mutation) -> Result<String> {
    let path = root.join(&mutation.file);
    let text = fs::read_to_string(&path).with_context(|| format!("can not read {}", mutation.file.display()))?;
    if mutation.old == mutation.new {
        bail!("it changes nothing");
    }
    match text.matches(&mutation.old).count() {
        1 => Ok(text.replacen(&mutation.old, &mutation.new, 1)),
        times => bail!("`{}` occurs {times} times in {}", mutation.old, mutation.file.display()),
    }
}

/// Tries all mutations, one after another; `told` hears of each outcome.
///
/// An error means that nothing can be said: the list has rotted, a mutation does not compile, the unchanged source differs
/// from kube-scheduler already, or the referee is missing.
pub fn run(trial: &Trial, mutations: &[Mutation], told: &mut dyn FnMut(&Outcome)) -> Result<Vec<Outcome>> {
    let problems = problems(&trial.root, mutations);
    if !problems.is_empty() {
        bail!("the list does not fit the source:\n  {}", problems.join("\n  "));
    }
    let copy = trial.folder.join("workspace");
    copy_folder(&trial.root, &copy).context("can not copy the workspace")?;
    build(trial, &copy)?;
    let mut profiles: Vec<_> = mutations.iter().map(|mutation| mutation.profile).collect();
    profiles.sort_unstable();
    profiles.dedup();
    for profile in profiles {
        let (caught, evidence) = judge(trial, profile)?;
        if caught {
            bail!("{profile}: the unchanged source differs already: {evidence}");
        }
    }
    let mut outcomes = Vec::new();
    for mutation in mutations {
        let outcome = try_one(trial, &copy, mutation).with_context(|| mutation.name.clone())?;
        told(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn try_one(trial: &Trial, copy: &Path, mutation: &Mutation) -> Result<Outcome> {
    let path = copy.join(&mutation.file);
    fs::write(&path, mutated(&trial.root, mutation)?)?;
    let started = Instant::now();
    let built = build(trial, copy);
    let build = started.elapsed();
    let started = Instant::now();
    let judged = built.and_then(|()| judge(trial, mutation.profile));
    let run = started.elapsed();
    // Restored whatever happened: the copy is used again.
    fs::copy(trial.root.join(&mutation.file), &path)?;
    let (caught, evidence) = judged?;
    Ok(Outcome { name: mutation.name.clone(), caught, evidence, build, run })
}

fn build(trial: &Trial, copy: &Path) -> Result<()> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--package", "loadline-parity", "--bin", "loadline-parity"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", trial.folder.join("target"))
        .stdin(Stdio::null())
        .output()
        .context("can not run cargo")?;
    if !output.status.success() {
        bail!("it does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Runs the runner that was built: whether it differs, and its first line about that.
fn judge(trial: &Trial, profile: Profile) -> Result<(bool, String)> {
    let runner = trial.folder.join("target/debug/loadline-parity");
    let output = Command::new(&runner)
        .args(["--until-difference", "--profile", profile.as_str()])
        .args(["--clusters", &trial.clusters.to_string(), "--seed", &trial.seed.to_string()])
        .arg("--dump")
        .arg(trial.folder.join("dump"))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("can not run {}", runner.display()))?;
    verdict(&output)
}

/// [`crate::EXIT_DIFFERENT`] and a panic are noticed, everything else but success is an error of the trial itself.
fn verdict(output: &Output) -> Result<(bool, String)> {
    const PANICKED: i32 = 101;
    let line = |bytes: &[u8], which: usize| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().filter(|line| !line.trim().is_empty()).nth(which).unwrap_or_default().trim().to_owned()
    };
    match output.status.code() {
        Some(0) => Ok((false, String::new())),
        // After the line that names the cluster comes its first difference.
        Some(code) if code == i32::from(crate::EXIT_DIFFERENT) => Ok((true, line(&output.stdout, 1))),
        Some(PANICKED) => Ok((true, line(&output.stderr, 0))),
        _ => bail!("the runner failed:\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Brings the copy up to date. Files that are equal are left alone, so that cargo does not build them anew.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name == OsStr::new("target") || name == OsStr::new(".git") {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &target)?;
        } else if path.is_file() {
            let bytes = fs::read(&path)?;
            if fs::read(&target).ok().as_ref() != Some(&bytes) {
                fs::write(&target, bytes)?;
            }
        }
        names.insert(name);
    }
    // A module that has moved must not be found at its old place too.
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Mutation, copy_folder, load, problems};
    use crate::generate::Profile;

    fn mutation(old: &str, new: &str) -> Mutation {
        Mutation {
            name: "m".to_owned(),
            file: PathBuf::from("a.rs"),
            old: old.to_owned(),
            new: new.to_owned(),
            profile: Profile::Taints,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("loadline-parity-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    #[test]
    fn a_text_must_occur_exactly_once() {
        let root = folder("once");
        fs::write(root.join("a.rs"), "if a > b { a > c }").expect("it can be written");
        let wrong = |mutation: Mutation| problems(&root, &[mutation]);
        assert_eq!(wrong(mutation("a > b", "a >= b")), [""; 0]);
        assert_eq!(wrong(mutation("a >", "a >=")), ["m: `a >` occurs 2 times in a.rs"]);
        assert_eq!(wrong(mutation("x", "y")), ["m: `x` occurs 0 times in a.rs"]);
        assert_eq!(wrong(mutation("a > b", "a > b")), ["m: it changes nothing"]);
        let twice = [mutation("a > b", "1"), mutation("a > c", "2")];
        assert_eq!(problems(&root, &twice), ["m: the name is taken"]);
        fs::remove_dir_all(root).expect("the folder is ours");
    }

    #[test]
    fn a_copy_leaves_equal_files_alone_and_has_no_target() {
        let root = folder("copy");
        let (from, to) = (root.join("from"), root.join("to"));
        for file in ["src/a.rs", "target/x"] {
            let path = from.join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
            fs::write(path, "1").expect("it can be written");
        }
        let modified = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).expect("it is there");
        copy_folder(&from, &to).expect("it copies");
        let before = modified(&to.join("src/a.rs"));
        copy_folder(&from, &to).expect("it copies");
        assert_eq!(modified(&to.join("src/a.rs")), before);
        assert!(!to.join("target").exists());
        fs::write(from.join("src/a.rs"), "2").expect("it can be written");
        copy_folder(&from, &to).expect("it copies");
        assert_eq!(fs::read_to_string(to.join("src/a.rs")).expect("it is there"), "2");
        fs::rename(from.join("src/a.rs"), from.join("src/b.rs")).expect("it can be moved");
        copy_folder(&from, &to).expect("it copies");
        assert!(to.join("src/b.rs").exists() && !to.join("src/a.rs").exists());
        fs::remove_dir_all(root).expect("the folder is ours");
    }

    #[test]
    fn the_list_fits_the_source() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mutations = load(&here.join("mutations.yaml")).expect("it is a list of mutations");
        let problems = problems(&here.join("../.."), &mutations);
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
