//! The Go toolchain, and what a go.mod says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// `go` in the folder of a module.
pub(crate) fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    // Go looks for a go.work in the parents; ours are modules on their own.
    command.current_dir(module).env("GOWORK", "off");
    command
}

/// Go's version, such as `go1.26.3`, as the module selects it.
pub(crate) fn version(module: &Path) -> Result<String> {
    let version = process::capture(go(module).args(["env", "GOVERSION"]))
        .context("Go is needed to build the tests' tools: install Go 1.26 and have `go` in PATH")?;
    Ok(version.trim().to_owned())
}

/// Builds commands of a module: several into the folder `out`, one into the file `out`.
pub(crate) fn build(step: &str, module: &Path, out: &Path, packages: &[&str]) -> Result<()> {
    compile(step, &["build"], module, out, packages)
}

/// The same with a build tag.
pub(crate) fn build_tagged(step: &str, module: &Path, tag: &str, out: &Path, packages: &[&str]) -> Result<()> {
    compile(step, &["build", "-tags", tag], module, out, packages)
}

/// Builds the tests of a module's root package into the file `out`, to be run later.
pub(crate) fn build_tests(step: &str, module: &Path, out: &Path) -> Result<()> {
    compile(step, &["test", "-c"], module, out, &["."])
}

fn compile(step: &str, how: &[&str], module: &Path, out: &Path, packages: &[&str]) -> Result<()> {
    let flags = match required(module, KUBERNETES)? {
        Some(version) => linker_flags(&version)?,
        None => STRIPPED.to_owned(),
    };
    let mut command = go(module);
    command.args(how).args(["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
    process::run(step, command.arg(out).args(packages))
}

/// The version of k8s.io/kubernetes that a module requires, such as `v1.36.3`.
pub(crate) fn kubernetes_version(module: &Path) -> Result<String> {
    required(module, KUBERNETES)?.with_context(|| format!("{} does not require {KUBERNETES}", module.display()))
}

/// The version of `wanted` that the module in a folder requires, if it does.
pub(crate) fn required(module: &Path, wanted: &str) -> Result<Option<String>> {
    let path = module.join("go.mod");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can not read {}", path.display()))?;
    Ok(required_version(&text, wanted).map(str::to_owned))
}

fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim().strip_prefix("require ").unwrap_or(line).trim();
        let version = line.strip_prefix(module)?.strip_prefix(' ')?.split_whitespace().next()?;
        version.starts_with('v').then_some(version)
    })
}

const KUBERNETES: &str = "k8s.io/kubernetes";

/// Linker flags that leave out what only a debugger reads: it saves time and space.
const STRIPPED: &str = "-s -w";

/// Linker flags that stamp Kubernetes' version. Without them its feature gates go by version 0.0.
fn linker_flags(version: &str) -> Result<String> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("`{version}` is not a version of Kubernetes");
    };
    let package = "k8s.io/component-base/version";
    Ok(format!(
        "{STRIPPED} -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{linker_flags, required_version};

    #[test]
    fn versions_come_from_require_lines() {
        let block =
            "module m\n\ntool k8s.io/kubernetes/cmd/kubectl\n\nrequire (\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n";
        assert_eq!(required_version(block, "k8s.io/kubernetes"), Some("v1.36.3"));
        assert_eq!(required_version("require k8s.io/kubernetes v1.36.3\n", "k8s.io/kubernetes"), Some("v1.36.3"));
        assert_eq!(required_version("\tk8s.io/kubernetes => ../kubernetes\n", "k8s.io/kubernetes"), None);
    }

    #[test]
    fn the_linker_stamps_all_three_numbers() {
        let flags = linker_flags("v1.36.3").expect("a version");
        for part in ["-s -w ", "gitVersion=v1.36.3 ", "gitMajor=1 ", "gitMinor=36"] {
            assert!(flags.contains(part), "{flags}");
        }
        assert!(linker_flags("v1").is_err());
    }
}
