//! Changes of the configuration file while the scheduler runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loadline_framework::Registry;
use loadline_kubernetes::{Announcer, Extenders, Scheduling};
use loadline_metrics::Metrics;
use loadline_rescheduler::Options;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::RunArgs;
use super::reschedule;
use super::settings::{self, Settings};
use super::usage::{Pollers, Sources};

/// How often the file is looked at. A mounted ConfigMap changes by a link that is replaced, which a look at the text itself sees
/// like any other change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a change takes effect on.
pub(super) struct Reload<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) registry: &'a Registry,
    pub(super) scheduling: Scheduling,
    /// Those that the process was started with.
    pub(super) extenders: Extenders,
    /// Sources of real use that are asked.
    pub(super) pollers: Pollers,
    /// By which options pods are moved.
    pub(super) rescheduling: watch::Sender<Option<Arc<Options>>>,
    pub(super) announcer: Announcer,
    pub(super) metrics: Metrics,
    /// The configuration that is in force, for whoever shows it.
    pub(super) in_force: watch::Sender<Arc<Value>>,
}

impl Reload<'_> {
    /// Follows the file for ever. `running` is what the process was started with, by the text in `known`.
    pub(super) async fn follow(mut self, path: &Path, running: &Settings, mut known: String) {
        let mut refused: Option<String> = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                // Between two links there may be none for a moment.
                Err(error) => {
                    let error = error.to_string();
                    if refused.as_ref() != Some(&error) {
                        warn!(path = %path.display(), error, "the configuration can not be read; the old one stays");
                        refused = Some(error);
                    }
                    continue;
                }
            };
            // What was refused once is told once.
            if text == known || refused.as_ref() == Some(&text) {
                continue;
            }
            match self.take_over(path, &text, running).await {
                Ok(()) => {
                    known = text;
                    refused = None;
                }
                Err(reasons) => {
                    self.refuse(path, &reasons).await;
                    refused = Some(text);
                }
            }
        }
    }

    /// Puts a configuration in force, or says everything that stands against it.
    async fn take_over(&mut self, path: &Path, text: &str, running: &Settings) -> Result<(), Vec<String>> {
        let told = |problems: Vec<_>| -> Vec<String> { problems.iter().map(ToString::to_string).collect() };
        let file = path.to_string_lossy();
        let loaded = loadline_config::parse(text, &file, self.registry).map_err(told)?;
        let mut warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let wanted = settings::merge(self.args, loaded.config, &mut warnings).map_err(told)?;
        let fixed = needs_restart(running, &wanted);
        if !fixed.is_empty() {
            let reason =
                |field: &&str| format!("{file}: {field}: takes effect at a restart, so the whole change is refused");
            return Err(fixed.iter().map(reason).collect());
        }
        let mut profiles = loadline_config::compile(&wanted.config, self.registry).map_err(told)?;
        let extenders = self.extenders.changed(&wanted.config.extenders).await;
        profiles.extenders = extenders.map_err(|error| vec![error.to_string()])?.all();
        let sources = Sources::new(profiles.usage_sources()).map_err(|error| vec![error.to_string()])?;
        let rescheduling = reschedule::options(&wanted.config, &mut warnings)?;
        for warning in warnings {
            warn!("{warning}");
        }
        let hash = profiles.config_hash.to_string();
        let Some(left) = self.scheduling.set_profiles(profiles).await else {
            return Err(vec!["the scheduling thread has ended".to_owned()]);
        };
        // After the profiles: what a source says is of use to whoever knows it.
        self.pollers.ask(sources);
        // The same options again change nothing.
        self.rescheduling.send_if_modified(|known| {
            let is_new = *known != rescheduling;
            *known = rescheduling;
            is_new
        });
        info!(path = %path.display(), hash, pods_left = left, "the changed configuration is in force");
        self.metrics.reloaded(true);
        self.announcer.announce("ConfigReloaded", false, &format!("{file} is in force, hash {hash}")).await;
        let _ = self.in_force.send(Arc::new(loadline_config::effective::shown(&wanted.config, self.registry)));
        Ok(())
    }

    async fn refuse(&self, path: &Path, reasons: &[String]) {
        self.metrics.reloaded(false);
        for reason in reasons {
            error!(path = %path.display(), reason, "the changed configuration is refused; the old one stays");
        }
        self.announcer.announce("ConfigRejected", true, &reasons.join("\n")).await;
    }
}

/// Names of fields that differ and take effect at a restart alone.
fn needs_restart(running: &Settings, wanted: &Settings) -> Vec<&'static str> {
    let (old, new) = (&running.config, &wanted.config);
    let fields = [
        ("parallelism", old.parallelism == new.parallelism),
        ("leaderElection", old.leader_election == new.leader_election),
        ("clientConnection", old.client_connection == new.client_connection),
        ("delayCacheUntilActive", old.delay_cache_until_active == new.delay_cache_until_active),
        ("enableProfiling", old.enable_profiling == new.enable_profiling),
        ("enableContentionProfiling", old.enable_contention_profiling == new.enable_contention_profiling),
    ];
    fields.into_iter().filter(|(_, is_same)| !is_same).map(|(field, _)| field).collect()
}
