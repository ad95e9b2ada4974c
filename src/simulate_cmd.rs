//! `loadline simulate`.

use loadline_framework::Registry;
use loadline_framework::record::Decision;
use loadline_simulator::report::Report;
use loadline_simulator::{SimulateOptions, simulate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Simulate;
use crate::exit::{Exit, Failure};
use crate::input::{self, Ready, Source};
use crate::output::{Format, Streams, write_value};
use crate::progress::Bar;
use crate::render::simulate::{Shown, render};
use crate::render::{count, decision};

/// JSON is spread over lines down to the lists; a placement, a pod, a node is one line.
const OPEN: usize = 2;

/// What is printed: the report, and the decisions that were asked for.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulationReport {
    /// The report.
    #[serde(flatten)]
    report: Report,
    /// The last decision on each pod that `--explain` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Decision>,
}

/// Runs the command.
pub(crate) fn run(args: &Simulate, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    if args.input.paths.is_empty() {
        return Err(Failure::Message(
            "no input: give files with -f, such as a cluster as it is now:\n  loadline snapshot save cluster.json\n  \
             loadline simulate -f cluster.json"
                .to_owned(),
        ));
    }
    input::check_paths(&args.input)?;
    // The result comes at once, after the last progress.
    let mut bar = Bar::new(streams.progress.draws(Format::Table));
    let Ready { loaded, profiles, .. } = input::prepare(&args.input, Source::Paths, registry, streams, &mut bar)?;
    let options = SimulateOptions {
        seed: args.input.seed,
        until: args.until,
        parallelism: args.input.threads(),
        explain: args.explain.clone(),
    };
    let partial = !loaded.problems.is_empty();
    let result = simulate(&loaded.cluster, &profiles, &options, &mut |progress| {
        bar.show(&progress);
    });
    bar.clear();
    let (report, decisions) = result.map_err(|error| Failure::message(&error))?;
    let pending = report.pending.len() as u64;
    let circling = report.circling.len() as u64;
    let others = report.other_schedulers.clone();
    match args.input.output {
        Format::Table => {
            let shown = Shown { placements: args.placements, nodes: args.nodes };
            streams.out.write_all(render(&report, shown, streams.view).as_bytes())?;
            for decision in &decisions {
                writeln!(streams.out, "\n{}", decision::render(decision, None, streams.view).trim_end())?;
            }
        }
        format => write_value(&SimulationReport { report, decisions }, format, OPEN, streams.out)?,
    }
    if circling > 0 {
        let pods = count(circling, "pod");
        let message = format!("{pods} went in circles until the limit of virtual time (--until)");
        crate::exit::warning(&message, streams.err, streams.err_styles)?;
    }
    input::warn_of_others(&others, &profiles, streams)?;
    Ok(input::exit(&args.input, partial, pending))
}
