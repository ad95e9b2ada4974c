//! Kubernetes' own end-to-end tests of scheduling. `cargo xtask conformance` builds what this needs, and runs it.
//!
//! The specs are those of Kubernetes 1.36.3, unchanged, on four simulated nodes in two zones. The scheduler is the one of the whole
//! cluster, and has the user and the rights that Kubernetes gives kube-scheduler.

#![allow(clippy::print_stderr, reason = "a command line tool: it talks to a person")]

mod report;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use loadline_fixture::{Cluster, Node, Program, User};
use serde_json::json;

use crate::report::Report;

/// How many specs there are: fewer that ran would be a wrong set-up, and no success.
const SPECS: usize = 30;

/// Specs that together say much and take little time.
const SUBSET: [&str; 8] = [
    "validates resource limits of pods that are allowed to run",
    "validates that NodeSelector is respected if matching",
    "validates that NodeAffinity is respected if not matching",
    "validates that taints-tolerations is respected if not matching",
    "validates 4 pods with MaxSkew=1 are evenly distributed into 2 nodes",
    "validates Pods with non-empty schedulingGates are blocked on scheduling",
    "validates basic preemption works",
    "validates pod disruption condition is added to the preempted pod",
];

/// Runs Kubernetes' own end-to-end tests of scheduling, with one scheduler for the whole cluster.
#[derive(Parser)]
#[command(name = "cargo xtask conformance", bin_name = "cargo xtask conformance")]
struct Options {
    /// Who schedules: kube-scheduler shows that what fails is not the set-up's fault.
    #[arg(long, value_enum, default_value = "loadline")]
    scheduler: Scheduler,
    /// Run eight specs of the thirty.
    #[arg(long)]
    subset: bool,
    /// Run the specs that have this text in their names.
    #[arg(long, conflicts_with = "subset")]
    focus: Option<String>,
}

/// Specs that need what Loadline does not have: it holds back every pod with a volume, and says so.
const WITH_VOLUMES: [&str; 1] = ["when PVC has node-affinity to non-existent/illegal nodes"];

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Scheduler {
    Loadline,
    KubeScheduler,
}

impl Scheduler {
    fn name(self) -> &'static str {
        match self {
            Self::Loadline => "loadline",
            Self::KubeScheduler => "kube-scheduler",
        }
    }

    /// The specs that make no sense with it.
    fn without(self) -> &'static [&'static str] {
        match self {
            Self::Loadline => &WITH_VOLUMES,
            Self::KubeScheduler => &[],
        }
    }

    fn start(self, cluster: &Cluster) -> Result<Program> {
        match self {
            Self::Loadline => {
                let kubeconfig = cluster.kubeconfig_of(User::Scheduler);
                // Nobody asks it for its health or its metrics, and the port may be somebody else's.
                let flags = ["run", "--secure-port=0", "--kubeconfig"].map(str::to_owned);
                let flags = [flags.as_slice(), &[kubeconfig.display().to_string()]].concat();
                Ok(cluster.program(self.name(), &variable("LOADLINE_BINARY")?, &flags)?)
            }
            Self::KubeScheduler => Ok(cluster.kube_scheduler("default-scheduler")?),
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = variable("LOADLINE_REPORTS")?.join(options.scheduler.name());
    fs::create_dir_all(&folder).with_context(|| format!("can not create {}", folder.display()))?;
    let cluster = cluster()?;
    let mut scheduler = options.scheduler.start(&cluster)?;
    let ran = run_specs(&cluster, &options, &folder);
    let log = folder.join("scheduler.log");
    fs::write(&log, scheduler.log()).with_context(|| format!("can not write {}", log.display()))?;
    scheduler.check()?;
    let report = ran?;
    eprint!("{}", report.shown());
    for refusal in cluster.refusals() {
        eprintln!("{} was refused by {}: {}", refusal.pod, refusal.node, refusal.reason);
    }
    if !cluster.refusals().is_empty() {
        bail!("the scheduler overcommitted nodes; its log: {}", log.display());
    }
    let wanted = match (options.subset, &options.focus) {
        (true, _) => SUBSET.len(),
        (false, None) => SPECS - options.scheduler.without().len(),
        (false, Some(_)) => report.ran().max(1),
    };
    if report.passed() < wanted {
        bail!("{} of {wanted} specs passed; the logs are in {}", report.passed(), folder.display());
    }
    eprintln!("conformance: {wanted} of {wanted} specs passed with {}", options.scheduler.name());
    Ok(())
}

/// A path that `cargo xtask conformance` says.
fn variable(name: &'static str) -> Result<PathBuf> {
    Ok(std::env::var_os(name).with_context(|| format!("{name} is not set: run `cargo xtask conformance`"))?.into())
}

fn cluster() -> Result<Cluster> {
    // Two specs use the API of workloads, which is there behind this gate.
    let gate = "--feature-gates=GenericWorkload=true";
    let api = "--runtime-config=scheduling.k8s.io/v1alpha2=true";
    let mut cluster = Cluster::start_with(&[gate, api], &[gate])?;
    let node = |(number, zone): (usize, &str)| Node::new(&format!("node-{number}"), 4000, 8192).zone(zone);
    let nodes: Vec<Node> = ["east", "west", "east", "west"].into_iter().enumerate().map(node).collect();
    cluster.add_nodes(&nodes)?;
    // Before some specs a minute is spent on waiting for the pods that every node of Google's clusters has.
    let system = |node: &Node| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("kube-proxy-fluentd-elasticsearch-node-problem-detector-{}", node.name()),
                "namespace": "kube-system",
            },
            "spec": {"nodeName": node.name(), "containers": [{"name": "none", "image": "none"}]},
        })
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": nodes.iter().map(system).collect::<Vec<_>>()});
    cluster.kubectl(&["create", "-f", "-"], Some(&list.to_string()))?;
    Ok(cluster)
}

/// Runs the specs one after another, as most of them need the whole cluster.
fn run_specs(cluster: &Cluster, options: &Options, folder: &Path) -> Result<Report> {
    let specs = variable("LOADLINE_END_TO_END")?;
    let focus = match (&options.focus, options.subset) {
        (Some(text), _) => text.clone(),
        (None, true) => SUBSET.join("|"),
        (None, false) => r"\[sig-scheduling\]".to_owned(),
    };
    let (log, results) = (folder.join("specs.log"), folder.join("specs.json"));
    let output = File::create(&log).with_context(|| format!("can not create {}", log.display()))?;
    for spec in options.scheduler.without() {
        eprintln!("==> conformance: NOT RUN, as {} has no volumes yet: {spec}", options.scheduler.name());
    }
    eprintln!("==> conformance: the specs run, up to ten minutes; their log: {}", log.display());
    let status = Command::new(&specs)
        .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
        .args(["--provider=skeleton", "--disable-log-dump", "--test.timeout=0", "--ginkgo.timeout=40m"])
        // In the same order each time.
        .args(["--ginkgo.no-color", "--ginkgo.v", "--ginkgo.seed=1"])
        .arg(format!("--ginkgo.focus={focus}"))
        .args(options.scheduler.without().iter().map(|spec| format!("--ginkgo.skip={spec}")))
        .arg(format!("--ginkgo.json-report={}", results.display()))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("can not start {}", specs.display()))?;
    let report = fs::read(&results).with_context(|| format!("{status}, and no report; see {}", log.display()))?;
    Report::read(&report)
}
