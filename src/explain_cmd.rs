//! `loadline explain`.

use std::io::{self, Write};
use std::path::Path;

use loadline_framework::Registry;
use loadline_framework::record::{API_VERSION, DecisionList, LiveDecision, Outcome};
use loadline_kubernetes::Record;
use loadline_simulator::{ExplainError, ExplainOptions, explain};

use crate::cli::{Explain, FILES};
use crate::exit::{Exit, Failure};
use crate::input::{self, Ready, Source};
use crate::output::{Format, Streams, write_json, write_value, write_yaml};
use crate::progress::Bar;
use crate::recorded::{self, Recorded};
use crate::render::explain::Explained;
use crate::render::lines;
use crate::snapshot_cmd;

/// JSON is spread over lines down to the fields of a decision's parts; a node is one line.
const OPEN: usize = 4;
/// How deep a decision stands in the list.
const DEPTH: usize = 2;

/// Runs the command.
pub(crate) fn run(args: &Explain, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    input::check_paths(&args.input)?;
    let Recorded { records, others } =
        recorded::ask(args, streams).map_err(|failure| with_files(failure, &args.pods))?;
    match records.first() {
        Some(first) if others.is_empty() => {
            let mut sink = Sink::new(args, &head(&first.config_hash, first.seed), streams)?;
            sink.add_all(&records, streams.out)?;
            let pending = sink.finish(streams.out)?;
            Ok(input::exit(&args.input, false, pending))
        }
        _ => evaluate(args, others, &records, registry, streams),
    }
}

/// Judges pods by a snapshot or files. The head of the list is about these; a record has the configuration that made it with it.
fn evaluate(
    args: &Explain,
    pods: Vec<String>,
    records: &[Record],
    registry: &Registry,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let mut bar = Bar::new(streams.progress.draws(args.input.output));
    let source = if args.input.paths.is_empty() {
        let list = snapshot_cmd::in_memory(&args.cluster, &mut bar, streams);
        Source::List(list.map_err(|failure| with_files(failure, &args.pods))?)
    } else {
        Source::Paths
    };
    let Ready { loaded, profiles, .. } = input::prepare(&args.input, source, registry, streams, &mut bar)?;
    let options = ExplainOptions { pods, seed: args.input.seed, parallelism: args.input.threads() };
    let mut sink = Sink::new(args, &head(&profiles.config_hash, options.seed), streams)?;
    let out = &mut *streams.out;
    let result = explain(&loaded.cluster, &profiles, &options, &mut |progress| bar.show(&progress), &mut |decision| {
        sink.add(&LiveDecision { decision, summary: None }, out)
    });
    bar.clear();
    let summary = result.map_err(|error| match error {
        ExplainError::Output(error) => Failure::Output(error),
        other => with_files(Failure::message(&other), &args.pods),
    })?;
    // Not before: with an error nothing is on standard output.
    sink.add_all(records, streams.out)?;
    let pending = sink.finish(streams.out)?;
    input::warn_of_others(&summary.other_schedulers, &profiles, streams)?;
    Ok(input::exit(&args.input, !loaded.problems.is_empty(), pending))
}

/// A list without decisions.
fn head(config_hash: &str, seed: u64) -> DecisionList {
    DecisionList {
        api_version: API_VERSION.to_owned(),
        kind: "DecisionList".to_owned(),
        config_hash: config_hash.to_owned(),
        seed,
        pods: Vec::new(),
    }
}

/// Adds what to do with files that were given as pods.
fn with_files(failure: Failure, pods: &[String]) -> Failure {
    match (failure, pods.iter().find(|pod| Path::new(pod).exists())) {
        (Failure::Message(message), Some(file)) => {
            Failure::Message(format!("{message}\n`{file}` is a file or folder: {FILES}"))
        }
        (failure, _) => failure,
    }
}

/// Where decisions go, one at a time.
struct Sink {
    form: Form,
    /// Pods without a node.
    pending: u64,
}

enum Form {
    Table(Explained),
    Stream(ListWriter),
}

impl Sink {
    fn new(args: &Explain, head: &DecisionList, streams: &Streams<'_>) -> io::Result<Self> {
        let form = match args.input.output {
            Format::Table => Form::Table(Explained::new(!args.pods.is_empty(), streams.view)),
            format @ (Format::Json | Format::Yaml) => Form::Stream(ListWriter::new(head, format)?),
        };
        Ok(Self { form, pending: 0 })
    }

