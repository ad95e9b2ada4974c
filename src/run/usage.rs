//! Sources of real use that are asked while the scheduler runs: one task each, none of which a decision ever waits for.

use std::sync::Arc;

use loadline_framework::UsageSource;
use loadline_kubernetes::Scheduling;
use loadline_metrics::Metrics;
use loadline_usage::{ClientError, Heard, PollResult, PrometheusClient, poll};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
        while let Some(Heard { source, now, samples, result, .. }) = heard.recv().await {
            metrics.usage_queries(source.kind.as_str(), result.as_str(), 1);
            scheduling.hear_usage(source, now, samples).await;
        }
    };
    tokio::join!(asking, telling);
}
