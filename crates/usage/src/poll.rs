//! The endless asking.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use loadline_framework::{UsageSample, UsageSource};
use loadline_model::{Str, Time};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::error::PollResult;
use crate::measurement::measure;
use crate::prometheus::PrometheusClient;
use crate::speaker::Speaker;

/// What is known after asking once.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who was asked.
    pub source: Arc<UsageSource>,
    /// Prometheus' present: as it says, or after a failure what it said last and the time since; 0 before it ever answered.
    /// It may go back, for there may be several behind one address.
    pub now: Time,
    /// By name of node, each once; `None` when there was no answer that can be used.
    pub samples: Option<Vec<(Str, UsageSample)>>,
    /// How asking ended.
    pub result: PollResult,
    /// How many series were not used as they are.
    pub ignored: usize,
    /// How long asking took.
    pub took: Duration,
}

/// Asks at once, and then from time to time for as long as it is polled, and hands on what it hears. Changes of state are logged,
/// each once. Needs a tokio runtime. The client is one for this source ([`PrometheusClient::new`]).
pub async fn poll(client: PrometheusClient, source: Arc<UsageSource>, tell: impl Fn(Heard) + Send + 'static) {
    let seconds = u64::try_from(source.prometheus.interval_seconds).unwrap_or_default().max(1);
    poll_every(Duration::from_secs(seconds), client, source, tell).await;
}

async fn poll_every(
    period: Duration,
    client: PrometheusClient,
    source: Arc<UsageSource>,
    tell: impl Fn(Heard) + Send + 'static,
) {
    let mut ticks = interval(period);
    // Whoever is slow to answer is not asked more often for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut speaker = Speaker::default();
    let mut last: Option<(Time, Instant)> = None;
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        let outcome = measure(&client, &source).await;
        let took = asked.elapsed();
        speaker.tell(&source, outcome.as_ref());
        tell(match outcome {
            Ok(measurement) => {
                // From when it was asked: so samples are rather thought too old than too young.
                last = Some((measurement.now, asked));
                Heard {
                    source: source.clone(),
                    now: measurement.now,
                    samples: Some(measurement.samples),
                    result: PollResult::Success,
                    ignored: measurement.ignored.len(),
                    took,
                }
            }
            Err(error) => {
                // In 290 years the nanoseconds are too many.
                let since = |at: Instant| Time::try_from(at.elapsed().as_nanos()).unwrap_or(Time::MAX);
                Heard {
                    source: source.clone(),
                    now: last.map_or(0, |(now, at)| now.saturating_add(since(at))),
                    samples: None,
                    result: error.result(),
                    ignored: 0,
                    took,
                }
            }
        });
    }
}
