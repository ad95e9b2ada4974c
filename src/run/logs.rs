//! What is told on standard error while it runs: `-v`, `--vmodule`, `--logging-format`, and a limit for what repeats itself.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use loadline_model::Map;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, info};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt as format};

/// Flags about the log.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The log, on standard error")]
pub(crate) struct LogFlags {
    /// How much is told: 0 what begins, ends and goes wrong; 2 what is done to the cluster; 4 each decision; 6 how it came about; 8
    /// requests to the API server; 10 everything.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", default_value_t = 0)]
    pub(crate) verbosity: u32,
    /// Other levels than -v for some modules: PATTERN=LEVEL,... where a pattern such as `write*` stands for names of source files.
    #[arg(long, value_name = "PATTERN=LEVEL,...", value_delimiter = ',', value_parser = module)]
    pub(crate) vmodule: Vec<Module>,
    /// The form of a line.
    #[arg(long, value_name = "FORMAT", default_value_t, value_enum)]
    pub(crate) logging_format: LogFormat,
}

/// `--logging-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// An element of `--vmodule`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pattern: String,
    level: u32,
}

fn module(text: &str) -> Result<Module, String> {
    let wrong = || "not of the form PATTERN=LEVEL".to_owned();
    let (pattern, level) = text.split_once('=').ok_or_else(wrong)?;
    if pattern.is_empty() {
        return Err(wrong());
    }
    let level = level.parse().map_err(|error| format!("level {level:?}: {error}"))?;
    Ok(Module { pattern: pattern.to_owned(), level })
}

/// Whether a name is meant by a pattern with `*` for any text and `?` for any letter.
fn is_meant(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => is_meant(rest, name) || (!name.is_empty() && is_meant(pattern, &name[1..])),
        ([b'?', rest @ ..], [_, others @ ..]) => is_meant(rest, others),
        ([letter, rest @ ..], [other, others @ ..]) => letter == other && is_meant(rest, others),
        _ => false,
    }
}

/// From which level of `-v` on something is told.
fn level_of(metadata: &Metadata<'_>) -> u32 {
    let target = metadata.target();
    let ours = target.starts_with("loadline");
    match *metadata.level() {
        // Libraries also complain of what is then tried again.
        Level::ERROR | Level::WARN | Level::INFO if ours => 0,
        Level::ERROR | Level::WARN => 2,
        Level::DEBUG if ours && target.ends_with("::writer") => 2,
        Level::DEBUG if ours => 4,
        Level::TRACE if ours => 6,
        Level::INFO | Level::DEBUG => 8,
        Level::TRACE => 10,
    }
}

/// Decides what is told, for the whole process.
struct Told {
    verbosity: u32,
    modules: Vec<Module>,
    repeats: Arc<Repeats>,
}

