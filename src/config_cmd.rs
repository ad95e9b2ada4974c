//! `loadline config`: check, show and compare configurations.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use loadline_api::doc::Problem;
use loadline_config::diff::{Change, diff};
use loadline_config::{Config, compile, default_config, effective, hash, parse};
use loadline_framework::Registry;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure, warning};
use crate::input::read_text;
use crate::output::{Format, Streams, View, write_value, write_yaml};
use crate::render::count;

const EFFECTIVE_EXAMPLES: &str = "\
Examples:
  loadline config effective
  loadline config effective scheduler.yaml
  loadline config effective scheduler.yaml -o json | jq .config.profiles[0].plugins.score";

const DIFF_EXIT_CODES: &str = "\
Exit codes:
  0  both mean the same
  1  they differ
  2  one of them is wrong; every problem is on standard error";

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check configurations; every problem is shown with its place.
    Validate {
        /// KubeSchedulerConfiguration files, as YAML or JSON; - for standard input.
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
    /// Show a configuration as it runs: defaults filled in, plugins in the order in which they are asked.
    ///
    /// What is printed is a configuration that means the same, and a comment behind each value says where it comes
    /// from.
    #[command(after_long_help = EFFECTIVE_EXAMPLES)]
    Effective {
        /// A KubeSchedulerConfiguration; - for standard input; without it, the default configuration.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// What to print.
        #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
        output: ConfigFormat,
        /// Leave out where values come from.
        #[arg(long)]
        no_comments: bool,
    },
    /// Show what differs between two configurations as they run; how they are written does not matter.
    #[command(after_long_help = DIFF_EXIT_CODES, override_usage = "loadline config diff [OPTIONS] [OLD] NEW")]
    Diff {
        /// The old configuration and the new one; - for standard input. The new one alone is compared with the default
        /// configuration, which is then the old one.
        #[arg(required = true, num_args = 1..=2, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// What to print.
        #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
        output: DiffFormat,
    },
}

/// `-o` of `effective`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ConfigFormat {
    /// A configuration, with comments.
    #[default]
    Yaml,
    /// An object with the configuration under `config`, and under `provenance` for each path where its value comes from.
    Json,
}

/// `-o` of `diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// A line for each difference; + stands only in the new one, - only in the old one, ~ in both.
    #[default]
    Table,
    /// An object with the hash of each configuration, and under `differences` each path with its values.
    Json,
    /// As JSON, in YAML.
    Yaml,
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs, registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    match &args.command {
        ConfigCommand::Validate { files } => validate(files, registry, streams),
        ConfigCommand::Effective { file, output, no_comments } => {
            let config = load_or_default(file.as_deref(), registry, streams)?;
            show(&config, registry, *output, !no_comments, streams)
        }
        ConfigCommand::Diff { files, output } => compare(files, *output, registry, streams),
    }
}

fn validate(files: &[PathBuf], registry: &Registry, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let mut problems = Vec::new();
    for file in files {
        match load(file, registry, streams) {
            Ok(config) => writeln!(streams.out, "{}: {}", name(file), summary(&config))?,
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Exit::Done) } else { Err(problems.into()) }
}

fn summary(config: &Config) -> String {
    let names: Vec<&str> = config.profiles.iter().map(|profile| profile.scheduler_name.as_str()).collect();
    let profiles = count(names.len() as u64, "profile");
    let extenders = match config.extenders.len() as u64 {
        0 => String::new(),
        number => format!(", {}", count(number, "extender")),
    };
    format!("valid, {profiles} ({}){extenders}, hash {}", names.join(", "), hash(config))
}

fn show(
    config: &Config,
    registry: &Registry,
    format: ConfigFormat,
    provenance: bool,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    match format {
        ConfigFormat::Yaml => {
            if provenance {
                writeln!(streams.out, "# configuration hash: {}", hash(config))?;
            }
            streams.out.write_all(effective::to_yaml(config, registry, provenance).as_bytes())?;
        }
        ConfigFormat::Json => {
            let mut whole = json!({
                "configHash": hash(config),
                "config": effective::to_json(config, registry),
            });
            if provenance {
                whole["provenance"] = Value::Object(effective::provenance(config, registry));
            }
            write_value(&whole, Format::Json, usize::MAX, streams.out)?;
        }
    }
    Ok(Exit::Done)
}

fn compare(
    files: &[PathBuf],
    format: DiffFormat,
    registry: &Registry,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let (old, new) = match files {
        [old, new] => (Some(old.as_path()), new),
        [new] => (None, new),
        _ => return Err(Failure::Message("expected one or two configurations".to_owned())),
    };
    let first = load_or_default(old, registry, streams);
    let second = load(new, registry, streams);
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => {
            let mut problems = first.err().unwrap_or_default();
            problems.extend(second.err().unwrap_or_default());
            return Err(problems.into());
        }
    };
    let changes = diff(&first, &second, registry);
    let whole = || {
        let changes: Vec<Value> = changes.iter().map(change_as_json).collect();
        json!({"oldHash": hash(&first), "newHash": hash(&second), "differences": changes})
    };
    match format {
        DiffFormat::Table => changes.iter().try_for_each(|change| write_change(change, streams))?,
        DiffFormat::Json => write_value(&whole(), Format::Json, 2, streams.out)?,
        DiffFormat::Yaml => write_value(&whole(), Format::Yaml, 2, streams.out)?,
    }
    Ok(if changes.is_empty() { Exit::Done } else { Exit::Pending })
}

