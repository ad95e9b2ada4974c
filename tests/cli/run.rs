//! Runs the command.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// The command in the root of the repository, so that examples have short paths, and with nothing of the caller's
/// environment that changes how it looks.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.args(args).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS"] {
        command.env_remove(variable);
    }
    command
}

/// Runs it with nothing on standard input.
pub(crate) fn loadline(args: &[&str]) -> Done {
    loadline_with(args, "")
}

/// Runs it with a text on standard input.
pub(crate) fn loadline_with(args: &[&str], stdin: &str) -> Done {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("standard input is a pipe");
    // A command that ends without reading closes the pipe.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("the command ends");
    Done {
        code: output.status.code().expect("no signal ends it"),
        out: String::from_utf8(output.stdout).expect("output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// A node that takes two cores, as YAML.
pub(crate) const NODE: &str = "\
apiVersion: v1
kind: Node
metadata:
  name: node-a
status:
  allocatable: {cpu: '2', memory: 4Gi, pods: '10'}
---
";

/// A pod that asks for this many cores, as YAML.
pub(crate) fn pod(name: &str, cpu: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  containers:
  - name: main
    image: example.com/main
    resources:
      requests: {{cpu: '{cpu}'}}
---
"
    )
}

/// The path of a configuration by which 100 nodes are enough, in a file of this name, and 130 nodes with four pods.
pub(crate) fn share_of_the_nodes(file: &str) -> (String, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("share-{file}.yaml"));
    let config =
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, percentageOfNodesToScore: 1}";
    std::fs::write(&path, config).expect("it can be written");
    let nodes = (0..130).map(|number| NODE.replace("node-a", &format!("node-{number:03}")));
    let pods = (0..4).map(|number| pod(&format!("pod-{number}"), "500m"));
    (path.to_string_lossy().into_owned(), nodes.chain(pods).collect())
}