impl Told {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let file = metadata.target().rsplit("::").next().unwrap_or_default();
        let by_module = self.modules.iter().find(|module| is_meant(module.pattern.as_bytes(), file.as_bytes()));
        level_of(metadata) <= by_module.map_or(self.verbosity, |module| module.level)
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        *event.metadata().level() > Level::WARN || self.repeats.may_be_told(event, now())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let most = self.modules.iter().map(|module| module.level).fold(self.verbosity, u32::max);
        Some(match most {
            0..2 => LevelFilter::INFO,
            2..6 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "the log is about real time, and nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

/// Warnings that come from one place in the source. An API server that is away must not fill a disk.
#[derive(Default)]
pub(crate) struct Repeats {
    places: Mutex<Map<tracing::callsite::Identifier, Place>>,
}

struct Place {
    since: Instant,
    told: u32,
    /// How many were left out, and of the first its words.
    left_out: u64,
    words: String,
}

impl Repeats {
    /// So many warnings of one place in this time; those beyond are counted.
    const TOLD: u32 = 20;
    /// How long that counts, and how often it is said what was left out.
    const WINDOW: Duration = Duration::from_secs(10);

    fn may_be_told(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Place { since: now, told: 0, left_out: 0, words: String::new() };
        let place = places.entry(event.metadata().callsite()).or_insert_with(new);
        if now.duration_since(place.since) >= Self::WINDOW {
            (place.since, place.told) = (now, 0);
        }
        if place.told < Self::TOLD {
            place.told += 1;
            return true;
        }
        if place.left_out == 0 {
            let mut words = Words(String::new());
            event.record(&mut words);
            place.words = words.0;
        }
        place.left_out += 1;
        false
    }

    /// Says how many warnings were left out since it was last asked.
    pub(crate) fn report(&self) {
        for (words, left_out) in self.take() {
            info!(left_out, "more of the same were left out: {words}");
        }
    }

    fn take(&self) -> Vec<(String, u64)> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let with_some = places.values_mut().filter(|place| place.left_out > 0);
        with_some.map(|place| (std::mem::take(&mut place.words), std::mem::take(&mut place.left_out))).collect()
    }

    /// Reports now and then, for as long as it is polled.
    pub(crate) async fn keep_reporting(&self) {
        loop {
            tokio::time::sleep(Self::WINDOW).await;
            self.report();
        }
    }
}

/// The message of an event.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Begins to log for the whole process. What is given back says what is left out.
pub(crate) fn begin(flags: &LogFlags) -> Arc<Repeats> {
    let repeats = Arc::new(Repeats::default());
    let told = Told { verbosity: flags.verbosity, modules: flags.vmodule.clone(), repeats: repeats.clone() };
    let layer = format::layer().with_writer(std::io::stderr);
    let layer = match flags.logging_format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(layer).with(told).init();
    repeats
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing::{debug, warn};

    use super::*;

    /// What is written while `work` is done.
    fn logged(verbosity: u32, vmodule: &[&str], work: impl FnOnce(&Repeats)) -> String {
        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("nobody panicked").write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let repeats = Arc::new(Repeats::default());
        let modules = vmodule.iter().map(|text| module(text).expect("it is one")).collect();
        let told = Told { verbosity, modules, repeats: repeats.clone() };
        let layer = format::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer).with(told);
        tracing::subscriber::with_default(subscriber, || work(&repeats));
        let bytes = written.0.lock().expect("nobody panicked").clone();
        String::from_utf8(bytes).expect("it is UTF-8")
    }

    fn one_of_each() {
        info!("begins");
        debug!(target: "loadline_kubernetes::writer", "bound");
        debug!(target: "loadline_kubernetes::live", "decided");
        tracing::trace!(target: "loadline_engine::cycle", "scored");
        warn!(target: "kube_client", "complains");
        debug!(target: "kube_client", "asks");
        tracing::trace!(target: "hyper", "reads");
    }

    #[test]
    fn each_level_tells_more() {
        let words = |verbosity| {
            let text = logged(verbosity, &[], |_| one_of_each());
            text.lines().filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words(0), ["begins"]);
        assert_eq!(words(2), ["begins", "bound", "complains"]);
        assert_eq!(words(4), ["begins", "bound", "decided", "complains"]);
        assert_eq!(words(6), ["begins", "bound", "decided", "scored", "complains"]);
        assert_eq!(words(8), ["begins", "bound", "decided", "scored", "complains", "asks"]);
        assert_eq!(words(10), ["begins", "bound", "decided", "scored", "complains", "asks", "reads"]);
    }

    #[test]
    fn modules_may_have_levels_of_their_own() {
        let text = logged(4, &["writ?r=0", "cyc*=6"], |_| one_of_each());
        assert!(text.contains("decided") && text.contains("scored") && !text.contains("bound"), "{text}");
        for wrong in ["live", "=4", "live=much", "live=-1"] {
            assert!(module(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_repeats_itself_is_counted() {
        let text = logged(0, &[], |repeats| {
            for number in 0..Repeats::TOLD + 7 {
                warn!(number, "the API server is away");
            }
            warn!("something else");
            repeats.report();
            repeats.report();
        });
        let away = text.lines().filter(|line| line.contains("the API server is away number=")).count();
        assert_eq!(away, Repeats::TOLD as usize, "{text}");
        assert!(text.contains("something else"), "{text}");
        let told = "more of the same were left out: the API server is away left_out=7";
        assert_eq!(text.matches(told).count(), 1, "{text}");
    }
}
