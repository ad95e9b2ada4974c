//! How a command ends: its exit code, and what it says when it could not do its work.

use std::io::{self, Write};
use std::process::ExitCode;

use loadline_api::doc::Problem;

use crate::output::Styles;

/// The exit codes, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The work was done. That a pod has no node is a result.
    Done,
    /// `--fail-on-pending` was given and some pod has no node. Also: `config diff` found a difference.
    Pending,
    /// The command line, the input or the configuration is wrong, or the output could not be written.
    Refused,
    /// `--keep-going` was given, and some objects were left out.
    Partial,
    /// The scheduler was told to end, and lost the lease before what was under way had ended.
    Lost,
}

impl Exit {
    /// The number that the process ends with.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Pending | Self::Lost => 1,
            Self::Refused => 2,
            Self::Partial => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is wrong with files, each problem with its place.
    Problems(Vec<Problem>),
    /// Anything else, in words; further lines may say what to do.
    Message(String),
    /// The output could not be written.
    Output(io::Error),
}

impl Failure {
    /// From anything that has words.
    pub(crate) fn message(error: &impl ToString) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Says on `err` what went wrong, and gives the exit code.
pub(crate) fn report(result: Result<Exit, Failure>, err: &mut dyn Write, styles: Styles) -> Exit {
    let failure = match result {
        Ok(exit) => return exit,
        Err(failure) => failure,
    };
    // When standard error is gone as well there is nobody left to tell.
    let _ = match &failure {
        // Whoever read the output has seen enough, as in `loadline explain … | head`.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Done,
        Failure::Problems(problems) => say_problems(problems, err, styles),
        Failure::Message(message) => error(message, err, styles),
        Failure::Output(cause) => error(&format!("can not write the output: {cause}"), err, styles),
    };
    Exit::Refused
}

fn say_problems(problems: &[Problem], err: &mut dyn Write, styles: Styles) -> io::Result<()> {
    list_problems(problems, err)?;
    let count = problems.len();
    let s = if count == 1 { "" } else { "s" };
    error(&format!("{count} problem{s} found; nothing was done"), err, styles)
}

/// One problem a line. The place stands first, so that editors and terminals can jump to it.
pub(crate) fn list_problems(problems: &[Problem], err: &mut dyn Write) -> io::Result<()> {
    problems.iter().try_for_each(|problem| writeln!(err, "{problem}"))
}

fn error(message: &str, err: &mut dyn Write, styles: Styles) -> io::Result<()> {
    let bad = styles.bad;
    writeln!(err, "{bad}error:{bad:#} {message}")
}

/// A line on standard error about something that does not stop the work.
pub(crate) fn warning(message: &str, err: &mut dyn Write, styles: Styles) -> io::Result<()> {
    let doubtful = styles.doubtful;
    writeln!(err, "{doubtful}warning:{doubtful:#} {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Result<Exit, Failure>) -> (u8, String) {
        let mut err = Vec::new();
        let exit = report(result, &mut err, Styles::plain());
        (exit.code(), String::from_utf8(err).expect("messages are UTF-8"))
    }

    #[test]
    fn every_problem_is_listed() {
        let problems = vec![Problem::of_file("a.yaml", "is a folder"), Problem::of_file("b.yaml", "no such file")];
        assert_eq!(
            said(Err(problems.into())),
            (2, "a.yaml: is a folder\nb.yaml: no such file\nerror: 2 problems found; nothing was done\n".to_owned())
        );
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(said(Err(gone.into())), (0, String::new()));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let (code, text) = said(Err(full.into()));
        assert_eq!(code, 2);
        assert!(text.starts_with("error: can not write the output: "), "{text}");
    }
}
