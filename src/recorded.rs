//! What a running scheduler has on record of the pods that `explain` is asked for.

use std::io;

use loadline_kubernetes::{Authority, Record, RunningError, RunningScheduler};

use crate::cli::{Explain, Running};
use crate::exit::{Failure, warning};
use crate::output::Streams;
use crate::snapshot_cmd::block_on;

/// Pods with a record, and those without.
pub(crate) struct Recorded {
    pub(crate) records: Vec<Record>,
    /// They are evaluated on a snapshot.
    pub(crate) others: Vec<String>,
}

/// What came of asking.
enum Asked {
    /// Nobody could be asked, with the reason.
    Nobody(String),
    /// A scheduler has answered, of this name.
    Told(String, Recorded),
}

/// Asks the running scheduler about the pods of the command line, and says on standard error who has answered.
pub(crate) fn ask(args: &Explain, streams: &mut Streams<'_>) -> Result<Recorded, Failure> {
    let nothing = || Recorded { records: Vec::new(), others: args.pods.clone() };
    let is_evaluation =
        args.running.fresh || args.input.config.is_some() || args.input.usage.is_some() || args.input.seed != 0;
    if !args.input.paths.is_empty() || args.pods.is_empty() || is_evaluation {
        return Ok(nothing());
    }
    let asked = block_on(ask_each(args))?.map_err(|error| Failure::message(&error))?;
    match asked {
        Asked::Told(name, recorded) => {
            say(&name, &recorded, streams)?;
            Ok(recorded)
        }
        Asked::Nobody(why) => {
            let message = format!("no running scheduler reached ({why}): evaluated on a fresh snapshot");
            if args.running.scheduler.is_some() {
                warning(&message, streams.err, streams.err_styles)?;
            } else {
                // Most clusters let nobody in this way, and a snapshot is no worse an answer.
                writeln!(streams.err, "{message}")?;
            }
            Ok(nothing())
        }
    }
}

/// Only what is wrong with the command line or with files is an error.
async fn ask_each(args: &Explain) -> Result<Asked, RunningError> {
    let access = args.cluster.access();
    let Running { scheduler: url, scheduler_ca, scheduler_insecure, .. } = &args.running;
    let found = match url {
        Some(url) => {
            let authority = match scheduler_ca {
                Some(file) => Authority::File(file.clone()),
                None if *scheduler_insecure => Authority::Nobody,
                None => Authority::Cluster,
            };
            RunningScheduler::at(&access, url, &authority).await.map_err(RunningError::from)
        }
        None => RunningScheduler::leading(&access).await,
    };
    let scheduler = match found {
        Ok(scheduler) => scheduler,
        Err(error @ RunningError::Connect(_)) => return Err(error),
        Err(error) => return Ok(Asked::Nobody(error.to_string())),
    };
    let mut recorded = Recorded { records: Vec::new(), others: Vec::new() };
    for pod in &args.pods {
        let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
        match scheduler.record(namespace, name).await {
            Ok(Some(record)) => recorded.records.push(record),
            Ok(None) => recorded.others.push(pod.clone()),
            Err(error) => {
                let way = scheduler.way_to_it().map_or_else(String::new, |way| format!("; {way} ask it as you"));
                return Ok(Asked::Nobody(format!("{}: {error}{way}", scheduler.name())));
            }
        }
    }
    Ok(Asked::Told(scheduler.name().to_owned(), recorded))
}

fn say(name: &str, recorded: &Recorded, streams: &mut Streams<'_>) -> io::Result<()> {
    if !recorded.records.is_empty() {
        writeln!(streams.err, "From the record of the running scheduler ({name}); --fresh evaluates anew")?;
    }
    for pod in &recorded.others {
        writeln!(
            streams.err,
            "The running scheduler ({name}) has no record of {pod}, which it has not tried, or not lately: evaluated on a fresh snapshot"
        )?;
    }
    Ok(())
}
