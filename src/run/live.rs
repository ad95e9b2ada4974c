//! The life of a live scheduler: candidate and leader in turn, and the end.

use std::sync::Arc;
use std::time::Duration;

use loadline_config::Config;
use loadline_framework::Registry;
use loadline_kubernetes::{
    Announcer, Connection, Election, ElectionOptions, Extenders, Fence, GroupStatuses, Live, LiveError, LiveOptions,
    Rescheduler,
};
use loadline_metrics::Metrics;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::RunArgs;
use super::reload::Reload;
use super::reschedule;
use super::serve::{Served, Serving};
use super::settings::Settings;
use super::usage::{Pollers, Sources};
use crate::exit::{Exit, Failure};

/// Runs until it is told to end, or has to.
pub(super) async fn run(
    args: &RunArgs,
    settings: &Settings,
    config_text: Option<String>,
    registry: &Registry,
) -> Result<Exit, Failure> {
    let config = &settings.config;
    let mut profiles = loadline_config::compile(config, registry)?;
    let extenders = Extenders::new(&config.extenders).await.map_err(|error| Failure::message(&error))?;
    profiles.extenders = extenders.all();
    let sources = Sources::new(profiles.usage_sources()).map_err(|error| Failure::message(&error))?;
    let mut warnings = Vec::new();
    let rescheduling = reschedule::options(config, &mut warnings);
    let rescheduling = rescheduling.map_err(|errors| Failure::Message(errors.join("\n")))?;
    for warning in warnings {
        warn!("{warning}");
    }
    let metrics = Metrics::new();
    for (name, stage, enabled) in &settings.gates {
        metrics.set_feature(name, stage, *enabled);
    }
    let connection = Connection::new(&settings.access, settings.client_limits, &metrics).await;
    let connection = connection.map_err(|error| Failure::message(&error))?;
    tokio::spawn(connection.clone().follow_files(settings.access.clone()));
    let component = config.profiles.first().map(|profile| profile.scheduler_name.as_str()).unwrap_or_default();
    let of = &config.leader_election;
    let announcer = Announcer::new(&connection, &of.resource_namespace, &of.resource_name, component);
    let mut election = election(&connection, config, &announcer);
    let fence = election.as_ref().map_or_else(Fence::open, Election::fence);
    let options = LiveOptions {
        parallelism: usize::try_from(config.parallelism).unwrap_or(1),
        seed: args.own.seed,
        max_in_unschedulable: settings.max_in_unschedulable,
        check_period: Duration::from_nanos(args.own.cache_check_period.unsigned_abs()),
        refusal_backoff: args.own.refusal_backoff,
        is_cold: config.delay_cache_until_active && election.is_some(),
        metrics: metrics.clone(),
        witness: None,
        originals: extenders.originals(),
    };
    let live = Live::start(&connection, &fence, profiles, &options).map_err(|error| Failure::message(&error))?;
    let (rescheduling, of_rescheduler) = watch::channel(rescheduling);
    let rescheduler = Rescheduler::new(&connection, &fence, live.scheduling(), metrics.clone(), of_rescheduler);
    let groups = GroupStatuses::new(&connection, &fence, live.scheduling());
    let (in_force, shown) = watch::channel(Arc::new(loadline_config::effective::shown(config, registry)));
    let served = Served {
        settings: &settings.serve,
        flags: &settings.flags,
        config,
        in_force: shown,
        connection: &connection,
        metrics: &metrics,
        scheduling: live.scheduling(),
        fence,
    };
    let serving = Serving::start(served).await?;
    let lease = of.resource_name.as_str();
    let (scheduling, metrics_of_reload) = (live.scheduling(), metrics.clone());
    let mut pollers = Pollers::new(live.scheduling(), metrics.clone());
    pollers.ask(sources);
    let reload = Reload {
        args,
        registry,
        scheduling,
        extenders,
        pollers,
        rescheduling,
        announcer,
        metrics: metrics_of_reload,
        in_force,
    };
    let reload = async {
        match (&args.config.config, config_text) {
            (Some(path), Some(text)) => reload.follow(path, settings, text).await,
            _ => std::future::pending().await,
        }
    };
    let workers = Workers { rescheduler, groups };
    let life = life(live, election.as_mut(), workers, &serving, |leads| metrics.set_leading(lease, leads));
    let exit = tokio::select! {
        exit = Box::pin(life) => exit,
        () = Box::pin(reload) => unreachable!("a file is followed for ever"),
        () = Box::pin(server_version(&connection)) => unreachable!("it waits for ever once it knows"),
    };
    serving.stop().await;
    exit
}