    fn add(&mut self, decision: &LiveDecision, out: &mut dyn Write) -> io::Result<()> {
        if decision.decision.result != Outcome::Feasible {
            self.pending += u64::from(decision.decision.count.unwrap_or(1));
        }
        match &mut self.form {
            Form::Table(table) => {
                table.add(decision);
                Ok(())
            }
            Form::Stream(writer) => writer.add(decision, out),
        }
    }

    fn add_all(&mut self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        records.iter().try_for_each(|record| self.add(&record.decision, out))
    }

    /// Gives the number of pods without a node.
    fn finish(self, out: &mut dyn Write) -> io::Result<u64> {
        match self.form {
            Form::Table(table) => out.write_all(table.finish().as_bytes())?,
            Form::Stream(writer) => writer.finish(out)?,
        }
        Ok(self.pending)
    }
}

/// Writes a list of decisions without holding it. Nothing is written before the first decision is there, so that a
/// failure before it leaves standard output empty.
struct ListWriter {
    format: Format,
    /// The list without decisions, cut where they belong.
    head: String,
    tail: String,
    begun: bool,
}

/// The decisions of a list that has none.
const NONE: &str = "[]";

impl ListWriter {
    fn new(head: &DecisionList, format: Format) -> io::Result<Self> {
        let mut empty = Vec::new();
        write_value(head, format, OPEN, &mut empty)?;
        let empty = String::from_utf8(empty).map_err(io::Error::other)?;
        let (head, tail) =
            empty.rsplit_once(NONE).ok_or_else(|| io::Error::other("a list has a place for decisions"))?;
        Ok(Self { format, head: head.to_owned(), tail: tail.to_owned(), begun: false })
    }

    fn add(&mut self, decision: &LiveDecision, out: &mut dyn Write) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.format == Format::Yaml {
            if first {
                // A list that is not empty begins on the next line.
                writeln!(out, "{}", self.head.trim_end())?;
            }
            return write_yaml(&[decision], out);
        }
        if first {
            out.write_all(self.head.as_bytes())?;
        }
        out.write_all(if first { b"[" } else { b"," })?;
        lines::line(out, DEPTH)?;
        write_json(decision, DEPTH, OPEN, out)
    }

    fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        let Self { format, head, tail, begun } = self;
        match (begun, format) {
            (false, _) => write!(out, "{head}{NONE}{tail}"),
            // A YAML list ends where the document does.
            (true, Format::Yaml) => Ok(()),
            (true, _) => {
                lines::line(out, DEPTH - 1)?;
                write!(out, "]{tail}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use loadline_framework::record::Decision;

    use super::*;
    use crate::render::testing::{gated, placed, unplaced};

    fn list(pods: Vec<Decision>) -> DecisionList {
        DecisionList {
            api_version: API_VERSION.to_owned(),
            kind: "DecisionList".to_owned(),
            config_hash: "0123".to_owned(),
            seed: 3,
            pods,
        }
    }

    fn streamed(pods: &[Decision], format: Format) -> String {
        let mut writer = ListWriter::new(&list(Vec::new()), format).expect("a head can be written");
        let mut out = Vec::new();
        for decision in pods {
            let decision = LiveDecision { decision: decision.clone(), summary: None };
            writer.add(&decision, &mut out).expect("memory takes everything");
        }
        writer.finish(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("it is UTF-8")
    }

    fn at_once(pods: Vec<Decision>, format: Format) -> String {
        let mut out = Vec::new();
        write_value(&list(pods), format, OPEN, &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("it is UTF-8")
    }

    #[test]
    fn a_stream_gives_the_same_bytes_as_the_whole() {
        for pods in [vec![], vec![placed()], vec![placed(), unplaced(), gated()]] {
            for format in [Format::Json, Format::Yaml] {
                assert_eq!(streamed(&pods, format), at_once(pods.clone(), format), "{format:?}");
            }
        }
    }

    #[test]
    fn json_can_be_read_back() {
        let pods = vec![placed(), unplaced(), gated()];
        let read: DecisionList = serde_json::from_str(&streamed(&pods, Format::Json)).expect("it is a list");
        assert_eq!(read.pods, pods);
        assert_eq!(read.seed, 3);
    }

    #[test]
    fn json_has_a_line_for_each_node() {
        insta::assert_snapshot!(streamed(&[unplaced()], Format::Json));
    }

    #[test]
    fn yaml_looks_like_kubectls() {
        insta::assert_snapshot!(streamed(&[placed()], Format::Yaml));
    }
}