fn write_change(change: &Change, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let styles = streams.view.styles;
    let style = match (&change.old, &change.new) {
        (None, _) => styles.good,
        (_, None) => styles.bad,
        _ => styles.doubtful,
    };
    let line = change.to_string();
    if line.chars().count() <= View::READABLE.into() {
        writeln!(streams.out, "{style}{line}{style:#}")?;
        return Ok(());
    }
    // Too much for a line: the path first, and what is old and what is new in lines of their own.
    let (head, values) = line.split_at(line.find(&change.path).unwrap_or_default() + change.path.len());
    writeln!(streams.out, "{style}{head}:{style:#}")?;
    let values = format!("      {}", values.trim_start_matches(": "));
    if values.chars().count() <= View::READABLE.into() {
        writeln!(streams.out, "{style}{values}{style:#}")?;
        return Ok(());
    }
    for (mark, value) in [('-', &change.old), ('+', &change.new)] {
        let Some(value) = value else { continue };
        let mut yaml = Vec::new();
        write_yaml(value, &mut yaml)?;
        for line in String::from_utf8_lossy(&yaml).lines() {
            writeln!(streams.out, "{style}{mark}     {line}{style:#}")?;
        }
    }
    Ok(())
}

/// A side that does not have the value has no field.
fn change_as_json(change: &Change) -> Value {
    let mut object = json!({"path": change.path});
    for (name, value) in [("old", &change.old), ("new", &change.new)] {
        if let Some(value) = value {
            object[name] = value.clone();
        }
    }
    object
}

fn load_or_default(
    file: Option<&Path>,
    registry: &Registry,
    streams: &mut Streams<'_>,
) -> Result<Config, Vec<Problem>> {
    match file {
        Some(file) => load(file, registry, streams),
        None => default_config(registry),
    }
}

/// Reads a configuration and builds its plugins, so that everything that can be wrong with it is found. Warnings go to
/// standard error.
fn load(file: &Path, registry: &Registry, streams: &mut Streams<'_>) -> Result<Config, Vec<Problem>> {
    let name = name(file);
    let text = read_text(file, streams.stdin).map_err(|problem| vec![problem])?;
    let loaded = parse(&text, &name, registry)?;
    for message in &loaded.warnings {
        // Standard error is gone: nobody is left to warn, and the work goes on.
        let _ = warning(&message.to_string(), streams.err, streams.err_styles);
    }
    compile(&loaded.config, registry)?;
    Ok(loaded.config)
}

