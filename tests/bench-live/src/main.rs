//! Loadline and kube-scheduler side by side: one API server, one etcd, the schedulers in turn, several rounds.
//!
//! Times of one machine mean little on another: what counts are the ratios of one run.

mod api;
mod report;
mod scheduler;
mod usage;
mod workloads;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use loadline_fixture::ControlPlane;
use serde_json::Value;

use api::{Api, GROUPS, PODS, now};
use report::{Measured, Report};
use scheduler::{GATES, Scheduler, Which};
use workloads::Workload;

/// Measures Loadline beside kube-scheduler on a real API server.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask bench-live")]
struct Options {
    /// Nodes.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Pods that are created as fast as the API server takes them.
    #[arg(long, default_value_t = 1000)]
    pods: usize,
    /// Pods that are created one by one, a hundred a second, for the latency.
    #[arg(long, default_value_t = 300)]
    paced: usize,
    /// Pods that are on the nodes from the start and stay, in a namespace of their own: for the memory of a full cluster.
    #[arg(long, default_value_t = 0)]
    resident: usize,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What is placed.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Workload::Plain, Workload::Spread, Workload::AntiAffinity, Workload::Affinity, Workload::PreferredAntiAffinity, Workload::Unschedulable, Workload::Preemption, Workload::Mixed])]
    workloads: Vec<Workload>,
    /// Who places it.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Which::KubeScheduler, Which::KubeSchedulerAll, Which::Loadline])]
    schedulers: Vec<Which>,
    /// The release build of Loadline.
    #[arg(long)]
    loadline: PathBuf,
    /// kube-scheduler.
    #[arg(long)]
    kube_scheduler: PathBuf,
    /// Where each single result goes, as JSON lines.
    #[arg(long)]
    raw: Option<PathBuf>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut flags = vec!["--max-requests-inflight=3000", "--max-mutating-requests-inflight=1000"];
    if options.workloads.contains(&Workload::Gangs) {
        flags.extend(["--runtime-config=scheduling.k8s.io/v1alpha2=true", GATES]);
    }
    let server = ControlPlane::start_with(&flags)?;
    let api = Api::new(&server.kubeconfig()).await?;
    say(&format!("{} nodes", options.nodes));
    let nodes: Vec<Value> = (0..options.nodes).map(workloads::node).collect();
    api.create("/api/v1/nodes", &nodes).await?;
    api.create("/apis/scheduling.k8s.io/v1/priorityclasses", &[workloads::priority_class()]).await?;
    if options.resident > 0 {
        say(&format!("{} pods on them", options.resident));
        api.create("/api/v1/namespaces", &[workloads::namespace(workloads::RESIDENT)]).await?;
        let path = format!("/api/v1/namespaces/{}/pods", workloads::RESIDENT);
        // Not all of them in memory at once.
        for from in (0..options.resident).step_by(1000) {
            let to = options.resident.min(from + 1000);
            let pods: Vec<Value> = (from..to).map(|number| workloads::resident(number, options.nodes)).collect();
            api.create(&path, &pods).await?;
        }
    }
    let prometheus = usage::serve(names(&nodes))?;
    let mut report = Report::new(options.nodes, options.resident, options.raw.as_deref())?;
    for round in 1..=options.rounds {
        for workload in &options.workloads {
            // In turn, and each first once.
            let count = options.schedulers.len();
            for at in 0..count {
                let which = options.schedulers[(at + round) % count];
                let measured = measure(&options, &server, &api, &prometheus, (*workload, which)).await;
                let measured = measured.with_context(|| format!("{workload:?} by {}", which.name()))?;
                say(&format!("round {round}, {workload:?}, {}: {measured}", which.name()));
                report.add(*workload, which, measured)?;
            }
        }
    }
    print(&report.table(&options.workloads, &options.schedulers));
    Ok(())
}

/// Progress of long work.
#[allow(clippy::print_stderr, reason = "results alone go to standard output")]
pub(crate) fn say(text: &str) {
    eprintln!("==> {text}");
}

#[allow(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(text: &str) {
    println!("{text}");
}

fn names(objects: &[Value]) -> Vec<String> {
    objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

async fn measure(
    options: &Options,
    server: &ControlPlane,
    api: &Api,
    prometheus: &str,
    (workload, which): (Workload, Which),
) -> Result<Measured> {
    let gangs = workload == Workload::Gangs;
    api.delete_all(PODS).await?;
    if gangs {
        api.delete_all(GROUPS).await?;
    }
    api.create(PODS, &workload.before(options.nodes)).await?;
    let folder = tempfile::tempdir()?;
    let program = if which.is_ours() { &options.loadline } else { &options.kube_scheduler };
    let scheduler = Scheduler::start(which, program, &server.kubeconfig(), folder.path(), gangs, prometheus).await?;
    let mut pods = api.follow_pods();
    // One that warms it up: the caches are filled, the first of its kind is decided.
    let first = workload.first();
    api.create(GROUPS, &Workload::groups(&first)).await?;
    api.create(PODS, &first).await?;
    pods.bound(&names(&first)).await?;
    if which == Which::LoadlineByUse {
        scheduler.has_samples(options.nodes).await?;
    }
    let before = scheduler.at_rest().await?;

    let many = workload.pods("many", options.pods);
    api.create(GROUPS, &Workload::groups(&many)).await?;
    let begun = now();
    api.create(PODS, &many).await?;
    // A member of a gang may be told that others are not there yet.
    let settled = if gangs { pods.bound(&names(&many)).await? } else { pods.settled(&names(&many)).await? };
    let last = settled.into_iter().max().unwrap_or(begun);
    // Events and statuses may be written later than the bindings; they are part of the work.
    let after = scheduler.at_rest().await?;

    let paced = workload.pods("paced", options.paced);
    api.create(GROUPS, &Workload::groups(&paced)).await?;
    let mut waits = Vec::with_capacity(paced.len());
    let mut created = Vec::with_capacity(paced.len());
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let mut creating = tokio::task::JoinSet::new();
    for pod in paced.clone() {
        tick.tick().await;
        let api = api.clone();
        creating.spawn(async move {
            let times = api.create(PODS, std::slice::from_ref(&pod)).await?;
            Ok::<_, anyhow::Error>((names(&[pod]).remove(0), times[0]))
        });
    }
    while let Some(one) = creating.join_next().await {
        created.push(one??);
    }
    let wanted: Vec<String> = created.iter().map(|(name, _)| name.clone()).collect();
    let settled = if gangs { pods.bound(&wanted).await? } else { pods.settled(&wanted).await? };
    for ((_, created), bound) in created.iter().zip(settled) {
        waits.push(bound.saturating_duration_since(*created).as_secs_f64() * 1000.0);
    }
    let peak = scheduler.usage().await?.peak;
    waits.sort_by(f64::total_cmp);
    let percentile = |share: f64| waits.get(((waits.len() as f64 * share) as usize).min(waits.len().saturating_sub(1)));
    let count = options.pods as f64;
    Ok(Measured {
        pods_per_second: count / last.saturating_duration_since(begun).as_secs_f64(),
        cpu_per_pod: (after.cpu - before.cpu) / count,
        requests_per_pod: (after.requests - before.requests) / count,
        attempt: 1000.0 * (after.attempts.1 - before.attempts.1) / (after.attempts.0 - before.attempts.0),
        p50: percentile(0.5).copied().unwrap_or_default(),
        p99: percentile(0.99).copied().unwrap_or_default(),
        peak,
    })
}
