//! A scheduler's process: started, asked, and looked at from outside.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use kube::{Client, Config};
use loadline_fixture::free_port;
use serde_json::{Value, json};

/// Who schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    /// kube-scheduler with its defaults: at 5,000 nodes it looks at 500.
    KubeScheduler,
    /// kube-scheduler with percentageOfNodesToScore 100.
    KubeSchedulerAll,
    /// Loadline, which looks at all.
    Loadline,
    /// The same with MemRealUsage, and something new said of all nodes every ten seconds.
    LoadlineByUse,
}

impl Which {
    /// Whether it is Loadline in some form.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Loadline | Self::LoadlineByUse)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KubeScheduler => "kube-scheduler",
            Self::KubeSchedulerAll => "kube-scheduler, all nodes",
            Self::Loadline => "Loadline",
            Self::LoadlineByUse => "Loadline, MemRealUsage",
        }
    }
}

/// A running scheduler; it is ended with its value.
pub(crate) struct Scheduler {
    process: Child,
    port: u16,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process has used up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// CPU time in milliseconds, of the process and of the kernel for it.
    pub(crate) cpu: f64,
    /// Most memory that was resident, in MiB.
    pub(crate) peak: f64,
    /// Requests to the API server.
    pub(crate) requests: f64,
    /// Attempts that found nodes, and the seconds that they took: of whole groups where there are any, else of pods.
    pub(crate) attempts: (f64, f64),
}

/// Gates of Kubernetes' own PodGroups.
pub(crate) const GATES: &str = "--feature-gates=GenericWorkload=true,GangScheduling=true";

impl Scheduler {
    /// Starts it with the limits of its client lifted, and makes sure that they are; `gangs`: it places them.
    pub(crate) async fn start(
        which: Which,
        program: &Path,
        kubeconfig: &Path,
        folder: &Path,
        gangs: bool,
        prometheus: &str,
    ) -> Result<Self> {
        let port = free_port()?;
        let mut config = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": kubeconfig, "qps": 10000, "burst": 10000},
            "leaderElection": {"leaderElect": false},
        });
        if which == Which::KubeSchedulerAll {
            config["percentageOfNodesToScore"] = json!(100);
        }
        let mut profile = json!({"plugins": {}});
        if gangs && which.is_ours() {
            profile["plugins"]["multiPoint"] =
                json!({"enabled": [{"name": "Coscheduling"}], "disabled": [{"name": "PrioritySort"}]});
        }
        if which == Which::LoadlineByUse {
            profile["plugins"]["score"] = json!({"enabled": [{"name": "MemRealUsage"}]});
            profile["pluginConfig"] = json!([{"name": "MemRealUsage", "args": {"prometheusApiAddr": prometheus}}]);
        }
        config["profiles"] = json!([profile]);
        let file = folder.join("config.yaml");
        fs::write(&file, config.to_string())?;
        let log = File::create(folder.join("scheduler.log"))?;
        let mut command = Command::new(program);
        if which.is_ours() {
            command.arg("run");
        } else if gangs {
            command.arg(GATES);
        }
        command
            .arg(format!("--config={}", file.display()))
            .arg(format!("--secure-port={port}"))
            .args([
                "--bind-address=127.0.0.1",
                "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics,/configz",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = command.spawn().with_context(|| format!("can not start {}", program.display()))?;
        let mut scheduler = Self { process, port };
        scheduler.ready().await.with_context(|| format!("{} is not ready", which.name()))?;
        let shown: Value = serde_json::from_str(&scheduler.ask("/configz").await?)?;
        let connection = &find(&shown, "clientConnection").cloned().unwrap_or_default();
        ensure!(connection["qps"] == 10000 && connection["burst"] == 10000, "the limits are not lifted: {connection}");
        Ok(scheduler)
    }

    async fn ready(&mut self) -> Result<()> {
        for _ in 0..600 {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended: {status}");
            }
            if self.ask("/readyz").await.is_ok_and(|answer| answer == "ok") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("not within a minute")
    }

    async fn ask(&self, path: &str) -> Result<String> {
        let mut config = Config::new(format!("https://127.0.0.1:{}", self.port).parse()?);
        // Its certificate is its own.
        config.accept_invalid_certs = true;
        let client = Client::try_from(config)?;
        Ok(client.request_text(Request::get(path).body(Vec::new())?).await?)
    }

    /// What it has used up, once it has come to rest: what it still writes is part of the work.
    pub(crate) async fn at_rest(&self) -> Result<Usage> {
        /// In a second; the clock of processes has no finer parts than 10 ms.
        const RESTING: f64 = 20.0;
        let mut last = self.cpu()?;
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.cpu()?;
            if now - last <= RESTING {
                return self.usage().await;
            }
            last = now;
        }
        bail!("it goes on working for a minute after the last pod was settled");
    }

    /// Waits until so many nodes have a sample that counts.
    pub(crate) async fn has_samples(&self, nodes: usize) -> Result<()> {
        for _ in 0..60 {
            if sum(&self.ask("/metrics").await?, "loadline_usage_nodes{", "sample=\"fresh\"") as usize == nodes {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("not all nodes have a sample that counts");
    }

    pub(crate) async fn usage(&self) -> Result<Usage> {
        // Before it is asked for its metrics, which takes time too.
        let cpu = self.cpu()?;
        let status = fs::read_to_string(self.proc("status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a line VmHWM")?;
        let peak: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        let metrics = self.ask("/metrics").await?;
        let sum = |series: &str, with: &str| sum(&metrics, series, with);
        let attempts = |family: &str| {
            let of = |part: &str| sum(&format!("{family}_{part}{{"), "result=\"scheduled\"");
            Some((of("count"), of("sum"))).filter(|(count, _)| *count > 0.0)
        };
        let of_groups = attempts("scheduler_podgroup_scheduling_attempt_duration_seconds");
        let attempts = of_groups.or_else(|| attempts("scheduler_scheduling_attempt_duration_seconds"));
        let requests = sum("rest_client_requests_total{", "");
        Ok(Usage { cpu, peak: peak / 1024.0, requests, attempts: attempts.unwrap_or_default() })
    }

    /// Milliseconds of CPU, of the process and of the kernel for it.
    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // After the name, which may have spaces: state is the first, user and system time the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit_once(')').context("a name in parentheses")?.1.split_whitespace().collect();
        // Linux gives these in hundredths of a second on every machine.
        Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) * 10.0)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.process.id()))
    }
}

/// A field wherever it stands.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = value.as_object()?;
    fields.get(name).or_else(|| fields.values().find_map(|inner| find(inner, name)))
}

/// Of the series that begin so and have this in them.
fn sum(metrics: &str, series: &str, with: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(series) && line.contains(with));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