fn name(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

/// Running a command without a process.
#[cfg(test)]
pub(crate) mod testing {
    use crate::exit::{Exit, Failure, report};
    use crate::output::{ProgressOn, Streams, Styles, View};

    /// What a command left behind.
    pub(crate) struct Ran {
        pub(crate) code: u8,
        pub(crate) out: String,
        pub(crate) err: String,
    }

    impl Ran {
        /// The same without a text, such as the name of a temporary folder.
        pub(crate) fn without(self, text: &str) -> Self {
            Self { out: self.out.replace(text, ""), err: self.err.replace(text, ""), ..self }
        }
    }

    /// Runs a command with this standard input.
    pub(crate) fn on_buffers(input: &str, run: impl FnOnce(&mut Streams<'_>) -> Result<Exit, Failure>) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let result = run(&mut Streams {
            stdin: &mut input.as_bytes(),
            out: &mut out,
            err: &mut err,
            view: View { width: None, styles: Styles::plain() },
            err_styles: Styles::plain(),
            progress: ProgressOn::Nothing,
        });
        let code = report(result, &mut err, Styles::plain()).code();
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Ran { code, out: text(out), err: text(err) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use std::fs;

    use super::testing::{Ran, on_buffers};
    use super::*;
    use crate::input::STDIN;

    const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: ConfigArgs,
    }

    /// Runs `config` with files `a.yaml`, `b.yaml` that go on like this behind their head, in a folder of their own.
    fn ran(command: &[&str], files: &[(&str, &str)]) -> Ran {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, body) in files {
            fs::write(folder.path().join(name), format!("{HEAD}{body}")).expect("it can be written");
        }
        let arguments = command.iter().map(|argument| {
            if files.iter().any(|(name, _)| name == argument) {
                folder.path().join(argument).to_string_lossy().into_owned()
            } else {
                (*argument).to_owned()
            }
        });
        let cli = Cli::try_parse_from(std::iter::once("config".to_owned()).chain(arguments)).expect("it is a command");
        let registry = loadline_plugins::registry();
        let prefix = format!("{}/", folder.path().display());
        on_buffers(HEAD, |streams| run(&cli.args, &registry, streams)).without(&prefix)
    }

    #[test]
    fn a_valid_file() {
        let ran = ran(&["validate", "a.yaml"], &[("a.yaml", "profiles: [{schedulerName: a}, {schedulerName: b}]\n")]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.starts_with("a.yaml: valid, 2 profiles (a, b), hash "), "{}", ran.out);
        assert_eq!(ran.err, "");
    }

    #[test]
    fn wrong_files() {
        let ran = ran(
            &["validate", "a.yaml", "b.yaml", "missing.yaml"],
            &[("a.yaml", "paralelism: 3\nparallelism: 0\n"), ("b.yaml", "")],
        );
        assert_eq!(ran.code, 2);
        assert!(ran.out.starts_with("b.yaml: valid, 1 profile (default-scheduler)"), "{}", ran.out);
        let lines: Vec<&str> = ran.err.lines().collect();
        assert_eq!(lines[0], "a.yaml:3:1: paralelism: unknown field \"paralelism\"; did you mean \"parallelism\"?");
        assert_eq!(lines[1], "a.yaml:4:1: parallelism: Invalid value: 0: should be an integer value greater than zero");
        assert!(lines[2].starts_with("missing.yaml: "), "{}", lines[2]);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn warnings_do_not_make_a_file_wrong() {
        let body = "profiles: [{plugins: {filter: {disabled: [{name: NodeNme}]}}}]\n";
        let ran = ran(&["validate", "a.yaml"], &[("a.yaml", body)]);
        assert_eq!(ran.code, 0);
        assert!(ran.err.starts_with("warning: a.yaml:3:"), "{}", ran.err);
        assert!(ran.err.contains("did you mean \"NodeName\"?"), "{}", ran.err);
    }

    #[test]
    fn effective_reads_back() {
        let shown = ran(&["effective"], &[]);
        assert_eq!((shown.code, shown.err.as_str()), (0, ""));
        let registry = loadline_plugins::registry();
        let again = parse(&shown.out, "again", &registry).expect("it is a configuration");
        let default = default_config(&registry).expect("there is a default");
        assert_eq!(hash(&again.config), hash(&default));
        assert!(shown.out.starts_with(&format!("# configuration hash: {}\n", hash(&default))));
        let plain = ran(&["effective", "--no-comments", STDIN], &[]);
        assert!(!plain.out.contains('#'), "{}", plain.out);
    }

    #[test]
    fn effective_as_json() {
        let ran = ran(&["effective", "a.yaml", "-o", "json"], &[("a.yaml", "parallelism: 2\n")]);
        let whole: Value = serde_json::from_str(&ran.out).expect("it is JSON");
        assert_eq!(whole["config"]["parallelism"], 2);
        assert_eq!(whole["provenance"]["parallelism"], "a.yaml:3");
        assert_eq!(whole["provenance"]["podMaxBackoffSeconds"], "default");
        assert_eq!(whole["configHash"].as_str().map(str::len), Some(16));
    }

    #[test]
    fn differences() {
        let files = [
            ("a.yaml", "parallelism: 2\n"),
            ("b.yaml", "parallelism: 3\nprofiles: [{plugins: {score: {disabled: [{name: ImageLocality}]}}}]\n"),
        ];
        let differ = ran(&["diff", "a.yaml", "b.yaml"], &files);
        assert_eq!(differ.code, 1);
        assert_eq!(
            differ.out,
            "~ parallelism: 2 -> 3\n\
             - profiles[default-scheduler].plugins.score.enabled[ImageLocality]:\n      {\"name\":\"ImageLocality\",\"weight\":1}\n"
        );
        let same = ran(&["diff", "a.yaml", "a.yaml"], &files);
        assert_eq!((same.code, same.out.as_str()), (0, ""));
        let from_default = ran(&["diff", "a.yaml"], &files);
        assert_eq!(from_default.out, "~ parallelism: 16 -> 2\n");
        let from_default = ran(&["diff", "a.yaml", "-o", "json"], &files);
        let whole: Value = serde_json::from_str(&from_default.out).expect("it is JSON");
        assert_eq!(whole["differences"], json!([{"path": "parallelism", "old": 16, "new": 2}]));
    }

    #[test]
    fn long_differences_are_laid_out() {
        let files = [
            ("a.yaml", ""),
            (
                "b.yaml",
                "profiles: [{schedulerName: default-scheduler}, {schedulerName: batch, percentageOfNodesToScore: 7}]\n",
            ),
        ];
        let differ = ran(&["diff", "a.yaml", "b.yaml"], &files);
        assert!(differ.out.starts_with("+ profiles[batch]:\n+     percentageOfNodesToScore: 7\n"), "{}", differ.out);
        assert!(differ.out.lines().all(|line| line.chars().count() <= 100 && line.starts_with('+')), "{}", differ.out);
    }

    #[test]
    fn differences_of_wrong_files() {
        let files = [("a.yaml", "parallelism: 0\n"), ("b.yaml", "parallelism: x\n")];
        let ran = ran(&["diff", "a.yaml", "b.yaml"], &files);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("a.yaml:3:1") && ran.err.contains("b.yaml:3:1"), "{}", ran.err);
    }
}
