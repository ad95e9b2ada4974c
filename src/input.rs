//! What `explain` and `simulate` begin with: the configuration and the cluster, with everything that is wrong in either
//! said at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use loadline_api::doc::{Problem, did_you_mean};
use loadline_config::Config;
use loadline_framework::{Profiles, Registry};
use loadline_simulator::{LoadOptions, Loaded, MeasuredNodes, load};

use crate::cli::Input;
use crate::exit::{Exit, Failure, list_problems, warning};
use crate::output::Streams;
use crate::progress::Bar;
use crate::render::count;

/// The name of standard input on the command line.
pub(crate) const STDIN: &str = "-";

/// Both, ready to run.
pub(crate) struct Ready {
    /// The cluster and what was said about it.
    pub(crate) loaded: Loaded,
    /// The configuration, compiled.
    pub(crate) profiles: Profiles,
    /// The configuration.
    pub(crate) config: Config,
}

/// Where the cluster comes from.
pub(crate) enum Source {
    /// The paths of the command line.
    Paths,
    /// A list of objects that an API server has told of.
    List(Vec<u8>),
}

/// Sees that standard input has only one reader.
pub(crate) fn check_paths(input: &Input) -> Result<(), Failure> {
    let stdin = Path::new(STDIN);
    let readers = input.paths.iter().chain(&input.config).chain(&input.usage).filter(|path| *path == stdin).count();
    if readers > 1 {
        return Err(Failure::Message(
            "- is standard input, which can be read once: give one of them as a file".to_owned(),
        ));
    }
    Ok(())
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read_text(path: &Path, stdin: &mut dyn Read) -> Result<String, Problem> {
    let text = if path == Path::new(STDIN) {
        let mut text = String::new();
        stdin.read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    text.map_err(|error| Problem::of_file(&path.to_string_lossy(), error.to_string()))
}

/// Reads the configuration and the cluster. Warnings go to standard error.
pub(crate) fn prepare(
    input: &Input,
    source: Source,
    registry: &Registry,
    streams: &mut Streams<'_>,
    bar: &mut Bar,
) -> Result<Ready, Failure> {
    let (mut ready, measured) = read_all(input, source, registry, streams, bar)?;
    let warnings = ready.loaded.cluster.measure(measured.as_ref(), &ready.profiles);
    ready.loaded.warnings.extend(warnings);
    say(&ready.loaded, streams)?;
    Ok(ready)
}

/// The same for somebody who goes by what nodes really use himself, whatever plugins do.
pub(crate) fn prepare_measured(
    input: &Input,
    source: Source,
    registry: &Registry,
    streams: &mut Streams<'_>,
    bar: &mut Bar,
) -> Result<Ready, Failure> {
    let (mut ready, measured) = read_all(input, source, registry, streams, bar)?;
    let cluster = &mut ready.loaded.cluster;
    let warnings = match &measured {
        Some(measured) => cluster.measure_all(measured, &ready.profiles),
        None => cluster.measure(None, &ready.profiles),
    };
    ready.loaded.warnings.extend(warnings);
    say(&ready.loaded, streams)?;
    Ok(ready)
}

fn read_all(
    input: &Input,
    source: Source,
    registry: &Registry,
    streams: &mut Streams<'_>,
    bar: &mut Bar,
) -> Result<(Ready, Option<MeasuredNodes>), Failure> {
    let mut options = LoadOptions { paths: input.paths.clone(), replace: input.replace, keep_going: input.keep_going };
    let profiles = read_config(input.config.as_deref(), registry, streams);
    let mut progress = |progress| bar.show(&progress);
    let loaded = match source {
        Source::Paths => load(&options, streams.stdin, &mut progress),
        Source::List(list) => {
            options.paths = vec![STDIN.into()];
            load(&options, &mut io::Cursor::new(list), &mut progress)
        }
    };
    let measured = input.usage.as_deref().map(|path| read_usage(path, streams.stdin)).transpose();
    bar.clear();
    let ((config, profiles), loaded, measured) = match (profiles, loaded, measured) {
        (Ok(profiles), Ok(loaded), Ok(measured)) => (profiles, loaded, measured),
        (profiles, loaded, measured) => {
            let mut problems = profiles.err().unwrap_or_default();
            problems.extend(loaded.err().unwrap_or_default());
            problems.extend(measured.err().unwrap_or_default());
            return Err(problems.into());
        }
    };
    Ok((Ready { loaded, profiles, config }, measured))
}

fn read_config(
    path: Option<&Path>,
    registry: &Registry,
    streams: &mut Streams<'_>,
) -> Result<(Config, Profiles), Vec<Problem>> {
    let mut warnings = Vec::new();
    let config = read_whole_config(path, registry, streams.stdin, &mut warnings)?;
    for message in warnings.into_iter().chain(left_out(&config)) {
        // Standard error is gone: nobody is left to warn, and the work goes on.
        let _ = warning(&message, streams.err, streams.err_styles);
    }
    let profiles = loadline_config::compile(&config, registry)?;
    Ok((config, profiles))
}

fn read_usage(path: &Path, stdin: &mut dyn Read) -> Result<MeasuredNodes, Vec<Problem>> {
    let text = read_text(path, stdin).map_err(|problem| vec![problem])?;
    MeasuredNodes::read(&text, &path.to_string_lossy())
}

/// Reads a configuration; without a path, kube-scheduler's defaults.
pub(crate) fn read_whole_config(
    path: Option<&Path>,
    registry: &Registry,
    stdin: &mut dyn Read,
    said: &mut Vec<String>,
) -> Result<Config, Vec<Problem>> {
    let Some(path) = path else { return loadline_config::default_config(registry) };
    let file = path.to_string_lossy();
    let text = read_text(path, stdin).map_err(|problem| vec![problem])?;
    let loadline_config::Loaded { config, warnings } = loadline_config::parse(&text, &file, registry)?;
    said.extend(warnings.iter().map(ToString::to_string));
    Ok(config)
}

/// What the configuration asks for and is not done here.
fn left_out(config: &Config) -> Option<String> {
    let extenders = config.extenders.len() as u64;
    (extenders > 0).then(|| {
        format!("{} of the configuration left out: no other process is asked here", count(extenders, "extender"))
    })
}

/// Says what was left out and what is probably not meant.
fn say(loaded: &Loaded, streams: &mut Streams<'_>) -> Result<(), Failure> {
    for message in &loaded.replaced {
        writeln!(streams.err, "{message}")?;
    }
    for message in &loaded.warnings {
        warning(message, streams.err, streams.err_styles)?;
    }
    if !loaded.ignored.is_empty() {
        let kinds: Vec<String> = loaded.ignored.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        writeln!(streams.err, "Left out, as a scheduler has no use for them: {}", kinds.join(", "))?;
    }
    if !loaded.problems.is_empty() {
        list_problems(&loaded.problems, streams.err)?;
        let problems = count(loaded.problems.len() as u64, "problem");
        let message = format!("{problems} found; the objects with problems are left out (--keep-going)");
        warning(&message, streams.err, streams.err_styles)?;
    }
    Ok(())
}

/// Pods of other schedulers are no pending pods here: a name that is misspelt must not pass unseen.
pub(crate) fn warn_of_others(
    others: &BTreeMap<String, u64>,
    profiles: &Profiles,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    let names: Vec<&str> = profiles.profiles.iter().map(|profile| &*profile.scheduler_name).collect();
    for (name, pods) in others {
        let (pods, ask) = (count(*pods, "pod"), if *pods == 1 { "asks" } else { "ask" });
        let (known, meant) = (names.join(", "), did_you_mean(name, names.iter().copied()));
        let message =
            format!("left alone: {pods} {ask} for scheduler `{name}`, and the configuration has {known}{meant}");
        warning(&message, streams.err, streams.err_styles)?;
    }
    Ok(())
}

/// The exit code when the work is done. That the input was incomplete outweighs what came of it.
pub(crate) fn exit(input: &Input, partial: bool, pending: u64) -> Exit {
    if partial {
        Exit::Partial
    } else if input.fail_on_pending && pending > 0 {
        Exit::Pending
    } else {
        Exit::Done
    }
}
