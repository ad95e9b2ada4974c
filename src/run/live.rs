//! The life of a live scheduler: candidate, leader, end.

use std::time::Duration;

use loadline_config::Config;
use loadline_framework::Registry;
use loadline_kubernetes::{Connection, Election, ElectionOptions, Fence, Live, LiveError, LiveOptions};
use loadline_metrics::Metrics;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::settings::Settings;
use crate::exit::{Exit, Failure};

/// Runs until it is told to end, or has to.
pub(super) async fn run(settings: &Settings, registry: &Registry) -> Result<Exit, Failure> {
    let config = &settings.config;
    let profiles = loadline_config::compile(config, registry)?;
    let metrics = Metrics::new();
    let connection = Connection::new(&settings.access, settings.client_limits, &metrics).await;
    let connection = connection.map_err(|error| Failure::message(&error))?;
    tokio::spawn(connection.clone().follow_files(settings.access.clone()));
    let mut signals = Signals::new()?;
    let mut election = election(&connection, config);
    let fence = election.as_ref().map_or_else(Fence::open, Election::fence);
    let options = LiveOptions {
        parallelism: usize::try_from(config.parallelism).unwrap_or(1),
        seed: 0,
        max_in_unschedulable: settings.max_in_unschedulable,
        check_period: Duration::from_mins(15),
        is_cold: config.delay_cache_until_active && election.is_some(),
        metrics,
    };
    let mut live = Live::start(&connection, &fence, profiles, &options).map_err(|error| Failure::message(&error))?;
    let Some(election) = &mut election else {
        live.lead();
        return tokio::select! {
            () = signals.next() => stop(live).await,
            () = live.ended() => Err(Failure::message(&LiveError::Panicked)),
        };
    };
    tokio::select! {
        () = election.win() => live.lead(),
        () = signals.next() => return stop(live).await,
        () = live.ended() => return Err(Failure::message(&LiveError::Panicked)),
    }
    let exit = tokio::select! {
        () = election.hold() => return Err(Failure::message(&"the lease is lost: another instance may be scheduling")),
        exit = async {
            tokio::select! {
                () = signals.next() => {}
                () = live.ended() => {}
            }
            // The lease is renewed meanwhile.
            stop(live).await
        } => exit,
    };
    election.release().await;
    exit
}

async fn stop(live: Live) -> Result<Exit, Failure> {
    live.stop().await.map_err(|error| Failure::message(&error))?;
    Ok(Exit::Done)
}

fn election(connection: &Connection, config: &Config) -> Option<Election> {
    let of = &config.leader_election;
    let duration = |nanoseconds: i64| Duration::from_nanos(nanoseconds.unsigned_abs());
    let options = ElectionOptions {
        namespace: of.resource_namespace.clone(),
        name: of.resource_name.clone(),
        lease_duration: duration(of.lease_duration),
        renew_deadline: duration(of.renew_deadline),
        retry_period: duration(of.retry_period),
        component: config.profiles.first().map(|profile| profile.scheduler_name.clone()).unwrap_or_default(),
    };
    of.leader_elect.then(|| Election::new(connection, options))
}

/// What asks a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
