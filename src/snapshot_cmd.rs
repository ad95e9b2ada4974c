//! `loadline snapshot`: what decisions depend on in a cluster, in a file; and the same in memory for `explain` without one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use loadline_kubernetes::snapshot::{Snapshot, SnapshotError, Taken};
use loadline_simulator::Progress;

use crate::cli::Cluster;
use crate::exit::{Exit, Failure, warning};
use crate::input::STDIN;
use crate::output::{Format, Streams};
use crate::progress::Bar;
use crate::render::count;

const EXAMPLES: &str = "\
Examples:
  loadline snapshot save cluster.json
  loadline snapshot save - --context test | gzip > test.json.gz
  loadline simulate -f cluster.json -f new-deployment.yaml --fail-on-pending";

/// Arguments of `snapshot`.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    /// Write all objects that decisions depend on into a file.
    ///
    /// It takes the right to list them, and changes nothing in the cluster. Of the pods' containers only name, image, ports and
    /// resources are kept, of annotations those that decisions depend on: no command, no environment, and no Secret or ConfigMap is read.
    #[command(after_long_help = EXAMPLES)]
    Save {
        /// The file; - for standard output.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        cluster: Cluster,
    },
}

/// Runs the command.
pub(crate) fn run(args: &SnapshotArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let SnapshotCommand::Save { file, cluster } = &args.command;
    let mut bar = Bar::new(streams.progress.draws(Format::Table));
    let taken = if file == Path::new(STDIN) {
        // Nothing is on standard output when the cluster can not be listed.
        let mut list = Vec::new();
        let taken = take(cluster, &mut list, &mut bar)?;
        streams.out.write_all(&list)?;
        taken
    } else {
        let kept = Unfinished::create(file).map_err(|error| not_written(file, &error))?;
        let mut out = BufWriter::with_capacity(1 << 16, &kept.file);
        let taken = take(cluster, &mut out, &mut bar)?;
        out.flush().map_err(|error| not_written(file, &error))?;
        drop(out);
        kept.finish(file).map_err(|error| not_written(file, &error))?;
        taken
    };
    say(&taken, streams)?;
    writeln!(streams.err, "{} saved", count(taken.objects, "object"))?;
    Ok(Exit::Done)
}

/// The list of the cluster's objects as text.
pub(crate) fn in_memory(cluster: &Cluster, bar: &mut Bar, streams: &mut Streams<'_>) -> Result<Vec<u8>, Failure> {
    let mut list = Vec::new();
    let taken = take(cluster, &mut list, bar)?;
    say(&taken, streams)?;
    Ok(list)
}

fn take(cluster: &Cluster, out: &mut (dyn Write + Send), bar: &mut Bar) -> Result<Taken, Failure> {
    let taken = block_on(async {
        let snapshot = Snapshot::of(&cluster.access()).await?;
        let mut progress = |objects| {
            bar.show(&Progress::Reading { file: "the cluster".to_owned(), objects, bytes_total: 0 });
        };
        snapshot.write(out, &mut progress).await
    })?;
    bar.clear();
    taken.map_err(|error| match error {
        SnapshotError::Write(error) => Failure::Output(error),
        error => Failure::message(&error),
    })
}

/// Runs what asks a cluster, in a command that has nothing else to do meanwhile.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::message(&error))?.block_on(work))
}

fn say(taken: &Taken, streams: &mut Streams<'_>) -> io::Result<()> {
    taken.left_out.iter().try_for_each(|what| warning(&format!("left out: {what}"), streams.err, streams.err_styles))
}

fn not_written(file: &Path, error: &io::Error) -> Failure {
    Failure::Message(format!("{}: {error}", file.display()))
}

/// A file that takes its name only when it is whole, so that a failure leaves what was there before.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    fn create(wanted: &Path) -> io::Result<Self> {
        let mut name = wanted.file_name().ok_or_else(|| io::Error::other("not the name of a file"))?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = wanted.with_file_name(name);
        // What runs in a cluster is not for everybody's eyes.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    fn finish(mut self, wanted: &Path) -> io::Result<()> {
        fs::rename(&self.path, wanted)?;
        self.path.clear();
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // It is of no use, and if it can not be removed so be it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
