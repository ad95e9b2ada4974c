//! What the tests need besides Rust: a control plane (etcd, kube-apiserver, kubectl) and the referee.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Key};
use crate::{go, process, root};

/// The binaries of the control plane, by the names that Kubernetes' own test tools use.
const CONTROL_PLANE: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Where the tests' tools are.
pub(crate) struct Tools {
    /// A folder with [`CONTROL_PLANE`], for `KUBEBUILDER_ASSETS`.
    assets: PathBuf,
    /// The referee's binary, for `LOADLINE_REFEREE`.
    referee: PathBuf,
}

impl Tools {
    /// Finds the tools, and builds those that are not there.
    pub(crate) fn ready() -> Result<Self> {
        Ok(Self { assets: control_plane()?, referee: referee()? })
    }

    /// The environment variables that the tests read.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("KUBEBUILDER_ASSETS", &self.assets), ("LOADLINE_REFEREE", &self.referee)]
    }

    /// The same as lines for a POSIX shell.
    pub(crate) fn exports(&self) -> String {
        let line =
            |(name, path): (&str, &Path)| format!("export {name}={}\n", process::quoted(&path.to_string_lossy()));
        self.environment().map(line).concat()
    }
}

/// The folder that has the control plane: `KUBEBUILDER_ASSETS` if set, else ours in the cache.
fn control_plane() -> Result<PathBuf> {
    let module = root().join("tests/control-plane");
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) {
        let assets = PathBuf::from(assets);
        let missing = CONTROL_PLANE.into_iter().filter(|name| !assets.join(name).is_file()).collect::<Vec<_>>();
        if !missing.is_empty() {
            bail!("KUBEBUILDER_ASSETS={} has no {}; unset it to build them", assets.display(), missing.join(", "));
        }
        let found = process::capture(Command::new(assets.join("kube-apiserver")).arg("--version"))?;
        let wanted = go::kubernetes_version(&module)?;
        if !found.trim().ends_with(&wanted) {
            eprintln!("warning: KUBEBUILDER_ASSETS has {}, and the tests are written for {wanted}", found.trim());
        }
        return Ok(assets);
    }
    let go_version = go::version(&module)?;
    let key =
        Key::new().part(&go_version).file(&module, &module.join("go.mod"))?.file(&module, &module.join("go.sum"))?;
    cache::entry(&format!("control-plane-{}", key.hex()), |folder| {
        eprintln!(
            "==> building {} of Kubernetes {} with {go_version}: once, five to ten minutes on two cores",
            CONTROL_PLANE.join(", "),
            go::kubernetes_version(&module)?
        );
        let packages =
            ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"];
        // With a folder as output Go names the commands; the slash at the end says that it is one.
        go::build("tools", &module, &folder.join(""), &packages)?;
        // Go names a command after the last part of its path that is not a version.
        fs::rename(folder.join("server"), folder.join("etcd")).context("Go gave etcd's command another name")?;
        Ok(())
    })
}

/// The referee's binary: a Go program that judges a cluster with kube-scheduler's own plugins.
pub(crate) fn referee() -> Result<PathBuf> {
    let module = root().join("tests/parity/referee");
    let go_version = go::version(&module)?;
    let mut key = Key::new().part(&go_version);
    for source in go_sources(&module)? {
        key = key.file(&module, &source)?;
    }
    let folder = cache::entry(&format!("referee-{}", key.hex()), |folder| {
        eprintln!(
            "==> building the referee with {go_version}: about 20 seconds when the control plane was built before"
        );
        go::build("referee", &module, &folder.join("referee"), &["."])
    })?;
    Ok(folder.join("referee"))
}

/// All files of a Go module but its tests, in order of path.
fn go_sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("can not read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(go_sources(&path)?);
        } else if !path.to_string_lossy().ends_with("_test.go") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Tools, go_sources};
    use crate::root;

    #[test]
    fn exports_can_be_evaluated_by_a_shell() {
        let tools = Tools { assets: PathBuf::from("/cache/a b"), referee: PathBuf::from("/cache/referee") };
        assert_eq!(tools.exports(), "export KUBEBUILDER_ASSETS='/cache/a b'\nexport LOADLINE_REFEREE=/cache/referee\n");
    }

    #[test]
    fn sources_are_in_order_and_hold_the_module_files() {
        let module = root().join("tests/control-plane");
        let sources = go_sources(&module).expect("the module is there");
        assert!(sources.is_sorted());
        assert!(sources.contains(&module.join("go.mod")) && sources.contains(&module.join("go.sum")));
    }
}
