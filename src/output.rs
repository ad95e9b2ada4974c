//! What leaves the command: where to, in which form, how wide, and in which colours.

use std::io::{self, IsTerminal, Read, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::ser::Serializer;

use crate::render::lines::Lines;

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; the whole record.
    Json,
    /// As JSON, in YAML.
    Yaml,
}

impl View {
    /// The longest line that reads with ease.
    pub(crate) const READABLE: u16 = 100;

    /// For text that is all prose: wrapped wherever it goes.
    pub(crate) fn for_prose(self) -> Self {
        Self { width: Some(self.width.map_or(Self::READABLE, |width| width.min(Self::READABLE))), ..self }
    }
}

/// The ends of the process, and what is known about them.
pub(crate) struct Streams<'a> {
    /// Standard input.
    pub(crate) stdin: &'a mut dyn Read,
    /// Standard output: results and nothing else.
    pub(crate) out: &'a mut dyn Write,
    /// Standard error: everything that is said about the work.
    pub(crate) err: &'a mut dyn Write,
    /// How tables are to look.
    pub(crate) view: View,
    /// Colours for standard error.
    pub(crate) err_styles: Styles,
    /// Where progress may be drawn.
    pub(crate) progress: ProgressOn,
}

/// Where progress may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressOn {
    /// Standard error is no terminal.
    Nothing,
    /// Both are terminals, so that bars and streamed results would write over each other.
    UnlessStreaming,
    /// Standard error alone is a terminal.
    Terminal,
}

impl ProgressOn {
    fn detect() -> Self {
        match (io::stderr().is_terminal(), io::stdout().is_terminal()) {
            (false, _) => Self::Nothing,
            (true, true) => Self::UnlessStreaming,
            (true, false) => Self::Terminal,
        }
    }

    /// Whether to draw while results in this form are written.
    pub(crate) fn draws(self, format: Format) -> bool {
        match self {
            Self::Nothing => false,
            Self::UnlessStreaming => format == Format::Table,
            Self::Terminal => true,
        }
    }
}

/// How tables are to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Columns of the terminal; `None`: as wide as the content.
    pub(crate) width: Option<u16>,
    /// Colours.
    pub(crate) styles: Styles,
}

/// Colours. They repeat what the words say: nothing is told by them alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Styles {
    /// Heads of tables and sections.
    pub(crate) head: Style,
    /// A pod that has a node.
    pub(crate) good: Style,
    /// A pod without, an error.
    pub(crate) bad: Style,
    /// A pod that waits, a warning.
    pub(crate) doubtful: Style,
}

impl Styles {
    /// None.
    pub(crate) const fn plain() -> Self {
        let none = Style::new();
        Self { head: none, good: none, bad: none, doubtful: none }
    }

    pub(crate) const fn coloured() -> Self {
        Self {
            head: Style::new().bold(),
            good: AnsiColor::Green.on_default(),
            bad: AnsiColor::Red.on_default().bold(),
            doubtful: AnsiColor::Yellow.on_default(),
        }
    }

    fn of(choice: anstream::ColorChoice) -> Self {
        if choice == anstream::ColorChoice::Never { Self::plain() } else { Self::coloured() }
    }
}

/// Runs `work` with the process's own ends. `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are honoured.
pub(crate) fn with_process_streams<T>(work: impl FnOnce(&mut Streams<'_>) -> T) -> T {
    // Standard error is not locked: a scheduler that runs logs to it from all of its threads.
    let (stdout, mut stderr) = (io::stdout(), io::stderr());
    let width =
        stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten().map(|(width, _)| width.0);
    let view = View { width, styles: Styles::of(anstream::AutoStream::choice(&stdout)) };
    let err_styles = Styles::of(anstream::AutoStream::choice(&stderr));
    work(&mut Streams {
        stdin: &mut io::stdin().lock(),
        out: &mut io::BufWriter::with_capacity(1 << 16, stdout.lock()),
        err: &mut stderr,
        view,
        err_styles,
        progress: ProgressOn::detect(),
    })
}

/// Writes `value` in one piece. `open` is how deep JSON is spread over lines; what lies deeper stays on one.
pub(crate) fn write_value(value: &impl Serialize, format: Format, open: usize, out: &mut dyn Write) -> io::Result<()> {
    if format == Format::Yaml {
        return write_yaml(value, out);
    }
    write_json(value, 0, open, out)?;
    writeln!(out)
}

/// Writes JSON as it stands inside of `depth` arrays and objects.
pub(crate) fn write_json(
    value: &(impl Serialize + ?Sized),
    depth: usize,
    open: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Lines::new(depth, open)))?;
    Ok(())
}

/// Writes a YAML document, or a part of one that is not indented.
pub(crate) fn write_yaml(value: &impl Serialize, mut out: &mut dyn Write) -> io::Result<()> {
    serde_saphyr::to_io_writer(&mut out, value).map_err(|error| match error {
        serde_saphyr::ser::Error::IO { error } => error,
        other => io::Error::other(other.to_string()),
    })
}
