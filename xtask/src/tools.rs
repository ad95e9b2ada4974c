//! What the tests need besides Rust: a control plane (etcd, kube-apiserver, kubectl), the components that make a cluster of it
//! (kube-controller-manager, kube-scheduler, kwok), the referee, Prometheus, and Kubernetes' own end-to-end tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Key};
use crate::{go, process, root};

/// The binaries of the control plane, by the names that Kubernetes' own test tools use.
const CONTROL_PLANE: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// What makes a cluster of it. They stay out of `KUBEBUILDER_ASSETS`, which a person may have from elsewhere without them.
const COMPONENTS: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

/// Prometheus, and what tests its rules.
const PROMETHEUS: [&str; 2] = ["prometheus", "promtool"];

/// Where the tests' tools are.
pub(crate) struct Tools {
    /// A folder with [`CONTROL_PLANE`], for `KUBEBUILDER_ASSETS`.
    assets: PathBuf,
    /// A folder with [`COMPONENTS`], for `LOADLINE_COMPONENTS`.
    components: PathBuf,
    /// kwok's binary, for `LOADLINE_KWOK`.
    kwok: PathBuf,
    /// The referee's binary, for `LOADLINE_REFEREE`.
    referee: PathBuf,
    /// A folder with [`PROMETHEUS`], for `LOADLINE_PROMETHEUS`.
    prometheus: PathBuf,
}

impl Tools {
    /// Finds the tools, and builds those that are not there.
    pub(crate) fn ready() -> Result<Self> {
        Ok(Self {
            assets: control_plane()?,
            components: components()?,
            kwok: kwok()?,
            referee: referee()?,
            prometheus: prometheus()?,
        })
    }

    /// The environment variables that the tests read.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 5] {
        [
            ("KUBEBUILDER_ASSETS", &self.assets),
            ("LOADLINE_COMPONENTS", &self.components),
            ("LOADLINE_KWOK", &self.kwok),
            ("LOADLINE_REFEREE", &self.referee),
            ("LOADLINE_PROMETHEUS", &self.prometheus),
        ]
    }

    /// kube-scheduler's binary.
    pub(crate) fn kube_scheduler(&self) -> PathBuf {
        self.components.join("kube-scheduler")
    }

    /// promtool's binary.
    pub(crate) fn promtool(&self) -> PathBuf {
        self.prometheus.join("promtool")
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
    built("control-plane", &module, "five to ten minutes on two cores", |folder| {
        let packages =
            ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"];
        // With a folder as output Go names the commands; the slash at the end says that it is one.
        go::build("tools", &module, &folder.join(""), &packages)?;
        // Go names a command after the last part of its path that is not a version.
        fs::rename(folder.join("server"), folder.join("etcd")).context("Go gave etcd's command another name")?;
        Ok(())
    })
}

/// The folder that has [`COMPONENTS`], of the same versions as the control plane.
fn components() -> Result<PathBuf> {
    let module = root().join("tests/control-plane");
    built("components", &module, "two minutes when the control plane was built before", |folder| {
        let packages = COMPONENTS.map(|name| format!("k8s.io/kubernetes/cmd/{name}"));
        go::build("tools", &module, &folder.join(""), &packages.each_ref().map(String::as_str))
    })
}

/// kwok's binary: the kubelets of simulated nodes.
fn kwok() -> Result<PathBuf> {
    // Its Kubernetes libraries are of another version than the control plane's, so it is a module on its own.
    let module = root().join("tests/kwok");
    let folder = built("kwok", &module, "about a minute", |folder| {
        go::build("tools", &module, &folder.join("kwok"), &["sigs.k8s.io/kwok/cmd/kwok"])
    })?;
    Ok(folder.join("kwok"))
}

/// The folder that has [`PROMETHEUS`].
fn prometheus() -> Result<PathBuf> {
    let module = root().join("tests/prometheus");
    built("prometheus", &module, "three to four minutes on two cores", |folder| {
        let packages = PROMETHEUS.map(|name| format!("github.com/prometheus/prometheus/cmd/{name}"));
        // The tests name their targets; the ways to discover them need the SDKs of all clouds.
        let tag = "remove_all_sd";
        go::build_tagged("tools", &module, tag, &folder.join(""), &packages.each_ref().map(String::as_str))
    })
}

/// Kubernetes' own end-to-end tests of scheduling, as one binary.
pub(crate) fn end_to_end() -> Result<PathBuf> {
    let module = root().join("tests/conformance/specs");
    let folder = built("end-to-end", &module, "two to four minutes", |folder| {
        go::build_tests("tools", &module, &folder.join("end-to-end"))
    })?;
    Ok(folder.join("end-to-end"))
}

/// The cache's folder for what is built from a Go module; `build` fills it, once for each state of the module.
fn built(name: &str, module: &Path, takes: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let go_version = go::version(module)?;
    let mut key = Key::new().part(&go_version);
    for source in go_sources(module)? {
        key = key.file(module, &source)?;
    }
    cache::entry(&format!("{name}-{}", key.hex()), |folder| {
        eprintln!("==> building {name} with {go_version}: once, {takes}");
        build(folder)
    })
}

/// The referee's binary: a Go program that judges a cluster with kube-scheduler's own plugins.
pub(crate) fn referee() -> Result<PathBuf> {
    let module = root().join("tests/parity/referee");
    let folder = built("referee", &module, "about 20 seconds when the control plane was built before", |folder| {
        go::build("referee", &module, &folder.join("referee"), &["."])
    })?;
    Ok(folder.join("referee"))
}

/// All files of a Go module, in order of path.
fn go_sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("can not read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(go_sources(&path)?);
        } else {
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
        let path = |name: &str| PathBuf::from("/cache").join(name);
        let tools = Tools {
            assets: path("a b"),
            components: path("components"),
            kwok: path("kwok"),
            referee: path("referee"),
            prometheus: path("prometheus"),
        };
        let exports = [
            "export KUBEBUILDER_ASSETS='/cache/a b'\n",
            "export LOADLINE_COMPONENTS=/cache/components\n",
            "export LOADLINE_KWOK=/cache/kwok\n",
            "export LOADLINE_REFEREE=/cache/referee\n",
            "export LOADLINE_PROMETHEUS=/cache/prometheus\n",
        ];
        assert_eq!(tools.exports(), exports.concat());
    }

    #[test]
    fn sources_are_in_order_and_hold_the_module_files() {
        let module = root().join("tests/control-plane");
        let sources = go_sources(&module).expect("the module is there");
        assert!(sources.is_sorted());
        assert!(sources.contains(&module.join("go.mod")) && sources.contains(&module.join("go.sum")));
    }
}
