//! Sources of real use that are asked while the scheduler runs: one task each, none of which a decision ever waits for.

use std::collections::BTreeSet;
use std::sync::Arc;

use loadline_framework::UsageSource;
use loadline_kubernetes::Scheduling;
use loadline_metrics::Metrics;
use loadline_model::Str;
use loadline_usage::{ClientError, Heard, PollResult, PrometheusClient, poll};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// The sources of a configuration, each with whom to ask.
pub(super) struct Sources(Vec<(Arc<UsageSource>, PrometheusClient)>);

impl Sources {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// When an address can not be used.
    pub(super) fn new(sources: Vec<Arc<UsageSource>>) -> Result<Self, ClientError> {
        let with_client = |source: Arc<UsageSource>| {
            let client = PrometheusClient::new(&source.prometheus)?;
            Ok((source, client))
        };
        sources.into_iter().map(with_client).collect::<Result<_, _>>().map(Self)
    }
}

/// Those that are being asked.
pub(super) struct Pollers {
    scheduling: Scheduling,
    metrics: Metrics,
    running: Vec<(Arc<UsageSource>, JoinSet<()>)>,
}

impl Pollers {
    /// None yet. What is heard goes to this scheduler.
    pub(super) fn new(scheduling: Scheduling, metrics: Metrics) -> Self {
        Self { scheduling, metrics, running: Vec::new() }
    }

    /// Asks these sources and no others from now on; those that are asked already are asked on.
    pub(super) fn ask(&mut self, sources: Sources) {
        self.running.retain(|(running, _)| sources.0.iter().any(|(source, _)| source == running));
        for (source, client) in sources.0 {
            if self.running.iter().any(|(running, _)| *running == source) {
                continue;
            }
            for result in PollResult::ALL {
                self.metrics.usage_queries(source.kind.as_str(), result.as_str(), 0);
            }
            let mut tasks = JoinSet::new();
            tasks.spawn(listen(client, source.clone(), self.scheduling.clone(), self.metrics.clone()));
            self.running.push((source, tasks));
        }
    }
}

/// Asks for ever, and tells the scheduler.
async fn listen(client: PrometheusClient, source: Arc<UsageSource>, scheduling: Scheduling, metrics: Metrics) {
    let (sender, mut heard) = mpsc::unbounded_channel::<Heard>();
    let asking = poll(client, source, move |heard| {
        // The other end lives as long as this one.
        let _ = sender.send(heard);
    });
    let telling = async {
        let mut nodes = Unsampled::default();
        while let Some(Heard { source, now, samples, result, .. }) = heard.recv().await {
            metrics.usage_queries(source.kind.as_str(), result.as_str(), 1);
            scheduling.hear_usage(source.clone(), now, samples).await;
            let resource = source.kind;
            let of_source = move |(other, _): &(Arc<UsageSource>, _)| *other == source;
            let unsampled = scheduling.ask(move |scheduler, _| {
                let unsampled = scheduler.engine_mut().unsampled_nodes();
                unsampled.into_iter().find(of_source).map(|(_, nodes)| nodes).unwrap_or_default()
            });
            let (gone, back) = nodes.change(unsampled.await.unwrap_or_default().into_iter().collect());
            if !gone.is_empty() {
                let named = first_few(&gone);
                warn!(%resource, nodes = gone.len(), named, "nodes have no sample that counts; MemRealUsage and CpuRealUsage take them for the mean of those that have one, RealUsageAllocated goes by their requests");
            }
            if !back.is_empty() {
                info!(%resource, nodes = back.len(), named = first_few(&back), "nodes that lacked a sample have one again, or are gone");
            }
        }
    };
    tokio::join!(asking, telling);
}

/// The first nodes by name, for the log.
fn first_few(nodes: &[Str]) -> String {
    nodes.iter().take(5).map(Str::as_str).collect::<Vec<_>>().join(", ")
}

/// The nodes without a sample, as far as they have been told of.
#[derive(Debug, Default)]
struct Unsampled {
    last: BTreeSet<Str>,
    told: BTreeSet<Str>,
}

impl Unsampled {
    /// Which nodes lack a sample now. Returns those that are to be told of, each once, and those that were and have one again.
    /// A node is told of when it lacks one twice in a row: a new one has none at first.
    fn change(&mut self, now: BTreeSet<Str>) -> (Vec<Str>, Vec<Str>) {
        let gone: Vec<Str> = now.intersection(&self.last).filter(|node| !self.told.contains(*node)).cloned().collect();
        let back: Vec<Str> = self.told.difference(&now).cloned().collect();
        self.told.extend(gone.iter().cloned());
        self.told.retain(|node| now.contains(node));
        self.last = now;
        (gone, back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_told_of_once_when_it_lacks_a_sample_twice_and_once_when_it_has_one_again() {
        let mut nodes = Unsampled::default();
        let mut after = |now: &[&str]| {
            let (gone, back) = nodes.change(now.iter().map(|node| Str::from(*node)).collect());
            let texts = |nodes: &[Str]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            (texts(&gone), texts(&back))
        };
        let told = |gone: &str, back: &str| (gone.to_owned(), back.to_owned());
        assert_eq!(after(&["a", "b"]), told("", ""));
        assert_eq!(after(&["a"]), told("a", ""));
        assert_eq!(after(&["a", "b"]), told("", ""));
        assert_eq!(after(&["a", "b", "c"]), told("b", ""));
        assert_eq!(after(&["b"]), told("", "a"));
        assert_eq!(after(&[]), told("", "b"));
        assert_eq!(after(&["a"]), told("", ""));
    }
}