/// What a leader does besides scheduling.
struct Workers {
    rescheduler: Rescheduler,
    groups: GroupStatuses,
}

impl Workers {
    /// Works for as long as it is polled.
    async fn run(&mut self) {
        tokio::join!(self.rescheduler.run(), self.groups.run());
    }
}

/// Candidate and leader in turn, until it ends.
async fn life(
    mut live: Live,
    election: Option<&mut Election>,
    mut workers: Workers,
    serving: &Serving,
    tell_leading: impl Fn(bool),
) -> Result<Exit, Failure> {
    let mut signals = Signals::new()?;
    let stop = |live: Live| {
        serving.announce_end();
        stop(live)
    };
    let Some(election) = election else {
        live.prepare();
        workers.rescheduler.begin().await;
        live.lead();
        return tokio::select! {
            () = signals.next() => stop(live).await,
            () = live.ended() => Err(Failure::message(&LiveError::Panicked)),
            () = workers.run() => unreachable!("they work for ever"),
        };
    };
    loop {
        tell_leading(false);
        tokio::select! {
            () = election.win() => {}
            () = signals.next() => return stop(live).await,
            () = live.ended() => return Err(Failure::message(&LiveError::Panicked)),
        }
        // Rooms that are held for pods under way are held again before anybody else may have them.
        live.prepare();
        workers.rescheduler.begin().await;
        live.lead();
        tell_leading(true);
        let is_asked_to_end = tokio::select! {
            () = election.hold() => false,
            () = signals.next() => true,
            () = live.ended() => true,
            () = workers.run() => unreachable!("they work for ever"),
        };
        if is_asked_to_end {
            break;
        }
        error!("the lease is lost: another instance may be scheduling; waiting for it again");
        live.step_down();
        workers.rescheduler.step_down().await;
    }
    let exit = tokio::select! {
        // The lease is renewed meanwhile.
        () = election.hold() => {
            error!("the lease is lost: another instance may be scheduling");
            return Ok(Exit::Lost);
        }
        exit = stop(live) => exit,
    };
    election.release().await;
    tell_leading(false);
    exit
}

/// Says so when the API server is of a version that this was not written for, as soon as it answers, and then waits for ever.
async fn server_version(connection: &Connection) {
    const PAUSE: Duration = Duration::from_secs(10);
    let mut is_told = false;
    let version = loop {
        match connection.server_version().await {
            Ok(version) => break version,
            Err(error) if !is_told => warn!(%error, "the API server does not tell its version; asking until it does"),
            Err(error) => debug!(%error, "the API server does not tell its version"),
        }
        is_told = true;
        tokio::time::sleep(PAUSE).await;
    };
    match version {
        (major, minor) if major == TESTED.0 && minor == TESTED.1 => {}
        (major, minor) if major == TESTED.0 && minor == TESTED.1 - 1 => {
            info!("the API server is Kubernetes {major}.{minor}; this was tested with {}.{}", TESTED.0, TESTED.1);
        }
        (major, minor) => warn!(
            "the API server is Kubernetes {major}.{minor}, and this decides as kube-scheduler {}.{} does: fields that only the \
             API server's version has are not seen, and defaults may differ",
            TESTED.0, TESTED.1
        ),
    }
    std::future::pending::<()>().await;
}

/// The version of Kubernetes that this was written for and tested with.
const TESTED: (u32, u32) = (1, 36);

async fn stop(live: Live) -> Result<Exit, Failure> {
    live.stop().await.map_err(|error| Failure::message(&error))?;
    Ok(Exit::Done)
}

fn election(connection: &Connection, config: &Config, announcer: &Announcer) -> Option<Election> {
    let of = &config.leader_election;
    let duration = |nanoseconds: i64| Duration::from_nanos(nanoseconds.unsigned_abs());
    let options = ElectionOptions {
        namespace: of.resource_namespace.clone(),
        name: of.resource_name.clone(),
        lease_duration: duration(of.lease_duration),
        renew_deadline: duration(of.renew_deadline),
        retry_period: duration(of.retry_period),
    };
    of.leader_elect.then(|| Election::new(connection, options, announcer.clone()))
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
